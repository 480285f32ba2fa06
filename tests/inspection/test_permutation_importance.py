"""What channels are worth: whole sequences from other rows, in every form of X."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.inspection import permutation_importance as of_columns
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_rnn import ReservoirClassifier, ReservoirRegressor, RNNRegressor, Sequences
from sklearn_rnn.inspection import permutation_importance
from sklearn_rnn.preprocessing import SequenceScaler, TextTokenizer

RNG = np.random.default_rng(0)
Y = np.arange(60) % 2
LENGTHS = RNG.integers(4, 12, size=60)
# Channel 1 says it all, channels 0 and 2 nothing.
RAGGED = [
    RNG.normal(size=(n, 3)) + 4 * np.outer(np.ones(n), [0, label, 0])
    for n, label in zip(LENGTHS, Y, strict=True)
]
DENSE = np.stack([RNG.normal(size=(7, 3)) + 4 * np.array([0, label, 0]) for label in Y])
MODEL = ReservoirClassifier(8, random_state=0)


def padded():
    """Return ragged rows as an array with NaN after their ends, one step longer than all."""
    X = np.full((60, 13, 3), np.nan)
    for row, x in zip(X, RAGGED, strict=True):
        row[: len(x)] = x
    return X


def pandas_frame():
    columns = {name: [x[:, c] for x in RAGGED] for c, name in enumerate("abc")}
    return pd.DataFrame({**columns, "age": np.arange(60)}, index=np.arange(60)[::-1])


FORMS = {
    "list": lambda: RAGGED,
    "array": lambda: DENSE,
    "padded": padded,
    "sequences": lambda: Sequences.from_list(RAGGED, channel_names=["a", "b", "c"]),
    "pandas": pandas_frame,
    "polars": lambda: pytest.importorskip("polars").from_pandas(pandas_frame()),
    "arrow": lambda: Sequences.from_list(RAGGED, channel_names=["a", "b", "c"]).to_arrow(),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_channel_that_tells_is_found(form):
    X = FORMS[form]()
    kept = pickle_of(X)
    pipeline = make_pipeline(SequenceScaler(), MODEL).fit(X, Y)
    found = permutation_importance(pipeline, X, Y, n_repeats=3, random_state=0)
    assert found.importances.shape[1] == 3
    assert found.importances_mean[1] > 0.3 > 0.1 > abs(found.importances_mean[[0, 2]]).max()
    np.testing.assert_allclose(found.importances.mean(axis=1), found.importances_mean)
    np.testing.assert_allclose(found.importances.std(axis=1), found.importances_std)
    named = form in ("sequences", "pandas", "polars", "arrow")
    assert found.feature_names[:3] == (["a", "b", "c"] if named else ["x0", "x1", "x2"])
    assert pickle_of(X) == kept, "X is as it was"


def pickle_of(X):
    import pickle

    return pickle.dumps(X)


class Recorder(BaseEstimator):
    """Keeps what it is asked to score."""

    def __init__(self):
        self.seen = []

    def fit(self, X, y):
        return self

    def score(self, X, y):
        self.seen.append(X)
        return 0.0


def test_rows_keep_length_times_and_other_channels():
    times = [np.cumsum(RNG.uniform(1, 2, size=n)) for n in LENGTHS]
    X = Sequences.from_list(RAGGED, times=times, static=np.arange(60.0)[:, None])
    recorder = Recorder()
    found = permutation_importance(recorder, X, Y, n_repeats=1, random_state=0)
    assert found.feature_names == ["x0", "x1", "x2", "static0"]
    _, first, _, _, static = recorder.seen
    np.testing.assert_array_equal(first.lengths, X.lengths)
    np.testing.assert_array_equal(first.times, X.times)
    np.testing.assert_array_equal(first.values[:, 1:], X.values[:, 1:])
    for row in first:
        # It comes from one row, in its order, from the first step on to the last.
        source = [x for x in RAGGED if set(row[:, 0]) <= set(x[:, 0])]
        assert len(source) == 1
        places = [source[0][:, 0].tolist().index(value) for value in row[:, 0]]
        assert places == sorted(places)
        if len(row) >= len(source[0]):
            assert set(places) == set(range(len(source[0])))
    np.testing.assert_array_equal(np.sort(static.static[:, 0]), np.arange(60))
    np.testing.assert_array_equal(static.values, X.values)


def test_equal_lengths_change_places_exactly():
    recorder = Recorder()
    permutation_importance(recorder, DENSE, Y, n_repeats=2, random_state=0)
    assert len(recorder.seen) == 1 + 3 * 2
    moved = recorder.seen[1]
    found = sorted(map(tuple, moved[:, :, 0].tolist()))
    assert found == sorted(map(tuple, DENSE[:, :, 0].tolist()))
    np.testing.assert_array_equal(moved[:, :, 1:], DENSE[:, :, 1:])
    assert not np.array_equal(recorder.seen[2], moved)


def test_a_two_dimensional_array_is_one_channel():
    recorder = Recorder()
    found = permutation_importance(recorder, DENSE[:, :, 1], Y, n_repeats=2, random_state=0)
    assert found.feature_names == ["x0"] and found.importances.shape == (1, 2)
    assert sorted(map(tuple, recorder.seen[1])) == sorted(map(tuple, DENSE[:, :, 1]))


def test_frames_with_categories_texts_and_a_column_transformer():
    frame = pandas_frame().assign(
        site=pd.Categorical(np.where(Y, "north", "south")), age=RNG.normal(size=60)
    )
    y = pd.Series(Y, index=frame.index)
    columns = make_column_transformer(
        (StandardScaler(), ["age"]), remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    model = make_pipeline(columns, MODEL).fit(frame[["a", "age", "site"]], y)
    found = permutation_importance(model, frame[["a", "age", "site"]], y, random_state=0)
    assert found.feature_names == ["a", "age", "site"]
    assert found.importances_mean.argmax() == 2
    texts = pd.DataFrame({"text": np.where(Y, "good good film", "bad film"), "age": frame["age"]})
    model = make_pipeline(TextTokenizer(), ReservoirRegressor(4, random_state=0)).fit(texts, Y)
    found = permutation_importance(model, texts, Y, random_state=0)
    assert found.feature_names == ["text", "age"] and found.importances_mean.argmax() == 0


def test_texts_and_rows_of_words():
    texts = ["a good film", "bad", "no bad film at all"] * 5
    y = [1.0, 0.0, 0.5] * 5
    for X in (texts, [text.split() for text in texts]):
        model = make_pipeline(TextTokenizer(), RNNRegressor(4, max_epochs=5, random_state=0))
        found = permutation_importance(model.fit(X, y), X, y, n_repeats=2, random_state=0)
        assert found.feature_names == ["x0"] and found.importances.shape == (1, 2)
    recorder = Recorder()
    permutation_importance(recorder, [text.split() for text in texts], y, n_repeats=1)
    assert [len(row) for row in recorder.seen[1]] == [len(text.split()) for text in texts]


def test_scorers_weights_and_chosen_features():
    model = MODEL.fit(RAGGED, Y)
    several = permutation_importance(
        model, RAGGED, Y, scoring=["accuracy", "roc_auc"], n_repeats=2, random_state=0
    )
    assert set(several) == {"accuracy", "roc_auc"}
    one = permutation_importance(
        model, RAGGED, Y, scoring="roc_auc", features=[1], n_repeats=2, random_state=0
    )
    assert one.importances.shape == (1, 2) and one.feature_names == ["x1"]
    weights = np.where(np.arange(60) < 30, 1.0, 0.0)
    weighted = permutation_importance(
        model, RAGGED, Y, sample_weight=weights, n_repeats=2, random_state=0
    )
    assert not np.array_equal(weighted.importances, several["accuracy"].importances)
    again = permutation_importance(
        model, RAGGED, Y, sample_weight=weights, n_repeats=2, random_state=0, n_jobs=2
    )
    np.testing.assert_array_equal(weighted.importances, again.importances)
    with pytest.raises(ValueError, match=r"no feature \['z'\]; it has \['x0', 'x1', 'x2'\]"):
        permutation_importance(model, RAGGED, Y, features=["z"])
    with pytest.raises(ValueError, match="n_repeats"):
        permutation_importance(model, RAGGED, Y, n_repeats=0)


def test_one_target_a_step():
    y = [np.cumsum(x[:, 1]) for x in RAGGED]
    model = RNNRegressor(4, max_epochs=5, random_state=0).fit(RAGGED, y)
    found = permutation_importance(model, RAGGED, y, n_repeats=2, random_state=0)
    assert found.importances_mean.argmax() == 1


def test_of_tables_it_is_that_of_scikit_learn():
    """One step a row and a scorer that knows no order: the same question, the same answer."""
    X = pd.DataFrame({"a": RNG.normal(size=60), "b": Y + RNG.normal(size=60), "c": ["u", "v"] * 30})
    pick = make_pipeline(FunctionTransformer(lambda X: X[["a", "b"]].to_numpy()), MODEL).fit(X, Y)
    ours = permutation_importance(pick, X, Y, n_repeats=30, random_state=0)
    theirs = of_columns(pick, X, Y, n_repeats=30, random_state=0)
    np.testing.assert_allclose(ours.importances_mean, theirs.importances_mean, atol=0.06)
    assert ours.importances_mean[2] == 0
