"""From a row's steps to one vector, padding left out; imports torch only.

A pooling is a part over time: it starts, takes some steps, then some more, and ends. What it knows
of the steps so far is a tuple of tensors. Taking steps makes a new tuple and leaves the old one
alone, and gradients flow through it: so the same lines serve prediction in chunks, live data and
training with checkpoints. `_registry` gives poolings their names.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ._masking import blank_padding, last_step, length_mask, ragged_lengths

#: What a pooling knows of the steps so far.
Parts = tuple[Any, ...]

# Below this many channels torch's maximum over steps is not vectorised; below this many numbers a
# step that does not matter.
_FEW_UNITS, _FEW_NUMBERS = 32, 256


class Pooling(nn.Module):
    """What makes features of a recurrence's output: the base of all poolings.

    A subclass writes `start`, `step` and `end`. All steps at once are one `step`; where another way
    is faster or more exact, it overrides `forward` too.

    Parameters
    ----------
    output_size : int
        Features it gives.

    Attributes
    ----------
    in_double : bool
        Whether sums over steps that come in single precision are taken in double, False at first.
    separable : bool
        Whether each unit is pooled by itself, and the units of a backward recurrence may be taken
        in its own order, from the last step to the first.
    each_step : bool
        Whether there is a vector for every step, and no `start`, `step` and `end`.
    """

    in_double = False
    separable = False
    each_step = False

    def __init__(self, output_size: int) -> None:
        super().__init__()
        self.output_size = output_size

    def start(self, rows: int, size: int, like: Tensor) -> Parts:
        """Return what is known before the first step of `rows` rows of `size` units."""
        raise NotImplementedError

    def step(self, parts: Parts, output: Tensor, lengths: Tensor | None = None) -> Parts:
        """Return what is known after more steps (B, T, D).

        `lengths` says how many of them each row has, and may be zero, negative or beyond T. What
        stands at the others is finite, and has no say.
        """
        raise NotImplementedError

    def end(self, parts: Parts) -> Tensor:
        """Return the features (B, F) of the steps so far."""
        raise NotImplementedError

    def end_sides(self, *sides: Parts) -> Tensor:
        """Return the features of the directions of a recurrence, each of which was pooled apart."""
        return torch.cat([self.end(side) for side in sides], 1)

    def forward(self, output: Tensor, final: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the features.

        Parameters
        ----------
        output : Tensor of shape (B, T, D)
            Zero at padding, as :class:`Recurrence` leaves it.
        final : Tensor of shape (B, D)
        lengths : Tensor of shape (B,), default=None
            None means T for every row.

        Returns
        -------
        Tensor of shape (B, output_size)
        """
        before = self.start(len(output), output.shape[2], output)
        after = self.step(before, output, ragged_lengths(lengths, output))
        return self.end(after).to(output.dtype)


def _wide(like: Tensor) -> torch.dtype:
    """Return the precision of sums over steps: there may be millions."""
    return torch.float32 if like.device.type == "mps" else torch.float64


class LastPooling(Pooling):
    """Take the final state: forward at the last step, backward at the first.

    Parameters
    ----------
    output_size : int
        Units of the recurrence's output.
    """

    separable = True

    def start(self, rows: int, size: int, like: Tensor) -> Parts:
        return (like.new_zeros(rows, size),)

    def step(self, parts: Parts, output: Tensor, lengths: Tensor | None = None) -> Parts:
        if lengths is None:
            return (output[:, -1],)
        last = last_step(output, lengths.clamp(max=output.shape[1]))
        return (torch.where((lengths > 0)[:, None], last, parts[0]),)

    def end(self, parts: Parts) -> Tensor:
        last: Tensor = parts[0]
        return last

    def forward(self, output: Tensor, final: Tensor, lengths: Tensor | None = None) -> Tensor:
        return final


class MeanPooling(Pooling):
    """Average over the true steps.

    Parameters
    ----------
    output_size : int
        Units of the recurrence's output.
    """

    separable = True

    def start(self, rows: int, size: int, like: Tensor) -> Parts:
        """Return the sum and the number of the steps so far."""
        wide = _wide(like)
        return like.new_zeros(rows, size, dtype=wide), like.new_zeros(rows, 1, dtype=wide)

    def step(self, parts: Parts, output: Tensor, lengths: Tensor | None = None) -> Parts:
        total, count = parts
        if lengths is None:
            return total + output.sum(1), count + output.shape[1]
        here = lengths.clamp(0, output.shape[1])
        total = total + blank_padding(output, lengths).sum(1)
        return total, count + here[:, None].to(count)

    def end(self, parts: Parts) -> Tensor:
        total, count = parts
        mean: Tensor = total / count.clamp_min(1)
        return mean

    def forward(self, output: Tensor, final: Tensor, lengths: Tensor | None = None) -> Tensor:
        lengths = ragged_lengths(lengths, output)
        dtype = torch.float64 if self.in_double else None
        if lengths is None:
            return output.mean(1, dtype=dtype)
        return output.sum(1, dtype=dtype) / lengths.clamp_min(1)[:, None].to(output.dtype)


class _Largest(torch.autograd.Function):
    """Maximum over the true steps, several times as fast on a CPU as torch's with its gradient.

    Where several steps share the maximum, they share its gradient.
    """

    @staticmethod
    def forward(ctx: Any, output: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is not None and output.device.type == "cpu":
            # The padding is zero, and a sum is twice as fast as filling.
            steps = length_mask(lengths, output.shape[1])
            output = output + torch.where(steps, 0.0, -math.inf).to(output.dtype)[:, :, None]
        else:
            output = blank_padding(output, lengths, -math.inf)
        largest = _largest(output)
        ctx.save_for_backward(output, largest)
        return largest

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        output, largest = ctx.saved_tensors
        with torch.no_grad():
            # Ones and zeros at once: several times as fast as booleans that become numbers.
            chosen = torch.eq(output, largest[:, None], out=torch.empty_like(output))
        share = (grads[0] / chosen.sum(1))[:, None]
        return chosen * share if torch.is_grad_enabled() else chosen.mul_(share), None


def _largest(x: Tensor) -> Tensor:
    """Return the maximum of x (B, T, D) over its steps, as (B, D).

    On a CPU torch takes it number by number where there are few channels; whole halves against
    each other are up to ten times as fast.
    """
    if x.device.type != "cpu" or x.shape[2] >= _FEW_UNITS or len(x) * x.shape[2] < _FEW_NUMBERS:
        return x.amax(1)
    while x.shape[1] > 1:
        # They overlap by a step where the number is odd, which a maximum does not mind.
        half = (x.shape[1] + 1) // 2
        x = torch.maximum(x[:, :half], x[:, -half:])
    return x[:, 0]


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


class MaxPooling(Pooling):
    """Take each unit's maximum over the true steps.

    Parameters
    ----------
    output_size : int
        Units of the recurrence's output.
    """

    separable = True

    def start(self, rows: int, size: int, like: Tensor) -> Parts:
        """Return the maximum so far and, for gradients, how many steps share it."""
        return like.new_full((rows, size), -math.inf), like.new_zeros(rows, size)

    def step(self, parts: Parts, output: Tensor, lengths: Tensor | None = None) -> Parts:
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

    def end(self, parts: Parts) -> Tensor:
        largest: Tensor = parts[0]
        return largest

    def forward(self, output: Tensor, final: Tensor, lengths: Tensor | None = None) -> Tensor:
        lengths = ragged_lengths(lengths, output)
        largest: Tensor = _Largest.apply(output, lengths)
        return largest


class AttentionPooling(Pooling):
    """Average over the true steps with learned weights.

    The weights are softmax_t(v tanh(W h_t + b)).

    Parameters
    ----------
    size : int
        Units of the recurrence's output.

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn import AttentionPooling
    >>> pooling = AttentionPooling(4)
    >>> weights = pooling.weights(torch.randn(2, 3, 4), torch.tensor([1, 3]))
    >>> weights[0].tolist()
    [1.0, 0.0, 0.0]
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.project = nn.Linear(size, size)
        self.score = nn.Linear(size, 1, bias=False)

    def weights(self, output: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the weight of each step, (B, T), zero at padding.

        Parameters
        ----------
        output : Tensor of shape (B, T, size)
            Zero at padding.
        lengths : Tensor of shape (B,), default=None
            None means T for every row.

        Returns
        -------
        Tensor of shape (B, T)
            Each row sums to one.
        """
        lengths = ragged_lengths(lengths, output)
        return torch.softmax(blank_padding(self.scores(output), lengths, -math.inf), 1)

    def scores(self, output: Tensor) -> Tensor:
        """Return the logarithm of each step's weight, (B, T), up to a constant a row."""
        output = output.to(self.score.weight.dtype)
        scores: Tensor = self.score(torch.tanh(self.project(output))).squeeze(2)
        return scores

    def start(self, rows: int, size: int, like: Tensor) -> Parts:
        """Return the largest score so far, and relative to it the weights' sum and the steps'."""
        wide = _wide(like)
        return (
            like.new_full((rows, 1), -math.inf, dtype=wide),
            like.new_zeros(rows, 1, dtype=wide),
            like.new_zeros(rows, size, dtype=wide),
        )

    def step(self, parts: Parts, output: Tensor, lengths: Tensor | None = None) -> Parts:
        largest, mass, total = parts
        scores = self.scores(output)
        scores = blank_padding(scores, lengths, -math.inf).to(largest.dtype)
        # The shift cancels in the result, so no gradient has to flow through it.
        new = torch.maximum(largest, scores.detach().amax(1, keepdim=True))
        safe = torch.where(torch.isfinite(new), new, 0.0)
        weights, kept = torch.exp(scores - safe), torch.exp(largest - safe)
        summed = torch.bmm(weights[:, None], output.to(weights.dtype)).squeeze(1)
        return new, mass * kept + weights.sum(1, keepdim=True), total * kept + summed

    def end(self, parts: Parts) -> Tensor:
        _, mass, total = parts
        mean: Tensor = total / mass
        return mean

    def forward(self, output: Tensor, final: Tensor, lengths: Tensor | None = None) -> Tensor:
        weights = self.weights(output, lengths)
        return torch.bmm(weights[:, None], output.to(weights.dtype)).squeeze(1)


class ConcatPooling(Pooling):
    """Put several poolings side by side.

    Parameters
    ----------
    poolings : sequence of Pooling
    """

    def __init__(self, poolings: Sequence[Pooling]) -> None:
        super().__init__(sum(pooling.output_size for pooling in poolings))
        self.poolings = nn.ModuleList(poolings)
        self.separable = all(pooling.separable for pooling in poolings)

    def start(self, rows: int, size: int, like: Tensor) -> Parts:
        return tuple(pooling.start(rows, size, like) for pooling in self._each())

    def step(self, parts: Parts, output: Tensor, lengths: Tensor | None = None) -> Parts:
        pairs = zip(self._each(), parts, strict=True)
        return tuple(pooling.step(part, output, lengths) for pooling, part in pairs)

    def end(self, parts: Parts) -> Tensor:
        return self.end_sides(parts)

    def end_sides(self, *sides: Parts) -> Tensor:
        groups = zip(self._each(), *sides, strict=True)
        return torch.cat([pooling.end_sides(*parts) for pooling, *parts in groups], 1)

    def _each(self) -> Iterator[Any]:
        """Give the poolings."""
        return iter(self.poolings)

    def forward(self, output: Tensor, final: Tensor, lengths: Tensor | None = None) -> Tensor:
        return torch.cat([pooling(output, final, lengths) for pooling in self.poolings], 1)


class EachStep(Pooling):
    """Keep every true step: (total_steps, output_size), row after row, no padding.

    Parameters
    ----------
    output_size : int
        Units of the recurrence's output.
    """

    each_step = True

    def forward(self, output: Tensor, final: Tensor, lengths: Tensor | None = None) -> Tensor:
        lengths = ragged_lengths(lengths, output)
        if lengths is None:
            return output.flatten(0, 1)
        return output[length_mask(lengths, output.shape[1])]
