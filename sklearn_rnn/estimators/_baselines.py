"""The baselines that a fitted model is held against: no input at all, and a linear model.

Imports scikit-learn and layers 0 to 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.linear_model import Ridge

from ..sequences import RowReader, Sequences
from ..training import NormalEquations, Origins, at_level_of_all
from ._readout import block_keys, keys
from ._targets import SolvedTarget

# Sequences that the linear model of tokens learns from, and that predictions are left out for.
_MOST_TOKEN_ROWS, _LEFT_OUT = 20_000, 2000


class Baselines:
    """The mean, or majority, of the targets, and ridge regression on simple features.

    The features are mean, deviation, extremes, ends and slope of every channel; how often each
    token occurs; or, for one target a step, what is known of the step. Labels are regressed on as
    plus and minus one, and the largest output wins.

    Parameters
    ----------
    target : SolvedTarget
        What is predicted.
    origins : tuple of two (ndarray or None), default=(None, None)
        What channels and static features are counted from, as in `FlatStorage`.
    """

    def __init__(self, target: SolvedTarget, origins: Origins = (None, None)) -> None:
        self.target, self.origins = target, origins
        self.level = np.zeros(0)
        self.shift, self.scale = np.zeros(0), np.ones(0)
        self.weight, self.bias = np.zeros((0, 0)), np.zeros(0)
        self.is_fitted = False

    def fit(
        self,
        sequences: Sequences,
        rows: np.ndarray,
        encoded: np.ndarray,
        weights: np.ndarray | None,
        *,
        left_out: bool = False,
    ) -> dict[bytes, np.ndarray]:
        """Learn from some rows; return left-out predictions by key, where they are wanted."""
        each = np.ones(len(sequences)) if weights is None else weights
        each = self.target.spread(each, sequences)
        seen = self.target.observed(encoded)
        if seen is not None:
            shape = (-1, *[1] * (encoded.ndim - 1))
            each, encoded = each * seen, np.where(seen.reshape(shape), encoded, 0)
        places = self.target.places(sequences, rows)
        by_target = each[places]
        self.level = self.target.mean_columns(encoded[places], by_target)
        self.is_fitted = True
        if sequences.is_tokens:
            return self._fit_tokens(sequences, rows, encoded, each, left_out=left_out)
        return self._fit_numbers(sequences, rows, encoded, each, left_out=left_out)

    @property
    def _steps(self) -> bool:
        return self.target.by_step

    def _fit_numbers(
        self,
        sequences: Sequences,
        rows: np.ndarray,
        encoded: np.ndarray,
        each: np.ndarray,
        *,
        left_out: bool,
    ) -> dict[bytes, np.ndarray]:
        """Solve ridge regression on summaries, or on the values of each step."""
        sums: NormalEquations | None = None
        for here, features in self._summaries(sequences, rows):
            if sums is None:
                with np.errstate(over="ignore", invalid="ignore"):
                    finite: Any = features
                    if not np.isfinite(features).all():
                        finite = np.ma.masked_invalid(features)
                    self.shift = np.asarray(np.ma.filled(finite.mean(axis=0), 0.0))
                    scale = np.asarray(np.ma.filled(finite.std(axis=0), 0.0))
                self.scale = np.where(np.isfinite(scale) & (scale > 0), scale, 1.0)
                size = features.shape[1]
                dual = 0 if self._steps else min(size, 1000)
                sums = NormalEquations(size, len(self.level), max_rows=dual, n_kept=_LEFT_OUT)
            places = self.target.places(sequences, here)
            names, by_target, sizes = keys(sequences, here), each[places], None
            if self._steps:
                names, sizes = block_keys(names, sequences.lengths[here].tolist())
            # Where there are many labels, those of all rows as columns would fill the memory.
            wanted = self.target.columns(encoded[places])
            sums.add(names, self._standard(features), wanted, by_target, sizes)
        assert sums is not None, "there is at least one row"
        solution = sums.solve(_squared_error)
        self.weight, self.bias = solution.weight, solution.bias
        if not left_out:
            return {}
        stops = np.cumsum([size for _, size in solution.keys])[:-1]
        parts = np.split(solution.levelled, stops)
        return {key: part for (key, _), part in zip(solution.keys, parts, strict=True)}

    def _fit_tokens(
        self,
        sequences: Sequences,
        rows: np.ndarray,
        encoded: np.ndarray,
        each: np.ndarray,
        *,
        left_out: bool,
    ) -> dict[bytes, np.ndarray]:
        """Fit ridge regression on sparse counts."""
        if len(rows) > _MOST_TOKEN_ROWS:
            chosen = np.random.default_rng(0).choice(len(rows), _MOST_TOKEN_ROWS, replace=False)
            rows = np.sort(rows[chosen])
        counts = token_counts(sequences, rows, per_step=self._steps)
        places = self.target.places(sequences, rows)
        by_target = each[places]
        model = Ridge(alpha=1.0, solver="sparse_cg")
        targets = self.target.columns(encoded[places])
        model.fit(counts, targets, sample_weight=by_target)
        self.weight = model.coef_.reshape(targets.shape[1], -1).T
        self.bias = np.atleast_1d(model.intercept_)
        if not left_out or self._steps:
            return {}
        some = np.arange(len(rows))
        if len(rows) > _LEFT_OUT:
            some = np.random.default_rng(0).choice(len(rows), _LEFT_OUT, replace=False)
        found = _left_out(counts[some], targets[some], by_target[some])
        found = at_level_of_all(found, targets[some], by_target[some])
        return {key: found[i : i + 1] for i, key in enumerate(keys(sequences, rows[some]))}

    def predict(self, sequences: Sequences) -> np.ndarray:
        """Return the linear model's outputs, one line a sequence or a step."""
        rows = np.arange(len(sequences))
        if sequences.is_tokens:
            counts = token_counts(sequences, rows, per_step=self._steps)
            return np.asarray(counts @ self.weight + self.bias)
        found = [
            self._standard(features) @ self.weight + self.bias
            for _, features in self._summaries(sequences, rows)
        ]
        return np.concatenate(found)

    def _summaries(
        self, sequences: Sequences, rows: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield rows and their features, counted from the origins."""
        return summary_chunks(sequences, rows, per_step=self._steps, origins=self.origins)

    def _standard(self, features: np.ndarray) -> np.ndarray:
        """Scale features as those of the fit; what is missing is average."""
        return np.nan_to_num((features - self.shift) / self.scale, nan=0.0)


def _left_out(counts: csr_array, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return exact left-out predictions of ridge regression with a penalty of 1 on few rows."""
    share, root = weights / weights.sum(), np.sqrt(weights)[:, None]
    kernel = (counts @ counts.T).toarray()
    kernel -= share @ kernel
    kernel -= (kernel @ share)[:, None]
    inverse = np.linalg.inv(root * kernel * root.T + np.eye(len(kernel)))
    dual = inverse @ (root * (targets - share @ targets))
    complement = np.maximum(np.diag(inverse) - share, 1e-12)[:, None]
    return np.asarray(targets - dual / root / complement)


def _squared_error(left_out: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> float:
    """Return the mean squared error in units of each output's spread."""
    share = weights / weights.sum()
    level = share @ targets
    spread = share @ (targets - level) ** 2
    errors = (left_out - targets) ** 2 / np.where(spread > 0, spread, 1)
    return float(share @ errors.mean(axis=1))


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
