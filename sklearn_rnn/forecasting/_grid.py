"""Grids: the regular steps that times fall on, read off a frequency or inferred; the calendar.

Imports NumPy, and pandas where a frequency needs it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..sequences import warn

Array = NDArray[Any]

SECOND = 1_000_000  # dates are counted in microseconds
HOUR = 3600 * SECOND
DAY = 24 * HOUR


@dataclass(frozen=True)
class Grid:
    """A frequency with an origin, in plain values: place k of the grid is a moment.

    Parameters
    ----------
    kind : {"rows", "number", "duration", "date", "business", "months", "period"}
        What is counted: rows, numbers, durations, dates a fixed time apart, business days, months,
        or pandas periods.
    step : float or int
        Distance of two steps: a number, microseconds, or months; a multiple for periods.
    origin : float or int, default=0
        What place 0 is, in the same units.
    zone : str, default=None
        Time zone of the dates.
    wall : bool, default=False
        Whether dates are counted by the clock on the wall, as days are, or by UTC.
    rule : str, default=""
        Which day of the month: "start", "end", "business_start", "business_end" or its number;
        the frequency, for periods.
    offset : int, default=0
        Microseconds from midnight, for months and business days.
    whole : bool, default=True
        Whether numbers are integers.
    snaps : bool, default=False
        Whether times between the steps belong to the step before them.
    resolution : {"s", "ms", "us", "ns"}, default="us"
        Resolution in which dates and durations are given back: that of the training rows.
    """

    kind: str
    step: Any = 1
    origin: Any = 0
    zone: str | None = None
    wall: bool = False
    rule: str = ""
    offset: int = 0
    whole: bool = True
    snaps: bool = False
    resolution: str = "us"

    # ---------------------------------------------------------------- there

    def places(self, times: Any) -> Array:
        """Return the place of each time on the grid, of dtype int64.

        Raises
        ------
        ValueError
            If a time is of another kind than the grid's, or lies between two steps.
        """
        exact = self._exact(times)
        nearest = np.rint(exact)
        off = np.abs(exact - nearest) > 1e-3
        if off.any():
            if not self.snaps:
                row = int(np.argmax(off))
                raise ValueError(
                    f"Row {row}: the time {times[row]} lies between the steps of the grid "
                    f"({self.describe()}). Pass freq= to bin irregular times, or correct it."
                )
            # A step that is named by its end holds what comes before it.
            around = np.ceil(exact) if self.rule.endswith("end") else np.floor(exact)
            nearest = np.where(off, around, nearest)
        return nearest.astype(np.int64)

    def _exact(self, times: Any) -> Array:
        """Return places as numbers, not yet whole."""
        import pandas as pd

        self._check_kind(times)
        if self.kind == "period":
            return np.asarray((times.asi8 - self.origin) / self.step)
        if self.kind == "duration":
            return (microseconds(times) - self.origin) / self.step
        if self.kind in ("number", "rows"):
            return (np.asarray(times, dtype=np.float64) - self.origin) / self.step
        if self.zone is not None:
            times = times.tz_convert(self.zone)
        if self.kind == "date":
            # Split the division, so that microseconds since 1970 keep their last digits.
            stamps = microseconds(wall_time(times) if self.wall else times) - self.origin
            return (stamps // self.step) + (stamps % self.step) / self.step
        clock = wall_time(times)
        stamps = microseconds(clock)
        days = stamps // DAY
        late = np.where(stamps - days * DAY == self.offset, 0.0, 0.5)
        if self.kind == "business":
            found = days.astype("datetime64[D]")
            workday = np.is_busday(found)
            count = np.busday_count(np.datetime64("1970-01-01"), found)
            return count - np.where(workday, 0.0, 0.5) + np.where(workday, late, 0.0)
        months = months_of(clock)
        right = stamps == microseconds(pd.DatetimeIndex(self._month_stamps(months)))
        aside = -0.25 if self.rule.endswith("end") else 0.25
        return (months - self.origin + np.where(right, 0.0, aside)) / self.step

    def _check_kind(self, times: Any) -> None:
        """Refuse times of another kind than those of training."""
        import pandas as pd

        found = kind_of(times)
        wanted = {"rows": "number", "business": "date", "months": "date"}.get(self.kind, self.kind)
        if found != wanted:
            raise ValueError(
                f"X has times of kind {found} ({times.dtype}), but the training rows had "
                f"{wanted}s ({self.describe()}). Index both in the same way."
            )
        if found == "date":
            zone = times.tz
            if (zone is None) != (self.zone is None):
                raise ValueError(
                    f"The time zone changed: training rows had {self.zone or 'none'}, X has "
                    f"{zone or 'none'}. Use tz_localize or tz_convert to give both the same."
                )
        if found == "period" and isinstance(times, pd.PeriodIndex):
            if times.freqstr != self.rule:
                raise ValueError(
                    f"X has periods of frequency {times.freqstr!r}, but the training rows had "
                    f"{self.rule!r}. Use asfreq."
                )

    # ---------------------------------------------------------------- and back

    def times(self, places: Array) -> Any:
        """Return the times of places as a pandas Index, in the resolution of the training rows."""
        index = self._times(places)
        if self.resolution == "us" or not hasattr(index, "as_unit"):
            return index
        try:
            found = index.as_unit(self.resolution)
        except (OverflowError, ValueError):  # nanoseconds end in 2262
            return index
        return found if bool((found == index).all()) else index

    def _times(self, places: Array) -> Any:
        """Return the times of places as a pandas Index, dates and durations in microseconds."""
        import pandas as pd

        places = np.asarray(places, dtype=np.int64)
        if self.kind == "period":
            periods: Any = pd.PeriodIndex
            return periods.from_ordinals(self.origin + places * self.step, freq=self.rule)
        if self.kind in ("number", "rows"):
            numbers = self.origin + places * self.step
            return pd.Index(numbers.astype(np.int64) if self.whole else numbers)
        if self.kind == "duration":
            return pd.to_timedelta((self.origin + places * self.step).astype("timedelta64[us]"))
        if self.kind == "date":
            stamps = pd.DatetimeIndex((self.origin + places * self.step).astype("datetime64[us]"))
            if self.zone is None:
                return stamps
            if not self.wall:
                return stamps.tz_localize("UTC").tz_convert(self.zone)
        elif self.kind == "business":
            days = np.busday_offset(np.datetime64("1970-01-01"), places, roll="forward")
            stamps = pd.DatetimeIndex(
                days.astype("datetime64[us]") + np.timedelta64(self.offset, "us")
            )
        else:
            stamps = pd.DatetimeIndex(self._month_stamps(self.origin + places * self.step))
        if self.zone is None:
            return stamps
        ambiguous = np.ones(len(stamps), dtype=bool)
        return stamps.tz_localize(self.zone, ambiguous=ambiguous, nonexistent="shift_forward")

    def _month_stamps(self, months: Array) -> Array:
        """Return the day of each month, counted from year 0, that the rule says."""
        first = (np.asarray(months) - 1970 * 12).astype("datetime64[M]").astype("datetime64[D]")
        last = (first.astype("datetime64[M]") + 1).astype("datetime64[D]") - 1
        if self.rule == "end":
            day = last
        elif self.rule == "business_start":
            day = np.busday_offset(first, 0, roll="forward")
        elif self.rule == "business_end":
            day = np.busday_offset(last, 0, roll="backward")
        else:
            number = 1 if self.rule == "start" else int(self.rule)
            day = np.minimum(first + (number - 1), last)
        return np.asarray(day.astype("datetime64[us]") + np.timedelta64(self.offset, "us"))

    # ---------------------------------------------------------------- what it is called

    def describe(self) -> str:
        """Say the frequency in words."""
        if self.kind == "period":
            return f"periods of {self.rule}"
        if self.kind in ("number", "rows"):
            return f"every {self.step:g}"
        if self.kind == "business":
            return "every business day"
        if self.kind == "months":
            return "every month" if self.step == 1 else f"every {self.step} months"
        for unit, size in (("day", DAY), ("hour", HOUR), ("minute", 60 * SECOND)):
            if self.step % size == 0:
                count = self.step // size
                return f"every {unit}" if count == 1 else f"every {count} {unit}s"
        return f"every {self.step / SECOND:g} seconds"

    @property
    def unit(self) -> tuple[str, int]:
        """The base of the frequency and how many of it: ("month", 3), ("second", 900), ..."""
        if self.kind == "period":
            return _period_unit(self.rule, self.step)
        if self.kind in ("number", "rows"):
            return "number", 1
        if self.kind == "business":
            return "business", 1
        if self.kind == "months":
            return "month", int(self.step)
        if self.step % DAY == 0:
            return "day", int(self.step // DAY)
        return "second", max(1, int(self.step // SECOND))

    def season_length(self) -> int:
        """Return the steps of the season that the frequency is known for; 1 for none."""
        unit, count = self.unit
        if unit == "month":
            return 12 // count if 12 % count == 0 else 1
        if unit == "business":
            return 5
        if unit == "day":
            return 7 if count == 1 else (52 // (count // 7) if count % 7 == 0 else 1)
        if unit == "second":
            for span in (86400, 3600, 60):
                if span % count == 0 and 1 < span // count <= 300:
                    return span // count
        return 1

    def horizon(self) -> int:
        """Return how far one usually looks ahead: the horizons of the M4 competition."""
        unit, count = self.unit
        if unit == "month":
            return {1: 18, 3: 8, 12: 6}.get(count, max(6, 2 * self.season_length()))
        if unit == "day":
            return {1: 14, 7: 13}.get(count, 12)
        if unit == "business":
            return 10
        season = self.season_length()
        return 2 * season if season > 1 else 12


def _period_unit(rule: str, count: int) -> tuple[str, int]:
    """Return the unit of a pandas period frequency."""
    base = rule.split("-")[0].lstrip("0123456789")
    if base in ("M", "Q", "Y", "A"):
        return "month", count * {"M": 1, "Q": 3, "Y": 12, "A": 12}[base]
    if base == "B":
        return "business", 1
    if base in ("D", "W"):
        return "day", count * (7 if base == "W" else 1)
    seconds = {"h": 3600, "min": 60, "s": 1}.get(base, 1)
    return "second", count * seconds


def kind_of(times: Any) -> str:
    """Say what kind of times an index holds."""
    import pandas as pd

    if isinstance(times, pd.PeriodIndex):
        return "period"
    if isinstance(times, pd.DatetimeIndex):
        return "date"
    if isinstance(times, pd.TimedeltaIndex):
        return "duration"
    return "number"


def microseconds(times: Any) -> Array:
    """Return dates (by UTC) or durations as int64 microseconds."""
    return np.asarray(times.as_unit("us").asi8, dtype=np.int64)


def wall_time(times: Any) -> Any:
    """Return dates as the clock on the wall shows them."""
    return times if times.tz is None else times.tz_localize(None)


def months_of(times: Any) -> Array:
    """Return the months of dates, counted from year 0."""
    return np.asarray(times.year, dtype=np.int64) * 12 + np.asarray(times.month, dtype=np.int64) - 1


def common_divisor(numbers: Array) -> int:
    """Return the greatest common divisor of whole numbers."""
    result = 0
    for number in np.unique(np.abs(numbers)):
        result = gcd(result, int(number))
        if result == 1:
            break
    return result


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
