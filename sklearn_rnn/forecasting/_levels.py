"""Quantiles at other levels than those that a model states. Imports scipy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Array = NDArray[Any]


def at_levels(quantiles: Array, stated: Any, wanted: Any) -> Array:
    """Return quantiles (..., Q) at other levels, linear between normal scores, never crossing.

    Beyond the outermost levels the slope of the last two goes on.
    """
    given, asked = ndtri(np.asarray(stated, dtype=np.float64)), ndtri(np.asarray(wanted, float))
    if len(given) == 1:
        return np.repeat(quantiles, len(asked), axis=-1)
    right = np.clip(np.searchsorted(given, asked), 1, len(given) - 1)
    share = (asked - given[right - 1]) / (given[right] - given[right - 1])
    low, high = quantiles[..., right - 1], quantiles[..., right]
    found = low + share * (high - low)
    # An exact level keeps its exact value.
    exact = np.isclose(asked[:, None], given)
    hits, places = np.nonzero(exact)
    found[..., hits] = quantiles[..., places]
    return np.asarray(found)


def check_levels(levels: Any, name: str = "quantiles") -> tuple[float, ...]:
    """Return levels as floats; refuse those that are not within (0, 1)."""
    try:
        found = np.atleast_1d(np.asarray(levels, dtype=np.float64))
    except (TypeError, ValueError):
        found = np.zeros(0)
    if found.ndim != 1 or not len(found) or not ((found > 0) & (found < 1)).all():
        raise ValueError(f"{name} must be levels between 0 and 1, both excluded; got {levels!r}.")
    return tuple(float(level) for level in found)


def interval_levels(coverage: Any) -> tuple[float, float]:
    """Return the levels of the interval that covers a share of the outcomes."""
    if not isinstance(coverage, (int, float, np.number)) or not 0 < coverage < 1:
        raise ValueError(f"coverage must be a number between 0 and 1; got {coverage!r}.")
    outside = (1 - float(coverage)) / 2
    return outside, 1 - outside
