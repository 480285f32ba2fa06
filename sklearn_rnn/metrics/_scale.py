"""The yardstick of scaled errors: how far seasonal naive forecasts were off in training.

Imports NumPy only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def naive_scale(y: Array, season_length: int = 1, *, squared: bool = False) -> Array:
    """Return the mean absolute (or squared) seasonal difference of every column.

    Parameters
    ----------
    y : ndarray of shape (n_steps,) or (n_steps, n_targets)
        A training series in order of time; NaN is missing.
    season_length : int, default=1
        Distance of the steps compared. A series no longer than a season is compared from step to
        step.
    squared : bool, default=False
        Whether to square the differences.

    Returns
    -------
    ndarray of shape () or (n_targets,)
        NaN where there is nothing to compare; 0 for a constant series.
    """
    y = np.asarray(y, dtype=np.float64)
    lag = season_length if 0 < season_length < len(y) else 1
    found = _mean_difference(y, lag, squared)
    if lag > 1:
        found = np.where(np.isnan(found), _mean_difference(y, 1, squared), found)
    return np.asarray(found)


def _mean_difference(y: Array, lag: int, squared: bool) -> Array:
    """Average differences over the pairs of steps that were both seen."""
    differences = y[lag:] - y[:-lag]
    differences = differences**2 if squared else np.abs(differences)
    seen = ~np.isnan(differences)
    counts = seen.sum(axis=0)
    sums = np.where(seen, differences, 0.0).sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
