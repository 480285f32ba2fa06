"""Random calls end in a result or a documented error; what longer runs found, one by one."""

import sys
from pathlib import Path

import numpy as np
import pytest

from sklearn_rnn import (
    ReservoirClassifier,
    ReservoirRegressor,
    RNNClassifier,
    RNNRegressor,
    SequenceForecaster,
)
from sklearn_rnn.preprocessing import SequenceResampler

sys.path.insert(0, str(Path(__file__).parent))
from fuzz import KINDS, run

X = np.random.default_rng(0).normal(size=(12, 5))
Y = np.arange(12) % 2
SMALL = {"hidden_size": 3, "random_state": 0}


@pytest.mark.parametrize("part", range(5))
def test_random_calls(part):
    failures = run(part, 50, names=list(KINDS), report=lambda told: None)[2]
    assert not failures, "\n\n".join(failures)


@pytest.mark.parametrize("alpha", [[], ("a",), [[1.0]], [0.0, 1.0], [-1.0], [1.0, np.nan], np.inf])
@pytest.mark.parametrize("kind", [ReservoirClassifier, ReservoirRegressor])
def test_penalties_are_positive_numbers(kind, alpha):
    with pytest.raises(ValueError, match="alpha.*in the range \\(0"):
        kind(**SMALL, alpha=alpha).fit(X, Y)


@pytest.mark.parametrize("levels", [["a"], [b""], [None], [[0.5]], []])
def test_levels_are_numbers(levels):
    with pytest.raises(ValueError, match="quantiles must be levels between 0 and 1"):
        SequenceForecaster(quantiles=levels).fit(None, np.arange(20.0))


def test_a_forecaster_of_nothing():
    with pytest.raises(ValueError, match="0 sample|no value|inconsistent"):
        SequenceForecaster().fit(None, [])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SequenceForecaster().fit(X, [])


@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor, ReservoirClassifier])
def test_weights_that_are_no_numbers(kind):
    with pytest.raises(ValueError, match="sample_weight must hold one number for each sample"):
        kind(**SMALL).fit(X, Y, sample_weight=["a"] * 12)


def test_targets_that_make_no_array():
    ragged = [[0.0] * (1 + i % 3) for i in range(12)]
    with pytest.raises(ValueError, match="y holds sets of labels|Row . of y is not like row 0"):
        RNNClassifier(**SMALL).fit(X, [[0.5, [1]], [0.5]] * 6)
    with pytest.raises(ValueError, match="y has 1 steps, but X has 5|sets of labels"):
        ReservoirClassifier(**SMALL).fit(X, ragged)
    pairs = [("a", ["b"] * 5)] * 12
    with pytest.raises(ValueError, match="y"):
        ReservoirClassifier(**SMALL).fit(X, pairs)
    with pytest.raises(ValueError, match="Row 0: y has 0 steps"):
        ReservoirClassifier(**SMALL).fit(X, [np.array([]), *[[0, 1, 0, 1, 1]] * 11])


@pytest.mark.parametrize("settings", [{"rate": 1e300}, {"step": 1e-300}, {"length": 10**30}])
def test_lengths_beyond_all_memory(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=f"memory.*lower .*{name}"):
        SequenceResampler(**settings).fit(X)
