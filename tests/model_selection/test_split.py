"""PanelTimeSeriesSplit: training before test, gaps, windows, panels, and scikit-learn's tools."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score

from sklearn_rnn.model_selection import PanelTimeSeriesSplit


def folds(X, *args, **keywords):
    return [
        (train.tolist(), test.tolist())
        for train, test in PanelTimeSeriesSplit(*args, **keywords).split(X)
    ]


def test_one_series():
    assert folds(np.zeros((7, 1)), 2, n_splits=2) == [
        ([0, 1, 2], [3, 4]),
        ([0, 1, 2, 3, 4], [5, 6]),
    ]


def test_gap_step_and_window():
    found = folds(np.zeros((9, 1)), 2, n_splits=2, gap=1, step=1, window=3)
    assert found == [([2, 3, 4], [6, 7]), ([3, 4, 5], [7, 8])]


def long_table():
    return pd.DataFrame(
        {
            "id": ["a"] * 5 + ["b"] * 3,
            "t": pd.to_datetime(
                ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04", "2026-01-05"]
                + ["2026-01-02", "2026-01-03", "2026-01-04"]
            ),
        }
    )


@pytest.mark.parametrize("convert", [lambda d: d, pl.from_pandas], ids=["pandas", "polars"])
def test_a_panel_is_cut_at_one_moment(convert):
    found = folds(convert(long_table()), 1, n_splits=2, id_col="id", time_col="t")
    assert found == [([0, 1, 2, 5, 6], [3, 7]), ([0, 1, 2, 3, 5, 6, 7], [4])]


def test_a_panel_is_cut_from_each_series_end():
    found = folds(long_table(), 1, n_splits=2, id_col="id", time_col="t", align="series")
    assert found == [([0, 1, 2, 5], [3, 6]), ([0, 1, 2, 3, 5, 6], [4, 7])]


def test_rows_may_come_in_any_order():
    table = long_table().sample(frac=1, random_state=0).reset_index(drop=True)
    for train, test in PanelTimeSeriesSplit(1, 2, id_col="id", time_col="t").split(table):
        assert table.t[train].max() < table.t[test].min()


def test_series_that_begin_later_are_not_tested():
    late = long_table()
    late.loc[5:, "t"] += pd.Timedelta(days=2)
    assert folds(late, 2, n_splits=1, id_col="id", time_col="t") == [([0, 1, 2, 3, 5], [4, 6, 7])]
    late.loc[5:, "t"] += pd.Timedelta(days=1)
    assert folds(late, 3, n_splits=1, id_col="id", time_col="t") == [([0, 1, 2, 3], [4])]


def test_groups_say_whose_the_rows_of_an_array_are():
    split = PanelTimeSeriesSplit(1, n_splits=1, align="series")
    train, test = next(split.split(np.zeros((5, 1)), groups=[0, 1, 0, 1, 0]))
    assert (train.tolist(), test.tolist()) == ([0, 1, 2], [3, 4])


def test_too_few_steps_are_refused():
    with pytest.raises(ValueError, match="need 11 steps of time; there are 10"):
        next(PanelTimeSeriesSplit(5, n_splits=2).split(np.zeros((10, 1))))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"horizon": 0}, "horizon must be"),
        ({"horizon": 1, "n_splits": 0}, "n_splits must be"),
        ({"horizon": 1, "gap": -1}, "gap must be"),
        ({"horizon": 1, "step": 0}, "step must be"),
        ({"horizon": 1, "align": "end"}, "align must be"),
    ],
)
def test_wrong_parameters_are_refused(keywords, message):
    with pytest.raises(ValueError, match=message):
        next(PanelTimeSeriesSplit(**keywords).split(np.zeros((10, 1))))


def test_it_goes_into_scikit_learn():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2)), rng.normal(size=40)
    split = PanelTimeSeriesSplit(4, n_splits=3)
    assert cross_val_score(LinearRegression(), X, y, cv=split).shape == (3,)
    search = GridSearchCV(LinearRegression(), {"fit_intercept": [True, False]}, cv=split)
    assert search.fit(X, y).n_splits_ == 3
    assert repr(split).startswith("PanelTimeSeriesSplit(") and clone(split, safe=False)
