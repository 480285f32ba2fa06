"""ForecastDisplay and ErrorByHorizonDisplay: what is drawn is what the frames say."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.dummy import DummyRegressor

from sklearn_rnn import SequenceForecaster, make_forecast_pipeline
from sklearn_rnn.inspection import ErrorByHorizonDisplay, ForecastDisplay, TrainingCurveDisplay
from sklearn_rnn.model_selection import PanelTimeSeriesSplit, backtest

pytestmark = pytest.mark.filterwarnings("ignore:On the held-out tail:UserWarning")

INDEX = pd.date_range("2024", periods=70, freq="D", name="day")
Y = pd.Series(
    10 + 3 * np.sin(np.arange(70) / 7 * 2 * np.pi) + np.random.default_rng(0).normal(size=70) / 5,
    index=INDEX,
)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def forecaster(**keywords):
    return SequenceForecaster(
        **{"horizon": 7, "closed_form": "only", "random_state": 0, **keywords}
    )


@pytest.fixture(scope="module")
def fitted():
    return forecaster().fit(None, Y[:56])


@pytest.fixture(scope="module")
def origins():
    return backtest(
        forecaster(), pd.DataFrame(index=INDEX), Y, PanelTimeSeriesSplit(7, n_splits=3), refit=False
    )


def lines(ax):
    return {line.get_label(): line for line in ax.lines}


def test_one_series(fitted):
    display = ForecastDisplay.from_estimator(fitted, None, Y[56:63])
    (ax,) = display.axes_
    drawn = lines(ax)
    frame = fitted.forecast(7)
    assert drawn["forecast"].get_ydata() == pytest.approx(frame.forecast.to_numpy())
    assert drawn["actual"].get_ydata() == pytest.approx(Y[56:63].to_numpy())
    assert drawn["history"].get_ydata() == pytest.approx(Y[35:56].to_numpy())
    names = [text.get_text() for text in display.figure_.legends[0].get_texts()]
    assert names == ["history", "90 % interval", "50 % interval", "forecast", "actual"]
    assert len(ax.collections) == 2


def test_an_array_of_actuals_says_how_far_to_look(fitted):
    display = ForecastDisplay.from_estimator(fitted, None, Y[56:].to_numpy(), n_history=None)
    drawn = lines(display.axes_[0])
    assert len(drawn["forecast"].get_ydata()) == 14
    assert len(drawn["history"].get_ydata()) == 56
    display = ForecastDisplay.from_estimator(fitted, None, Y[56:])
    assert len(lines(display.axes_[0])["forecast"].get_ydata()) == 14


def panel_of(library):
    table = pd.DataFrame({"store": np.repeat(["a", "b", "c", "d"], 70), "day": np.tile(INDEX, 4)})
    return table if library is pd else pl.from_pandas(table)


@pytest.mark.parametrize("library", [pd, pl])
def test_small_multiples(library):
    model = forecaster(id_col="store", time_col="day")
    model.fit(panel_of(library), np.tile(Y, 4) * np.repeat([1, 2, 3, 4], 70))
    display = ForecastDisplay.from_estimator(model)
    assert [ax.get_title() for ax in display.axes_] == ["a", "b", "c", "d"]
    some = ForecastDisplay.from_estimator(model, series=["c", "a"])
    assert some.series_ == [("c", None), ("a", None)]
    last = model.observed(1).set_index("store").value
    assert lines(some.axes_[0])["history"].get_ydata()[-1] == pytest.approx(last["c"])
    assert len(ForecastDisplay.from_estimator(model, max_series=2).axes_) == 2
    with pytest.raises(ValueError, match="no series 'z'"):
        ForecastDisplay.from_estimator(model, series=["z"])
    with pytest.raises(ValueError, match="ax is one pair of axes, but there are 4"):
        ForecastDisplay.from_estimator(model, ax=plt.gca())


def test_several_targets_and_actuals_as_a_frame():
    y = pd.DataFrame({"u": Y, "v": -Y})
    model = forecaster().fit(y[:56][[]], y[:56])
    display = ForecastDisplay.from_estimator(model, None, y[56:63])
    assert [ax.get_title() for ax in display.axes_] == ["u", "v"]
    assert lines(display.axes_[1])["actual"].get_ydata() == pytest.approx(-Y[56:63].to_numpy())


def test_origins_of_a_backtest(origins):
    display = ForecastDisplay(origins).plot()
    drawn = [line for line in display.axes_[0].lines if line.get_label() == "forecast"]
    assert [len(line.get_ydata()) for line in drawn] == [7, 7, 7]
    assert lines(display.axes_[0])["actual"].get_ydata() == pytest.approx(Y[-21:].to_numpy())


def test_arrays():
    display = ForecastDisplay.from_predictions(
        Y[56:60], Y[56:60] + 1, interval=np.c_[Y[56:60] - 1, Y[56:60] + 2], y_train=Y[:56]
    )
    drawn = lines(display.axes_[0])
    assert drawn["forecast"].get_ydata() == pytest.approx(Y[56:60].to_numpy() + 1)
    assert len(display.axes_[0].collections) == 1
    plain = ForecastDisplay.from_predictions(
        None, [1.0, 2.0], y_train=[0.0, 1.0, 0.0], ax=plt.gca()
    )
    assert lines(plain.axes_[0])["forecast"].get_xdata().tolist() == [3, 4]


def test_pipelines_and_curves(fitted):
    rows = pd.DataFrame({"price": np.arange(70) % 3.0}, index=INDEX)
    pipeline = make_forecast_pipeline(forecaster()).fit(rows[:56], Y[:56])
    display = ForecastDisplay.from_estimator(pipeline, rows[56:63], horizon=7)
    assert len(display.forecast) == 7
    network = forecaster(closed_form=True, hidden_size=4, max_epochs=2, refit=False, window=7)
    network.fit(None, Y)
    curve = TrainingCurveDisplay.from_estimator(network)
    assert len(curve.loss) == len(network.loss_curve_) == len(network.history_) == 2
    with pytest.raises(TypeError, match="DummyRegressor is no SequenceForecaster"):
        ForecastDisplay.from_estimator(DummyRegressor())


def test_frames_that_are_none(fitted):
    with pytest.raises(ValueError, match="no rows with a column 'forecast'"):
        ForecastDisplay(pd.DataFrame({"day": INDEX}))
    with pytest.raises(TypeError, match="Expected a frame"):
        ForecastDisplay([1.0])
    with pytest.raises(ValueError, match="history needs the columns"):
        ForecastDisplay(fitted.forecast(2), history=pd.DataFrame({"t": [1]}))


def test_error_by_horizon(origins):
    display = ErrorByHorizonDisplay.from_backtest(origins)
    errors = (origins.actual - origins.forecast).abs().groupby(origins.step).mean()
    assert display.steps.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert display.errors["forecast"] == pytest.approx(errors.to_numpy())
    assert display.lines_["forecast"].get_ydata() == pytest.approx(errors.to_numpy())
    squared = ErrorByHorizonDisplay.from_backtest({"a": origins, "b": origins}, metric="squared")
    assert set(squared.lines_) == {"a", "b"} and squared.ax_.get_legend() is not None
    share = ErrorByHorizonDisplay.from_backtest(origins, metric="percentage")
    assert share.errors["forecast"][0] == pytest.approx(
        100 * ((origins.actual - origins.forecast).abs() / origins.actual)[origins.step == 1].mean()
    )


def test_coverage_by_horizon(origins):
    display = ErrorByHorizonDisplay.from_backtest(origins, metric="coverage")
    inside = origins.actual.between(origins["q0.05"], origins["q0.95"])
    assert display.errors["forecast"] == pytest.approx(
        inside.groupby(origins.step).mean().to_numpy()
    )
    assert display.coverage == pytest.approx(0.9)
    with pytest.raises(ValueError, match="needs quantile columns"):
        ErrorByHorizonDisplay.from_backtest(
            origins.drop(columns=[c for c in origins if str(c).startswith("q")]), metric="coverage"
        )


def test_error_by_horizon_from_estimators():
    cv = PanelTimeSeriesSplit(3, n_splits=2)
    models = {"wide": forecaster(horizon=3), "narrow": forecaster(horizon=3, window=7)}
    display = ErrorByHorizonDisplay.from_estimator(models, pd.DataFrame(index=INDEX), Y, cv=cv)
    assert list(display.errors) == ["wide", "narrow"]
    with pytest.raises(ValueError, match="metric must be"):
        ErrorByHorizonDisplay.from_backtest(pd.DataFrame(), metric="mean")
    with pytest.raises(ValueError, match="'step' and 'actual'"):
        ErrorByHorizonDisplay.from_backtest(pd.DataFrame({"t": [1], "forecast": [1.0]}))
    with pytest.raises(ValueError, match="for 2 steps"):
        ErrorByHorizonDisplay([1, 2], {"a": [1.0]})


def test_says_what_to_install(monkeypatch, origins):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for display in (ForecastDisplay(origins), ErrorByHorizonDisplay([1], {"a": [1.0]})):
        with pytest.raises(ImportError, match="pip install 'sklearn-rnn\\[plot\\]'"):
            display.plot()


@pytest.mark.parametrize("convert", [lambda f: f, pl.from_pandas], ids=["pandas", "polars"])
def test_what_happened_beside_the_rows_of_X(convert):
    table = pd.concat(
        [pd.DataFrame({"shop": shop, "day": INDEX, "sales": Y.to_numpy()}) for shop in "ab"]
    )
    late = (table.day >= INDEX[56]) & (table.day < INDEX[60])
    model = forecaster(id_col="shop", time_col="day")
    model.fit(convert(table[table.day < INDEX[56]][["shop", "day"]]), table.sales[:56].tolist() * 2)
    X, y = table[late][["shop", "day"]], table[late].sales.reset_index(drop=True)
    display = ForecastDisplay.from_estimator(model, convert(X), y)
    for ax in display.axes_:
        drawn = lines(ax)
        assert drawn["actual"].get_ydata() == pytest.approx(Y[56:60].to_numpy())
        assert len(drawn["forecast"].get_ydata()) == 4


def test_several_targets_beside_the_rows_of_X():
    y = pd.DataFrame({"a": Y, "b": 2 * Y})
    model = forecaster().fit(None, y[:56])
    X = pd.DataFrame(index=INDEX[56:60])
    display = ForecastDisplay.from_estimator(model, X, y[56:60].to_numpy())
    found = [lines(ax)["actual"].get_ydata() for ax in display.axes_]
    assert np.allclose(found, y[56:60].to_numpy().T)


def test_what_happened_with_ids_and_times_of_its_own():
    table = pd.concat(
        [pd.DataFrame({"shop": shop, "day": INDEX, "sales": Y.to_numpy()}) for shop in "ab"]
    )
    early = table.day < INDEX[56]
    model = forecaster(id_col="shop", time_col="day")
    model.fit(table[early][["shop", "day"]], table[early].sales)
    late = table[~early & (table.day < INDEX[63])]
    display = ForecastDisplay.from_estimator(model, late[["shop", "day"]], late)
    for ax in display.axes_:
        assert lines(ax)["actual"].get_ydata() == pytest.approx(Y[56:63].to_numpy())
