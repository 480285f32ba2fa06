"""X and y with labels of their own: every estimator and transformer keeps them in step."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    LeaveOneOut,
    cross_val_predict,
    cross_val_score,
    train_test_split,
)
from sklearn.pipeline import make_pipeline

from sklearn_rnn import (
    ReservoirClassifier,
    ReservoirRegressor,
    ReservoirTransformer,
    RNNClassifier,
    RNNRegressor,
    Sequences,
    SequenceTagger,
)
from sklearn_rnn.preprocessing import (
    SequenceImputer,
    SequenceResampler,
    SequenceScaler,
    SlidingWindows,
    TextTokenizer,
    ToSequences,
)

N = 40
SMALL = {"hidden_size": 4, "max_epochs": 2, "random_state": 0}


def table(kind, n=N):
    """Return a long table whose ids come in another order than sorted, and labels by id."""
    rng = np.random.default_rng(0)
    ids = rng.permutation(n) + 100
    labels = rng.integers(0, 2, n)
    labels[:4] = [0, 1, 0, 1]
    lengths = rng.integers(4, 9, n)
    names = [f"p{i:02}" for i in ids] if kind == "str" else ids.tolist()
    return pd.DataFrame(
        {
            "who": np.repeat(np.array(names, dtype=object if kind == "str" else int), lengths),
            "when": np.concatenate([np.arange(length) for length in lengths]),
            "flow": rng.normal(size=lengths.sum()) + 4 * np.repeat(labels, lengths),
            "failed": np.repeat(labels, lengths),
        }
    )


@pytest.fixture(params=["int", "str"])
def long(request):
    return table(request.param)


def read(long):
    return Sequences.from_long(long, id="who", time="when", target="failed")


CLASSIFIERS = [
    ReservoirClassifier(10, random_state=0),
    RNNClassifier(closed_form="only", random_state=0),
]
REGRESSORS = [
    ReservoirRegressor(10, random_state=0),
    RNNRegressor(closed_form="only", random_state=0),
]


@pytest.mark.parametrize("model", [*CLASSIFIERS, *REGRESSORS])
def test_a_y_by_id_is_aligned(long, model):
    X, truth = read(long)
    by_id = long.groupby("who")["failed"].first()
    assert by_id.tolist() != truth.tolist()
    wanted = model.fit(X, truth).predict(X)
    targets = [by_id, by_id.reset_index(), by_id.to_frame()["failed"]]
    targets += [pl.DataFrame(by_id.reset_index().to_dict("list"))]
    targets += [targets[-1].to_arrow()]
    for y in targets:
        np.testing.assert_array_equal(model.fit(X, y).predict(X), wanted)
        assert model.score(X, truth) > 0.9
    assert model.score(X, by_id) == model.score(X, truth)
    frame = X.to_frame()
    wanted = model.fit(frame, truth).predict(frame)
    np.testing.assert_array_equal(model.fit(frame, by_id).predict(frame), wanted)


@pytest.mark.parametrize("model", [*CLASSIFIERS, *REGRESSORS])
def test_weights_by_id_are_aligned(long, model):
    X, truth = read(long)
    weights = pd.Series(np.arange(1.0, N + 1), index=X.ids)
    wanted = model.fit(X, truth, sample_weight=weights.to_numpy()).predict(X)
    shuffled = weights.sample(frac=1, random_state=1)
    np.testing.assert_array_equal(model.fit(X, truth, sample_weight=shuffled).predict(X), wanted)
    other = truth.astype(float)
    assert model.score(X, other.round(), shuffled) == model.score(X, other.round(), weights)
    lacking = shuffled.rename({X.ids[3]: 99 if X.ids.dtype.kind == "i" else "zz"})
    with pytest.raises(ValueError, match=f"sample_weight lacks .?{X.ids[3]}"):
        model.fit(X, truth, sample_weight=lacking)


@pytest.mark.parametrize(
    "model",
    [
        *CLASSIFIERS,
        *REGRESSORS,
        make_pipeline(SequenceScaler(), SequenceImputer(), CLASSIFIERS[0]),
        make_pipeline(ToSequences(), SequenceResampler(5), CLASSIFIERS[0]),
    ],
)
def test_labels_that_differ_are_refused(long, model):
    X, truth = read(long)
    y = pd.Series(truth, index=X.ids)
    first = X.ids[0]
    for other in (
        y.rename({first: -1 if X.ids.dtype.kind == "i" else "nobody"}),
        y.rename({first: X.ids[1]}),
        y.iloc[1:],
    ):
        with pytest.raises(ValueError, match=r"The index of y does not match X\.ids.*y lacks"):
            model.fit(X, other)
    model.fit(X, truth)
    with pytest.raises(ValueError, match=r"The index of y does not match X\.ids"):
        model.score(X, y.iloc[1:])


@pytest.mark.parametrize("model", [RNNClassifier(4, random_state=0), CLASSIFIERS[0]])
def test_portions_are_aligned(long, model):
    X, truth = read(long)
    y = pd.Series(truth, index=X.ids)
    first, second = X[:20], X[20:]
    model, other = clone(model), clone(model)
    for part in (first, second):
        model.partial_fit(part, y[part.ids].sort_index(), classes=[0, 1])
    other.partial_fit(first, truth[:20], classes=[0, 1]).partial_fit(second, truth[20:])
    np.testing.assert_array_equal(model.predict(X), other.predict(X))
    with pytest.raises(ValueError, match="does not match X.ids"):
        model.partial_fit(second, y[first.ids])


def test_validation_sets_are_aligned(long):
    X, truth = read(long)
    y = pd.Series(truth, index=X.ids)
    model = RNNClassifier(**SMALL)
    given = {"X_val": X[30:], "y_val": truth[30:]}
    model.fit(X[:30], truth[:30], **given)
    wanted = model.validation_scores_
    given["y_val"] = y[X.ids[30:]].sort_index()
    model.fit(X[:30], truth[:30], **given)
    assert model.validation_scores_ == wanted
    assert model.report_.compare(model, X, y.sort_index()).model_score == model.score(X, truth)
    with pytest.raises(ValueError, match="index of y_val does not match X.ids"):
        model.fit(X[:30], truth[:30], X_val=X[30:], y_val=y[X.ids[:10]])


def test_splitters_keep_rows_together(long):
    X, truth = read(long)
    model = CLASSIFIERS[0]
    by_place, by_id = pd.Series(truth), pd.Series(truth, index=X.ids)
    for y in (by_place, by_id, truth):
        for cv in (3, KFold(3, shuffle=True, random_state=0)):
            assert cross_val_score(model, X, y, cv=cv, error_score="raise").min() > 0.8
        search = GridSearchCV(model, {"input_scale": [0.5, 1.0]}, cv=3, error_score="raise")
        assert search.fit(X, y).best_score_ > 0.8
        X_fit, X_test, y_fit, y_test = train_test_split(X, y, random_state=0)
        assert model.fit(X_fit, y_fit).score(X_test, y_test) > 0.8
        assert cross_val_score(model, X_fit, y_fit, cv=3, error_score="raise").min() > 0.8
    with pytest.raises(ValueError, match="does not match X.ids"):
        cross_val_score(model, X, by_id.sort_index(), cv=3, error_score="raise")
    few = X[:12]
    found = cross_val_predict(ReservoirClassifier(3), few, by_place[:12], cv=LeaveOneOut())
    assert len(found) == 12


def test_frames_in_and_out_of_order(long):
    X, truth = read(long)
    frame = X.to_frame().reset_index(drop=True)
    y = pd.Series(truth)
    model = make_pipeline(SequenceScaler(), CLASSIFIERS[0])
    assert model.fit(frame, y).score(frame, y) == 1
    assert cross_val_score(model, frame, y, cv=3, error_score="raise").min() > 0.8
    with pytest.raises(ValueError, match=r"y\.loc\[X\.index\]"):
        model.fit(frame, y.sample(frac=1, random_state=0))
    with pytest.raises(ValueError, match=r"y\.loc\[X\.index\]"):
        model.fit(frame.sample(frac=1, random_state=0), y)
    both = frame.assign(y=y).sample(frac=1, random_state=0)
    assert model.fit(both.drop(columns="y"), both["y"].sort_values()).score(frame, y) == 1
    part = both.iloc[:30]
    assert model.fit(part.drop(columns="y"), part["y"].sort_index()).score(frame, y) == 1
    assert model.fit(part.drop(columns="y").reset_index(drop=True), part["y"]).score(frame, y) == 1


def test_scikit_learn_around_it(long):
    X, truth = read(long)
    model = CLASSIFIERS[0]
    for y in (pd.Series(truth), pd.Series(truth, index=X.ids)):
        for outer in (
            StackingClassifier([("a", model), ("b", model)], cv=2),
            VotingClassifier([("a", model), ("b", model)]),
            CalibratedClassifierCV(model, cv=2),
        ):
            assert outer.fit(X, y).score(X, y) == 1


@pytest.mark.parametrize(
    "transformer",
    [ReservoirTransformer(5), ReservoirRegressor(5), RNNRegressor(**SMALL), RNNClassifier(**SMALL)],
)
def test_what_returns_arrays_wants_y_in_order(long, transformer):
    X, truth = read(long)
    y = pd.Series(truth, index=X.ids)
    model = make_pipeline(transformer, LogisticRegression())
    model.fit(X, y)
    with pytest.raises(ValueError, match=rf"{type(transformer).__name__} returns arrays.*y\.loc"):
        model.fit(X, y.sort_index())


@pytest.mark.parametrize(
    "transformer",
    [SequenceScaler(), SequenceImputer(), SequenceResampler(3), SlidingWindows()],
)
def test_arrays_made_of_frames_want_y_in_order(transformer):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(6, 4)), index=list("fbdace")).add_prefix("t")
    y = pd.Series(range(6), index=X.index)
    transformer.fit(X, y)
    with pytest.raises(ValueError, match="returns arrays"):
        transformer.fit(X, y.sort_index())
    transformer.set_output(transform="pandas").fit(X, y.sort_index())


def test_texts():
    rng = np.random.default_rng(0)
    y = pd.Series(rng.permutation([0, 1] * 15), index=[f"d{i:02}" for i in rng.permutation(30)])
    words = (["bad", "awful", "sad"], ["good", "nice", "fine"])
    texts = y.map(lambda label: " ".join(rng.choice(words[label], 6))).rename("text")
    model = make_pipeline(TextTokenizer(), RNNClassifier(closed_form="only", random_state=0))
    for X in (texts, texts.to_frame()):
        assert model.fit(X, y.sort_index()).score(X, y) == 1
        assert model.score(X, y.sort_index()) == 1
        assert cross_val_score(model, X, y, cv=3, error_score="raise").min() == 1
        assert TextTokenizer().fit_transform(X).ids.tolist() == y.index.tolist()
        with pytest.raises(ValueError, match="The index of y does not match X.ids"):
            model.fit(X, y.rename({y.index[0]: "other"}))
    counted = texts.reset_index(drop=True)
    assert model.fit(counted, y.reset_index(drop=True)).score(counted, y.to_numpy()) == 1
    with pytest.raises(ValueError, match=r"Cut y along with X, or pass y\.to_numpy\(\)"):
        model.fit(counted, y.reset_index(drop=True).sort_values())


def test_tags():
    rng = np.random.default_rng(0)
    names = [f"s{i:02}" for i in rng.permutation(20)]
    rows = [rng.choice(["to", "Rome", "Oslo", "now"], rng.integers(3, 7)).tolist() for _ in names]
    tags = pd.Series([["B" if w[0].isupper() else "O" for w in row] for row in rows], index=names)
    words = pd.Series(rows, index=names, name="words")
    model = SequenceTagger(8, max_epochs=15, random_state=0)
    for X in (words, words.to_frame()):
        assert model.fit(X, tags.sort_index()).score(X, tags) == 1
        assert model.score(X, tags.sort_index()) == 1
        assert model.fit(X, tags.sort_index().to_frame()).score(X, tags) == 1
        with pytest.raises(ValueError, match=r"y lacks 's.*y\.loc\[X\.index\]"):
            model.fit(X, tags.rename({names[0]: "other"}))
    weights = pd.Series(np.arange(1.0, 21), index=names)
    wrong = tags.map(lambda row: ["O"] * len(row))
    assert model.score(words, wrong, weights[::-1]) == model.score(words, wrong, weights)
    numbers = Sequences.from_list([rng.normal(size=len(row)) for row in rows], ids=names)
    model.fit(numbers, tags.sort_index())
    with pytest.raises(ValueError, match="does not match X.ids"):
        model.fit(numbers, tags.rename({names[0]: "other"}))


@pytest.mark.parametrize(
    "model",
    [ReservoirRegressor(10, random_state=0), RNNRegressor(bidirectional=False, **SMALL)],
)
def test_targets_at_every_step(long, model):
    X, _ = read(long)
    wanted = model.fit(X, X.with_values(X.values)).predict(X).values
    mixed = np.random.default_rng(1).permutation(N)
    assert np.array_equal(model.fit(X, X[mixed]).predict(X).values, wanted)
    assert model.score(X, X[mixed]) == model.score(X, X)
    lists = pd.Series([row[:, 0] for row in X], index=X.ids)
    np.testing.assert_array_equal(
        np.concatenate(model.fit(X, lists.iloc[mixed]).predict(X)), wanted[:, 0]
    )
    with pytest.raises(ValueError, match="does not match X.ids"):
        model.fit(X, lists.iloc[1:])


def test_labels_at_every_step(long):
    X, _ = read(long)
    labels = pd.Series([(row[:, 0] > 2).astype(int) for row in X], index=X.ids)
    model = ReservoirClassifier(10, random_state=0)
    assert model.fit(X, labels.sort_index()).score(X, labels) > 0.9
    assert model.score(X, labels.sort_index()) == model.score(X, labels)


def test_several_outputs(long):
    X, truth = read(long)
    y = pd.DataFrame({"a": truth, "b": 1 - truth, "c": truth}, index=X.ids)
    for model in (*CLASSIFIERS, *REGRESSORS):
        targets = y if model in CLASSIFIERS else y.astype(float)
        wanted = model.fit(X, targets.to_numpy()).predict(X)
        np.testing.assert_array_equal(model.fit(X, targets.sort_index()).predict(X), wanted)


def test_windows_get_the_label_of_their_series(long):
    X, truth = read(long)
    windows = SlidingWindows(3)
    wanted = windows.split(X, truth)[1]
    by_id = long.groupby("who")["failed"].first()
    np.testing.assert_array_equal(windows.split(X, by_id)[1], wanted)
    with pytest.raises(ValueError, match="does not match X.ids"):
        windows.split(X, by_id.iloc[1:])


def test_what_a_model_answers_keeps_the_ids(long):
    X, truth = read(long)
    model = RNNClassifier(pooling=("attention", "max"), **SMALL).fit(X, truth)
    for found in (model.hidden_states(X), model.attention_weights(X)):
        assert found.ids.tolist() == X.ids.tolist()
    assert ReservoirTransformer(3).fit(X).hidden_states(X).ids.tolist() == X.ids.tolist()
