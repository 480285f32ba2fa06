"""Torch's optimizers without its compiler. Imports torch only.

The first optimizer of a process has torch import its compiler and sympy, 900 modules, in the midst
of a fit: a second of work for what stands aside unless something is compiled. An interrupt in there
leaves halves of packages, with which no later fit in that process can run, and a folder stays in
the temporary directory. The optimizers here do the same without. One that the user brings needs the
compiler after all, and has it imported where no interrupt comes.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch


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
