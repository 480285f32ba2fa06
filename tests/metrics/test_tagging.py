"""Scores of taggers, against what seqeval gives."""

import numpy as np
import pytest

from sklearn_rnn.metrics import (
    entity_f1_score,
    entity_report,
    find_entities,
    token_accuracy_score,
)
from sklearn_rnn.metrics._tagging import scheme_of


def random_rows(labels, seed, n=200):
    rng = np.random.default_rng(seed)
    return [rng.choice(labels, size=rng.integers(1, 12)).tolist() for _ in range(n)]


BIO = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
BIOES = [*BIO, "E-PER", "S-PER", "E-LOC", "S-LOC"]


# What seqeval 1.2.2 gives for the rows below.
SEQEVAL = {
    ("BIO", "micro"): 0.7818520820385333,
    ("BIO", "macro"): 0.781779562761448,
    ("BIO", "weighted"): 0.7818187867485497,
    ("BIOES", "micro"): 0.8496277915632754,
    ("BIOES", "macro"): 0.8495941368091015,
    ("BIOES", "weighted"): 0.8496364538668495,
}


@pytest.mark.parametrize(("scheme", "average"), SEQEVAL)
def test_equals_seqeval(scheme, average):
    labels = {"BIO": BIO, "BIOES": BIOES}[scheme]
    true = random_rows(labels, 0)
    rng = np.random.default_rng(1)
    found = [
        [label if rng.random() < 0.8 else str(rng.choice(labels)) for label in row] for row in true
    ]
    score = entity_f1_score(true, found, average=average)
    assert score == pytest.approx(SEQEVAL[scheme, average], abs=1e-12)


@pytest.mark.parametrize(
    ("labels", "entities"),
    [
        (["O", "I-A", "I-A", "I-B"], [("A", 1, 3), ("B", 3, 4)]),
        (["S-A", "S-A", "B-A", "E-A", "I-A"], [("A", 0, 1), ("A", 1, 2), ("A", 2, 4), ("A", 4, 5)]),
        (["U-A", "B-A", "L-A"], [("A", 0, 1), ("A", 1, 3)]),
        (["B", "I", "O", "B"], [("_", 0, 2), ("_", 3, 4)]),
        (["B-A", "M-A", "E-A", "W-A", "O"], [("A", 0, 3), ("A", 3, 4)]),
        (["B", "M", "E", "S"], [("_", 0, 3), ("_", 3, 4)]),
        (["B-multi-part", "I-multi-part"], [("multi-part", 0, 2)]),
        ([], []),
    ],
)
def test_find_entities(labels, entities):
    assert find_entities(labels) == entities


def test_weights_count_sequences():
    true, found = [["B-A"], ["B-A"]], [["B-A"], ["O"]]
    assert entity_f1_score(true, found, sample_weight=[1, 0]) == 1
    assert token_accuracy_score(true, found, sample_weight=[3, 1]) == 0.75


def test_nothing_to_find():
    assert entity_f1_score([["O"]], [["O"]]) == 0
    assert entity_f1_score([["O"]], [["O"]], average="macro", zero_division=1.0) == 1


def test_report_as_dict():
    report = entity_report([["B-A", "O", "B-B"]], [["B-A", "O", "O"]], output_dict=True)
    assert report["A"] == {"precision": 1, "recall": 1, "f1": 1, "support": 1}
    assert report["micro avg"]["recall"] == 0.5


@pytest.mark.parametrize("score", [token_accuracy_score, entity_f1_score])
def test_refuses(score):
    with pytest.raises(ValueError, match="Sequence 1 has 2 labels in y_true, 1 in y_pred"):
        score([["O"], ["O", "O"]], [["O"], ["O"]])
    with pytest.raises(ValueError, match="y_true has 1 sequences"):
        score([["O"]], [])
    with pytest.raises(ValueError, match="list with a label for each step"):
        score(["O"], ["O"])
    with pytest.raises(ValueError, match="sample_weight"):
        score([["O"]], [["O"]], sample_weight=[1, 2])


def test_refuses_average_and_empty():
    with pytest.raises(ValueError, match="average"):
        entity_f1_score([["O"]], [["O"]], average="samples")
    with pytest.raises(ValueError, match="no step"):
        token_accuracy_score([], [])


@pytest.mark.parametrize(
    ("labels", "scheme"),
    [
        (BIO, "BIO"),
        (BIOES, "BIOES"),
        (["O", "B-A", "L-A"], "BIOES"),
        (["NOUN", "VERB"], None),
        (["O", "I-A"], None),
        (["O", "B", "I"], "BIO"),
        (["B", "M", "E", "S"], "BIOES"),
        (["B-A", "M-A", "E-A", "W-A", "O"], "BIOES"),
        (["O", "B", "X"], None),
        ([1, 2], None),
    ],
)
def test_scheme(labels, scheme):
    assert scheme_of(labels) == scheme
