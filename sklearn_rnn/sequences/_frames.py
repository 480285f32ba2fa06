"""Data frames to the parts of a Sequences; imports narwhals, _values, _dates and _arrays."""

import numbers
import sys
from collections.abc import Callable
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from narwhals.exceptions import DuplicateError

from ._flat import as_ids, row_labels
from ._values import (
    FLOAT32_MAX,
    REMEDY,
    TOKENIZER_HINT,
    Array,
    as_numbers,
    as_times,
    empty_row,
    excess,
    flatten_list,
    is_date,
    is_missing,
    no_number,
    refuse_dates,
)

Parts = dict[str, Any]
Reader = Callable[[Any, str], Array]


def is_frame(X: Any) -> bool:
    """Tell whether `X` is an eager data frame (pandas, polars, pyarrow, ...)."""
    return bool(nw.dependencies.is_into_dataframe(X))


def as_table(X: Any) -> Any:
    """Return what holds a table as a frame that narwhals wraps; leave the rest.

    A RecordBatch of pyarrow becomes a table, and so does a dataset, read whole; a lazy frame of
    polars is collected.
    """
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is not None and isinstance(X, pyarrow.RecordBatch):
        return pyarrow.Table.from_batches([X])
    datasets = sys.modules.get("pyarrow.dataset")
    if datasets is not None and isinstance(X, (datasets.Dataset, datasets.Scanner)):
        return X.to_table()
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(X, polars.LazyFrame):
        return X.collect()
    return X


def as_names(names: Any) -> list[Any] | None:
    """Return column names as a list; a single one may stand alone."""
    if names is None:
        return None
    return [names] if isinstance(names, str) else list(names)


def shared_columns(items: list[Any]) -> list[str] | None:
    """Name the columns of a list of frames with one row for each step; None for other lists."""
    first = None
    for row, item in enumerate(items):
        if isinstance(item, np.ndarray) or not is_frame(item):
            return None
        names = [str(name) for name in _open_frame(item).columns]
        first = names if first is None else first
        if names != first:
            raise ValueError(
                f"Row {row} has the columns {names}, but row 0 has {first}; give every frame the "
                "same columns in the same order."
            )
    return first


def is_series(X: Any) -> bool:
    """Tell whether `X` is a column: a pandas or polars Series, a pyarrow array, ..."""
    return bool(nw.dependencies.is_into_series(X)) or _is_arrow_array(X)


def _is_arrow_array(X: Any) -> bool:
    """Tell whether `X` is a pyarrow Array, which narwhals does not wrap."""
    pyarrow = sys.modules.get("pyarrow")
    return pyarrow is not None and isinstance(X, pyarrow.Array)


def as_series(X: Any) -> "nw.Series[Any]":
    """Wrap a column of any backend."""
    if _is_arrow_array(X):
        import pyarrow as pa

        X = pa.chunked_array([X])
    return nw.from_native(X, series_only=True)


def column_role(series: "nw.Series[Any]") -> str:
    """Say what a column is: "list", "numeric", "categorical" or "time"."""
    dtype = series.dtype
    if isinstance(dtype, (nw.List, nw.Array)):
        return "list"
    if dtype.is_temporal():
        return "time"
    if isinstance(dtype, (nw.Categorical, nw.Enum, nw.String, nw.Boolean)):
        return "categorical"
    if dtype.is_numeric():
        return "numeric"
    first = None
    if dtype == nw.Unknown and _is_arrow_list_view(series):
        return "list"
    if dtype in (nw.Object, nw.Unknown):
        first = next((cell for cell in series.to_list() if not is_missing(cell)), None)
        if is_date(first):
            return "time"
        if isinstance(first, (str, bool, np.bool_)):
            return "categorical"
        if hasattr(first, "__len__") and not isinstance(first, (set, frozenset, dict, bytes)):
            return "list"
        if first is None or hasattr(first, "__float__") or dtype == nw.Unknown:
            return "numeric"
    what = dtype if first is None else type(first).__name__
    raise TypeError(
        f"Column {series.name!r} has dtype {what}, which is neither a list of numbers nor a "
        "number, a category or a string."
    )


def cells_of_lists(y: Any) -> Any:
    """Return the cells of a column of lists, alone or the only one of a frame; leave the rest."""
    y = as_table(y)
    if isinstance(y, (list, tuple, np.ndarray)):
        return y
    if is_frame(y):
        wrapped = _open_frame(y)
        if len(wrapped.columns) != 1:
            return y
        series = wrapped.get_column(wrapped.columns[0])
    elif is_series(y):
        series = as_series(y)
    else:
        return y
    return series.to_list() if column_role(series) == "list" else y


def frame_roles(frame: Any) -> dict[Any, str]:
    """Return the role of every column of a native frame."""
    wrapped = _open_frame(frame)
    return {name: column_role(wrapped.get_column(name)) for name in wrapped.columns}


def refuse_dated_columns(
    frame: Any, of: str = "", remedy: str = REMEDY, *, roles: dict[Any, str] | None = None
) -> None:
    """Refuse a frame of numbers with a column of dates, by name."""
    wrapped = _open_frame(frame)
    # Columns of objects are looked into where they have failed to become numbers.
    kinds = wrapped.schema if roles is None else {}
    for name, role in (frame_roles(frame) if roles is None else roles).items():
        if role == "time":
            what = _kind_of_dates(wrapped.get_column(name))
            raise no_number(f"Column {name!r}{of}", what, remedy)
        if kinds.get(name) == nw.Object:
            column = wrapped.get_column(name)
            refuse_dates(column.to_numpy(), f"Column {name!r}{of}", remedy=remedy)
            refuse_mixed(column, f"Column {name!r}{of}")


def refuse_mixed(series: "nw.Series[Any]", where: str) -> None:
    """Refuse a column of objects in which a string stands among numbers, with the row."""
    if series.dtype != nw.Object:
        return
    cells = series.to_list()
    row = next((row for row, cell in enumerate(cells) if isinstance(cell, str)), None)
    if row is None:
        return
    if any(isinstance(cell, numbers.Number) and not is_missing(cell) for cell in cells):
        raise ValueError(
            f"{where} holds the string {cells[row]!r:.40} in row {row} among numbers. Convert "
            "the column, with pandas.to_numeric(..., errors='coerce') for instance, which makes "
            "what is no number missing; or make all of it strings, if it holds categories."
        )


def _kind_of_dates(series: "nw.Series[Any]") -> Any:
    """Say of what kind the dates of a column are."""
    if series.dtype not in (nw.Object, nw.Unknown):
        return series.dtype
    return next((type(c).__name__ for c in series.to_list() if not is_missing(c)), series.dtype)


def string_columns(frame: Any, *, roles: dict[Any, str] | None = None) -> list[Any]:
    """Name the scalar columns whose values are strings."""
    wrapped = _open_frame(frame)
    roles = frame_roles(frame) if roles is None else roles
    categorical = [name for name, role in roles.items() if role == "categorical"]
    return [
        name
        for name in categorical
        if any(isinstance(cell, str) for cell in wrapped.get_column(name).to_list())
    ]


def _open_frame(frame: Any) -> "nw.DataFrame[Any]":
    """Wrap a frame of any backend whose columns have distinct names."""
    frame = as_table(frame)
    if not is_frame(frame):
        raise TypeError(
            f"Expected a data frame (pandas, polars, pyarrow, ...); got {type(frame).__name__}."
        )
    try:
        wrapped = nw.from_native(frame, eager_only=True)
        names = wrapped.columns
    except DuplicateError:
        names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = sorted({str(name) for name in names if names.count(name) > 1})
        raise ValueError(f"The frame has several columns named {twice}; rename them.")
    return wrapped


def flatten_series(
    series: "nw.Series[Any]", name: str, read: Reader = as_numbers
) -> tuple[Array, Array]:
    """Turn a column of lists into values (total, k) and offsets; no copy from Arrow memory.

    `read` makes numbers of what the cells hold.
    """
    if isinstance(series.dtype, (nw.List, nw.Array)) or _is_arrow_list_view(series):
        try:
            # From a pyarrow table narwhals would hand over a copy.
            native = series.to_native()
            arrow = native if hasattr(native, "combine_chunks") else series.to_arrow()
        except ImportError:
            pass
        else:
            return _flatten_arrow(arrow, name, read)
    cells = series.to_list()
    for row, cell in enumerate(cells):
        if hasattr(cell, "__float__") and not hasattr(cell, "__len__") and not is_missing(cell):
            raise ValueError(f"Row {row} of {name} is a single number, not a list of numbers.")
    return flatten_list(cells, column=name, read=read)


def _is_arrow_list_view(series: "nw.Series[Any]") -> bool:
    """Tell whether a column is of Arrow's list views, which narwhals does not know."""
    kind = str(getattr(series.to_native(), "type", ""))
    return kind.startswith(("list_view<", "large_list_view<"))


def _flatten_arrow(arrow: Any, name: str, read: Reader) -> tuple[Array, Array]:
    """Read values and offsets out of an Arrow list array."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(arrow, pa.ChunkedArray):
        arrow = arrow.chunk(0) if arrow.num_chunks == 1 else arrow.combine_chunks()
    if arrow.null_count:
        row = int(np.flatnonzero(arrow.is_null().to_numpy(zero_copy_only=False))[0])
        raise ValueError(
            f"Row {row} of {name} is missing (null); every sequence needs at least one step. "
            "Drop the row from X and y."
        )
    lengths = pc.list_value_length(arrow).to_numpy(zero_copy_only=False).astype(np.int64)
    if (lengths == 0).any():
        raise empty_row(int(np.flatnonzero(lengths == 0)[0]), f" of {name}")
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    flat = arrow.flatten()
    width = 1
    if _is_arrow_list(flat.type):
        widths = pc.list_value_length(flat)
        first = widths[0].as_py() if len(widths) else 1
        different = pc.fill_null(pc.not_equal(widths, first or 0), True)
        if pc.any(different).as_py() or not first:
            bad = np.flatnonzero(different.to_numpy(zero_copy_only=False))
            step = int(bad[0]) if len(bad) else 0
            row = int(np.searchsorted(offsets, step, side="right")) - 1
            raise ValueError(
                f"Row {row} of {name} holds steps of unequal size; every step of a nested list "
                "needs the same number of channels, at least one."
            )
        width, flat = int(first), flat.flatten()
    return _arrow_to_numpy(flat, name, read).reshape(-1, width), offsets


def _is_arrow_list(dtype: Any) -> bool:
    """Tell whether an Arrow type is a list of any layout."""
    return str(dtype).split("<")[0].split("[")[0] in (
        "list",
        "large_list",
        "fixed_size_list",
        "list_view",
        "large_list_view",
    )


def _arrow_to_numpy(flat: Any, name: str, read: Reader) -> Array:
    """Turn a flat Arrow array into numbers, nulls into NaN."""
    import pyarrow as pa

    kind = flat.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or "string" in str(kind):
        raise ValueError(f"{name} holds lists of strings; {TOKENIZER_HINT}.")
    if pa.types.is_null(kind) or pa.types.is_decimal(kind) or pa.types.is_boolean(kind):
        flat = flat.cast(pa.float64())
    if flat.null_count and pa.types.is_integer(kind):
        flat = flat.cast(pa.float64(), safe=False)
    try:
        return read(flat.to_numpy(zero_copy_only=False), name)
    except pa.ArrowException as error:
        raise TypeError(f"{name} holds lists of {kind}, which are not numbers.") from error


def to_seconds(series: "nw.Series[Any]", name: Any) -> Array:
    """Return a scalar time column: dates and durations in seconds, numbers as they are."""
    if series.null_count():
        row = int(np.flatnonzero(series.is_null().to_numpy())[0])
        raise ValueError(f"Row {row} has no time (column {name!r} is null). Drop or fill the row.")
    dtype = series.dtype
    if isinstance(dtype, nw.Duration):
        return np.asarray(series.dt.total_microseconds().to_numpy(), dtype=np.float64) / 1e6
    if isinstance(dtype, nw.Date):
        return np.asarray(series.cast(nw.Datetime("us")).dt.timestamp("us").to_numpy()) / 1e6
    if isinstance(dtype, nw.Datetime):
        return np.asarray(series.dt.timestamp("us").to_numpy(), dtype=np.float64) / 1e6
    if isinstance(dtype, nw.String):
        raise TypeError(f"Column {name!r} holds strings where times belong; parse the dates first.")
    numbers = as_times(series.to_numpy(), f"Column {name!r}")
    return numbers if numbers.dtype == np.int64 else numbers.astype(np.float64)


def read_static(series: "nw.Series[Any]") -> tuple[Array, tuple[Any, ...] | None]:
    """Return a scalar column as float64 numbers, or as codes and their labels."""
    role = column_role(series)
    if role == "time":
        raise no_number(
            f"Column {series.name!r}",
            _kind_of_dates(series),
            "a static feature is a number or a category: convert the column, or name it as times",
        )
    refuse_mixed(series, f"Column {series.name!r}")
    if role == "numeric":
        found = as_numbers(series.to_numpy(), f"Column {series.name!r}").astype(np.float64)
        beyond = np.abs(found) > FLOAT32_MAX
        if beyond.any():
            row = int(np.argmax(beyond))
            raise ValueError(
                f"Input X contains {excess(found[row])}: row {row}, column {series.name!r}."
            )
        return found, None
    cells = [None if is_missing(cell) else cell for cell in series.to_list()]
    known = {cell for cell in cells if cell is not None}
    labels = tuple(sorted(known, key=lambda cell: (type(cell).__name__, cell)))
    index: dict[Any, float] = {label: float(code) for code, label in enumerate(labels)}
    codes = np.array([np.nan if cell is None else index[cell] for cell in cells])
    return codes.astype(np.float64), labels


def frame_parts(frame: Any, *, channels: list[Any] | None = None, times: Any = None) -> Parts:
    """Split a frame with list columns into values, offsets, times and static columns."""
    wrapped = _open_frame(frame)
    columns = wrapped.columns
    roles = {name: column_role(wrapped.get_column(name)) for name in columns}
    wanted = ([] if channels is None else list(channels)) + ([] if times is None else [times])
    for name in wanted:
        if name not in roles:
            raise ValueError(f"The frame has no column {name!r}; its columns are {columns}.")
        if roles[name] != "list":
            raise ValueError(f"Column {name!r} is not a column of lists ({roles[name]}).")
    if channels is None:
        channels = [name for name in columns if roles[name] == "list" and name != times]
    if not channels:
        raise ValueError("The frame has no column of lists to read channels from.")
    values, names, offsets = _read_channels(wrapped, channels)
    parts: Parts = {"values": values, "offsets": offsets, "channel_names": names}
    if times is not None:
        column = wrapped.get_column(times)
        flat, time_offsets = flatten_series(column, f"column {times!r}", as_times)
        _check_lengths_agree(offsets, time_offsets, channels[0], times)
        parts["times"] = flat
    static = [name for name in columns if roles[name] != "list"]
    parts.update(_static_parts(wrapped, static))
    return parts


def _read_channels(
    wrapped: "nw.DataFrame[Any]", channels: list[Any]
) -> tuple[Array, tuple[str, ...], Array]:
    """Join the channels' columns into values (total, C), their names, and the offsets."""
    blocks: list[Array] = []
    names: list[str] = []
    first: Array | None = None
    for name in channels:
        block, offsets = flatten_series(wrapped.get_column(name), f"column {name!r}")
        if first is None:
            first = offsets
        _check_lengths_agree(first, offsets, channels[0], name)
        blocks.append(block)
        width = block.shape[1]
        names += [str(name)] if width == 1 else [f"{name}_{j}" for j in range(width)]
    assert first is not None
    if len(blocks) == 1:
        return blocks[0], tuple(names), first
    dtype = np.result_type(*{block.dtype for block in blocks})
    if dtype.kind == "f" and any(block.dtype.kind in "iu" for block in blocks):
        dtype = np.dtype(np.float64)
    return np.concatenate(blocks, axis=1, dtype=dtype), tuple(names), first


def _check_lengths_agree(expected: Array, offsets: Array, first: Any, name: Any) -> None:
    """Refuse list columns whose cells differ in length within a row."""
    left, right = np.diff(expected), np.diff(offsets)
    if not np.array_equal(left, right):
        row = int(np.flatnonzero(left != right)[0])
        raise ValueError(
            f"Row {row}: column {first!r} has {left[row]} steps, but column {name!r} has "
            f"{right[row]}; the channels of one sequence share its steps."
        )


def _static_parts(wrapped: "nw.DataFrame[Any]", names: list[Any]) -> Parts:
    """Read scalar columns into a static matrix with its names and categories."""
    if not names:
        return {}
    read = [read_static(wrapped.get_column(name)) for name in names]
    return {
        "static": np.column_stack([column for column, _ in read]),
        "static_names": tuple(str(name) for name in names),
        "static_categories": tuple(labels for _, labels in read),
    }


def static_table(frame: Any, ids: Array, id_name: Any) -> Parts:
    """Read a table with one row for each id, its index or a column of it, in the order of `ids`."""
    wrapped = _open_frame(frame)
    names = list(wrapped.columns)
    labels = row_labels(frame)
    if id_name is not None and id_name in names:
        names.remove(id_name)
        keys = wrapped.get_column(id_name).to_list()
    elif labels is not None and labels.ids is not None:
        keys = labels.ids.tolist()
    else:
        raise ValueError(
            f"static has neither a column {id_name!r} nor an index of ids to be aligned by; its "
            f"columns are {names}."
        )
    places = {key: place for place, key in enumerate(keys)}
    if len(places) < len(keys):
        twice = next(key for place, key in enumerate(keys) if places[key] != place)
        raise ValueError(f"static has several rows for the id {twice!r}; it needs one an id.")
    lacking = [key for key in ids.tolist() if key not in places]
    if lacking:
        raise ValueError(
            f"static has no row for the id {lacking[0]!r} ({len(lacking)} of {len(ids)} ids). Add "
            "its row, with NaN for what is not known, or drop the sequence."
        )
    if not names:
        raise ValueError("static has no column beside the ids.")
    return _static_parts(wrapped[[places[key] for key in ids.tolist()]], names)


def long_parts(
    frame: Any,
    *,
    id: Any,
    time: Any,
    channels: list[Any] | None,
    static: list[Any] | None,
    targets: list[Any] | None = None,
) -> tuple[Parts, list[Array]]:
    """Group the rows of a long frame into one sequence per id, in order of first appearance.

    Also returns the targets: a value of each id for each of the columns that hold them.
    """
    wrapped = _open_frame(frame)
    static = [] if static is None else list(static)
    targets = [] if targets is None else targets
    special = [id, *([] if time is None else [time]), *static, *targets]
    if channels is None:
        channels = [name for name in wrapped.columns if name not in special]
    for name in [*special, *channels]:
        if name not in wrapped.columns:
            raise ValueError(f"The frame has no column {name!r}, only {wrapped.columns}.")
    if not channels:
        raise ValueError("The frame has no column left to read channels from.")
    ids = wrapped.get_column(id)
    if ids.null_count():
        row = int(np.flatnonzero(ids.is_null().to_numpy())[0])
        raise ValueError(f"Row {row} has no id (column {id!r} is null). Drop or fill the row.")
    seen: dict[Any, int] = {}
    codes = np.array([seen.setdefault(key, len(seen)) for key in ids.to_list()], dtype=np.int64)
    labels = list(seen)
    order = np.argsort(codes, kind="stable")
    offsets = np.zeros(len(labels) + 1, dtype=np.int64)
    np.cumsum(np.bincount(codes, minlength=len(labels)), out=offsets[1:])
    blocks = [_long_channel(wrapped.get_column(name), name) for name in channels]
    parts: Parts = {
        "values": np.column_stack(blocks)[order],
        "offsets": offsets,
        "channel_names": tuple(str(name) for name in channels),
        "ids": as_ids(labels),
        "id_name": id,
    }
    if time is not None:
        column = wrapped.get_column(time)
        parts["times"] = to_seconds(column, time)[order]
        _check_long_times(parts["times"], offsets, labels, column, order)
    if static:
        parts.update(_long_static(wrapped, static, order, offsets, labels))
    found = [_long_target(wrapped.get_column(name), order, offsets, labels) for name in targets]
    return parts, found


def _long_target(
    series: "nw.Series[Any]", order: Array, offsets: Array, labels: list[Any]
) -> Array:
    """Return a column that is constant within each id: one value for each id, as in y."""
    seen: dict[Any, int] = {}
    codes = np.array([seen.setdefault(cell, len(seen)) for cell in series.to_list()])[order]
    values = list(seen)
    missing = np.isin(codes, [code for code, value in enumerate(values) if is_missing(value)])
    differs = codes != np.repeat(codes[offsets[:-1]], np.diff(offsets))
    for wrong in (missing, differs):
        if not wrong.any():
            continue
        place = int(np.argmax(wrong))
        row = int(np.searchsorted(offsets, place, side="right")) - 1
        if wrong is missing:
            raise ValueError(
                f"id {labels[row]!r} has a row without a target (column {series.name!r} is null). "
                "Give all rows of an id its target, or drop the id."
            )
        before, after = (values[codes[at]] for at in (offsets[row], place))
        raise ValueError(
            f"Target column {series.name!r} changes within id {labels[row]!r}, from {before!r} to "
            f"{after!r}; y has one value for each sequence. For a target at each step, make y by a "
            f"from_long of its own, with channels=[{series.name!r}]."
        )
    return np.asarray([values[code] for code in codes[offsets[:-1]].tolist()])


def _long_channel(series: "nw.Series[Any]", name: Any) -> Array:
    """Read one scalar column of a long frame as numbers."""
    role = column_role(series)
    if role == "time":
        remedy = "turn them into numbers, or name the column that says when as time="
        raise no_number(f"Column {name!r}", _kind_of_dates(series), remedy)
    refuse_mixed(series, f"Column {name!r}")
    if role != "numeric" and series.dtype != nw.Boolean:
        raise ValueError(
            f"Column {name!r} ({series.dtype}) does not hold numbers. Name the columns to read "
            "with channels=, or the constant ones with static=."
        )
    return as_numbers(series.to_numpy(), f"Column {name!r}")


def _check_long_times(
    times: Array, offsets: Array, labels: list[Any], column: "nw.Series[Any]", order: Array
) -> None:
    """Refuse times that repeat or fall within an id, naming both."""
    steps = np.diff(times)
    inner = np.ones(len(steps), dtype=bool)
    inner[offsets[1:-1] - 1] = False
    bad = np.flatnonzero(inner & ~(steps > 0))
    if len(bad):
        label = labels[int(np.searchsorted(offsets, bad[0], side="right")) - 1]
        moment = column.to_list()[int(order[bad[0] + 1])]
        problem = "a duplicate time" if steps[bad[0]] == 0 else "unsorted times"
        raise ValueError(
            f"id {label!r} has {problem}: {moment}. Sort the frame by id and time, and drop or "
            "aggregate duplicates, before from_long."
        )


def _long_static(
    wrapped: "nw.DataFrame[Any]",
    names: list[Any],
    order: Array,
    offsets: Array,
    labels: list[Any],
) -> Parts:
    """Read columns that are constant within each id, one value for each id."""
    parts = _static_parts(wrapped, names)
    matrix = parts["static"][order]
    first = matrix[offsets[:-1]]
    same = np.repeat(first, np.diff(offsets), axis=0)
    differs = ~((matrix == same) | (np.isnan(matrix) & np.isnan(same)))
    if differs.any():
        step, column = np.argwhere(differs)[0]
        label = labels[int(np.searchsorted(offsets, step, side="right")) - 1]
        raise ValueError(
            f"Static column {names[column]!r} changes within id {label!r}; a static feature has "
            "one value for each sequence. Read it as a channel instead."
        )
    parts["static"] = first
    return parts
