"""The ridge solver agrees with scikit-learn's, and left-out predictions with leaving out."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from sklearn_rnn.training import solve_ridge


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    features = rng.normal(3, 2, size=(20, 50))
    features[:, 7] = 4.0
    return features, rng.normal(size=(20, 2)), rng.uniform(0.5, 2, size=20)


@pytest.mark.parametrize("weighted", [False, True])
def test_equals_scikit_learn(problem, weighted):
    features, targets, weights = problem
    weights = weights if weighted else np.ones(20)
    found = solve_ridge(
        features, targets, lambda _: 0.0, weights=weights, penalties=np.array([3.0])
    )
    centre = np.average(features, axis=0, weights=weights)
    scale = np.sqrt(np.average((features - centre) ** 2, axis=0, weights=weights))
    scale[7] = 1
    model = Ridge(alpha=3.0).fit((features - centre) / scale, targets, weights * 20 / weights.sum())
    expected = model.predict((features - centre) / scale)
    np.testing.assert_allclose(features @ found.weight + found.bias, expected, rtol=1e-8)


@pytest.mark.parametrize("penalty", [0.01, 100.0])
def test_left_out_predictions_are_those_of_leaving_out(problem, penalty):
    features, targets, _ = problem
    standard = (features - features.mean(0)) / np.where(features.std(0) > 0, features.std(0), 1)
    found = solve_ridge(features, targets, lambda _: 0.0, penalties=np.array([penalty]))
    for i in range(20):
        kept = np.arange(20) != i
        model = Ridge(alpha=penalty).fit(standard[kept], targets[kept])
        np.testing.assert_allclose(
            found.left_out[i], model.predict(standard[i : i + 1])[0], rtol=1e-5, atol=1e-8
        )


def test_the_criterion_chooses(problem):
    features, targets, _ = problem
    errors = {}

    def error(left_out):
        value = float(((left_out - targets) ** 2).mean())
        errors[len(errors)] = value
        return value

    found = solve_ridge(features, targets, error)
    assert found.penalty == np.logspace(-2, 6, 17)[min(errors, key=errors.__getitem__)]
