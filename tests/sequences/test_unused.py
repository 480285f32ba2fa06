"""A parameter that was set and has no effect is named, by every estimator, and no other is."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV, cross_val_score

from sklearn_rnn import (
    ReservoirRegressor,
    RNNClassifier,
    RNNRegressor,
    SequenceForecaster,
    Sequences,
    SequenceTagger,
)
from sklearn_rnn.exceptions import UnusedParameterWarning

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 2)) for n in RNG.integers(3, 7, size=24)]
Y, SETS = np.arange(24) % 2, np.eye(3, dtype=int)[np.arange(24) % 3]
TOKENS = Sequences.from_list([RNG.integers(6, size=5) for _ in X], vocabulary_size=6)
STEPS = [x[:, 0] for x in X]
TAGS = [["a" if value > 0 else "b" for value in x[:, 0]] for x in X]
WORDS = [[f"w{token[0]}" for token in row] for row in TOKENS.to_list()]
WORD_TAGS = [["a" if word < "w3" else "b" for word in row] for row in WORDS]
SERIES = np.sin(np.arange(40.0)) + 3
QUICK = {"hidden_size": 3, "max_epochs": 1, "random_state": 0}
VAL = {"X_val": X, "y_val": Y}


def named(model, *data, **fitting):
    """Fit, and return what the warnings about parameters said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UnusedParameterWarning)
        model.fit(*data, **fitting)
    for warning in caught:
        assert warning.filename == __file__
    return [str(warning.message) for warning in caught]


CASES = {
    "nonlinearity": (RNNClassifier(nonlinearity="relu", **QUICK), (X, Y), {}, "cell='rnn'"),
    "tol": (RNNRegressor(tol=0.1, **QUICK), (X, Y), {}, "early_stopping=True"),
    "n_iter_no_change": (RNNClassifier(n_iter_no_change=3, **QUICK), (X, Y), VAL, "early_stopping"),
    "validation_fraction": (
        RNNClassifier(early_stopping=True, validation_fraction=0.3, **QUICK), (X, Y), VAL, "X_val",
    ),
    "hidden_size": (RNNClassifier(3, reservoir="only"), (X, Y), {}, "closed form alone"),
    "optimizer": (
        RNNRegressor(optimizer=torch.optim.SGD, ngrams="only"), (TOKENS, Y), {}, "closed form",
    ),
    "pooling": (RNNRegressor(pooling="last", **QUICK), (X, STEPS), {}, "one target a step"),
    "embedding_size": (RNNClassifier(embedding_size=9, **QUICK), (X, Y), {}, "tokens or words"),
    "label_smoothing": (
        RNNClassifier(label_smoothing=0.1, **QUICK), (X, SETS), {}, "one label a sequence",
    ),
    "character_size": (SequenceTagger(character_size=9, **QUICK), (X, TAGS), {}, "tokens or words"),
    "constraints": (
        SequenceTagger(constraints=None, decoder="softmax", **QUICK), (WORDS, WORD_TAGS), {}, "crf",
    ),
    "n_components": (SequenceForecaster(2, n_components=2, **QUICK), (None, SERIES), {}, "mixture"),
    "n_samples": (SequenceForecaster(2, n_samples=9, **QUICK), (None, SERIES), {}, "recursive"),
    "cell": (SequenceForecaster(2, cell="rnn", linear="only"), (None, SERIES), {}, "only"),
    "pooling of a reservoir": (
        ReservoirRegressor(3, pooling="mean"), (X, STEPS), {}, "one target a step",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_was_set_for_nothing_is_named_with_the_reason(case):
    model, data, fitting, why = CASES[case]
    (message,) = named(model, *data, **fitting)
    assert message.startswith(f"{type(model).__name__} was given parameters that have no effect")
    assert f"{case.split()[0]} (" in message and why in message


USED = {
    "nonlinearity": (RNNClassifier(nonlinearity="relu", cell="rnn", **QUICK), (X, Y), {}),
    "early stopping": (
        RNNRegressor(early_stopping=True, tol=0.1, validation_fraction=0.3, **QUICK), (X, Y), {},
    ),
    "tokens": (
        RNNClassifier(embedding_size=9, word_dropout=0.1, variational=True, **QUICK),
        (TOKENS, Y),
        {},
    ),
    "alone": (RNNClassifier(reservoir="only", bidirectional=False, random_state=0), (X, Y), {}),
    "n-grams": (
        RNNClassifier(ngrams="only", early_stopping=True, validation_fraction=0.5), (TOKENS, Y), {},
    ),
    "smoothed": (RNNClassifier(label_smoothing=0.1, **QUICK), (X, Y), {}),
    "words": (SequenceTagger(character_size=9, constraints=None, **QUICK), (WORDS, WORD_TAGS), {}),
    "mixture": (
        SequenceForecaster(2, n_components=2, distribution="mixture", **QUICK), (None, SERIES), {},
    ),
    "as lists": (RNNClassifier(pooling=["mean", "max", "last"], reservoir="only"), (X, Y), {}),
    "pooled": (ReservoirRegressor(3, pooling="mean"), (X, Y), {}),
}  # fmt: skip


@pytest.mark.parametrize("case", USED)
def test_what_has_an_effect_or_is_the_default_is_not(case):
    model, data, fitting = USED[case]
    assert named(model, *data, **fitting) == []


def test_all_that_a_fit_leaves_unused_is_one_warning():
    model = RNNClassifier(3, reservoir="only", max_epochs=3, tol=0.1, embedding_size=3)
    (message,) = named(model, X, Y)
    for name in ("hidden_size", "max_epochs", "tol", "embedding_size"):
        assert message.count(name) == 1


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_of_a_search_only_what_it_chose_is_told(n_jobs):
    """Candidates leave unused what others need: nine fits would say so six times."""
    model = RNNClassifier(**QUICK, reservoir=False)
    grid = {"cell": ["lstm", "gru"], "nonlinearity": ["relu", "sigmoid"]}
    (message,) = named(GridSearchCV(model, grid, cv=2, n_jobs=n_jobs), X, Y)
    assert "nonlinearity (" in message
    assert named(GridSearchCV(model, {**grid, "cell": ["rnn"]}, cv=2, n_jobs=n_jobs), X, Y) == []
    with pytest.warns(UnusedParameterWarning, match="tol"):
        cross_val_score(model.set_params(tol=0.1), X, Y, cv=2)


def test_as_an_error_it_comes_before_training():
    model = RNNClassifier(nonlinearity="relu", **QUICK)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnusedParameterWarning)
        with pytest.raises(UnusedParameterWarning, match="nonlinearity"):
            model.fit(X, Y)
    assert not hasattr(model, "net_")
