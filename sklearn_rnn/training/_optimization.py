"""Optimizers and learning-rate schedules by name, and what ``"auto"`` means for batches and epochs.

The first optimizer of a process has torch import its compiler and sympy, 900 modules, in the midst
of a fit: a second of work for what stands aside unless something is compiled. An interrupt in there
leaves halves of packages, with which no later fit in that process can run. The optimizers here do
the same without. One that the user brings needs the compiler after all, and has it imported where
no interrupt comes. Imports torch and layer 1.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import lr_scheduler

from ..nn import import_whole


def _plain(kind: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """Return an optimizer class whose methods go past torch's switches for its compiler."""

    def step(self: Any, closure: Any = None) -> Any:
        with torch.no_grad():
            return inspect.unwrap(kind.step)(self, closure)

    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    return type(kind.__name__, (kind,), {**methods, "step": step, "__doc__": kind.__doc__})


#: Of torch's classes those without its compiler, and both by name.
PLAIN: dict[Any, type[torch.optim.Optimizer]] = {
    kind: _plain(kind)
    for kind in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop)
}
OPTIMIZERS = {kind.__name__.lower(): plain for kind, plain in PLAIN.items()}
globals().update({kind.__name__: plain for kind, plain in PLAIN.items()})  # where pickle looks


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


#: What no network is trained beyond: passes over the data, layers, and numbers that multiply
#: weights. Larger ones are slips, which would end in years, or in numbers that are not finite.
MOST_EPOCHS, MOST_LAYERS, LARGEST_RATE = 10**7, 1000, 1e6

_STEPS = 1500
_FEWEST_EPOCHS, _MOST_EPOCHS = 20, 100
_SMALLEST_BATCH, _LARGEST_BATCH = 16, 128
# Embeddings learn most of what they can in few epochs, and then only remember.
_FEWEST_OF_TOKENS, _MOST_OF_TOKENS = 8, 30


def auto_batch_size(n_rows: int, *, tokens: bool = False) -> int:
    """Return the power of two nearest below n/16, or n/128 for tokens, between 16 and 128."""
    size = _SMALLEST_BATCH
    while size < _LARGEST_BATCH and 2 * size <= n_rows / (128 if tokens else 16):
        size *= 2
    return size


def auto_epochs(n_rows: int, batch_size: int, *, tokens: bool = False) -> int:
    """Return how many epochs make about 1,500 steps: 20 to 100, or 8 to 30 for tokens."""
    steps = -(-n_rows // batch_size)
    fewest = _FEWEST_OF_TOKENS if tokens else _FEWEST_EPOCHS
    most = _MOST_OF_TOKENS if tokens else _MOST_EPOCHS
    return max(fewest, min(most, -(-_STEPS // steps)))
