"""Dropout from a generator of its own."""

import copy
import pickle

import pytest
import torch
from torch import nn

from sklearn_rnn.nn import set_generator
from sklearn_rnn.nn._masking import Dropout


def test_rate_and_scale():
    layer = Dropout(0.25)
    set_generator(layer, torch.Generator().manual_seed(0))
    got = layer(torch.ones(200, 200))
    assert got.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (got == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("p", [0.0001, 0.1, 0.5, 0.9, 0.9999])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_every_rate_and_type(p, dtype):
    layer = Dropout(p)
    set_generator(layer, torch.Generator().manual_seed(0))
    got = layer(torch.ones(401, 501, dtype=dtype))
    assert got.dtype == dtype
    deviation = (p * (1 - p) / got.numel()) ** 0.5
    assert abs((got == 0).double().mean().item() - p) < 4 * deviation + 1e-5
    # Neighbours, that come from one number of the generator, know nothing of one another.
    flat = (got == 0).flatten().double()
    for lag in (1, 2, 3, 4):
        both = (flat[lag:] * flat[:-lag]).mean().item()
        assert abs(both - p * p) < 5 * p / got.numel() ** 0.5 + 1e-5


def test_generator_alone_decides():
    layer = nn.Sequential(Dropout(0.5), Dropout(0.5))
    x = torch.ones(10, 10)
    before = torch.random.get_rng_state()
    draws = []
    for seed in (0, 0, 1):
        set_generator(layer, torch.Generator().manual_seed(seed))
        draws.append(layer(x))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_without_a_generator_as_torch():
    x = torch.ones(10, 10)
    torch.manual_seed(0)
    expected = nn.Dropout(0.5)(x)
    torch.manual_seed(0)
    assert torch.equal(Dropout(0.5)(x), expected)


def test_off_at_prediction_and_at_zero():
    x = torch.ones(3)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_gradient():
    layer = Dropout(0.5)
    set_generator(layer, torch.Generator().manual_seed(0))
    x = torch.ones(20, requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_generator_is_not_kept():
    layer = Dropout(0.5)
    set_generator(layer, torch.Generator())
    assert pickle.loads(pickle.dumps(layer)).generator is None
    assert copy.deepcopy(layer).generator is None
    assert layer.generator is not None


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5])
def test_bad_rate(p):
    with pytest.raises(ValueError, match="dropout must lie in"):
        Dropout(p)
