"""Which closed-form path a fit gets beside its recurrence, if any. Imports layer 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..sequences import Sequences
from ._closed_form import ClosedForm, plan_path
from ._ngrams import wants_ngrams
from ._targets import Target

#: Share of the sequences that weighs the recurrence against a path and does not train it; how many
#: they are at most, unless more are of one recording, and how few they may be.
MIXING: dict[str | None, float] = {"reservoir": 0.2, "ngrams": 0.1}
MOST: dict[str | None, float] = {"reservoir": 1000.0, "ngrams": np.inf}
FEWEST: dict[str | None, float] = {"reservoir": 0.4, "ngrams": 10.0}


class PathsMixin:
    """The choice of a path, and what else is learned from sequences that were held out."""

    reservoir: str | bool
    ngrams: str | bool
    loss: Any
    _target: Target
    _path_alone: bool
    net_: Any
    _predict_raw: Callable[[Sequences], np.ndarray]

    def _choose_path(
        self, sequences: Sequences, rows: np.ndarray, *, watched: bool
    ) -> tuple[str | None, np.ndarray | None]:
        """Return the name of the path, and which recordings the rows were cut from, if any.

        `watched` says that the user watches validation scores.
        """
        setting = self.reservoir
        if setting == "auto" and watched:
            setting = False
        n_grams = wants_ngrams(self.ngrams, sequences, self._target, self.loss)
        wanted, recordings = plan_path(setting, sequences, self._target, self.loss, rows)
        if wanted:
            return "reservoir", recordings
        return ("ngrams" if n_grams else None), None

    def _held_out_answers(
        self,
        closed: ClosedForm | None,
        sequences: Sequences,
        encoded: np.ndarray,
        kept: np.ndarray | None,
        held_out: tuple | None,
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return decoded answers and encoded targets of sequences that trained nothing, if any."""
        if kept is not None and closed is not None:
            share = float(self.net_.module_.recurrence_share)
            raw = torch.from_numpy(closed.left_out_answers(kept, share))
            return self.net_.module_.head.decode(raw).numpy(), encoded[kept]
        if kept is not None:
            return self._predict_raw(sequences[kept]), encoded[kept]
        if held_out is not None:
            unseen, labels, _ = held_out
            return self._predict_raw(unseen), self._target.encode(labels, unseen)
        return None

    def _use_held_out(self, found: Callable[[], tuple[np.ndarray, np.ndarray] | None]) -> None:
        """Learn from sequences that trained nothing; an estimator says what."""
