"""The parameters that every estimator shares, and what an estimator may change of a fit.

Imports scikit-learn and layers 0 to 2. Training and prediction are in the files beside it.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from joblib import cpu_count
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from ..nn import CELLS
from ..sequences import Interval, Sequences, StrOptions, Unused, check_X
from ..training import (
    LARGEST_RATE,
    MOST_EPOCHS,
    MOST_LAYERS,
    OPTIMIZERS,
    SCHEDULES,
    auto_batch_size,
    auto_epochs,
)
from ._targets import Kinds, Target, target_of
from ._tokens import token_dropout, vector_size


def private_stream(random_state: Any) -> np.random.RandomState:
    """Return a stream of our own, seeded from what the user gave, or from entropy for None."""
    if random_state is None:
        return np.random.RandomState(np.random.SeedSequence().generate_state(4))
    if isinstance(random_state, Integral):
        return np.random.RandomState(int(random_state))
    return np.random.RandomState(check_random_state(random_state).randint(0, 2**31 - 1))


#: What is read by a recurrence, or by its training, and by nothing else.
_OF_TRAINING = (
    "hidden_size",
    "cell",
    "num_layers",
    "nonlinearity",
    "pooling",
    "stem",
    "dropout",
    "layer_norm",
    "weight_dropout",
    "embedding_size",
    "embedding_dropout",
    "word_dropout",
    "variational",
    "initial_scale",
    "n_estimators",
    "label_smoothing",
    "optimizer",
    "learning_rate",
    "weight_decay",
    "schedule",
    "batch_size",
    "max_epochs",
    "gradient_clip",
    "tbptt_steps",
    "gradient_checkpointing",
    "n_iter_no_change",
    "tol",
)


#: Cells whose constructor takes a nonlinearity.
_CHOOSE = [name for name, kind in CELLS.items() if kind.takes_nonlinearity]


def _reads_no_text(model: Any) -> bool:
    """Tell whether a model was fitted on numbers."""
    return model._config.vocabulary_size is None and model._config.words is None


#: What has no effect when, by what a fit knows before it trains. The first entry that holds counts.
UNUSED = (
    Unused(
        _OF_TRAINING,
        lambda model: not model._config.recurrent,
        "the closed form alone is solved, and nothing is trained",
    ),
    Unused(
        ("early_stopping", "validation_fraction"),
        lambda model: not model._config.recurrent and bool(model._config.reservoir_units),
        "the closed form alone is solved, and nothing is trained",
    ),
    Unused(
        ("nonlinearity",),
        lambda model: model.cell not in _CHOOSE,
        f"only cell={' or '.join(map(repr, _CHOOSE))} takes one",
    ),
    Unused(
        ("n_iter_no_change", "tol", "validation_fraction"),
        lambda model: not model.early_stopping,
        "they are for early_stopping=True",
    ),
    Unused(
        ("embedding_size", "embedding_dropout", "word_dropout", "variational", "character_size"),
        _reads_no_text,
        "X holds numbers, and they are for tokens or words",
    ),
    Unused(
        ("embedding_size",),
        lambda model: model._config.embedding_size != model.embedding_size,
        "the tokens' pretrained vectors have a size",
    ),
    Unused(
        ("pooling",),
        lambda model: model._config.per_step,
        "y has one target a step, none is pooled",
    ),
)


def copied_stream(stream: np.random.RandomState) -> np.random.RandomState:
    """Return a stream that draws what this one would, in a tenth of `copy.deepcopy`'s time."""
    other = np.random.RandomState(0)
    other.set_state(stream.get_state())
    return other


def n_threads(n_jobs: int | None) -> int:
    """Return the number of CPU threads: one unless asked, which is fastest for small nets."""
    if n_jobs is None:
        return 1
    if n_jobs == 0:
        raise ValueError("n_jobs == 0 has no meaning; use None, a positive number or -1.")
    # More threads than cores only take memory, and enough of them end the process.
    wanted = n_jobs if n_jobs > 0 else max(1, cpu_count() + 1 + n_jobs)
    return min(wanted, cpu_count())


class ParametersMixin(BaseEstimator):
    """Shared parameters with their bounds; what an estimator adds to the fit skeleton."""

    _parameter_constraints: dict[str, list] = {
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "cell": [StrOptions(set(CELLS)), type],
        "num_layers": [Interval(Integral, 1, MOST_LAYERS, closed="both")],
        "bidirectional": ["boolean"],
        "nonlinearity": [StrOptions({"tanh", "relu", "sigmoid"})],
        "pooling": [str, tuple, list],
        "stem": [StrOptions({"conv"}), None],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "layer_norm": ["boolean"],
        "weight_dropout": [Interval(Real, 0, 1, closed="left")],
        "embedding_size": [Interval(Integral, 1, None, closed="left")],
        "initial_scale": [Interval(Real, 0, LARGEST_RATE, closed="right"), None],
        "embedding_dropout": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "word_dropout": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "variational": ["boolean"],
        "reservoir": [StrOptions({"auto", "only"}), "boolean"],
        "ngrams": [StrOptions({"auto", "only"}), "boolean"],
        "missing": [StrOptions({"auto", "indicator", "mean", "error"})],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "learning_rate": [Interval(Real, 0, LARGEST_RATE, closed="right")],
        "weight_decay": [Interval(Real, 0, LARGEST_RATE, closed="both")],
        "schedule": [StrOptions(set(SCHEDULES))],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_epochs": [Interval(Integral, 1, MOST_EPOCHS, closed="both"), StrOptions({"auto"})],
        "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
        "tbptt_steps": [Interval(Integral, 1, None, closed="left"), None],
        "gradient_checkpointing": [StrOptions({"auto"}), "boolean"],
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
        "callbacks": [object],
    }

    _unused: tuple[Unused, ...] = UNUSED

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
    weight_dropout: float
    embedding_size: int
    initial_scale: float | None
    embedding_dropout: float | str
    word_dropout: float | str
    variational: bool
    reservoir: str | bool
    ngrams: str | bool
    n_estimators: int = 1
    missing: str
    loss: Any
    optimizer: Any
    learning_rate: float
    weight_decay: float
    schedule: str
    batch_size: int | str
    max_epochs: int | str
    gradient_clip: float | None
    tbptt_steps: int | None
    gradient_checkpointing: bool | str
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
    callbacks: Any
    class_weight: Any = None
    best_validation_score_: float | None
    readout_shares_: dict[str, float]

    #: The kinds of targets that the estimator takes.
    _kinds: Kinds
    _target: Target

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
        of_values, of_tokens = token_dropout(sequences, self.embedding_dropout, self.word_dropout)
        return {
            "n_channels": sequences.n_channels + (sequences.times is not None),
            "vocabulary_size": sequences.vocabulary_size,
            "timed": sequences.is_tokens and sequences.times is not None,
            "embedding_size": vector_size(sequences) or int(self.embedding_size),
            "embedding_dropout": of_values,
            "word_dropout": of_tokens,
            "variational": bool(self.variational),
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
            "weight_dropout": float(self.weight_dropout),
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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing != "error"
        if tags.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = []
        tags.target_tags.multi_output = any(kind.several_outputs for kind in self._kinds)
        return tags
