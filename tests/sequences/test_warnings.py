"""Warnings are given at the line of the user's, however far from it they are found."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from sklearn_rnn import ReservoirClassifier, RNNClassifier, SequenceForecaster
from sklearn_rnn.preprocessing import SequenceImputer, SequenceScaler

X, Y = np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) % 2
MACHINES = pd.DataFrame(
    {"machine": np.repeat(np.arange(5), 8), "second": np.tile(np.arange(8), 5), "load": X[:, 0]}
)
FLAT = pd.Series(np.ones(60), pd.date_range("2024-01-01", periods=60))
SMALL = {"hidden_size": 4, "max_epochs": 1, "early_stopping": True, "random_state": 0}
GONE = np.where(np.arange(5) == 2, np.nan, X)


@pytest.mark.parametrize(
    "use",
    [
        lambda: RNNClassifier(**SMALL).fit(X, Y),
        lambda: make_pipeline(SequenceScaler(), RNNClassifier(**SMALL)).fit(X, Y),
        lambda: GridSearchCV(RNNClassifier(**SMALL), {"dropout": [0.1]}, cv=2).fit(X, Y),
        lambda: cross_val_score(RNNClassifier(**SMALL), X, Y, cv=2),
        lambda: ReservoirClassifier(5, random_state=0).fit(MACHINES, Y),
        lambda: SequenceForecaster(3, linear="only").fit(None, FLAT),
        lambda: SequenceImputer().fit(GONE[..., None].transpose(0, 2, 1)),
    ],
    ids=["fit", "pipeline", "search", "cross_val_score", "table", "forecaster", "imputer"],
)
def test_the_line_is_the_users(use):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        use()
    assert caught
    assert {warning.filename for warning in caught} == {__file__}
