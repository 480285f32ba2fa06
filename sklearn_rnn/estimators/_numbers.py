"""What regressors share: from y to a target, from outputs to predictions, the score.

Imports scikit-learn, layer 0 and the targets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from ..sequences import (
    Sequences,
    align_targets,
    cells_of_lists,
    check_regression_y,
    check_weights,
    is_step_y,
    refuse_masked,
)
from ._targets import ContinuousTarget, StepTarget, Target


class NumbersMixin(RegressorMixin):
    """Numbers as targets, one or several a sequence or a step, and as predictions."""

    _target: Target
    _read_for_prediction: Callable[[Any], Sequences]
    _predict_raw: Callable[[Sequences], np.ndarray]

    def _prepare_y(self, y: Any, sequences: Sequences) -> Any:
        """Check the targets: one a step stays ragged, others become float64."""
        y = cells_of_lists(y)
        if is_step_y(y, sequences):
            whole = isinstance(y, Sequences) or getattr(y, "ndim", None) == 3
            return y if whole else list(y)
        return check_regression_y(y, len(sequences), estimator=self)

    def _make_target(self, y: Any, sequences: Sequences, classes: Any = None) -> Target:
        """Choose the encoding by the shape of y."""
        if is_step_y(y, sequences):
            return StepTarget(y, sequences)
        return ContinuousTarget(y)

    def predict(self, X: Any) -> Any:
        """Return the predicted numbers.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        predictions : ndarray of shape (n_samples,) or (n_samples, n_outputs), float64
            In the shape of y. With one target a step: a list of arrays, `Sequences` or a 3-D
            array, as y was, also at steps whose target was NaN.
        """
        sequences = self._read_for_prediction(X)
        predictions = self._predict_raw(sequences).astype(np.float64)
        return self._target.decode(predictions, sequences)  # type: ignore[attr-defined]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the coefficient of determination R2, over all steps where y has them.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.
        y : array-like or list of arrays
            The true targets, as in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the sequences.

        Returns
        -------
        score : float
            R2, at most 1; several outputs count alike. Steps whose target is NaN do not.
        """
        check_is_fitted(self)
        y, sample_weight = align_targets(X, y, sample_weight)
        if not self._target.per_step:
            refuse_masked(y, sample_weight)
            return super().score(X, y, sample_weight)
        sequences = self._read_for_prediction(X)
        weights = check_weights(sample_weight, len(sequences))
        if weights is not None:
            weights = np.repeat(weights, sequences.lengths)
        truth, found = self._target.encode(y, sequences), self._predict_raw(sequences)
        seen = self._target.observed(truth)
        if seen is not None:
            truth, found = truth[seen], found[seen]
            weights = None if weights is None else weights[seen]
        return float(r2_score(truth, found, sample_weight=weights))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
