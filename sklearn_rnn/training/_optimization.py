"""Optimizers and learning-rate schedules by name. Imports torch and layer 1."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import lr_scheduler

from ..nn import import_whole
from ._optimizers import OPTIMIZERS, PLAIN

SCHEDULES = ("one_cycle", "cosine", "plateau", "constant")

_CALLED = (
    "must be callable as optimizer(params, lr=..., weight_decay=...), the last unless "
    "optimizer__weight_decay=0, with groups of parameters, and return a torch optimizer"
)
# Share of the steps over which one-cycle warms up; where it starts and ends, of the peak.
_WARM_UP = 0.25
_START, _END = 0.05, 0.001
# Plateau: halve after this many epochs without improvement.
_PLATEAU_PATIENCE = 5


def resolve_optimizer(
    optimizer: str | Callable[..., torch.optim.Optimizer],
    weight_decay: float,
    *,
    grouped: bool = False,
) -> tuple[Callable[..., torch.optim.Optimizer], dict[str, Any]]:
    """Return the optimizer class and its keyword arguments.

    Weight decay is given only to an optimizer that has it; asking one that has not is an error.
    A ``functools.partial`` that sets it keeps its own. `grouped` says that weights come in groups
    even without it.
    """
    factory: Any = OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer
    if factory in PLAIN:
        factory = PLAIN[factory]
    elif factory not in PLAIN.values():
        import_whole("torch._dynamo")
    keywords: dict[str, Any] = {}
    name = getattr(factory, "__name__", repr(factory))
    try:
        accepted = inspect.signature(factory).parameters
    except ValueError as error:
        raise ValueError(f"optimizer={name} {_CALLED}: {error}.") from error
    if isinstance(factory, functools.partial) and "weight_decay" in factory.keywords:
        return factory, keywords
    if factory is OPTIMIZERS["sgd"]:
        keywords["momentum"] = 0.9
    if weight_decay:
        takes_any = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
        if "weight_decay" not in accepted and not takes_any:
            raise ValueError(
                f"optimizer {name} has no weight decay; set optimizer__weight_decay=0."
            )
        keywords["weight_decay"] = weight_decay
    if factory not in PLAIN.values():
        _try(factory, name, keywords, grouped=grouped or bool(weight_decay))
    return factory, keywords


def _try(factory: Any, name: str, keywords: dict[str, Any], *, grouped: bool) -> None:
    """Make an optimizer of the user's own for two weights, and say what it has to take."""
    one, two = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    shrunk = {"weight_decay": 0.0} if "weight_decay" in keywords else {}
    groups = [{"params": [one]}, {"params": [two], "lr": 0.1, **shrunk}]
    try:
        found = factory(groups if grouped else [one, two], lr=0.1, **keywords)
    except Exception as error:
        raise TypeError(f"optimizer={name} {_CALLED}: {error}.") from error
    if not isinstance(found, torch.optim.Optimizer):
        raise TypeError(f"optimizer={name} {_CALLED}; it returned a {type(found).__name__}.")


def one_cycle(step: int, total: int) -> float:
    """Return the share of the peak at a step: up along a cosine, then down to a thousandth."""
    warm = max(1, round(_WARM_UP * total))
    if step < warm:
        return _START + (1 - _START) * 0.5 * (1 - math.cos(math.pi * step / warm))
    done = (step - warm) / max(1, total - 1 - warm)
    return _END + (1 - _END) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def cosine(step: int, total: int) -> float:
    """Return the share of the peak at a step: half a cosine, down to a thousandth."""
    done = min(1.0, step / max(1, total - 1))
    return _END + (1 - _END) * 0.5 * (1 + math.cos(math.pi * done))


class Schedule:
    """Drive an optimizer's learning rate by batch (one-cycle, cosine) or by epoch (plateau).

    Parameters
    ----------
    name : {"one_cycle", "cosine", "plateau", "constant"}
        The shape.
    optimizer : torch.optim.Optimizer
        Its learning rates are the peak.
    total_steps : int
        Number of batches in the whole fit.
    """

    def __init__(self, name: str, optimizer: torch.optim.Optimizer, total_steps: int) -> None:
        self.optimizer = optimizer
        self.per_batch: lr_scheduler.LRScheduler | None = None
        self.per_epoch: lr_scheduler.ReduceLROnPlateau | None = None
        if name in ("one_cycle", "cosine"):
            shape = one_cycle if name == "one_cycle" else cosine
            self.per_batch = lr_scheduler.LambdaLR(optimizer, lambda step: shape(step, total_steps))
        elif name == "plateau":
            self.per_epoch = lr_scheduler.ReduceLROnPlateau(
                optimizer, mode="min", factor=0.5, patience=_PLATEAU_PATIENCE
            )
        elif name != "constant":
            raise ValueError(f"schedule must be one of {list(SCHEDULES)}, got {name!r}.")

    def after_batch(self) -> None:
        """Move on by one optimizer step."""
        if self.per_batch is not None:
            self.per_batch.step()

    def after_epoch(self, loss: float) -> None:
        """Tell the schedule the loss that it should watch."""
        if self.per_epoch is not None:
            self.per_epoch.step(loss)

    @property
    def learning_rate(self) -> float:
        """Learning rate of the first parameter group, now."""
        return float(self.optimizer.param_groups[0]["lr"])
