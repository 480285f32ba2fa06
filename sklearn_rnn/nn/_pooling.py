"""From a row's steps to one vector, padding left out; imports torch only."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ._masking import blank_padding, length_mask, ragged_lengths

# Below so many channels torch's maximum over steps is not vectorised; below so many numbers a
# step that does not matter.
_FEW_UNITS, _FEW_NUMBERS = 32, 256


class Pooling(nn.Module):
    """What makes features of a recurrence's output: the base of all poolings.

    Parameters
    ----------
    output_size : int
        Features it gives.

    Attributes
    ----------
    in_double : bool
        Whether sums over steps that come in single precision are taken in double, False at first.
    """

    in_double = False

    def __init__(self, output_size: int) -> None:
        super().__init__()
        self.output_size = output_size

    @abstractmethod
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


class LastPooling(Pooling):
    """Take the final state: forward at the last step, backward at the first.

    Parameters
    ----------
    output_size : int
        Units of the recurrence's output.
    """

    def forward(self, output: Tensor, final: Tensor, lengths: Tensor | None = None) -> Tensor:
        return final


class MeanPooling(Pooling):
    """Average over the true steps.

    Parameters
    ----------
    output_size : int
        Units of the recurrence's output.
    """

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


class MaxPooling(Pooling):
    """Take each unit's maximum over the true steps.

    Parameters
    ----------
    output_size : int
        Units of the recurrence's output.
    """

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

    def forward(self, output: Tensor, final: Tensor, lengths: Tensor | None = None) -> Tensor:
        return torch.cat([pooling(output, final, lengths) for pooling in self.poolings], 1)


class EachStep(Pooling):
    """Keep every true step: (total_steps, output_size), row after row, no padding.

    Parameters
    ----------
    output_size : int
        Units of the recurrence's output.
    """

    def forward(self, output: Tensor, final: Tensor, lengths: Tensor | None = None) -> Tensor:
        lengths = ragged_lengths(lengths, output)
        if lengths is None:
            return output.flatten(0, 1)
        return output[length_mask(lengths, output.shape[1])]


POOLINGS: dict[str, Callable[[int], Pooling]] = {
    "last": LastPooling,
    "mean": MeanPooling,
    "max": MaxPooling,
    "attention": AttentionPooling,
}


def make_pooling(spec: str | Sequence[str], size: int) -> Pooling:
    """Make the named pooling, or several side by side.

    Parameters
    ----------
    spec : str or sequence of str
        ``"last"``, ``"mean"``, ``"max"``, ``"attention"``; several of them as a sequence or joined
        by ``+``; or ``"none"``, which keeps every step.
    size : int
        Units of the recurrence's output.

    Returns
    -------
    Pooling

    Raises
    ------
    ValueError
        If a name is unknown or given twice.

    Examples
    --------
    >>> from sklearn_rnn.nn import make_pooling
    >>> make_pooling("mean+max", 8).output_size
    16
    """
    names = spec.split("+") if isinstance(spec, str) else list(spec)
    names = [name.strip() if isinstance(name, str) else name for name in names]
    if names == ["none"]:
        return EachStep(size)
    known = all(isinstance(name, str) and name in POOLINGS for name in names)
    if not names or not known or len(set(names)) < len(names):
        raise ValueError(
            f"pooling must be 'none', or made of {', '.join(map(repr, POOLINGS))}, each at most "
            f"once; got {spec!r}."
        )
    poolings = [POOLINGS[name](size) for name in names]
    return poolings[0] if len(poolings) == 1 else ConcatPooling(poolings)
