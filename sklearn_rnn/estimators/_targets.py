"""Target kinds: how y is read and learned, and what becomes of a model's answers to it.

A kind is one final class, of labels, numbers or tags, in the files beside this one. It knows its
head in `sklearn_rnn.nn`, reads and encodes y, decodes answers, scores them, says what a solved
readout learns, and describes itself; nobody else asks which kind it is. What a head reads is
called raw, and what it decodes answers: probabilities, or numbers in the units of what is encoded.
Imports NumPy, scikit-learn and layer 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Self, final

import numpy as np
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from ..sequences import (
    Sequences,
    align_targets,
    cells_of_lists,
    check_regression_y,
    check_step_y,
    check_weights,
    is_step_y,
    refuse_masked,
)
from ..training import flat_places


class StepLists(list):
    """A list of rows that NumPy takes as an array of rows, whatever their lengths.

    scikit-learn's ``cross_val_predict`` joins predictions with NumPy.

    Parameters
    ----------
    rows : iterable
        One list or array for each sequence.
    is_dense : bool, default=False
        Whether rows of one length become one array of numbers, as those of a plain list do.
    """

    def __init__(self, rows: Iterable = (), *, is_dense: bool = False) -> None:
        super().__init__(rows)
        self.is_dense = is_dense

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        if self.is_dense and len({len(row) for row in self}) == 1:
            return np.array(list(self), dtype=dtype)
        rows = np.empty(len(self), dtype=object)
        rows[:] = [None] * len(self)
        for place, row in enumerate(self):
            rows[place] = row
        return rows


class Target(ABC):
    """A kind of target, fitted to the training y.

    Subclasses are final. What is not abstract here holds for one target a sequence, whose answers
    are numbers.

    Attributes
    ----------
    head : str
        Name of the head in `sklearn_rnn.nn`.
    n_outputs : int or tuple of int
        Its size.
    layout : {"row", "step", "ragged"}
        Where targets stand: one a sequence, one at each step of X, or as many as each y has.
    is_labels : bool
        Whether raw outputs are logits of labels, so that a gain may make them steeper.
    is_smoothed : bool
        Whether label smoothing has an effect.
    stratified : bool
        Whether rows are held out in the proportions of the classes.
    streams : bool
        Whether the answer to the steps so far is that to a sequence that ends here.
    in_double : bool
        Whether single precision would lose what answers tell apart.
    metric : str
        Name of the score.
    several_outputs : bool
        Whether y may be two-dimensional, as scikit-learn's tags say of estimators that take it.
    """

    head: str
    n_outputs: int | tuple[int, ...]
    layout = "row"
    is_labels = False
    is_smoothed = True
    stratified = False
    streams = True
    in_double = False
    metric = "R2"
    several_outputs = False

    # ---------------------------------------------------------------- from y

    @classmethod
    def reads(cls, y: Any, sequences: Sequences) -> bool:
        """Tell whether this kind is to read a y as the user gave it."""
        return True

    @classmethod
    @abstractmethod
    def read(cls, y: Any, sequences: Sequences, estimator: Any = None) -> Any:
        """Check y against X; return it with one entry a sequence, as `encode` takes it."""

    @classmethod
    def suits(cls, y: Any, sequences: Sequences, classes: Any = None) -> bool:
        """Tell whether a y that was read is of this kind."""
        return True

    @classmethod
    @abstractmethod
    def of(cls, y: Any, sequences: Sequences, classes: Any = None, **options: Any) -> Target:
        """Return the kind, fitted to a training y that was read.

        `classes` are all labels that will ever come, where the user named them.
        """

    @abstractmethod
    def encode(self, y: Any, sequences: Sequences) -> np.ndarray:
        """Return what the head learns, by target; refuse what the fitted kind cannot hold."""

    def observed(self, encoded: np.ndarray) -> np.ndarray | None:
        """Return which encoded targets count; None where all do. Only steps may have none."""
        return None

    def offsets(self, y: Any, sequences: Sequences) -> np.ndarray | None:
        """Return where each sequence's encoded targets begin, and the end; None for one each."""
        if self.layout == "ragged":
            return np.cumsum([0, *map(len, y)])
        return None if self.layout == "row" else np.asarray(sequences.offsets)

    def architecture(self) -> dict[str, Any]:
        """Return what the network's configuration says of the targets."""
        return {"head": self.head, "n_outputs": self.n_outputs, "per_step": self.by_step}

    def fitted_attributes(self) -> dict[str, Any]:
        """Return what the estimator tells of the targets, such as ``classes_``."""
        return {}

    def knows(self, classes: Any) -> bool:
        """Tell whether these are the classes that the model has, in whatever order."""
        return True

    def labels_of(self, y: Any) -> Any:
        """Return the label of each target of a y that was read, for the weights of classes."""
        return y

    def statistics(
        self, encoded: np.ndarray, sequences: Sequences, rows: np.ndarray, weights: Any
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return mean and scale that the head counts from, over some rows; None if from nothing."""
        return None

    # ---------------------------------------------------------------- where targets stand

    @property
    def by_step(self) -> bool:
        """Whether the network answers at every step, and not once a sequence.

        A ragged kind says for itself: what is written down of speech is read off its steps.
        """
        return self.layout == "step"

    def spread(self, each: np.ndarray, sequences: Sequences) -> np.ndarray:
        """Return what there is of each sequence for each of its targets, where these are known.

        The targets of a ragged kind are weighed by sequence.
        """
        return np.repeat(each, sequences.lengths) if self.layout == "step" else each

    def places(self, sequences: Sequences, rows: np.ndarray) -> np.ndarray:
        """Return where the encoded targets of some rows stand."""
        if self.layout == "row":
            return rows
        return flat_places(np.asarray(sequences.offsets), rows)

    # ---------------------------------------------------------------- to the user

    @abstractmethod
    def decode(self, answers: Any, sequences: Sequences) -> Any:
        """Return what `predict` gives for a model's answers."""

    def probabilities(self, answers: Any, sequences: Sequences) -> Any:
        """Return what `predict_proba` gives."""
        raise AttributeError("Numbers have no probabilities.")

    def log_odds(self, answers: Any, sequences: Sequences) -> Any:
        """Return what `decision_function` gives."""
        raise AttributeError("Numbers have no log odds.")

    @abstractmethod
    def score(self, y: Any, answers: Any, sequences: Sequences, weights: Any = None) -> float:
        """Return what the estimator's `score` says of answers to sequences with these targets.

        `weights` are those of the sequences.
        """

    @abstractmethod
    def judge(
        self, y: Any, answers: Any, sequences: Sequences, weights: Any
    ) -> tuple[float, float]:
        """Return score and loss of answers to sequences that were held out; y was read."""

    def weights_to_score(self, y: Any, sample_weight: Any, sequences: Sequences) -> Any:
        """Check weights to score by, and refuse what is masked; scikit-learn's scores read it."""
        if self.layout == "row":
            refuse_masked(y, sample_weight)
            return sample_weight
        return check_weights(sample_weight, len(sequences))

    def use_held_out(self, found: Callable[[], tuple[Any, np.ndarray] | None]) -> None:  # noqa: B027
        """Learn from answers to sequences that trained nothing, and their encoded targets."""

    @abstractmethod
    def describe(self, config: Any) -> str:
        """Return in words what comes out, given the network's configuration."""

    # ---------------------------------------------------------------- what is beside the network

    def obstacle(self, path: str) -> str | None:
        """Return why there is no closed form of a kind, "reservoir" or "ngrams"; None if there is.

        Kinds that have one are a `SolvedTarget`.
        """
        return "no readout is solved for this kind of target"

    @property
    def solved(self) -> SolvedTarget | None:
        """The kind itself where a readout can be solved for it, as of the baselines."""
        return None

    def column_of(self, raw: Any, label: Any) -> tuple[int, float]:
        """Return which raw output of one sequence speaks for a label, and with which sign."""
        if label is None:
            return 0, 1.0
        raise ValueError(f"target={label!r} is none of the labels [].")


class SolvedTarget(Target):
    """A kind that a readout can be solved for: what it is solved on, and what it answers.

    Attributes
    ----------
    negligible_loss : float
        A loss that leaves a recurrence nothing to gain.
    """

    negligible_loss = 0.0

    @property
    def solved(self) -> SolvedTarget:
        return self

    def obstacle(self, path: str) -> str | None:
        if self.layout == "row":
            return None
        answering = {"reservoir": "the readout answers", "ngrams": "the n-grams answer"}[path]
        return f"y has one target a step, and {answering} once a sequence"

    @abstractmethod
    def columns(self, encoded: np.ndarray) -> np.ndarray:
        """Return encoded targets as columns of numbers; labels as plus and minus one."""

    def mean_columns(self, encoded: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the weighted mean of the columns."""
        return np.asarray(np.average(self.columns(encoded), axis=0, weights=weights))

    @abstractmethod
    def columns_of(self, answers: Any) -> np.ndarray:
        """Return answers as columns to compare with `columns`."""

    @abstractmethod
    def agreement(self, wanted: np.ndarray, outputs: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """Return how right each line of outputs is; the mean is the score.

        1 or 0 for labels, 1 less its share of R2 for numbers. Outputs are columns; those of labels
        may be in between, as are the wanted ones of copies with different labels.
        """

    @abstractmethod
    def to_raw(self, encoded: np.ndarray, head: Any) -> np.ndarray:
        """Return what ridge regression is to predict of encoded targets, as raw outputs."""

    @abstractmethod
    def from_raw(self, raw: np.ndarray, head: Any) -> np.ndarray:
        """Return raw outputs of a solved readout as columns."""

    @abstractmethod
    def wanted(self, encoded: np.ndarray, head: Any) -> np.ndarray:
        """Return what `losses` compares raw outputs with: proportions of labels, or numbers."""

    @abstractmethod
    def losses(self, raw: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Return each line's loss of raw outputs."""

    def losses_of(self, raw: np.ndarray, encoded: np.ndarray, head: Any) -> np.ndarray:
        """Return each line's loss of raw outputs for encoded targets."""
        return self.losses(raw, self.wanted(encoded, head))

    @abstractmethod
    def solved_answers(self, raw: np.ndarray, gain: float, bound: float) -> np.ndarray:
        """Return the answers of a solved readout: of labels, probabilities.

        A gain leads from what is read out to logits. What lies far outside of all that was seen is
        no more certain than that: outputs beyond the largest left-out one, the bound, are drawn in.
        """


#: The kinds that an estimator takes, in the order in which they are asked.
Kinds = tuple[type[Target], ...]


def read_y(estimator: Any, y: Any, sequences: Sequences) -> Any:
    """Check y against X; return it as the first of the estimator's kinds that reads it gives it."""
    kind = next(kind for kind in estimator._kinds if kind.reads(y, sequences))
    return kind.read(y, sequences, estimator)


def target_of(
    estimator: Any, y: Any, sequences: Sequences, classes: Any = None, **options: Any
) -> Target:
    """Return the first kind that suits a y that was read, fitted to it; set ``classes_``."""
    kind = next(kind for kind in estimator._kinds if kind.suits(y, sequences, classes))
    target = kind.of(y, sequences, classes, **options)
    vars(estimator).update(target.fitted_attributes())
    return target


def score_of(model: Any, X: Any, y: Any, sample_weight: Any, **options: Any) -> float:
    """Return what a fitted estimator's `score` says; its prediction may have options."""
    check_is_fitted(model)
    y, sample_weight = align_targets(X, y, sample_weight)
    target: Target = model._target
    sequences = model._read_for_prediction(X)
    weights = target.weights_to_score(y, sample_weight, sequences)
    answers = model._predict_raw(sequences, **options)
    return target.score(y, answers, sequences, weights)


def answer_of(model: Any, X: Any, method: str) -> Any:
    """Return what a method of the target makes of a fitted estimator's answers."""
    sequences = model._read_for_prediction(X)
    return getattr(model._target, method)(model._predict_raw(sequences), sequences)


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
