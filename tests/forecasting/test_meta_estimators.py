"""Inside scikit-learn's tools a forecaster scores as a hand-written rolling loop does."""

import numpy as np
import pandas as pd
import pytest
from series import daily, panel, quick
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingRegressor
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    TimeSeriesSplit,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler, TargetEncoder

from sklearn_rnn import make_forecast_pipeline
from sklearn_rnn.model_selection import PanelTimeSeriesSplit

Y = daily(120)
X = pd.DataFrame({"price": np.random.default_rng(0).normal(size=120)}, index=Y.index)
FOLDS = [TimeSeriesSplit(3, test_size=7), TimeSeriesSplit(3, test_size=7, gap=3)]
IDS = ["next to each other", "with a gap"]


def by_hand(forecaster, cv, transform=lambda y: y, inverse=lambda y: y):
    """Fit, forecast and score fold by fold, by the horizon and not by rows."""
    errors = []
    for train, test in cv.split(X):
        model = clone(forecaster).fit(X.iloc[train], transform(Y.iloc[train]))
        steps = test[-1] - train[-1]
        ahead = X.iloc[train[-1] + 1 : test[-1] + 1]
        found = model.forecast(steps, ahead).forecast.to_numpy()[-len(test) :]
        errors.append(mean_absolute_error(Y.iloc[test], inverse(found)))
    return np.array(errors)


def scores(estimator, cv, rows=X):
    return -cross_val_score(estimator, rows, Y, cv=cv, scoring="neg_mean_absolute_error")


@pytest.mark.parametrize("cv", FOLDS, ids=IDS)
def test_cross_val_score(cv):
    assert scores(quick(), cv) == pytest.approx(by_hand(quick(), cv), rel=0.05)
    if cv.gap == 0:
        assert scores(quick(), cv) == pytest.approx(by_hand(quick(), cv), rel=1e-9)


def test_arrays_score_the_same():
    forecaster = quick(freq=1, season_length=7, time_features=None)
    found = -cross_val_score(
        forecaster, X.to_numpy(), Y.to_numpy(), cv=FOLDS[0], scoring="neg_mean_absolute_error"
    )
    timed = scores(quick(season_length=7, time_features=None), FOLDS[0])
    assert found == pytest.approx(timed, rel=1e-9)


@pytest.mark.parametrize("cv", FOLDS, ids=IDS)
@pytest.mark.parametrize("make", [make_forecast_pipeline, make_pipeline])
def test_pipelines(cv, make):
    scaler = StandardScaler().set_output(transform="pandas")
    found = scores(make(scaler, quick()), cv)
    assert found == pytest.approx(scores(quick(), cv), rel=1e-3)


def test_a_plain_pipeline_drops_the_time_and_says_so():
    pipeline = make_pipeline(StandardScaler(), quick(season_length=7, time_features=None))
    train, test = next(FOLDS[0].split(X))
    pipeline.fit(X.iloc[train], Y.iloc[train])
    with pytest.warns(UserWarning, match="X has no time"):
        found = pipeline.predict(X.iloc[test])
    expected = quick(season_length=7, time_features=None).fit(X.iloc[train], Y.iloc[train])
    assert found == pytest.approx(expected.predict(X.iloc[test]), rel=1e-3)


def test_transformed_targets():
    wrapped = TransformedTargetRegressor(quick(), func=np.sqrt, inverse_func=np.square)
    expected = by_hand(quick(), FOLDS[0], np.sqrt, np.square)
    assert scores(wrapped, FOLDS[0]) == pytest.approx(expected, rel=1e-9)
    scaled = TransformedTargetRegressor(quick(), transformer=StandardScaler())
    # Standardised targets have no logarithm.
    plain = scores(quick(target_transform=None), FOLDS[1])
    assert scores(scaled, FOLDS[1]) == pytest.approx(plain, rel=1e-3)


def test_voting():
    one, other = quick(), quick(window=14)
    voting = VotingRegressor([("one", one), ("other", other)])
    train, test = next(FOLDS[1].split(X))
    voting.fit(X.iloc[train], Y.iloc[train])
    parts = [m.fit(X.iloc[train], Y.iloc[train]).predict(X.iloc[test]) for m in (one, other)]
    assert voting.predict(X.iloc[test]) == pytest.approx(np.mean(parts, axis=0))


def test_nested_grid_search():
    grid = {"window": [7, 21]}
    search = GridSearchCV(
        quick(), grid, cv=PanelTimeSeriesSplit(7, n_splits=2), scoring="neg_mean_absolute_error"
    )
    nested = scores(search, FOLDS[1])
    by_hand_errors = []
    for train, test in FOLDS[1].split(X):
        inner = {}
        for window in grid["window"]:
            model = quick(window=window)
            rows = PanelTimeSeriesSplit(7, n_splits=2).split(X.iloc[train])
            inner[window] = np.mean(
                [
                    mean_absolute_error(
                        Y.iloc[train].iloc[b],
                        clone(model)
                        .fit(X.iloc[train].iloc[a], Y.iloc[train].iloc[a])
                        .predict(X.iloc[train].iloc[b]),
                    )
                    for a, b in rows
                ]
            )
        best = quick(window=min(inner, key=inner.get)).fit(X.iloc[train], Y.iloc[train])
        by_hand_errors.append(mean_absolute_error(Y.iloc[test], best.predict(X.iloc[test])))
    assert nested == pytest.approx(by_hand_errors, rel=1e-9)


def test_training_scores_are_in_sample():
    found = cross_validate(
        quick(), X, Y, cv=FOLDS[0], return_train_score=True, scoring="neg_mean_absolute_error"
    )
    assert (-found["train_score"] < 1.0).all() and (-found["test_score"] < 1.0).all()


def test_panel_folds():
    table = panel()
    options = {"id_col": "store", "time_col": "day"}
    cv = PanelTimeSeriesSplit(7, n_splits=2, **options)
    rows = table[["store", "day"]]
    found = cross_val_score(
        quick(**options), rows, table.sales, cv=cv, scoring="neg_mean_absolute_error"
    )
    assert (-found < 0.6).all()


def test_forecast_pipeline_hands_through():
    pipeline = make_forecast_pipeline(StandardScaler(), StandardScaler(), quick())
    assert [name for name, _ in pipeline.steps] == [
        "standardscaler", "standardscaler-2", "sequenceforecaster",
    ]  # fmt: skip
    pipeline.fit(X[:90], Y[:90])
    assert pipeline.predict_quantiles(X[90:97]).shape == (7, 5)
    assert pipeline.predict_interval(X[90:97]).shape == (7, 2)
    frame = pipeline.forecast(7, X[90:97])
    assert frame.forecast.to_numpy() == pytest.approx(pipeline.predict(X[90:97]))
    later = pipeline.update(X[90:100], Y[90:100]).forecast(1, X[100:101])
    assert later["day"][0] == Y.index[100]
    with pytest.raises(TypeError, match="last step must be a SequenceForecaster; got StandardS"):
        make_forecast_pipeline(StandardScaler())


@pytest.mark.parametrize("backend", ["pandas", "polars"])
def test_forecast_pipeline_with_columns_of_id_and_time(backend):
    pl = pytest.importorskip("polars")
    table = panel().assign(price=lambda d: np.sin(np.arange(len(d))))
    convert = pl.from_pandas if backend == "polars" else (lambda d: d)
    late = table.day > "2024-04-20"
    columns = ["store", "day", "price"]
    pipeline = make_forecast_pipeline(StandardScaler(), quick(id_col="store", time_col="day"))
    pipeline.fit(convert(table[~late][columns]), table[~late].sales.to_numpy())
    found = pipeline.predict(convert(table[late][columns]))
    assert np.abs(found - table[late].sales).mean() < 0.6


def test_forecast_pipeline_without_covariates():
    pipeline = make_forecast_pipeline(FunctionTransformer(), quick())
    assert len(pipeline.fit(None, Y[:90]).forecast(3)) == 3
    assert pipeline.fit(X[:90][[]], Y[:90]).predict(X[90:93][[]]).shape == (3,)


@pytest.mark.parametrize("output", ["pandas", "polars", "default"])
def test_forecast_pipeline_keeps_the_index_whatever_the_output(output):
    pytest.importorskip("polars")
    pipeline = make_forecast_pipeline(StandardScaler(), quick()).fit(X[:90], Y[:90])
    expected = pipeline.predict(X[95:99])
    pipeline = make_forecast_pipeline(StandardScaler(), quick()).set_output(transform=output)
    assert (pipeline.fit(X[:90], Y[:90]).predict(X[95:99]) == expected).all()
    assert list(pipeline.feature_names_in_) == list(X.columns)
    assert pipeline.n_features_in_ == X.shape[1]
    assert list(pipeline[:-1].get_feature_names_out()) == list(X.columns)


def test_forecast_pipeline_names_columns_of_id_and_time():
    table = panel().assign(price=lambda d: np.sin(np.arange(len(d))))
    columns = ["store", "day", "price"]
    pipeline = make_forecast_pipeline(StandardScaler(), quick(id_col="store", time_col="day"))
    pipeline.fit(table[columns], table.sales)
    assert list(pipeline.feature_names_in_) == list(pipeline[:-1].get_feature_names_out())
    assert list(pipeline[:-1].transform(table[columns]).columns) == columns


def test_forecast_pipeline_encodes_targets_across_folds():
    rng = np.random.default_rng(0)
    names = pd.DataFrame({"name": rng.integers(0, 50, 120).astype(str)}, index=Y.index)
    encoder = TargetEncoder(target_type="continuous", cv=KFold(5))
    kept = make_forecast_pipeline(encoder, quick())[:-1].fit_transform(names, Y)
    assert np.allclose(kept, clone(encoder).fit_transform(names, Y))
    assert not np.allclose(kept, clone(encoder).fit(names, Y).transform(names))
