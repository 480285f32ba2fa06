"""Scorers that read the training scale and the quantiles from the estimator. Imports neighbours.

They go wherever scikit-learn takes ``scoring=``: searches, cross-validation, learning curves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..sequences import unmasked
from ._groups import Array
from ._point import (
    mean_absolute_percentage_error,
    mean_absolute_scaled_error,
    root_mean_squared_scaled_error,
    symmetric_mean_absolute_percentage_error,
)
from ._quantile import interval_coverage, mean_interval_score, weighted_quantile_loss
from ._unwrap import Unwrapped, unwrap

METRICS: dict[str, Callable[..., Any]] = {
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
    errors are divided by the seasonal naive error of the history that it was fitted on, each series
    by its own.

    Parameters
    ----------
    metric : {"mase", "rmsse", "smape", "mape", "quantile_loss", "coverage", "interval_score"}
        What to compute. Of "coverage" the distance from what was promised counts.
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
    >>> forecaster = SequenceForecaster(horizon=12, linear="only")
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
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {list(METRICS)}; got {metric!r}.")
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
        return -float(METRICS[self.metric](y, estimator.predict(X), **options))

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
