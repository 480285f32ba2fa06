"""What each cell does to one vector of units at one step, and back. Imports the builder only.

Gates are numbered as they stand in torch's weights. The inputs' share of the gates, W x + b, is
taken in the order `x_gates`, the state's share, U h + b, in the order `h_gates`. `forward` says
what is kept of a step for the way back; `backward` turns that, the state before and the loss's
gradient at the new state into `n_grads` gradients at the gates: those of the inputs' share are the
first ``len(x_gates)``, those of the state's share begin at `h_first`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from ._builder import Code, Value, exponential, relu, sigmoid, tanh

Vectors = list[Value]


class Step(NamedTuple):
    """What a step gives: the new h (and c), and what is kept of it."""

    state: Vectors
    kept: Vectors


class Back(NamedTuple):
    """What the way back gives: gradients at the gates, and straight at the states before."""

    grads: Vectors
    state: Vectors


@dataclass(frozen=True)
class Cell:
    """A cell's layout and formulas.

    forward(code, x, u, state): gates' shares x and u, and the states before.
    backward(code, kept, h_before, grads): gradients at the new states. Where nothing is kept, it
    is given the new h.
    Without `h_gates` there is no share of the state's, and no product with it.
    With `second`, the state's share of the gates in it is a product with r * h rather than h, and
    the step is in two parts: see GRU_RESET_BEFORE.
    """

    x_gates: tuple[int, ...]
    h_gates: tuple[int, ...]
    h_first: int
    n_grads: int
    n_kept: int
    forward: Callable[[Code, Vectors, Vectors, Vectors], Step]
    backward: Callable[[Code, Vectors, Value, Vectors], Back]
    n_states: int = 1
    second: int | None = None


def _simple(
    function: Callable[[Code, Value], Value], slope: Callable[[Code, Value], Value]
) -> Cell:
    """Make h = phi(x + u), phi's slope known from its value."""

    def forward(code: Code, x: Vectors, u: Vectors, state: Vectors) -> Step:
        h = function(code, x[0] + u[0])
        return Step([h], [])

    def backward(code: Code, kept: Vectors, before: Value, grads: Vectors) -> Back:
        return Back([grads[0] * slope(code, kept[0])], [code.constant(0.0)])

    return Cell((0,), (0,), 0, 1, 0, forward, backward)


def _relu_slope(code: Code, h: Value) -> Value:
    return code.where(h.compare(">", 0.0), code.constant(1.0), 0.0)


def _gru_forward(code: Code, x: Vectors, u: Vectors, state: Vectors) -> Step:
    """Take x = (n, r, z) and u = (r, z, n)."""
    r, z = sigmoid(code, x[1] + u[0]), sigmoid(code, x[2] + u[1])
    n = tanh(code, code.fma(r, u[2], x[0]))
    h = code.fma(z, state[0] - n, n)
    return Step([h], [n, r, z, u[2]])


def _gru_backward(code: Code, kept: Vectors, before: Value, grads: Vectors) -> Back:
    (n, r, z, u), (dh,) = kept, grads
    dn = dh * (1.0 - z) * (1.0 - n * n)
    dz = dh * (before - n) * z * (1.0 - z)
    dr = dn * u * r * (1.0 - r)
    return Back([dn, dr, dz, dn * r], [dh * z])


def _reset_first(code: Code, x: Vectors, u: Vectors, state: Vectors) -> Step:
    """First part: the gates from x = (n, r, z) and u = (r, z), and r * h for the product."""
    r, z = sigmoid(code, x[1] + u[0]), sigmoid(code, x[2] + u[1])
    return Step([r * state[0]], [r, z])


def reset_second(code: Code, x: Value, u: Value, z: Value, h: Value) -> Step:
    """Second part: the candidate, and the new state."""
    n = tanh(code, x + u)
    return Step([code.fma(z, n - h, h)], [n])


def _reset_backward(code: Code, kept: Vectors, before: Value, grads: Vectors) -> Back:
    """First part of the way back: the gradients at the candidate and at z."""
    (n, _, z), (dh,) = kept, grads
    dn = dh * z * (1.0 - n * n)
    dz = dh * (n - before) * z * (1.0 - z)
    return Back([dn, dz], [dh * (1.0 - z)])


def reset_backward_second(code: Code, r: Value, before: Value, dh: Value, into: Value) -> Back:
    """Second part: `into` is the gradient at r * h."""
    return Back([into * before * r * (1.0 - r)], [code.fma(into, r, dh)])


def _lstm_forward(code: Code, x: Vectors, u: Vectors, state: Vectors) -> Step:
    i, f = sigmoid(code, x[0] + u[0]), sigmoid(code, x[1] + u[1])
    g, o = tanh(code, x[2] + u[2]), sigmoid(code, x[3] + u[3])
    c = code.fma(f, state[1], i * g)
    return Step([o * tanh(code, c), c], [i, f, g, o, state[1]])


def _lstm_backward(code: Code, kept: Vectors, before: Value, grads: Vectors) -> Back:
    (i, f, g, o, c), (dh, dc) = kept, grads
    t = tanh(code, code.fma(f, c, i * g))
    dc = code.fma(dh * o, 1.0 - t * t, dc)
    di, df = dc * g * i * (1.0 - i), dc * c * f * (1.0 - f)
    dg, do = dc * i * (1.0 - g * g), dh * t * o * (1.0 - o)
    return Back([di, df, dg, do], [code.constant(0.0), dc * f])


def _cifg_forward(code: Code, x: Vectors, u: Vectors, state: Vectors) -> Step:
    i, o = sigmoid(code, x[0] + u[0]), sigmoid(code, x[1] + u[1])
    g = tanh(code, x[2] + u[2])
    c = code.fma(i, g - state[1], state[1])
    return Step([o * tanh(code, c), c], [i, o, g, state[1]])


def _cifg_backward(code: Code, kept: Vectors, before: Value, grads: Vectors) -> Back:
    (i, o, g, c), (dh, dc) = kept, grads
    t = tanh(code, code.fma(i, g - c, c))
    dc = code.fma(dh * o, 1.0 - t * t, dc)
    di, dg = dc * (g - c) * i * (1.0 - i), dc * i * (1.0 - g * g)
    return Back([di, dh * t * o * (1.0 - o), dg], [code.constant(0.0), dc * (1.0 - i)])


def _candidate(code: Code, v: Value) -> Value:
    """Return v + 1/2 above zero, sigmoid(v) below."""
    return code.where(v.compare("<", 0.0), sigmoid(code, v), v + 0.5)


def _candidate_slope(code: Code, p: Value) -> Value:
    """Return the slope of the candidate's map where its value is p."""
    return code.where(p.compare("<", 0.5), p * (1.0 - p), 1.0)


def _mingru_forward(code: Code, x: Vectors, u: Vectors, state: Vectors) -> Step:
    z, p = sigmoid(code, x[0]), _candidate(code, x[1])
    return Step([code.fma(z, p - state[0], state[0])], [z, p])


def _mingru_backward(code: Code, kept: Vectors, before: Value, grads: Vectors) -> Back:
    (z, p), (dh,) = kept, grads
    rest = dh * (1.0 - z)
    dp = dh * z * _candidate_slope(code, p)
    return Back([rest * z * (p - before), dp], [rest])


def _minlstm_forward(code: Code, x: Vectors, u: Vectors, state: Vectors) -> Step:
    """Take f : i as (e + e^-i) : (e + e^-f), both times the same, so that neither overflows."""
    f, i = x[0], x[1]
    least = code.where(f.compare("<", i), f, i)
    least = code.where(least.compare(">", 0.0), 0.0, least)
    one = exponential(code, least)
    no_f, no_i = exponential(code, least - f), exponential(code, least - i)
    of_f, of_i = one + no_i, one + no_f
    share = of_i / (of_f + of_i)
    p = _candidate(code, x[2])
    h = code.fma(share, p - state[0], state[0])
    return Step([h], [share, no_f / of_i, no_i / of_f, p])


def _minlstm_backward(code: Code, kept: Vectors, before: Value, grads: Vectors) -> Back:
    (share, no_f, no_i, p), (dh,) = kept, grads
    rest = dh * (1.0 - share)
    to_share = rest * share * (p - before)
    dp = dh * share * _candidate_slope(code, p)
    return Back([0.0 - to_share * no_f, to_share * no_i, dp], [rest])


CELLS: dict[str, Cell] = {
    "rnn_tanh": _simple(tanh, lambda code, h: 1.0 - h * h),
    "rnn_relu": _simple(relu, _relu_slope),
    "rnn_sigmoid": _simple(sigmoid, lambda code, h: h * (1.0 - h)),
    "gru": Cell((2, 0, 1), (0, 1, 2), 1, 4, 4, _gru_forward, _gru_backward),
    # Kept n, r, z; gradients in the order n, r, z as well.
    "gru_reset_before": Cell((2, 0, 1), (0, 1), 1, 3, 3, _reset_first, _reset_backward, second=2),
    "lstm": Cell((0, 1, 2, 3), (0, 1, 2, 3), 0, 4, 5, _lstm_forward, _lstm_backward, 2),
    # Taken in the order i, o, g; torch-like weights stand in the order i, g, o.
    "cifg": Cell((0, 2, 1), (0, 2, 1), 0, 3, 4, _cifg_forward, _cifg_backward, 2),
    # The gates of these see no state.
    "mingru": Cell((0, 1), (), 0, 2, 2, _mingru_forward, _mingru_backward),
    "minlstm": Cell((0, 1, 2), (), 0, 3, 4, _minlstm_forward, _minlstm_backward),
}
