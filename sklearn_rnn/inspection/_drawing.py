"""What the displays share: matplotlib, and forecasts as long frames. Imports no other room.

The columns are those of `SequenceForecaster.forecast` and `backtest`, however a frame comes.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

KNOWN = {"fold", "cutoff", "step", "target", "actual", "forecast", "value"}


def to_pandas(frame: Any) -> Any:
    """Return a frame of any library as a pandas frame."""
    import narwhals.stable.v2 as nw
    import pandas as pd

    if isinstance(frame, pd.DataFrame):
        return frame
    try:
        opened = nw.from_native(frame, eager_only=True)
    except TypeError as error:
        raise TypeError(
            f"Expected a frame, as forecast() and backtest() return it; got {type(frame).__name__}."
        ) from error
    return pd.DataFrame({name: opened.get_column(name).to_numpy() for name in opened.columns})


def quantile_columns(frame: Any) -> dict[float, str]:
    """Return level and name of the quantile columns, lowest first."""
    found = {
        float(str(name)[1:]): name for name in frame.columns if re.fullmatch(r"q0?\.\d+", str(name))
    }
    return dict(sorted(found.items()))


def roles(frame: Any) -> tuple[str | None, str]:
    """Return the names of the columns of id (or None) and time."""
    quantiles = set(quantile_columns(frame).values())
    free = [name for name in frame.columns if name not in KNOWN and name not in quantiles]
    if not free:
        raise ValueError(f"The frame has no times; its columns are {list(frame.columns)}.")
    return (free[0], free[1]) if len(free) > 1 else (None, free[0])


def check_forecasts(frame: Any) -> Any:
    """Return a frame of forecasts as pandas; refuse one that is none."""
    frame = to_pandas(frame)
    if "forecast" not in frame.columns or not len(frame):
        raise ValueError(
            "The frame has no rows with a column 'forecast'; pass what forecast() or backtest() "
            "returned."
        )
    return frame


def as_axis(times: Any) -> Any:
    """Return times as what matplotlib draws: dates without a zone, or numbers."""
    import pandas as pd

    index = pd.Index(times)
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    if isinstance(index, pd.DatetimeIndex):
        return index.tz_localize(None).to_numpy()
    if isinstance(index, pd.TimedeltaIndex):
        return index.total_seconds().to_numpy()
    return np.asarray(index, dtype=np.float64)


def pyplot(what: str) -> Any:
    """Import matplotlib, or say what to install."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{what} draws with matplotlib, which is not installed. Install it with "
            "pip install 'sklearn-rnn[plot]', or pip install matplotlib."
        ) from error
    return plt
