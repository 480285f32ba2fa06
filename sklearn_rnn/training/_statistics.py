"""Per-channel statistics of the training steps, in bounded memory. Imports NumPy and layer 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sequences import Sequences, iter_chunks
from ._batches import time_deltas

# Small enough that the temporaries of a chunk stay in the processor's cache.
_CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class StepStatistics:
    """Mean and scale of every channel over the training steps, NaN left out."""

    mean: np.ndarray
    scale: np.ndarray
    has_missing: bool


def step_statistics(sequences: Sequences, rows: np.ndarray | None = None) -> StepStatistics:
    """Compute mean and standard deviation of every channel over all steps of the rows.

    A channel without variation, or without any observed value, gets scale 1. When the sequences
    have times, the width of the steps is one more channel at the end.

    Parameters
    ----------
    sequences : Sequences
        Numbers, not tokens.
    rows : ndarray of int, default=None
        The training rows; None takes all.
    """
    chosen = None
    if rows is not None and len(rows) < len(sequences):
        chosen = np.zeros(len(sequences), dtype=bool)
        chosen[rows] = True
    state = _Moments(sequences.n_channels)
    for start, stop, chunk in iter_chunks(sequences.values, _CHUNK_BYTES):
        state.add(chunk if chosen is None else chunk[_steps_of(chosen, sequences, start, stop)])
    mean, scale = state.result()
    widths = time_deltas(sequences)
    if widths is not None:
        used = widths
        if chosen is not None:
            used = widths[_steps_of(chosen, sequences, 0, len(widths))]
        extra = _Moments(1)
        extra.add(used[:, None])
        width_mean, width_scale = extra.result()
        mean, scale = np.append(mean, width_mean), np.append(scale, width_scale)
    return StepStatistics(mean, scale, state.has_missing)


def _steps_of(chosen: np.ndarray, sequences: Sequences, start: int, stop: int) -> np.ndarray:
    """Tell which of the flat steps from start to stop belong to a chosen row."""
    offsets = np.asarray(sequences.offsets)
    first = int(np.searchsorted(offsets, start, side="right")) - 1
    last = int(np.searchsorted(offsets, stop, side="left"))
    inside = np.clip(offsets[first : last + 1], start, stop)
    return np.repeat(chosen[first:last], np.diff(inside))


class _Moments:
    """Count, mean and squared deviations by channel, merged chunk by chunk (Chan et al. 1979)."""

    def __init__(self, n_channels: int) -> None:
        self.count = np.zeros(n_channels)
        self.mean = np.zeros(n_channels)
        self.squares = np.zeros(n_channels)
        self.has_missing = False

    def add(self, chunk: np.ndarray) -> None:
        """Merge the steps of one chunk."""
        if not len(chunk):
            return
        values = np.asarray(chunk, dtype=np.float64)
        seen = ~np.isnan(values)
        self.has_missing |= not bool(seen.all())
        count = seen.sum(axis=0)
        safe = np.maximum(count, 1)
        mean = np.where(seen, values, 0.0).sum(axis=0) / safe
        squares = (np.where(seen, values - mean, 0.0) ** 2).sum(axis=0)
        total = self.count + count
        shift = mean - self.mean
        weight = count / np.maximum(total, 1)
        self.squares += squares + shift**2 * self.count * weight
        self.mean += shift * weight
        self.count = total

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and scale; scale is 1 where there is nothing to scale."""
        scale = np.sqrt(self.squares / np.maximum(self.count, 1))
        # The network reads float32: what varies less than that can tell is constant, and rounding.
        constant = scale <= 4 * np.finfo(np.float32).eps * np.abs(self.mean)
        return self.mean, np.where(constant | (scale == 0), 1.0, scale)
