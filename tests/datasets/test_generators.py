"""The generators: shapes, the defining property of each problem, seeds, refused parameters."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sklearn_rnn import Sequences
from sklearn_rnn.datasets import make_adding_problem, make_copy_memory, make_sequential_digits


def test_adding_problem_sums_one_number_of_each_half():
    X, y = make_adding_problem(200, n_steps=31, random_state=0)
    assert X.shape == (200, 31, 2) and y.shape == (200,)
    assert X.dtype == y.dtype == np.float64
    assert set(np.unique(X[..., 1])) == {0.0, 1.0}
    assert np.all(X[:, :15, 1].sum(axis=1) == 1) and np.all(X[:, 15:, 1].sum(axis=1) == 1)
    assert np.allclose((X[..., 0] * X[..., 1]).sum(axis=1), y)
    assert X[..., 0].min() >= 0 and X[..., 0].max() < 1
    # Every step but none outside its half is marked at some time.
    assert set(np.argmax(X[:, :15, 1], axis=1)) == set(range(15))


def test_adding_problem_variance_is_one_sixth():
    _, y = make_adding_problem(20_000, n_steps=10, random_state=0)
    assert np.mean((y - 1) ** 2) == pytest.approx(1 / 6, rel=0.03)


def test_adding_problem_of_unequal_lengths():
    X, y = make_adding_problem(300, n_steps=(2, 5), random_state=0)
    assert isinstance(X, Sequences)
    assert set(X.lengths) == {2, 3, 4, 5}
    for sequence, total in zip(X, y, strict=True):
        assert sequence[:, 1].sum() == 2
        assert sequence[:, 0] @ sequence[:, 1] == pytest.approx(total)


def test_copy_memory_repeats_the_symbols():
    X, y = make_copy_memory(50, n_recall=4, n_delay=7, n_symbols=5, random_state=0)
    assert X.vocabulary_size == 7 and y.vocabulary_size == 6
    assert np.array_equal(X.offsets, y.offsets) and np.all(X.lengths == 15)
    shown, wanted = np.asarray(X)[..., 0], np.asarray(y)[..., 0]
    assert np.array_equal(shown[:, :4], wanted[:, -4:])
    assert set(shown[:, :4].ravel()) == set(range(5))
    assert np.all(wanted[:, :-4] == 5)
    assert np.all(shown[:, 10] == 6) and np.all(shown[:, 4:10] == 5) and np.all(shown[:, 11:] == 5)


@pytest.mark.parametrize(("order", "shape"), [("rows", (8, 8)), ("pixels", (64, 1))])
def test_sequential_digits_are_the_digits(order, shape):
    pixels, digits = load_digits(return_X_y=True)
    X, y = make_sequential_digits(order=order)
    assert X.shape == (1797, *shape)
    assert np.array_equal(X.reshape(1797, 64) * 16, pixels)
    assert np.array_equal(y, digits)


def test_permuted_digits_share_one_permutation():
    plain, _ = make_sequential_digits(order="pixels")
    mixed, _ = make_sequential_digits(order="permuted", random_state=3)
    assert not np.array_equal(plain, mixed)
    permutation = np.random.RandomState(3).permutation(64)
    assert np.array_equal(mixed, plain[:, permutation])


def test_sequential_digits_draw_without_repetition():
    X, y = make_sequential_digits(100, random_state=0)
    assert X.shape == (100, 8, 8) and y.shape == (100,)
    all_X, all_y = make_sequential_digits(1797, random_state=0)
    assert np.array_equal(np.bincount(all_y), np.bincount(make_sequential_digits()[1]))
    assert np.array_equal(all_X[:100], X)


@pytest.mark.parametrize("make", [make_adding_problem, make_copy_memory])
def test_seed_decides_and_global_state_stays(make):
    before = np.random.get_state()[1].copy()
    first, again, other = (np.asarray(make(5, random_state=seed)[0]) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(before, np.random.get_state()[1])


@pytest.mark.parametrize(
    ("make", "parameters", "error", "message"),
    [
        (make_adding_problem, {"n_samples": 0}, ValueError, "n_samples must be at least 1, got 0"),
        (make_adding_problem, {"n_samples": 2.5}, TypeError, "n_samples must be an integer"),
        (make_adding_problem, {"n_steps": 1}, ValueError, "n_steps must be at least 2, got 1"),
        (make_adding_problem, {"n_steps": 5.5}, TypeError, "n_steps must be an integer"),
        (make_adding_problem, {"n_steps": (9, 4)}, ValueError, "n_steps must rise"),
        (make_adding_problem, {"n_steps": (9,)}, ValueError, "n_steps must be a number or a pair"),
        (make_copy_memory, {"n_recall": 0}, ValueError, "n_recall must be at least 1"),
        (make_copy_memory, {"n_delay": 0}, ValueError, "n_delay must be at least 1"),
        (make_copy_memory, {"n_symbols": 1}, ValueError, "n_symbols must be at least 2"),
        (make_copy_memory, {"n_samples": True}, TypeError, "n_samples must be an integer"),
        (make_sequential_digits, {"n_samples": 1798}, ValueError, "n_samples must be at most 1797"),
        (make_sequential_digits, {"order": "columns"}, ValueError, "order must be 'rows'"),
    ],
)
def test_bad_parameters_are_named(make, parameters, error, message):
    with pytest.raises(error, match=message):
        make(**parameters)
