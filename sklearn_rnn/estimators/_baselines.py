"""The baselines that a fitted model is held against: no input at all, and a linear model.

Imports scikit-learn and layers 0 to 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.linear_model import Ridge

from ..sequences import Sequences
from ..training import NormalEquations, Origins, at_level_of_all
from ._readout import block_keys, keys, proportions
from ._summaries import summary_chunks, token_counts
from ._targets import Target

HEADS = {"binary", "multiclass", "multilabel", "joint", "continuous"}
# Sequences that the linear model of tokens learns from, and that predictions are left out for.
_MOST_TOKEN_ROWS, _LEFT_OUT = 20_000, 2000


class Baselines:
    """The mean, or majority, of the targets, and ridge regression on simple features.

    The features are mean, deviation, extremes, ends and slope of every channel; how often each
    token occurs; or, for one target a step, what is known of the step. Labels are regressed on as
    plus and minus one, and the largest output wins.

    Parameters
    ----------
    target : Target
        What is predicted.
    origins : tuple of two (ndarray or None), default=(None, None)
        What channels and static features are counted from, as in `FlatStorage`.
    """

    def __init__(self, target: Target, origins: Origins = (None, None)) -> None:
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
        seen = self.target.observed(encoded)
        if self._steps:
            each = np.repeat(each, sequences.lengths)
        if seen is not None:
            shape = (-1, *[1] * (encoded.ndim - 1))
            each, encoded = each * seen, np.where(seen.reshape(shape), encoded, 0)
        places = _places(sequences, rows, self.target)
        by_target = each[places]
        self.level = _mean_columns(self.target, encoded[places], by_target)
        self.is_fitted = True
        if sequences.is_tokens:
            return self._fit_tokens(sequences, rows, encoded, each, left_out=left_out)
        return self._fit_numbers(sequences, rows, encoded, each, left_out=left_out)

    @property
    def _steps(self) -> bool:
        return self.target.per_step

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
            places = _places(sequences, here, self.target)
            names, by_target, sizes = keys(sequences, here), each[places], None
            if self._steps:
                names, sizes = block_keys(names, sequences.lengths[here].tolist())
            # Where there are many labels, those of all rows as columns would fill the memory.
            wanted = wanted_columns(self.target, encoded[places])
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
        places = _places(sequences, rows, self.target)
        by_target = each[places]
        model = Ridge(alpha=1.0, solver="sparse_cg")
        targets = wanted_columns(self.target, encoded[places])
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


def wanted_columns(target: Target, encoded: np.ndarray) -> np.ndarray:
    """Return encoded targets as columns of numbers; labels as plus and minus one."""
    if target.head == "continuous":
        return np.asarray(encoded, dtype=np.float64).reshape(len(encoded), -1)
    return 2.0 * proportions(target, encoded) - 1.0


def _mean_columns(target: Target, encoded: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of encoded targets as columns."""
    if target.head != "multiclass":
        return np.asarray(np.average(wanted_columns(target, encoded), axis=0, weights=weights))
    assert isinstance(target.n_outputs, int)
    counts = np.bincount(encoded, weights=weights, minlength=target.n_outputs)
    return np.asarray((2.0 * counts - weights.sum()) / weights.sum())


def agreement(
    target: Target, wanted: np.ndarray, outputs: np.ndarray, spread: np.ndarray
) -> np.ndarray:
    """Return how right each line is: 1 or 0 for labels, 1 less its share of R2 for numbers.

    Outputs are columns as `wanted_columns` makes them; those of labels may be in between, as are
    the wanted ones of copies with different labels. The mean is accuracy or R2.
    """
    if target.head == "continuous":
        return 1.0 - ((outputs - wanted) ** 2 / spread).mean(axis=1)
    truth = (wanted + 1) / 2
    # Where a model knows no better than the level, rounding must not decide: left-out predictions
    # are rounded to the side of their own label, or away from it.
    outputs = np.round(outputs, 9)
    if target.head in ("binary", "multilabel"):
        return np.where(outputs > 0, truth, 1 - truth).prod(axis=1)
    sizes = target.n_outputs if isinstance(target.n_outputs, tuple) else (wanted.shape[1],)
    right = np.ones(len(wanted))
    for part in np.split(np.arange(wanted.shape[1]), np.cumsum(sizes)[:-1]):
        chosen = np.argmax(outputs[:, part], axis=1)
        right *= np.take_along_axis(truth[:, part], chosen[:, None], axis=1)[:, 0]
    return right


def as_columns(target: Target, answers: np.ndarray) -> np.ndarray:
    """Return a model's numbers or probabilities as columns to compare with `wanted_columns`."""
    if target.head == "continuous":
        return np.asarray(answers, dtype=np.float64)
    if target.head == "binary":
        return 2.0 * answers[:, 1:] - 1.0
    return 2.0 * answers - 1.0


def _places(sequences: Sequences, rows: np.ndarray, target: Target) -> np.ndarray:
    """Return where the targets of some rows stand."""
    if not target.per_step:
        return rows
    lengths = sequences.lengths[rows]
    ends = np.cumsum(lengths)
    within = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    return np.repeat(np.asarray(sequences.offsets)[rows], lengths) + within


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
