"""The series that a network sees: one target each, transformed, on a flat row of numbers.

A *lane* is one target of one series. All lanes lie behind one another in flat arrays, so that a
window is a stretch of indices and a batch of windows one gather. Everything at a row is computed
from rows up to it, and statistics from the rows before a lane's limit: nothing sees the future.
Imports NumPy, SciPy and layer 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..sequences import origin_of
from ._effects import Effects
from ._smoothing import LEVELS as SMOOTHED_LEVELS
from ._smoothing import smooth

#: Smoothed numbers a row: levels and a slope.
N_SMOOTHED = len(SMOOTHED_LEVELS) + 1
# Spreads outside of these are brought to about one, so that no square leaves single precision.
_SMALL = 2.0**-40
# Values that vary by less than this share of the least of them lie on a line under any transform.
_LINE = 1e-5
_TINY = float(np.finfo(np.float64).tiny)
_BOX_COX = np.array([0.0, 0.25, 0.5, 0.75, 1.0])


@dataclass
class Lanes:
    """Lanes of a panel, ready for windows.

    Attributes
    ----------
    x : ndarray of shape (L,), float32
        Transformed values, centred, gaps filled from the past.
    observed : ndarray of bool of shape (L,)
        Where there was a value.
    start, end : ndarray of int of shape (n_lanes,)
        First observed row of each lane, and the row behind its last.
    power : ndarray of shape (n_lanes,)
        Box-Cox power: 1 leaves values as they are, 0 is the logarithm.
    centre : ndarray of shape (n_lanes,)
        What was subtracted after the transform.
    stretch : ndarray of shape (n_lanes,)
        What was then divided by: 1, but for lanes so large or small that single precision could
        not hold their squares.
    scale : ndarray of shape (n_lanes,)
        Mean absolute seasonal difference in the user's units: the scale of MASE.
    unit : ndarray of shape (n_lanes,)
        Smallest spread of a window that is taken for real, in units of ``x``.
    season : int
        Steps of a season.
    profile : ndarray of shape (L,), float32, or None
        Seasonal deviation of each row, known half a season later.
    smoothed : ndarray of shape (L, N_SMOOTHED), float32, or None
        Levels and slope after each row.
    effect : ndarray of shape (L,) or None
        What covariates known ahead explain in each row, taken off ``x``.
    """

    x: np.ndarray
    observed: np.ndarray
    start: np.ndarray
    end: np.ndarray
    power: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    unit: np.ndarray
    season: int
    profile: np.ndarray | None
    smoothed: np.ndarray | None
    effect: np.ndarray | None = None
    stretch: np.ndarray | float = 1.0

    def to_user(self, values: np.ndarray, lanes: np.ndarray) -> np.ndarray:
        """Turn transformed numbers (B, ...) of some lanes into the user's units."""
        tail = (slice(None),) + (None,) * (values.ndim - 1)
        power = self.power[lanes][tail]
        values = values * self._stretch(lanes)[tail] + self.centre[lanes][tail]
        log = power == 0
        if (power == 1).all():
            return values
        with np.errstate(over="ignore"):
            grown = np.exp(np.minimum(np.where(log, values, 0.0), 700.0))
        if log.all():
            return grown
        safe = np.where(log | (power == 1), 1.0, power)
        curved = np.maximum(safe * values + 1, 0.0) ** (1 / safe)
        return np.where(log, grown, np.where(power == 1, values, curved))

    def slope(self, levels: np.ndarray, lanes: np.ndarray) -> np.ndarray:
        """Return how much the user's units move with the transformed ones at a level (B,)."""
        power = self.power[lanes]
        value = np.maximum(self.to_user(levels, lanes), _TINY)
        bend = np.where(power == 1, 1.0, value ** (1 - np.where(power == 1, 0.0, power)))
        return self._stretch(lanes) * bend

    def units(self, lanes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return centre and stretch of some lanes."""
        return self.centre[lanes], self._stretch(lanes)

    def _stretch(self, lanes: np.ndarray) -> np.ndarray:
        """Return the stretch of some lanes."""
        return np.broadcast_to(self.stretch, self.centre.shape)[lanes]


def make_lanes(
    panel: Any,
    transform: str | None,
    *,
    seasonality: bool,
    limit: np.ndarray | None = None,
    effects: Effects | None = None,
    known: np.ndarray | None = None,
) -> Lanes:
    """Read a panel's targets into lanes.

    Parameters
    ----------
    panel : Panel
        Targets (N, K); lane ``k * n + i`` is target k of series i.
    transform : {"log", "box-cox", None}
        "log" and "box-cox" leave lanes alone that are not positive throughout.
    seasonality : bool
        Smooth the lanes too.
    limit : ndarray of int of shape (n,), default=None
        Rows of each series that statistics may use; None means all.
    effects : Effects, default=None
        Of covariates, which the lanes are freed of.
    known : ndarray of shape (N, D), default=None
        Those covariates as numbers.

    Returns
    -------
    Lanes
    """
    values = np.asarray(panel.values, dtype=np.float64)
    n_rows, n_targets = values.shape
    raw = values.T.reshape(-1)
    shift = np.arange(n_targets, dtype=np.int64)[:, None] * n_rows
    first = (panel.offsets[:-1][None] + shift).reshape(-1)
    end = (panel.offsets[1:][None] + shift).reshape(-1)
    lengths = np.tile(np.diff(panel.offsets) if limit is None else limit, n_targets)
    observed = np.isfinite(raw)
    n_lanes = len(first)
    season = max(1, int(panel.season_length))

    start, power = first.copy(), np.ones(n_lanes)
    centre, scale, unit = np.zeros(n_lanes), np.ones(n_lanes), np.ones(n_lanes)
    stretch = np.ones(n_lanes)
    x = np.zeros(len(raw))
    effect = None if effects is None else np.zeros(len(raw))
    for lane, (low, high) in enumerate(zip(first, end, strict=True)):
        seen = observed[low:high]
        if not seen.any():
            start[lane] = high
            continue
        start[lane] = low + int(np.argmax(seen))
        full = raw[start[lane] : high]
        seen = observed[start[lane] : high]
        until = full[: max(1, low + lengths[lane] - start[lane])]
        present = until[np.isfinite(until)]
        scale[lane] = seasonal_scale(until, season)
        base = 0.0
        if transform is not None and _bends(present):
            power[lane] = 0.0 if transform == "log" else _best_power(present, season)
            full = np.maximum(full, 0.5 * present.min())
            present = _forward(present, power[lane])
            full = _forward(full, power[lane])
        if present.size:
            # Far from zero, differences keep their digits only when they are counted from there.
            base = float(origin_of(present.mean(), present.std()))
            full, present = full - base, present - base
        if effects is not None and effect is not None and known is not None:
            target, row = divmod(int(start[lane]), n_rows)
            rows = known[row : row + len(full)]
            effect[start[lane] : high] = effects.explained(target, full[: len(until)], rows)
            full = full - effect[start[lane] : high]
            past = full[: len(until)]
            present = past[np.isfinite(past)]
        middle = present.mean() if present.size else 0.0
        centre[lane] = base + middle
        stretch[lane] = _stretch_of(present)
        unit[lane] = _smallest_unit(present, base) / stretch[lane]
        filled = (full - middle) / stretch[lane]
        if effect is not None:
            effect[start[lane] : high] /= stretch[lane]
        x[start[lane] : high] = filled if seen.all() else fill_gaps(filled, season)
    profile = smoothed = None
    if seasonality:
        profile, smoothed = smooth(x, start, end, season)
    return Lanes(
        x.astype(np.float32), observed, start, end, power, centre, scale, unit, season,
        profile, smoothed, effect, stretch,
    )  # fmt: skip


def _forward(values: np.ndarray, power: float) -> np.ndarray:
    """Apply the Box-Cox transform."""
    if power == 1:
        return values
    return np.log(values) if power == 0 else (values**power - 1) / power


def _bends(values: np.ndarray) -> bool:
    """Tell whether values are positive, and vary enough for a curve not to be a line there."""
    least = values.min(initial=np.inf)
    return bool(values.size and least > 0 and np.ptp(values) > _LINE * least)


def _stretch_of(values: np.ndarray) -> float:
    """Return a power of two near the spread of values, 1 where their squares are harmless."""
    spread = float(values.std()) if values.size else 0.0
    if _SMALL <= spread <= 1 / _SMALL or not spread > 0:
        return 1.0
    return float(2.0 ** np.round(np.log2(spread)))


def _smallest_unit(values: np.ndarray, base: float) -> float:
    """Return what counts as no spread: a tenth of the usual step, and rounding, at least."""
    steps = np.abs(np.diff(values))
    usual = float(steps.mean()) if steps.size else 0.0
    size = float(np.abs(values).max(initial=0.0))
    rounding = max(1e-6 * size, 4 * np.finfo(np.float64).eps * abs(base))
    return max(0.1 * usual, rounding) or 1.0


def _best_power(values: np.ndarray, season: int) -> float:
    """Choose a Box-Cox power as Guerrero (1993): the spread of blocks should not follow level."""
    block = max(2, season)
    n_blocks = len(values) // block
    if n_blocks < 2:
        return 0.0
    blocks = values[len(values) - n_blocks * block :].reshape(n_blocks, block)
    level, spread = blocks.mean(1), blocks.std(1, ddof=1)
    ratios = spread[:, None] / level[:, None] ** (1 - _BOX_COX)
    mean = ratios.mean(0)
    variation = ratios.std(0) / np.where(mean > 0, mean, 1.0)
    return float(_BOX_COX[int(np.argmin(variation))])


def seasonal_scale(values: np.ndarray, season: int) -> float:
    """Return the mean absolute seasonal difference, or of steps where there is no season yet."""
    for lag in (season, 1):
        differences = np.abs(values[lag:] - values[:-lag])
        differences = differences[np.isfinite(differences)]
        if differences.size and (mean := float(differences.mean())) > 0:
            return mean
    finite = values[np.isfinite(values)]
    size = float(np.abs(finite).mean()) if finite.size else 0.0
    return size if size > 0 else 1.0


def fill_gaps(values: np.ndarray, season: int) -> np.ndarray:
    """Fill NaN with the last value of the same phase, else with the last value; never later ones.

    A phase counts while its last value is younger than three seasons. The first value is finite.
    """
    filled = values.copy()
    length = len(values)
    index = np.where(np.isfinite(values), np.arange(length), -1)
    last = np.maximum.accumulate(index)
    if season > 1:
        rounds = -(-length // season)
        padded = np.full(rounds * season, -1)
        padded[:length] = index
        phase = np.maximum.accumulate(padded.reshape(rounds, season), axis=0).reshape(-1)[:length]
        young = (phase >= 0) & (np.arange(length) - phase <= 3 * season)
        last = np.where(young, phase, last)
    gaps = ~np.isfinite(values)
    filled[gaps] = values[last[gaps]]
    return filled
