"""Labels of rows, and y, weights and static tables in the order of X's; imports narwhals."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from narwhals.exceptions import DuplicateError

from ._values import Array


@dataclass(frozen=True)
class RowLabels:
    """What tells the rows of X apart.

    Parameters
    ----------
    n : int
        Number of rows.
    ids : ndarray, default=None
        Their labels; None where they have none but their places.
    name : hashable, default=None
        What the labels are called.
    rows : ndarray of int, default=None
        Their places in what they were cut from, or the numbers that pandas gave them; None where
        nothing was cut.
    where : str, default="X.ids"
        Where a user finds the labels.
    """

    n: int
    ids: Array | None = None
    name: Any = None
    rows: Array | None = None
    where: str = "X.ids"


@dataclass(frozen=True)
class _Own:
    """The labels that a target brings: a column or an index, perhaps one that only counts rows."""

    ids: Array
    where: str
    is_index: bool = False
    named: bool = True
    counts: bool = False


def as_ids(labels: Iterable[Any]) -> Array:
    """Return labels as an array: of integers, or of the objects themselves."""
    kind = getattr(getattr(labels, "dtype", None), "kind", "")
    if kind in ("i", "u"):
        return np.asarray(labels)
    cells = np.asarray(labels).tolist() if kind == "U" else list(labels)
    if cells and all(isinstance(c, (int, np.integer)) and not isinstance(c, bool) for c in cells):
        return np.asarray(cells)
    ids = np.empty(len(cells), dtype=object)
    ids[:] = [None] * len(cells)
    for place, cell in enumerate(cells):
        ids[place] = cell
    return ids


def row_labels(X: Any) -> RowLabels | None:
    """Return the labels of the rows of `Sequences` or of pandas data; None for all else."""
    if hasattr(type(X), "_row_labels"):
        found: RowLabels = X._row_labels()
        return found
    if not _is_pandas(X):
        return None
    index, n = X.index, len(X)
    if _counts(index):
        return RowLabels(n, rows=np.arange(n), where="X.index")
    name = index.name if index.nlevels == 1 else tuple(index.names)
    return RowLabels(n, as_ids(index), name, where="X.index")


def labels_as_parts(X: Any) -> dict[str, Any]:
    """Return the labels of X as parts of the `Sequences` that is read from it."""
    labels = row_labels(X)
    if labels is None:
        return {}
    return {"ids": labels.ids, "id_name": labels.name, "_rows": labels.rows}


def align(X: Any, y: Any, what: str = "y") -> Any:
    """Return `y` in the order of the rows of `X`, by their labels where both have some.

    Parameters
    ----------
    X : any accepted form of X
        `Sequences` with `ids` and pandas data with an index have labels.
    y : array-like, column, frame, Sequences or None
        Targets, weights or static features. A pandas index counts as labels, but for one that
        numbers the rows from 0 as pandas does by itself, and one that is left of it when rows are
        cut out of X and y alike. A column of a frame that is called like the ids does too, and is
        dropped.
    what : str
        What `y` is called in error messages.

    Returns
    -------
    y : object
        As it was given where it has no labels, or where its rows are in order.

    Raises
    ------
    ValueError
        When its labels are not those of X; the message names the first of them.
    """
    labels = None if y is None else _labels_for(X, y)
    if labels is None:
        return y
    y, own = _split_off(y, labels, what)
    if own is None:
        return y
    order = _order(labels, own, what)
    return y if order is None else _take(y, order)


def require_in_step(X: Any, y: Any, name: str) -> None:
    """Refuse a y in another order than X, where what is returned has no labels to go by."""
    labels = None if y is None else _labels_for(X, y)
    own = None if labels is None else _split_off(y, labels, "y")[1]
    if labels is None or own is None or _order(labels, own, "y") is None:
        return
    raise ValueError(
        f"The rows of y are in another order than those of X, and {name} returns arrays, whose "
        f"rows have no labels to align y by. Pass y.loc[{labels.where}]."
    )


def _labels_for(X: Any, y: Any) -> RowLabels | None:
    """Return the labels of the rows of X that y is to be aligned by."""
    labels = row_labels(X)
    if labels is None or labels.ids is None:
        return _shared_column(X, y) or labels
    return labels


def _shared_column(X: Any, y: Any) -> RowLabels | None:
    """Return a column of X that tells its rows apart, and is the index of y or a column of it."""
    ours = open_distinct(X)
    if ours is None:
        return None
    if _is_pandas(y) and y.index.name in ours.columns and len(y) == len(ours):
        ids = _distinct(ours, y.index.name)
        if ids is not None:
            return RowLabels(len(ids), as_ids(ids), y.index.name, where=f"X[{y.index.name!r}]")
    theirs = open_distinct(y)
    if theirs is None:
        return None
    shared = [name for name in theirs.columns if name in ours.columns]
    for name in shared if len(theirs.columns) > 1 and len(ours) == len(theirs) else []:
        ids = _distinct(ours, name)
        # A target may be called like a column that has nothing to do with it.
        if ids is not None and set(ids) == set(theirs.get_column(name).to_list()):
            return RowLabels(len(ids), as_ids(ids), name, where=f"X[{name!r}]")
    return None


def _distinct(frame: "nw.DataFrame[Any]", name: Any) -> list[Any] | None:
    """Return the cells of a column if all differ, and are neither lists nor measured."""
    dtype = frame.schema[name]
    if dtype.is_float() or isinstance(dtype, (nw.List, nw.Array)):
        return None
    cells = frame.get_column(name).to_list()
    if not all(isinstance(cell, Hashable) for cell in cells) or len(set(cells)) < len(cells):
        return None
    return cells


def open_distinct(data: Any) -> "nw.DataFrame[Any] | None":
    """Wrap a frame whose columns have names of their own; None for anything else."""
    if not nw.dependencies.is_into_dataframe(data):
        return None
    try:
        return nw.from_native(data, eager_only=True)
    except DuplicateError:
        return None


def _is_pandas(data: Any) -> bool:
    """Tell whether `data` is a frame or series of pandas."""
    return nw.dependencies.is_pandas_dataframe(data) or nw.dependencies.is_pandas_series(data)


def _counts(index: Any) -> bool:
    """Tell whether a pandas index is the one that pandas gives by itself."""
    import pandas as pd

    plain = isinstance(index, pd.RangeIndex) and index.name is None
    return bool(plain and index.start == 0 and index.step == 1)


def _split_off(y: Any, labels: RowLabels, what: str) -> tuple[Any, _Own | None]:
    """Return `y` without the column of its labels, and the labels."""
    if hasattr(type(y), "_row_labels"):
        return y, None if y.ids is None else _Own(y.ids, f"{what}.ids")
    frame = None if labels.name is None else open_distinct(y)
    if frame is not None and labels.name in frame.columns and len(frame.columns) > 1:
        ids = as_ids(frame.get_column(labels.name).to_list())
        return _without(frame, labels.name), _Own(ids, f"column {labels.name!r} of {what}")
    if not _is_pandas(y):
        return y, None
    index = y.index
    named = any(name is not None for name in index.names)
    return y, _Own(as_ids(index), f"the index of {what}", True, named, _counts(index))


def _without(frame: "nw.DataFrame[Any]", name: Any) -> Any:
    """Return what is left without a column: a frame, or a single column as such."""
    rest = [column for column in frame.columns if column != name]
    if len(rest) > 1:
        return frame.select(rest).to_native()
    column = frame.get_column(rest[0])
    return column.to_numpy() if frame.implementation.is_pyarrow() else column.to_native()


def _take(y: Any, order: Array) -> Any:
    """Return the rows of `y` in another order."""
    if _is_pandas(y):
        return y.iloc[order]
    if nw.dependencies.is_into_dataframe(y):
        return nw.from_native(y, eager_only=True)[order.tolist()].to_native()
    return y[order.tolist()] if nw.dependencies.is_into_series(y) else y[order]


def _order(labels: RowLabels, own: _Own, what: str) -> Array | None:
    """Return which row of y belongs to each row of X; None where they stand in the same order."""
    ids, rows = labels.ids, labels.rows
    numbers = not own.named and own.ids.dtype.kind in "iu"
    if len(own.ids) != labels.n:
        if ids is None or (numbers and not set(own.ids.tolist()) & set(ids.tolist())):
            return None  # said by whoever counts the rows
        raise _mismatch(labels, own, what)
    if own.counts:
        if ids is not None and labels.name is None and _same_set(ids, own.ids):
            raise _ambiguous(ids, own, what, labels.where)
        return None
    places = np.arange(labels.n) if rows is None else rows
    if numbers and np.array_equal(own.ids, places):
        whole = rows is None and ids is not None and _same_set(ids, own.ids)
        return _places_of(ids, own.ids) if whole and ids is not None else None
    if numbers and rows is not None and _same_set(rows, own.ids):
        raise _ambiguous(rows, own, what, labels.where if labels.where == "X.index" else "")
    if ids is None or _equal(ids, own.ids):
        return None
    given, wanted = set(own.ids.tolist()), set(ids.tolist())
    if len(given) == labels.n and given == wanted:
        return _places_of(ids, own.ids)
    if numbers and ids.dtype.kind not in "iu" and given.isdisjoint(wanted):
        return None
    raise _mismatch(labels, own, what)


def _places_of(wanted: Array, given: Array) -> Array:
    """Return where each of the wanted labels stands among those given."""
    index = {label: place for place, label in enumerate(given.tolist())}
    return np.array([index[label] for label in wanted.tolist()], dtype=np.int64)


def _equal(left: Array, right: Array) -> bool:
    """Tell whether labels are the same, one by one."""
    return len(left) == len(right) and left.tolist() == right.tolist()


def _same_set(left: Array, right: Array) -> bool:
    """Tell whether numbers are the same ones in another order."""
    if left.dtype.kind not in "iu" or len(left) != len(right) or np.array_equal(left, right):
        return False
    return np.array_equal(np.sort(left), np.sort(right))


def _ambiguous(wanted: Array, own: _Own, what: str, given: str) -> ValueError:
    """Make the error for numbers that may be labels, or no more than places."""
    row = int(np.argmax(wanted != own.ids))
    remedy = f"Pass {what}.loc[{given}] if they name rows" if given else f"Cut {what} along with X"
    return ValueError(
        f"{_capital(own.where)} holds the same numbers as {given or 'the rows of X'}, in another "
        f"order: row {row} of X is {wanted.tolist()[row]!r}, that of {what} is "
        f"{own.ids.tolist()[row]!r}. {remedy}, or pass {what}.to_numpy() if the rows are in the "
        "same order already."
    )


def _mismatch(labels: RowLabels, own: _Own, what: str) -> ValueError:
    """Make the error for labels that are not those of X."""
    assert labels.ids is not None, "there are labels to differ from"
    wanted, given = labels.ids.tolist(), own.ids.tolist()
    lacking, unknown = _some(wanted, set(given)), _some(given, set(wanted))
    problems = [f"{what} lacks {lacking}"] if lacking else []
    problems += [f"X lacks {unknown}"] if unknown else []
    for holder, ids in ((what, given), ("X", wanted)):
        twice = _repeated(ids)
        problems += [f"{holder} has {twice} more than once"] if twice else []
    called = "" if labels.name is None else f" (ids called {labels.name!r})"
    remedy = f"Pass {what}.loc[{labels.where}], with a row for each of them"
    if not own.is_index:
        remedy = f"Give {what} one row for each of {labels.where}"
    elif what == "y" and labels.where == "X.ids":
        remedy += ", or take y along with X: Sequences.from_long(..., target=...)"
    start = ""
    if len(wanted) != len(given):
        start = (
            "Found input variables with inconsistent numbers of samples: "
            f"[{len(wanted)}, {len(given)}]. "
        )
    elif own.is_index:
        remedy += f"; or {what}.to_numpy() if its rows are in the order of X already"
    return ValueError(
        f"{start}{_capital(own.where)} does not match {labels.where}{called}: "
        f"{'; '.join(problems)}. {remedy}."
    )


def _capital(text: str) -> str:
    """Begin a sentence."""
    return text[0].upper() + text[1:]


def _some(labels: list[Any], known: set[Any]) -> str:
    """Name the first labels that are not known."""
    missing = [label for label in dict.fromkeys(labels) if label not in known]
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return ", ".join(repr(label) for label in missing[:3]) + more


def _repeated(labels: list[Any]) -> str:
    """Name the first label that occurs twice."""
    seen: set[Any] = set()
    for label in labels:
        if label in seen:
            return repr(label)
        seen.add(label)
    return ""
