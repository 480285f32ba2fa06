"""What one fit reads, and how it divides it. Imports layer 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..sequences import Sequences

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


def pick(y: Any, rows: np.ndarray) -> Any:
    """Select rows of y, whatever holds it."""
    if hasattr(y, "pick"):
        return y.pick(rows)
    return [y[i] for i in rows] if isinstance(y, list) else y[rows]
