"""What a target can be: counts are not negative, nor is what its logarithm was taken of. NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..sequences import warn
from ._grid import Array
from ._history import History

_COUNTS = "negative_binomial"


def floors(panel: Any, model: Any) -> Array:
    """Return the least value of each series and target (n_series, n_targets): 0, or -inf."""
    least = np.fmin.reduceat(panel.values, panel.offsets[:-1], axis=0)
    if model.options.distribution == _COUNTS:
        return np.zeros_like(least)
    positive = (least > 0) & (model.choice_.transform is not None)
    return np.where(positive, 0.0, -np.inf)


def bounded(quantiles: Array, floor: Array) -> Array:
    """Lift quantiles (..., Q) to the floor (...): calibration and levels far out know none."""
    return np.maximum(quantiles, floor[..., None])


def transform_of_counts(transform: str | None, distribution: str) -> str | None:
    """Return the transform, which is none for counts; refuse another."""
    if distribution != _COUNTS or transform is None:
        return transform
    if transform != "auto":
        raise ValueError(
            f"distribution='negative_binomial' is one of counts, and target_transform="
            f"{transform!r} would leave none. Set target_transform=None, or another distribution."
        )
    return None


def check_range(history: History, transform: str | None, distribution: str) -> None:
    """Refuse counts below zero; warn of series that a transform leaves as they are."""
    panel = history.panel
    least = np.fmin.reduce(np.fmin.reduceat(panel.values, panel.offsets[:-1], axis=0), axis=1)
    series = int(np.argmax(least < 0))
    if distribution == _COUNTS and least[series] < 0:
        named = f" of series {history.labels[series]!r}" if history.has_ids else ""
        raise ValueError(
            f"distribution='negative_binomial' is one of counts, but y{named} holds "
            f"{least[series]:g}. Correct it, or set distribution='quantile' or 'student_t'."
        )
    if transform in ("log", "box-cox") and (least <= 0).any():
        names = [repr(history.labels[k]) for k in np.flatnonzero(least <= 0)[:5]]
        named = f" ({', '.join(names)})" if history.has_ids else ""
        warn(
            f"target_transform={transform!r} leaves {int((least <= 0).sum())} of {len(least)} "
            f"series{named} as they are: they hold values that are not positive.",
        )
