"""Telling a long table, one row a step, from rows that are sequences; imports _frames.

A long table that is handed over as it is can be read: as many short sequences, whose steps are an
id, a time and what was measured. What gives it away is a column that repeats beside one that rises
within each of its values and starts anew, or never meets the same value twice.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from scipy.special import gammaln

from ._frames import _open_frame, column_role, is_frame
from ._sklearn import _num_samples
from ._values import Array, is_missing
from ._warnings import warn

# Rows that are looked at, in so many blocks, and columns of an array or of a frame.
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
    return f"X looks like a long table, with one row a step: {what}. {call}"


def refuse_long_table(X: Any, y: Any) -> None:
    """Refuse a long table that comes with one target for each of its series."""
    try:
        n_rows, n_targets = _num_samples(X), _num_samples(y)
    except TypeError:
        return
    if getattr(X, "ndim", 2) != 2 or not 1 < n_targets < n_rows:
        return
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
        f"like a long table, with one row a step. {_call(X, columns, own, time)}"
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


def _values(series: "nw.Series[Any]") -> Array | None:
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
