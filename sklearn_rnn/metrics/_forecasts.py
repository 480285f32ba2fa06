"""Errors of point forecasts, scaled and in percent, of quantiles and of intervals. Layer 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..sequences import Array, unmasked, warn

AVERAGES = ("series", "pooled", None)


def as_columns(values: Any, name: str, n_rows: int | None = None) -> Array:
    """Return values as float64 of shape (n_rows, n_targets)."""
    found = np.asarray(unmasked(values), dtype=np.float64)
    if found.ndim not in (1, 2):
        raise ValueError(f"{name} must have shape (n,) or (n, n_targets); got {found.shape}.")
    found = found.reshape(len(found), -1)
    if n_rows is not None and len(found) != n_rows:
        raise ValueError(f"{name} has {len(found)} rows, but y_true has {n_rows}.")
    return found


def same_columns(y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    """Return what happened and what was forecast in one shape; NaN in y_true does not count."""
    truth = as_columns(y_true, "y_true")
    found = as_columns(y_pred, "y_pred", len(truth))
    if truth.shape != found.shape:
        raise ValueError(f"y_true has {truth.shape[1]} targets, but y_pred has {found.shape[1]}.")
    lost = np.isnan(found) & ~np.isnan(truth)
    if lost.any():
        raise ValueError(f"Row {int(np.argwhere(lost)[0][0])} of y_pred is NaN.")
    return truth, found


def code_groups(groups: Any, n_rows: int) -> tuple[Array, list[Any]]:
    """Number the series that rows belong to; one series without groups."""
    if groups is None:
        return np.zeros(n_rows, dtype=np.int64), [0]
    labels = list(groups)
    if len(labels) != n_rows:
        raise ValueError(f"groups has {len(labels)} rows, but y_true has {n_rows}.")
    seen: dict[Any, int] = {}
    codes = np.array([seen.setdefault(label, len(seen)) for label in labels], dtype=np.int64)
    return codes, list(seen)


def average_of(
    errors: Array,
    codes: Array,
    labels: list[Any],
    average: str | None,
    sample_weight: Any = None,
    finish: Callable[[Array], Array] | None = None,
) -> Any:
    """Average errors (n, K) over the rows of each series, and over series; NaN does not count.

    ``finish`` is applied to every mean of rows, as the square root is to that of squares.
    """
    if average not in AVERAGES:
        raise ValueError(f"average must be one of {list(AVERAGES)}; got {average!r}.")
    weights = np.ones(len(errors))
    if sample_weight is not None:
        weights = np.asarray(unmasked(sample_weight), dtype=np.float64)
    if weights.shape != (len(errors),):
        raise ValueError(f"sample_weight must have shape ({len(errors)},); got {weights.shape}.")
    if np.isnan(weights).any():
        row = int(np.argmax(np.isnan(weights)))
        raise ValueError(f"sample_weight contains NaN: row {row} has no weight (NaN or masked).")
    finish = finish or (lambda value: value)
    seen = ~np.isnan(errors)
    loads = np.where(seen, weights[:, None], 0.0)
    if not loads.any():
        raise ValueError("There is no row to average over: every error is undefined.")
    if average == "pooled":
        total = np.where(seen, errors * weights[:, None], 0.0).sum()
        return float(finish(total / loads.sum()))
    shape = (len(labels), errors.shape[1])
    sums, masses = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, codes, np.where(seen, errors * weights[:, None], 0.0))
    np.add.at(masses, codes, loads)
    means = finish(np.where(masses > 0, sums / np.where(masses > 0, masses, 1.0), np.nan))
    if average == "series":
        return float(np.nanmean(means))
    each = [np.nan if np.isnan(row).all() else float(np.nanmean(row)) for row in means]
    return dict(zip(labels, each, strict=True))


def naive_scale(y: Array, season_length: int = 1, *, squared: bool = False) -> Array:
    """Return the mean absolute (or squared) seasonal difference of every column.

    Parameters
    ----------
    y : ndarray of shape (n_steps,) or (n_steps, n_targets)
        A training series in order of time; NaN is missing.
    season_length : int, default=1
        Distance of the steps compared. A series no longer than a season is compared from step to
        step.
    squared : bool, default=False
        Whether to square the differences.

    Returns
    -------
    ndarray of shape () or (n_targets,)
        NaN where there is nothing to compare; 0 for a constant series.
    """
    y = np.asarray(y, dtype=np.float64)
    lag = season_length if 0 < season_length < len(y) else 1
    found = _mean_difference(y, lag, squared)
    if lag > 1:
        found = np.where(np.isnan(found), _mean_difference(y, 1, squared), found)
    return np.asarray(found)


def _mean_difference(y: Array, lag: int, squared: bool) -> Array:
    """Average differences over the pairs of steps that were both seen."""
    differences = y[lag:] - y[:-lag]
    differences = differences**2 if squared else np.abs(differences)
    seen = ~np.isnan(differences)
    counts = seen.sum(axis=0)
    sums = np.where(seen, differences, 0.0).sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


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

    Below 1, a forecast is better than the naive forecasts of one season ahead were on the training
    series. MASE can be averaged over series of different scale; most errors cannot.

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

    A number from 0 to 2; the M competitions state it in percent, 100 times that.

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
    """Compute MAPE: the absolute error as a fraction of what happened.

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
        If a true value is 0: no error is a fraction of it.

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
            f"Row {row} of y_true is 0; nothing is a fraction of 0. Use a scaled error, such as "
            "mean_absolute_scaled_error."
        )
    codes, labels = code_groups(groups, len(truth))
    return average_of(np.abs((truth - found) / truth), codes, labels, average, sample_weight)


def _quantile_block(y_true: Any, y_quantiles: Any, quantiles: Any) -> tuple[Array, Array, Array]:
    """Return truth (n, K), forecasts (n, K, Q) and levels (Q,)."""
    truth = as_columns(y_true, "y_true")
    levels = np.atleast_1d(np.asarray(quantiles, dtype=np.float64))
    if not ((levels > 0) & (levels < 1)).all():
        raise ValueError(f"quantiles must lie between 0 and 1; got {quantiles!r}.")
    found = np.asarray(y_quantiles, dtype=np.float64)
    wanted = (*truth.shape, len(levels))
    if found.size != np.prod(wanted) or len(found) != len(truth):
        raise ValueError(
            f"y_quantiles must have shape (n, n_quantiles) or (n, n_targets, n_quantiles), here "
            f"{wanted}; got {found.shape}."
        )
    return truth, found.reshape(wanted), levels


def weighted_quantile_loss(
    y_true: Any,
    y_quantiles: Any,
    *,
    quantiles: Any,
    groups: Any = None,
    average: str | None = "pooled",
    sample_weight: Any = None,
) -> Any:
    """Compute the weighted quantile loss: twice the pinball loss over the size of what happened.

    With the median alone it is the absolute error as a fraction of the total (WAPE). Over many
    levels it approximates the continuous ranked probability score.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, n_targets)
        What happened. Rows where it is NaN do not count.
    y_quantiles : array-like of shape (n, n_quantiles) or (n, n_targets, n_quantiles)
        Forecast quantiles, as `predict_quantiles` returns them.
    quantiles : array-like of float of shape (n_quantiles,)
        Their levels.
    groups : array-like of shape (n,), default=None
        Which series a row belongs to. None means one series.
    average : {"series", "pooled", None}, default="pooled"
        Sums over all rows, as is usual; the mean of the series' own losses; or a dict of these.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.

    Returns
    -------
    float or dict
        0 is perfect.

    Examples
    --------
    >>> from sklearn_rnn.metrics import weighted_quantile_loss
    >>> weighted_quantile_loss([10, 20], [[8, 10], [16, 22]], quantiles=[0.1, 0.5])
    0.053...
    """
    truth, found, levels = _quantile_block(y_true, y_quantiles, quantiles)
    codes, labels = code_groups(groups, len(truth))
    distance = truth[..., None] - found
    pinball = 2 * np.maximum(levels * distance, (levels - 1) * distance).mean(axis=-1)
    # A ratio of sums: both are averaged over the same rows.
    size = np.where(np.isnan(pinball), np.nan, np.abs(truth))
    if average == "pooled":
        top = average_of(pinball, codes, labels, "pooled", sample_weight)
        return top / _positive(average_of(size, codes, labels, "pooled", sample_weight))
    tops = average_of(pinball, codes, labels, None, sample_weight)
    sizes = average_of(size, codes, labels, None, sample_weight)
    each = {label: tops[label] / _positive(sizes[label]) for label in labels}
    if average is None:
        return each
    if average != "series":
        raise ValueError(f"average must be 'series', 'pooled' or None; got {average!r}.")
    return float(np.nanmean(list(each.values())))


def _positive(size: float) -> float:
    """Refuse to divide by a series that is zero throughout."""
    if size == 0:
        raise ValueError("y_true is 0 throughout; a loss in fractions of it is not defined.")
    return size


def interval_coverage(
    y_true: Any,
    y_interval: Any,
    *,
    groups: Any = None,
    average: str | None = "pooled",
    sample_weight: Any = None,
) -> Any:
    """Compute the fraction of outcomes inside their intervals.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, n_targets)
        What happened. Rows where it is NaN do not count.
    y_interval : array-like of shape (n, 2) or (n, n_targets, 2)
        Lower and upper ends, as `predict_interval` returns them; ends belong to the interval.
    groups : array-like of shape (n,), default=None
        Which series a row belongs to. None means one series.
    average : {"series", "pooled", None}, default="pooled"
        Over all rows, the mean over series, or a dict with that of each series.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.

    Returns
    -------
    float or dict
        From 0 to 1; it should be what the interval promised.

    Examples
    --------
    >>> from sklearn_rnn.metrics import interval_coverage
    >>> interval_coverage([1, 2, 3, 4], [[0, 2], [0, 2], [0, 2], [0, 5]])
    0.75
    """
    truth, found = _interval(y_true, y_interval)
    codes, labels = code_groups(groups, len(truth))
    inside = (truth >= found[..., 0]) & (truth <= found[..., 1])
    hits = np.where(np.isnan(truth), np.nan, inside.astype(np.float64))
    return average_of(hits, codes, labels, average, sample_weight)


def mean_interval_score(
    y_true: Any,
    y_interval: Any,
    *,
    coverage: float,
    scale: Any = None,
    groups: Any = None,
    average: str | None = "series",
    sample_weight: Any = None,
) -> Any:
    """Compute the mean interval score: the width, and a fine for each outcome outside.

    An outcome outside costs its distance from the nearer end, times 2 / (1 - coverage). Divided by
    the training scale, the score is MSIS, by which the M4 competition ranked intervals.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, n_targets)
        What happened. Rows where it is NaN do not count.
    y_interval : array-like of shape (n, 2) or (n, n_targets, 2)
        Lower and upper ends, as `predict_interval` returns them.
    coverage : float
        What the interval promises, between 0 and 1.
    scale : float or array-like of shape (n,) or (n, n_targets), default=None
        What to divide by, as ``SequenceForecaster.training_scale`` returns it.
    groups : array-like of shape (n,), default=None
        Which series a row belongs to. None means one series.
    average : {"series", "pooled", None}, default="series"
        The mean over series, over all rows, or a dict with that of each series.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.

    Returns
    -------
    float or dict
        Lower is better.

    References
    ----------
    T. Gneiting and A. E. Raftery, "Strictly proper scoring rules, prediction, and estimation",
    Journal of the American Statistical Association 102(477), 2007.

    Examples
    --------
    >>> from sklearn_rnn.metrics import mean_interval_score
    >>> mean_interval_score([1, 6], [[0, 2], [0, 5]], coverage=0.9)
    13.5
    """
    if not 0 < coverage < 1:
        raise ValueError(f"coverage must lie between 0 and 1; got {coverage!r}.")
    truth, found = _interval(y_true, y_interval)
    codes, labels = code_groups(groups, len(truth))
    low, high = found[..., 0], found[..., 1]
    fine = 2 / (1 - coverage)
    score = high - low + fine * (np.maximum(low - truth, 0) + np.maximum(truth - high, 0))
    if scale is not None:
        rows = np.asarray(scale, dtype=np.float64)
        rows = np.broadcast_to(rows.reshape(len(rows), -1) if rows.ndim else rows, truth.shape)
        score = score / np.where(rows > 0, rows, np.nan)
    return average_of(score, codes, labels, average, sample_weight)


def _interval(y_true: Any, y_interval: Any) -> tuple[Array, Array]:
    """Return truth (n, K) and ends (n, K, 2)."""
    truth = as_columns(y_true, "y_true")
    found = np.asarray(y_interval, dtype=np.float64)
    wanted = (*truth.shape, 2)
    if found.size != np.prod(wanted) or len(found) != len(truth):
        raise ValueError(
            f"y_interval must have shape (n, 2) or (n, n_targets, 2), here {wanted}; got "
            f"{found.shape}."
        )
    found = found.reshape(wanted)
    crossed = found[..., 0] > found[..., 1]
    if crossed.any():
        row = int(np.argwhere(crossed)[0][0])
        raise ValueError(f"Row {row} of y_interval ends below its beginning.")
    return truth, found
