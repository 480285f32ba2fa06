"""The ridge solver agrees with scikit-learn's, and left-out predictions with leaving out."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from sklearn_rnn.training import RidgeProblem, at_level_of_all, solve_ridge


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


def test_emphasis_is_a_weaker_penalty(problem):
    features, targets, _ = problem
    standard = (features - features.mean(0)) / np.where(features.std(0) > 0, features.std(0), 1)
    made = RidgeProblem(features, targets, blocks=(5, 40, 5))
    for emphasis in ((4.0, 1.0, 1.0), (2.0, 0.0, 0.5)):
        factor = np.repeat(emphasis, (5, 40, 5))
        found = made.solve(lambda _: 0.0, penalties=np.array([3.0]), emphasis=emphasis)
        expected = Ridge(alpha=3.0).fit(standard * factor, targets).predict(standard * factor)
        np.testing.assert_allclose(features @ found.weight + found.bias, expected, rtol=1e-8)
        assert np.all(found.weight[5:45] == 0) == (emphasis[1] == 0)


def test_some_samples_may_choose_the_penalty(problem):
    features, targets, weights = problem
    made = RidgeProblem(features, targets, weights=weights, groups=np.arange(20) // 2)
    judged, seen = np.array([1, 4, 13]), []

    def nearest(left_out):
        seen.append(left_out)
        return float(((left_out - targets[judged]) ** 2).sum())

    found = made.solve(nearest, judged=judged)
    whole = made.solve(lambda left_out: nearest(left_out[judged]))
    np.testing.assert_allclose(seen[:17], seen[17:], rtol=1e-9)
    assert found.penalty == whole.penalty
    np.testing.assert_allclose(found.left_out, whole.left_out)
    np.testing.assert_allclose(found.weight, whole.weight)


def test_what_belongs_together_is_left_out_together(problem):
    features, targets, weights = problem
    apart = np.arange(20) // 3 * 10
    centre = np.average(features, axis=0, weights=weights)
    scale = np.sqrt(np.average((features - centre) ** 2, axis=0, weights=weights))
    standard = (features - centre) / np.where(scale > 0, scale, 1)
    made = RidgeProblem(features, targets, weights=weights, apart=apart)
    found = made.solve(lambda _: 0.0, penalties=np.array([2.0]))
    heavy = weights * 20 / weights.sum()
    for number in np.unique(apart):
        out = apart == number
        model = Ridge(alpha=2.0).fit(standard[~out], targets[~out], heavy[~out])
        expected = model.predict(standard[out])
        np.testing.assert_allclose(found.left_out[out], expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("penalty", [0.01, 100.0])
@pytest.mark.parametrize("n_features", [50, 4])
def test_left_out_predictions_are_those_of_leaving_out(problem, penalty, n_features):
    features, targets, _ = problem
    features = features[:, 7 : 7 + n_features]
    standard = (features - features.mean(0)) / np.where(features.std(0) > 0, features.std(0), 1)
    found = solve_ridge(features, targets, lambda _: 0.0, penalties=np.array([penalty]))
    for i in range(20):
        kept = np.arange(20) != i
        model = Ridge(alpha=penalty).fit(standard[kept], targets[kept])
        np.testing.assert_allclose(
            found.left_out[i], model.predict(standard[i : i + 1])[0], rtol=1e-5, atol=1e-8
        )


@pytest.mark.parametrize("n_features", [50, 4])
def test_left_out_predictions_at_the_level_of_all_know_nothing_of_noise(problem, n_features):
    """Over all orders of the targets, what is predicted of one is the mean, whatever it is."""
    features, targets, _ = problem
    features, targets = features[:, :n_features], np.sign(targets[:, :1])
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        order = rng.permutation(20)
        solved = solve_ridge(features, targets[order], lambda _: 0.0, penalties=np.array([30.0]))
        found.append((targets[order], solved.left_out, solved.levelled))
    wanted, left_out, levelled = np.concatenate(found, axis=1)[..., 0]
    level = targets.mean()
    slope = np.mean((wanted - level) * (left_out - level)) / wanted.var()
    assert slope == pytest.approx(-1 / 19, abs=0.025), "the others are off to the other side"
    slope = np.mean((wanted - level) * (levelled - level)) / wanted.var()
    assert slope == pytest.approx(0.0, abs=0.025)


def test_what_the_features_tell_has_no_level_to_be_known():
    targets, weights = np.array([[1.0], [2.0], [4.0]]), np.array([1.0, 1.0, 2.0])
    np.testing.assert_array_equal(at_level_of_all(targets, targets, weights), targets)
    others = np.array([[10 / 3], [3.0], [1.5]])
    found = at_level_of_all(others, targets, weights)
    np.testing.assert_allclose(found, np.full((3, 1), 2.75), err_msg="it is the mean of all")
    # Two left out together, of four that weigh five.
    found = at_level_of_all(np.full((2, 1), 3.0), targets[:2], weights[:2], np.zeros(2, int), 5.0)
    np.testing.assert_allclose(found, 3.0 - (2 + 1) / 5)


def test_the_criterion_chooses(problem):
    features, targets, _ = problem
    errors = {}

    def error(left_out):
        value = float(((left_out - targets) ** 2).mean())
        errors[len(errors)] = value
        return value

    found = solve_ridge(features, targets, error)
    assert found.penalty == np.logspace(-2, 6, 17)[min(errors, key=errors.__getitem__)]


def test_a_copy_is_a_weight(problem):
    features, targets, _ = problem
    twice = np.r_[np.arange(20), np.arange(5), 3]
    weights = 1.0 + np.bincount(twice[20:], minlength=20)
    keywords = {"penalties": np.array([1.0])}
    copied = solve_ridge(features[twice], targets[twice], lambda _: 0.0, groups=twice, **keywords)
    weighed = solve_ridge(features, targets, lambda _: 0.0, weights=weights, **keywords)
    np.testing.assert_allclose(copied.weight, weighed.weight, rtol=1e-9)
    np.testing.assert_allclose(copied.left_out, weighed.left_out[twice], rtol=1e-9)


def test_copies_with_other_targets_share_what_is_left_out(problem):
    features, targets, _ = problem
    twice = np.r_[np.arange(20), 0]
    other = np.concatenate([targets, targets[:1] + 10])
    found = solve_ridge(features[twice], other, lambda _: 0.0, groups=twice)
    np.testing.assert_array_equal(found.left_out[0], found.left_out[20])
