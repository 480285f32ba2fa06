"""A copied net goes on by itself, and the one that it is a copy of stays as it is."""

import copy

import numpy as np
import pytest
import torch

from sklearn_rnn import Optimizer, RNNClassifier
from sklearn_rnn.training import copied_net

X, Y = np.random.default_rng(0).normal(size=(30, 6)), np.arange(30) % 2


def fitted(**settings):
    settings = {"hidden_size": 4, "max_epochs": 2, "random_state": 0} | settings
    return RNNClassifier(**settings).fit(X, Y)


def tensors(net):
    """Return every tensor of a net: weights, statistics, and what its optimizer remembers."""
    state = net.optimizer_.state_dict()["state"]
    found = [value for values in state.values() for value in values.values()]
    return [*net.module_.state_dict().values(), *filter(torch.is_tensor, found)]


@pytest.mark.parametrize("cell", ["lstm", "gru", "cifg", "mingru", torch.nn.GRUCell])
def test_a_copy_is_like_deepcopy_and_stands_alone(cell):
    net = fitted(cell=cell, warm_start=True).net_
    other = copied_net(net, keep_path=False)
    module = copy.deepcopy(net.module_)
    assert repr(other.module_) == repr(module)
    names = [type(part) for part in module.modules()]
    assert [type(part) for part in other.module_.modules()] == names
    before = [tensor.clone() for tensor in tensors(net)]
    assert all(map(torch.equal, tensors(other), before))
    own = {id(p) for p in other.module_.parameters()}
    groups = other.optimizer_.param_groups
    assert {id(p) for group in groups for p in group["params"]} == own
    for tensor in tensors(other):
        tensor.detach().fill_(3)
    assert all(map(torch.equal, tensors(net), before))
    for part in other.module_.modules():
        if isinstance(part, torch.nn.RNNBase):
            assert all(map(torch.equal, part._flat_weights, part.parameters()))


def test_a_path_that_is_not_trained_is_held_by_both():
    net = fitted().net_
    assert copied_net(net, keep_path=True).module_.path is net.module_.path is not None
    assert copied_net(net, keep_path=False).module_.path is not net.module_.path


@pytest.mark.parametrize("kind", [torch.optim.LBFGS, torch.optim.NAdam, torch.optim.Adagrad])
def test_every_optimizer_goes_on(kind):
    """What torch's own copies forget, as LBFGS's list of parameters, is there."""
    settings = {
        "optimizer": Optimizer(kind, weight_decay=0.0),
        "learning_rate": 0.01,
        "random_state": 0,
    }
    model = RNNClassifier(4, **settings).partial_fit(X, Y)
    before = model.predict_proba(X)
    first = model.net_
    model.partial_fit(X, Y).partial_fit(X, Y)
    assert not np.array_equal(model.predict_proba(X), before)
    model.net_ = first
    np.testing.assert_array_equal(model.predict_proba(X), before)
