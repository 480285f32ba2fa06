"""Run a trained network over sequences and put the results in the order of the rows.

Imports torch, NumPy and the batches of this layer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ._batches import Batch, FlatStorage, flat_steps, prediction_batches
from ._device import Compute, cpu_threads


def run_rows(
    call: Callable[[Batch], torch.Tensor],
    storage: FlatStorage,
    compute: Compute,
    rows: np.ndarray | None = None,
    *,
    n_threads: int = 1,
) -> np.ndarray:
    """Return ``call``'s results, one for each row, or for each of some, in their order."""
    size = len(storage.lengths)
    if rows is None:
        return _run(call, storage, compute, n_threads, size, lambda part: part)
    place = np.empty(size, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    return _run(call, storage, compute, n_threads, len(rows), lambda part: place[part], rows)


def run_steps(
    call: Callable[[Batch], torch.Tensor],
    storage: FlatStorage,
    compute: Compute,
    *,
    n_threads: int = 1,
) -> np.ndarray:
    """Return ``call``'s results, one a valid step, flat in the order of the storage's steps."""
    size = int(storage.offsets[-1])
    return _run(call, storage, compute, n_threads, size, lambda rows: flat_steps(storage, rows))


def _run(
    call: Callable[[Batch], torch.Tensor],
    storage: FlatStorage,
    compute: Compute,
    n_threads: int,
    size: int,
    place: Callable[[np.ndarray], np.ndarray],
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Run ``call`` on every batch; ``place`` says where the results of a batch's rows go."""
    result: np.ndarray | None = None
    with torch.inference_mode(), cpu_threads(n_threads), compute.autocast_context():
        for batch in prediction_batches(storage, rows):
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
