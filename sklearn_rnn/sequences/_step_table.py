"""Tables with one row a (series, time) step: who, when, and the other columns.

Imports narwhals, _frames and _values; pandas, where something is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from ._frames import _open_frame, as_series, as_table, is_frame, is_series
from ._values import Array


@dataclass
class StepTable:
    """The rows of a table of steps, whatever held them.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    ids : list or None
        Label of the series of each row; None where there is but one series.
    times : pandas Index or None
        When each row happens: dates, periods, durations or numbers; None where rows follow on.
    columns : dict
        Name of each other column and the column, a narwhals Series.
    id_name, time_name : str
        What the table calls its ids and times.
    backend : str
        The library that the table came from.
    counted : bool
        Whether the times are no more than the numbers that the rows of a pandas frame bear.
    days : bool
        Whether the column of times holds dates without a time of day (polars, pyarrow).
    """

    n_rows: int
    ids: list[Any] | None
    times: Any
    columns: dict[Any, Any]
    id_name: str = "id"
    time_name: str = "time"
    backend: str = "pandas"
    counted: bool = False
    days: bool = False


def is_time_index(index: Any) -> bool:
    """Tell whether a pandas index says when its rows happen: dates, periods, durations, ids too."""
    import pandas as pd

    if isinstance(index, pd.MultiIndex):
        return index.nlevels >= 2
    return isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex, pd.TimedeltaIndex))


def _is_pandas(data: Any) -> bool:
    import pandas as pd

    return isinstance(data, (pd.DataFrame, pd.Series, pd.Index))


def read_step_table(X: Any, *, id_col: Any = None, time_col: Any = None) -> StepTable:
    """Read a frame, an index, a column of times or an array, one row a step.

    Parameters
    ----------
    X : frame, pandas Index or Series, or array
        The rows. A pandas index of dates, periods or durations, or of (id, time), is the time.
    id_col, time_col : str or int, default=None
        Names of the columns that hold the series' id and the time; numbers for an array. Without
        them a sole column of dates is the time.

    Raises
    ------
    ValueError, TypeError
        If a column is not there, a row has no id or time, or the times are of no known kind.
    """
    import pandas as pd

    X = as_table(X)
    numbered = False
    if isinstance(X, pd.Index):
        X = pd.DataFrame(index=X)
    elif is_series(X):
        X = pd.DataFrame(index=as_times(as_series(X), "time"))
    elif not is_frame(X):
        array = np.asarray(X)
        if array.ndim == 1:
            array = array[:, np.newaxis]
        X, numbered = pd.DataFrame(array).infer_objects(), True
    wrapped = _open_frame(X)
    names = list(wrapped.columns)
    for role, name in (("id_col", id_col), ("time_col", time_col)):
        if name is not None and name not in names and not _is_level(X, name):
            raise ValueError(f"{role}={name!r} is not a column; the columns are {names}.")
    ids, times, id_name, time_name, counted = _from_index(X, id_col, time_col)
    columns = {name: wrapped.get_column(name) for name in names}
    if id_col in columns:
        ids, id_name = _labels(columns.pop(id_col), id_col), str(id_col)
    if time_col in columns:
        times, time_name, counted = as_times(columns.pop(time_col), time_col), str(time_col), False
    elif times is None or counted:
        dates = [name for name, column in columns.items() if _is_temporal(column)]
        if len(dates) == 1:
            times, time_name, counted = as_times(columns.pop(dates[0]), dates[0]), dates[0], False
        elif len(dates) > 1:
            raise ValueError(
                f"The columns {dates} all hold times; name the one to go by with time_col=."
            )
    if counted and (ids is not None or numbered):
        # The numbers count the rows of all series together, or are none of the user's.
        times, counted = None, False
    if times is not None and times.hasnans:
        row = int(np.argmax(times.isna()))
        raise ValueError(f"Row {row} has no time ({time_name!r} is missing). Drop or fill the row.")
    backend = str(wrapped.implementation).lower()
    table = StepTable(len(wrapped), ids, times, columns, id_name, str(time_name), backend, counted)
    table.days = time_name in names and wrapped.schema[time_name] == nw.Date
    return table


def _is_level(X: Any, name: Any) -> bool:
    """Tell whether `name` is the name of a level of a pandas index."""
    return _is_pandas(X) and name in X.index.names


def _from_index(X: Any, id_col: Any, time_col: Any) -> tuple[Any, Any, str, str, bool]:
    """Return ids, times, their names, and whether the times only count rows."""
    import pandas as pd

    if not _is_pandas(X):
        return None, None, "id", "time", False
    index = X.index
    if isinstance(index, pd.MultiIndex):
        return (*_from_levels(index, id_col, time_col), False)
    name = "time" if index.name is None else str(index.name)
    if id_col is not None and index.name == id_col and id_col not in X.columns:
        return list(index), None, str(id_col), "time", False
    if is_time_index(index):
        return None, index, "id", name, False
    if time_col is not None and index.name == time_col and time_col not in X.columns:
        return (
            None,
            as_times(nw.from_native(index.to_series(), series_only=True), name),
            "id",
            name,
            False,
        )
    if getattr(index.dtype, "kind", "") in "iuf":
        return None, index, "id", name, True
    if index.dtype != bool and len(index):
        if hasattr(index[0], "year"):
            return None, _dates(list(index), name), "id", name, False
        if isinstance(index[0], str) and re.match(r"\d{4}([-/.]\d{1,2}){1,2}([ T]|$)", index[0]):
            raise TypeError(
                f"The index holds text that looks like dates ({index[0]!r}), and would not count "
                "as time. Parse it first: X.index = pandas.to_datetime(X.index)."
            )
    return None, None, "id", "time", False


def _from_levels(index: Any, id_col: Any, time_col: Any) -> tuple[Any, Any, str, str]:
    """Split an index of several levels into ids and times: the sole temporal level, or the last."""
    levels = [index.get_level_values(k) for k in range(index.nlevels)]
    names = list(index.names)
    temporal = [k for k, level in enumerate(levels) if is_time_index(level)]
    at = names.index(time_col) if time_col is not None and time_col in names else None
    if at is None:
        at = temporal[0] if len(temporal) == 1 else len(levels) - 1
    rest = [k for k in range(len(levels)) if k != at]
    if id_col is not None and id_col in names:
        rest = [names.index(id_col)]
    times = levels[at]
    if not is_time_index(times):
        times = as_times(nw.from_native(times.to_series(), series_only=True), names[at] or "time")
    ids = (
        list(levels[rest[0]])
        if len(rest) == 1
        else list(zip(*(levels[k] for k in rest), strict=True))
    )
    id_name = str(names[rest[0]]) if len(rest) == 1 and names[rest[0]] is not None else "id"
    return ids, times, id_name, "time" if names[at] is None else str(names[at])


def _labels(column: Any, name: Any) -> list[Any]:
    """Return ids as a list, none of them missing."""
    if column.null_count():
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise ValueError(f"Row {row} has no id (column {name!r} is null). Drop or fill the row.")
    return list(column.to_list())


def _is_temporal(column: Any) -> bool:
    """Tell whether a column holds dates or periods."""
    import pandas as pd

    if isinstance(column.dtype, (nw.Datetime, nw.Date)):
        return True
    return isinstance(getattr(column.to_native(), "dtype", None), pd.PeriodDtype)


def as_times(column: Any, name: Any) -> Any:
    """Return a column of times as a pandas Index: dates, periods, durations or numbers."""
    import pandas as pd

    native = column.to_native()
    if _is_pandas(native):
        index = pd.Index(native)
        if is_time_index(index):
            return index.rename(None)
        if index.dtype == object and len(index):
            first = next((cell for cell in index if not pd.isna(cell)), None)
            if hasattr(first, "year"):
                return _dates(list(index), name)
        if isinstance(index.dtype, pd.ArrowDtype):  # as read from Parquet
            if isinstance(column.dtype, (nw.Date, nw.Datetime)):
                return pd.DatetimeIndex(native).rename(None)
            if isinstance(column.dtype, nw.Duration):
                return pd.TimedeltaIndex(native.to_numpy())
    elif isinstance(column.dtype, nw.Date):
        return pd.DatetimeIndex(column.cast(nw.Datetime("us")).to_numpy())
    elif isinstance(column.dtype, nw.Datetime):
        zone = column.dtype.time_zone
        if zone is None:
            return pd.DatetimeIndex(column.to_numpy())
        stamps = np.asarray(column.dt.timestamp("us").to_numpy(), dtype="datetime64[us]")
        return pd.DatetimeIndex(stamps, tz="UTC").tz_convert(zone)
    elif isinstance(column.dtype, nw.Duration):
        return pd.TimedeltaIndex(column.to_numpy())
    if isinstance(column.dtype, (nw.String, nw.Categorical, nw.Enum)) or (
        not column.dtype.is_numeric() and column.dtype != nw.Unknown
    ):
        raise TypeError(
            f"Column {name!r} holds {column.dtype} where times belong; parse the dates first, "
            "with pandas.to_datetime for instance."
        )
    numbers: Array = np.asarray(column.to_numpy())
    if numbers.dtype.kind not in "iuf":
        raise TypeError(f"Column {name!r} holds {column.dtype} where times belong.")
    return pd.Index(numbers)


def _dates(cells: list[Any], name: Any) -> Any:
    """Read Python dates; refuse a column in which the offset from UTC changes."""
    import pandas as pd

    try:
        index = pd.to_datetime(cells)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"Column {name!r} mixes times of several zones, or with and without one. Convert "
            "them to one zone, with pandas.to_datetime(..., utc=True)."
        ) from error
    return pd.DatetimeIndex(index)


def split_targets(y: Any, *, id_col: Any = None, time_col: Any = None) -> tuple[Any, Any]:
    """Make an X of the times and ids that targets without X bear; return X, or None, and y.

    Parameters
    ----------
    y : array, series or frame
        Its index, or the columns that are named, or a sole column of dates, say who and when.
    id_col, time_col : column name, default=None
    """
    import pandas as pd

    y = as_table(y)
    if isinstance(y, (pd.Series, pd.DataFrame)):
        named = [name for name in (id_col, time_col) if name is not None]
        if isinstance(y, pd.DataFrame) and named and set(named) <= set(y.columns):
            return y[named], y.drop(columns=named)
        if isinstance(y, pd.DataFrame) and not is_time_index(y.index):
            dates = [name for name in y.columns if y[name].dtype.kind == "M"]
            if len(dates) == 1 and y.shape[1] > 1:
                return y[dates], y.drop(columns=dates)
        return pd.DataFrame(index=y.index), y
    if is_frame(y):
        frame = nw.from_native(y, eager_only=True)
        named = [name for name in (id_col, time_col) if name in frame.columns]
        if not named:
            named = [name for name in frame.columns if _is_temporal(frame.get_column(name))]
        if named and len(named) < len(frame.columns):
            return frame.select(named).to_native(), frame.drop(named).to_native()
    return None, y


def rows_of_targets(y: Any, *, id_col: Any = None, time_col: Any = None) -> tuple[Any, Any]:
    """Return X and y where targets were given alone: rows without times are counted from 0."""
    if y is None:
        raise ValueError("X and y are both None; pass the rows as X, or targets with their times.")
    X, y = split_targets(y, id_col=id_col, time_col=time_col)
    return (np.arange(len(y))[:, None] if X is None else X), y
