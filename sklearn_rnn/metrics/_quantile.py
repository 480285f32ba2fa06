"""Errors of quantiles and intervals. Imports NumPy and its neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._groups import Array, as_columns, average_of, code_groups


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

    With the median alone it is the absolute error as a share of the total (WAPE); over many levels
    it approximates the continuous ranked probability score.

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
        raise ValueError("y_true is 0 throughout; a loss in shares of it is not defined.")
    return size


def interval_coverage(
    y_true: Any,
    y_interval: Any,
    *,
    groups: Any = None,
    average: str | None = "pooled",
    sample_weight: Any = None,
) -> Any:
    """Compute the share of outcomes inside their intervals.

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

    An outcome beyond an end costs its distance from it times 2 / (1 - coverage). Divided by the
    training scale it is MSIS, by which the M4 competition ranked intervals.

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
