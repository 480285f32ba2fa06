"""Statistics of training steps by channel, and of static features, in bounded memory.

Imports NumPy and layer 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sequences import Sequences, counted, iter_chunks, origin_of
from ._batches import time_deltas

# Small enough that the temporaries of a chunk stay in the processor's cache.
_CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class StepStatistics:
    """Mean and scale of every channel over the training steps, NaN left out.

    The mean is counted from the origin, which is None where that is zero in every channel.
    """

    mean: np.ndarray
    scale: np.ndarray
    has_missing: bool
    origin: np.ndarray | None = None


def step_statistics(
    sequences: Sequences, rows: np.ndarray | None = None, weights: np.ndarray | None = None
) -> StepStatistics:
    """Compute mean and standard deviation of every channel over all steps of the rows.

    A channel without variation, or without any observed value, gets scale 1. Where the mean is far
    from zero beside the scale, single precision would hold little of a channel but its level: such
    channels have an origin, to be taken off before numbers are cast. When the sequences have
    times, the width of the steps is one more channel at the end.

    Parameters
    ----------
    sequences : Sequences
        Numbers, not tokens.
    rows : ndarray of int, default=None
        The training rows; None takes all.
    weights : ndarray of shape (n_sequences,), default=None
        How much the steps of each sequence count; None means alike.
    """
    chosen = None
    if rows is not None and len(rows) < len(sequences):
        chosen = np.zeros(len(sequences), dtype=bool)
        chosen[rows] = True

    def moments(origin: np.ndarray | None = None) -> _Moments:
        found = _Moments(sequences.n_channels, sequences.values.dtype)
        for start, stop, chunk in iter_chunks(sequences.values, _CHUNK_BYTES):
            each = None if weights is None else _steps_of(weights, sequences, start, stop)
            if chosen is not None:
                taken = _steps_of(chosen, sequences, start, stop)
                chunk, each = chunk[taken], None if each is None else each[taken]
            found.add(counted(chunk, origin), each)
        return found

    state = moments()
    mean, scale = state.result()
    origin = origin_of(mean, scale)
    if origin.any():
        # Sums of large numbers round; those of what is left do not.
        state = moments(origin)
        mean, scale = state.result(origin)
    widths = width_statistics(sequences, rows, weights)
    if widths is not None:
        mean, scale = np.append(mean, widths.mean), np.append(scale, widths.scale)
    return StepStatistics(mean, scale, state.has_missing, origin if origin.any() else None)


def width_statistics(
    sequences: Sequences, rows: np.ndarray | None = None, weights: np.ndarray | None = None
) -> StepStatistics | None:
    """Compute the same of the widths of the steps alone; None where there are no times."""
    widths = time_deltas(sequences)
    if widths is None:
        return None
    each = None if weights is None else np.repeat(weights, sequences.lengths)
    if rows is not None and len(rows) < len(sequences):
        chosen = np.zeros(len(sequences), dtype=bool)
        chosen[rows] = True
        taken = np.repeat(chosen, sequences.lengths)
        widths, each = widths[taken], None if each is None else each[taken]
    state = _Moments(1, widths.dtype)
    state.add(widths[:, None], each)
    return StepStatistics(*state.result(), has_missing=False)


def _steps_of(of_rows: np.ndarray, sequences: Sequences, start: int, stop: int) -> np.ndarray:
    """Return what is known of rows for each of the flat steps from start to stop."""
    offsets = np.asarray(sequences.offsets)
    first = int(np.searchsorted(offsets, start, side="right")) - 1
    last = int(np.searchsorted(offsets, stop, side="left"))
    inside = np.clip(offsets[first : last + 1], start, stop)
    return np.repeat(of_rows[first:last], np.diff(inside))


def _column_sums(values: np.ndarray) -> np.ndarray:
    """Sum over steps; few channels side by side, since a short row is added number by number."""
    n, channels = values.shape
    wide = max(1, 256 // channels)
    whole = n // wide * wide
    folded = values[:whole].reshape(-1, wide * channels).sum(axis=0)
    sums: np.ndarray = folded.reshape(wide, channels).sum(axis=0) + values[whole:].sum(axis=0)
    return sums


def _spread(values: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return the summed squares of deviations from the mean."""
    off = values - mean
    off *= off
    return _column_sums(off)


class _Moments:
    """Count, mean and squared deviations by channel, merged chunk by chunk (Chan et al. 1979)."""

    def __init__(self, n_channels: int, dtype: np.dtype) -> None:
        self.rounding = 4 * float(np.finfo(dtype).eps)
        self.count = np.zeros(n_channels)
        self.mean = np.zeros(n_channels)
        self.squares = np.zeros(n_channels)
        self.has_missing = False

    def add(self, chunk: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Merge the steps of one chunk, each with its weight."""
        if not len(chunk):
            return
        values = np.asarray(chunk, dtype=np.float64)
        if weights is None:
            sums = _column_sums(values)
            if not np.isnan(sums).any():
                mean = sums / len(values)
                self._merge(np.full(len(mean), float(len(values))), mean, _spread(values, mean))
                return
        seen = ~np.isnan(values)
        self.has_missing |= not bool(seen.all())
        if weights is None:
            count = seen.sum(axis=0)
            mean = np.where(seen, values, 0.0).sum(axis=0) / np.maximum(count, 1)
            squares = (np.where(seen, values - mean, 0.0) ** 2).sum(axis=0)
        else:
            count = weights @ seen
            mean = weights @ np.where(seen, values, 0.0) / np.where(count > 0, count, 1)
            squares = weights @ np.where(seen, values - mean, 0.0) ** 2
        self._merge(count, mean, squares)

    def _merge(self, count: np.ndarray, mean: np.ndarray, squares: np.ndarray) -> None:
        """Merge what is known of some steps."""
        total = self.count + count
        shift = mean - self.mean
        weight = count / np.where(total > 0, total, 1)
        self.squares += squares + shift**2 * self.count * weight
        self.mean += shift * weight
        self.count = total

    def result(self, origin: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and scale; scale is 1 where there is nothing to scale."""
        scale = np.sqrt(self.squares / np.where(self.count > 0, self.count, 1))
        # What varies less than the numbers can tell is constant, and rounding.
        constant = scale <= self.rounding * np.abs(origin + self.mean)
        return self.mean, np.where(constant | (scale == 0), 1.0, scale)


def static_statistics(
    sequences: Sequences, rows: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return (weighted) mean and scale of the numeric static columns over the rows, in order.

    Then what all static columns are counted from, as in `step_statistics`, and those means too;
    None where that is zero.
    """
    categories = sequences.static_categories or ()
    static = np.asarray(sequences.static, dtype=np.float64)[rows]
    numeric = [j for j in range(static.shape[1]) if j >= len(categories) or categories[j] is None]
    each = None if weights is None else weights[rows]

    def moments(origin: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        values = np.ma.masked_invalid(static[:, numeric] - origin)
        mean = np.ma.average(values, axis=0, weights=each)
        variance = np.ma.average((values - mean) ** 2, axis=0, weights=each)
        scale = np.asarray(np.ma.filled(np.ma.sqrt(variance), 1.0))
        mean = np.asarray(np.ma.filled(mean, 0.0))
        rounding = 4 * np.finfo(np.float64).eps * np.abs(origin + mean)
        return mean, np.where(scale > rounding, scale, 1.0)

    mean, scale = moments()
    origin = np.zeros(static.shape[1])
    origin[numeric] = origin_of(mean, scale)
    if not origin.any():
        return mean, scale, None
    return *moments(origin[numeric]), origin
