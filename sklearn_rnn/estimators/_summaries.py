"""Simple features of sequences for a linear baseline, in bounded memory. Imports layers 0 and 2."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_array

from ..sequences import RowReader, Sequences
from ..training import Origins

# Numbers that are read at once.
_CHUNK = 2**20
# Numbers that are described at once.
_IN_CACHE = 2**16
_MOST_CATEGORIES = 100


def summary_chunks(
    sequences: Sequences, rows: np.ndarray, *, per_step: bool, origins: Origins = (None, None)
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows, and a line of features for each of them, or for each of their steps.

    A sequence is described by mean, deviation, smallest and largest, first and last value and
    slope of every channel, its length and its static features; a step by its values and the
    static features. What is missing is NaN. Values are counted from the origins of `FlatStorage`.
    """
    reader = RowReader(sequences.values, origins[0])
    offsets = np.asarray(sequences.offsets)
    lengths = np.diff(offsets)
    most = max(1, _CHUNK // sequences.n_channels)
    start = 0
    while start < len(rows):
        stop, steps = start, 0
        while stop < len(rows) and (stop == start or steps + lengths[rows[stop]] <= most):
            steps += int(lengths[rows[stop]])
            stop += 1
        here = rows[start:stop]
        values = np.empty((steps, sequences.n_channels))
        bounds = np.append(0, np.cumsum(lengths[here]))
        reader.read(offsets[here], lengths[here], values, bounds[:-1])
        known = _static(sequences, here, origins[1])
        if per_step:
            known = np.repeat(known, lengths[here], axis=0)
        else:
            values = _summaries(values, bounds)
        yield here, np.concatenate((values, known), axis=1)
        start = stop


def _summaries(values: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Describe each sequence of flat values."""
    starts, lengths = bounds[:-1], np.diff(bounds)
    clock = np.arange(len(values)) - np.repeat(starts + (lengths - 1) / 2, lengths)
    spread = np.maximum(np.add.reduceat(clock**2, starts), 1.0)
    # A few channels at once, each by itself, so that what is worked on stays in the cache.
    wide = max(1, _IN_CACHE // len(values))
    parts = [
        _described(np.ascontiguousarray(values[:, first : first + wide].T), bounds, clock, spread)
        for first in range(0, values.shape[1], wide)
    ]
    described = np.concatenate(parts, axis=1)
    return np.column_stack((described.reshape(-1, len(starts)).T, np.log(lengths)))


def _described(
    values: np.ndarray, bounds: np.ndarray, clock: np.ndarray, spread: np.ndarray
) -> np.ndarray:
    """Describe each sequence of flat channels: (descriptions, channels, sequences)."""
    starts, lengths = bounds[:-1], np.diff(bounds)
    seen, count = ~np.isnan(values), lengths
    whole = bool(seen.all())
    if not whole:
        count = np.add.reduceat(seen, starts, axis=1, dtype=np.int64)

    def known(numbers: np.ndarray) -> np.ndarray:
        return numbers if whole else np.where(seen, numbers, 0.0)

    safe = np.maximum(count, 1)
    mean = np.add.reduceat(known(values), starts, axis=1) / safe
    off = known(values - np.repeat(mean, lengths, axis=1))
    smallest = np.minimum.reduceat(off, starts, axis=1) + mean
    largest = np.maximum.reduceat(off, starts, axis=1) + mean
    slope = np.add.reduceat(clock * off, starts, axis=1) / spread
    deviation = np.sqrt(np.add.reduceat(off * off, starts, axis=1) / safe)
    ends = [
        np.where(np.isnan(values[:, at]), mean, values[:, at]) for at in (starts, bounds[1:] - 1)
    ]
    parts = np.stack((mean, deviation, smallest, largest, *ends, slope))
    return parts if whole else np.where(count > 0, parts, np.nan)


def _static(sequences: Sequences, rows: np.ndarray, origin: np.ndarray | None) -> np.ndarray:
    """Return static features, numbers as they are and categories one-hot."""
    if sequences.static is None:
        return np.empty((len(rows), 0))
    categories = sequences.static_categories or (None,) * sequences.static.shape[1]
    parts = []
    for column, labels in enumerate(categories):
        codes = sequences.static[rows, column]
        if labels is None:
            parts.append((codes if origin is None else codes - origin[column])[:, None])
        else:
            parts.append(
                (codes[:, None] == np.arange(len(labels))[:_MOST_CATEGORIES]).astype(float)
            )
    return np.concatenate(parts, axis=1)


def token_counts(sequences: Sequences, rows: np.ndarray, *, per_step: bool) -> csr_array:
    """Return how often each token occurs in a row, dampened, or which token a step is."""
    reader = RowReader(sequences.values)
    offsets = np.asarray(sequences.offsets)
    lengths = np.diff(offsets)[rows]
    tokens = np.empty((int(lengths.sum()), 1), dtype=np.int64)
    bounds = np.append(0, np.cumsum(lengths))
    reader.read(offsets[rows], lengths, tokens, bounds[:-1])
    if per_step:
        bounds = np.arange(len(tokens) + 1)
    assert sequences.vocabulary_size is not None
    shape = (len(bounds) - 1, sequences.vocabulary_size)
    counts = csr_array((np.ones(len(tokens)), tokens[:, 0], bounds), shape=shape)
    counts.sum_duplicates()
    counts.data = np.log1p(counts.data)
    norms = np.sqrt(np.add.reduceat(counts.data**2, counts.indptr[:-1]))
    counts.data /= np.repeat(norms, np.diff(counts.indptr))
    return counts
