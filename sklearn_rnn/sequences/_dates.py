"""Dates and durations: refused where numbers belong, read where times do; imports numpy only."""

import datetime as dt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_DATES = (dt.date, dt.time, dt.timedelta, np.datetime64, np.timedelta64)
#: What to do with dates that stand where numbers belong.
REMEDY = (
    "turn them into numbers first (seconds since the first date, or durations by "
    ".total_seconds()), or give them as the times of the steps: from_list(..., times=...), "
    "from_frame(..., times=...), from_long(..., time=...)"
)
_ZONES = (
    "{where} mixes times with and without a zone. Convert them to one zone, with "
    "pandas.to_datetime(..., utc=True) for instance."
)


def is_date(item: Any) -> bool:
    """Tell whether one object is a date, a time of day, a duration or a period."""
    return _is_of_dates(type(item))


def refuse_dates(data: Any, where: str, *, remedy: str = REMEDY) -> None:
    """Raise where an array holds dates or durations, which are no numbers.

    `where` opens the message; the place of the first date, by row (and column), follows it.
    """
    if not isinstance(data, np.ndarray):
        return
    if data.dtype.kind in "mM":
        raise no_number(where, data.dtype, remedy)
    if data.dtype.kind != "O" or not has_dates(data):
        return
    for place, item in enumerate(data.flat):
        if is_date(item):
            names = ("row", "column", "channel")
            at = zip(names, np.unravel_index(place, data.shape), strict=False)
            spot = ", ".join(f"{name} {int(axis)}" for name, axis in at)
            raise no_number(f"{where} ({spot})", type(item).__name__, remedy)


def no_number(where: str, what: Any, remedy: str = REMEDY) -> TypeError:
    """Make the error for dates in the place of numbers."""
    return TypeError(f"{where} holds dates or durations ({what}), which are no numbers; {remedy}.")


def has_dates(data: Any) -> bool:
    """Tell whether an array is of dates or durations, or of objects of which one is such."""
    if data.dtype.kind in "mM":
        return True
    # By type: there are few, and many items.
    return data.dtype.kind == "O" and any(map(_is_of_dates, set(map(type, data.flat))))


def _is_of_dates(kind: type) -> bool:
    """Tell whether items of a type are dates; pandas' NaT is of a type of its own, and none."""
    return (issubclass(kind, _DATES) and kind.__name__ != "NaTType") or kind.__name__ == "Period"


def dates_to_seconds(data: Array, where: str) -> Array:
    """Return an array of dates (since 1970, of those with a zone in UTC) or durations in seconds.

    Parameters
    ----------
    data : ndarray
        Of the types datetime64 or timedelta64, or of objects: dates of Python, pandas or NumPy,
        periods (their start) or durations.
    where : str
        Opens the error messages.

    Raises
    ------
    ValueError, TypeError
        When a time is missing, some have a zone and others none, or something else is among them.
    """
    if data.dtype.kind == "O":
        data = _one_type(data, where)
    missing = np.isnat(data)
    if missing.any():
        raise _missing(where, int(np.argmax(missing.ravel())))
    unit, count = np.datetime_data(data.dtype)
    if unit in ("Y", "M", "generic") and data.dtype.kind == "m":
        raise TypeError(f"{where} holds durations in {unit!r}, whose length in seconds differs.")
    if unit in ("Y", "M", "W", "D", "h", "m"):
        kind = "datetime64" if data.dtype.kind == "M" else "timedelta64"
        data, unit, count = data.astype(f"{kind}[s]"), "s", 1
    numbers = data.astype(np.int64)
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9, "ps": 10**12}[unit]
    # Whole seconds and the rest apart: as one number they would be rounded before they are divided.
    whole, rest = np.divmod(numbers, per_second)
    seconds: Array = (whole + rest / per_second) * count
    return seconds


def _missing(where: str, place: int) -> ValueError:
    """Make the error for a step without a time."""
    return ValueError(f"{where}: the time of step {place} is missing. Drop the step, or fill it.")


def _one_type(data: Array, where: str) -> Array:
    """Turn dates, or durations, as objects into an array of datetime64 or timedelta64."""
    items = list(data.flat)
    durations = [isinstance(item, (dt.timedelta, np.timedelta64)) for item in items]
    found = [_plain(item, place, where) for place, item in enumerate(items)]
    if any(durations) and not all(durations):
        raise TypeError(f"{where} mixes dates and durations.")
    zones = {zone for _, zone in found}
    if len(zones) > 1:
        raise ValueError(_ZONES.format(where=where))
    made: Array = np.array([item for item, _ in found])
    return made.reshape(data.shape)


def _plain(item: Any, place: int, where: str) -> tuple[Any, bool]:
    """Return a date or duration as NumPy's, in UTC where it has a zone, and whether it has one."""
    if item is None or type(item).__name__ in ("NaTType", "NAType"):
        raise _missing(where, place)
    if isinstance(item, dt.time) or not is_date(item):
        raise TypeError(
            f"{where}: {item!r:.40} ({type(item).__name__}, step {place}) is no time; parse the "
            "dates first, with pandas.to_datetime for instance."
        )
    if hasattr(item, "to_timestamp"):  # a period
        item = item.to_timestamp()
    zoned = getattr(item, "tzinfo", None) is not None
    for name in ("to_datetime64", "to_timedelta64"):  # as pandas keeps nanoseconds
        if hasattr(item, name):
            return getattr(item, name)(), zoned
    if zoned:
        item = item.astimezone(dt.UTC).replace(tzinfo=None)
    if isinstance(item, dt.timedelta):
        return np.timedelta64(item, "us"), False
    if isinstance(item, dt.date):
        return np.datetime64(item, "us"), zoned
    return item, False
