"""Overlapping sequences are told from sequences of their own, and from mere copies."""

import numpy as np
import pytest

from sklearn_rnn import RNNRegressor, Sequences
from sklearn_rnn.datasets import load_basic_motions, load_japanese_vowels
from sklearn_rnn.estimators._overlap import overlapping
from sklearn_rnn.preprocessing import SlidingWindows


def told(X):
    sequences = X if isinstance(X, Sequences) else Sequences.from_list(X)
    return overlapping(sequences, np.arange(len(sequences)))


@pytest.fixture
def series():
    return np.cumsum(np.random.default_rng(0).normal(size=(300, 2)), axis=0)


def test_windows_and_prefixes_overlap(series):
    assert told([series[i : i + 20] for i in range(0, 200, 5)])
    assert told([series[:n] for n in (50, 120, 200)])
    gaps = np.where(np.random.default_rng(1).random(series.shape) < 0.1, np.nan, series)
    assert told([gaps[i : i + 30] for i in range(0, 200, 10)])


def test_what_is_apart_or_copied_does_not(series):
    apart = [series[i : i + 20] for i in range(0, 200, 20)]
    assert not told(apart)
    assert not told(apart * 3)
    assert not told([series[i : i + 20] for i in range(0, 200, 13)])
    assert not told([np.zeros(50), np.ones(40), np.zeros(60)])
    assert not told([np.tile([0.0, 1.0], 20), np.tile([0.0, 1.0], 30)])
    assert not told([np.arange(3.0), np.arange(5.0)])
    assert not told([np.arange(100.0)])


@pytest.mark.parametrize("load", [load_japanese_vowels, load_basic_motions])
def test_recordings_do_not(load):
    assert not told(load(return_X_y=True, subset="all")[0])


def test_auto_keeps_the_closed_form_from_overlapping_windows(series):
    windows, y = SlidingWindows(12, horizon=1).split([series[:100]])
    model = RNNRegressor(4, max_epochs=1).fit(windows, y)
    assert model.recurrence_share_ == 1 and "reservoir" not in model.core_
    assert "reservoir" in RNNRegressor(4, max_epochs=1, reservoir=True).fit(windows, y).core_
