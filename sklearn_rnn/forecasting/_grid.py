"""Grid: the regular steps that times fall on, and the way there and back. Imports NumPy.

pandas, where times are read or written. Nothing here knows a series or a target.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
