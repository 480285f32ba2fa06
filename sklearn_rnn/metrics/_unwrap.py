"""The forecaster inside pipelines, searches and target transformers. Imports NumPy only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass
class Unwrapped:
    """A fitted forecaster, the X that it sees, and the way of its targets back to those of y."""

    forecaster: Any
    X: Any
    inverse: Callable[[Array], Array] | None


def unwrap(estimator: Any, X: Any) -> Unwrapped:
    """Find the forecaster in a fitted estimator, and X as its steps before it hand it on."""
    inverses: list[Callable[[Array], Array]] = []
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            if len(estimator.steps) > 1:
                X = estimator[:-1].transform(X)
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "regressor_") and hasattr(estimator, "transformer_"):
            inverses.append(_columnwise(estimator.transformer_))
            estimator = estimator.regressor_
        else:
            break

    def inverse(values: Array) -> Array:
        for step in reversed(inverses):
            values = step(values)
        return values

    return Unwrapped(estimator, X, inverse if inverses else None)


def parameter(estimator: Any, name: str) -> Any:
    """Find a parameter of an estimator or of one inside it."""
    for key, value in estimator.get_params().items():
        if key.rsplit("__", 1)[-1] == name and value is not None:
            return value
    return None


def _columnwise(transformer: Any) -> Callable[[Array], Array]:
    """Return the inverse of a target transformer on blocks (n, K)."""

    def inverse(values: Array) -> Array:
        found = np.asarray(transformer.inverse_transform(values), dtype=np.float64)
        return found.reshape(values.shape)

    return inverse
