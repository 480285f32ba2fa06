"""Ways through a network but for the whole at once: in chunks, in pieces of training, and live.

A part over time says how it starts, steps over a piece and ends; the drivers here run the parts.
Chunks are for prediction, in both directions; pieces have gradients, checkpointed or detached; a
stream takes steps as they come. Imports torch only.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..kernels import import_whole
from ._building import SequenceNetwork, averaged
from ._cells import is_builtin
from ._input import tokens_in
from ._masking import Dropout, blank_padding, last_step, ragged_lengths, reversal, reverse_within
from ._ngrams import NGramPath, NGramRun
from ._pooling import ConcatPooling
from ._registry import traits
from ._reservoir import (
    RandomConvolutions,
    Reservoir,
    ReservoirPath,
    ReservoirRun,
    standardised_by,
    widened,
)

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


class NetworkStream:
    """The answer of a network to the steps of one sequence so far.

    Parameters
    ----------
    network : SequenceNetwork
        In evaluation mode, with a recurrence in one direction.
    static : Tensor of shape (1, S), default=None
        Required if, and only if, the network has a static input.

    Attributes
    ----------
    n_steps : int
        Steps so far.

    Raises
    ------
    ValueError
        If the network is bidirectional: it starts at the end.

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn import NetworkConfig, NetworkStream, build_network
    >>> network = build_network(NetworkConfig(n_channels=3, hidden_size=8)).eval()
    >>> stream = NetworkStream(network)
    >>> x = torch.randn(1, 20, 3)
    >>> with torch.no_grad():
    ...     for step in x.split(1, dim=1):
    ...         stream.push(step)
    ...     bool(torch.allclose(stream.answer(), network(x), atol=1e-5))
    True
    """

    def __init__(self, network: SequenceNetwork, static: Tensor | None = None) -> None:
        recurrence: Any = network.recurrence
        if recurrence.bidirectional:
            raise ValueError("A bidirectional network starts at the end, and cannot be streamed.")
        self.network, self.static = network, static
        self._each_step = network.pooling.each_step
        share = 1.0 if network.path is None else float(network.recurrence_share)
        self._share = share
        self._states: list[Any] = recurrence.start()
        self._pooled: Any = None
        self._current: Any = None
        self._outputs: Tensor | None = None
        self._window: Tensor | None = None
        self._settled = 0
        self._previous: Tensor | None = None
        path = network.path if share < 1 else None
        self._run = ReservoirRun(path.reservoir, 1) if isinstance(path, ReservoirPath) else None
        self._ngrams = NGramRun(path) if isinstance(path, NGramPath) else None
        self.n_steps = 0
        others = network.members()[1:] if share > 0 else []
        self._others = [NetworkStream(other, static) for other in others]

    def push(self, x: Tensor) -> None:
        """Add steps.

        Parameters
        ----------
        x : Tensor of shape (1, t, C), or (1, t) for tokens
            As the network takes them.
        """
        for other in self._others:
            other.push(x)
        steps = self.network.input(x)
        self.n_steps += steps.shape[1]
        if self._run is not None:
            self._drive(steps)
        if self._ngrams is not None:
            self._ngrams.add(tokens_in(x))
        if self._share == 0:
            return
        if self.network.stem is not None:
            self._convolve(steps)
            return
        recurrence: Any = self.network.recurrence
        self._outputs, self._states = recurrence.step(steps, self._states)
        self._pooled = self._current = self._pool(self._outputs, self._pooled)

    def answer(self) -> Tensor:
        """Return raw outputs for all steps so far, (1, K).

        A network that answers at every step returns (t, K), for the steps of the last push.
        """
        network = self.network
        if self._each_step:
            assert self._outputs is not None, "there are steps"
            return self._averaged(network.head(joined(network, self._outputs[0], self.static)))
        total: Any = 0.0
        if self._share > 0:
            features = joined(network, network.pooling.end(self._current), self.static)
            total = self._share * self._averaged(network.head(features))
        known = None
        if network.static is not None and self.static is not None:
            known = network.static.plain(self.static)
        if self._ngrams is not None:
            total = total + (1 - self._share) * self._ngrams.answer(known)
        if self._run is not None:
            assert isinstance(network.path, ReservoirPath), "there is a reservoir"
            solved = self._run.result()
            if known is not None:
                solved = torch.cat((solved, known.to(solved.dtype)), 1)
            with torch.autocast(solved.device.type, enabled=False):
                total = total + (1 - self._share) * network.path.read_out(solved)
        result: Tensor = total
        return result

    def _averaged(self, raw: Tensor) -> Tensor:
        """Return the mean of raw outputs and those of the other members."""
        return averaged([raw, *(other.answer() for other in self._others)])

    def copy(self) -> NetworkStream:
        """Return a stream that goes on from here by itself, over the same network."""
        other = copy.copy(self)
        other._ngrams = None if self._ngrams is None else self._ngrams.copy()
        other._states = list(self._states)
        other._others = [one.copy() for one in self._others]
        if self._run is not None:
            other._run = self._run.copy()
        return other

    def state(self) -> dict[str, Any]:
        """Return what is kept of the steps so far: plain values and tensors."""
        kept = {key: self.__dict__[key] for key in _KEPT}
        kept["_others"] = [other.state() for other in self._others]
        if self._ngrams is not None:
            kept["_ngrams"] = self._ngrams.state()
        if self._run is not None:
            kept["_run"] = {"state": self._run.state, "begun": self._run.begun}
            kept["_run"]["pooled"] = dict(vars(self._run.pooled))
        return kept

    def restore(self, state: dict[str, Any]) -> None:
        """Take on what :meth:`state` returned."""
        run = state.get("_run")
        self.__dict__.update({key: state[key] for key in _KEPT})
        for other, known in zip(self._others, state["_others"], strict=True):
            other.restore(known)
        if self._ngrams is not None:
            self._ngrams.restore(state["_ngrams"])
        if run is not None and self._run is not None:
            self._run.state, self._run.begun = run["state"], run["begun"]
            self._run.pooled.__dict__.update(run["pooled"])

    # ---------------------------------------------------------------- parts

    def _pool(self, output: Tensor, pooled: Any) -> Any:
        """Return the poolings with some steps added."""
        pooling = self.network.pooling
        if self._each_step:
            return None
        if pooled is None:
            pooled = pooling.start(1, output.shape[2], output)
        return pooling.step(pooled, output)

    def _drive(self, steps: Tensor) -> None:
        """Let the reservoir go on."""
        assert self._run is not None, "there is a reservoir"
        reservoir = self._run.reservoir
        steps = steps.to(reservoir.weight.dtype)
        with torch.autocast(steps.device.type, enabled=False):
            self._run.add([reservoir.with_difference(steps, self._previous)])
        self._previous = steps[:, -1]

    def _convolve(self, steps: Tensor) -> None:
        """Go on behind the stem, whose last results change with every step that follows.

        The recurrence's state stands after the last step whose result is settled; from there it
        is run anew over the few that are not.
        """
        before, after = self.network.reach
        window = steps if self._window is None else torch.cat((self._window, steps), 1)
        first = self.n_steps - window.shape[1]
        stem: Any = self.network.stem
        recurrence: Any = self.network.recurrence
        read = stem(window)[:, self._settled - first :]
        settled = max(0, self.n_steps - after - self._settled)
        outputs = []
        if settled:
            output, self._states = recurrence.step(read[:, :settled], self._states)
            self._pooled = self._pool(output, self._pooled)
            self._settled += settled
            outputs.append(output)
        self._current = self._pooled
        if settled < read.shape[1]:
            output, _ = recurrence.step(read[:, settled:], self._states)
            self._current = self._pool(output, self._pooled)
            outputs.append(output)
        self._outputs = torch.cat(outputs, 1)[:, -steps.shape[1] :]
        self._window = window[:, max(0, self._settled - before - first) :]


_KEPT = (
    "_states",
    "_pooled",
    "_current",
    "_outputs",
    "_window",
    "_settled",
    "_previous",
    "n_steps",
)
