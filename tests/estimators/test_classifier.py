"""RNNClassifier: kinds of labels and inputs, learning on, validation, and what it refuses."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from sklearn_rnn import EarlyStopping, Optimizer, RNNClassifier, Sequences
from sklearn_rnn.nn import CELLS

TINY = {"hidden_size": 8, "max_epochs": 30, "learning_rate": 0.02, "random_state": 0}


@pytest.fixture(scope="module")
def data():
    """Ragged two-channel sequences of three kinds, told apart by slope."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = []
    for label in y:
        t = np.arange(rng.integers(4, 20))[:, None]
        X.append((label - 1) * t * [0.3, -0.2] + rng.normal(scale=0.3, size=(len(t), 2)))
    return X, y


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 1, 2]),
        np.array([-5, 7, 100]),
        np.array(["a", "bb", "ccc"]),
        np.array(["x", None, "z"], dtype=object)[[0, 2, 0]],
        np.array([0.0, 1.0, 2.0]),
        np.array([True, False, True]),
    ],
    ids=["int", "gaps", "str", "object", "float", "bool"],
)
def test_labels_of_any_type(data, labels):
    X, y = data
    model = RNNClassifier(**TINY).fit(X, labels[y])
    assert model.classes_.tolist() == sorted(set(labels.tolist()))
    assert set(model.predict(X).tolist()) <= set(labels.tolist())
    assert model.score(X, labels[y]) > 0.6 if len(set(labels.tolist())) < 3 else 0.9


def test_probabilities(data):
    X, y = data
    model = RNNClassifier(**TINY).fit(X, y)
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (90, 3) and probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(model.classes_[probabilities.argmax(axis=1)], model.predict(X))
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), probabilities, rtol=1e-5)


def test_multilabel(data):
    X, y = data
    Y = np.stack([y == 0, y >= 1, y == 2], axis=1).astype(int)
    model = RNNClassifier(**TINY).fit(X, Y)
    assert model.predict(X).shape == (90, 3) and model.predict_proba(X).shape == (90, 3)
    assert model.score(X, Y) > 0.9
    assert model.head_ == "3 labels"


def test_several_outputs(data):
    X, y = data
    Y = np.stack([np.array(["lo", "mid", "hi"])[y], np.array(["n", "y", "y"])[y]], axis=1)
    model = RNNClassifier(**TINY).fit(X, Y)
    assert [c.tolist() for c in model.classes_] == [["hi", "lo", "mid"], ["n", "y"]]
    assert [p.shape for p in model.predict_proba(X)] == [(90, 3), (90, 2)]
    assert [p.shape for p in model.predict_log_proba(X)] == [(90, 3), (90, 2)]
    assert model.score(X, Y) > 0.9


def test_class_weight_moves_the_decision(data):
    X, y = data
    rare = np.where((y == 2) & (np.arange(90) % 9 != 2), 1, y)
    noisy = [x + np.random.default_rng(i).normal(scale=3, size=x.shape) for i, x in enumerate(X)]
    counts = []
    for weight in (None, "balanced", {0: 1, 1: 1, 2: 50}):
        model = RNNClassifier(4, max_epochs=15, class_weight=weight, random_state=0)
        counts.append((model.fit(noisy, rare).predict(noisy) == 2).sum())
    assert counts[0] <= counts[1] <= counts[2] and counts[2] > counts[0]


def test_sample_weight_of_zero_takes_a_sequence_out(data):
    X, y = data
    wrong = np.where(np.arange(90) < 30, (y + 1) % 3, y)
    weights = np.where(np.arange(90) < 30, 0.0, 1.0)
    with_zeros = RNNClassifier(**TINY).fit(X, wrong, sample_weight=weights)
    without = RNNClassifier(**TINY).fit(X[30:], y[30:])
    np.testing.assert_allclose(
        with_zeros.predict_proba(X), without.predict_proba(X), rtol=1e-3, atol=1e-4
    )


def test_tokens_are_embedded():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    tokens = [rng.integers(0, 9, size=rng.integers(2, 12)) for _ in y]
    for row, label in zip(tokens, y, strict=True):
        row[rng.integers(len(row))] = 9 if label else 0
    X = Sequences.from_list(
        [row if label else row[row != 9] for row, label in zip(tokens, y, strict=True)],
        vocabulary_size=10,
    )
    model = RNNClassifier(embedding=6, **TINY).fit(X, y)
    assert model.score(X, y) > 0.95
    assert model.input_ == "10 tokens"
    with pytest.raises(ValueError, match="fitted on tokens"):
        model.predict([[1.0, 2.0]])


def test_frame_with_list_columns_and_static_features(data):
    X, y = data
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "signal": [x[:, 0] for x in X],
            "age": rng.normal(50, 9, size=90),
            "site": pd.Categorical(np.array(["north", "south", "west"])[rng.permutation(y)]),
        }
    )
    told = frame.assign(site=pd.Categorical(np.array(["north", "south", "west"])[y]))
    told["signal"] = [np.zeros(3)] * 90
    model = RNNClassifier(**TINY).fit(told, y)
    assert model.score(told, y) == 1.0, "only the category tells"
    assert model.n_features_in_ == 3 and list(model.feature_names_in_) == list(told.columns)
    unseen = told.assign(site="east")
    assert model.predict_proba(unseen).shape == (90, 3)
    signal = RNNClassifier(**TINY).fit(frame, y)
    assert signal.score(frame, y) > 0.9


def test_missing_values_are_told(data):
    X, y = data
    rng = np.random.default_rng(0)
    gappy = [np.where(rng.random(x.shape) < 0.3, np.nan, x) for x in X]
    model = RNNClassifier(**TINY).fit(gappy, y)
    assert model.score(gappy, y) > 0.9 and "missing marked" in model.input_
    assert np.isfinite(model.predict_proba(gappy)).all()
    plain = RNNClassifier(missing="mean", **TINY).fit(gappy, y)
    assert plain.n_weights_ < model.n_weights_
    clean = RNNClassifier(**TINY).fit(X, y)
    assert np.isfinite(clean.predict_proba(gappy)).all()
    with pytest.raises(ValueError, match='row 0, .*missing="auto"'):
        RNNClassifier(missing="error").fit(gappy, y)
    strict = RNNClassifier(missing="error", **TINY).fit(X, y)
    with pytest.raises(ValueError, match="contains NaN"):
        strict.predict(gappy)


def test_irregular_times_are_read():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    lengths = rng.integers(4, 12, size=60)
    times = np.concatenate(
        [
            np.cumsum(rng.uniform(0.5, 1.5, n) * (10 if c else 1))
            for n, c in zip(lengths, y, strict=True)
        ]
    )
    X = Sequences(np.zeros((lengths.sum(), 1)), np.r_[0, np.cumsum(lengths)], times=times)
    assert RNNClassifier(**TINY).fit(X, y).score(X, y) > 0.95


@pytest.mark.parametrize("cell", [*CELLS, torch.nn.GRUCell])
def test_every_cell_learns(data, cell):
    X, y = data
    assert RNNClassifier(cell=cell, **TINY).fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize("stem", [None, "conv"])
@pytest.mark.parametrize("pooling", ["attention", "last", ("max", "attention"), "mean+last"])
def test_stem_and_pooling(data, stem, pooling):
    X, y = data
    model = RNNClassifier(stem=stem, pooling=pooling, num_layers=2, layer_norm=True, **TINY)
    assert model.fit(X, y).score(X, y) > 0.9
    assert model.transform(X).shape == (90, len(model.get_feature_names_out()))


@pytest.mark.parametrize("cell", ["rnn", "rnn_relu", "rnn_sigmoid"])
def test_nonlinearities(data, cell):
    X, y = data
    model = RNNClassifier(cell=cell, **TINY).fit(X, y)
    assert model.score(X, y) > 0.8


def test_custom_losses(data):
    X, y = data

    def focal(logits, target):
        loss = torch.nn.functional.cross_entropy(logits, target, reduction="none")
        return (1 - torch.exp(-loss)) ** 2 * loss

    for loss in (focal, torch.nn.CrossEntropyLoss(label_smoothing=0.1), torch.nn.MultiMarginLoss):
        assert RNNClassifier(loss=loss, **TINY).fit(X, y).score(X, y) > 0.9
    smooth = RNNClassifier(label_smoothing=0.3, closed_form=False, **TINY).fit(X, y)
    sharp = RNNClassifier(closed_form=False, **TINY).fit(X, y)
    assert smooth.predict_proba(X).max() < sharp.predict_proba(X).max()


def test_hidden_states_are_ragged_like_X(data):
    X, y = data
    model = RNNClassifier(**TINY).fit(X, y)
    states = model.hidden_states(X)
    assert isinstance(states, Sequences) and states.n_channels == 16
    assert states.lengths.tolist() == [len(x) for x in X]
    np.testing.assert_allclose(states[3], model.hidden_states([X[3]])[0], atol=1e-6)
    features = model.transform(X)
    np.testing.assert_allclose(features[:, :16], [s.mean(axis=0) for s in states], atol=1e-5)
    np.testing.assert_allclose(features[:, 16:32], [s.max(axis=0) for s in states], atol=1e-5)


def test_early_stopping_restores_the_best(data):
    X, y = data
    model = RNNClassifier(
        8,
        max_epochs=80,
        early_stopping=EarlyStopping(n_iter_no_change=5, validation_fraction=0.3),
        random_state=0,
        learning_rate=0.02,
    ).fit(X, y)
    assert model.n_iter_ < 80
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert len(model.validation_scores_) == len(model.loss_curve_) == model.n_iter_
    assert list(model.history_["epoch"]) == list(range(1, model.n_iter_ + 1))


def test_validation_set_of_ones_own(data):
    X, y = data
    model = RNNClassifier(early_stopping=True, **TINY)
    model.fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    assert model.best_validation_score_ == model.score(X[60:], y[60:])
    watched = RNNClassifier(**TINY).fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    assert watched.n_iter_ == 30 and len(watched.validation_scores_) == 30
    with pytest.raises(ValueError, match="X_val and y_val go together"):
        model.fit(X, y, X_val=X)
    with pytest.raises(ValueError, match="X has 1 channels"):
        model.fit(X, y, X_val=[[1.0]], y_val=[0])


def test_without_validation_there_are_no_scores(data):
    X, y = data
    model = RNNClassifier(**TINY).fit(X, y)
    assert model.validation_scores_ is None and model.best_validation_score_ is None
    assert (
        model.history_["valid_score"].isna().all() and model.history_["valid_score"].dtype == float
    )


def test_warm_start_goes_on(data):
    X, y = data
    model = RNNClassifier(8, max_epochs=3, warm_start=True, random_state=0).fit(X, y)
    first = model.loss_curve_[-1]
    model.fit(X, y)
    assert model.n_iter_ == 6 and model.loss_curve_[-1] < first
    with pytest.raises(ValueError, match="not among the classes"):
        model.fit(X, y + 7)
    cold = RNNClassifier(8, max_epochs=3, random_state=0).fit(X, y).fit(X, y)
    assert cold.n_iter_ == 3


def test_partial_fit(data):
    X, y = data
    model = RNNClassifier(8, learning_rate=0.02, batch_size=8, random_state=0)
    for _ in range(15):
        for start in (0, 30, 60):
            model.partial_fit(X[start : start + 30], y[start : start + 30], classes=[0, 1, 2])
    assert model.n_iter_ == 45 and model.score(X, y) > 0.9
    with pytest.raises(ValueError, match="first call to partial_fit"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="partial_fit does not see"):
        RNNClassifier(class_weight="balanced").partial_fit(X, y)


def test_partial_fit_has_nothing_to_train_in_a_closed_form(data):
    X, y = data
    with pytest.raises(ValueError, match="'only' trains nothing.*Use ReservoirClassifier"):
        RNNClassifier(closed_form="only").partial_fit(X, y)
    solved = RNNClassifier(closed_form="only", random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="'only' trains nothing"):
        solved.partial_fit(X, y)
    tokens = Sequences.from_list([[0, 1], [2, 1]] * 5, vocabulary_size=3)
    with pytest.raises(ValueError, match="closed_form='only' trains nothing.*Call fit"):
        RNNClassifier(closed_form="only").partial_fit(tokens, [0, 1] * 5)


def test_partial_fit_takes_the_same_classes_again_in_any_order(data):
    X, y = data
    model = RNNClassifier(4, random_state=0)
    for _ in range(2):
        model.partial_fit(X, y, classes=np.unique(y)[::-1])
    np.testing.assert_array_equal(model.classes_, np.unique(y))
    with pytest.raises(ValueError, match="first call"):
        model.partial_fit(X, y, classes=np.unique(y)[1:])
    several = np.stack([np.arange(len(X)) % 3, np.arange(len(X)) % 4], axis=1)
    classes = [[2, 1, 0], [0, 1, 2, 3]]
    model = RNNClassifier(4, random_state=0)
    model.partial_fit(X[:2], several[:2], classes=classes)
    model.partial_fit(X, several, classes=classes)
    assert [len(c) for c in model.classes_] == [3, 4]
    with pytest.raises(ValueError, match="one list for each of the 2 outputs"):
        RNNClassifier(4).partial_fit(X[:2], several[:2], classes=classes[:1])


def test_divergence_raises_with_the_remedy(data):
    X, y = data
    model = RNNClassifier(8, optimizer=Optimizer("sgd", gradient_clip=None), learning_rate=1e6)
    with pytest.raises(ValueError, match="diverged in epoch 1.*Lower learning_rate"):
        model.fit(X, y)
    assert not hasattr(model, "net_")


def test_divergence_with_best_weights_in_hand_warns(data):
    X, y = data

    class Explodes(torch.optim.SGD):
        def step(self, closure=None):
            self.taken = getattr(self, "taken", 0) + 1
            if self.taken > 20:
                self.param_groups[0]["lr"] = 1e30
            return super().step(closure)

    model = RNNClassifier(
        8,
        optimizer=Optimizer(Explodes, schedule="constant", gradient_clip=None),
        learning_rate=0.1,
        early_stopping=True,
        batch_size=8,
        max_epochs=20,
        random_state=0,
    )
    with pytest.warns(ConvergenceWarning, match="weights of epoch .* are kept"):
        model.fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()


def test_refusals(data):
    X, y = data
    with pytest.raises(ValueError, match="only one class"):
        RNNClassifier().fit(X, np.zeros(90))
    with pytest.raises(ValueError, match="y is None"):
        RNNClassifier().fit(X, None)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        RNNClassifier().fit(X, y[:-1])
    with pytest.raises(ValueError, match="sample_weight is zero|all zero|zero"):
        RNNClassifier().fit(X, y, sample_weight=np.zeros(90))
    with pytest.raises(ValueError, match="sample_weight_val weighs X_val"):
        RNNClassifier().fit(X, y, sample_weight_val=np.ones(90))
    with pytest.raises(ValueError, match="pooling"):
        RNNClassifier(pooling="sum", max_epochs=1).fit(X, y)
    with pytest.raises(TypeError, match="cell|GRUCell"):
        RNNClassifier(cell=dict, max_epochs=1).fit(X, y)


def test_a_state_of_random_state_is_consumed(data):
    X, y = data
    stream = np.random.RandomState(0)
    one = RNNClassifier(4, max_epochs=1, random_state=stream).fit(X, y).predict_proba(X)
    two = RNNClassifier(4, max_epochs=1, random_state=stream).fit(X, y).predict_proba(X)
    assert not np.array_equal(one, two)


def test_verbose_shows_a_bar(data, capsys):
    X, y = data
    RNNClassifier(4, max_epochs=3, verbose=1, early_stopping=True).fit(X, y)
    shown = capsys.readouterr().err
    assert "loss=" in shown and "score=" in shown and "3/3" in shown


def test_html_shows_the_fitted_network(data):
    X, y = data
    model = RNNClassifier(**TINY)
    assert "sklearn-rnn-network" not in model._repr_html_()
    html = model.fit(X, y)._repr_html_()
    for part in ("2 channels", "lstm 8, bidirectional", "3 classes", f"{model.n_weights_:,}"):
        assert part in html
    assert "sklearn_rnn.RNNClassifier.html" in html
    assert "lstm 8, bidirectional" in model._repr_mimebundle_()["text/html"]


def test_nothing_warns_on_a_plain_fit(data):
    X, y = data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RNNClassifier(4, max_epochs=2).fit(X, y).predict(X)
