"""Remember the best weights of a training run and say when to stop. Imports torch only."""

from __future__ import annotations

from typing import Any

import torch


class _Best:
    """The best score so far, and the loss with it.

    The score decides; among equal scores (within ``tol``) the lower loss does, because a score
    over few sequences moves in large steps.
    """

    def __init__(self, tol: float) -> None:
        self.tol, self.score, self.loss = tol, -float("inf"), float("inf")

    def is_level(self, score: float, loss: float) -> bool:
        """Tell whether nothing parts these from the best."""
        return abs(score - self.score) <= self.tol and loss == self.loss

    def improves(self, score: float, loss: float) -> bool:
        """Note score and loss if they are better, and tell whether they are."""
        level = abs(score - self.score) <= self.tol and loss < self.loss
        if not (score > self.score + self.tol or level):
            return False
        # Nothing can come between a score and its weights.
        self.score, self.loss = max(score, self.score), loss
        return True


class BestWeights:
    """Keep a copy of the weights at the best validation score, and count epochs without a better.

    Where a recurrence is trained beside a closed form, the score of both together says which
    weights are best, and the recurrence's own only where they are level, as they are while it gets
    no share. An epoch without a better one is one in which neither improved: a recurrence that is
    still learning may yet get a share.

    Parameters
    ----------
    n_iter_no_change : int
        Epochs without improvement after which `update` asks to stop.
    tol : float
        What counts as an improvement of the score.
    """

    def __init__(self, n_iter_no_change: int, tol: float) -> None:
        self.n_iter_no_change = n_iter_no_change
        self._whole, self._alone = _Best(tol), _Best(tol)
        self.epoch = 0
        self.stale = 0
        self._state: dict[str, torch.Tensor] | None = None

    @property
    def score(self) -> float:
        """The best score."""
        return self._whole.score

    def update(self, network: torch.nn.Module, record: Any) -> bool:
        """Note one epoch by its record; return True when training should stop."""
        whole = record.valid_score, record.valid_loss
        level = self._whole.is_level(*whole)
        better = self._whole.improves(*whole)
        learning = record.recurrence_score is not None and self._alone.improves(
            record.recurrence_score, record.recurrence_loss
        )
        if better or (level and learning):
            self._state = {key: value.clone() for key, value in network.state_dict().items()}
            self.epoch = record.epoch
        self.stale = 0 if better or learning else self.stale + 1
        return self.stale >= self.n_iter_no_change

    @property
    def has_weights(self) -> bool:
        """Whether there is anything to restore."""
        return self._state is not None

    def restore(self, network: torch.nn.Module) -> None:
        """Put the best weights back into the network."""
        if self._state is not None:
            network.load_state_dict(self._state)
