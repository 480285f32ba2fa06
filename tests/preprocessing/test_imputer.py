"""SequenceImputer: against a plain loop, at the edges, with its extra channels."""

import numpy as np
import pandas as pd
import pytest

from sklearn_rnn import Sequences
from sklearn_rnn.preprocessing import SequenceImputer, ToSequences, _statistics

NAN = np.nan


def gappy(seed=0, n=25, channels=3):
    rng = np.random.default_rng(seed)
    rows = [rng.normal(3, 1, (length, channels)) for length in rng.integers(1, 15, n)]
    for row in rows:
        row[rng.random(row.shape) < 0.5] = NAN
    times = [np.cumsum(rng.exponential(1, len(row))) for row in rows]
    return Sequences.from_list(rows, times=times), rows, times


def by_hand(row, times, strategy, fallback):
    """Fill one sequence with a loop over its steps."""
    out = row.copy()
    for channel in range(row.shape[1]):
        seen = np.flatnonzero(~np.isnan(row[:, channel]))
        for step in np.flatnonzero(np.isnan(row[:, channel])):
            before = seen[seen < step]
            if strategy == "forward" and len(before):
                out[step, channel] = row[before[-1], channel]
            elif strategy == "linear" and len(seen):
                out[step, channel] = np.interp(times[step], times[seen], row[seen, channel])
            else:
                out[step, channel] = fallback[channel]
    return out


@pytest.mark.parametrize("block", [5, 10**6])
@pytest.mark.parametrize("strategy", ["forward", "linear", "mean", "median", "constant"])
def test_equals_a_loop(monkeypatch, strategy, block):
    monkeypatch.setattr(_statistics, "BLOCK_VALUES", block)
    X, rows, times = gappy()
    everything = np.concatenate(rows)
    fallback = np.nanmean(everything, axis=0)
    if strategy == "median":
        fallback = np.nanmedian(everything, axis=0)
    if strategy == "constant":
        fallback = np.full(3, -7.0)
    imputer = SequenceImputer(strategy, fill_value=-7.0 if strategy == "constant" else None)
    filled = imputer.fit_transform(X)
    for row, when, found in zip(rows, times, filled, strict=True):
        expected = by_hand(row, when, strategy, fallback)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(imputer.statistics_, fallback)


def test_without_times_steps_count():
    filled = SequenceImputer("linear").fit_transform([[0.0, NAN, NAN, 3.0], [NAN, 1.0]])
    np.testing.assert_array_equal(filled.values[:, 0], [0, 1, 2, 3, 1, 1])


def test_what_a_sequence_lacks_comes_from_training():
    train, test = [[1.0, 3.0], [5.0, NAN, 7.0]], [[NAN, NAN], [NAN, 2.0]]
    for strategy, expected in [("forward", [4, 4, 4, 2]), ("linear", [4, 4, 2, 2])]:
        filled = SequenceImputer(strategy).fit(train).transform(test)
        np.testing.assert_array_equal(np.ravel(filled), expected)
    filled = SequenceImputer("forward", fill_value=-1).fit(train).transform(test)
    np.testing.assert_array_equal(np.ravel(filled), [-1, -1, -1, 2])


def test_a_channel_that_was_never_observed():
    X = pd.DataFrame({"seen": [[1.0, 2.0]], "never": [[NAN, NAN]]})
    with pytest.warns(UserWarning, match="Channel never has no observed value"):
        filled = SequenceImputer().fit(X).transform(X)
    np.testing.assert_array_equal(Sequences.from_frame(filled).values, [[1, 0], [2, 0]])
    SequenceImputer("constant").fit(X)  # nothing to learn, nothing to say


def test_extra_channels():
    X = Sequences.from_list(
        [[[1.0, NAN], [NAN, NAN], [NAN, 5.0]], [[NAN, 1.0]]],
        times=[[10.0, 11.5, 14.0], [3.0]],
        channel_names=["a", "b"],
    )
    imputer = SequenceImputer(add_indicator=True, add_time_since=True).fit(X)
    filled = imputer.transform(X)
    expected_names = [
        "a",
        "b",
        "missingindicator_a",
        "missingindicator_b",
        "timesince_a",
        "timesince_b",
    ]
    assert list(filled.channel_names) == expected_names
    np.testing.assert_array_equal(filled.values[:, 2:4], [[0, 1], [1, 1], [1, 0], [1, 0]])
    np.testing.assert_array_equal(filled.values[:, 4:6], [[0, 0], [1.5, 1.5], [4, 0], [0, 0]])
    np.testing.assert_array_equal(filled.times, X.times)


def test_extra_channels_of_dense_input():
    X = np.array([[1.0, NAN, 3.0], [NAN, 2.0, NAN]])
    imputer = SequenceImputer(add_indicator=True)
    filled = imputer.fit_transform(X)
    assert filled.shape == (2, 3, 2)
    np.testing.assert_array_equal(filled[:, :, 1], [[0, 1, 0], [1, 0, NAN]])
    assert list(imputer.get_feature_names_out()) == ["x0", "missingindicator_x0"]
    # A frame has no place for two channels: what comes out is the same.
    np.testing.assert_array_equal(imputer.set_output(transform="pandas").transform(X), filled)


def test_trailing_nan_is_padding_unless_told_otherwise():
    X = np.array([[1.0, NAN, NAN], [2.0, NAN, 4.0], [NAN, NAN, NAN]])
    filled = SequenceImputer().fit_transform(X)
    expected = np.mean([1, 2, 4])
    np.testing.assert_allclose(filled, [[1, NAN, NAN], [2, 2, 4], [expected] * 3])
    kept = ToSequences(trailing_nan="missing").fit_transform(X)
    np.testing.assert_allclose(np.asarray(SequenceImputer().fit_transform(kept))[0, :, 0], 1)


def test_float32_stays():
    X = np.array([[1.0, NAN, 3.0]], dtype=np.float32)
    for strategy in ["forward", "linear", "mean", "median", "constant"]:
        assert SequenceImputer(strategy, add_time_since=True).fit_transform(X).dtype == np.float32


def test_tokens_are_refused():
    X = Sequences.from_list([[0, 1]], vocabulary_size=2)
    with pytest.raises(ValueError, match="tokens cannot be missing"):
        SequenceImputer().fit(X)


def test_no_row_looks_at_another():
    X, _, _ = gappy(1)
    for strategy in ["forward", "linear"]:
        imputer = SequenceImputer(strategy, add_time_since=True).fit(X)
        whole = imputer.transform(X)
        for row in range(len(X)):
            assert imputer.transform(X[row : row + 1]).equals(whole[row : row + 1])
