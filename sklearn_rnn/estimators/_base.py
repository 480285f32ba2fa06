"""What every estimator shares: parameters, the way from X and y to a trained network, prediction.

Imports scikit-learn and layers 0 to 2. Each estimator is one file beside this one.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from ..nn import NetworkConfig, build_network
from ..sequences import Sequences, check_missing, check_weights, check_X
from ..sequences._sklearn import Interval, StrOptions, _fit_context
from ..training import (
    OPTIMIZERS,
    SCHEDULES,
    BestWeights,
    DivergenceError,
    EpochRecord,
    FlatStorage,
    Progress,
    Recipe,
    TrainingBatches,
    auto_batch_size,
    auto_epochs,
    configure,
    make_net,
    resolve_compute,
    step_statistics,
    train,
)
from ._closed_form import UNITS, ClosedForm, wants_reservoir
from ._describe import DescribedNetworkMixin
from ._fitted import FittedNetMixin
from ._prediction import PredictionMixin
from ._scaling import static_statistics, target_statistics
from ._targets import Target
from ._torch_errors import names_parameters
from ._validation_split import split_rows

# Share of the sequences that weighs the recurrence against the reservoir, and does not train it.
_MIXING_FRACTION = 0.2
_CELLS = {"rnn", "lstm", "gru", "gru_reset_before", "cifg", "mingru", "minlstm"}


class BaseRNN(
    PredictionMixin,
    FittedNetMixin,
    DescribedNetworkMixin,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    BaseEstimator,
    ABC,
):
    """Shared parameters, the fit skeleton and prediction; the estimators add their targets."""

    _parameter_constraints: dict[str, list] = {
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "cell": [StrOptions(_CELLS), type],
        "num_layers": [Interval(Integral, 1, None, closed="left")],
        "bidirectional": ["boolean"],
        "nonlinearity": [StrOptions({"tanh", "relu", "sigmoid"})],
        "pooling": [str, tuple, list],
        "stem": [StrOptions({"conv"}), None],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "layer_norm": ["boolean"],
        "embedding_size": [Interval(Integral, 1, None, closed="left")],
        "initial_scale": [Interval(Real, 0, None, closed="neither"), None],
        "reservoir": [StrOptions({"auto", "only"}), "boolean"],
        "missing": [StrOptions({"auto", "indicator", "mean", "error"})],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "schedule": [StrOptions(set(SCHEDULES))],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "device": [str, torch.device],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # Parameters, set by the constructors of the estimators.
    hidden_size: int
    cell: str | type[torch.nn.Module]
    num_layers: int
    bidirectional: bool
    nonlinearity: str
    pooling: Any
    stem: str | None
    dropout: float
    layer_norm: bool
    embedding_size: int
    initial_scale: float | None
    reservoir: str | bool
    missing: str
    loss: Any
    optimizer: Any
    learning_rate: float
    weight_decay: float
    schedule: str
    batch_size: int | str
    max_epochs: int | str
    gradient_clip: float | None
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    tol: float
    warm_start: bool
    device: str
    precision: str
    n_jobs: int | None
    random_state: Any
    verbose: int
    best_validation_score_: float | None

    # ---------------------------------------------------------------- what an estimator says

    @abstractmethod
    def _make_target(self, y: Any, sequences: Sequences, classes: Any = None) -> Target:
        """Look at y and return how it is to be learned; set ``classes_`` and the like."""

    @abstractmethod
    def _prepare_y(self, y: Any, sequences: Sequences) -> Any:
        """Check y against X and return it in the form that the target encodes."""

    @abstractmethod
    def _weigh(self, y: Any, weights: np.ndarray | None) -> np.ndarray | None:
        """Return the weights of the rows, with what the estimator adds to them."""

    @abstractmethod
    def _score_sequences(
        self, sequences: Sequences, y: Any, weights: np.ndarray | None
    ) -> tuple[float, float]:
        """Return score (higher is better) and loss of the network as it is."""

    # ---------------------------------------------------------------- fit

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> BaseRNN:
        """Train the network.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences of n_samples sequences
            The sequences, in any of the accepted forms: a 2-D array ``(n_samples, n_steps)``
            of univariate sequences, a 3-D array ``(n_samples, n_steps, n_channels)``, a list of
            ``(n_steps_i,)`` or ``(n_steps_i, n_channels)`` arrays, a data frame with list
            columns, or `Sequences`. NaN means missing.
        y : array-like or list of n_samples targets
            One target a sequence.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sequence in the loss.
        X_val, y_val : like X and y, default=None
            A validation set of your own, scored after every epoch. With
            ``early_stopping=True`` it takes the place of the held-out fraction.
        sample_weight_val : array-like, default=None
            Weights of the validation set in its score.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError
            If an input or a parameter cannot be used; the message names it. Also when training
            diverges, with the remedy.
        """
        going_on = self.warm_start and hasattr(self, "net_")
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together: pass both or neither.")
        if X_val is None and sample_weight_val is not None:
            raise ValueError("sample_weight_val weighs X_val, which is missing.")
        validation = None if X_val is None else (X_val, y_val, sample_weight_val)
        return self._fit(X, y, sample_weight, validation, reset=not going_on)

    @names_parameters
    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation: tuple | None = None,
        *,
        reset: bool,
        one_epoch: bool = False,
        classes: Any = None,
    ) -> BaseRNN:
        """Read, encode, split, build, train: the skeleton that every estimator's fit follows."""
        compute = resolve_compute(self.device, self.precision)
        n_threads = self._n_threads()
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        sequences = check_X(self, X, reset=reset)
        if self.missing == "error":
            check_missing(sequences, type(self).__name__)
        prepared = self._prepare_y(y, sequences)
        if reset:
            self._target = self._make_target(prepared, sequences, classes)
        encoded = self._target.encode(prepared, sequences)
        weights = self._weigh(prepared, check_weights(sample_weight, len(sequences)))
        if reset or not hasattr(self, "_random"):
            self._random = _private_stream(self.random_state)
        seeds = self._random.randint(0, 2**31 - 1, size=5)

        rows = np.arange(len(sequences))
        if weights is not None:
            # A row of weight zero neither trains nor validates.
            rows = np.flatnonzero(weights)
            if not len(rows):
                raise ValueError("sample_weight is zero for every training sequence.")
        setting = self.reservoir
        if setting == "auto" and (self.early_stopping or validation is not None):
            setting = False
        solves = not one_epoch and wants_reservoir(
            setting, sequences, self._target, self.loss, rows
        )
        solved_on, kept = rows, None
        held_out = None if validation is None else self._read_validation(*validation)
        if held_out is None and not one_epoch and (self.early_stopping or solves):
            fraction = self.validation_fraction if self.early_stopping else _MIXING_FRACTION
            if len(rows) > 1 or self.early_stopping:
                part, kept_part = split_rows(
                    _pick(prepared, rows),
                    len(rows),
                    fraction,
                    stratify=self._stratify(),
                    seed=int(seeds[0]),
                )
                rows, kept = rows[part], rows[kept_part]
        if self.early_stopping and kept is not None:
            held_out = (
                sequences[kept],
                _pick(prepared, kept),
                None if weights is None else weights[kept],
            )

        batch_size = int(self.batch_size) if self.batch_size != "auto" else 0
        batch_size = batch_size or auto_batch_size(len(rows))
        max_epochs = int(self.max_epochs) if self.max_epochs != "auto" else 0
        max_epochs = max_epochs or auto_epochs(len(rows), batch_size)
        recipe = Recipe(
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            schedule="constant" if one_epoch else self.schedule,
            max_epochs=1 if one_epoch else max_epochs,
            gradient_clip=self.gradient_clip,
        )
        if reset:
            self._start(
                sequences, solved_on, encoded, weights, recipe, compute, int(seeds[1]), solves
            )
        elif self._resumable:
            configure(self.net_, recipe, compute)
        else:
            # Pickling keeps no optimizer of a finished fit; going on is the same without it.
            self.net_ = make_net(self.net_.module_, recipe, compute)
        self._recipe = recipe
        self._resumable = one_epoch or self.warm_start

        storage = FlatStorage(sequences, compute.device)
        closed = None
        if solves and self.net_.module_.path is not None:
            closed = ClosedForm(self.net_, storage, self._target, encoded, weights, n_threads)
            try:
                closed.solve(solved_on, seed=int(seeds[4]))
            except Exception:
                del self.net_
                raise
            if self.reservoir == "only":
                self.net_.module_.recurrence_share.zero_()
                self.best_validation_score_ = None
                context = self._init_callback_context()
                context.call_on_fit_task_begin(estimator=self, X=X, y=y)
                context.call_on_fit_task_end(
                    estimator=self, X=X, y=y, reconstruction_attributes=self._fitted_state
                )
                return self

        def weigh_paths() -> None:
            """Decide the share of the recurrence on what it has not seen."""
            if closed is None:
                return
            if kept is not None:
                share = closed.share_from_rows(kept)
            elif held_out is not None:
                unseen, labels, unseen_weights = held_out
                share = closed.share_from_set(
                    unseen, self._target.encode(labels, unseen), unseen_weights
                )
            else:
                share = 0.0
            self.net_.module_.recurrence_share.fill_(share)
            self.net_.run.converted = None

        if one_epoch and self.net_.module_.path is not None:
            # What comes in is news to both paths until the recurrence has learned from it.
            weighing = ClosedForm(self.net_, storage, self._target, encoded, weights, n_threads)
            share = weighing.share_from_set(sequences, encoded, weights)
            self.net_.module_.recurrence_share.fill_(share)
        else:
            self.net_.module_.recurrence_share.fill_(1.0)
        batches = TrainingBatches(
            storage,
            rows,
            torch.tensor(encoded, dtype=_target_dtype(encoded)),
            None if weights is None else torch.tensor(weights, dtype=torch.float32),
            batch_size=batch_size,
            generator=np.random.default_rng(int(seeds[2])),
            per_step=self._target.per_step,
        )
        self._run(
            X, y, batches, recipe, held_out, weigh_paths, seed=int(seeds[3]), n_threads=n_threads
        )
        return self

    def _start(
        self,
        sequences: Sequences,
        rows: np.ndarray,
        encoded: np.ndarray,
        weights: np.ndarray | None,
        recipe: Recipe,
        compute: Any,
        seed: int,
        solves: bool,
    ) -> None:
        """Build the network for these data, with fresh weights and the data's statistics."""
        statistics = None if sequences.is_tokens else step_statistics(sequences, rows)
        indicator = self.missing == "indicator" or (
            self.missing == "auto" and statistics is not None and statistics.has_missing
        )
        self._config = NetworkConfig(
            **self._architecture(sequences, indicator=indicator),
            reservoir_units=UNITS if solves else 0,
        )
        network: Any = build_network(
            self._config,
            torch.Generator().manual_seed(seed),
            initial_scale=self.initial_scale,
        )
        if statistics is not None:
            network.input.set_statistics(statistics.mean, statistics.scale)
        if network.static is not None:
            network.static.set_statistics(*static_statistics(sequences, rows))
        if self._target.head == "continuous":
            network.head.set_statistics(
                *target_statistics(self._target, encoded, sequences, rows, weights)
            )
            if self.initial_scale is None:
                # The first prediction is the mean, and not noise around it.
                torch.nn.init.zeros_(network.head.projection.weight)
        network.to(compute.device)
        self.net_ = make_net(network, recipe, compute)
        self._history: list[EpochRecord] = []
        self.best_validation_score_ = None
        only = self.reservoir == "only" and network.path is not None
        self._n_features_out = network.path.reservoir.output_size if only else network.feature_size
        self.n_iter_ = 0

    def _architecture(self, sequences: Sequences, *, indicator: bool) -> dict[str, Any]:
        """Return the architecture for these data as plain values."""
        categories = sequences.static_categories or ()
        n_static = 0 if sequences.static is None else sequences.static.shape[1]
        return {
            "n_channels": sequences.n_channels + (sequences.times is not None),
            "vocabulary_size": sequences.vocabulary_size,
            "embedding_size": int(self.embedding_size),
            "indicator": indicator,
            "n_static": n_static,
            "static_cardinalities": tuple(len(c) if c else None for c in categories),
            "stem": self.stem,
            "cell": self.cell,
            "nonlinearity": self.nonlinearity,
            "hidden_size": int(self.hidden_size),
            "num_layers": int(self.num_layers),
            "bidirectional": bool(self.bidirectional),
            "dropout": float(self.dropout),
            "layer_norm": bool(self.layer_norm),
            "pooling": self.pooling if isinstance(self.pooling, str) else tuple(self.pooling),
            "head": self._target.head,
            "n_outputs": self._target.n_outputs,
            "loss": self.loss,
            "per_step": self._target.per_step,
        }

    def _run(
        self,
        X: Any,
        y: Any,
        batches: TrainingBatches,
        recipe: Recipe,
        held_out: tuple | None,
        finish: Callable[[], None],
        *,
        seed: int,
        n_threads: int,
    ) -> None:
        """Train, watch the validation set, keep the best weights, report every epoch."""
        context = self._init_callback_context(max_subtasks=recipe.max_epochs)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        best = BestWeights(self.n_iter_no_change, self.tol)
        progress = Progress(recipe.max_epochs, type(self).__name__, show=bool(self.verbose))
        first = self.n_iter_

        def on_epoch(record: EpochRecord) -> bool:
            record.epoch += first
            stop = False
            if held_out is not None:
                record.valid_score, record.valid_loss = self._score_sequences(*held_out)
                improved_enough = best.update(
                    self.net_.module_, record.valid_score, record.valid_loss, record.epoch
                )
                stop = improved_enough and self.early_stopping
            self._history.append(record)
            self.n_iter_ = record.epoch
            progress.update(record)
            epoch = context.subcontext(task_name="epoch")
            epoch.call_on_fit_task_begin(estimator=self, X=X, y=y)
            stop |= epoch.call_on_fit_task_end(
                estimator=self, X=X, y=y, reconstruction_attributes=self._fitted_state
            )
            return stop

        interrupted: BaseException | None = None
        try:
            train(
                self.net_,
                batches,
                recipe,
                seed=seed,
                n_threads=n_threads,
                on_epoch=on_epoch,
                guard_globals=_may_draw(self.cell, self.loss, self.optimizer),
            )
        except KeyboardInterrupt as interrupt:
            interrupted = interrupt
        except DivergenceError as error:
            self._diverged(error, best, recipe)
        except BaseException:
            del self.net_
            raise
        finally:
            progress.close()
        if best.has_weights and self.early_stopping:
            best.restore(self.net_.module_)
            self.net_.run.converted = None
        with self._guarded():
            finish()
        self.best_validation_score_ = best.score if best.has_weights else None
        if interrupted is not None:
            raise interrupted
        context.call_on_fit_task_end(
            estimator=self, X=X, y=y, reconstruction_attributes=self._fitted_state
        )

    def _diverged(self, error: DivergenceError, best: BestWeights, recipe: Recipe) -> None:
        """Warn and fall back to the best weights, or refuse when there are none."""
        what = (
            f"Training diverged in epoch {self.n_iter_ + 1}: {error}. Lower learning_rate "
            f"(now {recipe.learning_rate:g}), set gradient_clip (now {recipe.gradient_clip}), or "
            "look for extreme values in X or y."
        )
        if best.has_weights and self.early_stopping:
            warnings.warn(
                f"{what} The weights of epoch {best.epoch} are kept.",
                ConvergenceWarning,
                stacklevel=4,
            )
            return
        del self.net_
        raise ValueError(what) from error

    def _read_validation(self, X_val: Any, y_val: Any, sample_weight_val: Any) -> tuple:
        """Check the user's validation set against the training set."""
        sequences = check_X(self, X_val, reset=False)
        prepared = self._prepare_y(y_val, sequences)
        self._target.encode(prepared, sequences)
        return sequences, prepared, check_weights(sample_weight_val, len(sequences))

    def _stratify(self) -> bool:
        """Whether the held-out rows should keep the proportions of the classes."""
        return False

    def _n_threads(self) -> int:
        """Return the number of CPU threads: one unless asked, which is fastest for small nets."""
        if self.n_jobs is None:
            return 1
        if self.n_jobs == 0:
            raise ValueError("n_jobs == 0 has no meaning; use None, a positive number or -1.")
        from joblib import cpu_count

        # More threads than cores only take memory, and enough of them end the process.
        wanted = self.n_jobs if self.n_jobs > 0 else max(1, cpu_count() + 1 + self.n_jobs)
        return min(wanted, cpu_count())

    # ---------------------------------------------------------------- scikit-learn's questions

    def _fitted_state(self) -> dict[str, Any]:
        """Return the attributes that make a clone of this estimator able to predict."""
        parameters = self.get_params(deep=False)
        return {
            key: value
            for key, value in self.__dict__.items()
            if key not in parameters and "callback" not in key
        }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing != "error"
        if tags.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = []
        return tags


def _private_stream(random_state: Any) -> np.random.RandomState:
    """Return a stream of our own, seeded from what the user gave, or from entropy for None."""
    if random_state is None:
        return np.random.RandomState(np.random.SeedSequence().generate_state(4))
    if isinstance(random_state, Integral):
        return np.random.RandomState(int(random_state))
    return np.random.RandomState(check_random_state(random_state).randint(0, 2**31 - 1))


def _may_draw(cell: Any, loss: Any, optimizer: Any) -> bool:
    """Tell whether something that the user brings may draw from torch's global generator."""
    factory = getattr(optimizer, "func", optimizer)
    ours = isinstance(optimizer, str) or str(factory.__module__).startswith("torch.optim")
    return not (ours and isinstance(cell, str) and isinstance(loss, str))


def _pick(y: Any, rows: np.ndarray) -> Any:
    """Select rows of y, whatever holds it."""
    return [y[i] for i in rows] if isinstance(y, list) else y[rows]


def _target_dtype(encoded: np.ndarray) -> torch.dtype:
    """Return the tensor type of encoded targets: classes stay integers."""
    return torch.int64 if encoded.dtype.kind in "iu" else torch.float32
