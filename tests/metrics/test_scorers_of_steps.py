"""Scorers of a number at every step: ragged rows, weights, missing targets, searches."""

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from sklearn_rnn import ReservoirRegressor, Sequences
from sklearn_rnn.metrics import (
    StepScorer,
    step_absolute_error_scorer,
    step_r2_scorer,
    step_squared_error_scorer,
)
from sklearn_rnn.preprocessing import SequenceScaler

RNG = np.random.default_rng(0)
X = [RNG.normal(size=length) for length in RNG.integers(5, 12, size=20)]
Y = [np.cumsum(x) for x in X]
MODEL = ReservoirRegressor(8, bidirectional=False, random_state=0).fit(X, Y)
FOUND = MODEL.predict(X)


@pytest.mark.parametrize(
    ("scorer", "metric", "sign"),
    [
        (step_absolute_error_scorer, mean_absolute_error, -1),
        (step_squared_error_scorer, mean_squared_error, -1),
        (step_r2_scorer, r2_score, 1),
    ],
)
def test_all_steps_count_alike_but_those_without_a_target(scorer, metric, sign):
    flat, found = np.concatenate(Y), np.concatenate(FOUND)
    assert np.isclose(scorer(MODEL, X, Y), sign * metric(flat, found))
    weights = np.arange(20.0)
    each = np.repeat(weights, [len(row) for row in Y])
    weighed = sign * metric(flat, found, sample_weight=each)
    assert np.isclose(scorer(MODEL, X, Y, sample_weight=weights), weighed)
    gaps = [np.where(np.arange(len(row)) == 2, np.nan, row) for row in Y]
    seen = ~np.isnan(np.concatenate(gaps))
    for given in (gaps, [np.ma.masked_invalid(row) for row in gaps], Sequences.from_list(gaps)):
        assert np.isclose(scorer(MODEL, X, given), sign * metric(flat[seen], found[seen]))


def test_scorers_of_steps_go_into_searches_and_pipelines():
    model = make_pipeline(SequenceScaler(), ReservoirRegressor(8, random_state=0))
    search = GridSearchCV(
        model, {"reservoirregressor__alpha": [1e-3, 1e6]}, scoring=step_absolute_error_scorer, cv=3
    )
    assert search.fit(X, Y).best_params_ == {"reservoirregressor__alpha": 1e-3}
    dense = np.stack([x[:5] for x in X])[:, :, None], np.stack([y[:5] for y in Y])[:, :, None]
    assert (cross_val_score(ReservoirRegressor(8), *dense, scoring=step_r2_scorer, cv=3) > 0).all()


def test_scorers_of_steps_refuse_other_predictions():
    once = ReservoirRegressor(5, random_state=0).fit(X, [len(x) for x in X])
    with pytest.raises(ValueError, match="needs a prediction at every step"):
        step_r2_scorer(once, X, Y)
    with pytest.raises(ValueError, match="metric must be one of"):
        StepScorer("mae")
    assert repr(step_r2_scorer) == "StepScorer('r2')"
