"""Forecasts as a frame of the library that the data came from, which is imported when needed."""

from __future__ import annotations

from typing import Any


def make_frame(columns: dict[str, Any], backend: str, days: bool = False) -> Any:
    """Build a frame of the library that the data came from: polars, pyarrow, or else pandas."""
    import pandas as pd

    frame = pd.DataFrame(columns)
    if backend not in ("polars", "pyarrow"):
        return frame
    for name, column in columns.items():
        if isinstance(column, pd.PeriodIndex):
            frame[name] = column.to_timestamp()
        elif days and isinstance(column, pd.DatetimeIndex):
            frame[name] = column.date
    if backend == "pyarrow":
        import pyarrow as pa

        return pa.Table.from_pandas(frame, preserve_index=False)
    import polars as pl

    times = {name: c for name, c in columns.items() if isinstance(c, pd.DatetimeIndex)}
    made = pl.DataFrame(
        {
            name: frame[name].to_list()
            if days or frame[name].dtype == object or str(frame[name].dtype).startswith("str")
            else frame[name].dt.tz_localize(None).to_numpy()
            if name in times and times[name].tz is None
            else frame[name].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
            if name in times
            else frame[name].to_numpy()
            for name in columns
        }
    )
    for name, index in times.items():
        if index.tz is not None:
            zone = pl.col(name).dt.replace_time_zone("UTC").dt.convert_time_zone(str(index.tz))
            made = made.with_columns(zone)
    return made
