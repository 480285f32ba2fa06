"""Series that a linear model forecasts almost exactly, so that a wrong step shows."""

import numpy as np
import pandas as pd

from sklearn_rnn import SequenceForecaster

SHAPE = np.array([0.0, 3.0, 5.0, 1.0, -4.0, -2.0, -3.0])  # a week


def quick(**keywords):
    """Return a forecaster that trains nothing by gradient."""
    return SequenceForecaster(
        **{"horizon": 7, "closed_form": "only", "random_state": 0, **keywords}
    )


def weekly(n=140, level=10.0, shift=0):
    """Return values that repeat every seven steps, with a little noise."""
    noise = np.random.default_rng(n + shift).normal(scale=0.2, size=n)
    return level + SHAPE[(np.arange(n) + shift) % 7] + noise


def daily(n=140, start="2024-01-01", **keywords):
    """Return a daily series with a date index."""
    index = pd.date_range(start, periods=n, freq="D", name="day")
    return pd.Series(weekly(n, **keywords), index=index, name="sales")


def panel(n_series=3, n=140):
    """Return a long frame of several series, and their targets."""
    frames = [
        pd.DataFrame(
            {
                "store": f"s{k}",
                "day": pd.date_range("2024-01-01", periods=n - 5 * k, freq="D"),
                "sales": weekly(n - 5 * k, level=10.0 * (k + 1), shift=k),
            }
        )
        for k in range(n_series)
    ]
    return pd.concat(frames, ignore_index=True)
