"""Scorers read scale and quantiles from the estimator, however it is wrapped."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_rnn import SequenceForecaster, metrics

pytestmark = pytest.mark.filterwarnings("ignore:On the held-out tail:UserWarning")

INDEX = pd.date_range("2024", periods=90, freq="D", name="day")
Y = pd.Series(
    10 + 3 * np.sin(np.arange(90) / 7 * 2 * np.pi) + np.random.default_rng(0).normal(size=90) / 5,
    index=INDEX,
)
X = pd.DataFrame({"price": np.random.default_rng(1).normal(size=90)}, index=INDEX)
TRAIN, TEST = slice(0, 76), slice(76, 90)


def fit(estimator=None):
    forecaster = SequenceForecaster(7, closed_form="only", random_state=0)
    chosen = forecaster if estimator is None else estimator(forecaster)
    return chosen.fit(X.iloc[TRAIN], Y.iloc[TRAIN])


def expected(model, metric, **keywords):
    return -metric(Y.iloc[TEST], model.predict(X.iloc[TEST]), **keywords)


def test_scaled_errors():
    model = fit()
    history = Y.iloc[TRAIN]
    found = metrics.mase_scorer(model, X.iloc[TEST], Y.iloc[TEST])
    assert found == pytest.approx(
        expected(model, metrics.mean_absolute_scaled_error, y_train=history, season_length=7)
    )
    found = metrics.rmsse_scorer(model, X.iloc[TEST], Y.iloc[TEST])
    assert found == pytest.approx(
        expected(model, metrics.root_mean_squared_scaled_error, y_train=history)
    )
    daily = metrics.ForecastScorer("mase", season_length=1)
    assert daily(model, X.iloc[TEST], Y.iloc[TEST]) == pytest.approx(
        expected(model, metrics.mean_absolute_scaled_error, y_train=history)
    )


def test_percentages_quantiles_and_intervals():
    model = fit()
    rows, truth = X.iloc[TEST], Y.iloc[TEST]
    smape = metrics.smape_scorer(model, rows, truth)
    assert smape == expected(model, metrics.symmetric_mean_absolute_percentage_error)
    mape = metrics.mape_scorer(model, rows, truth)
    assert mape == expected(model, metrics.mean_absolute_percentage_error)
    levels = [0.1, 0.25, 0.5, 0.75, 0.9]
    loss = metrics.weighted_quantile_loss(
        truth, model.predict_quantiles(rows, levels), quantiles=levels
    )
    assert metrics.quantile_loss_scorer(model, rows, truth) == pytest.approx(-loss)
    ends = model.predict_interval(rows, 0.9)
    off = abs(metrics.interval_coverage(truth, ends) - 0.9)
    assert metrics.coverage_scorer(model, rows, truth) == pytest.approx(-off)
    score = metrics.mean_interval_score(truth, ends, coverage=0.9, scale=model.training_scale(rows))
    assert metrics.interval_score_scorer(model, rows, truth) == pytest.approx(-score)


WRAPPED = {
    "pipeline": lambda f: make_pipeline(StandardScaler().set_output(transform="pandas"), f),
    "scaled": lambda f: TransformedTargetRegressor(f, transformer=StandardScaler()),
    "log": lambda f: TransformedTargetRegressor(f, func=np.log, inverse_func=np.exp),
    "falling": lambda f: TransformedTargetRegressor(f, func=np.negative, inverse_func=np.negative),
    "search": lambda f: GridSearchCV(f, {"window": [14]}, cv=TimeSeriesSplit(2)),
    "both": lambda f: make_pipeline(
        FunctionTransformer(),
        TransformedTargetRegressor(f, func=np.log, inverse_func=np.exp),
    ),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_the_scale_is_that_of_y_however_the_forecaster_is_wrapped(name):
    model = fit(WRAPPED[name])
    rows, truth = X.iloc[TEST], Y.iloc[TEST]
    found = metrics.mase_scorer(model, rows, truth)
    assert found == pytest.approx(
        expected(
            model,
            metrics.mean_absolute_scaled_error,
            y_train=Y.iloc[TRAIN],
            season_length=7,
        )
    )
    assert metrics.interval_score_scorer(model, rows, truth) < 0
    assert metrics.coverage_scorer(model, rows, truth) > -0.6


def test_panels_count_series_alike():
    index = pd.MultiIndex.from_product([["a", "b"], INDEX])
    y = pd.Series(np.r_[Y.to_numpy(), 100 * Y.to_numpy()], index=index)
    early = index.get_level_values(1) < INDEX[76]
    model = SequenceForecaster(7, closed_form="only").fit(y[early].index, y[early])
    rows, truth = y[~early].index, y[~early]
    each = metrics.mean_absolute_scaled_error(
        truth,
        model.predict(rows),
        y_train=y[early],
        season_length=7,
        groups=rows.get_level_values(0),
        train_groups=y[early].index.get_level_values(0),
        average=None,
    )
    assert metrics.mase_scorer(model, rows, truth) == pytest.approx(-np.mean(list(each.values())))
    pooled = metrics.ForecastScorer("smape", average="pooled")
    assert pooled(model, rows, truth) < 0


def test_they_go_into_scikit_learn():
    scoring = {"mase": metrics.mase_scorer, "loss": metrics.quantile_loss_scorer}
    found = cross_validate(
        SequenceForecaster(7, closed_form="only"), X, Y, cv=TimeSeriesSplit(2, test_size=7),
        scoring=scoring,
    )  # fmt: skip
    assert (found["test_mase"] < 0).all() and (found["test_loss"] < 0).all()
    again = pickle.loads(pickle.dumps(metrics.mase_scorer))
    model = fit()
    assert again(model, X.iloc[TEST], Y.iloc[TEST]) == metrics.mase_scorer(
        model, X.iloc[TEST], Y.iloc[TEST]
    )
    assert repr(again) == "ForecastScorer('mase')"


def test_refusals():
    with pytest.raises(ValueError, match="metric must be one of"):
        metrics.ForecastScorer("mse")
    with pytest.raises(TypeError, match="LinearRegression has no training_scale"):
        metrics.mase_scorer(LinearRegression().fit(X, Y), X, Y)
