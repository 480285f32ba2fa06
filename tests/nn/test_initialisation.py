"""First weights: what they are, and where they come from."""

import math

import pytest
import torch
from torch import nn

from sklearn_rnn.nn import NetworkConfig, TokenInput, build_network, initialise
from sklearn_rnn.nn._cells import CIFG, GRU, LSTM, RNN, GRUResetBefore, MinGRU, MinLSTM, is_builtin
from sklearn_rnn.nn._recurrence import ConvStem
from sklearn_rnn.nn._registry import StepLoop

C, H = 7, 6


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("kind", "gates"), [(LSTM, 4), (GRU, 3), (RNN, 1), (GRUResetBefore, 3), (CIFG, 3), (nn.GRU, 3)]
)
def test_recurrent_weights_are_orthogonal_for_each_gate(kind, gates):
    layer = kind(C, H)
    initialise(layer, generator())
    weights = {name.rpartition(".")[2]: w.detach() for name, w in layer.named_parameters()}
    recurrent = next(w for name, w in weights.items() if name.startswith("weight_hh"))
    assert recurrent.shape == (gates * H, H)
    for block in recurrent.split(H):
        torch.testing.assert_close(block @ block.T, torch.eye(H), rtol=1e-5, atol=1e-5)
    inputs = next(w for name, w in weights.items() if name.startswith("weight_ih"))
    bound = math.sqrt(6 / (C + H))
    assert inputs.abs().max() <= bound
    assert inputs.abs().max() > 0.8 * bound


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (LSTM, [0, 1, 0, 0]),
        (GRU, [0, 0, 0]),
        (RNN, [0]),
        (GRUResetBefore, [0, 0, 0]),
        (CIFG, [-1, 0, 0]),
        (MinGRU, [-1, 0]),
        (MinLSTM, [1, 0, 0]),
    ],
)
def test_biases_let_the_fresh_cell_remember(kind, expected):
    layer = kind(C, H)
    initialise(layer, generator())
    total = sum(w.detach() for name, w in layer.named_parameters() if "bias" in name)
    assert total.view(-1, H)[:, 0].tolist() == expected
    assert (total.view(-1, H) == total.view(-1, H)[:, :1]).all()


def test_initial_scale_is_the_textbook_one():
    config = NetworkConfig(
        n_channels=20,
        hidden_size=40,
        bidirectional=True,
        head="multiclass",
        n_outputs=9,
        layer_norm=True,
        stem="conv",
    )
    network = build_network(config, generator(), initial_scale=0.01)
    norms = {
        id(p) for m in network.modules() if isinstance(m, nn.LayerNorm) for p in m.parameters()
    }
    for name, weight in network.named_parameters():
        if id(weight) in norms:
            continue
        if "bias" in name:
            assert (weight == 0).all(), name
        else:
            assert 0.008 < weight.std() < 0.012, name
            assert weight.mean().abs() < 0.002, name


@pytest.mark.parametrize("scale", [0, -1.0, float("nan")])
def test_bad_scale(scale):
    with pytest.raises(ValueError, match="initial_scale must be positive"):
        initialise(LSTM(C, H), generator(), initial_scale=scale)


def test_embeddings_and_convolutions():
    tokens = TokenInput(500, 8)
    initialise(tokens, generator())
    weight = tokens.embedding.weight.detach()
    assert 0.95 < weight[:-1].std() < 1.05
    assert (weight[-1] == 0).all()
    stem = ConvStem(C, 16, (5,))
    initialise(stem, generator())
    assert stem.convolutions[0].weight.abs().max() <= math.sqrt(6 / (C * 5))
    assert (stem.convolutions[0].bias == 0).all()


def test_only_the_generator_is_read():
    config = NetworkConfig(n_channels=3, hidden_size=5, head="binary", pooling="attention+mean")
    before = torch.random.get_rng_state()
    one = build_network(config, generator(1))
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(123)
    two, other = build_network(config, generator(1)), build_network(config, generator(2))
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.head.projection.weight, other.head.projection.weight)


class Own(nn.Module):
    """A user's cell, with a torch module inside."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.linear = nn.Linear(input_size + hidden_size, hidden_size)
        self.size = hidden_size

    def forward(self, x_t, state=None):
        state = x_t.new_zeros(len(x_t), self.size) if state is None else state
        return torch.tanh(self.linear(torch.cat((x_t, state), 1)))


def test_a_users_cell_keeps_its_own_weights():
    layer = StepLoop(Own(C, H), H)
    before = layer.cell.linear.weight.clone()
    initialise(layer, generator())
    assert torch.equal(layer.cell.linear.weight, before)
    assert is_builtin(layer)
    assert not is_builtin(layer.cell)


def test_a_users_cell_is_seeded_all_the_same():
    config = NetworkConfig(hidden_size=5, cell=Own)
    before = torch.random.get_rng_state()
    one, two, three = (build_network(config, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)
    name = "recurrence.layers.0.0.cell.linear.weight"
    assert not torch.equal(one.get_parameter(name), three.get_parameter(name))


def test_first_weights_are_the_same_in_both_precisions():
    single, double = LSTM(C, H), LSTM(C, H).double()
    initialise(single, generator())
    initialise(double, generator())
    for a, b in zip(single.parameters(), double.parameters(), strict=True):
        torch.testing.assert_close(a, b.float())
