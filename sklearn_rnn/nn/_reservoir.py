"""Random features of sequences, and the closed-form path that reads them out. Imports torch only.

Random recurrences (`Reservoir`) and random convolutions are pooled, and nothing in them is trained;
a `ReservoirPath` joins them to one linear readout.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from ._compiled import count_above, reservoir_call
from ._masking import blank_padding, length_mask, ragged_lengths, reverse_within

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


#: Steps that a kernel reads, a dilation apart.
KERNEL_SIZE = 9
#: Dilations and levels of each kernel.
N_SCALES, N_LEVELS = 12, 2
# Mixes of channels at each scale, which the kernels share out among them.
_MIXES = 12
# A level is passed within so much of the sequence's own deviation, and of its size: far above
# rounding, and far below what tells sequences apart, small ones among large ones too.
_WIDTH_OF_DEVIATION, _WIDTH_OF_SIZE = 1e-3, 1e-5
# Numbers of convolved steps that are held at once.
_CONVOLVED = 2**22
# Numbers behind a row that compiled code reads and does not count.
_SLACK = 16
_GOLDEN = (5**0.5 - 1) / 2


class RandomConvolutions(nn.Module):
    """Convolve with fixed kernels at many dilations; pool the share of time above some levels.

    The kernels are the 84 of nine weights of which three are 2 and six are -1, so that the level
    of the input does not matter. At each of twelve dilations every kernel reads the sum of a few
    channels drawn at random, and is compared with two levels. What is returned is the share of
    the true steps above a level; a step counts in part when it is close to the level, so that
    rounding does not decide.

    Parameters
    ----------
    input_size : int
        Channels of x, standardised.

    Attributes
    ----------
    output_size : int
        84 kernels times 12 dilations times 2 levels: 2016.

    References
    ----------
    A. Dempster, D. F. Schmidt, G. I. Webb, "MiniRocket: a very fast (almost) deterministic
    transform for time series classification", KDD 2021.

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn._reservoir import RandomConvolutions
    >>> convolutions = RandomConvolutions(2)
    >>> convolutions.draw(torch.Generator().manual_seed(0))
    >>> x, lengths = torch.randn(3, 20, 2), torch.tensor([20, 7, 12])
    >>> convolutions.calibrate(x, lengths)
    >>> convolutions(x, lengths).shape
    torch.Size([3, 2016])
    """

    kernels: Tensor
    mixes: Tensor
    owner: Tensor
    order: Tensor
    dilation: Tensor
    level: Tensor

    def __init__(self, input_size: int) -> None:
        super().__init__()
        threes = list(itertools.combinations(range(KERNEL_SIZE), 3))
        kernels = torch.full((len(threes), KERNEL_SIZE), -1.0)
        for row, three in zip(kernels, threes, strict=True):
            row[list(three)] = 2.0
        self.n_kernels = len(threes)
        self.output_size = N_SCALES * N_LEVELS * self.n_kernels
        self.n_mixes = 1 if input_size == 1 else _MIXES
        self.register_buffer("kernels", kernels, persistent=False)
        self.register_buffer("mixes", torch.ones(N_SCALES, input_size, self.n_mixes))
        self.register_buffer("order", torch.arange(self.n_kernels).expand(N_SCALES, -1).clone())
        # Which row of the calibration each kernel takes its levels from, as a share of all rows.
        self.register_buffer("owner", torch.zeros(N_SCALES, self.n_kernels))
        self.register_buffer("dilation", torch.ones(N_SCALES, dtype=torch.int64))
        self.register_buffer("level", torch.zeros(N_SCALES, self.n_kernels, N_LEVELS))

    @torch.no_grad()
    def draw(self, generator: torch.Generator) -> None:
        """Draw channels and what levels are taken from, from the generator and nothing else.

        Parameters
        ----------
        generator : torch.Generator
            On the CPU.
        """
        channels = self.mixes.shape[1]
        if self.n_mixes > 1:
            most = min(channels, KERNEL_SIZE)
            for scale in range(N_SCALES):
                sizes = (1 + most) ** torch.rand(self.n_mixes, generator=generator)
                for mix, size in enumerate(sizes.int().clamp(1, most).tolist()):
                    chosen = torch.randperm(channels, generator=generator)[:size]
                    self.mixes[scale, :, mix] = 0.0
                    self.mixes[scale, chosen, mix] = 1.0
                self.order[scale] = torch.randperm(self.n_kernels, generator=generator)
        self.owner.copy_(torch.rand(self.owner.shape, generator=generator))

    @torch.no_grad()
    def calibrate(self, x: Tensor, lengths: Tensor | None = None) -> None:
        """Set dilations by the lengths of some sequences, and levels by quantiles on them.

        Parameters
        ----------
        x : Tensor of shape (B, T, C)
            Some of the sequences to be learned from, standardised.
        lengths : Tensor of shape (B,), default=None
            Steps of each; None means T.
        """
        rows, longest, _ = x.shape
        counted = torch.full((rows,), longest) if lengths is None else lengths.cpu()
        lengths = ragged_lengths(lengths, x)
        x = blank_padding(widened(x), lengths)
        # A kernel spans no more than the middle one of the lengths.
        largest = max(1.0, (float(counted.float().quantile(0.5)) - 1) / (KERNEL_SIZE - 1))
        exponents = torch.linspace(0, 1, N_SCALES, dtype=torch.float64)
        self.dilation.copy_((largest**exponents + 1e-9).floor().long())
        n = counted.to(x.device)[:, None]
        place = torch.arange(self.n_kernels * N_SCALES * N_LEVELS, dtype=torch.float64) + 1
        shares = ((place * _GOLDEN) % 1).view(N_SCALES, self.n_kernels, N_LEVELS).to(x)
        for scale in range(N_SCALES):
            convolved = self._convolve(x, scale, 0, longest)
            taken = (self.owner[scale] * rows).long().clamp(max=rows - 1).to(x.device)
            own = convolved[taken, torch.arange(self.n_kernels, device=x.device)]
            size = n[taken]
            padding = torch.arange(longest, device=x.device) >= size
            ascending = own.masked_fill(padding, torch.inf).sort(1).values
            at = shares[scale] * (size - 1)
            low = at.floor().long()
            high = torch.minimum(low + 1, size - 1)
            below, above = ascending.gather(1, low), ascending.gather(1, high)
            self.level[scale] = below + (at - low) * (above - below)

    @torch.no_grad()
    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the shares (B, output_size) of a padded batch x (B, T, C), as the levels' type."""
        with torch.autocast(x.device.type, enabled=False):
            return self._pooled(widened(x), lengths)

    @property
    def reach(self) -> int:
        """How many steps before and after a step the kernels read."""
        return int(self.dilation.max()) * (KERNEL_SIZE // 2)

    def _pooled(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Return each row's share of its steps above each level."""
        rows, longest, _ = x.shape
        lengths = ragged_lengths(lengths, x)
        x = blank_padding(x, lengths)
        counted = x.new_full((rows, 1), longest) if lengths is None else lengths[:, None].to(x)
        slope = self.slope(x.sum(1) / counted, (x * x).sum(1) / counted)
        found = self.above(x, slope, 0, longest, lengths)
        return self.shares(found, counted)

    def slope(self, mean: Tensor, mean_square: Tensor) -> Tensor:
        """Return how steeply a step counts around a level, by the channels' moments (B, C)."""
        deviation = (mean_square - mean * mean).clamp(min=0).mean(1).sqrt()
        width = _WIDTH_OF_DEVIATION * deviation + _WIDTH_OF_SIZE * mean_square.mean(1).sqrt()
        return (1 / width.clamp(min=1e-12))[:, None, None]

    def above(
        self, x: Tensor, slope: Tensor, start: int, stop: int, lengths: Tensor | None = None
    ) -> Tensor:
        """Count the steps from start to stop of x (B, T, C) above the levels, piece by piece.

        Before x and behind it there are zeros. The result is for :meth:`shares`.
        """
        rows, longest, _ = x.shape
        found = x.new_zeros(N_SCALES, rows, self.n_kernels, N_LEVELS)
        if self._above_compiled(x, slope, start, stop, lengths, found):
            return found
        size = max(KERNEL_SIZE, _CONVOLVED // (self.n_kernels * rows))
        mask = None if lengths is None else length_mask(lengths, longest)
        for scale in range(N_SCALES):
            for first in range(start, stop, size):
                last = min(first + size, stop)
                convolved = self._convolve(x, scale, first, last)
                if mask is not None:
                    convolved = convolved.masked_fill(~mask[:, None, first:last], -torch.inf)
                for k in range(N_LEVELS):
                    # From 0 to 1 while passing through the level, on a line.
                    over = convolved - self.level[scale, :, k : k + 1]
                    found[scale, :, :, k] += over.mul_(slope).add_(0.5).clamp_(0, 1).sum(2)
        return found

    def _above_compiled(
        self,
        x: Tensor,
        slope: Tensor,
        start: int,
        stop: int,
        lengths: Tensor | None,
        found: Tensor,
    ) -> bool:
        """Do the same by compiled code, where there is some; tell whether it was."""
        rows = x.shape[0]
        steps = torch.full((rows,), stop - start) if lengths is None else lengths - start
        counted = steps.clamp(0, stop - start).tolist()
        # Mixes of this many rows are held at once.
        most = max(1, _CONVOLVED // (self.n_mixes * (stop - start + 2 * self.reach)))
        taps = self.kernels.gt(0).nonzero()[:, 1].view(-1, 3)
        for scale in range(N_SCALES):
            chosen, level = taps[self.order[scale]], self.level[scale].to(x)
            dilation = int(self.dilation[scale])
            for first in range(0, rows, most):
                here = slice(first, first + most)
                mixed = self._mixed(x[here], scale, start, stop, behind=_SLACK)
                if not count_above(
                    mixed, counted[here], dilation, chosen, level, slope[here, 0, 0],
                    found[scale, here],
                ):  # fmt: skip
                    return False
        return True

    def shares(self, above: Tensor, counted: Tensor) -> Tensor:
        """Return features (B, output_size) from counts above the levels and of steps (B, 1)."""
        shares = (above / counted[:, :, None]).permute(1, 0, 2, 3).flatten(1)
        return shares.to(self.level.dtype)

    def _convolve(self, x: Tensor, scale: int, start: int, stop: int) -> Tensor:
        """Return what the kernels make of the steps from start to stop, (B, kernels, steps)."""
        dilation, size = int(self.dilation[scale]), stop - start
        mixed = self._mixed(x, scale, start, stop).transpose(0, 1)
        shifted = [mixed[:, :, i * dilation : i * dilation + size] for i in range(KERNEL_SIZE)]
        grouped = self.kernels.to(x)[self.order[scale]].view(self.n_mixes, -1, KERNEL_SIZE)
        convolved: Tensor = grouped @ torch.stack(shifted, 2)
        return convolved.flatten(1, 2)

    def _mixed(self, x: Tensor, scale: int, start: int, stop: int, *, behind: int = 0) -> Tensor:
        """Return what the kernels read for the steps from start to stop, (mixes, B, steps).

        Before x and behind it there are zeros, `behind` more of them than the kernels reach.
        """
        reach = int(self.dilation[scale]) * (KERNEL_SIZE // 2)
        low, high = max(0, start - reach), min(x.shape[1], stop + reach)
        mixed = (x[:, low:high] @ self.mixes[scale].to(x)).permute(2, 0, 1)
        before, after = reach - (start - low), reach - (high - stop)
        return nn.functional.pad(mixed, (before, after + behind))


def widened(x: Tensor) -> Tensor:
    """Return x in double precision, where there is one: levels are steep, and rounding shows."""
    return x if x.device.type == "mps" else x.double()


# A channel that varies less than this within a sequence is not blown up to vary by one.
_SMALLEST_DEVIATION = 1e-3


class ReservoirPath(nn.Module):
    """Random features of whole sequences with a linear readout: from steps to raw outputs.

    The features are pooled states of a reservoir that reads the steps, those of a smaller one that
    reads each sequence standardised by its own mean and deviation, and random convolutions; then
    what is known of the sample as a whole.

    Parameters
    ----------
    input_size : int
        Channels of the standardised steps.
    n_outputs : int
        Raw outputs, as many as the head gives.
    units : int, default=100
        Of the first reservoir; see :class:`Reservoir`. The second has half as many.
    static_size : int, default=0
        What is known of a sample as a whole, read out beside the pooled states.
    bidirectional : bool, default=True
        Whether the whole sequence may be known before the first feature is. If not there is the
        first reservoir alone, reading forward, so that a sequence can be followed step by step.

    Attributes
    ----------
    blocks : dict of str to int
        Features of each kind, in their order: ``"reservoir"``, ``"shape"`` (the second reservoir),
        ``"convolutions"``, ``"static"``.
    pooled_size : int
        Features without the static ones.
    """

    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        input_size: int,
        n_outputs: int,
        units: int = 100,
        static_size: int = 0,
        bidirectional: bool = True,
    ) -> None:
        super().__init__()
        self.reservoir = Reservoir(input_size, units, bidirectional=bidirectional)
        self.blocks = {"reservoir": self.reservoir.output_size}
        self.shape_reservoir: Reservoir | None = None
        self.convolutions: RandomConvolutions | None = None
        if bidirectional:
            self.shape_reservoir = Reservoir(input_size, max(1, units // 2))
            self.convolutions = RandomConvolutions(input_size)
            self.blocks["shape"] = self.shape_reservoir.output_size
            self.blocks["convolutions"] = self.convolutions.output_size
        self.pooled_size = sum(self.blocks.values())
        self.static_size = static_size
        if static_size:
            self.blocks["static"] = static_size
        size = self.pooled_size + static_size
        self.register_buffer("weight", torch.zeros(size, n_outputs))
        self.register_buffer("bias", torch.zeros(n_outputs))

    @property
    def feature_size(self) -> int:
        """Number of features of the steps."""
        return self.pooled_size

    @property
    def n_solved(self) -> int:
        """Number of weights of the readout."""
        return self.weight.numel() + self.bias.numel()

    def in_words(self) -> str:
        """Say what there is, in a few words."""
        reservoir = self.reservoir
        text = f"reservoir {reservoir.units} x {len(reservoir.time_scales)} time scales"
        if self.shape_reservoir is None:
            return text
        return f"{text}, bidirectional + shapes + convolutions"

    def draw(self, generator: torch.Generator) -> None:
        """Draw all random weights from the generator, and from nothing else."""
        self.reservoir.draw(generator)
        if self.shape_reservoir is not None and self.convolutions is not None:
            self.shape_reservoir.draw(generator)
            self.convolutions.draw(generator)

    @torch.no_grad()
    def calibrate(self, steps: Tensor, lengths: Tensor | None = None) -> None:
        """Set levels and scales by some sequences (B, T, C), standardised; after `draw`."""
        if self.shape_reservoir is None or self.convolutions is None:
            return
        self.convolutions.calibrate(steps, lengths)
        shapes = standardised_within(steps, lengths)
        changes = (shapes[:, 1:] - shapes[:, :-1]).flatten(0, 1)
        if lengths is not None:
            inside = length_mask(lengths.to(steps.device), steps.shape[1])[:, 1:]
            changes = changes[inside.flatten()]
        if len(changes) > 1:
            deviation = changes.std(0)
            scale = torch.where(deviation > 1e-6, deviation, 1.0)
            self.shape_reservoir.difference_scale.copy_(scale)

    def set_readout(self, weight: Tensor, bias: Tensor) -> None:
        """Set the solved readout: weight (features, outputs) and bias (outputs,)."""
        self.weight.copy_(weight)
        self.bias.copy_(bias)

    def pooled(self, steps: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the features of the steps alone, (B, pooled_size)."""
        with torch.autocast(steps.device.type, enabled=False):
            steps = steps.to(self.weight.dtype)
            parts = [self.reservoir(steps, lengths)]
            if self.shape_reservoir is not None and self.convolutions is not None:
                parts.append(self.shape_reservoir(standardised_within(steps, lengths), lengths))
                parts.append(self.convolutions(steps, lengths))
            return torch.cat(parts, 1)

    def features(
        self, steps: Tensor, lengths: Tensor | None = None, static: Tensor | None = None
    ) -> Tensor:
        """Return what is read out: the pooled features, then static (B, static_size)."""
        pooled = self.pooled(steps, lengths)
        return pooled if static is None else torch.cat((pooled, static.to(pooled.dtype)), 1)

    def forward(
        self, steps: Tensor, lengths: Tensor | None = None, static: Tensor | None = None
    ) -> Tensor:
        """Return raw outputs (B, n_outputs) for standardised steps (B, T, C)."""
        features = self.features(steps, lengths, static)
        with torch.autocast(steps.device.type, enabled=False):
            return self.read_out(features)

    def read_out(self, features: Tensor) -> Tensor:
        """Return raw outputs (B, n_outputs) for what :meth:`features` returned."""
        return features @ self.weight + self.bias


def standardised_within(steps: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Give each channel mean 0 and deviation 1 within each sequence of steps (B, T, C)."""
    lengths = ragged_lengths(lengths, steps)
    # MPS has no double precision. What varies little is blown up, and its rounding with it.
    wide = torch.float32 if steps.device.type == "mps" else torch.float64
    x = blank_padding(steps, lengths).to(wide)
    count = float(x.shape[1]) if lengths is None else lengths[:, None, None].to(x)
    mean = x.sum(1, keepdim=True) / count
    centred = blank_padding(x - mean, lengths)
    deviation = ((centred * centred).sum(1, keepdim=True) / count).sqrt()
    return blank_padding(standardised_by(x, mean, deviation), lengths).to(steps.dtype)


def standardised_by(x: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Subtract a sequence's own mean and divide by its deviation, if there is one."""
    return (x - mean) / deviation.clamp(min=_SMALLEST_DEVIATION)
