"""The public face of the checks: run them all, yield them, or hand them to pytest.

Imports its neighbours in this room.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest import SkipTest

from sklearn.base import clone
from sklearn.exceptions import SkipTestWarning
from sklearn.utils.validation import has_fit_parameter

from . import _checks_of_fits as fits
from . import _checks_of_inputs as inputs
from ._problems import Form, MakeY, Problem, choose_forms, default_y, make_problem, name_of

CheckFunction = Callable[[Any, Problem], None]
Condition = Callable[[Any], bool]


def _always(estimator: Any) -> bool:
    return True


def _transforms(estimator: Any) -> bool:
    return hasattr(estimator, "transform")


def _names_its_output(estimator: Any) -> bool:
    return _transforms(estimator) and hasattr(estimator, "get_feature_names_out")


def _takes_weights(estimator: Any) -> bool:
    return has_fit_parameter(estimator, "sample_weight")


def _learns_from_y(estimator: Any) -> bool:
    return default_y(estimator, []) is not None


def _learns_step_by_step(estimator: Any) -> bool:
    ends = {key.rsplit("__", 1)[-1] for key in estimator.get_params()}
    return "learning_rate" in ends


# Checks that run on every form of X.
_ON_EVERY_FORM: list[tuple[CheckFunction, Condition]] = [
    (inputs.check_fit_returns_self_and_predicts_every_row, _always),
    (inputs.check_rows_do_not_depend_on_their_batch, _always),
    (inputs.check_rows_do_not_depend_on_extreme_mates, _always),
    (fits.check_same_seed_same_bits, _always),
    (fits.check_input_is_not_changed, _always),
    (fits.check_pickle_and_joblib, _always),
    (inputs.check_feature_names_in, _always),
    (inputs.check_feature_names_out_fit, _names_its_output),
    (inputs.check_set_output, lambda e: _transforms(e) and hasattr(e, "set_output")),
]
# Checks for which one form tells as much as another.
_ON_ONE_FORM: list[tuple[CheckFunction, Condition]] = [
    (inputs.check_refit_forgets, _always),
    (fits.check_process_is_left_as_found, _always),
    (fits.check_silent, _always),
    (fits.check_parameters_are_not_changed, _always),
    (fits.check_clone_is_unfitted_and_equal, _always),
    (fits.check_n_jobs_changes_no_bit, lambda e: "n_jobs" in e.get_params()),
    (fits.check_new_process_predicts_the_same_bits, _always),
    (inputs.check_not_fitted_is_said, _always),
    (fits.check_divergence_is_said, _learns_step_by_step),
    (fits.check_interrupt_leaves_a_fitted_model, lambda e: hasattr(e, "set_callbacks")),
    (inputs.check_html, _always),
]
# Checks that put bad rows into a list of arrays.
_ON_LISTS: list[tuple[CheckFunction, Condition]] = [
    (inputs.check_bad_rows_are_named, _always),
    (inputs.check_bad_X_is_refused, _always),
    (inputs.check_other_channels_are_refused, _always),
    (fits.check_failed_fit_leaves_the_model, _always),
]
# Checks of targets and weights of our own making.
_ON_LISTS_WITH_Y: list[tuple[CheckFunction, Condition]] = [
    (inputs.check_bad_y_is_refused, _learns_from_y),
    (fits.check_rows_of_weight_zero_teach_nothing, _takes_weights),
    (fits.check_weights_count, _takes_weights),
]


@dataclass(frozen=True)
class SequenceCheck:
    """One check on one form of X; call it with an estimator.

    Attributes
    ----------
    name : str
        Name of the check.
    form : str
        Name of the form.
    """

    name: str
    form: str
    _function: CheckFunction = field(repr=False)
    _form: Form = field(repr=False)
    _make_y: MakeY | None = field(repr=False)

    def __call__(self, estimator: Any) -> None:
        """Raise AssertionError when the promise is broken."""
        problem = make_problem(estimator, self._form, self._make_y)
        with warnings.catch_warnings():
            # The library announces it of every use, for as long as it is young.
            warnings.filterwarnings("ignore", message=".*callback.*experimental.*")
            self._function(estimator, problem)

    def __str__(self) -> str:
        return f"{self.name}[{self.form}]"


def sequence_checks(
    estimator: Any, *, forms: Iterable[str] | None = None, make_y: MakeY | None = None
) -> Iterator[tuple[Any, SequenceCheck]]:
    """Yield the estimator with each check that applies to it.

    Use it to run the checks under a test runner of your own; with pytest,
    `parametrize_with_sequence_checks` is shorter.

    Parameters
    ----------
    estimator : estimator
        A classifier, regressor or transformer of sequences, small enough to be fitted a few
        hundred times.
    forms : iterable of str, default=None
        Forms of X to try: "array_2d", "array_3d", "padded_3d" (NaN after the ends), "list",
        "list_1d", "sequences", "missing" (NaN inside), "times", "pandas", "pandas_static",
        "pandas_arrow", "polars", "arrow", "tokens". None tries all for which the packages are
        installed.
    make_y : callable, default=None
        Makes y from a list of arrays (n_steps, n_channels). None gives labels to classifiers,
        numbers to regressors and no y to others.

    Yields
    ------
    estimator : estimator
        A clone.
    check : callable
        Takes the estimator, raises AssertionError when a promise is broken and
        `unittest.SkipTest` when the estimator says that it does not take this form. Its `name`
        and `form` say what it is.

    Examples
    --------
    >>> from sklearn_rnn.preprocessing import SequenceScaler
    >>> from sklearn_rnn.testing import sequence_checks
    >>> for estimator, check in sequence_checks(SequenceScaler(), forms=["array_3d"]):
    ...     if "batch" in check.name:
    ...         check(estimator)
    ...         print(check)
    check_rows_do_not_depend_on_their_batch[array_3d]
    """
    chosen = choose_forms(forms)
    by_name = {form.name: form for form in chosen}
    some = by_name.get("list") or next((form for form in chosen if form.ragged), chosen[0])
    plan: list[tuple[CheckFunction, Condition, Form]] = []
    plan += [(check, when, form) for form in chosen for check, when in _ON_EVERY_FORM]
    plan += [(check, when, some) for check, when in _ON_ONE_FORM]
    if "list" in by_name:
        plan += [(check, when, some) for check, when in _ON_LISTS]
        if make_y is None:
            plan += [(check, when, some) for check, when in _ON_LISTS_WITH_Y]
    if {"list", "padded_3d"} <= set(by_name):
        plan.append((inputs.check_padding_is_not_read, _always, some))
    alike = [
        form
        for form in chosen
        if form.name in {"padded_3d", "list", "sequences", "pandas", "pandas_arrow", "arrow"}
    ]
    if len(alike) > 1 and some in alike:
        others = [form for form in alike if form is not some]
        plan.append((partial(inputs.check_forms_agree, others=others), _always, some))
    for check, applies, form in plan:
        if applies(estimator):
            function = check.func if isinstance(check, partial) else check
            yield clone(estimator), SequenceCheck(function.__name__, form.name, check, form, make_y)


def check_sequence_estimator(
    estimator: Any,
    *,
    forms: Iterable[str] | None = None,
    make_y: MakeY | None = None,
    expected_failed_checks: dict[str, str] | None = None,
    on_fail: str | None = "raise",
    on_skip: str | None = "warn",
) -> list[dict[str, Any]]:
    """Check that an estimator of sequences keeps the promises that ours keep.

    What scikit-learn's `check_estimator` is for tables, this is for ragged lists, 3-D arrays,
    frames with list columns, `Sequences` and tokens: a row's prediction depends on that row
    alone, whatever its batch or padding; one seed gives the same bits, here, in a pickle and in
    a new process; input, parameters and the process stay as they were; nothing is printed; bad
    input is refused by name; diverging training is not hidden; a fit that fails leaves the
    model that was there, and an interrupted first fit a fitted one; rows of weight zero teach
    nothing. Run `check_estimator` as well.

    Parameters
    ----------
    estimator : estimator
        A classifier, regressor or transformer of sequences, small enough to be fitted a few
        hundred times.
    forms : iterable of str, default=None
        Forms of X to try, as in `sequence_checks`. None tries all for which the packages are
        installed.
    make_y : callable, default=None
        Makes y from a list of arrays (n_steps, n_channels). None gives labels to classifiers,
        numbers to regressors and no y to others.
    expected_failed_checks : dict of str to str, default=None
        Names of checks, with or without the form in brackets, and the reason why they fail.
    on_fail : {"raise", "warn"} or None, default="raise"
        What to do at a failure that was not expected. None only reports it.
    on_skip : {"warn"} or None, default="warn"
        What to do when the estimator says that it does not take a form.

    Returns
    -------
    results : list of dict
        One entry for each check with "check_name", "form", "status" ("passed", "failed", "xfail",
        "skipped") and "exception".

    Raises
    ------
    AssertionError
        When a promise is broken and ``on_fail="raise"``; the message says which, and by what row
        or method.

    See Also
    --------
    parametrize_with_sequence_checks : The same as one pytest test for each check.

    Examples
    --------
    >>> from sklearn_rnn.preprocessing import SequenceScaler
    >>> from sklearn_rnn.testing import check_sequence_estimator
    >>> results = check_sequence_estimator(SequenceScaler(), forms=["list", "padded_3d"])
    >>> {result["status"] for result in results}
    {'passed'}
    """
    if on_fail not in ("raise", "warn", None):
        raise ValueError(f'on_fail must be "raise", "warn" or None; got {on_fail!r}.')
    if on_skip not in ("warn", None):
        raise ValueError(f'on_skip must be "warn" or None; got {on_skip!r}.')
    expected = expected_failed_checks or {}
    results = []
    said: set[str] = set()
    for model, check in sequence_checks(estimator, forms=forms, make_y=make_y):
        reason = expected.get(str(check), expected.get(check.name))
        status = "passed"
        exception: Exception | None = None
        try:
            check(model)
        except SkipTest as skip:
            status, exception = "skipped", skip
            if on_skip == "warn" and str(skip) not in said:
                said.add(str(skip))
                warnings.warn(f"{check} skipped: {skip}", SkipTestWarning, stacklevel=2)
        except Exception as error:
            status, exception = "failed" if reason is None else "xfail", error
            if reason is None and on_fail == "raise":
                raise
            if reason is None and on_fail == "warn":
                warnings.warn(f"{check} failed: {error}", stacklevel=2)
        results.append(
            {
                "estimator": model,
                "check_name": check.name,
                "form": check.form,
                "status": status,
                "exception": exception,
                "expected_to_fail": reason is not None,
                "expected_to_fail_reason": reason,
            }
        )
    return results


def parametrize_with_sequence_checks(
    estimators: Iterable[Any],
    *,
    forms: Iterable[str] | None = None,
    make_y: MakeY | None = None,
    expected_failed_checks: Callable[[Any], dict[str, str]] | None = None,
) -> Any:
    """Make one pytest test of each check, for a function of `estimator` and `check`.

    Parameters
    ----------
    estimators : list of estimators
        As in `check_sequence_estimator`.
    forms : iterable of str, default=None
        Forms of X to try, as in `sequence_checks`.
    make_y : callable, default=None
        Makes y, as in `sequence_checks`.
    expected_failed_checks : callable, default=None
        Takes an estimator and returns a dict of names of checks and reasons; those tests are
        marked as expected to fail, strictly.

    Returns
    -------
    decorator : pytest.MarkDecorator
        For the test function.

    Examples
    --------
    >>> from sklearn_rnn.preprocessing import SequenceScaler
    >>> from sklearn_rnn.testing import parametrize_with_sequence_checks
    >>> @parametrize_with_sequence_checks([SequenceScaler()])
    ... def test_promises(estimator, check):
    ...     check(estimator)
    """
    import pytest

    forms = None if forms is None else list(forms)
    cases = []
    for estimator in estimators:
        expected = expected_failed_checks(estimator) if expected_failed_checks else {}
        for model, check in sequence_checks(estimator, forms=forms, make_y=make_y):
            reason = expected.get(str(check), expected.get(check.name))
            marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True)]
            label = f"{_short(estimator)}-{check}"
            cases.append(pytest.param(model, check, marks=marks, id=label))
    return pytest.mark.parametrize(("estimator", "check"), cases)


def _short(estimator: Any) -> str:
    """Return the estimator in one line, for the name of a test."""
    text = " ".join(repr(estimator).split())
    return text if len(text) <= 60 else name_of(estimator)
