"""check_no_leakage: change the future and prove that forecasts stay. Imports `sequences`."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import clone

from ..sequences import (
    StepTable,
    _safe_indexing,
    is_frame,
    is_series,
    read_step_table,
    rows_of_targets,
)


def check_no_leakage(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    cutoff: float = 0.67,
    tol: float = 1e-6,
    random_state: int = 0,
) -> None:
    """Prove that forecasts do not know the future: change it, and see that they stay.

    The estimator is cloned and fitted on the rows before a cutoff. Then the rows after it are
    forecast again and again, while what a forecaster cannot know at the cutoff is changed: the
    targets that come later, where the training rows are views of the same memory; past-only
    covariates; the order of the rows; whether later rows are asked for with them; and, where no
    covariates are known ahead, which other rows are. Last, where the estimator has `update`,
    targets of the history are changed, and the in-sample forecasts of the rows up to the
    change must stay.

    Parameters
    ----------
    estimator : estimator
        A forecaster, alone or in a pipeline or `TransformedTargetRegressor`, with a fixed
        ``random_state``.
    X : frame, pandas index or array of shape (n_rows, n_features), or None
        One row for each (series, time) step, in order of time. None where y bears the times, or its
        rows follow on.
    y : array-like of shape (n_rows,) or (n_rows, n_targets)
        The targets.
    cutoff : float, default=0.67
        Fraction of the time that is training.
    tol : float, default=1e-6
        How far forecasts may move, in units of the standard deviation of y.
    random_state : int, default=0
        Seeds what the future is changed to.

    Raises
    ------
    AssertionError
        If a forecast moves; the message says what it must have known.

    Examples
    --------
    >>> from sklearn_rnn import SequenceForecaster
    >>> from sklearn_rnn.datasets import load_air_passengers
    >>> from sklearn_rnn.testing import check_no_leakage
    >>> data = load_air_passengers(as_frame=True)
    >>> check_no_leakage(SequenceForecaster(12, closed_form="only"), data.data, data.target)
    """
    if X is None:
        X, y = rows_of_targets(
            y, id_col=_parameter(estimator, "id_col"), time_col=_parameter(estimator, "time_col")
        )
    table = read_step_table(
        X, id_col=_parameter(estimator, "id_col"), time_col=_parameter(estimator, "time_col")
    )
    moments = _moments(table)
    distinct = np.unique(moments)
    if len(distinct) < 6:
        raise ValueError(f"There are {len(distinct)} times; the check needs at least 6.")
    first = distinct[int(np.clip(cutoff * len(distinct), 3, len(distinct) - 2))]
    train, test = np.flatnonzero(moments < first), np.flatnonzero(moments >= first)
    values = np.array(y, dtype=np.float64)
    unit = float(np.nanstd(values)) or 1.0
    check = _Check(type(estimator).__name__, tol * unit)
    rng = np.random.default_rng(random_state)
    with warnings.catch_warnings():
        # What is warned of here was done on purpose.
        warnings.simplefilter("ignore", UserWarning)
        _check_future(clone(estimator), X, y, values, moments, train, test, table, check, rng)
        if hasattr(estimator, "update"):
            _check_history(estimator, X, y, values, train, moments, check, rng)


class _Check:
    """Compare forecasts with those made before the future was changed."""

    def __init__(self, name: str, tol: float) -> None:
        self.name, self.tol = name, tol

    def same(self, found: Any, expected: Any, what: str) -> None:
        """Fail where a forecast has moved."""
        found, expected = np.asarray(found), np.asarray(expected)
        moved = np.abs(found - expected).max() if found.size else 0.0
        assert moved <= self.tol, (
            f"{self.name} leaks: forecasts moved by {moved:.3g} when {what} changed. They must "
            "not depend on it."
        )


def _parameter(estimator: Any, name: str) -> Any:
    """Find a parameter of an estimator or of one inside it."""
    for key, value in estimator.get_params().items():
        if key.rsplit("__", 1)[-1] == name and value is not None:
            return value
    return None


def _names(estimator: Any, parameter: str) -> list[Any]:
    """Return the columns that a parameter lists."""
    found = _parameter(estimator, parameter)
    if found is None:
        return []
    return [found] if isinstance(found, (str, int)) else list(found)


def _moments(table: StepTable) -> np.ndarray:
    """Return a number for every row that rises with time."""
    if table.times is None:
        return np.arange(table.n_rows)
    return np.asarray(table.times.asi8 if hasattr(table.times, "asi8") else table.times)


def _check_future(
    model: Any,
    X: Any,
    y: Any,
    values: np.ndarray,
    moments: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    table: StepTable,
    check: _Check,
    rng: np.random.Generator,
) -> None:
    """Forecast the rows after the cutoff, and again in changed futures."""
    # One block of memory, of which the training targets are a view where rows allow it.
    shared = values[np.concatenate([train, test])]
    model.fit(_safe_indexing(X, train), _like(y, shared[: len(train)], train))
    rows = _safe_indexing(X, test)
    expected = np.asarray(model.predict(rows))
    shared[len(train) :] = rng.normal(size=shared[len(train) :].shape) * 1e3
    check.same(model.predict(rows), expected, "targets after the cutoff")
    past = _names(model, "past_covariates")
    if past:
        changed = _change(rows, past, rng)
        check.same(model.predict(changed), expected, f"the past-only covariates {past}")
    taken = {*_names(model, "past_covariates"), *_names(model, "static_covariates")}
    alone = set(table.columns) <= taken  # else forecasts may follow from what others show ahead
    # What is scaled or smoothed over the rows to forecast knows those that come later.
    early = np.flatnonzero(moments[test] <= np.median(moments[test]))
    part = _safe_indexing(rows, early)
    check.same(model.predict(part), expected[early], "the later rows that are asked for with them")
    if table.times is None:
        return
    back = np.arange(len(test))[::-1]
    check.same(model.predict(_safe_indexing(rows, back)), expected[back], "the order of the rows")
    if not alone:
        return
    for some in (back[len(back) // 2 :], np.array([0]), np.array([len(test) - 1])):
        part = _safe_indexing(rows, some)
        check.same(model.predict(part), expected[some], "the other rows that are asked for")


def _like(y: Any, values: np.ndarray, rows: np.ndarray) -> Any:
    """Return some rows of the targets, with other values, as what y is."""
    import pandas as pd

    if isinstance(y, pd.Series):
        return pd.Series(values, index=y.index[rows], name=y.name, copy=False)
    if isinstance(y, pd.DataFrame):
        return pd.DataFrame(values, index=y.index[rows], columns=y.columns, copy=False)
    return values


def _change(rows: Any, names: list[Any], rng: np.random.Generator) -> Any:
    """Return rows with other values in some columns."""
    if is_frame(rows) or is_series(rows):
        import narwhals.stable.v2 as nw

        frame = nw.from_native(rows, eager_only=True)
        for name in names:
            column = frame.get_column(name)
            if column.dtype.is_numeric():
                noise = rng.normal(size=len(column)) * 1e3
                fresh = nw.new_series(name, noise, backend=nw.get_native_namespace(frame))
            else:
                order = rng.permutation(len(column)).tolist()
                fresh = column[order]
            if hasattr(frame.to_native(), "index"):
                native = frame.to_native().copy()
                native[name] = np.asarray(fresh.to_native())
                frame = nw.from_native(native, eager_only=True)
            else:
                frame = frame.with_columns(fresh.alias(name))
        return frame.to_native()
    changed = np.array(rows)
    changed[:, names] = rng.normal(size=changed[:, names].shape) * 1e3
    return changed


def _check_history(
    estimator: Any,
    X: Any,
    y: Any,
    values: np.ndarray,
    train: np.ndarray,
    moments: np.ndarray,
    check: _Check,
    rng: np.random.Generator,
) -> None:
    """Change targets of the history, and see whether in-sample forecasts before them move."""
    distinct = np.unique(moments[train])
    half, change = distinct[len(distinct) // 2], distinct[(3 * len(distinct)) // 4]
    old, new = train[moments[train] < half], train[moments[train] >= half]
    changed = values.copy()
    late = new[moments[new] >= change]
    changed[late] += 1e3 * (1 + np.abs(rng.normal(size=changed[late].shape)))
    until = new[moments[new] <= change]
    found = []
    for targets in (values, changed):
        model = clone(estimator).fit(_safe_indexing(X, old), _like(y, values[old], old))
        model.update(_safe_indexing(X, new), _like(y, targets[new], new))
        found.append(model.predict(_safe_indexing(X, until)))
    check.same(found[1], found[0], "the targets of their own and of later rows (in-sample)")
