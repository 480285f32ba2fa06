"""The reservoir equals a NumPy loop of its equation and exact pooling, whatever the padding."""

import numpy as np
import pytest
import torch

from sklearn_rnn.nn import NetworkConfig, Reservoir, build_network, reservoir_states
from sklearn_rnn.nn._reservoir import TIME_SCALES, ReservoirPath


@pytest.fixture
def reservoir():
    made = Reservoir(2, units=7).double()
    made.draw(torch.Generator().manual_seed(3))
    made.difference_scale.copy_(torch.tensor([0.5, 2.0]))
    return made


def test_forward_alone_is_the_first_half_of_both():
    x, lengths = torch.randn(3, 40, 2), torch.tensor([40, 3, 33])
    both, alone = Reservoir(2, units=4), Reservoir(2, units=4, bidirectional=False)
    both.draw(torch.Generator().manual_seed(0))
    for name, buffer in alone.named_buffers():
        buffer.copy_(getattr(both, name)[: len(buffer)])
    assert alone.output_size == both.output_size // 2
    blocks = both(x, lengths).view(3, 10, -1)[:, :5]
    torch.testing.assert_close(alone(x, lengths), blocks.flatten(1))


def by_hand(reservoir, x):
    """Pool h_t = h + leak (tanh(W_in u_t + W h + b) - h), u the series and its difference."""
    difference = np.diff(x, axis=0, prepend=x[:1]) / reservoir.difference_scale.numpy()
    u = np.concatenate([x, difference], axis=1)
    pooled = []
    for k in range(2 * len(TIME_SCALES)):
        w_in, w = reservoir.weight_in[k].numpy(), reservoir.weight[k].numpy()
        bias, leak = reservoir.bias[k, 0].numpy(), float(reservoir.leak[k, 0, 0])
        states, h = [], np.zeros(7)
        for step in u if k < len(TIME_SCALES) else u[::-1]:
            h = h + leak * (np.tanh(step @ w_in + h @ w + bias) - h)
            states.append(h)
        s = np.array(states)
        change = np.abs(np.diff(s, axis=0)).sum(axis=0) / len(s)
        pooled += [s.mean(0), s.max(0), s[-1], s.std(0), (s > 0).mean(0), change]
    return np.concatenate(pooled)


@pytest.mark.parametrize("length", [1, 2, 31, 32, 33, 100])
def test_equals_its_equation(reservoir, length):
    x = np.random.default_rng(length).normal(size=(length, 2))
    found = reservoir(torch.tensor(x)[None])[0]
    np.testing.assert_allclose(found, by_hand(reservoir, x), rtol=1e-9, atol=1e-12)


def test_padding_and_batch_mates_do_not_matter(reservoir):
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(n, 2)) for n in (5, 70, 1, 32, 64)]
    x = torch.full((5, 90, 2), float("nan"), dtype=torch.float64)
    for i, part in enumerate(parts):
        x[i, : len(part)] = torch.tensor(part)
    found = reservoir(x, torch.tensor([len(p) for p in parts]))
    for row, part in zip(found, parts, strict=True):
        np.testing.assert_allclose(row, by_hand(reservoir, part), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_states_of_every_step_are_those_that_are_pooled(piece, bidirectional):
    """Maximum and last value of the states are the pooled ones, and pieces change nothing."""
    made = Reservoir(2, units=4, bidirectional=bidirectional, poolings=("max", "last")).double()
    made.draw(torch.Generator().manual_seed(3))
    rng = np.random.default_rng(0)
    lengths = torch.tensor([5, 30, 1, 16])
    x = torch.tensor(rng.normal(size=(4, 33, 2)))
    pieces = list(reservoir_states(made, x, lengths, piece=piece))
    assert [start for start, _ in pieces] == list(range(0, 33, piece))
    states = torch.cat([states for _, states in pieces], 1)
    whole = torch.cat([states for _, states in reservoir_states(made, x, lengths)], 1)
    assert states.shape == (4, 33, made.state_size)
    pooled = made(x, lengths).reshape(4, -1, 2, 4)
    for row, n in enumerate(lengths.tolist()):
        torch.testing.assert_close(states[row, :n], whole[row, :n])
        own = states[row, :n].reshape(n, -1, 4)
        torch.testing.assert_close(own.amax(0), pooled[row, :, 0])
        torch.testing.assert_close(own[-1, :5], pooled[row, :5, 1])
        if bidirectional:
            torch.testing.assert_close(own[0, 5:], pooled[row, 5:, 1])


def test_options():
    made = Reservoir(3, 4, time_scales=[(0.7, 0.3)], poolings=["last", "mean"], input_scale=2.0)
    assert made.output_size == 16 and made.poolings == ("mean", "last")
    made.draw(torch.Generator().manual_seed(0))
    other = Reservoir(3, 4, time_scales=[(0.7, 0.3)])
    other.draw(torch.Generator().manual_seed(0))
    torch.testing.assert_close(made.weight_in, 2 * other.weight_in)
    all_of_them = other(torch.ones(1, 5, 3)).reshape(1, 2, 6, 4)
    assert all_of_them.shape == (1, 2, 6, 4)
    with pytest.raises(ValueError, match="poolings must be among"):
        Reservoir(1, poolings=["median"])


def test_spectral_radius_and_sparse_inputs():
    reservoir = Reservoir(40, units=60, inputs_per_unit=10)
    reservoir.draw(torch.Generator().manual_seed(0))
    radius = torch.linalg.eigvals(reservoir.weight.double()).abs().amax(1)
    np.testing.assert_allclose(radius, [r for r, _ in TIME_SCALES] * 2, rtol=1e-5)
    per_unit = (reservoir.weight_in != 0).sum(1).double().mean()
    assert 8 < per_unit < 12
    assert reservoir.weight_in.square().sum(1).mean() == pytest.approx(1.0, rel=0.1)


def test_the_generator_alone_decides():
    before = torch.random.get_rng_state()
    made = [Reservoir(3, units=5) for _ in range(2)]
    for one in made:
        one.draw(torch.Generator().manual_seed(7))
    assert torch.equal(made[0].weight, made[1].weight)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_answer_is_a_share_of_both():
    config = NetworkConfig(n_channels=2, hidden_size=4, reservoir_units=3)
    network = build_network(config, torch.Generator().manual_seed(0)).eval()
    network.path.draw(torch.Generator().manual_seed(1))
    network.path.set_readout(torch.full_like(network.path.weight, 0.1), torch.ones(1))
    x, lengths = torch.randn(3, 6, 2), torch.tensor([6, 2, 4])
    trained, solved = network(x, lengths), network.path(network.input(x), lengths)
    for share in (0.0, 0.25, 1.0):
        network.recurrence_share.fill_(share)
        expected = share * trained + (1 - share) * solved
        torch.testing.assert_close(network.answer(x, lengths), expected)


def test_static_features_are_read_out_beside_the_states():
    config = NetworkConfig(hidden_size=4, reservoir_units=3, static_cardinalities=(None, 3))
    network = build_network(config, torch.Generator().manual_seed(0)).eval()
    static = torch.tensor([[2.0, 1.0], [float("nan"), float("nan")]])
    x, lengths = torch.randn(2, 5, 1), torch.tensor([5, 3])
    features = network.solved(x, lengths, static, features=True)
    assert features.shape == (2, network.path.pooled_size + 4)
    assert features[:, -4:].tolist() == [[2.0, 0.0, 1.0, 0.0], [0.0] * 4]
    assert network.solved(x, lengths, static).shape == (2, 1)


@pytest.mark.parametrize(
    "change", [{"vocabulary_size": 9}, {"per_step": True}, {"head": "joint", "n_outputs": (2, 3)}]
)
def test_refusals(change):
    with pytest.raises(ValueError, match="reservoir_units=0"):
        build_network(NetworkConfig(reservoir_units=5, **change))
    with pytest.raises(ValueError, match="units must be at least 1"):
        ReservoirPath(1, 1, units=0)
