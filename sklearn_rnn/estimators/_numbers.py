"""Kinds of numbers: one or several a sequence or a step.

Imports NumPy, scikit-learn, layer 0 and the base of targets.
"""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
from sklearn.metrics import r2_score

from ..sequences import Sequences, cells_of_lists, check_regression_y, check_step_y, is_step_y
from ._targets import SolvedTarget, StepLists

# Targets whose mean is this many times their spread are counted from their mean.
_FAR_FROM_ZERO = 100.0


def _origin(values: np.ndarray) -> np.ndarray:
    """Return what to subtract from targets so that float32 keeps their differences.

    That is their mean where it is large beside their spread (years, offsets), else zero.
    """
    largest = np.abs(values).max(axis=0)
    if np.any(largest > np.finfo(np.float32).max):
        raise ValueError(
            f"y has an absolute value of {largest.max():g}, too large for dtype('float32')."
        )
    mean = values.mean(axis=0)
    return np.where(np.abs(mean) > _FAR_FROM_ZERO * values.std(axis=0), mean, 0.0)


class _NumberKind(SolvedTarget):
    """What kinds of numbers share: standardised outputs, squared errors, R2."""

    head = "continuous"
    n_outputs: int
    in_double = True
    several_outputs = True
    origin: np.ndarray

    def statistics(
        self, encoded: np.ndarray, sequences: Sequences, rows: np.ndarray, weights: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return weighted mean and scale over the targets of some rows."""
        chosen = np.zeros(len(sequences))
        chosen[rows] = 1.0 if weights is None else weights[rows]
        by_target = self.spread(chosen, sequences)
        values = np.asarray(encoded, dtype=np.float64)
        seen = self.observed(values)
        if seen is not None:
            values, by_target = values[seen], by_target[seen]
        mean = np.average(values, axis=0, weights=by_target)
        scale = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=by_target))
        return mean, np.where(scale > 1e-12 * np.maximum(np.abs(mean), 1e-300), scale, 1.0)

    def _compared(
        self, y: Any, answers: Any, sequences: Sequences, weights: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return encoded targets that are there, answers to them, and their weights."""
        truth = self.encode(y, sequences)
        each = None if weights is None else self.spread(weights, sequences)
        seen = self.observed(truth)
        if seen is None:
            return truth, answers, each
        return truth[seen], answers[seen], None if each is None else each[seen]

    def judge(
        self, y: Any, answers: Any, sequences: Sequences, weights: Any
    ) -> tuple[float, float]:
        truth, found, each = self._compared(y, answers, sequences, weights)
        error = float(np.average(((truth - found) ** 2).mean(axis=1), weights=each))
        # R2 of a single target is not defined; the error alone then decides.
        score = r2_score(truth, found, sample_weight=each) if len(truth) > 1 else -error
        return float(score), error

    def describe(self, config: Any) -> str:
        return f"{self.n_outputs} output" + "s" * (self.n_outputs != 1)

    def columns(self, encoded: np.ndarray) -> np.ndarray:
        return np.asarray(encoded, dtype=np.float64).reshape(len(encoded), -1)

    def columns_of(self, answers: Any) -> np.ndarray:
        return np.asarray(answers, dtype=np.float64)

    def agreement(self, wanted: np.ndarray, outputs: np.ndarray, spread: np.ndarray) -> np.ndarray:
        return np.asarray(1.0 - ((outputs - wanted) ** 2 / spread).mean(axis=1))

    def to_raw(self, encoded: np.ndarray, head: Any) -> np.ndarray:
        return np.asarray((encoded - head.mean.cpu().numpy()) / head.scale.cpu().numpy())

    def from_raw(self, raw: np.ndarray, head: Any) -> np.ndarray:
        mean, scale = head.mean.double().cpu().numpy(), head.scale.double().cpu().numpy()
        return np.asarray(raw * scale + mean)

    def wanted(self, encoded: np.ndarray, head: Any) -> np.ndarray:
        return self.to_raw(encoded, head)

    def losses(self, raw: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        return np.asarray(((raw - wanted) ** 2).mean(axis=1))

    def solved_answers(self, raw: np.ndarray, gain: float, bound: float) -> np.ndarray:
        return raw


@final
class ContinuousTarget(_NumberKind):
    """One or several numbers a sequence."""

    def __init__(self, y: np.ndarray) -> None:
        self.vector = y.ndim == 1
        self.n_outputs = 1 if self.vector else y.shape[1]
        self.origin = _origin(y.reshape(len(y), -1))

    @classmethod
    def read(cls, y: Any, sequences: Sequences, estimator: Any = None) -> np.ndarray:
        return check_regression_y(cells_of_lists(y), len(sequences), estimator=estimator)

    @classmethod
    def of(cls, y: Any, sequences: Sequences, classes: Any = None, **options: Any) -> Self:
        return cls(y)

    def encode(self, y: Any, sequences: Sequences) -> np.ndarray:
        """Return targets of shape (n, outputs), counted from the origin."""
        y = check_regression_y(y, len(sequences))
        if (y.ndim == 1) != self.vector or (y.ndim == 2 and y.shape[1] != self.n_outputs):
            raise ValueError(
                f"y has shape {y.shape}, but the model was given {self.n_outputs} output(s)."
            )
        return y.reshape(len(y), -1) - self.origin

    def decode(self, answers: Any, sequences: Sequences) -> np.ndarray:
        """Return predictions in the shape of y."""
        predictions = answers.astype(np.float64) + self.origin
        return np.asarray(predictions[:, 0] if self.vector else predictions)

    def score(self, y: Any, answers: Any, sequences: Sequences, weights: Any = None) -> float:
        return float(r2_score(y, self.decode(answers, sequences), sample_weight=weights))


@final
class StepTarget(_NumberKind):
    """One or several numbers a step; predictions come back in the form in which y came.

    A list of 1-D or 2-D arrays gives such a list, `Sequences` give `Sequences`, and a 3-D array
    gives one when all sequences have the same length, else `Sequences`. A step at which a target is
    NaN does not count.
    """

    layout = "step"

    def __init__(self, y: Any, sequences: Sequences) -> None:
        steps = check_step_y(y, sequences)
        self.n_outputs = steps.n_channels
        values = np.asarray(steps.values, dtype=np.float64)
        self.origin = _origin(values[~np.isnan(values).any(axis=1)])
        self.is_dense = len(set(sequences.lengths.tolist())) == 1
        if isinstance(y, Sequences):
            self.form = "sequences"
        elif getattr(y, "ndim", None) == 3:
            self.form = "array"
        else:
            self.form = "vectors" if np.ndim(y[0]) == 1 else "list"

    @classmethod
    def reads(cls, y: Any, sequences: Sequences) -> bool:
        return is_step_y(cells_of_lists(y), sequences)

    @classmethod
    def read(cls, y: Any, sequences: Sequences, estimator: Any = None) -> Any:
        y = cells_of_lists(y)
        whole = isinstance(y, Sequences) or getattr(y, "ndim", None) == 3
        return y if whole else list(y)

    @classmethod
    def suits(cls, y: Any, sequences: Sequences, classes: Any = None) -> bool:
        return is_step_y(y, sequences)

    @classmethod
    def of(cls, y: Any, sequences: Sequences, classes: Any = None, **options: Any) -> Self:
        return cls(y, sequences)

    def encode(self, y: Any, sequences: Sequences) -> np.ndarray:
        """Return flat targets of shape (total_steps, outputs), counted from the origin."""
        steps = check_step_y(y, sequences)
        if steps.n_channels != self.n_outputs:
            raise ValueError(
                f"y has {steps.n_channels} outputs a step, but the model was given "
                f"{self.n_outputs}."
            )
        return steps.values - self.origin

    def observed(self, encoded: np.ndarray) -> np.ndarray | None:
        """Return which steps have all their targets."""
        seen = ~np.isnan(encoded).any(axis=1)
        return None if seen.all() else seen

    def decode(self, answers: Any, sequences: Sequences) -> Any:
        """Return predictions, flat by step, in the form of y."""
        predictions = answers.astype(np.float64) + self.origin
        steps = Sequences(predictions, sequences.offsets)
        if self.form == "array" and len(set(sequences.lengths.tolist())) == 1:
            return predictions.reshape(len(sequences), -1, predictions.shape[1])
        if self.form == "vectors":
            return StepLists((row[:, 0] for row in steps), is_dense=self.is_dense)
        return StepLists(steps, is_dense=self.is_dense) if self.form == "list" else steps

    def score(self, y: Any, answers: Any, sequences: Sequences, weights: Any = None) -> float:
        truth, found, each = self._compared(y, answers, sequences, weights)
        return float(r2_score(truth, found, sample_weight=each))

    def describe(self, config: Any) -> str:
        return f"{super().describe(config)} a step"
