"""Where the observed values around a gap are, and what to put into it; imports NumPy only."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def previous_observed(seen: Array, starts: Array) -> Array:
    """Return the latest observed step up to each step of its row, or -1; (n_steps, n_channels).

    `starts` gives for every step the first step of its row.
    """
    steps = np.arange(len(seen))[:, None]
    found = np.maximum.accumulate(np.where(seen, steps, -1), axis=0)
    return np.where(found < starts[:, None], -1, found)


def next_observed(seen: Array, stops: Array) -> Array:
    """Return the first observed step from each step of its row on, or -1; (n_steps, n_channels).

    `stops` gives for every step the end of its row.
    """
    steps = np.arange(len(seen))[:, None]
    marked = np.where(seen, steps, len(seen))[::-1]
    found = np.minimum.accumulate(marked, axis=0)[::-1]
    return np.where(found >= stops[:, None], -1, found)


def fill_forward(values: Array, previous: Array, otherwise: Array) -> Array:
    """Repeat the last observed value; `otherwise` (n_channels,) stands before the first."""
    channels = np.arange(values.shape[1])
    return np.where(previous >= 0, values[previous, channels], otherwise)


def fill_linear(
    values: Array, times: Array, previous: Array, following: Array, otherwise: Array
) -> Array:
    """Interpolate over time between observed values, and repeat the nearest one at the ends."""
    channels = np.arange(values.shape[1])
    left = np.where(previous >= 0, previous, following)
    right = np.where(following >= 0, following, previous)
    span = times[right] - times[left]
    share = np.where(span > 0, (times[:, None] - times[left]) / np.where(span > 0, span, 1), 0.0)
    low, high = values[left, channels], values[right, channels]
    filled = np.where(share > 0, low + share * (high - low), low)
    return np.where(left >= 0, filled, otherwise)
