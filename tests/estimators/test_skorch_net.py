"""`net_` is a working skorch net, and skorch's callbacks are told of every epoch."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch import NeuralNet
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    LRScheduler,
    TensorBoard,
)

from sklearn_rnn import Optimizer, RNNClassifier, RNNRegressor, SequenceForecaster, SequenceTagger

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 2)) for n in RNG.integers(4, 12, size=48)]
Y = np.array(["low" if x[:, 0].sum() < 0 else "high" for x in X])
NUMBERS = np.array([x[:, 0].sum() for x in X])
WORDS = [["fly", "to", "Rome"], ["to", "New", "York"], ["fly", "now"]] * 8
TAGS = [["O", "O", "B"], ["O", "B", "I"], ["O", "O"]] * 8
SERIES = pd.Series(
    np.sin(np.arange(150) / 3) + RNG.normal(0, 0.1, 150), index=pd.date_range("2026", periods=150)
)
SMALL = {"hidden_size": 4, "max_epochs": 3, "random_state": 0}


def classifier(**parameters):
    return RNNClassifier(**{**SMALL, **parameters}).fit(X, Y)


KINDS = {
    "classifier": lambda **p: classifier(**p),
    "regressor": lambda **p: RNNRegressor(**{**SMALL, **p}).fit(X, NUMBERS),
    "steps": lambda **p: RNNRegressor(**{**SMALL, **p}).fit(X, [x[:, 0] for x in X]),
    "tagger": lambda **p: SequenceTagger(**{**SMALL, **p}).fit(WORDS, TAGS),
    "forecaster": lambda **p: SequenceForecaster(7, **{**SMALL, **p}).fit(None, SERIES),
}


class Recorder(Callback):
    """Writes down what it is told."""

    def __init__(self):
        self.told = []

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.told.append("begin")

    def on_batch_end(self, net, batch=None, training=False, loss=None, y_pred=None, **kwargs):
        assert training and torch.isfinite(loss) and y_pred is not None
        self.told.append("batch")

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        assert len(dataset_train) > 0
        self.told.append(net.history[-1, "train_loss"])

    def on_train_end(self, net, X=None, y=None, **kwargs):
        self.told.append("end")


@pytest.mark.parametrize("kind", KINDS)
def test_net_is_a_skorch_net(kind, tmp_path):
    model = KINDS[kind]()
    net = model.net_
    assert isinstance(net, NeuralNet) and isinstance(net.module_, torch.nn.Module)
    assert len(net.history) == 3
    assert set(net.history[-1]) >= {"epoch", "train_loss", "train_loss_best", "dur", "batches"}
    if kind != "forecaster":  # whose curve is of all networks
        assert net.history[:, "train_loss"] == model.loss_curve_
    before = [p.detach().clone() for p in net.module_.parameters()]
    files = {f"f_{name}": str(tmp_path / name) for name in ("params", "optimizer", "history")}
    net.save_params(**files)
    with torch.no_grad():
        for p in net.module_.parameters():
            p.add_(1.0)
    net.load_params(**files)
    for p, old in zip(net.module_.parameters(), before, strict=True):
        torch.testing.assert_close(p, old)


@pytest.mark.parametrize("kind", ["classifier", "regressor", "steps", "tagger"])
def test_net_predicts_as_the_estimator(kind):
    model, given = KINDS[kind](), WORDS if kind == "tagger" else X
    net = model.net_
    np.testing.assert_equal(list(net.predict(given)), list(model.predict(given)))
    n_targets = sum(map(len, given)) if kind in ("steps", "tagger") else len(given)
    assert len(net.forward(given)) == n_targets
    if kind in ("classifier", "tagger"):
        np.testing.assert_equal(list(net.predict_proba(given)), list(model.predict_proba(given)))
    else:
        assert not hasattr(net, "predict_proba")


def test_net_of_a_forecaster_predicts_as_it_does():
    model = KINDS["forecaster"]()
    days = pd.date_range(SERIES.index[-1], periods=5)[1:]
    np.testing.assert_array_equal(model.net_.predict(days), model.predict(days))
    with pytest.raises(TypeError, match="windows of a panel"):
        model.net_.forward(days)


@pytest.mark.parametrize("kind", ["classifier", "forecaster"])
def test_net_follows_its_estimator_through_pickle(kind):
    model = KINDS[kind]()
    copy = pickle.loads(pickle.dumps(model))
    assert copy.net_.history[:, "train_loss"] == model.net_.history[:, "train_loss"]
    given = X if kind == "classifier" else SERIES.index[-1:] + pd.Timedelta("1D")
    np.testing.assert_array_equal(copy.net_.predict(given), model.predict(given))


def test_net_by_itself_can_be_pickled_and_trained_on():
    model = classifier(closed_form=False)
    net = pickle.loads(pickle.dumps(model.net_))
    np.testing.assert_array_equal(net.predict(X), model.predict(X))
    before = model.predict_proba(X)
    net.partial_fit(X, Y)
    assert len(net.history) == 6 and len(model.net_.history) == 3
    assert net.score(X, Y) >= 0.5 and (net.predict_proba(X) != before).any()
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert list(net.classes_) == ["high", "low"]


@pytest.mark.parametrize("copied", [False, True])
def test_a_net_that_is_trained_on_is_paced_and_clipped_as_in_the_fit(copied):
    net = classifier(closed_form=False).net_
    if copied:
        net = pickle.loads(pickle.dumps(net))
    assert [name for name, _ in net.callbacks_] == ["clipping", "pace"]
    first = net.history[:, "learning_rate"]
    net.partial_fit(X, Y)
    assert net.history[3:, "learning_rate"] == pytest.approx(first) and len(set(first)) == 3


def test_loaded_weights_change_predictions(tmp_path):
    one, other = classifier(closed_form=False), classifier(closed_form=False, random_state=1)
    one.net_.save_params(f_params=str(tmp_path / "weights"))
    other.net_.load_params(f_params=str(tmp_path / "weights"))
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize("kind", KINDS)
def test_callbacks_are_told_of_every_epoch_and_batch(kind):
    recorder = Recorder()
    model = KINDS[kind](callbacks=[("recorder", recorder)])
    assert recorder.told[0] == "begin" and recorder.told[-1] == "end"
    assert "batch" in recorder.told
    losses = [told for told in recorder.told if isinstance(told, float)]
    assert losses == model.loss_curve_
    assert dict(model.net_.callbacks_)["recorder"] is recorder


def test_callbacks_change_no_digit():
    plain, told = classifier(), classifier(callbacks=Recorder())
    np.testing.assert_array_equal(plain.predict_proba(X), told.predict_proba(X))


@pytest.mark.parametrize("scoring", ["accuracy", "roc_auc", "neg_log_loss", None])
def test_epoch_scoring(scoring):
    score = EpochScoring(scoring, on_train=True, name="own", lower_is_better=False)
    held = EpochScoring(scoring, name="held", lower_is_better=False)
    model = RNNClassifier(**SMALL, callbacks=[score, held], closed_form=False)
    model.fit(X, Y, X_val=X[:20], y_val=Y[:20])
    assert len(model.net_.history[:, ("own", "held", "held_best")]) == 3
    if scoring == "accuracy":
        assert model.net_.history[-1, "own"] == model.score(X, Y)
        assert model.net_.history[:, "held"] == model.validation_scores_


def test_epoch_scoring_of_numbers_tags_and_classes_of_callbacks():
    r2 = EpochScoring("r2", on_train=True, lower_is_better=False)
    model = RNNRegressor(**SMALL, closed_form=False, callbacks=[r2]).fit(X, NUMBERS)
    assert model.net_.history[-1, "r2"] == pytest.approx(model.score(X, NUMBERS))
    own = EpochScoring(lambda net, X, y: net.score(X, y), on_train=True, name="own")
    tagger = SequenceTagger(**SMALL, callbacks=[own, Recorder]).fit(WORDS, TAGS)
    assert tagger.net_.history[-1, "own"] == tagger.score(WORDS, TAGS)
    each = BatchScoring("accuracy", on_train=True, name="each", lower_is_better=False)
    assert 0 <= classifier(callbacks=[each]).net_.history[-1, "each"] <= 1


def test_checkpoint(tmp_path):
    saved = Checkpoint(dirname=str(tmp_path), monitor="train_loss_best")
    pickled = Checkpoint(dirname=str(tmp_path), monitor=None, f_pickle="net.pkl", fn_prefix="all_")
    model = classifier(callbacks=[saved, pickled], closed_form=False)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"params.pt", "optimizer.pt", "history.json", "all_net.pkl"} <= names
    with open(tmp_path / "all_net.pkl", "rb") as file:
        net = pickle.load(file)
    np.testing.assert_array_equal(net.predict_proba(X), model.predict_proba(X))


def test_checkpoint_that_loads_the_best(tmp_path):
    first = Checkpoint(
        dirname=str(tmp_path), monitor=lambda net: len(net.history) == 1, load_best=True
    )
    model = classifier(
        callbacks=[first], closed_form=False, optimizer=Optimizer(schedule="constant")
    )
    short = classifier(max_epochs=1, closed_form=False, optimizer=Optimizer(schedule="constant"))
    np.testing.assert_array_equal(model.predict_proba(X), short.predict_proba(X))


def test_learning_rate_scheduler():
    step = LRScheduler(policy="StepLR", step_size=1, gamma=0.1)
    net = classifier(optimizer=Optimizer(schedule="constant"), callbacks=[step]).net_
    assert net.history[:, "learning_rate"] == pytest.approx([3e-3, 3e-4, 3e-5])


def test_early_stopping_by_a_callback_ends_training_and_not_the_fit():
    stop = EarlyStopping(monitor="train_loss", patience=2, threshold=10.0, sink=lambda *a: None)
    model = RNNClassifier(4, max_epochs=50, random_state=0, callbacks=[stop]).fit(X, Y)
    assert model.n_iter_ == 3 and len(model.predict(X)) == len(X)


class Raises(Callback):
    def __init__(self, error):
        self.error = error

    def on_epoch_end(self, net, **kwargs):
        raise self.error


def test_error_of_a_callback_reaches_the_user_as_it_is():
    model = classifier()
    before = model.predict_proba(X)
    with pytest.raises(RuntimeError, match="^mine$"):
        model.set_params(callbacks=[Raises(RuntimeError("mine"))]).fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), before)


def test_tensorboard_and_clipping():
    class Writer:
        written = []

        def add_scalar(self, tag, scalar_value, global_step=None, **kwargs):
            self.written.append(tag)

        def close(self):
            self.written.append("closed")

    classifier(callbacks=[TensorBoard(Writer()), GradientNormClipping(0.1)])
    assert {"Loss/train_loss", "closed"} <= set(Writer.written)


def test_searches_clone_callbacks():
    score = EpochScoring("accuracy", on_train=True, lower_is_better=False)
    model = RNNClassifier(**SMALL, callbacks=[score])
    assert clone(model).callbacks[0] is not score
    search = GridSearchCV(model, {"hidden_size": [2, 4]}, cv=2, n_jobs=2).fit(X, Y)
    assert "accuracy" in search.best_estimator_.net_.history[-1]


@pytest.mark.parametrize("wrong", [3, [Recorder(), "EpochScoring"], [("name", object())]])
def test_what_is_no_callback_is_refused_by_name(wrong):
    with pytest.raises(TypeError, match="callbacks must hold callbacks of skorch"):
        classifier(callbacks=wrong)
