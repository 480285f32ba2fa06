"""Rows to series: who a row belongs to, and averages of series or of rows. Imports layer 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..sequences import unmasked

Array = NDArray[Any]
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
