"""Run a trained network over sequences and put the results in the order of the rows.

Imports torch, NumPy and the batches of this layer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ._batches import Batch, FlatStorage, flat_steps, prediction_batches
from ._device import Compute, cpu_threads

# What a recurrence without a path beside it predicts at once on a CPU: rows, and padded steps by
# the outputs that they make.
_ROWS, _OUTPUTS, _FEWEST_STEPS, _MOST_STEPS = 1024, 819200, 16384, 25600


def recurrence_bounds(compute: Compute, units: int) -> tuple[int, int] | None:
    """Return the rows and padded steps that a recurrence of so many units best predicts at once."""
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
