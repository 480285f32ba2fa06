"""What numbers are counted from: near the mean where that is far, and exact to take off."""

import numpy as np
import pytest

from sklearn_rnn.sequences import origin_of


def test_ordinary_numbers_are_counted_from_zero():
    mean, scale = np.array([0.0, 5.0, -60.0, 1e-30, 1e30]), np.array([1.0, 0.1, 1.0, 1e-30, 1e30])
    np.testing.assert_array_equal(origin_of(mean, scale), 0.0)


@pytest.mark.parametrize("level", [1e6, 1.7e9, 1e12, -1e12])
def test_far_numbers_are_counted_from_nearby(level):
    """To take the origin off rounds nothing of numbers that double precision holds."""
    small = np.random.default_rng(0).integers(-1000, 1000, 500) / 256
    values = small + level
    origin = origin_of(values.mean(), values.std())
    assert abs(origin - level) <= 16 * small.std()
    np.testing.assert_array_equal((values - origin).astype(np.float32), values - origin)


def test_what_does_not_vary_is_counted_from_its_neighbourhood():
    assert abs(origin_of(np.array(1e9), np.array(0.0)) - 1e9) <= 8
    assert origin_of(np.array(3.0), np.array(0.0)) == 0
