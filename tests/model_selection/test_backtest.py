"""backtest: every origin's forecasts, as the estimator itself would have made them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.preprocessing import StandardScaler

from sklearn_rnn import SequenceForecaster, make_forecast_pipeline
from sklearn_rnn.model_selection import PanelTimeSeriesSplit, backtest

pytestmark = pytest.mark.filterwarnings("ignore:On the held-out tail:UserWarning")

INDEX = pd.date_range("2024", periods=90, freq="D", name="day")
Y = pd.Series(
    10 + 3 * np.sin(np.arange(90) / 7 * 2 * np.pi) + np.random.default_rng(0).normal(size=90) / 5,
    index=INDEX,
)
X = pd.DataFrame(index=INDEX)
CV = PanelTimeSeriesSplit(7, n_splits=3)


def forecaster(**keywords):
    return SequenceForecaster(
        **{
            "horizon": 7,
            "closed_form": "only",
            "quantiles": (0.1, 0.9),
            "random_state": 0,
            **keywords,
        }
    )


def test_every_origin_is_there():
    frame = backtest(forecaster(), X, Y, CV)
    assert list(frame.columns) == [
        "fold", "cutoff", "day", "step", "actual", "forecast", "q0.1", "q0.9",
    ]  # fmt: skip
    assert frame.step.tolist() == [*range(1, 8)] * 3
    for fold, (train, test) in enumerate(CV.split(X)):
        part = frame[frame.fold == fold]
        model = forecaster().fit(X.iloc[train], Y.iloc[train])
        assert (part.cutoff == INDEX[train[-1]]).all() and list(part.day) == list(INDEX[test])
        assert part.actual.to_numpy() == pytest.approx(Y.iloc[test].to_numpy())
        assert part.forecast.to_numpy() == pytest.approx(model.predict(X.iloc[test]))
        assert part[["q0.1", "q0.9"]].to_numpy() == pytest.approx(
            model.predict_quantiles(X.iloc[test])
        )


def test_steps_count_the_gap():
    frame = backtest(forecaster(), X, Y, PanelTimeSeriesSplit(7, n_splits=2, gap=3))
    assert frame.step.tolist() == [*range(4, 11)] * 2


def test_without_refit_the_history_is_updated():
    frame = backtest(forecaster(), X, Y, CV, refit=False)
    folds = list(CV.split(X))
    model = forecaster().fit(X.iloc[folds[0][0]], Y.iloc[folds[0][0]])
    for train, _ in folds[1:]:
        fresh = train[-7:]
        model.update(X.iloc[fresh], Y.iloc[fresh])
    last = frame[frame.fold == 2]
    assert last.forecast.to_numpy() == pytest.approx(model.predict(X.iloc[folds[2][1]]))
    refitted = backtest(forecaster(), X, Y, CV)
    assert (frame.forecast[:7] == refitted.forecast[:7]).all()


def test_warm_fits_begin_where_the_last_one_ended():
    network = forecaster(closed_form=True, hidden_size=4, max_epochs=4, window=14, refit=False)
    cv = PanelTimeSeriesSplit(7, n_splits=2)
    warm = backtest(network, X, Y, cv, refit="warm")
    cold = backtest(network, X, Y, cv)
    assert np.allclose(warm.forecast[:7], cold.forecast[:7])
    assert not np.allclose(warm.forecast[7:], cold.forecast[7:])
    assert np.abs(warm.forecast - warm.actual).mean() < 1.5
    with pytest.raises(TypeError, match="DummyRegressor has no warm_start"):
        backtest(DummyRegressor(), X, Y, cv, refit="warm")


def test_a_panel_with_targets_and_ids():
    index = pd.MultiIndex.from_product([["a", "b"], INDEX], names=["store", "day"])
    y = pd.DataFrame({"u": np.tile(Y, 2), "v": np.tile(-Y, 2)}, index=index)
    frame = backtest(forecaster(), y[[]], y, PanelTimeSeriesSplit(7, n_splits=2), refit=False)
    assert len(frame) == 2 * 2 * 7 * 2
    assert list(frame.columns[:6]) == ["fold", "store", "cutoff", "day", "step", "target"]
    assert set(frame.target) == {"u", "v"}
    one = frame[(frame.store == "b") & (frame.target == "v") & (frame.fold == 1)]
    assert one.actual.to_numpy() == pytest.approx(-Y.to_numpy()[-7:])
    assert np.abs(one.actual - one.forecast).mean() < 1


@pytest.mark.parametrize("refit", [True, False])
def test_wrapped_forecasters(refit):
    plain = backtest(forecaster(), X, Y, CV, refit=refit)
    for wrapped in (
        make_forecast_pipeline(StandardScaler(), forecaster()),
        TransformedTargetRegressor(forecaster(target_transform=None), transformer=StandardScaler()),
    ):
        found = backtest(wrapped, X, Y, CV, refit=refit)
        assert list(found.columns) == list(plain.columns)
        assert found.forecast.to_numpy() == pytest.approx(plain.forecast.to_numpy(), abs=0.5)
        assert (found["q0.9"] > found["q0.1"]).all()


def test_a_search_is_searched_at_every_origin():
    search = GridSearchCV(forecaster(), {"window": [7, 14]}, cv=PanelTimeSeriesSplit(7, n_splits=1))
    assert len(backtest(search, X, Y, CV)) == 21


def test_any_regressor_will_do():
    rows = np.arange(90.0)[:, None]
    frame = backtest(DummyRegressor(), rows, Y.to_numpy(), CV)
    assert list(frame.columns) == ["fold", "cutoff", "time", "step", "actual", "forecast"]
    assert frame.forecast[0] == pytest.approx(Y[:69].mean())
    with pytest.raises(TypeError, match="DummyRegressor has no update"):
        backtest(DummyRegressor(), rows, Y.to_numpy(), CV, refit=False)


def test_refusals():
    with pytest.raises(ValueError, match="does not come after its training rows"):
        backtest(DummyRegressor(), np.zeros((90, 1)), Y.to_numpy(), KFold(3))
    with pytest.raises(ValueError, match="refit must be"):
        backtest(forecaster(), X, Y, CV, refit="often")
    with pytest.raises(ValueError, match="no folds"):
        backtest(forecaster(), X, Y, [])


def test_missing_actuals_stay_missing():
    y = Y.copy()
    y.iloc[-1] = np.nan
    assert np.isnan(backtest(forecaster(), X, y, CV).actual.iloc[-1])


@pytest.mark.parametrize("refit", [True, False])
def test_targets_alone_are_enough(refit):
    """Without X the index of y, its columns, or nothing says when."""
    expected = backtest(forecaster(), X, Y, CV, refit=refit)
    pd.testing.assert_frame_equal(backtest(forecaster(), None, Y, CV, refit=refit), expected)
    counted = backtest(forecaster(season_length=7), None, Y.to_numpy(), CV, refit=refit)
    assert counted.time.tolist()[:2] == [69, 70] and len(counted) == len(expected)
    table = pd.DataFrame({"who": ["a"] * 90 + ["b"] * 90, "day": [*INDEX, *INDEX]})
    table["sales"] = np.tile(Y, 2)
    cv = PanelTimeSeriesSplit(7, n_splits=2, id_col="who", time_col="day")
    panel = forecaster(id_col="who", time_col="day")
    columns = table[["who", "day"]]
    pd.testing.assert_frame_equal(
        backtest(panel, None, table, cv, refit=refit),
        backtest(panel, columns, table.sales, cv, refit=refit),
    )
    with pytest.raises(ValueError, match="X and y are both None"):
        next(cv.split(None))
