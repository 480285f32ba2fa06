"""What ``"auto"`` means for batch size and number of epochs. Imports nothing."""

from __future__ import annotations

_STEPS = 1500
_FEWEST_EPOCHS, _MOST_EPOCHS = 20, 100
_SMALLEST_BATCH, _LARGEST_BATCH = 16, 128


def auto_batch_size(n_rows: int) -> int:
    """Return the power of two nearest below n/16, between 16 and 128."""
    size = _SMALLEST_BATCH
    while size < _LARGEST_BATCH and 2 * size <= n_rows / 16:
        size *= 2
    return size


def auto_epochs(n_rows: int, batch_size: int) -> int:
    """Return the number of epochs that makes about 1,500 steps, between 20 and 100."""
    steps = -(-n_rows // batch_size)
    return max(_FEWEST_EPOCHS, min(_MOST_EPOCHS, -(-_STEPS // steps)))
