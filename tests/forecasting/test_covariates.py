"""Covariates: known ahead, past-only, static; numbers and categories."""

import numpy as np
import pandas as pd
import pytest
from series import daily, panel, quick
from sklearn.linear_model import LinearRegression

Y = daily()
RNG = np.random.default_rng(0)
X = pd.DataFrame(
    {"price": RNG.normal(size=140), "promo": RNG.choice(["no", "yes"], 140), "rain": 1.0},
    index=Y.index,
).assign(rain=RNG.normal(size=140))
OPTIONS = {"past_covariates": ["rain"]}


def fitted(**keywords):
    return quick(**{**OPTIONS, **keywords}).fit(X[:-14], Y[:-14])


def test_future_rows_need_what_is_known_ahead_and_not_what_is_past():
    forecaster = fitted()
    assert forecaster.feature_names_in_.tolist() == ["price", "promo", "rain"]
    rows = X[-14:].drop(columns="rain")
    found = forecaster.predict(rows)
    with pytest.raises(ValueError, match="missing:\n- price"):
        forecaster.predict(rows.drop(columns="price"))
    assert forecaster.predict(X[-14:].assign(rain=np.nan)) == pytest.approx(found)


def test_past_values_after_the_cutoff_are_ignored_with_a_warning():
    forecaster = fitted()
    found = forecaster.predict(X[-14:].drop(columns="rain"))
    with pytest.warns(UserWarning, match="'rain' is a past-only covariate.*row 0.*ignored"):
        assert forecaster.predict(X[-14:].assign(rain=1e6)) == pytest.approx(found)


def test_forecast_needs_the_covariates_of_every_step():
    forecaster = fitted()
    with pytest.raises(ValueError, match=r"\['price', 'promo'\], which are known ahead"):
        forecaster.forecast(3)
    rows = X[-14:].drop(columns="rain")
    assert forecaster.forecast(3, rows).forecast.to_numpy() == pytest.approx(
        forecaster.predict(rows)[:3]
    )
    with pytest.raises(ValueError, match="no row for series 0 at 2024-05-08.*step 3 of 3"):
        forecaster.forecast(3, rows[:2])


def test_missing_covariates_are_refused_unless_past():
    broken = X.copy()
    broken.iloc[5, 0] = np.nan
    with pytest.raises(ValueError, match="NaN: row 5, column 'price'.*past_covariates"):
        quick(**OPTIONS).fit(broken, Y)
    with pytest.raises(ValueError, match="NaN: row 2, column 'promo'"):
        quick(**OPTIONS).fit(X.assign(promo=X.promo.where(X.index != X.index[2])), Y)
    with pytest.raises(ValueError, match="infinity: row 1, column 'price'"):
        quick(**OPTIONS).fit(X.assign(price=np.where(np.arange(140) == 1, np.inf, 0)), Y)
    with pytest.raises(ValueError, match="NaN: row 0, column 'price'"):
        fitted().predict(X[-3:].assign(price=[np.nan, 1, 2]))
    gaps = X.assign(rain=X.rain.where(X.index.day_of_week < 5))
    forecaster, ahead = quick(**OPTIONS).fit(gaps[:-14], Y[:-14]), X[-14:].drop(columns="rain")
    assert np.isfinite(forecaster.forecast(2, ahead)["q0.5"]).all()


def test_a_covariate_that_is_known_ahead_counts():
    rng = np.random.default_rng(1)
    price = rng.normal(size=300)
    index = pd.date_range("2024", periods=300, freq="D")
    y = pd.Series(10 + 3 * price, index=index)
    frame = pd.DataFrame({"price": price}, index=index)
    forecaster = quick(
        horizon=2,
        closed_form=True,
        hidden_size=8,
        max_epochs=10,
        window=7,
        learning_rate=0.02,
        refit=False,
    )
    forecaster.fit(frame[:-40], y[:-40])
    truth = LinearRegression().fit(frame[:-40], y[:-40]).predict(frame[-40:])
    assert np.corrcoef(forecaster.predict(frame[-40:]), truth)[0, 1] > 0.8


def test_unseen_categories_are_warned_of():
    with pytest.warns(UserWarning, match="'promo' has categories that training did not see"):
        fitted().predict(X[-2:].drop(columns="rain").assign(promo="maybe"))


def test_static_covariates():
    table = panel().assign(city=lambda d: d.store.map({"s0": "A", "s1": "B", "s2": "A"}), size=2.0)
    options = {"id_col": "store", "time_col": "day", "static_covariates": ["city", "size"]}
    forecaster = quick(**options).fit(table.drop(columns="sales"), table.sales)
    assert len(forecaster.forecast(2)) == 6
    assert forecaster._history.panel.static.shape == (3, 2)
    wrong = table.assign(size=np.arange(len(table)))
    with pytest.raises(ValueError, match="'size' changes within series 's0', at row 1"):
        quick(**options).fit(wrong.drop(columns="sales"), wrong.sales)
    newcomer = table[table.store == "s1"].assign(store="s9", city="B")
    forecaster.update(newcomer.drop(columns="sales"), newcomer.sales)
    static = forecaster._history.panel.static
    assert static[3].tolist() == static[1].tolist()


def test_past_categories_become_columns():
    forecaster = quick(past_covariates=["promo", "rain"]).fit(X[:-14], Y[:-14])
    assert forecaster._history.panel.past.shape == (126, 3)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"past_covariates": ["snow"]}, r"past_covariates names \['snow'\]"),
        ({"past_covariates": ["rain"], "static_covariates": ["rain"]}, "in static_covariates"),
    ],
)
def test_lists_of_columns_are_checked(keywords, message):
    with pytest.raises(ValueError, match=message):
        quick(**keywords).fit(X, Y)


def test_gap_steps_take_the_covariates_before_them():
    forecaster = fitted()
    rows = X[-14:].drop(columns="rain")
    whole = forecaster.predict(rows.assign(price=0.0, promo="no"))
    part = forecaster.predict(rows.assign(price=0.0, promo="no")[5:])
    assert part == pytest.approx(whole[5:], abs=0.5)
