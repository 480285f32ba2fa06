"""Optimizers by name or class; schedules with the shape they are named for."""

import functools

import numpy as np
import pytest
import torch

from sklearn_rnn import Optimizer, RNNRegressor
from sklearn_rnn.training import Schedule, resolve_optimizer

X = np.random.default_rng(0).normal(size=(40, 6, 1))
Y = X.sum(axis=(1, 2))


def rates(name, total):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    schedule = Schedule(name, optimizer, total)
    found = []
    for _ in range(total):
        found.append(schedule.learning_rate)
        optimizer.step()
        schedule.after_batch()
    return np.array(found)


@pytest.mark.parametrize("total", [1, 2, 3, 4, 5, 100])
def test_one_cycle_rises_to_the_peak_and_falls(total):
    found = rates("one_cycle", total)
    assert (found > 0).all() and found.max() <= 0.5
    if total >= 4:
        peak = int(found.argmax())
        assert found[peak] == pytest.approx(0.5)
        assert (np.diff(found[: peak + 1]) > 0).all() and (np.diff(found[peak:]) < 0).all()
        assert found[-1] == pytest.approx(0.0005)


def test_cosine_and_constant():
    found = rates("cosine", 50)
    assert found[0] == 0.5 and found[-1] == pytest.approx(0.0005) and (np.diff(found) < 0).all()
    assert (rates("constant", 5) == 0.5).all()


def test_plateau_halves_when_the_loss_stands_still():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    schedule = Schedule("plateau", optimizer, 10)
    for _ in range(8):
        schedule.after_epoch(1.0)
    assert schedule.learning_rate == 0.25


def test_unknown_schedule():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    with pytest.raises(ValueError, match="schedule must be one of"):
        Schedule("linear", optimizer, 10)


@pytest.mark.parametrize(
    "optimizer",
    [
        "adam",
        "adamw",
        "sgd",
        "rmsprop",
        torch.optim.NAdam,
        functools.partial(torch.optim.LBFGS, line_search_fn="strong_wolfe"),
        functools.partial(torch.optim.SGD, momentum=0.5, nesterov=True),
    ],
)
def test_every_optimizer_learns(optimizer):
    closed = getattr(optimizer, "func", None) is torch.optim.LBFGS
    model = RNNRegressor(
        8,
        optimizer=Optimizer(optimizer, weight_decay=0.0 if closed else 1e-4),
        learning_rate=0.1 if closed else 0.02,
        max_epochs=20,
        random_state=0,
    ).fit(X, Y)
    assert model.loss_curve_[-1] < 0.7 * model.loss_curve_[0]


def test_weight_decay_where_there_is_none_is_refused():
    with pytest.raises(ValueError, match="LBFGS has no weight decay"):
        resolve_optimizer(torch.optim.LBFGS, 0.1)


@pytest.mark.parametrize("norms", [{}, {"layer_norm": True, "stem": "conv"}])
def test_biases_and_gains_are_not_decayed(norms):
    model = RNNRegressor(4, max_epochs=1, optimizer=Optimizer(weight_decay=0.3), **norms).fit(X, Y)
    groups = model.net_.optimizer_.param_groups
    decayed = {id(p) for g in groups if g["weight_decay"] for p in g["params"]}
    for name, parameter in model.net_.module_.named_parameters():
        wanted = "bias" not in name and "norms" not in name
        assert (id(parameter) in decayed) == wanted, name


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "plateau", "constant"])
def test_schedules_show_in_the_history(schedule):
    model = RNNRegressor(4, max_epochs=6, optimizer=Optimizer(schedule=schedule)).fit(X, Y)
    assert len(model.history_) == 6
    assert (model.history_["learning_rate"] > 0).all()


def test_a_partial_keeps_its_own_weight_decay():
    model = RNNRegressor(
        4, max_epochs=1, optimizer=functools.partial(torch.optim.AdamW, weight_decay=0.7)
    ).fit(X, Y)
    assert all(group["weight_decay"] == 0.7 for group in model.net_.optimizer_.param_groups)
