"""Training on long sequences: checkpoints change nothing but memory, windows carry the state."""

import numpy as np
import pytest

from sklearn_rnn import Optimizer, RNNClassifier, RNNRegressor
from sklearn_rnn.training import _batches

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 2)).astype(np.float32) for n in (90, 14, 200, 131, 7, 64)]
LABELS = np.array(["a", "b", "a", "b", "b", "a"])
SMALL = {"hidden_size": 6, "max_epochs": 3, "random_state": 0, "closed_form": False}


@pytest.mark.parametrize(
    "options", [{}, {"num_layers": 2, "dropout": 0.3, "bidirectional": False}], ids=str
)
def test_checkpoints_train_the_same_model(options):
    models = [
        RNNClassifier(**SMALL | options, optimizer=Optimizer(gradient_checkpointing=setting)).fit(
            X, LABELS
        )
        for setting in (False, True)
    ]
    if not options:  # in pieces, dropout between layers draws in another order
        np.testing.assert_allclose(models[1].loss_curve_, models[0].loss_curve_, rtol=1e-5)
        np.testing.assert_allclose(*(m.predict_proba(X) for m in models), atol=1e-4)
    again = RNNClassifier(**SMALL | options, optimizer=Optimizer(gradient_checkpointing=True)).fit(
        X, LABELS
    )
    assert again.loss_curve_ == models[1].loss_curve_


def test_auto_begins_where_memory_would_not_do(monkeypatch):
    seen = []
    features = _batches.features_in_pieces

    def watched(network, x, lengths, static, pieces):
        seen.append((x.shape[1], pieces))
        return features(network, x, lengths, static, pieces)

    monkeypatch.setattr(_batches, "features_in_pieces", watched)
    RNNClassifier(**SMALL).fit(X, LABELS)
    assert not seen
    monkeypatch.setattr(_batches, "memory_budget", lambda device: 100_000)
    RNNClassifier(**SMALL).fit(X, LABELS)
    assert seen and all(pieces.checkpoint and not pieces.detach for _, pieces in seen)
    assert all(pieces.steps == 64 for _, pieces in seen)
    seen.clear()
    RNNClassifier(**SMALL, optimizer=Optimizer(gradient_checkpointing=False)).fit(X, LABELS)
    assert not seen
    RNNClassifier(**SMALL, optimizer=Optimizer(gradient_checkpointing=False, tbptt_steps=50)).fit(
        X, LABELS
    )
    assert seen and all(not p.checkpoint and p.detach and p.steps == 50 for _, p in seen)


def test_a_recording_is_learned_window_by_window():
    # What the first step says holds for all that follow: it must be carried through 12 windows.
    rng = np.random.default_rng(0)
    X = [np.zeros((n, 1), np.float32) for n in rng.integers(60, 121, size=48)]
    level = rng.uniform(-1, 1, size=48)
    for x, value in zip(X, level, strict=True):
        x[0] = value
    y = [np.full(len(x), value) for x, value in zip(X, level, strict=True)]
    model = RNNRegressor(
        16,
        bidirectional=False,
        optimizer=Optimizer(tbptt_steps=10),
        batch_size=16,
        max_epochs=30,
        random_state=0,
    )
    assert model.fit(X, y).score(X, y) > 0.7
    ends = np.array([row[-1] for row in model.predict(X)])
    assert np.corrcoef(ends, level)[0, 1] > 0.85


def test_each_window_is_a_step_of_the_optimizer():
    y = [np.cumsum(x[:, 0]) for x in X]
    model = RNNRegressor(
        4,
        bidirectional=False,
        optimizer=Optimizer(tbptt_steps=50),
        batch_size=6,
        max_epochs=2,
        random_state=0,
    )
    model.fit(X, y, sample_weight=np.arange(1.0, 7.0))
    (state, *_) = model.net_.optimizer_.state.values()
    # The longest sequence has 200 steps: 4 windows an epoch.
    assert float(state["step"]) == 8
    assert model.loss_curve_[1] < model.loss_curve_[0]


def test_one_window_is_the_whole():
    y = [np.cumsum(x[:, 0]) for x in X]
    options = {"bidirectional": False, "batch_size": 6, "max_epochs": 2, "random_state": 0}
    whole = RNNRegressor(4, dropout=0.0, **options).fit(X, y)
    window = RNNRegressor(4, dropout=0.0, optimizer=Optimizer(tbptt_steps=500), **options).fit(X, y)
    np.testing.assert_allclose(window.loss_curve_, whole.loss_curve_, rtol=1e-5)


def test_windows_need_one_direction():
    y = [np.cumsum(x[:, 0]) for x in X]
    with pytest.raises(ValueError, match=r"tbptt_steps=20.*bidirectional=False"):
        RNNRegressor(4, optimizer=Optimizer(tbptt_steps=20)).fit(X, y)
    RNNClassifier(4, optimizer=Optimizer(tbptt_steps=20), max_epochs=1).fit(X, LABELS)
    with pytest.raises(ValueError, match="tbptt_steps"):
        RNNClassifier(optimizer=Optimizer(tbptt_steps=0)).fit(X, LABELS)
