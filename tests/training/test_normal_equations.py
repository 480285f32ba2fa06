"""Sums solve the same ridge regression in any order, portion and form, and leave out exactly."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from sklearn_rnn.training import NormalEquations
from sklearn_rnn.training import _ridge as module


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    features = rng.normal(3, 2, size=(60, 15))
    features[:, 7] = 4.0
    keys = [bytes([i]) for i in rng.permutation(60)]
    return keys, features, rng.normal(size=(60, 2)), rng.uniform(0.5, 2, size=60)


def summed(problem, order=None, portions=1, max_rows=0, n_kept=2000, sizes=None):
    keys, features, targets, weights = problem
    sums = NormalEquations(features.shape[1], targets.shape[1], max_rows=max_rows, n_kept=n_kept)
    order = np.arange(len(keys)) if order is None else order
    for part in np.array_split(order, portions):
        sums.add([keys[i] for i in part], features[part], targets[part], weights[part], sizes)
    return sums


def error(left_out, targets, weights):
    return float(np.average(((left_out - targets) ** 2).mean(axis=1), weights=weights))


def by_scikit_learn(features, targets, weights, alpha, scale_by=None):
    base, base_weights = (features, weights) if scale_by is None else scale_by
    centre = np.average(base, axis=0, weights=base_weights)
    scale = np.sqrt(np.average((base - centre) ** 2, axis=0, weights=base_weights))
    scale = np.where(scale > 1e-9, scale, 1)
    model = Ridge(alpha=alpha).fit((features - centre) / scale, targets, weights)
    return lambda rows: model.predict((rows - centre) / scale)


@pytest.mark.parametrize("eigen", [True, False])
@pytest.mark.parametrize("max_rows", [0, 100])
def test_equals_scikit_learn_and_leaves_out_exactly(problem, max_rows, eigen, monkeypatch):
    if not eigen:
        monkeypatch.setattr(module, "_EIGEN_SIZE", 0)
    keys, features, targets, weights = problem
    found = summed(problem, max_rows=max_rows).solve(error, alpha=3.0)
    expected = by_scikit_learn(features, targets, weights, 3.0)(features)
    np.testing.assert_allclose(features @ found.weight + found.bias, expected, rtol=1e-8)
    for position in (0, 5, 40):
        row = keys.index(found.keys[position][0])
        rest = np.arange(60) != row
        without = by_scikit_learn(
            features[rest], targets[rest], weights[rest], 3.0, (features, weights)
        )
        np.testing.assert_allclose(found.left_out[position], without(features[[row]])[0])
        np.testing.assert_allclose(found.targets[position], targets[row])


@pytest.mark.parametrize("alpha", [None, 2.0])
@pytest.mark.parametrize("max_rows", [0, 20, 100])
def test_order_and_portions_do_not_matter(problem, max_rows, alpha):
    once = summed(problem, max_rows=max_rows, n_kept=17).solve(error, alpha=alpha)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(60)
        again = summed(problem, order, 7, max_rows, n_kept=17).solve(error, alpha=alpha)
        np.testing.assert_allclose(again.weight, once.weight, atol=1e-9)
        assert again.alpha == pytest.approx(once.alpha) and again.keys == once.keys
        np.testing.assert_allclose(again.left_out, once.left_out, atol=1e-8)
        np.testing.assert_allclose(again.levelled, once.levelled, atol=1e-8)
        # Most are kept in neither form: what one has to do with the level is its share of all.
        share = once.weights / problem[3].sum()
        expected = once.left_out + share[:, None] * (once.targets - once.left_out)
        np.testing.assert_allclose(once.levelled, expected)


@pytest.mark.parametrize("max_rows", [0, 20, 100])
def test_a_sample_given_twice_is_one_of_twice_the_weight(problem, max_rows):
    keys, features, targets, _ = problem
    counts = np.arange(60) % 3
    rows = np.repeat(np.arange(60), counts)
    copied = summed(
        ([keys[i] for i in rows], features[rows], targets[rows], np.ones(60)), None, 5, max_rows
    )
    kept = np.flatnonzero(counts)
    weighed = summed(
        ([keys[i] for i in kept], features[kept], targets[kept], counts[kept] * 1.0),
        max_rows=max_rows,
    )
    one, other = copied.solve(error), weighed.solve(error)
    np.testing.assert_allclose(one.weight, other.weight, atol=1e-10)
    np.testing.assert_allclose(one.left_out, other.left_out, atol=1e-9)
    assert one.alpha == pytest.approx(other.alpha)


def test_both_forms_agree(problem):
    dual, primal = summed(problem, max_rows=100).solve(error), summed(problem).solve(error)
    np.testing.assert_allclose(dual.weight, primal.weight, atol=1e-9)
    np.testing.assert_allclose(dual.left_out, primal.left_out, atol=1e-9)


def test_blocks_are_left_out_together(problem):
    keys, features, targets, weights = problem
    sums = NormalEquations(15, 2, max_rows=0)
    sizes = np.array([7, 20, 1, 32])
    sums.add([b"a", b"b", b"c", b"d"], features, targets, weights, sizes)
    found = sums.solve(error, alpha=0.5)
    rest = np.r_[0:7, 27:60]
    without = by_scikit_learn(
        features[rest], targets[rest], weights[rest], 0.5, (features, weights)
    )
    np.testing.assert_allclose(found.left_out[7:27], without(features[7:27]))


def test_many_penalties_are_searched_coarse_to_fine(problem, monkeypatch):
    """The penalty that all would choose is found with half the factors."""
    monkeypatch.setattr(module, "_EIGEN_SIZE", 0)
    _, features, _, weights = problem
    targets = features[:, :1] + np.random.default_rng(1).normal(0, 3, size=(60, 1))
    tried = []

    def judge(left_out, wanted, weights):
        tried.append(error(left_out, wanted, weights))
        return tried[-1]

    keys = [bytes([i]) for i in range(60)]
    sums = summed((keys, features, targets, weights))
    found = sums.solve(judge)
    assert len(tried) <= 10
    mean = weights.mean()
    every = [sums.solve(error, alpha=a * mean) for a in module.PENALTIES]
    best = min(every, key=lambda s: error(s.left_out, s.targets, s.weights))
    assert found.alpha == pytest.approx(best.alpha)


@pytest.mark.parametrize("max_rows", [0, 100])
@pytest.mark.parametrize("folded", [1, 25, 512])
def test_a_copy_is_added_to_and_the_original_stays(problem, max_rows, folded, monkeypatch):
    monkeypatch.setattr(module, "_FOLDED", folded)
    keys, features, targets, weights = problem
    whole = summed(problem, portions=3, max_rows=max_rows).solve(error, alpha=2.0)
    parts = [(keys[a : a + 20], features[a : a + 20], targets[a : a + 20], weights[a : a + 20])
             for a in (0, 20, 40)]  # fmt: skip
    first = NormalEquations(features.shape[1], targets.shape[1], max_rows=max_rows)
    first.add(*parts[0])
    before = first.solve(error, alpha=2.0)
    second = first.copy()
    second.add(*parts[1])
    third = second.copy()
    second.add(*parts[0])  # goes another way
    third.add(*parts[2])
    third.solve(error, alpha=2.0)  # solving changes nothing
    found, again = third.solve(error, alpha=2.0), first.solve(error, alpha=2.0)
    np.testing.assert_array_equal(found.weight, whole.weight)
    np.testing.assert_array_equal(again.weight, before.weight)
    np.testing.assert_array_equal(again.left_out, before.left_out)
    assert len(first.blocks) == 20 and len(third.blocks) == 60


@pytest.mark.parametrize("max_rows", [0, 100])
def test_a_penalty_below_all_numbers_is_the_least_that_tells(problem, max_rows):
    keys, features, targets, weights = problem
    sums = NormalEquations(features.shape[1], targets.shape[1], max_rows=max_rows)
    sums.add(keys, features, targets, weights)
    found = sums.solve(error, alpha=1e-320)
    assert np.isfinite(found.weight).all()
    assert np.isfinite(found.left_out).all()
