"""What the loaders share, and what each set is: shapes, classes, split, exact decimals."""

import socket
from collections import Counter
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from sklearn_rnn import Sequences
from sklearn_rnn.datasets import (
    load_air_passengers,
    load_basic_motions,
    load_japanese_vowels,
    load_surnames,
)

LOADERS = [load_japanese_vowels, load_basic_motions, load_air_passengers, load_surnames]
SIZES = {
    load_japanese_vowels: (270, 370),
    load_basic_motions: (40, 40),
    load_air_passengers: (120, 24),
    load_surnames: (16005, 4045),
}


def same(a, b):
    """Compare two data containers of the same kind."""
    if isinstance(a, Sequences):
        return a.equals(b)
    if isinstance(a, pd.DataFrame | pd.Series):
        return a.equals(b)
    return np.array_equal(a, b)


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("as_frame", [False, True])
def test_subsets_agree(load, as_frame):
    n_train, n_test = SIZES[load]
    bunch = load(as_frame=as_frame)
    assert len(bunch.data) == len(bunch.target) == len(bunch.split) == n_train + n_test
    for subset, n in (("train", n_train), ("test", n_test)):
        X, y = load(subset=subset, return_X_y=True, as_frame=as_frame)
        part = load(subset=subset, as_frame=as_frame)
        assert len(X) == len(y) == n
        assert same(X, bunch[f"X_{subset}"]) and same(y, bunch[f"y_{subset}"])
        assert same(X, part.data) and same(y, part.target)
        assert set(part.split) == {subset}
        assert np.array_equal(np.asarray(y), np.asarray(bunch.target)[bunch.split == subset])
        assert "X_train" not in part
    X, y = load(return_X_y=True, as_frame=as_frame)
    assert same(X, bunch.data) and same(y, bunch.target)


@pytest.mark.parametrize("load", LOADERS)
def test_described_and_licensed(load):
    bunch = load()
    assert len(bunch.DESCR.splitlines()) > 5
    assert bunch.license
    assert bunch.frame is None
    assert all(isinstance(name, str) for name in bunch.feature_names)


@pytest.mark.parametrize("load", LOADERS)
def test_unknown_subset_is_refused(load):
    with pytest.raises(ValueError, match="subset must be 'train', 'test' or 'all', got 'valid'"):
        load(subset="valid")


@pytest.mark.parametrize("load", LOADERS)
def test_nothing_is_downloaded(load, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a loader opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    assert len(load().data) == sum(SIZES[load])


@pytest.mark.parametrize("load", LOADERS)
def test_each_call_gives_its_own_arrays(load):
    first = load()
    first.target[:] = -1
    assert not np.any(load().target == -1)


def test_bundled_files_are_small():
    data = files("sklearn_rnn.datasets").joinpath("data")
    assert sum(len(file.read_bytes()) for file in data.iterdir()) < 1_500_000
    assert "BSD 3-Clause" in data.joinpath("LICENSES.md").read_text(encoding="utf-8")


def test_japanese_vowels():
    vowels = load_japanese_vowels()
    assert isinstance(vowels.data, Sequences)
    assert vowels.data.n_channels == 12
    assert (vowels.data.lengths.min(), vowels.data.lengths.max()) == (7, 29)
    assert vowels.data.values.dtype == np.float64
    # The first and last numbers as published.
    assert vowels.data[0][:3, 0].tolist() == [1.860936, 1.891651, 1.939205]
    assert vowels.data[0][:2, 1].tolist() == [-0.207383, -0.193249]
    assert vowels.X_test[0][0, 0] == 1.635533
    assert Counter(vowels.y_train.tolist()) == dict.fromkeys(range(9), 30)
    assert Counter(vowels.y_test.tolist()) == dict(enumerate([31, 35, 88, 44, 29, 24, 40, 50, 29]))
    assert vowels.target_names.tolist() == list("123456789")


def test_basic_motions():
    motions = load_basic_motions()
    assert motions.data.shape == (80, 100, 6)
    assert motions.X_test[0, :3, 0].tolist() == [-0.740653, -0.740653, 10.208449]
    assert motions.X_test[0, 20, 0] == -5.8e-5
    assert motions.target_names.tolist() == ["Standing", "Running", "Walking", "Badminton"]
    assert np.bincount(motions.y_train).tolist() == np.bincount(motions.y_test).tolist() == [10] * 4


def test_air_passengers():
    flights = load_air_passengers()
    assert flights.target[[0, -1]].tolist() == [112.0, 432.0]
    assert flights.target.sum() == 40363
    assert flights.data[[0, 1, 12], 0] == pytest.approx([1949, 1949 + 1 / 12, 1950])
    assert flights.months[0] == np.datetime64("1949-01")


def test_air_passengers_frame_is_indexed_by_month():
    flights = load_air_passengers(as_frame=True)
    assert flights.target.index.freqstr == "MS"
    assert flights.y_test.index[0] == pd.Timestamp("1959-01-01")
    assert flights.frame.columns.tolist() == ["year", "passengers"]
    assert flights.frame.loc["1960-12-01", "passengers"] == 432


def test_surnames():
    surnames = load_surnames()
    assert surnames.data.is_tokens
    assert surnames.data.vocabulary_size == len(surnames.characters) == 83
    spelled = ["".join(surnames.characters[c] for c in row.ravel()) for row in surnames.data]
    assert spelled == surnames.names.tolist()
    assert len(surnames.target_names) == 18
    counts = dict(zip(surnames.target_names, np.bincount(surnames.target), strict=True))
    assert counts["Russian"] == 9384 and counts["Vietnamese"] == 73
    assert np.all(np.bincount(surnames.y_test, minlength=18) >= 10)


def test_a_surname_is_on_one_side_of_the_split():
    surnames = load_surnames()
    train = set(surnames.names[surnames.split == "train"])
    assert not train & set(surnames.names[surnames.split == "test"])


def test_surnames_frame_reads_back_as_tokens():
    surnames = load_surnames(as_frame=True, subset="test")
    X = Sequences.from_frame(surnames.data, vocabulary_size=83)
    assert np.array_equal(X.values, load_surnames(subset="test").data.values)


@pytest.mark.parametrize("load", [load_japanese_vowels, load_basic_motions])
def test_frames_have_one_list_column_a_channel(load):
    bunch = load(as_frame=True)
    assert bunch.data.columns.tolist() == bunch.feature_names
    assert bunch.frame.columns.tolist() == [*bunch.feature_names, bunch.target.name]
    arrays = load().data
    back = Sequences.from_frame(bunch.data)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, back, strict=True))


@pytest.mark.parametrize("load", [load_japanese_vowels, load_basic_motions])
@pytest.mark.parametrize("as_frame", [False, True])
def test_data_survive_train_test_split(load, as_frame):
    X, y = load(return_X_y=True, as_frame=as_frame)
    X_train, X_test, y_train, _ = train_test_split(X, y, stratify=y, random_state=0)
    assert type(X_train) is type(X)
    assert len(X_train) == len(y_train) and len(X_train) + len(X_test) == len(X)
