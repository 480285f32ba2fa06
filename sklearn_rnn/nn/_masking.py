"""What does not count: padding in ragged batches, and what dropout leaves out; imports torch only.

Here padding becomes a mask. The contracts of parts that a user brings are checked here as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Memory that ends is nobody's contract.
_MEMORY = re.compile(r"allocat|out of memory|not enough memory|bad_alloc")


class ContractError(TypeError, ValueError, RuntimeError):
    """Raised where a user's own cell or loss cannot do, or has not done, what it has to.

    It is what scikit-learn's users catch, and what torch would have raised.
    """


def is_told(error: Exception) -> bool:
    """Tell whether an error says all there is to say already."""
    return isinstance(error, (ContractError, MemoryError)) or bool(_MEMORY.search(str(error)))


def broken(part: str, given: dict[str, Any], error: Exception, contract: str) -> ContractError:
    """Return what to raise where a part of the user's own has raised `error`."""
    what = ", ".join(f"{name} {_described(value)}" for name, value in given.items())
    return ContractError(f"{part} failed, called with {what}: {error}. {contract}")


def name_of(part: Any) -> str:
    """Return the name of a class, of a function, or of an instance's class."""
    return str(getattr(part, "__name__", type(part).__name__))


def _described(value: Any) -> str:
    """Return a value's shape and type in words."""
    if isinstance(value, Tensor):
        return f"of shape {tuple(value.shape)} ({str(value.dtype).removeprefix('torch.')})"
    if isinstance(value, tuple):
        return f"({', '.join(_described(item) for item in value)})"
    return "None" if value is None else f"of type {type(value).__name__}"


def length_mask(lengths: Tensor, max_length: int) -> Tensor:
    """Tell the steps of each sequence from its padding.

    Parameters
    ----------
    lengths : Tensor of shape (B,)
        Number of steps of each row.
    max_length : int
        Number of steps of the padded batch.

    Returns
    -------
    Tensor of shape (B, max_length)
        True at steps, False at padding.

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn import length_mask
    >>> length_mask(torch.tensor([1, 3]), 3)
    tensor([[ True, False, False],
            [ True,  True,  True]])
    """
    return torch.arange(max_length, device=lengths.device) < lengths[:, None]


def ragged_lengths(lengths: Tensor | None, x: Tensor) -> Tensor | None:
    """Return `lengths` on x's device, or None where they say that no row is padded."""
    if lengths is None:
        return None
    if lengths.ndim != 1 or lengths.shape[0] != x.shape[0]:
        raise ValueError(
            f"lengths must have one entry for each of the {x.shape[0]} rows of x; "
            f"got shape {tuple(lengths.shape)}."
        )
    # Asking a GPU would make the host wait for it, so there the mask is always applied.
    if lengths.device.type == "cpu" and bool((lengths >= x.shape[1]).all()):
        return None
    return lengths.to(x.device, non_blocking=True)


def blank_padding(x: Tensor, lengths: Tensor | None, value: float = 0.0) -> Tensor:
    """Put `value` into the padding of x (B, T, ...), whatever stood there, NaN included."""
    if lengths is None:
        return x
    padding = ~length_mask(lengths, x.shape[1])
    if x.is_cuda or x.ndim == 2:
        return x.masked_fill(padding.reshape(padding.shape + (1,) * (x.ndim - 2)), value)
    # On a CPU several times as fast; on a GPU nonzero would make the host wait.
    steps = padding.flatten().nonzero().flatten()
    return x.flatten(0, 1).index_fill(0, steps, value).view(x.shape)


def last_step(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Return each row's last true step of x (B, T, D), as (B, D)."""
    if lengths is None:
        return x[:, -1]
    rows = torch.arange(x.shape[0], device=x.device)
    return x[rows, (lengths - 1).clamp_min(0)]


class _Reorder(torch.autograd.Function):
    """Reorder rows by a permutation that is its own inverse, and so its own gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor) -> Tensor:
        ctx.save_for_backward(order)
        return x.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (order,) = ctx.saved_tensors
        return _Reorder.apply(grads[0], order), None


def reversal(lengths: Tensor, max_length: int) -> Tensor:
    """Return the permutation of the B * max_length steps that reverses every row in its length."""
    steps = torch.arange(max_length, device=lengths.device).expand(lengths.shape[0], -1)
    mirrored = lengths[:, None] - 1 - steps
    starts = torch.arange(lengths.shape[0], device=lengths.device)[:, None] * max_length
    return (torch.where(mirrored >= 0, mirrored, steps) + starts).flatten()


def reverse_within(x: Tensor, lengths: Tensor | None, order: Tensor | None = None) -> Tensor:
    """Reverse each row within its own length, leaving the padding where it is.

    Parameters
    ----------
    x : Tensor of shape (B, T, D)
    lengths : Tensor of shape (B,) or None
        None means that every row has T steps.
    order : Tensor, default=None
        ``reversal(lengths, T)``, for callers who reverse more than once.

    Returns
    -------
    Tensor of shape (B, T, D)
    """
    if lengths is None:
        return x.flip(1)
    if order is None:
        order = reversal(lengths, x.shape[1])
    flat = x.reshape(-1, x.shape[2])
    result: Tensor = _Reorder.apply(flat, order)
    return result.view(x.shape)


_LEVELS = 2**16


def _coins(like: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """Return ones with probability p, else zeros, in a tensor's shape and type.

    Four draws of 16 bits from each number of the generator: ten times as fast on a CPU as
    `bernoulli_`. The probability is rounded to 1/65536.
    """
    count = like.numel()
    numbers = torch.empty(-(-count // 4), dtype=torch.int64)
    numbers.random_(-(2**63), None, generator=generator)
    level = max(1, round(p * _LEVELS)) - _LEVELS // 2
    draws = numbers.view(torch.int16)[:count].view(like.shape)
    return (draws < level).to(like.dtype)


class Dropout(nn.Module):
    """Zero each element with probability `p` in training, and scale up the others.

    As :class:`torch.nn.Dropout`, but the draws can come from a given generator, so that training
    neither reads nor changes torch's global random state. See :func:`set_generator`.

    Parameters
    ----------
    p : float, default=0.5
        Probability of zeroing, in [0, 1).
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"dropout must lie in [0, 1); got {p!r}.")
        self.p = float(p)
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        if self.generator is None:
            return F.dropout(x, self.p)
        if x.device.type == "cpu":
            kept = _coins(x, 1 - self.p, self.generator)
        else:
            kept = torch.empty_like(x, requires_grad=False)
            kept.bernoulli_(1 - self.p, generator=self.generator)
        return x * kept.div_(1 - self.p)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"generator": None}

    def extra_repr(self) -> str:
        return f"p={self.p}"


def set_generator(module: nn.Module, generator: torch.Generator | None) -> None:
    """Let every :class:`Dropout` inside `module` draw from `generator`.

    Parameters
    ----------
    module : nn.Module
    generator : torch.Generator or None
        On the device where the module runs. None goes back to torch's global state. It is not
        kept when the module is pickled or copied.
    """
    for part in module.modules():
        if isinstance(part, Dropout):
            part.generator = generator


def recurrent_weights(layers: nn.Module) -> list[tuple[nn.Module, str]]:
    """Return every weight from state to state: the module that holds it, and its name there."""
    return [
        (module, name)
        for module in layers.modules()
        for name in module._parameters
        if name.startswith("weight_hh")
    ]


@contextmanager
def dropped_weights(network: Any) -> Iterator[None]:
    """Leave out a random share of the recurrent weights, the same at all steps and rows.

    Inside the context, which must hold one step's forward and backward passes, each layer's
    weights from state to state are the masked ones; at its end they have their values again, and
    the gradients at those that were left out are zero (DropConnect, as in AWD-LSTM). Out of
    training, or with ``weight_dropout=0``, nothing happens.

    Parameters
    ----------
    network : nn.Module
        With a :class:`Recurrence` as its ``recurrence``.

    References
    ----------
    S. Merity, N. S. Keskar, R. Socher, "Regularizing and optimizing LSTM language models",
    ICLR 2018.

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn import NetworkConfig, build_network, dropped_weights
    >>> network = build_network(NetworkConfig(hidden_size=8, weight_dropout=0.5)).train()
    >>> with dropped_weights(network):
    ...     network(torch.ones(2, 5, 1)).sum().backward()
    >>> gradient = network.recurrence.layers[0][0].weight_hh_l0.grad
    >>> 0 < int((gradient == 0).sum()) < gradient.numel()
    True
    """
    dropout = network.recurrence.weight_dropout
    if not dropout.training or dropout.p == 0:
        yield
        return
    held: list[Any] = [getattr(m, n) for m, n in recurrent_weights(network.recurrence.layers)]
    before = [(weight, weight.detach().clone(), weight.grad) for weight in held]
    masks = [dropout(torch.ones_like(weight, requires_grad=False)) for weight in held]
    try:
        with torch.no_grad():
            for weight, mask in zip(held, masks, strict=True):
                weight.grad = None
                weight.mul_(mask)
        yield
        for (weight, _, gradient), mask in zip(before, masks, strict=True):
            if weight.grad is not None:
                weight.grad *= mask
                if gradient is not None:
                    weight.grad += gradient
            else:
                weight.grad = gradient
    finally:
        try:
            _put_back(before)
        except BaseException:  # an interrupt may come in between
            _put_back(before)
            raise


def _put_back(before: list[tuple[Tensor, Tensor, Tensor | None]]) -> None:
    """Give weights the values again that they had."""
    with torch.no_grad():
        for weight, values, _ in before:
            weight.copy_(values)
