"""A ridge readout over reservoir features that is added to, solved when asked, and calibrated.

Imports layers 1 and 2.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from ..training import NormalEquations, RidgeReadout
from ._targets import SolvedTarget

# Up to so many sequences the dual form is solved, whose cost grows with their number.
_DUAL_ROWS = 3000
# Gains from readout to logits that are tried for each penalty; the last is then refined.
_GAINS = np.logspace(-0.5, 1.5, 9)


class SolvedReadout:
    """Sums of features and targets, and the readout that they determine.

    Parameters
    ----------
    target : SolvedTarget
        What kind of outputs there are.
    n_features, n_outputs : int
        Sizes.
    alpha : float, array or "auto"
        The penalty, or what to choose it from.
    emphasis : ndarray or None
        As in `NormalEquations.solve`.
    """

    def __init__(
        self,
        target: SolvedTarget,
        n_features: int,
        n_outputs: int,
        alpha: Any,
        emphasis: np.ndarray | None,
    ) -> None:
        self.target, self.alpha, self.emphasis = target, alpha, emphasis
        dual = 0 if target.by_step else min(n_features, _DUAL_ROWS)
        self.sums: NormalEquations | None = NormalEquations(n_features, n_outputs, max_rows=dual)
        self._solution: RidgeReadout | None = None
        self._gain, self._bound = 1.0, np.inf
        self.keeps_sums = True

    def copy(self) -> SolvedReadout:
        """Return a readout that can be added to, while this one stays as it is."""
        assert self.sums is not None
        other = copy.copy(self)
        other.sums, other._solution = self.sums.copy(), None
        return other

    def add(self, *portion: Any) -> None:
        """Add samples, as `NormalEquations.add` takes them."""
        assert self.sums is not None
        self.sums.add(*portion)
        self._solution = None

    @property
    def solution(self) -> RidgeReadout:
        """The readout of what has been added so far."""
        if self._solution is None:
            assert self.sums is not None
            solution = self.sums.solve(
                self._judge,
                alpha=None if isinstance(self.alpha, str) else self.alpha,
                emphasis=self.emphasis,
            )
            self._gain = self._best_gain(solution)
            self._bound = max(float(np.abs(solution.left_out).max()), 1e-12)
            # Last, as it says that the others are there.
            self._solution = solution
        return self._solution

    def answer(self, features: torch.Tensor) -> np.ndarray:
        """Return numbers, or probabilities, one column an output or class."""
        solution = self.solution
        weight = torch.from_numpy(solution.weight).to(features)
        raw = (features @ weight).double().cpu().numpy() + solution.bias
        # The gain is known once the readout is solved.
        return self.target.solved_answers(raw, self._gain, self._bound)

    def _judge(self, left_out: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> float:
        """Return the loss of left-out predictions, labels at the gain that serves them best."""
        if not self.target.is_labels:
            level = np.average(targets, axis=0, weights=weights)
            spread = np.average((targets - level) ** 2, axis=0, weights=weights)
            errors = (left_out - targets) ** 2 / np.where(spread > 0, spread, 1)
            return float(np.average(errors.mean(axis=1), weights=weights))
        return min(self._log_loss(gain, left_out, targets, weights) for gain in _GAINS)

    def _log_loss(
        self, gain: float, left_out: np.ndarray, targets: np.ndarray, weights: np.ndarray
    ) -> float:
        """Return the weighted log loss of left-out predictions at a gain."""
        losses = self.target.losses(gain * left_out, (targets + 1) / 2)
        return float(np.average(losses, weights=weights))

    def _best_gain(self, solution: RidgeReadout) -> float:
        """Return the gain at which left-out predictions have the smallest log loss."""
        if not self.target.is_labels:
            return 1.0
        found = minimize_scalar(
            lambda log: self._log_loss(
                np.exp(log), solution.left_out, solution.targets, solution.weights
            ),
            bounds=(np.log(_GAINS[0]), np.log(_GAINS[-1])),
            method="bounded",
        )
        return float(np.exp(found.x))

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if not self.keeps_sums:
            _ = self.solution
            state = {**self.__dict__, "sums": None}
        if self._solution is not None:
            # Solving is over: what was left out, whose it was and its targets are of no more use.
            none = np.zeros((0, len(self._solution.bias)))
            state["_solution"] = replace(
                self._solution,
                left_out=none,
                levelled=none,
                targets=none,
                weights=none[:, 0],
                keys=[],
            )
        return state
