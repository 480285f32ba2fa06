"""Log odds as decision_function: finite, in the order of classes_, and what predict decides by."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.metrics import get_scorer
from sklearn.multiclass import OneVsRestClassifier

from sklearn_rnn import ReservoirClassifier, RNNClassifier, Sequences
from sklearn_rnn.estimators._labels import label_log_odds, log_odds

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 2)) + k % 3 for k, n in enumerate([5, 9, 3] * 8)]
THREE = np.array(["c", "a", "b"] * 8)
TWO = np.where(THREE == "a", "yes", "no")
MODELS = [
    RNNClassifier(4, max_epochs=2, random_state=0),
    RNNClassifier(4, max_epochs=2, closed_form=False, n_estimators=2, random_state=0),
    ReservoirClassifier(5, random_state=0),
]
models = pytest.mark.parametrize("model", MODELS, ids=["network", "ensemble", "reservoir"])


@models
def test_two_classes(model):
    model.fit(X, TWO)
    found, probabilities = model.decision_function(X), model.predict_proba(X).astype(float)
    assert found.shape == (24,) and found.dtype == model.predict_proba(X).dtype
    np.testing.assert_array_equal(model.classes_[(found > 0).astype(int)], model.predict(X))
    np.testing.assert_allclose(found, np.log(probabilities[:, 1] / probabilities[:, 0]), rtol=1e-6)
    one = np.concatenate([model.decision_function([x]) for x in X])
    np.testing.assert_allclose(one, found, rtol=1e-4, atol=1e-4)


@models
def test_several_classes_in_the_order_of_classes(model):
    model.fit(X, THREE)
    found, probabilities = model.decision_function(X), model.predict_proba(X).astype(float)
    assert found.shape == (24, 3) and model.classes_.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(model.classes_[found.argmax(axis=1)], model.predict(X))
    others = np.stack([np.delete(probabilities, k, axis=1).sum(axis=1) for k in range(3)], axis=1)
    np.testing.assert_allclose(found, np.log(probabilities / others), atol=1e-4)
    for k in range(3):
        order = np.lexsort((found[:, k], probabilities[:, k]))
        assert (np.diff(found[order, k]) >= 0).all()


@models
def test_labels_and_several_outputs(model):
    labels = np.column_stack([THREE == "a", THREE != "b"]).astype(int)
    model.fit(X, labels)
    found = model.decision_function(X)
    np.testing.assert_array_equal((found >= 0).astype(int), model.predict(X))
    both = np.column_stack([THREE, np.where(TWO == "yes", "u", "v")])
    first, second = model.fit(X, both).decision_function(X)
    assert first.shape == (24, 3) and second.shape == (24,)
    predicted = model.predict(X)
    np.testing.assert_array_equal(model.classes_[0][first.argmax(axis=1)], predicted[:, 0])
    np.testing.assert_array_equal(model.classes_[1][(second > 0).astype(int)], predicted[:, 1])


def test_labels_of_steps():
    y = [["up" if value > 0 else "down" for value in x[:, 0]] for x in X]
    model = ReservoirClassifier(5, random_state=0).fit(X, y)
    found = model.decision_function(X)
    assert isinstance(found, Sequences) and found.n_channels == 1
    for row, labels in zip(found, model.predict(X), strict=True):
        np.testing.assert_array_equal(model.classes_[(row[:, 0] > 0).astype(int)], labels)


def test_what_is_certain_is_finite_and_exact():
    p = np.array([[1.0, 0.0, 0.0], [1.0, 1e-30, 2e-30], [0.2, 0.2, 0.6], [1 / 3, 1 / 3, 1 / 3]])
    found = log_odds(p)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[1], np.log([1 / 3e-30, 1e-30, 2e-30]))
    assert found.argmax(axis=1).tolist() == [0, 0, 2, 0]
    assert np.isfinite(log_odds(p[:, :2])).all()
    near = np.array([[0.3, np.nextafter(np.float32(0.3), 1), 0.3, 0.1]], dtype=np.float32)
    assert log_odds(near).argmax() == 1, "a single digit more decides"
    labels = label_log_odds(np.array([[0.0, 1.0], [0.3, 0.2]]), np.array([0.3, 0.5]))
    assert np.isfinite(labels).all() and (labels >= 0).tolist() == [[False, True], [True, False]]


def test_scores_and_calibration_take_it():
    model = ReservoirClassifier(5, random_state=0)
    calibrated = CalibratedClassifierCV(model, cv=2).fit(X, TWO)
    assert calibrated.predict_proba(X).shape == (24, 2)
    each = OneVsRestClassifier(model).fit(X, THREE)
    assert each.score(X, THREE) > 0.5
    assert get_scorer("roc_auc")(model.fit(X, TWO), X, TWO) > 0.5
    with pytest.raises(NotFittedError):
        ReservoirClassifier().decision_function(X)
    with pytest.raises(NotFittedError):
        RNNClassifier().decision_function(X)
