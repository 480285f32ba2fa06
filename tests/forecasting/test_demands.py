"""What users do who have not read the guide: each is answered, or refused with what to do."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from series import SHAPE, daily, panel, quick, weekly

Y = daily()
TRAIN, TEST = Y[:126], Y[126:]


def on(table, **keywords):
    """Fit a forecaster of `panel`."""
    forecaster = quick(id_col="store", time_col="day", **keywords)
    return forecaster.fit(table.drop(columns="sales"), table.sales)


@pytest.mark.parametrize("y", [TRAIN, TRAIN.to_numpy()])
def test_predict_without_rows_says_what_to_call(y):
    forecaster = quick(season_length=7).fit(None, y)
    with pytest.raises(ValueError, match=r"X is None.*forecast\(horizon\).*y.index"):
        forecaster.predict(None)


def test_a_series_of_targets_is_no_X():
    forecaster = quick().fit(None, TRAIN)
    with pytest.raises(ValueError, match=r"series of numbers \('sales'\).*index.*to_frame"):
        forecaster.predict(TEST)
    assert np.abs(forecaster.predict(TEST.index) - TEST).mean() < 0.6


def test_fit_takes_no_sample_weight():
    with pytest.raises(TypeError, match="sample_weight"):
        quick().fit(None, TRAIN, sample_weight=np.ones(126))
    assert "sample_weight" in quick().__doc__


@pytest.mark.parametrize("linear", ["only", True])
def test_past_covariates_with_holes(linear):
    rain = np.random.default_rng(0).normal(size=126)
    rain[3:9] = rain[-1] = np.nan
    X = pd.DataFrame({"rain": rain, "none": np.nan}, index=TRAIN.index)
    model = quick(past_covariates=["rain", "none"], closed_form=linear, max_epochs=1, hidden_size=4)
    assert np.abs(model.fit(X, TRAIN).predict(TEST.index[:7]) - TEST[:7]).mean() < 0.6


def test_times_alone_lack_the_covariates_known_ahead():
    X = pd.DataFrame({"price": np.arange(126) % 5}, index=TRAIN.index)
    with pytest.raises(ValueError, match=r"X lacks the columns \['price'\]"):
        quick().fit(X, TRAIN).predict(TEST.index)


def test_targets_with_next_to_no_value():
    y = TRAIN * np.nan
    y.iloc[70] = 3.0
    with pytest.warns(UserWarning, match="constant"):
        assert quick().fit(None, y).forecast(2).forecast.to_numpy() == pytest.approx([3, 3])
    both = pd.DataFrame({"a": TRAIN, "b": np.nan})
    with pytest.warns(UserWarning, match="Target 'b' holds no value"):
        found = quick().fit(None, both).predict(TEST.index[:7])
    assert np.abs(found[:, 0] - TEST[:7]).mean() < 0.6 and np.isfinite(found).all()


def test_the_end_of_training_may_be_missing():
    y = TRAIN.copy()
    y.iloc[-5:] = np.nan
    forecaster = quick().fit(None, y)
    assert forecaster.forecast(1)["day"][0] == TEST.index[0]
    assert np.abs(forecaster.predict(TEST.index[:7]) - TEST[:7]).mean() < 0.6


@pytest.mark.parametrize("scale", [1e9, 1e-9, -1.0])
def test_forecasts_scale_with_the_target(scale):
    expected = quick(target_transform=None).fit(None, TRAIN).predict(TEST.index[:7])
    found = quick(target_transform=None).fit(None, TRAIN * scale).predict(TEST.index[:7])
    np.testing.assert_allclose(found / scale, expected, rtol=1e-5)


def test_whole_numbers_and_missing_ones():
    y = TRAIN.round().astype("Int64")
    y.iloc[3] = pd.NA
    found = quick().fit(None, y).predict(TEST.index[:7])
    assert found.dtype == np.float64 and np.abs(found - TEST[:7]).mean() < 0.6


def test_a_perfect_forecast_is_not_warned_of_for_the_baseline(recwarn):
    index = pd.date_range("2024", periods=200)
    forecaster = quick().fit(None, pd.Series(3.0 * np.arange(200) + 5, index=index))
    found = forecaster.forecast(7).forecast.to_numpy()
    assert found == pytest.approx(605 + 3 * np.arange(7), abs=0.01)
    assert not recwarn.list


def test_text_that_looks_like_dates_is_not_passed_over():
    with pytest.raises(TypeError, match=r"looks like dates \('2024-01-01'\).*to_datetime"):
        quick().fit(None, pd.Series(TRAIN.to_numpy(), index=TRAIN.index.astype(str)))


def test_an_index_of_python_dates_is_time():
    y = pd.Series(TRAIN.to_numpy(), index=TRAIN.index.date)
    forecaster = quick().fit(None, y)
    assert forecaster.freq_ == "every day"
    assert forecaster.forecast(1)["time"][0] == TEST.index[0]


def test_a_y_with_a_column_of_dates():
    table = TRAIN.reset_index()
    assert list(quick().fit(None, table).forecast(1).columns[:2]) == ["day", "forecast"]


def test_the_target_among_the_covariates():
    X = pd.DataFrame({"sold": Y}, index=Y.index)
    with pytest.warns(UserWarning, match="Column 'sold' of X equals the target 'sales'"):
        quick().fit(X[:126], TRAIN)
    quick(past_covariates="sold").fit(X[:126], TRAIN)


def test_a_row_absurdly_far_ahead():
    forecaster = quick().fit(None, TRAIN)
    with pytest.warns(UserWarning, match="Row 1 of X lies 1,[0-9]+ steps after.*wrong date"):
        forecaster.predict(pd.DatetimeIndex([TEST.index[0], pd.Timestamp("2027-05-01")]))


def test_names_that_the_frame_of_forecasts_needs():
    table = panel().rename(columns={"store": "target"})
    forecaster = quick(id_col="target", time_col="day").fit(table[["target", "day"]], table.sales)
    with pytest.raises(ValueError, match=re.escape("Rename ['target'] in X")):
        forecaster.forecast(1)


def test_static_columns_do_not_change_later():
    forecaster = on(panel().assign(city=lambda d: d.store + "x"), static_covariates=["city"])
    row = pd.DataFrame({"store": ["s0"], "day": [pd.Timestamp("2024-05-20")], "city": ["s1x"]})
    with pytest.warns(UserWarning, match=r"'city' of series 's0' differs.*row 0"):
        found = forecaster.predict(row)
    assert found == forecaster.predict(row.assign(city="s0x"))
    with pytest.raises(ValueError, match="static column of series 's0' changed: row 0 of update"):
        forecaster.update(row, [10.0])
    assert forecaster.update(row.assign(city="s0x"), [10.0]).forecast(1).shape[0] == 3


def test_series_of_one_row_beside_others():
    rows = {"store": ["x", "y", "y"]}
    rows["day"] = pd.to_datetime(["2024-05-01", "2024-05-01", "2024-05-02"])
    table = pd.concat([panel(), pd.DataFrame({**rows, "sales": [3.0, 4.0, 5.0]})])
    found = on(table).forecast(1).set_index("store").forecast
    assert found["x"] == pytest.approx(3) and 3 < found["y"] < 6


def test_intervals_widen_with_their_coverage():
    noise = np.random.default_rng(0)
    table = pd.concat(
        pd.DataFrame(
            {
                "store": number,
                "day": pd.date_range("2024", periods=120),
                "sales": noise.normal(size=120).cumsum(),
            }
        )
        for number in range(40)
    )
    late = table.groupby("store").cumcount() >= 106
    forecaster, rows = on(table[~late]), table[late][["store", "day"]]
    truth = table[late].sales.to_numpy()
    for coverage, slack in [(0.5, 0.08), (0.9, 0.05), (0.99, 0.02)]:
        low, high = forecaster.predict_interval(rows, coverage).T
        assert abs(((truth >= low) & (truth <= high)).mean() - coverage) < slack


def test_thousands_of_short_series():
    table = pd.DataFrame(
        {
            "store": np.repeat(np.arange(3000), 30),
            "day": np.tile(pd.date_range("2024", periods=30), 3000),
            "sales": 10 + np.tile(SHAPE, 30 * 3000 // 7 + 1)[: 30 * 3000],
        }
    )
    found = on(table).forecast(7)
    assert len(found) == 21_000 and np.isfinite(found.forecast).all()


@pytest.mark.parametrize("freq", ["h", "D"])
def test_forecasts_over_a_change_of_clocks(freq):
    index = pd.date_range("2024-10-20", periods=300, freq=freq, tz="Europe/Berlin")
    y = pd.Series(weekly(300), index=index)
    found = quick(season_length=7).fit(None, y[:160]).forecast(140)
    assert (pd.DatetimeIndex(found["time"]) == index[160:]).all()


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_a_column_of_dates_stays_one(library):
    """So that forecasts can be joined with the table that they were made from."""
    pl = pytest.importorskip("polars")
    frame = pl.from_pandas(panel()).with_columns(pl.col("day").cast(pl.Date))
    table = frame.to_arrow() if library == "pyarrow" else frame
    forecaster = quick(id_col="store", time_col="day")
    forecaster.fit(table.select(["store", "day"]), panel().sales)
    found = forecaster.forecast(2)
    kind = found.schema["day"] if library == "polars" else str(found.schema.field("day").type)
    assert kind == (pl.Date if library == "polars" else "date32[day]")
    assert forecaster.predict(found.select(["store", "day"])).shape == (6,)


@pytest.mark.parametrize("y", [TRAIN, TRAIN.to_numpy()])
def test_arrays_after_a_fit_without_X_are_refused(y):
    forecaster = quick(season_length=7).fit(None, y)
    for answer in (forecaster.predict, lambda X: forecaster.update(X, [1.0, 2.0])):
        with pytest.raises(ValueError, match=r"fitted without X.*forecast\(horizon\).*RangeIndex"):
            answer(np.array([[126], [127]]))
    if y is not TRAIN:
        ahead = forecaster.predict(pd.RangeIndex(126, 128))
        assert ahead == pytest.approx(forecaster.forecast(2).forecast)


def counts(n=60, seed=0):
    """Return weekly counts, many of them zero."""
    rng = np.random.default_rng(seed)
    shape = np.tile([0.3, 0.5, 1.0, 3.0, 5.0, 2.0, 0.2], n // 7 + 1)[:n]
    return pd.Series(rng.poisson(shape), index=pd.date_range("2024", periods=n))


def test_counts_are_not_forecast_below_zero():
    y = counts()
    model = quick(distribution="negative_binomial", closed_form=True, max_epochs=1, hidden_size=4)
    found = model.fit(None, y).forecast(21, quantiles=[0.001, 0.05, 0.5])
    assert found.iloc[:, 1:].to_numpy().min() == 0
    later = pd.date_range(y.index[-1], periods=22)[1:]
    assert model.predict_quantiles(later, [0.001, 0.05]).min() == 0


def test_counts_keep_their_units():
    model = quick(distribution="negative_binomial", closed_form=True, max_epochs=1, hidden_size=4)
    assert model.fit(None, counts() + 1).validation_["transform"] is None
    with pytest.raises(ValueError, match="target_transform='log' would leave none.*=None"):
        model.set_params(target_transform="log").fit(None, counts() + 1)
    with pytest.raises(ValueError, match="counts, but y holds -1.*distribution='quantile'"):
        model.set_params(target_transform=None).fit(None, counts() - 1)


def test_positive_series_under_the_logarithm_stay_positive():
    rng = np.random.default_rng(0)
    y = pd.Series(np.exp(rng.normal(size=60)), index=TRAIN.index[:60])
    found = quick(target_transform="log").fit(None, y).forecast(20, quantiles=[0.001, 0.05])
    assert found.iloc[:, 1:].to_numpy().min() == 0
    with pytest.warns(UserWarning, match="'log' leaves 1 of 1 series as they are.*not positive"):
        quick(target_transform="log").fit(None, y - 1)


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
@pytest.mark.parametrize("kind", ["timestamp", "date", "index"])
def test_arrow_backed_columns_of_pandas(zone, kind):
    """What read_parquet(dtype_backend="pyarrow") returns."""
    days = pd.Series(TRAIN.index.tz_localize(zone), name="day")
    made = pa.date32() if kind == "date" else pa.timestamp("us", zone)
    arrow = (days.dt.date if kind == "date" else days).astype(pd.ArrowDtype(made))
    X = pd.DataFrame({"day": arrow})
    if kind == "index":
        found = quick().fit(X.set_index("day"), TRAIN.to_numpy()).forecast(2)
    else:
        found = quick(time_col="day").fit(X, TRAIN.to_numpy()).forecast(2)
    expected = TRAIN.index[-1] + pd.to_timedelta([1, 2], unit="D")
    if kind != "date":
        expected = expected.tz_localize(zone)
    assert list(found.day) == list(expected)


def test_the_thirtieth_of_the_month():
    index = [pd.Timestamp("2020-01-30") + pd.DateOffset(months=k) for k in range(37)]
    forecaster = quick().fit(None, pd.Series(weekly(37), index=index))
    assert forecaster.freq_ == "every month"
    assert [str(day.date()) for day in forecaster.forecast(2).time] == ["2023-02-28", "2023-03-30"]


@pytest.mark.parametrize(("unit", "code"), [("D", "W"), ("h", "D"), ("s", "min"), ("ms", "s")])
def test_the_frequency_that_is_suggested_suits_the_times(unit, code):
    distances = np.random.default_rng(0).exponential(
        {"D": 14, "h": 40, "s": 90, "ms": 40}[unit], 50
    )
    index = pd.Timestamp("2024") + pd.to_timedelta(np.cumsum(distances), unit=unit)
    with pytest.raises(ValueError, match=f"cannot be inferred.*freq='{code}' to average"):
        quick().fit(None, pd.Series(weekly(50), index=index))


def test_targets_that_are_no_numbers_are_named():
    table = panel()
    with pytest.raises(ValueError, match="Column 'store' of y holds no numbers.*id_col="):
        quick(time_col="day").fit(None, table)
    with pytest.raises(ValueError, match=r"y holds strings \('a' in row 0\)"):
        quick().fit(None, ["a"] * 30)
    both = table[["sales"]].assign(whole=np.arange(len(table)), flag=table.day.dt.day > 9)
    quick().fit(None, both[:140].set_index(TRAIN.index[:1].append(Y.index[1:])))
