"""Linear readouts of sparse features, by scikit-learn's models.

Imports NumPy, SciPy and scikit-learn.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

# How often a feature counts as seen with either answer, beside how often it was.
_SEEN_BEFORE = 1.0


def solve_numbers(
    features: Any, wanted: np.ndarray, weights: np.ndarray | None, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and biases of ridge regression."""
    ridge = Ridge(alpha=10.0 / strength, solver="sparse_cg", tol=1e-6)
    ridge.fit(features, wanted, sample_weight=weights)
    return ridge.coef_.reshape(wanted.shape[1], -1).T, np.atleast_1d(ridge.intercept_)


def solve_labels(
    features: Any,
    wanted: np.ndarray,
    weights: np.ndarray | None,
    strength: float,
    *,
    by_ratio: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and biases of logistic regression, each output against the rest.

    The first `by_ratio` features are scaled by how much more often they occur with the output than
    without (the log-count ratio of naive Bayes), so that the penalty spares what tells much.
    """
    coefficients = np.zeros((features.shape[1], wanted.shape[1]))
    biases = np.zeros(wanted.shape[1])
    # Each output against the rest: quick, and as good here as all of them at once.
    model = LogisticRegression(
        C=strength,
        solver="liblinear",
        intercept_scaling=3.0,
        tol=1e-3,
        max_iter=200,
        random_state=0,
    )
    for column, labels in enumerate(wanted.T > 0.5):
        if labels.all() or not labels.any():
            biases[column] = (1 if labels.all() else -1) * np.log(2.0 * len(labels) + 1.0)
            continue
        scaled, scale = features, np.ones(features.shape[1])
        if by_ratio:
            scale[:by_ratio] = _log_ratios(features, labels, weights)[:by_ratio]
            scaled = features.copy()
            scaled.data *= scale[features.indices]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(scaled, labels, sample_weight=weights)
        coefficients[:, column], biases[column] = scale * model.coef_[0], model.intercept_[0]
    return coefficients, biases


def _log_ratios(features: Any, labels: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Return by how much more often each feature is there with the label than without."""
    there = sparse.csr_array(
        (np.ones(len(features.data)), features.indices, features.indptr), shape=features.shape
    )
    counts = np.ones(len(labels)) if weights is None else weights / weights.mean()
    having = there.T @ (counts * labels) + _SEEN_BEFORE
    lacking = there.T @ (counts * ~labels) + _SEEN_BEFORE
    return np.asarray(np.log(having / having.sum()) - np.log(lacking / lacking.sum()))
