"""make_forecast_pipeline: transformers that see the covariates, and leave ids and times alone.

Imports the rooms below.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..sequences import (
    Versioned,
    _check_feature_names,
    all_or_nothing,
    as_table,
    read_step_table,
    unmasked,
)
from ._grid import Array
from ._reading import is_table


class KeepTime(
    TransformerMixin,
    Versioned,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Apply a transformer to the covariates of a table of steps; keep its index, ids and times.

    Parameters
    ----------
    transformer : transformer
        It sees a pandas frame of the columns beside id and time.
    id_col, time_col : str, default=None
        As for `SequenceForecaster`.

    Attributes
    ----------
    transformer_ : transformer
        The fitted clone.
    n_features_in_ : int
        Columns of X, those of id and time among them.
    feature_names_in_ : ndarray of str
        Their names, when X was a frame with string names.
    """

    def __init__(self, transformer: Any, id_col: Any = None, time_col: Any = None) -> None:
        self.transformer = transformer
        self.id_col = id_col
        self.time_col = time_col

    @all_or_nothing
    def fit(self, X: Any, y: Any = None) -> KeepTime:
        """Fit the transformer to the covariates of X.

        Parameters
        ----------
        X : frame, pandas index or array
            One row a step.
        y : object, default=None
            Handed on.

        Returns
        -------
        self : KeepTime
            The fitted transformer.
        """
        covariates, _ = self._begin(X)
        if covariates is not None:
            self.transformer_.fit(covariates, y)
        return self

    @all_or_nothing
    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Fit the transformer to the covariates of X, and transform them.

        What the transformer does to its own training rows is kept, as an encoder of targets has it.

        Parameters
        ----------
        X : frame, pandas index or array
            One row a step.
        y : object, default=None
            Handed on.
        **fit_params : dict
            Handed on.

        Returns
        -------
        pandas.DataFrame
            As `transform` returns it.
        """
        covariates, kept = self._begin(X)
        if covariates is None:
            return X
        if hasattr(self.transformer_, "fit_transform"):
            found = self.transformer_.fit_transform(covariates, y, **fit_params)
        else:
            found = self.transformer_.fit(covariates, y, **fit_params).transform(covariates)
        return self._put_back(found, covariates, kept)

    def transform(self, X: Any) -> Any:
        """Transform the covariates of X.

        Parameters
        ----------
        X : frame, pandas index or array
            One row a step.

        Returns
        -------
        pandas.DataFrame
            With the index and the columns of id and time that X has, and the new covariates.
        """
        check_is_fitted(self, "transformer_")
        covariates, kept = self._split(X)
        if covariates is None:
            return X
        if set(covariates.columns) == set(self._covariates):
            covariates = covariates[self._covariates]  # names are there: the order is free
        return self._put_back(self.transformer_.transform(covariates), covariates, kept)

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the names of the columns that `transform` gives.

        Parameters
        ----------
        input_features : object, default=None
            Not used.

        Returns
        -------
        ndarray of object
            Those of id and time, where they are columns, and those of the transformer.
        """
        check_is_fitted(self, "transformer_")
        if self.is_empty_:
            return np.asarray(self._kept, dtype=object)
        return np.asarray([*self._kept, *self.transformer_.get_feature_names_out()], dtype=object)

    def set_output(self, *, transform: Any = None) -> KeepTime:
        """Change nothing: the output bears an index, and is pandas.

        Parameters
        ----------
        transform : object, default=None
            Not used.

        Returns
        -------
        self : KeepTime
        """
        return self

    def _begin(self, X: Any) -> tuple[Any, Any]:
        """Make the transformer, note the columns, and split X."""
        X = as_table(X)
        covariates, kept = self._split(X)
        self._covariates = [] if covariates is None else list(covariates.columns)
        self.transformer_ = clone(self.transformer)
        if hasattr(self.transformer_, "set_output"):
            self.transformer_.set_output(transform="pandas")
        self.is_empty_ = covariates is None
        self._kept = [] if kept is None else list(kept.columns)
        columns = getattr(X, "columns", None)
        _check_feature_names(self, X, reset=True)
        if columns is None:
            self.n_features_in_ = 0 if covariates is None else covariates.shape[1]
        else:
            self.n_features_in_ = len(columns)
        return covariates, kept

    @staticmethod
    def _put_back(found: Any, covariates: Any, kept: Any) -> Any:
        """Return transformed covariates with the index, the id and the time they came with."""
        import pandas as pd

        if not isinstance(found, pd.DataFrame):
            found = np.asarray(found.toarray() if hasattr(found, "toarray") else found)
            same = found.shape[1] == covariates.shape[1]
            names = list(covariates.columns) if same else [f"x{k}" for k in range(found.shape[1])]
            found = pd.DataFrame(found, columns=names)
        found = found.set_axis(covariates.index, axis=0)
        return found if kept is None else pd.concat([kept, found], axis=1)

    def _split(self, X: Any) -> tuple[Any, Any]:
        """Return covariates (or None) and the columns of id and time (or None) as frames."""
        import pandas as pd

        X = unmasked(as_table(X))
        if X is None or isinstance(X, pd.Index):
            return None, None
        if not is_table(X):
            array = np.asarray(X)
            frame = pd.DataFrame(array, columns=[f"x{k}" for k in range(array.shape[1])])
            return frame, None
        table = read_step_table(X, id_col=self.id_col, time_col=self.time_col)
        index = X.index if isinstance(X, (pd.DataFrame, pd.Series)) else None
        columns = {name: column.to_numpy() for name, column in table.columns.items()}
        covariates = pd.DataFrame(columns, index=index) if columns else None
        kept = {}
        names = list(getattr(X, "columns", []))
        if self.id_col is not None and self.id_col in names:
            kept[self.id_col] = table.ids
        if table.time_name in names or index is None:
            kept[table.time_name] = table.times
        if covariates is None or not kept:
            return covariates, None
        index = covariates.index
        return covariates, pd.DataFrame({k: pd.Series(v, index=index) for k, v in kept.items()})

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class ForecastPipeline(Pipeline):
    """A pipeline that forecasts: what `make_forecast_pipeline` returns.

    Beside what scikit-learn's pipeline has, it hands the methods of its last step through, with the
    covariates transformed first.
    """

    def fit(self, X: Any, y: Any = None, **params: Any) -> ForecastPipeline:
        """Fit the transformers and the forecaster: all of them, or none.

        Parameters
        ----------
        X : frame, pandas index, array or None
            As for :meth:`SequenceForecaster.fit`.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            The targets.
        **params : dict
            Handed on, as :meth:`sklearn.pipeline.Pipeline.fit` does.

        Returns
        -------
        self : ForecastPipeline
            The fitted pipeline.
        """
        before = [(step, step.__dict__.copy()) for _, step in self.steps]
        try:
            return super().fit(X, y, **params)
        except BaseException:
            for step, known in before:
                step.__dict__ = known
            raise

    def _prepared(self, X: Any) -> Any:
        """Transform covariates, where there are any to transform."""
        return X if X is None or len(self.steps) == 1 else self[:-1].transform(X)

    def forecast(self, horizon: int | None = None, X: Any = None, quantiles: Any = None) -> Any:
        """Forecast every series from the end of its history, as a frame.

        Parameters
        ----------
        horizon : int, default=None
            Steps ahead; None means the horizon that was trained.
        X : frame, default=None
            Rows with the covariates that are known ahead.
        quantiles : array-like of float, default=None
            Levels of the quantile columns.

        Returns
        -------
        frame
            See :meth:`SequenceForecaster.forecast`.
        """
        return self.steps[-1][1].forecast(horizon, self._prepared(X), quantiles)

    def predict_quantiles(self, X: Any, quantiles: Any = None) -> Array:
        """Forecast quantiles of every row of X.

        Parameters
        ----------
        X : frame, pandas index or array
            As for `predict`.
        quantiles : array-like of float, default=None
            Levels; None means those of the forecaster.

        Returns
        -------
        ndarray of shape (n_rows, n_quantiles) or (n_rows, n_targets, n_quantiles)
            The quantiles.
        """
        found: Array = self.steps[-1][1].predict_quantiles(self._prepared(X), quantiles)
        return found

    def predict_interval(self, X: Any, coverage: float = 0.9) -> Array:
        """Forecast an interval for every row of X.

        Parameters
        ----------
        X : frame, pandas index or array
            As for `predict`.
        coverage : float, default=0.9
            The share of outcomes that should fall into it.

        Returns
        -------
        ndarray of shape (n_rows, 2) or (n_rows, n_targets, 2)
            Lower and upper ends.
        """
        found: Array = self.steps[-1][1].predict_interval(self._prepared(X), coverage)
        return found

    def update(self, X: Any, y: Any) -> ForecastPipeline:
        """Take in what happened since, without fitting again.

        Parameters
        ----------
        X : frame, pandas index, array or None
            The new rows.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            Their targets.

        Returns
        -------
        self : ForecastPipeline
            With the longer history.
        """
        self.steps[-1][1].update(self._prepared(X), y)
        return self


def make_forecast_pipeline(*steps: Any, memory: Any = None, verbose: bool = False) -> Any:
    """Chain transformers of covariates and a forecaster, so that times reach the forecaster.

    Most transformers return an array, and with it the time index is gone: the forecaster then has
    to take the rows for the next ones, and a gap goes unnoticed. Here each transformer sees the
    covariates alone, and index, ids and times are put back.

    Parameters
    ----------
    *steps : estimators
        Transformers, and last a `SequenceForecaster`, whose ``id_col`` and ``time_col`` are used.
    memory : str or joblib.Memory, default=None
        Caches fitted transformers, as in `sklearn.pipeline.make_pipeline`.
    verbose : bool, default=False
        Whether to print the time of each step.

    Returns
    -------
    ForecastPipeline
        A `sklearn.pipeline.Pipeline` that has `forecast`, `predict_quantiles`,
        `predict_interval` and `update` as well.

    Raises
    ------
    TypeError
        If the last step does not forecast.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_rnn import SequenceForecaster, make_forecast_pipeline
    >>> from sklearn_rnn.datasets import load_air_passengers
    >>> data = load_air_passengers(as_frame=True)
    >>> pipeline = make_forecast_pipeline(
    ...     StandardScaler(), SequenceForecaster(horizon=12, closed_form="only")
    ... )
    >>> pipeline.fit(data.X_train, data.y_train).predict(data.X_test).shape
    (24,)
    >>> len(pipeline.forecast(24, data.X_test))
    24
    """
    if not steps or not hasattr(steps[-1], "forecast"):
        raise TypeError(
            "The last step must be a SequenceForecaster; got "
            f"{type(steps[-1]).__name__ if steps else 'nothing'}."
        )
    forecaster = steps[-1]
    id_col, time_col = forecaster.id_col, forecaster.time_col
    named: list[tuple[str, Any]] = []
    for step in steps[:-1]:
        name = type(step).__name__.lower()
        taken = sum(known.split("-")[0] == name for known, _ in named)
        named.append((f"{name}-{taken + 1}" if taken else name, KeepTime(step, id_col, time_col)))
    named.append((type(forecaster).__name__.lower(), forecaster))
    return ForecastPipeline(named, memory=memory, verbose=verbose)
