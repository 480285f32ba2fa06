"""The closed-form path of an estimator: solving its readout, and how much of it to use.

A reservoir (random recurrences, nothing trained) is read out by ridge regression on all training
sequences. Its exact left-out predictions set the penalty and the steepness of its probabilities.
Sequences that the trained recurrence has not seen then decide the recurrence's share. Imports
layers 1 and 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..sequences import Sequences
from ..training import Batch, FlatStorage, run_rows, solve_ridge
from ._overlap import overlapping
from ._readout import copies, difference_scale, log_losses, proportions
from ._targets import Target

UNITS = 100
#: ``reservoir="auto"`` uses one for fewer sequences than this, of at most so many steps.
AUTO_SEQUENCES, AUTO_STEPS = 1000, 5000
# The readout is solved on so many sequences at most: its cost grows with the cube.
_SOLVE_ON = 4000
_GAINS = np.logspace(-0.5, 1.5, 25)


def wants_reservoir(
    setting: str | bool, sequences: Sequences, target: Target, loss: Any, rows: np.ndarray
) -> bool:
    """Decide whether these data get a closed-form path, or refuse what cannot have one."""
    if setting is False:
        return False
    obstacle = None
    if sequences.is_tokens:
        obstacle = "X holds tokens, and a reservoir reads numbers"
    elif target.per_step:
        obstacle = "y has one target a step, and the readout answers once a sequence"
    elif target.head == "joint":
        obstacle = "y has several outputs of labels; fit one classifier for each"
    elif loss not in ("log_loss", "squared_error"):
        obstacle = f"the readout is solved for the default loss, not for loss={loss!r}"
    if obstacle is None:
        small = len(rows) < AUTO_SEQUENCES and int(sequences.lengths.max()) <= AUTO_STEPS
        return setting != "auto" or (small and not overlapping(sequences, rows))
    if setting == "auto":
        return False
    raise ValueError(f"reservoir={setting!r} cannot be used: {obstacle}. Set reservoir=False.")


class ClosedForm:
    """One fit's closed-form path: solve it, then weigh the trained recurrence against it.

    Parameters
    ----------
    net : TrainingNet
        Holds the network whose path is to be solved.
    storage : FlatStorage
        All training sequences.
    target : Target
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
        target: Target,
        encoded: np.ndarray,
        weights: np.ndarray | None,
        n_threads: int,
    ) -> None:
        self.net, self.storage, self.n_threads = net, storage, n_threads
        self.network: Any = net.module_
        self.network.eval()
        self.target, self.encoded, self.weights = target, encoded, weights
        self.left_out: dict[int, np.ndarray] = {}
        #: Raw outputs of both paths together on what the share was chosen on.
        self.unseen: np.ndarray | None = None

    #: How many standard errors a larger share has to be better, and the share where none is judged.
    strictness, unjudged = 2.0, 0.0
    shares: tuple[float, ...] = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)

    def solve(self, rows: np.ndarray, seed: int, kept: np.ndarray | None = None) -> None:
        """Draw the reservoir and solve its readout on the rows, each of which is left out once."""
        path = self.network.path
        path.reservoir.draw(torch.Generator().manual_seed(seed))
        if len(rows) > _SOLVE_ON:
            chosen = np.random.default_rng(seed).choice(len(rows), _SOLVE_ON, replace=False)
            rows = np.sort(rows[chosen])
        path.reservoir.difference_scale.copy_(
            difference_scale(self.network.input, self.storage, rows, n_threads=self.n_threads)
        )
        features = self._run(self.storage, rows, features=True)
        # A few static features beside thousands of states would hardly count: they count as one
        # half of all that is read out.
        emphasis = np.ones(features.shape[1])
        if path.static_size:
            pooled = path.reservoir.output_size
            emphasis[pooled:] = np.sqrt(pooled / path.static_size)
        wanted = self._readout_targets(self.encoded[rows])

        def criterion(left_out: np.ndarray) -> float:
            return min(self._loss(g * left_out, self.encoded[rows], rows) for g in self._gains())

        solution = solve_ridge(
            features,
            wanted,
            criterion,
            weights=None if self.weights is None else self.weights[rows],
            groups=copies(self.storage.sequences, rows),
            emphasis=emphasis,
        )
        losses = [
            self._loss(g * solution.left_out, self.encoded[rows], rows) for g in self._gains()
        ]
        gain = float(self._gains()[int(np.argmin(losses))])
        path.set_readout(
            torch.from_numpy(gain * solution.weight), torch.from_numpy(gain * solution.bias)
        )
        self.left_out = dict(zip(rows.tolist(), gain * solution.left_out, strict=True))

    def _left_out_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return what the path answers to rows that it was solved without."""
        solved = self._run(self.storage, rows)
        for i, row in enumerate(rows.tolist()):
            # The readout has seen this row, unless it was solved without it.
            solved[i] = self.left_out.get(row, solved[i])
        return solved

    def left_out_answers(self, rows: np.ndarray, share: float) -> np.ndarray:
        """Return raw outputs of both paths together for rows that neither has learned from."""
        solved = self._left_out_rows(rows)
        if share == 0:
            return solved
        return share * self._trained(self.storage, rows) + (1 - share) * solved

    def share_from_rows(self, rows: np.ndarray) -> float:
        """Choose the share on training rows that the recurrence has not seen."""
        solved = self._left_out_rows(rows)
        weights = None if self.weights is None else self.weights[rows]
        return self._choose(self.storage, rows, solved, self.encoded[rows], weights)

    def share_from_set(
        self, sequences: Sequences, encoded: np.ndarray, weights: np.ndarray | None
    ) -> float:
        """Choose the share on a validation set."""
        storage = FlatStorage(sequences, self.storage.device, self.storage.dtype)
        rows = np.arange(len(sequences))
        return self._choose(storage, rows, self._run(storage, rows), encoded, weights)

    def _choose(
        self,
        storage: FlatStorage,
        rows: np.ndarray,
        solved: np.ndarray,
        encoded: np.ndarray,
        weights: np.ndarray | None,
    ) -> float:
        """Return the smallest share whose loss is within two standard errors of the smallest.

        Fewer sequences than 30 have to speak the more clearly, the fewer they are.
        """
        trained = self._trained(storage, rows)
        losses = np.array(
            [self._losses(s * trained + (1 - s) * solved, encoded) for s in self.shares]
        )
        means = np.average(losses, axis=1, weights=weights)
        best = int(np.argmin(means))
        strictness = self.strictness * max(1.0, np.sqrt(30.0 / len(encoded)))
        differences = losses - losses[best]
        errors = differences.std(axis=1) / np.sqrt(len(encoded))
        share = self.shares[int(np.argmax(means <= means[best] + strictness * errors))]
        self.unseen = share * trained + (1 - share) * solved
        return share

    def _trained(self, storage: FlatStorage, rows: np.ndarray) -> np.ndarray:
        """Return the recurrence's raw outputs for some rows."""
        network = self.network

        def call(batch: Batch) -> torch.Tensor:
            return network(batch.x, batch.lengths, batch.static).float()

        return run_rows(call, storage, self.net.run.compute, rows, n_threads=self.n_threads)

    def _run(self, storage: FlatStorage, rows: np.ndarray, *, features: bool = False) -> np.ndarray:
        """Run the path, or only what it reads out, on some rows."""
        network = self.network
        return run_rows(
            lambda b: network.solved(b.x, b.lengths, b.static, features=features),
            storage,
            self.net.run.compute,
            rows,
            n_threads=self.n_threads,
        )

    def _gains(self) -> np.ndarray:
        """Return the candidate factors from readout to logits; numbers need none."""
        return np.ones(1) if self.target.head == "continuous" else _GAINS

    def _readout_targets(self, encoded: np.ndarray) -> np.ndarray:
        """Return what ridge regression is to predict: one column for each raw output."""
        if self.target.head == "continuous":
            head = self.network.head
            return (encoded - head.mean.cpu().numpy()) / head.scale.cpu().numpy()
        return 2.0 * proportions(self.target, encoded) - 1.0

    def _loss(self, raw: np.ndarray, encoded: np.ndarray, rows: np.ndarray) -> float:
        """Return the weighted mean loss of raw outputs."""
        weights = None if self.weights is None else self.weights[rows]
        return float(np.average(self._losses(raw, encoded), weights=weights))

    def _losses(self, raw: np.ndarray, encoded: np.ndarray) -> np.ndarray:
        """Return each sequence's log loss, or squared error in standardised units."""
        if self.target.head == "continuous":
            return ((raw - self._readout_targets(encoded)) ** 2).mean(axis=1)
        return log_losses(self.target, raw, proportions(self.target, encoded))
