"""Forecasting networks: shapes, masks, and that they start as their linear path."""

import numpy as np
import pytest
import torch

from sklearn_rnn.nn import ForecastInput, ForecastNetwork, ForecastNetworkConfig

DECODERS = ("segment", "direct", "recursive")


def make(decoder="segment", **parameters):
    """Make a network with something of everything, started."""
    config = ForecastNetworkConfig(
        window=10, horizon=4, n_targets=2, n_extra=3, n_known=2, n_static=1, season=3,
        decoder=decoder, segment_length=3, hidden_size=6, **parameters,
    )  # fmt: skip
    network = ForecastNetwork(config)
    network.start(torch.Generator().manual_seed(0))
    return network.eval()


def batch(n=5, seed=0):
    """Make an input for `make`."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=draw)

    return ForecastInput(
        normal(n, 2, 10), torch.ones(n, 2, 10), normal(n, 2, 3), normal(n, 14, 2),
        torch.zeros(n, 10, 0), normal(n, 1),
    )  # fmt: skip


@pytest.mark.parametrize("decoder", DECODERS)
def test_shapes_and_the_start_at_the_linear_path(decoder):
    network, inputs = make(decoder), batch()
    with torch.no_grad():
        network.linear.map.weight.normal_(generator=torch.Generator().manual_seed(1))
        network.linear.effect.weight.fill_(0.3)
        raw = network(inputs, torch.zeros(5, 2, 4))
        assert raw.shape == (5, 2, 4, network.head.n_raw)
        torch.testing.assert_close(raw[..., 0], network.linear(inputs))


@pytest.mark.parametrize("decoder", DECODERS)
def test_every_parameter_learns(decoder):
    network, inputs = make(decoder), batch()
    with torch.no_grad():
        network.output.weight.fill_(0.1)
    raw = network(inputs, torch.ones(5, 2, 4))
    network.head.loss(
        raw, torch.full((5, 2, 4), 2.0), torch.ones(1), torch.ones(1)
    ).sum().backward()
    still = [n for n, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert still == []


def test_the_share_goes_from_the_closed_form_to_what_was_trained():
    network, inputs = make(), batch()
    with torch.no_grad():
        network.closed.map.bias.fill_(1.0)
        raw = network(inputs)
        network.share.fill_(0.25)
        found = network.blended(inputs, raw)
    torch.testing.assert_close(found[..., 0], 0.25 * raw[..., 0] + 0.75)
    torch.testing.assert_close(found[..., 1:], raw[..., 1:])


def test_an_effect_of_a_covariate_is_taken_off_the_window_and_added_to_the_horizon():
    network = make()
    known = torch.zeros(1, 14, 2)
    known[0, 11, 0] = 1.0
    z = torch.zeros(1, 2, 10)
    inputs = ForecastInput(
        z, torch.ones_like(z), torch.zeros(1, 2, 3), known, torch.zeros(1, 10, 0), torch.zeros(1, 1)
    )
    with torch.no_grad():
        network.linear.effect.weight.copy_(torch.tensor([[2.0, 0.0]]))
        np.testing.assert_allclose(network.linear(inputs)[0, 0], [0, 2, 0, 0])


def test_the_recursive_decoder_does_not_see_the_step_it_forecasts():
    network, inputs = make("recursive"), batch()
    with torch.no_grad():
        network.output.weight.normal_(generator=torch.Generator().manual_seed(1))
        target = torch.zeros(5, 2, 4)
        first = network(inputs, target)
        target[:, :, 2:] = 5.0
        second = network(inputs, target)
    torch.testing.assert_close(first[:, :, :3], second[:, :, :3])
    assert not torch.allclose(first[:, :, 3], second[:, :, 3])
    with pytest.raises(ValueError, match="learns from targets"):
        network(inputs)


def test_sampled_paths_repeat_with_the_generator():
    network, inputs = make("recursive"), batch()
    units = torch.zeros(5, 2), torch.ones(5, 2)
    first = network.sample(inputs, *units, torch.Generator().manual_seed(3))
    again = network.sample(inputs, *units, torch.Generator().manual_seed(3))
    other = network.sample(inputs, *units, torch.Generator().manual_seed(4))
    assert first.shape == (1, 5, 2, 4)
    both = network.sample(inputs, *units, torch.Generator().manual_seed(3), n_paths=2)
    assert torch.equal(both[:1], first) and not torch.equal(both[1], both[0])
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("decoder", DECODERS)
def test_the_recurrence_reads_the_recent_part_alone(decoder):
    network, inputs = make(decoder, recent=6), batch()
    with torch.no_grad():
        network.output.weight.normal_(generator=torch.Generator().manual_seed(1))
        first = network(inputs, torch.zeros(5, 2, 4))
        inputs.z[:, :, :4] = 7.0
        torch.testing.assert_close(network(inputs, torch.zeros(5, 2, 4)), first)


def test_an_unknown_decoder_is_refused():
    with pytest.raises(ValueError, match="decoder must be one of 'segment'"):
        make("attention")


def test_what_is_known_ahead_is_read_with_the_state_step_by_step():
    network, inputs, states = make(), batch(), []
    network.context.register_forward_hook(lambda *given: states.append(given[2].relu()))
    torch.nn.init.normal_(network.future_output.weight, generator=torch.Generator().manual_seed(1))
    found = network(inputs)
    both = torch.cat((states[0][:, None].expand(-1, 4, -1), inputs.known[:, 10:]), 2)
    added = network.future_output(network.future(both).relu()).reshape(5, 4, 2, -1)
    torch.nn.init.zeros_(network.future_output.weight)
    torch.testing.assert_close(found - network(inputs), added.transpose(1, 2))
