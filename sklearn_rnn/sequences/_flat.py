"""The parts of Sequences: how they are checked, selected and stacked; imports _arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np

from ._alignment import RowLabels, align, as_ids
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
