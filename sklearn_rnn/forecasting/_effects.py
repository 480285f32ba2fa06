"""Effects of covariates that are known ahead, solved: regression of differences. NumPy only.

What covariates explain is taken off the lanes before anything looks at them, and put back on the
forecasts. Both sides are differenced first, so that neither a level that wanders nor a season is
taken for the work of a covariate. The effects are those of the panel; a lane keeps its own as far
as the lanes are seen to differ, and its rows tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

# Variance of an effect before the rows are asked, in squared seasonal steps of a lane.
_WIDTH = 4.0
# Neighbouring differences are not independent: their noise counts so many times.
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
