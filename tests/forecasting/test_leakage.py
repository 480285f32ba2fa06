"""Our forecasters know nothing of the future, and one that does is caught."""

import numpy as np
import pandas as pd
import pytest
from series import daily, panel, quick
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.preprocessing import StandardScaler

from sklearn_rnn import Distribution, make_forecast_pipeline
from sklearn_rnn.testing import check_no_leakage

Y = daily(90)
RNG = np.random.default_rng(0)
X = pd.DataFrame(
    {"price": RNG.normal(size=90), "rain": RNG.normal(size=90), "sky": RNG.choice(["a", "b"], 90)},
    index=Y.index,
)
NETWORK = {"closed_form": True, "hidden_size": 4, "max_epochs": 1, "refit": False, "window": 14}
PAST = {"past_covariates": ["rain", "sky"]}


@pytest.mark.parametrize(
    "estimator",
    [
        quick(),
        quick(**PAST),
        quick(**PAST, **NETWORK),
        quick(**PAST, **NETWORK, decoder="direct", cell="lstm", distribution="normal"),
        quick(**PAST, **NETWORK, decoder="recursive", distribution=Distribution(n_samples=5)),
        quick(**PAST, target_transform="log", seasonality=True),
        TransformedTargetRegressor(quick(**PAST), transformer=StandardScaler()),
        make_forecast_pipeline(StandardScaler(), quick(past_covariates=["rain"])),
    ],
    ids=["plain", "past", "network", "direct", "recursive", "log", "target", "pipeline"],
)
def test_our_forecasters_do_not_leak(estimator):
    rows = X[["price", "rain"]] if hasattr(estimator, "steps") else X
    check_no_leakage(estimator, rows, Y)


def test_panels_do_not_leak():
    table = panel(n=60)
    forecaster = quick(id_col="store", time_col="day", seasonality=True, window=14)
    check_no_leakage(forecaster, table[["store", "day"]], table.sales)


def test_arrays_do_not_leak():
    rows = X[["price", "rain"]].to_numpy()
    check_no_leakage(quick(past_covariates=[1], season_length=7), rows, Y.to_numpy())


class Leaky(RegressorMixin, BaseEstimator):
    """A forecaster that repeats the last value, and cheats in one way or another."""

    def __init__(self, cheats=None, past_covariates="rain"):
        self.cheats = cheats
        self.past_covariates = past_covariates

    def fit(self, X, y):
        values = np.asarray(y)
        self.last_ = values[-1]
        self.whole_ = values if values.base is None else values.base
        self.times_, self.values_ = list(X.index), list(np.asarray(y))
        return self

    def predict(self, X):
        found = np.full(len(X), self.last_)
        if self.cheats == "targets":
            found = found + 0.01 * self.whole_[-1]
        elif self.cheats == "past":
            found = found + X["rain"].to_numpy()
        elif self.cheats == "mates":
            found = found + len(X)
        elif self.cheats == "order":
            found = found + np.arange(len(X))
        elif self.cheats == "first":
            found = found + (X.index.min() - self.times_[-1]).days
        elif self.cheats == "scaled":
            found = found + X["price"].to_numpy() / X["price"].std()
        elif self.cheats == "smoothed":
            found = found + X["price"].rolling(3, center=True, min_periods=1).mean().to_numpy()
        elif self.cheats == "own":
            known = dict(zip(self.times_, self.values_, strict=True))
            found = np.array([known.get(time, self.last_) for time in X.index])
        return found


class Updated(Leaky):
    """The same with new history."""

    def update(self, X, y):
        self.times_ += list(X.index)
        self.values_ += list(np.asarray(y))
        self.last_ = self.values_[-1]
        return self


def test_an_honest_one_passes():
    check_no_leakage(Leaky(), X, Y)
    check_no_leakage(Leaky(past_covariates=None), X[[]], Y)


@pytest.mark.parametrize(
    ("cheats", "message"),
    [
        ("targets", "targets after the cutoff"),
        ("past", r"past-only covariates \['rain'\]"),
        ("mates", "later rows"),
        ("first", "other rows"),
        ("scaled", "later rows"),
        ("smoothed", "later rows"),
        ("order", "order of the rows"),
    ],
)
def test_cheats_are_caught(cheats, message):
    with pytest.raises(AssertionError, match=f"Leaky leaks: .*{message}"):
        past = cheats == "past"
        leaky = Leaky(cheats, past_covariates="rain" if past else None)
        check_no_leakage(leaky, X if past or cheats in ("scaled", "smoothed") else X[[]], Y)


def test_targets_stay_what_they_are():
    class Pandas(Leaky):
        def fit(self, X, y):
            self.last_ = y.rolling(3).mean().iloc[-1]
            return self

    check_no_leakage(Pandas(), X, Y)


def test_in_sample_cheats_are_caught():
    with pytest.raises(AssertionError, match="in-sample"):
        check_no_leakage(Updated("own"), X, Y)


def test_too_little_time_is_said():
    with pytest.raises(ValueError, match="needs at least 6"):
        check_no_leakage(quick(), X[:4], Y[:4])


def test_targets_alone_are_enough():
    check_no_leakage(quick(), None, Y)
    check_no_leakage(quick(), None, Y.to_numpy())
