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
    dataset : SequenceDataset
        With one target a step.
    steps : int
        Steps of a window.
    """

    def __init__(self, dataset: Any, steps: int) -> None:
        self.dataset, self.steps = dataset, steps

    def __iter__(self) -> Iterator[Window]:
        dataset = self.dataset
        lengths = dataset.storage.lengths
        for positions in dataset.plan.epoch():
            rows = dataset.rows[positions]
            rows = rows[np.argsort(-lengths[rows], kind="stable")]
            batch = dataset.batch(rows)
            states: dict[int, list[Any]] = {}
            longest = int(lengths[rows[0]])
            for start in range(0, longest, self.steps):
                yield Window(batch, start, min(start + self.steps, longest), longest, states)


class Window:
    """The steps of a batch from `start` to before `stop`.

    `states` come from the window before, one for each member of the network.
    """

    def __init__(
        self, batch: Any, start: int, stop: int, longest: int, states: dict[int, list[Any]]
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

    def backward(self, net: Any, member: Any, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Add the gradients of the window's targets to a member's, and hand its states on.

        Return the mean loss and the raw outputs.
        """
        with net.run_.compute.autocast_context():
            loss, raw = self._loss(net.criterion_, member, index)
        loss.backward()
        return loss.detach(), raw.detach()

    def _loss(self, criterion: Any, member: Any, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean loss of the window's targets and the raw outputs."""
        batch = self.batch
        features, self._carried[index] = window_features(
            member,
            batch.x,
            batch.lengths,
            batch.static,
            (self.start, self.stop),
            self._before.get(index),
        )
        raw = member.head(member.dropout(features))
        lengths = batch.lengths.numpy()
        firsts = self._ends - lengths + self.start
        within = np.arange(len(self)) - np.repeat(np.cumsum(self._here) - self._here, self._here)
        where = torch.from_numpy(np.repeat(firsts, self._here) + within)
        assert batch.target is not None, "a batch for training has targets"
        where = where.to(batch.target.device)
        weight = None if batch.weight is None else batch.weight[where]
        seen = None if batch.seen is None else batch.seen[where]
        return criterion(member.head, raw.float(), batch.target[where], weight, seen), raw
