"""The linear recurrence h_t = a_t h_{t-1} + b_t over all steps at once; imports torch only."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


def _sequential(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """One step after the other."""
    states = []
    h = start
    for a_t, b_t in zip(a.unbind(1), b.unbind(1), strict=True):
        h = torch.addcmul(b_t, a_t, h)
        states.append(h)
    return torch.stack(states, 1)


def _blocked(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """About sqrt(T) blocks side by side, then the carry from block to block."""
    batch, steps, size = b.shape
    length = math.isqrt(steps - 1) + 1
    blocks = -(-steps // length)
    missing = blocks * length - steps
    if missing:
        a = torch.cat((a, a.new_zeros(batch, missing, size)), 1)
        b = torch.cat((b, b.new_zeros(batch, missing, size)), 1)
    a = a.view(batch, blocks, length, size)
    b = b.view(batch, blocks, length, size)
    within, decay = torch.empty_like(b), torch.empty_like(a)
    within[:, :, 0], decay[:, :, 0] = b[:, :, 0], a[:, :, 0]
    for t in range(1, length):
        torch.addcmul(b[:, :, t], a[:, :, t], within[:, :, t - 1], out=within[:, :, t])
        torch.mul(a[:, :, t], decay[:, :, t - 1], out=decay[:, :, t])
    carry = torch.empty_like(b[:, :, 0])
    carry[:, 0] = start
    for k in range(1, blocks):
        torch.addcmul(within[:, k - 1, -1], decay[:, k - 1, -1], carry[:, k - 1], out=carry[:, k])
    return within.addcmul_(decay, carry[:, :, None]).view(batch, -1, size)[:, :steps]


class _Scan(torch.autograd.Function):
    """The blocked scan; its gradient is the same scan, run backwards."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, start: Tensor) -> Tensor:
        h = _blocked(a, b, start)
        ctx.save_for_backward(a, h, start)
        return h

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, h, start = ctx.saved_tensors
        later = torch.cat((a[:, 1:], torch.zeros_like(a[:, :1])), 1)
        zero = torch.zeros_like(start)
        flow = _Scan.apply(later.flip(1), grads[0].flip(1), zero)
        flow = flow.flip(1)
        before = torch.cat((start[:, None], h[:, :-1]), 1)
        return flow * before, flow, a[:, 0] * flow[:, 0]


def linear_scan(a: Tensor, b: Tensor, start: Tensor, *, parallel: bool = True) -> Tensor:
    """Solve h_t = a_t * h_{t-1} + b_t for every t.

    The parallel form takes about ``3 sqrt(T)`` operations one after the other instead of T, and
    multiplies nothing but the factors themselves: unlike a cumulative sum of their logarithms it
    loses no precision as the sequence grows.

    Parameters
    ----------
    a, b : Tensor of shape (B, T, H)
        Factors, meant to lie in [0, 1], and inputs.
    start : Tensor of shape (B, H)
        The state before the first step.
    parallel : bool, default=True
        False takes one step after the other.

    Returns
    -------
    Tensor of shape (B, T, H)

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn._scan import linear_scan
    >>> half, one = torch.full((1, 3, 1), 0.5), torch.ones(1, 3, 1)
    >>> linear_scan(half, one, torch.zeros(1, 1)).flatten()
    tensor([1.0000, 1.5000, 1.7500])
    """
    if not parallel:
        return _sequential(a, b, start)
    result: Tensor = _Scan.apply(a, b, start)
    return result
