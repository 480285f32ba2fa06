"""How many numbers a network would hold, told before it is built. Imports torch."""

from __future__ import annotations

from functools import cache

import torch

from ._building import NetworkConfig
from ._registry import CELLS

# Python's share of a layer, in numbers of four bytes: it counts where layers are many and small.
_OBJECTS = 10_000


@cache
def _gates(cell: str) -> int:
    """Return how often a cell of ours multiplies its units, read off one of a single unit."""
    with torch.device("meta"):  # draws nothing
        return max(len(weight) for weight in CELLS[cell](1, 1).parameters())


def recurrence_size(cell: object, n_inputs: int, hidden_size: int, layers: int, both: bool) -> int:
    """Return about how many weights the layers of a recurrence have."""
    gates = _gates(cell) if isinstance(cell, str) else 1
    directions = 2 if both else 1
    first = gates * hidden_size * (n_inputs + hidden_size) + _OBJECTS
    further = gates * hidden_size * (directions * hidden_size + hidden_size) + _OBJECTS
    return directions * (first + (layers - 1) * further)


def network_size(config: NetworkConfig) -> int:
    """Return about how many weights the network of a configuration has, without a closed form."""
    if not config.recurrent:
        return 0
    embedded, words, inputs = 0, config.words, config.n_channels * (2 if config.indicator else 1)
    if words is not None:
        embedded = (words.n_words + len(words.affixes) + 1) * config.embedding_size
        embedded += 100 * config.character_size
        inputs = config.embedding_size + config.character_size
    elif config.vocabulary_size is not None:
        embedded = config.vocabulary_size * config.embedding_size
        inputs = config.embedding_size
    if config.stem is not None:
        embedded += sum(config.stem_kernel_sizes) * config.stem_filters * inputs
        inputs += config.stem_filters
    recurrent = recurrence_size(
        config.cell, inputs, config.hidden_size, config.num_layers, config.bidirectional
    )
    outputs = config.n_outputs if isinstance(config.n_outputs, int) else sum(config.n_outputs)
    poolings = 1 if isinstance(config.pooling, str) else len(config.pooling)
    features = poolings * config.hidden_size * (2 if config.bidirectional else 1)
    return config.n_members * (embedded + recurrent + features * outputs)
