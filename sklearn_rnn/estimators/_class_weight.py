"""Weights of classes, checked; imports scikit-learn and layer 0."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from ..sequences import bounded_weights


def times_class_weight(weights: np.ndarray | None, class_weight: Any, y: Any) -> np.ndarray:
    """Multiply the weights of samples, None for one each, by those of their classes.

    Raises
    ------
    ValueError
        If a class has a weight that is no number between 0 and 1e30.
    """
    given = [class_weight] if isinstance(class_weight, dict) else class_weight
    for part in given if isinstance(given, list) else ():
        for label, weight in part.items() if isinstance(part, dict) else ():
            # NaN fails every comparison.
            if not isinstance(weight, Real) or not 0 <= float(weight) <= 1e30:
                raise ValueError(
                    f"class_weight[{label!r}] must be a number between 0 and 1e30; got {weight!r}."
                )
    by_class = compute_sample_weight(class_weight, y)
    product = by_class if weights is None else weights * by_class
    return bounded_weights(np.asarray(product), "sample_weight times class_weight")
