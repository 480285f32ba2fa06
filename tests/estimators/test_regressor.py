"""RNNRegressor: one and many outputs, targets per step, losses, and what it refuses."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_predict

from sklearn_rnn import Optimizer, ReservoirClassifier, ReservoirRegressor, RNNRegressor, Sequences

TINY = {"hidden_size": 16, "max_epochs": 50, "learning_rate": 0.02, "random_state": 0}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(rng.integers(3, 15), 2)) for _ in range(120)]
    return X, np.array([1000 + 50 * x[:, 0].mean() - 20 * x[-1, 1] for x in X])


def test_one_number(data):
    X, y = data
    model = RNNRegressor(**TINY).fit(X, y)
    predicted = model.predict(X)
    assert predicted.shape == (120,) and predicted.dtype == np.float64
    assert model.score(X, y) > 0.9
    assert model.head_ == "1 output"


def test_many_numbers(data):
    X, y = data
    Y = np.stack([y, -y, [len(x) for x in X]], axis=1)
    model = RNNRegressor(**TINY).fit(X, Y)
    assert model.predict(X).shape == (120, 3)
    assert model.score(X, Y) > 0.8
    with pytest.raises(ValueError, match="3 output"):
        model.set_params(warm_start=True).fit(X, y)


@pytest.mark.parametrize(
    "loss", ["squared_error", "absolute_error", "huber", torch.nn.SmoothL1Loss()]
)
def test_losses(data, loss):
    X, y = data
    assert RNNRegressor(loss=loss, **TINY).fit(X, y).score(X, y) > 0.85


def test_absolute_error_ignores_outliers(data):
    X, y = data
    spoiled = y.copy()
    spoiled[::10] += 10_000
    robust = RNNRegressor(loss="absolute_error", **TINY).fit(X, spoiled)
    squared = RNNRegressor(**TINY).fit(X, spoiled)
    error = [np.median(np.abs(m.predict(X) - y)) for m in (robust, squared)]
    assert error[0] < error[1]


def test_targets_per_step_come_back_as_they_came(data):
    X, _ = data
    vectors = [np.cumsum(x[:, 0]) for x in X]
    model = RNNRegressor(bidirectional=False, **TINY).fit(X, vectors)
    predicted = model.predict(X)
    assert isinstance(predicted, list) and [p.shape for p in predicted] == [
        v.shape for v in vectors
    ]
    assert model.score(X, vectors) > 0.8
    assert model.head_ == "1 output a step"

    columns = [np.column_stack([v, -v]) for v in vectors]
    listed = RNNRegressor(8, max_epochs=2).fit(X, columns).predict(X)
    assert [p.shape for p in listed] == [c.shape for c in columns]

    held = RNNRegressor(8, max_epochs=2).fit(X, Sequences.from_list(columns)).predict(X)
    assert isinstance(held, Sequences) and held.lengths.tolist() == [len(x) for x in X]

    cube = np.stack([x[:3] for x in X])
    dense = RNNRegressor(8, max_epochs=2).fit(cube, np.cumsum(cube[:, :, :1], axis=1))
    assert dense.predict(cube).shape == (120, 3, 1)
    assert isinstance(dense.predict(X), Sequences), "ragged input has no dense answer"


def test_a_causal_model_does_not_look_ahead(data):
    X, _ = data
    targets = [np.cumsum(x[:, 0]) for x in X]
    model = RNNRegressor(8, bidirectional=False, max_epochs=3, random_state=0).fit(X, targets)
    changed = X[0].copy()
    changed[2:] += 5
    before, after = model.predict([X[0]])[0], model.predict([changed])[0]
    np.testing.assert_allclose(before[:2], after[:2], atol=1e-9)
    assert abs(before[2] - after[2]) > 1e-6


def test_weights_and_validation_per_step(data):
    X, _ = data
    targets = [np.cumsum(x[:, 0]) for x in X]
    weights = np.random.default_rng(0).uniform(size=120)
    model = RNNRegressor(early_stopping=True, **TINY).fit(X, targets, sample_weight=weights)
    assert len(model.validation_scores_) == model.n_iter_
    assert model.score(X, targets, sample_weight=weights) > 0.5
    with pytest.raises(ValueError, match="pools nothing"):
        model.transform(X)
    assert model.hidden_states(X).n_channels == 32


def test_predictions_do_not_depend_on_the_batch_in_any_digit(data):
    X, y = data
    model = RNNRegressor(8, max_epochs=2, random_state=0).fit(X, y)
    alone = np.array([model.predict([x])[0] for x in X[:20]])
    np.testing.assert_allclose(model.predict(X)[:20], alone, rtol=1e-12)


def test_partial_fit(data):
    X, y = data
    model = RNNRegressor(16, learning_rate=0.01, batch_size=8, random_state=0)
    for _ in range(30):
        model.partial_fit(X[:60], y[:60]).partial_fit(X[60:], y[60:])
    assert model.score(X, y) > 0.8
    assert model.n_iter_ == 60


def test_a_constant_target_is_learned():
    X = np.random.default_rng(0).normal(size=(20, 5))
    model = RNNRegressor(4, max_epochs=5).fit(X, np.full(20, 3.5))
    np.testing.assert_allclose(model.predict(X), 3.5, atol=1e-3)


def test_refusals(data):
    X, y = data
    with pytest.raises(ValueError, match="Row 0: y has .* steps"):
        RNNRegressor().fit(X, [np.zeros(len(x) + 1) for x in X])
    with pytest.raises(ValueError, match="NaN"):
        RNNRegressor().fit(X, np.where(np.arange(120) == 3, np.nan, y))
    with pytest.raises(ValueError, match="loss"):
        RNNRegressor(loss="log_loss").fit(X, y)
    with pytest.raises(ValueError, match="one number for the whole batch"):
        RNNRegressor(loss=lambda raw, target: ((raw - target) ** 2).mean(), max_epochs=1).fit(
            X, y, sample_weight=np.arange(1.0, 121.0)
        )


def test_errors_of_several_outputs_do_not_cancel(data):
    X, y = data
    several = np.c_[y, -y]
    model = RNNRegressor(4, max_epochs=1, random_state=0)
    model.fit(X, several, X_val=X[:40], y_val=several[:40])
    error = np.mean((model.predict(X[:40]) - several[:40]) ** 2)
    np.testing.assert_allclose(model.history_["valid_loss"].iloc[-1], error)


def test_a_cell_may_make_tensors_of_the_default_type(data):
    class FromZeros(torch.nn.Module):
        def __init__(self, input_size, hidden_size):
            super().__init__()
            self.step = torch.nn.GRUCell(input_size, hidden_size)

        def forward(self, x, state):
            state = torch.zeros(len(x), self.step.hidden_size) if state is None else state
            return self.step(x, state)

    X, y = data
    model = RNNRegressor(4, cell=FromZeros, max_epochs=2, closed_form=False, random_state=0)
    model.fit(X, y)
    alone = np.array([model.predict([x])[0] for x in X[:20]])
    np.testing.assert_allclose(model.predict(X)[:20], alone, rtol=1e-7, atol=1e-5)


@pytest.mark.parametrize("cell", [torch.nn.GRUCell, torch.nn.LSTM])
def test_a_cell_that_knows_double_precision_is_as_exact_as_ours(data, cell):
    X, y = data
    model = RNNRegressor(4, cell=cell, max_epochs=2, random_state=0).fit(X, y)
    alone = np.array([model.predict([x])[0] for x in X[:20]])
    np.testing.assert_allclose(model.predict(X)[:20], alone, rtol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 1e9])
@pytest.mark.parametrize("per_step", [False, True])
def test_targets_far_from_zero_are_learned_alike(data, offset, per_step):
    X, y = data
    targets = [np.cumsum(x[:, 0]) + offset for x in X] if per_step else y - y.mean() + offset
    model = RNNRegressor(**TINY).fit(X, targets)
    assert model.score(X, targets) > 0.8
    first = np.ravel(model.predict(X[:1])[0])
    assert np.abs(first - offset).max() < 1e3


def test_targets_beyond_float32_are_refused(data):
    X, y = data
    with pytest.raises(ValueError, match="too large for dtype"):
        RNNRegressor(closed_form="only").fit(X, y * 1e200)


def stepwise(n=40, seed=0):
    """Make ragged sequences whose targets are running sums."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=rng.integers(6, 14)) for _ in range(n)]
    return X, [np.cumsum(x) for x in X]


STEPWISE = [
    RNNRegressor(8, bidirectional=False, max_epochs=30, learning_rate=0.02, random_state=0),
    ReservoirRegressor(30, bidirectional=False, random_state=0),
]


@pytest.mark.parametrize("model", STEPWISE, ids=str)
def test_steps_without_a_target_teach_nothing_and_do_not_count(model):
    X, y = stepwise()
    rng = np.random.default_rng(1)
    gone = [rng.random(len(row)) < 0.4 for row in y]
    gone[3][:] = True
    gaps = [np.where(g, np.nan, row) for g, row in zip(gone, y, strict=True)]
    absurd = [np.where(g, 1e6, row) for g, row in zip(gone, y, strict=True)]
    masked = [np.ma.masked_array(row, mask=g) for g, row in zip(gone, absurd, strict=True)]
    model = clone(model).fit(X, gaps)
    found = model.predict(X)
    assert model.score(X, y) > 0.6
    assert all(np.isfinite(row).all() for row in found)
    seen = ~np.concatenate(gone)
    wanted = r2_score(np.concatenate(y)[seen], np.concatenate(found)[seen])
    assert np.isclose(model.score(X, gaps), wanted)
    # What stands below a mask is never read.
    assert model.score(X, masked) == model.score(X, gaps)
    again = clone(model).fit(X, masked).predict(X)
    np.testing.assert_array_equal(np.concatenate(again), np.concatenate(found))
    with pytest.raises(ValueError, match="NaN at every step"):
        clone(model).fit(X, [row * np.nan for row in y])


def test_what_is_masked_is_left_out_of_every_loss():
    X, y = stepwise(20)
    gaps = [np.r_[row[:-3], [np.nan] * 3] for row in y]
    shorter = [x[:-3] for x in X]
    cut = [row[:-3] for row in y]
    for parameters in (
        {},
        {"loss": torch.nn.L1Loss()},
        {"loss": lambda a, b: (a - b).abs().mean()},
    ):
        model = RNNRegressor(
            4, bidirectional=False, dropout=0.0, max_epochs=2, batch_size=20, random_state=0,
            **parameters,
        )  # fmt: skip
        # Forward in time and without scaling by other steps, what follows the last target is
        # as good as not there.
        same = [np.r_[x[:-3], [np.nan] * 3] for x in X]
        long = clone(model).set_params(missing="mean").fit(same, gaps).predict(shorter)
        short = clone(model).set_params(missing="mean").fit(shorter, cut).predict(shorter)
        np.testing.assert_allclose(np.concatenate(long), np.concatenate(short), atol=1e-4)


def test_windows_and_validation_leave_steps_without_a_target_out():
    X, y = stepwise()
    gaps = [np.r_[[np.nan] * 4, row[4:]] for row in y]
    parameters = {"bidirectional": False, "max_epochs": 3, "random_state": 0}
    for more in (
        {"optimizer": Optimizer(tbptt_steps=4)},
        {"early_stopping": True},
        {"optimizer": Optimizer(gradient_checkpointing=True)},
    ):
        model = RNNRegressor(8, **parameters, **more).fit(X, gaps)
        assert np.isfinite(model.loss_curve_).all() and np.isfinite(model.score(X, gaps))
    assert np.isfinite(model.partial_fit(X, gaps).score(X, y))


@pytest.mark.parametrize("model", STEPWISE, ids=str)
def test_predictions_of_steps_go_through_cross_validation(model):
    X, y = stepwise(24)
    found = cross_val_predict(model, X, y, cv=3)
    assert [row.shape for row in found] == [row.shape for row in y]
    assert isinstance(clone(model).fit(X, y).predict(X), list)
    # As before where all sequences have one length: an array of them all.
    even = [row[:6] for row in X], [row[:6] for row in y]
    assert cross_val_predict(model, *even, cv=3).shape == (24, 6)


def test_targets_of_steps_in_columns_of_lists():
    X, y = stepwise(12)
    cells = [row.tolist() for row in y]
    labels = [[int(value > 0) for value in row] for row in cells]
    for model, rows in ((STEPWISE[1], cells), (ReservoirClassifier(5, random_state=0), labels)):
        wanted = clone(model).fit(X, rows).score(X, rows)
        for column in (
            pd.Series(rows),
            pd.DataFrame({"t": rows}),
            pl.Series(rows),
            pl.DataFrame({"t": rows}),
            pl.DataFrame({"t": rows}).lazy(),
            pa.array(rows),
            pa.table({"t": rows}),
        ):
            assert np.isclose(clone(model).fit(X, column).score(X, column), wanted)
