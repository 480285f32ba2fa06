"""backtest: the forecasts of every origin as one frame. Imports `metrics`, for what it unwraps."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_array

from ..metrics import parameter, unwrap
from ..sequences import (
    _safe_indexing,
    is_frame,
    is_series,
    read_step_table,
    rows_of_targets,
    unmasked,
)


def backtest(
    forecaster: Any,
    X: Any,
    y: Any,
    cv: Any,
    *,
    refit: bool | str = True,
    quantiles: Any = None,
    groups: Any = None,
) -> Any:
    """Forecast from many origins, as it would have been done at the time.

    Parameters
    ----------
    forecaster : estimator
        A `SequenceForecaster`, alone or in a pipeline, a search or a `TransformedTargetRegressor`;
        it is cloned. With ``refit=True`` any regressor will do.
    X : frame, pandas index or array of shape (n_rows, n_features), or None
        The rows, as for `fit`. None where y bears the times, or its rows follow on.
    y : array-like of shape (n_rows,) or (n_rows, n_targets)
        Their targets; NaN is missing.
    cv : splitter or iterable of (train, test)
        Folds in order of time, such as `PanelTimeSeriesSplit` yields.
    refit : {True, False, "warm"}, default=True
        Whether to fit at every origin; to fit at the first and only take in the new rows at the
        others, with `update`; or, with ``"warm"``, to fit at every origin and begin with the
        weights of the one before, in a quarter of the epochs.
    quantiles : array-like of float, default=None
        Levels of the quantile columns; None means those of the forecaster, if it has any.
    groups : array-like of shape (n_rows,), default=None
        Handed to the splitter.

    Returns
    -------
    pandas.DataFrame
        One row for each fold, test row and target, with the columns "fold", id (for a panel),
        "cutoff" (the last time of training), time, "step" (steps ahead of the end of training),
        "target" (for several), "actual", "forecast" and one for each quantile.

    Raises
    ------
    ValueError
        If a training fold reaches beyond the beginning of its test fold, or folds come in an order
        that cannot be updated.

    Examples
    --------
    >>> from sklearn_rnn import SequenceForecaster
    >>> from sklearn_rnn.datasets import load_air_passengers
    >>> from sklearn_rnn.model_selection import PanelTimeSeriesSplit, backtest
    >>> data = load_air_passengers(as_frame=True)
    >>> forecaster = SequenceForecaster(horizon=6, closed_form="only", quantiles=[0.1, 0.9])
    >>> frame = backtest(
    ...     forecaster, data.data[[]], data.target, PanelTimeSeriesSplit(6, n_splits=3)
    ... )
    >>> list(frame.columns)
    ['fold', 'cutoff', 'month', 'step', 'actual', 'forecast', 'q0.1', 'q0.9']
    >>> frame.groupby("fold").size().tolist()
    [6, 6, 6]
    """
    import pandas as pd

    if refit not in (True, False, "warm"):
        raise ValueError(f"refit must be True, False or 'warm'; got {refit!r}.")
    if X is None:
        X, y = rows_of_targets(
            y, id_col=parameter(forecaster, "id_col"), time_col=parameter(forecaster, "time_col")
        )
    truth = _targets(y)
    folds = list(cv.split(X, y, groups)) if hasattr(cv, "split") else list(cv)
    if not folds:
        raise ValueError("cv yields no folds.")
    pieces = []
    fitted: Any = None
    known = np.empty(0, dtype=np.int64)
    for number, (train, test) in enumerate(folds):
        train, test = np.asarray(train), np.asarray(test)
        if fitted is None or refit is True:
            fitted = clone(forecaster)
            if refit == "warm":
                _set_warm(fitted)
            fitted.fit(_safe_indexing(X, train), _safe_indexing(y, train))
        elif refit == "warm":
            fitted.fit(_safe_indexing(X, train), _safe_indexing(y, train))
        else:
            fresh = np.setdiff1d(train, known)
            if len(fresh):
                _update(fitted, _safe_indexing(X, fresh), _safe_indexing(y, fresh))
        known = np.union1d(known, train)
        pieces.append(_forecast_fold(fitted, X, truth, train, test, number, quantiles))
    return pd.concat(pieces, ignore_index=True)


def _targets(y: Any) -> Any:
    """Return targets as float64 of shape (n, K), NaN allowed."""
    y = np.asarray(y) if is_frame(y) or is_series(y) else unmasked(y)
    found = check_array(y, ensure_2d=False, ensure_all_finite="allow-nan", input_name="y")
    return np.asarray(found, dtype=np.float64).reshape(len(found), -1)


def _update(fitted: Any, X: Any, y: Any) -> None:
    """Hand new rows to the forecaster inside an estimator."""
    inner = unwrap(fitted, X)
    if not hasattr(inner.forecaster, "update"):
        raise TypeError(
            f"{type(inner.forecaster).__name__} has no update, which refit=False needs; use "
            "refit=True."
        )
    inner.forecaster.update(inner.X, _forward(fitted, y))


def _forward(fitted: Any, y: Any) -> Any:
    """Take targets to the units of the forecaster, through target transformers."""
    while True:
        if hasattr(fitted, "best_estimator_"):
            fitted = fitted.best_estimator_
        elif hasattr(fitted, "steps"):
            fitted = fitted.steps[-1][1]
        elif hasattr(fitted, "regressor_"):
            block = _targets(y)
            y = np.asarray(fitted.transformer_.transform(block))
            y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
            fitted = fitted.regressor_
        else:
            return y


def _set_warm(estimator: Any) -> None:
    """Have the forecaster, alone or last in a pipeline, begin each fit where the last one ended."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    if "warm_start" not in last.get_params(deep=False):
        raise TypeError(
            f"refit='warm' needs a SequenceForecaster, alone or in a pipeline; "
            f"{type(last).__name__} has no warm_start. Use refit=True or refit=False."
        )
    last.set_params(warm_start=True)


def _forecast_fold(
    fitted: Any, X: Any, truth: Any, train: Any, test: Any, number: int, quantiles: Any
) -> Any:
    """Return the frame of one fold."""
    import pandas as pd

    rows = _safe_indexing(X, test)
    inner = unwrap(fitted, rows)
    source = inner.forecaster
    ids, times, names = _who_and_when(X, source)
    codes = pd.factorize(pd.Series(ids, dtype=object))[0] if ids is not None else None
    late = _check_order(times, codes, train, test)
    frame: dict[str, Any] = {"fold": np.full(len(test), number)}
    if ids is not None:
        frame[names[0]] = [ids[row] for row in test]
    frame["cutoff"] = times[late]
    frame[names[1]] = times[test]
    ahead = getattr(source, "steps_ahead", None)
    frame["step"] = _count_ahead(times, codes, test) if ahead is None else ahead(inner.X)
    point = np.asarray(fitted.predict(rows), dtype=np.float64).reshape(len(test), -1)
    n_targets = point.shape[1]
    levels = list(getattr(source, "quantiles", None) or () if quantiles is None else quantiles)
    block = None
    if levels and hasattr(source, "predict_quantiles"):
        from ..metrics import ForecastScorer

        block = ForecastScorer._quantiles(inner, levels).reshape(*point.shape, -1)
    table = pd.DataFrame(frame)
    if n_targets > 1:
        table = table.loc[table.index.repeat(n_targets)].reset_index(drop=True)
        targets = getattr(source, "target_names_", [f"y{k}" for k in range(n_targets)])
        table["target"] = list(targets) * len(test)
    table["actual"] = truth[test].ravel()
    table["forecast"] = point.ravel()
    if block is not None:
        for place, level in enumerate(levels):
            table[f"q{level:g}"] = block[..., place].ravel()
    return table


def _who_and_when(X: Any, forecaster: Any) -> tuple[Any, Any, tuple[str, str]]:
    """Return ids (or None) and times of all rows, and what they are called."""
    import pandas as pd

    table = read_step_table(
        X,
        id_col=getattr(forecaster, "id_col", None),
        time_col=getattr(forecaster, "time_col", None),
    )
    times = pd.RangeIndex(table.n_rows) if table.times is None else table.times
    return table.ids, times, (table.id_name, table.time_name)


def _check_order(times: Any, codes: Any, train: Any, test: Any) -> Any:
    """Return, for every test row, the last training row of its series; refuse one after it."""
    stamps = np.asarray(times.asi8 if hasattr(times, "asi8") else times)
    owner = np.zeros(len(stamps), dtype=np.int64) if codes is None else np.asarray(codes)
    last: dict[int, int] = {}
    for row in train[np.argsort(stamps[train], kind="stable")]:
        last[int(owner[row])] = int(row)
    fallback = int(train[np.argmax(stamps[train])])
    late = np.array([last.get(int(owner[row]), fallback) for row in test])
    wrong = stamps[late] >= stamps[test]
    if wrong.any():
        row = int(test[np.argmax(wrong)])
        raise ValueError(
            f"Test row {row} ({times[row]}) does not come after its training rows, which reach "
            f"{times[late[np.argmax(wrong)]]}. Use folds in order of time, such as "
            "PanelTimeSeriesSplit."
        )
    return late


def _count_ahead(times: Any, codes: Any, test: Any) -> Any:
    """Count the test rows of each series in order of time, from 1."""
    stamps = np.asarray(times.asi8 if hasattr(times, "asi8") else times)[test]
    owner = np.zeros(len(test), dtype=np.int64) if codes is None else np.asarray(codes)[test]
    order = np.lexsort((stamps, owner))
    ordered = owner[order]
    steps = np.empty(len(test), dtype=np.int64)
    steps[order] = np.arange(len(test)) - np.searchsorted(ordered, ordered) + 1
    return steps
