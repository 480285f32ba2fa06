"""Panel: every series on a regular grid of steps, as plain arrays. Imports NumPy only.

What stands before it knows frames, ids and time stamps; what comes after it knows none of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Panel:
    """Series on one regular grid, laid out flat: row ``offsets[i] + t`` is step t of series i.

    Parameters
    ----------
    values : ndarray of float64 of shape (n_steps, n_targets)
        The targets. NaN is missing; a step that the data skip is a row of NaN.
    offsets : ndarray of int64 of shape (n_series + 1,)
        Boundaries of the series; no series is empty.
    start : ndarray of int64 of shape (n_series,)
        Place of each series' first step on the grid that all share, so that step t of series i
        happens at the same moment as step u of series j where ``start[i] + t == start[j] + u``.
    known : ndarray of float64 of shape (n_steps, n_known), default=None
        Covariates that are known ahead, those of the calendar included. Never NaN.
    known_cardinalities : tuple of int or None, default=()
        One entry a column of ``known``: None for a number, else the number of categories, of
        which the column holds the code. Code 0 is kept for categories unseen in training.
    past : ndarray of float64 of shape (n_steps, n_past), default=None
        Covariates known only up to the present; NaN is missing.
    static : ndarray of float64 of shape (n_series, n_static), default=None
        What stays the same in a series. Never NaN.
    static_cardinalities : tuple of int or None, default=()
        As ``known_cardinalities``, for the columns of ``static``.
    season_length : int, default=1
        Steps in a season; 1 where there is none.
    n_calendar : int, default=0
        How many of the columns of ``known``, the last, are of the calendar.
    """

    values: Array
    offsets: Array
    start: Array
    known: Array | None = None
    known_cardinalities: tuple[int | None, ...] = ()
    past: Array | None = None
    static: Array | None = None
    static_cardinalities: tuple[int | None, ...] = ()
    season_length: int = 1
    n_calendar: int = 0

    @property
    def n_series(self) -> int:
        """Number of series."""
        return len(self.offsets) - 1

    @property
    def n_targets(self) -> int:
        """Number of targets a step."""
        return int(self.values.shape[1])

    @property
    def lengths(self) -> Array:
        """Steps of each series, of shape (n_series,)."""
        return np.diff(self.offsets)

    @property
    def series(self) -> Array:
        """Number of the series that each step belongs to, of shape (n_steps,)."""
        return np.repeat(np.arange(self.n_series), self.lengths)

    def cut(self, ends: Array) -> Panel:
        """Return the first ``ends[i]`` steps of every series i, at least one of each."""
        ends = np.minimum(np.asarray(ends, dtype=np.int64), self.lengths)
        if (ends < 1).any():
            raise ValueError(f"Series {int(np.argmin(ends))} would have no steps left.")
        place = np.arange(len(self.values)) - np.repeat(self.offsets[:-1], self.lengths)
        kept = place < np.repeat(ends, self.lengths)
        offsets = np.concatenate([[0], np.cumsum(ends)]).astype(np.int64)
        return replace(
            self,
            values=self.values[kept],
            offsets=offsets,
            known=None if self.known is None else self.known[kept],
            past=None if self.past is None else self.past[kept],
        )

    def select(self, series: Array) -> Panel:
        """Return the panel of these series, in this order."""
        series = np.asarray(series, dtype=np.int64)
        lengths = self.lengths[series]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = np.repeat(self.offsets[series] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return replace(
            self,
            values=self.values[rows],
            offsets=offsets,
            start=self.start[series],
            known=None if self.known is None else self.known[rows],
            past=None if self.past is None else self.past[rows],
            static=None if self.static is None else self.static[series],
        )
