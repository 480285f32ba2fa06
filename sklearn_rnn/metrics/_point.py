"""Errors of point forecasts, scaled and in percent. Imports NumPy and its neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..sequences import warn
from ._groups import Array, as_columns, average_of, code_groups, same_columns
from ._scale import naive_scale


def _scales(
    truth: Array,
    codes: Array,
    labels: list[Any],
    scale: Any,
    y_train: Any,
    train_groups: Any,
    season_length: int,
    squared: bool,
) -> Array:
    """Return the scale of every row, (n_rows, n_targets); NaN where there is none."""
    if (scale is None) == (y_train is None):
        raise ValueError(
            "A scaled error needs the scale of training: pass either y_train or scale."
        )
    if scale is not None:
        found = np.asarray(scale, dtype=np.float64)
        rows = np.broadcast_to(found.reshape(len(found), -1) if found.ndim else found, truth.shape)
    else:
        history = as_columns(y_train, "y_train")
        owners, names = code_groups(train_groups, len(history))
        if names == [0] and train_groups is None and len(labels) > 1:
            raise ValueError(
                "groups names several series; say whose rows y_train has: train_groups."
            )
        table = {
            name: naive_scale(history[owners == code], season_length, squared=squared)
            for code, name in enumerate(names)
        }
        if train_groups is None:
            table = {labels[0]: table[0]}
        absent = [label for label in labels if label not in table]
        if absent:
            raise ValueError(f"Series {absent[0]!r} has no rows in y_train.")
        rows = np.array([table[label] for label in labels])[codes]
    undefined = ~(rows > 0)
    if undefined.any():
        which = [labels[k] for k in np.unique(codes[undefined.any(axis=1)])]
        if undefined.all():
            raise ValueError(
                "The scale is 0 or undefined for every series: their training values never change, "
                "or are too few. Use an error that is not scaled."
            )
        warn(
            f"{len(which)} series are left out, whose training values never change: {which[:5]}.",
        )
    return np.where(undefined, np.nan, rows)


def mean_absolute_scaled_error(
    y_true: Any,
    y_pred: Any,
    *,
    y_train: Any = None,
    scale: Any = None,
    season_length: int = 1,
    groups: Any = None,
    train_groups: Any = None,
    average: str | None = "series",
    sample_weight: Any = None,
) -> Any:
    """Compute MASE: the absolute error in units of the seasonal naive forecast's in training.

    Below 1 a forecast is better than the one-season-ahead naive forecasts of the training series
    were. It can be averaged over series of different scale, which most errors cannot.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,) or (n, n_targets)
        What happened, and what was forecast. Rows where ``y_true`` is NaN do not count.
    y_train : array-like of shape (n_train,) or (n_train, n_targets), default=None
        The training series, each in order of time.
    scale : float or array-like of shape (n,) or (n, n_targets), default=None
        The scale itself, for every row, instead of ``y_train``;
        ``SequenceForecaster.training_scale`` returns it.
    season_length : int, default=1
        Steps in a season; for ``y_train``.
    groups : array-like of shape (n,), default=None
        Which series a row belongs to. None means one series.
    train_groups : array-like of shape (n_train,), default=None
        The same for ``y_train``.
    average : {"series", "pooled", None}, default="series"
        The mean over series of each one's MASE, as in the M competitions; the mean over all rows;
        or a dict with the MASE of each series.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.

    Returns
    -------
    float or dict
        0 is perfect.

    Raises
    ------
    ValueError
        If there is no scale: training values that never change.

    References
    ----------
    R. J. Hyndman and A. B. Koehler, "Another look at measures of forecast accuracy",
    International Journal of Forecasting 22(4), 2006.

    Examples
    --------
    >>> from sklearn_rnn.metrics import mean_absolute_scaled_error
    >>> mean_absolute_scaled_error([5, 7], [4, 8], y_train=[1, 3, 2, 4])
    0.6
    """
    truth, found = same_columns(y_true, y_pred)
    codes, labels = code_groups(groups, len(truth))
    rows = _scales(truth, codes, labels, scale, y_train, train_groups, season_length, False)
    return average_of(np.abs(truth - found) / rows, codes, labels, average, sample_weight)


def root_mean_squared_scaled_error(
    y_true: Any,
    y_pred: Any,
    *,
    y_train: Any = None,
    scale: Any = None,
    season_length: int = 1,
    groups: Any = None,
    train_groups: Any = None,
    average: str | None = "series",
    sample_weight: Any = None,
) -> Any:
    """Compute RMSSE: the root of the squared error in units of the naive forecast's in training.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,) or (n, n_targets)
        What happened, and what was forecast. Rows where ``y_true`` is NaN do not count.
    y_train : array-like of shape (n_train,) or (n_train, n_targets), default=None
        The training series, each in order of time.
    scale : float or array-like of shape (n,) or (n, n_targets), default=None
        The mean squared difference itself, for every row, instead of ``y_train``.
    season_length : int, default=1
        Steps between the values compared; 1 as in the M5 competition.
    groups : array-like of shape (n,), default=None
        Which series a row belongs to. None means one series.
    train_groups : array-like of shape (n_train,), default=None
        The same for ``y_train``.
    average : {"series", "pooled", None}, default="series"
        The mean over series of each one's RMSSE; the root of the mean over all rows; or a dict
        with the RMSSE of each series.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.

    Returns
    -------
    float or dict
        0 is perfect.

    References
    ----------
    S. Makridakis, E. Spiliotis and V. Assimakopoulos, "M5 accuracy competition: results, findings,
    and conclusions", International Journal of Forecasting 38(4), 2022.

    Examples
    --------
    >>> from sklearn_rnn.metrics import root_mean_squared_scaled_error
    >>> root_mean_squared_scaled_error([5, 7], [4, 8], y_train=[1, 3, 2, 4])
    0.577...
    """
    truth, found = same_columns(y_true, y_pred)
    codes, labels = code_groups(groups, len(truth))
    rows = _scales(truth, codes, labels, scale, y_train, train_groups, season_length, True)
    errors = (truth - found) ** 2 / rows
    return average_of(errors, codes, labels, average, sample_weight, finish=np.sqrt)


def symmetric_mean_absolute_percentage_error(
    y_true: Any,
    y_pred: Any,
    *,
    groups: Any = None,
    average: str | None = "series",
    sample_weight: Any = None,
) -> Any:
    """Compute sMAPE: the absolute error over the mean of the two absolute values.

    As a share from 0 to 2; the M competitions state it in percent, 100 times that.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,) or (n, n_targets)
        What happened, and what was forecast. Rows where ``y_true`` is NaN do not count; where
        both are 0 the error is 0.
    groups : array-like of shape (n,), default=None
        Which series a row belongs to. None means one series.
    average : {"series", "pooled", None}, default="series"
        The mean over series, over all rows, or a dict with that of each series.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.

    Returns
    -------
    float or dict
        0 is perfect, 2 the worst.

    References
    ----------
    S. Makridakis and M. Hibon, "The M3-Competition: results, conclusions and implications",
    International Journal of Forecasting 16(4), 2000.

    Examples
    --------
    >>> from sklearn_rnn.metrics import symmetric_mean_absolute_percentage_error
    >>> symmetric_mean_absolute_percentage_error([100, 200], [110, 180])
    0.1002...
    """
    truth, found = same_columns(y_true, y_pred)
    codes, labels = code_groups(groups, len(truth))
    size = (np.abs(truth) + np.abs(found)) / 2
    errors = np.abs(truth - found) / np.where(size == 0, 1.0, size)
    return average_of(errors, codes, labels, average, sample_weight)


def mean_absolute_percentage_error(
    y_true: Any,
    y_pred: Any,
    *,
    groups: Any = None,
    average: str | None = "series",
    sample_weight: Any = None,
) -> Any:
    """Compute MAPE: the absolute error as a share of what happened.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n,) or (n, n_targets)
        What happened, never 0, and what was forecast. Rows where ``y_true`` is NaN do not count.
    groups : array-like of shape (n,), default=None
        Which series a row belongs to. None means one series.
    average : {"series", "pooled", None}, default="series"
        The mean over series, over all rows, or a dict with that of each series.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.

    Returns
    -------
    float or dict
        0 is perfect.

    Raises
    ------
    ValueError
        If a true value is 0, of which nothing is a share.

    Examples
    --------
    >>> from sklearn_rnn.metrics import mean_absolute_percentage_error
    >>> mean_absolute_percentage_error([100, 200], [110, 180])
    0.1
    """
    truth, found = same_columns(y_true, y_pred)
    if (truth == 0).any():
        row = int(np.argwhere(truth == 0)[0][0])
        raise ValueError(
            f"Row {row} of y_true is 0, of which no error is a share. Use a scaled error, such as "
            "mean_absolute_scaled_error."
        )
    codes, labels = code_groups(groups, len(truth))
    return average_of(np.abs((truth - found) / truth), codes, labels, average, sample_weight)
