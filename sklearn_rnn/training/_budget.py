"""What ``"auto"`` means for batch size and number of epochs. Imports nothing."""

from __future__ import annotations

#: What no network is trained beyond: passes over the data, layers, and numbers that multiply
#: weights. Larger ones are slips, which would end in years, or in numbers that are not finite.
MOST_EPOCHS, MOST_LAYERS, LARGEST_RATE = 10**7, 1000, 1e6

_STEPS = 1500
_FEWEST_EPOCHS, _MOST_EPOCHS = 20, 100
_SMALLEST_BATCH, _LARGEST_BATCH = 16, 128
# Embeddings learn most of what they can in few epochs, and then only remember.
_FEWEST_OF_TOKENS, _MOST_OF_TOKENS = 8, 30


def auto_batch_size(n_rows: int, *, tokens: bool = False) -> int:
    """Return the power of two nearest below n/16, or n/128 for tokens, between 16 and 128."""
    size = _SMALLEST_BATCH
    while size < _LARGEST_BATCH and 2 * size <= n_rows / (128 if tokens else 16):
        size *= 2
    return size


def auto_epochs(n_rows: int, batch_size: int, *, tokens: bool = False) -> int:
    """Return how many epochs make about 1,500 steps: 20 to 100, or 8 to 30 for tokens."""
    steps = -(-n_rows // batch_size)
    fewest = _FEWEST_OF_TOKENS if tokens else _FEWEST_EPOCHS
    most = _MOST_OF_TOKENS if tokens else _MOST_EPOCHS
    return max(fewest, min(most, -(-_STEPS // steps)))
