"""The linear recurrence h_t = a_t h_{t-1} + b_t over all steps at once; imports torch only.

The second half is for gates that see the input only, as one operation on a CPU. Step by step
through autograd, a long batch makes some thirty arrays of its own size. There the gates are
computed for a stretch of steps that fits the caches, scanned, and forgotten; the gradient computes
them again.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


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


# Gates of a stretch take about so many bytes.
_STRETCH_BYTES = 2**19
# From so many numbers a step on, a loop over the steps is quicker than a scan of blocks.
_LOOP_FROM = 768


def _positive(v: Tensor) -> Tensor:
    """The candidate's map of Feng et al.: v + 1/2 above zero, sigmoid(v) below."""
    return torch.sigmoid(v.clamp(max=0)) + torch.relu(v)


class _GatedScan(torch.autograd.Function):
    """h_t = a_t h_{t-1} + (1 - a_t) p_t with the gates of MinGRU (2 parts) or MinLSTM (3)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, start: Tensor, parts: int
    ) -> Tensor:
        rows, longest, _ = x.shape
        size = start.shape[1]
        loop = rows * size >= _LOOP_FROM
        # Steps come first where they are looped over, so that each lies in one piece.
        shape = (longest, rows, size) if loop else (rows, longest, size)
        output, h = x.new_empty(shape), start
        time = 0 if loop else 1
        for first, stop in _stretches(x, size, parts):
            steps = _stretch(x, first, stop, loop)
            score, candidate, _ = _gates(steps, weight, bias, parts)
            kept = torch.sigmoid(score)
            fresh = _positive(candidate).mul_(1 - kept)
            here = output.narrow(time, first, stop - first)
            if loop:
                factors, inputs = kept.unbind(0), fresh.unbind(0)
                for out, a, b in zip(here.unbind(0), factors, inputs, strict=True):
                    h = torch.addcmul(b, a, h, out=out)
            else:
                here.copy_(_blocked(kept, fresh, h))
                h = here[:, -1]
        output = output.transpose(0, 1) if loop else output
        ctx.save_for_backward(x, weight, bias, start, output)
        ctx.parts, ctx.loop = parts, loop
        return output

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, start, output = ctx.saved_tensors
        parts, loop, size = ctx.parts, ctx.loop, start.shape[1]
        (grad,) = grads
        grad_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        grad_weight, grad_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        # What flows into the state after the stretch: the factor there times the flow there.
        later = torch.zeros_like(start)
        for first, stop in reversed(_stretches(x, size, parts)):
            steps = _stretch(x, first, stop, loop)
            score, candidate, raw = _gates(steps, weight, bias, parts)
            kept = torch.sigmoid(score)
            before = output[:, first - 1 : stop - 1]
            if first == 0:
                before = torch.cat((start[:, None], output[:, : stop - 1]), 1)
            before = before.transpose(0, 1) if loop else before
            here = grad[:, first:stop]
            if loop:
                flow = here.transpose(0, 1).contiguous()
                flow[-1] += later
                flows, factors = flow.unbind(0), kept.unbind(0)
                for t in range(stop - first - 1, 0, -1):
                    torch.addcmul(flows[t - 1], factors[t], flows[t], out=flows[t - 1])
                later = factors[0] * flows[0]
            else:
                here = here.contiguous()
                here = torch.cat((here[:, :-1], here[:, -1:] + later[:, None]), 1)
                after = torch.cat((kept[:, 1:], torch.zeros_like(kept[:, :1])), 1)
                flow = _blocked(after.flip(1), here.flip(1), torch.zeros_like(start)).flip(1)
                later = kept[:, 0] * flow[:, 0]
            fresh = (1 - kept).mul_(flow)
            bounded = torch.sigmoid(candidate.clamp(max=0))
            p = torch.relu(candidate).add_(bounded)
            # The gradient of the score, with the other sign.
            against = torch.sub(p, before).mul_(kept).mul_(fresh)
            # The slope of p: sigmoid's below zero, there a quarter at most, and one above.
            slope = (candidate >= 0).to(p.dtype).mul_(0.75).addcmul_(bounded, 1 - bounded)
            to_gates = [slope.mul_(fresh)]
            if parts == 2:
                to_gates.insert(0, against)
            else:
                f, i = raw
                to_f = torch.sigmoid(-f).mul_(against).neg_()
                to_gates = [to_f, torch.sigmoid(-i).mul_(against), *to_gates]
            columns = steps.reshape(-1, steps.shape[2])
            through: Tensor | None = None
            for g, gradient in enumerate(to_gates):
                flat, gate = gradient.view(-1, size), slice(g * size, (g + 1) * size)
                grad_weight[gate] += (columns.t() @ flat).t()
                grad_bias[gate] += flat.sum(0)
                if grad_x is not None:
                    part = flat @ weight[gate]
                    through = part if through is None else through.add_(part)
            if grad_x is not None and through is not None:
                part = through.view(steps.shape)
                grad_x.narrow(1, first, stop - first).copy_(part.transpose(0, 1) if loop else part)
        return grad_x, grad_weight, grad_bias, later, None


def _stretches(x: Tensor, size: int, parts: int) -> list[tuple[int, int]]:
    """Cut the steps of x (B, T, C) into stretches whose gates fit the caches."""
    steps = x.shape[1]
    length = max(1, _STRETCH_BYTES // (x.element_size() * x.shape[0] * size * parts))
    return [(first, min(first + length, steps)) for first in range(0, steps, length)]


def _stretch(x: Tensor, first: int, stop: int, loop: bool) -> Tensor:
    """Return some steps, steps first where they are looped over."""
    here = x[:, first:stop]
    return here.transpose(0, 1).contiguous() if loop else here


def _gates(
    steps: Tensor, weight: Tensor, bias: Tensor, parts: int
) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """Return the score of keeping, whose sigmoid is the factor, the raw candidate, and the rest."""
    *gates, last = zip(weight.chunk(parts), bias.chunk(parts), strict=True)
    candidate = F.linear(steps, *last)
    if parts == 2:
        ((w, b),) = gates
        return F.linear(steps, -w, -b), candidate, ()
    f, i = (F.linear(steps, w, b) for w, b in gates)
    # f' = 1 / (1 + i / f) = sigmoid(log f - log i), safe where both gates vanish.
    return F.logsigmoid(f) - F.logsigmoid(i), candidate, (f, i)


def gated_scan(x: Tensor, weight: Tensor, bias: Tensor, start: Tensor) -> Tensor:
    """Return the states (B, T, H) of a minimal GRU or LSTM over x (B, T, C), from `start` (B, H).

    Which of the two follows from the rows of `weight`: 2 H or 3 H.
    """
    result: Tensor = _GatedScan.apply(x, weight, bias, start, len(weight) // start.shape[1])
    return result


def suits(x: Tensor) -> bool:
    """Tell whether the one operation serves x; elsewhere few large kernels are better."""
    plain = x.dtype in (torch.float32, torch.float64)
    return x.device.type == "cpu" and plain and not torch.is_autocast_enabled("cpu")
