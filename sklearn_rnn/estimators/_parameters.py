"""What estimators share beside their classes: what has no effect, random streams, threads.

Imports scikit-learn, joblib, layers 0 and 2.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from joblib import cpu_count
from sklearn.base import TransformerMixin
from sklearn.utils import check_random_state

from ..sequences import (
    Unused,
    all_or_nothing,
    require_in_step,
)
from ..training import (
    Embedding,
    Optimizer,
)


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


@all_or_nothing
def fit_transform(self: Any, X: Any, y: Any = None, **fit_params: Any) -> Any:
    """Fit to X and y, then transform the training sequences.

    Parameters
    ----------
    X : array-like, frame, list of arrays or Sequences
        The sequences, as in `fit`.
    y : array-like or list of n_samples targets
        As in `fit`, but in the order of X: what comes after has no labels to align it by.
    **fit_params : dict
        Further arguments of `fit`.

    Returns
    -------
    features : ndarray of shape (n_samples, n_features_out)
        As from `transform`.
    """
    require_in_step(X, y, type(self).__name__)
    return TransformerMixin.fit_transform(self, X, y, **fit_params)
