"""The parts of a Sequences to Arrow tables and data frames; imports numpy and, late, pyarrow."""

from typing import Any

import numpy as np

from ._values import Array


def arrow_table(
    columns: dict[str, Array], offsets: Array, static: dict[str, tuple[Array, Any]]
) -> Any:
    """Build a table with one list column per entry of `columns` and one scalar per static."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise ImportError("to_arrow needs pyarrow; install it with: pip install pyarrow") from error
    boundaries = pa.array(offsets)
    data = {}
    for name, values in columns.items():
        flat = pa.array(np.ascontiguousarray(values))
        data[name] = pa.LargeListArray.from_arrays(boundaries, flat)
    for name, (values, labels) in static.items():
        data[name] = pa.array(values) if labels is None else _categorical(values, labels)
    return pa.table(data)


def _categorical(codes: Array, labels: tuple[Any, ...]) -> Any:
    """Build an Arrow column of labels; a dictionary column when the labels are strings."""
    import pyarrow as pa

    missing = np.isnan(codes)
    if all(isinstance(label, str) for label in labels):
        indices = pa.array(np.where(missing, 0, codes).astype(np.int32), mask=missing)
        return pa.DictionaryArray.from_arrays(indices, pa.array(list(labels), type=pa.string()))
    return pa.array(
        [None if gone else labels[int(code)] for code, gone in zip(codes, missing, strict=True)]
    )


def pandas_frame(
    columns: dict[str, Array], offsets: Array, static: dict[str, tuple[Array, Any]]
) -> Any:
    """Build a pandas frame: list columns Arrow-backed, or of arrays where pyarrow is missing."""
    import pandas as pd

    data: dict[str, Any] = {}
    try:
        table = arrow_table(columns, offsets, {})
    except ImportError:
        for name, values in columns.items():
            cells = np.empty(len(offsets) - 1, dtype=object)
            cells[:] = np.split(values, offsets[1:-1]) if len(cells) else []
            data[name] = cells
    else:
        data = {name: pd.Series(pd.arrays.ArrowExtensionArray(table[name])) for name in columns}
    for name, (values, labels) in static.items():
        if labels is None:
            data[name] = values
        else:
            codes = np.where(np.isnan(values), -1, values).astype(np.int64)
            data[name] = pd.Categorical.from_codes(codes, categories=pd.Index(labels))
    return pd.DataFrame(data)


def labelled(frame: Any, ids: Array | None, name: Any) -> Any:
    """Give a pandas frame the labels of the rows as its index, if there are any."""
    import pandas as pd

    if ids is not None and isinstance(name, tuple) and all(isinstance(i, tuple) for i in ids):
        frame.index = pd.MultiIndex.from_tuples(list(ids), names=name)
    elif ids is not None:
        frame.index = pd.Index(list(ids), name=name, tupleize_cols=False)
    return frame


def polars_frame(
    columns: dict[str, Array], offsets: Array, static: dict[str, tuple[Array, Any]]
) -> Any:
    """Build a polars frame from the Arrow table."""
    try:
        import polars as pl
    except ImportError as error:
        raise ImportError(
            'to_frame("polars") needs polars; install it with: pip install polars'
        ) from error
    return pl.from_arrow(arrow_table(columns, offsets, static))
