"""What a layer says of itself to be run compiled. Imports torch only."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Weights(NamedTuple):
    """A cell's weights as torch has them; a bias may be missing."""

    w: Tensor
    u: Tensor
    b_w: Tensor | None = None
    b_u: Tensor | None = None

    def _each(self, change: Callable[[Tensor], Tensor]) -> Weights:
        b_w, b_u = (None if b is None else change(b) for b in (self.b_w, self.b_u))
        return Weights(change(self.w), change(self.u), b_w, b_u)

    def contiguous(self) -> Weights:
        """Return the weights without gaps."""
        return self._each(Tensor.contiguous)

    def empty_like(self) -> Weights:
        """Return uninitialised tensors of the same shapes."""
        return self._each(torch.empty_like)


class Form(NamedTuple):
    """What a layer computes: a name of the compiled cells, its weights, the tensors of a state."""

    name: str
    weights: Weights
    n_states: int = 1
