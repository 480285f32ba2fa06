"""Which closed form stands beside the recurrence, and what is said where one is left out."""

import warnings

import numpy as np
import pytest
import torch

from sklearn_rnn import EarlyStopping, RNNClassifier, RNNRegressor, Sequences
from sklearn_rnn.datasets import load_japanese_vowels, make_adding_problem
from sklearn_rnn.estimators import _closed_form
from sklearn_rnn.exceptions import BaselineWarning, ClosedFormWarning

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(RNG.integers(4, 9), 2)) for _ in range(40)]
TOKENS = Sequences.from_list([RNG.integers(9, size=6) for _ in X], vocabulary_size=9)
LABELS, NUMBERS = np.arange(40) % 2, RNG.normal(size=40)
SMALL = {"hidden_size": 4, "max_epochs": 1, "random_state": 0}


class OwnLoss(torch.nn.CrossEntropyLoss):
    """A loss of a user's own."""


def said(model, X, y, **fitting):
    """Fit; return what was said of the closed form, and the model."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ClosedFormWarning)
        warnings.simplefilter("ignore", BaselineWarning)
        model.fit(X, y, **fitting)
    for warning in caught:
        assert warning.filename == __file__ and warning.category is ClosedFormWarning
    return [str(warning.message) for warning in caught], model


VALIDATION = {"X_val": X[:10], "y_val": LABELS[:10]}
LEFT_OUT = {
    "own loss": (RNNClassifier, {"loss": OwnLoss}, X, LABELS, {}),
    "loss object": (RNNClassifier, {"loss": torch.nn.CrossEntropyLoss()}, X, LABELS, {}),
    "named loss": (RNNRegressor, {"loss": "huber"}, X, NUMBERS, {}),
    "tokens": (RNNClassifier, {"loss": OwnLoss}, TOKENS, LABELS, {}),
    "both": (RNNClassifier, {"loss": OwnLoss, "early_stopping": True}, X, LABELS, {}),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_a_closed_form_that_is_left_out_is_told_by_name_and_once(case):
    estimator, settings, own, y, fitting = LEFT_OUT[case]
    ((message,), model) = said(estimator(**SMALL, **settings), own, y, **fitting)
    assert message.startswith(f"{estimator.__name__} leaves out the closed form")
    assert "closed_form=False leaves it out without this warning." in message
    model.set_params(closed_form=False)
    messages, again = said(model, own, y, **fitting)
    assert not messages
    assert again.net_.module_.path is None, "it is the same model"


WATCHED = {
    "early_stopping": (RNNClassifier, {"early_stopping": True}, X, LABELS, {}),
    "X_val": (RNNClassifier, {}, X, LABELS, VALIDATION),
    "both": (RNNClassifier, {"early_stopping": True}, X, LABELS, VALIDATION),
    "numbers": (RNNRegressor, {"early_stopping": True}, X, NUMBERS, {}),
    "several": (RNNRegressor, {"early_stopping": True}, X, np.c_[NUMBERS, -NUMBERS], {}),
    "label sets": (RNNClassifier, {"early_stopping": True}, X, np.c_[LABELS, 1 - LABELS], {}),
    "three": (RNNClassifier, {"early_stopping": True, "n_estimators": 2}, X, np.arange(40) % 3, {}),
    "tokens": (RNNClassifier, {"early_stopping": True}, TOKENS, LABELS, {}),
    "X_val of tokens": (RNNRegressor, {}, TOKENS, NUMBERS, {"X_val": TOKENS, "y_val": NUMBERS}),
    "own cell": (RNNClassifier, {"cell": torch.nn.GRUCell}, X, LABELS, VALIDATION),
}


@pytest.mark.parametrize("case", WATCHED)
def test_a_watched_recurrence_keeps_the_closed_form_beside_it(case):
    estimator, settings, own, y, fitting = WATCHED[case]
    model = estimator(**{**SMALL, **settings, "max_epochs": 4})
    messages, model = said(model, own, y, **fitting)
    assert not messages and model.net_.module_.path is not None
    history = model.history_
    alone = history[["recurrence_score", "recurrence_loss", "recurrence_share"]]
    assert np.isfinite(alone).all(axis=None) and len(history) == model.n_iter_
    best = history["valid_score"].max()
    assert model.best_validation_score_ == pytest.approx(best)
    shares = history["recurrence_share"][history["valid_score"] >= best - 1e-4]
    if model.early_stopping:
        assert any(model.recurrence_share_ == pytest.approx(share) for share in shares)
    else:
        assert model.recurrence_share_ == pytest.approx(history["recurrence_share"].iloc[-1])
    if fitting and model.early_stopping:
        best = model.best_validation_score_
    else:
        best = history["valid_score"].iloc[-1]
    if fitting:
        score = model.score(fitting["X_val"], fitting["y_val"])
        assert score == pytest.approx(best, abs=1e-6), "the whole is what was scored"


@pytest.mark.parametrize("how", ["early_stopping", "X_val"])
def test_nothing_is_lost_by_watching(how):
    X_train, y = load_japanese_vowels(return_X_y=True, subset="train")
    X_test, y_test = load_japanese_vowels(return_X_y=True, subset="test")
    model = RNNClassifier(random_state=0, max_epochs=3, early_stopping=how == "early_stopping")
    fitting = {"X_val": X_train[::9], "y_val": y[::9]} if how == "X_val" else {}
    assert model.fit(X_train, y, **fitting).score(X_test, y_test) >= 0.99


@pytest.mark.parametrize("n_rows", [40, 120])
@pytest.mark.parametrize("own", ["numbers", "tokens"])
def test_what_is_watched_was_left_out_of_the_closed_form_too(own, n_rows):
    """Of noise every answer that has been seen is known, and no other."""
    rng = np.random.default_rng(1)
    y = rng.permutation(np.arange(n_rows) % 2)
    rows = [rng.integers(30, size=6) for _ in y]
    noise = rng.normal(size=(n_rows, 6, 2))
    data = noise if own == "numbers" else Sequences.from_list(rows, vocabulary_size=30)
    model = RNNClassifier(4, max_epochs=1, early_stopping=True, random_state=0)
    scores = [model.set_params(random_state=i).fit(data, y).validation_scores_ for i in range(8)]
    assert np.mean(scores) < 0.75


def test_a_recurrence_that_is_still_learning_is_given_time():
    """The closed form adds the marked numbers badly; the recurrence needs many epochs for it."""
    X_train, y = make_adding_problem(300, n_steps=20, random_state=0)
    model = RNNRegressor(
        16,
        cell="gru",
        max_epochs=60,
        learning_rate=0.01,
        early_stopping=EarlyStopping(n_iter_no_change=8, validation_fraction=0.2),
        random_state=0,
    )
    model.fit(X_train, y)
    X_test, y_test = make_adding_problem(200, n_steps=20, random_state=1)
    alone = RNNRegressor(closed_form="only", random_state=0).fit(X_train, y)
    assert model.recurrence_share_ > 0
    assert 1 - model.score(X_test, y_test) < 0.6 * (1 - alone.score(X_test, y_test))


def test_callbacks_see_the_whole_after_each_epoch():
    from sklearn.callback import ScoringMonitor

    model = RNNClassifier(4, max_epochs=3, random_state=0)
    monitor = ScoringMonitor(scoring="accuracy")
    model.set_callbacks(monitor).fit(X, LABELS, **VALIDATION)
    shares = model.history_["recurrence_share"]
    log = monitor.get_logs()
    assert len(shares) == 3 and log is not None


def test_recordings_are_watched_where_they_were_left_out(monkeypatch):
    monkeypatch.setattr(_closed_form, "_SOLVE_ON", 30)
    monkeypatch.setattr(_closed_form, "_JUDGE_ON", 8)
    series = RNG.normal(size=(300, 1))
    cuts = [series[25 * i : 25 * i + 12 + k] for i in range(12) for k in range(5)]
    y = np.tile(np.arange(5.0), 12)
    model = RNNRegressor(4, max_epochs=2, early_stopping=True, random_state=0).fit(cuts, y)
    assert model.net_.module_.path is not None and model.report_.n_validation >= 1
    watched = RNNRegressor(4, max_epochs=2, random_state=0)
    report = watched.fit(cuts, y, X_val=cuts[:20], y_val=y[:20]).report_
    assert watched.net_.module_.path is not None and report.validation == "sequences of X_val"
    assert report.n_validation == 20


def test_where_none_would_be_none_is_missed():
    for settings, own, y in (
        ({}, X, LABELS),
        ({"early_stopping": True}, TOKENS, LABELS),
        ({"early_stopping": True}, X[:1] * 40, np.stack([LABELS, LABELS], axis=1) + 3),
    ):
        if y.ndim == 2:
            y = y.astype(str)
        messages, _ = said(RNNClassifier(**SMALL, **settings), own, y)
        assert not messages
    steps = [x[:, 0] for x in X]
    messages, model = said(RNNRegressor(**SMALL, early_stopping=True), X, steps)
    assert not messages
    with warnings.catch_warnings():
        warnings.simplefilter("error", ClosedFormWarning)
        RNNClassifier(**SMALL, early_stopping=True).partial_fit(X, LABELS)
