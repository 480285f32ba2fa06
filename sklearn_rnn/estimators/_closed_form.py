"""The closed-form path of an estimator: solving its readout, and how much of it to use.

Random features of the sequences (a reservoir, one that reads shapes, convolutions; nothing trained)
are read out by ridge regression on all training sequences. Exact left-out predictions set its
penalty, the steepness of its probabilities, and how much is read from which features.
Sequences that the trained recurrence has not seen then decide the recurrence's share. What a fit
reads and how it divides it stands here as well. Imports scikit-learn and layers 0 to 2.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import train_test_split

from ..nn import length_mask
from ..sequences import RowReader, Sequences
from ..training import (
    Batch,
    FlatStorage,
    RidgeProblem,
    cpu_threads,
    pick,
    prediction_batches,
    run_rows,
)
from ._targets import SolvedTarget, Target

#: What the seeds of a fit are for, in the order in which they are drawn.
PURPOSES = ("split", "weights", "batches", "training", "path")


@dataclass(kw_only=True)
class FitData:
    """The training set of one fit, as read, with the parts that it is divided into.

    Parameters
    ----------
    X, y
        As the user passed them.
    sequences : Sequences
        X as read.
    prepared : object
        y as checked, one entry a sequence.
    encoded : ndarray
        y as the network learns it.
    weights : ndarray or None
        Of the sequences, class weights included.
    compute : Compute
        Device and precision.
    n_threads : int
        CPU threads.
    seeds : tuple of int
        One for each of `PURPOSES`.
    solved_on : ndarray
        Rows that a closed-form path is solved on: all of positive weight.
    rows : ndarray
        Rows that the recurrence trains on.
    kept : ndarray, default=None
        Rows of `solved_on` that it does not train on.
    held_out : tuple of (Sequences, y, weights), default=None
        What is scored after every epoch: the user's validation set, or `kept`.
    path : {"reservoir", "ngrams"} or None, default=None
        The closed-form path beside the recurrence.
    recordings : ndarray, default=None
        Which recording each row of `solved_on` was cut from, if several were cut from one.
    first : bool, default=True
        Whether there is no model yet: what an interrupt cuts short is then better than nothing.
    """

    X: Any
    y: Any
    sequences: Sequences
    prepared: Any
    encoded: np.ndarray
    weights: np.ndarray | None
    compute: Any
    n_threads: int
    seeds: tuple[int, ...]
    solved_on: np.ndarray
    rows: np.ndarray
    kept: np.ndarray | None = None
    held_out: tuple | None = None
    path: str | None = None
    recordings: np.ndarray | None = None
    first: bool = True

    def pick(self, rows: np.ndarray) -> tuple[Sequences, Any, np.ndarray | None]:
        """Return sequences, prepared y and weights of some rows."""
        weights = None if self.weights is None else self.weights[rows]
        return self.sequences[rows], pick(self.prepared, rows), weights

    def keep(self, rows: np.ndarray) -> None:
        """Hold out these rows of `kept` alone."""
        assert self.kept is not None, "there are some"
        if self.held_out is not None:
            sequences, prepared, weights = self.held_out
            where = np.flatnonzero(np.isin(self.kept, rows))
            own = None if weights is None else weights[where]
            self.held_out = sequences[where], pick(prepared, where), own
        self.kept = rows

    def seed(self, purpose: str) -> int:
        """Return the seed for one of `PURPOSES`."""
        return self.seeds[PURPOSES.index(purpose)]


def split_rows(
    y: Any,
    n_rows: int,
    fraction: float,
    *,
    stratify: bool,
    seed: int,
    recordings: np.ndarray | None = None,
    copies: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return training and validation rows, sorted; with ``stratify`` in the classes' proportions.

    A class with a single member always trains. When the fraction is too small to hold every
    class, the split is not stratified. With ``recordings``, numbers of what the rows were cut
    from, whole recordings are held out, and nothing is stratified. With ``copies``, numbers of
    the distinct sequences, copies stay together: one of each is split as rows are.
    """
    if n_rows < 2:
        raise ValueError(
            f"early_stopping=True needs at least 2 sequences to hold some out, got {n_rows}."
        )
    rows = np.arange(n_rows)
    size = max(1, round(fraction * n_rows))
    if size >= n_rows:
        raise ValueError(
            f"early_stopping__validation_fraction={fraction} of {n_rows} sequences leaves none to "
            "train on."
        )
    if recordings is not None:
        order = np.random.default_rng(seed).permutation(np.unique(recordings))
        sizes = np.cumsum([(recordings == number).sum() for number in order[:-1]])
        held_too = np.isin(recordings, order[: 1 + int(np.searchsorted(sizes, size))])
        return rows[~held_too], rows[held_too]
    if copies is not None:
        number, first = np.unique(copies, return_index=True)
        own = [y[i] for i in first] if stratify else first
        train, _ = split_rows(own, len(first), fraction, stratify=stratify, seed=seed)
        trains = np.isin(copies, number[train])
        return rows[trains], rows[~trains]
    labels = None
    alone = np.zeros(n_rows, dtype=bool)
    if stratify:
        _, labels, counts = np.unique(y, return_inverse=True, return_counts=True)
        labels = labels.reshape(-1)
        alone = counts[labels] == 1
        n_classes = int((counts > 1).sum())
        n_split = n_rows - int(alone.sum())
        if size < n_classes or n_split - size < n_classes:
            labels, alone = None, np.zeros(n_rows, dtype=bool)
    kept = rows[~alone]
    train, held = train_test_split(
        kept,
        test_size=min(size, len(kept) - 1),
        stratify=None if labels is None else labels[~alone],
        random_state=seed,
    )
    return np.sort(np.concatenate([train, rows[alone]])), np.sort(held)


# Sequences with this many steps in a row in common, not all alike, were cut from one recording.
_ALIKE = 8
# This many of them make a set of overlapping sequences.
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


UNITS = 100
# The kinds of features that each of three readouts reads, with their shares in the penalty.
_READOUTS = {
    "all": {"reservoir": 0.35, "shape": 0.3, "convolutions": 0.35},
    "recurrent": {"reservoir": 0.55, "shape": 0.45},
    "convolutions": {"convolutions": 1.0},
}
# What the penalties are made for: as many standardised features as this.
_TOTAL = 6000
# Levels and scales of the random features are taken from this many sequences, of this many steps.
_CALIBRATE_ON, _CALIBRATE_STEPS = 32, 2**16
#: ``closed_form="auto"`` needs sequences of at most this many steps, at most this many in all, and
#: of overlapping ones at least this many recordings.
AUTO_STEPS, AUTO_TOTAL_STEPS, AUTO_RECORDINGS = 5000, 5_000_000, 10
# The readout is solved on this many sequences at most: its cost grows with the cube.
_SOLVE_ON = 2000
# Of recordings cut into more, at least this many that were held out are among these.
_JUDGE_ON = 100
# Left-out predictions of this many numbers choose penalties, gains and shares of the readouts:
# where there are many labels, those of some of the sequences.
_CHOOSE_ON, _FEWEST_TO_CHOOSE = 2**18, 200
_GAINS = np.logspace(-0.5, 1.5, 25)


def plan_path(
    setting: str | bool, sequences: Sequences, target: Target, loss: Any, rows: np.ndarray
) -> tuple[bool, np.ndarray | None]:
    """Decide whether these data get a closed-form path, or refuse what cannot have one.

    Where they get one, return too which recordings the rows were cut from, None if they are apart.
    """
    if setting is False:
        return False, None
    obstacle = target.obstacle("reservoir")
    if obstacle is None and loss not in ("log_loss", "squared_error"):
        obstacle = f"the readout is solved for the default loss, not for loss={loss!r}"
    if obstacle is not None:
        if setting == "auto":
            return False, None
        raise ValueError(
            f"closed_form={setting!r} cannot be used: {obstacle}. Set closed_form=False."
        )
    lengths = sequences.lengths[rows]
    too_long = int(sequences.lengths.max()) > AUTO_STEPS or int(lengths.sum()) > AUTO_TOTAL_STEPS
    if too_long:
        return setting != "auto", None
    found = recordings(sequences, rows)
    if found is not None and len(np.unique(found)) < AUTO_RECORDINGS:
        return setting != "auto", None
    return True, found


class Unseen(NamedTuple):
    """Sequences that no part of a model has learned from, to weigh its parts on."""

    storage: FlatStorage
    rows: np.ndarray
    #: What the closed form answers to them, as raw outputs.
    solved: np.ndarray
    encoded: np.ndarray
    weights: np.ndarray | None


class Weighed(NamedTuple):
    """The recurrence's share, and raw outputs of the whole and of the recurrence alone.

    The last have a factor in them, which the network has yet to get.
    """

    share: float
    raw: np.ndarray
    trained: np.ndarray
    gain: float


class ClosedForm:
    """One fit's closed-form path: solve it, then weigh the trained recurrence against it.

    Parameters
    ----------
    net : SequenceNet
        Holds the network whose path is to be solved.
    storage : FlatStorage
        All training sequences.
    target : SolvedTarget
        How y is encoded.
    encoded : ndarray
        The encoded targets of all sequences.
    weights : ndarray or None
        Their weights.
    n_threads : int
        CPU threads.
    """

    def __init__(
        self,
        net: Any,
        storage: FlatStorage,
        target: SolvedTarget,
        encoded: np.ndarray,
        weights: np.ndarray | None,
        n_threads: int,
    ) -> None:
        self.net, self.storage, self.n_threads = net, storage, n_threads
        self.network: Any = net.module_
        self.network.eval()
        self.target, self.encoded, self.weights = target, encoded, weights
        self.left_out: dict[int, np.ndarray] = {}
        #: What the share was chosen on, and what came of it.
        self.chosen: tuple[Unseen, Weighed] | None = None
        self.readout_shares: dict[str, float] = {}
        #: Whether left-out predictions are of whole recordings.
        self.by_recording = False

    #: How many standard errors a larger share has to be better, and the share where none is judged.
    strictness, unjudged = 2.0, 0.0
    shares: tuple[float, ...] = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)

    def solve(
        self,
        rows: np.ndarray,
        seed: int,
        kept: np.ndarray | None = None,
        apart: np.ndarray | None = None,
    ) -> None:
        """Draw the random features and solve their readout on the rows, each left out once.

        `apart` numbers the recordings that rows were cut from: those of one are left out together.
        `kept` are those of the rows that :meth:`judged` is to be asked about.
        """
        self.by_recording = apart is not None
        path = self.network.path
        path.draw(torch.Generator().manual_seed(seed))
        if len(rows) > _SOLVE_ON:
            rng = np.random.default_rng(seed)
            order = rng.permutation(len(rows))
            if apart is not None and kept is not None:
                # Some that were held out come first, in their order, and the others after them.
                first = np.flatnonzero(np.isin(rows[order], kept))[:_JUDGE_ON]
                order = np.concatenate([order[first], np.delete(order, first)])
            chosen = np.sort(order[:_SOLVE_ON])
            rows = rows[chosen]
            apart = None if apart is None else apart[chosen]
        self._calibrate_features(rows)
        problem = RidgeProblem(
            self._run(self.storage, rows, features=True),
            self._readout_targets(self.encoded[rows]),
            blocks=tuple(path.blocks.values()),
            weights=None if self.weights is None else self.weights[rows],
            groups=copies(self.storage.sequences, rows),
            apart=apart,
        )
        most = max(_FEWEST_TO_CHOOSE, _CHOOSE_ON // path.weight.shape[1])
        judged = None
        if len(rows) > most and apart is None:
            judged = np.sort(np.random.default_rng(seed).permutation(len(rows))[:most])
        solved = [
            self._solve_one(problem, rows, shares, judged) for shares in self._readouts().values()
        ]
        some = slice(None) if judged is None else judged
        mix = self._mix([left_out[some] for *_, left_out, _ in solved], rows[some])
        weight, bias, _, levelled = (
            sum(m * part for m, part in zip(mix, parts, strict=True))
            for parts in zip(*solved, strict=True)
        )
        path.set_readout(torch.from_numpy(weight), torch.from_numpy(bias))
        self.readout_shares = dict(zip(self._readouts(), map(float, mix), strict=True))
        self.left_out = dict(zip(rows.tolist(), levelled, strict=True))

    def _calibrate_features(self, rows: np.ndarray) -> None:
        """Set what the random features take from the training sequences."""
        path, storage = self.network.path, self.storage
        path.reservoir.difference_scale.copy_(
            difference_scale(self.network.input, storage, rows, n_threads=self.n_threads)
        )
        sample = sample_of_rows(
            storage.sequences, rows, at_most=_CALIBRATE_ON, steps=_CALIBRATE_STEPS
        )
        x, lengths = storage.gather(sample)
        with torch.inference_mode(), cpu_threads(self.n_threads):
            path.calibrate(self.network.input(x), lengths)

    def _readouts(self) -> dict[str, dict[str, float]]:
        """Return what each readout reads: the shares of the kinds of features in its penalty."""
        path = self.network.path
        several = "convolutions" in path.blocks
        found = dict(_READOUTS) if several else {"recurrent": {"reservoir": 1.0}}
        if path.static_size:
            found["static"] = {}
        return found

    def _solve_one(
        self,
        problem: RidgeProblem,
        rows: np.ndarray,
        shares: dict[str, float],
        judged: np.ndarray | None,
    ) -> tuple[np.ndarray, ...]:
        """Solve one readout; return weight, bias and left-out predictions, as raw outputs.

        The last are those at the level of all samples. Those of the `judged` among the rows choose
        penalty and gain, or all.
        """
        # However many features a kind has, it counts as its share. A few static features beside
        # thousands of states would hardly count: they count as one half of all that is read out.
        shares = {**shares, "static": 1.0}
        blocks = self.network.path.blocks
        emphasis = [np.sqrt(_TOTAL * shares.get(k, 0.0) / size) for k, size in blocks.items()]

        some = slice(None) if judged is None else judged
        gains, rows = self._gains(), rows[some]
        place = len(gains) // 2

        def loss(left_out: np.ndarray) -> float:
            nonlocal place
            place, least = self._least_loss(left_out, rows, place)
            return least

        solution = problem.solve(loss, emphasis=emphasis, judged=judged)
        loss(solution.left_out[some])
        gain = float(gains[place])
        parts = solution.weight, solution.bias, solution.left_out, solution.levelled
        return tuple(gain * part for part in parts)

    def _least_loss(self, raw: np.ndarray, rows: np.ndarray, start: int) -> tuple[int, float]:
        """Return the place of the best gain for raw outputs, and the loss with it.

        A loss is convex in the gain: from where the last one was best, it is a few steps downhill.
        """
        gains = self._gains()
        found: dict[int, float] = {}

        def loss(place: int) -> float:
            if not 0 <= place < len(gains):
                return np.inf
            if place not in found:
                found[place] = self._loss(gains[place] * raw, self.encoded[rows], rows)
            return found[place]

        place = start
        while loss(place + 1) < loss(place):
            place += 1
        # Of gains that are as good, the first.
        while place and loss(place - 1) <= loss(place):
            place -= 1
        return place, loss(place)

    def _mix(self, left_out: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
        """Return the readouts' shares: equal ones, unless others do clearly better.

        Clearly is by two standard errors of the mean difference of left-out losses.
        """
        # What is known of the sample as a whole has to earn a say of its own.
        usual = np.array([name != "static" for name in self._readouts()], dtype=float)
        equal = usual / usual.sum()
        if len(left_out) == 1:
            return equal
        weights = None if self.weights is None else self.weights[rows]

        def losses(mix: np.ndarray) -> np.ndarray:
            raw = sum(m * part for m, part in zip(mix, left_out, strict=True))
            return self._losses(np.asarray(raw), self.encoded[rows])

        standard, best, gained = losses(equal), equal, 0.0
        for quarters in itertools.product(range(5), repeat=len(left_out)):
            if sum(quarters) == 4:
                mix = np.array(quarters) / 4
                gain = standard - losses(mix)
                clear = np.average(gain, weights=weights) - 2 * gain.std() / np.sqrt(len(gain))
                if clear > gained:
                    best, gained = mix, float(clear)
        return best

    def _left_out_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return what the path answers to rows that it was solved without."""
        known = np.array([row in self.left_out for row in rows.tolist()], dtype=bool)
        if known.all():
            kind = self.network.path.bias.cpu().numpy().dtype
            return np.stack([self.left_out[row] for row in rows.tolist()]).astype(kind)
        solved = self._run(self.storage, rows)
        # The readout has seen these rows, and was solved without each as well.
        for i in np.flatnonzero(known):
            solved[i] = self.left_out[int(rows[i])]
        return solved

    def leaves_nothing(self, rows: np.ndarray) -> bool:
        """Tell whether not even a recurrence without any loss on rows would be clearly better.

        Of labels, it is enough that next to no loss is left. Nor are they worth a try where it
        would not be on as many rows of the usual kind, as left-out answers to all rows tell: how
        the closed form does on a few is luck. Squared errors have too heavy tails to tell so.
        """
        usual = np.array(list(self.left_out) if self.target.is_labels else [], dtype=np.int64)
        return any(self._is_noise(some, len(rows)) for some in (rows, usual) if len(some))

    def _is_noise(self, rows: np.ndarray, n_rows: int) -> bool:
        """Tell whether a loss as on rows is within its own noise, where there are `n_rows`."""
        losses = self._losses(self._left_out_rows(rows), self.encoded[rows])
        weights = None if self.weights is None else self.weights[rows]
        error = self._strictly(n_rows) * losses.std() / np.sqrt(n_rows)
        least = max(error, self.target.negligible_loss)
        return bool(np.average(losses, weights=weights) <= least)

    def _strictly(self, n_rows: int) -> float:
        """Return by how many standard errors of this many rows a larger share has to be better."""
        return self.strictness * max(1.0, np.sqrt(30.0 / n_rows))

    def judged(self, rows: np.ndarray) -> np.ndarray:
        """Return those rows to which :meth:`solve` knows an answer without them.

        A readout that is solved on some cuts of a recording all but knows the others.
        """
        if not self.by_recording:
            return rows
        return rows[np.isin(rows, list(self.left_out))]

    def left_out_answers(self, rows: np.ndarray, share: float) -> np.ndarray:
        """Return raw outputs of both paths together for rows that neither has learned from."""
        solved = self._left_out_rows(rows)
        if share == 0:
            return solved
        return share * self._trained(self.storage, rows) + (1 - share) * solved

    def rows_unseen(self, rows: np.ndarray) -> Unseen:
        """Return training rows that the recurrence does not train on, with what is solved of them.

        To that, each was left out.
        """
        weights = None if self.weights is None else self.weights[rows]
        solved = self._left_out_rows(rows)
        return Unseen(self.storage, rows, solved, self.encoded[rows], weights)

    def set_unseen(
        self,
        sequences: Sequences,
        encoded: np.ndarray,
        weights: np.ndarray | None,
        network: Any = None,
    ) -> Unseen:
        """Return a validation set with what is solved of it, by the network in another type."""
        network = network or self.network
        storage = FlatStorage(
            sequences, self.storage.device, network.states_dtype, self.storage.origins
        )
        rows = np.arange(len(sequences))
        solved = self._run(storage, rows, network=network)
        return Unseen(storage, rows, solved, encoded, weights)

    def share_from_rows(self, rows: np.ndarray) -> float:
        """Choose the share on training rows that the recurrence has not seen."""
        return self._settle(self.rows_unseen(rows))

    def share_from_set(
        self, sequences: Sequences, encoded: np.ndarray, weights: np.ndarray | None
    ) -> float:
        """Choose the share on a validation set."""
        return self._settle(self.set_unseen(sequences, encoded, weights))

    def _settle(self, unseen: Unseen) -> float:
        """Weigh the trained recurrence once and for all."""
        weighed = self.weigh(unseen)
        self.chosen = unseen, weighed
        self._steepen(weighed.gain)
        return weighed.share

    def weigh(self, unseen: Unseen, network: Any = None) -> Weighed:
        """Weigh the recurrence as it is, or that of the network in another number type.

        Its share is the smallest whose loss is within two standard errors of the smallest. Fewer
        sequences than 30 have to speak the more clearly, the fewer they are.
        """
        trained = self._trained(unseen.storage, unseen.rows, network)
        gain = self._steepness(trained, unseen.encoded)
        if gain != 1.0:
            trained = (gain * trained).astype(trained.dtype)
        solved, n_rows = unseen.solved, len(unseen.rows)
        mixed = (s * trained + (1 - s) * solved for s in self.shares)
        losses = np.array([self._losses(raw, unseen.encoded) for raw in mixed])
        means = np.average(losses, axis=1, weights=unseen.weights)
        best = int(np.argmin(means))
        errors = (losses - losses[best]).std(axis=1) / np.sqrt(n_rows)
        clear = means <= means[best] + self._strictly(n_rows) * errors
        share = self.shares[int(np.argmax(clear))]
        return Weighed(share, share * trained + (1 - share) * solved, trained, gain)

    def _steepness(self, trained: np.ndarray, encoded: np.ndarray) -> float:
        """Return the factor on the recurrence's raw outputs that unseen rows bear out."""
        return 1.0

    def _steepen(self, gain: float) -> None:
        """Put such a factor into the network."""

    def _trained(self, storage: FlatStorage, rows: np.ndarray, network: Any = None) -> np.ndarray:
        """Return the recurrence's raw outputs for some rows."""

        def call(batch: Batch) -> torch.Tensor:
            if network is None:
                return self.network(batch.x, batch.lengths, batch.static).float()
            raw: torch.Tensor = network(batch.x, batch.lengths, batch.static)
            return raw

        return run_rows(call, storage, self.net.run_.compute, rows, n_threads=self.n_threads)

    def _run(
        self,
        storage: FlatStorage,
        rows: np.ndarray,
        *,
        features: bool = False,
        network: Any = None,
    ) -> np.ndarray:
        """Run the path, or only what it reads out, on some rows."""
        network = network or self.network
        return run_rows(
            lambda b: network.solved(b.x, b.lengths, b.static, features=features),
            storage,
            self.net.run_.compute,
            rows,
            n_threads=self.n_threads,
        )

    def _gains(self) -> np.ndarray:
        """Return the candidate factors from readout to logits; numbers need none."""
        return _GAINS if self.target.is_labels else np.ones(1)

    def _readout_targets(self, encoded: np.ndarray) -> np.ndarray:
        """Return what ridge regression is to predict: one column for each raw output."""
        return self.target.to_raw(encoded, self.network.head)

    def _loss(self, raw: np.ndarray, encoded: np.ndarray, rows: np.ndarray) -> float:
        """Return the weighted mean loss of raw outputs."""
        weights = None if self.weights is None else self.weights[rows]
        return float(np.average(self._losses(raw, encoded), weights=weights))

    def _losses(self, raw: np.ndarray, encoded: np.ndarray) -> np.ndarray:
        """Return each sequence's log loss, or squared error in standardised units."""
        return self.target.losses_of(raw, encoded, self.network.head)
