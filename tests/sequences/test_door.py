"""Checking X against an estimator: fitted attributes, consistency, alignment of static features."""

import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted

from sklearn_rnn.sequences import (
    Sequences,
    check_consistent,
    check_missing,
    check_regression_y,
    check_weights,
    check_X,
)


class Mean(RegressorMixin, BaseEstimator):
    """The smallest estimator that uses the door."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        tags.regressor_tags.poor_score = True
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X, y, sample_weight=None):
        if y is None:
            check_regression_y(y, estimator=self)
        X = check_X(self, X, reset=True)
        y = check_regression_y(y, len(X), estimator=self)
        weights = check_weights(sample_weight, len(X))
        check_consistent(X, y, weights)
        self.mean_ = np.average(y, axis=0, weights=weights)
        return self

    def predict(self, X):
        check_is_fitted(self)
        X = check_X(self, X, reset=False)
        return np.ones((len(X), *self.mean_.shape)) * self.mean_


def fitted(X):
    """Fit an estimator on X alone."""
    estimator = Mean()
    check_X(estimator, X, reset=True)
    return estimator


def ragged(channels, lengths=(3, 2, 4)):
    return [np.zeros((n, channels)) for n in lengths]


def frame(**columns):
    return pd.DataFrame({"a": [[1.0, 2], [3.0]], "b": [[1.0, 2], [3.0]], **columns})


def test_scikit_learn_accepts_an_estimator_behind_the_door():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(Mean(), on_fail=None)
    assert len(results) > 50
    failed = [r["check_name"] for r in results if r["status"] not in ("passed", "skipped")]
    assert failed == []


# What fit sets


@pytest.mark.parametrize(
    ("X", "kind", "n_features", "n_channels", "n_steps"),
    [
        (np.zeros((3, 7)), "array_2d", 7, 1, 7),
        ([[1, 2], [3, 4]], "array_2d", 2, 1, 2),
        (np.zeros((3, 7, 2)), "array_3d", None, 2, None),
        (ragged(4), "list", None, 4, None),
        (Sequences.from_list(ragged(5)), "sequences", None, 5, None),
        (pd.DataFrame(np.zeros((3, 6))), "scalar_frame", 6, 1, 6),
        (pd.Series([[1.0], [2.0, 3]]), "list", None, 1, None),
    ],
)
def test_fitted_attributes(X, kind, n_features, n_channels, n_steps):
    estimator = fitted(X)
    schema = estimator._input_schema_
    assert (schema.kind, schema.n_channels, schema.n_steps) == (kind, n_channels, n_steps)
    assert getattr(estimator, "n_features_in_", None) == n_features
    assert not hasattr(estimator, "feature_names_in_")
    check_X(estimator, X, reset=False)
    assert pickle.loads(pickle.dumps(schema)) == schema
    with pytest.raises(AttributeError):
        schema.kind = "other"


def test_feature_names():
    estimator = fitted(frame(age=[1, 2]))
    assert estimator.feature_names_in_.tolist() == ["a", "b", "age"]
    assert estimator.n_features_in_ == 3
    assert estimator._input_schema_.columns == (("a", "list"), ("b", "list"), ("age", "numeric"))
    for nameless in (ragged(1), np.zeros((2, 3)), Sequences.from_list(ragged(1))):
        check_X(estimator, frame(), reset=True)
        check_X(estimator, nameless, reset=True)
        assert not hasattr(estimator, "feature_names_in_")
        assert hasattr(estimator, "n_features_in_") == isinstance(nameless, np.ndarray)
    assert not hasattr(fitted(frame().rename(columns={"a": 0, "b": 1})), "feature_names_in_")
    assert fitted(pd.DataFrame({"t0": [1.0]})).feature_names_in_.tolist() == ["t0"]


def test_tokens_times_and_static_are_remembered():
    X = Sequences.from_list([[1, 2]], vocabulary_size=5, times=[[0, 1]], static=[[1, 2]])
    schema = fitted(X)._input_schema_
    assert (schema.vocabulary_size, schema.has_times, schema.n_static) == (5, True, 2)


def test_nothing_but_our_attributes_is_set():
    estimator = fitted(ragged(2))
    assert set(vars(estimator)) == {"_input_schema_"}
    assert set(vars(clone(estimator))) == set()


# What predict may be given


@pytest.mark.parametrize(
    ("fit_X", "X"),
    [
        (np.zeros((3, 7)), ragged(1)),
        (np.zeros((3, 7)), [np.zeros(9)]),
        (np.zeros((3, 7)), np.zeros((2, 9, 1))),
        (ragged(1), np.zeros((2, 9))),
        (np.zeros((3, 7, 1)), np.zeros((2, 9))),
        (np.zeros((3, 7, 2)), np.zeros((2, 9, 2))),
        (np.zeros((3, 7, 2)), ragged(2)),
        (ragged(2), np.zeros((2, 9, 2))),
        (ragged(2), Sequences.from_list(ragged(2))),
        ([[1, 2], [3]], [[1, 2, 3]]),
    ],
)
def test_lengths_may_differ(fit_X, X):
    assert len(check_X(fitted(fit_X), X, reset=False)) == len(X)


@pytest.mark.parametrize(
    ("fit_X", "X", "message"),
    [
        (
            np.zeros((3, 7)),
            np.zeros((3, 6)),
            "X has 6 features, but Mean is expecting 7 features as input",
        ),
        (
            np.zeros((3, 7, 2)),
            np.zeros((3, 7, 3)),
            "X has 3 channels, but Mean is expecting 2 channels as input.",
        ),
        (
            np.zeros((3, 7, 2)),
            np.zeros((3, 2, 7)),
            "X has 7 channels, but Mean is expecting 2 channels as input. If the arrays are "
            "channels first, (n_channels, n_steps), convert them with Sequences.from_channels_fi",
        ),
        (ragged(12), [np.zeros((12, 9))], "Sequences.from_channels_first"),
        (ragged(12), ragged(11), "X has 11 channels, but Mean is expecting 12 channels as input"),
        (np.zeros((3, 7)), ragged(2), "X has 2 channels, but Mean is expecting 1 channels"),
        (
            ragged(2),
            np.zeros((5, 2)),
            "X has 1 channels, but Mean is expecting 2 channels as input. A 2-D array is read as "
            "univariate sequences, one for each row; for one sequence of shape (n_steps, "
            "n_channels) pass [X].",
        ),
        (ragged(2), np.zeros((5, 7)), "X has 1 channels, but Mean is expecting 2 channels"),
        (ragged(1), np.zeros(4), "pass [X]"),
        (np.zeros((3, 7)), np.zeros(7), "Reshape your data"),
        (ragged(1), [], "0 sample(s)"),
        (ragged(1), Sequences.from_list(ragged(1))[:0], "0 sample(s)"),
        (frame(), frame()[["a"]], "Feature names seen at fit time, yet now missing:\n- b"),
        (frame(), frame()[["b", "a"]], "Feature names must be in the same order"),
        (frame(), frame(c=[1, 2]), "Feature names unseen at fit time:\n- c"),
        (
            frame(),
            Sequences.from_frame(frame()[["b", "a"]]),
            "The channel names should match those that were passed during fit: X has ['b', 'a'], "
            "but Mean was fitted on ['a', 'b'], in that order",
        ),
        (
            Sequences.from_list([[1, 2]], vocabulary_size=5),
            [[1, 2]],
            "X holds numbers, but Mean was fitted on tokens; build X with Sequences.from_list(..., "
            "vocabulary_size=5)",
        ),
        (
            [[1, 2]],
            Sequences.from_list([[1, 2]], vocabulary_size=5),
            "X holds tokens, but Mean was fitted on numbers",
        ),
        (
            Sequences.from_list([[1, 2]], vocabulary_size=5),
            Sequences.from_list([[1, 2]], vocabulary_size=6),
            "X has vocabulary_size=6, but Mean was fitted with vocabulary_size=5",
        ),
        (
            Sequences.from_frame(frame(age=[1, 2])),
            Sequences.from_frame(frame()),
            "X lacks the static features ['age'] that Mean was fitted with",
        ),
        (
            Sequences.from_frame(frame()),
            Sequences.from_frame(frame(age=[1, 2])),
            "X has the static features ['age'], but Mean was fitted without any",
        ),
        (
            Sequences.from_frame(frame(age=[1, 2])),
            Sequences.from_frame(frame(size=[1, 2])),
            "missing: ['age'], unseen at fit: ['size']",
        ),
        (
            Sequences.from_list([[1.0]], static=[[1, 2]]),
            Sequences.from_list([[1.0]], static=[[1]]),
            "X has 1 static features, but Mean is expecting 2",
        ),
        (
            frame(age=[1, 2]),
            frame(age=["old", "new"]),
            "Static feature 'age' is a category in X, but Mean was fitted with a number",
        ),
    ],
)
def test_mismatches(fit_X, X, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_X(fitted(fit_X), X, reset=False)


def test_names_without_or_beyond_the_fit_warn_as_in_scikit_learn():
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        check_X(fitted(frame()), ragged(2), reset=False)
    with pytest.warns(UserWarning, match="was fitted without feature names"):
        check_X(fitted(ragged(2)), frame(), reset=False)
    check_X(fitted(frame()), Sequences.from_frame(frame()), reset=False)


def test_static_features_are_aligned():
    train = Sequences.from_frame(frame(city=["Oslo", "Bern"], age=[1, 2]))
    test = Sequences.from_frame(frame(age=[5, 6], city=["Rome", "Oslo"]))
    estimator = fitted(train)
    read = check_X(estimator, test, reset=False)
    assert read.static_names == ("city", "age")
    assert read.static_categories == (("Bern", "Oslo"), None)
    np.testing.assert_array_equal(read.static, [[np.nan, 5], [1, 6]])
    assert test.static_names == ("age", "city")
    np.testing.assert_array_equal(test.static, [[5, 1], [6, 0]])


def test_a_row_alone_is_read_as_among_others():
    X = frame(city=["Oslo", None], age=[None, 2.0])
    estimator = fitted(X)
    whole = check_X(estimator, X, reset=False)
    for row in range(2):
        alone = check_X(estimator, X.iloc[[row]], reset=False)
        np.testing.assert_array_equal(alone.static, whole.static[[row]])
        np.testing.assert_array_equal(alone.values, whole[row])


def test_padding_is_cut_at_the_door():
    X = np.array([[1, 2, np.nan], [1, 2, 3]])
    assert check_X(Mean(), X, reset=True).lengths.tolist() == [2, 3]
    assert check_X(Mean(), X.tolist(), reset=True).lengths.tolist() == [3, 3]
    assert check_X(Mean(), X[:, :, None], reset=True).lengths.tolist() == [2, 3]
    assert check_X(Mean(), X[:, :, None].tolist(), reset=True).lengths.tolist() == [3, 3]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.array([["1", "2"]]), "TextTokenizer"),
        (np.array([["1", 2.0]], dtype=object), "TextTokenizer"),
        (pd.DataFrame({"a": ["1"]}), "strings in the columns ['a']"),
        ([[10**400]], "value too large for dtype('float32')"),
        (np.array([[1e300]]), "value too large for dtype('float32')"),
    ],
)
def test_values_refused_at_the_door(X, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_X(Mean(), X, reset=True)


def test_without_a_fit_nothing_is_compared():
    assert len(check_X(Mean(), ragged(3), reset=False)) == 3


def test_check_missing():
    X = Sequences.from_list([[[1, 2]], [[1, 2], [3, np.nan]]], channel_names=["a", "b"])
    with pytest.raises(ValueError, match="contains NaN: row 1, channel 'b', step 1. Mean was"):
        check_missing(X, "Mean")
    with pytest.raises(ValueError, match="row 0, channel 0, step 0"):
        check_missing(Sequences.from_list([[np.nan]]), "Mean")
    check_missing(X[:1], "Mean")
    check_missing(Sequences.from_list([[1]], vocabulary_size=2), "Mean")


@pytest.mark.parametrize("times", [False, True])
def test_times_at_fit_only_or_at_predict_only_are_refused(times):
    bare = Sequences.from_list([[1.0, 2.0], [3.0]])
    timed = Sequences.from_list([[1.0, 2.0], [3.0]], times=[[0.0, 1.5], [0.0]])
    estimator = BaseEstimator()
    check_X(estimator, timed if times else bare, reset=True)
    with pytest.raises(ValueError, match="X has no times" if times else "X has times"):
        check_X(estimator, bare if times else timed, reset=False)


def test_both_infinities_are_refused_without_a_warning():
    X = np.zeros((4, 3))
    X[1, 2], X[2, 0] = np.inf, -np.inf
    with pytest.raises(ValueError, match="infinity: row 1, step 2"):
        check_X(BaseEstimator(), X, reset=True)
