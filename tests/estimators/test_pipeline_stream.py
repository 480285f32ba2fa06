"""Live data through pipelines: a push says what the pipeline predicts for all steps so far."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_rnn import ReservoirTransformer, RNNClassifier, RNNRegressor, Sequences, stream
from sklearn_rnn.preprocessing import (
    SequenceImputer,
    SequenceResampler,
    SequenceScaler,
    SlidingWindows,
    TextTokenizer,
    ToSequences,
)

RNG = np.random.default_rng(0)
X = [500 + 30 * RNG.normal(size=(n, 2)) for n in (14, 3, 9, 14, 5, 30)]
HOLES = [np.where(RNG.uniform(size=x.shape) < 0.4, np.nan, x) for x in X]
TIMES = [np.cumsum(RNG.uniform(0.1, 4, size=len(x))) for x in X]
LABELS = np.array(["a", "b", "c", "a", "b", "c"])
SMALL = {"hidden_size": 4, "max_epochs": 1, "random_state": 0, "bidirectional": False}
TEXTS = [
    "I don't love this film. It was DULL, and l'homme says so too!",
    "A lovely film; 3.14 stars (no: 4). Straßenbahn #fun @you",
    "NO. No no NO? Never say so... and that was the film",
    "we saw it Twice In a row 你好 👍🏽 e\u0301te\u0301",
]


def network(kind=RNNClassifier, **options):
    return kind(**SMALL | options)


def check_steps(pipeline, rows, times=None, row=0, atol=1e-5):
    """Push one row, step by step and then all at once, against the prefixes of the row."""
    live, at_once = stream(pipeline), stream(pipeline)
    proba = hasattr(pipeline, "predict_proba")
    for t in range(1, len(rows[row]) + 1):
        prefix, clock = [rows[row][:t]], {}
        if times is not None:
            prefix = Sequences.from_list(prefix, times=[times[row][:t]])
            clock = {"times": times[row][t - 1]}
        found = live.push(rows[row][t - 1], **clock)
        expected = pipeline.predict(prefix)[0]
        if proba:
            assert found == live.predict() == expected
            np.testing.assert_allclose(
                live.predict_proba(), pipeline.predict_proba(prefix)[0], rtol=1e-5, atol=atol
            )
        else:
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=atol)
        assert live.n_steps == t
    clock = {} if times is None else {"times": times[row]}
    at_once.push(rows[row], **clock)
    np.testing.assert_allclose(at_once._inner._values, live._inner._values, atol=1e-5)


@pytest.mark.parametrize("strategy", ["forward", "mean", "median", "constant"])
@pytest.mark.parametrize("timed", [False, True])
def test_scaler_and_imputer(strategy, timed):
    imputer = SequenceImputer(strategy, add_indicator=True, add_time_since=True)
    pipeline = make_pipeline(imputer, SequenceScaler("robust"), network())
    data = Sequences.from_list(HOLES, times=TIMES) if timed else HOLES
    check_steps(pipeline.fit(data, LABELS), HOLES, TIMES if timed else None, row=3)


@pytest.mark.parametrize("fill_value", [None, -1.0])
def test_forward_filling_alone_before_the_first_value_and_in_float32(fill_value):
    rows = [x.astype(np.float32) for x in HOLES]
    rows[0][:4] = np.nan
    pipeline = make_pipeline(SequenceScaler(), SequenceImputer(fill_value=fill_value), network())
    check_steps(pipeline.fit(rows, LABELS), rows)


def test_values_far_from_zero_and_a_regressor_inside_a_search():
    rows = [x + 1e9 for x in X]
    search = GridSearchCV(
        make_pipeline(ToSequences(), SequenceScaler(), "passthrough", network(RNNRegressor)),
        {"sequencescaler__method": ["minmax"]},
        cv=2,
    )
    search.fit(rows, RNG.normal(size=6))
    check_steps(search, rows)
    check_steps(FrozenEstimator(search.best_estimator_), rows)


def test_pipelines_inside_a_pipeline():
    nested = Pipeline(
        [("before", make_pipeline(SequenceImputer(), SequenceScaler())), ("net", network())]
    )
    check_steps(nested.fit(HOLES, LABELS), HOLES)


def test_one_channel_and_one_target_a_step():
    rows = [x[:, 0] for x in HOLES]
    y = [np.cumsum(x[:, 0]) / 500 for x in X]
    pipeline = make_pipeline(
        SequenceImputer(add_indicator=True), SequenceScaler(), network(RNNRegressor)
    )
    expected = pipeline.fit(rows, y).predict([rows[5]])[0]
    live = stream(pipeline)
    first = [live.push(value) for value in rows[5][:10]]
    assert np.ndim(first[0]) == 0
    np.testing.assert_allclose([*first, *live.push(rows[5][10:])], expected, atol=1e-5)


def test_a_model_alone_gives_its_own_stream():
    model = network().fit(X, LABELS)
    assert stream(model).push(X[0]) == model.stream().push(X[0])


def test_numbers_that_are_tokens():
    rows = [RNG.integers(0, 7, size=n) for n in (4, 9, 6, 3)]
    pipeline = make_pipeline(ToSequences(vocabulary_size=7), network())
    check_steps(pipeline.fit(rows, LABELS[:4]), rows, row=1)
    with pytest.raises(ValueError, match="no token"):
        stream(pipeline).push(0.5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"analyzer": "char"},
        {"lowercase": False, "unknown": "token"},
        {"special_tokens": ["say so"]},
        {"analyzer": str.split},
        {"max_length": 6},
        {"max_length": 6, "truncate": "start"},
        {"analyzer": "subword", "max_vocabulary": 80},
    ],
    ids=lambda options: "-".join(map(str, options)) or "default",
)
@pytest.mark.parametrize("size", [1, 4, 11])
def test_texts_in_pieces_that_fall_anywhere(options, size):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*max_length.*")
        pipeline = make_pipeline(TextTokenizer(**options), network()).fit(TEXTS, LABELS[:4])
        for text in TEXTS[:: 1 if size > 1 else 3]:
            live = stream(pipeline)
            for start in range(0, len(text), size):
                label = live.push(text[start : start + size])
                so_far = [text[: start + size]]
                assert label == pipeline.predict(so_far)[0]
                np.testing.assert_allclose(
                    live.predict_proba(), pipeline.predict_proba(so_far)[0], atol=1e-5
                )


LONG = (
    "I SAW it twice, in a ROW. No more of It! And then we saw The Film again; she said: Yes. "
    "nothing ever comes of NOTHING and the little words go on and on until The End of it all "
    "3.14 stars\n\nof 5. l'homme DIT so. 我喜欢这部电影。真的很好！Really? 'Quoted.' (No) Yes: no. "
)


@pytest.mark.parametrize("options", [{}, {"lowercase": True}, {"analyzer": "char"}])
@pytest.mark.parametrize("end", ["", "\u0130stanbul ", "I\u0307zmir e\u0301 \u0301x"])
def test_long_texts_are_what_they_are_as_a_whole(options, end):
    tokenizer = TextTokenizer(**options).fit([LONG, LONG.lower(), "x"])
    text = 4 * LONG + end + LONG
    rng = np.random.default_rng(0)
    following, start = tokenizer._following(), 0
    while start < len(text):
        stop = start + int(rng.integers(1, 30))
        found = following.push(text[start:stop])
        expected = tokenizer.transform([text[:stop]])
        np.testing.assert_array_equal(found.values, expected.values)
        assert found.vocabulary_size == expected.vocabulary_size
        start = stop
    assert len(following.rest) < len(text) // 2 or end


def test_words_one_by_one():
    rows = [text.split() for text in TEXTS]
    pipeline = make_pipeline(TextTokenizer(), network()).fit(rows, LABELS[:4])
    live = stream(pipeline)
    for t, word in enumerate(rows[0], 1):
        live.push(word if t % 2 else [word])
        np.testing.assert_allclose(
            live.predict_proba(), pipeline.predict_proba([rows[0][:t]])[0], atol=1e-5
        )
    with pytest.raises(TypeError, match="push a word"):
        live.push(3)


def test_words_with_one_target_each_and_texts_that_cannot_have_that():
    rows = [text.split() for text in TEXTS]
    y = [np.array([float(len(word)) for word in row]) for row in rows]
    pipeline = make_pipeline(TextTokenizer(), network(RNNRegressor)).fit(rows, y)
    live = stream(pipeline)
    found = [live.push(word) for word in rows[1]]
    assert np.ndim(found[0]) == 0
    np.testing.assert_allclose(found, pipeline.predict([rows[1]])[0], atol=1e-5)
    texts = make_pipeline(TextTokenizer("char"), network(RNNRegressor))
    texts.fit(["abc", "de"], [np.arange(3.0), np.arange(2.0)])
    with pytest.raises(ValueError, match=r"Step 'texttokenizer'.*Fit on lists of words"):
        stream(texts)


def test_an_empty_text_and_a_piece_that_is_none():
    pipeline = make_pipeline(TextTokenizer(), network()).fit(TEXTS, LABELS[:4])
    live = stream(pipeline)
    for piece, so_far in (("", ""), (" ", " "), ("fil", " fil"), ("m", " film"), ("", " film")):
        live.push(piece)
        np.testing.assert_allclose(
            live.predict_proba(), pipeline.predict_proba([so_far])[0], atol=1e-5
        )
    with pytest.raises(TypeError, match="next piece of the text"):
        live.push(["film"])


def test_static_features_go_to_the_model():
    import pandas as pd

    frame = pd.DataFrame({"text": TEXTS, "age": [3.0, 5.0, 1.0, 2.0]})
    pipeline = make_pipeline(TextTokenizer(), network()).fit(frame, LABELS[:4])
    live = stream(pipeline, static={"age": 5.0})
    live.push(TEXTS[1])
    expected = pipeline.predict_proba(frame)
    np.testing.assert_allclose(live.predict_proba(), expected[1], atol=1e-5)
    live.reset([1.0]).push(TEXTS[2])
    np.testing.assert_allclose(live.predict_proba(), expected[2], atol=1e-5)
    with pytest.raises(ValueError, match="age"):
        stream(pipeline)


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (SequenceScaler(per="sequence"), r'whole sequence; per="channel"'),
        (SequenceImputer("linear"), 'strategy="forward"'),
        (SequenceResampler(rate=0.5), "needs the whole sequence"),
        (FunctionTransformer(), "whole tables"),
    ],
    ids=lambda step: type(step).__name__,
)
def test_steps_that_cannot_follow_are_named(step, why):
    pipeline = Pipeline([("odd", step), ("net", network())]).fit(X, LABELS)
    with pytest.raises(ValueError, match=rf"Step 'odd' \({type(step).__name__}\) cannot.*{why}"):
        stream(pipeline)


def test_windows_tables_reservoirs_and_other_models_are_named():
    table = np.vstack([x[:3, 0] for x in X])
    for odd in (SlidingWindows(3), StandardScaler()):
        pipeline = Pipeline([("odd", odd), ("net", network())]).fit(table, LABELS)
        with pytest.raises(ValueError, match="Step 'odd'"):
            stream(pipeline)
    other = make_pipeline(ReservoirTransformer(5), LogisticRegression()).fit(X, LABELS)
    with pytest.raises(ValueError, match=r"Step 'logisticregression'.*no stream"):
        stream(other)
    with pytest.raises(NotFittedError):
        stream(make_pipeline(SequenceScaler(), network()))
    both = make_pipeline(SequenceScaler(), RNNClassifier(4, max_epochs=1)).fit(X, LABELS)
    with pytest.raises(ValueError, match="bidirectional=False"):
        stream(both)


def test_reset_copy_and_pickle():
    pipeline = make_pipeline(SequenceImputer(), SequenceScaler(), network()).fit(HOLES, LABELS)
    live = stream(pipeline)
    with pytest.raises(ValueError, match="no step yet"):
        live.predict()
    live.push(HOLES[5][:12])
    branch, thawed = live.copy(), pickle.loads(pickle.dumps(live))
    branch.push(np.array([np.nan, 3.0]))
    expected = pipeline.predict_proba([HOLES[5]])[0]
    for one in (live, thawed):
        one.push(HOLES[5][12:])
        np.testing.assert_allclose(one.predict_proba(), expected, atol=1e-5)
    assert (branch.n_steps, live.n_steps) == (13, 30)
    live.reset().push(HOLES[2])
    np.testing.assert_allclose(live.predict_proba(), pipeline.predict_proba(HOLES)[2], atol=1e-5)


def test_reset_copy_and_pickle_of_a_text():
    pipeline = make_pipeline(TextTokenizer("char"), network()).fit(TEXTS, LABELS[:4])
    live = stream(pipeline)
    live.push(TEXTS[0][:40])
    branch, thawed = live.copy(), pickle.loads(pickle.dumps(live))
    branch.push("something else")
    for one in (live, thawed):
        one.push(TEXTS[0][40:])
        expected = pipeline.predict_proba(TEXTS)[0]
        np.testing.assert_allclose(one.predict_proba(), expected, atol=1e-5)
    live.reset().push(TEXTS[1])
    np.testing.assert_allclose(live.predict_proba(), pipeline.predict_proba(TEXTS)[1], atol=1e-5)


def test_fitting_anew_does_not_change_a_stream():
    pipeline = make_pipeline(SequenceImputer(), SequenceScaler(), network()).fit(HOLES, LABELS)
    expected, live = pipeline.predict_proba(HOLES)[0], stream(pipeline)
    live.push(HOLES[0][:5])
    pipeline.set_params(sequencescaler__method="minmax")
    pipeline.fit([10 * x for x in HOLES], LABELS)
    pipeline[1].partial_fit(HOLES)
    live.push(HOLES[0][5:])
    np.testing.assert_allclose(live.predict_proba(), expected, atol=1e-5)


def test_a_tokenizer_that_learns_on_does_not_change_a_stream():
    tokenizer = TextTokenizer(max_vocabulary=200).partial_fit(TEXTS)
    pipeline = Pipeline([("words", tokenizer), ("net", network())])
    pipeline[1].fit(tokenizer.transform(TEXTS), LABELS[:4])
    expected, live = pipeline.predict_proba(["new words of film"])[0], stream(pipeline)
    tokenizer.partial_fit(["new words of another film"])
    live.push("new words of film")
    np.testing.assert_allclose(live.predict_proba(), expected, atol=1e-5)


def test_a_push_that_fails_leaves_the_stream_as_it_was():
    pipeline = make_pipeline(SequenceImputer(), SequenceScaler(), network()).fit(HOLES, LABELS)
    live = stream(pipeline)
    live.push(HOLES[0][:5])
    before = live.predict_proba()
    for wrong, options in (
        ([np.inf, 0.0], {}),
        ([1.0, 2.0, 3.0], {}),
        ([1.0, 2.0], {"times": 3.0}),
        ("text", {}),
    ):
        with pytest.raises((ValueError, TypeError)):
            live.push(wrong, **options)
    np.testing.assert_array_equal(live.predict_proba(), before)
    live.push(HOLES[0][5:])
    np.testing.assert_allclose(live.predict_proba(), pipeline.predict_proba(HOLES)[0], atol=1e-5)
