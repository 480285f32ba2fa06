"""Ridge regression with exact leave-one-out predictions for many penalties. Imports NumPy only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

PENALTIES = np.logspace(-2, 6, 17)
# A feature that varies less than this over the training set carries rounding, not information.
SMALLEST_SCALE = 1e-4


@dataclass(frozen=True)
class RidgeSolution:
    """A solved readout.

    Attributes
    ----------
    weight : ndarray of shape (n_features, n_targets)
        Coefficients of the features as given.
    bias : ndarray of shape (n_targets,)
        Intercepts.
    penalty : float
        The chosen penalty, on standardised features.
    left_out : ndarray of shape (n_samples, n_targets)
        What each sample is predicted to be by a readout solved without it.
    """

    weight: np.ndarray
    bias: np.ndarray
    penalty: float
    left_out: np.ndarray


def solve_ridge(
    features: np.ndarray,
    targets: np.ndarray,
    criterion: Callable[[np.ndarray], float],
    *,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    penalties: np.ndarray = PENALTIES,
    emphasis: np.ndarray | None = None,
) -> RidgeSolution:
    """Solve ridge regression at the penalty whose left-out predictions do best.

    The features are standardised. All penalties share one eigendecomposition of the Gram matrix
    of samples, and the left-out predictions are exact for the standardised features: leaving a
    sample out changes its prediction by its residual over its leverage's complement.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features)
        Finite numbers.
    targets : ndarray of shape (n_samples, n_targets)
        Finite numbers.
    criterion : callable
        Takes left-out predictions (n_samples, n_targets) and returns what is to be small.
    weights : ndarray of shape (n_samples,), default=None
        Positive weights of the samples.
    groups : ndarray of int of shape (n_samples,), default=None
        Samples of a group are copies with the same features, counted 0, 1, ...; they are left out
        together. A sample given twice is then the same as one of twice the weight, and a copy
        does not tell the answer of the one that is left out.
    penalties : ndarray, default=PENALTIES
        Candidates; on a tie the first is taken.
    emphasis : ndarray of shape (n_features,), default=None
        Factor of each standardised feature: the larger, the less its coefficient is penalised.

    Returns
    -------
    RidgeSolution
        The readout and its left-out predictions.
    """
    if groups is None:
        groups = np.arange(len(features))
    heavy = np.ones(len(features)) if weights is None else weights
    each = np.bincount(groups, weights=heavy)
    targets = np.asarray(targets, dtype=np.float64)
    targets = (
        np.stack([np.bincount(groups, weights=heavy * column) for column in targets.T], axis=1)
        / each[:, None]
    )
    _, first = np.unique(groups, return_index=True)
    features = np.asarray(features[first], dtype=np.float64)
    each = each * (len(each) / each.sum())
    root = np.sqrt(each)[:, None]
    centre = np.average(features, axis=0, weights=each)
    scale = np.sqrt(np.average((features - centre) ** 2, axis=0, weights=each))
    standard = root * (features - centre) / np.where(scale > SMALLEST_SCALE, scale, 1.0)
    standard[:, scale <= SMALLEST_SCALE] = 0.0
    if emphasis is not None:
        standard *= emphasis
    level = np.average(targets, axis=0, weights=each)
    wanted = root * (targets - level)

    values, vectors = np.linalg.eigh(standard @ standard.T)
    values = np.clip(values, 0.0, None)
    projected = vectors.T @ wanted
    # The intercept is not penalised: its direction, the root weights, leaves the problem.
    ones = root[:, 0] / np.linalg.norm(root)
    is_intercept = np.abs(vectors.T @ ones) > 1 - 1e-6
    best: tuple[float, float, np.ndarray, np.ndarray] | None = None
    for penalty in penalties:
        inverse = np.where(is_intercept, 0.0, 1.0 / (values + penalty))
        dual = (vectors * inverse) @ projected
        diagonal = ((vectors**2) * inverse).sum(axis=1)[:, None]
        left_out = targets - dual / np.maximum(diagonal, 1e-300) / root
        value = criterion(left_out[groups])
        if best is None or value < best[0]:
            best = (value, float(penalty), dual, left_out)
    assert best is not None, "there is at least one penalty"
    _, penalty, dual, left_out = best
    coefficients = (standard.T @ dual) / np.where(scale > SMALLEST_SCALE, scale, 1.0)[:, None]
    if emphasis is not None:
        coefficients *= emphasis[:, None]
    bias = level - centre @ coefficients
    return RidgeSolution(coefficients, bias, penalty, left_out[groups])
