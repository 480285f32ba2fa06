"""ToSequences: every form of X as a pipeline step."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.pipeline import make_pipeline

from sklearn_rnn import Sequences
from sklearn_rnn.preprocessing import SequenceScaler, ToSequences

NAN = np.nan
LONG = {
    "id": ["b", "b", "a", "a", "a"],
    "time": [0.0, 2.0, 1.0, 2.0, 4.0],
    "x": [1.0, 2.0, 3.0, 4.0, 5.0],
    "y": [0.0, 1.0, 0.0, 1.0, 0.0],
    "age": [30.0, 30.0, 40.0, 40.0, 40.0],
}


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_long_frames(library):
    frame = library(LONG)
    step = ToSequences(id="id", time="time", channels=["x", "y"], static=["age"])
    found = step.fit_transform(frame)
    expected = Sequences.from_long(frame, id="id", time="time", channels=["x", "y"], static=["age"])
    assert found.equals(expected)
    assert list(step.get_feature_names_out()) == ["x", "y"]
    with pytest.raises(ValueError, match="channels"):
        ToSequences(id="id", time="time").fit(frame).transform(frame[["id", "time", "x"]])


def test_list_columns_with_times():
    frame = pd.DataFrame({"x": [[1.0, 2.0], [3.0]], "t": [[0.0, 5.0], [1.0]]})
    found = ToSequences(time="t").fit_transform(frame)
    assert found.channel_names == ("x",)
    np.testing.assert_array_equal(found.times, [0, 5, 1])
    found = ToSequences(channels=["t"]).fit_transform(frame)
    assert found.channel_names == ("t",)


def test_channels_first():
    X = np.arange(24.0).reshape(2, 3, 4)
    found = ToSequences(channels_first=True).fit_transform(X)
    np.testing.assert_array_equal(np.asarray(found), X.transpose(0, 2, 1))
    found = ToSequences(channels_first=True).fit_transform([X[0], X[1, :, :2]])
    assert found.lengths.tolist() == [4, 2] and found.n_channels == 3
    X[1, :, 2:] = NAN
    step = ToSequences(channels_first=True)
    assert step.fit_transform(X).lengths.tolist() == [4, 2]
    step.set_params(trailing_nan="missing")
    assert step.fit_transform(X).lengths.tolist() == [4, 4]


def test_tokens():
    found = ToSequences(vocabulary_size=4).fit_transform([[0, 3], [1]])
    assert found.is_tokens and found.values.ravel().tolist() == [0, 3, 1]
    found = ToSequences(vocabulary_size=4).fit_transform(np.array([[0, 3], [1, 2]]))
    assert found.is_tokens
    frame = pd.DataFrame({"text": [[0, 1], [2]]})
    assert ToSequences(vocabulary_size=4).fit_transform(frame).is_tokens
    with pytest.raises(ValueError, match="Row 1 holds 0.5"):
        ToSequences(vocabulary_size=4).fit([[0.0], [0.5]])
    with pytest.raises(ValueError, match="Row 0 holds nan"):
        ToSequences(vocabulary_size=4).fit([[0.0, NAN], [1.0]])
    with pytest.raises(ValueError, match="Row 1 holds the token 4"):
        ToSequences(vocabulary_size=4).fit([[0, 1], [4]])
    already = Sequences.from_list([[0, 1]], vocabulary_size=4)
    assert ToSequences(vocabulary_size=4).fit_transform(already).equals(already)
    assert ToSequences().fit_transform(already).equals(already)
    with pytest.raises(ValueError, match="the parameter says 5"):
        ToSequences(vocabulary_size=5).fit(already)


def test_trailing_nan():
    X = np.array([[1.0, NAN, NAN], [1.0, NAN, 3.0]])
    assert ToSequences().fit_transform(X).lengths.tolist() == [1, 3]
    assert ToSequences(trailing_nan="missing").fit_transform(X).lengths.tolist() == [3, 3]
    cube = np.stack([X, X], axis=2)
    assert ToSequences(trailing_nan="missing").fit_transform(cube).lengths.tolist() == [3, 3]


def test_contradicting_parameters_are_refused():
    with pytest.raises(ValueError, match="static needs id"):
        ToSequences(static=["age"]).fit([[1.0]])
    with pytest.raises(ValueError, match="channels_first is for arrays, time for frames"):
        ToSequences(channels_first=True, time="t").fit([[1.0]])


def test_nothing_is_copied_needlessly():
    X = np.zeros((3, 4, 2))
    assert np.shares_memory(ToSequences().fit_transform(X).values, X)


def test_pickle_and_frames_in_a_pipeline():
    X = [[1.0, 2.0], [3.0]]
    pipeline = make_pipeline(ToSequences(), SequenceScaler()).set_output(transform="pandas")
    expected = pipeline.fit_transform(X)
    assert isinstance(expected, Sequences)
    assert pickle.loads(pickle.dumps(pipeline)).transform(X).equals(expected)
    assert list(pipeline.get_feature_names_out()) == ["x0"]
