"""SequenceResampler: against numpy.interp and pandas, on grids of every kind."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_rnn import Sequences
from sklearn_rnn.preprocessing import SequenceResampler, _statistics

NAN = np.nan


def irregular(seed=0, n=20, missing=0.0):
    rng = np.random.default_rng(seed)
    rows = [rng.normal(size=(length, 2)) for length in rng.integers(1, 30, n)]
    for row in rows:
        row[rng.random(row.shape) < missing] = NAN
    times = [100 + np.cumsum(rng.exponential(1, len(row))) for row in rows]
    return Sequences.from_list(rows, times=times), rows, times


@pytest.mark.parametrize("block", [7, 10**6])
@pytest.mark.parametrize("parameters", [{"length": 11}, {"step": 0.7}, {"rate": 3.0}])
def test_linear_equals_interp(monkeypatch, parameters, block):
    monkeypatch.setattr(_statistics, "BLOCK_VALUES", block)
    X, rows, times = irregular()
    resampled = SequenceResampler(**parameters).fit_transform(X)
    for i, (row, when) in enumerate(zip(rows, times, strict=True)):
        grid = resampled.times[resampled.offsets[i] : resampled.offsets[i + 1]]
        if "length" in parameters:
            expected_grid = np.linspace(when[0], when[-1], 11)
        else:
            step = parameters.get("step") or 1 / parameters["rate"]
            expected_grid = np.arange(when[0], when[-1] + 1e-9, step)
        if len(when) > 1:
            np.testing.assert_allclose(grid, expected_grid)
        for channel in range(2):
            expected = np.interp(grid, when, row[:, channel])
            np.testing.assert_allclose(resampled[i][:, channel], expected, atol=1e-9)


def test_nearest_takes_the_nearest():
    X, rows, times = irregular(1)
    resampled = SequenceResampler(step=0.3, method="nearest").fit_transform(X)
    for i, (row, when) in enumerate(zip(rows, times, strict=True)):
        grid = resampled.times[resampled.offsets[i] : resampled.offsets[i + 1]]
        nearest = np.abs(grid[:, None] - when).argmin(axis=1)
        np.testing.assert_array_equal(resampled[i], row[nearest])


def test_mean_equals_pandas():
    X, rows, times = irregular(2, missing=0.2)
    resampled = SequenceResampler(step=2.0, method="mean").fit_transform(X)
    for i, (row, when) in enumerate(zip(rows, times, strict=True)):
        frame = pd.DataFrame(row, index=pd.to_timedelta(when - when[0], unit="s"))
        binned = frame.resample("2s").mean()
        occupied = frame.resample("2s").size().to_numpy() > 0
        assert len(binned) == len(resampled[i])
        np.testing.assert_allclose(resampled[i][occupied], binned.to_numpy()[occupied])


def test_an_empty_bin_is_interpolated():
    X = Sequences.from_list([[0.0, 10.0]], times=[[0.0, 10.0]])
    resampled = SequenceResampler(step=2.0, method="mean").fit_transform(X)
    np.testing.assert_allclose(resampled.values[:, 0], [0, 3, 5, 7, 9, 10])


def test_mean_keeps_a_fast_oscillation_out():
    wave = np.tile([1.0, -1.0], 50)[None]
    assert np.abs(SequenceResampler(50).fit_transform(wave)).max() > 0.9
    averaged = SequenceResampler(50, method="mean").fit_transform(wave)
    np.testing.assert_allclose(averaged, 0, atol=1e-12)
    np.testing.assert_allclose(SequenceResampler(rate=0.5, method="mean").fit_transform(wave), 0)


def test_mean_of_uneven_parts_uses_every_step_once():
    X = np.arange(7.0)[None]
    found = SequenceResampler(3, method="mean").fit_transform(X)
    np.testing.assert_allclose(found, [[1, 3.5, 5.5]])


@pytest.mark.parametrize("method", ["linear", "nearest", "mean"])
def test_same_length_changes_nothing(method):
    X, _, _ = irregular(3, missing=0.3)
    X = X[np.flatnonzero(X.lengths == X.lengths[1])]
    length = int(X.lengths[0])
    untimed = Sequences.from_list(X.to_list())
    found = SequenceResampler(length, method=method).fit_transform(untimed)
    assert found.equals(untimed)


def test_missing_stays_missing_and_does_not_spread():
    X = [[0.0, NAN, 2.0, 3.0]]
    found = SequenceResampler(7).fit_transform(X)
    np.testing.assert_array_equal(np.ravel(found), [0, NAN, NAN, NAN, 2, 2.5, 3])
    found = SequenceResampler(2, method="mean").fit_transform(X)
    np.testing.assert_array_equal(np.ravel(found), [0, 2.5])


def test_default_length_is_the_median():
    resampler = SequenceResampler().fit([[1.0], [1.0, 2.0, 3.0], [1.0] * 9])
    assert resampler.length_ == 3
    assert SequenceResampler(step=1.0).fit([[1.0]]).length_ is None


def test_one_step_in_or_out():
    assert SequenceResampler(1).fit_transform([[1.0, 2.0, 6.0]]).tolist() == [[2.0]]
    timed = Sequences.from_list([[5.0]], times=[[3.0]])
    for method in ["linear", "nearest", "mean"]:
        found = SequenceResampler(4, method=method).fit_transform(timed)
        np.testing.assert_array_equal(found.values[:, 0], 5)
        assert found.times[0] == 3 and (np.diff(found.times) > 0).all()


def test_dense_in_dense_out():
    X = np.random.default_rng(0).normal(size=(3, 10, 2)).astype(np.float32)
    found = SequenceResampler(4).fit_transform(X)
    assert found.shape == (3, 4, 2) and found.dtype == np.float32
    padded = np.arange(10.0)[None] * [[1], [2]]
    padded[1, 4:] = NAN
    found = SequenceResampler(step=2).fit_transform(padded)
    np.testing.assert_array_equal(found, [[0, 2, 4, 6, 8], [0, 4, NAN, NAN, NAN]])


def test_frame_names():
    X = pd.DataFrame(np.zeros((2, 6)), columns=list("abcdef"), index=["r", "s"])
    resampler = SequenceResampler(2).set_output(transform="pandas")
    found = resampler.fit_transform(X)
    assert list(found.columns) == ["sequenceresampler0", "sequenceresampler1"]
    assert list(found.index) == ["r", "s"]


@pytest.mark.parametrize("method", ["linear", "nearest", "mean"])
def test_clock_times_in_seconds(method):
    values = np.random.default_rng(0).normal(size=5000)
    values[::7] = NAN
    X = Sequences.from_list([values], times=[1.75e9 + np.arange(5000) * 1e-3])
    found = SequenceResampler(step=1e-3, method=method).fit_transform(X)
    np.testing.assert_array_equal(found.values[:, 0], values)


def test_tokens_only_by_nearest():
    X = Sequences.from_list([[0, 1, 2, 3, 4]], vocabulary_size=5)
    found = SequenceResampler(3, method="nearest").fit_transform(X)
    assert found.is_tokens and found.values.ravel().tolist() == [0, 2, 4]
    with pytest.raises(ValueError, match='method="nearest"'):
        SequenceResampler(3).fit(X)


def test_contradicting_parameters_are_refused():
    with pytest.raises(ValueError, match="only one of length, rate and step; got length and step"):
        SequenceResampler(3, step=1.0).fit([[1.0]])


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
    st.integers(1, 12),
    st.sampled_from(["linear", "nearest", "mean"]),
)
def test_constant_stays_constant(lengths, length, method):
    X = [np.full(n, 3.25) for n in lengths]
    found = SequenceResampler(length, method=method).fit_transform(X)
    assert (found.values == 3.25).all() and (found.lengths == length).all()


@pytest.mark.parametrize("rate", [5e-324, 1e-300])
def test_a_rate_of_nearly_nothing_leaves_one_step(rate):
    X = Sequences.from_list([np.arange(5.0)], times=[np.arange(5.0)])
    assert SequenceResampler(rate=rate).fit_transform(X)[0].tolist() == [[0.0]]
