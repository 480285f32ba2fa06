"""The states of a reservoir at every step, piece by piece in bounded memory; imports torch only."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ._masking import blank_padding, ragged_lengths
from ._reservoir import Reservoir

# Steps whose states are held at once.
_PIECE = 1024


@torch.no_grad()
def reservoir_states(
    reservoir: Reservoir, x: Tensor, lengths: Tensor | None = None, *, piece: int = _PIECE
) -> Iterator[tuple[int, Tensor]]:
    """Yield the states of all units, for a piece of the steps after the other.

    The backward units' states at the end of each piece are found first, and the states within it
    when its turn comes, so that memory does not grow with the length of the sequences.

    Parameters
    ----------
    reservoir : Reservoir
        Its weights set the number type.
    x : Tensor of shape (B, T, C)
        Standardised steps.
    lengths : Tensor of shape (B,), default=None
        Steps of each row; None means T.
    piece : int, default=1024
        Steps in a piece.

    Yields
    ------
    start : int
        The first step of the piece.
    states : Tensor of shape (B, steps, state_size)
        The forward units of all time scales, then the backward ones; arbitrary at padding.
    """
    x = x.to(reservoir.weight.dtype)
    rows, longest, _ = x.shape
    lengths = ragged_lengths(lengths, x)
    x = blank_padding(x, lengths)
    per_direction = len(reservoir.time_scales)
    starts = list(range(0, longest, piece))

    def drive(start: int, stop: int, direction: int) -> Tensor:
        """Return what the units of a direction read at some steps, (t, K, B, U)."""
        here = x[:, start:stop]
        before = torch.cat(
            (here[:, :1] if start == 0 else x[:, start - 1 : start], here[:, :-1]), 1
        )
        difference = (here - before) / reservoir.difference_scale
        blocks = slice(direction * per_direction, (direction + 1) * per_direction)
        steps = torch.cat((here, difference), 2)
        return (
            torch.einsum("btd,kdu->tkbu", steps, reservoir.weight_in[blocks])
            + reservoir.bias[blocks]
        )

    def run(state: Tensor, start: int, stop: int, direction: int) -> list[Tensor]:
        """Run one direction over some steps from a state; the list is in the order of time."""
        blocks = slice(direction * per_direction, (direction + 1) * per_direction)
        weight, leak = reservoir.weight[blocks], reservoir.leak[blocks]
        driven = drive(start, stop, direction)
        order = range(stop - start)
        found: list[Tensor] = []
        for t in reversed(order) if direction else order:
            target = torch.tanh(torch.baddbmm(driven[t], state, weight))
            new = torch.lerp(state, target, leak)
            if direction and lengths is not None:
                # A row read backward waits at zero until its true end.
                new = torch.where((start + t < lengths)[None, :, None], new, state)
            state = new
            found.append(state)
        return found[::-1] if direction else found

    zero = x.new_zeros(per_direction, rows, reservoir.units)
    ends: dict[int, Tensor] = {}
    if reservoir.directions == 2:
        state = zero
        for start in reversed(starts):
            ends[start] = state
            if start:
                state = run(state, start, min(start + piece, longest), 1)[0]
    state = zero
    for start in starts:
        stop = min(start + piece, longest)
        found = run(state, start, stop, 0)
        state = found[-1]
        parts = [torch.stack(found)]
        if reservoir.directions == 2:
            parts.append(torch.stack(run(ends[start], start, stop, 1)))
        # (t, K, B, U) to (B, t, K * U)
        yield start, torch.cat(parts, 1).permute(2, 0, 1, 3).flatten(2)
