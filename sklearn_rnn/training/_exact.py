"""Predicting in double precision at the price of single, where that gives the same. Imports torch.

A prediction in float64 depends on its batch in no digit that anyone sees, but a recurrence takes
two to seven times as long in it. Where the recurrence gives a row the same bits in float32 whatever
batch it stands in, as torch's LSTM does, it stays in float32, and only what reads its states is
computed in float64.
"""

from __future__ import annotations

import copy
from typing import Any

import torch

# Batches that a row is tried in: alone, among few, around the width of registers, among many.
_BATCHES = (1, 2, 3, 7, 8, 17, 64)
_STEPS = (1, 3, 40)
_known: dict[str, bool] = {}


def in_double(network: Any) -> Any:
    """Return a copy of a network that predicts in float64, as much of it as needs to."""
    made = copy.deepcopy(network)
    if not rows_stand_alone(made):
        return made.double()
    for member in made.members():
        for name, part in member.named_children():
            if name not in ("input", "stem", "recurrence", "others"):
                part.double()
        for part in member.pooling.modules():
            part.in_double = True
    return made


def rows_stand_alone(network: Any) -> bool:
    """Tell by trying whether a row's states have the same bits in every batch; known once seen."""
    parts = [part for part in (network.stem, network.recurrence) if part is not None]
    modules = [module for part in parts for module in part.modules()]
    ours = all(type(m).__module__.startswith(("torch.", "sklearn_rnn.")) for m in modules)
    if not ours or any(p.device.type != "cpu" for p in network.parameters()):
        return False
    key = f"{parts}, {torch.get_num_threads()} threads"
    if key not in _known:
        _known[key] = _try(network)
    return _known[key]


def _try(network: Any) -> bool:
    """Compare the states of rows alone and in company, equal lengths and not."""
    generator = torch.Generator().manual_seed(0)
    first = network.recurrence if network.stem is None else network.stem
    most = max(_BATCHES)
    with torch.inference_mode():
        for steps in _STEPS:
            x = torch.randn(most, steps, first.input_size, generator=generator)
            lengths = torch.arange(most) % steps + 1
            for given in (None, lengths):
                whole = _states(network, x, given)
                for size in _BATCHES[:-1]:
                    for start in (0, most - size):
                        rows = slice(start, start + size)
                        part = _states(network, x[rows], None if given is None else given[rows])
                        if not torch.equal(part, whole[rows]):
                            return False
    return True


def _states(network: Any, x: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """Run stem and recurrence."""
    steps = x if network.stem is None else network.stem(x, lengths)
    output: torch.Tensor = network.recurrence(steps, lengths).output
    return output
