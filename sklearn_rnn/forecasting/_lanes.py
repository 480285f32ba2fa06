"""The series that a network sees: one target each, transformed, on a flat row of numbers.

Beside them each series' own level, slope and profile, the solved effects of covariates that are
known ahead, and covariates as numbers. Imports NumPy and SciPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.signal import lfilter

from ..sequences import origin_of

#: Weight of the newest value in each smoothed level.
SMOOTHED_LEVELS = (0.1, 0.3, 0.7)
# Weight of the newest season in the profile, once there are as many seasons as its inverse.
_PROFILE = 0.25
# Lanes are smoothed side by side, as long as padding does not make more than this many cells.
_CELLS = 4_000_000


def smooth(
    x: np.ndarray, start: np.ndarray, end: np.ndarray, season: int
) -> tuple[np.ndarray | None, np.ndarray]:
    """Smooth lanes.

    Parameters
    ----------
    x : ndarray of shape (L,)
        Values without gaps.
    start, end : ndarray of int of shape (n_lanes,)
        Rows of each lane.
    season : int
        Steps of a season; 1 means none.

    Returns
    -------
    profile : ndarray of shape (L,), float32, or None
        Seasonal deviation at each row. It takes ``season // 2`` rows more to know it, and so it
        may be read up to ``season // 2`` rows before a cut.
    smoothed : ndarray of shape (L, len(SMOOTHED_LEVELS) + 1), float32
        Levels free of season, and the slope of a straight line through all rows so far.
    """
    profile = np.zeros(len(x), dtype=np.float32) if season > 1 else None
    smoothed = np.zeros((len(x), len(SMOOTHED_LEVELS) + 1), dtype=np.float32)
    for lanes, width in _groups(end - start):
        rows = start[lanes][:, None] + np.arange(width)
        inside = rows < end[lanes][:, None]
        # Behind its end a lane goes on with its last value; nothing is read there.
        block = x[np.minimum(rows, end[lanes][:, None] - 1)]
        level = block
        if profile is not None:
            seasonal = _profile(block, season)
            profile[rows[inside]] = seasonal[inside]
            level = block.copy()
            level[:, season:] -= seasonal[:, :-season]
        for column, weight in enumerate(SMOOTHED_LEVELS):
            smoothed[rows[inside], column] = _exponential(level, weight)[inside]
        smoothed[rows[inside], -1] = _slope(level)[inside]
    return profile, smoothed


def _groups(lengths: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
    """Yield lanes of similar length, with the longest's, in groups of bounded size."""
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    begin = 0
    while begin < len(order):
        stop = begin + 1
        while stop < len(order):
            width = lengths[order[stop]]
            if width > 2 * lengths[order[begin]] or (stop - begin + 1) * width > _CELLS:
                break
            stop += 1
        yield order[begin:stop], int(lengths[order[stop - 1]])
        begin = stop


def _exponential(values: np.ndarray, weight: float) -> np.ndarray:
    """Average the past of each row (n, T) with weights that fall off, and add up to one."""
    keep = [1.0, weight - 1.0]
    total = lfilter([1.0], keep, values, axis=1)
    return total / lfilter([1.0], keep, np.ones(values.shape[1]))


def _slope(values: np.ndarray) -> np.ndarray:
    """Return the least-squares slope through each row's past (n, T), zero for the first two."""
    time = np.arange(values.shape[1], dtype=np.float64)
    count = time + 1
    mean_time = time / 2
    mean = np.cumsum(values, axis=1) / count
    joint = np.cumsum(values * time, axis=1) / count - mean * mean_time
    variance = (count**2 - 1) / 12
    return np.where(count > 2, joint / np.maximum(variance, 1e-9), 0.0)


def _profile(values: np.ndarray, season: int) -> np.ndarray:
    """Return smoothed deviations from the centred mean of a season, phase by phase (n, T)."""
    n, length = values.shape
    half = season // 2
    deviation = np.zeros((n, length))
    if length > season:
        sums = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
        if season % 2:
            mean = (sums[:, season:] - sums[:, :-season]) / season
            deviation[:, half : half + mean.shape[1]] = values[:, half : length - half] - mean
        else:
            # A season and one step, the outer two by half: 2 x m moving average.
            mean = (sums[:, season:] - sums[:, :-season]) / season
            mean = 0.5 * (mean[:, 1:] + mean[:, :-1])
            deviation[:, half : half + mean.shape[1]] = values[:, half : length - half] - mean
    # The first half season has no centred mean: its phases start one season later.
    rounds = -(-max(length - half, 0) // season)
    result = np.zeros((n, length))
    average = np.zeros((n, season))
    for round_ in range(rounds):
        low = half + round_ * season
        high = min(low + season, length)
        gain = max(_PROFILE, 1.0 / (round_ + 1))
        part = average[:, : high - low]
        part += gain * (deviation[:, low:high] - part)
        result[:, low:high] = part
    return result


# Variance of an effect before the rows are asked, in squared seasonal steps of a lane.
_WIDTH = 4.0
# Neighbouring differences are not independent: their noise counts this many times.
_OVERLAP = 2.0
# How much lanes may differ, in the same units.
_BETWEEN = (0.0, 0.01, 0.1, 1.0)
# Lanes that say how much lanes differ, and columns up to which each has its own.
_MOST_ASKED, _MOST_OWN = 500, 32
# A column that moves less than this from step to step tells no lag from another.
_STILL = 0.02


class _Sums(NamedTuple):
    """Sums over the differences of one lane."""

    gram: np.ndarray
    joint: np.ndarray
    square: float
    n: int

    def plus(self, other: _Sums) -> _Sums:
        gram, joint = self.gram + other.gram, self.joint + other.joint
        return _Sums(gram, joint, self.square + other.square, self.n + other.n)

    def freed(self, effect: np.ndarray) -> _Sums:
        """Return the sums of what an effect leaves."""
        left = self.square - 2 * float(effect @ self.joint) + float(effect @ self.gram @ effect)
        return _Sums(self.gram, self.joint - self.gram @ effect, max(left, 0.0), self.n)


@dataclass(frozen=True)
class Effects:
    """Effects of the columns that are known ahead on each target, in a lane's own seasonal steps.

    Parameters
    ----------
    lag : tuple of int
        Of the differences, one a target.
    pooled : ndarray of shape (n_targets, n_columns)
        Effects in the panel.
    noise, between : ndarray of shape (n_targets,)
        Variance of what they leave, and of a lane's own effects around them.
    season : int
        Steps of a season.
    """

    lag: tuple[int, ...]
    pooled: np.ndarray
    noise: np.ndarray
    between: np.ndarray
    season: int

    def explained(self, target: int, values: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Return what the covariates explain in each row of a lane.

        Parameters
        ----------
        target : int
        values : ndarray of shape (n,)
            The history, transformed; NaN is missing.
        known : ndarray of shape (m, n_columns)
            Covariates of those rows, and of the rows after them.
        """
        known = known[:, : self.pooled.shape[1]].astype(np.float64)
        effect, unit = self.pooled[target], _unit(values, self.season)
        if not unit:
            return np.zeros(len(known))
        if self.between[target] > 0:
            sums = _sums(values / unit, known[: len(values)], self.lag[target])
            if sums.n:
                left = sums.freed(effect)
                between, noise = self.between[target], _OVERLAP * self.noise[target]
                own = np.eye(len(effect)) * noise + between * left.gram
                effect = effect + between * np.linalg.solve(own, left.joint)
        found = known @ (effect * unit)
        return np.asarray(found - found[: len(values)].mean())


def estimate_effects(lanes: Any, known: np.ndarray, until: np.ndarray) -> Effects | None:
    """Estimate the effects of covariates from lanes that were read without them.

    Parameters
    ----------
    lanes : Lanes
    known : ndarray of shape (n_rows, n_columns)
        Covariates as numbers.
    until : ndarray of int of shape (n_lanes,)
        Flat rows behind the last that may be read.

    Returns
    -------
    Effects or None
        None where there are too few rows to tell.
    """
    n_rows, n_columns = known.shape
    n_targets = len(lanes.x) // max(n_rows, 1)
    found = [
        _target_effects(_histories(lanes, known, until, target, n_targets), lanes.season, n_columns)
        for target in range(n_targets)
    ]
    if any(one is None for one in found):
        return None
    lag, pooled, noise, between = zip(*(one for one in found if one is not None), strict=True)
    arrays = np.stack(pooled), np.array(noise), np.array(between)
    return Effects(tuple(lag), *arrays, season=lanes.season)


def _histories(
    lanes: Any, known: np.ndarray, until: np.ndarray, target: int, n_targets: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the values of a target's lanes, in their own units, and their covariates."""
    n_lanes = len(lanes.start) // n_targets
    for lane in range(target * n_lanes, (target + 1) * n_lanes):
        low, high = int(lanes.start[lane]), int(until[lane])
        values = lanes.x[low:high].astype(np.float64)
        values[~lanes.observed[low:high]] = np.nan
        unit = _unit(values, lanes.season)
        if unit:
            shift = target * len(known)
            yield values / unit, known[low - shift : high - shift].astype(np.float64)


def _unit(values: np.ndarray, season: int) -> float:
    """Return the mean absolute seasonal difference, or of steps; 0 for what never moves."""
    for lag in (season, 1):
        change = np.abs(values[lag:] - values[:-lag])
        change = change[np.isfinite(change)]
        if change.size and (mean := float(change.mean())) > 1e-9 * np.nanmax(np.abs(values)):
            return mean
    return 0.0


def _target_effects(
    histories: Iterator[tuple[np.ndarray, np.ndarray]], season: int, n_columns: int
) -> tuple[int, np.ndarray, float, float] | None:
    """Return lag, pooled effects, noise and how much lanes differ, for one target."""
    lags = (1, season) if season > 1 else (1,)
    nothing = _Sums(np.zeros((n_columns, n_columns)), np.zeros(n_columns), 0.0, 0)
    total = dict.fromkeys(lags, nothing)
    asked: dict[int, list[_Sums]] = {lag: [] for lag in lags}
    for values, rows in histories:
        for lag in lags:
            sums = _sums(values, rows, lag)
            total[lag] = total[lag].plus(sums)
            if len(asked[lag]) < _MOST_ASKED and sums.n:
                asked[lag].append(sums)
    solved = {lag: _solve(total[lag]) for lag in lags if total[lag].n > n_columns + 4}
    if not solved:
        return None
    moves = np.array([np.diag(total[lag].gram) / total[lag].n for lag in solved])
    alive = (moves > _STILL).all(axis=0)
    doubt = [
        noise * (1 / move[alive]).mean() if alive.any() else 0.0
        for (_, noise), move in zip(solved.values(), moves, strict=True)
    ]
    lag = list(solved)[int(np.argmin(doubt))]
    pooled, noise = solved[lag]
    between = 0.0
    if 1 < len(asked[lag]) and n_columns <= _MOST_OWN:
        left = [sums.freed(pooled) for sums in asked[lag]]
        between = max(_BETWEEN, key=lambda width: sum(_likelihood(s, width, noise) for s in left))
    return lag, pooled, noise, between


def _sums(values: np.ndarray, known: np.ndarray, lag: int) -> _Sums:
    """Sum up the differences of one lane, around their means."""
    change, moves = values[lag:] - values[:-lag], known[lag:] - known[:-lag]
    seen = np.isfinite(change)
    change, moves = change[seen], moves[seen]
    if len(change) < 2:
        return _Sums(np.zeros((known.shape[1],) * 2), np.zeros(known.shape[1]), 0.0, 0)
    change, moves = change - change.mean(), moves - moves.mean(axis=0)
    return _Sums(moves.T @ moves, moves.T @ change, float(change @ change), len(change))


def _solve(sums: _Sums) -> tuple[np.ndarray, float]:
    """Return effects drawn to none, as firmly as the noise asks, and the noise."""
    eye, n = np.eye(len(sums.joint)), sums.n
    free = np.linalg.solve(sums.gram + 1e-6 * n * eye, sums.joint)
    noise = max(sums.freed(free).square / max(n - len(free), 1), 1e-12)
    effect = np.linalg.solve(sums.gram + _OVERLAP * noise / _WIDTH * eye, sums.joint)
    return effect, noise


def _likelihood(left: _Sums, between: float, noise: float) -> float:
    """Return the log-likelihood, up to a constant, of a lane whose own effects vary so much."""
    if between == 0:
        return 0.0
    noise = _OVERLAP * noise
    spread = noise * np.eye(len(left.joint)) + between * left.gram
    fit = between * float(left.joint @ np.linalg.solve(spread, left.joint)) / noise
    _, size = np.linalg.slogdet(spread / noise)
    return 0.5 * (fit - size)


class Design:
    """Covariates as numbers: standardised, categories as indicators; learned on one panel.

    Parameters
    ----------
    panel : Panel
        What the statistics are learned from.
    """

    # Categories beyond this many share one indicator.
    _MOST_CATEGORIES = 64

    def __init__(self, panel: Any) -> None:
        self._known = _Columns(panel.known, _cardinalities(panel, "known"))
        self._past = _Columns(panel.past, _cardinalities(panel, "past"))
        self._static = _Columns(panel.static, _cardinalities(panel, "static"))

    def __call__(self, panel: Any) -> Design:
        """Return the numbers of a panel."""
        n_rows, n = len(panel.values), len(panel.offsets) - 1
        found = Design.__new__(Design)
        found.known = self._known(panel.known, n_rows)
        found.past = self._past(panel.past, n_rows)
        found.static = self._static(panel.static, n)
        return found

    known: np.ndarray
    past: np.ndarray
    static: np.ndarray


def _cardinalities(panel: Any, kind: str) -> tuple[int | None, ...]:
    """Return the number of categories of each column, None for numbers."""
    given = getattr(panel, f"{kind}_cardinalities", None) or ()
    columns = getattr(panel, kind)
    n = 0 if columns is None else columns.shape[1]
    return tuple(given) if len(given) == n else (None,) * n


class _Columns:
    """Turn columns into numbers."""

    def __init__(self, values: np.ndarray | None, cardinalities: tuple[int | None, ...]) -> None:
        self.cardinalities = cardinalities
        self.mean = self.scale = np.zeros(0)
        if values is not None and values.shape[1]:
            values = np.asarray(values, dtype=np.float64)
            values = np.where(np.isnan(values).all(axis=0), 0.0, values)
            self.mean = np.nanmean(values, axis=0)
            # Sums of large numbers round; those of what is left do not.
            self.mean = self.mean + np.nanmean(values - self.mean, axis=0)
            scale = np.nanstd(values, axis=0)
            rounding = 16 * np.finfo(np.float64).eps * np.abs(self.mean)
            self.scale = np.where(scale > rounding, scale, 1.0)

    def __call__(self, values: np.ndarray | None, n: int) -> np.ndarray:
        if values is None or not self.cardinalities:
            return np.zeros((n, 0), dtype=np.float32)
        parts = []
        for column, cardinality in enumerate(self.cardinalities):
            raw = np.asarray(values[:, column], dtype=np.float64)
            if cardinality is None:
                standard = np.nan_to_num((raw - self.mean[column]) / self.scale[column])
                parts.append(np.clip(standard, -10, 10)[:, None])
                continue
            width = min(int(cardinality), Design._MOST_CATEGORIES)
            code = np.where(np.isfinite(raw), raw, -1).astype(np.int64)
            code = np.where(code >= 0, np.minimum(code, width - 1), -1)
            parts.append((code[:, None] == np.arange(width)).astype(np.float64))
        return np.concatenate(parts, axis=1).astype(np.float32)


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
