"""The flat parts of `Sequences`: labels of rows, by which y is put in order, joining and recoding.

Imports NumPy and the values of this room.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import narwhals.stable.v2 as nw
import numpy as np
from narwhals.exceptions import DuplicateError

from ._values import (
    FLOAT32_MAX,
    Array,
    RowReader,
    as_float,
    as_numbers,
    as_tokens,
    check_finite,
    check_offsets,
    check_times,
    excess,
    is_mapped,
    is_missing,
    row_offsets,
    step_index,
)


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


def _distinct(frame: nw.DataFrame[Any], name: Any) -> list[Any] | None:
    """Return the cells of a column if all differ, and are neither lists nor measured."""
    dtype = frame.schema[name]
    if dtype.is_float() or isinstance(dtype, (nw.List, nw.Array)):
        return None
    cells = frame.get_column(name).to_list()
    if not all(isinstance(cell, Hashable) for cell in cells) or len(set(cells)) < len(cells):
        return None
    return cells


def open_distinct(data: Any) -> nw.DataFrame[Any] | None:
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


def _without(frame: nw.DataFrame[Any], name: Any) -> Any:
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


class Lexicon:
    """Say how the tokens of a vocabulary are spelled, and what vectors are known of them.

    Parameters
    ----------
    tokens : iterable of str
        The spelling of token 0, 1, ...
    vectors : array of shape (n_tokens, size), default=None
        Pretrained vectors; NaN in the rows of tokens that have none.

    Raises
    ------
    ValueError
        When the vectors do not fit the tokens.
    """

    def __init__(self, tokens: Iterable[str], vectors: Any = None) -> None:
        self.tokens: tuple[str, ...] = tuple(tokens)
        self.vectors: Array | None = None
        if vectors is None:
            return
        self.vectors = np.asarray(vectors, dtype=np.float32)
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.tokens):
            raise ValueError(
                f"vectors must have shape ({len(self.tokens)}, size); got {self.vectors.shape}."
            )

    def __len__(self) -> int:
        return len(self.tokens)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Lexicon) or self.tokens != other.tokens:
            return False
        if self.vectors is None or other.vectors is None:
            return self.vectors is other.vectors
        return np.array_equal(self.vectors, other.vectors, equal_nan=True)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        size = "" if self.vectors is None else f", vectors of {self.vectors.shape[1]}"
        return f"Lexicon({len(self)} tokens{size})"


Labels = tuple[Any, ...] | None

# The parts that tell rows apart and are no content of theirs.
_LABELS = ("ids", "id_name", "_rows")


class FlatSequences:
    """Hold values, offsets and the optional parts; `Sequences` adds builders and conversions."""

    values: Array
    offsets: Array
    vocabulary_size: int | None
    times: Array | None
    static: Array | None
    channel_names: tuple[str, ...] | None
    static_names: tuple[str, ...] | None
    static_categories: tuple[Labels, ...] | None
    lexicon: Lexicon | None
    ids: Array | None = None
    id_name: Any = None
    _rows: Array | None = None

    def __init__(
        self,
        values: Any,
        offsets: Any,
        *,
        vocabulary_size: int | None = None,
        times: Any = None,
        static: Any = None,
        channel_names: Iterable[str] | None = None,
        static_names: Iterable[str] | None = None,
        static_categories: Iterable[Labels] | None = None,
        lexicon: Lexicon | None = None,
        ids: Any = None,
        id_name: Any = None,
    ) -> None:
        values = as_numbers(values, "values")
        if values.ndim == 1:
            values = values[:, None]
        if values.ndim != 2 or values.shape[1] == 0:
            raise ValueError(
                "values must have shape (total_steps, n_channels), with at least one channel; got "
                f"{values.shape}. For a dense (n, n_steps, n_channels) array use "
                "Sequences.from_padded."
            )
        self.offsets = check_offsets(offsets, len(values))
        self.channel_names = _check_names(channel_names, values.shape[1], "channel_names")
        if vocabulary_size is None:
            self.vocabulary_size = None
            self.values = as_float(values)
            check_finite(self.values, self.offsets, self.channel_names)
        else:
            self.vocabulary_size = _check_vocabulary_size(vocabulary_size)
            self.values = as_tokens(values, self.vocabulary_size, self.offsets)
        self.ids = None if ids is None else _check_ids(ids, len(self))
        self.id_name = None if ids is None else id_name
        self._rows = None
        self.times = None if times is None else check_times(times, self.offsets)
        static = align(self, static, "static")
        self.static, self.static_names, self.static_categories = _check_static(
            static, static_names, static_categories, len(self)
        )
        if lexicon is not None and len(lexicon) > (self.vocabulary_size or 0):
            raise ValueError(
                f"lexicon spells {len(lexicon)} tokens, but vocabulary_size is {vocabulary_size}."
            )
        self.lexicon = lexicon

    @classmethod
    def _from_rows(cls, values: Array, offsets: Array) -> Self:
        """Build from numbers (total_steps, n_channels) whose offsets are right; they may be inf."""
        values = as_float(values)
        check_finite(values, offsets, None)
        return cls._trusted(values, offsets)

    @classmethod
    def _trusted(
        cls,
        values: Array,
        offsets: Array,
        *,
        vocabulary_size: int | None = None,
        times: Array | None = None,
        static: Array | None = None,
        channel_names: tuple[str, ...] | None = None,
        static_names: tuple[str, ...] | None = None,
        static_categories: tuple[Labels, ...] | None = None,
        lexicon: Lexicon | None = None,
        ids: Array | None = None,
        id_name: Any = None,
        _rows: Array | None = None,
    ) -> Self:
        """Build from parts that are known to be right, without a check."""
        made = cls.__new__(cls)
        made.values, made.offsets, made.vocabulary_size = values, offsets, vocabulary_size
        made.times, made.static, made.channel_names = times, static, channel_names
        made.static_names, made.static_categories = static_names, static_categories
        made.lexicon = lexicon
        made.ids, made.id_name, made._rows = ids, id_name, _rows
        return made

    def _with(self, **parts: Any) -> Self:
        """Copy this container with some parts exchanged, without a check."""
        return type(self)._trusted(**{**self.__dict__, **parts})

    def _row_labels(self) -> RowLabels:
        """Return what y, weights and static tables are aligned by."""
        return RowLabels(len(self), self.ids, self.id_name, self._rows)

    # What it looks like

    @property
    def lengths(self) -> Array:
        """Number of steps of each sequence, an int64 array of shape (n_sequences,)."""
        return np.diff(self.offsets)

    @property
    def n_channels(self) -> int:
        """Number of channels of every sequence."""
        return int(self.values.shape[1])

    @property
    def is_tokens(self) -> bool:
        """Whether the values are tokens to be embedded."""
        return self.vocabulary_size is not None

    @property
    def shape(self) -> tuple[int]:
        """`(n_sequences,)`: to scikit-learn a sequence is one sample."""
        return (len(self),)

    @property
    def ndim(self) -> int:
        """Always 1."""
        return 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the values."""
        return self.values.dtype

    @property
    def nbytes(self) -> int:
        """Bytes taken by all parts."""
        parts = (self.values, self.offsets, self.times, self.static)
        return sum(part.nbytes for part in parts if part is not None)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[Array]:
        return (self[row] for row in range(len(self)))

    def __repr__(self) -> str:
        lengths = self.lengths
        span = "-" if not len(self) else f"{lengths.min()}-{lengths.max()}"
        if len(self) and lengths.min() == lengths.max():
            span = str(lengths[0])
        what = f"channels={self.n_channels}"
        if self.is_tokens:
            what = f"vocabulary_size={self.vocabulary_size}"
        extra = "" if self.times is None else ", times"
        extra += "" if self.static is None else f", static={self.static.shape[1]}"
        what += f", lengths={span}, dtype={self.dtype}{extra}"
        return f"{type(self).__name__}(n={len(self)}, {what})"

    # Taking parts of it

    def __getitem__(self, key: Any) -> Any:
        """Return one sequence, an array (n_steps, n_channels), or a selection of them.

        An int gives a view of one sequence. A slice, a list or array of ints (in any order,
        repeats allowed) or a boolean mask gives a `Sequences`, times, static features and ids
        included.
        """
        if isinstance(key, tuple):
            if len(key) != 2 or key[1] is not Ellipsis:
                raise IndexError("Sequences has one axis, the sequences; index the arrays in it.")
            key = key[0]  # scikit-learn indexes whatever has a shape by (rows, ...)
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
            row = int(key) + (len(self) if key < 0 else 0)
            if not 0 <= row < len(self):
                raise IndexError(f"Row {key} is out of range for {len(self)} sequences.")
            return self.values[self.offsets[row] : self.offsets[row + 1]]
        return self.take(key)

    def take(self, rows: Any) -> Self:
        """Return the sequences `rows`: a slice, ints in any order, or a boolean mask.

        Consecutive rows share memory with this container; others are copied.
        """
        rows = self._row_numbers(rows)
        offsets = row_offsets(rows, self.offsets)
        places = self._rows
        if len(rows) != len(self) or not np.array_equal(rows, np.arange(len(self))):
            places = rows if places is None else places[rows]
        return self._with(
            values=self._take_steps(self.values, rows, offsets),
            offsets=offsets,
            times=None if self.times is None else self._take_steps(self.times, rows, offsets),
            static=None if self.static is None else self.static[rows],
            ids=None if self.ids is None else self.ids[rows],
            _rows=places,
        )

    def _take_steps(self, flat: Array, rows: Array, offsets: Array) -> Array:
        """Return the flat steps of some rows; from a mapped file row by row, without an index."""
        if not is_mapped(flat) or (np.diff(rows) == 1).all():
            return flat[step_index(rows, self.offsets, offsets)]
        taken = np.empty((int(offsets[-1]), *flat.shape[1:]), dtype=flat.dtype)
        RowReader(flat).read(self.offsets[rows], np.diff(offsets), taken, offsets[:-1])
        return taken

    def _row_numbers(self, rows: Any) -> Array:
        """Turn any selection into an array of non-negative row numbers."""
        if isinstance(rows, slice):
            return np.arange(len(self))[rows]
        rows = np.asarray(rows)
        if rows.size == 0 and rows.ndim == 1 and rows.dtype.kind != "b":
            rows = rows.astype(np.int64)
        if rows.ndim != 1 or rows.dtype.kind not in "iub":
            raise IndexError(
                "Sequences takes an int, a slice, a 1-D array of ints or a boolean mask as index; "
                f"got an array of shape {rows.shape} and dtype {rows.dtype}."
            )
        return np.arange(len(self))[rows]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Return (n, n_steps, n_channels) for equal lengths, else an object array of arrays."""
        lengths = self.lengths
        if len(self) and (lengths == lengths[0]).all():
            dense = self.values.reshape(len(self), int(lengths[0]), self.n_channels)
            return np.array(dense, dtype=dtype, copy=copy)
        if copy is False:
            raise ValueError("Sequences of unequal length cannot become an array without a copy.")
        ragged = np.empty(len(self), dtype=object)
        for row, sequence in enumerate(self):
            ragged[row] = sequence if dtype in (None, object) else sequence.astype(dtype)
        return ragged

    # Making another of it

    def copy(self) -> Self:
        """Return a container with its own memory."""
        parts = self.__dict__.items()
        return self._with(**{k: part.copy() for k, part in parts if isinstance(part, np.ndarray)})

    def astype(self, dtype: Any) -> Self:
        """Return the sequences with values of another type (float32 or float64; tokens: ints)."""
        kinds = (np.int32, np.int64) if self.is_tokens else (np.float32, np.float64)
        if np.dtype(dtype) not in kinds:
            names = " or ".join(kind.__name__ for kind in kinds)
            raise ValueError(f"dtype must be {names}; got {np.dtype(dtype)}.")
        return self._with(values=self.values.astype(dtype, copy=False))

    def with_values(self, values: Any, *, channel_names: Iterable[str] | None = None) -> Self:
        """Return sequences with the same lengths, times and static features but other values.

        Parameters
        ----------
        values : array of shape (total_steps, n_channels)
            Numbers; the number of channels may differ from this container's.
        channel_names : sequence of str, default=None
            Names of the new channels; None keeps the names when their number fits.
        """
        if channel_names is None and np.shape(values)[1:] == self.values.shape[1:]:
            channel_names = self.channel_names
        made = type(self)(values, self.offsets, channel_names=channel_names)
        return self._with(
            values=made.values,
            channel_names=made.channel_names,
            vocabulary_size=None,
            lexicon=None,
        )

    def equals(self, other: Any) -> bool:
        """Tell whether `other` holds the same sequences, whatever their ids; NaN equals NaN."""
        if not isinstance(other, FlatSequences):
            return False
        mine, theirs = self.__dict__, other.__dict__
        return all(_same(mine[name], theirs[name]) for name in mine if name not in _LABELS)


def _check_names(names: Iterable[str] | None, count: int, parameter: str) -> tuple[str, ...] | None:
    """Return names as a tuple of `count` distinct strings."""
    if names is None:
        return None
    checked = tuple(str(name) for name in names)
    if len(checked) != count or len(set(checked)) != count:
        raise ValueError(f"{parameter} must be {count} distinct names; got {checked}.")
    return checked


def _check_ids(ids: Any, n: int) -> Array:
    """Return the labels of `n` rows, none of them missing."""
    checked = as_ids(ids)
    if len(checked) != n:
        raise ValueError(f"ids must have one label for each of the {n} sequences; got {len(ids)}.")
    if checked.dtype == object and any(map(is_missing, checked)):
        row = [is_missing(label) for label in checked].index(True)
        raise ValueError(f"Row {row} has no id (None or NaN). Drop or fill the row.")
    return checked


def _check_vocabulary_size(vocabulary_size: Any) -> int:
    """Return the vocabulary size as an int of at least 1."""
    if (
        not isinstance(vocabulary_size, (int, np.integer))
        or isinstance(vocabulary_size, bool)
        or vocabulary_size < 1
    ):
        raise ValueError(f"vocabulary_size must be an int of at least 1; got {vocabulary_size!r}.")
    return int(vocabulary_size)


def _check_static(
    static: Any, names: Iterable[str] | None, categories: Iterable[Labels] | None, n: int
) -> tuple[Array | None, tuple[str, ...] | None, tuple[Labels, ...] | None]:
    """Return static features as a float64 matrix, with names and categories to match."""
    if static is None:
        if names is not None or categories is not None:
            raise ValueError("static_names and static_categories need static.")
        return None, None, None
    matrix = as_numbers(static, "static").astype(np.float64, copy=False)
    if matrix.ndim == 1:
        matrix = matrix[:, None]
    if matrix.ndim != 2 or len(matrix) != n:
        raise ValueError(f"static must have shape ({n}, n_static); got {matrix.shape}.")
    beyond = np.abs(matrix) > FLOAT32_MAX
    if beyond.any():
        row, column = np.argwhere(beyond)[0]
        raise ValueError(
            f"static contains {excess(matrix[row, column])}: row {row}, column {column}."
        )
    checked = None
    if categories is not None:
        checked = tuple(None if labels is None else tuple(labels) for labels in categories)
        if len(checked) != matrix.shape[1]:
            raise ValueError(
                f"static_categories must have {matrix.shape[1]} entries; got {len(checked)}."
            )
        for column, labels in enumerate(checked):
            codes = matrix[:, column][~np.isnan(matrix[:, column])]
            if labels is not None and not np.isin(codes, np.arange(len(labels))).all():
                raise ValueError(
                    f"static column {column} holds codes outside 0 to {len(labels) - 1}."
                )
    return matrix, _check_names(names, matrix.shape[1], "static_names"), checked


def _same(left: Any, right: Any) -> bool:
    """Compare two parts, arrays by shape, type and value."""
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(
            left, right, equal_nan=left.dtype.kind == "f"
        )
    return bool(left is right or (type(left) is type(right) and left == right))


def concatenate_parts(containers: list[FlatSequences]) -> dict[str, Any]:
    """Return the parts of one container that holds the sequences of all, in order."""
    if not containers:
        raise ValueError("There is nothing to concatenate: give at least one Sequences.")
    first = containers[0]
    for position, other in enumerate(containers):
        if not isinstance(other, FlatSequences):
            raise TypeError(
                f"Item {position} is a {type(other).__name__}, not Sequences; build it with "
                "Sequences.from_list first."
            )
    for position, other in enumerate(containers):
        for name in ("n_channels", "vocabulary_size", "static_names"):
            mine, theirs = getattr(first, name), getattr(other, name)
            if mine != theirs:
                raise ValueError(
                    f"Sequences {position} has {name}={theirs}, but sequences 0 has {mine}."
                )
        for name in ("times", "static"):
            if (getattr(first, name) is None) != (getattr(other, name) is None):
                raise ValueError(
                    f"Either all containers have {name} or none; 0 and {position} differ."
                )
    lengths = np.concatenate([container.lengths for container in containers])
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    static, categories = _merge_static(containers)
    times = [container.times for container in containers if container.times is not None]
    ids = [container.ids for container in containers if container.ids is not None]
    named = len(ids) == len(containers) and len({c.id_name for c in containers}) == 1
    return {
        "values": np.concatenate([container.values for container in containers]),
        "offsets": offsets,
        "vocabulary_size": first.vocabulary_size,
        "times": np.concatenate(times) if times else None,
        "static": static,
        "channel_names": first.channel_names,
        "static_names": first.static_names,
        "static_categories": categories,
        "lexicon": first.lexicon,
        "ids": as_ids([label for part in ids for label in part.tolist()]) if named else None,
        "id_name": first.id_name if named else None,
    }


def _merge_static(
    containers: list[FlatSequences],
) -> tuple[Array | None, tuple[Any, ...] | None]:
    """Stack static matrices under the union of each column's labels."""
    if containers[0].static is None:
        return None, None
    given = [container.static_categories for container in containers]
    matrices = [c.static for c in containers if c.static is not None]
    width = {matrix.shape[1] for matrix in matrices}
    if len(width) > 1:
        raise ValueError(f"The containers differ in their number of static features: {width}.")
    if all(categories is None for categories in given):
        return np.concatenate(matrices), None
    known = [categories or (None,) * matrices[0].shape[1] for categories in given]
    merged: list[Any] = []
    for column, labels in enumerate(zip(*known, strict=True)):
        if any((one is None) != (labels[0] is None) for one in labels):
            raise ValueError(f"Static feature {column} is a number here and a category there.")
        merged.append(None if labels[0] is None else tuple(dict.fromkeys(sum(labels, ()))))
    target = tuple(merged)
    recoded = [
        recode_static(matrix, categories, target)
        for matrix, categories in zip(matrices, known, strict=True)
    ]
    return np.concatenate(recoded), target


def recode_static(static: Array, categories: tuple[Any, ...], target: tuple[Any, ...]) -> Array:
    """Express codes in terms of other labels; labels that `target` lacks become NaN."""
    recoded = static.astype(np.float64)
    for column, (labels, wanted) in enumerate(zip(categories, target, strict=True)):
        if labels is None or wanted is None or labels == wanted:
            continue
        index = {label: code for code, label in enumerate(wanted)}
        table = np.array([index.get(label, np.nan) for label in labels] + [np.nan])
        codes = static[:, column]
        recoded[:, column] = table[np.where(np.isnan(codes), -1, codes).astype(np.int64)]
    return recoded
