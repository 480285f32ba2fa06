"""Blocks of the history that are left out in turn, where the tail alone tells little. NumPy, torch.

A tail that holds few forecasts is one stretch of one season. A ridge regression is solved so
quickly that it can be tried on the stretches before the tail as well, each forecast by a map that
was solved without its targets. What came later may be learned from: this compares candidates, it
reports no error.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ._dataset import ForecastData

# Blocks, and windows that one is left out from and tried on.
_BLOCKS, _MOST_SOLVED, _MOST_TRIED = 4, 8_000, 400
#: Forecasts in a tail that do not overlap, from which on it is enough.
ENOUGH = 100.0

_Windows = tuple[Tensor, Tensor]


def left_out(
    data: ForecastData, first: int, begin: int, stride: int
) -> Iterator[tuple[_Windows, _Windows]]:
    """Yield windows to solve from and windows to try, block by block.

    Parameters
    ----------
    data : ForecastData
        Ends before the tail.
    first : int
        Rows that must lie before a window that is solved from.
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
        return
    edges = begin + np.maximum(room, 0)[:, None] * np.arange(n_blocks + 1) // n_blocks
    unit, cut = data.windows(first, full=True, most=10**9, seed=0)
    series, place = unit.numpy() % n, cut.numpy()
    for block in range(n_blocks):
        low, high = edges[:, block], edges[:, block + 1]
        # Targets before the block, or behind it.
        apart = (place + horizon <= low[series]) | (place >= high[series])
        kept = _some(np.flatnonzero(apart), _MOST_SOLVED)
        tried = _tried(data, low, high, stride)
        if len(kept) and len(tried[0]):
            yield (unit[kept], cut[kept]), tried


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
