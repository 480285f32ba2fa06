"""What the reservoir estimators share: random features of sequences, read out by a solved readout.

Imports scikit-learn and layers 0 to 2.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils.validation import check_is_fitted

from ..nn import (
    POOLINGS,
    NumericInput,
    Reservoir,
    StaticInput,
    TokenInput,
    length_mask,
    reservoir_states,
)
from ..sequences import (
    Interval,
    Sequences,
    StrOptions,
    Unused,
    Versioned,
    _fit_context,
    align_targets,
    all_or_nothing,
    check_missing,
    check_weights,
    check_X,
    kept_if_interrupted,
    labels_as_parts,
    refuse_long_table,
    require_memory,
    warn_of_unused,
)
from ..training import (
    Batch,
    FlatStorage,
    NormalEquations,
    Origins,
    RidgeReadout,
    StepStatistics,
    cpu_threads,
    load_weights,
    names_parameters,
    prediction_batches,
    resolve_device,
    static_statistics,
    step_statistics,
    width_statistics,
)
from ._closed_form import block_keys, difference_scale, keys
from ._labels import times_class_weight
from ._report import Report, baselines_of, empty_report, judged, warn_of_baseline
from ._targets import Kinds, SolvedTarget, read_y, target_of
from ._tokens import fit_transform, n_threads, private_stream

# Up to this many sequences the dual form is solved, whose cost grows with their number.
_DUAL_ROWS = 3000
# Gains from readout to logits that are tried for each penalty; the last is then refined.
_GAINS = np.logspace(-0.5, 1.5, 9)


class SolvedReadout:
    """Sums of features and targets, and the readout that they determine.

    Parameters
    ----------
    target : SolvedTarget
        What kind of outputs there are.
    n_features, n_outputs : int
        Sizes.
    alpha : float, array or "auto"
        The penalty, or what to choose it from.
    emphasis : ndarray or None
        As in `NormalEquations.solve`.
    """

    def __init__(
        self,
        target: SolvedTarget,
        n_features: int,
        n_outputs: int,
        alpha: Any,
        emphasis: np.ndarray | None,
    ) -> None:
        self.target, self.alpha, self.emphasis = target, alpha, emphasis
        dual = 0 if target.by_step else min(n_features, _DUAL_ROWS)
        self.sums: NormalEquations | None = NormalEquations(n_features, n_outputs, max_rows=dual)
        self._solution: RidgeReadout | None = None
        self._gain, self._bound = 1.0, np.inf
        self.keeps_sums = True

    def copy(self) -> SolvedReadout:
        """Return a readout that can be added to, while this one stays as it is."""
        assert self.sums is not None
        other = copy.copy(self)
        other.sums, other._solution = self.sums.copy(), None
        return other

    def add(self, *portion: Any) -> None:
        """Add samples, as `NormalEquations.add` takes them."""
        assert self.sums is not None
        self.sums.add(*portion)
        self._solution = None

    @property
    def solution(self) -> RidgeReadout:
        """The readout of what has been added so far."""
        if self._solution is None:
            assert self.sums is not None
            solution = self.sums.solve(
                self._judge,
                alpha=None if isinstance(self.alpha, str) else self.alpha,
                emphasis=self.emphasis,
            )
            self._gain = self._best_gain(solution)
            self._bound = max(float(np.abs(solution.left_out).max()), 1e-12)
            # Last, as it says that the others are there.
            self._solution = solution
        return self._solution

    def answer(self, features: torch.Tensor) -> np.ndarray:
        """Return numbers, or probabilities, one column an output or class."""
        solution = self.solution
        weight = torch.from_numpy(solution.weight).to(features)
        raw = (features @ weight).double().cpu().numpy() + solution.bias
        # The gain is known once the readout is solved.
        return self.target.solved_answers(raw, self._gain, self._bound)

    def _judge(self, left_out: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> float:
        """Return the loss of left-out predictions, labels at the gain that serves them best."""
        if not self.target.is_labels:
            level = np.average(targets, axis=0, weights=weights)
            spread = np.average((targets - level) ** 2, axis=0, weights=weights)
            errors = (left_out - targets) ** 2 / np.where(spread > 0, spread, 1)
            return float(np.average(errors.mean(axis=1), weights=weights))
        return min(self._log_loss(gain, left_out, targets, weights) for gain in _GAINS)

    def _log_loss(
        self, gain: float, left_out: np.ndarray, targets: np.ndarray, weights: np.ndarray
    ) -> float:
        """Return the weighted log loss of left-out predictions at a gain."""
        losses = self.target.losses(gain * left_out, (targets + 1) / 2)
        return float(np.average(losses, weights=weights))

    def _best_gain(self, solution: RidgeReadout) -> float:
        """Return the gain at which left-out predictions have the smallest log loss."""
        if not self.target.is_labels:
            return 1.0
        found = minimize_scalar(
            lambda log: self._log_loss(
                np.exp(log), solution.left_out, solution.targets, solution.weights
            ),
            bounds=(np.log(_GAINS[0]), np.log(_GAINS[-1])),
            method="bounded",
        )
        return float(np.exp(found.x))

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if not self.keeps_sums:
            _ = self.solution
            state = {**self.__dict__, "sums": None}
        if self._solution is not None:
            # Solving is over: what was left out, whose it was and its targets are of no more use.
            none = np.zeros((0, len(self._solution.bias)))
            state["_solution"] = replace(
                self._solution,
                left_out=none,
                levelled=none,
                targets=none,
                weights=none[:, 0],
                keys=[],
            )
        return state


# Random coordinates that stand for each token.
_TOKEN_SIZE = 64
# Padded steps of a batch that answers at every step, whose states are held at once.
_STEPS_AT_ONCE = 8192


@dataclass(frozen=True, kw_only=True)
class ReservoirConfig:
    """The architecture as plain values; see `Reservoir` for those from the units on."""

    n_channels: int
    vocabulary_size: int | None
    indicator: bool
    static_cardinalities: tuple[int | None, ...]
    units: int
    time_scales: tuple[tuple[float, float], ...]
    input_scale: float
    poolings: tuple[str, ...]
    bidirectional: bool
    timed: bool = False

    def size(self, n_rows: int) -> int:
        """Return about how many bytes the reservoir takes, with the features of this many rows."""
        blocks = len(self.time_scales) * (2 if self.bidirectional else 1)
        inputs = 2 * (self.n_channels if self.vocabulary_size is None else _TOKEN_SIZE)
        features = blocks * self.units * len(self.poolings)
        # Weights are drawn and their eigenvalues found beside them.
        return 8 * (3 * blocks * self.units * (self.units + inputs) + features * n_rows)


class ReservoirFeatures:
    """A drawn reservoir with the scaling before it.

    Parameters
    ----------
    config : ReservoirConfig
        Sizes and options.
    device : torch.device
        Where it computes, in float64 where that exists.
    """

    def __init__(self, config: ReservoirConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        # Built on the meta device, the embedding draws nothing from torch's global generator.
        if config.vocabulary_size is None:
            self.input: torch.nn.Module = NumericInput(config.n_channels, config.indicator)
        else:
            with torch.device("meta"):
                self.input = TokenInput(config.vocabulary_size, _TOKEN_SIZE, timed=config.timed)
            self.input.to_empty(device="cpu")
        size: int = int(self.input.output_size)
        self.reservoir = Reservoir(
            size,
            config.units,
            time_scales=config.time_scales,
            input_scale=config.input_scale,
            poolings=config.poolings,
            bidirectional=config.bidirectional,
        )
        self.static: StaticInput | None = None
        if config.static_cardinalities:
            with torch.device("meta"):
                self.static = StaticInput(config.static_cardinalities)
            self.static.to_empty(device="cpu")
        self.origins: Origins = (None, None)
        self.n_static = 0 if self.static is None else self.static.plain_size
        for part in self._parts().values():
            part.to(device=device, dtype=self.dtype).eval().requires_grad_(False)

    @property
    def dtype(self) -> torch.dtype:
        """Number type; MPS has no double precision."""
        return torch.float32 if self.device.type == "mps" else torch.float64

    @property
    def pooled_size(self) -> int:
        """Pooled states and static features of a sequence."""
        return self.reservoir.output_size + self.n_static

    @property
    def step_size(self) -> int:
        """States, standardised input and static features at a step."""
        return self.reservoir.state_size + int(self.input.output_size) + self.n_static  # type: ignore[arg-type]

    @property
    def emphasis(self) -> np.ndarray | None:
        """Weigh static features up, so that together they count as half of what is read out."""
        if not self.n_static:
            return None
        factors = np.ones(self.pooled_size)
        factors[-self.n_static :] = np.sqrt(self.reservoir.output_size / self.n_static)
        return factors

    def draw(
        self,
        sequences: Sequences,
        rows: np.ndarray,
        weights: np.ndarray | None,
        statistics: StepStatistics | None,
        seed: int,
        n: int,
    ) -> None:
        """Draw the reservoir, and take the scaling from the rows, with n threads."""
        generator = torch.Generator().manual_seed(seed)
        self.reservoir.draw(generator)
        if isinstance(self.input, TokenInput):
            table = self.input.embedding.weight
            drawn = torch.empty(table.shape, dtype=torch.float64).normal_(generator=generator)
            drawn[-1] = 0
            table.copy_(drawn)
        if statistics is not None:
            assert isinstance(self.input, NumericInput | TokenInput)
            self.input.set_statistics(
                torch.from_numpy(statistics.mean), torch.from_numpy(statistics.scale)
            )
        if self.static is not None:
            mean, scale, known = static_statistics(sequences, rows, weights)
            self.static.set_statistics(torch.from_numpy(mean), torch.from_numpy(scale))
            self.origins = None, known
        if statistics is not None:
            self.origins = statistics.origin, self.origins[1]
        storage = FlatStorage(sequences, self.device, self.dtype, self.origins)
        self.reservoir.difference_scale.copy_(
            difference_scale(self.input, storage, rows, weights, n_threads=n)
        )

    def pooled(
        self, sequences: Sequences, rows: np.ndarray | None, n: int
    ) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        """Yield rows and their pooled features, batch by batch, with n threads."""
        storage = FlatStorage(sequences, self.device, self.dtype, self.origins)
        for batch in prediction_batches(storage, rows):
            with torch.inference_mode(), cpu_threads(n):
                states = self.reservoir(self.input(batch.x), batch.lengths)
                features = torch.cat((states, *self._known(batch)), 1)
            yield batch.rows, features

    def steps(
        self, sequences: Sequences, rows: np.ndarray | None, n: int
    ) -> Iterator[tuple[np.ndarray, int, torch.Tensor, torch.Tensor]]:
        """Yield rows, the first step of a piece, features (B, t, F) and which of them are real."""
        storage = FlatStorage(sequences, self.device, self.dtype, self.origins)
        for batch in prediction_batches(storage, rows, max_steps=_STEPS_AT_ONCE):
            with torch.inference_mode(), cpu_threads(n):
                x = self.input(batch.x)
                mask = length_mask(batch.lengths, x.shape[1])
                known = [part[:, None] for part in self._known(batch)]
            pieces = reservoir_states(self.reservoir, x, batch.lengths)
            while True:
                # What is handed on is used outside: an error there must not leave the mode on.
                with torch.inference_mode(), cpu_threads(n):
                    start, states = next(pieces, (0, None))
                    if states is None:
                        break
                    here = slice(start, start + states.shape[1])
                    parts = [states, x[:, here]]
                    parts += [part.expand(-1, states.shape[1], -1) for part in known]
                    features = torch.cat(parts, 2)
                yield batch.rows, start, features, mask[:, here]

    def of_targets(
        self, sequences: Sequences, n: int, *, by_step: bool
    ) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        """Yield places of targets, one a sequence or a step, and what is known of each."""
        if not by_step:
            yield from self.pooled(sequences, None, n)
            return
        for rows, start, features, mask in self.steps(sequences, None, n):
            yield flat_places(sequences, rows, start, mask), features[mask]

    def _known(self, batch: Batch) -> list[torch.Tensor]:
        """Return the static features of a batch, if there are any."""
        return [] if self.static is None else [self.static.plain(batch.static)]  # type: ignore[arg-type]

    def _parts(self) -> dict[str, torch.nn.Module]:
        """Return the modules by name."""
        parts = {"input": self.input, "reservoir": self.reservoir, "static": self.static}
        return {name: part for name, part in parts.items() if part is not None}

    def __getstate__(self) -> dict[str, Any]:
        weights = {
            name: {key: value.cpu().numpy().copy() for key, value in part.state_dict().items()}
            for name, part in self._parts().items()
        }
        return {
            "config": self.config,
            "device": str(self.device),
            "weights": weights,
            "origins": self.origins,
        }

    @cpu_threads(1)
    def __setstate__(self, state: Mapping[str, Any]) -> None:
        try:
            device = resolve_device(state["device"])
        except ValueError:
            device = torch.device("cpu")
        self.__init__(state["config"], device)  # type: ignore[misc]
        self.origins = state.get("origins", (None, None))
        for name, part in self._parts().items():
            load_weights(part, state["weights"][name])


def flat_places(
    sequences: Sequences, rows: np.ndarray, start: int, mask: torch.Tensor
) -> np.ndarray:
    """Return the flat positions of the real steps of a piece, row after row."""
    where = np.asarray(sequences.offsets)[rows][:, None] + start + np.arange(mask.shape[1])
    return np.asarray(where[mask.cpu().numpy()])


# Samples that are added to the sums at once.
_PORTION = 512


class BaseReservoir(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    Versioned,
    BaseEstimator,
):
    """A drawn reservoir: its parameters, the reading of X, pooled features, states by step."""

    _parameter_constraints: dict[str, list] = {
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "spectral_radius": [Interval(Real, 0, None, closed="left"), tuple, list, np.ndarray],
        "leak_rate": [Interval(Real, 0, 1, closed="right"), tuple, list, np.ndarray],
        "input_scale": [Interval(Real, 0, None, closed="neither")],
        "bidirectional": ["boolean"],
        "pooling": [str, tuple, list],
        "missing": [StrOptions({"auto", "indicator", "mean", "error"})],
        "device": [str, torch.device],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }
    hidden_size: int
    spectral_radius: Any
    leak_rate: Any
    input_scale: float
    bidirectional: bool
    pooling: Any
    missing: str
    device: str
    n_jobs: int | None
    random_state: Any

    fit_transform = fit_transform
    _features: ReservoirFeatures

    def _read(self, X: Any, *, reset: bool) -> Sequences:
        """Check X against what the model was fitted on."""
        sequences = check_X(self, X, reset=reset)
        if self.missing == "error":
            check_missing(sequences, type(self).__name__)
        return sequences

    @names_parameters
    def _draw(self, sequences: Sequences, rows: np.ndarray, weights: np.ndarray | None) -> None:
        """Draw the reservoir and take the scaling from some rows."""
        radii = np.atleast_1d(np.asarray(self.spectral_radius, dtype=np.float64))
        leaks = np.atleast_1d(np.asarray(self.leak_rate, dtype=np.float64))
        if (
            radii.ndim != 1
            or leaks.ndim != 1
            or (len(radii) != len(leaks) and 1 not in (len(radii), len(leaks)))
        ):
            raise ValueError(
                "spectral_radius and leak_rate must have one entry for each time scale; got "
                f"{self.spectral_radius!r} and {self.leak_rate!r}."
            )
        radii, leaks = np.broadcast_arrays(radii, leaks)
        if not (radii >= 0).all():
            raise ValueError(f"spectral_radius must not be negative; got {self.spectral_radius!r}.")
        if not ((leaks > 0) & (leaks <= 1)).all():
            raise ValueError(f"leak_rate must be in (0, 1]; got {self.leak_rate!r}.")
        poolings = self.pooling
        if isinstance(poolings, str):
            poolings = POOLINGS if poolings == "all" else poolings.split("+")
        unknown = [name for name in poolings if name not in POOLINGS]
        if unknown or not len(poolings):
            raise ValueError(f"pooling must be 'all' or among {POOLINGS}; got {self.pooling!r}.")
        categories = sequences.static_categories or ()
        n_static = 0 if sequences.static is None else sequences.static.shape[1]
        known = tuple(len(c) if c else None for c in categories) or (None,) * n_static
        of_steps = width_statistics if sequences.is_tokens else step_statistics
        statistics = of_steps(sequences, rows, weights)
        indicator = self.missing == "indicator" or (
            self.missing == "auto" and statistics is not None and statistics.has_missing
        )
        config = ReservoirConfig(
            n_channels=sequences.n_channels + (sequences.times is not None),
            vocabulary_size=sequences.vocabulary_size,
            timed=sequences.is_tokens and sequences.times is not None,
            indicator=indicator,
            static_cardinalities=known,
            units=int(self.hidden_size),
            time_scales=tuple(zip(radii.tolist(), leaks.tolist(), strict=True)),
            input_scale=float(self.input_scale),
            poolings=tuple(poolings),
            bidirectional=bool(self.bidirectional),
        )
        require_memory(self, config.size(len(rows)))
        seed = int(private_stream(self.random_state).randint(0, 2**31 - 1))
        features = ReservoirFeatures(config, resolve_device(self.device))
        features.draw(sequences, rows, weights, statistics, seed, n_threads(self.n_jobs))
        self._features = features
        self._n_features_out = features.pooled_size

    @names_parameters
    def transform(self, X: Any) -> np.ndarray:
        """Return the pooled states of each sequence, and its static features beside them.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features_out), float64
            For each direction and time scale the chosen poolings of its units, one pooling after
            the other.
        """
        check_is_fitted(self)
        sequences = self._read(X, reset=False)
        found = np.empty((len(sequences), self._features.pooled_size))
        for rows, features in self._features.pooled(sequences, None, n_threads(self.n_jobs)):
            found[rows] = features.cpu().numpy()
        return found

    @names_parameters
    def hidden_states(self, X: Any) -> Sequences:
        """Return the states of all units at every step.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        states : Sequences
            One sequence for each of X, with ``hidden_size`` channels for each time scale, those
            of the forward direction first.
        """
        check_is_fitted(self)
        sequences = self._read(X, reset=False)
        size = self._features.reservoir.state_size
        states = np.empty((int(sequences.offsets[-1]), size))
        for places, features in self._features.of_targets(
            sequences, n_threads(self.n_jobs), by_step=True
        ):
            states[places] = features[:, :size].cpu().numpy()
        return Sequences(states, sequences.offsets)._with(**labels_as_parts(sequences))

    def _report_fit(self, X: Any, y: Any) -> None:
        """Tell scikit-learn's callbacks that a fit is done."""
        context = self._init_callback_context()
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        with kept_if_interrupted():
            context.call_on_fit_task_end(
                estimator=self, X=X, y=y, reconstruction_attributes=self._fitted_state
            )

    def _fitted_state(self) -> dict[str, Any]:
        """Return the attributes that make a clone of this estimator able to predict."""
        parameters = self.get_params(deep=False)
        return {
            key: value
            for key, value in self.__dict__.items()
            if key not in parameters and "callback" not in key
        }

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "_features" in state:
            # An unfitted copy takes its callbacks along to a worker; a saved model has none.
            for key in [k for k in state if k.startswith("_") and "callback" in k]:
                del state[key]
        return state

    def __sklearn_is_fitted__(self) -> bool:
        return "_features" in self.__dict__

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing != "error"
        tags.transformer_tags.preserves_dtype = []
        return tags


class ReservoirPredictor(BaseReservoir):
    """A reservoir with a readout solved by ridge regression."""

    _parameter_constraints: dict[str, list] = {
        **BaseReservoir._parameter_constraints,
        "alpha": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="neither"),
            tuple,
            list,
            np.ndarray,
        ],
    }
    _unused = (
        Unused(
            ("pooling",),
            lambda model: model._target.by_step,
            "y has one target a step, none is pooled",
        ),
    )
    alpha: Any
    report_: Report
    class_weight: Any = None
    #: The kinds of targets that the estimator takes.
    _kinds: Kinds
    _target: SolvedTarget
    _readout: SolvedReadout

    def _check_alpha(self) -> None:
        """Refuse penalties that are no positive numbers, or none at all."""
        if isinstance(self.alpha, str):
            return
        try:
            values = np.atleast_1d(np.asarray(self.alpha, dtype=np.float64))
        except (TypeError, ValueError):
            values = np.zeros(0)
        if values.ndim != 1 or not len(values) or not ((values > 0) & (values < np.inf)).all():
            raise ValueError(
                "alpha must be 'auto', a number in the range (0, inf) or one or several of them "
                f"in a list; got {self.alpha!r}."
            )

    def _weigh(
        self, y: Any, weights: np.ndarray | None, sequences: Sequences
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights of the sequences, and of the targets, class weights included."""
        each = np.ones(len(sequences)) if weights is None else weights
        target, by_target = self._target, self._target.spread(each, sequences)
        if self.class_weight is not None:
            by_target = times_class_weight(by_target, self.class_weight, target.labels_of(y))
            if not target.by_step:
                # A class of weight zero teaches nothing.
                each = np.where(by_target > 0, each, 0.0)
        return each, by_target

    @all_or_nothing
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Draw the reservoir and solve the readout.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences of n_samples sequences
            The sequences, in any of the accepted forms: a 2-D array ``(n_samples, n_steps)``
            of univariate sequences, a 3-D array ``(n_samples, n_steps, n_channels)``, a list of
            ``(n_steps_i,)`` or ``(n_steps_i, n_channels)`` arrays, a data frame with list
            columns, or `Sequences`. NaN means missing.
        y : array-like or list of n_samples targets
            One target a sequence, several, or one or several at every step. Where X and y have
            labels, the `ids` of `Sequences` and the index of pandas data, y is aligned by them,
            and so are weights; labels that differ are refused.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sequence: two is the same as the sequence given twice.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError
            If an input or a parameter cannot be used; the message names it.
        """
        sequences, rows, encoded, weights = self._add(X, y, sample_weight, reset=True)
        warn_of_unused(self, self._unused)
        self._readout.keeps_sums = False
        self._set_report(sequences, rows, encoded, weights)
        self._report_fit(X, align_targets(X, y)[0])
        return self

    @names_parameters
    def _set_report(
        self,
        sequences: Sequences,
        rows: np.ndarray,
        encoded: np.ndarray,
        weights: np.ndarray,
    ) -> None:
        """Hold left-out predictions against those of the baselines."""
        solution = self._readout.solution
        baselines = baselines_of(self._target, self._features.origins)
        assert baselines is not None, "there is a baseline for every target of these"
        found = baselines.fit(sequences, rows, encoded, weights, left_out=True)
        sizes = np.array([size for _, size in solution.keys])
        shared = np.array([key in found for key, _ in solution.keys])
        lines = np.repeat(shared, sizes)
        if not lines.any():
            self.report_ = empty_report(self._target, baselines)
            return
        groups = np.repeat(np.arange(shared.sum()), sizes[shared])
        unit = "blocks of steps" if self._target.by_step else "training sequences"
        self.report_ = judged(
            baselines,
            solution.targets[lines],
            solution.levelled[lines],
            np.concatenate([found[key] for key, _ in solution.keys if key in found]),
            solution.weights[lines],
            groups,
            f"{unit}, each left out in turn",
            left_out_of=float(weights.sum()),
        )
        warn_of_baseline(self.report_, type(self).__name__, "Take the simpler model.")

    @names_parameters
    def _add(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool, classes: Any = None
    ) -> tuple[Sequences, np.ndarray, np.ndarray, np.ndarray]:
        """Read, encode and weigh; start anew if wanted; add to the sums; return what was added."""
        self.__dict__.pop("report_", None)
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        refuse_long_table(X, y)
        self._check_alpha()
        sequences = self._read(X, reset=reset)
        y, sample_weight = align_targets(X, y, sample_weight)
        prepared = read_y(self, y, sequences)
        if reset:
            target = target_of(self, prepared, sequences, classes).solved
            assert target is not None, "readouts are solved for all kinds of these"
            self._target = target
        encoded = self._target.encode(prepared, sequences)
        each, by_target = self._weigh(
            prepared, check_weights(sample_weight, len(sequences)), sequences
        )
        rows = np.flatnonzero(each)
        if not len(rows):
            raise ValueError("sample_weight is zero for every training sequence.")
        wanted, seen = encoded, self._target.observed(encoded)
        if seen is not None:
            by_target, wanted = by_target * seen, np.where(seen[:, None], wanted, 0.0)
        wanted, by_step = self._target.columns(wanted), self._target.by_step
        if reset:
            self._draw(sequences, rows, each)
            found, size, emphasis = self._features, self._features.step_size, None
            if not by_step:
                size, emphasis = found.pooled_size, found.emphasis
            self._readout = SolvedReadout(self._target, size, wanted.shape[1], self.alpha, emphasis)
        elif self._readout.sums is None:
            raise ValueError(
                f"This {type(self).__name__} was fitted by fit and then saved, which keeps no "
                "sums to go on from; make the first call partial_fit."
            )
        else:
            self._readout = self._readout.copy()
        add = self._add_steps if by_step else self._add_pooled
        add(sequences, rows, wanted, by_target)
        return sequences, rows, encoded, each if by_step else by_target

    def _add_pooled(
        self, sequences: Sequences, rows: np.ndarray, wanted: np.ndarray, weights: np.ndarray
    ) -> None:
        """Add one sample a sequence."""
        for here, features in _portions(
            self._features.pooled(sequences, rows, n_threads(self.n_jobs))
        ):
            self._readout.add(keys(sequences, here), features, wanted[here], weights[here])

    def _add_steps(
        self, sequences: Sequences, rows: np.ndarray, wanted: np.ndarray, weights: np.ndarray
    ) -> None:
        """Add one sample a step, in blocks of consecutive steps that are left out together."""
        digests = dict(zip(rows.tolist(), keys(sequences, rows), strict=True))
        for here, start, features, mask in self._features.steps(
            sequences, rows, n_threads(self.n_jobs)
        ):
            places = flat_places(sequences, here, start, mask)
            counts = mask.sum(1).tolist()
            names, sizes = block_keys([digests[row] for row in here.tolist()], counts, start)
            self._readout.add(
                names,
                features[mask].cpu().numpy().astype(np.float64, copy=False),
                wanted[places],
                weights[places],
                sizes,
            )

    @names_parameters
    def _predict_raw(self, sequences: Sequences) -> np.ndarray:
        """Return numbers or probabilities, by row or flat by step."""
        by_step = self._target.by_step
        result: np.ndarray | None = None
        for places, features in self._features.of_targets(
            sequences, n_threads(self.n_jobs), by_step=by_step
        ):
            values = self._readout.answer(features)
            if result is None:
                n_targets = int(sequences.offsets[-1]) if by_step else len(sequences)
                result = np.empty((n_targets, values.shape[1]))
            result[places] = values
        assert result is not None, "there is at least one row"
        return result

    def _read_for_prediction(self, X: Any) -> Sequences:
        """Check that the model is fitted, and X against what it was fitted on."""
        check_is_fitted(self)
        return self._read(X, reset=False)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = any(kind.several_outputs for kind in self._kinds)
        return tags

    @property
    def alpha_(self) -> float:
        """The penalty of the readout, on standardised features."""
        if not self.__sklearn_is_fitted__():
            raise AttributeError(f"This {type(self).__name__} instance is not fitted yet.")
        return self._readout.solution.alpha

    def __sklearn_is_fitted__(self) -> bool:
        return "_readout" in self.__dict__


def _portions(
    batches: Iterator[tuple[np.ndarray, torch.Tensor]],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Join batches of features to portions that are worth adding."""
    rows: list[np.ndarray] = []
    found: list[np.ndarray] = []
    waiting = 0
    for here, features in batches:
        rows.append(here)
        found.append(features.cpu().numpy().astype(np.float64, copy=False))
        waiting += len(here)
        if waiting >= _PORTION:
            yield np.concatenate(rows), np.concatenate(found)
            rows, found, waiting = [], [], 0
    if waiting:
        yield np.concatenate(rows), np.concatenate(found)
