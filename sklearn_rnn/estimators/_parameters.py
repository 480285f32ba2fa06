"""The parameters that every estimator shares, and what an estimator may change of a fit.

Imports scikit-learn and layers 0 to 2. Training and prediction are in the files beside it.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from joblib import cpu_count
from sklearn.utils import check_random_state

from ..nn import CELLS
from ..sequences import Interval, Sequences, StrOptions, Unused, check_X
from ..training import (
    LARGEST_RATE,
    MOST_EPOCHS,
    MOST_LAYERS,
    OPTIMIZERS,
    Composed,
    Composition,
    Dropout,
    EarlyStopping,
    Embedding,
    Optimizer,
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


_OF_TOKENS = ("embedding", *(f"embedding__{name}" for name in Embedding._parameter_constraints))
#: What is read by a recurrence, or by its training, and by nothing else.
_OF_TRAINING = (
    "hidden_size",
    "cell",
    "num_layers",
    "pooling",
    "stem",
    "dropout",
    "layer_norm",
    "dropout__weights",
    *_OF_TOKENS,
    "n_estimators",
    "label_smoothing",
    "optimizer",
    *(f"optimizer__{name}" for name in Optimizer._parameter_constraints),
    "learning_rate",
    "batch_size",
    "max_epochs",
    "early_stopping__n_iter_no_change",
    "early_stopping__tol",
)


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
        ("early_stopping", "early_stopping__validation_fraction"),
        lambda model: not model._config.recurrent and bool(model._config.reservoir_units),
        "the closed form alone is solved, and nothing is trained",
    ),
    Unused(
        _OF_TOKENS,
        _reads_no_text,
        "X holds numbers, and they are for tokens or words",
    ),
    Unused(
        ("embedding",),
        lambda model: model._config.embedding_size != model._settings("embedding").size,
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


class ParametersMixin(Composed):
    """Shared parameters with their bounds; what an estimator adds to the fit skeleton."""

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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing != "error"
        if tags.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = []
        tags.target_tags.multi_output = any(kind.several_outputs for kind in self._kinds)
        return tags
