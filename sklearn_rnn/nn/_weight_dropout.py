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
    weights from state to state are leaves that stand for the masked ones; at its end their
    gradients are added to those of the weights (DropConnect, as in AWD-LSTM). Out of training, or
    with ``weight_dropout=0``, nothing happens.

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
    swapped = []
    try:
        for module, name in recurrent_weights(network.recurrence.layers):
            kept = dict(module._parameters)
            weight: Any = kept[name]
            mask = dropout(torch.ones_like(weight, requires_grad=False))
            leaf = (weight.detach() * mask).requires_grad_()
            swapped.append((module, name, kept, mask, leaf))
            del module._parameters[name]
            setattr(module, name, leaf)
        yield
    finally:
        for module, name, kept, mask, leaf in reversed(swapped):
            _put_back(module, name, kept, mask, leaf)


def _put_back(
    module: nn.Module, name: str, kept: dict[str, Any], mask: Tensor, leaf: Tensor
) -> None:
    """Give a module its weight again, where it stood, with the gradient of what stood for it."""
    delattr(module, name)
    weight = kept[name]
    setattr(module, name, weight)
    module._parameters.clear()
    module._parameters.update(kept)
    if leaf.grad is not None:
        gradient = leaf.grad * mask
        weight.grad = gradient if weight.grad is None else weight.grad + gradient
