"""The linear recurrence, all at once and step by step."""

import numpy as np
import pytest
import torch

from sklearn_rnn.nn import linear_scan


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
