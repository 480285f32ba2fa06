"""Poolings against NumPy, row by row over the true steps."""

import numpy as np
import pytest
import torch

from sklearn_rnn.nn import make_pooling
from sklearn_rnn.nn._masking import blank_padding
from sklearn_rnn.nn._pooling import EachStep, Pooling
from sklearn_rnn.nn._registry import POOLINGS

B, T, D = 3, 6, 4
LENGTHS = torch.tensor([2, 6, 1])


@pytest.fixture
def states():
    generator = torch.Generator().manual_seed(0)
    output = torch.randn(B, T, D, generator=generator, dtype=torch.float64) - 2
    return blank_padding(output, LENGTHS), torch.randn(
        B, D, generator=generator, dtype=torch.float64
    )


def rows(output):
    return [output[i, :n].detach().numpy() for i, n in enumerate(LENGTHS.tolist())]


@pytest.mark.parametrize("grad", [True, False])
def test_against_numpy(states, grad):
    output, final = states
    with torch.set_grad_enabled(grad):
        assert make_pooling("last", D)(output, final, LENGTHS) is final
        mean = make_pooling("mean", D)(output, final, LENGTHS)
        largest = make_pooling("max", D)(output, final, LENGTHS)
        attention = make_pooling("attention", D).double()
        weighted = attention(output, final, LENGTHS).detach()
    np.testing.assert_allclose(mean, [row.mean(0) for row in rows(output)], rtol=1e-12)
    np.testing.assert_allclose(largest, [row.max(0) for row in rows(output)], rtol=1e-12)
    w, b, v = (p.detach().numpy() for p in attention.parameters())
    for i, row in enumerate(rows(output)):
        score = np.tanh(row @ w.T + b) @ v[0]
        weights = np.exp(score - score.max()) / np.exp(score - score.max()).sum()
        np.testing.assert_allclose(weighted[i], weights @ row, rtol=1e-10)


def test_attention_weights(states):
    output, _ = states
    weights = make_pooling("attention", D).double().weights(output, LENGTHS)
    torch.testing.assert_close(weights.sum(1), torch.ones(B, dtype=torch.float64))
    assert (weights[0, 2:] == 0).all()
    assert (weights[2, 0] == 1).all()


@pytest.mark.parametrize(
    "spec", ["mean+max+last", ("mean", "max", "last"), ["mean", "max", "last"]]
)
def test_side_by_side(states, spec):
    output, final = states
    pooling = make_pooling(spec, D)
    got = pooling(output, final, LENGTHS)
    assert got.shape == (B, pooling.output_size) == (B, 3 * D)
    parts = [make_pooling(name, D)(output, final, LENGTHS) for name in ("mean", "max", "last")]
    assert torch.equal(got, torch.cat(parts, 1))


@pytest.mark.parametrize("spec", ["mean", "max", "attention", "last", "mean+attention+max"])
def test_gradients_and_no_lengths(states, spec):
    output, final = states
    pooling = make_pooling(spec, D).double()
    full = torch.full((B,), T)
    torch.testing.assert_close(pooling(output, final), pooling(output, final, full))

    def call(output, final):
        return pooling(blank_padding(output, LENGTHS), final, LENGTHS)

    assert torch.autograd.gradcheck(call, (output.requires_grad_(), final.requires_grad_()))


def test_each_step(states):
    output, final = states
    got = make_pooling("none", D)(output, final, LENGTHS)
    assert torch.equal(got, torch.cat([output[0, :2], output[1], output[2, :1]]))
    assert torch.equal(EachStep(D)(output, final), output.reshape(B * T, D))


@pytest.mark.parametrize("spec", ["median", "mean+mean", "", (), "mean+none", ("mean", 3)])
def test_bad_specs(spec):
    with pytest.raises(ValueError, match="pooling must be"):
        make_pooling(spec, D)


def test_shared_maxima_share_the_gradient():
    output = torch.zeros(1, 4, 1, requires_grad=True)
    make_pooling("max", 1)(output, output[:, 0], torch.tensor([2])).sum().backward()
    assert output.grad.flatten().tolist() == [0.5, 0.5, 0.0, 0.0]


@pytest.mark.parametrize("steps", [1, 2, 7, 100])
def test_the_maximum_of_few_units_is_the_maximum(steps):
    x = torch.randn(64, steps, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(make_pooling("max", 8)(x, x[:, -1]), x.amax(1))


@pytest.mark.parametrize("spec", [*POOLINGS, tuple(POOLINGS)])
def test_step_by_step_is_all_at_once_and_so_is_the_gradient(spec):
    generator = torch.Generator().manual_seed(0)
    pooling = make_pooling(spec, 3).double()
    output = torch.randn(4, 20, 3, generator=generator, dtype=torch.float64)
    # Ties, within a piece and across pieces, share the gradient.
    output = output.round().requires_grad_()
    lengths = torch.tensor([1, 20, 7, 13])
    output_blank = torch.where((torch.arange(20) < lengths[:, None])[:, :, None], output, 0.0)
    final = output[torch.arange(4), lengths - 1]
    expected = pooling(output_blank, final, lengths)
    weight = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    (wanted,) = torch.autograd.grad((expected * weight).sum(), output)

    state = pooling.start(4, 3, output)
    for start in range(0, 20, 6):
        piece = output[:, start : start + 6]
        state = pooling.step(state, piece, lengths - start)
    found = pooling.end(state)
    torch.testing.assert_close(found, expected)
    (gradient,) = torch.autograd.grad((found * weight).sum(), output)
    torch.testing.assert_close(gradient, wanted)


@pytest.mark.parametrize("spec", [*POOLINGS, tuple(POOLINGS)])
def test_the_default_way_to_take_all_steps_is_one_step(states, spec):
    """What a new pooling gets if it has no faster way of its own."""
    output, _ = states
    final = output[torch.arange(B), LENGTHS - 1]
    pooling = make_pooling(spec, D).double()
    plain = Pooling.forward(pooling, output, final, LENGTHS)
    torch.testing.assert_close(plain, pooling(output, final, LENGTHS))
    if "attention" not in spec:
        assert Pooling.forward(pooling, output.float(), final, LENGTHS).dtype == torch.float32


@pytest.mark.parametrize("spec", [*POOLINGS, tuple(POOLINGS)])
def test_two_directions_pooled_apart_stand_side_by_side(states, spec):
    output, _ = states
    pooling = make_pooling(spec, D).double()
    parts = pooling.step(pooling.start(B, D, output), output, LENGTHS)
    both, one = pooling.end_sides(parts, parts), pooling.end(parts)
    groups = both.split(2 * D, 1)
    assert torch.equal(torch.cat([group[:, :D] for group in groups], 1), one)
    assert torch.equal(torch.cat([group[:, D:] for group in groups], 1), one)
