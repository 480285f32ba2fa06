"""Forecasts depend on neither level nor unit, of targets and of covariates."""

import numpy as np
import pandas as pd
import pytest

from sklearn_rnn import SequenceForecaster

MOVED = [(1.0, 1e9), (1.0, -1e12), (1e-30, 0.0), (1e30, 0.0)]
RNG = np.random.default_rng(0)
STEPS, AHEAD = 120, 6
INDEX = pd.date_range("2020-01-01", periods=STEPS + AHEAD)
C = np.round(RNG.normal(size=STEPS + AHEAD) * 256) / 256
Y = np.round((2 * np.sin(np.arange(STEPS) * 2 * np.pi / 7) + RNG.normal(0, 0.3, STEPS)) * 256) / 256
FAST = {"max_epochs": 1, "hidden_size": 4, "random_state": 0}


def series(factor, offset, stop=STEPS, start=0):
    return pd.Series(Y[start:stop] * factor + offset, index=INDEX[start:stop])


def assert_alike(fit):
    wanted = fit(1.0, 0.0)
    for by in MOVED:
        np.testing.assert_allclose(fit(*by), wanted, atol=1e-3 * Y.std(), err_msg=str(by))


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"target_transform": "box-cox"},
        {"distribution": "student_t"},
        {"decoder": "recursive"},
        {"closed_form": False},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:target_transform:UserWarning")
def test_targets(parameters):
    def fit(factor, offset):
        model = SequenceForecaster(AHEAD, **FAST, **parameters).fit(None, series(factor, offset))
        interval = model.predict_interval(INDEX[100:])
        return (np.column_stack([model.predict(INDEX[100:]), interval]) - offset) / factor

    assert_alike(fit)


def test_new_history():
    def fit(factor, offset):
        model = SequenceForecaster(AHEAD, **FAST).fit(None, series(factor, offset, 100))
        model.update(None, series(factor, offset, start=100))
        return (model.forecast()["forecast"] - offset) / factor

    assert_alike(fit)


@pytest.mark.parametrize("role", ["known", "past"])
def test_covariates(role):
    def fit(factor, offset):
        X = pd.DataFrame({"c": C * factor + offset}, index=INDEX)
        past = {"past_covariates": "c"} if role == "past" else {}
        model = SequenceForecaster(AHEAD, **FAST, **past).fit(X[:STEPS], Y + C[:STEPS])
        return model.predict(X[STEPS:] if role == "known" else INDEX[STEPS:])

    assert_alike(fit)


def test_the_report():
    def fit(*by):
        report = SequenceForecaster(AHEAD, **FAST).fit(None, series(*by)).report_
        return report["mase"].to_numpy()

    assert_alike(fit)


def test_values_that_single_precision_cannot_hold():
    model = SequenceForecaster(AHEAD, **FAST)
    with pytest.raises(ValueError, match="Input y contains .*too large for dtype"):
        model.fit(None, series(1e39, 0.0))
    model.fit(None, series(1.0, 0.0))
    with pytest.raises(ValueError, match="Input y contains 1e.300, a value too large"):
        model.update(None, pd.Series([1e300], index=INDEX[STEPS : STEPS + 1]))
    X = pd.DataFrame({"c": C * 1e300}, index=INDEX)
    with pytest.raises(ValueError, match="row 0, column 'c'"):
        model.fit(X[:STEPS], Y)
