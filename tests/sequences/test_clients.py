"""scikit-learn's splitters and pipelines take Sequences for an array of samples."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    learning_curve,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import _safe_indexing, resample, shuffle

from sklearn_rnn.sequences import Sequences, check_classification_y, check_X, read_sequences


class NearestMean(ClassifierMixin, BaseEstimator):
    """Tell classes by the mean over all steps."""

    def __init__(self, shift=0.0):
        self.shift = shift

    def fit(self, X, y):
        X = check_X(self, X, reset=True)
        y = check_classification_y(y, len(X), estimator=self)
        self.classes_ = np.unique(y)
        means = self._means(X)
        self.means_ = np.array([means[y == label].mean() for label in self.classes_])
        return self

    def _means(self, X):
        return np.array([np.nanmean(row) for row in X]) + self.shift

    def predict(self, X):
        means = self._means(check_X(self, X, reset=False))
        return self.classes_[np.abs(means[:, None] - self.means_).argmin(axis=1)]


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    arrays = [rng.normal(label * 5, 1, (rng.integers(1, 9), 3)) for label in y]
    X = Sequences.from_list(arrays, static=np.arange(40), channel_names=["a", "b", "c"])
    return X, y


def forms(X):
    yield X
    yield X.to_list()
    yield X.to_frame()
    yield X.to_frame("polars")
    yield X.to_arrow()
    objects = np.empty(len(X), dtype=object)
    objects[:] = X.to_list()
    yield objects


def test_every_form_survives_a_split(data):
    X, y = data
    expected = None
    for form in forms(X):
        train, test, _, y_test = train_test_split(form, y, stratify=y, random_state=0)
        read = read_sequences(test)
        assert len(read) == len(y_test) == 10
        expected = expected or read
        np.testing.assert_array_equal(read.values, expected.values)
        np.testing.assert_array_equal(read.offsets, expected.offsets)
    train, test = train_test_split(X, random_state=0)
    assert isinstance(train, Sequences)
    assert sorted(np.r_[train.static[:, 0], test.static[:, 0]]) == list(range(40))


@pytest.mark.parametrize(
    ("key", "rows"),
    [
        ([3, 1], [3, 1]),
        (np.array([3, 1]), [3, 1]),
        ((3, 1), [3, 1]),
        (slice(2, 5), [2, 3, 4]),
        (np.arange(40) < 2, [0, 1]),
        ([True, False] * 20, list(range(0, 40, 2))),
        ([], []),
    ],
    ids=str,
)
def test_safe_indexing(data, key, rows):
    X, _ = data
    taken = _safe_indexing(X, key)
    assert isinstance(taken, Sequences)
    assert taken.static[:, 0].tolist() == rows
    np.testing.assert_array_equal(_safe_indexing(X, 7), X[7])


def test_splitters(data):
    X, y = data
    for splitter in (KFold(4, shuffle=True, random_state=0), StratifiedKFold(4), GroupKFold(4)):
        groups = np.arange(40) % 8 if isinstance(splitter, GroupKFold) else None
        seen = [X[test].static[:, 0] for _, test in splitter.split(X, y, groups)]
        assert sorted(np.concatenate(seen)) == list(range(40))
    assert len(shuffle(X, random_state=0)) == 40
    assert len(resample(X, n_samples=7, random_state=0)) == 7


def test_model_selection(data):
    X, y = data
    for form in forms(X):
        assert cross_val_score(NearestMean(), form, y).mean() > 0.9
    assert cross_val_predict(NearestMean(), X, y).shape == (40,)
    search = GridSearchCV(NearestMean(), {"shift": [0.0, 1.0]}).fit(X, y)
    assert search.score(X, y) > 0.9
    assert learning_curve(NearestMean(), X, y, train_sizes=[0.5, 1.0])[1].shape == (2, 5)
    parallel = cross_val_score(NearestMean(), X, y, n_jobs=2)
    np.testing.assert_array_equal(parallel, cross_val_score(NearestMean(), X, y))


def test_pipeline_passes_sequences_on(data):
    X, y = data
    pipeline = make_pipeline(FunctionTransformer(lambda X: X.with_values(-X.values)), NearestMean())
    assert pipeline.fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_column_transformer_beside_static_columns(data, output):
    X, y = data
    frame = X.to_frame("polars" if output == "polars" else "pandas")
    if output == "pandas":
        frame = frame.assign(kind=pd.Categorical(np.where(y, "x", "z")))
    columns = ColumnTransformer([("keep", "passthrough", list(frame.columns))])
    columns.set_output(transform=output)
    read = read_sequences(columns.fit_transform(frame))
    assert read.n_channels == 3
    np.testing.assert_array_equal(read.values, X.values)
    np.testing.assert_array_equal(read.static[:, 0], X.static[:, 0])
    assert make_pipeline(columns, NearestMean()).fit(frame, y).score(frame, y) > 0.9
