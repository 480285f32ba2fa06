"""Scorers of forecasts, of tags and of numbers at every step. Imports scikit-learn and neighbours.

They go wherever scikit-learn takes ``scoring=``: searches, cross-validation, learning curves. They
read the scale of training, the quantiles and the tags from the estimator, however it is wrapped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from ..sequences import Array, Sequences, check_step_y, check_weights, unmasked
from ._forecasts import (
    interval_coverage,
    mean_absolute_percentage_error,
    mean_absolute_scaled_error,
    mean_interval_score,
    root_mean_squared_scaled_error,
    symmetric_mean_absolute_percentage_error,
    weighted_quantile_loss,
)
from ._tagging import entity_f1_score, token_accuracy_score


@dataclass
class Unwrapped:
    """A fitted forecaster, the X that it sees, and the way of its targets back to those of y."""

    forecaster: Any
    X: Any
    inverse: Callable[[Array], Array] | None


def unwrap(estimator: Any, X: Any) -> Unwrapped:
    """Find the forecaster in a fitted estimator, and X as its steps before it hand it on."""
    inverses: list[Callable[[Array], Array]] = []
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            if len(estimator.steps) > 1:
                X = estimator[:-1].transform(X)
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "regressor_") and hasattr(estimator, "transformer_"):
            inverses.append(_columnwise(estimator.transformer_))
            estimator = estimator.regressor_
        else:
            break

    def inverse(values: Array) -> Array:
        for step in reversed(inverses):
            values = step(values)
        return values

    return Unwrapped(estimator, X, inverse if inverses else None)


def parameter(estimator: Any, name: str) -> Any:
    """Find a parameter of an estimator or of one inside it."""
    for key, value in estimator.get_params().items():
        if key.rsplit("__", 1)[-1] == name and value is not None:
            return value
    return None


def _columnwise(transformer: Any) -> Callable[[Array], Array]:
    """Return the inverse of a target transformer on blocks (n, K)."""

    def inverse(values: Array) -> Array:
        found = np.asarray(transformer.inverse_transform(values), dtype=np.float64)
        return found.reshape(values.shape)

    return inverse


_OF_FORECASTS: dict[str, Callable[..., Any]] = {
    "mase": mean_absolute_scaled_error,
    "rmsse": root_mean_squared_scaled_error,
    "smape": symmetric_mean_absolute_percentage_error,
    "mape": mean_absolute_percentage_error,
    "quantile_loss": weighted_quantile_loss,
    "coverage": interval_coverage,
    "interval_score": mean_interval_score,
}


class ForecastScorer:
    """Score the forecasts of a fitted estimator; greater is better.

    The forecaster may stand in a pipeline, a search or a `TransformedTargetRegressor`. Scaled
    errors are divided by the seasonal naive error of the training history, for each series by its
    own.

    Parameters
    ----------
    metric : {"mase", "rmsse", "smape", "mape", "quantile_loss", "coverage", "interval_score"}
        What to compute. "coverage" is scored by its distance from the promised one.
    average : {"auto", "series", "pooled"}, default="auto"
        The mean over series or over all rows; ``"auto"`` is the metric's own default.
    season_length : int, default=None
        Season of the scale; None is that of the forecaster, and 1 for "rmsse".
    quantiles : tuple of float, default=(0.1, 0.25, 0.5, 0.75, 0.9)
        Levels for "quantile_loss".
    coverage : float, default=0.9
        What the interval promises, for "coverage" and "interval_score".

    Examples
    --------
    >>> from sklearn.model_selection import TimeSeriesSplit, cross_val_score
    >>> from sklearn_rnn import SequenceForecaster
    >>> from sklearn_rnn.datasets import load_air_passengers
    >>> from sklearn_rnn.metrics import ForecastScorer
    >>> data = load_air_passengers(as_frame=True)
    >>> forecaster = SequenceForecaster(horizon=12, closed_form="only")
    >>> scores = cross_val_score(
    ...     forecaster, data.data[[]], data.target, scoring=ForecastScorer("mase"),
    ...     cv=TimeSeriesSplit(2, test_size=12),
    ... )
    >>> bool((scores > -2).all())
    True
    """

    def __init__(
        self,
        metric: str,
        *,
        average: str = "auto",
        season_length: int | None = None,
        quantiles: Any = (0.1, 0.25, 0.5, 0.75, 0.9),
        coverage: float = 0.9,
    ) -> None:
        if metric not in _OF_FORECASTS:
            raise ValueError(f"metric must be one of {list(_OF_FORECASTS)}; got {metric!r}.")
        self.metric = metric
        self.average = average
        self.season_length = season_length
        self.quantiles = quantiles
        self.coverage = coverage

    def __repr__(self) -> str:
        return f"ForecastScorer({self.metric!r})"

    @property
    def __name__(self) -> str:
        return f"{self.metric}_scorer"

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score an estimator on rows that it has not seen.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        X : frame, pandas index or array
            The rows.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            What happened.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows.

        Returns
        -------
        float
            Minus the error.
        """
        inner = unwrap(estimator, X)
        forecaster = inner.forecaster
        if not hasattr(forecaster, "training_scale"):
            raise TypeError(
                f"{type(forecaster).__name__} has no training_scale: this scorer is for "
                "SequenceForecaster, alone or in a pipeline. Use the function of the same metric."
            )
        y = np.asarray(unmasked(y), dtype=np.float64)
        options: dict[str, Any] = {"sample_weight": sample_weight}
        if self.average != "auto":
            options["average"] = self.average
        options["groups"] = forecaster.series_of(inner.X)
        if self.metric in ("mase", "rmsse", "interval_score"):
            options["scale"] = self._scale(inner)
        if self.metric == "quantile_loss":
            found = self._quantiles(inner, self.quantiles)
            return -weighted_quantile_loss(y, found, quantiles=self.quantiles, **options)
        if self.metric in ("coverage", "interval_score"):
            outside = (1 - self.coverage) / 2
            ends = self._quantiles(inner, (outside, 1 - outside))
            if self.metric == "coverage":
                return -abs(interval_coverage(y, ends, **options) - self.coverage)
            return -mean_interval_score(y, ends, coverage=self.coverage, **options)
        return -float(_OF_FORECASTS[self.metric](y, estimator.predict(X), **options))

    def _scale(self, inner: Unwrapped) -> Array:
        """Return the scale of every row, in the units of y."""
        squared = self.metric == "rmsse"
        season = 1 if squared and self.season_length is None else self.season_length
        scale: Array = inner.forecaster.training_scale(
            inner.X, season_length=season, squared=squared, inverse=inner.inverse
        )
        return scale

    @staticmethod
    def _quantiles(inner: Unwrapped, levels: Any) -> Array:
        """Return quantiles (n, K, Q) in the units of y, in the order of the levels."""
        found = np.asarray(inner.forecaster.predict_quantiles(inner.X, levels))
        if inner.inverse is None:
            return found
        block = found if found.ndim == 3 else found[:, None]
        back = [inner.inverse(block[..., k]) for k in range(block.shape[-1])]
        # A falling transformation turns the order around.
        return np.sort(np.stack(back, axis=-1), axis=-1).reshape(found.shape)


mase_scorer = ForecastScorer("mase")
rmsse_scorer = ForecastScorer("rmsse")
smape_scorer = ForecastScorer("smape")
mape_scorer = ForecastScorer("mape")
quantile_loss_scorer = ForecastScorer("quantile_loss")
coverage_scorer = ForecastScorer("coverage")
interval_score_scorer = ForecastScorer("interval_score")


_OF_TAGS: dict[str, Callable[..., Any]] = {
    "entity_f1": entity_f1_score,
    "token_accuracy": token_accuracy_score,
}


class TaggingScorer:
    """Score the tags that a fitted estimator gives; greater is better.

    Pass it as ``scoring=`` wherever scikit-learn takes a callable. The tagger may stand in a
    pipeline or a search. y is read as the tagger reads it; of a pair of a label and tags, only the
    tags are scored.

    Parameters
    ----------
    metric : {"entity_f1", "token_accuracy"}
        What to compute, see `entity_f1_score` and `token_accuracy_score`.
    average : {"micro", "macro", "weighted"}, default="micro"
        How "entity_f1" is averaged over the types of entities.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_rnn import SequenceTagger
    >>> from sklearn_rnn.metrics import entity_f1_scorer
    >>> X = [["fly", "to", "Rome"], ["to", "Oslo", "now"]] * 4
    >>> y = [["O", "O", "B-city"], ["O", "B-city", "O"]] * 4
    >>> search = GridSearchCV(
    ...     SequenceTagger(max_epochs=20, random_state=0), {"hidden_size": [4, 8]},
    ...     scoring=entity_f1_scorer, cv=2,
    ... )
    >>> bool(0 <= search.fit(X, y).best_score_ <= 1)
    True
    """

    def __init__(self, metric: str, *, average: str = "micro") -> None:
        if metric not in _OF_TAGS:
            raise ValueError(f"metric must be one of {list(_OF_TAGS)}; got {metric!r}.")
        if average not in ("micro", "macro", "weighted"):
            raise ValueError(f"average must be 'micro', 'macro' or 'weighted'; got {average!r}.")
        self.metric, self.average = metric, average

    def __repr__(self) -> str:
        more = "" if self.average == "micro" else f", average={self.average!r}"
        return f"TaggingScorer({self.metric!r}{more})"

    @property
    def __name__(self) -> str:
        return f"{self.metric}_scorer"

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score an estimator on sequences that it has not seen.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        X : as the estimator takes it
            The sequences.
        y : list of lists of labels
            The true tags.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weights of the sequences.

        Returns
        -------
        float
            From 0 to 1.
        """
        metric = _OF_TAGS[self.metric]
        if self.metric == "entity_f1":
            metric = partial(metric, average=self.average)
        inner = unwrap(estimator, X)
        if hasattr(inner.forecaster, "_score_tags"):
            return float(inner.forecaster._score_tags(inner.X, y, metric, sample_weight))
        return float(metric(y, estimator.predict(X), sample_weight=sample_weight))


entity_f1_scorer = TaggingScorer("entity_f1")
token_accuracy_scorer = TaggingScorer("token_accuracy")


_OF_STEPS: dict[str, tuple[Callable[..., Any], float]] = {
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
        if metric not in _OF_STEPS:
            raise ValueError(f"metric must be one of {list(_OF_STEPS)}; got {metric!r}.")
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
        function, sign = _OF_STEPS[self.metric]
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
