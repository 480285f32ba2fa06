"""What a forecast has to beat: naive, seasonal naive, drift, and ridge on lags. Imports NumPy.

Every function forecasts a panel from given origins, knowing nothing of what follows them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._panel import Panel

Array = NDArray[Any]
_MOST_WINDOWS = 4000


def history_of(panel: Panel, series: int, cut: int) -> Array:
    """Return what was seen of a series, of shape (cut, n_targets), gaps filled forward."""
    begin = panel.offsets[series]
    return fill_forward(panel.values[begin : begin + cut])


def fill_forward(values: Array) -> Array:
    """Carry the last seen value on through gaps; the first seen value back to the beginning."""
    seen = ~np.isnan(values)
    where = np.where(seen, np.arange(len(values))[:, None], -1)
    where = np.maximum.accumulate(where, axis=0)
    first = np.argmax(seen, axis=0)
    where = np.where(where < 0, first, where)
    return np.take_along_axis(values, where, axis=0)


def seasonal_naive(past: Array, horizon: int, season: int) -> Array:
    """Repeat the last season, (horizon, n_targets); the last value where there is no season."""
    season = season if 0 < season <= len(past) else 1
    last = past[-season:]
    return np.asarray(last[np.arange(horizon) % season])


def drift(past: Array, horizon: int) -> Array:
    """Go on along the line through the first and the last value."""
    slope = (past[-1] - past[0]) / max(1, len(past) - 1)
    return np.asarray(past[-1] + slope * np.arange(1, horizon + 1)[:, None])


def baselines(panel: Panel, series: Array, cuts: Array, horizon: int) -> dict[str, Array]:
    """Return the forecasts of every baseline from origins, each (n, horizon, n_targets)."""
    shape = (len(series), horizon, panel.n_targets)
    found = {name: np.full(shape, np.nan) for name in ("naive", "seasonal_naive", "drift")}
    histories = [history_of(panel, one, cut) for one, cut in zip(series, cuts, strict=True)]
    for row, past in enumerate(histories):
        if len(past):
            found["naive"][row] = past[-1]
            found["seasonal_naive"][row] = seasonal_naive(past, horizon, panel.season_length)
            found["drift"][row] = drift(past, horizon)
    linear = _ridge(histories, series, horizon, panel.season_length)
    return found if linear is None else {**found, "ridge": linear}


def _ridge(histories: list[Array], series: Array, horizon: int, season: int) -> Array | None:
    """Fit one ridge regression on the normalised lags of all series; None for too little data."""
    earliest: dict[int, Array] = {}
    for past, one in zip(histories, series, strict=True):
        if one not in earliest or len(past) < len(earliest[one]):
            earliest[int(one)] = past
    longest = max((len(past) for past in earliest.values()), default=0)
    window = min(max(2 * season, 12), 64, max(2, (longest - horizon) // 2))
    pairs = [
        (number, end, target)
        for number, past in earliest.items()
        for target in range(past.shape[1])
        for end in range(window, len(past) - horizon + 1)
    ]
    if len(pairs) < 10:
        return None
    chosen = np.linspace(0, len(pairs) - 1, min(len(pairs), _MOST_WINDOWS)).astype(int)
    lags = np.empty((len(chosen), window))
    ahead = np.empty((len(chosen), horizon))
    for row, place in enumerate(chosen):
        number, end, target = pairs[place]
        column = earliest[number][:, target]
        level, scale = _normal(column[end - window : end])
        lags[row] = (column[end - window : end] - level) / scale
        ahead[row] = (column[end : end + horizon] - level) / scale
    kept = np.isfinite(lags).all(axis=1) & np.isfinite(ahead).all(axis=1)
    kept &= np.abs(ahead).max(axis=1) < 20
    if kept.sum() < 10:
        return None
    A, B = np.c_[lags[kept], np.ones(kept.sum())], ahead[kept]
    gram = A.T @ A + 1.0 * np.eye(window + 1)
    weights = np.linalg.solve(gram, A.T @ B)
    result = np.full((len(histories), horizon, histories[0].shape[1]), np.nan)
    for row, past in enumerate(histories):
        if len(past) >= window:
            for target in range(past.shape[1]):
                recent = past[-window:, target]
                level, scale = _normal(recent)
                found = np.r_[(recent - level) / scale, 1.0] @ weights
                result[row, :, target] = found * scale + level
    return result


def _normal(window: Array) -> tuple[float, float]:
    """Return level and scale of a window: its last value, and its deviation."""
    scale = float(window.std())
    return float(window[-1]), scale if scale > 0 else 1.0
