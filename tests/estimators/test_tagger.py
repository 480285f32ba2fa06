"""SequenceTagger: forms of X and y, the scheme, joint labels, scikit-learn's tools."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline

from sklearn_rnn import Embedding, RNNClassifier, Sequences, SequenceTagger
from sklearn_rnn.metrics import entity_f1_score, token_accuracy_score
from sklearn_rnn.preprocessing import TextTokenizer

SMALL = {
    "hidden_size": 16,
    "embedding": Embedding(12, characters=8),
    "dropout": 0.2,
    "learning_rate": 0.02,
    "max_epochs": 15,
    "random_state": 0,
}
SHORT = {**SMALL, "max_epochs": 2}
CITIES = [["Rome"], ["New", "York"], ["Oslo"], ["San", "Jose", "City"]]
PEOPLE = [["Ann"], ["Mary", "Jane"], ["Bob"]]
FILLERS = ["fly", "to", "see", "with", "now", "please", "today", "12:30"]


def sentences(n=60, seed=0):
    """Return sentences of places and people, with BIO labels."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n):
        words, tags = [], []
        for _ in range(rng.integers(1, 5)):
            kind = rng.integers(3)
            if kind == 2:
                words.append(str(rng.choice(FILLERS)))
                tags.append("O")
                continue
            name = [CITIES, PEOPLE][kind][rng.integers([4, 3][kind])]
            words += name
            tags += ["B-" + ["LOC", "PER"][kind]] + ["I-" + ["LOC", "PER"][kind]] * (len(name) - 1)
        X.append(words)
        y.append(tags)
    return X, y


@pytest.fixture(scope="module")
def fitted():
    X, y = sentences()
    return SequenceTagger(**SMALL).fit(X, y)


def test_learns_and_says_what_it_is(fitted):
    X, y = sentences(40, seed=1)
    predicted = fitted.predict(X)
    assert isinstance(predicted, list)
    assert all(isinstance(row, list) for row in predicted)
    assert [len(row) for row in predicted] == [len(row) for row in X]
    assert entity_f1_score(y, predicted) > 0.95
    assert fitted.score(X, y) == token_accuracy_score(y, predicted)
    assert fitted.scheme_ == "BIO"
    assert fitted.classes_.tolist() == ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
    assert fitted.head_ == "5 tags a step, CRF"
    assert "words" in fitted.input_
    assert not hasattr(fitted, "n_features_in_"), "rows of words are no table"


def test_probabilities_are_marginals(fitted):
    X, _ = sentences(10, seed=2)
    probabilities = fitted.predict_proba(X)
    assert [p.shape for p in probabilities] == [(len(row), 5) for row in X]
    assert all(np.allclose(p.sum(axis=1), 1, atol=1e-5) for p in probabilities)
    assert all(p.dtype == np.float32 for p in probabilities)
    # No sentence starts inside an entity.
    inside = [list(fitted.classes_).index(tag) for tag in ("I-LOC", "I-PER")]
    assert max(p[0, inside].max() for p in probabilities) < 1e-6


def test_rows_do_not_depend_on_each_other(fitted):
    X, _ = sentences(30, seed=3)
    together = fitted.predict_proba(X)
    for row, expected in zip(X, together, strict=True):
        np.testing.assert_allclose(fitted.predict_proba([row])[0], expected, atol=1e-5)


def test_the_scheme_is_kept():
    X, y = sentences(30)
    tagger = SequenceTagger(**SHORT).fit(X, y)
    words = [["York", "Jane", "York", "New", "Jose"]] * 3
    for row in tagger.predict(words):
        for before, after in zip(["O", *row], row, strict=False):
            assert not after.startswith("I") or before[1:] == after[1:]
    broken = [["I-LOC", *row[1:]] if row[0] == "B-LOC" else row for row in y]
    assert SequenceTagger(**SHORT).fit(X, broken).scheme_ is None
    assert SequenceTagger(**SHORT, constraints=None).fit(X, y).scheme_ is None


def test_bioes_is_kept():
    X = [["a", "b", "c"], ["d"], ["c", "d"]] * 6
    y = [["B-X", "I-X", "E-X"], ["S-X"], ["O", "S-X"]] * 6
    tagger = SequenceTagger(**SHORT).fit(X, y)
    assert tagger.scheme_ == "BIOES"
    for row in tagger.predict([["a"], ["c", "b"], ["b", "b", "b"]]):
        assert row[0][0] in "BSO"
        assert row[-1][0] in "ESO"


@pytest.mark.parametrize("form", ["{0}-X", "{0}"])
def test_segments_of_bmes_are_kept(form):
    X = [["a", "b", "c"], ["d"], ["c", "d"]] * 6
    y = [[form.format(tag) for tag in row] for row in (["B", "M", "E"], ["S"], ["S", "S"])] * 6
    tagger = SequenceTagger(**SHORT).fit(X, y)
    assert tagger.scheme_ == "BIOES"
    for row in tagger.predict([["a"], ["c", "b"], ["b", "b", "b"]]):
        assert row[0][0] in "BS"
        assert row[-1][0] in "ES"


def test_same_seed_same_model_and_pickle(fitted):
    X, y = sentences()
    again = clone(fitted).fit(X, y)
    probe, _ = sentences(8, seed=4)
    for copied in (again, pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        assert copied.predict(probe) == fitted.predict(probe)
        for a, b in zip(copied.predict_proba(probe), fitted.predict_proba(probe), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_frames_with_columns_beside_the_words(make):
    rng = np.random.default_rng(0)
    words = [["w"] * int(n) for n in rng.integers(2, 6, size=60)]
    kinds = [[str(rng.choice(["x", "y"])) for _ in row] for row in words]
    marks = [[float(rng.integers(2)) for _ in row] for row in words]
    y = [
        [f"{kind}{int(mark)}" for kind, mark in zip(*row, strict=True)]
        for row in zip(kinds, marks, strict=True)
    ]
    X = make({"word": words, "kind": kinds, "mark": marks})
    tagger = SequenceTagger(**SMALL).fit(X, y)
    assert tagger.score(X, y) > 0.95
    assert tagger.feature_names_in_.tolist() == ["word", "kind", "mark"]
    as_tuples = [list(zip(*row, strict=True)) for row in zip(words, kinds, marks, strict=True)]
    with pytest.raises(ValueError, match="was fitted with"):
        tagger.predict(words)
    other = SequenceTagger(**SMALL).fit(as_tuples, y)
    assert other.score(as_tuples, y) > 0.95


def test_joint_label_and_tags():
    X, y = sentences(80)
    pairs = [("travel" if "B-LOC" in row else "chat", row) for row in y]
    tagger = SequenceTagger(**SMALL).fit(X, pairs)
    predicted = tagger.predict(X)
    assert np.mean([a[0] == b[0] for a, b in zip(predicted, pairs, strict=True)]) > 0.95
    assert token_accuracy_score(y, [tags for _, tags in predicted]) > 0.95
    assert tagger.sequence_classes_.tolist() == ["chat", "travel"]
    frame = pd.DataFrame({"intent": [p[0] for p in pairs], "slots": [p[1] for p in pairs]})
    assert SequenceTagger(**SMALL).fit(X, frame).predict(X) == predicted
    # The tags alone can be scored.
    assert tagger.score(X, y) == tagger.score(X, pairs)


@pytest.mark.parametrize("decoder", ["auto", "crf"])
def test_numbers_a_step(decoder):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 2)) for n in rng.integers(5, 15, size=80)]
    y = [(row[:, 0] > 0).astype(int) for row in X]
    tagger = SequenceTagger(hidden_size=16, decoder=decoder, random_state=0).fit(X, y)
    assert tagger.score(X, y) > 0.9
    assert set(tagger.predict(X)[0]) <= {0, 1}
    assert (", CRF" in tagger.head_) == (decoder == "crf")
    series = pd.Series([list(row) for row in y])
    assert tagger.score(X, series) == tagger.score(X, y)


def test_tokens_from_the_tokenizer():
    X, y = sentences()
    pipeline = make_pipeline(TextTokenizer(), SequenceTagger(**SMALL))
    assert pipeline.fit(X, y).score(X, y) > 0.9


def test_scikit_learns_tools():
    X, y = sentences(45)
    tagger = SequenceTagger(**SHORT, scoring="entity_f1")
    search = GridSearchCV(tagger, {"cell": ["lstm", "gru"]}, cv=3).fit(X, y)
    assert 0 <= search.best_score_ <= 1
    scores = cross_val_score(tagger, X, y, cv=3, scoring=make_scorer(entity_f1_score))
    assert scores.tolist() == cross_val_score(tagger, X, y, cv=3).tolist()
    predicted = cross_val_predict(tagger, X, y, cv=3)
    assert [len(row) for row in predicted] == [len(row) for row in X]


def test_early_stopping_by_entities_and_weights():
    X, y = sentences()
    tagger = SequenceTagger(**SMALL, early_stopping=True, scoring="entity_f1")
    tagger.fit(X, y, sample_weight=np.arange(1, 61))
    assert len(tagger.validation_scores_) == tagger.n_iter_
    assert max(tagger.validation_scores_) == tagger.best_validation_score_


def test_validation_set_of_ones_own():
    X, y = sentences()
    tagger = SequenceTagger(**SHORT).fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    assert len(tagger.validation_scores_) == 2


def test_unknown_and_very_long_words(fitted):
    assert len(fitted.predict([["zzz", "Ω" * 500, "", "🙂"]])[0]) == 4


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([["a", "b"]], [["x"]], "Row 0: y has 1 labels, but X has 2 steps"),
        ([["a"], []], [["x"], []], "Row 1 has no words"),
        ([["a"], ["b"]], [["x"], ["x"]], "one class only"),
        ([["a"], ["b"]], ["x", "y"], "Row 0: y should be a list with one label for each step"),
        ([["a"], ["b"]], [["x"]], "inconsistent numbers of samples"),
        ([["a"], ["b"]], [["x"], [None]], "Row 1: the label of a step is missing"),
        ([["a"], ["b", "c"]], [["x"], ["y", np.nan]], "Row 1: the label of a step is missing"),
        ([["a"], ["b"]], [["x"], [1]], "mixes labels"),
        ([[("a", "N")], [("b",)]], [["x"], ["y"]], "Row 1: step 0 should be a tuple of 2"),
        (
            pd.DataFrame({"w": [["a"], ["b"]], "n": [[1.0], [1.0, 2.0]]}),
            [["x"], ["y"]],
            "Row 1: column 'n' has 2 values, but there are 1 words",
        ),
        (pd.DataFrame({"w": [["a"], ["b"]], "age": [1, 2]}), [["x"], ["y"]], r"\['age'\]"),
    ],
)
def test_refuses(X, y, message):
    with pytest.raises(ValueError, match=message):
        SequenceTagger(max_epochs=1).fit(X, y)


def test_refuses_what_is_no_word(fitted):
    with pytest.raises(TypeError, match="Row 1: word 0 is no string"):
        fitted.predict([["a"], [None]])
    with pytest.raises(TypeError, match="was fitted on rows of words"):
        fitted.predict([np.zeros(3)])
    assert fitted.score([["a"]], [["B-ORG"]]) == 0
    with pytest.raises(ValueError, match="y to be passed"):
        SequenceTagger().fit([["a"]], None)
    with pytest.raises(TypeError, match=r"split it, as in \[text.split"):
        SequenceTagger().fit(["a b", "c"], [["x", "y"], ["x"]])
    with pytest.raises(TypeError, match=r"one sentence pass \[text.split"):
        fitted.predict("a b")
    for column in (["a b"], pd.Series(["a b"]), pl.Series(["a b"])):
        with pytest.raises(TypeError, match=r"split already is \[words\]"):
            fitted.predict(column)
    with pytest.raises(ValueError, match="Row 0 has no words"):
        fitted.predict([[]])
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        fitted.predict([])


def test_sequences_of_tokens_are_taken_as_they_are():
    X = Sequences.from_list([[0, 1, 2], [2, 1]] * 10, vocabulary_size=3)
    y = [["a", "b", "c"], ["c", "b"]] * 10
    assert SequenceTagger(**SMALL).fit(X, y).score(X, y) == 1


@pytest.mark.parametrize(
    "column",
    [pd.Series, pl.Series, pa.array, lambda rows: pa.chunked_array([rows[:5], rows[5:]])],
    ids=["pandas", "polars", "pyarrow", "chunks"],
)
def test_columns_of_lists(column, fitted):
    X, y = sentences(12)
    assert fitted.predict(column(X)) == fitted.predict(X)
    assert fitted.score(column(X), column(y)) == fitted.score(X, y)
    assert fitted.score(X, pd.DataFrame({"tags": y})) == fitted.score(X, y)
    SequenceTagger(**SHORT).fit(column(X), column(y))


def test_going_on_keeps_the_vocabulary():
    X, y = sentences()
    tagger = SequenceTagger(**SHORT, warm_start=True).fit(X, y)
    known = dict(tagger._words.words)
    tagger.fit([["never", "seen"], *X], [["O", "O"], *y])
    assert tagger._words.words == known
    assert tagger.n_iter_ == 2 * SHORT["max_epochs"]


def test_labels_come_back_as_they_were():
    X = [["a", "bb"], ["bb"], ["a"]] * 4
    for kind in (int, bool, str):
        y = [[kind(len(word) - 1) for word in row] for row in X]
        found = SequenceTagger(**SMALL).fit(X, y).predict(X[:1])
        assert found == y[:1]
        assert type(found[0][0]) is kind


def test_without_spaces_one_word_and_long_documents():
    X = [list("我住在北京"), list("他去上海了")] * 8
    y = [["O", "O", "O", "B", "I"], ["O", "O", "B", "I", "O"]] * 8
    tagger = SequenceTagger(**SMALL).fit(X, y)
    assert tagger.predict(X[:2]) == y[:2]
    assert tagger.predict([["京"]])[0][0] in ("O", "B", "I")
    long = X[0] * 400
    assert tagger.predict_proba([long])[0].shape == (2000, 3)
    assert len(tagger.predict([long])[0]) == 2000


def test_iob1_has_no_rules_to_keep():
    X, y = [["a", "b", "c"]] * 8, [["I-x", "B-x", "O"]] * 8
    tagger = SequenceTagger(**SMALL).fit(X, y)
    assert tagger.scheme_ is None
    assert tagger.predict(X[:1]) == y[:1]


def test_endings_tell_of_unknown_words():
    stems = ["walk", "talk", "jump", "play", "look", "call", "work", "turn", "open", "push"]
    X = [[stem + "ing", stem + "ed"] for stem in stems]
    y = [["G", "D"]] * len(X)
    tagger = SequenceTagger(
        **{**SMALL, "embedding": Embedding(12, characters=0, word_dropout=0.5)}
    ).fit(X, y)
    assert tagger.predict([["zapped"], ["zapping"]]) == [["D"], ["G"]]


FLIGHTS = [["fly", "to", "Rome"], ["to", "New", "York"], ["fly", "now"], ["Rome", "please"]] * 5
FLIGHT_TAGS = [["O", "O", "B-city"], ["O", "B-city", "I-city"], ["O", "O"], ["B-city", "O"]] * 5


def with_holes(tags, hole):
    """Hide every fourth tag."""
    return [
        [hole if (i + j) % 4 == 1 else tag for j, tag in enumerate(row)]
        for i, row in enumerate(tags)
    ]


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("hole", [-100, "X"])
def test_steps_of_the_ignored_label_teach_nothing_and_do_not_count(decoder, hole):
    X, y = FLIGHTS, FLIGHT_TAGS
    holes = with_holes(y, hole)
    tagger = SequenceTagger(
        16, decoder=decoder, ignore_label=hole, max_epochs=40, random_state=0
    ).fit(X, holes)
    assert tagger.classes_.tolist() == ["B-city", "I-city", "O"]
    assert tagger.scheme_ == ("BIO" if decoder == "crf" else None)
    assert tagger.score(X, holes) == 1.0
    assert not any(tag == hole for row in tagger.predict(X) for tag in row)
    # A hole counts neither as right nor as wrong.
    wrong = [["I-city" if tag == hole else tag for tag in row] for row in holes]
    assert tagger.score(X, wrong) < 1.0
    assert tagger.set_params(scoring="entity_f1").score(X, holes) == 1.0


def test_what_is_ignored_leaves_no_trace_in_the_weights():
    numbers = [["O", "B-city", "I-city"].index(tag) for row in FLIGHT_TAGS for tag in row]
    ends = np.cumsum([len(row) for row in FLIGHT_TAGS])[:-1]
    y = [row.tolist() for row in np.split(np.array(numbers), ends)]
    first = with_holes(y, -100)
    other = with_holes(y, 7)
    fits = [
        SequenceTagger(8, decoder=decoder, ignore_label=label, max_epochs=2, random_state=0)
        .fit(FLIGHTS, tags)
        .predict_proba(FLIGHTS)
        for decoder in ("crf", "softmax")
        for label, tags in ((-100, first), (7, other))
    ]
    for one, two in (fits[:2], fits[2:]):
        np.testing.assert_array_equal(np.concatenate(one), np.concatenate(two))


def test_ignored_labels_beside_labels_of_sequences_weights_and_early_stopping():
    X, holes = FLIGHTS, with_holes(FLIGHT_TAGS, -100)
    pairs = [(row % 4, tags) for row, tags in enumerate(holes)]
    tagger = SequenceTagger(16, ignore_label=-100, max_epochs=40, random_state=0)
    found = clone(tagger).fit(X, pairs, sample_weight=np.ones(20)).predict(X)
    assert [label for label, _ in found] == [label for label, _ in pairs]
    stopped = clone(tagger).set_params(early_stopping=True).fit(X, holes)
    assert np.isfinite(stopped.history_[["train_loss", "valid_loss"]]).all(axis=None)
    with pytest.raises(ValueError, match="Every step of y has ignore_label=-100"):
        clone(tagger).fit(X, [[-100] * len(row) for row in holes])
    cross_val_score(clone(tagger).set_params(max_epochs=2), X, holes, cv=2, error_score="raise")


def test_the_mark_of_torch_is_no_class():
    numbers = [["O", "B-city", "I-city"].index(tag) for row in FLIGHT_TAGS for tag in row]
    y = with_holes([numbers[i : i + 1] * len(row) for i, row in enumerate(FLIGHT_TAGS)], -100)
    for tags in (y, with_holes(FLIGHT_TAGS, -100)):
        with pytest.raises(ValueError, match=r"-100, .* Pass SequenceTagger\(ignore_label=-100\)"):
            SequenceTagger(4, max_epochs=1).fit(FLIGHTS, tags)
    # Among other negative numbers it may well be one.
    shifted = [[-100 + 50 * (tag == "O") for tag in row] for row in FLIGHT_TAGS]
    tagger = SequenceTagger(4, max_epochs=1, random_state=0).fit(FLIGHTS, shifted)
    assert tagger.classes_.tolist() == [-100, -50]


def test_what_stands_in_the_place_of_labels_is_named():
    X = np.random.default_rng(0).normal(size=(4, 3, 2))
    tags = np.array([[0, 1, 0]] * 4)
    hot = np.eye(2)[tags]
    for y in (hot, list(hot), hot.tolist(), Sequences.from_list(list(hot))):
        with pytest.raises(ValueError, match=r"each is 2 numbers.*y\.argmax\(axis=-1\)"):
            SequenceTagger(4, max_epochs=1).fit(X, y)
    gone = np.ma.masked_array(tags, mask=np.arange(12).reshape(4, 3) == 7)
    for y in (gone, list(gone), gone.tolist(), [row.astype(str) for row in gone]):
        with pytest.raises(ValueError, match="Row 2: .* missing, of step 1: .*ignore_label"):
            SequenceTagger(4, max_epochs=1).fit(X, y)


def test_columns_without_names_hold_numbers_or_words():
    rng = np.random.default_rng(0)
    numbers = [rng.normal(size=length) for length in (3, 5, 4)] * 4
    tags = [[int(value > 0) for value in row] for row in numbers]
    for frame in (
        pd.DataFrame({0: numbers, 1: numbers}),
        pd.DataFrame({"a": numbers, "b": numbers}),
        pl.DataFrame({"a": numbers, "b": numbers}),
        pl.DataFrame({"a": numbers, "b": numbers}).to_arrow(),
        pl.DataFrame({"a": numbers, "b": numbers}).to_arrow().to_batches()[0],
    ):
        for y in (tags, pd.DataFrame({0: tags}), pa.table({"t": tags})):
            tagger = SequenceTagger(8, max_epochs=2, random_state=0).fit(frame, y)
            assert [len(row) for row in tagger.predict(frame)] == [len(row) for row in tags]
    words = pd.DataFrame({0: FLIGHTS, 1: [[1.0] * len(row) for row in FLIGHTS]})
    tagger = SequenceTagger(8, max_epochs=2, random_state=0).fit(words, FLIGHT_TAGS)
    assert len(tagger.predict(words)) == 20


@pytest.mark.parametrize(
    "features",
    [lambda word: {"word": word, "long": len(word) > 3}, lambda word: [f"word={word}"]],
)
def test_features_of_words_are_told_how_to_become_words(features):
    X = [[features(word) for word in row] for row in FLIGHTS]
    tagger = SequenceTagger(4, max_epochs=1, random_state=0)
    with pytest.raises(TypeError, match="step 0 is a (dict|list) of features .*Give the words"):
        tagger.fit(X, FLIGHT_TAGS)
    tagger.fit(FLIGHTS, FLIGHT_TAGS)
    with pytest.raises(TypeError, match="of features"):
        tagger.predict(X)
    with pytest.raises((TypeError, ValueError), match="Row 0"):
        RNNClassifier(4).fit(X, [0, 1] * 10)
