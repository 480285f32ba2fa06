"""Checks that bad input is refused as scikit-learn refuses it; imports `sequences` only."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError

from ._models import METHODS, fitted, name_of, outputs, seeded
from ._problems import Problem


def _refused(call: Callable[[], Any], what: str, says: str | None = None) -> None:
    """Raise unless the call raises ValueError or TypeError with a message that says it."""
    try:
        call()
    except (ValueError, TypeError) as error:
        message = str(error)
        assert message.strip(), f"{what} is refused without a message."
        if says is not None and not re.search(says, message):
            raise AssertionError(
                f"{what} is refused with {message!r}, which does not say {says!r}."
            ) from error
        return
    except Exception as error:
        raise AssertionError(
            f"{what} raises {type(error).__name__} ({error}) and not ValueError or TypeError."
        ) from error
    raise AssertionError(f"{what} is not refused.")


def check_not_fitted_is_said(estimator: Any, problem: Problem) -> None:
    """Call every method before fit."""
    model = seeded(estimator)
    for method in METHODS:
        if not hasattr(model, method):
            continue
        try:
            getattr(model, method)(problem.X)
        except NotFittedError:
            continue
        raise AssertionError(f"{name_of(model)}.{method} before fit must raise NotFittedError.")


def check_bad_rows_are_named(estimator: Any, problem: Problem) -> None:
    """Spoil one row of X in fit and in prediction; the message names it."""
    n_channels = problem.form.n_channels
    infinite = problem.rows[2].copy()
    infinite[-1, 0] = np.inf
    huge = problem.rows[2].copy()
    huge[-1, -1] = 1e300
    spoiled = {
        "an empty sequence": (3, np.empty((0, n_channels))),
        "an infinite value": (2, infinite),
        "a value too large for float32": (2, huge),
        "a sequence with one channel more": (5, np.zeros((4, n_channels + 1))),
        "a sequence without channels": (4, np.zeros(4)),
        "a sequence of dimension 3": (6, np.zeros((4, n_channels, 2))),
    }
    model = fitted(estimator, problem)
    for what, (row, values) in spoiled.items():
        X = [*problem.rows[:row], values, *problem.rows[row + 1 :]]
        says = rf"(?i)\brows? {row}\b"
        where = f"{name_of(model)}: {what} in row {row}"
        arguments = (X, *problem.keep[1:])
        _refused(partial(seeded(estimator).fit, *arguments), f"{where}, in fit,", says)
        for method in outputs(model, problem.X):
            _refused(partial(getattr(model, method), X), f"{where}, in {method},", says)


def check_bad_X_is_refused(estimator: Any, problem: Problem) -> None:
    """Hand over what is no sequences at all."""
    rows = problem.rows
    dense = np.ones((len(rows), 4))
    bad: dict[str, Any] = {
        "None": None,
        "a number": 5,
        "a string": "sequence",
        "a dict": {"a": rows},
        "a set": {1.0, 2.0},
        "an object": object(),
        "a generator": (row for row in rows),
        "a flat list of numbers": [1.0] * len(rows),
        "a list of strings": ["sequence"] * len(rows),
        "a list of lists of strings": [["a", "b"]] * len(rows),
        "no rows": [],
        "a complex array": dense + 1j,
        "a sparse array": csr_array(dense),
        "an array of four dimensions": np.ones((len(rows), 3, 2, 2)),
        "an array without steps": np.ones((len(rows), 0, 2)),
        "an array without channels": np.ones((len(rows), 3, 0)),
    }
    model = fitted(estimator, problem)
    for what, X in bad.items():
        where = f"{name_of(model)}: {what} as X"
        arguments = (X, *problem.keep[1:])
        _refused(partial(seeded(estimator).fit, *arguments), f"{where}, in fit,")
        for method in outputs(model, problem.X):
            _refused(partial(getattr(model, method), X), f"{where}, in {method},")


def check_other_channels_are_refused(estimator: Any, problem: Problem) -> None:
    """Predict rows with another number of channels; the message has both numbers."""
    model = fitted(estimator, problem)
    n_channels = problem.form.n_channels
    for other in (n_channels - 1, n_channels + 1):
        X = [np.zeros((len(row), other)) for row in problem.rows]
        for method in outputs(model, problem.X):
            what = f"{name_of(model)}.{method}: {other} channels and not {n_channels}"
            _refused(partial(getattr(model, method), X), what, rf"\b{other}\b.*\b{n_channels}\b")


def check_bad_y_is_refused(estimator: Any, problem: Problem) -> None:
    """Hand over targets that are missing, too few, or no numbers."""
    count = len(problem.rows)
    numbers = np.arange(count, dtype=float)
    holes, infinite = numbers.copy(), numbers.copy()
    holes[1], infinite[1] = np.nan, np.inf
    bad: dict[str, tuple[Any, str | None]] = {
        "None": (None, "(?i)y|target"),
        "one target too few": (problem.y[:-1], rf"\b{count - 1}\b"),
        "NaN": (holes, "(?i)nan|missing"),
        "infinity": (infinite, "(?i)inf"),
        "no targets": (problem.y[:0], None),
        "a number": (1.0, None),
    }
    if is_classifier(estimator):
        bad["only one class"] = (np.array(["ash"] * count), "(?i)class")
    else:
        bad["strings"] = (np.array(["ash"] * count), None)
    for what, (y, says) in bad.items():
        model = seeded(estimator)
        where = f"{name_of(model)}.fit: {what} as y"
        _refused(partial(model.fit, problem.X, y), where, says)
