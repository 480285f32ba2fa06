"""The forecasting model: shapes, honesty towards the future, repeatability, odd panels."""

import pickle

import numpy as np
import pandas as pd
import pytest

from sklearn_rnn import SequenceForecaster
from sklearn_rnn.forecasting._dataset import Forecasts
from sklearn_rnn.forecasting._model import ForecastModel, _best_share, _scaled_error
from sklearn_rnn.forecasting._options import DECODERS, DISTRIBUTIONS, LEVELS, ForecastOptions
from sklearn_rnn.forecasting._panel import Panel

SMALL = {"hidden_size": 8, "max_epochs": 2, "batch_size": 64}


def make_panel(lengths=(60, 50, 72, 40), season=4, n_targets=1, seed=0, **parts):
    """Make seasonal series with trend and noise."""
    draw = np.random.default_rng(seed)
    rows = []
    for length in lengths:
        time = np.arange(length)[:, None]
        level = draw.uniform(20, 40, n_targets)
        wave = 5 * np.sin(2 * np.pi * time / season + draw.uniform(0, 6, n_targets))
        rows.append(level + 0.05 * time + wave + draw.normal(0, 0.5, (length, n_targets)))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    start = np.zeros(len(lengths), np.int64)
    return Panel(np.concatenate(rows), offsets, start, season_length=season, **parts)


def fitted(panel, seed=0, horizon=6, **options):
    """Fit a small model."""
    return ForecastModel(ForecastOptions(horizon=horizon, **{**SMALL, **options})).fit(
        panel, seed=seed
    )


@pytest.fixture(scope="module")
def panel():
    return make_panel()


@pytest.fixture(scope="module")
def model(panel):
    return fitted(panel)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("channels", ["shared", "mixed"])
def test_shapes_of_many_targets(decoder, channels):
    panel = make_panel(n_targets=2)
    model = fitted(panel, decoder=decoder, channels=channels, n_samples=20)
    found = model.predict(panel, 6)
    assert found.point.shape == (4, 6, 2)
    assert found.quantiles.shape == (4, 6, 2, len(LEVELS))
    assert np.isfinite(found.quantiles).all()
    assert (np.diff(found.quantiles, axis=-1) >= 0).all()
    # Both targets swing by about five around a level between 20 and 40.
    last = np.stack([panel.values[b - 4 : b].mean(0) for b in panel.offsets[1:]])
    assert np.abs(found.point.mean(1) - last).max() < 5


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_every_distribution_forecasts_around_the_season(distribution):
    panel = make_panel()
    panel = Panel(np.round(panel.values), panel.offsets, panel.start, season_length=4)
    transform = None if distribution == "negative_binomial" else "auto"
    found = fitted(panel, distribution=distribution, transform=transform).predict(panel, 6)
    seasonal = np.stack([panel.values[b - 4 : b][np.arange(6) % 4] for b in panel.offsets[1:]])
    assert np.abs(found.point - seasonal).mean() < 2
    assert (np.diff(found.quantiles, axis=-1) >= 0).all()
    assert (found.quantiles[..., 0] <= found.point + 1e-9).all()


def test_the_same_seed_gives_the_same_bits(panel, model):
    again, other = fitted(panel), fitted(panel, seed=1)
    first = model.predict(panel, 6)
    np.testing.assert_array_equal(first.quantiles, again.predict(panel, 6).quantiles)
    assert not np.array_equal(first.quantiles, other.predict(panel, 6).quantiles)


def test_pickles_hold_no_torch_and_forecast_the_same(panel, model):
    packed = pickle.dumps(model)
    assert b"torch" not in packed.replace(b"sklearn_rnn.nn", b"")
    found = pickle.loads(packed).predict(panel, 9)
    np.testing.assert_array_equal(found.quantiles, model.predict(panel, 9).quantiles)


def test_one_series_is_forecast_as_among_others(panel, model):
    together = model.predict(panel, 6)
    for series in range(panel.n_series):
        alone = model.predict(panel.select(np.array([series])), 6)
        np.testing.assert_allclose(alone.quantiles[0], together.quantiles[series], rtol=1e-5)


def test_forecasts_from_an_origin_do_not_see_what_comes_after_it(panel, model):
    cut = np.array([50, 40, 60, 30])
    origins = np.arange(4), cut
    values = panel.values.copy()
    for series, (low, high) in enumerate(zip(panel.offsets[:-1], panel.offsets[1:], strict=True)):
        values[low + cut[series] : high] = -1e6
    changed = Panel(values, panel.offsets, panel.start, season_length=4)
    seen = model.predict(panel, 8, origins=origins)
    np.testing.assert_array_equal(
        seen.quantiles, model.predict(changed, 8, origins=origins).quantiles
    )
    np.testing.assert_allclose(
        seen.quantiles, model.predict(panel.cut(cut), 8).quantiles, rtol=1e-5
    )


@pytest.mark.parametrize("option", [{}, {"transform": "box-cox"}, {"channels": "mixed"}])
def test_training_for_the_tail_does_not_see_the_tail(option):
    """What is chosen without refitting is the same, whatever the held-out rows are but in score."""
    panel = make_panel((60, 60))
    model = fitted(panel, refit=False, calibrate=False, **option)
    values = panel.values.copy()
    values[54:60] *= 1.5
    values[114:120] *= 0.5
    changed = Panel(values, panel.offsets, panel.start, season_length=4)
    other = fitted(changed, refit=False, calibrate=False, **option)
    if model.choice_.candidates == other.choice_.candidates:
        for name, weight in model.networks_[0].state_dict().items():
            if name != "share":
                np.testing.assert_array_equal(weight, other.networks_[0].state_dict()[name])


def test_beyond_the_horizon_the_forecast_goes_on_and_widens(panel, model):
    short, long = model.predict(panel, 6), model.predict(panel, 20)
    np.testing.assert_array_equal(long.point[:, :6], short.point)
    assert long.point.shape == (4, 20, 1)
    width = (long.quantiles[..., -1] - long.quantiles[..., 0])[..., 0].mean(0)
    assert width[12:18].mean() > width[:6].mean()
    wave = long.point[:, :, 0] - long.point[:, :, 0].mean(1, keepdims=True)
    assert (np.abs(wave).max(1) > 2).all(), "the season goes on"


def test_missing_targets_are_passed_over():
    panel = make_panel((80, 80, 80, 80))
    values = panel.values.copy()
    values[np.random.default_rng(1).random(values.shape) < 0.2] = np.nan
    values[:10] = np.nan
    gappy = Panel(values, panel.offsets, panel.start, season_length=4)
    found = fitted(gappy).predict(gappy, 6).point
    whole = fitted(panel).predict(panel, 6).point
    assert np.isfinite(found).all()
    assert np.abs(found - whole).mean() < 1.5


@pytest.mark.parametrize("length", [5, 9, 24, 36])
def test_short_single_series(length):
    panel = make_panel((length,), season=12)
    found = fitted(panel, horizon=12).predict(panel, 12)
    assert np.isfinite(found.quantiles).all()
    assert np.abs(found.point - panel.values.mean()).max() < 60


def test_constant_series_stay_what_they_are():
    panel = make_panel()
    values = panel.values.copy()
    values[:60] = 7.0
    constant = Panel(values, panel.offsets, panel.start, season_length=4)
    found = fitted(constant).predict(constant, 6)
    np.testing.assert_allclose(found.point[0], 7.0, atol=0.05)


def test_a_series_without_any_value_has_no_forecast_and_does_no_harm():
    panel = make_panel()
    values = panel.values.copy()
    values[:60] = np.nan
    empty = Panel(values, panel.offsets, panel.start, season_length=4)
    found = fitted(empty).predict(empty, 6)
    assert np.isnan(found.point[0]).all()
    assert np.isfinite(found.point[1:]).all()


def test_known_covariates_are_used():
    draw = np.random.default_rng(3)
    panel = make_panel((120,) * 6)
    promotion = (draw.random((720, 1)) < 0.2).astype(float)
    values = panel.values + 15 * promotion
    parts = {"known": np.column_stack([promotion, promotion + 1]), "known_cardinalities": (None, 3)}
    known = Panel(values, panel.offsets, panel.start, season_length=4, **parts)
    model = fitted(known, max_epochs=15)
    future = (draw.random((6, 6, 1)) < 0.5).astype(float)
    future = np.concatenate([future, future + 1], axis=2)
    found = model.predict(known, 6, future)
    none = model.predict(known, 6, np.zeros_like(future) + [0, 1])
    lift = (found.point - none.point)[..., 0]
    assert lift[future[..., 0] == 1].mean() > 8
    assert np.abs(lift[future[..., 0] == 0]).mean() < 3


def test_past_and_static_covariates_run_and_past_ones_are_not_read_ahead():
    draw = np.random.default_rng(4)
    base = make_panel((60,) * 4)
    past = draw.normal(size=(240, 2))
    past[3, 0] = np.nan
    parts = {"static": np.array([[0.0], [1], [2], [1]]), "static_cardinalities": (3,)}
    panel = Panel(base.values, base.offsets, base.start, season_length=4, past=past, **parts)
    model = fitted(panel)
    origins = np.arange(4), np.full(4, 50)
    seen = model.predict(panel, 6, origins=origins).point
    later = past.copy().reshape(4, 60, 2)
    later[:, 50:] = 99
    changed = Panel(
        base.values, base.offsets, base.start, season_length=4, past=later.reshape(240, 2), **parts
    )
    np.testing.assert_array_equal(seen, model.predict(changed, 6, origins=origins).point)


def test_alone_the_closed_form_trains_nothing():
    panel = make_panel()
    model = fitted(panel, linear="only")
    assert model.history_ == []
    seasonal = np.stack([panel.values[b - 4 : b][np.arange(6) % 4] for b in panel.offsets[1:]])
    assert np.abs(model.predict(panel, 6).point - seasonal).mean() < 1.5


def test_without_training_steps_the_network_is_its_closed_form():
    """With a learning rate of zero, training changes nothing and the share does not matter."""
    panel = make_panel()
    model = fitted(panel, learning_rate=1e-30)
    only = fitted(panel, linear="only", seed=0)
    np.testing.assert_allclose(
        model.predict(panel, 6).point, only.predict(panel, 6).point, rtol=2e-3
    )


def test_several_networks_forecast_by_their_median(panel):
    model = fitted(panel, n_estimators=3)
    assert len(model.networks_) == 3
    points = []
    networks = model.networks_
    for network in networks:
        model.networks_ = [network]
        points.append(model.predict(panel, 6).point)
    model.networks_ = networks
    np.testing.assert_allclose(model.predict(panel, 6).point, np.median(points, axis=0), rtol=1e-6)


def test_the_tail_is_reported(model):
    report = model.report_
    assert 0 <= report["share"] <= 1
    assert 0.5 <= report["coverage"] <= 1
    assert report["scaled_error"] < 1
    assert report["validated_series"] == 4


def test_the_share_has_the_least_error():
    draw = np.random.default_rng(0)
    truth, full, closed = draw.normal(size=(3, 40, 5, 2))
    scale = draw.uniform(0.5, 2, (40, 2))
    truth[3, 2] = closed[4, 1, 0] = np.nan
    for best in (-0.5, 0.21, 0.8, 2.0):
        moved = closed + best * (full - closed) + 0.3 * truth
        grid = np.linspace(0, 1, 1001)
        errors = [_scaled_error(moved, s * full + (1 - s) * closed, scale) for s in grid]
        assert _best_share(moved, full, closed, scale) == pytest.approx(
            grid[np.argmin(errors)], abs=2e-3
        )
    assert _best_share(truth, closed, closed, scale) == 0


def test_a_small_share_is_told_from_none(monkeypatch, panel):
    """Forecasts that are best at a share of 0.04."""

    def run(self, networks, data, unit, cut, *, share=None, **others):
        truth, _ = self.choice_.truth(data, panel, unit, cut)
        point = truth + 0.04 - share
        return Forecasts(point, np.stack([point] * len(LEVELS), -1), tuple(LEVELS))

    monkeypatch.setattr(ForecastModel, "_run", run)
    model = fitted(panel, refit=False, calibrate=False)
    n = model.choice_.n_independent
    assert model.report_["share"] == pytest.approx(0.04 * n / (n + 4), rel=1e-6)


def test_epochs_are_reported_and_can_end_training(panel):
    seen = []
    model = ForecastModel(ForecastOptions(horizon=6, **SMALL)).fit(
        panel, on_epoch=lambda record: seen.append(record.epoch)
    )
    assert seen == [1, 2, 3, 4] == [record.epoch for record in model.history_]


def test_weights_of_series_count():
    panel = make_panel((60,) * 6)
    values = panel.values.reshape(6, 60).copy()
    values[3:] = values[3:, ::-1]
    panel = Panel(values.reshape(-1, 1), panel.offsets, panel.start, season_length=4)
    first = ForecastModel(ForecastOptions(horizon=6, **SMALL)).fit(panel)
    weights = np.array([1, 1, 1, 0, 0, 0.0])
    second = ForecastModel(ForecastOptions(horizon=6, **SMALL)).fit(panel, weights=weights)
    found = first.predict(panel, 6).quantiles
    assert not np.array_equal(found, second.predict(panel, 6).quantiles)


def test_averaged_windows_keep_a_trend():
    """A bias is in units of its window's spread, which along a trend grows with the window."""
    rng = np.random.default_rng(1)
    months = pd.date_range("2010", periods=120, freq="MS")
    y = np.arange(120) + 5 * np.sin(np.arange(120) * np.pi / 6) + 0.3 * rng.normal(size=120)
    model = SequenceForecaster(6, closed_form="only", random_state=0)
    model.fit(None, pd.Series(y[:-6], index=months[:-6]))
    assert len(model.validation_["windows"]) > 1, "or there is nothing to test"
    assert model.report_.mase["forecast"] < 0.5 * model.report_.mase["drift"]
    assert np.abs(model.forecast(6).forecast - y[-6:]).mean() < 4
