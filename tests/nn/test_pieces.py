"""Training in pieces: checkpoints change no gradient, detached states end it where they should."""

import time

import pytest
import torch

from sklearn_rnn.nn import (
    NetworkConfig,
    Pieces,
    build_network,
    features_in_pieces,
    set_generator,
    window_features,
)

LENGTHS = torch.tensor([23, 9, 40, 1, 31])


class OwnCell(torch.nn.Module):
    """A user's cell of one step that draws from torch's global generator in training."""

    share = 0.2

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.mix = torch.nn.Linear(input_size + hidden_size, hidden_size)

    def forward(self, x, state):
        h = x.new_zeros(x.shape[0], self.mix.out_features) if state is None else state
        return torch.nn.functional.dropout(torch.tanh(self.mix(torch.cat((x, h), 1))), self.share)


class QuietCell(OwnCell):
    """The same without its draws."""

    share = 0.0


def built(**changes):
    config = {"n_channels": 2, "hidden_size": 4, "head": "multiclass", "n_outputs": 3} | changes
    return build_network(NetworkConfig(**config), torch.Generator().manual_seed(0)).double()


def batch(equal=False):
    x = torch.randn(5, 40, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return x, None if equal else LENGTHS


def gradients(network, features, x, lengths, static=None):
    """Gradients of a fixed loss of the features, dropout seeded."""
    set_generator(network, torch.Generator().manual_seed(5))
    torch.manual_seed(7)
    network.zero_grad()
    found = features(x, lengths, static)
    weight = torch.randn(found.shape, generator=torch.Generator().manual_seed(2)).to(found)
    (found * weight).sum().backward()
    grads = [p.grad for name, p in network.named_parameters() if not name.startswith("head")]
    return found.detach(), grads


CASES = [
    {},
    {"cell": "gru", "num_layers": 2, "layer_norm": True},
    {"cell": "rnn_relu", "pooling": "max"},
    {"cell": "cifg", "pooling": ("attention", "last")},
    {"cell": "minlstm", "num_layers": 2, "pooling": "attention"},
    {"stem": "conv", "stem_filters": 3, "n_static": 2},
    {"per_step": True, "n_static": 2},
    {"num_layers": 2, "dropout": 0.4, "stem": "conv", "stem_filters": 3},
    {"cell": OwnCell},
]


@pytest.mark.parametrize("equal", [False, True], ids=["ragged", "equal"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_checkpoints_change_no_gradient(case, bidirectional, equal):
    network = built(bidirectional=bidirectional, **case).train()
    x, lengths = batch(equal)
    static = torch.ones(5, 2, dtype=torch.float64) if case.get("n_static") else None

    def kept(x, lengths, static):
        return features_in_pieces(network, x, lengths, static, Pieces(7, checkpoint=False))

    def again(x, lengths, static):
        return features_in_pieces(network, x, lengths, static, Pieces(7))

    value, grads = gradients(network, kept, x, lengths, static)
    found, computed_again = gradients(network, again, x, lengths, static)
    torch.testing.assert_close(found, value)
    for one, other in zip(computed_again, grads, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
    if case.get("dropout") or case.get("cell") is OwnCell:
        return  # at once, dropout draws in another order
    value, grads = gradients(network, network.features, x, lengths, static)
    torch.testing.assert_close(found, value)
    for one, other in zip(computed_again, grads, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_detached_states_end_the_gradient():
    network = built(pooling="last").train()
    x, _ = batch()
    for start in (28, 35):
        x.requires_grad_().grad = None
        features = features_in_pieces(network, x, None, None, Pieces(7, False, detach=start == 35))
        features.sum().backward()
        reached = x.grad.abs().sum((0, 2)) > 0
        assert bool(reached[35:].all()) and bool(reached[:35].any()) == (start == 28)


@pytest.mark.parametrize(
    "case",
    [{}, {"cell": QuietCell}, {"stem": "conv", "stem_filters": 3, "num_layers": 2, "n_static": 1}],
    ids=str,
)
def test_windows_carry_the_state(case):
    network = built(per_step=True, **case).eval()
    x, _ = batch()
    lengths = LENGTHS.sort(descending=True).values
    static = torch.ones(5, 1, dtype=torch.float64) if case.get("n_static") else None
    expected = network.features(x, lengths, static).split(lengths.tolist())
    states, parts = None, [[] for _ in range(5)]
    for start in range(0, 40, 6):
        stop = min(40, start + 6)
        found, states = window_features(network, x, lengths, static, (start, stop), states)
        here = (lengths[lengths > start] - start).clamp(max=stop - start).tolist()
        for row, part in enumerate(found.split(here)):
            parts[row].append(part)
    for row, whole in enumerate(expected):
        torch.testing.assert_close(torch.cat(parts[row]), whole)


def test_the_gradient_of_a_long_sequence_costs_what_its_length_costs():
    network = built(n_channels=None, vocabulary_size=9, embedding_size=256, hidden_size=2).float()

    def seconds(n):
        x = torch.randint(2, 9, (1, n), generator=torch.Generator().manual_seed(0))
        begun = time.process_time()
        features_in_pieces(network, x, None, None, Pieces(64)).sum().backward()
        return time.process_time() - begun

    seconds(1000)
    assert seconds(24000) < 8 * seconds(6000) + 0.2
