"""A parameter that was set and has no effect is named, by every estimator, and no other is."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV, cross_val_score

from sklearn_rnn import (
    Distribution,
    Dropout,
    EarlyStopping,
    Embedding,
    Optimizer,
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
    "early_stopping__validation_fraction": (
        RNNClassifier(early_stopping=EarlyStopping(validation_fraction=0.3), **QUICK),
        (X, Y), VAL, "X_val",
    ),
    "hidden_size": (RNNClassifier(3, closed_form="only"), (X, Y), {}, "closed form alone"),
    "optimizer": (
        RNNRegressor(optimizer=torch.optim.SGD, closed_form="only"), (TOKENS, Y), {}, "closed form",
    ),
    "optimizer__schedule": (
        RNNClassifier(optimizer=Optimizer(schedule="constant"), closed_form="only"), (X, Y), {},
        "closed form alone",
    ),
    "dropout__weights": (
        RNNRegressor(dropout=Dropout(weights=0.1), closed_form="only"), (X, Y), {}, "closed form",
    ),
    "pooling": (RNNRegressor(pooling="last", **QUICK), (X, STEPS), {}, "one target a step"),
    "embedding": (RNNClassifier(embedding=9, **QUICK), (X, Y), {}, "tokens or words"),
    "embedding of an object": (
        RNNClassifier(embedding=Embedding(9), **QUICK), (X, Y), {}, "tokens or words",
    ),
    "label_smoothing": (
        RNNClassifier(label_smoothing=0.1, **QUICK), (X, SETS), {}, "one label a sequence",
    ),
    "embedding__characters": (
        SequenceTagger(embedding=Embedding(characters=9), **QUICK), (X, TAGS), {},
        "tokens or words",
    ),
    "constraints": (
        SequenceTagger(constraints=None, decoder="softmax", **QUICK), (WORDS, WORD_TAGS), {}, "crf",
    ),
    "distribution__n_components": (
        SequenceForecaster(2, distribution=Distribution(n_components=2), **QUICK),
        (None, SERIES), {}, "mixture",
    ),
    "distribution__n_samples": (
        SequenceForecaster(2, distribution=Distribution(n_samples=9), **QUICK),
        (None, SERIES), {}, "recursive",
    ),
    "optimizer__gradient_clip": (
        SequenceForecaster(2, optimizer=Optimizer(gradient_clip=2.0), closed_form="only"),
        (None, SERIES), {}, "only",
    ),
    "cell": (SequenceForecaster(2, cell="rnn", closed_form="only"), (None, SERIES), {}, "only"),
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
    "defaults as objects": (
        RNNClassifier(
            dropout=Dropout(0.2), embedding=Embedding(64), optimizer=Optimizer(),
            closed_form="only",
        ),
        (X, Y), {},
    ),
    "defaults as auto": (
        RNNClassifier(dropout=Dropout(), embedding=Embedding(), closed_form="only"), (X, Y), {},
    ),
    "early stopping": (
        RNNRegressor(early_stopping=EarlyStopping(tol=0.1, validation_fraction=0.3), **QUICK),
        (X, Y), {},
    ),
    "tokens": (
        RNNClassifier(embedding=Embedding(9, word_dropout=0.1, variational=True), **QUICK),
        (TOKENS, Y),
        {},
    ),
    "alone": (RNNClassifier(closed_form="only", bidirectional=False, random_state=0), (X, Y), {}),
    "n-grams": (
        RNNClassifier(closed_form="only", early_stopping=EarlyStopping(validation_fraction=0.5)),
        (TOKENS, Y), {},
    ),
    "smoothed": (RNNClassifier(label_smoothing=0.1, **QUICK), (X, Y), {}),
    "words": (
        SequenceTagger(embedding=Embedding(characters=9), constraints=None, **QUICK),
        (WORDS, WORD_TAGS), {},
    ),
    "mixture": (
        SequenceForecaster(2, distribution=Distribution("mixture", n_components=2), **QUICK),
        (None, SERIES), {},
    ),
    "as lists": (RNNClassifier(pooling=["mean", "max", "last"], closed_form="only"), (X, Y), {}),
    "pooled": (ReservoirRegressor(3, pooling="mean"), (X, Y), {}),
}  # fmt: skip


@pytest.mark.parametrize("case", USED)
def test_what_has_an_effect_or_is_the_default_is_not(case):
    model, data, fitting = USED[case]
    assert named(model, *data, **fitting) == []


def test_all_that_a_fit_leaves_unused_is_one_warning():
    model = RNNClassifier(3, closed_form="only", max_epochs=3, embedding=3)
    model.set_params(optimizer__tbptt_steps=3)
    (message,) = named(model, X, Y)
    for name in ("hidden_size", "max_epochs", "optimizer__tbptt_steps", "embedding"):
        assert message.count(name) == 1


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_of_a_search_only_what_it_chose_is_told(n_jobs):
    """Candidates leave unused what others need: nine fits would say so six times."""
    model = RNNClassifier(max_epochs=1, random_state=0)
    grid = {"closed_form": ["only"], "hidden_size": [3, 4]}
    (message,) = named(GridSearchCV(model, grid, cv=2, n_jobs=n_jobs), X, Y)
    assert "hidden_size" in message
    alone = {**grid, "closed_form": [False]}
    assert named(GridSearchCV(model, alone, cv=2, n_jobs=n_jobs), X, Y) == []
    with pytest.warns(UnusedParameterWarning, match="embedding"):
        cross_val_score(model.set_params(embedding=9), X, Y, cv=2)


def test_as_an_error_it_comes_before_training():
    model = RNNClassifier(embedding=9, **QUICK)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnusedParameterWarning)
        with pytest.raises(UnusedParameterWarning, match="embedding"):
            model.fit(X, Y)
    assert not hasattr(model, "net_")
