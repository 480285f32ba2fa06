"""Forecasts: what a model says of n origins. Imports NumPy, and the data for their layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._dataset import ForecastData


@dataclass
class Forecasts:
    """Forecasts of n origins.

    Attributes
    ----------
    point : ndarray of shape (n, h, K)
    quantiles : ndarray of shape (n, h, K, Q)
        At `levels`; they do not cross.
    levels : tuple of float
    """

    point: np.ndarray
    quantiles: np.ndarray
    levels: tuple[float, ...]


def kept_tail(
    data: ForecastData, unit: Any, cut: Any, found: Forecasts
) -> tuple[np.ndarray, np.ndarray, Forecasts]:
    """Return series, cuts and forecasts by origin, from those of a network's units."""
    units, cuts = (part.cpu().numpy() for part in (unit, cut))
    series = units % data.n_series
    if data.mixed or data.n_targets == 1:
        return series, cuts, found
    n, horizon, levels = data.n_targets, found.point.shape[1], found.levels
    order = np.lexsort((units // data.n_series, cuts, series))
    point = found.point[order, :, 0].reshape(-1, n, horizon).swapaxes(1, 2)
    quantiles = found.quantiles[order, :, 0].reshape(-1, n, horizon, len(levels)).swapaxes(1, 2)
    first = order[::n]
    return series[first], cuts[first], Forecasts(point, quantiles, levels)
