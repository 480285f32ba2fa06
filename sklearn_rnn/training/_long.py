"""Prediction where some rows are too long to be computed at once. Imports torch and NumPy.

Rows of ordinary length go in batches, as ever; each long one goes alone, in pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from ..nn import ChunkedRun
from ._batches import Batch, FlatStorage, flat_steps, prediction_batches
from ._device import Compute, cpu_threads

# A row goes in pieces if its activations would take about so much at once.
_CPU_BYTES, _ACCELERATOR_BYTES = 64 * 2**20, 1024 * 2**20
# A closed form that answers alone takes about as much for a step as a recurrence of so many units.
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
