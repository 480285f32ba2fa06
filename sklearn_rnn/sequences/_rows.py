"""Copying whole rows out of flat values, sparing with mapped files; numpy and _values."""

from typing import Any

import numpy as np

from ._values import Array, is_mapped, release_pages

# Pages of a mapped file are given back when about this much may have become resident.
_RELEASE_BYTES = 128 * 2**20
# With a page that is read the system maps its surroundings, up to a huge page at each row.
_AROUND_BYTES = 2 * 2**20


class RowReader:
    """Copy rows of flat values one by one, with no index of their steps.

    While rows are read from a memory-mapped file, its pages are handed back to the system as they
    add up, so that the resident set stays small however many rows are read.

    Parameters
    ----------
    values : ndarray of shape (total_steps, ...)
        Flat values.
    """

    def __init__(self, values: Array) -> None:
        self.mapped = is_mapped(values)
        self._values = np.asarray(values)
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
        values: Any = self._values
        row_bytes = values[:1].nbytes
        for start, length, here in zip(starts.tolist(), lengths.tolist(), at.tolist(), strict=True):
            out[here : here + length] = values[start : start + length]
            self._touched += length * row_bytes + _AROUND_BYTES
            if self.mapped and self._touched > _RELEASE_BYTES:
                self._touched = 0
                release_pages(values)
