"""Settings inside of a parameter: listed and set by their names, shared by no accident."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_rnn import (
    Distribution,
    Dropout,
    EarlyStopping,
    Embedding,
    Optimizer,
    RNNClassifier,
    RNNRegressor,
    SequenceForecaster,
    SequenceTagger,
)
from sklearn_rnn.preprocessing import SequenceScaler

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(24, 5, 2)), np.arange(24) % 2
QUICK = {"hidden_size": 3, "max_epochs": 1, "random_state": 0, "closed_form": False}
KINDS = (RNNClassifier, RNNRegressor, SequenceTagger, SequenceForecaster)


def listed(model):
    """Return names and values of what is inside of parameters."""
    return {name: value for name, value in model.get_params().items() if "__" in name}


def test_names_inside_are_listed_from_plain_values_too():
    model = RNNClassifier(optimizer="sgd", dropout=0.5, embedding=9, early_stopping=True)
    found = listed(model)
    assert found["optimizer__optimizer"] == "sgd" and found["optimizer__weight_decay"] == 0.01
    assert found["dropout__outputs"] == 0.5 and found["dropout__weights"] == 0.0
    assert found["embedding__size"] == 9 and found["embedding__variational"] is False
    assert found["early_stopping__tol"] == 1e-4
    assert listed(SequenceForecaster(distribution="normal"))["distribution__name"] == "normal"
    assert not listed(model).keys() & {"embedding__characters"}
    assert "embedding__characters" in listed(SequenceTagger())
    assert not any("__" in name for name in model.get_params(deep=False))


@pytest.mark.parametrize("kind", KINDS)
def test_every_name_that_is_listed_can_be_set(kind):
    for name, value in listed(kind()).items():
        model = kind().set_params(**{name: value})
        assert model.get_params()[name] == value
        outer = name.partition("__")[0]
        plain = kind().get_params(deep=False)[outer]
        # The value that is there changes nothing, except that it switches early stopping on.
        assert getattr(model, outer) == plain or outer == "early_stopping"


@pytest.mark.parametrize("kind", KINDS)
def test_setting_all_that_was_got_changes_nothing(kind):
    model = kind()
    before = model.get_params(deep=False)
    assert model.set_params(**model.get_params()).get_params(deep=False) == before
    other = kind().set_params(optimizer__weight_decay=0.5)
    assert model.set_params(**other.get_params()).optimizer is other.optimizer


def test_a_plain_value_becomes_the_object_that_it_stands_for():
    model = RNNClassifier(optimizer="sgd", dropout=0.3)
    model.set_params(
        optimizer__weight_decay=0.0,
        dropout__weights=0.1,
        embedding__size=32,
        early_stopping__tol=1e-3,
    )
    assert isinstance(model.optimizer, Optimizer) and model.optimizer.optimizer == "sgd"
    assert (model.dropout.outputs, model.dropout.weights) == (0.3, 0.1)
    assert isinstance(model.embedding, Embedding) and model.embedding.size == 32
    assert isinstance(model.early_stopping, EarlyStopping) and model.early_stopping.tol == 1e-3
    model = SequenceForecaster(distribution="mixture").set_params(distribution__n_components=2)
    assert (model.distribution.name, model.distribution.n_components) == ("mixture", 2)


def test_a_value_beside_goes_first_whatever_the_order():
    model = RNNClassifier().set_params(optimizer__weight_decay=0.5, optimizer="sgd")
    assert (model.optimizer.optimizer, model.optimizer.weight_decay) == ("sgd", 0.5)


def test_early_stopping_is_switched_on_by_what_is_inside_unless_false_stands_beside():
    assert RNNClassifier().set_params(early_stopping__tol=1e-4).early_stopping
    model = RNNClassifier().set_params(early_stopping__tol=1e-3, early_stopping=False)
    assert model.early_stopping is False


def test_estimators_that_share_an_object_do_not_change_each_other():
    shared = Optimizer(weight_decay=0.1)
    one, other = RNNClassifier(optimizer=shared), RNNRegressor(optimizer=shared)
    one.set_params(optimizer__weight_decay=0.5)
    assert (one.optimizer.weight_decay, other.optimizer.weight_decay) == (0.5, 0.1)
    copied = clone(other)
    assert copied.optimizer is not shared and copied.optimizer.weight_decay == 0.1


def test_a_callable_inside_stays_what_it_is():
    model = RNNClassifier(optimizer=torch.optim.NAdam).set_params(optimizer__weight_decay=0.0)
    assert model.optimizer.optimizer is torch.optim.NAdam
    model.set_params(**QUICK).fit(X, Y)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimizer__weight_decay", -1.0),
        ("optimizer__optimizer", "adamax"),
        ("dropout__weights", 1.0),
        ("embedding__size", 0),
        ("early_stopping__validation_fraction", 1.0),
    ],
)
def test_errors_name_a_setting_as_it_is_reached(name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of RNNClassifier must be"):
        RNNClassifier(**QUICK).set_params(**{name: value}).fit(X, Y)


def test_what_an_estimator_has_no_use_for_is_refused():
    words, tags = [["a", "b"]] * 4, [["A", "B"]] * 4
    with pytest.raises(ValueError, match="SequenceTagger has no optimizer__tbptt_steps"):
        SequenceTagger(optimizer=Optimizer(tbptt_steps=3)).fit(words, tags)
    with pytest.raises(ValueError, match="RNNClassifier has no embedding__characters"):
        RNNClassifier(embedding=Embedding(characters=3)).fit(X, Y)
    for name in ("optimizer__tbptt_steps", "optimizer__momentum", "embedding__dropout"):
        with pytest.raises(ValueError, match=f"Invalid parameter '{name}' for estimator Seq"):
            SequenceTagger().set_params(**{name: 3})


def test_a_search_reaches_inside_through_a_pipeline():
    model = make_pipeline(SequenceScaler(), RNNClassifier(**QUICK))
    grid = {
        "rnnclassifier__optimizer__weight_decay": [0.0, 0.5],
        "rnnclassifier__dropout__weights": [0.0, 0.2],
        "rnnclassifier__optimizer": ["adam", "sgd"],
    }
    search = GridSearchCV(model, grid, cv=2).fit(X, Y)
    best = search.best_estimator_[-1]
    chosen = search.best_params_["rnnclassifier__optimizer__weight_decay"]
    assert best.get_params()["optimizer__weight_decay"] == chosen
    assert len(search.cv_results_["params"]) == 8


def test_a_diagram_shows_what_was_given():
    shown = RNNClassifier(optimizer=Optimizer(weight_decay=0.5))._repr_html_()
    assert "Optimizer(weight_decay=0.5)" in shown and "embedding__size" not in shown


def test_auto_is_the_default_of_the_estimator():
    for kind in (RNNClassifier, SequenceTagger):
        plain = kind().get_params(deep=False)
        model = kind(dropout=Dropout(), embedding=Embedding())
        assert model._settings("dropout").outputs == plain["dropout"]
        assert model._settings("embedding").size == plain["embedding"]
        assert model.dropout.outputs == "auto"


@pytest.mark.parametrize(
    ("objects", "plain"),
    [
        (
            {"dropout": Dropout(0.4), "optimizer": Optimizer("adam")},
            {"dropout": 0.4, "optimizer": "adam"},
        ),
        ({"early_stopping": EarlyStopping()}, {"early_stopping": True}),
    ],
)
def test_an_object_trains_what_its_plain_value_trains(objects, plain):
    one, other = (RNNClassifier(**QUICK, **more).fit(X, Y) for more in (objects, plain))
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


def test_a_distribution_trains_what_its_name_trains():
    series = np.sin(np.arange(40.0)) + 3
    quick = {"horizon": 2, "hidden_size": 3, "max_epochs": 1, "random_state": 0}
    one, other = (
        SequenceForecaster(**quick, distribution=given).fit(None, series).forecast(2)
        for given in (Distribution("normal"), "normal")
    )
    np.testing.assert_array_equal(one.to_numpy(float), other.to_numpy(float))
