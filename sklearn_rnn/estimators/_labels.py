"""Kinds of targets that are labels, and the arithmetic of their probabilities. Imports layer 0.

Log odds, losses and thresholds; one label a row or a step, sets of labels, several labels at once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any, Self, final

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import type_of_target

from ..sequences import (
    Sequences,
    bounded_weights,
    cells_of_lists,
    check_classes,
    check_classification_y,
    check_consistent,
    is_missing,
    unmasked,
)
from ._targets import SolvedTarget

# The least that stands for a probability of zero, so that every logarithm is finite.
_LEAST_PROBABILITY = float(np.finfo(np.float64).tiny)
# Thresholds that are tried.
_THRESHOLDS = np.round(np.concatenate([[0.02, 0.03, 0.04], np.arange(0.05, 0.96, 0.025)]), 3)
# A label counts for itself as far as its positive rows outnumber these; else as the others do.
_PRIOR_ROWS = 10.0


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """Return log(p / (1 - p)) of the classes of each row, in their order; exact near 0 and 1.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Rows that sum to one.

    Returns
    -------
    ndarray of shape (n,) or (n, n_classes)
        Of two classes, those of the second. Its number type is that of the probabilities, which
        says how far they are exact.
    """
    kind = np.asarray(probabilities).dtype
    p = np.asarray(probabilities, dtype=np.float64)
    if p.shape[1] == 2:
        return (_logarithm(p[:, 1]) - _logarithm(p[:, 0])).astype(kind)
    others = p.sum(axis=1, keepdims=True) - p
    # Beside a probability near one, the rest is summed and not subtracted.
    top, rows = p.argmax(axis=1), np.arange(len(p))
    rest = p.copy()
    rest[rows, top] = 0.0
    others[rows, top] = rest.sum(axis=1)
    found = (_logarithm(p) - _logarithm(others)).astype(kind)
    # Rounding must not part what is decided.
    lost = found.argmax(axis=1) != top
    found[rows[lost], top[lost]] = np.nextafter(found[lost].max(axis=1), np.inf, dtype=kind)
    return found


def label_log_odds(probabilities: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return the log odds of labels that may each be given, from 0 on where they are."""
    kind = np.asarray(probabilities).dtype
    p = np.asarray(probabilities, dtype=np.float64)
    least = np.asarray(thresholds, dtype=np.float64)
    found = _logarithm(p) - _logarithm(1 - p) - (_logarithm(least) - _logarithm(1 - least))
    smallest = np.finfo(kind).tiny
    return np.where(p >= least, np.maximum(found, 0.0), np.minimum(found, -smallest)).astype(kind)


def _logarithm(values: np.ndarray) -> np.ndarray:
    """Return logarithms, that of zero as that of the least number."""
    result: np.ndarray = np.log(np.maximum(values, _LEAST_PROBABILITY))
    return result


def logarithms(probabilities: Any) -> Any:
    """Return the logarithms of an array of probabilities, a list of them, or `Sequences`."""
    if isinstance(probabilities, list):
        return [logarithms(part) for part in probabilities]
    with np.errstate(divide="ignore"):
        if isinstance(probabilities, Sequences):
            return Sequences._trusted(np.log(probabilities.values), probabilities.offsets)
        return np.log(probabilities)


def sigmoid_losses(raw: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return each row's mean log loss of logits, each of a label that may be given or not.

    `wanted` are labels, or proportions of them.
    """
    both = wanted * np.logaddexp(0, -raw) + (1 - wanted) * np.logaddexp(0, raw)
    return np.asarray(both.mean(axis=1))


def softmax_losses(
    raw: np.ndarray, wanted: np.ndarray, sizes: Sequence[int] | None = None
) -> np.ndarray:
    """Return each row's log loss of logits of one label, or the sum for one of each of `sizes`.

    `wanted` are columns of labels, or of proportions of them.
    """
    losses = np.zeros(len(raw))
    for part in np.split(np.arange(raw.shape[1]), np.cumsum(sizes or (raw.shape[1],))[:-1]):
        shifted = raw[:, part] - raw[:, part].max(axis=1, keepdims=True)
        losses += np.log(np.exp(shifted).sum(axis=1)) - (wanted[:, part] * shifted).sum(axis=1)
    return losses


def label_losses(raw: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return each row's log loss of logits for one label a row, as `softmax_losses` does."""
    shifted = raw - raw.max(axis=1, keepdims=True)
    own = shifted[np.arange(len(raw)), labels]
    return np.asarray(np.log(np.exp(shifted, out=shifted).sum(axis=1)) - own)


def bounded_softmax(
    raw: np.ndarray, gain: float, bound: float, sizes: Sequence[int] | None = None
) -> np.ndarray:
    """Return probabilities of what is read out, times a gain, in groups of these sizes.

    Outputs beyond the bound are drawn in, in proportion, so that the largest of a row stays so.
    """
    parts = []
    for part in np.split(raw, np.cumsum(sizes or (raw.shape[1],))[:-1], axis=1):
        largest = np.abs(part).max(axis=1, keepdims=True)
        logits = gain * part * (bound / np.maximum(largest, bound))
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        parts.append(odds / odds.sum(axis=1, keepdims=True))
    return np.concatenate(parts, axis=1)


def bounded_sigmoid(raw: np.ndarray, gain: float, bound: float) -> np.ndarray:
    """Return the probability of each label of what is read out, times a gain, within a bound."""
    return np.asarray(0.5 * (1 + np.tanh(gain * np.clip(raw, -bound, bound) / 2)))


def tune_thresholds(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the threshold of each label that does best by its F1 score on unseen rows.

    Labels that are rare there are held close to what is best for all.

    Parameters
    ----------
    probabilities : ndarray of shape (n_rows, n_labels)
        Of each label, predicted for rows that trained nothing.
    labels : ndarray of shape (n_rows, n_labels)
        Which labels the rows have, 1 or 0.
    """
    has = labels > 0.5
    given = probabilities[:, :, None] >= _THRESHOLDS
    right = (given & has[:, :, None]).sum(axis=0)
    positive = has.sum(axis=0).astype(np.float64)
    scores = 2.0 * right / np.maximum(given.sum(axis=0) + positive[:, None], 1)
    if not positive.any():
        return np.full(labels.shape[1], 0.5)
    common = scores[positive > 0].mean(axis=0)
    own = (positive / (positive + _PRIOR_ROWS))[:, None]
    blended = own * scores + (1 - own) * common
    # Of several that do as well, the middle one.
    best = blended >= blended.max(axis=1, keepdims=True) - 1e-12
    return np.array([np.median(_THRESHOLDS[row]) for row in best])


# Held-out sequences that are too few to choose thresholds by.
_FEWEST_TO_TUNE = 20
# A smaller probability counts as this much in a log loss.
_LEAST = 1e-12


def _require_two(classes: np.ndarray, where: str) -> None:
    """Refuse to learn when there is nothing to tell apart."""
    if len(classes) < 2:
        raise ValueError(
            f"Classification needs at least 2 classes; {where} contains only one class: "
            f"{classes.tolist()[0]!r}."
        )


def class_indices(classes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the places of labels among sorted classes, or refuse those that are not there."""
    index = np.searchsorted(classes, labels)
    index = np.minimum(index, len(classes) - 1)
    unknown = classes[index] != labels
    if np.any(unknown):
        label = np.asarray(labels)[unknown].tolist()[0]
        raise ValueError(
            f"y contains the label {label!r}, which is not among the classes that the model "
            f"was given first: {classes.tolist()}."
        )
    return index.astype(np.int64)


class _LabelKind(SolvedTarget):
    """What kinds of labels share: reading, and columns of plus and minus one."""

    is_labels = True
    metric = "accuracy"
    # The right label at a probability of .995.
    negligible_loss = 0.005
    classes: Any

    @classmethod
    def read(cls, y: Any, sequences: Sequences, estimator: Any = None) -> Any:
        labels = check_classification_y(y, estimator=estimator)
        check_consistent(sequences, labels)
        return labels

    @abstractmethod
    def proportions(self, encoded: np.ndarray) -> np.ndarray:
        """Return one column for each raw output, 1 where it is to be high, else 0."""

    @abstractmethod
    def _chosen(self, answers: np.ndarray, encoded: np.ndarray) -> np.ndarray:
        """Return the probabilities of what was right, in columns."""

    def fitted_attributes(self) -> dict[str, Any]:
        return {"classes_": self.classes}

    def score(self, y: Any, answers: Any, sequences: Sequences, weights: Any = None) -> float:
        return float(accuracy_score(y, self.decode(answers, sequences), sample_weight=weights))

    def judge(
        self, y: Any, answers: Any, sequences: Sequences, weights: Any
    ) -> tuple[float, float]:
        chosen = self._chosen(answers, self.encode(y, sequences))
        losses = -np.log(np.clip(chosen, _LEAST, 1)).sum(axis=1)
        each = None if weights is None else self.spread(weights, sequences)
        score = self.score(y, answers, sequences, weights)
        return score, float(np.average(losses, weights=each))

    def columns(self, encoded: np.ndarray) -> np.ndarray:
        return 2.0 * self.proportions(encoded) - 1.0

    def columns_of(self, answers: Any) -> np.ndarray:
        return np.asarray(2.0 * answers - 1.0)

    def to_raw(self, encoded: np.ndarray, head: Any) -> np.ndarray:
        return self.columns(encoded)

    def from_raw(self, raw: np.ndarray, head: Any) -> np.ndarray:
        return raw

    def wanted(self, encoded: np.ndarray, head: Any) -> np.ndarray:
        return self.proportions(encoded)

    def agreement(self, wanted: np.ndarray, outputs: np.ndarray, spread: np.ndarray) -> np.ndarray:
        # Where a model knows no better than the level, rounding must not decide: left-out
        # predictions are rounded to the side of their own label, or away from it.
        return self._share_right((wanted + 1) / 2, np.round(outputs, 9))

    @abstractmethod
    def _share_right(self, truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Return the share of the truth that the outputs decide for, by line."""


def _largest_right(sizes: Iterable[int], truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Return how much of the truth the largest output has, over several choices at once."""
    right = np.ones(len(truth))
    start = 0
    for size in sizes:
        part = slice(start, start + size)
        chosen = np.argmax(outputs[:, part], axis=1)
        right *= np.take_along_axis(truth[:, part], chosen[:, None], axis=1)[:, 0]
        start += size
    return right


class _OneLabel(_LabelKind):
    """One label a target, of any dtype; two classes get the binary head."""

    n_outputs: int

    def __init__(self, classes: np.ndarray) -> None:
        self.classes = classes
        self.head = "binary" if len(classes) == 2 else "multiclass"
        self.n_outputs = 1 if len(classes) == 2 else len(classes)

    @property
    def _is_binary(self) -> bool:
        return self.n_outputs == 1

    def knows(self, classes: Any) -> bool:
        return np.array_equal(self.classes, np.unique(check_classes(classes)))

    def proportions(self, encoded: np.ndarray) -> np.ndarray:
        if self._is_binary:
            return np.asarray(encoded, dtype=np.float64)[:, None]
        return np.eye(self.n_outputs)[encoded]

    def mean_columns(self, encoded: np.ndarray, weights: np.ndarray) -> np.ndarray:
        if self._is_binary:
            return super().mean_columns(encoded, weights)
        # Where there are many labels, those of all rows as columns would fill the memory.
        counts = np.bincount(encoded, weights=weights, minlength=self.n_outputs)
        return np.asarray((2.0 * counts - weights.sum()) / weights.sum())

    def columns_of(self, answers: Any) -> np.ndarray:
        return super().columns_of(answers[:, 1:] if self._is_binary else answers)

    def losses(self, raw: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        return sigmoid_losses(raw, wanted) if self._is_binary else softmax_losses(raw, wanted)

    def losses_of(self, raw: np.ndarray, encoded: np.ndarray, head: Any) -> np.ndarray:
        if self._is_binary:
            return super().losses_of(raw, encoded, head)
        return label_losses(raw, encoded)

    def solved_answers(self, raw: np.ndarray, gain: float, bound: float) -> np.ndarray:
        if not self._is_binary:
            return bounded_softmax(raw, gain, bound)
        positive = bounded_sigmoid(raw, gain, bound)
        return np.concatenate((1 - positive, positive), axis=1)

    def _chosen(self, answers: np.ndarray, encoded: np.ndarray) -> np.ndarray:
        chosen: np.ndarray = answers[np.arange(len(answers)), encoded][:, None]
        return chosen

    def _share_right(self, truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        if self._is_binary:
            return np.where(outputs > 0, truth, 1 - truth).prod(axis=1)
        return _largest_right((truth.shape[1],), truth, outputs)

    def _describe(self) -> str:
        return "binary" if self._is_binary else f"{self.n_outputs} classes"


@final
class LabelTarget(_OneLabel):
    """One label a sequence."""

    stratified = True

    @classmethod
    def of(cls, y: Any, sequences: Sequences, classes: Any = None, **options: Any) -> Self:
        found = np.unique(y if classes is None else check_classes(classes))
        _require_two(found, "y")
        return cls(found)

    def encode(self, y: Any, sequences: Sequences) -> np.ndarray:
        """Return class indices as int64."""
        return class_indices(self.classes, y)

    def decode(self, answers: Any, sequences: Sequences) -> np.ndarray:
        """Return the most probable label of each row."""
        labels: np.ndarray = self.classes[np.argmax(answers, axis=1)]
        return labels

    def probabilities(self, answers: Any, sequences: Sequences) -> Any:
        return answers

    def log_odds(self, answers: Any, sequences: Sequences) -> Any:
        return log_odds(answers)

    def describe(self, config: Any) -> str:
        return self._describe()

    def column_of(self, raw: Any, label: Any) -> tuple[int, float]:
        if label is None:
            place = np.array([int(raw.argmax()) if len(raw) > 1 else int(raw[0] > 0)])
        else:
            place = _place_of(self.classes, label)
        if len(raw) == 1:
            return 0, 1.0 if place[0] == 1 else -1.0
        return int(place[0]), 1.0


def _place_of(classes: np.ndarray, label: Any) -> np.ndarray:
    """Return where a label stands among the classes, or refuse one that is not there."""
    place = np.flatnonzero(classes == label)
    if not len(place):
        raise ValueError(f"target={label!r} is none of the labels {classes.tolist()}.")
    return place


@final
class StepLabelTarget(_OneLabel):
    """One label a step."""

    layout = "step"

    @classmethod
    def reads(cls, y: Any, sequences: Sequences) -> bool:
        return is_step_labels(unmasked(cells_of_lists(y)), sequences)

    @classmethod
    def read(cls, y: Any, sequences: Sequences, estimator: Any = None) -> list[Any]:
        return list(unmasked(cells_of_lists(y)))

    @classmethod
    def suits(cls, y: Any, sequences: Sequences, classes: Any = None) -> bool:
        return isinstance(y, list)

    @classmethod
    def of(cls, y: Any, sequences: Sequences, classes: Any = None, **options: Any) -> Self:
        found = np.unique(_flat_labels(y, sequences))
        refuse_ignored(
            found,
            "SequenceTagger(ignore_label=-100) leaves such steps out; or cut them off.",
        )
        target = cls(found if classes is None else np.unique(check_classes(classes)))
        _require_two(target.classes, "y")
        return target

    def encode(self, y: Any, sequences: Sequences) -> np.ndarray:
        """Return class indices by step."""
        return class_indices(self.classes, _flat_labels(y, sequences))

    def labels_of(self, y: Any) -> np.ndarray:
        return np.concatenate([np.asarray(row).reshape(-1) for row in y])

    def decode(self, answers: Any, sequences: Sequences) -> list[np.ndarray]:
        """Return the most probable label of each step, by row."""
        labels = self.classes[np.argmax(answers, axis=1)]
        return np.split(labels, sequences.offsets[1:-1])

    def probabilities(self, answers: Any, sequences: Sequences) -> Any:
        return Sequences(answers, sequences.offsets)

    def log_odds(self, answers: Any, sequences: Sequences) -> Any:
        values = log_odds(answers)
        values = values[:, None] if values.ndim == 1 else values
        return Sequences._trusted(values, sequences.offsets)

    def score(self, y: Any, answers: Any, sequences: Sequences, weights: Any = None) -> float:
        each = None if weights is None else self.spread(weights, sequences)
        found = self.classes[np.argmax(answers, axis=1)]
        return float(accuracy_score(_flat_labels(y, sequences), found, sample_weight=each))

    def describe(self, config: Any) -> str:
        return f"{self._describe()} a step"


def is_step_labels(y: Any, sequences: Sequences) -> bool:
    """Tell whether y holds a label for every step: a list of labels for each sequence.

    Lists that all have the same length, and not that of the sequences, are several outputs; so
    is every 2-D array.
    """
    if isinstance(y, Sequences):
        return True
    if not isinstance(y, (list, tuple)) and getattr(getattr(y, "dtype", None), "kind", "") != "O":
        return False
    if getattr(y, "ndim", 1) != 1:
        return False
    rows = [row if hasattr(row, "__len__") else 0 for row in y]
    if any(isinstance(row, (str, bytes)) or not _is_flat(row) for row in rows):
        return False
    lengths = [len(row) for row in y]
    return len(set(lengths)) > 1 or lengths == sequences.lengths.tolist()


def _is_flat(row: Any) -> bool:
    """Tell whether a row of y is a list of labels."""
    try:
        return np.ndim(row) == 1
    except ValueError:  # what NumPy cannot read as one array
        return False


def _flat_labels(y: Any, sequences: Sequences) -> np.ndarray:
    """Join the labels of all sequences, once they have the lengths of X."""
    rows = [np.asarray(unmasked(row)) for row in cells_of_lists(y)]
    rows = [row.reshape(len(row), -1)[:, 0] if len(row) else row for row in rows]
    for row, labels in enumerate(rows):
        if labels.dtype.kind in "fO" and any(map(is_missing, labels)):
            raise no_label(row, labels)
    if len(rows) != len(sequences):
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"[{len(sequences)}, {len(rows)}]"
        )
    for row, (labels, length) in enumerate(zip(rows, sequences.lengths, strict=True)):
        if len(labels) != length:
            raise ValueError(
                f"Row {row}: y has {len(labels)} steps, but X has {length}; give every step of X "
                "one target."
            )
    return check_classification_y(np.concatenate(rows))


# What torch's losses leave out, and so do many who prepare labels for them.
_TORCH_IGNORES = -100


def refuse_ignored(classes: np.ndarray, remedy: str = "") -> None:
    """Refuse torch's mark of steps without a label among labels that are otherwise usual."""
    others = [label for label in classes.tolist() if label != _TORCH_IGNORES]
    marked = len(others) < len(classes) and all(
        isinstance(label, (int, float)) and label >= 0 for label in others
    )
    if marked or str(_TORCH_IGNORES) in others:
        remedy = remedy or f"Pass SequenceTagger(ignore_label={_TORCH_IGNORES})."
        raise ValueError(
            f"y holds the label {_TORCH_IGNORES}, by which torch's losses mark a step that is to "
            f"be left out; here it would be a class like any other. {remedy}"
        )


def no_label(number: int, row: Any) -> ValueError:
    """Make the error for a step without a label."""
    step = next(step for step, label in enumerate(row) if is_missing(label))
    return ValueError(
        f"Row {number}: the label of a step is missing, of step {step}: y contains NaN, None or a "
        "masked label. Give it one of its own; SequenceTagger(ignore_label=) leaves such "
        "steps out."
    )


@final
class MultilabelTarget(_LabelKind):
    """A set of labels a sequence, as an indicator matrix."""

    head = "multilabel"
    n_outputs: int
    several_outputs = True
    is_smoothed = False

    def __init__(self, classes: np.ndarray) -> None:
        self.classes = classes
        self.n_outputs = len(classes)
        self.thresholds = np.full(len(classes), 0.5)

    @classmethod
    def suits(cls, y: Any, sequences: Sequences, classes: Any = None) -> bool:
        if y.ndim != 2 or _by_output(classes):
            return False
        return bool(type_of_target(y, input_name="y") == "multilabel-indicator")

    @classmethod
    def of(cls, y: Any, sequences: Sequences, classes: Any = None, **options: Any) -> Self:
        return cls(np.arange(y.shape[1]) if classes is None else np.asarray(check_classes(classes)))

    def knows(self, classes: Any) -> bool:
        return np.array_equal(self.classes, check_classes(classes))

    def encode(self, y: Any, sequences: Sequences) -> np.ndarray:
        """Return the indicator matrix as float32."""
        y = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
        if y.ndim != 2 or y.shape[1] != self.n_outputs:
            raise ValueError(
                f"y has shape {y.shape}, but the model was given {self.n_outputs} labels."
            )
        return y.astype(np.float32)

    def decode(self, answers: Any, sequences: Sequences) -> np.ndarray:
        """Return the indicator matrix of labels whose probability reaches their threshold."""
        return np.asarray(answers >= self.thresholds).astype(np.int64)

    def probabilities(self, answers: Any, sequences: Sequences) -> Any:
        return answers

    def log_odds(self, answers: Any, sequences: Sequences) -> Any:
        return label_log_odds(answers, self.thresholds)

    def use_held_out(self, found: Callable[[], tuple[Any, np.ndarray] | None]) -> None:
        """Tune the thresholds of labels."""
        unseen = found()
        if unseen is not None and len(unseen[0]) >= _FEWEST_TO_TUNE:
            self.thresholds = tune_thresholds(*unseen)

    def describe(self, config: Any) -> str:
        return f"{self.n_outputs} label" + "s" * (self.n_outputs != 1)

    def proportions(self, encoded: np.ndarray) -> np.ndarray:
        return np.asarray(encoded, dtype=np.float64)

    def losses(self, raw: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        return sigmoid_losses(raw, wanted)

    def solved_answers(self, raw: np.ndarray, gain: float, bound: float) -> np.ndarray:
        return bounded_sigmoid(raw, gain, bound)

    def _chosen(self, answers: np.ndarray, encoded: np.ndarray) -> np.ndarray:
        return np.where(encoded > 0, answers, 1 - answers)

    def _share_right(self, truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        return np.where(outputs > 0, truth, 1 - truth).prod(axis=1)

    def column_of(self, raw: Any, label: Any) -> tuple[int, float]:
        return (0 if label is None else int(_place_of(self.classes, label)[0])), 1.0


def _by_output(classes: Any) -> bool:
    """Tell whether the user named the classes of each of several outputs."""
    return classes is not None and all(np.ndim(part) == 1 for part in check_classes(classes))


@final
class JointTarget(_LabelKind):
    """Several labels a sequence, one for each output."""

    head = "joint"
    n_outputs: tuple[int, ...]
    several_outputs = True

    def __init__(self, classes: list[np.ndarray]) -> None:
        self.classes = classes
        self.n_outputs = tuple(len(c) for c in classes)

    @classmethod
    def suits(cls, y: Any, sequences: Sequences, classes: Any = None) -> bool:
        # The first sequences may have no label but 0 and 1.
        return y.ndim == 2 and (
            _by_output(classes) or type_of_target(y, input_name="y") == "multiclass-multioutput"
        )

    @classmethod
    def of(cls, y: Any, sequences: Sequences, classes: Any = None, **options: Any) -> Self:
        columns = y.T if classes is None else check_classes(classes)
        if len(columns) != y.shape[1]:
            raise ValueError(
                f"classes must have one list for each of the {y.shape[1]} outputs of y, got "
                f"{len(columns)}."
            )
        target = cls([np.unique(column) for column in columns])
        for j, own in enumerate(target.classes):
            _require_two(own, f"column {j} of y")
        return target

    def knows(self, classes: Any) -> bool:
        classes = check_classes(classes)
        return len(self.classes) == len(classes) and all(
            np.array_equal(own, np.unique(given))
            for own, given in zip(self.classes, classes, strict=True)
        )

    def encode(self, y: Any, sequences: Sequences) -> np.ndarray:
        """Return class indices, one column for each output."""
        if y.ndim != 2 or y.shape[1] != len(self.classes):
            raise ValueError(
                f"y has shape {y.shape}, but the model was given {len(self.classes)} outputs."
            )
        columns = [class_indices(own, y[:, j]) for j, own in enumerate(self.classes)]
        return np.stack(columns, axis=1)

    def decode(self, answers: Any, sequences: Sequences) -> np.ndarray:
        """Return the most probable label of each row and output."""
        parts = self.probabilities(answers, sequences)
        labels = [
            own[np.argmax(part, axis=1)] for own, part in zip(self.classes, parts, strict=True)
        ]
        return np.stack(labels, axis=1)

    def probabilities(self, answers: Any, sequences: Sequences) -> list[np.ndarray]:
        """Return the probabilities of each output."""
        return np.split(answers, np.cumsum(self.n_outputs)[:-1], axis=1)

    def log_odds(self, answers: Any, sequences: Sequences) -> list[np.ndarray]:
        return [log_odds(part) for part in self.probabilities(answers, sequences)]

    def score(self, y: Any, answers: Any, sequences: Sequences, weights: Any = None) -> float:
        right = (self.decode(answers, sequences) == np.asarray(y)).all(axis=1)
        return float(np.average(right, weights=weights))

    def obstacle(self, path: str) -> str | None:
        if path == "ngrams":
            return None
        return "y has several outputs of labels; fit one classifier for each"

    def describe(self, config: Any) -> str:
        return "joint, " + "+".join(map(str, self.n_outputs)) + " classes"

    def proportions(self, encoded: np.ndarray) -> np.ndarray:
        parts = [np.eye(n)[encoded[:, j]] for j, n in enumerate(self.n_outputs)]
        return np.concatenate(parts, axis=1)

    def losses(self, raw: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        return softmax_losses(raw, wanted, self.n_outputs)

    def solved_answers(self, raw: np.ndarray, gain: float, bound: float) -> np.ndarray:
        return bounded_softmax(raw, gain, bound, self.n_outputs)

    def _chosen(self, answers: np.ndarray, encoded: np.ndarray) -> np.ndarray:
        firsts = np.cumsum((0, *self.n_outputs[:-1]))
        return np.take_along_axis(answers, encoded + firsts, axis=1)

    def _share_right(self, truth: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        return _largest_right(self.n_outputs, truth, outputs)

    def column_of(self, raw: Any, label: Any) -> tuple[int, float]:
        raise ValueError("Attributions are for one label a sequence, not for several outputs.")


def times_class_weight(weights: np.ndarray | None, class_weight: Any, y: Any) -> np.ndarray:
    """Multiply the weights of samples, None for one each, by those of their classes.

    Raises
    ------
    ValueError
        If a class has a weight that is no number between 0 and 1e30.
    """
    given = [class_weight] if isinstance(class_weight, dict) else class_weight
    for part in given if isinstance(given, list) else ():
        for label, weight in part.items() if isinstance(part, dict) else ():
            # NaN fails every comparison.
            if not isinstance(weight, Real) or not 0 <= float(weight) <= 1e30:
                raise ValueError(
                    f"class_weight[{label!r}] must be a number between 0 and 1e30; got {weight!r}."
                )
    by_class = compute_sample_weight(class_weight, y)
    product = by_class if weights is None else weights * by_class
    return bounded_weights(np.asarray(product), "sample_weight times class_weight")


def refuse_other_classes(model: Any, classes: Any) -> None:
    """Refuse what a later call to partial_fit cannot take: other classes, balanced weights."""
    if model.class_weight == "balanced":
        raise ValueError(
            "class_weight='balanced' needs all of y at once, which partial_fit does not see; "
            "pass a dict of weights or sample_weight."
        )
    if classes is None or not model.__sklearn_is_fitted__() or model._target.knows(classes):
        return
    raise ValueError(
        f"classes={list(classes)} is not what the first call to partial_fit was given: "
        f"{list(model.classes_)}."
    )
