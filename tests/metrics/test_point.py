"""Errors of point forecasts: hand-made figures, groups, and what is refused."""

import numpy as np
import pytest

from sklearn_rnn.metrics import (
    mean_absolute_percentage_error,
    mean_absolute_scaled_error,
    root_mean_squared_scaled_error,
    symmetric_mean_absolute_percentage_error,
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
