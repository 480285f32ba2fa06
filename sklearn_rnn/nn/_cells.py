"""Recurrences of one layer and one direction, each with its equations, and their first weights.

Every class has the signature of ``torch.nn.GRU(input_size, hidden_size, batch_first=True)``. Before
them stands the linear recurrence h_t = a_t h_{t-1} + b_t over all steps at once, for gates that see
the input only; behind them, first weights that are drawn from a given generator and from nothing
else. Imports torch and this room's side of the kernels.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._compiled import Form, Weights, recur


def _sequential(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """One step after the other."""
    states = []
    h = start
    for a_t, b_t in zip(a.unbind(1), b.unbind(1), strict=True):
        h = torch.addcmul(b_t, a_t, h)
        states.append(h)
    return torch.stack(states, 1)


def _blocked(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """About sqrt(T) blocks side by side, then the carry from block to block."""
    batch, steps, size = b.shape
    length = math.isqrt(steps - 1) + 1
    blocks = -(-steps // length)
    missing = blocks * length - steps
    if missing:
        a = torch.cat((a, a.new_zeros(batch, missing, size)), 1)
        b = torch.cat((b, b.new_zeros(batch, missing, size)), 1)
    a = a.view(batch, blocks, length, size)
    b = b.view(batch, blocks, length, size)
    within, decay = torch.empty_like(b), torch.empty_like(a)
    within[:, :, 0], decay[:, :, 0] = b[:, :, 0], a[:, :, 0]
    for t in range(1, length):
        torch.addcmul(b[:, :, t], a[:, :, t], within[:, :, t - 1], out=within[:, :, t])
        torch.mul(a[:, :, t], decay[:, :, t - 1], out=decay[:, :, t])
    carry = torch.empty_like(b[:, :, 0])
    carry[:, 0] = start
    for k in range(1, blocks):
        torch.addcmul(within[:, k - 1, -1], decay[:, k - 1, -1], carry[:, k - 1], out=carry[:, k])
    return within.addcmul_(decay, carry[:, :, None]).view(batch, -1, size)[:, :steps]


class _Scan(torch.autograd.Function):
    """The blocked scan; its gradient is the same scan, run backwards."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, start: Tensor) -> Tensor:
        h = _blocked(a, b, start)
        ctx.save_for_backward(a, h, start)
        return h

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, h, start = ctx.saved_tensors
        later = torch.cat((a[:, 1:], torch.zeros_like(a[:, :1])), 1)
        zero = torch.zeros_like(start)
        flow = _Scan.apply(later.flip(1), grads[0].flip(1), zero)
        flow = flow.flip(1)
        before = torch.cat((start[:, None], h[:, :-1]), 1)
        return flow * before, flow, a[:, 0] * flow[:, 0]


def linear_scan(a: Tensor, b: Tensor, start: Tensor, *, parallel: bool = True) -> Tensor:
    """Solve h_t = a_t * h_{t-1} + b_t for every t.

    The parallel form takes about ``3 sqrt(T)`` operations one after the other instead of T, and
    multiplies nothing but the factors themselves: unlike a cumulative sum of their logarithms it
    loses no precision as the sequence grows.

    Parameters
    ----------
    a, b : Tensor of shape (B, T, H)
        Factors, meant to lie in [0, 1], and inputs.
    start : Tensor of shape (B, H)
        The state before the first step.
    parallel : bool, default=True
        False takes one step after the other.

    Returns
    -------
    Tensor of shape (B, T, H)

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn._cells import linear_scan
    >>> half, one = torch.full((1, 3, 1), 0.5), torch.ones(1, 3, 1)
    >>> linear_scan(half, one, torch.zeros(1, 1)).flatten()
    tensor([1.0000, 1.5000, 1.7500])
    """
    if not parallel:
        return _sequential(a, b, start)
    result: Tensor = _Scan.apply(a, b, start)
    return result


# Gates of a stretch take about this many bytes.
_STRETCH_BYTES = 2**19
# From this many numbers a step on, a loop over the steps is quicker than a scan of blocks.
_LOOP_FROM = 768


def _positive(v: Tensor) -> Tensor:
    """The candidate's map of Feng et al.: v + 1/2 above zero, sigmoid(v) below."""
    return torch.sigmoid(v.clamp(max=0)) + torch.relu(v)


class _GatedScan(torch.autograd.Function):
    """h_t = a_t h_{t-1} + (1 - a_t) p_t with the gates of MinGRU (2 parts) or MinLSTM (3)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, start: Tensor, parts: int
    ) -> Tensor:
        rows, longest, _ = x.shape
        size = start.shape[1]
        loop = rows * size >= _LOOP_FROM
        # Steps come first where they are looped over, so that each lies in one piece.
        shape = (longest, rows, size) if loop else (rows, longest, size)
        output, h = x.new_empty(shape), start
        time = 0 if loop else 1
        for first, stop in _stretches(x, size, parts):
            steps = _stretch(x, first, stop, loop)
            score, candidate, _ = _gates(steps, weight, bias, parts)
            kept = torch.sigmoid(score)
            fresh = _positive(candidate).mul_(1 - kept)
            here = output.narrow(time, first, stop - first)
            if loop:
                factors, inputs = kept.unbind(0), fresh.unbind(0)
                for out, a, b in zip(here.unbind(0), factors, inputs, strict=True):
                    h = torch.addcmul(b, a, h, out=out)
            else:
                here.copy_(_blocked(kept, fresh, h))
                h = here[:, -1]
        output = output.transpose(0, 1) if loop else output
        ctx.save_for_backward(x, weight, bias, start, output)
        ctx.parts, ctx.loop = parts, loop
        return output

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, start, output = ctx.saved_tensors
        parts, loop, size = ctx.parts, ctx.loop, start.shape[1]
        (grad,) = grads
        grad_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        grad_weight, grad_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        # What flows into the state after the stretch: the factor there times the flow there.
        later = torch.zeros_like(start)
        for first, stop in reversed(_stretches(x, size, parts)):
            steps = _stretch(x, first, stop, loop)
            score, candidate, raw = _gates(steps, weight, bias, parts)
            kept = torch.sigmoid(score)
            before = output[:, first - 1 : stop - 1]
            if first == 0:
                before = torch.cat((start[:, None], output[:, : stop - 1]), 1)
            before = before.transpose(0, 1) if loop else before
            here = grad[:, first:stop]
            if loop:
                flow = here.transpose(0, 1).contiguous()
                flow[-1] += later
                flows, factors = flow.unbind(0), kept.unbind(0)
                for t in range(stop - first - 1, 0, -1):
                    torch.addcmul(flows[t - 1], factors[t], flows[t], out=flows[t - 1])
                later = factors[0] * flows[0]
            else:
                here = here.contiguous()
                here = torch.cat((here[:, :-1], here[:, -1:] + later[:, None]), 1)
                after = torch.cat((kept[:, 1:], torch.zeros_like(kept[:, :1])), 1)
                flow = _blocked(after.flip(1), here.flip(1), torch.zeros_like(start)).flip(1)
                later = kept[:, 0] * flow[:, 0]
            fresh = (1 - kept).mul_(flow)
            bounded = torch.sigmoid(candidate.clamp(max=0))
            p = torch.relu(candidate).add_(bounded)
            # The gradient of the score, with the other sign.
            against = torch.sub(p, before).mul_(kept).mul_(fresh)
            # The slope of p: sigmoid's below zero, there a quarter at most, and one above.
            slope = (candidate >= 0).to(p.dtype).mul_(0.75).addcmul_(bounded, 1 - bounded)
            to_gates = [slope.mul_(fresh)]
            if parts == 2:
                to_gates.insert(0, against)
            else:
                f, i = raw
                to_f = torch.sigmoid(-f).mul_(against).neg_()
                to_gates = [to_f, torch.sigmoid(-i).mul_(against), *to_gates]
            columns = steps.reshape(-1, steps.shape[2])
            through: Tensor | None = None
            for g, gradient in enumerate(to_gates):
                flat, gate = gradient.view(-1, size), slice(g * size, (g + 1) * size)
                grad_weight[gate] += (columns.t() @ flat).t()
                grad_bias[gate] += flat.sum(0)
                if grad_x is not None:
                    part = flat @ weight[gate]
                    through = part if through is None else through.add_(part)
            if grad_x is not None and through is not None:
                part = through.view(steps.shape)
                grad_x.narrow(1, first, stop - first).copy_(part.transpose(0, 1) if loop else part)
        return grad_x, grad_weight, grad_bias, later, None


def _stretches(x: Tensor, size: int, parts: int) -> list[tuple[int, int]]:
    """Cut the steps of x (B, T, C) into stretches whose gates fit the caches."""
    steps = x.shape[1]
    length = max(1, _STRETCH_BYTES // (x.element_size() * x.shape[0] * size * parts))
    return [(first, min(first + length, steps)) for first in range(0, steps, length)]


def _stretch(x: Tensor, first: int, stop: int, loop: bool) -> Tensor:
    """Return some steps, steps first where they are looped over."""
    here = x[:, first:stop]
    return here.transpose(0, 1).contiguous() if loop else here


def _gates(
    steps: Tensor, weight: Tensor, bias: Tensor, parts: int
) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """Return the score of keeping, whose sigmoid is the factor, the raw candidate, and the rest."""
    *gates, last = zip(weight.chunk(parts), bias.chunk(parts), strict=True)
    candidate = F.linear(steps, *last)
    if parts == 2:
        ((w, b),) = gates
        return F.linear(steps, -w, -b), candidate, ()
    f, i = (F.linear(steps, w, b) for w, b in gates)
    # f' = 1 / (1 + i / f) = sigmoid(log f - log i), safe where both gates vanish.
    return F.logsigmoid(f) - F.logsigmoid(i), candidate, (f, i)


def gated_scan(x: Tensor, weight: Tensor, bias: Tensor, start: Tensor) -> Tensor:
    """Return the states (B, T, H) of a minimal GRU or LSTM over x (B, T, C), from `start` (B, H).

    Which of the two follows from the rows of `weight`: 2 H or 3 H.
    """
    result: Tensor = _GatedScan.apply(x, weight, bias, start, len(weight) // start.shape[1])
    return result


def suits(x: Tensor) -> bool:
    """Tell whether the one operation serves x; elsewhere few large kernels are better."""
    plain = x.dtype in (torch.float32, torch.float64)
    return x.device.type == "cpu" and plain and not torch.is_autocast_enabled("cpu")


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


_PACKAGE = __name__.rpartition(".")[0]
_KNOWN = (
    nn.Linear,
    nn.Embedding,
    nn.Conv1d,
    nn.LayerNorm,
    nn.BatchNorm1d,
    nn.LSTM,
    nn.GRU,
    nn.RNN,
    nn.ModuleList,
    nn.Identity,
)
#: The gates' first biases in torch's own layers, which a user may choose as cells.
_TORCH_GATES: dict[type[nn.Module], tuple[float, ...]] = {
    nn.LSTM: LSTM.gate_bias,
    nn.GRU: GRU.gate_bias,
    nn.RNN: RNN.gate_bias,
}


def is_builtin(module: nn.Module) -> bool:
    """Tell whether :func:`initialise` knows the module.

    Parameters
    ----------
    module : nn.Module

    Returns
    -------
    bool
        False for a user's class: it and everything in it keeps the weights it was built with.
    """
    kind = type(module)
    return kind in _KNOWN or f"{kind.__module__}.".startswith(f"{_PACKAGE}.")


def _fill(parameter: Tensor, values: Tensor) -> None:
    """Copy values into a parameter, whatever its device and type."""
    with torch.no_grad():
        parameter.copy_(values.reshape(parameter.shape))


def _normal(shape: torch.Size | tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw in double precision, so that the first weights hardly depend on the network's own."""
    return torch.empty(shape, dtype=torch.float64, device=generator.device).normal_(
        generator=generator
    )


def _uniform(
    shape: torch.Size | tuple[int, ...], bound: float, generator: torch.Generator
) -> Tensor:
    """Draw uniformly from (-bound, bound)."""
    values = torch.empty(shape, dtype=torch.float64, device=generator.device)
    return values.uniform_(-bound, bound, generator=generator)


def _glorot(parameter: Tensor, gates: int, generator: torch.Generator) -> None:
    """Fill (gates * H, C) with each gate's Xavier-uniform weights."""
    rows, columns = parameter.shape
    bound = math.sqrt(6 / (rows // gates + columns))
    _fill(parameter, _uniform(parameter.shape, bound, generator))


def _orthogonal(parameter: Tensor, gates: int, generator: torch.Generator) -> None:
    """Fill (gates * H, H) with an orthogonal matrix for each gate."""
    size = parameter.shape[1]
    q, r = torch.linalg.qr(_normal((gates, size, size), generator))
    signs = torch.diagonal(r, dim1=1, dim2=2).sign()
    _fill(parameter, q * signs[:, None, :])


def _set_gates(bias: Tensor, gates: tuple[float, ...]) -> None:
    """Fill a bias (gates * H) with one value a gate."""
    values = torch.tensor(gates, dtype=bias.dtype, device=bias.device)
    _fill(bias, values.repeat_interleave(bias.shape[0] // len(gates)))


def _recurrent(layer: nn.Module, generator: torch.Generator) -> None:
    """Fill a recurrent layer of torch's or ours."""
    gates = layer.gate_bias if isinstance(layer, Cell) else _TORCH_GATES[type(layer)]
    for name, parameter in layer.named_parameters(recurse=False):
        if name.startswith("weight_ih"):
            _glorot(parameter, len(gates), generator)
        elif name.startswith("weight_hh"):
            _orthogonal(parameter, len(gates), generator)
        elif name.startswith("bias_hh"):
            nn.init.zeros_(parameter)
        elif name.startswith("bias"):
            _set_gates(parameter, gates)


def _leaf(module: nn.Module, generator: torch.Generator) -> None:
    """Fill the parameters of one known module."""
    if isinstance(module, Cell | nn.RNNBase):
        _recurrent(module, generator)
    elif isinstance(module, nn.Linear):
        _glorot(module.weight, 1, generator)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv1d):
        fan_in = module.weight.shape[1] * module.weight.shape[2]
        _fill(module.weight, _uniform(module.weight.shape, math.sqrt(6 / fan_in), generator))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        _fill(module.weight, _normal(module.weight.shape, generator))
    elif isinstance(module, nn.LayerNorm | nn.BatchNorm1d):
        module.reset_parameters()


def _small(module: nn.Module, scale: float, generator: torch.Generator) -> None:
    """Fill all weights from N(0, scale^2) and all biases with zero."""
    if isinstance(module, nn.LayerNorm | nn.BatchNorm1d):
        module.reset_parameters()
        return
    for name, parameter in module.named_parameters(recurse=False):
        if name.startswith("bias"):
            nn.init.zeros_(parameter)
        else:
            _fill(parameter, scale * _normal(parameter.shape, generator))


def initialise(
    module: nn.Module, generator: torch.Generator, *, initial_scale: float | None = None
) -> None:
    """Give a network its first weights.

    Recurrent weights are orthogonal, each gate by itself; input and linear weights are
    Xavier-uniform, convolutions He-uniform, embeddings standard normal; biases are zero but for
    the gates that decide how much is kept, which start open (a bias of one for the LSTM's forget
    gate). A user's own module keeps the weights it was built with.

    Parameters
    ----------
    module : nn.Module
    generator : torch.Generator
        The only source of randomness.
    initial_scale : float, default=None
        If given, all weights are drawn from a normal distribution with this standard deviation
        instead, and all biases are zero.

    Raises
    ------
    ValueError
        If `initial_scale` is not positive.

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn import initialise
    >>> from sklearn_rnn.nn._cells import LSTM
    >>> layer = LSTM(3, 2)
    >>> initialise(layer, torch.Generator().manual_seed(0))
    >>> layer.bias_ih_l0.tolist()
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    """
    if initial_scale is not None and not initial_scale > 0:
        raise ValueError(f"initial_scale must be positive; got {initial_scale!r}.")
    if not is_builtin(module):
        return
    if initial_scale is None:
        _leaf(module, generator)
    else:
        _small(module, initial_scale, generator)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        with torch.no_grad():
            module.weight[module.padding_idx].zero_()
    for child in module.children():
        initialise(child, generator, initial_scale=initial_scale)
