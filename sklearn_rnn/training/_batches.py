"""Datasets and batches cut from flat storage: where ragged sequences get, and lose, their padding.

A batch whose sequences are long goes through the network in pieces (`PiecePolicy`). One with
targets at every step may be cut into windows of time (`Windows`), each an optimizer step of its
own, with the state carried on: truncated backpropagation through time. Imports skorch's dataset,
torch, NumPy, the container of layer 0 and layer 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from skorch.dataset import Dataset

from ..nn import Pieces, features_in_pieces, window_features
from ..sequences import RowReader, Sequences, counted
from ._device import ThreadTrial

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
        """Return how rows of this many steps are to be gone through; None means at once."""
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


# A shuffled pool of half of all batches, 4 to 32, is sorted by length and cut into batches, by a
# length that is off at random by up to a twentieth of itself and 3 % of the mean: batch mates
# change, and there is little padding. Few batches would hardly change, and cost accuracy: they are
# shuffled plainly (benchmarks/laboratory).
_FEWEST_BATCHES = 8
_SMALLEST_POOL, _LARGEST_POOL = 4, 32
_LENGTH_NOISE, _MEAN_NOISE = 0.05, 0.03
# A step that is done in parts does at least this many rows at once, however long they are.
_FEWEST_ROWS = 4
# On a CPU a step whose activations would take more than this is done in parts. What runs as one
# kernel over time is the quicker for it, up to twice: its memory is reused, not asked for anew.
# What loops over time pays for each part, and takes about half of what is reckoned here.
_PART_BYTES, _PART_BYTES_OF_LOOPS = 64 * 2**20, 256 * 2**20
# Rows and padded steps predicted at once: what a CPU's caches hold, what keeps a GPU busy.
_CPU_PREDICTION, _ACCELERATOR_PREDICTION = (256, 16384), (1024, 131072)
# What steps and static features are counted from; None where that is zero.
Origins = tuple[np.ndarray | None, np.ndarray | None]
# In-memory values that need a cast are cast once if they are smaller than this, else by batch.
_CAST_ONCE_BYTES = 256 * 2**20
_NUMPY_TYPES = {
    kind: np.dtype(str(kind).removeprefix("torch."))
    for kind in (torch.float16, torch.float32, torch.float64, torch.int64)
}


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
    #: Which steps have a target; None where all have.
    seen: torch.Tensor | None = None
    #: How many targets each row has, where that is its own affair; on the CPU, as lengths.
    counts: torch.Tensor | None = None

    def outputs(self, network: Any) -> torch.Tensor:
        """Return a network's raw outputs, one a row or one a valid step."""
        found: torch.Tensor = network.answer(self.x, self.lengths, self.static)
        return found


class HeadLoss(torch.nn.Module):
    """The criterion of a net: the loss of a network's head over the targets that there are."""

    def forward(
        self,
        head: Any,
        raw: torch.Tensor,
        target: torch.Tensor | None,
        weight: torch.Tensor | None,
        seen: torch.Tensor | None,
        *lengths: torch.Tensor,
    ) -> torch.Tensor:
        """Return the mean loss, zero where there are no targets."""
        if seen is not None and target is not None:
            raw, target = raw[seen], target[seen]
            weight = None if weight is None else weight[seen]
            if not len(raw):
                return raw.sum()
        loss: torch.Tensor = head.loss(raw, target, weight, *lengths)
        return loss


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
    origins : tuple of two (ndarray or None), default=(None, None)
        What the channels and the static features are counted from, see `step_statistics`. It is
        taken off in double precision, before the cast.
    """

    def __init__(
        self,
        sequences: Sequences,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        origins: Origins = (None, None),
    ) -> None:
        self.sequences = sequences
        self.device = device
        self.origins = origins
        self.offsets = np.asarray(sequences.offsets)
        self.lengths = np.diff(self.offsets)
        self.longest = int(self.lengths.max(initial=0))
        self.ragged = len(self.lengths) > 1 and int(self.lengths.min()) != self.longest
        self.step_widths = time_deltas(sequences)
        values = sequences.values
        self.dtype = dtype
        # Beside times tokens are numbers as well, and below 2**24 exact in any type.
        self._tokens_alone = sequences.is_tokens and self.step_widths is None
        self._kind = torch.int64 if self._tokens_alone else dtype
        kind = _NUMPY_TYPES[self._kind]
        self._values: torch.Tensor | None = None
        origin = origins[0]
        self._reader = RowReader(values, origin)
        as_given = values.dtype == kind and origin is None
        if not self._reader.mapped and (as_given or values.nbytes <= _CAST_ONCE_BYTES):
            if origin is None:
                flat = np.ascontiguousarray(values, dtype=kind)
            else:
                flat = np.subtract(values, origin, out=np.empty(values.shape, dtype=kind))
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

    def gather(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return padded values (B, T, C) or tokens (B, T), and lengths (B,).

        Where steps have times, the step widths are one more channel, of tokens too.
        """
        lengths = self.lengths[rows]
        longest = padded_length(int(lengths.max())) if self.ragged else self.longest
        starts = self.offsets[rows]
        if self._values is not None and not self.ragged and _follow_on(rows):
            x = self._values[int(starts[0]) : int(starts[0]) + len(rows) * longest]
        elif self._values is not None:
            x = self._values.index_select(0, self._where(starts, lengths, longest))
        else:
            x = self._read(starts, lengths, longest)
        x = x.view(len(rows), longest, -1)
        if self.step_widths is not None:
            picked = self.step_widths[self._index(starts, lengths, longest)]
            widths = torch.from_numpy(picked).to(x.device, x.dtype)
            x = torch.cat([x, widths.unsqueeze(-1)], dim=-1)
        if self._tokens_alone:
            x = x.squeeze(-1)
        return x.to(self.device, non_blocking=True), torch.from_numpy(lengths)

    def _where(self, starts: np.ndarray, lengths: np.ndarray, longest: int) -> torch.Tensor:
        """Return the flat positions of padded rows where the values are."""
        assert self._values is not None, "the values are held as a tensor"
        device = self._values.device
        if device.type == "cpu":
            return torch.from_numpy(self._index(starts, lengths, longest).ravel())
        # Two numbers a row travel, and not one a step.
        ends = torch.from_numpy(np.stack([starts, starts + lengths - 1])).to(
            device, non_blocking=True
        )
        steps = torch.arange(longest, device=device)
        return torch.minimum(ends[0, :, None] + steps, ends[1, :, None]).flatten()

    def segment(self, row: int, start: int, stop: int) -> torch.Tensor:
        """Return some steps of one row: values (1, t, C) or tokens (1, t)."""
        first, n = int(self.offsets[row]) + start, stop - start
        if self._values is not None:
            x = self._values[first : first + n]
        else:
            x = self._read(np.array([first]), np.array([n]), n)
        x = x.view(1, n, -1)
        if self.step_widths is not None:
            widths = torch.from_numpy(self.step_widths[first : first + n])
            x = torch.cat([x, widths.to(x.device, x.dtype)[None, :, None]], dim=-1)
        if self._tokens_alone:
            x = x.squeeze(-1)
        return x.to(self.device)

    def static_of(self, row: int) -> torch.Tensor | None:
        """Return the static features (1, S) of one row, or None."""
        static = self.sequences.static
        return None if static is None else _static_tensor(static[row : row + 1], self)

    def _index(self, starts: np.ndarray, lengths: np.ndarray, longest: int) -> np.ndarray:
        """Return the flat positions (B, T) of padded rows."""
        index = starts[:, None] + np.arange(longest)[None, :]
        if self.ragged:
            # A step past the end repeats the last one; the network masks it.
            np.minimum(index, (starts + lengths - 1)[:, None], out=index)
        return index

    def _read(self, starts: np.ndarray, lengths: np.ndarray, longest: int) -> torch.Tensor:
        """Copy rows that are not held as a tensor: out of a mapped file, or with a cast."""
        n = len(starts)
        x = torch.zeros(n * longest, self.sequences.values.shape[1], dtype=self._kind)
        self._reader.read(starts, lengths, x.numpy(), np.arange(0, n * longest, longest))
        return x


def _follow_on(rows: np.ndarray) -> bool:
    """Tell whether each row is the one after the row before."""
    if rows[-1] - rows[0] != len(rows) - 1:
        return False
    return len(rows) < 3 or bool((np.diff(rows) == 1).all())


def _longest_first(storage: FlatStorage, rows: np.ndarray) -> np.ndarray:
    """Sort rows by length, as the recurrence wants them to leave out those that have ended."""
    return rows[np.argsort(-storage.lengths[rows], kind="stable")] if storage.ragged else rows


def padded_length(longest: int) -> int:
    """Round the length of a ragged batch up by 3 % at most: to one of 32 between powers of two.

    A CPU's kernels are made, and kept, for each length anew, and memory is reused by size.
    """
    grain = 1 << max(0, longest.bit_length() - 6)
    return -(-longest // grain) * grain


def flat_steps(storage: FlatStorage, rows: np.ndarray) -> np.ndarray:
    """Return the flat positions of the valid steps of the given rows, row after row."""
    return flat_places(storage.offsets, rows)


def flat_places(offsets: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the flat positions of what the given rows hold, row after row."""
    counts = offsets[rows + 1] - offsets[rows]
    ends = np.cumsum(counts)
    within = np.arange(ends[-1]) - np.repeat(ends - counts, counts)
    return np.repeat(offsets[rows], counts) + within


def time_deltas(sequences: Sequences) -> np.ndarray | None:
    """Return log(1 + time since the step before) for every step (0 at a start), or None."""
    if sequences.times is None:
        return None
    times = np.asarray(sequences.times)
    deltas = np.diff(times, prepend=times[:1]).astype(np.float64)
    deltas[np.asarray(sequences.offsets[:-1])] = 0.0
    return np.log1p(deltas).astype(np.float32)


class BatchPlan:
    """Shuffle rows into batches of similar length, afresh every epoch.

    Rows are permuted, cut into pools of up to 32 batches, sorted roughly by length inside each
    pool, cut into batches, and the batches are permuted. Rows of one length, or of fewer than eight
    batches, are only permuted. Every row is used once an epoch, and which rows share a batch
    changes every epoch.

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
        ragged = bool(self.lengths.size) and self.lengths.min() != self.lengths.max()
        self.bucketed = ragged and len(self) >= _FEWEST_BATCHES

    def __len__(self) -> int:
        return (len(self.lengths) + self.batch_size - 1) // self.batch_size

    def epoch(self) -> list[np.ndarray]:
        """Return one epoch's batches as arrays of positions into ``lengths``."""
        order = self.generator.permutation(len(self.lengths))
        size = self.batch_size
        if not self.bucketed:
            return [order[i : i + size] for i in range(0, len(order), size)]
        batches: list[np.ndarray] = []
        noise = self.generator.uniform(-1, 1, size=len(order))
        spread = _LENGTH_NOISE * self.lengths + _MEAN_NOISE * self.lengths.mean()
        roughly = self.lengths + noise * spread
        n_pool = size * max(_SMALLEST_POOL, min(_LARGEST_POOL, len(self) // 2))
        for start in range(0, len(order), n_pool):
            pool = order[start : start + n_pool]
            pool = pool[np.argsort(roughly[pool], kind="stable")]
            batches += [pool[i : i + size] for i in range(0, len(pool), size)]
        return [batches[i] for i in self.generator.permutation(len(batches))]


def pick(y: Any, rows: np.ndarray) -> Any:
    """Select rows of y, whatever holds it."""
    if hasattr(y, "pick"):
        return y.pick(rows)
    return [y[i] for i in rows] if isinstance(y, list) else y[rows]


class StepDataset(Dataset):
    """What a `SequenceNet` trains on: a dataset of skorch's that makes its steps itself."""

    X: Any = None
    y: Any = None
    #: A dataset that is judged after every epoch, or None.
    held_out: Any = None
    #: Batches of an epoch: the schedule moves on with each.
    steps_an_epoch: int

    def begin(self, net: Any, n_steps: int) -> None:
        """Decide, before this many steps, what depends on the network."""

    def training_steps(self, recipe: Any) -> Any:
        """Return what to iterate over in each epoch.

        A step has a length, a number of steps in time (``n_steps``) that says how much work it is,
        and adds its gradients: ``backward(net, member, index)`` returns loss and raw outputs.
        """
        raise NotImplementedError

    def batches(self) -> Iterator[Any]:
        """Yield all rows once, in their order, as batches with ``outputs(network)``."""
        raise NotImplementedError


class SequenceDataset(StepDataset):
    """The rows that a net trains on, with targets and weights: a dataset of skorch's.

    Parameters
    ----------
    storage : FlatStorage
        The inputs.
    rows : ndarray of int
        Rows of the storage to train on.
    target : torch.Tensor
        Targets by row of the storage, or flat, row after row, with ``offsets``.
    weight : torch.Tensor or None
        Weights by row of the storage.
    batch_size : int
        Rows a batch.
    generator : numpy.random.Generator
        Source of the shuffling.
    offsets : ndarray of int of shape (n_rows + 1,), default=None
        Where the targets of each row begin, and the end: those of the storage for one target a
        step, others for rows that have as many targets as they like. None for one a row.
    labels : callable, default=None
        Returns ``y`` of these rows as the user gave it; without one there is none.
    given : callable, default=None
        Returns ``X`` for sequences, where that is of another form.
    held_out : dataset, default=None
        What is judged after every epoch.
    whole_steps : bool, default=False
        Whether the rows of a step are always computed together.

    Attributes
    ----------
    per_step : bool
        Whether there is one target for every step; weights are then repeated with them.
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
        offsets: np.ndarray | None = None,
        labels: Callable[[], Any] | None = None,
        given: Callable[[Sequences], Any] | None = None,
        held_out: Any = None,
        whole_steps: bool = False,
    ) -> None:
        self.storage = storage
        self.rows = np.asarray(rows)
        self.target = target.to(storage.device)
        self.weight = None if weight is None else weight.to(storage.device)
        self._weights = None if weight is None else weight.cpu().numpy()
        self.offsets = offsets
        self.per_step = offsets is not None and np.array_equal(offsets, storage.offsets)
        self._labels, self._given = labels, given or (lambda sequences: sequences)
        self.held_out, self._whole_steps = held_out, whole_steps
        # Numbers that are missing leave their steps out; missing labels are the head's affair.
        self.seen: torch.Tensor | None = None
        self._counts = storage.lengths
        if self.per_step:
            first = target.reshape(len(target), -1)
            seen = ~first.isnan().any(1) if target.is_floating_point() else first[:, 0] >= 0
            if not bool(seen.all()):
                sums = np.concatenate([[0], np.cumsum(seen.cpu().numpy())])
                self._counts = np.diff(sums[storage.offsets])
                self.seen = seen.to(storage.device) if target.is_floating_point() else None
        self.plan = BatchPlan(storage.lengths[self.rows], batch_size, generator)
        self.steps_an_epoch = len(self.plan)
        static = storage.sequences.static
        self.static = None if static is None else _static_tensor(static, storage)

    @property
    def X(self) -> Any:
        """The sequences, in a form that the estimator takes."""
        return self._given(self.storage.sequences[self.rows])

    @property
    def y(self) -> Any:
        """Their targets as the user gave them, or None."""
        return None if self._labels is None else self._labels()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Batch:
        return self.__getitems__([i])

    def __getitems__(self, positions: Any) -> Batch:
        """Return some of the rows as one batch."""
        return self.batch(self.rows[np.asarray(positions)])

    def begin(self, net: Any, n_steps: int) -> None:
        """Decide what depends on the network: threads, and how much is computed at once."""
        run = net.run_
        module, recipe, device = net.module_, run.recipe, run.compute.device
        size = _step_bytes(module)
        run.pieces = PiecePolicy(
            recipe.tbptt_steps, recipe.gradient_checkpointing, size, memory_budget(device)
        )
        threads = run.n_threads if device.type == "cpu" else 1
        run.threads = ThreadTrial(threads, module.recurrence.output_size, n_steps)
        run.part_steps = None
        # What the user brings may depend on the whole batch, so it gets the whole batch.
        if device.type == "cpu" and not self._whole_steps:
            small = module.recurrence.trains_in_small_parts
            run.part_steps = (_PART_BYTES if small else _PART_BYTES_OF_LOOPS) // size

    def training_steps(self, recipe: Any) -> Any:
        """Return what to iterate over in each epoch: optimizer steps, shuffled anew."""
        if recipe.tbptt_steps is not None and self.per_step:
            return Windows(self, recipe.tbptt_steps)
        return _Steps(self)

    def batches(self, size: int = 256) -> Iterator[Batch]:
        """Yield the rows in their order."""
        for start in range(0, len(self.rows), size):
            yield self.batch(self.rows[start : start + size])

    def batch(self, rows: np.ndarray) -> Batch:
        """Assemble the batch of the given rows of the storage."""
        x, lengths = self.storage.gather(rows)
        device = self.storage.device
        # Nothing here makes the host wait for an accelerator.
        where = torch.from_numpy(rows).to(device, non_blocking=True)
        picked, own = where, None
        if self.offsets is not None:
            flat = flat_places(self.offsets, rows)
            picked = torch.from_numpy(flat).to(device, non_blocking=True)
            if not self.per_step:
                own = torch.from_numpy(self.offsets[rows + 1] - self.offsets[rows])
        weight = None if self.weight is None else self.weight[where]
        if weight is not None and self.per_step:
            counts = lengths.to(device, non_blocking=True)
            total = int(lengths.sum())
            weight = torch.repeat_interleave(weight, counts, output_size=total)
        static = None if self.static is None else self.static[where]
        seen = None if self.seen is None else self.seen[picked]
        return Batch(x, lengths, static, self.target[picked], weight, rows, seen, own)

    def share(self, part: np.ndarray, rows: np.ndarray) -> float:
        """Return how much of the loss of some rows falls to a part of them."""
        return 1.0 if len(part) == len(rows) else self._mass(part) / max(self._mass(rows), 1e-300)

    def _mass(self, rows: np.ndarray) -> float:
        """Return the summed weights of the targets of some rows."""
        weights = np.ones(len(rows)) if self._weights is None else self._weights[rows]
        return float(np.sum(weights * self._counts[rows] if self.per_step else weights))


class _Steps:
    """The optimizer steps of each epoch of a dataset."""

    def __init__(self, dataset: SequenceDataset) -> None:
        self.dataset = dataset

    def __iter__(self) -> Iterator[Step]:
        dataset = self.dataset
        for positions in dataset.plan.epoch():
            yield Step(dataset, _longest_first(dataset.storage, dataset.rows[positions]))


def _step_bytes(network: Any) -> int:
    """Return the memory of a step of a row in training, as measured of an LSTM with gradients."""
    recurrence = network.recurrence
    floats = 18 * recurrence.output_size * recurrence.num_layers + 8 * recurrence.input_size
    return 4 * int(floats)


class Step:
    """The rows of one optimizer step, as one batch or, where that would take much memory, parts.

    Parameters
    ----------
    dataset : SequenceDataset
        Assembles the parts.
    rows : ndarray of int
        Rows of the storage.
    """

    def __init__(self, dataset: SequenceDataset, rows: np.ndarray) -> None:
        self.dataset = dataset
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def n_steps(self) -> int:
        """Steps of all rows together."""
        return int(self.dataset.storage.lengths[self.rows].sum())

    def __iter__(self) -> Iterator[Any]:
        """Yield the sequences and their targets: what skorch takes a batch for."""
        place = np.searchsorted(self.dataset.rows, self.rows)
        yield self.dataset._given(self.dataset.storage.sequences[self.rows])
        labels = self.dataset.y
        yield None if labels is None else pick(labels, place)

    def outputs(self, network: Any) -> torch.Tensor:
        """Return a network's raw outputs."""
        return self.dataset.batch(self.rows).outputs(network)

    def backward(self, net: Any, member: Any, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Add the gradients of these rows to a member's; return the loss and the raw outputs.

        Where the rows take much memory they come in parts, whose gradients add up to the same.
        """
        run, head = net.run_, member.head
        reads_lengths = getattr(head, "reads_lengths", False)
        total: torch.Tensor | None = None
        raws = []
        for part, share in self.parts(run.part_steps):
            with run.compute.autocast_context():
                raw = _forward(part, member, run.pieces)
                # Most losses are a sum over steps or rows; that of tags is of sequences.
                lengths = [part.lengths] if reads_lengths else []
                lengths += [] if part.counts is None else [part.counts]
                loss = net.criterion_(
                    head, raw.float(), part.target, part.weight, part.seen, *lengths
                )
            if share < 1.0:
                loss = loss * share
            loss.backward()
            total = loss.detach() if total is None else total + loss.detach()
            raws.append(raw.detach())
        assert total is not None, "a step has rows"
        return total, raws[0] if len(raws) == 1 else torch.cat(raws)

    def parts(self, max_steps: int | None = None) -> Iterator[tuple[Batch, float]]:
        """Yield batches of at most ``max_steps`` padded steps, or of few rows, with their shares.

        The shares are what each part counts in the loss of the whole; they sum to 1.
        """
        rows, lengths = self.rows, self.dataset.storage.lengths[self.rows]
        start = 0
        while start < len(rows):
            size, longest = len(rows) - start, int(lengths[start:].max())
            if max_steps is not None and longest * size > max_steps:
                # A power of two, for few shapes: see `padded_length`.
                size = 1 << (max(_FEWEST_ROWS, max_steps // longest).bit_length() - 1)
            if max_steps is not None and longest * size > max_steps:
                # Much shorter rows are no company for one that is too long by itself.
                alike = lengths[start : start + size] * 2 > longest
                size = max(1, int(alike.cumprod().sum()))
            part = rows[start : start + size]
            yield self.dataset.batch(part), self.dataset.share(part, rows)
            start += size


def _forward(part: Batch, network: Any, policy: PiecePolicy | None) -> torch.Tensor:
    """Return a member's raw outputs for a batch, in pieces where its sequences are long."""
    pieces = None if policy is None else policy(*part.x.shape[:2])
    if pieces is None:
        raw: torch.Tensor = network.alone(part.x, part.lengths, part.static)
        return raw
    features = features_in_pieces(network, part.x, part.lengths, part.static, pieces)
    raw = network.head(network.dropout(features))
    return raw


def _static_tensor(static: np.ndarray, storage: FlatStorage) -> torch.Tensor:
    """Return static features on the storage's device, in its number type."""
    known = counted(np.array(static), storage.origins[1])
    return torch.from_numpy(known).to(storage.device, storage.dtype)


def prediction_batches(
    storage: FlatStorage,
    rows: np.ndarray | None = None,
    *,
    max_rows: int | None = None,
    max_steps: int | None = None,
) -> Iterator[Batch]:
    """Yield rows, or all, once, sorted by length, in batches of bounded rows and padded steps."""
    default = _CPU_PREDICTION if storage.device.type == "cpu" else _ACCELERATOR_PREDICTION
    max_rows, max_steps = max_rows or default[0], max_steps or default[1]
    lengths = storage.lengths
    chosen = np.arange(len(lengths)) if rows is None else rows
    static = storage.sequences.static
    static_tensor = None if static is None else _static_tensor(static, storage)
    order = chosen[np.argsort(lengths[chosen], kind="stable")] if storage.ragged else chosen
    start = 0
    while start < len(order):
        stop = min(start + max_rows, len(order))
        # Lengths ascend, so the last row of the slice is its longest.
        while stop - start > 1 and (stop - start) * int(lengths[order[stop - 1]]) > max_steps:
            stop = start + max(1, (stop - start) // 2)
        here = _longest_first(storage, order[start:stop])
        x, batch_lengths = storage.gather(here)
        picked = None if static_tensor is None else static_tensor[torch.from_numpy(here)]
        yield Batch(x, batch_lengths, picked, None, None, here)
        start = stop
