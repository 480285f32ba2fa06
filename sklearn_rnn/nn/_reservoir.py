"""Fixed random recurrences with rich pooling; imports torch only.

An echo state network: nothing here is trained by gradient. `Reservoir` turns each sequence into a
long vector of pooled states, `ReservoirPath` maps that to raw outputs by a linear layer whose
weights are solved elsewhere in closed form.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from ._compiled import reservoir_call
from ._masking import blank_padding, ragged_lengths, reverse_within

#: (spectral radius, leak) of the reservoirs: from quick and forgetful to slow.
TIME_SCALES = ((0.5, 1.0), (0.9, 1.0), (0.95, 0.5), (0.95, 0.2), (0.99, 0.05))
#: Poolings over time, each giving one number a unit, in the order of the features.
POOLINGS = ("mean", "max", "last", "std", "positive", "variation")
# States of this many steps are kept at once, so that memory does not grow with the length.
_CHUNK = 32


class Reservoir(nn.Module):
    """Run random leaky recurrences at several time scales, and pool every unit over time.

    Each time scale has its own units, run forward and backward over x and its first difference:
    ``h_t = h_{t-1} + leak * (tanh(x_t W_in + h_{t-1} W + b) - h_{t-1})``. Every unit is pooled
    exactly over the true steps by mean, maximum, last value, standard deviation, share of positive
    values and total variation.

    Parameters
    ----------
    input_size : int
        Channels of x, standardised.
    units : int, default=100
        Units a time scale and direction.
    inputs_per_unit : int, default=10
        About how many input channels each unit reads.
    time_scales : sequence of (float, float), default=((0.5, 1.0), (0.9, 1.0), (0.95, 0.5), \
            (0.95, 0.2), (0.99, 0.05))
        Spectral radius and leak of each time scale.
    input_scale : float, default=1.0
        Factor of the input weights.
    poolings : sequence of str, default=("mean", "max", "last", "std", "positive", "variation")
        Which poolings there are; they come in this order, whatever the order given.
    bidirectional : bool, default=True
        Whether every time scale has units that read backward.

    Attributes
    ----------
    output_size : int
        Units times time scales times directions times poolings.
    state_size : int
        Units times time scales times directions.

    References
    ----------
    H. Jaeger, "The 'echo state' approach to analysing and training recurrent neural networks",
    GMD Report 148, 2001. M. Lukosevicius, "A practical guide to applying echo state networks",
    2012.

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn import Reservoir
    >>> reservoir = Reservoir(2, units=10)
    >>> reservoir.draw(torch.Generator().manual_seed(0))
    >>> reservoir(torch.zeros(3, 7, 2), torch.tensor([7, 2, 5])).shape
    torch.Size([3, 600])
    """

    weight_in: Tensor
    weight: Tensor
    bias: Tensor
    leak: Tensor
    difference_scale: Tensor

    def __init__(
        self,
        input_size: int,
        units: int = 100,
        inputs_per_unit: int = 10,
        *,
        time_scales: Sequence[tuple[float, float]] = TIME_SCALES,
        input_scale: float = 1.0,
        poolings: Sequence[str] = POOLINGS,
        bidirectional: bool = True,
    ) -> None:
        super().__init__()
        if units < 1:
            raise ValueError(f"units must be at least 1; got {units!r}.")
        unknown = [name for name in poolings if name not in POOLINGS]
        if unknown or not poolings:
            raise ValueError(f"poolings must be among {POOLINGS}; got {tuple(poolings)!r}.")
        self.time_scales, self.input_scale = tuple(time_scales), input_scale
        self.poolings = tuple(name for name in POOLINGS if name in poolings)
        self.directions = 2 if bidirectional else 1
        blocks, inputs = self.directions * len(self.time_scales), 2 * input_size
        self.units, self.inputs_per_unit = units, inputs_per_unit
        self.state_size = blocks * units
        self.output_size = self.state_size * len(self.poolings)
        self.register_buffer("weight_in", torch.zeros(blocks, inputs, units))
        self.register_buffer("weight", torch.zeros(blocks, units, units))
        self.register_buffer("bias", torch.zeros(blocks, 1, units))
        self.register_buffer("leak", torch.ones(blocks, 1, 1))
        self.register_buffer("difference_scale", torch.ones(input_size))

    @torch.no_grad()
    def draw(self, generator: torch.Generator) -> None:
        """Draw all weights from the generator, and from nothing else.

        Parameters
        ----------
        generator : torch.Generator
            On the CPU.
        """
        blocks, inputs, units = self.weight_in.shape

        def normal(*shape: int) -> Tensor:
            return torch.empty(shape, dtype=torch.float64).normal_(generator=generator)

        recurrent = normal(blocks, units, units)
        radius = torch.linalg.eigvals(recurrent).abs().amax(1)
        scales = self.time_scales * self.directions
        wanted = torch.tensor([r for r, _ in scales], dtype=torch.float64)
        self.weight.copy_(recurrent * (wanted / radius)[:, None, None])
        self.leak.copy_(
            torch.tensor([leak for _, leak in scales], dtype=torch.float64)[:, None, None]
        )
        weight_in = normal(blocks, inputs, units)
        if inputs > self.inputs_per_unit:
            share = self.inputs_per_unit / inputs
            kept = torch.empty(weight_in.shape, dtype=torch.float64).uniform_(generator=generator)
            weight_in = weight_in * (kept < share) * (inputs / self.inputs_per_unit) ** 0.5
        self.weight_in.copy_(self.input_scale * weight_in / inputs**0.5)
        self.bias.copy_(0.1 * normal(blocks, 1, units))

    @torch.no_grad()
    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the pooled states (B, output_size) of a padded batch x (B, T, C), finite.

        Always in the number type of the weights: a solved readout has no room for rounding.
        """
        with torch.autocast(x.device.type, enabled=False):
            return self._pooled(x.to(self.weight.dtype), lengths)

    def _pooled(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Run all blocks over a batch and pool their states."""
        lengths = ragged_lengths(lengths, x)
        steps = self.with_difference(blank_padding(x, lengths))
        read = [steps]
        if self.directions == 2:
            read.append(reverse_within(steps, lengths))
        run = ReservoirRun(self, x.shape[0])
        run.add(read, lengths)
        return run.result()

    def with_difference(self, x: Tensor, before: Tensor | None = None) -> Tensor:
        """Return x (B, T, C) and its scaled first difference side by side.

        `before` (B, C) is the step in front of x; without one the first difference is zero.
        """
        first = x[:, :1] if before is None else before[:, None]
        difference = torch.diff(x, dim=1, prepend=first) / self.difference_scale
        return torch.cat((x, difference), 2)


class ReservoirRun:
    """A reservoir on its way through a batch: states so far, pooled so far.

    Parameters
    ----------
    reservoir : Reservoir
    rows : int
        Rows of the batch.
    """

    def __init__(self, reservoir: Reservoir, rows: int) -> None:
        self.reservoir = reservoir
        blocks, _, units = reservoir.weight_in.shape
        self.state = reservoir.weight.new_zeros(blocks, rows, units)
        self.pooled = _Pooled(blocks, rows, units, self.state)
        self.begun = False
        self._compiled = reservoir_call(
            reservoir.weight_in, reservoir.weight, reservoir.bias, reservoir.leak
        )

    def add(self, read: Sequence[Tensor], lengths: Tensor | None = None) -> None:
        """Go on by some steps (B, T, inputs), one tensor a direction, each in its own order.

        `lengths` (B,) says how many of them each row has; none at all is allowed.
        """
        if self._compiled is not None:
            self.state = self.state.contiguous()
            arrays = {"state": self.state, **self.pooled.in_place()}
            self._compiled.advance(read, lengths, arrays)
            self.pooled.note(self.state, read[0].shape[1], lengths)
            self.begun = True
            return
        reservoir, longest = self.reservoir, read[0].shape[1]
        weights = reservoir.weight_in.split(len(reservoir.time_scales))
        state = self.state
        for start in range(0, longest, _CHUNK):
            size = min(_CHUNK, longest - start)
            drive = torch.cat(
                [
                    torch.einsum("btd,kdu->tkbu", s[:, start : start + size], w)
                    for s, w in zip(read, weights, strict=True)
                ],
                1,
            )
            drive += reservoir.bias
            states = [state]
            for t in range(size):
                target = torch.tanh(torch.baddbmm(drive[t], state, reservoir.weight))
                state = torch.lerp(state, target, reservoir.leak)
                states.append(state)
            valid = None
            if lengths is not None:
                clock = torch.arange(start, start + size, device=state.device)
                valid = clock[:, None] < lengths.to(state.device)
            self.pooled.add(torch.stack(states), valid, first=not self.begun)
            self.begun = True
        self.state = state

    def copy(self) -> ReservoirRun:
        """Return a run that goes on from here by itself, over the same reservoir."""
        other = copy.copy(self)
        other.state, other.pooled = self.state.clone(), copy.deepcopy(self.pooled)
        return other

    def result(self) -> Tensor:
        """Return the pooled states (B, output_size) of the steps so far."""
        return self.pooled.result(self.reservoir.poolings)


_IN_PLACE = ("mean", "squares", "positive", "variation", "largest", "count")


class _Pooled:
    """The poolings, gathered chunk by chunk; mean and deviation merged as by Chan et al. (1979)."""

    def __init__(self, blocks: int, rows: int, units: int, like: Tensor) -> None:
        zeros = like.new_zeros(blocks, rows, units)
        self.mean, self.squares, self.positive = zeros, zeros.clone(), zeros.clone()
        self.variation, self.last = zeros.clone(), zeros.clone()
        self.largest = torch.full_like(zeros, -2.0)
        self.count = like.new_zeros(1, rows, 1)

    def add(self, states: Tensor, valid: Tensor | None, *, first: bool) -> None:
        """Add the states (t + 1, K, B, U) of a chunk, the one before it first."""
        new, change = states[1:], (states[1:] - states[:-1]).abs()
        if first:
            # What leads from the zero state to the first says nothing of the sequence's variation.
            change[0] = 0
        if valid is None:
            size = torch.full_like(self.count, new.shape[0])
            mean = new.mean(0)
            off = new - mean
            self.largest = torch.maximum(self.largest, new.amax(0))
            self.last = new[-1]
            positive = new > 0
        else:
            mask = valid[:, None, :, None]
            size = valid.sum(0).to(new)[None, :, None]
            mean = torch.where(mask, new, 0.0).sum(0) / size.clamp(min=1)
            off = torch.where(mask, new - mean, 0.0)
            change = torch.where(mask, change, 0.0)
            self.largest = torch.maximum(self.largest, torch.where(mask, new, -2.0).amax(0))
            at = (valid.sum(0).clamp(min=1) - 1)[None, None, :, None].expand(1, *new.shape[1:])
            self.last = torch.where(size > 0, new.gather(0, at)[0], self.last)
            positive = (new > 0) & mask
        self.positive += positive.sum(0)
        self.variation += change.sum(0)
        total = self.count + size
        shift, share = mean - self.mean, size / total.clamp(min=1)
        self.squares += (off * off).sum(0) + shift * shift * self.count * share
        self.mean = self.mean + shift * share
        self.count = total

    def in_place(self) -> dict[str, Tensor]:
        """Return what compiled code changes, and the count that it reads, without gaps."""
        for name in _IN_PLACE:
            setattr(self, name, getattr(self, name).contiguous())
        return {name: getattr(self, name) for name in _IN_PLACE}

    def note(self, state: Tensor, steps: int, lengths: Tensor | None) -> None:
        """Count some steps that compiled code has added, after which the states are these."""
        self.last = state
        added = steps if lengths is None else lengths.clamp(0, steps).to(self.count)[None, :, None]
        self.count = self.count + added

    def result(self, poolings: Sequence[str]) -> Tensor:
        """Return (B, features), the named poolings of each block beside each other."""
        parts = {
            "mean": self.mean,
            "max": self.largest,
            "last": self.last,
            "std": (self.squares / self.count).sqrt(),
            "positive": self.positive / self.count,
            "variation": self.variation / self.count,
        }
        chosen = [parts[name] for name in poolings]
        return torch.cat(chosen, 2).transpose(0, 1).flatten(1)


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
