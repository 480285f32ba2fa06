"""Targets: from the user's y to what a head learns, and from its predictions back.

Each encoding is one class with `encode` (y to an array by row or by step) and `decode` (what the
head predicts to what `predict` returns). Imports NumPy, scikit-learn and layer 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ..sequences import Sequences, check_regression_y, check_step_y
from ._step_lists import StepLists

# Targets whose mean is so many times their spread are counted from it.
_FAR_FROM_ZERO = 100.0


class Target(ABC):
    """How y is learned: name and size of the head, encoding and decoding.

    Attributes
    ----------
    head : str
        Name of the head in `sklearn_rnn.nn`.
    n_outputs : int or tuple of int
        Its size.
    per_step : bool
        Whether there is one target a step and not one a sequence.
    """

    head: str
    n_outputs: int | tuple[int, ...]
    per_step = False

    @abstractmethod
    def encode(self, y: Any, sequences: Sequences) -> np.ndarray:
        """Return the array that the head learns; refuse what the fitted encoding cannot hold."""

    def observed(self, encoded: np.ndarray) -> np.ndarray | None:
        """Return which encoded targets count; None where all do. Only steps may have none."""
        return None


class LabelTarget(Target):
    """One label a sequence, of any dtype; two classes get the binary head."""

    def __init__(self, classes: np.ndarray) -> None:
        self.classes = classes
        self.head = "binary" if len(classes) == 2 else "multiclass"
        self.n_outputs = 1 if len(classes) == 2 else len(classes)

    def encode(self, y: np.ndarray, sequences: Sequences) -> np.ndarray:
        """Return class indices as int64."""
        index = np.searchsorted(self.classes, y)
        index = np.minimum(index, len(self.classes) - 1)
        unknown = self.classes[index] != y
        if np.any(unknown):
            label = np.asarray(y)[unknown].tolist()[0]
            raise ValueError(
                f"y contains the label {label!r}, which is not among the classes that the model "
                f"was given first: {self.classes.tolist()}."
            )
        return index.astype(np.int64)

    def decode(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the most probable label of each row."""
        return self.classes[np.argmax(probabilities, axis=1)]


class MultilabelTarget(Target):
    """A set of labels a sequence, as an indicator matrix."""

    head = "multilabel"

    def __init__(self, n_labels: int) -> None:
        self.n_outputs = n_labels
        self.thresholds = np.full(n_labels, 0.5)

    def encode(self, y: Any, sequences: Sequences) -> np.ndarray:
        """Return the indicator matrix as float32."""
        y = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
        if y.ndim != 2 or y.shape[1] != self.n_outputs:
            raise ValueError(
                f"y has shape {y.shape}, but the model was given {self.n_outputs} labels."
            )
        return y.astype(np.float32)

    def decode(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the indicator matrix of labels whose probability reaches their threshold."""
        return (probabilities >= self.thresholds).astype(np.int64)


class JointTarget(Target):
    """Several labels a sequence, one for each output."""

    head = "joint"

    def __init__(self, classes: list[np.ndarray]) -> None:
        self.parts = [LabelTarget(c) for c in classes]
        self.n_outputs = tuple(len(c) for c in classes)

    def encode(self, y: np.ndarray, sequences: Sequences) -> np.ndarray:
        """Return class indices, one column for each output."""
        if y.ndim != 2 or y.shape[1] != len(self.parts):
            raise ValueError(
                f"y has shape {y.shape}, but the model was given {len(self.parts)} outputs."
            )
        columns = [part.encode(y[:, j], sequences) for j, part in enumerate(self.parts)]
        return np.stack(columns, axis=1)

    def split(self, probabilities: np.ndarray) -> list[np.ndarray]:
        """Return the probabilities of each output."""
        assert isinstance(self.n_outputs, tuple)
        return np.split(probabilities, np.cumsum(self.n_outputs)[:-1], axis=1)

    def decode(self, probabilities: list[np.ndarray]) -> np.ndarray:
        """Return the most probable label of each row and output."""
        labels = [part.decode(p) for part, p in zip(self.parts, probabilities, strict=True)]
        return np.stack(labels, axis=1)


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


class ContinuousTarget(Target):
    """One or several numbers a sequence."""

    head = "continuous"

    def __init__(self, y: np.ndarray) -> None:
        self.vector = y.ndim == 1
        self.n_outputs = 1 if self.vector else y.shape[1]
        self.origin = _origin(y.reshape(len(y), -1))

    def encode(self, y: Any, sequences: Sequences) -> np.ndarray:
        """Return targets of shape (n, outputs), counted from the origin."""
        y = check_regression_y(y, len(sequences))
        if (y.ndim == 1) != self.vector or (y.ndim == 2 and y.shape[1] != self.n_outputs):
            raise ValueError(
                f"y has shape {y.shape}, but the model was given {self.n_outputs} output(s)."
            )
        return y.reshape(len(y), -1) - self.origin

    def decode(self, predictions: np.ndarray, sequences: Sequences) -> np.ndarray:
        """Return predictions in the shape of y."""
        predictions = predictions + self.origin
        return predictions[:, 0] if self.vector else predictions


class StepTarget(Target):
    """One or several numbers a step; predictions come back in the form in which y came.

    A list of 1-D or 2-D arrays gives such a list, `Sequences` give `Sequences`, and a 3-D array
    gives one when all sequences have the same length, else `Sequences`. A step at which a target is
    NaN does not count.
    """

    head = "continuous"
    per_step = True

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

    def decode(self, predictions: np.ndarray, sequences: Sequences) -> Any:
        """Return predictions, flat by step, in the form of y."""
        predictions = predictions + self.origin
        steps = Sequences(predictions, sequences.offsets)
        if self.form == "array" and len(set(sequences.lengths.tolist())) == 1:
            return predictions.reshape(len(sequences), -1, predictions.shape[1])
        if self.form == "vectors":
            return StepLists((row[:, 0] for row in steps), is_dense=self.is_dense)
        return StepLists(steps, is_dense=self.is_dense) if self.form == "list" else steps


def weigh_observed(
    weights: np.ndarray | None, seen: np.ndarray | None, n_targets: int
) -> np.ndarray | None:
    """Return the weights of targets with zero where there is none."""
    if seen is None:
        return weights
    return (np.ones(n_targets) if weights is None else weights) * seen
