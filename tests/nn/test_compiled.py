"""The compiled recurrences give the numbers of torch's, forward and back, and know when not to."""

import copy
import threading

import numpy as np
import pytest
import torch

from sklearn_rnn.kernels import _loading, is_available
from sklearn_rnn.nn import CELLS as NAMED
from sklearn_rnn.nn import Recurrence, _compiled
from sklearn_rnn.nn._cells import RNN, RNNReLU, RNNSigmoid
from sklearn_rnn.nn._compiled import recur

_call = pytest.importorskip("sklearn_rnn.kernels._call", exc_type=ImportError)
pytestmark = pytest.mark.skipif(not is_available(), reason="llvmlite is not installed")

CELLS = {
    **{
        name: kind for name, kind in NAMED.items() if kind(1, 1).compiled_form() and kind is not RNN
    },
    "rnn_tanh": lambda c, h: RNN(c, h),
    "rnn_relu": lambda c, h: RNNReLU(c, h),
    "rnn_sigmoid": lambda c, h: RNNSigmoid(c, h),
}
TOLERANCE = {
    torch.float32: {"rtol": 1e-4, "atol": 1e-5},
    torch.float64: {"rtol": 1e-11, "atol": 1e-12},
}


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """Take the compiled path wherever it can be taken, not only where it is the faster one."""
    monkeypatch.setattr(_compiled, "is_faster", lambda *_: True)
    monkeypatch.setattr(_call, "_WORTH_A_SHARD", 1)


@pytest.fixture
def threads():
    """Return a function that sets torch's threads, and put them back afterwards."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def make(name, channels, units, dtype=torch.float64):
    """Make a layer with weights large enough to saturate gates."""
    torch.manual_seed(0)
    layer = CELLS[name](channels, units).to(dtype)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.mul_(1.5)
    return layer


def is_pair(name):
    return make(name, 1, 1).compiled_form().n_states == 2


def states(name, batch, units, dtype):
    """Draw a state to carry on from, as a list of leaves."""
    count = 2 if is_pair(name) else 1
    return [torch.randn(1, batch, units, dtype=dtype, requires_grad=True) for _ in range(count)]


def by_torch(layer, x, state, monkeypatch):
    """Run a layer on torch's own path."""
    with monkeypatch.context() as patch:
        patch.setenv("SKLEARN_RNN_COMPILED", "0")
        return layer(x, state)


def row_by_row(layer, name, x, state, lengths, reverse, monkeypatch):
    """Run every row by itself, without padding, on torch's path; zeros after its end."""
    outputs, ends = [], []
    for row, length in enumerate(lengths.tolist()):
        part = x[row : row + 1, :length]
        begin = tuple(s[:, row : row + 1] for s in state)
        part = part.flip(1) if reverse else part
        out, after = by_torch(layer, part, begin if is_pair(name) else begin[0], monkeypatch)
        out = out.flip(1) if reverse else out
        outputs.append(torch.nn.functional.pad(out, (0, 0, 0, x.shape[1] - length)))
        ends.append(after if is_pair(name) else (after,))
    return torch.cat(outputs), [torch.cat(parts, 1) for parts in zip(*ends, strict=True)]


def assert_close(got, expected, dtype):
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, **TOLERANCE[dtype])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", CELLS)
def test_ragged_rows_and_every_gradient(name, dtype, reverse, monkeypatch, threads):
    """Lengths, both directions, a carried state; sizes that fill vectors and blocks and do not."""
    threads(1)
    batch, steps, channels, units = 37, 19, 3, 21
    layer = make(name, channels, units, dtype)
    lengths = torch.randint(1, steps + 1, (batch,))
    lengths[5], lengths[6] = steps, 1
    x = torch.randn(batch, steps, channels, dtype=dtype, requires_grad=True)
    state = states(name, batch, units, dtype)
    inputs = [x, *state, *layer.parameters()]
    expected = row_by_row(layer, name, x, state, lengths, reverse, monkeypatch)
    given = tuple(state) if is_pair(name) else state[0]
    out, after = recur(layer.compiled_form(), x, given, lengths, reverse)
    after = list(after) if is_pair(name) else [after]
    assert_close([out, *after], [expected[0], *expected[1]], dtype)
    directions = [torch.randn_like(t) for t in (out, *after)]
    got = torch.autograd.grad([out, *after], inputs, directions)
    wanted = torch.autograd.grad([expected[0], *expected[1]], inputs, directions)
    # Sums over hundreds of steps, in another order.
    scale = 20 if dtype == torch.float32 else 1
    for one, other in zip(got, wanted, strict=True):
        rule = {key: value * scale for key, value in TOLERANCE[dtype].items()}
        torch.testing.assert_close(one, other, **rule)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 40, 2, 16), (9, 1, 5, 33), (2, 150, 1, 50)])
@pytest.mark.parametrize("name", CELLS)
def test_equal_lengths_of_all_shapes(name, shape, monkeypatch):
    batch, steps, channels, units = shape
    layer = make(name, channels, units)
    x = torch.randn(batch, steps, channels, dtype=torch.float64, requires_grad=True)
    inputs = [x, *layer.parameters()]
    expected, _ = by_torch(layer, x, None, monkeypatch)
    out, _ = layer(x)
    assert type(out.grad_fn).__name__ == "CompiledBackward"
    direction = torch.randn_like(out)
    assert_close([out], [expected], x.dtype)
    assert_close(
        torch.autograd.grad(out, inputs, direction),
        torch.autograd.grad(expected, inputs, direction),
        x.dtype,
    )


@pytest.mark.parametrize("name", CELLS)
def test_gradients_against_finite_differences(name):
    layer = make(name, 2, 3)
    x = torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True)
    state = states(name, 3, 3, torch.float64)
    lengths = torch.tensor([2, 4, 1])

    def function(x, *rest):
        given = rest[: len(state)]
        given = tuple(given) if is_pair(name) else given[0]
        return recur(layer.compiled_form(), x, given, lengths)[0]

    inputs = (x, *state, *layer.parameters())
    torch.autograd.gradcheck(function, inputs, fast_mode=False)


@pytest.mark.parametrize("name", ["gru", "gru_reset_before", "cifg"])
def test_a_row_does_not_depend_on_the_others_to_the_last_bit(name, threads):
    layer = make(name, 5, 30, torch.float32)
    x = torch.randn(50, 12, 5)
    lengths = torch.randint(1, 13, (50,))
    together, _ = recur(layer.compiled_form(), x, None, lengths)
    for row in (0, 17, 49):
        alone, _ = recur(layer.compiled_form(), x[row : row + 1, : lengths[row]], None)
        assert torch.equal(together[row, : lengths[row]], alone[0])
    for count in (2, 3):
        threads(count)
        assert torch.equal(recur(layer.compiled_form(), x, None, lengths)[0], together)


@pytest.mark.parametrize("name", CELLS)
def test_threads_change_no_bit_of_the_gradients(name, threads):
    """A fit gives the same whatever its n_jobs."""
    layer = make(name, 5, 30, torch.float32)
    x, lengths = torch.randn(50, 12, 5, requires_grad=True), torch.randint(1, 13, (50,))
    grads = []
    for count in (1, 2, 3, 5):
        threads(count)
        out, _ = recur(layer.compiled_form(), x, None, lengths)
        grads.append(torch.autograd.grad(out.square().sum(), [x, *layer.parameters()]))
    for other in grads[1:]:
        assert all(torch.equal(a, b) for a, b in zip(grads[0], other, strict=True))


def test_what_stands_in_the_padding_is_not_read():
    layer = make("lstm", 2, 5)
    x = torch.randn(3, 6, 2, dtype=torch.float64)
    lengths = torch.tensor([2, 6, 3])
    blank = x.clone()
    blank[0, 2:], blank[2, 3:] = torch.nan, torch.inf
    results = []
    for values in (x, blank):
        values.requires_grad_()
        out, (h, c) = recur(layer.compiled_form(), values, None, lengths)
        results.append([out, h, c, *torch.autograd.grad(out.sum() + c.sum(), layer.parameters())])
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)
    assert (results[0][0][0, 2:] == 0).all()


@pytest.mark.parametrize("name", ["rnn_tanh", "rnn_relu", "rnn_sigmoid", "gru", "lstm", "cifg"])
def test_a_missing_number_shows(name):
    """NaN among the steps must not be mended: a diverging fit has to be seen."""
    layer = make(name, 2, 5)
    x = torch.randn(2, 6, 2, dtype=torch.float64)
    x[0, 3, 0] = torch.nan
    out, _ = layer(x)
    assert out[0, 3:].isnan().all() and not out[0, :3].isnan().any() and not out[1].isnan().any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sigmoid_and_tanh_are_exact(dtype):
    """Also far out, where e^x overflows, and near zero, where 1 - 1 would be left of tanh."""
    parts = [np.linspace(-20, 20, 4001), np.logspace(-30, 3, 200), -np.logspace(-30, 3, 200)]
    values = torch.tensor(np.concatenate(parts), dtype=torch.float64)
    for name, function in (("rnn_tanh", torch.tanh), ("rnn_sigmoid", torch.sigmoid)):
        layer = make(name, 1, 1, dtype)
        with torch.no_grad():
            for weight in layer.parameters():
                weight.zero_()
            layer.core.weight_ih_l0.fill_(1)
        out, _ = layer(values.to(dtype)[:, None, None])
        exact = function(values.to(dtype).double())
        error = (out[:, 0, 0].double() - exact).abs()
        allowed = 4 * torch.finfo(dtype).eps * exact.abs() + 2e-38
        assert (error <= allowed).all()


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "cifg", "gru_reset_before"])
def test_the_recurrence_gives_the_same_both_ways(cell, layer_norm, bidirectional, monkeypatch):
    torch.manual_seed(0)
    recurrence = Recurrence(
        3, 7, cell=cell, num_layers=2, bidirectional=bidirectional, layer_norm=layer_norm
    ).double()
    x = torch.randn(4, 9, 3, dtype=torch.float64)
    lengths = torch.tensor([9, 2, 1, 5])
    for row, length in enumerate(lengths):
        x[row, length:] = torch.nan
    results = []
    for switch in ("1", "0"):
        monkeypatch.setenv("SKLEARN_RNN_COMPILED", switch)
        result = recurrence(x, lengths, return_state=not bidirectional)
        loss = result.output.square().sum() + result.final.sum()
        grads = torch.autograd.grad(loss, list(recurrence.parameters()))
        flat = []
        for state in result.state or ():
            flat += list(state) if isinstance(state, tuple) else [state]
        results.append([result.output, result.final, *flat, *grads])
    assert_close(*results, torch.float64)


def test_a_state_is_carried_on():
    recurrence = Recurrence(2, 6, cell="gru", num_layers=2)
    x = torch.randn(3, 10, 2)
    whole = recurrence(x).output
    first = recurrence(x[:, :4], return_state=True)
    second = recurrence(x[:, 4:], state=first.state)
    assert torch.equal(torch.cat((first.output, second.output), 1), whole)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
        lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
        lambda x: x[::2],
        lambda x: x[:, :, 1:],
        lambda x: x[:1].expand(4, -1, -1),
    ],
)
def test_inputs_of_any_layout(change, monkeypatch):
    x = change(torch.randn(6, 5, 4, dtype=torch.float64)).detach().requires_grad_()
    layer = make("gru", x.shape[2], 3)
    expected, _ = by_torch(layer, x, None, monkeypatch)
    out, _ = layer(x)
    assert_close([out], [expected], x.dtype)
    direction = torch.randn(*out.shape[:2], 1, dtype=x.dtype).expand_as(out)
    (got,) = torch.autograd.grad(out, x, direction)
    (wanted,) = torch.autograd.grad(expected, x, direction)
    assert_close([got], [wanted], x.dtype)


def test_without_gradients():
    layer = make("gru", 2, 3, torch.float32)
    x = torch.randn(4, 5, 2)
    expected = layer(x)[0].detach()
    with torch.no_grad():
        assert torch.equal(layer(x)[0], expected)
    with torch.inference_mode():
        assert torch.equal(layer(x.clone())[0], expected)
    for weight in layer.parameters():
        weight.requires_grad_(False)
    assert layer(x)[0].grad_fn is None


def test_a_part_of_the_gradients():
    layer = make("gru", 2, 3)
    layer.weight_hh_l0.requires_grad_(False)
    x = torch.randn(4, 5, 2, dtype=torch.float64, requires_grad=True)
    layer(x)[1].sum().backward()
    assert layer.weight_hh_l0.grad is None
    assert x.grad.abs().sum() > 0 and layer.weight_ih_l0.grad.abs().sum() > 0


def test_a_second_derivative_is_refused_and_can_be_had(monkeypatch):
    layer = make("gru", 2, 3)
    x = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(layer(x)[0].sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="SKLEARN_RNN_COMPILED"):
        grad.sum().backward()
    out, _ = by_torch(layer, x, None, monkeypatch)
    (grad,) = torch.autograd.grad(out.sum(), x, create_graph=True)
    grad.square().sum().backward()
    assert x.grad.abs().sum() > 0


def test_torch_is_left_what_is_torchs(monkeypatch):
    """Tracing, autocast, other types, wrong shapes, nothing to do: None, and torch's own errors."""
    layer = make("gru", 2, 3, torch.float32)
    form, x = layer.compiled_form(), torch.randn(4, 5, 2)
    assert recur(form, x, None) is not None
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert recur(form, x, None) is None
    assert recur(form, x.bfloat16(), None) is None
    assert recur(form, x.double(), None) is None
    assert recur(form, x[:0], None) is None
    assert recur(form, x[:, :, :1], None) is None
    assert recur(form, x, torch.zeros(1, 3, 3)) is None
    assert recur(form, torch.empty(4, 5, 2, device="meta"), None) is None
    with pytest.raises(RuntimeError, match="input.size"):
        layer(x[:, :, :1])
    monkeypatch.setenv("SKLEARN_RNN_COMPILED", "0")
    assert recur(form, x, None) is None
    monkeypatch.delenv("SKLEARN_RNN_COMPILED")
    monkeypatch.setattr(_loading, "_usable", None)
    monkeypatch.setattr(_loading, "find_spec", lambda name: None)
    assert recur(form, x, None) is None
    assert layer(x)[0].grad_fn is not None


def test_single_steps_are_left_to_torch_where_it_is_faster(monkeypatch):
    monkeypatch.undo()

    def compiled(name, units, rows, steps):
        form = make(name, 2, units, torch.float32).compiled_form()
        return recur(form, torch.randn(rows, steps, 2), None) is not None

    assert all(compiled(name, 3, 1, 2) for name in CELLS)
    assert compiled("lstm", 256, 1, 1)
    assert compiled("gru", 128, 1, 1)
    assert not compiled("gru", 129, 1, 1)
    assert not compiled("rnn_tanh", 3, 1, 1)
    with torch.no_grad():
        assert compiled("rnn_tanh", 3, 1, 1)
        assert compiled("gru", 256, 1, 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["mingru", "minlstm"])
def test_gates_that_vanish(name, dtype, monkeypatch):
    layer = CELLS[name](1, 3).to(dtype)
    with torch.no_grad():
        # Gates of -900 to 900, together and against each other.
        layer.weight_ih.copy_(torch.linspace(-3, 3, len(layer.weight_ih))[:, None])
    x = torch.linspace(-300, 300, 50, dtype=dtype).view(1, -1, 1)
    found = layer(x)[0]
    monkeypatch.setenv("SKLEARN_RNN_COMPILED", "0")
    torch.testing.assert_close(found, layer(x)[0], **TOLERANCE[dtype])


def test_nothing_is_left_in_memory_that_is_kept():
    layer = make("gru", 2, 5, torch.float32)
    x = torch.randn(3, 6, 2)
    layer(x)[0].sum().backward()
    expected = [weight.grad.clone() for weight in layer.parameters()]
    for other in (torch.full_like(x, torch.nan), x):
        layer.zero_grad()
        layer(other)[0].sum().backward()
    for weight, grad in zip(layer.parameters(), expected, strict=True):
        assert torch.equal(weight.grad, grad)


def test_hooks_are_called():
    recurrence = Recurrence(2, 3, cell="gru")
    seen = []
    handle = recurrence.layers[0][0].register_forward_hook(lambda *given: seen.append(given[2][0]))
    output = recurrence(torch.randn(2, 4, 2), torch.tensor([4, 2])).output
    handle.remove()
    assert len(seen) == 1
    torch.testing.assert_close(seen[0][0], output[0])


def test_modules_copy_and_keep_their_names():
    layer = make("gru", 2, 3, torch.float32)
    assert list(layer.state_dict()) == list(torch.nn.GRU(2, 3).state_dict())
    x = torch.randn(2, 4, 2)
    assert torch.equal(copy.deepcopy(layer)(x)[0], layer(x)[0])


def test_threads_may_call_at_once(threads):
    threads(2)
    layer = make("gru", 4, 20, torch.float32)
    x = torch.randn(16, 30, 4)
    expected, found = layer(x)[0].detach(), []

    def work():
        for _ in range(5):
            found.append(torch.equal(layer(x)[0], expected))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [True] * 20
