"""One row is one step: forms of X and y, horizons, in-sample rows, panels, updates, pickles."""

import copy
import pickle
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow.dataset import dataset
from series import daily, panel, quick, weekly
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler

from sklearn_rnn import SequenceForecaster, make_forecast_pipeline
from sklearn_rnn.exceptions import BaselineWarning

Y = daily()
TRAIN, TEST = Y[:-14], Y[-14:]


def bare(series):
    """Return a frame with the time of a series, and nothing else."""
    return pd.DataFrame(index=series.index)


def close(found, expected, most=0.6):
    return np.abs(np.asarray(found) - np.asarray(expected)).mean() < most


@pytest.mark.parametrize(
    "form",
    [
        lambda s: bare(s),
        lambda s: s.index,
        lambda s: s.index.to_series(),
        lambda s: s.reset_index()[["day"]],
        lambda s: s.index.to_numpy()[:, None],
        lambda s: s.index.to_numpy(),
        lambda s: pl.DataFrame({"day": s.index.to_numpy()}),
        lambda s: pa.table({"day": s.index.to_numpy()}),
        lambda s: pd.DataFrame({"day": [t.date() for t in s.index]}),
        lambda s: s.index.tz_localize("UTC"),
    ],
    ids=["frame", "index", "series", "column", "dates", "flat", "polars", "arrow", "date", "zone"],
)
def test_forms_of_time(form):
    keywords = {"time_col": "day"} if "day" in getattr(form(TRAIN), "columns", []) else {}
    forecaster = quick(**keywords).fit(form(TRAIN), TRAIN.to_numpy())
    assert close(forecaster.predict(form(TEST)), TEST)
    assert close(forecaster.predict(form(TEST[4:6])), TEST[4:6], 1.0)


def test_arrays_follow_on():
    forecaster = quick(season_length=7, freq=1).fit(None, TRAIN.to_numpy())
    assert close(forecaster.forecast(14)["forecast"], TEST)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(140, 2))
    forecaster = quick(season_length=7, freq=1).fit(X[:-14], TRAIN.to_numpy())
    assert close(forecaster.predict(X[-14:]), TEST)


def test_a_column_that_counts_is_the_time():
    X = np.arange(140.0)[:, None] / 12 + 1949
    forecaster = quick(season_length=7).fit(X[:-14], TRAIN.to_numpy())
    assert close(forecaster.predict(X[-10:]), TEST[-10:])
    with pytest.raises(ValueError, match="stands between two steps"):
        forecaster.predict(X[-10:] + 0.03)


def test_rows_of_training_get_forecasts_one_step_ahead():
    forecaster = quick().fit(bare(TRAIN), TRAIN)
    found = forecaster.predict(bare(TRAIN))
    assert close(found[20:], TRAIN[20:])
    some = [100, 30, 61]
    assert forecaster.predict(bare(TRAIN).iloc[some]) == pytest.approx(found[some], abs=1e-9)
    both = forecaster.predict(bare(Y).iloc[[135, 50]])
    assert both == pytest.approx([forecaster.predict(bare(TEST))[9], found[50]], abs=1e-9)


def test_in_sample_forecasts_do_not_know_their_row():
    forecaster = quick(horizon=3).fit(bare(TRAIN[:70]), TRAIN[:70])
    jump = TRAIN[70:100].copy()
    jump.iloc[10:] += 100
    one = clone(forecaster).fit(bare(TRAIN[:70]), TRAIN[:70]).update(None, TRAIN[70:100])
    other = clone(forecaster).fit(bare(TRAIN[:70]), TRAIN[:70]).update(None, jump)
    rows = bare(TRAIN[70:82])
    difference = np.abs(one.predict(rows) - other.predict(rows))
    assert difference[:11].max() < 1e-9 and difference[11] > 1


def to_arrow(frame):
    return pa.Table.from_pandas(frame, preserve_index=False)


@pytest.mark.parametrize("convert", [lambda d: d, pl.from_pandas, to_arrow])
def test_panels(convert):
    table = panel()
    late = table.day > "2024-04-20"
    train, test = table[~late], table[late].sample(frac=1, random_state=0)
    forecaster = quick(id_col="store", time_col="day")
    forecaster.fit(convert(train[["store", "day"]]), train.sales.to_numpy())
    assert list(forecaster.series_) == ["s0", "s1", "s2"]
    rows = convert(test[["store", "day"]])
    assert close(forecaster.predict(rows), test.sales)
    assert list(forecaster.series_of(rows)) == test.store.tolist()
    found = forecaster.forecast(2)
    assert type(found) is type(rows)
    names = found.column_names if isinstance(found, pa.Table) else list(found.columns)
    assert names == ["store", "day", "forecast", "q0.05", "q0.25", "q0.5", "q0.75", "q0.95"]
    assert len(found) == 6
    assert forecaster.score(rows, test.sales.to_numpy()) > 0.9


def test_panels_by_index():
    table = panel().set_index(["store", "day"])
    late = table.index.get_level_values("day") > "2024-04-20"
    forecaster = quick().fit(table[~late][[]], table[~late].sales)
    assert close(forecaster.predict(table[late].index), table[late].sales)
    assert quick().fit(None, table[~late].sales).predict(table[late].index) == pytest.approx(
        forecaster.predict(table[late][[]])
    )


def test_interleaved_rows_are_the_same_panel():
    table = panel()
    mixed = table.sort_values(["day", "store"])
    one, other = (
        quick(id_col="store", time_col="day").fit(t[["store", "day"]], t.sales)
        for t in (table, mixed)
    )
    assert one.forecast(3).forecast.to_numpy() == pytest.approx(
        other.forecast(3).forecast.to_numpy()
    )


def test_score_of_a_panel_does_not_pool_scales():
    table = panel()
    table.loc[table.store == "s2", "sales"] += 10_000
    late = table.day > "2024-04-20"
    rows, truth = table[late][["store", "day"]], table[late].sales
    forecaster = quick(id_col="store", time_col="day")
    forecaster.fit(table[~late][["store", "day"]], table[~late].sales)
    means = table[late].groupby("store").sales.transform("mean")
    forecaster.predict = lambda X: means.to_numpy()
    forecaster._forecast_table = lambda table: (means.to_numpy()[:, None], None)
    assert forecaster.score(rows, truth) == pytest.approx(0, abs=1e-9)


def test_several_targets():
    y = pd.DataFrame({"a": Y, "b": 50 - 2 * Y})
    forecaster = quick().fit(bare(TRAIN), y[:-14])
    found = forecaster.predict(bare(TEST))
    assert found.shape == (14, 2) and close(found, y[-14:], 1.2)
    assert forecaster.predict_quantiles(bare(TEST)).shape == (14, 2, 5)
    assert forecaster.predict_interval(bare(TEST)).shape == (14, 2, 2)
    frame = forecaster.forecast(2)
    assert frame.target.tolist() == ["a", "b", "a", "b"]
    assert frame.forecast.to_numpy() == pytest.approx(found[:2].ravel())


def test_quantiles_do_not_cross_and_are_those_of_the_frame():
    forecaster = quick().fit(None, TRAIN)
    levels = [0.01, 0.05, 0.33, 0.5, 0.9, 0.99]
    found = forecaster.predict_quantiles(bare(TEST), levels)
    assert (np.diff(found, axis=1) >= 0).all()
    frame = forecaster.forecast(14, quantiles=levels)
    assert frame.filter(like="q0").to_numpy() == pytest.approx(found)
    ends = forecaster.predict_interval(bare(TEST), coverage=0.9)
    assert ends == pytest.approx(forecaster.predict_quantiles(bare(TEST), [0.05, 0.95]))
    for wrong in ([0.0], [0.5, 1.0], []):
        with pytest.raises(ValueError, match="levels between 0 and 1"):
            forecaster.predict_quantiles(bare(TEST), wrong)
    with pytest.raises(ValueError, match="coverage must be"):
        forecaster.predict_interval(bare(TEST), 95)


def test_beyond_the_trained_horizon():
    forecaster = quick(horizon=3).fit(None, TRAIN)
    assert close(forecaster.forecast(14).forecast, TEST)
    near, far = forecaster.forecast(3), forecaster.forecast(14)
    assert near.forecast.to_numpy() == pytest.approx(far.forecast.to_numpy()[:3])


def test_missing_targets():
    y = TRAIN.mask(np.random.default_rng(0).random(len(TRAIN)) < 0.2)
    assert close(quick().fit(None, y).predict(TEST.index), TEST)
    with pytest.raises(ValueError, match="every target is missing"):
        quick().fit(None, TRAIN * np.nan)


def test_series_shorter_than_the_window():
    for n in (2, 3, 9):
        found = quick(horizon=20, window=30).fit(None, TRAIN[:n]).forecast()
        assert np.isfinite(found.filter(regex="forecast|q").to_numpy()).all()
    table = panel()
    short = table[(table.store != "s1") | (table.day > "2024-05-10")]
    forecaster = quick(id_col="store", time_col="day").fit(short[["store", "day"]], short.sales)
    assert np.isfinite(forecaster.forecast(5).forecast).all()


def test_update():
    forecaster = quick().fit(None, TRAIN[:-14])
    before = forecaster.forecast(1)["day"][0]
    forecaster.update(None, TRAIN[-14:])
    assert forecaster.forecast(1)["day"][0] == before + pd.Timedelta(days=14)
    assert close(forecaster.predict(TEST.index), TEST)
    assert list(forecaster.steps_ahead(TEST.index[:2])) == [1, 2]
    with pytest.raises(ValueError, match="Row 0 of update is not new"):
        forecaster.update(None, TRAIN[-3:])


def test_update_fills_what_was_missing():
    late = TRAIN.copy()
    late[-3:] = np.nan
    forecaster = quick().fit(None, late).update(None, TRAIN[-3:])
    assert forecaster._history.panel.values[:, 0] == pytest.approx(TRAIN.to_numpy())


def test_update_of_a_panel_may_bring_new_series():
    table = panel()
    old = table[(table.store != "s1") & (table.day < "2024-04-01")]
    forecaster = quick(id_col="store", time_col="day").fit(old[["store", "day"]], old.sales)
    new = table.drop(old.index)
    forecaster.update(new[["store", "day"]], new.sales)
    assert list(forecaster.series_) == ["s0", "s2", "s1"]
    whole = quick(id_col="store", time_col="day").fit(table[["store", "day"]], table.sales)
    assert (
        forecaster.forecast(1).day.tolist()
        == whole.forecast(1).set_index("store").day[["s0", "s2", "s1"]].tolist()
    )


def test_pickle_holds_arrays_and_forecasts_the_same():
    forecaster = quick().fit(None, TRAIN)
    stored = pickle.dumps(forecaster)
    assert b"torch._utils" not in stored and b"torch.storage" not in stored
    again = pickle.loads(stored)
    assert (again.predict(TEST.index) == forecaster.predict(TEST.index)).all()
    assert (again.update(None, TEST).forecast(3).forecast > 0).all()


def test_the_same_seed_gives_the_same_bits():
    options = {"closed_form": False, "hidden_size": 4, "max_epochs": 1, "random_state": 3}
    state = np.random.get_state()[1].copy()
    one, other = (quick(**options).fit(None, TRAIN).predict(TEST.index) for _ in range(2))
    assert (one == other).all()
    different = quick(**{**options, "random_state": 4}).fit(None, TRAIN).predict(TEST.index)
    assert (one != different).any()
    assert (np.random.get_state()[1] == state).all()


def test_fit_leaves_its_input_alone(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = panel()
    copy = table.copy()
    quick(id_col="store", time_col="day").fit(table[["store", "day"]], table.sales).forecast(2)
    pd.testing.assert_frame_equal(table, copy)
    assert capsys.readouterr() == ("", "") and not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore:On the held-out tail the ridge")
def test_report_and_baseline():
    noise = np.random.default_rng(0).normal(size=200).cumsum()
    forecaster = quick(horizon=5).fit(None, pd.Series(weekly(200) * 3 + noise * 0.01))
    report = forecaster.report_
    assert list(report.columns) == ["mase", "skill"]
    assert {"forecast", "naive", "seasonal_naive", "drift"} <= set(report.index)
    skill = 1 - report.mase["forecast"] / report.mase["naive"]
    assert report.skill["naive"] == pytest.approx(skill)
    assert report.skill["naive"] > 0.5


def test_a_baseline_that_wins_is_warned_of(monkeypatch):
    from sklearn_rnn.forecasting._model import ForecastModel

    class Bad(ForecastModel):
        def fit(self, *args, **keywords):
            super().fit(*args, **keywords)
            self.validation_[2].point[:] += 50
            return self

    monkeypatch.setattr("sklearn_rnn.forecasting._forecaster.ForecastModel", Bad)
    with pytest.warns(BaselineWarning, match="On the held-out tail the .* forecast was better"):
        quick().fit(None, TRAIN)


def test_not_fitted():
    for method in ("predict", "predict_quantiles", "predict_interval", "training_scale"):
        with pytest.raises(NotFittedError):
            getattr(quick(), method)(bare(TEST))
    with pytest.raises(NotFittedError):
        quick().forecast(3)
    assert not hasattr(quick(), "report_")


def covariates():
    index = pd.date_range("2020-01-01", periods=60)
    noise = np.random.default_rng(0).normal(size=(60, 2))
    X = pd.DataFrame({"day": index, "price": noise[:, 0], "promo": noise[:, 1]})
    return X, np.sin(np.arange(60) / 3) + noise @ [1.0, -1.0]


def forms_of(frame):
    polars = pl.from_pandas(frame)
    yield frame
    yield polars
    yield polars.to_arrow()
    yield polars.lazy()
    yield dataset(polars.to_arrow())


def test_the_order_of_named_columns_is_free_and_unknown_ones_are_refused():
    X, y = covariates()
    model = SequenceForecaster(closed_form="only", horizon=10, time_col="day").fit(X[:50], y[:50])
    later = X[50:]
    wanted, ahead = model.predict(later), model.forecast(10, later)["forecast"]
    for turned in forms_of(later[["promo", "day", "price"]]):
        np.testing.assert_array_equal(model.predict(turned), wanted)
        np.testing.assert_array_equal(model.forecast(10, turned)["forecast"], ahead)
        assert model.score(turned, y[50:]) == model.score(later, y[50:])
        assert len(copy.deepcopy(model).update(turned, y[50:]).observed()) == 60
    for more in forms_of(later.assign(sales=1.0)):
        for call in (model.predict, partial(model.forecast, 10), lambda X: model.update(X, y[50:])):
            with pytest.raises(ValueError, match="unseen at fit time.*sales|sales"):
                call(more)
    with pytest.raises(ValueError, match="price"):
        model.predict(later.drop(columns="price"))
    pipeline = make_forecast_pipeline(StandardScaler(), clone(model)).fit(X[:50], y[:50])
    found = pipeline.predict(later[["promo", "price", "day"]])
    np.testing.assert_array_equal(found, pipeline.predict(later))


@pytest.mark.parametrize("place", range(5), ids=["pandas", "polars", "Arrow", "lazy", "dataset"])
def test_lazy_frames_and_datasets_are_read_whole(place):
    X, y = covariates()
    given = list(forms_of(X))[place]
    model = SequenceForecaster(closed_form="only", horizon=5, time_col="day").fit(given, y)
    assert list(model.feature_names_in_) == ["day", "price", "promo"]
    np.testing.assert_allclose(model.predict(given), clone(model).fit(X, y).predict(X))
    alone = SequenceForecaster(closed_form="only", horizon=5, time_col="day")
    assert alone.fit(None, given).target_names_ == ["price", "promo"]


def test_one_string_among_numbers_is_told_with_its_place():
    X, y = covariates()
    X = X.set_index("day")
    for row in (0, 20):
        mixed = X.astype(object)
        mixed.iloc[row, 0] = "n/a"
        with pytest.raises(ValueError, match=f"'price' holds the string 'n/a' in row {row} among"):
            SequenceForecaster(closed_form="only").fit(mixed, y)
        for bare in (mixed.to_numpy(), mixed.to_numpy().tolist()):
            with pytest.raises(ValueError, match=rf"'n/a' \(row, column \({row}, 0\)\)"):
                SequenceForecaster(closed_form="only").fit(bare, y)
    fitted = SequenceForecaster(closed_form="only", horizon=5).fit(X, y)
    with pytest.raises(ValueError, match="'n/a' in row 20 among"):
        fitted.predict(mixed)
    odd = np.where(np.arange(60) == 9, "oops", y.astype(object))
    with pytest.raises(ValueError, match="'oops' in row 9"):
        SequenceForecaster(closed_form="only").fit(X, odd)
