"""Recurrences of one layer and one direction, each with its equations. Imports torch only.

Every class has the signature of ``torch.nn.GRU(input_size, hidden_size, batch_first=True)``:
``forward(x, state=None) -> (output, state)`` with x (B, T, C), output (B, T, H) and a state of
shape (1, B, H), or a tuple of two such. None is a state of zeros.

What the network has to know of a cell beside that are its traits, see :class:`Cell`; its name is in
`_registry`. Those with a `compiled_form` run compiled on a CPU where that is faster and llvmlite is
installed; their numbers are the same.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._compiled import Form, Weights, recur
from ._scan import _positive, gated_scan, linear_scan, suits

Pair = tuple[Tensor, Tensor]


def _for_kernel(weights: list[Tensor], x: Tensor) -> list[Tensor]:
    """Lay weights out one after the other on a GPU, where cuDNN wants (and warns) so."""
    if not x.is_cuda:
        return weights
    flat = torch.cat([weight.flatten() for weight in weights])
    parts = torch.split(flat, [weight.numel() for weight in weights])
    return [part.view(weight.shape) for part, weight in zip(parts, weights, strict=True)]


def _torch_weights(layer: nn.RNNBase) -> Weights:
    """Return the weights of a layer of torch's."""
    # Past the search for an attribute, which costs as much as a few steps.
    held = layer._parameters
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    found: list[Any] = [held[n] if n in held else getattr(layer, n) for n in names]
    return Weights(*found)


class Cell(nn.Module):
    """What the network asks of a layer, with the answers of a module it knows nothing about.

    A cell of ours is a subclass, and changes the answers that are wrong for it.
    """

    #: First value of each gate's bias: one that makes a fresh cell remember.
    gate_bias: tuple[float, ...] = (0.0,)
    #: Whether the output at a step is the whole state there.
    output_is_state = False
    #: Whether one call computes all steps, those of padding too, so that a ragged batch is better
    #: cut into segments.
    runs_at_once = False
    #: Whether a long step of training on a CPU is quicker in small parts, whose memory is reused;
    #: what loops over time pays for each part.
    trains_in_small_parts = False
    #: Whether `forward` takes `lengths`, and goes on from a row's last step to nowhere.
    takes_lengths = False
    #: The axis of a state's tensors along which the rows of a batch stand.
    rows_axis = 1

    def compiled_form(self) -> Form | None:
        """Return what the compiled kernels need to know; None if they don't know the cell."""
        return None

    def compiled(
        self, x: Any, state: Any, lengths: Tensor | None = None, reverse: bool = False
    ) -> tuple[Any, Any] | None:
        """Run the layer compiled, or return None where torch has to; see :func:`recur`."""
        form = self.compiled_form()
        return None if form is None else recur(form, x, state, lengths, reverse)


class GatedCell(Cell):
    """Weights of `gates` gates: weight_ih (gates * H, C), weight_hh (gates * H, H), bias."""

    output_is_state = True
    #: Whether the gates read the state before, and so have weights for it.
    recurrent = True

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        rows = len(self.gate_bias) * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size))
        if self.recurrent:
            self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size))
        self.bias = nn.Parameter(torch.empty(rows))
        bound = 1 / math.sqrt(hidden_size)
        for weight in self.parameters():
            nn.init.uniform_(weight, -bound, bound)

    def start(self, x: Tensor, state: Tensor | None) -> Tensor:
        """Return the state (1, B, H) before the first step."""
        return x.new_zeros(1, x.shape[0], self.hidden_size) if state is None else state

    def project(self, x: Tensor) -> Tensor:
        """Return W x + b, under autocast too in x's own precision."""
        return F.linear(x, self.weight_ih, self.bias).to(x.dtype)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}"


class LSTM(nn.LSTM, Cell):
    """Long short-term memory, on torch's own kernels.

    i, f, o = sigmoid(W x_t + U h_{t-1} + b), g = tanh(W x_t + U h_{t-1} + b) with weights of
    their own; c_t = f * c_{t-1} + i * g; h_t = o * tanh(c_t). The gates stand in the weights in
    the order i, f, g, o. The state is (h, c).

    Parameters
    ----------
    input_size, hidden_size : int
    """

    gate_bias = (0.0, 1.0, 0.0, 0.0)
    runs_at_once = True
    trains_in_small_parts = True

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, batch_first=True)

    def compiled_form(self) -> Form:
        return Form("lstm", _torch_weights(self), n_states=2)

    def forward(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        result = self.compiled(x, state)
        if result is not None:
            return result
        if x.is_cuda:
            by_torch: tuple[Any, Pair] = super().forward(x, state)
            return by_torch
        if state is None:
            zero = x.new_zeros(1, x.shape[0], self.hidden_size)
            state = (zero, zero)
        # torch's own forward checks and gathers the weights for as long as 50 steps take.
        weights: Any = (self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0)
        output, h, c = torch.lstm(x, state, weights, True, 1, 0.0, self.training, False, True)
        return output, (h, c)


class GRU(nn.GRU, Cell):
    """Gated recurrent unit, reset after the product, on torch's own kernels.

    r, z = sigmoid(W x_t + U h_{t-1} + b), n = tanh(W x_t + b + r * (U h_{t-1} + b')),
    h_t = (1 - z) * n + z * h_{t-1}. The gates stand in the order r, z, n.

    Parameters
    ----------
    input_size, hidden_size : int
    """

    gate_bias = (0.0, 0.0, 0.0)
    output_is_state = True
    runs_at_once = True

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, batch_first=True)

    def compiled_form(self) -> Form:
        return Form("gru", _torch_weights(self))

    def forward(self, x: Any, state: Any = None) -> Any:
        result = self.compiled(x, state)
        if result is not None:
            return result
        if x.is_cuda or x.ndim != 3 or x.shape[2] != self.input_size:
            return super().forward(x, state)
        start = x.new_zeros(1, x.shape[0], self.hidden_size) if state is None else state
        weights: Any = list(_torch_weights(self))
        return torch.gru(x, start, weights, True, 1, 0.0, self.training, False, True)


class RNN(Cell):
    """The simple recurrence h_t = tanh(W x_t + U h_{t-1} + b).

    Parameters
    ----------
    input_size, hidden_size : int

    Attributes
    ----------
    core : nn.RNN
        Holds the weights: W is ``core.weight_ih_l0``, U is ``core.weight_hh_l0``, b is the sum of
        ``core.bias_ih_l0`` and ``core.bias_hh_l0``.
    """

    output_is_state = True
    takes_lengths = True
    #: What is applied at every step: "tanh", or what a subclass has.
    nonlinearity = "tanh"

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        kernel = "relu" if self.nonlinearity == "relu" else "tanh"
        self.core = nn.RNN(input_size, hidden_size, nonlinearity=kernel, batch_first=True)

    def compiled_form(self) -> Form:
        return Form(f"rnn_{self.nonlinearity}", _torch_weights(self.core))

    def forward(
        self, x: Tensor, state: Tensor | None = None, lengths: Tensor | None = None
    ) -> Pair:
        result = self.compiled(x, state, lengths)
        if result is not None:
            return result
        if self.nonlinearity == "sigmoid":
            return self._sigmoid(x, state)
        if self.nonlinearity == "relu" and lengths is not None:
            return self._relu_until(x, state, lengths)
        output, after = self.core(x, state)
        return output, after

    def _weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return W, U and b."""
        core: Any = self.core
        return core.weight_ih_l0, core.weight_hh_l0, core.bias_ih_l0 + core.bias_hh_l0

    def _sigmoid(self, x: Tensor, state: Tensor | None) -> Pair:
        """Run tanh's kernel: sigmoid(v) = (1 + tanh(v / 2)) / 2, so h = (1 + g) / 2."""
        w, u, b = self._weights()
        start = x.new_zeros(1, x.shape[0], u.shape[1]) if state is None else state
        shift = b / 2 + u.sum(1) / 4
        weights = [w / 2, u / 4, shift, torch.zeros_like(shift)]
        output, after = torch.rnn_tanh(
            x, 2 * start - 1, _for_kernel(weights, x), True, 1, 0.0, self.training, False, True
        )
        return (1 + output) / 2, (1 + after) / 2

    def _relu_until(self, x: Tensor, state: Tensor | None, lengths: Tensor) -> Pair:
        """Hold each row's state after its last step: relu could grow without bound there."""
        w, u, b = self._weights()
        h = x.new_zeros(x.shape[0], u.shape[1]) if state is None else state[0]
        outputs = []
        for t, v in enumerate(F.linear(x, w, b).unbind(1)):
            h = torch.where((lengths > t)[:, None], torch.relu(torch.addmm(v, h, u.t())), h)
            outputs.append(h)
        return torch.stack(outputs, 1), h[None]


class RNNReLU(RNN):
    """The simple recurrence with relu(v) = max(v, 0) in the place of tanh.

    Parameters
    ----------
    input_size, hidden_size : int
    """

    nonlinearity = "relu"


class RNNSigmoid(RNN):
    """The simple recurrence with the logistic function in the place of tanh.

    Parameters
    ----------
    input_size, hidden_size : int
    """

    nonlinearity = "sigmoid"


class GRUResetBefore(GatedCell):
    """Gated recurrent unit in its first form, reset before the product (Cho et al., 2014).

    r, z = sigmoid(W x_t + U h_{t-1} + b), candidate = tanh(W x_t + U (r * h_{t-1}) + b),
    h_t = (1 - z) * h_{t-1} + z * candidate. The gates stand in the order r, z, candidate.

    Parameters
    ----------
    input_size, hidden_size : int
    """

    gate_bias = (0.0, 0.0, 0.0)

    def compiled_form(self) -> Form:
        return Form("gru_reset_before", Weights(self.weight_ih, self.weight_hh, self.bias))

    def forward(self, x: Tensor, state: Tensor | None = None) -> Pair:
        result = self.compiled(x, state)
        if result is not None:
            return result
        size = self.hidden_size
        h = self.start(x, state)[0]
        gate_u, candidate_u = self.weight_hh.t().split((2 * size, size), 1)
        inputs = self.project(x)
        gate_x, candidate_x = inputs.split((2 * size, size), 2)
        outputs = []
        for gate, candidate in zip(gate_x.unbind(1), candidate_x.unbind(1), strict=True):
            r, z = torch.sigmoid(torch.addmm(gate, h, gate_u)).chunk(2, 1)
            h = h + z * (torch.tanh(torch.addmm(candidate, r * h, candidate_u)) - h)
            outputs.append(h)
        return torch.stack(outputs, 1), h[None]


class CIFG(GatedCell):
    """Long short-term memory with input and forget gate coupled.

    i, o = sigmoid(W x_t + U h_{t-1} + b), g = tanh(W x_t + U h_{t-1} + b),
    c_t = i * g + (1 - i) * c_{t-1}, h_t = o * tanh(c_t). The gates stand in the order i, g, o.
    The state is (h, c).

    Because 1 - sigmoid(v) = sigmoid(-v), this is the LSTM whose forget gate has the negated
    weights of its input gate, and it runs on torch's LSTM kernels as such.

    Parameters
    ----------
    input_size, hidden_size : int
    """

    gate_bias = (-1.0, 0.0, 0.0)
    output_is_state = False
    runs_at_once = True
    trains_in_small_parts = True

    def compiled_form(self) -> Form:
        return Form("cifg", Weights(self.weight_ih, self.weight_hh, self.bias), n_states=2)

    def forward(self, x: Tensor, state: Pair | None = None) -> tuple[Tensor, Pair]:
        result = self.compiled(x, state)
        if result is not None:
            return result
        if state is None:
            zero = self.start(x, None)
            state = (zero, zero)
        size = self.hidden_size
        weights = [
            torch.cat((w[:size], -w[:size], w[size:]))
            for w in (self.weight_ih, self.weight_hh, self.bias)
        ]
        weights.append(torch.zeros_like(weights[-1]))
        weights = _for_kernel(weights, x)
        output, h, c = torch.lstm(x, state, weights, True, 1, 0.0, self.training, False, True)
        return output, (h, c)


class MinGRU(GatedCell):
    """Minimal gated recurrent unit, whose gates see the input only (Feng et al., 2024).

    z = sigmoid(W x_t + b), candidate = p(W x_t + b), h_t = (1 - z) * h_{t-1} + z * candidate with
    p(v) = v + 1/2 for v >= 0 and sigmoid(v) below. The gates stand in the order z, candidate.

    Parameters
    ----------
    input_size, hidden_size : int
    parallel : bool, default=True
        Compiled, or all steps at once by :func:`linear_scan`; False is the plain loop over time,
        with equal results.
    """

    recurrent = False
    trains_in_small_parts = True
    gate_bias = (-1.0, 0.0)

    def __init__(self, input_size: int, hidden_size: int, parallel: bool = True) -> None:
        super().__init__(input_size, hidden_size)
        self.parallel = parallel

    def compiled_form(self) -> Form | None:
        weight = self.weight_ih
        none = weight.new_empty(0, self.hidden_size)
        return Form("mingru", Weights(weight, none, self.bias)) if self.parallel else None

    def forward(self, x: Tensor, state: Tensor | None = None) -> Pair:
        result = self.compiled(x, state)
        if result is not None:
            return result
        if self.parallel and suits(x):
            output = gated_scan(x, self.weight_ih, self.bias, self.start(x, state)[0])
            return output, output[None, :, -1]
        gate, candidate = self.project(x).chunk(2, 2)
        fresh = torch.sigmoid(gate) * _positive(candidate)
        kept = torch.sigmoid(-gate)
        output = linear_scan(kept, fresh, self.start(x, state)[0], parallel=self.parallel)
        return output, output[None, :, -1]


class MinLSTM(GatedCell):
    """Minimal LSTM, whose gates see the input only (Feng et al., 2024).

    f, i = sigmoid(W x_t + b), f' = f / (f + i), i' = i / (f + i), candidate = p(W x_t + b),
    h_t = f' * h_{t-1} + i' * candidate with p(v) = v + 1/2 for v >= 0 and sigmoid(v) below. The
    gates stand in the order f, i, candidate.

    Parameters
    ----------
    input_size, hidden_size : int
    parallel : bool, default=True
        Compiled, or all steps at once by :func:`linear_scan`; False is the plain loop over time,
        with equal results.
    """

    recurrent = False
    trains_in_small_parts = True
    gate_bias = (1.0, 0.0, 0.0)

    def __init__(self, input_size: int, hidden_size: int, parallel: bool = True) -> None:
        super().__init__(input_size, hidden_size)
        self.parallel = parallel

    def compiled_form(self) -> Form | None:
        weight = self.weight_ih
        none = weight.new_empty(0, self.hidden_size)
        return Form("minlstm", Weights(weight, none, self.bias)) if self.parallel else None

    def forward(self, x: Tensor, state: Tensor | None = None) -> Pair:
        result = self.compiled(x, state)
        if result is not None:
            return result
        if self.parallel and suits(x):
            output = gated_scan(x, self.weight_ih, self.bias, self.start(x, state)[0])
            return output, output[None, :, -1]
        f, i, candidate = self.project(x).chunk(3, 2)
        # f' = 1 / (1 + i / f) = sigmoid(log f - log i), safe where both gates vanish.
        balance = F.logsigmoid(f) - F.logsigmoid(i)
        fresh = torch.sigmoid(-balance) * _positive(candidate)
        kept = torch.sigmoid(balance)
        output = linear_scan(kept, fresh, self.start(x, state)[0], parallel=self.parallel)
        return output, output[None, :, -1]
