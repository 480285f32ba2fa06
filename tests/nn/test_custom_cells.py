"""Cells by name and cells of the user's own, in both forms."""

import pickle

import pytest
import torch
from torch import nn

from sklearn_rnn.nn import GRU, Recurrence, StepLoop, make_layer

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
