"""Kinds of targets: each is final, answers for itself, and may have a length of its own."""

import inspect
import pickle
from typing import Any, final

import numpy as np
import pytest
import torch
from sklearn.utils import get_tags
from torch.nn import functional as F

from sklearn_rnn import (
    ReservoirClassifier,
    ReservoirRegressor,
    RNNClassifier,
    RNNRegressor,
    Sequences,
    SequenceTagger,
)
from sklearn_rnn.estimators import _labels, _tags, _targets
from sklearn_rnn.estimators._labels import JointTarget, LabelTarget, MultilabelTarget
from sklearn_rnn.estimators._targets import ContinuousTarget, SolvedTarget, StepLists, Target
from sklearn_rnn.nn import Head

KINDS = [
    kind
    for file in (_labels, _targets, _tags)
    for kind in vars(file).values()
    if inspect.isclass(kind) and issubclass(kind, Target) and kind.__module__ == file.__name__
]
X = Sequences.from_list([np.zeros(3), np.ones(2)])


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_abstract_or_final(kind):
    base = kind.__name__.startswith("_") or kind in (Target, SolvedTarget)
    assert base != getattr(kind, "__final__", False)


def test_estimators_take_every_kind():
    estimators = (RNNClassifier, RNNRegressor, SequenceTagger, ReservoirClassifier)
    taken = {kind for estimator in estimators for kind in estimator._kinds}
    assert taken == {kind for kind in KINDS if getattr(kind, "__final__", False)}
    assert ReservoirRegressor._kinds == RNNRegressor._kinds


def test_scikit_learn_is_told_what_y_may_be():
    for estimator in (RNNClassifier, ReservoirClassifier):
        tags = get_tags(estimator())
        assert tags.classifier_tags.multi_label and tags.target_tags.multi_output
    for estimator in (RNNRegressor, ReservoirRegressor):
        assert get_tags(estimator()).target_tags.multi_output
    assert not get_tags(SequenceTagger()).target_tags.multi_output


@pytest.mark.parametrize(
    ("target", "encoded", "answers"),
    [
        (LabelTarget(np.array(["a", "b"])), [0, 1], [[0.8, 0.2], [0.4, 0.6]]),
        (LabelTarget(np.arange(3)), [0, 2], [[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]]),
        (MultilabelTarget(np.arange(2)), [[1, 0], [0, 1]], [[0.7, 0.2], [0.1, 0.9]]),
        (
            JointTarget([np.arange(2), np.arange(3)]),
            [[0, 2], [1, 0]],
            [[0.9, 0.1, 0.1, 0.2, 0.7], [0.1, 0.9, 0.6, 0.2, 0.2]],
        ),
        (ContinuousTarget(np.array([[1.0, 5.0], [2.0, 3.0]])), [[1, 5], [2, 3]], [[1, 5], [2, 3]]),
    ],
    ids=["binary", "multiclass", "multilabel", "joint", "continuous"],
)
def test_right_answers_agree_with_what_was_wanted(target, encoded, answers):
    encoded, answers = np.array(encoded), np.array(answers, dtype=float)
    wanted, outputs = target.columns(encoded), target.columns_of(answers)
    assert wanted.shape == outputs.shape
    np.testing.assert_allclose(target.agreement(wanted, outputs, np.ones(wanted.shape[1])), 1)
    weights = np.array([1.0, 3.0])
    expected = (wanted[0] + 3 * wanted[1]) / 4
    np.testing.assert_allclose(target.mean_columns(encoded, weights), expected)
    assert len(target.decode(answers, X)) == 2


def test_losses_are_those_of_torch():
    raw = np.random.default_rng(0).normal(size=(6, 3))
    labels = np.array([0, 2, 1, 1, 0, 2])
    several = LabelTarget(np.arange(3))
    expected = F.cross_entropy(torch.tensor(raw), torch.tensor(labels), reduction="none")
    np.testing.assert_allclose(several.losses_of(raw, labels, None), expected)
    np.testing.assert_allclose(several.losses(raw, np.eye(3)[labels]), expected)
    given = (raw[::-1] > 0).astype(float)
    expected = F.binary_cross_entropy_with_logits(
        torch.tensor(raw), torch.tensor(given), reduction="none"
    ).mean(1)
    np.testing.assert_allclose(MultilabelTarget(np.arange(3)).losses(raw, given), expected)


# -------------------------------------------------------------------- a length of its own


class TranscriptionHead(Head):
    """What is said, of a class a step and a blank, by connectionist temporal classification."""

    reads_lengths = True
    takes_reservoir = False

    def loss(self, raw, target, weight=None, lengths=None, counts=None):
        scores = F.log_softmax(raw, 1).split(lengths.tolist())
        padded = torch.nn.utils.rnn.pad_sequence(list(scores))
        each = F.ctc_loss(padded, target, lengths, counts, reduction="none", zero_infinity=True)
        return (each * (torch.ones_like(each) if weight is None else weight)).mean()

    def decode(self, raw):
        return torch.softmax(raw, 1)


@final
class Transcription(Target):
    """As many labels a sequence as there are said in it."""

    head: Any = TranscriptionHead
    layout = "ragged"
    by_step = True
    metric = "accuracy"

    def __init__(self, classes):
        self.classes, self.n_outputs = classes, len(classes) + 1

    @classmethod
    def read(cls, y, sequences, estimator=None):
        return list(y)

    @classmethod
    def of(cls, y, sequences, classes=None, **options):
        return cls(np.unique(np.concatenate(y)))

    def encode(self, y, sequences):
        return 1 + np.searchsorted(self.classes, np.concatenate(y))

    def decode(self, answers, sequences):
        best = np.split(np.argmax(answers, axis=1), sequences.offsets[1:-1])
        said = [row[(row > 0) & (np.diff(row, prepend=0) != 0)] for row in best]
        return StepLists(self.classes[row - 1].tolist() for row in said)

    def score(self, y, answers, sequences, weights=None):
        found = self.decode(answers, sequences)
        right = [list(one) == other for one, other in zip(y, found, strict=True)]
        return float(np.average(right, weights=weights))

    def judge(self, y, answers, sequences, weights):
        score = self.score(y, answers, sequences, weights)
        return score, 1 - score

    def describe(self, config):
        return f"{self.n_outputs - 1} labels as they come"


class Transcriber(RNNClassifier):
    """A classifier of another kind."""

    _kinds = (Transcription,)


def spoken(n):
    """Make words of one to three letters, each held for two to four steps of noise."""
    rng = np.random.default_rng(0)
    words = [rng.choice(list("abc"), 1 + i % 3) for i in range(n)]
    words = [word[np.append(True, word[1:] != word[:-1])] for word in words]
    held = [np.repeat(np.searchsorted(list("abc"), w), rng.integers(2, 5, len(w))) for w in words]
    return [np.eye(3)[row] + rng.normal(0, 0.1, (len(row), 3)) for row in held], words


def test_targets_may_have_lengths_of_their_own():
    rows, words = spoken(120)
    model = Transcriber(16, learning_rate=0.02, max_epochs=25, random_state=0, early_stopping=True)
    model.fit(rows[:90], words[:90])
    assert model.head_ == "3 labels as they come"
    assert model.score(rows[90:], words[90:]) > 0.8
    assert {len(word) for word in model.predict(rows[90:])} == {1, 2, 3}
    again = pickle.loads(pickle.dumps(model))
    assert again.predict(rows) == model.predict(rows)
