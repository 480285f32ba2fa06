"""Quantiles that hold what they say, and forecasts beyond the horizon that was trained.

Conformal calibration, per horizon, on a held-out tail. NumPy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ._dataset import Forecasts
from ._panel import Panel

# A step of the horizon borrows the errors of its neighbours until it has this many.
_ENOUGH = 200
# Factors found on n errors count n / (n + _DOUBT); the rest is one, the model's own.
_DOUBT = 20
# Errors of one forecast are much alike: they tell as much as this many.
_ALIKE = 4.0
_NARROWEST, _WIDEST = 0.1, 10.0


@dataclass(frozen=True)
class Calibration:
    """Factors (H, Q) of the distances between point forecast and quantiles."""

    levels: tuple[float, ...]
    factors: np.ndarray

    def __call__(self, point: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
        """Return calibrated quantiles (..., H, Q), in order; the point forecast stays within."""
        horizon = point.shape[-1]
        steps = np.minimum(np.arange(horizon), len(self.factors) - 1)
        moved = point[..., None] + (quantiles - point[..., None]) * self.factors[steps]
        return ordered(moved, self.levels)


def ordered(quantiles: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Push quantiles outwards from the median until they are in order."""
    middle = int(np.argmin(np.abs(np.asarray(levels) - 0.5)))
    result = quantiles.copy()
    result[..., middle:] = np.maximum.accumulate(result[..., middle:], axis=-1)
    low = result[..., middle::-1]
    result[..., middle::-1] = np.minimum.accumulate(low, axis=-1)
    return result


def calibrate(
    truth: np.ndarray,
    point: np.ndarray,
    quantiles: np.ndarray,
    levels: Sequence[float],
    n_independent: float = np.inf,
) -> Calibration:
    """Find the factors on a held-out tail.

    Parameters
    ----------
    truth, point : ndarray of shape (n, H)
        NaN in the truth counts for nothing.
    quantiles : ndarray of shape (n, H, Q)
    levels : sequence of float
    n_independent : float, default=inf
        Forecasts that do not overlap: errors of one forecast are much alike.

    Returns
    -------
    Calibration
    """
    horizon = truth.shape[1]
    seen = np.isfinite(truth).sum(0)
    factors = np.ones((horizon, len(levels)))
    for step in range(horizon):
        reach = 0
        while True:
            low, high = max(0, step - reach), min(horizon, step + reach + 1)
            if seen[low:high].sum() >= _ENOUGH or (low == 0 and high == horizon):
                break
            reach += 1
        part = truth[:, low:high], point[:, low:high], quantiles[:, low:high]
        factors[step] = _factors(*part, levels, n_independent)
    return Calibration(tuple(levels), factors)


def proven(
    truth: np.ndarray,
    point: np.ndarray,
    quantiles: np.ndarray,
    levels: Sequence[float],
    n_independent: float,
) -> tuple[Calibration, float, float]:
    """Calibrate; return the coverage of the 90 % interval before, and after on the other half.

    Parameters
    ----------
    truth, point : ndarray of shape (n, H, K)
    quantiles : ndarray of shape (n, H, K, Q)
    levels : sequence of float
    n_independent : float
        As for `calibrate`.

    Returns
    -------
    calibration : Calibration
        Found on everything.
    before, after : float
        After: each half by factors that were found on the other.
    """
    flat = truth.shape[0] * truth.shape[2], truth.shape[1]

    def rows(values: np.ndarray) -> np.ndarray:
        return np.moveaxis(values, 2, 1).reshape(*flat, *values.shape[3:])

    truth, point, quantiles = rows(truth), rows(point), rows(quantiles)
    low, high = list(levels).index(0.05), list(levels).index(0.95)
    whole = calibrate(truth, point, quantiles, levels, n_independent)
    halves = np.arange(len(truth)) % 2
    after = np.empty_like(quantiles)
    for half in (0, 1):
        own, other = halves == half, halves != half
        part = whole
        if other.any():
            part = calibrate(
                truth[other], point[other], quantiles[other], levels, n_independent / 2
            )
        after[own] = part(point[own], quantiles[own])
    return (
        whole,
        coverage(truth, quantiles[..., low], quantiles[..., high]),
        coverage(truth, after[..., low], after[..., high]),
    )


def _factors(
    truth: np.ndarray,
    point: np.ndarray,
    quantiles: np.ndarray,
    levels: Sequence[float],
    n_independent: float,
) -> np.ndarray:
    """Return one factor a level from errors at some steps."""
    known = np.isfinite(truth)
    error = (truth - point)[known]
    found = np.ones(len(levels))
    n = len(error)
    if n < 2:
        return found
    least = 1e-12 * (float(np.abs(error).max()) or 1.0)
    for column, level in enumerate(levels):
        if abs(level - 0.5) < 1e-9:
            continue
        distance = (quantiles[..., column] - point)[known]
        side = 1.0 if level > 0.5 else -1.0
        distance = np.maximum(side * distance, least)
        ratio = side * error / distance
        share = max(level, 1 - level)
        # The finite-sample correction of split conformal prediction.
        few = min(n, max(1.0, _ALIKE * n_independent))
        factor = float(np.quantile(ratio, min(1.0, share * (few + 1) / few), method="higher"))
        factor = float(np.clip(factor, _NARROWEST, _WIDEST))
        found[column] = factor ** (n / (n + _DOUBT))
    return found


def coverage(truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """Return the share of known truths within an interval."""
    known = np.isfinite(truth)
    inside = (truth >= low) & (truth <= high)
    return float(inside[known].mean()) if known.any() else float("nan")


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
    """Keep this many rows of each series at most: no forecast of a block needs those behind it."""
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
