"""Class weights are numbers that a loss can be multiplied by, or are refused by name."""

import numpy as np
import pytest

from sklearn_rnn import ReservoirClassifier, RNNClassifier, RNNRegressor

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 1)) for n in RNG.integers(5, 9, 40)]
Y = np.array([int(x.mean() > 0) for x in X])


@pytest.mark.parametrize("model", [RNNClassifier(4, max_epochs=1), ReservoirClassifier(5)], ids=str)
@pytest.mark.parametrize("weight", [-1, np.nan, np.inf, 1e300, "a"])
def test_impossible_weights_of_classes(model, weight):
    with pytest.raises(ValueError, match=r"class_weight\[0\] must be a number between 0 and 1e30"):
        model.set_params(class_weight={0: weight, 1: 1.0}).fit(X, Y)


@pytest.mark.parametrize("weight", [1e-300, 1e37, 1e300, 1.7e308])
@pytest.mark.parametrize("model", [RNNRegressor(4, max_epochs=1), ReservoirClassifier(5)], ids=str)
def test_impossible_weights_of_samples(model, weight):
    with pytest.raises(ValueError, match=r"sample_weight has \S+ as its largest weight"):
        model.fit(X, Y, sample_weight=np.full(40, weight))


def test_products_of_large_weights():
    model = ReservoirClassifier(5, class_weight={0: 1e20, 1: 1.0})
    with pytest.raises(ValueError, match="sample_weight times class_weight has 1e"):
        model.fit(X, Y, sample_weight=np.full(40, 1e20))


@pytest.mark.parametrize("small", [1e-300, 1e-25])
@pytest.mark.parametrize("model", [RNNRegressor(4, max_epochs=1), ReservoirClassifier(5)], ids=str)
def test_unlike_weights_leak_no_warning(model, small):
    weights = np.where(np.arange(40) % 3, small, 1.0)
    predicted = model.set_params(random_state=0).fit(X, Y, sample_weight=weights).predict(X)
    assert np.isfinite(predicted).all()
