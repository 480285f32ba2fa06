"""A network that is fed one sequence while it comes in; imports torch only.

What it keeps does not grow with the sequence: the state of each layer, the poolings so far and,
with a convolutional stem, the few steps that later ones still have a say in.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from ._chunks import joined
from ._input import tokens_in
from ._networks import SequenceNetwork, averaged
from ._ngrams import NGramPath, NGramRun
from ._reservoir import ReservoirRun
from ._reservoir_path import ReservoirPath


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
