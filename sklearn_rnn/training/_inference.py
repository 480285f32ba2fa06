"""What is computed over all sequences in bounded memory: their statistics, and a network's answers.

A network runs over batches, and over long rows in pieces; in double precision where that is asked
for. Results are put in the order of the rows. Imports torch, NumPy, layer 0 and the batches of this
layer.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from ..nn import ChunkedRun
from ..sequences import Sequences, counted, iter_chunks, origin_of
from ._batches import Batch, FlatStorage, flat_steps, prediction_batches, time_deltas
from ._device import Compute, cpu_threads

# Small enough that the temporaries of a chunk stay in the processor's cache.
_CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class StepStatistics:
    """Mean and scale of every channel over the training steps, NaN left out.

    The mean is counted from the origin, which is None where that is zero in every channel.
    """

    mean: np.ndarray
    scale: np.ndarray
    has_missing: bool
    origin: np.ndarray | None = None


def step_statistics(
    sequences: Sequences, rows: np.ndarray | None = None, weights: np.ndarray | None = None
) -> StepStatistics:
    """Compute mean and standard deviation of every channel over all steps of the rows.

    A channel without variation, or without any observed value, gets scale 1. Where the mean is far
    from zero beside the scale, single precision would hold little of a channel but its level: such
    channels have an origin, to be taken off before numbers are cast. When the sequences have
    times, the width of the steps is one more channel at the end.

    Parameters
    ----------
    sequences : Sequences
        Numbers, not tokens.
    rows : ndarray of int, default=None
        The training rows; None takes all.
    weights : ndarray of shape (n_sequences,), default=None
        How much the steps of each sequence count; None means alike.
    """
    chosen = None
    if rows is not None and len(rows) < len(sequences):
        chosen = np.zeros(len(sequences), dtype=bool)
        chosen[rows] = True

    def moments(origin: np.ndarray | None = None) -> _Moments:
        found = _Moments(sequences.n_channels, sequences.values.dtype)
        for start, stop, chunk in iter_chunks(sequences.values, _CHUNK_BYTES):
            each = None if weights is None else _steps_of(weights, sequences, start, stop)
            if chosen is not None:
                taken = _steps_of(chosen, sequences, start, stop)
                chunk, each = chunk[taken], None if each is None else each[taken]
            found.add(counted(chunk, origin), each)
        return found

    state = moments()
    mean, scale = state.result()
    origin = origin_of(mean, scale)
    if origin.any():
        # Sums of large numbers round; those of what is left do not.
        state = moments(origin)
        mean, scale = state.result(origin)
    widths = width_statistics(sequences, rows, weights)
    if widths is not None:
        mean, scale = np.append(mean, widths.mean), np.append(scale, widths.scale)
    return StepStatistics(mean, scale, state.has_missing, origin if origin.any() else None)


def width_statistics(
    sequences: Sequences, rows: np.ndarray | None = None, weights: np.ndarray | None = None
) -> StepStatistics | None:
    """Compute the same of the widths of the steps alone; None where there are no times."""
    widths = time_deltas(sequences)
    if widths is None:
        return None
    each = None if weights is None else np.repeat(weights, sequences.lengths)
    if rows is not None and len(rows) < len(sequences):
        chosen = np.zeros(len(sequences), dtype=bool)
        chosen[rows] = True
        taken = np.repeat(chosen, sequences.lengths)
        widths, each = widths[taken], None if each is None else each[taken]
    state = _Moments(1, widths.dtype)
    state.add(widths[:, None], each)
    return StepStatistics(*state.result(), has_missing=False)


def _steps_of(of_rows: np.ndarray, sequences: Sequences, start: int, stop: int) -> np.ndarray:
    """Return what is known of rows for each of the flat steps from start to stop."""
    offsets = np.asarray(sequences.offsets)
    first = int(np.searchsorted(offsets, start, side="right")) - 1
    last = int(np.searchsorted(offsets, stop, side="left"))
    inside = np.clip(offsets[first : last + 1], start, stop)
    return np.repeat(of_rows[first:last], np.diff(inside))


def _column_sums(values: np.ndarray) -> np.ndarray:
    """Sum over steps; few channels side by side, since a short row is added number by number."""
    n, channels = values.shape
    wide = max(1, 256 // channels)
    whole = n // wide * wide
    folded = values[:whole].reshape(-1, wide * channels).sum(axis=0)
    sums: np.ndarray = folded.reshape(wide, channels).sum(axis=0) + values[whole:].sum(axis=0)
    return sums


def _spread(values: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return the summed squares of deviations from the mean."""
    off = values - mean
    off *= off
    return _column_sums(off)


class _Moments:
    """Count, mean and squared deviations by channel, merged chunk by chunk (Chan et al. 1979)."""

    def __init__(self, n_channels: int, dtype: np.dtype) -> None:
        self.rounding = 4 * float(np.finfo(dtype).eps)
        self.count = np.zeros(n_channels)
        self.mean = np.zeros(n_channels)
        self.squares = np.zeros(n_channels)
        self.has_missing = False

    def add(self, chunk: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Merge the steps of one chunk, each with its weight."""
        if not len(chunk):
            return
        values = np.asarray(chunk, dtype=np.float64)
        if weights is None:
            sums = _column_sums(values)
            if not np.isnan(sums).any():
                mean = sums / len(values)
                self._merge(np.full(len(mean), float(len(values))), mean, _spread(values, mean))
                return
        seen = ~np.isnan(values)
        self.has_missing |= not bool(seen.all())
        if weights is None:
            count = seen.sum(axis=0)
            mean = np.where(seen, values, 0.0).sum(axis=0) / np.maximum(count, 1)
            squares = (np.where(seen, values - mean, 0.0) ** 2).sum(axis=0)
        else:
            count = weights @ seen
            mean = weights @ np.where(seen, values, 0.0) / np.where(count > 0, count, 1)
            squares = weights @ np.where(seen, values - mean, 0.0) ** 2
        self._merge(count, mean, squares)

    def _merge(self, count: np.ndarray, mean: np.ndarray, squares: np.ndarray) -> None:
        """Merge what is known of some steps."""
        total = self.count + count
        shift = mean - self.mean
        weight = count / np.where(total > 0, total, 1)
        self.squares += squares + shift**2 * self.count * weight
        self.mean += shift * weight
        self.count = total

    def result(self, origin: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and scale; scale is 1 where there is nothing to scale."""
        scale = np.sqrt(self.squares / np.where(self.count > 0, self.count, 1))
        # What varies less than the numbers can tell is constant, and rounding.
        constant = scale <= self.rounding * np.abs(origin + self.mean)
        return self.mean, np.where(constant | (scale == 0), 1.0, scale)


def static_statistics(
    sequences: Sequences, rows: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return (weighted) mean and scale of the numeric static columns over the rows, in order.

    Then what all static columns are counted from, as in `step_statistics`, and those means too;
    None where that is zero.
    """
    categories = sequences.static_categories or ()
    static = np.asarray(sequences.static, dtype=np.float64)[rows]
    numeric = [j for j in range(static.shape[1]) if j >= len(categories) or categories[j] is None]
    each = None if weights is None else weights[rows]

    def moments(origin: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        values = np.ma.masked_invalid(static[:, numeric] - origin)
        mean = np.ma.average(values, axis=0, weights=each)
        variance = np.ma.average((values - mean) ** 2, axis=0, weights=each)
        scale = np.asarray(np.ma.filled(np.ma.sqrt(variance), 1.0))
        mean = np.asarray(np.ma.filled(mean, 0.0))
        rounding = 4 * np.finfo(np.float64).eps * np.abs(origin + mean)
        return mean, np.where(scale > rounding, scale, 1.0)

    mean, scale = moments()
    origin = np.zeros(static.shape[1])
    origin[numeric] = origin_of(mean, scale)
    if not origin.any():
        return mean, scale, None
    return *moments(origin[numeric]), origin


# What a recurrence without a path beside it predicts at once on a CPU: rows, and padded steps by
# the outputs that they make.
_ROWS, _OUTPUTS, _FEWEST_STEPS, _MOST_STEPS = 1024, 819200, 16384, 25600


def recurrence_bounds(compute: Compute, units: int) -> tuple[int, int] | None:
    """Return the rows and padded steps that a recurrence of `units` best predicts at once."""
    if compute.device.type != "cpu":
        return None
    return _ROWS, min(_MOST_STEPS, max(_FEWEST_STEPS, _OUTPUTS // units))


def run_rows(
    call: Callable[[Batch], torch.Tensor],
    storage: FlatStorage,
    compute: Compute,
    rows: np.ndarray | None = None,
    *,
    n_threads: int = 1,
    bounds: tuple[int, int] | None = None,
) -> np.ndarray:
    """Return ``call``'s results, one for each row, or for each of some, in their order.

    `bounds` are the most rows and padded steps of a batch, see `recurrence_bounds`.
    """
    size = len(storage.lengths)
    if rows is None:
        return _run(call, storage, compute, n_threads, size, lambda part: part, bounds=bounds)
    place = np.empty(size, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    return _run(
        call, storage, compute, n_threads, len(rows), lambda part: place[part], rows, bounds
    )


def run_steps(
    call: Callable[[Batch], torch.Tensor],
    storage: FlatStorage,
    compute: Compute,
    *,
    n_threads: int = 1,
    bounds: tuple[int, int] | None = None,
) -> np.ndarray:
    """Return ``call``'s results, one a valid step, flat in the order of the storage's steps."""
    size = int(storage.offsets[-1])

    def place(rows: np.ndarray) -> np.ndarray:
        return flat_steps(storage, rows)

    return _run(call, storage, compute, n_threads, size, place, bounds=bounds)


def _run(
    call: Callable[[Batch], torch.Tensor],
    storage: FlatStorage,
    compute: Compute,
    n_threads: int,
    size: int,
    place: Callable[[np.ndarray], np.ndarray],
    rows: np.ndarray | None = None,
    bounds: tuple[int, int] | None = None,
) -> np.ndarray:
    """Run ``call`` on every batch; ``place`` says where the results of a batch's rows go."""
    result: np.ndarray | None = None
    most, steps = bounds or (None, None)
    with torch.inference_mode(), cpu_threads(n_threads), compute.autocast_context():
        for batch in prediction_batches(storage, rows, max_rows=most, max_steps=steps):
            values = _to_numpy(call(batch))
            if result is None:
                if len(values) == size and not storage.ragged:
                    return values  # one batch, whose rows are in order
                result = np.empty((size, *values.shape[1:]), dtype=values.dtype)
            result[place(batch.rows)] = values
    assert result is not None, "there is at least one row"
    return result


def _to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """Bring a result to the CPU as a NumPy array, at least in float32."""
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return tensor.cpu().numpy()


# A row goes in pieces if its activations would take about so much at once.
_CPU_BYTES, _ACCELERATOR_BYTES = 64 * 2**20, 1024 * 2**20
# A closed form that answers alone takes about as much for a step as a recurrence of this size.
_UNITS_OF_PATH = 128

_NONE = np.empty(0, dtype=np.int64)


def long_rows(network: Any, storage: FlatStorage) -> np.ndarray:
    """Return the rows that are too long to be computed at once."""
    recurrence = network.recurrence
    floats = 4 * (recurrence.output_size or _UNITS_OF_PATH) + 2 * recurrence.input_size
    budget = _CPU_BYTES if storage.device.type == "cpu" else _ACCELERATOR_BYTES
    most = budget // (4 * floats)
    if storage.longest <= most:
        return _NONE
    return np.flatnonzero(storage.lengths > most)


def run_with_long(
    call: Callable[[Batch], torch.Tensor],
    call_long: Callable[[ChunkedRun], Iterator[torch.Tensor]],
    network: Any,
    storage: FlatStorage,
    compute: Compute,
    long: np.ndarray,
    *,
    per_step: bool = False,
    n_threads: int = 1,
) -> np.ndarray:
    """Return the results of all rows, or flat of all steps, some rows in pieces.

    Parameters
    ----------
    call : callable
        From a batch to one result a row, or a valid step.
    call_long : callable
        From a run over one long row to the same, one piece after the other.
    network : SequenceNetwork
        Runs over the long rows.
    storage : FlatStorage
        All rows.
    compute : Compute
        Device and precision.
    long : ndarray of int
        The long rows.
    per_step : bool, default=False
        Whether there is one result a step.
    n_threads : int, default=1
        CPU threads.
    """
    size = int(storage.offsets[-1]) if per_step else len(storage.lengths)
    result: np.ndarray | None = None

    def put(where: Any, tensor: torch.Tensor) -> None:
        nonlocal result
        tensor = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
        values = tensor.cpu().numpy()
        if result is None:
            result = np.empty((size, *values.shape[1:]), dtype=values.dtype)
        result[where] = values

    with torch.inference_mode(), cpu_threads(n_threads), compute.autocast_context():
        for row in long.tolist():
            static = storage.static_of(row)
            run = ChunkedRun(
                network, partial(storage.segment, row), int(storage.lengths[row]), static
            )
            start = int(storage.offsets[row]) if per_step else row
            for part in call_long(run):
                put(slice(start, start + len(part)), part)
                start += len(part)
        short = np.setdiff1d(np.arange(len(storage.lengths)), long)
        for batch in prediction_batches(storage, short):
            put(flat_steps(storage, batch.rows) if per_step else batch.rows, call(batch))
    assert result is not None, "there is at least one row"
    return result


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


def load_weights(module: torch.nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Put saved arrays into a module, or say in one sentence what does not fit.

    Raises
    ------
    ValueError
        If an array is missing, too many or of another shape.
    """
    wanted = module.state_dict()
    wrong = [f"lacks the weight {name!r}" for name in wanted if name not in arrays]
    wrong += [f"has a weight {name!r} too many" for name in arrays if name not in wanted]
    wrong += [
        f"has a weight {name!r} of shape {tuple(arrays[name].shape)} in place of {tuple(own.shape)}"
        for name, own in wanted.items()
        if name in arrays and tuple(arrays[name].shape) != tuple(own.shape)
    ]
    if wrong:
        raise ValueError(
            f"The saved model {wrong[0]}: it is damaged, or another version of sklearn-rnn saved "
            "it. Load it with that version, or fit it anew."
        )
    module.load_state_dict({key: torch.tensor(value) for key, value in arrays.items()})
