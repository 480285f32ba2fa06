"""The transformers keep our promises: our own suite over each, in every form that it takes."""

import pytest

from sklearn_rnn.preprocessing import (
    SequenceImputer,
    SequenceResampler,
    SequenceScaler,
    SlidingWindows,
    ToSequences,
)
from sklearn_rnn.testing import check_sequence_estimator, parametrize_with_sequence_checks

NUMBERS = ["array_2d", "array_3d", "padded_3d", "list", "list_1d", "sequences", "missing", "times"]
NUMBERS += ["pandas", "pandas_static", "pandas_arrow", "polars", "arrow"]


@parametrize_with_sequence_checks(
    [
        SequenceScaler(),
        SequenceScaler("robust", per="sequence"),
        SequenceImputer(),
        SequenceImputer("linear", add_indicator=True, add_time_since=True),
        SequenceResampler(),
        SequenceResampler(rate=0.5, method="mean"),
    ],
    forms=NUMBERS,
)
def test_sequence_checks_of_arithmetic(estimator, check):
    check(estimator)


@parametrize_with_sequence_checks([ToSequences(), SlidingWindows()])
def test_sequence_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("transformer", [SequenceScaler(), SequenceImputer(), SequenceResampler()])
def test_tokens_are_refused_by_name(transformer):
    results = check_sequence_estimator(transformer, forms=["tokens"], on_skip=None)
    by_name = {result["check_name"]: result for result in results}
    refused = by_name["check_fit_returns_self_and_predicts_every_row"]
    assert refused["status"] == "skipped" and "tokens" in str(refused["exception"])


def test_windows_are_more_rows():
    results = check_sequence_estimator(SlidingWindows(2), forms=["list"], on_skip=None)
    assert {result["status"] for result in results} == {"passed", "skipped"}
