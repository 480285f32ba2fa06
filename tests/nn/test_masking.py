"""Masks, reversals and last steps."""

import pytest
import torch

from sklearn_rnn.nn import length_mask
from sklearn_rnn.nn._masking import blank_padding, last_step, ragged_lengths, reverse_within


def test_reverse_within_leaves_padding():
    x = torch.arange(10.0).view(2, 5, 1)
    got = reverse_within(x, torch.tensor([3, 5]))
    assert got[0, :, 0].tolist() == [2, 1, 0, 3, 4]
    assert got[1, :, 0].tolist() == [9, 8, 7, 6, 5]
    assert reverse_within(x, None)[0, :, 0].tolist() == [4, 3, 2, 1, 0]


def test_reverse_within_gradients():
    x = torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([1, 4, 3])
    assert torch.autograd.gradcheck(lambda x: reverse_within(x, lengths) ** 2, (x,))
    assert torch.autograd.gradgradcheck(lambda x: reverse_within(x, lengths) ** 2, (x,))


def test_length_mask():
    assert length_mask(torch.tensor([0, 2]), 2).tolist() == [[False, False], [True, True]]


def test_blank_padding_stops_nan_forward_and_backward():
    x = torch.full((1, 3, 2), float("nan"), requires_grad=True)
    lengths = torch.tensor([1])
    y = blank_padding(x, lengths)
    assert (y[0, 1:] == 0).all()
    y[0, 1:].sum().backward()
    assert (x.grad == 0).all()


def test_last_step():
    x = torch.arange(6.0).view(2, 3, 1)
    assert last_step(x, torch.tensor([1, 3])).flatten().tolist() == [0, 5]
    assert last_step(x, None).flatten().tolist() == [2, 5]


def test_full_lengths_are_dropped_and_wrong_ones_refused():
    x = torch.zeros(2, 3, 1)
    assert ragged_lengths(torch.tensor([3, 3]), x) is None
    assert ragged_lengths(torch.tensor([3, 2]), x) is not None
    with pytest.raises(ValueError, match="one entry for each of the 2 rows"):
        ragged_lengths(torch.tensor([3]), x)
