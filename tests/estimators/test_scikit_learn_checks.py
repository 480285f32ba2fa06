"""scikit-learn's own checks, the yielded and the not yielded, over every estimator."""

import pytest
from sklearn.utils import estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_rnn import RNNClassifier, RNNRegressor, SequenceTagger

MINI_BATCHES = (
    "weights enter the loss of mini-batches, and a repeated sample is drawn on its own; "
    "scikit-learn lists the same for its own stochastic ensembles"
)


def estimators():
    """Defaults, made smaller where that only saves time."""
    return [
        RNNClassifier(hidden_size=16, max_epochs=60, batch_size=16, learning_rate=0.01),
        RNNRegressor(hidden_size=32, max_epochs=60, batch_size=16, learning_rate=0.01),
    ]


def expected_failures(estimator):
    return {"check_sample_weight_equivalence_on_dense_data": MINI_BATCHES}


@parametrize_with_checks(estimators(), expected_failed_checks=expected_failures, xfail_strict=True)
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
@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor])
def test_checks_that_are_not_yielded(kind, check):
    estimator = kind(hidden_size=4, max_epochs=2)
    check(kind.__name__, estimator)


LABELS_OF_STEPS = "gives y one label a row, and a tagger needs one for each step"
NOT_OF_TAGGERS = [
    "check_all_zero_sample_weights_error",
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_dtype_object",
    "check_estimators_dtypes",
    "check_estimators_fit_returns_self",
    "check_estimators_overwrite_params",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit2d_predict1d",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_fit_score_takes_y",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in",
    "check_n_features_in_after_fitting",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weights_list",
    "check_sample_weights_not_an_array",
    "check_sample_weights_not_overwritten",
    "check_sample_weights_pandas_series",
    "check_sample_weights_shape",
    "check_transformer_data_not_an_array",
    "check_transformer_general",
]


@parametrize_with_checks(
    [SequenceTagger()],
    expected_failed_checks=lambda _: dict.fromkeys(NOT_OF_TAGGERS, LABELS_OF_STEPS),
    xfail_strict=True,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_checks_of_the_tagger(estimator, check):
    check(estimator)
