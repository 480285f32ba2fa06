"""The linear recurrence, all at once and step by step."""

import numpy as np
import pytest
import torch

from sklearn_rnn.nn import _cells as _scan
from sklearn_rnn.nn._cells import MinGRU, MinLSTM, linear_scan


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 9, 10, 16, 17, 100])
@pytest.mark.parametrize("parallel", [True, False])
def test_equals_a_loop(steps, parallel):
    rng = np.random.default_rng(steps)
    a, b = rng.random((2, steps, 3)), rng.normal(size=(2, steps, 3))
    h = start = rng.normal(size=(2, 3))
    expected = []
    for t in range(steps):
        h = a[:, t] * h + b[:, t]
        expected.append(h)
    got = linear_scan(*map(torch.as_tensor, (a, b, start)), parallel=parallel)
    np.testing.assert_allclose(got, np.stack(expected, 1), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_gradients_of_first_and_second_order(steps):
    torch.manual_seed(0)
    a = torch.rand(2, steps, 2, dtype=torch.float64, requires_grad=True)
    b = torch.randn(2, steps, 2, dtype=torch.float64, requires_grad=True)
    start = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(linear_scan, (a, b, start))
    assert torch.autograd.gradgradcheck(linear_scan, (a, b, start))


def test_factors_of_zero_and_one():
    a = torch.tensor([1.0, 1.0, 0.0, 1.0]).view(1, 4, 1)
    got = linear_scan(a, torch.ones(1, 4, 1), torch.full((1, 1), 5.0))
    assert got.flatten().tolist() == [6.0, 7.0, 1.0, 2.0]


@pytest.mark.parametrize("rows", [1, 3, 300])
@pytest.mark.parametrize("kind", [MinGRU, MinLSTM])
def test_one_operation_equals_the_loop_over_stretches(kind, rows, monkeypatch):
    # Some sizes are looped over and some scanned in blocks; stretches of few steps meet often.
    monkeypatch.setenv("SKLEARN_RNN_COMPILED", "0")
    monkeypatch.setattr(_scan, "_STRETCH_BYTES", 8 * rows * 4 * 3 * 7)
    generator = torch.Generator().manual_seed(rows)
    layer = kind(2, 4).double()
    looped = kind(2, 4, parallel=False).double()
    looped.load_state_dict(layer.state_dict())
    x = torch.randn(rows, 50, 2, generator=generator, dtype=torch.float64)
    state = torch.rand(1, rows, 4, generator=generator, dtype=torch.float64)
    results = []
    for one in (layer, looped):
        inputs = [x.clone().requires_grad_(), state.clone().requires_grad_()]
        output, last = one(*inputs)
        (output * torch.arange(50.0)[:, None]).sum().backward()
        grads = [tensor.grad for tensor in (*inputs, *one.parameters())]
        results.append([output.detach(), last.detach(), *grads])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("compiled", ["0", "1"])
@pytest.mark.parametrize("kind", [MinGRU, MinLSTM])
def test_long_sequences_in_single_precision(kind, compiled, monkeypatch):
    monkeypatch.setenv("SKLEARN_RNN_COMPILED", compiled)
    layer = kind(1, 8)
    exact = kind(1, 8, parallel=False).double()
    exact.load_state_dict({k: v.double() for k, v in layer.state_dict().items()})
    x = 3 * torch.randn(2, 4000, 1, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(layer(x)[0], exact(x.double())[0].float(), rtol=0, atol=1e-5)
