"""Copies of networks and their optimizers, in a fifth of `copy.deepcopy`'s time. Imports torch.

A portion that is learned by `partial_fit` takes a few milliseconds; copying the network for it must
not take as long. Most of what `deepcopy` walks through are the empty dicts of hooks that every
module has, and tensors whose storage it copies from outside.
"""

from __future__ import annotations

import copy
from collections import OrderedDict, defaultdict
from typing import Any

import torch
from torch import nn

_PLAIN = (type(None), bool, int, float, str, torch.dtype, torch.device)
_HOOKS = (dict, set, OrderedDict)
_HELD = ("_parameters", "_buffers", "_modules")


def copied(network: nn.Module, optimizer: Any, shared: nn.Module | None) -> tuple[nn.Module, Any]:
    """Return copies of a network and of the optimizer of its parameters.

    A module that is `shared` is not copied: both networks hold it.
    """
    memo: dict[int, Any] = {} if shared is None else {id(shared): shared}
    module = _copied(network, memo)
    for part in module.modules() if next(network.parameters()).is_cuda else ():
        if isinstance(part, nn.RNNBase):
            part.flatten_parameters()  # cuDNN wants the weights one after the other
    return module, _copied_optimizer(optimizer, memo)


def _copied_optimizer(optimizer: Any, memo: dict[int, Any]) -> Any:
    """Copy all that an optimizer holds: torch's own copies forget what LBFGS keeps beside."""
    made = object.__new__(type(optimizer))
    for name, value in vars(optimizer).items():
        if name == "step":
            continue  # a schedule has wrapped the one that is copied
        if name == "param_groups":
            value = [{key: _copied(part, memo) for key, part in group.items()} for group in value]
        elif name == "state":
            held = ((_copied(key, memo), part) for key, part in value.items())
            value = defaultdict(dict, {key: _copied(part, memo) for key, part in held})
        else:
            value = _copied(value, memo)
        made.__dict__[name] = value
    return made


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    """Return what `copy.deepcopy` would."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if id(value) in memo:
        return memo[id(value)]
    if kind is dict:
        return {key: _copied(part, memo) for key, part in value.items()}
    if kind is list:
        return [_copied(part, memo) for part in value]
    if kind is torch.Tensor and not value.requires_grad:
        memo[id(value)] = made = value.clone()
        return made
    if isinstance(value, nn.Module) and not hasattr(kind, "__deepcopy__"):
        return _copied_module(value, memo)
    return copy.deepcopy(value, memo)


def _copied_module(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """Copy a module by way of the state that it would be pickled by."""
    memo[id(module)] = made = object.__new__(type(module))
    state = dict(module.__getstate__())
    for name, value in state.items():
        if name in _HELD:
            state[name] = {key: _copied(part, memo) for key, part in value.items()}
        elif type(value) in _HOOKS and not value:
            state[name] = type(value)()
        else:
            state[name] = _copied(value, memo)
    made.__setstate__(state)
    return made
