"""Warnings stand at the user's line, and saved models name their version."""

import copy
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_rnn import (
    ReservoirClassifier,
    ReservoirRegressor,
    ReservoirTransformer,
    RNNClassifier,
    RNNRegressor,
    SequenceForecaster,
    SequenceTagger,
    __version__,
    make_forecast_pipeline,
)
from sklearn_rnn.exceptions import InconsistentVersionWarning
from sklearn_rnn.preprocessing import (
    SequenceImputer,
    SequenceResampler,
    SequenceScaler,
    SlidingWindows,
    TextTokenizer,
    ToSequences,
)

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(RNG.integers(4, 9), 2)) for _ in range(40)]
LABELS, NUMBERS = np.arange(40) % 2, RNG.normal(size=40)
TAGS = [np.where(x[:, 0] > 0, "up", "down") for x in X]
SMALL = {"hidden_size": 4, "max_epochs": 1, "random_state": 0}
SERIES = np.sin(np.arange(60.0))
TABLE = pd.DataFrame({"time": pd.date_range("2024", periods=60), "price": RNG.normal(size=60)})
CASES = {
    "RNNClassifier": (RNNClassifier(**SMALL), X, LABELS),
    "RNNRegressor": (RNNRegressor(**SMALL), X, NUMBERS),
    "SequenceTagger": (SequenceTagger(**SMALL), X, TAGS),
    "ReservoirClassifier": (ReservoirClassifier(4, random_state=0), X, LABELS),
    "ReservoirRegressor": (ReservoirRegressor(4, random_state=0), X, NUMBERS),
    "ReservoirTransformer": (ReservoirTransformer(4, random_state=0), X, None),
    "SequenceForecaster": (SequenceForecaster(3, **SMALL), None, SERIES),
    "SequenceImputer": (SequenceImputer(), X, None),
    "SequenceResampler": (SequenceResampler(5), X, None),
    "SequenceScaler": (SequenceScaler(), X, None),
    "SlidingWindows": (SlidingWindows(3), X, None),
    "TextTokenizer": (TextTokenizer(), ["one two", "two"], None),
    "ToSequences": (ToSequences(), X, None),
}


@pytest.mark.parametrize("name", CASES)
def test_another_version_is_told_in_one_sentence(name, tmp_path):
    model, rows, y = CASES[name]
    model = clone(model).fit(rows, y)
    state = model.__getstate__()
    assert state["_sklearn_rnn_version"] == __version__
    with warnings.catch_warnings():
        warnings.simplefilter("error", InconsistentVersionWarning)
        for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
            assert "_sklearn_rnn_version" not in vars(again)
        joblib.dump(model, tmp_path / "model")
        joblib.load(tmp_path / "model")
    for saved, words in (("0.0.7", "version 0.0.7"), (None, "a version that left no name")):
        other = {**state, "_sklearn_rnn_version": saved}
        with pytest.warns(InconsistentVersionWarning, match=f"This {name} was saved by {words}"):
            object.__new__(type(model)).__setstate__(other)
    state.pop("_sklearn_rnn_version")
    with pytest.warns(InconsistentVersionWarning, match="left no name"):
        object.__new__(type(model)).__setstate__(state)


def test_a_pipeline_of_covariates_is_told_too():
    pipeline = make_forecast_pipeline(
        StandardScaler(),
        SequenceForecaster(3, **SMALL, time_col="time"),
    )
    step = pipeline.fit(TABLE, SERIES).steps[0][1]
    assert step.__getstate__()["_sklearn_rnn_version"] == __version__


def missing_one(weights):
    """Return weights without one, and its name."""
    name = sorted(weights)[len(weights) // 2]
    return {key: value for key, value in weights.items() if key != name}, name


def test_a_missing_weight_is_named():
    model = clone(CASES["RNNClassifier"][0]).fit(X, LABELS)
    state = model.__getstate__()
    state["net_"]["weights"], name = missing_one(state["net_"]["weights"])
    with pytest.raises(ValueError, match=f"The saved model lacks the weight '{name}'"):
        object.__new__(RNNClassifier).__setstate__(state)
    features = clone(CASES["ReservoirRegressor"][0]).fit(X, NUMBERS)._features
    state = features.__getstate__()
    state["weights"]["reservoir"], name = missing_one(state["weights"]["reservoir"])
    with pytest.raises(ValueError, match=f"The saved model lacks the weight '{name}'"):
        object.__new__(type(features)).__setstate__(state)
    forecaster = clone(CASES["SequenceForecaster"][0]).fit(None, SERIES).model_
    state = forecaster.__getstate__()
    config, weights = state["networks_"][0]
    less, name = missing_one(weights)
    state["networks_"] = [(config, less)]
    with pytest.raises(ValueError, match=f"The saved model lacks the weight '{name}'"):
        object.__new__(type(forecaster)).__setstate__(state)
    state["networks_"] = [(config, {**weights, "odd": np.zeros(3)})]
    with pytest.raises(ValueError, match="has a weight 'odd' too many"):
        object.__new__(type(forecaster)).__setstate__(state)
    state["networks_"] = [(config, {**weights, name: np.zeros((1, 2, 3))})]
    with pytest.raises(ValueError, match=f"'{name}' of shape \\(1, 2, 3\\) in place of"):
        object.__new__(type(forecaster)).__setstate__(state)


@pytest.mark.parametrize("name", ["RNNRegressor", "ReservoirRegressor"])
@pytest.mark.parametrize("per_step", [False, True])
def test_no_training_target_is_saved(name, per_step):
    model, rows, y = CASES[name]
    y = [row[:, 0] * 1.7 + 0.123 for row in rows] if per_step else y
    stored = pickle.dumps(clone(model).fit(rows, y))
    flat = np.concatenate(y) if per_step else y
    assert not [number for number in flat if np.float64(number).tobytes() in stored]
    loaded = pickle.loads(stored)
    for found, own in zip(
        loaded.predict(rows), clone(model).fit(rows, y).predict(rows), strict=True
    ):
        np.testing.assert_array_equal(found, own)
    if name == "ReservoirRegressor":
        for whole in (loaded, copy.deepcopy(loaded)):
            with pytest.raises(ValueError, match="make the first call partial_fit"):
                whole.partial_fit(rows, y)


def test_what_a_forecaster_held_out_is_not_saved():
    rng = np.random.default_rng(0)
    panel = pd.DataFrame(
        {"id": np.repeat(np.arange(60), 40), "time": np.tile(pd.date_range("2024", periods=40), 60)}
    )
    model = SequenceForecaster(7, id_col="id", time_col="time", **SMALL)
    model.fit(panel, rng.normal(size=len(panel)))
    sizes = {key: len(pickle.dumps(value)) for key, value in model.model_.__getstate__().items()}
    assert model.model_.validation_ is None
    assert sum(size for key, size in sizes.items() if key != "networks_") < 30_000


X, Y = np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) % 2
MACHINES = pd.DataFrame(
    {"machine": np.repeat(np.arange(5), 8), "second": np.tile(np.arange(8), 5), "load": X[:, 0]}
)
FLAT = pd.Series(np.ones(60), pd.date_range("2024-01-01", periods=60))
OWN_LOSS = {"max_epochs": 1, "loss": torch.nn.CrossEntropyLoss(), "random_state": 0}
GONE = np.where(np.arange(5) == 2, np.nan, X)


@pytest.mark.parametrize(
    "use",
    [
        lambda: RNNClassifier(**OWN_LOSS).fit(X, Y),
        lambda: make_pipeline(SequenceScaler(), RNNClassifier(**OWN_LOSS)).fit(X, Y),
        lambda: GridSearchCV(RNNClassifier(**OWN_LOSS), {"dropout": [0.1]}, cv=2).fit(X, Y),
        lambda: cross_val_score(RNNClassifier(**OWN_LOSS), X, Y, cv=2),
        lambda: ReservoirClassifier(5, random_state=0).fit(MACHINES, Y),
        lambda: SequenceForecaster(3, closed_form="only").fit(None, FLAT),
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
