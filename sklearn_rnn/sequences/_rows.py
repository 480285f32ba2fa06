"""Copying whole rows out of flat values, sparing with mapped files; numpy and _values."""

import numpy as np

from ._origin import counted
from ._values import Array, is_mapped, release_pages

# Pages of a mapped file are given back when about this much may have become resident.
_RELEASE_BYTES = 128 * 2**20
# With a page that is read the system maps its surroundings, up to a huge page at each row.
_AROUND_BYTES = 2 * 2**20


class RowReader:
    """Read rows of flat values one by one, with no index of their steps.

    While rows are read from a memory-mapped file, its pages are handed back to the system as they
    add up, so that the resident set stays small however many rows are read.

    Parameters
    ----------
    values : ndarray of shape (total_steps, ...)
        Flat values.
    origin : ndarray, default=None
        What each step is counted from: taken off in double precision, before any cast.
    """

    def __init__(self, values: Array, origin: Array | None = None) -> None:
        self.mapped = is_mapped(values)
        self._values: Array = np.asarray(values)
        self._origin = origin
        self._row_bytes = self._values[:1].nbytes
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
        if not self.mapped and len(starts) and _join(starts, lengths) and _join(at, lengths):
            first, here, n = int(starts[0]), int(at[0]), int(lengths.sum())
            out[here : here + n] = counted(self._values[first : first + n], self._origin)
            return
        for start, length, here in zip(starts.tolist(), lengths.tolist(), at.tolist(), strict=True):
            out[here : here + length] = self.row(start, start + length)

    def row(self, start: int, stop: int) -> Array:
        """Return the steps from ``start`` to ``stop``, for use before the next call."""
        if self.mapped:
            if self._touched > _RELEASE_BYTES:
                self._touched = 0
                release_pages(self._values)
            self._touched += (stop - start) * self._row_bytes + _AROUND_BYTES
        return counted(self._values[start:stop], self._origin)


def _join(starts: Array, lengths: Array) -> bool:
    """Tell whether each row begins where the one before it ends."""
    return bool((starts[1:] == starts[:-1] + lengths[:-1]).all())
