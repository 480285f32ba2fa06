"""Frequencies, zones, gaps and irregular times: the forecast is of the right moment."""

import numpy as np
import pandas as pd
import pytest
from series import SHAPE, quick, weekly

WALL = ["s", "5s", "15min", "h", "2h", "D", "3D", "B", "W", "W-MON"]
MONTHS = ["MS", "ME", "BME", "BMS", "QS", "QE", "QE-JAN", "YS", "YE", "2MS"]


def split(index):
    """Return training and test part of a series on an index."""
    series = pd.Series(weekly(len(index)), index=index)
    return series.iloc[:-14], series.iloc[-14:]


def check(train, test, **keywords):
    """Fit, and check that the times go on as pandas says and that the values fit the times."""
    forecaster = quick(season_length=7, **keywords).fit(None, train)
    found = forecaster.forecast(len(test))
    assert (pd.Index(found["time"]) == test.index).all()
    assert np.abs(forecaster.predict(test.index) - test).mean() < 0.6
    later = forecaster.predict(test.index[[9, 4]])
    assert np.abs(later - test.iloc[[9, 4]]).max() < 1.5
    return forecaster


@pytest.mark.parametrize("freq", WALL + MONTHS)
def test_frequencies(freq):
    train, test = split(pd.date_range("2000-03-01 06:00", periods=80, freq=freq))
    inferred = check(train, test)
    asked = check(train, test, freq=freq)
    assert inferred.freq_ == asked.freq_


@pytest.mark.parametrize("freq", ["s", "h", "D", "M", "2M", "Q", "Y", "W-TUE"])
def test_periods(freq):
    train, test = split(pd.period_range("2000-02-01", periods=80, freq=freq))
    check(train, test)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("freq", ["15min", "h", "D", "MS"])
def test_the_clocks_change(zone, freq):
    train, test = split(pd.date_range("2024-03-05", periods=700, freq=freq, tz=zone))
    assert len(check(train, test)._history.panel.values) == len(train)


def test_numbers_and_durations():
    for index in (
        pd.RangeIndex(100, 180),
        pd.Index(np.arange(0, 800, 10)),
        pd.Index(2000 + np.arange(80) / 12),
        pd.timedelta_range("1h", periods=80, freq="30min"),
    ):
        train, test = split(index)
        forecaster = quick(season_length=7).fit(None, train)
        assert np.abs(forecaster.predict(test.index) - test).mean() < 0.6
        assert np.allclose(
            np.asarray(forecaster.forecast(14)["time"], dtype=float),
            np.asarray(test.index, dtype=float),
        )


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_come_back_in_the_resolution_in_which_they_came(unit):
    for index in (
        pd.timedelta_range("1h", periods=80, freq="30min"),
        pd.date_range("2024-01-01", periods=80, freq="D"),
        pd.date_range("2024-01-01", periods=80, freq="h", tz="Europe/Berlin"),
        pd.date_range("2020-01-01", periods=80, freq="MS"),
    ):
        index = index.as_unit(unit)
        train, test = split(index)
        found = pd.Index(quick().fit(None, train).forecast(14)["time"])
        assert found.dtype == index.dtype
        assert (found == test.index).all()


def test_forecasts_beyond_what_nanoseconds_hold():
    index = pd.date_range("2100-01-01", periods=80, freq="YS").as_unit("ns")
    found = pd.DatetimeIndex(
        quick().fit(None, pd.Series(weekly(80), index=index)).forecast(90)["time"]
    )
    assert found[-1].year == 2269


@pytest.mark.parametrize(
    ("freq", "season", "horizon"),
    [
        ("h", 24, 48), ("30min", 48, 96), ("15min", 96, 192), ("min", 60, 120), ("s", 60, 120),
        ("D", 7, 14), ("B", 5, 10), ("W", 52, 13), ("MS", 12, 18), ("QE", 4, 8), ("YE", 1, 6),
        ("2h", 12, 24), ("2W", 26, 12), ("2MS", 6, 12),
    ],
)  # fmt: skip
def test_seasons_and_horizons(freq, season, horizon):
    index = pd.date_range("1990-01-01", periods=900 if horizon > 48 else 230, freq=freq)
    forecaster = quick(horizon="auto").fit(None, pd.Series(weekly(len(index)), index=index))
    assert (forecaster.season_length_, forecaster.horizon_) == (season, horizon)


def test_the_horizon_is_at_most_a_quarter_of_the_series():
    index = pd.date_range("2024", periods=20, freq="h")
    series = pd.Series(weekly(20), index=index)
    assert quick(horizon="auto").fit(None, series).horizon_ == 5


def test_gaps_are_missing_steps():
    train, test = split(pd.date_range("2024-01-01", periods=200, freq="D"))
    kept = np.random.default_rng(0).random(len(train)) < 0.8
    kept[[0, -1]] = True
    forecaster = quick(season_length=7).fit(None, train[kept])
    assert forecaster.freq_ == "every day"
    assert len(forecaster._history.panel.values) == len(train)
    assert np.abs(forecaster.predict(test.index) - test).mean() < 0.6


def test_irregular_times_are_binned_where_a_frequency_is_asked_for():
    rng = np.random.default_rng(0)
    regular = pd.date_range("2024", periods=140, freq="h")
    index = regular + pd.to_timedelta(rng.integers(0, 3500, 140), unit="s")
    train, test = split(index)
    forecaster = quick(freq="h", season_length=7).fit(None, train)
    assert np.abs(forecaster.predict(test.index) - test).mean() < 0.6
    assert (pd.Index(forecaster.forecast(14)["time"]) == regular[-14:]).all()
    with pytest.raises(ValueError, match="cannot be inferred.*irregular.*Pass freq="):
        quick().fit(None, train)


def test_rows_of_a_bin_are_averaged():
    index = pd.date_range("2024", periods=280, freq="30min")
    series = pd.Series(np.repeat(weekly(140), 2) + np.tile([1.0, -1.0], 140), index=index)
    forecaster = quick(freq="h").fit(None, series)
    assert forecaster._history.panel.values[:7, 0] == pytest.approx(weekly(140)[:7])


@pytest.mark.parametrize(
    ("freq", "expected"),
    [("MS", "2024-07-01"), ("ME", "2024-07-31"), ("QE", "2024-09-30"), ("QS", "2024-07-01")],
)
def test_days_are_binned_into_months_and_quarters(freq, expected):
    index = pd.date_range("2022-01-01", "2024-06-30", freq="D")
    series = pd.Series(np.arange(len(index)) % 9.0, index=index)
    forecaster = quick(horizon=1, freq=freq).fit(None, series)
    assert forecaster.forecast(1)["time"][0] == pd.Timestamp(expected)


@pytest.mark.parametrize(
    ("freq", "message"),
    [("fortnight", "not a frequency"), ("SME", "not supported"), (3, "not a frequency|no fixed")],
)
def test_frequencies_that_are_none(freq, message):
    train, _ = split(pd.date_range("2024", periods=40, freq="D"))
    with pytest.raises(ValueError, match=message):
        quick(freq=freq).fit(None, train)


def test_one_time_has_no_frequency():
    train, _ = split(pd.date_range("2024", periods=40, freq="D"))
    with pytest.raises(ValueError, match="frequency cannot be inferred"):
        quick().fit(None, train[:1])


def test_a_sparse_grid_is_warned_of():
    index = pd.date_range("2024", periods=40, freq="7D") + pd.to_timedelta(
        np.arange(40) % 3, unit="D"
    )
    with pytest.warns(UserWarning, match="only 15% of such steps"):
        quick().fit(None, pd.Series(weekly(40), index=index))


def test_a_wrong_date_does_not_fill_the_memory():
    index = pd.date_range("2024", periods=60, freq="s").append(pd.DatetimeIndex(["2064-01-01"]))
    with pytest.raises(ValueError, match="coarser freq, or look for a wrong date"):
        quick(freq="s").fit(None, pd.Series(np.arange(61.0), index=index))


def test_calendar_features():
    index = pd.date_range("2024", periods=24 * 30, freq="h")
    series = pd.Series(10 + SHAPE[index.day_of_week], index=index)
    chosen = quick(horizon=24).fit(None, series)._history.features
    assert chosen == ("hour", "dayofweek")
    assert quick(time_features=None).fit(None, series)._history.features == ()
    assert quick(time_features=["hour"]).fit(None, series)._history.features == ("hour",)
    with pytest.raises(ValueError, match="time_features has \\['moon'\\]"):
        quick(time_features=["moon"]).fit(None, series)
    with pytest.raises(ValueError, match="needs dates"):
        quick(time_features=["hour"]).fit(None, series.to_numpy())
