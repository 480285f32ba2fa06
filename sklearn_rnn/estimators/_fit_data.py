"""What one fit reads, and how it divides it. Imports scikit-learn and layer 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from ..sequences import Sequences
from ..training import pick

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
