"""Texts from strings to labels: the n-gram path, its share, label sets, vectors, attention."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from sklearn_rnn import (
    Embedding,
    Optimizer,
    ReservoirClassifier,
    ReservoirRegressor,
    ReservoirTransformer,
    RNNClassifier,
    RNNRegressor,
    Sequences,
    SequenceTagger,
)
from sklearn_rnn.estimators import _fitting, _ngrams
from sklearn_rnn.estimators._attributions import ngram_parts
from sklearn_rnn.estimators._ngrams import SolvedNGrams
from sklearn_rnn.nn import NetworkStream, NGramPath
from sklearn_rnn.preprocessing import TextTokenizer

PHRASES = [
    "I love this movie",
    "This movie is terrible",
    "I hate this movie",
    "This is my favorite movie",
]
LIKED = np.array(["good", "bad", "bad", "good"])
GOOD = ["good", "great", "fine", "lovely", "superb", "charming"]
BAD = ["bad", "poor", "awful", "dull", "weak", "boring"]
FILLER = "the a film plot actors it was with and some very of scenes".split()


def reviews(n=240, seed=0):
    """Make short reviews whose words tell the label, with 'not' turning it around."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(n):
        liked, turned = rng.integers(2), rng.random() < 0.3
        word = rng.choice(GOOD if liked != turned else BAD)
        before = rng.choice(FILLER, rng.integers(1, 8)).tolist()
        after = rng.choice(FILLER, rng.integers(0, 5)).tolist()
        texts.append(" ".join([*before, *(["not"] if turned else []), word, *after]))
        labels.append("liked" if liked else "disliked")
    return texts, np.array(labels)


TEXTS, LABELS = reviews()


def quick(**parameters):
    return RNNClassifier(**{"hidden_size": 8, "max_epochs": 2, "random_state": 0, **parameters})


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_four_phrases(cell):
    model = make_pipeline(
        TextTokenizer(), RNNClassifier(16, cell=cell, max_epochs=10, random_state=0)
    )
    assert model.fit(PHRASES, LIKED).predict(PHRASES).tolist() == LIKED.tolist()
    assert model[-1].recurrence_share_ == 0.5


def test_ngrams_alone_are_a_linear_model():
    model = make_pipeline(TextTokenizer(), quick(closed_form="only")).fit(TEXTS, LABELS)
    new, truth = reviews(200, seed=1)
    linear = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10.0))
    assert model.score(new, truth) >= linear.fit(TEXTS, LABELS).score(new, truth) - 0.02
    assert model[-1].recurrence_share_ == 0 and model[-1].n_iter_ == 0
    assert model[-1].transform(model[0].transform(new)).shape == (200, 1)
    assert "n-grams of up to 2 tokens" in model[-1].core_


def test_ngrams_alone_keep_no_network_that_nothing_trained():
    tokens = TextTokenizer().fit_transform(TEXTS)
    small, large = (
        quick(closed_form="only"),
        quick(closed_form="only", hidden_size=512, embedding=500),
    )
    sizes = [len(pickle.dumps(model.fit(tokens, LABELS))) for model in (small, large)]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.01)
    assert sum(p.numel() for p in large.net_.module_.parameters()) < 2 * tokens.vocabulary_size
    np.testing.assert_array_equal(small.predict_proba(tokens), large.predict_proba(tokens))
    assert large.n_weights_ > int(large.core_.split(" n-grams")[0])
    with pytest.raises(AttributeError, match="closed_form='only'.*no recurrence.*closed_form=True"):
        large.hidden_states(tokens)
    with pytest.raises(ValueError, match="closed_form=True to go on"):
        large.set_params(closed_form=True).partial_fit(tokens, LABELS)


def test_the_share_lies_between():
    model = make_pipeline(TextTokenizer(), quick()).fit(TEXTS, LABELS)
    assert 0 <= model[-1].recurrence_share_ <= 1
    assert (
        make_pipeline(TextTokenizer(), quick(closed_form=False))
        .fit(TEXTS, LABELS)[-1]
        .recurrence_share_
        == 1
    )


def test_predictions_depend_on_their_own_row_alone():
    model = make_pipeline(TextTokenizer(), quick()).fit(TEXTS, LABELS)
    together = model.predict_proba(TEXTS[:20])
    alone = np.concatenate([model.predict_proba([text]) for text in TEXTS[:20]])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_a_model_of_texts_pickles_without_torch_objects():
    model = make_pipeline(TextTokenizer(), quick()).fit(TEXTS, LABELS)
    state = model[-1].__getstate__()["net_"]["weights"]
    assert all(isinstance(value, np.ndarray) for value in state.values())
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(TEXTS), model.predict_proba(TEXTS))


def test_fits_repeat_exactly():
    first, second = (
        make_pipeline(TextTokenizer(), quick()).fit(TEXTS, LABELS).predict_proba(TEXTS)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_what_ngrams_cannot_do_is_said():
    X, y = TextTokenizer().fit_transform(TEXTS), LABELS
    steps = [np.zeros(length) for length in X.lengths]
    with pytest.raises(ValueError, match="closed_form=True cannot be used: y has one target"):
        RNNRegressor(8, closed_form=True, max_epochs=1).fit(X, steps)
    with pytest.raises(ValueError, match="closed_form='only' cannot be used: they are solved"):
        quick(closed_form="only", loss=lambda raw, target: raw.sum()).fit(X, y)


def test_what_x_holds_says_which_closed_form_it_is():
    X, numbers = TextTokenizer().fit_transform(TEXTS), np.random.default_rng(0).normal(size=(40, 5))
    for setting in (True, "only"):
        of_tokens = quick(closed_form=setting).fit(X, LABELS)
        of_numbers = quick(closed_form=setting).fit(numbers, np.arange(40) % 2)
        assert isinstance(of_tokens.net_.module_.path, NGramPath)
        assert hasattr(of_numbers.net_.module_.path, "reservoir")


def test_weights_of_rows_and_classes_count():
    X = TextTokenizer().fit_transform(TEXTS)
    rare = np.where(np.arange(len(TEXTS)) % 10 == 0, LABELS, "disliked")
    plain = quick(closed_form="only").fit(X, rare)
    balanced = quick(closed_form="only", class_weight="balanced").fit(X, rare)
    new = balanced.predict_proba(X)[:, 1].mean(), plain.predict_proba(X)[:, 1].mean()
    assert new[0] > new[1]
    half = np.arange(len(TEXTS)) < 120
    weighted = quick(closed_form="only").fit(X, LABELS, sample_weight=half.astype(float))
    assert weighted.score(X[half], LABELS[half]) > 0.9


def test_label_sets_have_thresholds_of_their_own():
    rng = np.random.default_rng(0)
    words = np.array(["red", "green", "blue", "round", "square"])
    Y = (rng.random((300, 5)) < [0.5, 0.3, 0.1, 0.05, 0.0]).astype(int)
    texts = [" ".join([*rng.choice(FILLER, 4), *words[row == 1]]) for row in Y]
    model = make_pipeline(TextTokenizer(), quick()).fit(texts, Y)
    assert model[-1].thresholds_.shape == (5,)
    probabilities = model.predict_proba(texts)
    np.testing.assert_array_equal(model.predict(texts), probabilities >= model[-1].thresholds_)
    assert model.score(texts, Y) > 0.8
    with pytest.raises(AttributeError, match="multilabel"):
        _ = make_pipeline(TextTokenizer(), quick()).fit(TEXTS, LABELS)[-1].thresholds_


def test_regression_on_texts():
    y = np.array([len(text) for text in TEXTS], dtype=float)
    model = make_pipeline(TextTokenizer(), RNNRegressor(8, closed_form="only", random_state=0)).fit(
        TEXTS, y
    )
    assert model.score(TEXTS, y) > 0.5


def test_texts_beside_numbers_and_categories():
    rng = np.random.default_rng(0)
    price = rng.normal(size=len(TEXTS))
    kind = rng.choice(["book", "film"], len(TEXTS))
    frame = pd.DataFrame({"text": TEXTS, "price": price, "kind": pd.Categorical(kind)})
    y = np.where(price > 0, "dear", "cheap")
    model = make_pipeline(TextTokenizer(), quick()).fit(frame, y)
    assert model.score(frame, y) > 0.9
    only = make_pipeline(TextTokenizer(), quick(closed_form="only")).fit(frame, kind)
    assert only.score(frame, kind) > 0.9


def asked(n, seed):
    """Make questions whose label is told by the first word and a later one together."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(n):
        first, second = rng.integers(2), rng.integers(2)
        words = rng.choice(FILLER, rng.integers(3, 7)).tolist()
        words.insert(rng.integers(1, len(words)), ("ship", "king")[second])
        texts.append(" ".join([("who", "what")[first], *words]))
        labels.append("name" if first == second else "thing")
    return texts, np.array(labels)


def test_how_a_text_opens_is_read_where_it_matters():
    texts, labels = asked(600, 0)
    unseen, right = asked(300, 1)
    model = make_pipeline(TextTokenizer(), quick(closed_form="only")).fit(texts, labels)
    assert model.score(unseen, right) > 0.9
    assert model[-1]._config.ngram_openings and model[-1].net_.module_.path.openings
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(unseen), model.predict_proba(unseen))
    path, tokens = model[-1].net_.module_.path, model[:-1].transform(unseen[:1])[0][:, 0]
    tokens = torch.from_numpy(tokens)[None]
    for column in range(path.n_outputs):
        parts = ngram_parts(path, tokens, column)
        torch.testing.assert_close(parts.sum(), (path(tokens) - path.bias)[0, column])
    # Reviews and long texts do without.
    plain = make_pipeline(TextTokenizer(), quick(closed_form="only")).fit(TEXTS, LABELS)
    assert not plain[-1]._config.ngram_openings and not plain[-1].net_.module_.path.openings
    long = TextTokenizer().fit_transform([text + " and so on" * 20 for text in texts])
    assert not _ngrams.ngram_architecture(long)["ngram_openings"]


def test_characters_have_longer_ngrams():
    X = TextTokenizer("char").fit_transform(TEXTS)
    model = quick(closed_form="only").fit(X, LABELS)
    assert model._config.ngram_longest == 5 and not model._config.ngram_spelling
    assert model._config.ngram_skips
    assert model.score(X, LABELS) > 0.9


def test_pretrained_vectors_reach_the_embedding():
    rng = np.random.default_rng(0)
    vectors = {word: rng.normal(size=7) for word in [*GOOD, *BAD, "unheard"]}
    tokenizer = TextTokenizer(vectors=vectors)
    X = tokenizer.fit_transform(TEXTS)
    model = quick(learning_rate=1e-9, optimizer=Optimizer(weight_decay=0.0), max_epochs=1).fit(
        X[::2], LABELS[::2]
    )
    table = model.net_.module_.input.embedding.weight.detach().numpy()
    assert table.shape[1] == 7
    for word in GOOD[:3]:
        np.testing.assert_allclose(table[tokenizer.vocabulary_[word]], vectors[word], atol=1e-5)
    # Reserved tokens that never occur say nothing.
    assert not table[:2].any()


def test_attention_can_be_read_back():
    model = quick(pooling=("attention", "max"), closed_form=False)
    X = TextTokenizer().fit_transform(TEXTS)
    weights = model.fit(X, LABELS).attention_weights(X[:10])
    assert isinstance(weights, Sequences)
    assert weights.lengths.tolist() == X[:10].lengths.tolist()
    for row in weights:
        assert row.sum() == pytest.approx(1, abs=1e-5) and (row >= 0).all()
    alone = model.attention_weights(X[[3]])
    np.testing.assert_allclose(alone.values, weights[3], atol=1e-6)
    with pytest.raises(ValueError, match="no attention"):
        quick(max_epochs=1).fit(X, LABELS).attention_weights(X)


@pytest.mark.parametrize(
    "parameters",
    [
        {"embedding": Embedding(variational=True)},
        {"embedding": Embedding(word_dropout=0.5)},
        {"embedding": Embedding(dropout=0.0)},
    ],
    ids=str,
)
def test_dropout_of_words_and_vectors(parameters):
    X = TextTokenizer().fit_transform(TEXTS)
    plain = quick(closed_form=False).fit(X, LABELS).predict_proba(X)
    other = quick(closed_form=False, **parameters).fit(X, LABELS).predict_proba(X)
    assert np.abs(plain - other).max() > 1e-4


def test_letters_are_not_left_blank():
    names = [("ab" if i % 2 else "ba") * (1 + i % 5) for i in range(40)]
    X, y = TextTokenizer("char").fit_transform(names), np.arange(40) % 2
    plain = quick(closed_form=False).fit(X, y).predict_proba(X)
    stated = quick(closed_form=False, embedding=Embedding(dropout=0.2, word_dropout=0.0)).fit(X, y)
    np.testing.assert_array_equal(plain, stated.predict_proba(X))
    words = TextTokenizer().fit_transform(TEXTS)
    plain = quick(closed_form=False).fit(words, LABELS).predict_proba(words)
    stated = quick(closed_form=False, embedding=Embedding(dropout=0.5, word_dropout=0.2)).fit(
        words, LABELS
    )
    np.testing.assert_array_equal(plain, stated.predict_proba(words))


def test_a_penalty_chosen_on_some_rows_is_solved_on_all(monkeypatch):
    sizes = []
    solve = _ngrams.solve_labels

    def noted(features, *rest, **keywords):
        sizes.append(features.shape[0])
        return solve(features, *rest, **keywords)

    monkeypatch.setattr(_ngrams, "solve_labels", noted)
    monkeypatch.setattr(_ngrams, "_CHOOSE_ON", 60)
    monkeypatch.setattr(_ngrams, "_MANY_ROWS", 1)
    texts, labels = list(TEXTS) * 4, np.tile(LABELS, 4)
    X = TextTokenizer().fit_transform(texts)
    model = quick(closed_form="only").fit(X, labels)
    assert len(set(sizes)) == 3 and max(sizes) == len(texts) and sizes.count(len(texts)) == 2
    assert model.score(X, labels) > 0.7


def test_a_search_over_tokenizer_and_network():
    model = make_pipeline(TextTokenizer(), quick(closed_form="only"))
    search = GridSearchCV(
        model,
        {"texttokenizer__analyzer": ["word", "char"], "rnnclassifier__closed_form": ["only"]},
        cv=2,
    ).fit(TEXTS, LABELS)
    assert search.best_score_ > 0.7
    assert cross_val_score(model, np.array(TEXTS), LABELS, cv=2).mean() > 0.7


def test_long_documents_and_other_scripts():
    rng = np.random.default_rng(0)
    words = np.array([chr(0x4E00 + i) for i in range(300)])
    texts = ["".join(rng.choice(words, 2000)) + ("好" if i % 2 else "坏") * 20 for i in range(60)]
    y = np.arange(60) % 2
    model = make_pipeline(TextTokenizer(), quick(closed_form="only")).fit(texts, y)
    assert model.score(texts, y) == 1.0


def test_partial_fit_on_a_stream_of_texts():
    tokenizer = TextTokenizer(max_vocabulary=100)
    model = quick()
    for start in range(0, 240, 80):
        part = TEXTS[start : start + 80]
        X = tokenizer.partial_fit(part).transform(part)
        model.partial_fit(X, LABELS[start : start + 80], classes=["disliked", "liked"])
    assert model.predict(tokenizer.transform(TEXTS)).shape == (240,)


def test_a_stream_of_tokens_ends_where_predict_does():
    X = TextTokenizer().fit_transform(TEXTS)
    model = quick(bidirectional=False).fit(X, LABELS)
    assert model.recurrence_share_ < 1
    network, row = model.net_.network_for(torch.float32), X[3][:, 0]
    stream = NetworkStream(network)
    with torch.no_grad():
        for token in row:
            stream.push(torch.tensor([[int(token)]]))
        expected = network.answer(torch.from_numpy(row)[None])
    torch.testing.assert_close(stream.answer(), expected, atol=1e-5, rtol=1e-4)


def test_partial_fit_weighs_the_paths_by_the_rule_of_texts(monkeypatch):
    texts = ["a good one", "a bad one", "good it is", "bad it is"] * 15
    y = ["yes", "no", "yes", "no"] * 15
    X = TextTokenizer().fit_transform(texts)
    model = RNNClassifier(8, max_epochs=1, random_state=0).fit(X, y)
    asked = []
    judge = SolvedNGrams.share_from_set

    def watched(self, *parts):
        asked.append(judge(self, *parts))
        return asked[-1]

    monkeypatch.setattr(SolvedNGrams, "share_from_set", watched)
    model.partial_fit(X, y)
    assert [model.recurrence_share_] == pytest.approx(asked)


def test_of_two_readouts_a_useless_one_is_left_out(monkeypatch):
    texts, labels = reviews(600)
    X = TextTokenizer().fit_transform(texts)
    solve, solved = _ngrams.solve_labels, []

    def noted(features, wanted, *rest, by_ratio=0):
        weight, bias = solve(features, wanted, *rest, by_ratio=by_ratio)
        solved.append((features.shape[0], by_ratio > 0))
        noise = 20 * np.random.default_rng(0).normal(size=weight.shape)
        return (noise if by_ratio and spoils else weight), bias

    monkeypatch.setattr(_ngrams, "solve_labels", noted)
    for spoils in (False, True):
        solved.clear()
        assert quick(closed_form="only").fit(X, labels).score(X, labels) > 0.9
        # What is averaged is solved once more, on all rows.
        assert ((600, True) in solved) is not spoils and (600, False) in solved
        assert (540, True) in solved


def test_copies_of_a_text_do_not_judge_what_learned_from_them(monkeypatch):
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcdef"), 12)) for _ in range(150)] * 4
    y = rng.integers(0, 2, 600)
    X = TextTokenizer("char").fit_transform(texts)
    model, seen = quick(closed_form="only"), []
    hold_out = _fitting._hold_out

    def noted(model, data):
        hold_out(model, data)
        seen.append((data.rows, data.kept))

    monkeypatch.setattr(_fitting, "_hold_out", noted)
    model.fit(X, y)
    (trains, kept), names = seen[0], np.array(texts)
    assert not set(names[trains]) & set(names[kept]) and len(kept) == 60
    # So few distinct ones that new ones are copies as well are split as rows are.
    model.fit(X[np.arange(600) % 150 < 40], y[np.arange(600) % 150 < 40])
    trains, kept = seen[1]
    assert len(kept) == 16
    names = names[np.arange(600) % 150 < 40]
    assert set(names[trains]) & set(names[kept])


def test_words_that_are_spelled_alike_start_alike():
    texts = ["painting painter paintings", "quickly slowly", "zebra"] * 20
    tokenizer = TextTokenizer()
    X = tokenizer.fit_transform(texts)
    model = quick(learning_rate=1e-9, optimizer=Optimizer(weight_decay=0.0), max_epochs=1).fit(
        X, np.arange(60) % 3
    )
    table = model.net_.module_.input.embedding.weight.detach().numpy()

    def similarity(first, second):
        a, b = (table[tokenizer.vocabulary_[word]] for word in (first, second))
        return a @ b / np.sqrt((a @ a) * (b @ b))

    assert similarity("painting", "paintings") > 0.25 > abs(similarity("zebra", "paintings"))
    norms = np.sqrt((table[2:-1] ** 2).sum(axis=1))
    assert 0.05 < norms.min() / 8 and norms.max() / 8 < 0.2


def test_letters_are_read_out_in_three_views(monkeypatch):
    names = ["abcdefg", "bcdefga", "xbcxefg", "a"] * 20
    X = TextTokenizer("char").fit_transform(names)
    solve, shapes = _ngrams.solve_labels, []

    def noted(features, *rest, by_ratio=0):
        shapes.append((features.shape[1], by_ratio))
        return solve(features, *rest, by_ratio=by_ratio)

    monkeypatch.setattr(_ngrams, "solve_labels", noted)
    y = np.array(["p", "q", "p", "q"] * 20)
    model = quick(closed_form="only").fit(X, y)
    texts = [["<", *name, ">"] for name in names[:4]]
    grams = [{tuple(t[i : i + n]) for t in texts for i in range(len(t) + 1 - n)} for n in range(6)]
    pairs = {(t[i], t[i + 2]) for t in texts for i in range(len(t) - 2)}
    upto = np.cumsum([len(part) for part in grams[1:]])
    assert model.net_.module_.path.output_size == upto[4] + len(pairs)
    assert set(shapes) == {(upto[4], 0), (upto[3] + len(pairs), 0), (upto[4], upto[4])}
    assert model.score(X, y) == 1.0


def test_texts_without_a_known_word_are_no_reason_to_warn():
    model = make_pipeline(TextTokenizer(), quick())
    assert model.fit([""] * 20, ["a", "b"] * 10).predict_proba([""]).shape == (1, 2)


def test_special_tokens_make_no_words_of_letters():
    texts = ["[BEGIN]acgt", "[BEGIN]ttga"] * 10
    tokenizer = TextTokenizer("char", special_tokens=["[BEGIN]", "[END]"])
    model = make_pipeline(tokenizer, quick(closed_form="only")).fit(texts, ["x", "y"] * 10)
    assert model[-1].net_.module_.path.longest == 5


def test_few_texts_told_right_do_not_make_certain():
    rng = np.random.default_rng(0)
    labels = np.array(["bad", "good"])[rng.integers(2, size=120)]
    texts = [" ".join([*rng.choice(FILLER, 4), label]) for label in labels]
    model = make_pipeline(TextTokenizer(), RNNClassifier(closed_form="only", random_state=0))
    found = model.fit(texts, labels).predict_proba(texts)
    assert model.score(texts, labels) == 1
    assert 0.8 < np.median(found.max(axis=1)) < 0.9999


def timed_tokens(n=60, seed=0):
    """Make tokens that say nothing, at times whose distances tell the label."""
    rng = np.random.default_rng(seed)
    rows = [rng.integers(0, 5, rng.integers(4, 12)) for _ in range(n)]
    labels = np.arange(n) % 2
    times = [
        np.cumsum(rng.exponential((1.0, 8.0)[label], len(row)))
        for row, label in zip(rows, labels, strict=True)
    ]
    return Sequences.from_list(rows, vocabulary_size=5, times=times), labels


def test_times_of_tokens_are_learned_from():
    X, y = timed_tokens()
    new, labels = timed_tokens(seed=1)
    model = RNNClassifier(8, closed_form=False, max_epochs=40, random_state=0).fit(X, y)
    assert model.score(new, labels) > 0.8
    assert model.input_ == "5 tokens, times"
    assert ReservoirClassifier(20, random_state=0).fit(X, y).score(new, labels) > 0.8
    # As the time since the token before, wherever the clock begins.
    moved = new._with(times=new.times + 1e6)
    np.testing.assert_allclose(model.predict_proba(moved), model.predict_proba(new), atol=1e-4)


@pytest.mark.parametrize(
    "model",
    [
        RNNClassifier(8, max_epochs=2, random_state=0),
        RNNClassifier(8, max_epochs=2, closed_form="only", random_state=0),
        RNNClassifier(8, max_epochs=2, bidirectional=False, stem="conv", random_state=0),
        RNNRegressor(8, max_epochs=2, bidirectional=False, n_estimators=2, random_state=0),
        RNNRegressor(8, max_epochs=2, random_state=0),
        ReservoirClassifier(8, random_state=0),
        ReservoirRegressor(8, random_state=0),
        ReservoirTransformer(8, random_state=0),
    ],
    ids=str,
)
def test_tokens_with_times_go_every_way(model):
    X, y = timed_tokens()
    model.fit(X, y)
    answer = next(
        getattr(model, name)
        for name in ("predict_proba", "predict", "transform")
        if hasattr(model, name)
    )
    found = answer(X)
    alone = np.concatenate([answer(X[row : row + 1]) for row in range(4)])
    np.testing.assert_allclose(alone, found[:4], atol=1e-5)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(getattr(again, answer.__name__)(X), found)
    if getattr(model, "bidirectional", True) or not hasattr(model, "stream"):
        return
    stream = model.stream()
    for token, time in zip(X[0][:, 0], X.times, strict=False):
        prediction = stream.push(token, times=time)
    assert np.isclose(float(prediction), float(model.predict(X[:1])[0]), atol=1e-5)
    with pytest.raises(ValueError, match="push steps with times="):
        stream.push(0)


def test_long_rows_of_tokens_with_times_are_predicted_in_pieces(monkeypatch):
    X, y = timed_tokens()
    rng = np.random.default_rng(2)
    rows = [rng.integers(0, 5, 9000), rng.integers(0, 5, 30)]
    long = Sequences.from_list(
        rows, vocabulary_size=5, times=[np.cumsum(rng.exponential(size=len(row))) for row in rows]
    )
    for parameters in ({}, {"closed_form": False, "bidirectional": False}):
        model = quick(**parameters).fit(X, y)
        whole = model.predict_proba(long)
        with monkeypatch.context() as patch:
            patch.setattr("sklearn_rnn.training._inference._CPU_BYTES", 2**14)
            np.testing.assert_allclose(model.predict_proba(long), whole, atol=1e-5)


def test_attributions_of_tokens_with_times_add_up_to_what_the_text_adds():
    X, y = timed_tokens()
    model = RNNRegressor(8, closed_form=False, max_epochs=5, random_state=0).fit(X, y)
    network = model.net_.network_for(torch.float64)
    for row in range(3):
        one = X[row : row + 1]
        blank = torch.zeros(1, len(one.values), 65, dtype=torch.float64)
        outputs = network.recurrence(blank.to(network.states_dtype), None)
        pooled = network.pooling(outputs.output, outputs.final, None).double()
        nothing = network.head.decode(network.head(pooled)).item()
        scale = float(network.head.scale)
        total = model.token_attributions(one, n_steps=512).values.sum() * scale
        assert np.isclose(total, model.predict(one)[0] - nothing, atol=1e-4)


def test_a_tagger_reads_times_of_tokens():
    X, _ = timed_tokens()
    tags = [["b" if late else "a" for late in np.diff(times, prepend=times[0]) > 3]
            for times in np.split(X.times, X.offsets[1:-1])]  # fmt: skip
    tagger = SequenceTagger(16, max_epochs=40, random_state=0).fit(X, tags)
    assert tagger.score(X, tags) > 0.9
