"""Heads of forecasting networks: order, agreement with SciPy, and what their losses want."""

import numpy as np
import pytest
import torch
from scipy import stats

from sklearn_rnn.nn._forecast_network import ForecastHead, interpolate_quantiles, make_forecast_head

LEVELS = (0.05, 0.1, 0.5, 0.9, 0.95)
NAMES = ("quantile", "normal", "student_t", "negative_binomial", "mixture")


def raw_numbers(head: ForecastHead, n: int = 40) -> np.ndarray:
    """Draw raw numbers, wild ones too."""
    return np.random.default_rng(0).normal(0, 3, (n, head.n_raw))


@pytest.mark.parametrize("name", NAMES)
def test_quantiles_never_cross(name):
    head = make_forecast_head(name, LEVELS)
    raw = raw_numbers(head)
    level, scale = np.full(40, 50.0), np.full(40, 10.0)
    found = head.quantiles(raw, LEVELS, level, scale)
    assert found.shape == (40, 5)
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=1) >= 0).all()
    assert np.isfinite(head.point(raw, level, scale)).all()


def test_an_unknown_distribution_is_refused():
    with pytest.raises(ValueError, match="distribution must be one of 'quantile', 'normal'"):
        make_forecast_head("cauchy", LEVELS)
    with pytest.raises(ValueError, match=r"hold 0\.5"):
        make_forecast_head("quantile", (0.1, 0.9))


@pytest.mark.parametrize(
    ("name", "density"),
    [
        ("normal", lambda r: stats.norm(r[0], np.logaddexp(0, r[1]) + 1e-3)),
        (
            "student_t",
            lambda r: stats.t(
                np.logaddexp(0, r[2]) + 2, loc=r[0], scale=np.logaddexp(0, r[1]) + 1e-3
            ),
        ),
    ],
)
def test_likelihoods_are_those_of_scipy(name, density):
    head = make_forecast_head(name, LEVELS)
    one = torch.ones(1)
    for raw in raw_numbers(head, 5):
        reference = density(raw)
        loss = head.loss(torch.from_numpy(raw)[None], torch.tensor([0.7]).double(), one, one)
        base = head.loss(torch.from_numpy(raw)[None], torch.tensor([0.1]).double(), one, one)
        difference = reference.logpdf(0.1) - reference.logpdf(0.7)
        assert float(loss - base) == pytest.approx(difference, rel=1e-5, abs=1e-6)
        found = head.quantiles(raw[None], LEVELS, np.ones(1), np.ones(1))
        np.testing.assert_allclose(found[0], reference.ppf(LEVELS), rtol=1e-5)


def test_counts_have_the_likelihood_of_a_negative_binomial():
    head = make_forecast_head("negative_binomial", LEVELS)
    raw = np.array([0.3, -0.5])
    level, scale = torch.tensor([20.0]), torch.tensor([4.0])
    mean = np.logaddexp(0, (20 + 4 * 0.3) / 4) * 4 + 1e-4
    size = 1 / (np.logaddexp(0, -0.5) + 1e-3)
    reference = stats.nbinom(size, size / (size + mean))
    loss = head.loss(torch.from_numpy(raw)[None], torch.tensor([(17.0 - 20) / 4]), level, scale)
    assert float(loss) == pytest.approx(-reference.logpmf(17), rel=1e-4)
    found = head.quantiles(raw[None], LEVELS, level.numpy(), scale.numpy()) * 4 + 20
    np.testing.assert_allclose(found[0], reference.ppf(LEVELS), atol=1e-4)
    point = head.point(raw[None], level.numpy(), scale.numpy()) * 4 + 20
    assert point[0] == pytest.approx(mean, rel=1e-5)


def test_mixture_quantiles_hold_their_share():
    head = make_forecast_head("mixture", LEVELS, n_components=2)
    raw = np.array([[0.0, 0.0, 0.0, -2.0, 2.0, -1.0, -1.0]])
    found = head.quantiles(raw, LEVELS, np.ones(1), np.ones(1))[0]
    spread = np.logaddexp(0, -1.0) + 1e-3
    below = 0.5 * (stats.norm.cdf(found, -2, spread) + stats.norm.cdf(found, 2, spread))
    np.testing.assert_allclose(below, LEVELS, atol=1e-6)


def test_the_median_does_not_feel_the_other_quantiles():
    head = make_forecast_head("quantile", LEVELS)
    raw = torch.zeros(3, 4, head.n_raw, requires_grad=True)
    head.loss(raw, torch.full((3, 4), 2.0), torch.ones(1), torch.ones(1)).sum().backward()
    np.testing.assert_array_equal(raw.grad[..., 0], -1.0)
    assert (raw.grad[..., 2] < 0).all()


def test_quantiles_learn_the_spread_they_see():
    head = make_forecast_head("quantile", LEVELS)
    raw = torch.zeros(1, 1, head.n_raw, requires_grad=True)
    draws = torch.from_numpy(np.random.default_rng(0).normal(1.0, 2.0, (2000, 1))).float()
    optimizer = torch.optim.Adam([raw, head.steps], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        head.loss(raw.expand(2000, 1, -1), draws, torch.ones(1), torch.ones(1)).mean().backward()
        optimizer.step()
    found = head.quantiles(raw.detach().numpy(), LEVELS, np.ones(1), np.ones(1))[0, 0]
    np.testing.assert_allclose(found, stats.norm(1, 2).ppf(LEVELS), atol=0.25)


def test_interpolation_is_exact_at_the_levels_and_on_normal_distributions():
    values = stats.norm.ppf(LEVELS)[None] * 2 + 1
    np.testing.assert_array_equal(interpolate_quantiles(values, LEVELS, LEVELS), values)
    wanted = (0.01, 0.3, 0.975)
    found = interpolate_quantiles(values, LEVELS, wanted)
    np.testing.assert_allclose(found[0], stats.norm.ppf(wanted) * 2 + 1, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_samples_follow_the_quantiles(name):
    head = make_forecast_head(name, LEVELS)
    raw = torch.from_numpy(raw_numbers(head, 1)).float().expand(4000, -1)
    level, scale = torch.full((4000,), 50.0), torch.full((4000,), 10.0)
    drawn = head.sample(raw, torch.Generator().manual_seed(0), level, scale)
    middle = head.quantiles(
        raw[:1].numpy(), (0.25, 0.5, 0.75), level[:1].numpy(), scale[:1].numpy()
    )
    width = middle[0, 2] - middle[0, 0] + 1e-6
    assert abs(float(drawn.median()) - middle[0, 1]) < 0.15 * width + 0.11
