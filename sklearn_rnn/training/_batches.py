"""Batches cut from flat storage: where ragged sequences get, and lose, their padding.

Imports torch, NumPy and the container of layer 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from ..sequences import Sequences, release_pages

# A shuffled pool of a quarter of all batches, 4 to 32, is sorted by length and cut into batches,
# by a length that is off by a tenth at random: batch mates change, and there is little padding.
_POOL_SHARE, _SMALLEST_POOL, _LARGEST_POOL = 4, 4, 32
_LENGTH_NOISE = 0.1
# In-memory values that need a cast are cast once if they are smaller than this, else by batch.
_CAST_ONCE_BYTES = 256 * 2**20
# Pages of a memory map are given back each time this much has been gathered from it.
_RELEASE_BYTES = 64 * 2**20


class Batch(NamedTuple):
    """One batch on its device; padding of ``x`` is arbitrary, ``lengths`` says where it starts.

    ``lengths`` stays on the CPU, where the network reads it without waiting for an accelerator.
    """

    x: torch.Tensor
    lengths: torch.Tensor
    static: torch.Tensor | None
    target: torch.Tensor | None
    weight: torch.Tensor | None
    rows: np.ndarray


class FlatStorage:
    """A `Sequences` ready to be gathered from: values, offsets and the step widths between times.

    Parameters
    ----------
    sequences : Sequences
        The sequences; their values are shared and not copied where the type allows.
    device : torch.device
        Where batches go. On an accelerator the values move there once if they fit easily.
    dtype : torch.dtype, default=torch.float32
        Number type of batches of numbers.
    """

    def __init__(
        self, sequences: Sequences, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        self.sequences = sequences
        self.device = device
        self.offsets = np.asarray(sequences.offsets)
        self.lengths = np.diff(self.offsets)
        self.ragged = bool(self.lengths.size) and int(self.lengths.min()) != int(self.lengths.max())
        self.step_widths = time_deltas(sequences)
        self._gathered = 0
        values = sequences.values
        self.dtype = dtype
        self._kind = torch.int64 if sequences.is_tokens else dtype
        kind = np.dtype(str(self._kind).removeprefix("torch."))
        self._values: torch.Tensor | None = None
        self._mapped = isinstance(values, np.memmap) or isinstance(
            getattr(values, "base", None), np.memmap
        )
        if not self._mapped and (values.dtype == kind or values.nbytes <= _CAST_ONCE_BYTES):
            flat = np.ascontiguousarray(values, dtype=kind)
            if not flat.flags.writeable:
                flat = flat.copy() if flat.nbytes <= _CAST_ONCE_BYTES else flat
            if flat.flags.writeable:
                tensor = torch.from_numpy(flat)
                self._values = tensor if device.type == "cpu" else self._to_accelerator(tensor)

    def _to_accelerator(self, tensor: torch.Tensor) -> torch.Tensor:
        """Keep the values on the accelerator when they take under a quarter of its free memory."""
        if self.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.device)
            if tensor.nbytes * 4 > free:
                return tensor
        return tensor.to(self.device)

    def gather(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
        """Return padded values (B, T, C) or tokens (B, T), lengths (B,) and valid flat steps."""
        lengths = self.lengths[rows]
        longest = int(lengths.max())
        starts = self.offsets[rows]
        index = starts[:, None] + np.arange(longest)[None, :]
        flat = index
        if self.ragged:
            # A step past the end repeats the last one; the network masks it.
            np.minimum(index, (starts + lengths - 1)[:, None], out=index)
            flat = index[np.arange(longest)[None, :] < lengths[:, None]]
        x = self._take(index.ravel()).view(len(rows), longest, -1)
        if self.step_widths is not None:
            widths = torch.from_numpy(self.step_widths[index]).to(x.device, x.dtype)
            x = torch.cat([x, widths.unsqueeze(-1)], dim=-1)
        if self.sequences.is_tokens:
            x = x.squeeze(-1)
        return x.to(self.device), torch.from_numpy(lengths), flat.ravel()

    def _take(self, index: np.ndarray) -> torch.Tensor:
        """Gather steps by flat index as a tensor of the network's number type."""
        if self._values is not None:
            where = torch.from_numpy(index).to(self._values.device)
            return self._values.index_select(0, where)
        taken = self.sequences.values[index]
        if self._mapped:
            self._gathered += taken.nbytes
            if self._gathered > _RELEASE_BYTES:
                self._gathered = 0
                release_pages(self.sequences.values)
        return torch.from_numpy(np.ascontiguousarray(taken)).to(self._kind)


def time_deltas(sequences: Sequences) -> np.ndarray | None:
    """Return log(1 + time since the step before) for every step (0 at a start), or None."""
    if sequences.times is None:
        return None
    times = np.asarray(sequences.times, dtype=np.float64)
    deltas = np.diff(times, prepend=times[:1])
    deltas[np.asarray(sequences.offsets[:-1])] = 0.0
    return np.log1p(deltas).astype(np.float32)


class BatchPlan:
    """Shuffle rows into batches of similar length, afresh every epoch.

    Rows are permuted, cut into pools of up to 32 batches, sorted roughly by length inside each
    pool, cut into batches, and the batches are permuted. Every row is used once an epoch, and
    which rows share a batch changes every epoch.

    Parameters
    ----------
    lengths : ndarray of shape (n_rows,)
        Number of steps of each row.
    batch_size : int
        Rows a batch; the last may have fewer.
    generator : numpy.random.Generator
        The only source of randomness.
    """

    def __init__(
        self, lengths: np.ndarray, batch_size: int, generator: np.random.Generator
    ) -> None:
        self.lengths = np.asarray(lengths)
        self.batch_size = int(batch_size)
        self.generator = generator
        self.bucketed = bool(self.lengths.size) and self.lengths.min() != self.lengths.max()

    def __len__(self) -> int:
        return (len(self.lengths) + self.batch_size - 1) // self.batch_size

    def epoch(self) -> list[np.ndarray]:
        """Return one epoch's batches as arrays of positions into ``lengths``."""
        order = self.generator.permutation(len(self.lengths))
        size = self.batch_size
        if not self.bucketed:
            return [order[i : i + size] for i in range(0, len(order), size)]
        batches: list[np.ndarray] = []
        noise = self.generator.uniform(-_LENGTH_NOISE, _LENGTH_NOISE, size=len(order))
        roughly = self.lengths * (1 + noise)
        n_pool = size * max(_SMALLEST_POOL, min(_LARGEST_POOL, len(self) // _POOL_SHARE))
        for start in range(0, len(order), n_pool):
            pool = order[start : start + n_pool]
            pool = pool[np.argsort(roughly[pool], kind="stable")]
            batches += [pool[i : i + size] for i in range(0, len(pool), size)]
        return [batches[i] for i in self.generator.permutation(len(batches))]


class TrainingBatches:
    """Iterate over shuffled training batches: inputs, targets and weights.

    Parameters
    ----------
    storage : FlatStorage
        The inputs.
    rows : ndarray of int
        Rows of the storage to train on.
    target : torch.Tensor
        Targets by row of the storage, or by flat step with ``per_step=True``.
    weight : torch.Tensor or None
        Weights by row of the storage.
    batch_size : int
        Rows a batch.
    generator : numpy.random.Generator
        Source of the shuffling.
    per_step : bool
        Whether there is one target for every step.
    """

    def __init__(
        self,
        storage: FlatStorage,
        rows: np.ndarray,
        target: torch.Tensor,
        weight: torch.Tensor | None,
        *,
        batch_size: int,
        generator: np.random.Generator,
        per_step: bool = False,
    ) -> None:
        self.storage = storage
        self.rows = np.asarray(rows)
        self.target = target.to(storage.device)
        self.weight = None if weight is None else weight.to(storage.device)
        self.per_step = per_step
        self.plan = BatchPlan(storage.lengths[self.rows], batch_size, generator)
        static = storage.sequences.static
        self.static = None if static is None else _static_tensor(static, storage)

    def __len__(self) -> int:
        return len(self.plan)

    def __iter__(self) -> Iterator[Batch]:
        for positions in self.plan.epoch():
            yield self.batch(self.rows[positions])

    def batch(self, rows: np.ndarray) -> Batch:
        """Assemble the batch of the given rows."""
        x, lengths, flat = self.storage.gather(rows)
        where = torch.from_numpy(rows).to(self.storage.device)
        picked = torch.from_numpy(flat).to(self.storage.device) if self.per_step else where
        weight = None if self.weight is None else self.weight[where]
        if weight is not None and self.per_step:
            weight = torch.repeat_interleave(weight, lengths.to(weight.device))
        static = None if self.static is None else self.static[where]
        return Batch(x, lengths, static, self.target[picked], weight, rows)


def _static_tensor(static: np.ndarray, storage: FlatStorage) -> torch.Tensor:
    """Return static features on the storage's device, in its number type."""
    return torch.from_numpy(np.array(static)).to(storage.device, storage.dtype)


def prediction_batches(
    storage: FlatStorage, *, max_rows: int = 256, max_steps: int = 32768
) -> Iterator[Batch]:
    """Yield every row once, sorted by length, in batches of bounded rows and padded steps."""
    lengths = storage.lengths
    static = storage.sequences.static
    static_tensor = None if static is None else _static_tensor(static, storage)
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        stop = min(start + max_rows, len(order))
        # Lengths ascend, so the last row of the slice is its longest.
        while stop - start > 1 and (stop - start) * int(lengths[order[stop - 1]]) > max_steps:
            stop = start + max(1, (stop - start) // 2)
        rows = order[start:stop]
        x, batch_lengths, _ = storage.gather(rows)
        picked = None if static_tensor is None else static_tensor[torch.from_numpy(rows)]
        yield Batch(x, batch_lengths, picked, None, None, rows)
        start = stop
