"""Checks of what goes in and comes out: rows by themselves, names, refusals of bad input.

Imports `sequences` only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError

from ._problems import (
    FORMS,
    METHODS,
    Form,
    Problem,
    assert_same_rows,
    fitted,
    name_of,
    outputs,
    row_outputs,
    seeded,
)

# More rows than a prediction takes at once.
_MANY = 300


def check_fit_returns_self_and_predicts_every_row(estimator: Any, problem: Problem) -> None:
    """Fit, call every method, score."""
    model = fitted(estimator, problem)
    assert model.fit(*problem.keep) is model, f"{name_of(model)}.fit must return self."
    count = len(problem.rows)
    for method, rows in row_outputs(model, problem.X, count).items():
        for row, values in enumerate(rows):
            numeric = values.dtype.kind in "fc" and not problem.form.holes
            if numeric and not np.isfinite(values).all():
                raise AssertionError(f"{name_of(model)}.{method}: row {row} is {values!r}.")
    if problem.y is not None and hasattr(model, "score"):
        score = model.score(problem.X, problem.y)
        assert np.isfinite(score), f"{name_of(model)}.score is {score}."


def check_rows_do_not_depend_on_their_batch(estimator: Any, problem: Problem) -> None:
    """Compare rows together with rows alone, reordered, and among very many."""
    model = fitted(estimator, problem)
    rows, count = problem.rows, len(problem.rows)
    together = row_outputs(model, problem.X, count)

    alone: dict[str, list] = {method: [] for method in together}
    for row in rows:
        for method, values in row_outputs(model, problem.made([row]), 1).items():
            alone[method] += values
    assert_same_rows(model, together, alone, "when it is predicted alone")

    order = np.random.default_rng(1).permutation(count)
    mixed = row_outputs(model, problem.made([rows[i] for i in order]), count)
    reordered = {method: [values[i] for i in order] for method, values in together.items()}
    assert_same_rows(model, reordered, mixed, "in another order")

    repeated = np.arange(_MANY) % count
    many = row_outputs(model, problem.made([rows[i] for i in repeated]), _MANY)
    expected = {method: [values[i] for i in repeated] for method, values in together.items()}
    assert_same_rows(model, expected, many, f"among {_MANY} rows")


def check_rows_do_not_depend_on_extreme_mates(estimator: Any, problem: Problem) -> None:
    """Predict beside a row that is much longer and much larger."""
    model = fitted(estimator, problem)
    count = len(problem.rows)
    expected = row_outputs(model, problem.X, count)
    longest = max(len(row) for row in problem.rows)
    repeats = 10 if problem.form.ragged else 1
    mate = np.resize(problem.rows[0], (longest * repeats, problem.form.n_channels))
    if not problem.form.is_tokens:
        mate = mate * 1e3
    found = row_outputs(model, problem.made([mate, *problem.rows]), count + 1)
    without_mate = {method: values[1:] for method, values in found.items()}
    assert_same_rows(model, expected, without_mate, "beside a row of extreme length and size")


def check_padding_is_not_read(estimator: Any, problem: Problem) -> None:
    """Compare ragged rows with the same rows in a NaN-padded array, and with more padding."""
    model = fitted(estimator, problem)
    count = len(problem.rows)
    expected = row_outputs(model, problem.X, count)
    for extra in (0, 1, 20):
        padded = FORMS["padded_3d"].make(problem.rows)
        width = ((0, 0), (0, extra), (0, 0))
        padded = np.pad(padded, width, constant_values=np.nan)
        found = row_outputs(model, padded, count)
        assert_same_rows(model, expected, found, f"in an array with {extra} more steps of padding")
    trained = fitted(estimator, Problem(FORMS["padded_3d"], problem.rows, problem.y))
    found = row_outputs(trained, problem.X, count)
    assert_same_rows(model, expected, found, "when the model was fitted on padded rows")


def check_forms_agree(estimator: Any, problem: Problem, others: list[Form]) -> None:
    """Fit and predict the same rows in several forms."""
    model = fitted(estimator, problem)
    count = len(problem.rows)
    expected = row_outputs(model, problem.X, count)
    for form in others:
        same = Problem(form, problem.rows, problem.y)
        found = row_outputs(fitted(estimator, same), same.X, count)
        assert_same_rows(
            model, expected, found, f"when X comes as {form.name} and not {problem.form.name}"
        )


def check_refit_forgets(estimator: Any, problem: Problem) -> None:
    """Fit on rows with another number of channels first; nothing of it may stay."""
    count = len(problem.rows)
    expected = row_outputs(fitted(estimator, problem), problem.X, count)
    other = [np.column_stack([row, row[::-1, 0]]) for row in problem.rows]
    model = fitted(estimator, problem.with_rows(other))
    model.fit(*problem.keep)
    found = row_outputs(model, problem.X, count)
    assert_same_rows(model, expected, found, "when the model had been fitted on other rows before")


def check_feature_names_in(estimator: Any, problem: Problem) -> None:
    """Fit on a frame and on what has no names."""
    model = fitted(estimator, problem)
    if not problem.form.is_frame:
        named = hasattr(model, "feature_names_in_")
        assert not named, f"{name_of(model)} has feature_names_in_ for X without names."
        return
    names = list(nw.from_native(problem.X, eager_only=True).columns)
    found = list(getattr(model, "feature_names_in_", []))
    assert found == names, f"{name_of(model)}.feature_names_in_ is {found} and not {names}."
    assert hasattr(model, "n_features_in_"), f"{name_of(model)} has no n_features_in_."
    assert model.n_features_in_ == len(names), (
        f"{name_of(model)}.n_features_in_ is {model.n_features_in_} for {len(names)} columns."
    )


def check_feature_names_out_fit(estimator: Any, problem: Problem) -> None:
    """Compare the number of names with the columns of the output."""
    model = fitted(estimator, problem)
    output = outputs(model, problem.X).get("transform")
    if output is None:
        return
    names = model.get_feature_names_out()
    assert len(set(names)) == len(names), f"{name_of(model)}.get_feature_names_out repeats names."
    if isinstance(output, np.ndarray) and output.ndim == 2:
        assert output.shape[1] == len(names), (
            f"{name_of(model)}.get_feature_names_out gives {len(names)} names for "
            f"{output.shape[1]} columns."
        )


def check_set_output(estimator: Any, problem: Problem) -> None:
    """Ask for frames; what is no table must come through unhurt."""
    plain = fitted(estimator, problem)
    output = outputs(plain, problem.X).get("transform")
    if output is None:
        return
    table = isinstance(output, np.ndarray) and output.ndim == 2
    for library in ("pandas", "polars"):
        if not find_spec(library):
            continue
        model = clone(plain).set_output(transform=library)
        model.fit(*problem.keep)
        frame = model.transform(problem.X)
        if not table:
            assert len(frame) == len(output)
            continue
        kind = type(frame).__module__.partition(".")[0]
        assert kind == library, f"{name_of(model)}.transform gives {type(frame)} for {library}."
        assert list(frame.columns) == list(model.get_feature_names_out())
        assert np.array_equal(frame.to_numpy(), output, equal_nan=True)
        if library == "pandas" and isinstance(problem.X, pd.DataFrame):
            assert frame.index.equals(problem.X.index), f"{name_of(model)} drops the index."


def check_html(estimator: Any, problem: Problem) -> None:
    """Render the diagram, before and after fit."""
    for model in (clone(estimator), fitted(estimator, problem)):
        html = model._repr_mimebundle_()["text/html"]
        assert name_of(model) in html, f"The diagram of {name_of(model)} does not name it."


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
