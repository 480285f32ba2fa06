"""Statistics of the training steps agree with NumPy's, chunked, masked and with gaps."""

import numpy as np
import pytest

from sklearn_rnn import Sequences
from sklearn_rnn.training import step_statistics


@pytest.mark.parametrize("rows", [None, np.array([0, 2, 5])])
def test_mean_and_scale(rows):
    rng = np.random.default_rng(0)
    parts = [rng.normal(1e6, [1, 100], size=(n, 2)) for n in (3, 50, 7, 20, 1, 9)]
    parts[2][3, 0] = np.nan
    found = step_statistics(Sequences.from_list(parts), rows)
    used = np.concatenate(parts if rows is None else [parts[r] for r in rows])
    np.testing.assert_allclose(found.origin + found.mean, np.nanmean(used, axis=0))
    np.testing.assert_allclose(found.scale, np.nanstd(used, axis=0))
    assert found.has_missing


def test_many_chunks_are_merged():
    values = np.random.default_rng(0).normal(3, 2, size=(3_000_000, 1))
    found = step_statistics(Sequences(values, [0, 1_000_000, 3_000_000]))
    np.testing.assert_allclose(found.mean, values.mean(), rtol=1e-10)
    np.testing.assert_allclose(found.scale, values.std(), rtol=1e-10)
    assert not found.has_missing


def test_constant_and_wholly_missing_channels_have_scale_one():
    values = np.column_stack([np.full(9, 0.1), np.full(9, np.nan), np.arange(9.0)])
    found = step_statistics(Sequences(values, [0, 4, 9]))
    np.testing.assert_allclose(found.scale[:2], 1.0)
    np.testing.assert_allclose(found.mean, [0.1, 0.0, 4.0])


def test_rounding_in_a_constant_channel_is_not_blown_up():
    """The mean of many copies of 518.67 is not 518.67 to the last digit."""
    values = np.column_stack([np.full(100_003, 518.67), 300 + 0.01 * np.sin(np.arange(100_003))])
    found = step_statistics(Sequences(values, [0, 31, 100_003]))
    assert found.scale[0] == 1.0
    np.testing.assert_allclose(found.scale[1], values[:, 1].std(), rtol=1e-6)


@pytest.mark.parametrize("level", [1e6, 1e9, 1e12])
def test_levels_far_from_zero_cost_no_digit(level):
    small = np.random.default_rng(0).integers(-1000, 1000, size=(200_000, 1)) / 256
    offsets = [0, 60_000, 200_000]
    plain = step_statistics(Sequences(small, offsets))
    found = step_statistics(Sequences(small + level, offsets))
    assert plain.origin is None
    np.testing.assert_allclose(found.origin - level + found.mean, plain.mean, atol=1e-10)
    np.testing.assert_allclose(found.scale, plain.scale, rtol=1e-10)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rounding_around_a_far_constant_is_no_variation(kind):
    values = np.nextafter(np.full((1000, 1), 1e9, kind), np.inf, dtype=kind)
    values[::7] = 1e9
    found = step_statistics(Sequences(values, [0, 400, 1000]))
    assert found.scale[0] == 1.0
