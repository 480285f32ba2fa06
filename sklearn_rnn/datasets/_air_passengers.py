"""The loader of AirPassengers. Imports no other room."""

from typing import Any

import numpy as np
from sklearn.utils import Bunch

from ._bunch import answer
from ._files import read_columns

_DESCRIPTION = """\
AirPassengers: how many passengers will fly next month?

Monthly totals of international airline passengers, in thousands, from January 1949 to December
1960: a rising trend, and a season that grows with it.

Rows       144 months; the last 24 are set apart for testing (the series has no official split)
Target     passengers in thousands

G. E. P. Box and G. M. Jenkins, "Time Series Analysis: Forecasting and Control", Holden-Day, 1976,
series G.
"""
_TEST_MONTHS = 24


def load_air_passengers(
    *, return_X_y: bool = False, as_frame: bool = False, subset: str = "all"
) -> Bunch | tuple[Any, Any]:
    """Load AirPassengers: 144 months of one series, with trend and season.

    The classic first series of forecasting: one row is one month, and the target is the series. It
    comes with the package, so nothing is downloaded.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return `(data, target)` instead of a Bunch.
    as_frame : bool, default=False
        Return `data` as a pandas frame and `target` as a series, both indexed by the month.
    subset : {"train", "test", "all"}, default="all"
        "train" is 1949 to 1958, "test" the 24 months after it.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the fields

        - data: array of shape (144, 1), the time in years (1949.0 is January 1949), or a frame with
          the column "year" and the months as index;
        - target: array of float of shape (144,), passengers in thousands, or a series;
        - months: array of datetime64[M] of shape (144,), whatever the subset;
        - target_names, feature_names: `["passengers"]` and `["year"]`;
        - split: array of str of shape (144,), "train" or "test" for each row;
        - X_train, y_train, X_test, y_test: the two parts, with `subset="all"` only;
        - frame: data and target in one frame, with `as_frame=True` only, otherwise None;
        - DESCR, license: what it is, and under which terms.

    (data, target) : tuple
        If `return_X_y` is True.

    Examples
    --------
    >>> from sklearn_rnn.datasets import load_air_passengers
    >>> X, y = load_air_passengers(return_X_y=True)
    >>> X.shape, y[:3]
    ((144, 1), array([112., 118., 132.]))
    >>> load_air_passengers(as_frame=True).y_test.index[0].year
    1959
    """
    columns = read_columns("air_passengers.csv.gz")
    months = np.array(columns["month"], dtype="datetime64[M]")
    passengers = np.array(columns["passengers"], dtype=np.float64)
    years = 1970 + months.astype(np.int64) / 12

    def frames(X: np.ndarray, y: np.ndarray, rows: np.ndarray) -> tuple[Any, Any]:
        import pandas as pd

        index = pd.DatetimeIndex(months[rows], freq="MS", name="month")
        return (
            pd.DataFrame(X, columns=["year"], index=index),
            pd.Series(y, name="passengers", index=index),
        )

    return answer(
        years[:, np.newaxis],
        passengers,
        np.arange(len(months)) < len(months) - _TEST_MONTHS,
        subset=subset,
        return_X_y=return_X_y,
        frames=frames if as_frame else None,
        months=months,
        target_names=["passengers"],
        feature_names=["year"],
        DESCR=_DESCRIPTION,
        license="published figures, no licence claimed (see datasets/data/LICENSES.md)",
    )
