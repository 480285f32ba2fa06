"""Each series' own level, slope and seasonal profile, by exponential smoothing. NumPy and SciPy.

The part of a forecast that belongs to one series alone (Smyl's ES-RNN, 2020): what a network that
is shared by a panel cannot know from a window. Everything at a row comes from rows up to it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.signal import lfilter

#: Weight of the newest value in each smoothed level.
LEVELS = (0.1, 0.3, 0.7)
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
    smoothed : ndarray of shape (L, len(LEVELS) + 1), float32
        Levels free of season, and the slope of a straight line through all rows so far.
    """
    profile = np.zeros(len(x), dtype=np.float32) if season > 1 else None
    smoothed = np.zeros((len(x), len(LEVELS) + 1), dtype=np.float32)
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
        for column, weight in enumerate(LEVELS):
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
