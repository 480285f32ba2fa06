"""How forecasts go on beyond the horizon that a network was trained for. NumPy only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ._calibration import ordered
from ._forecasts import Forecasts
from ._panel import Panel


def extended(panel: Panel, steps: int, future_known: np.ndarray | None) -> Panel:
    """Add rows without targets behind every series."""
    offsets = panel.offsets
    n = len(offsets) - 1
    places = np.repeat(offsets[1:], steps)
    values = np.insert(panel.values.astype(np.float64), places, np.nan, axis=0)
    known = panel.known
    if known is not None:
        if future_known is None:
            last = np.maximum(offsets[1:] - 1, 0)
            future_known = np.repeat(known[last][:, None], steps, axis=1)
        lack = steps - future_known.shape[1]
        if lack > 0:
            tail = np.repeat(future_known[:, -1:], lack, axis=1)
            future_known = np.concatenate([future_known, tail], axis=1)
        rows = future_known[:, :steps].reshape(n * steps, -1)
        known = np.insert(known.astype(np.float64), places, rows, axis=0)
    past = panel.past
    if past is not None:
        last = np.repeat(past[np.maximum(offsets[1:] - 1, 0)], steps, axis=0)
        past = np.insert(past.astype(np.float64), places, last, axis=0)
    moved = offsets + np.arange(n + 1) * steps
    return replace(panel, values=values, known=known, past=past, offsets=moved)


def continued(
    panel: Panel, series: np.ndarray, cut: np.ndarray, point: np.ndarray
) -> tuple[Panel, np.ndarray, np.ndarray]:
    """Make each origin a series whose history goes on with its point forecasts."""
    length = np.diff(panel.offsets)[series]
    begins = panel.offsets[series]
    offsets = np.concatenate([[0], np.cumsum(length)])
    rows = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - begins, length)
    values = panel.values[rows].copy()
    step = point.shape[1]
    for index, row in enumerate(offsets[:-1] + cut):
        stop = min(row + step, offsets[index + 1])
        values[row:stop] = point[index, : stop - row]
        values[stop : offsets[index + 1]] = np.nan
    made = replace(
        panel,
        values=values,
        offsets=offsets,
        start=panel.start[series],
        known=None if panel.known is None else panel.known[rows],
        past=None if panel.past is None else panel.past[rows],
        static=None if panel.static is None else panel.static[series],
    )
    return made, np.arange(len(series)), cut + step


def shortened(panel: Panel, lengths: np.ndarray) -> Panel:
    """Keep so many rows of each series at most: no forecast of a block needs those behind it."""
    lengths = np.minimum(lengths, np.diff(panel.offsets))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    rows = np.arange(offsets[-1]) + np.repeat(panel.offsets[:-1] - offsets[:-1], lengths)
    return replace(
        panel,
        values=panel.values[rows],
        offsets=offsets,
        known=None if panel.known is None else panel.known[rows],
        past=None if panel.past is None else panel.past[rows],
    )


def widened(found: Forecasts, wide: np.ndarray) -> Forecasts:
    """Add the spread (n, K, Q) that the block before ended with, as independent errors do."""
    distance = found.quantiles - found.point[..., None]
    more = np.sqrt(distance**2 + wide[:, None] ** 2)
    quantiles = found.point[..., None] + np.copysign(more, distance + wide[:, None])
    return Forecasts(found.point, ordered(quantiles, found.levels), found.levels)
