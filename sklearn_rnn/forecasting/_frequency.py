"""Which grid times lie on: read off a frequency, or inferred from the times. Imports _grid.

pandas, where times are read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..sequences import warn
from ._grid import (
    DAY,
    Array,
    Grid,
    common_divisor,
    kind_of,
    microseconds,
    months_of,
    wall_time,
)

# Shares of the steps of an inferred grid that must be in the data, and that are worth a warning.
_REFUSED, _WARNED = 0.05, 0.2


def make_grid(times: Any, series: Array, freq: Any) -> Grid:
    """Find the grid of the times of one or several series.

    Parameters
    ----------
    times : pandas Index
        Sorted within each series.
    series : ndarray of shape (n_rows,)
        Number of each row's series.
    freq : str, pandas offset, timedelta, number or None
        What the user says.

    Raises
    ------
    ValueError
        If no frequency fits, with the remedy.
    """
    kind = kind_of(times)
    if kind == "period":
        return _period_grid(times, freq)
    if kind == "number":
        return _number_grid(np.asarray(times), series, freq)
    if kind == "duration":
        return replace(_duration_grid(times, series, freq), resolution=times.unit)
    zone = None if times.tz is None else str(times.tz)
    if freq is not None:
        return replace(_asked_grid(times, freq, zone), resolution=times.unit)
    grid = _inferred_grid(times, series, zone)
    _check_share(grid, times, series)
    return replace(grid, resolution=times.unit)


def _within(numbers: Array, series: Array) -> Array:
    """Return the differences of neighbouring rows of the same series."""
    order = np.argsort(series, kind="stable")
    numbers, series = numbers[order], series[order]
    return np.diff(numbers)[np.diff(series) == 0]


def _all_distances(numbers: Array, series: Array) -> Array:
    """Return the differences within series, and those between the beginnings of the series."""
    _, first = np.unique(series, return_index=True)
    return np.concatenate([_within(numbers, series), numbers[first] - numbers[first[0]]])


def _cannot_infer(why: str, example: str) -> ValueError:
    return ValueError(
        f"The frequency cannot be inferred: {why}. Pass freq=, for instance {example}."
    )


def _example(times: Any, series: Array) -> str:
    """Return a frequency that might suit the usual distance of irregular times."""
    if kind_of(times) == "number":
        usual = float(np.median(np.abs(_within(np.asarray(times, dtype=np.float64), series))))
        return f"freq={max(1, round(usual))} to average the rows of a step"
    usual = float(np.median(_within(microseconds(times), series))) / DAY
    for code, name, days in (
        ("YS", "a year", 300), ("QS", "a quarter", 80), ("MS", "a month", 25), ("W", "a week", 6),
        ("D", "a day", 0.9), ("h", "an hour", 0.9 / 24), ("min", "a minute", 0.9 / 1440),
    ):  # fmt: skip
        if usual >= days:
            return f"freq={code!r} to average the rows of {name}"
    return "freq='s' to average the rows of a second"


def _check_share(grid: Grid, times: Any, series: Array) -> None:
    """Refuse an inferred grid of which the data fill next to nothing."""
    places = grid.places(times)
    starts = np.flatnonzero(np.r_[True, np.diff(np.sort(series)) > 0])
    order = np.argsort(series, kind="stable")
    low = np.minimum.reduceat(places[order], starts)
    high = np.maximum.reduceat(places[order], starts)
    share = len(places) / float((high - low + 1).sum())
    if share < _REFUSED:
        raise _cannot_infer(
            f"the times are irregular ({grid.describe()} would be the finest step, and only "
            f"{share:.1%} of such steps have a row)",
            _example(times, series),
        )
    if share < _WARNED and len(places) > 2:
        warn(
            f"The times look like {grid.describe()}, but only {share:.0%} of such steps have a "
            "row; the others count as missing. Pass freq= if the steps are longer.",
        )


def _period_grid(times: Any, freq: Any) -> Grid:
    """Read the grid off a period index."""
    rule = times.freqstr
    if freq is not None and str(freq) != rule:
        raise ValueError(
            f"freq={freq!r}, but the index has periods of {rule!r}; leave freq out, or use asfreq."
        )
    step = int(times.freq.n)
    return Grid("period", step, int(times.asi8[0] % step), rule=rule)


def _number_grid(numbers: Array, series: Array, freq: Any) -> Grid:
    """Find the step between numbers: their greatest common divisor, or the usual distance."""
    whole = numbers.dtype.kind in "iu"
    if not np.isfinite(numbers.astype(np.float64)).all():
        row = int(np.argmin(np.isfinite(numbers.astype(np.float64))))
        raise ValueError(f"Row {row} has the time {numbers[row]}, which is not finite.")
    origin = numbers.min().item()
    if freq is not None:
        if isinstance(freq, (bool, str)) or not isinstance(freq, (int, float, np.number)):
            raise ValueError(f"freq={freq!r}, but the times are numbers: pass a number.")
        if not freq > 0:
            raise ValueError(f"freq={freq!r} must be greater than 0.")
        whole = whole and float(freq).is_integer()
        return Grid(
            "number",
            step=int(freq) if whole else float(freq),
            origin=origin,
            whole=whole,
            snaps=True,
        )
    distances = _all_distances(numbers, series)
    distances = distances[distances != 0]
    if not len(distances):
        return Grid("number", step=1, origin=origin, whole=whole)
    if whole:
        grid = Grid("number", step=common_divisor(distances), origin=origin)
        _check_share(grid, numbers, series)
        return grid
    step = float(np.min(np.abs(distances)))
    counts = np.rint(distances / step)
    step = float(np.abs(distances).sum() / np.abs(counts).sum())
    grid = Grid("number", step=step, origin=origin, whole=False)
    if (np.abs(distances / step - counts) > 1e-3 * np.maximum(1, np.abs(counts) / 1e3)).any():
        raise _cannot_infer("the times are numbers at irregular distances", "freq=1.0")
    _check_share(grid, numbers, series)
    return grid


def _duration_grid(times: Any, series: Array, freq: Any) -> Grid:
    """Find the step between durations."""
    stamps = microseconds(times)
    if freq is not None:
        return Grid("duration", step=_fixed(freq), origin=int(stamps.min()), snaps=True)
    step = common_divisor(_all_distances(stamps, series))
    if step == 0:
        raise _cannot_infer("there is but one time", "freq='h'")
    grid = Grid("duration", step=step, origin=int(stamps.min()))
    _check_share(grid, times, series)
    return grid


def _fixed(freq: Any) -> int:
    """Return a fixed frequency in microseconds."""
    import pandas as pd

    if isinstance(freq, str):
        freq = _offset(freq)
    try:
        return int(pd.Timedelta(freq) // pd.Timedelta(microseconds=1))
    except (ValueError, TypeError) as error:
        raise ValueError(f"freq={freq!r} is no fixed span of time, such as '15min'.") from error


def _offset(freq: Any) -> Any:
    """Turn a frequency into a pandas offset."""
    from pandas.tseries.frequencies import to_offset

    try:
        return to_offset(freq)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"freq={freq!r} is not a frequency of pandas, such as 's', '15min', 'h', 'D', 'B', "
            "'W', 'MS', 'ME', 'QS', 'YE'."
        ) from error


def _asked_grid(times: Any, freq: Any, zone: str | None) -> Grid:
    """Make the grid of a frequency, in the phase of the data where they have one."""
    from pandas.tseries import offsets

    offset = _offset(freq)
    count = int(offset.n)
    if count < 1:
        raise ValueError(f"freq={freq!r} must go forward in time.")
    clock = wall_time(times)
    stamps = microseconds(clock)
    midnight = _single(stamps % DAY)
    months = {
        "Month": 1, "BusinessMonth": 1, "BMonth": 1, "Quarter": 3, "BQuarter": 3,
        "Year": 12, "BYear": 12,
    }  # fmt: skip
    name = type(offset).__name__
    for suffix in ("Begin", "End"):
        if name.endswith(suffix) and name.removesuffix(suffix) in months:
            step = months[name.removesuffix(suffix)] * count
            rule = _day_rule(clock)
            if rule is None:
                business = "business_" if name.startswith("B") else ""
                rule = business + ("start" if suffix == "Begin" else "end")
            found = months_of(clock)
            phase = _single(found % step)
            if phase is None:
                anchor = (
                    getattr(offset, "startingMonth", None) or getattr(offset, "month", None) or 1
                )
                phase = (anchor - 1) % step
            return Grid("months", step, int(phase), zone, True, rule, midnight or 0, snaps=True)
    if isinstance(offset, offsets.BusinessDay):
        if count > 1 or type(offset) is not offsets.BusinessDay:
            raise ValueError(f"freq={freq!r} is not supported; 'B' is, and so is 'D'.")
        return Grid("business", 1, 0, zone, True, offset=midnight or 0, snaps=True)
    if isinstance(offset, (offsets.Week, offsets.Day)):
        step = count * DAY * (7 if isinstance(offset, offsets.Week) else 1)
    elif isinstance(offset, offsets.Tick):
        step = _fixed(offset)
    else:
        raise ValueError(
            f"freq={freq!r} is not supported. Use seconds to weeks, 'B', months, quarters or years."
        )
    wall = step % DAY == 0
    counted = stamps if wall else microseconds(times)
    origin = _single(counted % step)
    if origin is None:
        weekday = getattr(offset, "weekday", None)
        # 1970-01-01 was a Thursday, day 3 of the week; a week ends on its anchor.
        origin = 0 if weekday is None else ((weekday - 3) % 7) * DAY
        origin = origin % step
    return Grid("date", step, int(origin), zone, wall, snaps=True)


def _single(numbers: Array) -> int | None:
    """Return the one value that all numbers share, or None."""
    return int(numbers[0]) if len(numbers) and (numbers == numbers[0]).all() else None


def _day_rule(clock: Any) -> str | None:
    """Find which day of the month dates fall on."""
    days = np.asarray(clock.day)
    ends = np.asarray(clock.days_in_month)
    if (days == 1).all():
        return "start"
    if (days == ends).all():
        return "end"
    latest = int(days.max())
    if (days == np.minimum(latest, ends)).all():  # the 30th, and the last of February
        return str(latest)
    stamps = microseconds(clock)
    offset = _single(stamps % DAY)
    if offset is not None:
        months = months_of(clock)
        for rule in ("business_start", "business_end"):
            expected = Grid("months", rule=rule, offset=offset)._month_stamps(months)
            if (expected.astype("datetime64[us]").astype(np.int64) == stamps).all():
                return rule
    return None


def _inferred_grid(times: Any, series: Array, zone: str | None) -> Grid:
    """Find the frequency of dates."""
    clock = wall_time(times)
    stamps = microseconds(clock)
    offset = _single(stamps % DAY)
    if not np.any(_within(stamps, series)):
        raise _cannot_infer("no series has two times", "freq='D', 'h' or 'MS'")
    if offset is None:
        universal = microseconds(times)
        step = common_divisor(_all_distances(universal, series))
        return Grid("date", step, int(universal[0] % step), zone, step % DAY == 0)
    days = stamps // DAY
    inner = _within(days, series)
    rule = _day_rule(clock) if inner.min() >= 28 else None
    if rule is not None:
        months = months_of(clock)
        step = common_divisor(_all_distances(months, series))
        if step in (1, 2, 3, 4, 6) or step % 12 == 0:
            return Grid("months", step, int(months[0] % step), zone, True, rule, offset)
    weekdays = (days + 3) % 7  # Monday is 0
    if (weekdays < 5).all() and (inner == 1).mean() > 0.3 and (inner == 3).any():
        return Grid("business", 1, 0, zone, True, offset=offset)
    step = common_divisor(_all_distances(days, series)) * DAY
    return Grid("date", step, int(stamps[0] % step), zone, True)
