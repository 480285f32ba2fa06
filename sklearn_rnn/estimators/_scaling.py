"""Means and scales of static features over the training rows. Imports layer 0."""

from __future__ import annotations

import numpy as np

from ..sequences import Sequences, origin_of


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
