"""Optimizers and learning-rate schedules by name. Imports torch only."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import lr_scheduler

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
}
SCHEDULES = ("one_cycle", "cosine", "plateau", "constant")

# Share of the steps over which one-cycle warms up, and how far below the peak it starts.
_WARM_UP = 0.25
_START_DIVISOR = 20.0
# Plateau: halve after this many epochs without improvement.
_PLATEAU_PATIENCE = 5


def resolve_optimizer(
    optimizer: str | Callable[..., torch.optim.Optimizer], weight_decay: float
) -> tuple[Callable[..., torch.optim.Optimizer], dict[str, Any]]:
    """Return the optimizer class and its keyword arguments.

    Weight decay is given only to an optimizer that has it; asking one that has not is an error.
    """
    factory = OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer
    keywords: dict[str, Any] = {}
    accepted = inspect.signature(factory).parameters
    if factory is torch.optim.SGD:
        keywords["momentum"] = 0.9
    if weight_decay:
        takes_any = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
        if "weight_decay" not in accepted and not takes_any:
            name = getattr(factory, "__name__", repr(factory))
            raise ValueError(f"optimizer {name} has no weight decay; set weight_decay=0.")
        keywords["weight_decay"] = weight_decay
    return factory, keywords


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
        self._left = total_steps
        if name == "one_cycle" and total_steps > 1:
            self.per_batch = lr_scheduler.OneCycleLR(
                optimizer,
                max_lr=[group["lr"] for group in optimizer.param_groups],
                total_steps=total_steps,
                pct_start=_WARM_UP,
                div_factor=_START_DIVISOR,
                final_div_factor=1000.0 / _START_DIVISOR,
                cycle_momentum=False,
            )
        elif name == "cosine" and total_steps > 1:
            self.per_batch = lr_scheduler.CosineAnnealingLR(optimizer, T_max=total_steps)
        elif name == "plateau":
            self.per_epoch = lr_scheduler.ReduceLROnPlateau(
                optimizer, mode="min", factor=0.5, patience=_PLATEAU_PATIENCE
            )
        elif name not in SCHEDULES:
            raise ValueError(f"schedule must be one of {list(SCHEDULES)}, got {name!r}.")

    def after_batch(self) -> None:
        """Move on by one optimizer step."""
        # The last step has no successor, and OneCycleLR refuses to be asked for one.
        self._left -= 1
        if self.per_batch is not None and self._left > 0:
            self.per_batch.step()

    def after_epoch(self, loss: float) -> None:
        """Tell the schedule the loss that it should watch."""
        if self.per_epoch is not None:
            self.per_epoch.step(loss)

    @property
    def learning_rate(self) -> float:
        """Learning rate of the first parameter group, now."""
        return float(self.optimizer.param_groups[0]["lr"])
