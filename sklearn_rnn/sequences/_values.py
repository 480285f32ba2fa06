"""Flat values, in memory or mapped, read in chunks; and arrays in, out of whatever holds them.

Imports NumPy.
"""

from __future__ import annotations

import datetime as dt
import mmap
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

Array = NDArray[Any]

CHUNK_BYTES = 16 * 2**20
# Whole numbers up to this are exact in float64.
_FLOAT64_WHOLE, _INT64_MAX = 2**53, 2**63 - 1
# Times that are told apart no better than this deserve a word when they repeat.
_COARSE = 1e-6
_MASKED = (np.ma.MaskedArray, np.ma.core.MaskedConstant)
FLOAT32_MAX = float(np.finfo(np.float32).max)
TOKENIZER_HINT = (
    "strings are not numbers: turn them into tokens first, with a tokenizer such as TextTokenizer "
    "in front of the estimator, or build integer sequences with "
    "Sequences.from_list(..., vocabulary_size=...)"
)


def as_numbers(data: Any, where: str) -> Array:
    """Turn `data` into an array of bools, ints or floats; `where` opens the error messages."""
    if isinstance(data, (str, bytes)):
        raise TypeError(f"{where} is a string; {TOKENIZER_HINT}.")
    if isinstance(data, (dict, set, frozenset)):
        raise TypeError(f"{where} is a {type(data).__name__}, not an array or a list of numbers.")
    if issparse(data):
        raise TypeError(
            f"Sparse data was passed for {where}, but dense data is required. Use '.toarray()' to "
            "convert it."
        )
    if isinstance(data, np.ma.MaskedArray):
        data = unmask(data)
    if not isinstance(data, np.ndarray):
        try:
            data = np.asarray(data)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{where} cannot be read as an array of numbers: {error}") from error
        except Exception as error:  # a tensor that needs its gradient, a lazy array, ...
            raise TypeError(
                f"{where} ({type(data).__name__}) cannot be read as a NumPy array: {error}"
            ) from error
    if data.dtype.kind == "O":
        data = _objects_to_float(data, where)
    kind = data.dtype.kind
    if kind in "US":
        raise ValueError(f"{where} holds strings; {TOKENIZER_HINT}.")
    if kind == "c":
        raise ValueError(f"Complex data not supported: {where} has dtype {data.dtype}.")
    refuse_dates(data, where)
    if kind not in "biuf":
        raise TypeError(f"{where} has dtype {data.dtype}; sequences hold numbers.")
    return data


def unmask(data: Any) -> Array:
    """Put NaN where a masked array is masked, None where it holds other things than numbers."""
    plain: Array = data.data
    mask = np.ma.getmaskarray(data)
    if not mask.any():
        return plain
    if plain.dtype.kind in "biuf":
        return np.where(mask, np.nan, plain)
    if plain.dtype.kind in "OUS":
        plain = plain.astype(object)
        plain[mask] = None
    return plain


def unmasked(data: Any) -> Any:
    """Return data with NaN, or None, in the place of what NumPy masks, inside lists too."""
    if data is np.ma.masked:
        return np.nan
    if isinstance(data, np.ma.MaskedArray):
        return unmask(data)
    if isinstance(data, np.ndarray) and data.dtype.kind == "O" and data.ndim == 1:
        if not any(isinstance(item, np.ma.MaskedArray) for item in data):
            return data
        made = np.empty(len(data), dtype=object)
        made[:] = [None] * len(data)
        for place, item in enumerate(data):
            made[place] = unmasked(item)
        return made
    if type(data) in (list, tuple) and _holds_masked(data):
        return type(data)(unmasked(item) for item in data)
    return data


def _holds_masked(items: Any) -> bool:
    """Tell whether a list, or a list in it, holds a masked array or value."""
    kinds = set(map(type, items))
    if not kinds.isdisjoint(_MASKED):
        return True
    nested = not kinds.isdisjoint((list, tuple))
    return nested and any(type(item) in (list, tuple) and _holds_masked(item) for item in items)


def _objects_to_float(data: Array, where: str) -> Array:
    """Convert an object array of numbers and None to float64."""
    if has_dates(data):
        raise no_number(where, next(type(i).__name__ for i in data.flat if is_date(i)))
    for item in data.flat:
        if isinstance(item, (str, bytes)):
            raise ValueError(
                f"{where} holds the string {item!r} and could not convert string to float; "
                f"{TOKENIZER_HINT}."
            )
        if isinstance(item, (complex, np.complexfloating)):
            raise ValueError(f"Complex data not supported: {where} holds {item!r}.")
        if isinstance(item, dict):
            raise TypeError(
                f"{where} holds dictionaries ({item!r:.60}); a step is a number, or an array with "
                "one number for each channel: [[step[name] for name in names] for step in row]."
            )
    if data.ndim == 1 and len(data) and all(isinstance(item, np.ndarray) for item in data):
        # A cell (n_steps, n_channels) of a pandas column, as Arrow hands it over.
        if len({item.shape for item in data}) > 1:
            raise ValueError(f"{where} holds steps of unequal size.")
        return as_float(as_numbers(np.stack(list(data)), where))
    missing = [is_missing(item) for item in data.flat]
    if any(missing):
        data = data.copy()
        data[np.asarray(missing).reshape(data.shape)] = np.nan
    try:
        return data.astype(np.float64)
    except OverflowError as error:
        raise ValueError(
            f"{where} contains infinity or a value too large for dtype('float32')."
        ) from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} cannot be read as an array of numbers: {error}") from error


def is_missing(item: Any) -> bool:
    """Tell whether one object stands for a missing value: None, NaN, NaT or pandas.NA."""
    if item is None or item is np.ma.masked or type(item).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(item, (float, np.floating)) and bool(np.isnan(item))


def as_float(values: Array) -> Array:
    """Keep float32 and float64 as they are, widen every other number to one of the two."""
    if values.dtype in (np.float32, np.float64) and values.dtype.isnative:
        return values
    narrow = values.dtype.kind == "f" and values.dtype.itemsize <= 4
    return values.astype(np.float32 if narrow else np.float64)


def as_tokens(values: Array, vocabulary_size: int, offsets: Array) -> Array:
    """Check that `values` are ints in [0, vocabulary_size); int32 and int64 are not copied."""
    if values.dtype.kind == "f" and np.isnan(values).any():
        step = int(np.argmax(np.isnan(values).any(axis=1)))
        raise ValueError(
            f"Row {row_of(step, offsets)} has a token that is missing (NaN or masked): give what "
            "is missing a token of its own, or drop the step."
        )
    if values.dtype.kind not in "iu":
        raise ValueError(
            f"Tokens must be integers because vocabulary_size={vocabulary_size} is set; got dtype "
            f"{values.dtype}. Leave vocabulary_size out for a series of numbers."
        )
    if values.shape[1] != 1:
        raise ValueError(
            f"Tokens have one channel; got {values.shape[1]} channels. Leave vocabulary_size out "
            "for numbers, or join the channels into one vocabulary."
        )
    for start, _, chunk in iter_chunks(values):
        if chunk.min() < 0 or chunk.max() >= vocabulary_size:
            step = start + int(np.flatnonzero((chunk < 0) | (chunk >= vocabulary_size))[0])
            raise ValueError(
                f"Row {row_of(step, offsets)} holds the token {values[step, 0]}, outside "
                f"[0, {vocabulary_size}); raise vocabulary_size or mend the tokenizer."
            )
    if values.dtype in (np.int32, np.int64) and values.dtype.isnative:
        return values
    wide = values.dtype.itemsize > 4 or values.dtype == np.uint32
    return values.astype(np.int64 if wide else np.int32)


def check_finite(values: Array, offsets: Array, channel_names: tuple[str, ...] | None) -> None:
    """Refuse infinity and values beyond float32, naming row and channel; NaN passes."""
    for start, _, chunk in iter_chunks(values):
        high, low = np.fmax.reduce(chunk, axis=None), np.fmin.reduce(chunk, axis=None)
        if high > FLOAT32_MAX or low < -FLOAT32_MAX:
            bad = np.argwhere(np.abs(chunk) > FLOAT32_MAX)[0]
            step, channel = start + int(bad[0]), int(bad[1])
            name = channel if channel_names is None else repr(channel_names[channel])
            value = values[step, channel]
            row = row_of(step, offsets)
            raise ValueError(
                f"Input X contains {excess(value)}: row {row}, channel {name}, step "
                f"{step - int(offsets[row])}. Replace it, by NaN if it means "
                "missing, or rescale the data."
            )


def excess(value: Any) -> str:
    """Say what is wrong with a number beyond float32."""
    return "infinity" if np.isinf(value) else f"{value!s}, a value too large for dtype('float32')"


def check_offsets(offsets: Any, total: int) -> Array:
    """Return offsets as int64 after checking that they cut `total` steps into non-empty rows."""
    checked = np.asarray(offsets)
    if checked.ndim != 1 or len(checked) == 0 or checked.dtype.kind not in "iu":
        raise ValueError(
            "offsets must be a 1-D integer array of n_sequences + 1 boundaries; got shape "
            f"{checked.shape} and dtype {checked.dtype}."
        )
    checked = checked.astype(np.int64, copy=False)
    lengths = np.diff(checked)
    if checked[0] != 0:
        raise ValueError(f"offsets must start at 0; got {checked[0]}.")
    if (lengths < 0).any():
        row = int(np.flatnonzero(lengths < 0)[0])
        raise ValueError(f"offsets must increase; they fall after row {row}.")
    if (lengths == 0).any():
        raise empty_row(int(np.flatnonzero(lengths == 0)[0]))
    if checked[-1] != total:
        raise ValueError(
            f"The lengths do not add up: offsets end at {checked[-1]}, but there are {total} steps."
        )
    return checked


def empty_row(row: int, where: str = "") -> ValueError:
    """Make the error for a sequence without steps."""
    return ValueError(
        f"Row {row}{where} is an empty sequence; every sequence needs at least one step. "
        "Drop the row from X and y."
    )


def as_times(data: Any, where: str) -> Array:
    """Return times as an array of numbers; dates become seconds since 1970, durations seconds."""
    if not isinstance(data, np.ndarray) and hasattr(data, "__iter__"):
        first = next(iter(data), None)
        if first is None or is_date(first) or type(first).__name__ == "NaTType":
            data = np.asarray(data, dtype=object)
        elif hasattr(data, "dtype") or hasattr(data, "type"):  # a column
            data = np.asarray(data)
    if isinstance(data, np.ndarray) and has_dates(data):
        return dates_to_seconds(np.ma.filled(data, np.datetime64("NaT")), where)
    return as_numbers(data, where)


def check_times(times: Any, offsets: Array) -> Array:
    """Return times as float64 after checking that they are finite and increase in each row.

    Whole numbers that float64 does not hold exactly, nanoseconds since 1970 for instance, are
    kept as int64.
    """
    numbers = as_times(times, "times")
    whole = numbers.dtype.kind in "iu" and numbers.size and numbers.max() <= _INT64_MAX
    exact = whole and max(-int(numbers.min()), int(numbers.max())) > _FLOAT64_WHOLE
    checked = numbers.astype(np.int64 if exact else np.float64, copy=False)
    if checked.shape == (int(offsets[-1]), 1):
        checked = checked[:, 0]
    if checked.shape != (int(offsets[-1]),):
        raise ValueError(f"times must have shape ({offsets[-1]},); got {checked.shape}.")
    if not np.isfinite(checked).all():
        step = int(np.flatnonzero(~np.isfinite(checked))[0])
        raise ValueError(f"times must be finite; row {row_of(step, offsets)} has {checked[step]}.")
    steps = np.diff(checked)
    inner = np.ones(len(steps), dtype=bool)
    inner[offsets[1:-1] - 1] = False
    if (steps[inner] <= 0).any():
        step = int(np.flatnonzero(inner & (steps <= 0))[0])
        what = "repeats" if steps[step] == 0 else "falls after"
        remedy = "Sort the steps by time and drop duplicates."
        resolved = 0.0 if exact else float(np.spacing(np.abs(checked[step])))
        if steps[step] == 0 and resolved > _COARSE:
            remedy += (
                f" At this size float64 tells times apart only {resolved:g} from each other: "
                "count them from a later start, or pass whole numbers (int64) of a smaller unit."
            )
        raise ValueError(
            f"times must increase within each sequence; row {row_of(step, offsets)} {what} "
            f"{checked[step]}. {remedy}"
        )
    return checked


def row_of(step: int, offsets: Array) -> int:
    """Return the row that the flat position `step` lies in."""
    return int(np.searchsorted(offsets, step, side="right")) - 1


def iter_chunks(values: Array, chunk_bytes: int = CHUNK_BYTES) -> Iterator[tuple[int, int, Array]]:
    """Yield `(start, stop, values[start:stop])` in chunks of bounded size, along the first axis.

    Pages of a memory-mapped file (`numpy.memmap` of mode "r" or "r+") are handed back to the
    system after each chunk, so that a pass over a large file leaves the resident set small.

    Parameters
    ----------
    values : ndarray
        Any array with at least one axis.
    chunk_bytes : int, default=16 MiB
        Upper bound on the size of a chunk (at least one row is given).
    """
    row_bytes = max(1, values[:1].nbytes)
    step = max(1, chunk_bytes // row_bytes)
    mapped = _mapped_file(values)
    for start in range(0, len(values), step):
        stop = min(start + step, len(values))
        chunk = values[start:stop]
        yield start, stop, chunk
        if mapped is not None:
            _release_pages(mapped, chunk)


def release_pages(values: Array) -> None:
    """Hand the pages of `values` back to the system when it is a view of a memory-mapped file."""
    mapped = _mapped_file(values)
    if mapped is not None:
        _release_pages(mapped, values)


def is_mapped(values: Any) -> bool:
    """Tell whether `values` are a view of a mapped file whose pages `release_pages` can return."""
    return _mapped_file(values) is not None


def _mapped_file(values: Any) -> mmap.mmap | None:
    """Return the shared memory map below `values`, if there is one whose pages may be dropped."""
    shared = False
    while isinstance(values, np.ndarray):
        if isinstance(values, np.memmap):
            # Mode "c" is a private map: dropping its pages would lose what was written to them.
            shared = values.mode in ("r", "r+", "w+")
        values = values.base
    usable = shared and isinstance(values, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED")
    return values if usable else None


def _release_pages(mapped: mmap.mmap, chunk: Array) -> None:
    """Advise the system that the pages under the contiguous `chunk` are not needed for now."""
    if not chunk.flags.c_contiguous or chunk.size == 0:
        return
    base = np.frombuffer(mapped, dtype=np.uint8, count=1).__array_interface__["data"][0]
    first = chunk.__array_interface__["data"][0] - base
    start = first // mmap.PAGESIZE * mmap.PAGESIZE
    mapped.madvise(mmap.MADV_DONTNEED, start, first + chunk.nbytes - start)


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
