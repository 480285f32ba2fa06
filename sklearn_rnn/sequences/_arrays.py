"""Lists and dense arrays to flat values and offsets, and back; imports numpy and _values."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from ._values import Array, as_numbers, empty_row, is_missing, iter_chunks

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
            f"lengths must be {n} integers, one a row; got shape {checked.shape} and dtype "
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
