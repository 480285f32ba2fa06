"""From what a user calls a loss to one number a sample; imports torch only."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._contracts import ContractError, broken, is_told, name_of

Loss = str | Callable[..., Any]


def _squared(raw: Tensor, target: Tensor, level: float) -> Tensor:
    return F.mse_loss(raw, target, reduction="none")


def _absolute(raw: Tensor, target: Tensor, level: float) -> Tensor:
    return F.l1_loss(raw, target, reduction="none")


def _huber(raw: Tensor, target: Tensor, level: float) -> Tensor:
    return F.huber_loss(raw, target, reduction="none")


def _quantile(raw: Tensor, target: Tensor, level: float) -> Tensor:
    error = target - raw
    return torch.maximum(level * error, (level - 1) * error)


#: Element-wise losses of continuous targets, by name.
CONTINUOUS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "squared_error": _squared,
    "absolute_error": _absolute,
    "huber": _huber,
    "quantile": _quantile,
}

_CONTRACT = (
    "A loss is called as loss(outputs, targets) with the raw outputs and the encoded targets of a "
    "batch, and returns a tensor that depends on the outputs: a number for each sample, or one for "
    "the batch."
)

_PROBABILITIES = {
    nn.NLLLoss: "torch.nn.CrossEntropyLoss",
    nn.BCELoss: "torch.nn.BCEWithLogitsLoss",
}


def element_wise(loss: Loss) -> Callable[..., Any]:
    """Turn a loss class, module or function into one that does not average, if it has a say."""
    for refused, instead in _PROBABILITIES.items():
        if loss is refused or isinstance(loss, refused):
            raise ValueError(
                f"loss={refused.__name__} reads probabilities, and the network gives logits; "
                f"use {instead}."
            )
    if isinstance(loss, type):
        name = loss.__name__
        try:
            loss = loss()
        except Exception as error:
            raise ContractError(f"loss={name} cannot be made: {error}.") from error
    if not callable(loss):
        raise ValueError(f"loss must be a name, a torch loss or a callable; got {loss!r}.")
    if hasattr(loss, "reduction"):
        loss = copy.deepcopy(loss)
        loss.reduction = "none"
    return loss


def of_user(loss: Callable[..., Any], raw: Tensor, target: Tensor) -> Any:
    """Call a loss of the user's own, and say what it was given where it fails or learns nothing."""
    name, given = f"loss={name_of(loss)}", {"outputs": raw, "targets": target}
    try:
        values = loss(raw, target)
    except Exception as error:
        if is_told(error):
            raise
        raise broken(name, given, error, _CONTRACT) from error
    if not isinstance(values, Tensor):
        raise ContractError(
            f"{name} must return a tensor; got {type(values).__name__}. {_CONTRACT}"
        )
    if not values.is_floating_point():
        raise ContractError(f"{name} must return floating numbers; got {values.dtype}. {_CONTRACT}")
    if raw.requires_grad and not values.requires_grad:
        raise ContractError(
            f"{name} returned numbers that do not depend on the outputs, so that nothing can be "
            f"learned from them. {_CONTRACT}"
        )
    if values.ndim and values.shape[0] != raw.shape[0]:
        raise ContractError(
            f"{name} must return one number for the batch or one for each of its {raw.shape[0]} "
            f"samples; got shape {tuple(values.shape)}."
        )
    return values


def per_sample(values: Any, n_samples: int) -> Tensor | None:
    """Average each sample's elements; None if the loss is one number for the batch."""
    if not isinstance(values, Tensor):
        raise ValueError(f"loss must return a tensor; got {type(values).__name__}.")
    if values.ndim == 0:
        return None
    if values.shape[0] != n_samples:
        raise ValueError(
            f"loss must return one number for the batch or one for each of its {n_samples} "
            f"samples; got shape {tuple(values.shape)}."
        )
    return values.reshape(n_samples, -1).mean(1)


def weighted_mean(values: Tensor, weight: Tensor | None) -> Tensor:
    """Return sum(weight * values) / sum(weight), zero if all weights are."""
    if weight is None:
        return values.mean()
    weight = weight.to(values.dtype)
    return (weight * values).sum() / weight.sum().clamp_min(torch.finfo(values.dtype).tiny)
