"""What torch cannot compute is said in our words, as a ValueError that names the parameters."""

import numpy as np
import pytest
import torch

from sklearn_rnn import (
    ReservoirClassifier,
    ReservoirTransformer,
    RNNClassifier,
    RNNRegressor,
)
from sklearn_rnn.estimators import _base, _reservoir_features

X = np.random.default_rng(0).normal(size=(12, 5))
TINY = {"hidden_size": 4, "max_epochs": 1, "reservoir": False, "random_state": 0}


class WrongProduct(torch.nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.map = torch.nn.Linear(input_size + 1, hidden_size)

    def forward(self, x, state=None):
        return self.map(x)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cell": WrongProduct}, "cell=WrongProduct.*cannot be multiplied"),
        ({"optimizer": torch.optim.SparseAdam, "weight_decay": 0}, "optimizer=SparseAdam"),
        ({"hidden_size": 10**7}, "more memory.*hidden_size=10000000"),
        ({"loss": lambda raw, target: raw @ raw @ target}, "loss=<function"),
        ({"loss": lambda raw, target: torch.zeros(len(raw))}, "does not require grad"),
    ],
)
@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor])
def test_the_parameters_are_named(kind, settings, words):
    model = kind(**{**TINY, **settings})
    with pytest.raises(ValueError, match=words) as caught:
        model.fit(X, np.arange(12) % 3)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert not hasattr(model, "net_")


@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor])
def test_a_learning_rate_beyond_all_bounds(kind):
    # torch refuses it, or the weights overflow, as the optimizer's implementation has it.
    with pytest.raises(ValueError, match=r"learning_rate.*1e[+]300"):
        kind(**{**TINY, "learning_rate": 1e300}).fit(X, np.arange(12) % 3)


def test_prediction_names_them_too():
    class FailsLater(torch.nn.GRUCell):
        def forward(self, x, state=None):
            if not self.training:
                raise RuntimeError("not any more")
            return super().forward(x, state)

    model = RNNRegressor(**{**TINY, "cell": FailsLater}).fit(X, X.sum(axis=1))
    with pytest.raises(ValueError, match="cell=FailsLater.*not any more"):
        model.predict(X)


@pytest.mark.parametrize(
    "error", [MemoryError("full"), RuntimeError("can't allocate memory: 5 TB")]
)
@pytest.mark.parametrize("kind", [ReservoirClassifier, ReservoirTransformer, RNNClassifier])
def test_too_large_a_model_names_the_parameters_that_there_are(kind, error, monkeypatch):
    def full(*args, **kwargs):
        raise error

    y = np.arange(12) % 3
    model = kind(hidden_size=4, random_state=0).fit(X, y)
    before = model.transform(X)
    monkeypatch.setattr(_reservoir_features, "Reservoir", full)
    monkeypatch.setattr(_base, "build_network", full)
    with pytest.raises(ValueError, match=f"{kind.__name__} needs more memory.*hidden_size=9"):
        model.set_params(hidden_size=9).fit(X, y)
    np.testing.assert_array_equal(model.transform(X), before)
