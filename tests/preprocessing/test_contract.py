"""The transformers keep scikit-learn's contract, checked by scikit-learn itself."""

import pytest
from sklearn.utils import estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_rnn.preprocessing import (
    SequenceImputer,
    SequenceResampler,
    SequenceScaler,
    SlidingWindows,
    ToSequences,
)

TRANSFORMERS = [
    SequenceScaler(),
    SequenceScaler("minmax"),
    SequenceScaler("robust"),
    SequenceScaler(per="sequence"),
    SequenceScaler("minmax", per="sequence"),
    SequenceScaler("robust", per="sequence"),
    SequenceImputer(),
    SequenceImputer("linear"),
    SequenceImputer("median"),
    SequenceImputer(add_indicator=True, add_time_since=True),
    SequenceResampler(),
    SequenceResampler(5),
    SequenceResampler(rate=0.5, method="mean"),
    SequenceResampler(step=0.5, method="nearest"),
    SlidingWindows(),
    ToSequences(trailing_nan="missing"),
    ToSequences(),
]
# NaN at the end of rows is put in by one check, and then taken for padding and cut.
RAGGED = "compares by np.asarray, which holds arrays, not numbers, when the output is ragged"
# A window that is set makes more rows than there were, and refuses what is shorter.
WINDOWS = "gives several rows for one, which scikit-learn has no word for"
SHORT = "needs as many steps as the window has, and the check has fewer"
FRAMES = [t for t in TRANSFORMERS if not isinstance(t, ToSequences)]
FRAMES = [t for t in FRAMES if not getattr(t, "add_indicator", False)]

ALL_NOT_YIELDED = [
    checks.check_param_validation,
    checks.check_dataframe_column_names_consistency,
    checks.check_get_feature_names_out_error,
]
FRAME_NOT_YIELDED = [
    checks.check_set_output_transform,
    checks.check_set_output_transform_pandas,
    checks.check_set_output_transform_polars,
    checks.check_global_output_transform_pandas,
    checks.check_global_set_output_transform_polars,
    checks.check_transformer_get_feature_names_out,
    checks.check_transformer_get_feature_names_out_pandas,
]


def expected_failures(estimator):
    if isinstance(estimator, ToSequences) and estimator.trailing_nan == "padding":
        return {"check_estimators_pickle": RAGGED}
    if isinstance(estimator, SlidingWindows) and estimator.window is not None:
        rows = (
            "check_transformer_data_not_an_array",
            "check_transformer_general",
            "check_methods_sample_order_invariance",
        )
        return dict.fromkeys(rows, WINDOWS) | {"check_fit2d_1feature": SHORT}
    return {}


@parametrize_with_checks(
    [*TRANSFORMERS, SlidingWindows(2)], expected_failed_checks=expected_failures, xfail_strict=True
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", ALL_NOT_YIELDED, ids=lambda check: check.__name__)
@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
def test_checks_that_are_not_yielded(transformer, check):
    check(type(transformer).__name__, transformer)


# The checks fit on frames and transform arrays, and the other way round, without a filter.
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("check", FRAME_NOT_YIELDED, ids=lambda check: check.__name__)
@pytest.mark.parametrize("transformer", FRAMES, ids=repr)
def test_checks_of_frames(transformer, check):
    # ToSequences, and added channels, give no 2-D output that could become a flat frame.
    check(type(transformer).__name__, transformer)
