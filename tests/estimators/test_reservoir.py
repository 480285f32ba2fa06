"""The closed-form path of the estimators: when it is there, alone and weighed, and saved."""

import pickle
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from sklearn_rnn import RNNClassifier, RNNRegressor
from sklearn_rnn.datasets import load_basic_motions, load_japanese_vowels
from sklearn_rnn.estimators._closed_form import _GAINS, ClosedForm
from sklearn_rnn.estimators._labels import LabelTarget
from sklearn_rnn.estimators._targets import ContinuousTarget

LABELS, NUMBERS = LabelTarget(np.arange(3)), ContinuousTarget(np.arange(5.0))


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    X = []
    for label in y:
        t = np.arange(rng.integers(15, 40))
        X.append(np.sin(t * (0.9 if label else 0.6)) + rng.normal(scale=0.5, size=len(t)))
    return X, y


def test_alone_it_reaches_the_published_level_in_a_second():
    for load, least in ((load_japanese_vowels, 0.98), (load_basic_motions, 0.97)):
        X, y = load(return_X_y=True, subset="train")
        X_test, y_test = load(return_X_y=True, subset="test")
        model = RNNClassifier(closed_form="only", random_state=0).fit(X, y)
        assert model.score(X_test, y_test) >= least
        assert model.recurrence_share_ == 0 and model.n_iter_ == 0 and model.loss_curve_ == []


@pytest.mark.parametrize("estimator", [RNNClassifier, RNNRegressor])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_alone_it_keeps_no_network_that_nothing_trained(data, estimator, bidirectional):
    X, y = data
    settings = {"closed_form": "only", "bidirectional": bidirectional, "random_state": 0}
    small = estimator(1, **settings).fit(X, y)
    large = estimator(512, num_layers=4, stem="conv", n_estimators=3, **settings).fit(X, y)
    np.testing.assert_array_equal(small.predict(X), large.predict(X))
    assert len(pickle.dumps(large)) == pytest.approx(len(pickle.dumps(small)), rel=0.01)
    assert len(pickle.dumps(large)) < 2e6
    assert large.core_.startswith("reservoir 100 x 5 time scales") and "lstm" not in large.core_
    assert large.n_weights_ == large.transform(X).shape[1] + 1
    network = large.net_.module_
    assert sum(p.numel() for p in network.parameters()) <= 1
    restored = pickle.loads(pickle.dumps(large))
    np.testing.assert_array_equal(restored.predict(X), large.predict(X))
    steps = torch.tensor(X[0], dtype=torch.float32)[None, :, None]
    torch.testing.assert_close(network(steps), network.answer(steps))
    for states in ("hidden_states", "attention_weights"):
        with pytest.raises(AttributeError, match="closed_form='only'.*no recurr.*closed_form=True"):
            getattr(large, states)(X)
        assert hasattr(estimator(**settings), states) and callable(getattr(estimator, states))
    if not bidirectional:
        assert large.stream().push(X[0]) == pytest.approx(large.predict(X[:1])[0], abs=1e-5)


def test_what_was_fitted_alone_is_no_beginning_for_a_recurrence(data):
    X, y = data
    model = RNNClassifier(4, closed_form="only", max_epochs=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="begin with closed_form=False"):
        model.set_params(closed_form=False).partial_fit(X, y)
    again = model.set_params(warm_start=True).fit(X, y)
    assert again.core_ == "lstm 4, bidirectional" and again.n_iter_ == 1
    assert again.hidden_states(X)[0].shape == (len(X[0]), 8)
    with pytest.raises(ValueError, match="keeps every step"):
        RNNClassifier(closed_form="only", pooling="none").fit(X, y)


def test_auto_says_what_it_did(data):
    X, y = data
    small = RNNClassifier(4, max_epochs=1, random_state=0).fit(X, y)
    assert "reservoir" in small.core_ and 0 <= small.recurrence_share_ <= 1
    assert set(small.readout_shares_) == {"all", "recurrent", "convolutions"}
    assert sum(small.readout_shares_.values()) == pytest.approx(1)
    for model in (
        RNNClassifier(4, max_epochs=1, closed_form=False).fit(X, y),
        RNNClassifier(4, max_epochs=1).partial_fit(X, y),
        RNNRegressor(4, max_epochs=1, loss="absolute_error").fit(X, y),
        RNNRegressor(4, max_epochs=1).fit(X, [np.zeros(len(x)) for x in X]),
    ):
        assert "reservoir" not in model.core_ and model.recurrence_share_ == 1
        assert model.readout_shares_ == {}


@pytest.mark.parametrize("reservoir", ["auto", "only"])
def test_static_features_are_read_out(data, reservoir):
    """Series that say nothing beside a number, or a category, that says all."""
    rng = np.random.default_rng(0)
    noise, number = [rng.normal(size=len(x)) for x in data[0]], rng.normal(size=80)
    number[3] = np.nan
    labels = np.array(["u", "v", "w"])[rng.integers(0, 3, size=80)]
    frame = pd.DataFrame({"noise": noise, "number": number, "label": labels})
    settings = {"max_epochs": 2, "closed_form": reservoir, "random_state": 0}
    for y, least in ((number > 0, 0.85), (labels == "v", 1.0)):
        model = RNNClassifier(4, **settings).fit(frame[:60], y[:60])
        assert model.score(frame[60:], y[60:]) >= least
        assert np.isfinite(model.predict_proba(frame.assign(label="unseen"))).all()
    same = frame.assign(noise=[np.arange(5.0)] * 80)
    model = RNNClassifier(4, **settings).fit(same[:60], labels[:60])
    assert model.score(same[60:], labels[60:]) == 1.0


@pytest.mark.parametrize("kind", ["classifier", "multilabel", "regressor", "many"])
def test_every_kind_of_target(data, kind):
    X, y = data
    Y = {
        "classifier": np.array(["a", "b"])[y],
        "multilabel": np.stack([y, 1 - y, y], axis=1),
        "regressor": 100.0 + 5 * y,
        "many": np.stack([y, -3.0 * y], axis=1),
    }[kind]
    estimator = RNNRegressor if kind in ("regressor", "many") else RNNClassifier
    model = estimator(closed_form="only", random_state=0).fit(X[:60], Y[:60])
    assert model.score(X[60:], Y[60:]) > 0.8
    assert np.array_equal(model.predict(X), pickle.loads(pickle.dumps(model)).predict(X))


def test_the_recurrence_takes_over_where_only_it_can_tell():
    """A reservoir pools its random states; a long memory for one mark has to be trained."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 12, 2))
    X[:, :, 1] = 0
    marked = rng.integers(0, 12, size=400)
    X[np.arange(400), marked, 1] = 1
    y = X[np.arange(400), marked, 0] ** 2
    model = RNNRegressor(32, learning_rate=0.01, random_state=0).fit(X[:300], y[:300])
    alone = RNNRegressor(closed_form="only", random_state=0).fit(X[:300], y[:300])
    assert model.recurrence_share_ > 0
    assert model.score(X[300:], y[300:]) > alone.score(X[300:], y[300:])


def test_where_nothing_can_be_gained_the_recurrence_hardly_trains():
    X, y = load_basic_motions(return_X_y=True, subset="train")
    model = RNNClassifier(4, random_state=0).fit(X, y)
    assert model.recurrence_share_ == 0 and model.n_iter_ == 2 == len(model.loss_curve_)
    # What the closed form answers does not change; who says how long is obeyed.
    told = RNNClassifier(4, random_state=0, max_epochs=11).fit(X, y)
    assert told.n_iter_ == 11 and told.recurrence_share_ == 0
    np.testing.assert_array_equal(told.predict_proba(X), model.predict_proba(X))


def test_only_a_loss_within_its_own_error_leaves_nothing():
    closed = ClosedForm.__new__(ClosedForm)
    closed.weights, closed.encoded, closed.left_out = None, np.zeros(100), {}
    closed._left_out_rows = lambda rows: rows

    def leaves_nothing(losses, target=LABELS):
        closed.target = target
        closed._losses = lambda *_: np.asarray(losses)
        return closed.leaves_nothing(np.arange(len(losses)))

    one = np.where(np.arange(100) == 7, 2.0, 0.0)
    assert leaves_nothing(one) and leaves_nothing(one, NUMBERS)
    assert not leaves_nothing(one + 0.05)
    # Of fewer sequences more is asked.
    assert leaves_nothing([2.0, 0.1, 0.5, 0.2, 0.1]) and not leaves_nothing([2.0, 0.1, 0.5] * 20)
    assert leaves_nothing(np.full(100, 0.004)) and not leaves_nothing(np.full(100, 0.006))
    assert not leaves_nothing(np.full(100, 0.004), NUMBERS)


def test_how_the_closed_form_does_on_a_few_is_luck():
    """All sequences tell what it leaves: three of a hundred are wrong, and none of those kept."""
    closed = ClosedForm.__new__(ClosedForm)
    closed.target, closed.weights = SimpleNamespace(negligible_loss=0.005, is_labels=True), None
    closed.encoded, closed.left_out = np.zeros(100), dict.fromkeys(range(100))
    closed._left_out_rows = lambda rows: rows
    losses = np.full(100, 0.05)
    closed._losses = lambda rows, _: losses[rows]
    kept = np.arange(50, 60)
    assert not closed.leaves_nothing(kept)
    losses[[3, 40, 80]] = 4.0
    assert closed.leaves_nothing(kept)
    losses[:] = np.random.default_rng(0).uniform(0.5, 1.5, size=100)
    assert not closed.leaves_nothing(kept)


def test_of_many_labels_some_rows_choose_the_penalty(monkeypatch):
    """Numbers of rows times labels are bounded; few labels are judged on all rows."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(150), 2)
    X = rng.normal(size=(150, 12))[y] + 0.3 * rng.normal(size=(300, 12))
    seen, plain = [], ClosedForm._loss

    def watched(self, raw, encoded, rows):
        seen.append(raw.shape)
        return plain(self, raw, encoded, rows)

    monkeypatch.setattr(ClosedForm, "_loss", watched)
    whole = RNNClassifier(closed_form="only", random_state=0).fit(X, y)
    assert set(seen) == {(300, 150)}
    monkeypatch.setattr("sklearn_rnn.estimators._closed_form._CHOOSE_ON", 2**15)
    seen.clear()
    some = RNNClassifier(closed_form="only", random_state=0).fit(X, y)
    assert set(seen) == {(2**15 // 150, 150)}
    assert abs(some.report_.model_score - whole.report_.model_score) < 0.05


@pytest.mark.parametrize("start", [0, 5, 12, 24])
def test_the_best_gain_is_found_from_wherever_the_search_begins(start):
    rng = np.random.default_rng(0)
    closed = ClosedForm.__new__(ClosedForm)
    closed.target, closed.weights = LABELS, None
    closed.network = SimpleNamespace(head=None)
    closed.encoded = rng.integers(0, 3, 60)
    for scale in (1e-3, 0.05, 1.0, 50.0):
        raw = scale * (np.eye(3)[closed.encoded] + 0.7 * rng.normal(size=(60, 3)))
        losses = [closed._loss(gain * raw, closed.encoded, np.arange(60)) for gain in _GAINS]
        found = closed._least_loss(raw, np.arange(60), start)
        assert found == (int(np.argmin(losses)), min(losses))


def test_weights_count(data):
    X, y = data
    wrong = np.where(np.arange(80) < 40, 1 - y, y)
    weights = np.where(np.arange(80) < 40, 1e-6, 1.0)
    model = RNNClassifier(closed_form="only", random_state=0).fit(X, wrong, sample_weight=weights)
    assert model.score(X, y) > 0.9
    left = RNNClassifier(closed_form="only", random_state=0).fit(X[40:], y[40:])
    without = RNNClassifier(closed_form="only", random_state=0)
    without.fit(X, wrong, sample_weight=np.where(np.arange(80) < 40, 0.0, 1.0))
    np.testing.assert_allclose(left.predict_proba(X), without.predict_proba(X), atol=1e-4)


def test_transform_is_that_of_what_answers(data):
    X, y = data
    only = RNNClassifier(closed_form="only", random_state=0).fit(X, y)
    assert only.transform(X).shape == (80, 11016) == (80, len(only.get_feature_names_out()))
    both = RNNClassifier(4, max_epochs=1, random_state=0).fit(X, y)
    assert both.transform(X).shape == (80, 24)


def test_probabilities_are_not_overconfident(data):
    X, _ = data
    noise = np.random.default_rng(1).integers(0, 2, size=80)
    model = RNNClassifier(closed_form="only", random_state=0).fit(X[:40], noise[:40])
    chosen = model.predict_proba(X[40:])[np.arange(40), noise[40:]]
    assert -np.log(chosen).mean() < 1.1, "labels that nothing explains"


def test_refusals(data):
    X, y = data
    refused = "closed_form=True cannot be used: y has one target a step.* Set closed_form=False"
    with pytest.raises(ValueError, match=refused):
        RNNRegressor(closed_form=True).fit(X, [np.zeros(len(x)) for x in X])
    with pytest.raises(ValueError, match="default loss"):
        RNNRegressor(closed_form=True, loss="huber").fit(X, y)
    with pytest.raises(ValueError, match="several outputs"):
        RNNClassifier(closed_form=True).fit(X, np.stack([y, y + 5, y], axis=1))


@pytest.mark.filterwarnings("ignore::sklearn_rnn.exceptions.BaselineWarning")
def test_copies_do_not_make_it_sure_of_itself(data):
    X, _ = data
    noise = np.random.default_rng(1).integers(0, 2, size=40)
    once = RNNClassifier(closed_form="only", random_state=0).fit(X[:40], noise)
    thrice = RNNClassifier(closed_form="only", random_state=0).fit(X[:40] * 3, np.tile(noise, 3))
    weighed = RNNClassifier(closed_form="only", random_state=0)
    weighed.fit(X[:40], noise, sample_weight=np.full(40, 3.0))
    for other in (thrice, weighed):
        np.testing.assert_allclose(once.predict_proba(X), other.predict_proba(X), atol=1e-3)


def test_learning_on_weighs_both_paths_on_what_comes_in(data):
    X, y = data
    model = RNNClassifier(4, max_epochs=2, random_state=0).fit(X, y)
    before = model.score(X, y)
    assert model.partial_fit(X, y).score(X, y) >= before - 0.1, "the closed form still speaks"
    model.set_params(hidden_size=4, learning_rate=0.02)
    for _ in range(60):
        model.partial_fit(X, 1 - y)
    assert model.recurrence_share_ > 0 and model.score(X, 1 - y) > 0.9, "the world has changed"


def test_reading_forward_alone_leaves_the_features_that_can_be_followed(data):
    X, y = data
    model = RNNClassifier(4, bidirectional=False, closed_form="only", random_state=0).fit(X, y)
    assert model.transform(X).shape == (80, 3000) and model.score(X, y) > 0.9


def test_the_readouts_are_mixed_equally_unless_another_mix_is_clearly_better():
    closed = ClosedForm.__new__(ClosedForm)
    closed.target, closed.weights = NUMBERS, None
    closed.encoded = truth = np.random.default_rng(0).normal(size=200)[:, None]
    closed.network = SimpleNamespace(
        path=SimpleNamespace(blocks={"convolutions": 1}, static_size=0),
        head=SimpleNamespace(mean=torch.zeros(1), scale=torch.ones(1)),
        eval=lambda: None,
    )
    rows, rng = np.arange(200), np.random.default_rng(1)
    alike = [truth + rng.normal(size=(200, 1)) for _ in range(3)]
    np.testing.assert_allclose(closed._mix(alike, rows), 1 / 3)
    one_bad = [*alike[:2], truth + 9 * rng.normal(size=(200, 1))]
    assert closed._mix(one_bad, rows)[2] == 0


@pytest.mark.parametrize("kind", ["small", "far", "constant"])
def test_scale_and_level_of_one_sequence_do_not_break_it(data, kind):
    """Tiny, far away and constant sequences give finite answers, the same alone and in company."""
    X, y = data
    odd = {"small": X[0] * 1e-6, "far": X[0] + 1e4, "constant": np.full(30, 2.5)}[kind]
    model = RNNRegressor(closed_form="only", random_state=0).fit([*X[:40], odd], np.arange(41.0))
    together = model.predict([*X[40:60], odd, np.arange(90.0)])
    assert np.isfinite(together).all()
    assert model.predict([odd])[0] == pytest.approx(together[20], rel=1e-4, abs=1e-3)
