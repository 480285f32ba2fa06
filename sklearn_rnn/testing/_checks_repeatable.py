"""Checks that the same inputs give the same bits, here, in a copy and in a new process.

Imports `sequences` only.
"""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import SkipTest

import joblib
from sklearn.base import clone

from ._models import assert_same_bits, fit_or_skip, fitted, name_of, outputs, seeded
from ._problems import Problem
from ._process import global_seed, silence_expected, unchanged_globals

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
