"""One long sequence through a network in pieces, in bounded memory; imports torch only.

What is kept between pieces is the state of each recurrence and the pooling so far. A backward
recurrence is swept from the end first; only its state at the borders of the pieces is kept, and
its output inside a piece is computed again from there when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from ._networks import SequenceNetwork, averaged
from ._ngrams import NGramPath
from ._pooling import ConcatPooling
from ._random_convolutions import RandomConvolutions, widened
from ._reservoir import Reservoir, ReservoirRun
from ._reservoir_path import ReservoirPath, standardised_by

#: Steps of a piece.
CHUNK = 4096


def joined(network: SequenceNetwork, pooled: Tensor, static: Tensor | None) -> Tensor:
    """Return what the head reads: what is pooled, static features (1, S) beside each row."""
    pooled = pooled.to(network.head.projection.weight.dtype)
    if network.static is None:
        return pooled
    known = network.static(static)
    return torch.cat((pooled, known.expand(pooled.shape[0], -1)), 1)


class _Pooled:
    """Poolings side by side, of steps that come in pieces."""

    def __init__(self, poolings: list[Any]) -> None:
        self.poolings = poolings
        self.parts: dict[Any, Any] = {}

    def add(self, output: Tensor) -> None:
        """Add steps (1, t, D)."""
        for pooling in self.poolings:
            if pooling not in self.parts:
                self.parts[pooling] = pooling.start(1, output.shape[2], output)
            self.parts[pooling] = pooling.step(self.parts[pooling], output)


class ChunkedRun:
    """A network's way over one long sequence.

    Parameters
    ----------
    network : SequenceNetwork
        In evaluation mode.
    read : callable
        ``read(start, stop)`` returns these steps as the network takes them, with one row.
    n_steps : int
    static : Tensor of shape (1, S), default=None
    chunk : int, default=4096
        Steps of a piece.
    """

    def __init__(
        self,
        network: SequenceNetwork,
        read: Callable[[int, int], Tensor],
        n_steps: int,
        static: Tensor | None = None,
        chunk: int = CHUNK,
    ) -> None:
        self.network, self.read, self.static = network, read, static
        self.recurrence: Any = network.recurrence
        self.pieces = [(a, min(a + chunk, n_steps)) for a in range(0, n_steps, chunk)]
        self.n_steps = n_steps
        # By layer: the states with which forward and backward recurrence enter each piece.
        self._entering: list[tuple[list[Any], list[Any]]] = []

    # ---------------------------------------------------------------- steps and states

    def _steps(self, piece: int) -> Tensor:
        """Return the recurrence's input (1, t, C) of a piece."""
        return self.network.steps(self.read, *self.pieces[piece], self.n_steps)

    def _input(self, layer: int, piece: int) -> Tensor:
        """Return what a layer of a bidirectional recurrence reads in a piece."""
        if layer == 0:
            return self._steps(piece)
        x = self._input(layer - 1, piece)
        forward, backward = (states[piece] for states in self._entering[layer - 1])
        ahead, _ = self.recurrence.advance(layer - 1, 0, x, forward)
        return torch.cat((ahead, self._backward(layer - 1, x, backward)[0]), 2)

    def _backward(self, layer: int, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Run a layer over a piece from its end."""
        output, state = self.recurrence.advance(layer, 1, x.flip(1), state)
        return output.flip(1), state

    def _sweep(self, layer: int, direction: int) -> Iterator[tuple[int, Any, Tensor]]:
        """Run one direction of a layer through all pieces; give piece, state before and output."""
        pieces, state = range(len(self.pieces)), None
        for piece in pieces if direction == 0 else reversed(pieces):
            x, before = self._input(layer, piece), state
            if direction == 0:
                output, state = self.recurrence.advance(layer, 0, x, state)
            else:
                output, state = self._backward(layer, x, state)
            yield piece, before, output

    def _borders(
        self, layer: int, direction: int, see: Callable[[Tensor], None] | None = None
    ) -> list[Any]:
        """Return the states with which one direction of a layer enters the pieces.

        Each piece's output is shown to `see`.
        """
        states: list[Any] = [None] * len(self.pieces)
        shelf: dict[tuple[int, ...], Tensor] = {}
        for piece, before, output in self._sweep(layer, direction):
            if see is not None:
                see(output)
            # A state may be a view of a whole piece's output, which would be kept with it.
            states[piece] = self._shelved(shelf, piece, before)
        return states

    def _shelved(
        self, shelf: dict[tuple[int, ...], Tensor], piece: int, state: Any, place: tuple = ()
    ) -> Any:
        """Copy the state before a piece to its place on a shelf for all, and return it there.

        Small blocks of their own would lie scattered among those of the pieces, whose memory could
        then not be used again as a whole.
        """
        if isinstance(state, tuple):
            return tuple(
                self._shelved(shelf, piece, part, (*place, index))
                for index, part in enumerate(state)
            )
        if not isinstance(state, Tensor):
            return state
        if place not in shelf:
            shelf[place] = state.new_empty(len(self.pieces), *state.shape)
        shelf[place][piece] = state
        return shelf[place][piece]

    def _prepare(self) -> int:
        """Find the states of all layers below the last; return the last."""
        last: int = self.recurrence.num_layers - 1
        while len(self._entering) < last:
            layer = len(self._entering)
            self._entering.append((self._borders(layer, 0), self._borders(layer, 1)))
        return last

    # ---------------------------------------------------------------- results

    def outputs(self, see: Callable[[Tensor], None] | None = None) -> Iterator[Tensor]:
        """Give the recurrence's output (1, t, H) of one piece after the other.

        The backward direction's alone is shown to `see` before that, from the last piece on.
        """
        if not self.recurrence.bidirectional:
            yield from self._forward_outputs()
            return
        last = self._prepare()
        backward = self._borders(last, 1, see)
        state: Any = None
        for piece, entering in enumerate(backward):
            x = self._input(last, piece)
            ahead, state = self.recurrence.advance(last, 0, x, state)
            yield torch.cat((ahead, self._backward(last, x, entering)[0]), 2)

    def _forward_outputs(self) -> Iterator[Tensor]:
        """Give the output of a recurrence in one direction, all layers at once."""
        states = self.recurrence.start()
        for piece in range(len(self.pieces)):
            output, states = self.recurrence.step(self._steps(piece), states)
            yield output

    def features(self) -> Tensor:
        """Return the features (1, F) that the head reads."""
        pooling: Any = self.network.pooling
        parts = list(pooling.poolings) if isinstance(pooling, ConcatPooling) else [pooling]
        if not self.recurrence.bidirectional:
            together, sides = _Pooled(parts), []
            for output in self.outputs():
                together.add(output)
        elif pooling.separable:
            together, sides = _Pooled([]), [_Pooled(parts), _Pooled(parts)]
            last = self._prepare()
            for direction, side in enumerate(sides):
                for _, _, output in self._sweep(last, direction):
                    side.add(output.flip(1) if direction else output)
        else:
            apart = [part for part in parts if part.separable]
            together = _Pooled([part for part in parts if not part.separable])
            ahead, back = sides = [_Pooled(apart), _Pooled(apart)]
            for output in self.outputs(lambda output: back.add(output.flip(1))):
                ahead.add(output[..., : self.recurrence.hidden_size])
                together.add(output)
        known = {part: part.end(state) for part, state in together.parts.items()}
        if sides:
            known |= {p: p.end_sides(*(side.parts[p] for side in sides)) for p in sides[0].parts}
        return joined(self.network, torch.cat([known[part] for part in parts], 1), self.static)

    def members(self) -> list[ChunkedRun]:
        """Return this run, and one for each network whose answer is averaged with this one's."""
        return [self] + [self._of_member(other) for other in self.network.members()[1:]]

    def _of_member(self, member: SequenceNetwork) -> ChunkedRun:
        """Return the way of another member over the same steps."""
        run = ChunkedRun(member, self.read, self.n_steps, self.static)
        run.pieces = self.pieces
        return run

    def path_features(self) -> Tensor:
        """Return the closed-form path's features of the steps, (1, F)."""
        path = self._path()
        parts = [self._reservoir_features(path.reservoir, lambda x: x)]
        if path.shape_reservoir is not None and path.convolutions is not None:
            mean, deviation = self._moments()
            parts.append(
                self._reservoir_features(
                    path.shape_reservoir, lambda x: standardised_by(x, mean, deviation)
                )
            )
            parts.append(self._shares(path.convolutions, mean, deviation))
        return torch.cat(parts, 1)

    def _path(self) -> ReservoirPath:
        """Return the closed-form path, which is there."""
        assert isinstance(self.network.path, ReservoirPath), "there is a reservoir"
        return self.network.path

    def _wide_steps(self, start: int, stop: int) -> Tensor:
        """Return some steps (1, t, C), standardised, in the path's precision or better."""
        return widened(self.network.input(self.read(start, stop)).to(self._path().weight.dtype))

    def _moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and deviation of every channel over the whole sequence, (1, 1, C) each."""
        total: Any = 0.0
        for start, stop in self.pieces:
            total = total + self._wide_steps(start, stop).sum(1, keepdim=True)
        mean = total / self.n_steps
        squares: Any = 0.0
        for start, stop in self.pieces:
            squares = squares + ((self._wide_steps(start, stop) - mean) ** 2).sum(1, keepdim=True)
        return mean, (squares / self.n_steps).sqrt()

    def _shares(self, convolutions: RandomConvolutions, mean: Tensor, deviation: Tensor) -> Tensor:
        """Return what the random convolutions make of the sequence, (1, F)."""
        halo = convolutions.reach
        slope = convolutions.slope(mean[:, 0], (mean**2 + deviation**2)[:, 0])
        above: Any = 0.0
        for start, stop in self.pieces:
            first, last = max(0, start - halo), min(self.n_steps, stop + halo)
            x = self._wide_steps(first, last)
            with torch.autocast(x.device.type, enabled=False):
                above = above + convolutions.above(x, slope, start - first, stop - first)
        return convolutions.shares(above, slope.new_full((1, 1), self.n_steps))

    def _reservoir_features(
        self, reservoir: Reservoir, prepare: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Return the pooled states of a reservoir that reads prepared steps, (1, F)."""
        run = ReservoirRun(reservoir, 1)
        for start, stop in self.pieces:
            parts = [self._driving(reservoir, prepare, start, stop)]
            if reservoir.directions == 2:
                mirrored = self.n_steps - stop, self.n_steps - start
                parts.append(self._driving(reservoir, prepare, *mirrored).flip(1))
            with torch.autocast(parts[0].device.type, enabled=False):
                run.add(parts)
        return run.result()

    def _driving(
        self, reservoir: Reservoir, prepare: Callable[[Tensor], Tensor], start: int, stop: int
    ) -> Tensor:
        """Return what drives a reservoir in some steps: they and their first difference."""
        first = max(0, start - 1)
        x = prepare(self._wide_steps(first, stop)).to(reservoir.weight.dtype)
        before = x[:, 0] if start else None
        return reservoir.with_difference(x[:, start - first :], before)

    def answer(self) -> Iterator[Tensor]:
        """Give raw outputs: one (1, K), or (t, K) a piece of a network that answers each step."""
        network = self.network
        if network.pooling.each_step:
            runs = [run.outputs() for run in self.members()]
            for outputs in zip(*runs, strict=True):
                pairs = zip(network.members(), outputs, strict=True)
                yield averaged([m.head(joined(m, o[0], self.static)) for m, o in pairs])
            return
        share = 1.0 if network.path is None else float(network.recurrence_share)
        raw: Any = 0.0
        if share > 0:
            answers = [run.network.head(run.features()) for run in self.members()]
            raw = share * averaged(answers)
        if share < 1:
            assert network.path is not None, "there is a closed-form path"
            if isinstance(network.path, NGramPath):
                # N-grams of a row are counted at once: they take less than its states would.
                yield raw + (1 - share) * network.solved(
                    self.read(0, self.n_steps), None, self.static
                )
                return
            features = self.path_features()
            if network.static is not None and self.static is not None:
                known = network.static.plain(self.static)
                features = torch.cat((features, known.to(features.dtype)), 1)
            with torch.autocast(features.device.type, enabled=False):
                raw = raw + (1 - share) * self._path().read_out(features)
        yield raw
