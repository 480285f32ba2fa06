"""SequenceScaler: against NumPy, in chunks, with gaps, and back."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import clone
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from sklearn_rnn import Sequences
from sklearn_rnn.preprocessing import SequenceScaler, _statistics

METHODS = ["standard", "minmax", "robust"]
PEERS = {"standard": StandardScaler, "minmax": MinMaxScaler, "robust": RobustScaler}


def ragged(seed=0, n=20, channels=3, missing=0.2, dtype=np.float64):
    rng = np.random.default_rng(seed)
    rows = [rng.normal(5, 3, (length, channels)) for length in rng.integers(1, 12, n)]
    rows[0] = rng.normal(5, 3, (9, channels))
    for row in rows:
        row[rng.random(row.shape) < missing] = np.nan
    return [row.astype(dtype) for row in rows]


@pytest.mark.parametrize("method", METHODS)
def test_per_channel_equals_scikit_learn_on_all_steps(method):
    X = ragged()
    scaled = SequenceScaler(method).fit_transform(X)
    expected = PEERS[method]().fit_transform(np.concatenate(X))
    np.testing.assert_allclose(scaled.values, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(scaled.lengths, [len(row) for row in X])


@pytest.mark.parametrize("method", METHODS)
def test_per_sequence_equals_scikit_learn_on_each_sequence(method):
    X = [row for row in ragged(missing=0.1) if len(row) > 2]
    scaled = SequenceScaler(method, per="sequence").fit_transform(X)
    for row, found in zip(X, scaled, strict=True):
        expected = PEERS[method]().fit_transform(row)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("per", ["channel", "sequence"])
@pytest.mark.parametrize("method", METHODS)
def test_inverse_transform_goes_back(method, per):
    X = Sequences.from_list(ragged())
    scaler = SequenceScaler(method, per=per, feature_range=(-1.0, 3.0)).fit(X)
    statistics = scaler.sequence_statistics(X) if per == "sequence" else None
    back = scaler.inverse_transform(scaler.transform(X), statistics=statistics)
    np.testing.assert_allclose(back.values, X.values, rtol=1e-12, atol=1e-12)


def test_inverse_transform_keeps_the_form():
    X = np.random.default_rng(0).normal(size=(4, 6))
    scaler = SequenceScaler().fit(X)
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(X)), X)
    X = X.reshape(4, 3, 2)
    scaler = SequenceScaler().fit(X)
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(X)), X)


def test_inverse_transform_says_what_it_needs():
    X = [[1.0, 2.0], [3.0, 5.0, 8.0]]
    scaler = SequenceScaler(per="sequence").fit(X)
    with pytest.raises(ValueError, match="sequence_statistics"):
        scaler.inverse_transform(X)
    with pytest.raises(ValueError, match=r"shape \(2, 1\)"):
        scaler.inverse_transform(X, statistics=(np.zeros((1, 1)), np.ones((1, 1))))
    with pytest.raises(ValueError, match="2 channels"):
        scaler.inverse_transform(np.zeros((2, 3, 2)))
    with pytest.raises(ValueError, match="leave them out"):
        SequenceScaler().fit(X).inverse_transform(X, statistics=(np.zeros(1), np.ones(1)))


@pytest.mark.parametrize("per", ["channel", "sequence"])
@pytest.mark.parametrize("method", METHODS)
def test_constant_and_unobserved_channels_are_safe(method, per):
    rng = np.random.default_rng(0)
    X = np.stack(
        [np.full((5, 8), 0.1), np.full((5, 8), np.nan), np.zeros((5, 8)), rng.random((5, 8))], 2
    )
    scaled = SequenceScaler(method, per=per).fit_transform(X)
    np.testing.assert_allclose(scaled[:, :, 0], 0, atol=1e-12)
    assert np.isnan(scaled[:, :, 1]).all()
    np.testing.assert_array_equal(scaled[:, :, 2], 0)
    assert np.isfinite(scaled[:, :, 3]).all() and np.abs(scaled).max(where=scaled > 0, initial=0)


def test_small_units_are_not_taken_for_constant():
    X = np.random.default_rng(0).normal(size=(5, 8)) * 1e-20
    for method in METHODS:
        assert SequenceScaler(method).fit_transform(X).std() > 0.1


@pytest.mark.parametrize("method", ["standard", "minmax"])
def test_partial_fit_equals_fit(method):
    X = ragged(n=30)
    whole = SequenceScaler(method).fit(X)
    parts = SequenceScaler(method)
    for start in range(0, 30, 7):
        parts.partial_fit(X[start : start + 7])
    np.testing.assert_allclose(parts.center_, whole.center_, rtol=1e-12)
    np.testing.assert_allclose(parts.scale_, whole.scale_, rtol=1e-12)
    np.testing.assert_array_equal(parts.n_steps_seen_, whole.n_steps_seen_)
    again = pickle.loads(pickle.dumps(parts)).partial_fit(X[:3])
    assert (again.n_steps_seen_ > parts.n_steps_seen_).all()
    np.testing.assert_allclose(parts.fit(X).center_, whole.center_)


def test_partial_fit_checks_channels_and_is_not_offered_for_quantiles():
    scaler = SequenceScaler().partial_fit(np.zeros((2, 4, 3)))
    with pytest.raises(ValueError, match="expecting 3 channels"):
        scaler.partial_fit(np.zeros((2, 4, 2)))
    assert not hasattr(SequenceScaler("robust"), "partial_fit")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_missing", [0, 300])
def test_quantiles_of_large_data_are_exact(monkeypatch, dtype, n_missing):
    rng = np.random.default_rng(0)
    X = (rng.standard_cauchy((3000, 3)) * [1, 1e-8, 1e8]).astype(dtype)
    X[:1500, 0] = 0.0
    X[:5, 1] = -0.0
    X[rng.choice(3000, n_missing, replace=False)] = np.nan
    X = np.c_[X, np.full(3000, np.nan, dtype)]
    probabilities = [0.0, 0.01, 0.5, 0.75, 1.0]
    small = _statistics.channel_quantiles(X, probabilities)
    monkeypatch.setattr(_statistics, "BLOCK_VALUES", 100)
    large = _statistics.channel_quantiles(X, probabilities)
    np.testing.assert_array_equal(small[1], large[1])
    np.testing.assert_array_equal(small[0], large[0])
    expected = np.nanquantile(X[:, :3].astype(float), probabilities, axis=0)
    np.testing.assert_allclose(large[0][:, :3], expected, rtol=1e-12)
    assert np.isnan(large[0][:, 3]).all()


@pytest.mark.parametrize("per", ["channel", "sequence"])
@pytest.mark.parametrize("method", METHODS)
def test_blocks_change_nothing(monkeypatch, method, per):
    X = ragged()
    scaler = SequenceScaler(method, per=per)
    expected = scaler.fit_transform(X)
    monkeypatch.setattr(_statistics, "BLOCK_VALUES", 10)
    assert clone(scaler).fit_transform(X).equals(expected)


def test_memory_mapped_values(tmp_path):
    values = np.memmap(tmp_path / "values", dtype=np.float32, mode="w+", shape=(4000, 2))
    values[:] = np.random.default_rng(0).normal(3, 2, (4000, 2))
    values.flush()
    mapped = np.memmap(tmp_path / "values", dtype=np.float32, mode="r", shape=(4000, 2))
    X = Sequences(mapped, np.arange(0, 4001, 100))
    scaled = SequenceScaler().fit_transform(X)
    assert scaled.dtype == np.float32 and not isinstance(scaled.values, np.memmap)
    np.testing.assert_allclose(scaled.values.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_array_equal(mapped, values)


def test_float32_with_a_large_offset_is_exact():
    X = (1e6 + np.random.default_rng(0).normal(size=(10, 50))).astype(np.float32)
    expected = (X - X.mean(dtype=np.float64)) / X.std(dtype=np.float64)
    scaled = SequenceScaler().fit_transform(X)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, expected, rtol=1e-5, atol=1e-6)


def test_times_static_and_names_pass_through():
    X = Sequences(
        np.arange(5.0),
        [0, 3, 5],
        times=[0, 1, 2, 0, 5],
        static=[[1.0], [2.0]],
        static_names=["age"],
        channel_names=["pulse"],
    )
    scaled = SequenceScaler().fit_transform(X)
    np.testing.assert_array_equal(scaled.times, X.times)
    np.testing.assert_array_equal(scaled.static, X.static)
    assert scaled.channel_names == ("pulse",) and scaled.static_names == ("age",)


def test_padding_stays_padding():
    X = np.array([[1.0, 2.0, 3.0], [5.0, np.nan, np.nan]])
    scaled = SequenceScaler("minmax").fit_transform(X)
    np.testing.assert_array_equal(scaled, [[0, 0.25, 0.5], [1, np.nan, np.nan]])
    cube = np.stack([X, X], axis=2)
    np.testing.assert_array_equal(SequenceScaler("minmax").fit_transform(cube)[:, :, 1], scaled)


@pytest.mark.parametrize(
    "parameters",
    [
        {"method": "minmax", "feature_range": (1.0, 0.0)},
        {"feature_range": (0.0, np.inf)},
        {"feature_range": (0.0,)},
        {"quantile_range": (-1.0, 50.0)},
        {"quantile_range": ("a", "b")},
    ],
)
def test_bad_ranges_are_refused(parameters):
    with pytest.raises(ValueError, match="_range must be a tuple of two increasing numbers"):
        SequenceScaler(**parameters).fit(np.zeros((2, 3)))


def test_tokens_are_refused():
    X = Sequences.from_list([[0, 1], [2]], vocabulary_size=3)
    with pytest.raises(ValueError, match="vocabulary_size=3"):
        SequenceScaler().fit(X)


def test_overflow_is_named():
    scaler = SequenceScaler().fit(np.array([[0.0, 1e-30]], dtype=np.float32))
    with pytest.raises(ValueError, match="row 1"):
        scaler.transform(np.array([[0.0, 0.0], [0.0, 3e38]], dtype=np.float32))


@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3)),
        elements=st.floats(-1e6, 1e6) | st.just(np.nan),
    ),
    st.sampled_from(METHODS),
    st.sampled_from(["channel", "sequence"]),
)
def test_any_input_goes_there_and_back(X, method, per):
    before = X.copy()
    scaler = SequenceScaler(method, per=per).fit(X)
    scaled = scaler.transform(X)
    assert scaled.shape == X.shape
    np.testing.assert_array_equal(np.isnan(scaled), np.isnan(X))
    statistics = scaler.sequence_statistics(X) if per == "sequence" else None
    back = scaler.inverse_transform(scaled, statistics=statistics)
    np.testing.assert_allclose(back, X, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("per", ["channel", "sequence"])
@pytest.mark.parametrize("portions", [1, 20])
def test_levels_far_from_zero_cost_no_digit(per, portions):
    rng = np.random.default_rng(0)
    X = [rng.integers(-1000, 1000, size=(2000, 1)) / 256 for _ in range(40)]
    found = []
    for level in (0.0, 1e12):
        scaler = SequenceScaler(per=per)
        moved = [x + level for x in X]
        for part in range(portions):
            scaler.partial_fit(moved[part::portions])
        found.append(np.concatenate(list(scaler.transform(moved))))
    np.testing.assert_allclose(found[1], found[0], atol=2e-4)
