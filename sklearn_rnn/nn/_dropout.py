"""Dropout that draws from a generator of its own, of states and of recurrent weights.

Imports torch only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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
