"""What every estimator with a network shares: parameters, fit, prediction, fitted attributes.

Imports scikit-learn and layers 0 to 2. A fit is in `_fitting`, and each estimator in its own file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from html import escape
from numbers import Integral, Real
from types import MethodType
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..nn import (
    CELLS,
    AttentionPooling,
    ChunkedRun,
    NetworkConfig,
    NGramPath,
    averaged,
    length_mask,
)
from ..sequences import (
    InputSchema,
    Interval,
    Sequences,
    StrOptions,
    Unused,
    Versioned,
    _fit_context,
    all_or_nothing,
    check_missing,
    check_X,
    labels_as_parts,
)
from ..training import (
    LARGEST_RATE,
    MOST_EPOCHS,
    MOST_LAYERS,
    OPTIMIZERS,
    Batch,
    Composed,
    Composition,
    Dropout,
    EarlyStopping,
    Embedding,
    EpochRecord,
    FlatStorage,
    Optimizer,
    Origins,
    Recipe,
    SequenceDataset,
    SequenceNet,
    StepStatistics,
    auto_batch_size,
    auto_epochs,
    long_rows,
    names_parameters,
    recurrence_bounds,
    run_rows,
    run_steps,
    run_with_long,
    seeded_globals,
    step_statistics,
    width_statistics,
)
from ._attributions import token_attributions
from ._fitted import Description, pack_net, unpack_net
from ._fitting import dataset_for, fit_network
from ._report import REMEDY, Report, warn_of_baseline
from ._stream import SequenceStream
from ._targets import Kinds, Target, target_of
from ._tokens import UNUSED, fit_transform, n_threads, token_dropout, vector_size


class _of_recurrence:
    """Make a method missing, with the reason, where a closed form was fitted alone."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, model: Any, kind: type | None = None) -> Callable[..., Any]:
        if model is None:
            return self._method
        if "net_" in model.__dict__ and not model._config.recurrent:
            name, more = type(model).__name__, ""
            if not model._config.ngram_longest:
                more = f" {name.replace('RNN', 'Reservoir')} has hidden_states of its reservoir."
            raise AttributeError(
                f"This {name} was fitted with closed_form='only': there is no recurrence, and no "
                f"{self._method.__name__}. Fit it with closed_form=True, or take what the closed "
                f"form reads out, transform(X).{more}"
            )
        bound: Callable[..., Any] = MethodType(self._method, model)
        return bound


def _answers_once(model: Any) -> bool:
    """Tell whether an estimator may have one answer a sequence."""
    return any(kind.layout == "row" for kind in model._kinds)


class BaseRNN(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    Versioned,
    Composed,
):
    """Parameters, fit, prediction and fitted attributes; the estimators add their targets."""

    _parameter_constraints: dict[str, list] = {
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "cell": [StrOptions(set(CELLS)), type],
        "num_layers": [Interval(Integral, 1, MOST_LAYERS, closed="both")],
        "bidirectional": ["boolean"],
        "pooling": [str, tuple, list],
        "stem": [StrOptions({"conv"}), None],
        "dropout": [Interval(Real, 0, 1, closed="left"), Dropout],
        "layer_norm": ["boolean"],
        "embedding": [Interval(Integral, 1, None, closed="left"), Embedding],
        "closed_form": [StrOptions({"auto", "only"}), "boolean"],
        "missing": [StrOptions({"auto", "indicator", "mean", "error"})],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable, Optimizer],
        "learning_rate": [Interval(Real, 0, LARGEST_RATE, closed="right")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_epochs": [Interval(Integral, 1, MOST_EPOCHS, closed="both"), StrOptions({"auto"})],
        "early_stopping": ["boolean", EarlyStopping],
        "warm_start": ["boolean"],
        "device": [str, torch.device],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "callbacks": "no_validation",  # type: ignore[dict-item]
    }

    _composed = {
        "dropout": Composition(Dropout, auto={"outputs": 0.2}),
        "embedding": Composition(Embedding, ("characters",), {"size": 64}),
        "optimizer": Composition(Optimizer),
        "early_stopping": Composition(EarlyStopping),
    }
    _unused: tuple[Unused, ...] = UNUSED

    # Parameters, set by the constructors of the estimators.
    # Parameters, set by the constructors of the estimators.
    hidden_size: int
    cell: str | type[torch.nn.Module]
    num_layers: int
    bidirectional: bool
    pooling: Any
    stem: str | None
    dropout: float | Dropout
    layer_norm: bool
    embedding: int | Embedding
    closed_form: str | bool
    n_estimators: int = 1
    missing: str
    loss: Any
    optimizer: Any
    learning_rate: float
    batch_size: int | str
    max_epochs: int | str
    early_stopping: bool | EarlyStopping
    warm_start: bool
    device: str
    precision: str
    n_jobs: int | None
    random_state: Any
    verbose: int
    callbacks: Any
    class_weight: Any = None
    best_validation_score_: float | None
    readout_shares_: dict[str, float]
    #: The kinds of targets that the estimator takes.
    _kinds: Kinds
    _target: Target

    # What a fit sets.
    net_: SequenceNet
    report_: Report
    n_iter_: int
    _config: NetworkConfig
    _recipe: Recipe
    _resumable: bool
    _history: list[EpochRecord]
    _input_schema_: InputSchema
    _random: np.random.RandomState
    #: What channels and static features are counted from, in double precision.
    _origins: Origins = (None, None)

    # ---------------------------------------------------------------- fit

    @all_or_nothing
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
            One target a sequence. Where X and y have labels, the `ids` of `Sequences` and the
            index of pandas data, y is aligned by them, and so are weights; labels that differ are
            refused.
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
            diverges, with the remedy. Whatever is raised, a model that was there stays as it was.
        KeyboardInterrupt
            When interrupted. Where there was no model yet and training has begun, what it came to
            is kept: the estimator is fitted.
        """
        # A closed form alone is solved anew: it has nothing to go on from.
        going_on = self.warm_start and hasattr(self, "net_") and self._config.recurrent
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together: pass both or neither.")
        if X_val is None and sample_weight_val is not None:
            raise ValueError("sample_weight_val weighs X_val, which is missing.")
        validation = None if X_val is None else (X_val, y_val, sample_weight_val)
        fit_network(self, X, y, sample_weight, validation, reset=not going_on)
        warn_of_baseline(self.report_, type(self).__name__, REMEDY)
        return self

    fit_transform = fit_transform

    def _dataset(self, X: Any, y: Any = None) -> SequenceDataset:
        """Return a dataset of sequences in any form that `fit` takes, for the net's own methods."""
        return dataset_for(self, X, y)

    # ---------------------------------------------------------------- what an estimator says

    def _make_target(self, y: Any, sequences: Sequences, classes: Any = None) -> Target:
        """Look at a y that was read and return how it is to be learned."""
        return target_of(self, y, sequences, classes)

    def _read_X(self, X: Any, *, reset: bool) -> Sequences:
        """Return X as `Sequences`, having checked it, or against what the model was fitted on."""
        return check_X(self, X, reset=reset)

    def _as_given(self, sequences: Sequences) -> Any:
        """Return sequences that `_read_X` has returned as something that it takes again."""
        return sequences

    def _finish_network(self, network: Any) -> None:
        """Set what of a new network depends on the targets; most need nothing."""

    def _architecture(self, sequences: Sequences, *, indicator: bool) -> dict[str, Any]:
        """Return the architecture for these data as plain values."""
        categories = sequences.static_categories or ()
        n_static = 0 if sequences.static is None else sequences.static.shape[1]
        embedding, dropout = self._settings("embedding"), self._settings("dropout")
        of_values, of_tokens = token_dropout(sequences, embedding.dropout, embedding.word_dropout)
        return {
            "n_channels": sequences.n_channels + (sequences.times is not None),
            "vocabulary_size": sequences.vocabulary_size,
            "timed": sequences.is_tokens and sequences.times is not None,
            "embedding_size": vector_size(sequences) or int(embedding.size),
            "embedding_dropout": of_values,
            "word_dropout": of_tokens,
            "variational": bool(embedding.variational),
            "indicator": indicator,
            "n_static": n_static,
            "static_cardinalities": tuple(len(c) if c else None for c in categories),
            "stem": self.stem,
            "cell": self.cell,
            "hidden_size": int(self.hidden_size),
            "num_layers": int(self.num_layers),
            "bidirectional": bool(self.bidirectional),
            "dropout": float(dropout.outputs),
            "layer_norm": bool(self.layer_norm),
            "weight_dropout": float(dropout.weights),
            "pooling": self.pooling if isinstance(self.pooling, str) else tuple(self.pooling),
            **self._target.architecture(),
            "loss": self.loss,
            "n_members": int(self.n_estimators),
        }

    def _auto_batch_size(self, n_sequences: int, *, tokens: bool) -> int:
        """Return what ``batch_size="auto"`` is."""
        return auto_batch_size(n_sequences, tokens=tokens)

    def _auto_epochs(self, n_sequences: int, batch_size: int, *, tokens: bool) -> int:
        """Return what ``max_epochs="auto"`` is."""
        return auto_epochs(n_sequences, batch_size, tokens=tokens)

    def _n_threads(self) -> int:
        """Return the number of CPU threads: one unless asked, which is fastest for small nets."""
        return n_threads(self.n_jobs)

    def _statistics(self, sequences: Sequences, rows: np.ndarray) -> StepStatistics | None:
        """Return mean and scale of the channels over some rows; None for tokens."""
        of_steps = width_statistics if sequences.is_tokens else step_statistics
        return of_steps(sequences, rows)

    # ---------------------------------------------------------------- prediction

    def _prediction_dtype(self) -> torch.dtype:
        """Return the number type in which the network predicts."""
        return torch.float32

    def _read_for_prediction(self, X: Any) -> Sequences:
        """Check X against what the model was fitted on."""
        if "net_" not in self.__dict__:
            check_is_fitted(self)
        sequences = self._read_X(X, reset=False)
        if self.missing == "error":
            check_missing(sequences, type(self).__name__)
        return sequences

    def _predict_raw(self, sequences: Sequences) -> np.ndarray:
        """Return the head's decoded output by row, or flat by step for targets per step."""
        dtype = self._prediction_dtype()
        network: Any = self.net_.network_for(dtype)

        def decode(raw: torch.Tensor) -> torch.Tensor:
            return self._decoded(network, raw)

        # A recurrence that is as exact in single precision stays in it.
        return self._run_over(
            sequences,
            lambda b: decode(network.answer(b.x, b.lengths, b.static)),
            lambda run: map(decode, run.answer()),
            network=network,
            per_step=self._target.by_step,
        )

    def _decoded(self, network: Any, raw: torch.Tensor) -> torch.Tensor:
        """Return what the head makes of raw outputs, several outputs side by side."""
        # Numbers far from zero would lose in float32 what the network tells apart.
        wide = self._target.in_double and raw.device.type != "mps"
        result = network.head.decode(raw.double() if wide else raw.float())
        return torch.cat(result, dim=1) if isinstance(result, (list, tuple)) else result

    def _decoded_here(self, raw: np.ndarray) -> np.ndarray:
        """Return what the head makes of raw outputs that are arrays."""
        network = self.net_.module_
        tensor = torch.from_numpy(raw).to(network.recurrence_share.device)
        with torch.inference_mode():
            return np.asarray(self._decoded(network, tensor).cpu().numpy())

    @names_parameters
    def _run_over(
        self,
        sequences: Sequences,
        call: Callable[[Batch], torch.Tensor],
        call_long: Callable[[ChunkedRun], Iterator[torch.Tensor]],
        *,
        network: Any = None,
        per_step: bool = False,
    ) -> np.ndarray:
        """Run something over all sequences, by row or by step: in batches, long ones in pieces."""
        compute, n_threads = self.net_.run_.compute, self._n_threads()
        if network is None:
            network = self.net_.network_for(torch.float32)
        storage = FlatStorage(sequences, compute.device, network.states_dtype, self._origins)
        long = long_rows(network, storage)
        with self._guarded():
            if len(long):
                return run_with_long(
                    call,
                    call_long,
                    network,
                    storage,
                    compute,
                    long,
                    per_step=per_step,
                    n_threads=n_threads,
                )
            bounds = None
            if network.path is None:
                bounds = recurrence_bounds(compute, network.recurrence.output_size)
            run = run_steps if per_step else run_rows
            return run(call, storage, compute, n_threads=n_threads, bounds=bounds)

    def _guarded(self) -> contextlib.AbstractContextManager:
        """Return the context in which a user's own cell may draw from torch's global generator."""
        ours = isinstance(self._config.cell, str)
        return contextlib.nullcontext() if ours else seeded_globals(0)

    def transform(self, X: Any) -> np.ndarray:
        """Return the pooled representation of each sequence, from which the head predicts.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features_out), float32
            Pooled states of the recurrence, static features joined; those of all members side by
            side. With ``closed_form="only"``
            what the closed form reads out: those of the reservoir, or the raw outputs of the
            n-grams.
        """
        sequences = self._read_for_prediction(X)
        if self._target.by_step:
            raise ValueError(
                "This model has one target a step and pools nothing; use hidden_states(X)."
            )
        network: Any = self.net_.network_for(torch.float32)
        if not network.is_recurrent and isinstance(network.path, NGramPath):
            return self._run_over(
                sequences,
                lambda b: network.answer(b.x, b.lengths, b.static),
                lambda run: run.answer(),
            )
        if not network.is_recurrent:
            path = network.path
            return self._run_over(
                sequences,
                lambda b: path.pooled(network.input(b.x), b.lengths),
                lambda run: iter([run.path_features()]),
            )
        return self._run_over(
            sequences,
            lambda b: torch.cat(
                [m.features(b.x, b.lengths, b.static).float() for m in network.members()], 1
            ),
            lambda run: iter([torch.cat([one.features().float() for one in run.members()], 1)]),
        )

    @_of_recurrence
    def hidden_states(self, X: Any) -> Sequences:
        """Return the output of the last recurrent layer at every step.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        states : Sequences
            One sequence for each of X, with ``hidden_size`` channels (twice that when
            bidirectional: the forward states first), for each member of an ensemble.

        Raises
        ------
        AttributeError
            When the closed form was fitted alone, which has no recurrence.
        """
        sequences = self._read_for_prediction(X)
        network: Any = self.net_.network_for(torch.float32)

        def call(batch: Batch) -> torch.Tensor:
            outputs = [member.states(batch.x, batch.lengths) for member in network.members()]
            mask = length_mask(batch.lengths, outputs[0].shape[1]).to(outputs[0].device)
            return torch.cat([output[mask].float() for output in outputs], 1)

        def call_long(run: ChunkedRun) -> Iterator[torch.Tensor]:
            pieces = zip(*(one.outputs() for one in run.members()), strict=True)
            return (torch.cat([output[0].float() for output in piece], 1) for piece in pieces)

        states = self._run_over(sequences, call, call_long, per_step=True)
        return Sequences(states, sequences.offsets)._with(**labels_as_parts(sequences))

    @_of_recurrence
    def attention_weights(self, X: Any) -> Sequences:
        """Return how much each step counts in the attention pooling.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        weights : Sequences
            One sequence for each of X, with one channel of weights that sum to one: the mean of
            all members' weights in an ensemble.

        Raises
        ------
        ValueError
            When `pooling` has no ``"attention"``.
        AttributeError
            When the closed form was fitted alone, which has no recurrence.
        """
        sequences = self._read_for_prediction(X)
        network: Any = self.net_.network_for(torch.float32)
        members: list[Any] = network.members()
        found = [
            part
            for member in members
            for part in member.pooling.modules()
            if isinstance(part, AttentionPooling)
        ]
        if not found:
            raise ValueError(
                f"pooling={self.pooling!r} has no attention to look at; choose "
                "pooling=('attention', 'max'), for example."
            )

        def call(batch: Batch) -> torch.Tensor:
            weights = averaged(
                [
                    pooling.weights(member.states(batch.x, batch.lengths), batch.lengths)
                    for member, pooling in zip(members, found, strict=True)
                ]
            )
            mask = length_mask(batch.lengths, weights.shape[1]).to(weights.device)
            return weights[mask][:, None].float()

        def call_long(run: ChunkedRun) -> Iterator[torch.Tensor]:
            weights = averaged(
                [
                    pooling.weights(torch.cat(list(one.outputs()), 1))
                    for one, pooling in zip(run.members(), found, strict=True)
                ]
            )
            return iter([weights[0][:, None].float()])

        weights = self._run_over(sequences, call, call_long, per_step=True)
        answer = Sequences(weights, sequences.offsets, channel_names=["attention"])
        return answer._with(**labels_as_parts(sequences))

    def stream(self, static: Any = None) -> SequenceStream:
        """Follow one sequence while it comes in, at a constant cost a step.

        After every push the stream's prediction is that of `predict` for all steps so far. The
        model must read in one direction: ``bidirectional=False``.

        Parameters
        ----------
        static : mapping or array-like of shape (n_static,), default=None
            The static features of the sequence, where the model was fitted with such: by name, or
            in the order of the fit; categories as they were given to `fit`.

        Returns
        -------
        stream : SequenceStream
            Without a step yet.

        Raises
        ------
        ValueError
            If the model is bidirectional or decides on all steps together, as a tagger does, or
            if static features are missing or not wanted.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_rnn import RNNRegressor
        >>> X = [np.linspace(0, end, 20) for end in range(10)]
        >>> model = RNNRegressor(8, bidirectional=False, max_epochs=2, random_state=0)
        >>> stream = model.fit(X, np.arange(10.0)).stream()
        >>> for value in X[3]:
        ...     prediction = stream.push(value)
        >>> bool(np.isclose(prediction, model.predict([X[3]])[0], atol=1e-5))
        True
        """
        check_is_fitted(self)
        if not self._target.streams:
            raise ValueError(
                f"{type(self).__name__} decides with the whole sequence in view, and cannot follow "
                "one that still comes in."
            )
        if self._config.bidirectional:
            raise ValueError(
                f"This {type(self).__name__} reads each sequence from its end too, and live data "
                "have none yet; fit it with bidirectional=False."
            )
        return SequenceStream(self, static)

    @available_if(_answers_once)
    def token_attributions(self, X: Any, *, target: Any = None, n_steps: int = 64) -> Sequences:
        """Return how much each token adds to the evidence for a label.

        In the recurrence by integrated gradients, from vectors of zeros to those of the tokens (and
        from the mean time since the token before, where there are times); in the n-grams exactly,
        each one's part divided among its tokens. The numbers of a text sum to the raw output for it
        less that for a text of blanks.

        Parameters
        ----------
        X : Sequences
            Tokens, as in `fit`.
        target : label, default=None
            A label from ``classes_``. None takes the predicted one of each text, and for a
            regressor, or a multilabel y without a target, the first output.
        n_steps : int, default=64
            Points at which gradients are taken.

        Returns
        -------
        attributions : Sequences
            One sequence for each of X, with one channel: positive speaks for the label.

        Raises
        ------
        ValueError
            When X holds no tokens, or the label is unknown.

        References
        ----------
        M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks", ICML 2017.
        """
        return token_attributions(self, X, target, n_steps)

    # ---------------------------------------------------------------- fitted attributes

    @property
    def input_(self) -> Description:
        """What goes in, in words."""
        config = self._fitted_config()
        if config.words is not None:
            text = f"{config.words.n_words} words"
            if config.character_size:
                text += f" of {config.words.n_characters} characters"
        elif config.vocabulary_size is not None:
            text = f"{config.vocabulary_size} tokens" + ", times" * config.timed
        else:
            text = f"{config.n_channels} channel" + "s" * (config.n_channels != 1)
        if config.indicator:
            text += ", missing marked"
        if config.n_static:
            text += f", {config.n_static} static"
        return Description(text)

    @property
    def core_(self) -> Description:
        """What reads the sequences, in words: the recurrence, and the closed form beside it."""
        config = self._fitted_config()
        if not config.recurrent:
            return Description(self.net_.module_.path.in_words())
        cell = config.cell if isinstance(config.cell, str) else config.cell.__name__
        text = f"{cell} {config.hidden_size}"
        if config.num_layers > 1:
            text += f" x {config.num_layers} layers"
        if config.bidirectional:
            text += ", bidirectional"
        if config.n_members > 1:
            text = f"{config.n_members} x ({text})"
        if config.reservoir_units:
            text += " + reservoir"
        if config.ngram_longest:
            text += " + n-grams"
        return Description(text)

    @property
    def head_(self) -> Description:
        """What comes out, in words."""
        return Description(self._target.describe(self._fitted_config()))

    @property
    def prediction_(self) -> Description:
        """How the prediction is made up, in words: shares, and what each part scores alone."""
        config = self._fitted_config()
        report = self.__dict__.get("report_")
        if report is not None and report.parts:
            return Description(report.made_of)
        share = float(self.net_.module_.recurrence_share)
        closed = "n-grams" if config.ngram_longest else "closed form"
        if not (config.ngram_longest or config.reservoir_units):
            return Description("1.00 recurrence")
        return Description(f"{1 - share:.2f} {closed} + {share:.2f} recurrence")

    @property
    def n_weights_(self) -> int:
        """Number of trained weights; of a closed form alone, those that were solved."""
        if not self._fitted_config().recurrent:
            return int(self.net_.module_.path.n_solved)
        return sum(p.numel() for p in self.net_.module_.parameters() if p.requires_grad)

    @property
    def recurrence_share_(self) -> float:
        """Share of the trained recurrence in the prediction; reservoir or n-grams have the rest."""
        self._fitted_config()
        return float(self.net_.module_.recurrence_share)

    def _fitted_config(self) -> NetworkConfig:
        """Return the architecture, or say that there is none, as a missing attribute is said."""
        if "net_" not in self.__dict__:
            raise AttributeError(f"This {type(self).__name__} instance is not fitted yet.")
        return self._config

    @property
    def loss_curve_(self) -> list[float]:
        """Mean training loss of every epoch."""
        return [record.train_loss for record in self._fitted_history()]

    @property
    def validation_scores_(self) -> list[float] | None:
        """Score on the validation set after every epoch, or None without one."""
        scores = [r.valid_score for r in self._fitted_history() if r.valid_score is not None]
        return scores or None

    @property
    def history_(self) -> Any:
        """Everything recorded of every epoch, as a pandas data frame."""
        import pandas as pd

        records = [vars(record) for record in self._fitted_history()]
        columns = ["epoch", "train_loss", "valid_loss", "valid_score"]
        if any(record["recurrence_share"] is not None for record in records):
            columns += ["recurrence_loss", "recurrence_score", "recurrence_share"]
        columns += ["learning_rate", "seconds"]
        numbers = dict.fromkeys(columns[1:], float)
        return pd.DataFrame(records, columns=columns).astype(numbers)

    def _fitted_history(self) -> list[EpochRecord]:
        """Return the records, or say that there are none, as a missing attribute is said."""
        if "_history" not in self.__dict__:
            raise AttributeError(f"This {type(self).__name__} instance is not fitted yet.")
        return self._history

    # ---------------------------------------------------------------- scikit-learn's questions

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing != "error"
        if tags.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = []
        tags.target_tags.multi_output = any(kind.several_outputs for kind in self._kinds)
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return "net_" in self.__dict__

    def _fitted_state(self) -> dict[str, Any]:
        """Return the attributes that make a clone of this estimator able to predict."""
        parameters = self.get_params(deep=False)
        return {
            key: value
            for key, value in self.__dict__.items()
            if key not in parameters and "callback" not in key
        }

    def _repr_html_inner(self) -> str:
        """Return scikit-learn's diagram, and below it the fitted network in one line."""
        return self._html_with_summary()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """Return what notebooks show."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] = self._html_with_summary()
        return bundle

    def _html_with_summary(self) -> str:
        """Return the diagram with the summary, once fitted."""
        html = super()._repr_html_inner()
        if "net_" not in self.__dict__:
            return html
        parts = [
            f"<b>input</b> {escape(self.input_)}",
            f"<b>core</b> {escape(self.core_)}",
            f"<b>head</b> {escape(self.head_)}",
            f"<b>weights</b> {self.n_weights_:,}",
        ]
        if self._config.ngram_longest or self._config.reservoir_units:
            parts.append(f"<b>prediction</b> {escape(self.prediction_)}")
        return f"{html}<p class='sklearn-rnn-network'>{' &rarr; '.join(parts)}</p>"

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "net_" in state:
            # An unfitted copy takes its callbacks along to a worker; a saved model has none.
            for key in [k for k in state if k.startswith("_") and "callback" in k]:
                del state[key]
            state["callbacks"] = None
            state["net_"] = pack_net(
                self.net_, self._config, self._recipe, resumable=self._resumable
            )
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(state)
        if isinstance(state.get("net_"), dict):
            self.net_ = unpack_net(state["net_"], self.device, self.precision)
            self.net_.bind(self)
