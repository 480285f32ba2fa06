"""Means and scales of targets and static features over the training rows. Imports layer 0."""

from __future__ import annotations

import numpy as np

from ..sequences import Sequences, origin_of
from ._targets import Target


def target_statistics(
    target: Target,
    encoded: np.ndarray,
    sequences: Sequences,
    rows: np.ndarray,
    weights: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted mean and scale of continuous targets over the training rows."""
    chosen = np.zeros(len(sequences))
    chosen[rows] = 1.0 if weights is None else weights[rows]
    by_target = np.repeat(chosen, sequences.lengths) if target.per_step else chosen
    values = np.asarray(encoded, dtype=np.float64)
    seen = target.observed(values)
    if seen is not None:
        values, by_target = values[seen], by_target[seen]
    mean = np.average(values, axis=0, weights=by_target)
    scale = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=by_target))
    return mean, np.where(scale > 1e-12 * np.maximum(np.abs(mean), 1e-300), scale, 1.0)


def static_statistics(
    sequences: Sequences, rows: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return (weighted) mean and scale of the numeric static columns over the rows, in order.

    Then what all static columns are counted from, as in `step_statistics`, and those means too;
    None where that is zero.
    """
    categories = sequences.static_categories or ()
    static = np.asarray(sequences.static, dtype=np.float64)[rows]
    numeric = [j for j in range(static.shape[1]) if j >= len(categories) or categories[j] is None]
    each = None if weights is None else weights[rows]

    def moments(origin: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        values = np.ma.masked_invalid(static[:, numeric] - origin)
        mean = np.ma.average(values, axis=0, weights=each)
        variance = np.ma.average((values - mean) ** 2, axis=0, weights=each)
        scale = np.asarray(np.ma.filled(np.ma.sqrt(variance), 1.0))
        mean = np.asarray(np.ma.filled(mean, 0.0))
        rounding = 4 * np.finfo(np.float64).eps * np.abs(origin + mean)
        return mean, np.where(scale > rounding, scale, 1.0)

    mean, scale = moments()
    origin = np.zeros(static.shape[1])
    origin[numeric] = origin_of(mean, scale)
    if not origin.any():
        return mean, scale, None
    return *moments(origin[numeric]), origin
