"""Leaving out recurrent weights while a step is trained; imports torch only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


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
