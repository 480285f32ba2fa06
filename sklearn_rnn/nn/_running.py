"""Poolings as running quantities, so that steps may come in pieces; imports torch only.

A pooling that has seen some steps is a tuple of tensors. Adding steps makes a new tuple and
leaves the old one alone, and gradients flow through it: so the same lines serve prediction in
chunks, live data and training with checkpoints.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from ._masking import blank_padding, last_step
from ._pooling import (
    AttentionPooling,
    ConcatPooling,
    LastPooling,
    MaxPooling,
    MeanPooling,
    Pooling,
    _Largest,
)

Parts = tuple[Tensor, ...]


class _Running(ABC):
    """One pooling, gathered in pieces."""

    #: Whether each unit is pooled by itself, so that two directions can be pooled apart.
    separable = True

    @abstractmethod
    def start(self, rows: int, size: int, like: Tensor) -> Parts:
        """Return what it is before the first step of `rows` rows of `size` units."""

    @abstractmethod
    def add(self, parts: Parts, output: Tensor, lengths: Tensor | None) -> Parts:
        """Add steps (B, T, D); `lengths` says how many each row has, and may be zero."""

    @abstractmethod
    def result(self, parts: Parts) -> Tensor:
        """Return the pooled units (B, D)."""


class _RunningLast(_Running):
    """The last step so far."""

    def start(self, rows: int, size: int, like: Tensor) -> Parts:
        return (like.new_zeros(rows, size),)

    def add(self, parts: Parts, output: Tensor, lengths: Tensor | None) -> Parts:
        if lengths is None:
            return (output[:, -1],)
        last = last_step(output, lengths.clamp(max=output.shape[1]))
        return (torch.where((lengths > 0)[:, None], last, parts[0]),)

    def result(self, parts: Parts) -> Tensor:
        return parts[0]


class _RunningEnds(_Running):
    """The last step so far of a forward recurrence beside the first of a backward one."""

    def __init__(self, units: int) -> None:
        self.units = units

    def start(self, rows: int, size: int, like: Tensor) -> Parts:
        return ()

    def add(self, parts: Parts, output: Tensor, lengths: Tensor | None) -> Parts:
        assert lengths is None, "all rows are equally long"
        first = parts[1] if parts else output[:, 0, self.units :]
        return output[:, -1, : self.units], first

    def result(self, parts: Parts) -> Tensor:
        return torch.cat(parts, 1)


class _RunningMean(_Running):
    """Sum and number of the steps so far, in double precision: there may be millions."""

    def start(self, rows: int, size: int, like: Tensor) -> Parts:
        wide = torch.float32 if like.device.type == "mps" else torch.float64
        return like.new_zeros(rows, size, dtype=wide), like.new_zeros(rows, 1, dtype=wide)

    def add(self, parts: Parts, output: Tensor, lengths: Tensor | None) -> Parts:
        total, count = parts
        if lengths is None:
            return total + output.sum(1), count + output.shape[1]
        here = lengths.clamp(0, output.shape[1])
        total = total + blank_padding(output, lengths).sum(1)
        return total, count + here[:, None].to(count)

    def result(self, parts: Parts) -> Tensor:
        return parts[0] / parts[1].clamp_min(1)


class _Larger(torch.autograd.Function):
    """The larger of two maxima, each with the number of steps that share it.

    Those steps share the gradient, as they do in :class:`MaxPooling`.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, ties_a: Tensor, b: Tensor, ties_b: Tensor) -> Tensor:
        larger = torch.maximum(a, b)
        share_a, share_b = (a == larger) * ties_a, (b == larger) * ties_b
        ctx.save_for_backward(share_a / (share_a + share_b).clamp_min(1))
        return larger

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, Tensor, None]:
        (share,) = ctx.saved_tensors
        return grads[0] * share, None, grads[0] * (1 - share), None


class _RunningMax(_Running):
    """The maximum so far; for gradients, also how many steps share it."""

    def start(self, rows: int, size: int, like: Tensor) -> Parts:
        return like.new_full((rows, size), -math.inf), like.new_zeros(rows, size)

    def add(self, parts: Parts, output: Tensor, lengths: Tensor | None) -> Parts:
        largest, ties = parts
        if not torch.is_grad_enabled():
            new = blank_padding(output, lengths, -math.inf).amax(1)
            return torch.maximum(largest, new), ties
        new = _Largest.apply(output, lengths)
        with torch.no_grad():
            equal = blank_padding(output == new[:, None], lengths, False)
            new_ties = equal.sum(1).to(ties)
            both = torch.where(new > largest, 0.0, ties) + torch.where(new < largest, 0.0, new_ties)
        return _Larger.apply(largest, ties, new, new_ties), both

    def result(self, parts: Parts) -> Tensor:
        return parts[0]


class _RunningAttention(_Running):
    """Softmax-weighted sum so far, relative to the largest score so far."""

    separable = False

    def __init__(self, pooling: AttentionPooling) -> None:
        self.pooling = pooling

    def start(self, rows: int, size: int, like: Tensor) -> Parts:
        wide = torch.float32 if like.device.type == "mps" else torch.float64
        return (
            like.new_full((rows, 1), -math.inf, dtype=wide),
            like.new_zeros(rows, 1, dtype=wide),
            like.new_zeros(rows, size, dtype=wide),
        )

    def add(self, parts: Parts, output: Tensor, lengths: Tensor | None) -> Parts:
        largest, mass, total = parts
        scores = self.pooling.scores(output)
        scores = blank_padding(scores, lengths, -math.inf).to(largest.dtype)
        # The shift cancels in the result, so no gradient has to flow through it.
        new = torch.maximum(largest, scores.detach().amax(1, keepdim=True))
        safe = torch.where(torch.isfinite(new), new, 0.0)
        weights, kept = torch.exp(scores - safe), torch.exp(largest - safe)
        summed = torch.bmm(weights[:, None], output.to(weights.dtype)).squeeze(1)
        return new, mass * kept + weights.sum(1, keepdim=True), total * kept + summed

    def result(self, parts: Parts) -> Tensor:
        return parts[2] / parts[1]


_RUNNING: dict[type[Pooling], type[_Running]] = {
    LastPooling: _RunningLast,
    MeanPooling: _RunningMean,
    MaxPooling: _RunningMax,
}


class RunningPooling:
    """A pooling, or several side by side, of steps that come in pieces.

    Parameters
    ----------
    pooling : Pooling
        Of one vector a sequence.
    forward_units : int, default=None
        Set if steps hold so many units of a forward recurrence and then those of a backward one.

    Attributes
    ----------
    separable : bool
        Whether each unit is pooled by itself.
    """

    def __init__(self, pooling: Pooling, forward_units: int | None = None) -> None:
        kinds: Any = pooling.poolings if isinstance(pooling, ConcatPooling) else [pooling]
        self.kinds: list[_Running] = []
        for kind in kinds:
            if isinstance(kind, AttentionPooling):
                self.kinds.append(_RunningAttention(kind))
            elif isinstance(kind, LastPooling) and forward_units is not None:
                self.kinds.append(_RunningEnds(forward_units))
            else:
                self.kinds.append(_RUNNING[type(kind)]())
        self.separable = all(kind.separable for kind in self.kinds)

    def start(self, rows: int, size: int, like: Tensor) -> tuple[Parts, ...]:
        """Return what is known before the first step."""
        return tuple(kind.start(rows, size, like) for kind in self.kinds)

    def add(
        self, state: tuple[Parts, ...], output: Tensor, lengths: Tensor | None = None
    ) -> tuple[Parts, ...]:
        """Return the state with some steps (B, T, D) added."""
        pairs = zip(self.kinds, state, strict=True)
        return tuple(kind.add(parts, output, lengths) for kind, parts in pairs)

    def result(self, *states: tuple[Parts, ...]) -> Tensor:
        """Return the pooled features (B, F); the states of two directions go side by side."""
        results = [
            kind.result(state[index]) for index, kind in enumerate(self.kinds) for state in states
        ]
        return torch.cat(results, 1)
