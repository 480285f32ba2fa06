"""Conformal calibration of quantiles, per horizon, on a held-out tail. NumPy only.

Split conformal prediction on the ratio of each error to the distance that the model gave a
quantile from its point forecast (Romano, Patterson and Candès, 2019, in its scaled form): for each
step and level a factor is found by which the distance would have held what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# A step of the horizon borrows the errors of its neighbours until it has this many.
_ENOUGH = 200
# Factors found on n errors count n / (n + _DOUBT); the rest is one, the model's own.
_DOUBT = 20
# Errors of one forecast are much alike: they tell as much as so many.
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
