"""Checks that a row's result depends on the row alone; imports `sequences` only."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._models import assert_same_rows, fitted, name_of, row_outputs
from ._problems import FORMS, Form, Problem

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
