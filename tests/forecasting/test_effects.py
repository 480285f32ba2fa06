"""What covariates known ahead explain, solved in closed form."""

import pickle

import numpy as np
import pandas as pd
import pytest
from series import SHAPE, quick, weekly

from sklearn_rnn.forecasting._lanes import estimate_effects, make_lanes
from sklearn_rnn.forecasting._panel import Panel


def table(n=120, seed=0, **columns):
    """Return a price that is drawn anew each day, and days."""
    price = np.random.default_rng(seed).normal(size=n)
    index = pd.date_range("2024-01-01", periods=n, freq="D", name="day")
    return pd.DataFrame({"price": price, **columns}, index=index)


def error(forecaster, X, y, late=7):
    """Return the mean absolute error on the last rows."""
    forecaster.fit(X[:-late], y[:-late])
    return np.abs(forecaster.predict(X[-late:]) - y[-late:]).mean()


@pytest.mark.parametrize("keywords", [{}, {"closed_form": True, "max_epochs": 1}])
def test_a_short_series_is_enough_to_learn_an_effect(keywords):
    X = table()
    y = weekly(120) + 3 * X.price.to_numpy()
    assert error(quick(**keywords), X, y) < 0.5 < error(quick(**keywords), X[[]], y)


def test_categories_have_effects():
    promotion = np.where(np.random.default_rng(1).random(120) < 0.2, "yes", "no")
    X = table(promotion=promotion)[["promotion"]]
    y = weekly(120) + 6 * (promotion == "yes")
    assert error(quick(), X, y) < 0.5


def test_under_the_logarithm_effects_multiply():
    X = table()
    y = np.exp(2 + SHAPE[np.arange(120) % 7] / 5 + X.price.to_numpy() / 2)
    assert error(quick(target_transform="log"), X, y) < 0.03 * y.mean()


def test_each_target_has_its_own_effect():
    X = table()
    y = np.column_stack([weekly(120) + 3 * X.price, weekly(120) - 2 * X.price])
    assert error(quick(), X, y) < 0.5


def test_effects_go_on_beyond_the_horizon_and_after_an_update():
    X = table()
    y = weekly(120) + 3 * X.price.to_numpy()
    forecaster = quick().fit(X[:-21], y[:-21])
    far = forecaster.forecast(21, X[-21:]).forecast
    assert np.abs(far - y[-21:]).mean() < 0.6
    assert np.allclose(far, forecaster.predict(X[-21:]))
    assert (pickle.loads(pickle.dumps(forecaster)).forecast(21, X[-21:]).forecast == far).all()
    forecaster.update(X[-21:-7], y[-21:-7])
    assert np.abs(forecaster.predict(X[-7:]) - y[-7:]).mean() < 0.5


def test_in_sample_forecasts_have_the_effect_of_their_own_row():
    X = table()
    y = weekly(120) + 3 * X.price.to_numpy()
    assert np.abs(quick().fit(X, y).predict(X[60:]) - y[60:]).mean() < 0.5


def test_a_constant_series_beside_others_stays_constant():
    X = pd.concat([table(seed=k) for k in range(3)])
    X.index = pd.MultiIndex.from_arrays([np.repeat(["a", "b", "c"], 120), X.index])
    y = np.concatenate([weekly(120), weekly(120, shift=2), np.zeros(120)])
    y += np.where(np.arange(360) < 240, 3 * X.price, 100.0)
    with pytest.warns(UserWarning, match="1 of 3 series .'c'. are constant"):
        forecaster = quick().fit(X, y)
    assert forecaster.validation_["effects"]
    later = X[:7].set_axis(
        pd.MultiIndex.from_product([["c"], pd.date_range("2024-04-30", periods=7, freq="D")])
    )
    assert np.allclose(forecaster.predict(later), 100)


def test_a_covariate_that_says_nothing_does_little_harm():
    y = weekly(120)
    alone = [error(quick(), table(seed=k)[[]], y) for k in range(3)]
    beside = [error(quick(), table(seed=k), y) for k in range(3)]
    assert np.mean(beside) < 1.1 * np.mean(alone)


def test_the_calendar_and_counts_have_no_solved_effects():
    X = table()
    y = np.round(weekly(120) + 5 + X.price.clip(-3, 3))
    assert not quick().fit(X[[]], y).validation_["effects"]
    assert not quick(distribution="negative_binomial").fit(X, y).validation_["effects"]


@pytest.mark.parametrize(("signs", "between"), [((1, 1), False), ((1, -1), True)])
def test_lanes_keep_their_own_effects_as_far_as_they_differ(signs, between):
    rng = np.random.default_rng(0)
    known = rng.normal(size=(40 * 60, 1))
    sign = np.repeat(np.tile(signs, 20), 60)
    values = np.cumsum(rng.normal(size=40 * 60)) + 3 * sign * known[:, 0]
    offsets = np.arange(41) * 60
    panel = Panel(values[:, None], offsets, np.zeros(40, np.int64), known=known)
    lanes = make_lanes(panel, None, seasonality=False)
    effects = estimate_effects(lanes, known, lanes.end)
    assert effects.lag == (1,)
    assert (effects.between[0] > 0.05) == between
    freed = make_lanes(panel, None, seasonality=False, effects=effects, known=known)
    moved = np.diff(freed.effect.reshape(40, 60), axis=1)
    slope = moved.sum(1) / np.diff(known[:, 0].reshape(40, 60), axis=1).sum(1)
    assert np.allclose(slope, 3 * np.tile(signs, 20), atol=1.0)


def test_too_few_rows_have_no_effects():
    panel = Panel(np.arange(5.0)[:, None], np.array([0, 5]), np.zeros(1, np.int64))
    lanes = make_lanes(panel, None, seasonality=False)
    assert estimate_effects(lanes, np.arange(5.0)[:, None] % 2, lanes.end) is None
