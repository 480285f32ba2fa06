"""The closed-form path of an estimator: solving its readout, and how much of it to use.

Random features of the sequences (a reservoir, one that reads shapes, convolutions; nothing trained)
are read out by ridge regression on all training sequences. Exact left-out predictions set its
penalty, the steepness of its probabilities, and how much is read from which features.
Sequences that the trained recurrence has not seen then decide the recurrence's share. Imports
layers 1 and 2.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import torch

from ..sequences import Sequences
from ..training import Batch, FlatStorage, RidgeProblem, cpu_threads, run_rows
from ._readout import copies, difference_scale, recordings, sample_of_rows
from ._targets import SolvedTarget, Target

UNITS = 100
# The kinds of features that each of three readouts reads, with their shares in the penalty.
_READOUTS = {
    "all": {"reservoir": 0.35, "shape": 0.3, "convolutions": 0.35},
    "recurrent": {"reservoir": 0.55, "shape": 0.45},
    "convolutions": {"convolutions": 1.0},
}
# What the penalties are made for: as many standardised features as this.
_TOTAL = 6000
# Levels and scales of the random features are taken from so many sequences, of so many steps.
_CALIBRATE_ON, _CALIBRATE_STEPS = 32, 2**16
#: ``closed_form="auto"`` uses one for sequences of at most so many steps, so many all together, and
#: for overlapping ones if they were cut from at least so many recordings.
AUTO_STEPS, AUTO_TOTAL_STEPS, AUTO_RECORDINGS = 5000, 5_000_000, 10
# The readout is solved on so many sequences at most: its cost grows with the cube.
_SOLVE_ON = 2000
# Of recordings cut into more, at least so many that were held out are among these, to be left out.
_JUDGE_ON = 100
# Left-out predictions of so many numbers choose penalties, gains and shares of the readouts: where
# there are many labels, those of some of the sequences.
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
        """Return by how many standard errors of so many rows a larger share has to be better."""
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
