"""Checks of a fit: the same bits everywhere, the process left as it was, training that goes wrong.

Imports `sequences` only.
"""

from __future__ import annotations

import contextlib
import copy
import io
import os
import pickle
import random
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import SkipTest

import joblib
import numpy as np
import sklearn
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from ._problems import (
    Problem,
    assert_same_bits,
    assert_same_rows,
    draw_rows,
    fit_or_skip,
    fitted,
    name_of,
    outputs,
    row_outputs,
    seeded,
)


def global_states() -> dict[str, Any]:
    """Return the states of the process that an estimator might touch, in comparable form."""
    states = {
        "the random state of Python": random.getstate(),
        "the random state of NumPy": joblib.hash(np.random.get_state()),  # noqa: NPY002
        "NumPy's error handling": np.geterr(),
        "NumPy's print options": str(np.get_printoptions()),
        "the environment variables": dict(os.environ),
        "the working directory": str(Path.cwd()),
        "the warning filters": list(warnings.filters),
        "scikit-learn's configuration": sklearn.get_config(),
    }
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        states["the random state of torch"] = torch.get_rng_state().numpy().tobytes()
        states["torch's number of threads"] = torch.get_num_threads()
        states["torch's default type"] = torch.get_default_dtype()
        states["torch's gradient mode"] = torch.is_grad_enabled()
        states["torch's deterministic mode"] = torch.are_deterministic_algorithms_enabled()
        if torch.cuda.is_initialized():
            states["the random state of CUDA"] = torch.cuda.get_rng_state().numpy().tobytes()
    return states


@contextlib.contextmanager
def unchanged_globals(who: str) -> Iterator[None]:
    """Raise when the process is not left as it was found."""
    before = global_states()
    yield
    after = global_states()
    for what, state in before.items():
        assert after[what] == state, f"{who} changes {what}."


@contextlib.contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Seed every global random state for a while, then put the old ones back."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    torch: Any = sys.modules.get("torch")
    torch_state = None if torch is None else torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    if torch is not None:
        torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        if torch is not None:
            torch.set_rng_state(torch_state)


@contextlib.contextmanager
def silence_expected(who: str) -> Iterator[None]:
    """Raise when anything is written to standard output or error, or to the working directory."""
    here = Path.cwd()
    captured = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as stream:
        os.chdir(folder)
        try:
            with _descriptors_to(stream.fileno()), contextlib.ExitStack() as stack:
                stack.enter_context(contextlib.redirect_stdout(captured))
                stack.enter_context(contextlib.redirect_stderr(captured))
                yield
            files = sorted(str(path) for path in Path().rglob("*"))
        finally:
            os.chdir(here)
        stream.seek(0)
        text = captured.getvalue() + stream.read().decode(errors="replace")
    assert not text, f"{who} is not silent; it writes {text[:200]!r}."
    assert not files, f"{who} writes files: {files[:5]}."


@contextlib.contextmanager
def _descriptors_to(target: int) -> Iterator[None]:
    """Send what is written past Python's streams, from compiled code, to another file."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    saved = [os.dup(1), os.dup(2)]
    try:
        os.dup2(target, 1)
        os.dup2(target, 2)
        yield
    finally:
        for number, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, number)
            os.close(copy)


_IN_NEW_PROCESS = """
import sys, joblib
model, X, methods = joblib.load(sys.argv[1])
joblib.dump({method: getattr(model, method)(X) for method in methods}, sys.argv[2])
"""


def check_same_seed_same_bits(estimator: Any, problem: Problem) -> None:
    """Fit twice with the same `random_state` under different global seeds."""
    with global_seed(1):
        first = outputs(fitted(estimator, problem), problem.X)
    with global_seed(2):
        model = fitted(estimator, problem)
        second = outputs(model, problem.X)
    assert_same_bits(model, first, second, "between two fits of one seed")


def check_n_jobs_changes_no_bit(estimator: Any, problem: Problem) -> None:
    """Fit with one job and with two."""
    one = seeded(estimator).set_params(n_jobs=1)
    two = seeded(estimator).set_params(n_jobs=2)
    first = outputs(fit_or_skip(one, problem), problem.X)
    second = outputs(fit_or_skip(two, problem), problem.X)
    assert_same_bits(two, first, second, "between n_jobs=1 and n_jobs=2")


def check_process_is_left_as_found(estimator: Any, problem: Problem) -> None:
    """Compare global random states, threads, warnings and settings before and after."""
    model = seeded(estimator)
    with unchanged_globals(f"{name_of(model)}.fit"):
        fit_or_skip(model, problem)
    for method in outputs(model, problem.X):
        with unchanged_globals(f"{name_of(model)}.{method}"):
            getattr(model, method)(problem.X)


def check_silent(estimator: Any, problem: Problem) -> None:
    """Watch the standard streams and the working directory."""
    model = seeded(estimator)
    with silence_expected(f"{name_of(model)}.fit"):
        fit_or_skip(model, problem)
    with silence_expected(f"{name_of(model)}'s prediction"):
        outputs(model, problem.X)


def check_input_is_not_changed(estimator: Any, problem: Problem) -> None:
    """Compare X and y before and after, and hand them over read-only."""
    model = seeded(estimator)
    arguments = problem.keep
    before = joblib.hash(_comparable(arguments))
    fit_or_skip(model, _handing_out(problem, arguments))
    assert joblib.hash(_comparable(arguments)) == before, f"{name_of(model)}.fit changes its input."
    X = arguments[0]
    for method in outputs(model, X):
        getattr(model, method)(X)
        after = joblib.hash(_comparable(arguments))
        assert after == before, f"{name_of(model)}.{method} changes its input."
    locked = copy.deepcopy(arguments)
    for part in locked:
        _lock(part)
    model = fit_or_skip(seeded(estimator), _handing_out(problem, locked))
    outputs(model, locked[0])


def _handing_out(problem: Problem, arguments: tuple[Any, ...]) -> Problem:
    """Return a problem that hands out these very arguments."""
    y = arguments[1] if len(arguments) > 1 else None
    return Problem(replace(problem.form, make=lambda rows: arguments[0]), problem.rows, y)


def _comparable(value: Any) -> Any:
    """Replace frames by lists that joblib can hash the same way each time."""
    if isinstance(value, tuple):
        return tuple(_comparable(item) for item in value)
    if hasattr(value, "to_pylist"):
        return value.to_pylist()
    if hasattr(value, "to_dicts"):
        return value.to_dicts()
    if hasattr(value, "to_dict"):
        return repr(value.dtypes), value.to_dict("list"), list(value.index)
    return value


def _lock(value: Any) -> None:
    """Make arrays read-only, those in lists too."""
    if hasattr(value, "flags") and hasattr(value.flags, "writeable"):
        value.flags.writeable = False
    elif isinstance(value, list):
        for item in value:
            _lock(item)


def check_parameters_are_not_changed(estimator: Any, problem: Problem) -> None:
    """Compare what `get_params` returns before and after, object for object."""
    model = seeded(estimator)
    before = {key: (value, repr(value)) for key, value in model.get_params().items()}
    fit_or_skip(model, problem)
    for key, value in model.get_params().items():
        same = value is before[key][0] or type(value) is type(before[key][0])
        if not same or repr(value) != before[key][1]:
            raise AssertionError(
                f"{name_of(model)}.fit changes the parameter {key} from {before[key][1]} to "
                f"{value!r}."
            )


def check_clone_is_unfitted_and_equal(estimator: Any, problem: Problem) -> None:
    """Clone a fitted model; fit the clone and compare."""
    model = fitted(estimator, problem)
    copied = clone(model)
    extra = [key for key in vars(copied) if key.endswith("_") and not key.startswith("_")]
    assert not extra, f"A clone of {name_of(model)} still has {extra}."
    expected = outputs(model, problem.X)
    fit_or_skip(copied, problem)
    assert_same_bits(model, expected, outputs(copied, problem.X), "in a clone")


def check_pickle_and_joblib(estimator: Any, problem: Problem) -> None:
    """Send a fitted model through pickle, joblib and deepcopy."""
    model = fitted(estimator, problem)
    expected = outputs(model, problem.X)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.joblib"
        joblib.dump(model, path)
        copies = {
            "after pickle": pickle.loads(pickle.dumps(model)),
            "after joblib": joblib.load(path),
            "in a deep copy": copy.deepcopy(model),
        }
    for when, copied in copies.items():
        assert_same_bits(model, expected, outputs(copied, problem.X), when)
    again = outputs(model, problem.X)
    assert_same_bits(model, expected, again, "after the model was pickled")


def check_new_process_predicts_the_same_bits(estimator: Any, problem: Problem) -> None:
    """Load a fitted model in another process and predict there."""
    model = fitted(estimator, problem)
    expected = outputs(model, problem.X)
    with tempfile.TemporaryDirectory() as folder:
        there, back = Path(folder) / "there.joblib", Path(folder) / "back.joblib"
        joblib.dump((model, problem.X, list(expected)), there)
        done = subprocess.run(
            [sys.executable, "-c", _IN_NEW_PROCESS, str(there), str(back)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if "ModuleNotFoundError" in done.stderr and type(model).__module__ in done.stderr:
            raise SkipTest(f"a new process cannot import {type(model).__module__}")
        assert done.returncode == 0, f"{name_of(model)} in a new process: {done.stderr[-2000:]}"
        found = joblib.load(back)
    assert_same_bits(model, expected, found, "in a new process")


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
