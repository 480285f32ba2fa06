"""A ragged batch in segments of time, each with the rows that still have steps; imports torch only.

Kernels that run all steps at once compute padding as well. In a batch sorted by length, longest
first, the rows that have ended are the last ones, and are left out of the segments that follow.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn

Segment = tuple[int, int, int]
# One more call of the kernels, forward and backward, is taken to cost as much as this many steps of
# a row by the number of units (measured: 1000 steps at 16, 250 at 64, 100 from 256 on, and half as
# much again to join the parts), and no fewer than so many.
_CALL_STEPS_TIMES_UNITS, _CALL_STEPS = 24000, 100
# Rows are left out by eighths of a batch, and time is cut into 16ths: kernels are kept by shape.
_ROW_PARTS, _TIME_PARTS = 8, 16


def plan_segments(lengths: Tensor, n_steps: int, units: int) -> list[Segment]:
    """Return (start, stop, rows) of segments that save more than they cost.

    Parameters
    ----------
    lengths : Tensor of shape (B,)
        On the CPU. Only a batch whose longest rows come first is cut.
    n_steps : int
        Steps of the padded batch.
    units : int
        Of the recurrence: what a step costs beside a call.
    """
    ends = lengths.tolist()
    whole = [(0, n_steps, len(ends))]
    if any(a < b for a, b in itertools.pairwise(ends)):
        return whole
    grain = 1
    while n_steps > _TIME_PARTS * grain:
        grain *= 2
    row_grain = max(1, len(ends) // _ROW_PARTS)
    call = max(_CALL_STEPS, _CALL_STEPS_TIMES_UNITS // units)
    if n_steps * len(ends) - sum(ends) <= call:
        return whole

    def cut(start: int, stop: int, rows: int) -> list[Segment]:
        """Cut one segment where most is saved, and its parts again."""
        best, at, left, active = call, 0, 0, 0
        for time in range(stop - grain, start, -grain):
            while active < rows and ends[active] > time:
                active += 1
            kept = min(rows, -(-active // row_grain) * row_grain)
            saved = (stop - time) * (rows - kept)
            if saved > best:
                best, at, left = saved, time, kept
        if not at:
            return [(start, stop, rows)]
        return cut(start, at, rows) + cut(at, stop, left)

    return cut(0, n_steps, len(ends))


def run_segments(layer: nn.Module, x: Tensor, lengths: Tensor, segments: list[Segment]) -> Tensor:
    """Run a layer from a state of zeros over x (B, T, C); its output is zero at padding."""
    outputs, state = [], None
    for start, stop, rows in segments:
        if state is not None:
            state = _first(state, rows)
        output, state = layer(x[:rows, start:stop], state)
        outputs.append(output)
    steps = torch.arange(x.shape[1])[:, None]
    # Flat positions, time first, of what was run and is padding.
    padding = [
        (steps[start:stop] >= lengths[:rows]).flatten().nonzero().flatten()
        for start, stop, rows in segments
    ]
    joined: Tensor = _Join.apply(x.shape[0], segments, padding, *outputs)
    return joined


def _first(state: Any, rows: int) -> Any:
    """Take the first rows of a state (1, B, H), or of a tuple of such."""
    if isinstance(state, Tensor):
        return state[:, :rows]
    return tuple(_first(part, rows) for part in state)


class _Join(torch.autograd.Function):
    """Put the outputs of segments where they belong, laid out time first, with zeros elsewhere."""

    @staticmethod
    def forward(
        ctx: Any, n_rows: int, segments: list[Segment], padding: list[Tensor], *outputs: Tensor
    ) -> Tensor:
        ctx.segments, ctx.padding = segments, padding
        joined = outputs[0].new_empty(segments[-1][1], n_rows, outputs[0].shape[2])
        for (start, stop, rows), output, blank in zip(segments, outputs, padding, strict=True):
            place = joined[start:stop]
            place[:, :rows] = output.transpose(0, 1)
            if rows < n_rows:
                place[:, rows:] = 0.0
            here = blank if rows == n_rows else blank + blank // rows * (n_rows - rows)
            place.flatten(0, 1).index_fill_(0, here, 0.0)
        return joined.transpose(0, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        parts = []
        for (start, stop, rows), blank in zip(ctx.segments, ctx.padding, strict=True):
            part = (
                grads[0][:rows, start:stop]
                .transpose(0, 1)
                .clone(memory_format=torch.contiguous_format)
            )
            part.flatten(0, 1).index_fill_(0, blank, 0.0)
            parts.append(part.transpose(0, 1))
        return None, None, None, *parts
