"""Blocks that are left out: nothing is tried that was solved from; where and what they decide."""

import numpy as np
import pytest

from sklearn_rnn import SequenceForecaster
from sklearn_rnn.forecasting._calibration import calibrate
from sklearn_rnn.forecasting._closed_form import choose, left_out
from sklearn_rnn.forecasting._dataset import ForecastData
from sklearn_rnn.forecasting._lanes import Design, make_lanes
from sklearn_rnn.forecasting._model import ForecastModel
from sklearn_rnn.forecasting._options import ForecastOptions
from sklearn_rnn.forecasting._panel import Panel


def panel_of(*series, season=5):
    """Make a panel of arrays (T, K)."""
    lengths = [len(values) for values in series]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    start = np.zeros(len(series), np.int64)
    return Panel(np.concatenate(series), offsets, start, season_length=season)


def walks(n_steps, n_targets=1, seed=0):
    """Draw random walks, which nothing forecasts better than their last value."""
    steps = np.random.default_rng(seed).normal(size=(n_steps, n_targets))
    return 100 + np.cumsum(steps, axis=0)


def windows_of(panel, until):
    """Read windows of 15 steps for a horizon of 10."""
    lanes = make_lanes(panel, None, seasonality=False, limit=until)
    design = Design(panel)(panel)
    return ForecastData(lanes, design, panel.offsets, 15, 10, mixed=False, until=until)


def chosen(panel, horizon=10):
    """Choose in closed form."""
    return choose(panel, Design(panel)(panel), ForecastOptions(horizon=horizon), None, None)


@pytest.mark.parametrize("n_targets", [1, 3])
def test_no_target_that_is_tried_was_solved_from(n_targets):
    panel = panel_of(walks(200, n_targets), walks(130, n_targets))
    until = np.array([180, 110])
    lanes = make_lanes(panel, None, seasonality=False, limit=until)
    data = ForecastData(
        lanes, Design(panel)(panel), panel.offsets, 15, 10, mixed=False, until=until
    )
    seen = set()
    units, cuts = data.windows(15, full=True, most=10**9, seed=0)
    parts = left_out(data, units, cuts, 15, 3)
    assert len(parts) == 4
    for apart, (tried_units, tried_cuts) in parts:
        assert apart.any()
        assert len(set(tried_units.tolist())) == 2 * n_targets
        for unit, cut in zip(tried_units.tolist(), tried_cuts.tolist(), strict=True):
            assert 15 <= cut <= until[unit % 2] - 10
            # All targets of a series share its time.
            same = cuts[apart & (units % 2 == unit % 2).numpy()]
            assert ((same + 10 <= cut) | (same >= cut + 10)).all()
            seen.add((unit, cut))
    assert len(seen) == sum(len(tried[0]) for _, tried in parts), "no window is tried twice"


def test_a_history_of_less_than_two_horizons_has_no_blocks():
    panel = panel_of(walks(40))
    until = np.array([33])
    lanes = make_lanes(panel, None, seasonality=False, limit=until)
    data = ForecastData(
        lanes, Design(panel)(panel), panel.offsets, 15, 10, mixed=False, until=until
    )
    windows = data.windows(15, full=True, most=10**9, seed=0)
    assert left_out(data, *windows, 15, 3) == []


def test_of_random_walks_most_weight_goes_to_the_last_value():
    """The tail rises by chance; the blocks before it know that it might as well have fallen."""
    values = walks(600)
    values[480:] += 0.5 * np.arange(120)[:, None]
    found = chosen(panel_of(values))
    weights = {}
    for one in found.candidates:
        weights[one.prior] = weights.get(one.prior, 0.0) + one.weight
    assert "last" in weights
    assert weights["last"] > weights.get("trend", 0.0)


def test_few_forecasts_ask_for_firm_penalties():
    few = chosen(panel_of(walks(600)))
    assert min(one.penalty for one in few.candidates) >= 0.1


def drift(found):
    """Return the mean share of the intercept."""
    return sum(one.drift * one.weight for one in found.candidates)


def test_a_panel_keeps_as_much_of_its_drift_as_its_tail_says():
    noise = np.random.default_rng(0)
    level = [3 * noise.normal() + noise.normal(size=(40, 1)).cumsum(0) for _ in range(120)]
    rise = np.arange(40)[:, None]
    rising = chosen(panel_of(*(x + rise for x in level)), horizon=5)
    ended = chosen(panel_of(*(x + np.minimum(rise, 33) for x in level)), horizon=5)
    assert drift(ended) < 0.7 < 0.9 < drift(rising)


def test_what_a_history_rose_by_until_its_blocks_say_otherwise_is_not_all_kept():
    """It rises for a third and falls for the rest: the intercept of the whole is not to come."""
    slope = np.where(np.arange(600) < 200, 0.6, -0.2)
    turned = walks(600) + np.cumsum(slope)[:, None]
    steady = walks(600) + 0.6 * np.arange(600)[:, None]
    assert drift(chosen(panel_of(turned))) < drift(chosen(panel_of(steady)))


def test_targets_of_one_series_are_not_so_many_forecasts():
    one, many = (chosen(panel_of(walks(300, k))).n_independent for k in (1, 6))
    assert one == many


def test_a_panel_that_tells_enough_has_its_tail_alone(monkeypatch):
    from sklearn_rnn.forecasting import _closed_form as _selection

    def refuse(*arguments):
        raise AssertionError("no block is needed")

    monkeypatch.setattr(_selection, "left_out", refuse)
    found = chosen(panel_of(*(walks(40, seed=seed) for seed in range(110))), horizon=4)
    assert found.n_independent >= 100
    with pytest.raises(AssertionError):
        chosen(panel_of(walks(300)))


def test_a_long_horizon_is_chosen_on_steps_that_meet_every_phase():
    from sklearn_rnn.forecasting._closed_form import _steps

    assert (_steps(30) == np.arange(30)).all()
    steps = _steps(720)
    assert len(steps) == 64 == len(set(steps.tolist()))
    assert len(set((steps % 24).tolist())) > 18
    assert steps.min() < 60 and steps.max() > 660


@pytest.mark.parametrize(("asked", "held_out"), [(60, 60), (3, 10), ("auto", 40)])
def test_the_tail_is_as_long_as_asked_and_at_least_a_horizon(asked, held_out):
    model = SequenceForecaster(
        horizon=10, season_length=5, closed_form="only", validation_horizon=asked, refit=False
    )
    model.fit(None, walks(200)[:, 0])
    assert model.model_.choice_.until.tolist() == [200 - held_out]


def test_single_series_have_intervals_that_hold():
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(12):
        y = 100 + np.cumsum(rng.normal(size=132))
        panel = Panel(y[:-12, None], np.array([0, 120]), np.zeros(1, np.int64), season_length=12)
        model = ForecastModel(ForecastOptions(horizon=12, linear="only")).fit(panel)
        found = model.predict(panel, 12)
        low, high = found.levels.index(0.05), found.levels.index(0.95)
        ends = found.quantiles[0, :, 0]
        covered.append(((y[-12:] >= ends[:, low]) & (y[-12:] <= ends[:, high])).mean())
    assert np.mean(covered) > 0.78


def test_errors_of_one_forecast_are_not_so_many():
    rng = np.random.default_rng(0)
    truth, point = rng.normal(size=(20, 12)), np.zeros((20, 12))
    quantiles = np.tile([-0.5, 0.0, 0.5], (20, 12, 1))
    few = calibrate(truth, point, quantiles, (0.05, 0.5, 0.95), 2.0).factors
    many = calibrate(truth, point, quantiles, (0.05, 0.5, 0.95)).factors
    assert (few[:, [0, 2]] > many[:, [0, 2]]).all()
