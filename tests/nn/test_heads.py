"""Heads: losses against their closed formulas, weights, decoding, losses of the user's own."""

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_rnn.nn import (
    BinaryHead,
    ContinuousHead,
    JointHead,
    MulticlassHead,
    MultilabelHead,
)

F, N = 3, 6
RNG = np.random.default_rng(0)
WEIGHT = RNG.random(N)


def check(head, target, each, decoded):
    """Compare loss, weighted loss and decoding with NumPy's."""
    head = head.double()
    raw = head(torch.as_tensor(RNG.normal(size=(N, F))))
    values = raw.detach().numpy()
    target = torch.as_tensor(target)
    losses = each(values, target.numpy())
    assert losses.shape == (N,)
    np.testing.assert_allclose(head.loss(raw, target).item(), losses.mean(), rtol=1e-9)
    weighted = head.loss(raw, target, torch.as_tensor(WEIGHT)).item()
    np.testing.assert_allclose(weighted, (WEIGHT * losses).sum() / WEIGHT.sum(), rtol=1e-9)
    none = head.loss(raw, target, torch.zeros(N, dtype=torch.float64))
    assert none.item() == 0
    got = head.decode(raw)
    parts = (
        zip(got, decoded(values), strict=True)
        if isinstance(got, list)
        else [(got, decoded(values))]
    )
    for have, want in parts:
        np.testing.assert_allclose(have.detach(), want, rtol=1e-9)
    return raw, target


def softmax(v):
    e = np.exp(v - v.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def binary_log_loss(v, y):
    return np.logaddexp(0, v) - y * v


def test_binary():
    def decoded(v):
        p = 1 / (1 + np.exp(-v))
        return np.concatenate((1 - p, p), 1)

    y = np.array([0, 1, 1, 0, 1, 0])
    check(BinaryHead(F), y, lambda v, y: binary_log_loss(v[:, 0], y), decoded)


def test_binary_is_exact_in_both_tails():
    probabilities = BinaryHead(F).decode(torch.tensor([[50.0], [-50.0]]))
    assert (probabilities > 0).all()


def test_multiclass():
    y = np.array([0, 1, 3, 2, 1, 3])
    check(
        MulticlassHead(F, 4),
        y,
        lambda v, y: -np.log(softmax(v)[np.arange(N), y]),
        softmax,
    )


def test_label_smoothing():
    y = np.array([0, 1, 3, 2, 1, 3])

    def each(v, y):
        target = 0.8 * np.eye(4)[y] + 0.2 / 4
        return -(target * np.log(softmax(v))).sum(1)

    check(MulticlassHead(F, 4, label_smoothing=0.2), y, each, softmax)
    raw = torch.randn(N, 1)
    two = torch.cat((torch.zeros_like(raw), raw), 1)
    y = torch.tensor([0, 1, 1, 0, 1, 0])
    torch.testing.assert_close(
        BinaryHead(F, label_smoothing=0.2).loss(raw, y),
        MulticlassHead(F, 2, label_smoothing=0.2).loss(two, y),
    )


def test_multilabel():
    check(
        MultilabelHead(F, 3),
        RNG.integers(0, 2, (N, 3)),
        lambda v, y: binary_log_loss(v, y).mean(1),
        lambda v: 1 / (1 + np.exp(-v)),
    )


def test_joint():
    y = np.stack((RNG.integers(0, 2, N), RNG.integers(0, 3, N)), 1)

    def each(v, y):
        first, second = softmax(v[:, :2]), softmax(v[:, 2:])
        rows = np.arange(N)
        return -(np.log(first[rows, y[:, 0]]) + np.log(second[rows, y[:, 1]])) / 2

    def decoded(v):
        return [softmax(v[:, :2]), softmax(v[:, 2:])]

    check(JointHead(F, (2, 3)), y, each, decoded)
    check(JointHead(F, (2, 3), nn.CrossEntropyLoss()), y, each, decoded)


def pinball(e, q):
    return np.where(e >= 0, q * e, (q - 1) * e)


@pytest.mark.parametrize(
    ("options", "element"),
    [
        ({}, lambda e: e**2),
        ({"loss": "absolute_error"}, np.abs),
        ({"loss": "huber"}, lambda e: np.where(abs(e) < 1, e**2 / 2, abs(e) - 0.5)),
        ({"loss": "quantile", "quantile": 0.9}, lambda e: pinball(e, 0.9)),
        ({"loss": nn.MSELoss()}, lambda e: e**2),
        ({"loss": nn.L1Loss}, np.abs),
        ({"loss": lambda raw, target: (raw - target).abs()}, np.abs),
    ],
)
@pytest.mark.parametrize("outputs", [1, 2])
def test_continuous(options, element, outputs):
    head = ContinuousHead(F, outputs, **options)
    mean, scale = np.arange(1.0, outputs + 1), np.arange(2.0, outputs + 2)
    head.set_statistics(mean, scale)
    y = RNG.normal(3, 4, (N, outputs))

    def each(v, y):
        return element((y.reshape(N, outputs) - mean) / scale - v).mean(1)

    check(head, y, each, lambda v: v * scale + mean)


def test_continuous_takes_flat_targets_and_constant_ones():
    head = ContinuousHead(F)
    head.set_statistics([4.0], [0.0])
    raw = torch.zeros(N, 1)
    assert head.loss(raw, torch.full((N,), 4.0)).item() == 0
    assert head.decode(raw).tolist() == [[4.0]] * N


def test_torch_losses_keep_their_weights():
    y = torch.tensor([0, 1, 3, 2, 1, 3])
    raw = torch.randn(N, 4)
    given = nn.CrossEntropyLoss()
    for loss in (given, nn.CrossEntropyLoss, nn.functional.cross_entropy):
        head = MulticlassHead(F, 4, loss)
        torch.testing.assert_close(head.loss(raw, y), given(raw, y))
    weight = torch.tensor([1.0, 0, 0, 0, 0, 0])
    torch.testing.assert_close(
        MulticlassHead(F, 4, given).loss(raw, y, weight), given(raw[:1], y[:1])
    )
    assert given.reduction == "mean"
    torch.testing.assert_close(
        BinaryHead(F, nn.BCEWithLogitsLoss).loss(raw[:, :1], y % 2),
        BinaryHead(F).loss(raw[:, :1], y % 2),
    )


def test_one_number_for_the_batch_cannot_be_weighted():
    head = ContinuousHead(F, loss=lambda raw, target: ((raw - target) ** 2).mean())
    raw, y = torch.zeros(N, 1), torch.ones(N)
    assert head.loss(raw, y).item() == 1
    assert head.loss(raw, y, torch.full((N,), 2.0)).item() == 1
    with pytest.raises(ValueError, match="return one number for each sample"):
        head.loss(raw, y, torch.arange(N))


@pytest.mark.parametrize("result", [lambda raw, target: 3.0, lambda raw, target: raw[:2]])
def test_losses_that_return_something_else(result):
    with pytest.raises(ValueError, match="loss=<lambda> must return"):
        ContinuousHead(F, loss=result).loss(torch.zeros(N, 1), torch.zeros(N))


@pytest.mark.parametrize("loss", [nn.NLLLoss, nn.NLLLoss(), nn.BCELoss])
def test_losses_of_probabilities_are_refused(loss):
    with pytest.raises(ValueError, match="reads probabilities.*use torch.nn"):
        MulticlassHead(F, 3, loss)


def test_unknown_losses():
    with pytest.raises(ValueError, match="loss must be one of 'squared_error'"):
        ContinuousHead(F, loss="mse")
    with pytest.raises(ValueError, match="loss must be a name, a torch loss or a callable; got 3"):
        MulticlassHead(F, 3, 3)
    with pytest.raises(ValueError, match="quantile must lie in"):
        ContinuousHead(F, quantile=1.0)


def test_pickle():
    head = ContinuousHead(F, 2, nn.HuberLoss())
    head.set_statistics([1.0, 2.0], [3.0, 4.0])
    again = pickle.loads(pickle.dumps(head))
    raw = torch.randn(N, 2)
    assert torch.equal(again.decode(raw), head.decode(raw))
