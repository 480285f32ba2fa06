"""PanelTimeSeriesSplit: folds in order of time, for one series or many. Imports `sequences`."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator

from ..sequences import read_step_table, rows_of_targets

Array = NDArray[Any]


class PanelTimeSeriesSplit(BaseCrossValidator):
    """Split rows of one or many series so that every test fold comes after its training fold.

    It yields row numbers: pass it as ``cv=`` wherever scikit-learn takes one. It counts time.
    `TimeSeriesSplit` counts rows instead, and divides a long table of many series in the middle of
    a series.

    Parameters
    ----------
    horizon : int
        Steps of time in a test fold.
    n_splits : int, default=5
        Number of folds. The last one ends with the data.
    step : int, default=None
        Steps from one fold to the next; None is the horizon, so that test folds do not overlap.
    gap : int, default=0
        Steps left out between training and test fold.
    window : int, default=None
        Steps in a training fold; None takes everything before.
    align : {"time", "series"}, default="time"
        Whether a fold is cut at the same moment for all series, as it would be in use, or at
        the same distance from each series' own end, as in the M competitions.
    id_col, time_col : str or int, default=None
        Columns of X with the series' id and the time, as for `SequenceForecaster`. Without a time
        rows follow on, and ``groups`` may say whose they are.

    Notes
    -----
    Steps of time are counted where there is a row: a date that no series has is no step. Series
    without a training row in a fold have no test row in it either.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_rnn.model_selection import PanelTimeSeriesSplit
    >>> X = pd.MultiIndex.from_product([["a", "b"], pd.date_range("2026", periods=4, freq="D")])
    >>> for train, test in PanelTimeSeriesSplit(1, n_splits=2).split(X):
    ...     print(train, test)
    [0 1 4 5] [2 6]
    [0 1 2 4 5 6] [3 7]
    """

    def __init__(
        self,
        horizon: int,
        n_splits: int = 5,
        *,
        step: int | None = None,
        gap: int = 0,
        window: int | None = None,
        align: str = "time",
        id_col: Any = None,
        time_col: Any = None,
    ) -> None:
        self.horizon = horizon
        self.n_splits = n_splits
        self.step = step
        self.gap = gap
        self.window = window
        self.align = align
        self.id_col = id_col
        self.time_col = time_col

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : object, default=None
            Not used.

        Returns
        -------
        int
            ``n_splits``.
        """
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Array, Array]]:
        """Yield the row numbers of training and test folds, the earliest first.

        Parameters
        ----------
        X : frame, pandas index or array of n_rows rows, or None
            What is split.
        y : array-like, default=None
            Read where X is None: its index or columns say who and when.
        groups : array-like of shape (n_rows,), default=None
            The series of each row, where X does not say it.

        Yields
        ------
        train, test : ndarray of int
            Row numbers in the order of X.

        Raises
        ------
        ValueError
            If there are too few steps of time for the folds.
        """
        self._check()
        if X is None:
            X, _ = rows_of_targets(y, id_col=self.id_col, time_col=self.time_col)
        codes, times = self._read(X, groups)
        step = self.horizon if self.step is None else self.step
        # How many steps of time come after each row: 0 for the last.
        after = _ranks_from_end(times, codes if self.align == "series" else np.zeros_like(codes))
        longest = int(after.max()) + 1
        needed = (self.n_splits - 1) * step + self.horizon + self.gap + 1
        if longest < needed:
            raise ValueError(
                f"{self.n_splits} folds of {self.horizon} steps, {step} apart, with a gap of "
                f"{self.gap}, need {needed} steps of time; there are {longest}. Lower n_splits, "
                "horizon or step."
            )
        for fold in range(self.n_splits):
            begin = (self.n_splits - 1 - fold) * step
            first = begin + self.horizon + self.gap
            last = np.inf if self.window is None else first + self.window
            train = (after >= first) & (after < last)
            trained = np.zeros(int(codes.max()) + 1, dtype=bool)
            trained[codes[train]] = True
            test = (after >= begin) & (after < begin + self.horizon) & trained[codes]
            yield np.flatnonzero(train), np.flatnonzero(test)

    def _check(self) -> None:
        """Refuse parameters that make no folds."""
        for name, least in (("horizon", 1), ("n_splits", 1), ("gap", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
                raise ValueError(
                    f"{name} must be a whole number of at least {least}; got {value!r}."
                )
        for name in ("step", "window"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, Integral) or value < 1):
                raise ValueError(f"{name} must be None or at least 1; got {value!r}.")
        if self.align not in ("time", "series"):
            raise ValueError(f"align must be 'time' or 'series'; got {self.align!r}.")

    def _read(self, X: Any, groups: Any) -> tuple[Array, Array]:
        """Return the number of each row's series, and a number that rises with time."""
        table = read_step_table(X, id_col=self.id_col, time_col=self.time_col)
        labels = table.ids if table.ids is not None else groups
        codes = np.zeros(table.n_rows, dtype=np.int64)
        if labels is not None:
            seen: dict[Any, int] = {}
            codes = np.array([seen.setdefault(label, len(seen)) for label in labels])
            if len(codes) != table.n_rows:
                raise ValueError(f"groups has {len(codes)} rows, but X has {table.n_rows}.")
        if table.times is None or (table.counted and labels is not None):
            order = np.argsort(codes, kind="stable")
            times = np.empty(table.n_rows, dtype=np.int64)
            ordered = codes[order]
            first = np.searchsorted(ordered, ordered)
            times[order] = np.arange(table.n_rows) - first
            return codes, times
        times = table.times
        return codes, np.asarray(times.asi8 if hasattr(times, "asi8") else times)


def _ranks_from_end(times: Array, codes: Array) -> Array:
    """Count the distinct times after each row, within the rows of the same code."""
    order = np.lexsort((times, codes))
    ordered_codes, ordered_times = codes[order], times[order]
    change = np.r_[True, (np.diff(ordered_times) != 0) | (np.diff(ordered_codes) != 0)]
    rank = np.cumsum(change)
    last = rank[np.searchsorted(ordered_codes, ordered_codes, side="right") - 1]
    result = np.empty(len(times), dtype=np.int64)
    result[order] = last - rank
    return result
