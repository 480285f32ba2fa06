"""Each cell against a NumPy loop written from its equations, and finite differences."""

import numpy as np
import pytest
import torch

from sklearn_rnn.nn._cells import (
    CIFG,
    GRU,
    LSTM,
    RNN,
    GRUResetBefore,
    MinGRU,
    MinLSTM,
    RNNReLU,
    RNNSigmoid,
)

B, T, C, H = 3, 6, 4, 5


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def positive(v):
    return np.where(v >= 0, v + 0.5, sigmoid(v))


def draw(layer, seed=0):
    """Give a layer float64 weights of a size that bends every nonlinearity, and an input."""
    generator = torch.Generator().manual_seed(seed)
    layer = layer.double()
    for weight in layer.parameters():
        weight.data = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
    x = torch.randn(B, T, C, generator=generator, dtype=torch.float64)
    h = torch.rand(1, B, H, generator=generator, dtype=torch.float64)
    c = torch.randn(1, B, H, generator=generator, dtype=torch.float64)
    return layer, x, h, c


def arrays(layer):
    return {name.rpartition(".")[2]: w.detach().numpy() for name, w in layer.named_parameters()}


def over_time(step, x, state):
    outputs = []
    for t in range(x.shape[1]):
        state = step(x[:, t], state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    return np.stack(outputs, 1), state


def rnn_step(w, phi):
    return lambda x, h: phi(
        x @ w["weight_ih_l0"].T + h @ w["weight_hh_l0"].T + w["bias_ih_l0"] + w["bias_hh_l0"]
    )


def lstm_step(w):
    def step(x, state):
        h, c = state
        v = x @ w["weight_ih_l0"].T + h @ w["weight_hh_l0"].T + w["bias_ih_l0"] + w["bias_hh_l0"]
        i, f, g, o = np.split(v, 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    return step


def gru_step(w):
    def step(x, h):
        xr, xz, xn = np.split(x @ w["weight_ih_l0"].T + w["bias_ih_l0"], 3, 1)
        hr, hz, hn = np.split(h @ w["weight_hh_l0"].T + w["bias_hh_l0"], 3, 1)
        r, z = sigmoid(xr + hr), sigmoid(xz + hz)
        return (1 - z) * np.tanh(xn + r * hn) + z * h

    return step


def gru_reset_before_step(w):
    (wr, wz, wc), (ur, uz, uc), (br, bz, bc) = (
        np.split(w[name], 3) for name in ("weight_ih", "weight_hh", "bias")
    )

    def step(x, h):
        r = sigmoid(x @ wr.T + h @ ur.T + br)
        z = sigmoid(x @ wz.T + h @ uz.T + bz)
        candidate = np.tanh(x @ wc.T + (r * h) @ uc.T + bc)
        return (1 - z) * h + z * candidate

    return step


def cifg_step(w):
    (wi, wg, wo), (ui, ug, uo), (bi, bg, bo) = (
        np.split(w[name], 3) for name in ("weight_ih", "weight_hh", "bias")
    )

    def step(x, state):
        h, c = state
        i = sigmoid(x @ wi.T + h @ ui.T + bi)
        o = sigmoid(x @ wo.T + h @ uo.T + bo)
        candidate = np.tanh(x @ wg.T + h @ ug.T + bg)
        c = i * candidate + (1 - i) * c
        return o * np.tanh(c), c

    return step


def mingru_step(w):
    def step(x, h):
        z, candidate = np.split(x @ w["weight_ih"].T + w["bias"], 2, 1)
        return (1 - sigmoid(z)) * h + sigmoid(z) * positive(candidate)

    return step


def minlstm_step(w):
    def step(x, h):
        f, i, candidate = np.split(x @ w["weight_ih"].T + w["bias"], 3, 1)
        f, i = sigmoid(f), sigmoid(i)
        return f / (f + i) * h + i / (f + i) * positive(candidate)

    return step


CASES = {
    "rnn tanh": (lambda: RNN(C, H), lambda w: rnn_step(w, np.tanh), False),
    "rnn relu": (
        lambda: RNNReLU(C, H),
        lambda w: rnn_step(w, lambda v: np.maximum(v, 0)),
        False,
    ),
    "rnn sigmoid": (lambda: RNNSigmoid(C, H), lambda w: rnn_step(w, sigmoid), False),
    "lstm": (lambda: LSTM(C, H), lstm_step, True),
    "gru": (lambda: GRU(C, H), gru_step, False),
    "gru reset before": (lambda: GRUResetBefore(C, H), gru_reset_before_step, False),
    "cifg": (lambda: CIFG(C, H), cifg_step, True),
    "mingru": (lambda: MinGRU(C, H), mingru_step, False),
    "mingru sequential": (lambda: MinGRU(C, H, parallel=False), mingru_step, False),
    "minlstm": (lambda: MinLSTM(C, H), minlstm_step, False),
    "minlstm sequential": (lambda: MinLSTM(C, H, parallel=False), minlstm_step, False),
}
each_case = pytest.mark.parametrize(
    ("make", "make_step", "two"), CASES.values(), ids=[name.replace(" ", "-") for name in CASES]
)


@each_case
@pytest.mark.parametrize("given_state", [False, True])
def test_equations(make, make_step, two, given_state):
    layer, x, h, c = draw(make())
    if not given_state:
        h, c = torch.zeros_like(h), torch.zeros_like(c)
    state = (h, c) if two else h
    output, after = layer(x, state if given_state else None)
    start = (h[0].numpy(), c[0].numpy()) if two else h[0].numpy()
    expected, expected_after = over_time(make_step(arrays(layer)), x.numpy(), start)
    np.testing.assert_allclose(output.detach(), expected, rtol=1e-10, atol=1e-12)
    if not two:
        after, expected_after = (after,), (expected_after,)
    for got, want in zip(after, expected_after, strict=True):
        assert got.shape == (1, B, H)
        np.testing.assert_allclose(got[0].detach(), want, rtol=1e-10, atol=1e-12)


@each_case
def test_equations_float32(make, make_step, two):
    layer, x, h, c = draw(make())
    layer = layer.float()
    start = (0 * h[0].numpy(), 0 * c[0].numpy()) if two else 0 * h[0].numpy()
    expected, _ = over_time(make_step(arrays(layer)), x.numpy(), start)
    np.testing.assert_allclose(layer(x.float())[0].detach(), expected, rtol=1e-4, atol=1e-5)


@each_case
def test_gradients_through_time(make, make_step, two):
    layer, x, h, c = draw(make(), seed=1)
    names = [name for name, _ in layer.named_parameters()]
    inputs = [x[:2, :4].clone(), h[:, :2].clone(), c[:, :2].clone()]
    inputs += [weight.detach() * 0.5 for weight in layer.parameters()]

    def call(x, h, c, *weights):
        state = (h, c) if two else h
        named = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(layer, named, (x, state))[0]

    inputs = [value.requires_grad_() for value in inputs]
    assert torch.autograd.gradcheck(call, inputs, fast_mode=True)


@pytest.mark.parametrize("number", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", [MinGRU, MinLSTM])
def test_parallel_form_equals_the_loop_at_length_2000(kind, number):
    torch.manual_seed(0)
    parallel, loop = kind(C, H), kind(C, H, parallel=False)
    loop.load_state_dict(parallel.state_dict())
    parallel, loop = parallel.to(number), loop.to(number)
    # Large gates: some units forget everything at once, others next to nothing.
    x = (8 * torch.randn(2, 2000, C)).to(number)
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if number == torch.float32 else {"rtol": 1e-10}
    results = []
    for layer in (parallel, loop):
        output = layer(x)[0]
        output.square().mean().backward()
        results.append((output.detach(), *(weight.grad for weight in layer.parameters())))
    for got, want in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, **tolerance)


@pytest.mark.parametrize("kind", [LSTM, GRU, RNN, GRUResetBefore, CIFG, MinGRU, MinLSTM])
def test_the_state_carries_on(kind):
    layer, x, *_ = draw(kind(C, H))
    whole, end = layer(x)
    first, state = layer(x[:, :2])
    second, same_end = layer(x[:, 2:], state)
    torch.testing.assert_close(torch.cat((first, second), 1), whole)
    torch.testing.assert_close(same_end, end)


@pytest.mark.parametrize("kind", [RNN, GRUResetBefore, CIFG, MinGRU, MinLSTM])
def test_cells_follow_autocast(kind):
    torch.manual_seed(0)
    layer = kind(C, H)
    x = torch.randn(B, T, C)
    expected = layer(x)[0]
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(x)[0]
    torch.testing.assert_close(output.float(), expected, rtol=0.05, atol=0.05)
