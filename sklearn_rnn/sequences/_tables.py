"""Tables with one row for each (series, time) step: read as such, and warned of elsewhere.

A long table would be read without an error: each row as one short sequence, whose steps are an id,
a time and what was measured. It is told by two columns: one repeats its values, and beside it
another rises within each of these values and starts anew, or never shows the same value twice.

Imports narwhals, _frames and _values; pandas, where something is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from scipy.special import gammaln

from ._conduct import warn
from ._frames import _open_frame, as_series, as_table, column_role, is_frame, is_series
from ._values import Array, is_missing


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
    """Read a frame, an index, a column of times or an array, one row for each step.

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
        X = pd.DataFrame(index=_read_times(as_series(X), "time"))
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
        times, time_name, counted = (
            _read_times(columns.pop(time_col), time_col),
            str(time_col),
            False,
        )
    elif times is None or counted:
        dates = [name for name, column in columns.items() if _is_temporal(column)]
        if len(dates) == 1:
            times, time_name, counted = (
                _read_times(columns.pop(dates[0]), dates[0]),
                dates[0],
                False,
            )
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
            _read_times(nw.from_native(index.to_series(), series_only=True), name),
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
        times = _read_times(
            nw.from_native(times.to_series(), series_only=True), names[at] or "time"
        )
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


def _read_times(column: Any, name: Any) -> Any:
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


# Rows that are looked at, the blocks that they are drawn in, and columns of an array, of a frame.
_ROWS, _BLOCKS, _COLUMNS, _NAMED_COLUMNS = 2048, 8, 64, 256
# A table of fewer rows says too little.
_FEWEST_ROWS = 8
# Blocks of equal values that say something without a time beside them.
_FEWEST_BLOCKS = 8
# Natural logarithm of how improbable an order or a grid has to be in rows that mean nothing.
_IMPROBABLE = 20.0
_TIME = re.compile(
    r"(?:.*[_ .-])?(?:t|ts|time|timestamp|datetime|date|when|seconds?|minutes?|hours?|days?|weeks?|"
    r"months?|quarters?|years?|steps?|cycles?|frames?|elapsed)(?:[_ .-].*)?",
    re.IGNORECASE,
)
_ID = re.compile(r"(?:.*[_ .-])?(?:id|Id|ID|uid|UID)|.*[a-z](?:Id|ID)")


@dataclass(frozen=True)
class _Column:
    """Codes of a column, in the order of its values; whether it can be an id, or is a time."""

    name: Any
    codes: Array
    n_values: int
    is_id: bool
    is_time: bool = False
    is_text: bool = False
    in_index: bool = False


def warn_of_long_table(X: Any) -> None:
    """Warn where the rows of a 2-D array or a frame of scalars look like steps."""
    advice = long_table_advice(X)
    if advice:
        n_rows, n_steps = np.shape(X)
        plural = "s" if n_steps > 1 else ""
        warn(
            f"{advice} As it is, {n_rows} sequences of {n_steps} step{plural} were read.",
        )


def long_table_advice(X: Any) -> str:
    """Say what to do with a table that looks long; an empty string where it does not."""
    table = _read(X)
    if table is None:
        return ""
    columns, named = table
    pair = _find(columns, named=named)
    if pair is None:
        return ""
    own, time = pair
    what = f"column {own.name!r} repeats"
    if time is not None:
        what = f"column {time.name!r} starts anew for each value of column {own.name!r}"
    call = _call(X, columns, own, time)
    return f"X looks like a long table, with one row for each step: {what}. {call}"


def refuse_table(X: Any, n_rows: int, n_targets: int) -> None:
    """Refuse a long table that comes with one target for each of its series."""
    table = _read(X, every=True)
    if table is None:
        return
    columns, named = table
    own = next((c for c in columns if c.n_values == n_targets and c.is_id), None)
    if own is None:
        return
    order = np.argsort(own.codes, kind="stable")
    others = [column for column in columns if column is not own]
    time = next((c for c in others if _restarts(own, c, order, strict=not named)), None)
    time = time or next((c for c in others if named and (c.in_index or _is_grid(own, c))), None)
    if time is None and np.count_nonzero(np.diff(own.codes)) != n_targets - 1:
        return
    raise ValueError(
        f"Found input variables with inconsistent numbers of samples: [{n_rows}, {n_targets}]. X "
        f"has {n_targets} different values of {own.name!r}, one for each target of y, and looks "
        f"like a long table, with one row for each step. {_call(X, columns, own, time)}"
    )


def _call(X: Any, columns: list[_Column], own: _Column, time: _Column | None) -> str:
    """Write the call that builds the sequences."""
    if any(column.is_text for column in columns if column is not own):
        gather = f"groupby({own.name!r}, sort=False).agg(list)"
        if not nw.dependencies.is_pandas_dataframe(X):
            gather = f"group_by({own.name!r}, maintain_order=True).agg(...)"
        return f"Gather the rows of each {own.name!r} in lists, those of y too: X.{gather}."
    frame = "X"
    if not is_frame(X):
        frame = "pandas.DataFrame(X)"
    elif own.in_index or (time is not None and time.in_index):
        frame = "X.reset_index()"
    of_time = "" if time is None else f", time={time.name!r}"
    return (
        f"Build one sequence for each {own.name!r} with "
        f"Sequences.from_long({frame}, id={own.name!r}{of_time}); target= takes y along."
    )


def _read(X: Any, *, every: bool = False) -> tuple[list[_Column], bool] | None:
    """Return the columns that matter, and whether they have names; None where nothing can."""
    if is_frame(X):
        return _read_frame(X, every=every)
    if not isinstance(X, np.ndarray) or X.ndim != 2 or X.dtype.kind not in "iuf":
        return None
    if not 3 <= X.shape[1] <= _COLUMNS or len(X) < _FEWEST_ROWS:
        return None
    few = X[:16]
    with np.errstate(invalid="ignore"):
        whole = np.flatnonzero((few == np.floor(few)).all(axis=0))
    if len(whole) < 2:
        return None
    rows = X if every else X[_blocks(len(X))]
    changes = (rows[1:, whole] != rows[:-1, whole]).sum(axis=0)
    if not ((changes > 0) & (2 * changes < len(rows))).any():
        return None  # nothing stays the same for a while
    found = [_column(place, rows[:, place]) for place in whole.tolist()]
    return [column for column in found if column is not None], False


def _read_frame(X: Any, *, every: bool) -> tuple[list[_Column], bool] | None:
    """Read the columns of a frame, and the levels of its index."""
    try:
        frame = _open_frame(X)
    except (TypeError, ValueError):  # refused elsewhere, by name
        return None
    names = list(frame.columns)
    if len(frame) < _FEWEST_ROWS or not names or len(names) > _NAMED_COLUMNS:
        return None
    rows = slice(None) if every else _blocks(len(frame))
    if _alike(names):
        counted = all(isinstance(name, (int, np.integer)) for name in names)
        return _read(frame[rows].to_numpy(), every=True) if counted else None
    found = [_level(name, level[rows]) for name, level in _levels(X)]
    for name in names:
        series = frame.get_column(name)
        values = _values(series[rows])
        found.append(None if values is None else _column(name, values))
    return [column for column in found if column is not None], True


def _blocks(n_rows: int) -> Any:
    """Return some rows: all, or blocks of neighbours from everywhere."""
    if n_rows <= _ROWS:
        return slice(None)
    size = _ROWS // _BLOCKS
    starts = np.linspace(0, n_rows - size, _BLOCKS).astype(np.int64)
    return np.unique(starts[:, None] + np.arange(size))


def _levels(X: Any) -> list[tuple[Any, Any]]:
    """Return the levels of an index that repeats or has several, as reset_index names them."""
    if not nw.dependencies.is_pandas_dataframe(X):
        return []
    index = X.index
    if index.nlevels == 1:
        if index.name is None or index.is_unique:
            return []
        return [(index.name, index)]
    names = [f"level_{k}" if name is None else name for k, name in enumerate(index.names)]
    return [(name, index.get_level_values(k)) for k, name in enumerate(names)]


def _level(name: Any, level: Any) -> _Column | None:
    """Read a level of a pandas index."""
    try:
        series = nw.from_native(level.to_series(), series_only=True)
        values = _values(series)
    except (TypeError, ValueError):
        return None
    column = None if values is None else _column(name, values)
    if column is None:
        return None
    return replace(column, in_index=True)


def _values(series: nw.Series[Any]) -> Array | None:
    """Return a column as an array that can be sorted; None where there is none."""
    try:
        role = column_role(series)
    except TypeError:
        return None
    if role == "categorical":
        cells = series.to_list()
        return None if any(map(is_missing, cells)) else np.asarray([str(cell) for cell in cells])
    return np.asarray(series.to_numpy()) if role in ("numeric", "time") else None


def _column(name: Any, values: Array) -> _Column | None:
    """Encode a column; None where it has gaps or does not sort."""
    if values.dtype.kind == "O":
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError):
            return None
    if values.dtype.kind not in "biufMmU":
        return None
    is_id = values.dtype.kind != "f" or bool(np.isfinite(values).all() and _whole(values))
    if values.dtype.kind in "fMm" and (values != values).any():
        return None
    found, codes = np.unique(values, return_inverse=True)
    dates = values.dtype.kind in "Mm"
    is_time = dates or (isinstance(name, str) and _TIME.fullmatch(name) is not None)
    text = values.dtype.kind == "U"
    return _Column(name, codes.reshape(-1), len(found), is_id and not dates, is_time, text)


def _whole(values: Array) -> bool:
    """Tell whether floats are whole numbers."""
    return bool((values == np.floor(values)).all())


def _alike(names: list[Any]) -> bool:
    """Tell whether columns are called alike, as steps are: t0, t1, ...; numbers; dates."""
    stems = {re.sub(r"[\W\d_]+", "", str(name)).lower() for name in names}
    return len(names) > 1 and len(stems) == 1


def _find(columns: list[_Column], *, named: bool) -> tuple[_Column, _Column | None] | None:
    """Return the columns that tell whose step a row is, and when."""
    if len(columns) < 2:
        return None
    n_rows = len(columns[0].codes)
    ids = [c for c in columns if c.is_id and 2 <= c.n_values <= 0.6 * n_rows]
    ids.sort(key=lambda column: not column.in_index)
    for own in ids:
        order = np.argsort(own.codes, kind="stable")
        for time in columns:
            if time is own or time.n_values < 2:
                continue
            if _restarts(own, time, order, strict=not named) or (named and _is_grid(own, time)):
                swapped = own.is_time and time.is_id and not time.is_time
                return (time, own) if swapped else (own, time)
    alone = [column for column in ids if named and _stands_for_rows(column)]
    return (alone[0], None) if alone else None


def _stands_for_rows(own: _Column) -> bool:
    """Tell whether a column is an id by its name, or by blocks of rows that no sorting makes."""
    if isinstance(own.name, str) and _ID.fullmatch(own.name):
        return True
    steps = np.diff(own.codes)
    if own.is_time or own.n_values < _FEWEST_BLOCKS or (steps != 0).sum() != own.n_values - 1:
        return False
    return bool((steps < 0).any()) or len(set(np.bincount(own.codes).tolist())) == 1


def _restarts(own: _Column, time: _Column, order: Array, *, strict: bool) -> bool:
    """Tell whether a column rises within each id, and begins again with the next.

    The order is one that brings the rows of each id together.
    """
    n_rows, ids, times = len(own.codes), own.codes, time.codes
    first = order[:64]
    if not (np.diff(times[first])[ids[first][1:] == ids[first][:-1]] > 0).all():
        return False
    runs = np.flatnonzero(ids[1:] != ids[:-1]) + 1
    in_runs = len(runs) + 1 == own.n_values
    repeats = time.n_values <= n_rows // 2
    if not (in_runs and time.is_id and repeats if strict else repeats or time.is_time):
        return False
    same = ids[order][1:] == ids[order][:-1]
    steps = np.diff(times[order])
    if not (steps[same] > 0).all():
        return False
    falls = int((np.diff(times)[runs - 1] < 0).sum()) if in_runs else 0
    if not (2 * falls >= own.n_values - 1 if in_runs else repeats):
        return False
    sizes = np.bincount(ids)
    if gammaln(sizes + 1.0).sum() >= _IMPROBABLE:
        return True
    starts = times[order][np.r_[True, ~same]]
    return bool((starts == starts[0]).all() and (steps[same] == 1).all())


def _is_grid(own: _Column, time: _Column) -> bool:
    """Tell whether two columns that repeat never repeat together, though there is little room."""
    n_rows, cells = len(own.codes), own.n_values * time.n_values
    if n_rows < 0.05 * cells or n_rows**2 < 2 * _IMPROBABLE * cells:
        return False
    if own.n_values > n_rows // 3 or time.n_values > n_rows // 3:
        return False
    return len(np.unique(own.codes.astype(np.int64) * time.n_values + time.codes)) == n_rows
