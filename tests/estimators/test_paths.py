"""Which closed form stands beside the recurrence, and what is said where one is left out."""

import warnings

import numpy as np
import pytest
import torch

from sklearn_rnn import RNNClassifier, RNNRegressor, Sequences
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
    "early_stopping": (RNNClassifier, {"early_stopping": True}, X, LABELS, {}),
    "X_val": (RNNClassifier, {}, X, LABELS, VALIDATION),
    "own loss": (RNNClassifier, {"loss": OwnLoss}, X, LABELS, {}),
    "loss object": (RNNClassifier, {"loss": torch.nn.CrossEntropyLoss()}, X, LABELS, {}),
    "named loss": (RNNRegressor, {"loss": "huber"}, X, NUMBERS, {}),
    "numbers": (RNNRegressor, {"early_stopping": True}, X, NUMBERS, {}),
    "tokens": (RNNClassifier, {"loss": OwnLoss}, TOKENS, LABELS, {}),
    "both": (RNNClassifier, {"loss": OwnLoss, "early_stopping": True}, X, LABELS, {}),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_a_closed_form_that_is_left_out_is_told_by_name_and_once(case):
    estimator, settings, own, y, fitting = LEFT_OUT[case]
    setting = "ngrams" if own is TOKENS else "reservoir"
    ((message,), model) = said(estimator(**SMALL, **settings), own, y, **fitting)
    assert message.startswith(f"{estimator.__name__} leaves out the closed form")
    assert f"{setting}=False leaves it out without this warning." in message
    model.set_params(**{setting: False})
    messages, again = said(model, own, y, **fitting)
    assert not messages
    assert again.net_.module_.path is None, "it is the same model"


@pytest.mark.parametrize("case", ["early_stopping", "X_val", "numbers"])
def test_who_asks_for_both_gets_both_in_silence(case):
    estimator, settings, own, y, fitting = LEFT_OUT[case]
    messages, model = said(estimator(**SMALL, **settings, reservoir=True), own, y, **fitting)
    assert not messages and model.net_.module_.path is not None


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
