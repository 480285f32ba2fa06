"""Whether sequences were cut from the same recordings. Imports NumPy and layer 0."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from ..sequences import RowReader, Sequences

# Sequences with this many steps in a row in common, not all alike, were cut from one recording.
BLOCK = 8
# So many of them make a set of overlapping sequences.
_SHARE = 0.2


def overlapping(sequences: Sequences, rows: np.ndarray) -> bool:
    """Tell whether a fifth of the rows have eight steps in a row in common with another row.

    Windows that slide over one series, and one recording cut at several times, are so. A sequence
    is then all but known from the others, and what a model makes of it says little about new
    recordings. Whole copies do not count: repeating a sample is weighing it.
    """
    if sequences.is_tokens or len(rows) < 2:
        return False
    reader = RowReader(sequences.values)
    # A step as one number: a projection that different steps do not share by chance.
    direction = np.sqrt(np.arange(2, 2 + sequences.n_channels, dtype=np.float64))
    powers = np.pi ** np.arange(BLOCK)
    signatures, owners, whole = [], [], set()
    for row in rows:
        steps = reader.row(int(sequences.offsets[row]), int(sequences.offsets[row + 1]))
        if len(steps) < BLOCK:
            continue
        line = np.nan_to_num(np.asarray(steps, dtype=np.float64)) @ direction
        key = blake2b(line.tobytes(), digest_size=16).digest()
        if key in whole:
            continue
        whole.add(key)
        blocks = np.lib.stride_tricks.sliding_window_view(line, BLOCK)
        # Rests and steps of few levels are alike in recordings that have nothing in common.
        lively = (np.diff(np.sort(blocks, axis=1), axis=1) > 0).sum(axis=1) >= BLOCK - 2
        found = blocks[lively] @ powers
        signatures.append(found)
        owners.append(np.full(len(found), row))
    if not signatures:
        return False
    signature, owner = np.concatenate(signatures), np.concatenate(owners)
    order = np.argsort(signature, kind="stable")
    signature, owner = signature[order], owner[order]
    same = (signature[1:] == signature[:-1]) & (owner[1:] != owner[:-1])
    sharing = np.union1d(owner[1:][same], owner[:-1][same])
    return len(sharing) > _SHARE * len(whole)
