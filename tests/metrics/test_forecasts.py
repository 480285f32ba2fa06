"""Errors of forecasts: hand-made figures, groups, and what is refused."""

import numpy as np
import pytest

from sklearn_rnn.metrics import (
    interval_coverage,
    mean_absolute_percentage_error,
    mean_absolute_scaled_error,
    mean_interval_score,
    root_mean_squared_scaled_error,
    symmetric_mean_absolute_percentage_error,
    weighted_quantile_loss,
)

TRAIN = np.array([1.0, 3.0, 2.0, 4.0, 3.0, 5.0])  # season 2: every difference is 1


def test_mase_by_hand():
    assert mean_absolute_scaled_error(
        [4.0, 8.0], [5.0, 5.0], y_train=TRAIN, season_length=2
    ) == pytest.approx(2.0)
    # one step: differences 2, 1, 2, 1, 2
    assert mean_absolute_scaled_error([4.0, 8.0], [5.0, 5.0], y_train=TRAIN) == pytest.approx(1.25)


def test_seasonal_naive_has_one_in_training():
    y = np.random.default_rng(0).normal(size=60)
    found = mean_absolute_scaled_error(y[12:], y[:-12], y_train=y, season_length=12)
    assert found == pytest.approx(1.0)


def test_rmsse_by_hand():
    # squared differences 4, 1, 4, 1, 4: mean 2.8
    found = root_mean_squared_scaled_error([4.0, 8.0], [5.0, 5.0], y_train=TRAIN)
    assert found == pytest.approx(np.sqrt((1 + 9) / 2 / 2.8))


def test_percentages_by_hand():
    assert symmetric_mean_absolute_percentage_error([1.0, 0.0], [3.0, 0.0]) == pytest.approx(0.5)
    assert mean_absolute_percentage_error([2.0, -4.0], [1.0, -5.0]) == pytest.approx(0.375)
    with pytest.raises(ValueError, match="Row 1 of y_true is 0"):
        mean_absolute_percentage_error([2.0, 0.0], [1.0, 1.0])


def test_series_count_alike_and_rows_do_not():
    truth, found = np.array([0.0, 0.0, 0.0, 0.0]), np.array([1.0, 1.0, 1.0, 8.0])
    options = {"scale": np.ones(4), "groups": ["a", "a", "a", "b"]}
    assert mean_absolute_scaled_error(truth, found, **options) == pytest.approx(4.5)
    pooled = mean_absolute_scaled_error(truth, found, average="pooled", **options)
    assert pooled == pytest.approx(11 / 4)
    each = mean_absolute_scaled_error(truth, found, average=None, **options)
    assert each == {"a": 1.0, "b": 8.0}
    rooted = root_mean_squared_scaled_error(truth, found, average="pooled", **options)
    assert rooted == pytest.approx(np.sqrt((3 + 64) / 4))


def test_every_series_has_its_own_scale():
    found = mean_absolute_scaled_error(
        [10.0, 100.0],
        [11.0, 110.0],
        y_train=[1.0, 10.0, 2.0, 20.0, 3.0, 30.0],
        groups=["a", "b"],
        train_groups=["a", "b"] * 3,
        average=None,
    )
    assert found == pytest.approx({"a": 1.0, "b": 1.0})


def test_missing_values_do_not_count():
    found = mean_absolute_scaled_error([1.0, np.nan], [2.0, 9.0], scale=1.0)
    assert found == pytest.approx(1.0)
    train = [1.0, np.nan, 2.0, 4.0]
    assert mean_absolute_scaled_error([0.0], [1.0], y_train=train) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="Row 1 of y_pred is NaN"):
        mean_absolute_scaled_error([1.0, 2.0], [2.0, np.nan], scale=1.0)


def test_targets_are_averaged():
    found = mean_absolute_scaled_error([[1.0, 1.0]], [[2.0, 4.0]], scale=[[1.0, 1.0]])
    assert found == pytest.approx(2.0)


def test_constant_series_are_left_out_with_a_warning():
    options = {"groups": ["a", "b"], "scale": [0.0, 2.0]}
    with pytest.warns(UserWarning, match="1 series are left out"):
        assert mean_absolute_scaled_error([1, 1], [2, 2], **options) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="never change"):
        mean_absolute_scaled_error([1, 1], [2, 2], y_train=[3, 3, 3])


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({}, "either y_train or scale"),
        ({"scale": 1.0, "average": "mean"}, "average must be"),
        ({"scale": 1.0, "groups": ["a"]}, "groups has 1 rows"),
        ({"y_train": TRAIN, "groups": ["a", "b"]}, "train_groups"),
        (
            {"y_train": TRAIN, "groups": ["a", "b"], "train_groups": ["a"] * 6},
            "'b' has no rows in y_train",
        ),
    ],
)
def test_refusals(keywords, message):
    with pytest.raises(ValueError, match=message):
        mean_absolute_scaled_error([1.0, 2.0], [1.0, 2.0], **keywords)


def test_what_is_masked_does_not_count():
    y, found = np.array([1.0, 1e6, 3.0]), np.array([2.0, 0.0, 3.0])
    masked = np.ma.masked_array(y, mask=[False, True, False])
    gone = np.where([False, True, False], np.nan, y)
    wanted = symmetric_mean_absolute_percentage_error(gone, found)
    assert symmetric_mean_absolute_percentage_error(masked, found) == wanted
    weights = np.ma.masked_array([1.0, 1.0, 5.0], mask=[False, False, True])
    with pytest.raises(ValueError, match="row 2 has no weight"):
        symmetric_mean_absolute_percentage_error(y, found, sample_weight=weights)


def test_median_alone_is_the_share_of_the_absolute_error():
    truth, found = np.array([10.0, 30.0]), np.array([[12.0], [24.0]])
    assert weighted_quantile_loss(truth, found, quantiles=[0.5]) == pytest.approx(8 / 40)


def test_quantile_loss_by_hand():
    # below by 2 at level 0.9 costs 0.9 * 2, above by 2 costs 0.1 * 2; twice that, over 10
    assert weighted_quantile_loss([10.0], [[8.0]], quantiles=[0.9]) == pytest.approx(0.36)
    assert weighted_quantile_loss([10.0], [[12.0]], quantiles=[0.9]) == pytest.approx(0.04)


def test_quantile_loss_of_series():
    options = {"quantiles": [0.5], "groups": ["a", "b"]}
    truth, found = [1.0, 100.0], [[2.0], [110.0]]
    each = weighted_quantile_loss(truth, found, average=None, **options)
    assert each == pytest.approx({"a": 1.0, "b": 0.1})
    assert weighted_quantile_loss(truth, found, average="series", **options) == pytest.approx(0.55)
    assert weighted_quantile_loss(truth, found, **options) == pytest.approx(11 / 101)


def test_coverage_by_hand():
    ends = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    assert interval_coverage([0.0, 1.0, 1.5], ends) == pytest.approx(2 / 3)
    assert interval_coverage([0.0, np.nan, 1.5], ends) == pytest.approx(1 / 2)


def test_interval_score_by_hand():
    score = mean_interval_score([3.0], [[0.0, 2.0]], coverage=0.8)
    assert score == pytest.approx(2 + 10 * 1)
    assert mean_interval_score([3.0], [[0.0, 2.0]], coverage=0.8, scale=[4.0]) == pytest.approx(3.0)


def test_the_true_interval_scores_best():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=4000)

    def score(width):
        ends = np.tile([-width, width], (len(truth), 1))
        return mean_interval_score(truth, ends, coverage=0.9)

    assert score(1.645) < min(score(1.2), score(2.2))


def test_refusals_of_quantiles():
    with pytest.raises(ValueError, match="ends below its beginning"):
        interval_coverage([1.0], [[2.0, 1.0]])
    with pytest.raises(ValueError, match="y_quantiles must have shape"):
        weighted_quantile_loss([1.0], [[2.0, 1.0]], quantiles=[0.5])
    with pytest.raises(ValueError, match="coverage must lie"):
        mean_interval_score([1.0], [[0.0, 1.0]], coverage=90)
    with pytest.raises(ValueError, match="0 throughout"):
        weighted_quantile_loss([0.0], [[2.0]], quantiles=[0.5])
