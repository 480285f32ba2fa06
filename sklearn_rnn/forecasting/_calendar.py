"""Features of the calendar: where a moment stands in its hour, day, week and year. Imports _grid.

pandas, through the grid.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._grid import DAY, HOUR, Array, Grid, microseconds, wall_time

# Feature -> the cycle's length in microseconds.
CYCLES = {
    "minute": HOUR,
    "hour": DAY,
    "dayofweek": 7 * DAY,
    "dayofyear": 365.25 * DAY,
}


def choose_features(asked: Any, grid: Grid, places: Array) -> tuple[str, ...]:
    """Return the features of the calendar to compute.

    ``"auto"`` takes every cycle that is longer than two steps and that the training rows have seen
    twice; there is none where time is a number.
    """
    if asked is None:
        return ()
    dated = grid.kind in ("date", "business", "months", "period")
    if isinstance(asked, str) and asked == "auto":
        if not dated or not len(places):
            return ()
        moments = _moments(grid, np.array([places.min(), places.min() + 1, places.max()]))
        step, span = int(moments[1] - moments[0]), int(moments[2] - moments[0])
        return tuple(
            name for name, cycle in CYCLES.items() if 2 * step < cycle and span >= 2 * cycle
        )
    names = (asked,) if isinstance(asked, str) else tuple(asked)
    unknown = [name for name in names if name not in CYCLES]
    if unknown:
        raise ValueError(
            f"time_features has {unknown}; it can be 'auto', None or some of {list(CYCLES)}."
        )
    if not dated:
        raise ValueError(
            f"time_features={asked!r} needs dates, but time is {grid.describe()}; index X by dates."
        )
    return names


def _moments(grid: Grid, places: Array) -> Array:
    """Return the wall clock of places in microseconds."""
    import pandas as pd

    times = grid.times(places)
    if isinstance(times, pd.PeriodIndex):
        times = times.to_timestamp()
    return microseconds(wall_time(times))


def calendar(names: tuple[str, ...], grid: Grid, places: Array) -> Array:
    """Return sine and cosine of every cycle at places, of shape (n, 2 * n_features)."""
    if not names:
        return np.empty((len(places), 0))
    distinct, back = np.unique(places, return_inverse=True)
    stamps = _moments(grid, distinct)
    columns = []
    for name in names:
        if name == "dayofyear":
            days = stamps.astype("datetime64[us]")
            year = days.astype("datetime64[Y]")
            passed = (days - year.astype("datetime64[us]")).astype(np.int64)
            whole = ((year + 1).astype("datetime64[us]") - year.astype("datetime64[us]")).astype(
                np.int64
            )
            share = passed / whole
        elif name == "dayofweek":
            share = ((stamps + 3 * DAY) % (7 * DAY)) / (7 * DAY)
        else:
            share = (stamps % CYCLES[name]) / CYCLES[name]
        angle = 2 * np.pi * share
        columns += [np.sin(angle), np.cos(angle)]
    return np.column_stack(columns)[back]
