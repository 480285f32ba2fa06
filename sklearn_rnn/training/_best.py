"""Remember the best weights of a training run and say when to stop. Imports torch only."""

from __future__ import annotations

import torch


class BestWeights:
    """Keep a copy of the weights at the best validation score, and count epochs without a better.

    The score decides; among equal scores (within ``tol``) the lower loss does, because a score
    over few sequences moves in large steps.

    Parameters
    ----------
    n_iter_no_change : int
        Epochs without improvement after which `update` asks to stop.
    tol : float
        What counts as an improvement of the score.
    """

    def __init__(self, n_iter_no_change: int, tol: float) -> None:
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.score = -float("inf")
        self.loss = float("inf")
        self.epoch = 0
        self.stale = 0
        self._state: dict[str, torch.Tensor] | None = None

    def update(self, network: torch.nn.Module, score: float, loss: float, epoch: int) -> bool:
        """Note one epoch; return True when training should stop."""
        better = score > self.score + self.tol
        level = abs(score - self.score) <= self.tol
        if better or (level and loss < self.loss):
            state = {key: value.clone() for key, value in network.state_dict().items()}
            # Nothing can come between a score and its weights.
            best = max(score, self.score)
            self._state, self.score, self.loss, self.epoch = state, best, loss, epoch
            self.stale = 0
        else:
            self.stale += 1
        return self.stale >= self.n_iter_no_change

    @property
    def has_weights(self) -> bool:
        """Whether there is anything to restore."""
        return self._state is not None

    def restore(self, network: torch.nn.Module) -> None:
        """Put the best weights back into the network."""
        if self._state is not None:
            network.load_state_dict(self._state)
