"""What classifiers share: from y to a target, from probabilities to labels, the score.

Imports scikit-learn, layer 0 and the targets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from ..sequences import (
    Sequences,
    align_targets,
    check_classes,
    check_classification_y,
    check_consistent,
    refuse_masked,
)
from ._log_odds import label_log_odds, log_odds
from ._targets import JointTarget, LabelTarget, MultilabelTarget, Target


class LabelsMixin(ClassifierMixin):
    """Labels of any kind as targets, and probabilities of them as predictions."""

    classes_: Any
    _target: Target
    _read_for_prediction: Callable[[Any], Sequences]
    _predict_raw: Callable[[Sequences], np.ndarray]

    def _prepare_y(self, y: Any, sequences: Sequences) -> Any:
        """Check the labels; several outputs stay two-dimensional."""
        labels = check_classification_y(y, estimator=self)
        check_consistent(sequences, labels)
        return labels

    def _make_target(self, y: Any, sequences: Sequences, classes: Any = None) -> Target:
        """Choose the encoding by the kind of y and set ``classes_``."""
        classes = None if classes is None else check_classes(classes)
        kind = type_of_target(y, input_name="y")
        by_output = classes is not None and all(np.ndim(part) == 1 for part in classes)
        if by_output and y.ndim == 2:
            # The first sequences may have no label but 0 and 1.
            kind = "multiclass-multioutput"
        if kind == "multilabel-indicator":
            self.classes_ = np.arange(y.shape[1]) if classes is None else np.asarray(classes)
            return MultilabelTarget(y.shape[1])
        if kind == "multiclass-multioutput":
            columns = y.T if classes is None else classes
            if len(columns) != y.shape[1]:
                raise ValueError(
                    f"classes must have one list for each of the {y.shape[1]} outputs of y, got "
                    f"{len(columns)}."
                )
            target = JointTarget([np.unique(column) for column in columns])
            for j, part in enumerate(target.parts):
                _require_two_classes(part.classes, f"column {j} of y")
            self.classes_ = [part.classes for part in target.parts]
            return target
        self.classes_ = np.unique(y if classes is None else classes)
        _require_two_classes(self.classes_, "y")
        return LabelTarget(self.classes_)

    def _are_known(self, classes: Any) -> bool:
        """Tell whether these are the classes that the model has, in whatever order."""
        classes = check_classes(classes)
        if isinstance(self._target, JointTarget):
            known: list[Any] = [part.classes for part in self._target.parts]
            return len(known) == len(classes) and all(
                np.array_equal(own, np.unique(given))
                for own, given in zip(known, classes, strict=True)
            )
        wanted = np.unique(classes) if isinstance(self._target, LabelTarget) else classes
        return np.array_equal(self.classes_, wanted)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each sequence.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Labels from ``classes_``; for multilabel y the indicator matrix.
        """
        sequences = self._read_for_prediction(X)
        return self._target.decode(self._split(self._predict_raw(sequences)))  # type: ignore[attr-defined]

    def predict_proba(self, X: Any) -> np.ndarray | list[np.ndarray]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float32, or list of them
            In the order of ``classes_``. For multilabel y the probability of each label, of
            shape (n_samples, n_labels); for several outputs a list with one array each.
        """
        sequences = self._read_for_prediction(X)
        return self._split(self._predict_raw(sequences))

    def predict_log_proba(self, X: Any) -> np.ndarray | list[np.ndarray]:
        """Return the logarithm of `predict_proba`.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes), or list of them
            In the order of ``classes_``.
        """
        probabilities = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            if isinstance(probabilities, list):
                return [np.log(p) for p in probabilities]
            return np.log(probabilities)

    def decision_function(self, X: Any) -> np.ndarray | list[np.ndarray]:
        """Return the log odds of the classes, from which `predict` decides.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        log_odds : ndarray of shape (n_samples,) or (n_samples, n_classes), or list of them
            log(p / (1 - p)) of the probabilities p. Of two classes those of ``classes_[1]``, which
            is predicted above 0; of more, one column a class, in the order of ``classes_``, the
            largest of which is predicted. For multilabel y, one column a label, which is given
            from 0 on: where its threshold is not 0.5, its log odds are counted from there. For
            several outputs a list with one array each.
        """
        probabilities = self.predict_proba(X)
        if isinstance(probabilities, list):
            return [log_odds(part) for part in probabilities]
        if isinstance(self._target, MultilabelTarget):
            return label_log_odds(probabilities, self._target.thresholds)
        return log_odds(probabilities)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy: of labels, of whole label sets, or of all outputs at once.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The true labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the sequences.

        Returns
        -------
        score : float
            Share of sequences that are wholly right.
        """
        check_is_fitted(self)
        y, sample_weight = align_targets(X, y, sample_weight)
        refuse_masked(y, sample_weight)
        if isinstance(self._target, JointTarget):
            right = (self.predict(X) == np.asarray(y)).all(axis=1)
            return float(np.average(right, weights=sample_weight))
        return super().score(X, y, sample_weight)

    def _split(self, probabilities: np.ndarray) -> Any:
        """Return the probabilities by output where there are several."""
        if isinstance(self._target, JointTarget):
            return self._target.split(probabilities)
        return probabilities

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags


def _require_two_classes(classes: np.ndarray, where: str) -> None:
    """Refuse to learn when there is nothing to tell apart."""
    if len(classes) < 2:
        raise ValueError(
            f"Classification needs at least 2 classes; {where} contains only one class: "
            f"{classes.tolist()[0]!r}."
        )
