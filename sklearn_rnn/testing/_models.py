"""Seed and fit an estimator, call its methods and compare what they return, row by row.

Imports `sequences` only.
"""

from __future__ import annotations

import re
from typing import Any
from unittest import SkipTest

import narwhals as nw
import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone, is_classifier, is_regressor

from ..sequences import Sequences, read_sequences
from ._problems import Problem

# What a fitted estimator may be asked about X.
METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "transform",
    "hidden_states",
)
TOLERANCE = 1e-5


def seeded(estimator: Any, seed: int = 0) -> Any:
    """Return an unfitted copy with every `random_state` set, those of its parts too."""
    copy = clone(estimator)
    names = [
        name
        for name in copy.get_params()
        if name == "random_state" or name.endswith("__random_state")
    ]
    return copy.set_params(**dict.fromkeys(names, seed))


def fitted(estimator: Any, problem: Problem, **fit_params: Any) -> Any:
    """Return a seeded copy, fitted; skip when it says that it does not take this form of X."""
    return fit_or_skip(seeded(estimator), problem, **fit_params)


def fit_or_skip(model: Any, problem: Problem, **fit_params: Any) -> Any:
    """Fit, unless the estimator refuses the form by a message that names what it cannot take."""
    refusal = problem.form.refusal
    try:
        model.fit(*problem.keep, **fit_params)
    except (ValueError, TypeError) as error:
        if refusal is not None and re.search(refusal, str(error)):
            raise SkipTest(f"{name_of(model)} refuses {problem.form.name}: {error}") from error
        raise
    return model


def name_of(estimator: Any) -> str:
    """Return the name of the estimator's class."""
    return type(estimator).__name__


def outputs(model: Any, X: Any) -> dict[str, Any]:
    """Call every method that the fitted estimator has."""
    results = {}
    for method in METHODS:
        if not hasattr(model, method):
            continue
        try:
            results[method] = getattr(model, method)(X)
        except ValueError:
            # What a model predicts is its first duty; features it may have none of, as when it
            # predicts every step.
            if method != "transform" or not (is_classifier(model) or is_regressor(model)):
                raise
    assert results, f"{name_of(model)} has none of the methods {', '.join(METHODS)}."
    return results


def rows_of(output: Any, method: str, n_rows: int | None = None) -> list[np.ndarray]:
    """Return what a method gave as one array a row; skip when there are not `n_rows`."""
    if isinstance(output, Sequences):
        rows = list(output)
    elif isinstance(output, (list, tuple)) and method.startswith(("predict_", "decision")):
        rows = [np.hstack(parts) for parts in zip(*output, strict=True)]
    elif isinstance(output, (list, tuple)):
        rows = [np.asarray(row) for row in output]
    elif issparse(output):
        rows = list(output.toarray())
    elif nw.dependencies.is_into_dataframe(output):
        rows = list(read_sequences(output))
    else:
        rows = [np.asarray(row) for row in output]
        if getattr(output, "ndim", 0) == 3:
            rows = [_without_padding(row) for row in rows]
    if n_rows is not None and len(rows) != n_rows:
        raise SkipTest(f"{method} returned {len(rows)} rows for {n_rows}")
    return rows


def _without_padding(row: np.ndarray) -> np.ndarray:
    """Cut trailing steps that are NaN throughout."""
    seen = np.flatnonzero(~np.isnan(row).all(axis=1))
    return row[: seen[-1] + 1] if len(seen) else row


def assert_same_rows(
    model: Any, expected: dict[str, list], found: dict[str, list], when: str
) -> None:
    """Compare rows to 1e-5, labels exactly."""
    for method, wanted in expected.items():
        for row, (a, b) in enumerate(zip(wanted, found[method], strict=True)):
            if not _close(a, b):
                raise AssertionError(
                    f"{name_of(model)}.{method}: row {row} is {b!r} and not {a!r} {when}."
                )


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    """Compare two rows."""
    if a.shape != b.shape:
        return False
    if a.dtype.kind in "fc" and b.dtype.kind in "fc":
        return bool(np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True))
    return bool(np.array_equal(a, b))


def assert_same_bits(model: Any, expected: dict, found: dict, when: str) -> None:
    """Compare what all methods gave, bit by bit."""
    for method, wanted in expected.items():
        pairs = zip(rows_of(wanted, method), rows_of(found[method], method), strict=True)
        for row, (a, b) in enumerate(pairs):
            if (a.dtype, a.shape, _bits(a)) != (b.dtype, b.shape, _bits(b)):
                raise AssertionError(
                    f"{name_of(model)}.{method}: the bits of row {row} differ {when}: "
                    f"{a!r} and {b!r}."
                )


def _bits(array: np.ndarray) -> Any:
    """Return the bits of an array; the objects of an object array."""
    return array.tolist() if array.dtype == object else array.tobytes()


def row_outputs(model: Any, X: Any, n_rows: int) -> dict[str, list]:
    """Call every method and split what it gives into rows."""
    return {method: rows_of(output, method, n_rows) for method, output in outputs(model, X).items()}
