"""Random convolutions equal a NumPy loop, whatever the padding, the pieces and the batch."""

import itertools

import numpy as np
import pytest
import torch

from sklearn_rnn.nn import _reservoir as _random_convolutions
from sklearn_rnn.nn._building import NetworkConfig, build_network
from sklearn_rnn.nn._drivers import ChunkedRun
from sklearn_rnn.nn._reservoir import RandomConvolutions

KERNELS = [[2 if i in c else -1 for i in range(9)] for c in itertools.combinations(range(9), 3)]


def ready(channels, dtype=torch.float64, longest=60):
    """Draw and calibrate on ragged noise; return the convolutions and the noise."""
    generator = torch.Generator().manual_seed(0)
    net = RandomConvolutions(channels).to(dtype)
    net.draw(generator)
    lengths = torch.tensor([longest, 9, 41, 1, 30])
    x = torch.randn(5, longest, channels, generator=generator, dtype=dtype)
    net.calibrate(x, lengths)
    return net, x, lengths


def by_hand(net, x):
    """Convolve one sequence (T, C) kernel by kernel and count what is above each level."""
    found = []
    for scale, dilation in enumerate(net.dilation.tolist()):
        mixed = x @ net.mixes[scale].numpy()
        for place, kernel in enumerate(net.order[scale].tolist()):
            line = mixed[:, place * net.n_mixes // net.n_kernels]
            padded = np.pad(line, 4 * dilation)
            shifted = [padded[i * dilation : i * dilation + len(x)] for i in range(9)]
            out = np.array(KERNELS[kernel]) @ np.stack(shifted)
            found += [(out > float(level)).mean() for level in net.level[scale, place]]
    return np.array(found)


@pytest.mark.parametrize("channels", [1, 4])
def test_equals_a_loop_whatever_the_padding(channels):
    net, x, lengths = ready(channels)
    # What the levels were taken from lies on them, and counts by half.
    x = torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    x[1, 9:] = torch.nan
    found = net(x, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = net(x[row : row + 1, :length])[0]
        torch.testing.assert_close(alone, found[row], rtol=1e-9, atol=1e-9)
        off = np.abs(by_hand(net, x[row, :length].numpy()) - alone.numpy())
        assert np.quantile(off, 0.9) < 1e-9 and off.max() <= 1 / length


def test_pieces_are_the_whole(monkeypatch):
    net, x, lengths = ready(2, longest=200)
    whole = net(x, lengths)
    monkeypatch.setattr(_random_convolutions, "_CHUNK", 1)
    torch.testing.assert_close(net(x, lengths), whole)


def test_levels_spread_over_what_is_seen_and_scale_does_not_matter():
    net, x, lengths = ready(1, longest=120)
    shares = net(x, lengths)
    assert 0.3 < shares.mean() < 0.7 and (shares[0].std() > 0.2)
    assert net.dilation[0] == 1 and net.reach <= 60
    other = RandomConvolutions(1).double()
    other.draw(torch.Generator().manual_seed(0))
    other.calibrate(1e-3 * x, lengths)
    small = other(1e-3 * x, lengths)
    assert (small - shares).abs().max() < 0.02


def test_rounding_does_not_decide():
    """A plateau convolves to zero but for rounding, and zero is a likely level."""
    net, x, lengths = ready(1, torch.float32)
    flat = torch.where(torch.arange(60) % 20 < 12, 1.3, x[:1, :, 0])[:, :, None]
    net.calibrate(flat)
    off = (net(flat) - net(flat * (1 + 1e-7))).abs().max()
    assert off < 2e-3


@pytest.mark.parametrize("static", [False, True])
def test_a_long_sequence_in_pieces_gives_the_path_its_features(static):
    generator = torch.Generator().manual_seed(1)
    config = NetworkConfig(
        n_channels=2,
        hidden_size=3,
        bidirectional=True,
        reservoir_units=4,
        n_static=1 if static else None,
    )
    network = build_network(config, generator).double().eval()
    x = 3 + torch.randn(1, 200, 2, generator=generator, dtype=torch.float64)
    known = torch.ones(1, 1, dtype=torch.float64) if static else None
    network.path.draw(generator)
    network.path.calibrate(network.input(x))
    network.path.weight.normal_(generator=generator)
    network.recurrence_share.fill_(0.3)
    run = ChunkedRun(network, lambda a, b: x[:, a:b], 200, known, chunk=37)
    torch.testing.assert_close(run.path_features(), network.path.pooled(network.input(x)))
    torch.testing.assert_close(next(run.answer()), network.answer(x, None, known))
