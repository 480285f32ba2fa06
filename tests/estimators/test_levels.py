"""Predictions depend on neither level nor unit: of channels, static features and targets."""

import numpy as np
import pandas as pd
import pytest

from sklearn_rnn import (
    ReservoirClassifier,
    ReservoirRegressor,
    ReservoirTransformer,
    RNNClassifier,
    RNNRegressor,
    Sequences,
    SequenceTagger,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_rnn.exceptions.BaselineWarning")

# Factors and offsets; numbers are multiples of 1/256, so that double precision holds them.
MOVED = [(1.0, 1e9), (1.0, -1e12), (1e-30, 0.0), (1e30, 0.0)]
N = 40
RNG = np.random.default_rng(0)


def rounded(values):
    return np.round(np.asarray(values) * 256) / 256


X = [
    rounded(np.sin(0.5 * np.arange(n)[:, None] + RNG.uniform(0, 6, 2)) + RNG.normal(0, 0.3, (n, 2)))
    for n in RNG.integers(9, 16, N)
]
STATIC = rounded(RNG.normal(size=(N, 2)))
Y = rounded([x[:, 0].std() + x[-1, 1] for x in X])
LABELS = ((Y > np.median(Y)) ^ (RNG.random(N) < 0.2)).astype(int)
STEPS = [rounded(np.cumsum(x[:, 0])) for x in X]
TAGS = [(x[:, 0] > 0).astype(int) for x in X]
FAST = {"max_epochs": 2, "random_state": 0}


def moved(values, factor, offset):
    if isinstance(values, list):
        return [part * factor + offset for part in values]
    return values * factor + offset


def flat(predictions):
    if isinstance(predictions, Sequences):
        return predictions.values.ravel()
    if isinstance(predictions, list):
        return np.concatenate([np.ravel(part) for part in predictions])
    return np.ravel(predictions)


def ragged(x):
    return x


def dense(x):
    return np.stack([np.resize(part, (12, 2)) for part in x])


def frame(x):
    return pd.DataFrame({"a": [part[:, 0] for part in x], "b": [part[:, 1] for part in x]})


def gappy(x):
    return [np.where(np.arange(len(part))[:, None] == 3, np.nan, part) for part in x]


def mapped(x, tmp_path):
    values = np.concatenate(x)
    values.tofile(tmp_path / "values")
    flat_values = np.memmap(tmp_path / "values", mode="r", shape=values.shape, dtype=values.dtype)
    return Sequences(flat_values, np.append(0, np.cumsum([len(part) for part in x])))


MODELS = {
    "classifier": lambda x: RNNClassifier(4, **FAST).fit(x, LABELS).predict_proba(x),
    "recurrence": lambda x: (
        RNNClassifier(4, closed_form=False, **FAST).fit(x, LABELS).predict_proba(x)
    ),
    "stopped": lambda x: (
        RNNClassifier(4, early_stopping=True, **FAST).fit(x, LABELS).predict_proba(x)
    ),
    "states": lambda x: RNNRegressor(4, closed_form=False, **FAST).fit(x, Y).hidden_states(x),
    "regressor": lambda x: RNNRegressor(4, **FAST).fit(x, Y).predict(x),
    "steps": lambda x: RNNRegressor(4, **FAST).fit(x, STEPS).predict(x),
    "tagger": lambda x: SequenceTagger(4, **FAST).fit(x, TAGS).predict_proba(x),
    "reservoir": lambda x: ReservoirClassifier(8, random_state=0).fit(x, LABELS).predict_proba(x),
    "reservoir steps": lambda x: ReservoirRegressor(8, random_state=0).fit(x, STEPS).predict(x),
    "features": lambda x: ReservoirTransformer(8, random_state=0).fit(x).transform(x),
}


def assert_alike(fit, factors=MOVED, spread=None):
    """Compare what `fit` makes of moved data with what it makes of them as they are."""
    wanted = flat(fit(1.0, 0.0))
    spread = wanted.std() if spread is None else spread
    for factor, offset in factors:
        found = flat(fit(factor, offset))
        np.testing.assert_allclose(found, wanted, atol=1e-3 * spread, err_msg=f"{factor}, {offset}")


@pytest.mark.parametrize("name", MODELS)
def test_channels(name):
    assert_alike(lambda factor, offset: MODELS[name](moved(X, factor, offset)))


@pytest.mark.parametrize("form", [dense, frame, gappy])
def test_forms(form):
    assert_alike(lambda *by: MODELS["recurrence"](form(moved(X, *by))), MOVED[:2])


@pytest.mark.parametrize("name", ["classifier", "recurrence", "reservoir"])
def test_mapped_files(name, tmp_path):
    assert_alike(lambda *by: MODELS[name](mapped(moved(X, *by), tmp_path)), MOVED[:2])


@pytest.mark.parametrize(
    "model",
    [
        RNNClassifier(4, **FAST),
        RNNClassifier(4, closed_form=False, **FAST),
        ReservoirClassifier(8, random_state=0),
    ],
)
def test_static_features(model):
    def fit(factor, offset):
        known = Sequences.from_list(X, static=moved(STATIC, factor, offset))
        return model.fit(known, LABELS).predict_proba(known)

    assert_alike(fit)


@pytest.mark.parametrize("y", [Y, STEPS], ids=["sequence", "step"])
@pytest.mark.parametrize(
    "model", [RNNRegressor(4, **FAST), ReservoirRegressor(8, random_state=0)], ids=str
)
def test_targets(model, y):
    def fit(factor, offset):
        predicted = model.fit(X, moved(y, factor, offset)).predict(X)
        return (flat(predicted) - offset) / factor

    assert_alike(fit, spread=flat(y).std())


@pytest.mark.parametrize(
    "model",
    [
        RNNRegressor(4, closed_form=False, random_state=0),
        ReservoirRegressor(8, random_state=0),
        RNNRegressor(4, warm_start=True, **FAST),
    ],
    ids=["recurrence", "reservoir", "warm"],
)
def test_learning_on(model):
    def fit(*by):
        for key in [key for key in vars(model) if key not in model.get_params()]:
            delattr(model, key)
        for start in range(0, N, 20):
            part = slice(start, start + 20)
            if getattr(model, "warm_start", False):
                model.fit(moved(X, *by), Y)
            else:
                model.partial_fit(moved(X[part], *by), Y[part])
        return model.predict(moved(X, *by))

    assert_alike(fit)


def test_streams():
    def fit(factor, offset):
        known = Sequences.from_list(moved(X, factor, offset), static=moved(STATIC, factor, offset))
        model = RNNClassifier(4, bidirectional=False, **FAST).fit(known, LABELS)
        stream = model.stream(static=moved(STATIC[0], factor, offset))
        for step in moved(X[0], factor, offset):
            stream.push(step)
        np.testing.assert_allclose(
            stream.predict_proba(), model.predict_proba(known[:1])[0], atol=1e-5
        )
        return stream.predict_proba()

    assert_alike(fit, spread=1.0)


def test_numbers_beside_words():
    def fit(factor, offset):
        rows = [[("up" if a > 0 else "down", b * factor + offset) for a, b in x] for x in X]
        return SequenceTagger(4, **FAST).fit(rows, [x[:, 1] > 0 for x in X]).predict_proba(rows)

    assert_alike(fit)


def test_the_report_and_its_baselines():
    def fit(*by):
        report = RNNRegressor(4, **FAST).fit(moved(X, *by), Y).report_
        return np.array([report.model_score, report.linear_score, report.trivial_score])

    assert_alike(fit, spread=1.0)


def test_nanoseconds_are_differenced_as_whole_numbers():
    ticks = [np.cumsum(RNG.integers(1, 9, len(x))) for x in X]

    def fit(epoch):
        known = Sequences.from_list(X, times=[row + epoch for row in ticks])
        model = RNNClassifier(4, bidirectional=False, **FAST).fit(known, LABELS)
        stream = model.stream()
        for step, time in zip(X[0], ticks[0] + epoch, strict=True):
            stream.push(step, time)
        return np.append(model.predict_proba(known), stream.predict_proba())

    np.testing.assert_array_equal(fit(1_700_000_000_000_000_000), fit(0))
