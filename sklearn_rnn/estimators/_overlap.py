"""Which sequences were cut from the same recordings. Imports NumPy, SciPy and layer 0."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..sequences import RowReader, Sequences

# Sequences with this many steps in a row in common, not all alike, were cut from one recording.
BLOCK = 8
# So many of them make a set of overlapping sequences.
_SHARE = 0.2


def overlapping(sequences: Sequences, rows: np.ndarray) -> bool:
    """Tell whether :func:`recordings` finds any."""
    return recordings(sequences, rows) is not None


def recordings(sequences: Sequences, rows: np.ndarray) -> np.ndarray | None:
    """Number the recordings that the rows were cut from, or return None where they are apart.

    Two rows are of one recording when they have eight steps in a row in common, or both have with
    a third. Windows that slide over one series, and one recording cut at several times, are so:
    each is then all but known from the others, and what a model makes of it says little about new
    recordings. Less than a fifth of such rows count as none. Whole copies do not count: repeating
    a sample is weighing it; they are of their original's recording.
    """
    if sequences.is_tokens or len(rows) < 2:
        return None
    # Counted from one of the steps: far from zero, sums of what differs would round to the same.
    first = int(sequences.offsets[rows[0]])
    origin = np.nan_to_num(np.array(sequences.values[first], dtype=np.float64))
    reader = RowReader(sequences.values, origin)
    # A step as one number: a projection that different steps do not share by chance.
    direction = np.sqrt(np.arange(2, 2 + sequences.n_channels, dtype=np.float64))
    powers = np.pi ** np.arange(BLOCK)
    signatures, owners = [], []
    whole: dict[bytes, int] = {}
    original = np.arange(len(rows))
    for place, row in enumerate(rows):
        steps = reader.row(int(sequences.offsets[row]), int(sequences.offsets[row + 1]))
        line = np.nan_to_num(steps) @ direction
        original[place] = whole.setdefault(blake2b(line.tobytes(), digest_size=16).digest(), place)
        if original[place] != place or len(steps) < BLOCK:
            continue
        blocks = np.lib.stride_tricks.sliding_window_view(line, BLOCK)
        # Rests and steps of few levels are alike in recordings that have nothing in common.
        lively = (np.diff(np.sort(blocks, axis=1), axis=1) > 0).sum(axis=1) >= BLOCK - 2
        found = blocks[lively] @ powers
        signatures.append(found)
        owners.append(np.full(len(found), place))
    if not signatures:
        return None
    signature, owner = np.concatenate(signatures), np.concatenate(owners)
    order = np.argsort(signature, kind="stable")
    signature, owner = signature[order], owner[order]
    same = (signature[1:] == signature[:-1]) & (owner[1:] != owner[:-1])
    one, other = owner[1:][same], owner[:-1][same]
    if len(np.union1d(one, other)) <= _SHARE * len(whole):
        return None
    links = coo_array((np.ones(len(one)), (one, other)), shape=(len(rows), len(rows)))
    numbers: np.ndarray = connected_components(links, directed=False)[1]
    return np.asarray(numbers[original])
