"""What every solved readout shares: which rows are copies, or of one recording; samples; scales.

Imports layers 1 and 2.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..nn import length_mask
from ..sequences import RowReader, Sequences
from ..training import FlatStorage, cpu_threads, prediction_batches

# Sequences with this many steps in a row in common, not all alike, were cut from one recording.
_ALIKE = 8
# So many of them make a set of overlapping sequences.
_SHARE = 0.2
#: Steps that are left out together where there is a target for each.
BLOCK = 256
# How often the number that sequences are sorted by goes round, for each unit of it.
_TURNS = 16.0
_GOLDEN = (5**0.5 - 1) / 2


def keys(sequences: Sequences, rows: np.ndarray) -> list[bytes]:
    """Return a digest of all that is known of each sequence: copies have the same.

    Sorted by them, sequences of numbers are in an order that is as good as random, and that
    neither the level nor the unit of a channel changes.
    """
    found = digests(sequences, rows)
    if sequences.is_tokens:
        return found
    places = _places_by_shape(sequences, rows)
    # Numbers that are not negative sort as their bytes do.
    return [
        place + digest
        for place, digest in zip(map(bytes, places.astype(">f8")[:, None]), found, strict=True)
    ]


def _places_by_shape(sequences: Sequences, rows: np.ndarray) -> np.ndarray:
    """Return a number of [0, 1) for each sequence, in which its channels' ranges are one."""
    reader = RowReader(sequences.values)
    offsets = sequences.offsets
    found = np.empty(len(rows))
    for place, row in enumerate(rows):
        values = reader.row(int(offsets[row]), int(offsets[row + 1])).astype(np.float64)
        low = np.fmin.reduce(values, axis=0)
        values -= low
        width = np.fmax.reduce(values, axis=0)
        values /= np.where(width > 0, width, 1.0)
        # One draw for each step and channel, by the golden ratio; what is missing counts as none.
        draws = np.arange(1.0, values.size + 1) * _GOLDEN % 1.0
        found[place] = np.nan_to_num(values).ravel() @ draws
    return found * _TURNS % 1.0


def digests(sequences: Sequences, rows: np.ndarray) -> list[bytes]:
    """Return a digest of all that is known of each sequence: copies have the same."""
    found = []
    reader = RowReader(sequences.values)
    offsets = sequences.offsets
    for row in rows:
        start, stop = int(offsets[row]), int(offsets[row + 1])
        key = blake2b(reader.row(start, stop).tobytes(), digest_size=16)
        if sequences.times is not None:
            key.update(np.diff(sequences.times[start:stop]).tobytes())
        if sequences.static is not None:
            key.update(sequences.static[row].tobytes())
        found.append(key.digest())
    return found


def block_keys(
    digests: list[bytes], counts: list[int], start: int = 0
) -> tuple[list[bytes], np.ndarray]:
    """Cut sequences into blocks of steps that are left out together: their keys and sizes.

    ``counts`` are the steps of each sequence from ``start`` on, which is a multiple of the block.
    """
    names: list[bytes] = []
    sizes: list[int] = []
    for digest, count in zip(digests, counts, strict=True):
        for first in range(0, count, BLOCK):
            names.append(digest + (start + first).to_bytes(8, "big"))
            sizes.append(min(BLOCK, count - first))
    return names, np.array(sizes)


def copies(sequences: Sequences, rows: np.ndarray) -> np.ndarray:
    """Number the distinct sequences among the rows: copies get the same number.

    Tokens at other times are copies all the same: to n-grams they are.
    """
    if sequences.is_tokens and sequences.times is not None:
        sequences = sequences._with(times=None)
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in digests(sequences, rows)])


def sample_of_rows(
    sequences: Sequences, rows: np.ndarray, *, at_most: int, steps: int
) -> np.ndarray:
    """Return some distinct rows, the same ones in whatever order, number type or number of copies.

    They are as good as random, see `keys`, and level and unit do not matter. The longest of them
    times their number is at most `steps`, or it is one row.
    """
    reader = RowReader(sequences.values)
    offsets = np.asarray(sequences.offsets)
    found: dict[bytes, tuple[float, int]] = {}
    places = _places_by_shape(sequences, rows)
    for place, row in zip(places.tolist(), rows, strict=True):
        values = reader.row(int(offsets[row]), int(offsets[row + 1]))
        digest = blake2b(np.ascontiguousarray(values, np.float64).tobytes(), digest_size=16)
        found.setdefault(digest.digest(), (place, int(row)))
    order = sorted(found, key=lambda digest: (found[digest][0], digest))
    chosen = np.array([found[digest][1] for digest in order[:at_most]])
    longest = np.maximum.accumulate(np.diff(offsets)[chosen])
    fitting = longest * np.arange(1, len(chosen) + 1) <= steps
    return chosen[: max(1, int(fitting.sum()))]


def difference_scale(
    standardise: Callable[[torch.Tensor], torch.Tensor],
    storage: FlatStorage,
    rows: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    n_threads: int = 1,
) -> torch.Tensor:
    """Return the deviation of first differences over all steps of the rows, 1 where there is none.

    ``weights`` has one entry for each sequence of the storage.
    """
    count = 0.0
    device = storage.device
    # MPS has no double precision.
    wide = torch.float32 if device.type == "mps" else torch.float64
    total = squares = torch.zeros((), dtype=wide, device=device)
    with torch.inference_mode(), cpu_threads(n_threads):
        for batch in prediction_batches(storage, rows):
            steps = standardise(batch.x).to(wide)
            mask = length_mask(batch.lengths, steps.shape[1])[:, 1:].to(steps.device)
            changes = (steps[:, 1:] - steps[:, :-1])[mask]
            if weights is None:
                count += len(changes)
                total = total + changes.sum(0)
                squares = squares + (changes**2).sum(0)
                continue
            own = torch.from_numpy(weights[batch.rows]).to(device, wide)[:, None]
            each = own.expand(mask.shape)[mask][:, None]
            count += float(each.sum())
            total = total + (each * changes).sum(0)
            squares = squares + (each * changes**2).sum(0)
        if not count:
            return torch.ones((), dtype=wide, device=device)
        variance = (squares / count - (total / count) ** 2).clamp(min=0)
        return torch.where(variance > 1e-12, variance.sqrt(), 1.0)


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
    powers = np.pi ** np.arange(_ALIKE)
    signatures, owners = [], []
    whole: dict[bytes, int] = {}
    original = np.arange(len(rows))
    for place, row in enumerate(rows):
        steps = reader.row(int(sequences.offsets[row]), int(sequences.offsets[row + 1]))
        line = np.nan_to_num(steps) @ direction
        original[place] = whole.setdefault(blake2b(line.tobytes(), digest_size=16).digest(), place)
        if original[place] != place or len(steps) < _ALIKE:
            continue
        blocks = np.lib.stride_tricks.sliding_window_view(line, _ALIKE)
        # Rests and steps of few levels are alike in recordings that have nothing in common.
        lively = (np.diff(np.sort(blocks, axis=1), axis=1) > 0).sum(axis=1) >= _ALIKE - 2
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
