"""Scorers of taggers: wherever scikit-learn takes scoring=."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline

from sklearn_rnn import RNNClassifier, SequenceTagger
from sklearn_rnn.metrics import (
    TaggingScorer,
    entity_f1_score,
    entity_f1_scorer,
    token_accuracy_score,
    token_accuracy_scorer,
)
from sklearn_rnn.preprocessing import SequenceScaler

WORDS = [["fly", "to", "Rome"], ["to", "Oslo", "now", "or", "in", "May"], ["now", "to", "Rome"]] * 4
TAGS = [
    ["O", "O", "B-city"],
    ["O", "B-city", "O", "O", "O", "B-date"],
    ["B-date", "O", "B-city"],
] * 4
SMALL = {"hidden_size": 4, "max_epochs": 6, "random_state": 0}


@pytest.fixture(scope="module")
def tagger():
    return SequenceTagger(**SMALL).fit(WORDS, TAGS)


def test_they_are_the_functions_on_predictions(tagger):
    found = tagger.predict(WORDS)
    weight = np.arange(len(WORDS))
    for scorer, function, options in (
        (entity_f1_scorer, entity_f1_score, {}),
        (token_accuracy_scorer, token_accuracy_score, {}),
        (TaggingScorer("entity_f1", average="macro"), entity_f1_score, {"average": "macro"}),
    ):
        assert scorer(tagger, WORDS, TAGS) == function(TAGS, found, **options)
        weighted = function(TAGS, found, sample_weight=weight, **options)
        assert scorer(tagger, WORDS, TAGS, sample_weight=weight) == pytest.approx(weighted)


def test_in_a_search_a_pipeline_and_cross_validation():
    search = GridSearchCV(
        SequenceTagger(**SMALL), {"hidden_size": [2, 4]}, scoring=entity_f1_scorer, cv=2
    )
    search.fit(WORDS, TAGS)
    assert search.score(WORDS, TAGS) == entity_f1_scorer(search, WORDS, TAGS)
    assert entity_f1_scorer(search, WORDS, TAGS) == entity_f1_score(TAGS, search.predict(WORDS))
    numbers = [np.random.default_rng(0).normal(size=(len(row), 2)) for row in WORDS]
    pipeline = make_pipeline(SequenceScaler(), SequenceTagger(**SMALL))
    assert cross_val_score(pipeline, numbers, TAGS, scoring=entity_f1_scorer, cv=2).shape == (2,)
    both = {"f1": entity_f1_scorer, "steps": token_accuracy_scorer}
    found = cross_validate(SequenceTagger(**SMALL), WORDS, TAGS, scoring=both, cv=2)
    assert {"test_f1", "test_steps"} <= set(found)


def test_y_in_any_form_that_the_tagger_takes(tagger):
    expected = entity_f1_scorer(tagger, WORDS, TAGS)
    column = pd.Series(TAGS, index=np.arange(12)[::-1])
    ragged = np.empty(12, dtype=object)
    ragged[:] = [np.array(row) for row in TAGS]
    for y in (column.reset_index(drop=True), ragged):
        assert entity_f1_scorer(tagger, WORDS, y) == expected
    pairs = [(str(len(row)), row) for row in TAGS]
    both = SequenceTagger(**SMALL).fit(WORDS, pairs)
    found = [tags for _, tags in both.predict(WORDS)]
    assert entity_f1_scorer(both, WORDS, pairs) == entity_f1_score(TAGS, found)


def test_taggers_of_other_packages():
    class Other:
        def predict(self, X):
            return TAGS

    assert entity_f1_scorer(Other(), WORDS, TAGS) == 1.0


def test_what_is_refused():
    X, y = [[0.0, 1.0], [2.0, 3.0, 4.0]] * 3, [0, 1] * 3
    classifier = RNNClassifier(2, max_epochs=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="list with a label for each step"):
        entity_f1_scorer(classifier, X, y)
    with pytest.raises(ValueError, match="list with a label for each step"):
        entity_f1_scorer(LogisticRegression().fit([[0], [1]], [0, 1]), [[0]], [0])
    with pytest.raises(ValueError, match="metric must be one of"):
        TaggingScorer("f1")
    with pytest.raises(ValueError, match="average"):
        TaggingScorer("entity_f1", average=None)
    with pytest.raises(ValueError, match=r"scoring=sklearn_rnn.metrics.entity_f1_scorer"):
        SequenceTagger(scoring="f1").fit(WORDS, TAGS)
