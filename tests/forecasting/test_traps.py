"""What is silently wrong elsewhere is an error or a warning that names row and remedy."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from series import daily, panel, quick, weekly
from sklearn.base import clone
from sklearn.model_selection import KFold, ShuffleSplit, TimeSeriesSplit, cross_val_score

from sklearn_rnn import SequenceForecaster
from sklearn_rnn.metrics import ForecastScorer

Y = daily()
TRAIN, TEST = Y[:-14], Y[-14:]
X = pd.DataFrame(index=Y.index)


def test_shuffled_training_rows():
    train, _ = next(ShuffleSplit(1, random_state=0).split(X))
    with pytest.raises(ValueError, match="not in order of time.*TimeSeriesSplit"):
        quick().fit(X.iloc[train], Y.iloc[train])


def test_training_rows_that_are_not_contiguous():
    train, test = next(KFold(5, shuffle=True, random_state=0).split(X))
    forecaster = quick().fit(X.iloc[train], Y.iloc[train])
    with pytest.warns(UserWarning, match="lie between rows of training.*PanelTimeSeriesSplit"):
        forecaster.predict(X.iloc[test])


def test_duplicate_times():
    twice = pd.concat([TRAIN, TRAIN[-1:]])
    with pytest.raises(ValueError, match="Row 126 has a duplicate time.*id_col"):
        quick().fit(None, twice)
    table = panel()
    with pytest.raises(ValueError, match="Row 140 is not in order of time.*id_col"):
        quick(time_col="day").fit(table[["day"]], table.sales)
    with pytest.raises(ValueError, match="Row 1 of series 'a' has a duplicate time"):
        quick(id_col="store", time_col="day").fit(
            pd.DataFrame({"store": ["a", "a"], "day": [pd.Timestamp("2024")] * 2}), [1.0, 2.0]
        )


def test_a_gap_without_time_is_warned_of():
    values = np.random.default_rng(0).normal(size=(140, 2))
    forecaster = quick(season_length=7).fit(values[:120], Y.to_numpy()[:120])
    with pytest.warns(UserWarning, match="X has no time.*follow on.*freq=1"):
        forecaster.predict(values[125:])
    quick(season_length=7, freq=1).fit(values[:120], Y.to_numpy()[:120]).predict(values[120:])


def test_a_gap_with_a_time_index_is_no_trap():
    def error(rows, gap):
        cv = TimeSeriesSplit(3, test_size=7, gap=gap)
        scoring = "neg_mean_absolute_error"
        return -cross_val_score(quick(season_length=7), rows, Y, cv=cv, scoring=scoring).mean()

    assert error(X, 3) < 0.6
    assert error(np.arange(140)[:, None], 3) < 0.6


def test_times_that_lost_or_changed_their_zone():
    index = pd.date_range("2024", periods=140, freq="h", tz="Europe/Berlin")
    forecaster = quick(season_length=7).fit(None, pd.Series(weekly(140), index=index)[:126])
    expected = forecaster.predict(index[126:])
    with pytest.warns(UserWarning, match="zone UTC.*Europe/Berlin; they are converted"):
        assert forecaster.predict(index[126:].tz_convert("UTC")) == pytest.approx(expected)
    with pytest.raises(ValueError, match="time zone changed.*Europe/Berlin, X has none"):
        forecaster.predict(index[126:].tz_localize(None))
    with pytest.raises(ValueError, match="mixes times of several zones"):
        quick(time_col="t").fit(
            pd.DataFrame(
                {"t": [pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp("2024-01-02", tz="CET")]}
            ),
            [1.0, 2.0],
        )


def test_rows_of_another_kind_of_time():
    forecaster = quick().fit(None, TRAIN)
    with pytest.raises(ValueError, match="times of kind number.*dates"):
        forecaster.predict(pd.DataFrame(index=range(3)))
    with pytest.raises(ValueError, match="lies between the steps"):
        forecaster.predict(TEST.index + pd.Timedelta("1h"))
    with pytest.raises(ValueError, match="before the first row of its series"):
        forecaster.predict(TRAIN.index[:2] - pd.Timedelta(days=9))
    periods = quick().fit(None, TRAIN.to_period("D"))
    with pytest.raises(ValueError, match="periods of frequency 'M'"):
        periods.predict(pd.period_range("2024-06", periods=2, freq="M"))


def test_a_renumbered_frame():
    rows = pd.DataFrame({"price": np.random.default_rng(0).normal(size=140)})
    forecaster = quick(season_length=7).fit(rows[:126], TRAIN.to_numpy())
    assert np.abs(forecaster.predict(rows[130:]) - TEST[4:]).mean() < 0.6
    with pytest.warns(UserWarning, match="was the index reset"):
        forecaster.predict(rows[126:].reset_index(drop=True))


def test_unknown_series():
    table = panel()
    forecaster = quick(id_col="store", time_col="day").fit(table[["store", "day"]], table.sales)
    strange = pd.DataFrame({"store": ["s0", "zz"], "day": pd.Timestamp("2024-06-01")})
    with pytest.raises(ValueError, match="Row 1: series 'zz' has no history.*update"):
        forecaster.predict(strange)
    with pytest.raises(ValueError, match="id_col='store' is not a column"):
        forecaster.predict(TEST.index)


def test_a_target_that_is_constant_beside_another():
    y = pd.DataFrame({"sales": weekly(60), "stock": 3.0}, index=Y.index[:60])
    with pytest.warns(UserWarning, match="1 of 1 series are constant in target 'stock'.*MASE"):
        found = quick().fit(None, y).forecast(2)
    assert np.allclose(found[found.target == "stock"].forecast, 3, atol=1e-5)


def test_constant_series():
    with pytest.warns(UserWarning, match="1 of 1 series are constant.*MASE"):
        found = quick().fit(None, TRAIN * 0 + 3).forecast(2)
    assert found.forecast.to_numpy() == pytest.approx([3, 3], abs=1e-6)
    table = panel()
    table.loc[table.store == "s1", "sales"] = np.nan
    with pytest.warns(UserWarning, match=r"1 of 3 series \('s1'\) hold no value"):
        quick(id_col="store", time_col="day").fit(table[["store", "day"]], table.sales)


@pytest.mark.parametrize("horizon", [0, -1, 1.5, "long"])
def test_horizons_that_are_none(horizon):
    with pytest.raises(ValueError, match="'horizon' parameter"):
        quick(horizon=horizon).fit(None, TRAIN)
    with pytest.raises(ValueError, match="horizon must be a whole number"):
        quick().fit(None, TRAIN).forecast(horizon)


def test_X_and_y_at_different_times():
    with pytest.raises(ValueError, match="different times: row 0 of X is at 2024-01-01"):
        quick().fit(X[:126], TRAIN.shift(1, freq="D"))
    with pytest.raises(ValueError, match=r"\[140, 126\]"):
        quick().fit(X, TRAIN)


def test_X_and_y_of_different_series():
    table = panel()
    index = pd.MultiIndex.from_frame(table[["store", "day"]])
    rows, y = pd.DataFrame(index=index), pd.Series(table.sales.to_numpy(), index=index)
    fitted = quick().fit(rows, y)
    others = y.sort_index(level="store", ascending=False, sort_remaining=False)
    with pytest.raises(ValueError, match=r"different series: row 0 of X is of 's\d', that of y of"):
        quick().fit(rows, others)
    last = rows[-4:]
    with pytest.raises(ValueError, match="different times: row 0 of X"):
        fitted.score(last, y[-4:][::-1])
    columns = quick(id_col="store", time_col="day")
    with pytest.raises(ValueError, match="rows of X and y are of different series"):
        columns.fit(table[["store", "day"]], others)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_y_that_says_whose_its_rows_are(library):
    table = panel()
    make = pl.from_pandas if library == "polars" else (lambda frame: frame)
    model = quick(id_col="store", time_col="day")
    rows, y = make(table[["store", "day"]]), make(table[["store", "day", "sales"]])
    assert model.fit(rows, y).target_names_ == ["sales"]
    mixed = make(table[::-1].sort_values("day", kind="stable")[["store", "day", "sales"]])
    with pytest.raises(ValueError, match="rows of X and y are of different series"):
        model.fit(rows, mixed)


def test_rows_of_a_table_and_y_in_another_order():
    table = panel().sample(frac=1, random_state=0)
    ordered = table.sort_values(["store", "day"])
    model = quick(id_col="store", time_col="day")
    model.fit(ordered[["store", "day"]], ordered.sales)
    model.fit(ordered[["store", "day"]], ordered.sales.to_numpy())
    model.fit(ordered[["store", "day"]].reset_index(drop=True), ordered.sales.to_numpy())
    with pytest.raises(ValueError, match=r"other labels than those of X: row 0.*y\.loc\[X\.index"):
        model.fit(ordered[["store", "day"]], table.sales)
    years = pd.DataFrame({"x": 1.0}, index=pd.RangeIndex(1900, 1960, name="year"))
    y = pd.Series(np.sin(np.arange(60)), index=years.index)
    quick().fit(years, y)
    quick().fit(years, y.reset_index(drop=True))
    with pytest.raises(ValueError, match="row 0 of X is 1900, that of y 1901"):
        quick().fit(years, y.set_axis(years.index + 1))


def test_y_that_cannot_be_used():
    for y, message in [
        (None, "requires y"),
        (TRAIN / 0, "infinity"),
        (TRAIN.astype(str) + "a", "could not convert|string"),
    ]:
        with pytest.raises(ValueError, match=message):
            quick().fit(X[:126], y)


def test_rows_without_id_or_time():
    table = panel()
    for column in ("store", "day"):
        broken = table[["store", "day"]].copy()
        broken[column] = broken[column].where(np.arange(len(broken)) != 4)
        with pytest.raises(ValueError, match="Row 4 has no"):
            quick(id_col="store", time_col="day").fit(broken, table.sales)
    with pytest.raises(TypeError, match="'store' holds .* where times belong"):
        quick(time_col="store").fit(table[["store"]], table.sales)
    with pytest.raises(ValueError, match="all hold times; name the one"):
        quick().fit(table[["day"]].assign(other=table.day), table.sales)


def test_one_step_with_two_values_of_a_covariate():
    index = pd.date_range("2024-01-01", periods=40, freq="D")
    X = pd.DataFrame({"price": np.arange(40.0) % 5, "rain": 1.0}, index=index)
    forecaster = quick(past_covariates=["rain"]).fit(X[:30], weekly(30))
    later = X[30:33].set_axis(X.index[[30, 31, 31]])
    with pytest.raises(ValueError, match="Rows 1 and 2 of X are the same step .*column 'price'"):
        forecaster.predict(later.drop(columns="rain"))
    with pytest.raises(ValueError, match="Rows 1 and 2 of X are the same step"):
        forecaster.forecast(2, later.drop(columns="rain"))
    same = forecaster.predict(later.drop(columns="rain").assign(price=1.0))
    assert same[1] == same[2]


@pytest.mark.parametrize("columns", [["price", "rain"], ["rain"]])
def test_forecast_warns_of_past_values_after_the_cutoff(columns):
    index = pd.date_range("2024-01-01", periods=40, freq="D")
    X = pd.DataFrame({"price": np.arange(40.0) % 5, "rain": 1.0}, index=index)[columns]
    forecaster = quick(past_covariates=["rain"]).fit(X[:30], weekly(30))
    with pytest.warns(UserWarning, match="'rain' is a past-only covariate"):
        forecaster.forecast(2, X[30:])


def test_what_is_masked_is_missing():
    y = np.sin(np.arange(60) / 3)
    gone = np.arange(60) == 50
    masked = np.ma.masked_array(np.where(gone, 1e6, y), mask=gone)
    X = np.ma.masked_array(np.arange(60.0)[:, None], mask=gone[:, None])
    model = SequenceForecaster(closed_form="only", horizon=3, season_length=1)
    plain = clone(model).fit(None, np.where(gone, np.nan, y)).forecast(3)["forecast"]
    assert np.allclose(clone(model).fit(None, masked).forecast(3)["forecast"], plain)
    with pytest.raises(ValueError, match="contains NaN.*row 50, column 0"):
        clone(model).fit(np.ma.column_stack([X, X**2 % 7]), y)
    fitted = clone(model).fit(np.arange(40.0)[:, None], y[:40])
    ahead = np.arange(40.0, 60.0)[:, None]
    score = fitted.score(ahead, np.where(gone, np.nan, y)[40:])
    assert fitted.score(ahead, masked[40:]) == score == fitted.score(ahead, list(masked[40:]))
    with pytest.raises(ValueError, match="row 10 has no weight"):
        fitted.score(ahead, y[40:], np.ma.masked_array(np.ones(20), mask=gone[40:]))
    scorer = ForecastScorer("smape")
    assert scorer(fitted, ahead, masked[40:]) == scorer(
        fitted, ahead, np.where(gone, np.nan, y)[40:]
    )
