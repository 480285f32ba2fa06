"""Overlapping sequences are told from sequences of their own, and from mere copies."""

import numpy as np
import pytest

from sklearn_rnn import RNNRegressor, Sequences
from sklearn_rnn.datasets import load_basic_motions, load_japanese_vowels
from sklearn_rnn.estimators import _closed_form
from sklearn_rnn.estimators._closed_form import overlapping, recordings, split_rows
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


def test_windows_of_one_series_keep_the_closed_form_away(series):
    windows, y = SlidingWindows(12, horizon=1).split([series[:100]])
    model = RNNRegressor(4, max_epochs=1).fit(windows, y)
    assert model.recurrence_share_ == 1 and "reservoir" not in model.core_
    assert "reservoir" in RNNRegressor(4, max_epochs=1, closed_form=True).fit(windows, y).core_


def cut(series, n_recordings=12):
    """Cut each of some recordings five times; return the cuts and whose they are."""
    parts = np.split(series[: n_recordings * 25], n_recordings)
    return [p[:n] for p in parts for n in (10, 14, 18, 22, 25)], np.repeat(range(len(parts)), 5)


def test_recordings_are_told_apart(series):
    X, owner = cut(series)
    order = np.random.default_rng(0).permutation(len(X))
    X, owner = [X[i] for i in order] + [X[order[0]]], np.append(owner[order], owner[order[0]])
    found = recordings(Sequences.from_list(X), np.arange(len(X)))
    assert len(set(zip(found, owner, strict=True))) == len(set(found)) == 12


def test_whole_recordings_are_held_out():
    numbers = np.arange(60) // 5
    train, kept = split_rows(np.zeros(60), 60, 0.2, stratify=False, seed=0, recordings=numbers)
    assert sorted([*train, *kept]) == list(range(60)) and 12 <= len(kept) <= 16
    assert not set(numbers[train]) & set(numbers[kept])


def test_cuts_of_many_recordings_are_left_out_with_their_recording(series):
    """Each recording has a level of its own that tells its target, and nothing of the others'."""
    rng = np.random.default_rng(3)
    X, owner = cut(rng.normal(size=(300, 1)))
    y = rng.normal(size=12)[owner] + np.tile(np.arange(5.0), 12)
    model = RNNRegressor(closed_form="only", random_state=0).fit(X, y)
    new, _ = cut(rng.normal(size=(300, 1)))
    error = np.sqrt(np.mean((model.predict(new) - np.tile(np.arange(5.0), 12) - y.mean() + 2) ** 2))
    assert error < 1.6, "the penalty is chosen for new recordings"


def test_the_report_is_on_whole_recordings(series):
    X, owner = cut(np.random.default_rng(3).normal(size=(300, 1)))
    y = np.tile(np.arange(5.0), 12)
    both = RNNRegressor(4, max_epochs=2, random_state=0).fit(X, y)
    # Cuts of a recording that have much in common are one observation.
    assert "recordings" in both.report_.validation and 2 <= both.report_.n_validation <= 4
    assert both.report_.verdict.startswith("not known")


def test_only_cuts_that_were_left_out_judge(monkeypatch):
    """A readout solved on a few cuts of each recording all but knows the others of it."""
    monkeypatch.setattr(_closed_form, "_SOLVE_ON", 30)
    monkeypatch.setattr(_closed_form, "_JUDGE_ON", 8)
    seen = []
    weigh = _closed_form.ClosedForm.share_from_rows

    def spy(self, rows):
        seen.append((rows, set(self.left_out)))
        return weigh(self, rows)

    monkeypatch.setattr(_closed_form.ClosedForm, "share_from_rows", spy)
    X, _ = cut(np.random.default_rng(3).normal(size=(300, 1)))
    y = np.tile(np.arange(5.0), 12)
    model = RNNRegressor(4, max_epochs=2, random_state=0).fit(X, y)
    ((rows, left_out),) = seen
    assert len(left_out) == 30 and len(rows) == 8
    assert set(rows.tolist()) <= left_out
    kept = set(np.flatnonzero(np.isin(np.arange(60), rows)) // 5)
    assert model.report_.n_validation == len(kept)
