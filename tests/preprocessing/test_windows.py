"""SlidingWindows: cutting, targets, and back onto the series."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from sklearn_rnn import Sequences
from sklearn_rnn.preprocessing import SlidingWindows, _statistics

NAN = np.nan


def test_one_long_series_in_three_lines():
    series = np.sin(np.arange(200) / 5)
    windows = SlidingWindows(24, horizon=1)
    X, y = windows.split(series)
    model = LinearRegression().fit(X, y)
    assert X.shape == (176, 24) and y.shape == (176,)
    np.testing.assert_array_equal(X[3], series[3:27])
    np.testing.assert_array_equal(y, series[24:])
    merged = windows.merge(model.predict(X), series)
    assert np.isnan(merged[:24]).all()
    np.testing.assert_allclose(merged[24:], series[24:], atol=1e-8)


@pytest.mark.parametrize(
    "series",
    [
        [0.0, 1.0, 2.0, 3.0, 4.0],
        (0, 1, 2, 3, 4),
        np.arange(5),
        pd.Series(np.arange(5), index=pd.date_range("2024", periods=5)),
        pl.Series(np.arange(5)),
    ],
)
def test_one_series_in_any_form(series):
    X, y = SlidingWindows(2, horizon=2).split(series)
    np.testing.assert_array_equal(X, [[0, 1], [1, 2]])
    np.testing.assert_array_equal(y, [[2, 3], [3, 4]])


def test_float32_stays():
    X, y = SlidingWindows(2, horizon=1).split(np.arange(5, dtype=np.float32))
    assert X.dtype == y.dtype == np.float32


def test_forms_of_several_series():
    rng = np.random.default_rng(0)
    windows = SlidingWindows(3, stride=2, horizon=1)
    X, y = windows.split(rng.normal(size=(4, 8)))
    assert X.shape == (12, 3) and y.shape == (12,)
    cube = rng.normal(size=(4, 8, 2))
    X, y = windows.split(cube)
    assert X.shape == (12, 3, 2) and y.shape == (12, 2)
    np.testing.assert_array_equal(y[1], cube[0, 5])
    X, y = windows.split([rng.normal(size=(5, 2)), rng.normal(size=(6, 2))])
    assert isinstance(X, Sequences) and X.lengths.tolist() == [3] * 3
    rows, starts = windows.positions([rng.normal(size=(5, 2)), rng.normal(size=(6, 2))])
    assert rows.tolist() == [0, 1, 1] and starts.tolist() == [0, 0, 2]


def test_several_targets_come_step_by_step():
    series = np.arange(12.0).reshape(6, 2)
    X, y = SlidingWindows(3, horizon=2).split([series])
    np.testing.assert_array_equal(y, [[6, 7, 8, 9], [8, 9, 10, 11]])
    X, y = SlidingWindows(3, horizon=2, target=-1).split([series])
    np.testing.assert_array_equal(y, [[7, 9], [9, 11]])
    named = Sequences(series, [0, 6], channel_names=["load", "price"])
    X, y = SlidingWindows(3, horizon=1, target="price").split(named)
    np.testing.assert_array_equal(y, [7, 9, 11])
    X, y = SlidingWindows(3, horizon=1, target=["price", 0]).split(named)
    np.testing.assert_array_equal(y, [[7, 6], [9, 8], [11, 10]])
    for target in ["missing", 2]:
        with pytest.raises(ValueError, match="which has 2, named load, price"):
            SlidingWindows(3, horizon=1, target=target).split(named)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_a_time_series_frame_names_its_channels(library):
    frame = library({"load": np.arange(6.0), "price": np.arange(6.0) * 10})
    windows = SlidingWindows(3, horizon=1, target="price")
    X, y = windows.split([frame])
    assert X.channel_names == ("load", "price") and y.tolist() == [30, 40, 50]
    np.testing.assert_array_equal(windows.merge(y, [frame])[0][3:, 0], y)
    with pytest.raises(ValueError, match="Row 1 has the columns"):
        windows.split([frame, frame[["load"]]])


def test_a_label_for_every_step():
    series = np.arange(6.0)
    labels = np.array(list("aabbcc"))
    X, y = SlidingWindows(3).split(series, labels)
    assert len(X) == 4 and y.tolist() == ["b", "b", "c", "c"]
    X, y = SlidingWindows(3, horizon=2).split(series, labels)
    assert y.tolist() == [["b", "c"], ["c", "c"]]
    X, y = SlidingWindows(3).split([series], labels)
    assert y.tolist() == ["b", "b", "c", "c"]
    X, y = SlidingWindows(3, stride=3).split([series, series[:4]], [labels, labels[:4]])
    assert y.tolist() == ["b", "c", "b"]
    padded = np.array([[1.0, 2, 3, 4], [5, 6, 7, NAN]])
    X, y = SlidingWindows(3).split(padded, np.array([[0, 0, 1, 2], [3, 3, 4, 5]]))
    assert y.tolist() == [1, 2, 4]


def test_a_label_for_every_series():
    series = [np.arange(4.0), np.arange(5.0)]
    X, y = SlidingWindows(3).split(series, ["cat", "dog"])
    assert len(X) == 5 and y.tolist() == ["cat"] * 2 + ["dog"] * 3
    with pytest.raises(ValueError, match="set horizon=0"):
        SlidingWindows(3, horizon=1).split(series, ["cat", "dog"])


def test_targets_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="nothing to predict"):
        SlidingWindows(3).split(np.arange(5.0))
    with pytest.raises(ValueError, match="Row 0 of y has shape"):
        SlidingWindows(3).split(np.arange(5.0), np.arange(4.0))
    series = [np.arange(4.0), np.arange(5.0)]
    with pytest.raises(ValueError, match="Row 1 of y has shape"):
        SlidingWindows(3).split(series, [np.arange(4), np.arange(4)])
    with pytest.raises(ValueError, match="y has 3 entries, but X has 2 series"):
        SlidingWindows(3).split(series, [0, 1, 2])
    tokens = Sequences.from_list([[0, 1, 2, 3]], vocabulary_size=4)
    with pytest.raises(ValueError, match="Pass y"):
        SlidingWindows(3, horizon=1).split(tokens)
    X, y = SlidingWindows(3).split(tokens, [[1, 0, 1, 0]])
    assert X.is_tokens and y.tolist() == [1, 0]


def test_short_series():
    series = [np.arange(5.0), np.arange(2.0)]
    with pytest.raises(ValueError, match=r"Row 1 has 2 steps.*3 and a horizon of 1 \(4 needed\)"):
        SlidingWindows(3, horizon=1).split(series)
    with pytest.raises(ValueError, match="Row 1 has 2 steps"):
        SlidingWindows(3).fit(series)
    windows = SlidingWindows(3, horizon=1, short="drop")
    X, y = windows.split(series)
    assert y.tolist() == [3, 4]
    assert [len(row) for row in windows.merge(y, series)] == [5, 2]
    with pytest.raises(ValueError, match="Row 0"):
        windows.split([np.arange(2.0)])
    with pytest.raises(ValueError, match=r"one series of 50 steps and 2 channels, pass \[X\]"):
        SlidingWindows(10).fit(np.zeros((50, 2)))


def test_whole_series_without_a_window():
    series = [np.arange(5.0), np.arange(3.0)]
    X, y = SlidingWindows(horizon=2).split(series)
    assert X.lengths.tolist() == [3, 1]
    np.testing.assert_array_equal(y, [[3, 4], [1, 2]])
    X, y = SlidingWindows(horizon=2).split(np.arange(10.0).reshape(2, 5))
    np.testing.assert_array_equal(X, [[0, 1, 2], [5, 6, 7]])
    X, y = SlidingWindows(horizon=1).split(np.arange(4.0))
    assert X.tolist() == [[0, 1, 2]] and y.tolist() == [3]


def test_transform_cuts_windows_without_targets_too():
    X = np.arange(10.0).reshape(2, 5)
    windows = SlidingWindows(3, horizon=2).fit(X)
    np.testing.assert_array_equal(windows.transform(X)[2], [2, 3, 4])
    assert windows.transform(X).shape == (6, 3)
    frame = SlidingWindows(3).set_output(transform="pandas").fit_transform(X)
    assert frame.shape == (6, 3) and frame.columns[0] == "slidingwindows0"


def test_parts_come_along():
    X = Sequences(
        np.arange(6.0),
        [0, 4, 6],
        times=[0, 1, 3, 4, 0, 2],
        static=[[1.0], [2.0]],
        static_names=["age"],
        channel_names=["pulse"],
    )
    found = SlidingWindows(2, stride=2).fit_transform(X)
    np.testing.assert_array_equal(found.times, [0, 1, 3, 4, 0, 2])
    np.testing.assert_array_equal(found.static[:, 0], [1, 1, 2])
    assert found.channel_names == ("pulse",)


@pytest.mark.parametrize("window", [3, None])
def test_inverse_transform_goes_back(window):
    rng = np.random.default_rng(0)
    for X in [rng.normal(size=(4, 7)), rng.normal(size=(4, 7, 2)).astype(np.float32)]:
        windows = SlidingWindows(window).fit(X)
        back = windows.inverse_transform(windows.transform(X))
        assert back.dtype == X.dtype
        np.testing.assert_allclose(back, X, rtol=1e-6)
    X = Sequences.from_list([rng.normal(size=(n, 2)) for n in (5, 3, 9)])
    windows = SlidingWindows(window).fit(X)
    back = windows.inverse_transform(windows.transform(X))
    np.testing.assert_allclose(back.values, X.values)


def test_inverse_transform_averages_overlaps():
    windows = SlidingWindows(2).fit([[0.0, 0.0, 0.0, 0.0]])
    back = windows.inverse_transform([[1.0, 2.0], [4.0, 8.0], [16.0, 32.0]])
    np.testing.assert_array_equal(back, [[1, 3, 12, 32]])
    with pytest.raises(ValueError, match="2 windows, but the series seen in fit give 3"):
        windows.inverse_transform([[1.0, 2.0], [4.0, 8.0]])
    with pytest.raises(ValueError, match="Row 0 has 3 steps; its window has 2"):
        windows.inverse_transform(np.ones((3, 3)))
    assert np.isnan(
        SlidingWindows(2, stride=3)
        .fit([[0.0] * 5])
        .inverse_transform([[1.0, 2.0], [3.0, 4.0]])[0, 2]
    )


def test_merge_averages_predictions():
    series = np.zeros(5)
    windows = SlidingWindows(2, horizon=2)
    merged = windows.merge([[1.0, 2.0], [4.0, 8.0]], series)
    np.testing.assert_array_equal(merged, [NAN, NAN, 1, 3, 8])
    np.testing.assert_array_equal(windows.merge([[1.0, NAN], [4.0, 8.0]], series)[3], 4)
    scores = SlidingWindows(2).merge([1.0, 3.0, 5.0, 7.0], series)
    np.testing.assert_array_equal(scores, [1, 2, 4, 6, 7])
    proba = SlidingWindows(4).merge([[0.2, 0.8], [0.4, 0.6]], series)
    np.testing.assert_allclose(proba[2], [0.3, 0.7])
    assert proba.shape == (5, 2)
    several = SlidingWindows(2, horizon=1).merge(np.arange(6.0), np.zeros((2, 5)))
    np.testing.assert_array_equal(several, [[NAN, NAN, 0, 1, 2], [NAN, NAN, 3, 4, 5]])


def test_merge_says_what_it_needs():
    series = np.zeros(5)
    with pytest.raises(ValueError, match="each of the 4 windows"):
        SlidingWindows(2).merge([1.0], series)
    with pytest.raises(ValueError, match="predict_proba"):
        SlidingWindows(4).merge(["a", "b"], series)
    with pytest.raises(ValueError, match="multiple of horizon=2"):
        SlidingWindows(2, horizon=2).merge([1.0, 2.0], series)


@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=4),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_merging_the_targets_gives_the_series(lengths, window, stride, horizon):
    series = [np.arange(n) + 100.0 * row for row, n in enumerate(lengths)]
    windows = SlidingWindows(window, stride=stride, horizon=horizon, short="drop")
    if max(lengths) < window + horizon:
        with pytest.raises(ValueError, match="too few"):
            windows.split(series)
        return
    X, y = windows.split(series)
    merged = windows.merge(y, series)
    rows, starts = windows.positions(series)
    steps = [s + window + h for s in starts for h in range(horizon)]
    for row, sequence in enumerate(series):
        found = merged[row] if isinstance(merged, np.ndarray) else merged[row][:, 0]
        covered = {s for r, s in zip(np.repeat(rows, horizon), steps, strict=True) if r == row}
        expected = [v if step in covered else NAN for step, v in enumerate(sequence)]
        np.testing.assert_array_equal(found, expected)


def test_blocks_change_nothing(monkeypatch):
    series = np.random.default_rng(0).normal(size=100)
    expected = SlidingWindows(7, stride=2, horizon=3).split(series)
    monkeypatch.setattr(_statistics, "BLOCK_VALUES", 10)
    found = SlidingWindows(7, stride=2, horizon=3).split(series)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
