"""X and y as users have them, to a table of steps and a block of targets. Imports `sequences`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import check_array

from ..sequences import (
    FLOAT32_MAX,
    StepTable,
    as_table,
    column_role,
    excess,
    is_frame,
    is_number,
    is_series,
    is_time_index,
    read_step_table,
    refuse_dated_y,
    refuse_strings,
    unmasked,
    warn,
)
from ._grid import Array, Grid
from ._history import Clock

# Rows from which on a column of equal steps is taken for a clock.
_FEWEST_TICKS = 4


def is_table(X: Any) -> bool:
    """Tell whether `X` can bear times and names: a frame, an index or a column of times."""
    import pandas as pd

    if is_frame(X) or isinstance(X, pd.Index) or is_series(X):
        return True
    pyarrow_batch = type(X).__name__ == "RecordBatch"
    dates = getattr(getattr(X, "dtype", None), "kind", "") in ("m", "M")
    return pyarrow_batch or dates


def read_X(X: Any, estimator: Any, *, fitting: bool) -> tuple[StepTable, bool]:
    """Return the table of `X`, and whether it is a bare array, without names and times."""
    id_col, time_col = estimator.id_col, estimator.time_col
    X = unmasked(as_table(X))
    _refuse_no_rows(X, type(estimator).__name__)
    if is_table(X) or id_col is not None or time_col is not None or _has_dates(X):
        table = read_step_table(X, id_col=id_col, time_col=time_col)
        if not table.n_rows:
            raise ValueError(
                f"Found array with 0 sample(s) while a minimum of 1 is required by "
                f"{type(estimator).__name__}."
            )
        return table, False
    _refuse_strings(X)
    array = check_array(
        X,
        dtype="numeric",
        ensure_all_finite=False,
        ensure_min_samples=1,
        estimator=estimator,
        input_name="X",
    )
    if not fitting and not hasattr(estimator, "n_features_in_"):
        raise ValueError(
            f"{type(estimator).__name__} was fitted without X, so it cannot tell what the columns "
            "of an array are. Call forecast(horizon) for the steps after the history, or pass the "
            "rows' times, or their numbers counted from 0, as an index: "
            "predict(pandas.RangeIndex(start, stop))."
        )
    if not fitting and array.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {array.shape[1]} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input."
        )
    return _bare_table(array), True


def _refuse_no_rows(X: Any, kind: str) -> None:
    """Refuse what names no rows: nothing at all, or values that were meant as y."""
    import pandas as pd

    if X is None:
        raise ValueError(
            f"X is None, so {kind} does not know which rows to forecast. Call forecast(horizon) "
            "for the steps after the history, or pass the rows' times as X, such as y.index."
        )
    if isinstance(X, pd.Series) and is_time_index(X.index) and X.dtype.kind in "iufb":
        raise ValueError(
            f"X is a series of numbers ({X.name!r}) with an index of times. Pass its index if it "
            "is y, which a forecast must not know, or X.to_frame() if it is a covariate."
        )


def _refuse_strings(X: Any) -> None:
    """Refuse strings that are no numbers in an array of covariates, by row and column."""
    if isinstance(X, np.ndarray) and X.dtype.kind not in "OUS":
        return
    try:
        cells = np.asarray(X, dtype=object)
    except ValueError:  # ragged: told by scikit-learn
        return
    for place, cell in enumerate(cells.flat):
        if isinstance(cell, str) and not is_number(cell):
            at = np.unravel_index(place, cells.shape)
            raise ValueError(
                f"X holds the string {str(cell)!r:.40} (row, column {tuple(map(int, at))}): could "
                "not convert string to float. Convert the column; in a data frame a column of "
                "strings is read as categories."
            )


def _has_dates(X: Any) -> bool:
    """Tell whether a list or an array of objects holds dates."""
    if isinstance(X, (list, tuple)) and len(X):
        return any(hasattr(c, "year") for c in (X[0] if isinstance(X[0], (list, tuple)) else X[:1]))
    kind = getattr(getattr(X, "dtype", None), "kind", "")
    if kind != "O" or getattr(X, "ndim", 0) != 2 or not len(X):
        return False
    return any(hasattr(cell, "year") for cell in np.asarray(X)[0])


def _bare_table(array: Array) -> StepTable:
    """Wrap an array of numbers, its columns named by their numbers."""
    import pandas as pd

    columns = {
        place: nw.from_native(pd.Series(array[:, place]), series_only=True)
        for place in range(array.shape[1])
    }
    return StepTable(len(array), None, None, dict(columns))


def find_clock(table: StepTable, places: Array) -> Clock | None:
    """Return the first column that rises by the same amount from place to place, or None."""
    if table.n_rows < _FEWEST_TICKS or places[-1] <= places[0]:
        return None
    for name, column in table.columns.items():
        numbers = np.asarray(column.to_numpy(), dtype=np.float64)
        step = (numbers[-1] - numbers[0]) / (places[-1] - places[0])
        if step > 0 and np.isfinite(step):
            expected = numbers[0] + step * (places - places[0])
            if (np.abs(numbers - expected) <= 1e-6 * step * table.n_rows).all():
                return Clock(name, float(numbers[0] - step * places[0]), float(step))
    return None


def without(table: StepTable, column: Any) -> StepTable:
    """Return the table without a column."""
    columns = {name: block for name, block in table.columns.items() if name != column}
    return replace(table, columns=columns)


def read_clock(table: StepTable, clock: Clock, grid: Grid) -> StepTable:
    """Return the table with the times that its column of counts says."""
    numbers = np.asarray(table.columns[clock.column].to_numpy(), dtype=np.float64)
    if not np.isfinite(numbers).all():
        row = int(np.argmin(np.isfinite(numbers)))
        raise ValueError(
            f"Input X contains NaN or infinity: row {row}, column {clock.column!r}, the time."
        )
    exact = (numbers - clock.origin) / clock.step
    places = np.rint(exact)
    if (np.abs(exact - places) > 0.01).any():
        raise ValueError(
            f"Column {clock.column!r} of X rose by {clock.step:g} from row to row of training, and "
            "was read as time; now it stands between two steps. Pass a frame whose index is "
            "the time if it is something else."
        )
    return replace(without(table, clock.column), times=grid.times(places.astype(np.int64)))


def read_y(y: Any, n_rows: int | None, estimator: Any) -> tuple[Array, list[str] | None, bool]:
    """Return targets as float64 of shape (n, n_targets), their names, and whether y was flat."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None."
        )
    names = None
    y = unmasked(as_table(y))
    if is_frame(y):
        frame = nw.from_native(y, eager_only=True)
        if n_rows is not None:  # who and when is said by X, and compared with it elsewhere
            frame = frame.drop(_own_columns(y, estimator))
        for name in frame.columns:
            boolean = frame.schema[name] == nw.Boolean
            if not boolean and column_role(frame.get_column(name)) != "numeric":
                raise ValueError(
                    f"Column {name!r} of y holds no numbers. If it tells the series apart, name it "
                    "with id_col=, if it says when, with time_col=; else drop it from y."
                )
        names = [str(name) for name in frame.columns]
        y = np.column_stack([frame.get_column(name).to_numpy() for name in frame.columns])
    elif is_series(y):
        refuse_dated_y(y)
        name = getattr(y, "name", None)
        names = None if name is None else [str(name)]
        y = np.asarray(y)
    refuse_strings(y)
    refuse_dated_y(y)
    checked = check_array(
        y,
        ensure_2d=False,
        dtype="numeric",
        ensure_all_finite="allow-nan",
        input_name="y",
        estimator=estimator,
        ensure_min_samples=0,
    )
    flat = checked.ndim == 1
    if checked.ndim == 2 and checked.shape[1] == 1:
        if names is None:
            warn(
                "A column-vector y was passed when a 1d array was expected. Please change the "
                "shape of y to (n_samples,), for example using ravel().",
                DataConversionWarning,
            )
        flat = True
    if checked.ndim > 2 or checked.shape[1:] == (0,):
        raise ValueError(f"y should be of shape (n,) or (n, n_targets); got {checked.shape}.")
    width = 1 if checked.ndim == 1 else checked.shape[1]
    values = np.asarray(checked, dtype=np.float64).reshape(len(checked), width)
    if n_rows is not None and len(values) != n_rows:
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: X has "
            f"{n_rows}, y has {len(values)}: [{n_rows}, {len(values)}]"
        )
    beyond = np.abs(values) > FLOAT32_MAX
    if beyond.any():
        row, column = np.argwhere(beyond)[0]
        where = f"row {row}" + (
            "" if flat else f", target {(names or range(column + 1))[column]!r}"
        )
        raise ValueError(
            f"Input y contains {excess(values[row, column])}: {where}. Replace it, by NaN if it "
            "means missing, or rescale y."
        )
    return values, names, flat


def _own_columns(y: Any, estimator: Any) -> list[Any]:
    """Name the columns of y that say whose its rows are, and when."""
    if not is_frame(y):
        return []
    names = nw.from_native(y, eager_only=True).columns
    return [name for name in (estimator.id_col, estimator.time_col) if name in names]


def times_of_y(table: StepTable, X: Any, y: Any, estimator: Any) -> StepTable:
    """Give a table without times those that y bears; refuse a y whose rows are others."""
    import pandas as pd

    index = y.index if isinstance(y, (pd.Series, pd.DataFrame)) else None
    columns = _own_columns(y, estimator)
    if columns:
        id_col, time_col = (
            name if name in columns else None for name in (estimator.id_col, estimator.time_col)
        )
        rows = nw.from_native(y, eager_only=True).select(columns).to_native()
        own = read_step_table(rows, id_col=id_col, time_col=time_col)
    elif index is None or len(index) != table.n_rows:
        return table
    elif is_time_index(index):
        own = read_step_table(index)
    else:
        _refuse_other_order(X, index)
        return table
    if own.ids is not None and table.ids is not None and list(own.ids) != list(table.ids):
        row = [mine == theirs for mine, theirs in zip(table.ids, own.ids, strict=True)].index(False)
        raise ValueError(
            f"The rows of X and y are of different series: row {row} of X is of "
            f"{table.ids[row]!r}, that of y of {own.ids[row]!r}. Bring them into the same order, "
            "or pass y without its index."
        )
    if own.times is None or own.counted:
        return table
    if table.times is None or table.counted:
        table.times, table.time_name, table.counted = own.times, own.time_name, False
        table.ids = own.ids if table.ids is None else table.ids
        return table
    if type(own.times) is type(table.times):
        differs = np.asarray(own.times != table.times)
        if differs.any():
            row = int(np.argmax(differs))
            raise ValueError(
                f"X and y are at different times: row {row} of X is at {table.times[row]}, that "
                f"of y at {own.times[row]}. Align them, or pass y without its index."
            )
    return table


def _refuse_other_order(X: Any, index: Any) -> None:
    """Refuse a y whose index has the labels of X's in another order, or others by name."""
    labels: Any = getattr(X, "index", None)
    if not hasattr(labels, "equals") or len(labels) != len(index) or labels.equals(index):
        return
    named = index.name is not None and index.name == labels.name
    if named or set(index) == set(labels):
        pairs = enumerate(zip(labels, index, strict=True))
        row, (mine, theirs) = next(found for found in pairs if found[1][0] != found[1][1])
        raise ValueError(
            f"The rows of y have other labels than those of X: row {row} of X is {mine!r}, that of "
            f"y {theirs!r}. Pass y.loc[X.index], or y.to_numpy() if the rows are in "
            "the same order already."
        )
