"""Double precision where it is needed, single where it gives the same."""

import numpy as np
import pytest
import torch

from sklearn_rnn import RNNRegressor
from sklearn_rnn.nn import NetworkConfig, build_network
from sklearn_rnn.training import _inference as _exact


def network(**settings):
    config = NetworkConfig(n_channels=3, hidden_size=8, **settings)
    return build_network(config, torch.Generator().manual_seed(0)).eval()


@pytest.mark.parametrize("stands_alone", [True, False])
def test_the_readout_is_in_double_and_the_recurrence_where_it_must(monkeypatch, stands_alone):
    monkeypatch.setattr(_exact, "rows_stand_alone", lambda network: stands_alone)
    single = network(pooling=("mean", "max", "last", "attention"))
    double = _exact.in_double(single)
    assert double.head.projection.weight.dtype == torch.float64
    assert double.states_dtype == (torch.float32 if stands_alone else torch.float64)
    x = torch.randn(4, 9, 3)
    found = double(x.to(double.states_dtype), torch.tensor([9, 3, 5, 1]))
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.float(), single(x, torch.tensor([9, 3, 5, 1])))


def test_what_depends_on_its_batch_is_found_out():
    class Leaky(torch.nn.Module):
        input_size = 3

        def forward(self, x, lengths):
            class Result:
                output = x + 1e-7 * x.mean()

            return Result

    class Network(torch.nn.Module):
        stem, recurrence = None, Leaky()

    assert not _exact._try(Network())
    Network.recurrence.forward = lambda x, lengths: type("R", (), {"output": 2 * x})
    assert _exact._try(Network())


def test_a_users_own_class_is_not_tried():
    class Own(torch.nn.GRU):
        pass

    assert not _exact.rows_stand_alone(network(cell=Own))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_predictions_of_a_regressor_stand_alone_to_the_last_digits(cell):
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 2)) for n in rng.integers(2, 30, 40)]
    y = np.array([x.mean() for x in X])
    model = RNNRegressor(cell=cell, hidden_size=7, max_epochs=1, closed_form=False, random_state=0)
    predicted = model.fit(X, y).predict(X)
    alone = np.concatenate([model.predict([x]) for x in X])
    np.testing.assert_allclose(predicted, alone, rtol=1e-12, atol=1e-12)
