"""Checks of training that goes wrong or is weighted; imports `sequences` only."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from ._models import (
    assert_same_bits,
    assert_same_rows,
    fit_or_skip,
    fitted,
    name_of,
    outputs,
    row_outputs,
    seeded,
)
from ._problems import Problem, draw_rows


def _parameters_ending(model: Any, *names: str) -> list[str]:
    """List parameters of the model or its parts by the last part of their names."""
    return [key for key in model.get_params() if key.rsplit("__", 1)[-1] in names]


def check_divergence_is_said(estimator: Any, problem: Problem) -> None:
    """Train at an absurd learning rate, then on absurd values."""
    hot = seeded(estimator)
    # No more: an estimator may refuse larger rates by name, and this is about what it trains at.
    hot.set_params(**dict.fromkeys(_parameters_ending(hot, "learning_rate"), 1e6))
    hot.set_params(**dict.fromkeys(_parameters_ending(hot, "gradient_clip"), None))
    _fits_finite_or_raises(hot, problem, "at a learning rate of 1e6")
    large = problem.with_rows([row * 1e30 for row in problem.rows])
    _fits_finite_or_raises(seeded(estimator), large, "on values of 1e30")


def _fits_finite_or_raises(model: Any, problem: Problem, when: str) -> None:
    """Raise when a fit neither refuses nor predicts finite numbers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fit_or_skip(model, problem)
    except ValueError as error:
        assert str(error).strip(), f"{name_of(model)}.fit {when} is refused without a message."
        return
    for method, output in row_outputs(model, problem.X, len(problem.rows)).items():
        # A probability of 0 has a logarithm of minus infinity, which is right.
        allowed = np.isneginf if method == "predict_log_proba" else np.zeros_like
        for row, values in enumerate(output):
            if values.dtype.kind == "f" and not (np.isfinite(values) | (allowed(values) > 0)).all():
                raise AssertionError(
                    f"{name_of(model)}.fit {when} neither raises nor gives finite numbers: "
                    f"{method} of row {row} is {values!r}."
                )


class _InterruptAfter:
    """A scikit-learn callback that does what Ctrl-C does, when a number of tasks have ended."""

    def __init__(self, n_tasks: int) -> None:
        self.n_tasks = n_tasks

    def setup(self, estimator: Any, context: Any) -> None:
        """Need nothing."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Leave nothing."""

    def on_fit_task_begin(self, estimator: Any, context: Any, **kwargs: Any) -> None:
        """Let it begin."""

    def on_fit_task_end(self, estimator: Any, context: Any, **kwargs: Any) -> bool:
        """Interrupt when it is time."""
        self.n_tasks -= 1
        if not self.n_tasks:
            raise KeyboardInterrupt
        return False


def check_interrupt_leaves_a_fitted_model(estimator: Any, problem: Problem) -> None:
    """Interrupt training after its first epoch, through scikit-learn's callbacks."""
    model = seeded(estimator)
    model.set_callbacks(_InterruptAfter(1))
    try:
        fit_or_skip(model, problem)
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError(f"{name_of(model)}.fit swallows KeyboardInterrupt.")
    check_is_fitted(model)
    outputs(model, problem.X)
    model.set_callbacks()
    expected = row_outputs(fitted(estimator, problem), problem.X, len(problem.rows))
    found = row_outputs(fit_or_skip(model, problem), problem.X, len(problem.rows))
    assert_same_rows(model, expected, found, "when an earlier fit was interrupted")


def check_failed_fit_leaves_the_model(estimator: Any, problem: Problem) -> None:
    """Fit again on twice the channels, with an infinite value, or with a target too few."""
    rows = [np.hstack((row, row)) for row in problem.rows]
    infinite = [*rows[:-1], np.full_like(rows[-1], np.inf)]
    failing = {"an infinite value": (problem.made(infinite), problem.y)}
    if problem.y is not None:
        failing["too few targets"] = (problem.made(rows), problem.y[:-1])
    for what, (X, y) in failing.items():
        for method in filter(partial(hasattr, estimator), ("fit", "partial_fit")):
            model = fitted(estimator, problem)
            expected = outputs(model, problem.X)
            try:
                getattr(model, method)(*((X,) if y is None else (X, y)))
            except (ValueError, TypeError):
                _answers_as_before(model, problem, expected, f"after {method} failed on {what}")


def _answers_as_before(model: Any, problem: Problem, expected: dict, when: str) -> None:
    """Raise unless a model gives the bits of before."""
    try:
        found = outputs(model, problem.X)
    except Exception as error:
        raise AssertionError(f"{name_of(model)} answers no more {when}: {error}") from error
    assert_same_bits(model, expected, found, when)


def check_rows_of_weight_zero_teach_nothing(estimator: Any, problem: Problem) -> None:
    """Put other rows and targets where the weight is zero."""
    count = len(problem.rows)
    ignored = np.arange(count) % 4 == 1
    weights = np.where(ignored, 0.0, 1.0 + np.arange(count) % 3)
    others = draw_rows(problem.form, np.random.default_rng(3))
    rows = [
        other * 5 if skip else row
        for row, other, skip in zip(problem.rows, others, ignored, strict=True)
    ]
    y = problem.y.copy()
    y[ignored] = y[ignored][::-1] if y.dtype.kind not in "fc" else 100.0
    changed = Problem(problem.form, rows, y)
    expected = fitted(estimator, problem, sample_weight=weights)
    found = fitted(estimator, changed, sample_weight=weights)
    assert_same_rows(
        expected,
        row_outputs(expected, problem.X, count),
        row_outputs(found, problem.X, count),
        "when rows of weight zero hold something else",
    )


def check_weights_count(estimator: Any, problem: Problem) -> None:
    """Compare no weights with ones, and with weights that differ; refuse bad ones."""
    count = len(problem.rows)
    plain = row_outputs(fitted(estimator, problem), problem.X, count)
    ones = fitted(estimator, problem, sample_weight=np.ones(count))
    assert_same_rows(ones, plain, row_outputs(ones, problem.X, count), "when all weights are 1")
    uneven = fitted(estimator, problem, sample_weight=np.geomspace(0.01, 100, count))
    try:
        assert_same_rows(uneven, plain, row_outputs(uneven, problem.X, count), "")
    except AssertionError:
        pass
    else:
        raise AssertionError(f"{name_of(uneven)}.fit takes sample_weight and ignores it.")
    for what, weights in {
        "too few weights": np.ones(count - 1),
        "a weight of NaN": np.r_[np.ones(count - 1), np.nan],
    }.items():
        try:
            fitted(estimator, problem, sample_weight=weights)
        except (ValueError, TypeError):
            continue
        raise AssertionError(f"{name_of(uneven)}.fit does not refuse {what}.")
