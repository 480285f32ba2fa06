"""scikit-learn's checks and ours over the reservoir estimators, at the defaults and smaller."""

import pytest
from sklearn.utils import estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_rnn import ReservoirClassifier, ReservoirRegressor, ReservoirTransformer
from sklearn_rnn.testing import parametrize_with_sequence_checks

KINDS = [ReservoirClassifier, ReservoirRegressor, ReservoirTransformer]


# Asks that a class weight of ten million times another decide 87 of 100 test rows; it is 86.
# A thousand features fit fifty rows exactly, whatever they weigh.
WEIGHTS = "more features than rows fit every row, whatever its weight; it passes at 20 units"


def expected_failures(estimator):
    if isinstance(estimator, ReservoirClassifier) and estimator.hidden_size == 100:
        return {"check_class_weight_classifiers": WEIGHTS}
    return {}


@parametrize_with_checks(
    [kind(*size) for kind in KINDS for size in ((), (20,))],
    expected_failed_checks=expected_failures,
    xfail_strict=True,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


NOT_YIELDED = [
    checks.check_param_validation,
    checks.check_dataframe_column_names_consistency,
    checks.check_set_output_transform,
    checks.check_set_output_transform_pandas,
    checks.check_set_output_transform_polars,
    checks.check_global_output_transform_pandas,
    checks.check_global_set_output_transform_polars,
    checks.check_transformer_get_feature_names_out,
    checks.check_transformer_get_feature_names_out_pandas,
    checks.check_get_feature_names_out_error,
]


# These checks fit on a frame and transform an array, and the reverse, which scikit-learn warns of.
@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
@pytest.mark.filterwarnings("ignore:X has feature names:UserWarning")
@pytest.mark.parametrize("check", NOT_YIELDED, ids=lambda c: c.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_checks_that_are_not_yielded(kind, check):
    check(kind.__name__, kind(5))


@parametrize_with_sequence_checks([kind(4) for kind in KINDS])
def test_sequence_checks(estimator, check):
    check(estimator)


def step_labels(rows):
    return [["up" if value > 0 else "down" for value in row[:, 0]] for row in rows]


def step_numbers(rows):
    return [row[:, 0].cumsum() for row in rows]


@parametrize_with_sequence_checks([ReservoirClassifier(4)], forms=["list"], make_y=step_labels)
def test_sequence_checks_with_labels_of_steps(estimator, check):
    check(estimator)


@parametrize_with_sequence_checks([ReservoirRegressor(4)], forms=["list"], make_y=step_numbers)
def test_sequence_checks_with_numbers_of_steps(estimator, check):
    check(estimator)
