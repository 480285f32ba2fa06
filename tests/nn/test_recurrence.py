"""Stacked and bidirectional recurrences over padded batches."""

import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sklearn_rnn.nn import CELLS, Recurrence, set_generator

B, T, C, H = 4, 9, 3, 5
LENGTHS = torch.tensor([5, 9, 1, 7])
each_cell = pytest.mark.parametrize("cell", list(CELLS))


def test_two_step_network_by_hand():
    """Three inputs, five units, two batches of four: every output equals the written-out sum."""
    x0 = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 0, 1]], float)
    x1 = np.array([[9, 8, 7], [0, 0, 0], [6, 5, 4], [3, 2, 1]], float)
    recurrence = Recurrence(3, 5, cell="rnn").double()
    w, u, b, b_too = (p.detach().numpy() for p in recurrence.parameters())
    y0 = np.tanh(x0 @ w.T + b + b_too)
    y1 = np.tanh(x1 @ w.T + y0 @ u.T + b + b_too)
    output, final, _ = recurrence(torch.as_tensor(np.stack((x0, x1), 1)))
    np.testing.assert_allclose(output[:, 0].detach(), y0, rtol=1e-12)
    np.testing.assert_allclose(output[:, 1].detach(), y1, rtol=1e-12)
    np.testing.assert_allclose(final.detach(), y1, rtol=1e-12)


def reference(kind, recurrence, layers, bidirectional, **options):
    """torch's own stacked module with the weights of ours."""
    module = kind(C, H, num_layers=layers, bidirectional=bidirectional, batch_first=True, **options)
    ours = list(recurrence.parameters())
    with torch.no_grad():
        for theirs, weight in zip(module.parameters(), ours, strict=True):
            theirs.copy_(weight)
    return module


@pytest.mark.parametrize(
    ("cell", "kind", "options"),
    [
        ("lstm", nn.LSTM, {}),
        ("gru", nn.GRU, {}),
        ("rnn", nn.RNN, {}),
        ("rnn_relu", nn.RNN, {"nonlinearity": "relu"}),
    ],
)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_equals_packed_sequence(cell, kind, options, layers, bidirectional):
    torch.manual_seed(0)
    recurrence = Recurrence(C, H, cell=cell, num_layers=layers, bidirectional=bidirectional)
    module = reference(kind, recurrence, layers, bidirectional, **options)
    x = torch.randn(B, T, C)
    packed = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    expected, state = module(packed)
    expected, _ = pad_packed_sequence(expected, batch_first=True, total_length=T)
    last = state[0] if isinstance(state, tuple) else state
    last = torch.cat((last[-2], last[-1]), 1) if bidirectional else last[-1]
    output, final, _ = recurrence(x, LENGTHS)
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(final, last, rtol=1e-5, atol=1e-5)
    weights = torch.randn(output.shape)
    (output * weights).sum().backward()
    (expected * weights).sum().backward()
    for ours, theirs in zip(recurrence.parameters(), module.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)


@each_cell
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layer_norm", [False, True])
def test_rows_do_not_see_each_other_nor_padding(cell, bidirectional, layer_norm):
    torch.manual_seed(0)
    recurrence = Recurrence(
        C, H, cell=cell, num_layers=2, bidirectional=bidirectional, layer_norm=layer_norm
    )
    x = torch.randn(B, T, C)
    filled = x.clone()
    for i, length in enumerate(LENGTHS.tolist()):
        filled[i, length:] = float("nan")
    output, final, _ = recurrence(filled, LENGTHS)
    further = torch.cat((filled, torch.full((B, 4, C), torch.inf)), 1)
    longer, same_final, _ = recurrence(further, LENGTHS)
    torch.testing.assert_close(longer[:, :T], output, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(same_final, final, rtol=1e-5, atol=1e-5)
    for i, length in enumerate(LENGTHS.tolist()):
        alone, alone_final, _ = recurrence(x[i : i + 1, :length])
        torch.testing.assert_close(output[i : i + 1, :length], alone, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(final[i : i + 1], alone_final, rtol=1e-5, atol=1e-5)
        assert (output[i, length:] == 0).all()


@each_cell
def test_gradients_through_the_masked_path(cell):
    torch.manual_seed(0)
    recurrence = Recurrence(
        2, 2, cell=cell, bidirectional=True, num_layers=2, layer_norm=cell == "lstm"
    ).double()
    names = [name for name, _ in recurrence.named_parameters()]
    x = torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([2, 4, 1])
    weights = [p.detach().clone().requires_grad_() for p in recurrence.parameters()]

    def call(x, *weights):
        named = dict(zip(names, weights, strict=True))
        output, final, _ = torch.func.functional_call(recurrence, named, (x, lengths))
        return output, final

    assert torch.autograd.gradcheck(call, (x, *weights), fast_mode=True)


@pytest.mark.parametrize("cell", ["rnn", "rnn_relu", "rnn_sigmoid"])
def test_gradients_of_nan_padding_are_zero(cell):
    torch.manual_seed(0)
    recurrence = Recurrence(C, H, cell=cell, bidirectional=True)
    x = torch.randn(B, T, C)
    x[2, 1:] = float("nan")
    x.requires_grad_()
    output, final, _ = recurrence(x, LENGTHS)
    (output.sum() + final.sum()).backward()
    assert (x.grad[2, 1:] == 0).all()
    assert all(torch.isfinite(p.grad).all() for p in recurrence.parameters())


def test_relu_does_not_explode_in_the_padding():
    recurrence = Recurrence(1, 2, cell="rnn_relu")
    with torch.no_grad():
        for weight in recurrence.parameters():
            weight.fill_(2.0)
    recurrence(torch.ones(2, 3000, 1), torch.tensor([3, 1])).output.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in recurrence.parameters())


@each_cell
def test_state_of_a_ragged_batch_carries_on(cell):
    torch.manual_seed(0)
    recurrence = Recurrence(C, H, cell=cell, num_layers=2)
    x, later = torch.randn(B, T, C), torch.randn(B, 3, C)
    output, _, state = recurrence(x, LENGTHS, return_state=True)
    continued, _, _ = recurrence(later, torch.tensor([3, 3, 2, 3]), state)
    for i, length in enumerate(LENGTHS.tolist()):
        whole = recurrence(torch.cat((x[i, :length], later[i]))[None]).output
        torch.testing.assert_close(output[i, :length], whole[0, :length])
        n = 2 if i == 2 else 3
        torch.testing.assert_close(continued[i, :n], whole[0, length : length + n])


def test_long_sequences_in_chunks_are_equal():
    torch.manual_seed(0)
    recurrence = Recurrence(C, H, cell="lstm", num_layers=2)
    x = torch.randn(2, 400, C)
    whole = recurrence(x).output
    state, parts = None, []
    for chunk in x.split(150, 1):
        result = recurrence(chunk, None, state, return_state=True)
        state = result.state
        parts.append(result.output)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-6, atol=1e-7)


def test_no_state_with_two_directions():
    recurrence = Recurrence(C, H, bidirectional=True)
    with pytest.raises(ValueError, match="bidirectional recurrence has no state"):
        recurrence(torch.zeros(B, T, C), return_state=True)


def test_dropout_is_between_layers_only():
    torch.manual_seed(0)
    x = torch.randn(B, T, C)
    one = Recurrence(C, H, dropout=0.5)
    torch.testing.assert_close(one(x).output, one.eval()(x).output)
    two = Recurrence(C, H, num_layers=2, dropout=0.5)
    set_generator(two, torch.Generator().manual_seed(0))
    assert not torch.allclose(two(x).output, two.eval()(x).output)


@pytest.mark.parametrize("name", ["input_size", "hidden_size", "num_layers"])
def test_sizes_are_checked(name):
    sizes = {"input_size": 2, "hidden_size": 2, "num_layers": 1, name: 0}
    with pytest.raises(ValueError, match=f"{name} must be at least 1"):
        Recurrence(**sizes)


@each_cell
def test_pickle_and_double(cell):
    recurrence = Recurrence(C, H, cell=cell, bidirectional=True)
    x = torch.randn(B, T, C)
    copy = pickle.loads(pickle.dumps(recurrence))
    output = recurrence(x, LENGTHS).output
    assert torch.equal(copy(x, LENGTHS).output, output)
    precise = recurrence.double()(x.double(), LENGTHS).output
    assert precise.dtype == torch.float64
    torch.testing.assert_close(precise.float(), output, rtol=1e-4, atol=1e-5)
