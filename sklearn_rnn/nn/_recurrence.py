"""Recurrences over ragged batches: directions, layers, norms, and a convolution before them.

Rows that have ended are left out segment by segment. Imports torch and the parts of this room.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ._masking import (
    ContractError,
    Dropout,
    blank_padding,
    broken,
    is_told,
    last_step,
    length_mask,
    ragged_lengths,
    recurrent_weights,
    reversal,
    reverse_within,
)
from ._registry import FORMS, CellLike, is_registered, make_layer, traits

Segment = tuple[int, int, int]
# One more call of the kernels, forward and backward, is taken to cost as much as this many steps of
# a row by the number of units (measured: 1000 steps at 16, 250 at 64, 100 from 256 on, and half as
# much again to join the parts), and no fewer than this many.
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


class StepBatchNorm(nn.BatchNorm1d):
    """Batch normalisation of (B, T, D) over the true steps of the batch.

    As :class:`torch.nn.BatchNorm1d`; padding enters neither mean nor variance, and at prediction
    time the running statistics make each row independent of the others.

    Parameters
    ----------
    num_features : int
        D.
    """

    def forward(self, input: Tensor, lengths: Tensor | None = None) -> Tensor:
        lengths = ragged_lengths(lengths, input)
        if lengths is None or not self.training:
            flat = input.flatten(0, 1)
            if self.training and flat.shape[0] == 1:
                return input
            return super().forward(flat).view(input.shape)
        mask = length_mask(lengths, input.shape[1])
        if int(lengths.sum()) == 1:
            return input
        result = torch.zeros_like(input)
        return result.masked_scatter(mask[:, :, None], super().forward(input[mask]))


class ConvStem(nn.Module):
    """Convolve along time, keeping every step, and hand the result on beside the input.

    Blocks of convolution, normalisation, ReLU and dropout; padding is blanked before each, so
    that a row's result does not depend on how far it is padded.

    Parameters
    ----------
    input_size : int
        Channels of x.
    filters : int
        Channels of each convolution.
    kernel_sizes : sequence of int, default=(7, 5)
        One a block, in steps.
    norm : {"layer", "batch"} or None, default="layer"
        Over the filters of a step, or over the true steps of the batch with running statistics
        for prediction.
    concatenate : bool, default=True
        Whether the output is input and convolutions side by side, or the convolutions alone.
    dropout : float, default=0.0
        After each block.

    Attributes
    ----------
    input_size, output_size : int

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn._recurrence import ConvStem
    >>> stem = ConvStem(3, 16)
    >>> stem(torch.zeros(2, 20, 3), torch.tensor([4, 20])).shape
    torch.Size([2, 20, 19])
    """

    def __init__(
        self,
        input_size: int,
        filters: int,
        kernel_sizes: Sequence[int] = (7, 5),
        *,
        norm: str | None = "layer",
        concatenate: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if filters < 1:
            raise ValueError(f"The stem needs at least one filter; got {filters!r}.")
        if not kernel_sizes or any(size < 1 for size in kernel_sizes):
            raise ValueError(f"The stem's kernel sizes must be at least 1; got {kernel_sizes!r}.")
        norms: dict[str | None, type[nn.Module]] = {
            "layer": nn.LayerNorm,
            "batch": StepBatchNorm,
            None: nn.Identity,
        }
        if norm not in norms:
            raise ValueError(f"The stem's norm must be 'layer', 'batch' or None; got {norm!r}.")
        self.concatenate = concatenate
        sizes = [input_size] + [filters] * (len(kernel_sizes) - 1)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(size, filters, kernel, padding=kernel // 2)
            for size, kernel in zip(sizes, kernel_sizes, strict=True)
        )
        make_norm: type[nn.Module] = norms[norm]
        self.norms = nn.ModuleList(make_norm(filters) for _ in kernel_sizes)
        self.dropout = Dropout(dropout)
        #: Steps before and after a step that its result depends on.
        self.reach = (sum(k // 2 for k in kernel_sizes), sum((k - 1) // 2 for k in kernel_sizes))
        self.input_size = input_size
        self.output_size = filters + input_size if concatenate else filters

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        lengths = ragged_lengths(lengths, x)
        x = blank_padding(x, lengths)
        y = x
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            # An even kernel gives one step too many.
            y = convolution(y.transpose(1, 2)).transpose(1, 2)[:, : x.shape[1]]
            y = norm(y, lengths) if isinstance(norm, StepBatchNorm) else norm(y)
            y = blank_padding(self.dropout(torch.relu(y)), lengths)
        return torch.cat((x, y), 2) if self.concatenate else y


class RecurrenceOutput(NamedTuple):
    """What a :class:`Recurrence` returns."""

    output: Tensor
    final: Tensor
    state: tuple[Any, ...] | None


def _run_by_length(layer: nn.Module, x: Tensor, state: Any, lengths: Tensor) -> tuple[Tensor, Any]:
    """Run the rows of each length together, so that the layer itself ends at their last step."""
    output: Tensor | None = None
    after: Any = None
    for length in lengths.unique().tolist():
        rows = (lengths == length).nonzero().flatten()
        before = None if state is None else _pick(state, rows)
        part, part_state = _called(layer, x[rows, :length], before)
        if output is None:
            output = part.new_zeros(*x.shape[:2], part.shape[2])
            after = _blank(part_state, x.shape[0])
        output = output.index_put((rows[:, None], torch.arange(length, device=x.device)), part)
        after = _put(after, part_state, rows)
    assert output is not None
    return output, after


def _called(layer: nn.Module, x: Tensor, state: Any) -> Any:
    """Call a layer; say what it was given where one of the user's own fails."""
    if type(layer).__module__.startswith(("torch.", "sklearn_rnn.")):
        return layer(x, state)
    try:
        return layer(x, state)
    except Exception as error:
        if is_told(error):
            raise
        name = f"cell={type(layer).__name__}: forward"
        raise broken(name, {"x": x, "state": state}, error, FORMS) from error


def _pick(state: Any, rows: Tensor) -> Any:
    """Select rows of a state (1, B, H), or of a tuple of such."""
    if isinstance(state, Tensor):
        return state.index_select(1, rows)
    return tuple(_pick(s, rows) for s in state)


def _blank(state: Any, batch: int) -> Any:
    """Make a state of zeros like `state` for `batch` rows."""
    if isinstance(state, Tensor):
        return state.new_zeros(state.shape[0], batch, *state.shape[2:])
    return tuple(_blank(s, batch) for s in state)


def _put(state: Any, part: Any, rows: Tensor) -> Any:
    """Write the rows of `part` into `state`."""
    if isinstance(state, Tensor):
        return state.index_copy(1, rows, part)
    return tuple(_put(s, p, rows) for s, p in zip(state, part, strict=True))


def _run_compiled(
    layer: Any, x: Tensor, state: Any, lengths: Tensor | None, reverse: bool
) -> tuple[Tensor, Any] | None:
    """Run a layer compiled, or return None. Whoever hooks into the layer wants it called."""
    if not is_registered(layer) or layer._forward_hooks or layer._forward_pre_hooks:
        return None
    result: tuple[Tensor, Any] | None = layer.compiled(x, state, lengths, reverse)
    return result


class _Padding:
    """What torch's own kernels need done about the padding of one batch, each thing once."""

    def __init__(self, lengths: Tensor | None, steps: int) -> None:
        self.lengths, self.steps = lengths, steps
        self._blank = False
        self._order: Tensor | None = None
        self._segments: list[Segment] | None = None

    def blank(self, x: Tensor) -> Tensor:
        """Zero the padding of the network's input; the second direction finds it done."""
        if not self._blank:
            x, self._blank = blank_padding(x, self.lengths), True
        return x

    def reverse(self, x: Tensor) -> Tensor:
        """Reverse each row in its length."""
        if self._order is None and self.lengths is not None:
            self._order = reversal(self.lengths, self.steps)
        return reverse_within(x, self.lengths, self._order)

    def can_be_cut(self, layer: nn.Module, x: Tensor) -> bool:
        """Tell whether a layer may run in segments, and computes padding where it does not."""
        if self.lengths is None or x.is_cuda or layer._forward_hooks or layer._forward_pre_hooks:
            return False
        return is_registered(layer) and traits(layer).runs_at_once

    def run_segments(self, layer: nn.Module, x: Tensor) -> Tensor:
        """Run a layer without the rows that have ended; its output is zero at padding."""
        assert self.lengths is not None, "there is padding"
        if self._segments is None:
            units: Any = layer.hidden_size
            self._segments = plan_segments(self.lengths, self.steps, units)
        return run_segments(layer, x, self.lengths, self._segments)


class Recurrence(nn.Module):
    """Recur over padded batches as if nothing were padded.

    Any cell, stacked and in both directions. The padding is overwritten before anything reads it
    (it may hold NaN), the final state is taken at each row's true last step, and the backward
    direction starts there.

    Parameters
    ----------
    input_size, hidden_size : int
        Channels of x, and units of each layer and direction.
    cell : str or type, default="lstm"
        See :func:`make_layer`.
    num_layers : int, default=1
        Each layer reads the output of the one below.
    bidirectional : bool, default=False
        Add a second recurrence from the last step to the first, with weights of its own.
    dropout : float, default=0.0
        Of each layer's output but the last's.
    layer_norm : bool, default=False
        Normalise each layer's output over its units, each direction by itself.
    weight_dropout : float, default=0.0
        Share of the weights from state to state that :func:`dropped_weights` leaves out.

    Attributes
    ----------
    output_size : int
        ``hidden_size``, twice that if bidirectional.

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn import Recurrence
    >>> recurrence = Recurrence(3, 5, cell="gru", bidirectional=True)
    >>> output, final, _ = recurrence(torch.zeros(2, 7, 3), torch.tensor([4, 7]))
    >>> output.shape, final.shape
    (torch.Size([2, 7, 10]), torch.Size([2, 10]))
    >>> bool((output[0, 4:] == 0).all())
    True
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        cell: CellLike = "lstm",
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        layer_norm: bool = False,
        weight_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, value in (
            ("input_size", input_size),
            ("hidden_size", hidden_size),
            ("num_layers", num_layers),
        ):
            if value < 1:
                raise ValueError(f"{name} must be at least 1; got {value!r}.")
        directions = 2 if bidirectional else 1
        self.input_size, self.hidden_size = input_size, hidden_size
        self.num_layers, self.bidirectional = num_layers, bidirectional
        self.output_size = directions * hidden_size
        self.layers = nn.ModuleList()
        self.norms = nn.ModuleList()
        for index in range(num_layers):
            size = input_size if index == 0 else self.output_size
            layers = [make_layer(cell, size, hidden_size) for _ in range(directions)]
            self.layers.append(nn.ModuleList(layers))
            if layer_norm:
                self.norms.append(nn.ModuleList(nn.LayerNorm(hidden_size) for _ in layers))
        self.dropout = Dropout(dropout)
        self.weight_dropout = Dropout(weight_dropout)
        if weight_dropout and not recurrent_weights(self.layers):
            raise ValueError(
                f"weight_dropout={weight_dropout} leaves out weights from state to state, and "
                f"cell={cell!r} has none (parameters named weight_hh...); set it, the "
                "dropout__weights of an estimator, to 0."
            )

    @property
    def trains_in_small_parts(self) -> bool:
        """Whether a long step of training is quicker in small parts; see :class:`Cell`."""
        layers: Any = self.layers[0]
        return traits(layers[0]).trains_in_small_parts

    def forward(
        self,
        x: Tensor,
        lengths: Tensor | None = None,
        state: tuple[Any, ...] | None = None,
        *,
        return_state: bool = False,
    ) -> RecurrenceOutput:
        """Run over a batch.

        Parameters
        ----------
        x : Tensor of shape (B, T, C)
        lengths : Tensor of shape (B,), default=None
            Steps of each row; None means T. Best left on the CPU, where looking at it is free.
        state : tuple, default=None
            The state another call returned, to carry on from there. Not with two directions.
        return_state : bool, default=False
            Return the state after each row's last step. Implied by `state`.

        Returns
        -------
        output : Tensor of shape (B, T, output_size)
            Zero at padding.
        final : Tensor of shape (B, output_size)
            The forward output at the last step and the backward output at the first.
        state : tuple or None
            One entry a layer, if asked for.
        """
        return_state = return_state or state is not None
        if return_state and self.bidirectional:
            raise ValueError("A bidirectional recurrence has no state to carry on from.")
        lengths = ragged_lengths(lengths, x)
        padding = _Padding(lengths, x.shape[1])
        clean = True
        states = []
        outputs: list[Tensor] = []
        ends: list[Tensor | None] = []
        for index in range(self.num_layers):
            if index:
                x = self.dropout(outputs[0] if len(outputs) == 1 else torch.cat(outputs, 2))
            layers: Any = self.layers[index]
            before = None if state is None else state[index]
            outputs, ends = [], []
            for direction, layer in enumerate(layers):
                result = _run_compiled(layer, x, before, lengths, reverse=direction == 1)
                if result is not None:
                    output, after = result
                    clean = True
                else:
                    x = padding.blank(x) if index == 0 else x
                    steps = x if direction == 0 else padding.reverse(x)
                    clean = not return_state and padding.can_be_cut(layer, x)
                    if clean:
                        output, after = padding.run_segments(layer, steps), None
                    else:
                        output, after = self._run(layer, steps, before, lengths, return_state)
                if self.norms:
                    norms: Any = self.norms[index]
                    output = norms[direction](output)
                if direction == 1 and result is None:
                    output = padding.reverse(output)
                outputs.append(output)
                # Compiled, the padding is zero and the last output is at hand.
                known = result is not None and not self.norms
                ends.append(
                    (after if isinstance(after, Tensor) else after[0])[0] if known else None
                )
                states.append(after)
        output = outputs[0] if len(outputs) == 1 else torch.cat(outputs, 2)
        if not clean or self.norms:
            output = blank_padding(output, lengths)
        finals = [
            end if end is not None else self._final(output, lengths, direction)
            for direction, end in enumerate(ends)
        ]
        final = finals[0] if len(finals) == 1 else torch.cat(finals, 1)
        return RecurrenceOutput(output, final, tuple(states) if return_state else None)

    def start(self) -> list[Any]:
        """Return the states of all layers before the first step."""
        return [None] * self.num_layers

    def step(
        self,
        x: Tensor,
        states: list[Any],
        lengths: Tensor | None = None,
        layers: Sequence[tuple[int, int]] | None = None,
    ) -> tuple[Tensor, list[Any]]:
        """Run layers over some steps, on from their states; return output and states.

        `layers` are given with their direction; None is all of a recurrence in one direction.
        """
        if layers is None:
            layers = [(index, 0) for index in range(self.num_layers)]
        after = []
        for position, (layer, state) in enumerate(zip(layers, states, strict=True)):
            if position:
                x = self.dropout(x)
            x, state = self.advance(*layer, x, state, lengths)
            after.append(state)
        return x, after

    def advance(
        self, index: int, direction: int, x: Tensor, state: Any, lengths: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """Run one layer in one direction, on from a state of its own; return output and state.

        The steps x (B, T, ...) stand in the direction's own order. What it returns for a row
        after its length is arbitrary but finite.
        """
        layers: Any = self.layers[index]
        output, after = self._run(layers[direction], x, state, lengths, False)
        if self.norms:
            norms: Any = self.norms[index]
            output = norms[direction](output)
        return output, after

    def _final(self, output: Tensor, lengths: Tensor | None, direction: int) -> Tensor:
        """Return a direction's output where it ends: at the last step, or at the first."""
        if direction == 0:
            return last_step(output[..., : self.hidden_size], lengths)
        return output[:, 0, self.hidden_size :]

    def _run(
        self, layer: nn.Module, x: Tensor, state: Any, lengths: Tensor | None, return_state: bool
    ) -> tuple[Tensor, Any]:
        """Run one layer in one direction; the output after a row's end is arbitrary but finite."""
        known = traits(layer)
        if lengths is None:
            return self._checked(layer, x, _called(layer, x, state))
        if known.takes_lengths:
            output, after = self._checked(layer, x, layer(x, state, lengths))
        elif return_state and not known.output_is_state:
            return _run_by_length(layer, x, state, lengths)
        else:
            output, after = self._checked(layer, x, _called(layer, x, state))
        if return_state and known.output_is_state:
            after = last_step(output, lengths)[None]
        return output, after

    def _checked(self, layer: nn.Module, x: Tensor, result: Any) -> tuple[Tensor, Any]:
        """Refuse what a user's whole-sequence class must not return."""
        expected = (*x.shape[:2], self.hidden_size)
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], Tensor)):
            raise ContractError(
                f"cell={type(layer).__name__}: forward must return (output, state); "
                f"got {type(result).__name__}. {FORMS}"
            )
        if tuple(result[0].shape) != expected:
            raise ContractError(
                f"cell={type(layer).__name__}: forward must return an output of shape {expected} "
                f"(batch, time, hidden_size); got {tuple(result[0].shape)}. {FORMS}"
            )
        return result


class NoRecurrence(nn.Module):
    """Stands for the recurrence of a network whose closed-form path answers alone.

    It has no states and no weights.

    Parameters
    ----------
    input_size : int
    bidirectional : bool
        Whether the path reads each sequence from its end too.
    """

    hidden_size = output_size = num_layers = 0

    def __init__(self, input_size: int, bidirectional: bool) -> None:
        super().__init__()
        self.input_size, self.bidirectional = input_size, bidirectional

    def start(self) -> list[Any]:
        """Return the states before the first step: there are none."""
        return []

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> RecurrenceOutput:
        """Return no units for every step."""
        return RecurrenceOutput(x[:, :, :0], x[:, 0, :0], None)
