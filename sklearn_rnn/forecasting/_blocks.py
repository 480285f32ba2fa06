"""Blocks of the history that are left out in turn, where the tail alone tells little. NumPy, torch.

A tail that holds few forecasts is one stretch of one season. A ridge regression is solved so
quickly that it can be tried on the stretches before the tail as well, each forecast by a map that
was solved without its targets. What came later may be learned from: this compares candidates, it
reports no error.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ._dataset import ForecastData

# Blocks, and windows that one is tried on.
_BLOCKS, _MOST_TRIED = 4, 400
#: Forecasts in a tail that do not overlap, from which on it is enough.
ENOUGH = 100.0

_Windows = tuple[Tensor, Tensor]


def left_out(
    data: ForecastData, unit: Tensor, cut: Tensor, begin: int, stride: int
) -> list[tuple[np.ndarray, _Windows]]:
    """List blocks: which windows (n_windows,) have no target in it, and windows to try on it.

    Parameters
    ----------
    data : ForecastData
        Ends before the tail.
    unit, cut : Tensor of int of shape (n_windows,)
        Windows that are solved from.
    begin : int
        Rows that lie before the first block.
    stride : int
        Rows between the windows that are tried.
    """
    horizon, n = data.horizon, data.n_series
    until = data.until[:n] - data.offsets[:-1]
    room = until - begin
    n_blocks = int(min(_BLOCKS, np.median(room) // horizon))
    if n_blocks < 2:
        return []
    edges = begin + np.maximum(room, 0)[:, None] * np.arange(n_blocks + 1) // n_blocks
    series, place = unit.numpy() % n, cut.numpy()
    found = []
    for low, high in zip(edges.T[:-1], edges.T[1:], strict=True):
        # Targets before the block, or behind it.
        apart = (place + horizon <= low[series]) | (place >= high[series])
        tried = _tried(data, low, high, stride)
        if apart.any() and len(tried[0]):
            found.append((apart, tried))
    return found


def _tried(data: ForecastData, low: np.ndarray, high: np.ndarray, stride: int) -> _Windows:
    """List windows whose targets lie in a block; all targets of a series at each cut."""
    cuts = [
        np.arange(last - data.horizon, first - 1, -stride)[::-1]
        for first, last in zip(low, high, strict=True)
    ]
    series = np.repeat(np.arange(data.n_series), [len(part) for part in cuts])
    cut = np.concatenate(cuts)
    times = data.n_units // data.n_series
    kept = _some(np.arange(len(cut)), max(1, _MOST_TRIED // times))
    units = (series[kept][None] + np.arange(times)[:, None] * data.n_series).reshape(-1)
    return torch.from_numpy(units), torch.from_numpy(np.tile(cut[kept], times))


def _some(places: np.ndarray, most: int) -> np.ndarray:
    """Return places, or so many drawn from them."""
    if len(places) <= most:
        return places
    return np.sort(np.random.default_rng(0).choice(places, most, replace=False))
