"""Predictions for every step, a list with one entry for each sequence. Imports NumPy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


class StepLists(list):
    """A list of rows that NumPy takes as an array of rows, whatever their lengths.

    scikit-learn's ``cross_val_predict`` joins predictions with NumPy.

    Parameters
    ----------
    rows : iterable
        One list or array for each sequence.
    is_dense : bool, default=False
        Whether rows of one length become one array of numbers, as those of a plain list do.
    """

    def __init__(self, rows: Iterable = (), *, is_dense: bool = False) -> None:
        super().__init__(rows)
        self.is_dense = is_dense

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        if self.is_dense and len({len(row) for row in self}) == 1:
            return np.array(list(self), dtype=dtype)
        rows = np.empty(len(self), dtype=object)
        rows[:] = [None] * len(self)
        for place, row in enumerate(self):
            rows[place] = row
        return rows
