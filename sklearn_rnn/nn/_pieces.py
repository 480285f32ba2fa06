"""Training over long sequences piece by piece; imports torch only.

Two things can happen at the border of two pieces, and both may. With *checkpoints* only the
recurrences' states at the borders and the poolings so far are kept, and what happened inside a
piece is computed again when its gradient is wanted: the same gradient in a fraction of the memory.
With *detached* states the gradient ends at the border: truncated backpropagation through time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..kernels import import_whole
from ._dropout import Dropout
from ._initialisation import is_builtin
from ._masking import blank_padding, last_step, ragged_lengths, reversal, reverse_within
from ._registry import traits


@dataclass(frozen=True)
class Pieces:
    """How a network in training goes through long sequences.

    Parameters
    ----------
    steps : int
        Steps of a piece.
    checkpoint : bool, default=True
        Whether the inside of a piece is computed again for its gradient, and not kept.
    detach : bool, default=False
        Whether no gradient flows from a piece into the one before.
    """

    steps: int
    checkpoint: bool = True
    detach: bool = False


def features_in_pieces(
    network: Any, x: Tensor, lengths: Tensor | None, static: Tensor | None, pieces: Pieces
) -> Tensor:
    """Return the features that the head reads, as ``network.features`` does, in pieces.

    Parameters
    ----------
    network : SequenceNetwork
    x : Tensor of shape (B, T, C), or (B, T) for tokens
    lengths : Tensor of shape (B,) or None
        Steps of each row; None means T.
    static : Tensor of shape (B, S) or None
    pieces : Pieces

    Returns
    -------
    Tensor of shape (B, F)
        Or (sum of lengths, F) for a network that answers at every step.
    """
    lengths = ragged_lengths(lengths, x)
    steps = network.input(x)
    if network.stem is not None:
        steps = network.stem(steps, lengths)
    steps = blank_padding(steps, lengths)
    walk = _Walk(network, lengths, pieces)
    pooled = walk.both_ways(steps) if network.recurrence.bidirectional else walk.one_way(steps)
    return network.beside_static(pooled, static, x, lengths)


class _Walk:
    """One batch's way through the recurrence, piece by piece."""

    def __init__(self, network: Any, lengths: Tensor | None, pieces: Pieces) -> None:
        self.recurrence: Any = network.recurrence
        self.pooling: Any = network.pooling
        self.lengths, self.pieces = lengths, pieces
        self.call = _Checkpoint(self.recurrence) if pieces.checkpoint else _call

    def one_way(self, steps: Tensor) -> Tensor:
        """Return what the pooling gives: all layers go through a piece together."""
        layers = [(index, 0) for index in range(self.recurrence.num_layers)]
        pool = not self.pooling.each_step
        outputs, pooled = self._through(layers, steps, pool=pool)
        return self.pooling.end(pooled).to(steps.dtype) if pool else self._pool_whole(outputs)

    def both_ways(self, steps: Tensor) -> Tensor:
        """Return what the pooling gives: one layer and direction after the other."""
        order = None if self.lengths is None else reversal(self.lengths, steps.shape[1])
        last = self.recurrence.num_layers - 1
        for index in range(last + 1):
            if index:
                steps = self.recurrence.dropout(steps)
            reverse = reverse_within(steps, self.lengths, order)
            apart = index == last and self.pooling.separable
            forward = self._through([(index, 0)], steps, pool=apart)
            backward = self._through([(index, 1)], reverse, pool=apart)
            if apart:
                return self.pooling.end_sides(forward[1], backward[1]).to(steps.dtype)
            ahead = forward[0], reverse_within(backward[0], self.lengths, order)
            steps = blank_padding(torch.cat(ahead, 2), self.lengths)
        return self._pool_whole(steps)

    def _pool_whole(self, output: Tensor) -> Tensor:
        """Pool an output (B, T, H) that is there as a whole."""
        output = blank_padding(output, self.lengths)
        units = self.recurrence.hidden_size
        final = last_step(output[..., :units], self.lengths)
        if self.recurrence.bidirectional:
            final = torch.cat((final, output[:, 0, units:]), 1)
        pooled: Tensor = self.pooling(output, final, self.lengths)
        return pooled

    def _through(
        self, layers: list[tuple[int, int]], steps: Tensor, *, pool: bool
    ) -> tuple[Tensor, Any]:
        """Run layers, given with their direction, over all pieces; return outputs or pooling."""
        states: Any = [None] * len(layers)
        pooled: Any = None
        outputs = []
        if pool:
            units = self.recurrence.hidden_size
            pooled = self.pooling.start(steps.shape[0], units, steps)

        def piece(
            x: Tensor, here: Tensor | None, states: list[Any], pooled: Any
        ) -> tuple[Tensor, list[Any], Any]:
            x, after = self.recurrence.step(x, states, here, layers)
            after = cloned(after)
            if not pool:
                return x, after, None
            return x.new_zeros(()), after, self.pooling.step(pooled, x, here)

        # One split, since the gradient of each slice would be as long as the whole.
        for number, x in enumerate(steps.split(self.pieces.steps, dim=1)):
            start = number * self.pieces.steps
            here = None if self.lengths is None else self.lengths - start
            output, states, pooled = self.call(piece, x, here, states, pooled)
            if self.pieces.detach:
                states = detached(states)
            outputs.append(output)
        return (torch.cat(outputs, 1) if not pool else outputs[0]), pooled


def window_features(
    network: Any,
    x: Tensor,
    lengths: Tensor,
    static: Tensor | None,
    window: tuple[int, int],
    states: list[Any] | None,
) -> tuple[Tensor, list[Any]]:
    """Return the features of some steps of a network that answers at every step.

    The network reads in one direction.

    Parameters
    ----------
    network : SequenceNetwork
    x : Tensor of shape (B, T, C), or (B, T) for tokens
        All steps of the rows.
    lengths : Tensor of shape (B,)
        Descending.
    static : Tensor of shape (B, S) or None
    window : (int, int)
        The steps from the first to before the second, which the first row reaches.
    states : list or None
        What the call for the steps before returned; None at the beginning.

    Returns
    -------
    features : Tensor of shape (N, F)
        Of the true steps within the window, row after row.
    states : list
        After the window, without gradient.
    """
    recurrence = network.recurrence
    start, stop = window
    rows = int((lengths > start).sum())
    lengths = lengths[:rows]
    steps = network.steps(lambda a, b: x[:rows, a:b], start, stop, x.shape[1], lengths)
    here = (lengths - start).clamp(max=stop - start)
    ragged = ragged_lengths(here, steps)
    layers = [traits(directions[0]) for directions in recurrence.layers]
    states = recurrence.start() if states is None else states
    pairs = zip(states, layers, strict=True)
    states = [_first_rows(state, rows, layer.rows_axis) for state, layer in pairs]
    output, behind = recurrence.step(blank_padding(steps, ragged), states, ragged)
    features = network.pooling(output, output[:, -1], ragged)
    known = None if static is None else static[:rows]
    return network.beside_static(features, known, steps, ragged), detached(behind)


def _first_rows(state: Any, rows: int, dim: int) -> Any:
    """Keep the first rows of a state, or of a tuple of such."""
    if state is None:
        return None
    if isinstance(state, Tensor):
        return state.narrow(dim, 0, rows)
    return tuple(_first_rows(part, rows, dim) for part in state)


def cloned(state: Any) -> Any:
    """Return a state, or a list or tuple of such, with memory of its own."""
    if isinstance(state, Tensor):
        return state.clone()
    if isinstance(state, (list, tuple)):
        return type(state)(cloned(part) for part in state)
    return state


def detached(state: Any) -> Any:
    """Return a state, or a list or tuple of such, that no gradient flows back through."""
    if isinstance(state, Tensor):
        return state.detach()
    if isinstance(state, (list, tuple)):
        return type(state)(detached(part) for part in state)
    return state


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function, keeping all that its gradient needs."""
    return function(*arguments)


class _Checkpoint:
    """Call functions whose inside is computed again for the gradient, with the same dropout."""

    def __init__(self, module: nn.Module) -> None:
        drops = [m for m in module.modules() if isinstance(m, Dropout) and m.p > 0]
        self.generator = drops[0].generator if drops and module.training else None
        # A user's own cell may draw from torch's global generator.
        self.guards_global = not all(is_builtin(m) for m in module.modules())

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        generator = self.generator
        state = None if generator is None else generator.get_state()

        @contextlib.contextmanager
        def again() -> Iterator[None]:
            if generator is None or state is None:
                yield
                return
            now = generator.get_state()
            generator.set_state(state)
            try:
                yield
            finally:
                generator.set_state(now)

        import_whole("torch._dynamo")  # which torch itself would import now
        return checkpoint(
            function,
            *arguments,
            use_reentrant=False,
            preserve_rng_state=self.guards_global,
            context_fn=lambda: (contextlib.nullcontext(), again()),
        )
