"""Training on sequences that are too long to be trained on at once. Imports torch and NumPy.

`PiecePolicy` says when a batch goes through the network in pieces. `Windows` cuts a batch with
targets at every step into windows of time, each an optimizer step of its own, with the state
carried from one to the next: truncated backpropagation through time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..nn import Pieces, window_features
from ._batches import Batch, TrainingBatches, mean_loss

# With "auto", checkpoints begin where the activations of a batch would take so much.
_CPU_BYTES = 256 * 2**20
_SHORTEST_PIECE = 64


@dataclass(frozen=True)
class PiecePolicy:
    """When and how a batch goes in pieces.

    Parameters
    ----------
    tbptt_steps : int or None
        Where gradients end; None means nowhere.
    checkpointing : bool or "auto"
        Whether the inside of pieces is computed twice and not kept.
    bytes_a_step : int
        Activations of a step of a row.
    budget : float
        What ``"auto"`` keeps at most, in bytes.
    """

    tbptt_steps: int | None
    checkpointing: bool | str
    bytes_a_step: int
    budget: float

    def __call__(self, rows: int, steps: int) -> Pieces | None:
        """Return how rows of so many steps are to be gone through; None means at once."""
        again = self.checkpointing is True or (
            self.checkpointing == "auto" and rows * steps * self.bytes_a_step > self.budget
        )
        if self.tbptt_steps is not None and steps > self.tbptt_steps:
            return Pieces(self.tbptt_steps, checkpoint=again, detach=True)
        if not again:
            return None
        # The states kept between pieces and the inside of one piece are about in balance.
        return Pieces(max(_SHORTEST_PIECE, math.isqrt(steps - 1) + 1))


def memory_budget(device: torch.device) -> float:
    """Return how many bytes a batch's activations may take before checkpoints begin."""
    if device.type == "cpu":
        return _CPU_BYTES
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / 4
    return 4 * _CPU_BYTES


class Windows:
    """The optimizer steps of an epoch, where each batch is cut into windows of time.

    Parameters
    ----------
    batches : TrainingBatches
        With one target a step.
    steps : int
        Steps of a window.
    """

    def __init__(self, batches: TrainingBatches, steps: int) -> None:
        self.batches, self.steps = batches, steps

    def __len__(self) -> int:
        """Return the number of batches: the schedule moves on with each, and not with windows."""
        return len(self.batches)

    def __iter__(self) -> Iterator[Window]:
        lengths = self.batches.storage.lengths
        for step in self.batches:
            rows = step.rows[np.argsort(-lengths[step.rows], kind="stable")]
            batch = self.batches.batch(rows)
            states: dict[int, list[Any]] = {}
            longest = int(lengths[rows[0]])
            for start in range(0, longest, self.steps):
                yield Window(batch, start, min(start + self.steps, longest), longest, states)


class Window:
    """The steps of a batch from `start` to before `stop`.

    `states` come from the window before, one for each member of the network.
    """

    def __init__(
        self, batch: Batch, start: int, stop: int, longest: int, states: dict[int, list[Any]]
    ) -> None:
        self.batch, self.start, self.stop = batch, start, stop
        self.is_last = stop == longest
        self._carried, self._before = states, dict(states)
        lengths = batch.lengths.numpy()
        self._here = np.clip(lengths - start, 0, stop - start)
        self._ends = np.cumsum(lengths)

    def __len__(self) -> int:
        """Return the number of targets."""
        return int(self._here.sum())

    @property
    def n_steps(self) -> int:
        """Padded steps that are computed."""
        return len(self._here) * (self.stop - self.start)

    def loss(self, network: Any, member: int = 0) -> torch.Tensor:
        """Return the mean loss of the window's targets, and hand a member's states on."""
        batch = self.batch
        features, self._carried[member] = window_features(
            network,
            batch.x,
            batch.lengths,
            batch.static,
            (self.start, self.stop),
            self._before.get(member),
        )
        raw = network.head(network.dropout(features))
        lengths = batch.lengths.numpy()
        firsts = self._ends - lengths + self.start
        within = np.arange(len(self)) - np.repeat(np.cumsum(self._here) - self._here, self._here)
        where = torch.from_numpy(np.repeat(firsts, self._here) + within)
        assert batch.target is not None, "a batch for training has targets"
        where = where.to(batch.target.device)
        weight = None if batch.weight is None else batch.weight[where]
        seen = None if batch.seen is None else batch.seen[where]
        return mean_loss(network.head, raw.float(), batch.target[where], weight, seen)
