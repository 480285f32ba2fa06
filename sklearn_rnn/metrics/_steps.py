"""Scorers of one or several numbers at every step, on ragged rows. Imports scikit-learn, layer 0.

scikit-learn's own regression scorers read y as one array, which ragged rows are not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from ..sequences import Sequences, check_step_y, check_weights
from ._groups import Array

_METRICS: dict[str, tuple[Callable[..., Any], float]] = {
    "absolute_error": (mean_absolute_error, -1.0),
    "squared_error": (mean_squared_error, -1.0),
    "r2": (r2_score, 1.0),
}


class StepScorer:
    """Score a regressor that predicts at every step; greater is better.

    Use it as ``scoring=`` where y has one target, or several, for each step of sequences of unequal
    length. All steps count alike; those whose target is NaN do not count.

    Parameters
    ----------
    metric : {"absolute_error", "squared_error", "r2"}
        What to compute over all steps: minus the mean of an error, or R2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn_rnn import ReservoirRegressor
    >>> from sklearn_rnn.metrics import StepScorer
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=length) for length in (8, 9, 10, 11) * 5]
    >>> y = [np.cumsum(x) for x in X]
    >>> scorer = StepScorer("absolute_error")
    >>> bool((cross_val_score(ReservoirRegressor(20), X, y, scoring=scorer, cv=3) > -1).all())
    True
    """

    def __init__(self, metric: str) -> None:
        if metric not in _METRICS:
            raise ValueError(f"metric must be one of {list(_METRICS)}; got {metric!r}.")
        self.metric = metric

    def __repr__(self) -> str:
        return f"StepScorer({self.metric!r})"

    @property
    def __name__(self) -> str:
        return f"step_{self.metric}_scorer"

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score an estimator on sequences that it has not seen.

        Parameters
        ----------
        estimator : estimator
            Fitted on one or several targets a step; alone, in a pipeline or a search.
        X : array-like, frame, list of arrays or Sequences
            The sequences.
        y : list of arrays, Sequences or 3-D array
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the sequences.

        Returns
        -------
        float
            R2, or minus the error.
        """
        found = _steps_of(estimator.predict(X))
        truth = check_step_y(y, found)
        weights: Array | None = check_weights(sample_weight, len(found))
        seen = ~np.isnan(truth.values).any(axis=1)
        if weights is not None:
            weights = np.repeat(weights, found.lengths)[seen]
        function, sign = _METRICS[self.metric]
        return sign * float(function(truth.values[seen], found.values[seen], sample_weight=weights))


def _steps_of(predictions: Any) -> Sequences:
    """Return predictions of steps as `Sequences`, or say that they are none."""
    if isinstance(predictions, Sequences):
        return predictions
    shape = np.shape(predictions) if isinstance(predictions, np.ndarray) else ()
    if len(shape) == 3:
        return Sequences.from_padded(predictions)
    if not isinstance(predictions, (list, tuple)) or any(np.ndim(row) == 0 for row in predictions):
        raise ValueError(
            "A scorer of steps needs a prediction at every step, and this estimator predicts one a "
            "sequence: fit it on y with a target for each step, or score it by a name such as "
            "'neg_mean_absolute_error'."
        )
    return Sequences.from_list(predictions)


step_absolute_error_scorer = StepScorer("absolute_error")
step_squared_error_scorer = StepScorer("squared_error")
step_r2_scorer = StepScorer("r2")
