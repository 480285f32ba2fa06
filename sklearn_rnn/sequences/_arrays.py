"""Lists and dense arrays to flat values and offsets, back, and row by row; imports _values."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from ._values import Array, as_numbers, empty_row, is_mapped, is_missing, iter_chunks, release_pages

CHANNELS_FIRST_HINT = (
    "If the arrays are channels first, (n_channels, n_steps), convert them with "
    "Sequences.from_channels_first."
)

_DTYPE = attrgetter("dtype")


def flatten_list(
    items: Sequence[Any], *, column: str = "", read: Callable[[Any, str], Array] = as_numbers
) -> tuple[Array, Array]:
    """Join arrays of shape (T_i,) or (T_i, C) into values (total, C) and offsets (n + 1,).

    `read` makes an array of numbers of each item.
    """
    plain = join_plain(items)
    if plain is not None:
        return plain
    where = f" of {column}" if column else ""
    arrays = []
    for row, item in enumerate(items):
        if is_missing(item):
            raise ValueError(
                f"Row {row}{where} is missing (null); every sequence needs at least one step. "
                "Drop the row from X and y."
            )
        array = read(item, f"Row {row}{where}")
        if array.ndim == 0:
            raise ValueError(
                f"Row {row}{where} is a single number, not a sequence. For one sequence, pass a "
                "list that holds it: [X]."
            )
        if array.ndim > 2:
            raise ValueError(
                f"Row {row}{where} has {array.ndim} dimensions; a sequence has shape (n_steps,) or "
                "(n_steps, n_channels)."
            )
        if array.shape[0] == 0:
            raise empty_row(row, where)
        arrays.append(array)
    if not arrays:
        return np.empty((0, 1)), np.zeros(1, dtype=np.int64)
    _check_same_channels(arrays, where)
    offsets = np.zeros(len(arrays) + 1, dtype=np.int64)
    np.cumsum([len(array) for array in arrays], out=offsets[1:])
    dtype = np.result_type(*{array.dtype for array in arrays})
    if dtype.kind == "f" and any(array.dtype.kind in "iu" for array in arrays):
        dtype = np.dtype(np.float64)
    values = np.concatenate(arrays, axis=0, dtype=dtype)
    return values.reshape(len(values), -1), offsets


def join_plain(items: Sequence[Any]) -> tuple[Array, Array] | None:
    """Join arrays of one type and number of channels, in which there is nothing to refuse."""
    # No loop in Python: many short rows take longer to look at than to predict.
    if set(map(type, items)) != {np.ndarray}:
        return None
    dtypes = set(map(_DTYPE, items))
    if len(dtypes) > 1 or dtypes.pop().kind not in "biuf":
        return None
    try:
        lengths = list(map(len, items))
        values = np.concatenate(items)
    except (TypeError, ValueError):  # numbers, or arrays that do not fit each other
        return None
    if not all(lengths) or values.ndim > 2 or not values.size:
        return None
    offsets = np.zeros(len(items) + 1, dtype=np.int64)
    np.add.accumulate(lengths, out=offsets[1:])
    return values if values.ndim == 2 else values[:, None], offsets


def _check_same_channels(arrays: list[Array], where: str) -> None:
    """Refuse rows of mixed dimensions or channel counts, by name."""
    first = arrays[0]
    for row, array in enumerate(arrays):
        if array.ndim != first.ndim:
            raise ValueError(
                f"Row {row}{where} has {array.ndim} dimension(s), but row 0 has {first.ndim}; give "
                "every sequence the shape (n_steps,), or every one (n_steps, n_channels)."
            )
        if array.shape[1:] != first.shape[1:]:
            hint = ""
            if len({other.shape[0] for other in arrays}) == 1:
                hint = " " + CHANNELS_FIRST_HINT
            raise ValueError(
                f"Row {row}{where} has {array.shape[1]} channels, but row 0 has "
                f"{first.shape[1]}.{hint}"
            )
        if array.ndim == 2 and array.shape[1] == 0:
            raise ValueError(f"Row {row}{where} has no channels (shape {array.shape}).")


def flatten_dense(X: Array, *, cut: bool) -> tuple[Array, Array]:
    """View (n, T) or (n, T, C) as values and offsets; `cut` drops trailing steps that are NaN."""
    n, n_steps = X.shape[:2]
    if n_steps == 0 and n > 0:
        raise empty_row(0)
    cube = X.reshape(n, n_steps, -1 if X.size else (X.shape[2] if X.ndim == 3 else 1))
    if cube.shape[2] == 0:
        raise ValueError(f"X has no channels (shape {X.shape}).")
    lengths = np.full(n, n_steps, dtype=np.int64)
    if cut and n and X.dtype.kind == "f":
        ends = [np.isnan(part[:, -1]).all(axis=1) for _, _, part in iter_chunks(cube)]
        for row in np.flatnonzero(np.concatenate(ends)):
            observed = np.flatnonzero(~np.isnan(cube[row]).all(axis=1))
            if len(observed):
                lengths[row] = observed[-1] + 1
    return flatten_padded(cube, lengths)


def flatten_padded(X: Array, lengths: Array) -> tuple[Array, Array]:
    """Cut each row of (n, T, C) to its length and join the rows; no copy when nothing is cut."""
    n, n_steps = X.shape[:2]
    offsets = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    if (lengths == n_steps).all():
        return X.reshape(n * n_steps, X.shape[2]), offsets
    return X[np.arange(n_steps) < lengths[:, None]], offsets


def check_lengths(lengths: Any, n: int, n_steps: int) -> Array:
    """Return lengths as int64 after checking that each lies in [1, n_steps]."""
    checked = np.asarray(lengths)
    if checked.shape != (n,) or checked.dtype.kind not in "iu":
        raise ValueError(
            f"lengths must be {n} integers, one for each row; got shape {checked.shape} and dtype "
            f"{checked.dtype}."
        )
    checked = checked.astype(np.int64)
    bad = np.flatnonzero((checked < 1) | (checked > n_steps))
    if len(bad):
        raise ValueError(
            f"lengths[{bad[0]}] is {checked[bad[0]]}; a length lies between 1 and the {n_steps} "
            f"steps of X (row {bad[0]})."
        )
    return checked


def pad(values: Array, offsets: Array, fill_value: float | int) -> Array:
    """Lay rows out as (n, T_max, C), with `fill_value` after each row's end."""
    lengths = np.diff(offsets)
    n_steps = int(lengths.max(initial=0))
    dense = np.full((len(lengths), n_steps, values.shape[1]), fill_value, dtype=values.dtype)
    dense[np.arange(n_steps) < lengths[:, None]] = values
    return dense


def row_offsets(rows: Array, offsets: Array) -> Array:
    """Return the offsets of a selection of rows, laid one after the other."""
    new = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(offsets[rows + 1] - offsets[rows], out=new[1:])
    return new


def step_index(rows: Array, offsets: Array, new: Array) -> slice | Array:
    """Return the index of the flat steps of `rows`, whose own offsets are `new`.

    It is a slice, so that nothing is copied, when the rows are consecutive.
    """
    if len(rows) == 0:
        return slice(0, 0)
    if (np.diff(rows) == 1).all():
        return slice(int(offsets[rows[0]]), int(offsets[rows[-1] + 1]))
    return np.repeat(offsets[rows] - new[:-1], np.diff(new)) + np.arange(new[-1])


# A mean of at most 64 scales loses nothing that counts: 24 bits hold both.
_FAR = 64.0
# An origin is a multiple of 8 scales: it has few bits, so taking it off rounds nothing.
_GRAIN = 8.0


def origin_of(mean: Array, scale: Array) -> Array:
    """Return what to subtract, in double precision, before numbers are cast to single.

    It lies within about eight scales of the mean where that is far from zero (a clock, a counter,
    a serial number), and is zero elsewhere. Whatever an estimator casts is counted from it.

    Parameters
    ----------
    mean, scale : ndarray
        Of the numbers; a scale of zero counts as one.
    """
    scale = np.where(scale > 0, scale, 1.0)
    grain = _GRAIN * 2.0 ** np.ceil(np.log2(scale))
    return np.where(np.abs(mean) > _FAR * scale, np.round(mean / grain) * grain, 0.0)


def counted(values: Array, origin: Array | None) -> Array:
    """Return numbers counted from an origin, in double precision; as they are without one."""
    return values if origin is None else values - origin


# Pages of a mapped file are given back when about this much may have become resident.
_RELEASE_BYTES = 128 * 2**20
# With a page that is read the system maps its surroundings, up to a huge page at each row.
_AROUND_BYTES = 2 * 2**20


class RowReader:
    """Read rows of flat values one by one, with no index of their steps.

    While rows are read from a memory-mapped file, its pages are handed back to the system as they
    add up, so that the resident set stays small however many rows are read.

    Parameters
    ----------
    values : ndarray of shape (total_steps, ...)
        Flat values.
    origin : ndarray, default=None
        What each step is counted from: taken off in double precision, before any cast.
    """

    def __init__(self, values: Array, origin: Array | None = None) -> None:
        self.mapped = is_mapped(values)
        self._values: Array = np.asarray(values)
        self._origin = origin
        self._row_bytes = self._values[:1].nbytes
        self._touched = 0

    def read(self, starts: Array, lengths: Array, out: Array, at: Array) -> None:
        """Copy rows into ``out``, converting to its type.

        Parameters
        ----------
        starts, lengths : ndarray of int
            Where each row starts in the values, and its number of steps.
        out : ndarray of shape (n_steps, ...)
            Written to.
        at : ndarray of int
            Where each row starts in ``out``.
        """
        if not self.mapped and len(starts) and _join(starts, lengths) and _join(at, lengths):
            first, here, n = int(starts[0]), int(at[0]), int(lengths.sum())
            out[here : here + n] = counted(self._values[first : first + n], self._origin)
            return
        for start, length, here in zip(starts.tolist(), lengths.tolist(), at.tolist(), strict=True):
            out[here : here + length] = self.row(start, start + length)

    def row(self, start: int, stop: int) -> Array:
        """Return the steps from ``start`` to ``stop``, for use before the next call."""
        if self.mapped:
            if self._touched > _RELEASE_BYTES:
                self._touched = 0
                release_pages(self._values)
            self._touched += (stop - start) * self._row_bytes + _AROUND_BYTES
        return counted(self._values[start:stop], self._origin)


def _join(starts: Array, lengths: Array) -> bool:
    """Tell whether each row begins where the one before it ends."""
    return bool((starts[1:] == starts[:-1] + lengths[:-1]).all())
