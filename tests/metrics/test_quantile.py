"""Errors of quantiles and intervals: hand-made figures and what is refused."""

import numpy as np
import pytest

from sklearn_rnn.metrics import interval_coverage, mean_interval_score, weighted_quantile_loss


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


def test_refusals():
    with pytest.raises(ValueError, match="ends below its beginning"):
        interval_coverage([1.0], [[2.0, 1.0]])
    with pytest.raises(ValueError, match="y_quantiles must have shape"):
        weighted_quantile_loss([1.0], [[2.0, 1.0]], quantiles=[0.5])
    with pytest.raises(ValueError, match="coverage must lie"):
        mean_interval_score([1.0], [[0.0, 1.0]], coverage=90)
    with pytest.raises(ValueError, match="0 throughout"):
        weighted_quantile_loss([0.0], [[2.0]], quantiles=[0.5])
