"""Cells by name and cells of the user's own, in both forms."""

import ast
import copy
import inspect
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

import sklearn_rnn
from sklearn_rnn.nn import CELLS, Recurrence, initialise, make_layer
from sklearn_rnn.nn._cells import GRU
from sklearn_rnn.nn._registry import StepLoop, is_registered

B, T, C, H = 3, 7, 4, 5
LENGTHS = torch.tensor([2, 7, 4])


class Leaky(nn.Module):
    """A step cell whose state is its output."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.w = nn.Linear(input_size, hidden_size)
        self.u = nn.Linear(hidden_size, hidden_size, bias=False)

    def forward(self, x_t, state=None):
        if state is None:
            state = x_t.new_zeros(x_t.shape[0], self.u.in_features)
        return 0.5 * state + 0.5 * torch.tanh(self.w(x_t) + self.u(state))


class WholeLeaky(nn.Module):
    """The same over the whole sequence."""

    def __init__(self, input_size, hidden_size, batch_first=False):
        super().__init__()
        assert batch_first
        self.cell = Leaky(input_size, hidden_size)

    def forward(self, x, state=None):
        outputs = []
        h = None if state is None else state[0]
        for x_t in x.unbind(1):
            h = self.cell(x_t, h)
            outputs.append(h)
        return torch.stack(outputs, 1), h[None]


@pytest.mark.parametrize("cell", [Leaky, WholeLeaky, nn.GRUCell, nn.LSTMCell, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_each_row_as_if_alone(cell, layers, bidirectional):
    torch.manual_seed(0)
    recurrence = Recurrence(C, H, cell=cell, num_layers=layers, bidirectional=bidirectional)
    x = torch.randn(B, T, C)
    output, final, _ = recurrence(x, LENGTHS)
    for i, length in enumerate(LENGTHS.tolist()):
        alone, alone_final, _ = recurrence(x[i : i + 1, :length])
        torch.testing.assert_close(output[i : i + 1, :length], alone)
        torch.testing.assert_close(final[i : i + 1], alone_final)


@pytest.mark.parametrize("cell", [Leaky, WholeLeaky, nn.GRUCell, nn.LSTMCell, nn.LSTM])
def test_state_of_a_ragged_batch_carries_on(cell):
    torch.manual_seed(0)
    recurrence = Recurrence(C, H, cell=cell, num_layers=2)
    x, later = torch.randn(B, T, C), torch.randn(B, 3, C)
    output, _, state = recurrence(x, LENGTHS, return_state=True)
    continued, _, _ = recurrence(later, None, state)
    for i, length in enumerate(LENGTHS.tolist()):
        whole = recurrence(torch.cat((x[i, :length], later[i]))[None]).output
        torch.testing.assert_close(output[i, :length], whole[0, :length])
        torch.testing.assert_close(continued[i], whole[0, length:])


def test_both_forms_agree():
    torch.manual_seed(0)
    step, whole = make_layer(Leaky, C, H), make_layer(WholeLeaky, C, H)
    whole.load_state_dict(step.state_dict())
    x = torch.randn(B, T, C)
    torch.testing.assert_close(step(x)[0], whole(x)[0])


def test_torch_classes_are_taken_as_they_are():
    layer = make_layer(nn.GRU, C, H)
    assert type(layer) is nn.GRU
    assert layer.batch_first
    assert isinstance(make_layer(nn.GRUCell, C, H), StepLoop)
    assert type(make_layer("gru", C, H)) is GRU


def test_unknown_name():
    with pytest.raises(ValueError, match="cell must be one of 'rnn'.*got 'gur'"):
        make_layer("gur", C, H)


@pytest.mark.parametrize("wrong", [3, None, dict, nn.GRUCell(C, H)])
def test_not_a_class_of_modules(wrong):
    with pytest.raises(TypeError, match=r"cell must be a name or a class.*Step form.*Whole"):
        make_layer(wrong, C, H)


def test_constructor_with_another_signature():
    with pytest.raises(TypeError, match="ReLU cannot be built as a cell.*Step form"):
        make_layer(nn.ReLU, C, H)


def test_class_that_asserts_what_a_cell_does_not_give():
    with pytest.raises(TypeError, match="TransformerEncoderLayer cannot be built as a cell"):
        make_layer(nn.TransformerEncoderLayer, C, H)


def test_step_that_returns_no_state():
    class Wrong(nn.Module):
        def __init__(self, input_size, hidden_size):
            super().__init__()

        def forward(self, x_t, state=None):
            return x_t

    with pytest.raises(TypeError, match=r"cell=Wrong: forward must return the new state.*\(3, 5\)"):
        make_layer(Wrong, C, H)(torch.zeros(B, T, C))


@pytest.mark.parametrize("result", ["tensor", "shape"])
def test_whole_sequence_that_returns_something_else(result):
    class Wrong(nn.Module):
        def __init__(self, input_size, hidden_size, batch_first):
            super().__init__()

        def forward(self, x, state=None):
            return x if result == "tensor" else (x, None)

    match = "must return .output, state." if result == "tensor" else "output of shape .3, 7, 5."
    with pytest.raises(TypeError, match=match):
        Recurrence(C, H, cell=Wrong)(torch.zeros(B, T, C))


def test_pickle():
    layer = make_layer(Leaky, C, H)
    x = torch.randn(B, T, C)
    torch.testing.assert_close(pickle.loads(pickle.dumps(layer))(x)[0], layer(x)[0])


@pytest.mark.parametrize("name", CELLS)
def test_the_traits_of_a_cell_are_true(name):
    torch.manual_seed(0)
    layer = make_layer(name, C, H)
    assert is_registered(layer)
    output, state = layer(torch.randn(B, T, C))
    tensors = state if isinstance(state, tuple) else (state,)
    assert all(part.shape[layer.rows_axis] == B for part in tensors)
    assert layer.output_is_state == isinstance(state, torch.Tensor)
    if layer.output_is_state:
        torch.testing.assert_close(state[0], output[:, -1])
    form = layer.compiled_form()
    assert form is None or form.n_states == len(tensors)
    bias = initialised(layer)
    assert len(bias) == len(layer.gate_bias) * H
    assert bias.view(-1, H)[:, 0].tolist() == list(layer.gate_bias)
    assert layer.takes_lengths == ("lengths" in inspect.signature(layer.forward).parameters)


def initialised(layer):
    """Return the bias that the gates start with, after the first weights are drawn."""
    initialise(layer, torch.Generator().manual_seed(0))
    return next(value for key, value in layer.named_parameters() if "bias" in key).detach()


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_layers_of_torchs_own_start_as_ours_do(kind):
    ours = {nn.LSTM: "lstm", nn.GRU: "gru", nn.RNN: "rnn"}[kind]
    expected = initialised(make_layer(ours, C, H))
    assert torch.equal(initialised(make_layer(kind, C, H)), expected)


def test_a_subclass_of_a_cell_is_called_and_not_taken_for_it():
    class Doubled(GRU):
        def forward(self, x, state=None):
            output, after = super().forward(x, state)
            return 2 * output, after

    torch.manual_seed(0)
    assert not is_registered(Doubled(C, H))
    recurrence = Recurrence(C, H, cell="gru")
    doubled = copy.deepcopy(recurrence)
    doubled.layers[0][0].__class__ = Doubled
    x = torch.randn(B, T, C)
    torch.testing.assert_close(doubled(x, LENGTHS).output, 2 * recurrence(x, LENGTHS).output)


def test_the_names_of_cells_stand_in_one_place():
    """A new cell is one file and one line: nothing else lists cells, or asks which one it has."""
    package = Path(sklearn_rnn.__file__).parent
    kinds = {kind.__name__ for kind in CELLS.values()}
    found = []
    for path in package.rglob("*.py"):
        # The kernels have formulas by name, which a cell's form asks for.
        if path.name in ("_registry.py", "__init__.py") or path.parent.name == "kernels":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Set | ast.List | ast.Tuple | ast.Dict):
                parts = node.keys if isinstance(node, ast.Dict) else node.elts
                names = {part.value for part in parts if isinstance(part, ast.Constant)}
                named = {part.id for part in parts if isinstance(part, ast.Name)}
                if len(names & set(CELLS)) > 2 or len(named & kinds) > 2:
                    found.append(f"{path.name}, line {node.lineno}")
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
                asked = {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
                if asked & kinds:
                    found.append(f"{path.name}, line {node.lineno}")
            elif isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                names = {side.value for side in sides if isinstance(side, ast.Constant)}
                asked = {getattr(side, "attr", getattr(side, "id", "")) for side in sides}
                if names & set(CELLS) and "cell" in asked:
                    found.append(f"{path.name}, line {node.lineno}")
    assert not found
