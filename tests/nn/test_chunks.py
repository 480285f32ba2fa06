"""A sequence in pieces, from a file or live, gives what it gives at once, whatever the network."""

from functools import partial

import pytest
import torch

from sklearn_rnn.nn import (
    CELLS,
    ChunkedRun,
    NetworkConfig,
    NetworkStream,
    build_network,
)
from sklearn_rnn.nn._registry import POOLINGS


class OwnCell(torch.nn.Module):
    """A user's cell of one step, whose state is more than its output."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.mix = torch.nn.Linear(input_size + hidden_size, hidden_size)

    def forward(self, x, state):
        h, slow = (x.new_zeros(x.shape[0], self.mix.out_features),) * 2 if state is None else state
        h = torch.tanh(self.mix(torch.cat((x, slow), 1)))
        return h, 0.9 * slow + 0.1 * h


def built(**changes):
    config = {
        "n_channels": 2,
        "hidden_size": 5,
        "head": "multiclass",
        "n_outputs": 3,
        "pooling": ("mean", "max", "last"),
    } | changes
    network = build_network(NetworkConfig(**config), torch.Generator().manual_seed(0))
    if network.path is not None:
        network.path.draw(torch.Generator().manual_seed(1))
        network.path.weight.normal_(generator=torch.Generator().manual_seed(2))
        network.recurrence_share.fill_(0.25)
    return network.eval()


def chunked(network, x, static=None, chunk=7):
    return ChunkedRun(network, lambda a, b: x[:, a:b], x.shape[1], static, chunk)


CASES = [
    *({"cell": cell} for cell in CELLS),
    {"cell": "rnn_relu"},
    {"cell": OwnCell},
    {"cell": torch.nn.GRU},
    {"pooling": tuple(POOLINGS)},
    {"pooling": "last"},
    {"num_layers": 3, "layer_norm": True},
    {"stem": "conv", "stem_filters": 4},
    {"stem": "conv", "stem_filters": 4, "stem_kernel_sizes": (4, 1, 6), "pooling": tuple(POOLINGS)},
    {"stem": "conv", "stem_filters": 4, "stem_norm": "batch", "stem_concatenate": False},
    {"reservoir_units": 6},
    {"per_step": True, "head": "continuous"},
    {"per_step": True, "head": "continuous", "num_layers": 2, "stem": "conv", "n_static": 2},
    {"indicator": True, "n_static": 2},
    {"indicator": True, "n_static": 2, "reservoir_units": 4},
    {"vocabulary_size": 9, "embedding_size": 4},
]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("case", CASES, ids=str)
@torch.inference_mode()
def test_answer_and_states_are_those_of_one_call(case, bidirectional):
    network = built(bidirectional=bidirectional, **case)
    for steps in (1, 6, 7, 8, 33):
        generator = torch.Generator().manual_seed(steps)
        if network.input.__class__.__name__ == "TokenInput":
            x = torch.randint(9, (1, steps), generator=generator)
        else:
            x = torch.randn(1, steps, 2, generator=generator)
            x[0, steps // 2, 0] = float("nan")
        static = None if network.static is None else torch.tensor([[0.3, -1.0]])
        run = partial(chunked, network, x, static)
        found = torch.cat(list(run().answer()))
        torch.testing.assert_close(found, network.answer(x, None, static), rtol=1e-5, atol=1e-5)
        states = torch.cat(list(run().outputs()), 1)
        torch.testing.assert_close(states, network.states(x), rtol=1e-4, atol=1e-5)
        if network.path is not None:
            known = network.path.pooled(network.input(x))
            torch.testing.assert_close(run().path_features(), known, rtol=1e-5, atol=1e-5)


def test_pieces_are_read_once_or_twice_and_never_all_at_once():
    network, asked = built(bidirectional=True), []
    x = torch.randn(1, 100, 2)

    def read(start, stop):
        asked.append((start, stop))
        return x[:, start:stop]

    with torch.inference_mode():
        ChunkedRun(network, read, 100, chunk=10).features()
    assert max(b - a for a, b in asked) == 10
    assert sum(b - a for a, b in asked) == 200


@pytest.mark.parametrize("cell", ["lstm", "mingru"])
def test_states_at_borders_hold_no_more_than_themselves(cell):
    network = built(bidirectional=True, num_layers=2, cell=cell)
    x = torch.randn(1, 60, 2)
    run = chunked(network, x, chunk=20)
    with torch.inference_mode():
        run.features()
    kept = [
        state for sides in run._entering for side in sides for state in side if state is not None
    ]
    assert kept
    for state in kept:
        for tensor in state if isinstance(state, tuple) else (state,):
            assert tensor.untyped_storage().nbytes() == 3 * tensor.nbytes  # one a piece


@pytest.mark.parametrize("case", CASES, ids=str)
@torch.inference_mode()
def test_a_stream_answers_what_the_network_answers_to_the_prefix(case):
    network = built(**case)
    if case.get("vocabulary_size"):
        x = torch.randint(9, (1, 30), generator=torch.Generator().manual_seed(0))
    else:
        x = torch.randn(1, 30, 2, generator=torch.Generator().manual_seed(0))
        x[0, 4, 1] = float("nan")
    static = None if network.static is None else torch.tensor([[0.3, -1.0]])
    stream, done = NetworkStream(network, static), 0
    for size in (1, 1, 1, 1, 1, 1, 1, 1, 9, 1, 4, 1, 1, 6):
        stream.push(x[:, done : done + size])
        done += size
        expected = network.answer(x[:, :done], None, static)
        if case.get("per_step"):
            expected = expected[-size:]
        torch.testing.assert_close(stream.answer(), expected, rtol=1e-5, atol=1e-5)
    assert stream.n_steps == done == 30


@torch.inference_mode()
def test_streams_copied_go_their_own_way_and_states_come_back():
    network = built(reservoir_units=4, stem="conv", stem_filters=3)
    x = torch.randn(1, 20, 2, generator=torch.Generator().manual_seed(0))
    stream = NetworkStream(network)
    stream.push(x[:, :9])
    branch, kept = stream.copy(), stream.copy().state()
    branch.push(torch.ones(1, 5, 2))
    stream.push(x[:, 9:])
    torch.testing.assert_close(stream.answer(), network.answer(x), rtol=1e-5, atol=1e-5)
    other = torch.cat((x[:, :9], torch.ones(1, 5, 2)), 1)
    torch.testing.assert_close(branch.answer(), network.answer(other), rtol=1e-5, atol=1e-5)
    fresh = NetworkStream(network)
    fresh.restore(kept)
    fresh.push(x[:, 9:])
    torch.testing.assert_close(fresh.answer(), stream.answer())


def test_two_directions_cannot_be_streamed():
    with pytest.raises(ValueError, match="starts at the end"):
        NetworkStream(built(bidirectional=True))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_states_at_the_borders_lie_side_by_side(cell):
    """One by one they would keep the memory of the pieces between them from being used again."""
    config = NetworkConfig(hidden_size=4, cell=cell, bidirectional=True)
    network = build_network(config, torch.Generator().manual_seed(0)).eval()
    x = torch.randn(1, 100, 1, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        run = ChunkedRun(network, lambda start, stop: x[:, start:stop], 100, chunk=10)
        states = run._borders(0, 1)
    first = [state if cell == "gru" else state[0] for state in states[:-1]]
    assert states[-1] is None and len(first) == 9
    assert len({state.untyped_storage().data_ptr() for state in first}) == 1
    assert first[0].untyped_storage().nbytes() == 10 * 4 * 4
