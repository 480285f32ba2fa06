"""The closed form on its own: exact sums, every kind of target, calibration, memory, saving."""

import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from sklearn_rnn import (
    ReservoirClassifier,
    ReservoirRegressor,
    ReservoirTransformer,
    Sequences,
)
from sklearn_rnn.datasets import load_basic_motions, load_japanese_vowels
from sklearn_rnn.estimators import _reservoir_base as _solved_readout


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    X = []
    for label in y:
        t = np.arange(rng.integers(15, 40))
        X.append(np.sin(t * (0.9 if label else 0.6)) + rng.normal(scale=0.5, size=len(t)))
    return X, y


def test_published_level_untouched():
    for load, least in ((load_japanese_vowels, 0.985), (load_basic_motions, 0.97)):
        X, y = load(return_X_y=True, subset="train")
        X_test, y_test = load(return_X_y=True, subset="test")
        model = ReservoirClassifier(random_state=0).fit(X, y)
        assert model.score(X_test, y_test) >= least
        assert log_loss(y_test, model.predict_proba(X_test)) < 0.1


def in_any_order(estimator, X, y, settings, parts=3, **kwargs):
    """Fit portions in two orders, the first portion first: it sets the scaling."""
    rng = np.random.default_rng(0)
    models = []
    for order in (np.arange(30, len(X)), rng.permutation(np.arange(30, len(X)))):
        model = estimator(**settings).partial_fit([X[i] for i in range(30)], y[:30], **kwargs)
        for part in np.array_split(order, parts):
            model.partial_fit([X[i] for i in part], [y[i] for i in part])
        models.append(model)
    return models


@pytest.mark.parametrize("alpha", [10.0, "auto"])
@pytest.mark.parametrize("dual_rows", [3000, 0, 40])
def test_partial_fit_is_exact_in_any_order(data, alpha, dual_rows, monkeypatch):
    monkeypatch.setattr(_solved_readout, "_DUAL_ROWS", dual_rows)
    X, y = data
    settings = {"hidden_size": 5, "alpha": alpha, "random_state": 0}
    one, other = in_any_order(ReservoirClassifier, X, list(y), settings)
    assert one.alpha_ == pytest.approx(other.alpha_)
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), atol=1e-8)
    numbers = [x.mean() for x in X]
    one, other = in_any_order(ReservoirRegressor, X, numbers, settings)
    np.testing.assert_allclose(one.predict(X), other.predict(X), atol=1e-8)
    steps = [np.cumsum(x) for x in X]
    one, other = in_any_order(ReservoirRegressor, X, steps, settings)
    np.testing.assert_allclose(
        np.concatenate(one.predict(X)), np.concatenate(other.predict(X)), atol=1e-6
    )


@pytest.mark.filterwarnings("ignore::sklearn_rnn.exceptions.BaselineWarning")
@pytest.mark.parametrize("dual_rows", [3000, 0])
def test_fit_on_all_is_partial_fit_on_portions(data, dual_rows, monkeypatch):
    """Sequences read backward have the scaling of the first portion, those read forward."""
    monkeypatch.setattr(_solved_readout, "_DUAL_ROWS", dual_rows)
    X = data[0][:40] + [x[::-1] for x in data[0][:40]]
    y = np.array([x[-1] + 0.1 * len(x) for x in X])
    steps = [np.cumsum(x) for x in X]
    for alpha in (1.0, "auto"):
        whole = ReservoirRegressor(5, alpha=alpha, random_state=0).fit(X, y)
        parts = ReservoirRegressor(5, alpha=alpha, random_state=0)
        for portion in (slice(0, 40), slice(40, 41), slice(41, 80)):
            parts.partial_fit(X[portion], y[portion])
        np.testing.assert_allclose(parts.predict(X), whole.predict(X), atol=1e-6)
        whole = ReservoirRegressor(5, alpha=alpha, random_state=0).fit(X, steps)
        parts = ReservoirRegressor(5, alpha=alpha, random_state=0).partial_fit(X[:40], steps[:40])
        parts.partial_fit(X[40:], steps[40:])
        for one, other in zip(parts.predict(X), whole.predict(X), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


def test_going_on_after_fit(data):
    X, y = data
    model = ReservoirClassifier(5, random_state=0).fit(X[:40], y[:40])
    begun = ReservoirClassifier(5, random_state=0).partial_fit(X[:40], y[:40])
    saved = pickle.loads(pickle.dumps(begun))
    expected = begun.partial_fit(X[40:], y[40:]).predict_proba(X)
    np.testing.assert_array_equal(model.partial_fit(X[40:], y[40:]).predict_proba(X), expected)
    np.testing.assert_array_equal(saved.partial_fit(X[40:], y[40:]).predict_proba(X), expected)
    closed = pickle.loads(pickle.dumps(ReservoirClassifier(5, random_state=0).fit(X, y)))
    with pytest.raises(ValueError, match="make the first call partial_fit"):
        closed.partial_fit(X, y)
    with pytest.raises(ValueError, match="not what the first call"):
        begun.partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="balanced"):
        ReservoirClassifier(5, class_weight="balanced").partial_fit(X, y)


def test_classes_that_come_later(data):
    X, y = data
    names = np.array(["a", "b"])[y]
    model = ReservoirClassifier(5, random_state=0)
    model.partial_fit(X[:40:2], names[:40:2], classes=["a", "b"])
    assert model.partial_fit(X, names).score(X, names) > 0.9


@pytest.mark.parametrize("kind", ["labels", "multilabel", "joint", "number", "numbers"])
def test_every_kind_of_target(data, kind):
    X, y = data
    Y = {
        "labels": np.array(["a", "b"])[y],
        "multilabel": np.stack([y, 1 - y, y], axis=1),
        "joint": np.array([["p", "u"], ["q", "v"]])[y],
        "number": 1e6 + 5 * y,
        "numbers": np.stack([y, -3000.0 * y], axis=1),
    }[kind]
    estimator = ReservoirRegressor if kind.startswith("number") else ReservoirClassifier
    model = estimator(30, random_state=0).fit(X[:60], Y[:60])
    assert model.score(X[60:], Y[60:]) > 0.8
    assert model.predict(X).shape == Y.shape
    if estimator is ReservoirClassifier:
        probabilities = model.predict_proba(X)
        if kind != "multilabel":
            parts = probabilities if kind == "joint" else [probabilities]
            for part in parts:
                np.testing.assert_allclose(part.sum(axis=1), 1)
    assert np.array_equal(model.predict(X), pickle.loads(pickle.dumps(model)).predict(X))


def test_one_target_a_step():
    """An echo of three steps ago, as a number and as a label."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(rng.integers(20, 300), 1)) for _ in range(30)]
    echo = [np.r_[np.zeros(3), x[:-3, 0]] for x in X]
    regressor = ReservoirRegressor(40, bidirectional=False, random_state=0).fit(X[:20], echo[:20])
    assert regressor.score(X[20:], echo[20:]) > 0.9
    assert [len(p) for p in regressor.predict(X)] == [len(x) for x in X]
    labels = [np.where(e > 0, "up", "down") for e in echo]
    classifier = ReservoirClassifier(40, bidirectional=False, random_state=0)
    classifier.fit(X[:20], labels[:20])
    assert classifier.score(X[20:], labels[20:]) > 0.9
    probabilities = classifier.predict_proba(X[20:])
    assert isinstance(probabilities, Sequences)
    np.testing.assert_allclose(probabilities.values.sum(axis=1), 1)
    assert [list(p[:3]) for p in classifier.predict(X[:1])][0][0] in ("up", "down")
    causal = [np.concatenate([x[:10], 5 * x[10:]]) for x in X]
    np.testing.assert_allclose(regressor.predict(causal)[0][:10], regressor.predict(X)[0][:10])
    with pytest.raises(ValueError, match="Row 1: y has"):
        ReservoirClassifier(5).fit(X, [labels[0], labels[2], *labels[2:]])


def test_weights_of_steps_and_classes():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=50) for _ in range(20)]
    labels = [(x > 1).astype(int) for x in X]
    plain = ReservoirClassifier(5, random_state=0).fit(X, labels)
    even = ReservoirClassifier(5, class_weight="balanced", random_state=0).fit(X, labels)
    assert np.concatenate(even.predict(X)).mean() > np.concatenate(plain.predict(X)).mean()
    none = ReservoirClassifier(5, class_weight={0: 0.0, 1: 1.0}, random_state=0)
    with pytest.raises(ValueError, match="only one class|weight"):
        none.fit([[0.0, 1.0]] * 4, [0, 0, 0, 0])


def test_left_out_predictions_keep_probabilities_honest(data):
    X, _ = data
    noise = np.random.default_rng(1).integers(0, 2, size=80)
    model = ReservoirClassifier(random_state=0).fit(X[:40], noise[:40])
    chosen = model.predict_proba(X[40:])[np.arange(40), noise[40:]]
    assert -np.log(chosen).mean() < 0.9, "labels that nothing explains"


def test_options_are_used(data):
    X, y = data
    base = ReservoirTransformer(5, random_state=0).fit(X)
    assert base.transform(X).shape == (80, 5 * 5 * 2 * 6)
    small = ReservoirTransformer(
        5, spectral_radius=0.8, leak_rate=[1.0, 0.1], bidirectional=False, pooling="mean+last"
    ).fit(X)
    assert small.transform(X).shape == (80, 5 * 2 * 2) == (80, len(small.get_feature_names_out()))
    states = small.hidden_states(X)
    assert states.n_channels == 10
    np.testing.assert_allclose(small.transform(X)[:, 5:10], [s[-1][:5] for s in states])
    linear = ReservoirTransformer(5, input_scale=1e-6, random_state=0).fit(X)
    assert linear.transform(X)[:, 5:10].std() < base.transform(X)[:, 5:10].std()
    assert ReservoirRegressor(5, alpha=[3.0, 30.0]).fit(X, y).alpha_ in (3.0, 30.0)
    for wrong in (
        {"leak_rate": [1.0, 0.5]},
        {"leak_rate": 2 * [0.5] + 3 * [0.0]},
        {"pooling": "median"},
        {"spectral_radius": 5 * [-1.0]},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            ReservoirTransformer(**wrong).fit(X)


def test_static_features_tokens_and_times(data):
    rng = np.random.default_rng(0)
    noise, number = [rng.normal(size=len(x)) for x in data[0]], rng.normal(size=80)
    number[3] = np.nan
    label = np.array(["u", "v", "w"])[rng.integers(0, 3, size=80)]
    frame = pd.DataFrame({"noise": noise, "number": number, "label": label})
    model = ReservoirClassifier(20, random_state=0).fit(frame[:60], label[:60])
    assert model.score(frame[60:], label[60:]) == 1.0
    tokens = Sequences.from_list(
        [rng.integers(0, 9, size=12) for _ in range(80)], vocabulary_size=9
    )
    has_four = np.array([4 in row for row in tokens])
    model = ReservoirClassifier(random_state=0).fit(tokens[:60], has_four[:60])
    assert model.score(tokens[60:], has_four[60:]) > 0.75
    times = [np.cumsum(rng.uniform(0.5, 1.5, size=9)) for _ in range(80)]
    X = Sequences.from_list([np.ones(9)] * 80, times=times)
    y = np.array([t[-1] - t[0] for t in times])
    assert ReservoirRegressor(20, random_state=0).fit(X[:60], y[:60]).score(X[60:], y[60:]) > 0.8


@pytest.mark.filterwarnings("ignore::sklearn_rnn.exceptions.BaselineWarning")
def test_many_sequences_in_bounded_memory(monkeypatch):
    """What is held grows with the features, and not with the sequences."""
    monkeypatch.setattr(_solved_readout, "_DUAL_ROWS", 100)
    rng = np.random.default_rng(0)
    peaks = []
    for n in (2000, 8000):
        X = rng.normal(size=(n, 3))
        tracemalloc.start()
        ReservoirRegressor(5, random_state=0).fit(X, X.sum(axis=1))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    features = 8000 * 300 * 8
    assert peaks[1] - peaks[0] < features / 4


def test_mapped_values_are_read_where_they_are(tmp_path, data):
    values = np.concatenate(data[0])[:, None]
    path = tmp_path / "values.npy"
    np.save(path, values)
    offsets = np.append(0, np.cumsum([len(x) for x in data[0]]))
    mapped = Sequences(np.load(path, mmap_mode="r"), offsets)
    plain = ReservoirClassifier(5, random_state=0).fit(data[0], data[1])
    model = ReservoirClassifier(5, random_state=0).fit(mapped, data[1])
    np.testing.assert_array_equal(model.predict_proba(mapped), plain.predict_proba(data[0]))
