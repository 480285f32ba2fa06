"""Some forty small fits over every estimator, transformer and head: what each gives is kept.

Each case returns arrays by name. A case that pickles checks by itself that the copy gives the same
bits, so what is kept is once for both.
"""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from sklearn_rnn import (
    Distribution,
    Dropout,
    EarlyStopping,
    Embedding,
    Optimizer,
    ReservoirClassifier,
    ReservoirRegressor,
    ReservoirTransformer,
    RNNClassifier,
    RNNRegressor,
    SequenceForecaster,
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

CELLS = ("rnn", "lstm", "gru", "gru_reset_before", "cifg", "mingru", "minlstm")
SMALL: dict[str, Any] = {"hidden_size": 6, "max_epochs": 2, "random_state": 0}
ALONE: dict[str, Any] = {**SMALL, "closed_form": False}

Found = dict[str, Any]
CASES: dict[str, Callable[[], Found]] = {}


def case(function: Callable[[], Found]) -> Callable[[], Found]:
    """Keep a case under the name of its function."""
    CASES[function.__name__] = function
    return function


def ragged(n: int = 48, channels: int = 2, seed: int = 0, holes: bool = False) -> list[np.ndarray]:
    """Make sequences of 5 to 14 steps whose drift tells the label of `labels`."""
    draw = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        steps = draw.integers(5, 15)
        drift = np.linspace(0, (i % 3) - 1.0, steps)[:, None]
        rows.append(3 + drift + draw.normal(0, 0.5, (steps, channels)))
    if holes:
        for row in rows[::3]:
            row[draw.integers(len(row))] = np.nan
    return rows


ROWS = ragged()
LABELS = np.array(["down", "flat", "up"])[np.arange(48) % 3]
LEVELS = np.array([row[-1].mean() - row[0].mean() for row in ROWS])
TEXTS = [
    " ".join(np.random.default_rng(i).choice(words, 4 + i % 5))
    for i in range(60)
    for words in [(["good", "fine", "The", "film"], ["bad", "dull", "A", "film"])[i % 2]]
]
LIKED = np.array(["yes", "no"])[np.arange(60) % 2]


def copied(model: Any) -> Any:
    """Return the model after a round trip through pickle."""
    return pickle.loads(pickle.dumps(model))


def answers(model: Any, X: Any, *methods: str) -> Found:
    """Return what the methods give, after checking that a pickled copy gives the same."""
    again, found = copied(model), {}
    for method in methods:
        found[method] = getattr(model, method)(X)
        _same(found[method], getattr(again, method)(X))
    return found


def _same(first: Any, second: Any) -> None:
    if isinstance(first, list):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            _same(one, other)
    else:
        np.testing.assert_array_equal(np.asarray(first), np.asarray(second))


def _cell(cell: str) -> Callable[[], Found]:
    def fit() -> Found:
        model = RNNClassifier(cell=cell, **ALONE).fit(ROWS, LABELS)
        return answers(model, ROWS, "predict", "predict_proba")

    fit.__name__ = f"classifier_{cell}"
    return fit


for _name in CELLS:
    case(_cell(_name))


@case
def classifier_default() -> Found:
    model = RNNClassifier(**SMALL).fit(ROWS, LABELS)
    return answers(model, ROWS, "predict_proba", "transform")


@case
def classifier_dense_holes() -> Found:
    X = np.random.default_rng(1).normal(size=(40, 9))
    X[3, 4] = np.nan
    model = RNNClassifier(**SMALL).fit(X, X[:, 0] > 0)
    return answers(model, X, "predict_proba")


@case
def classifier_closed_form_alone() -> Found:
    model = RNNClassifier(**{**SMALL, "closed_form": "only"}).fit(ROWS, LABELS)
    return answers(model, ROWS, "predict_proba", "transform")


@case
def classifier_two_layers() -> Found:
    model = RNNClassifier(
        num_layers=2, layer_norm=True, dropout=Dropout(0.3, weights=0.2), stem="conv", **ALONE
    ).fit(ROWS, LABELS)
    return answers(model, ROWS, "predict_proba")


@case
def classifier_attention() -> Found:
    model = RNNClassifier(
        pooling=("attention", "max"), embedding=Embedding(variational=True), **ALONE
    ).fit(ROWS, LABELS)
    weights = model.attention_weights(ROWS).values
    return {**answers(model, ROWS, "predict_proba"), "attention_weights": weights}


@case
def classifier_early_stopping() -> Found:
    model = RNNClassifier(early_stopping=EarlyStopping(validation_fraction=0.2), **ALONE).fit(
        ROWS, LABELS
    )
    scores = np.asarray(model.validation_scores_)
    return {**answers(model, ROWS, "predict_proba"), "scores": scores}


@case
def classifier_ensemble() -> Found:
    model = RNNClassifier(n_estimators=2, class_weight="balanced", **ALONE).fit(ROWS, LABELS)
    return answers(model, ROWS, "predict_proba")


@case
def classifier_multilabel() -> Found:
    y = np.stack([LEVELS > 0, np.arange(48) % 2 == 0], axis=1).astype(int)
    return answers(RNNClassifier(**SMALL).fit(ROWS, y), ROWS, "predict", "predict_proba")


@case
def classifier_several_outputs() -> Found:
    y = np.stack([LABELS, np.array(["a", "b"])[np.arange(48) % 2]], axis=1)
    model = RNNClassifier(**SMALL).fit(ROWS, y)
    return answers(model, ROWS, "predict", "predict_proba")


@case
def classifier_static_columns() -> Found:
    X = pd.DataFrame(
        {
            "a": [row[:, 0].tolist() for row in ROWS],
            "b": [row[:, 1].tolist() for row in ROWS],
            "age": LEVELS * 2 + 40,
            "city": pd.Categorical(np.array(["x", "y"])[np.arange(48) % 2]),
        }
    )
    return answers(RNNClassifier(**SMALL).fit(X, LABELS), X, "predict_proba")


@case
def classifier_times() -> Found:
    times = [np.cumsum(1.0 + np.arange(len(row)) % 3) for row in ROWS]
    X = Sequences.from_list(ROWS, times=times)
    return answers(RNNClassifier(**SMALL).fit(X, LABELS), X, "predict_proba")


@case
def classifier_partial_fit() -> Found:
    model = RNNClassifier(**ALONE)
    for part in (slice(0, 24), slice(24, 48)):
        model.partial_fit(ROWS[part], LABELS[part], classes=["down", "flat", "up"])
    return answers(model, ROWS, "predict_proba")


@case
def classifier_warm_start() -> Found:
    model = RNNClassifier(warm_start=True, **ALONE).fit(ROWS, LABELS)
    return answers(model.fit(ROWS, LABELS), ROWS, "predict_proba")


@case
def classifier_long() -> Found:
    X = np.sin(np.arange(3 * 6000).reshape(3, 6000) * 0.01)
    model = RNNClassifier(**SMALL).fit(ROWS[:30], LABELS[:30])
    two = [np.stack([row, row[::-1]], axis=1) for row in X]
    return answers(model, two, "predict_proba")


@case
def classifier_stream() -> Found:
    model = RNNClassifier(bidirectional=False, **SMALL).fit(ROWS, LABELS)
    stream = model.stream()
    pushed = [stream.push(step) for step in ROWS[0]]
    return {"pushed": np.stack([np.asarray(one).ravel() for one in pushed])}


@case
def classifier_words() -> Found:
    model = make_pipeline(TextTokenizer(), RNNClassifier(**SMALL)).fit(TEXTS, LIKED)
    return answers(model, TEXTS, "predict_proba")


@case
def classifier_words_only() -> Found:
    model = make_pipeline(TextTokenizer(), RNNClassifier(**{**SMALL, "closed_form": "only"}))
    return answers(model.fit(TEXTS, LIKED), TEXTS, "predict_proba")


@case
def classifier_characters() -> Found:
    model = make_pipeline(TextTokenizer("char"), RNNClassifier(**ALONE)).fit(TEXTS, LIKED)
    return answers(model, TEXTS, "predict_proba")


@case
def regressor_default() -> Found:
    return answers(RNNRegressor(**SMALL).fit(ROWS, LEVELS), ROWS, "predict")


@case
def regressor_gru_outputs() -> Found:
    y = np.stack([LEVELS, -LEVELS, LEVELS**2], axis=1)
    return answers(RNNRegressor(cell="gru", **SMALL).fit(ROWS, y), ROWS, "predict")


@case
def regressor_every_step() -> Found:
    y = [np.cumsum(row[:, 0]) for row in ROWS]
    model = RNNRegressor(bidirectional=False, **SMALL).fit(ROWS, y)
    return {"predict": np.concatenate([np.ravel(row) for row in model.predict(ROWS)])}


@case
def regressor_truncated() -> Found:
    y = [np.cumsum(row[:, 0]) for row in ROWS]
    model = RNNRegressor(bidirectional=False, optimizer=Optimizer(tbptt_steps=4), **ALONE).fit(
        ROWS, y
    )
    return {"predict": np.concatenate([np.ravel(row) for row in model.predict(ROWS)])}


@case
def regressor_words() -> Found:
    y = np.array([text.count("good") - text.count("bad") for text in TEXTS], dtype=float)
    model = make_pipeline(TextTokenizer(), RNNRegressor(**SMALL)).fit(TEXTS, y)
    return answers(model, TEXTS, "predict")


@case
def reservoir_classifier() -> Found:
    model = ReservoirClassifier(30, random_state=0).fit(ROWS, LABELS)
    return answers(model, ROWS, "predict", "predict_proba")


@case
def reservoir_regressor() -> Found:
    model = ReservoirRegressor(30, random_state=0)
    for part in (slice(0, 24), slice(24, 48)):
        model.partial_fit(ROWS[part], LEVELS[part])
    return answers(model, ROWS, "predict")


@case
def reservoir_transformer() -> Found:
    return answers(ReservoirTransformer(20, random_state=0).fit(ROWS), ROWS, "transform")


WORDS = [["fly", "to", "Rome"], ["to", "New", "York"], ["fly", "now"], ["Rome", "please"]] * 4
TAGS = [["O", "O", "B-city"], ["O", "B-city", "I-city"], ["O", "O"], ["B-city", "O"]] * 4


@case
def tagger_words() -> Found:
    model = SequenceTagger(12, max_epochs=3, random_state=0).fit(WORDS, TAGS)
    return answers(model, WORDS, "predict", "predict_proba")


@case
def tagger_with_sequence_labels() -> Found:
    y = [("ask" if len(row) == 3 else "go", tags) for row, tags in zip(WORDS, TAGS, strict=True)]
    model = SequenceTagger(8, max_epochs=3, random_state=0).fit(WORDS, y)
    found = model.predict(WORDS)
    return {"predict": [[label, *tags] for label, tags in found]}


@case
def tagger_numbers() -> Found:
    y = [np.where(row[:, 0] > 3, "high", "low").tolist() for row in ROWS]
    model = SequenceTagger(8, max_epochs=2, random_state=0).fit(ROWS, y)
    return answers(model, ROWS, "predict", "predict_proba")


def monthly(n: int = 72, level: float = 20.0) -> pd.Series:
    """Make a series with a season of twelve."""
    index = pd.date_range("2018-01-01", periods=n, freq="MS", name="month")
    noise = np.random.default_rng(n).normal(0, 0.3, n)
    return pd.Series(level + 3 * np.sin(np.arange(n) * np.pi / 6) + noise, index, name="sales")


def _forecaster(name: str, **parameters: Any) -> None:
    def fit() -> Found:
        y = monthly().round() if "binomial" in name else monthly()
        model = SequenceForecaster(
            **{"horizon": 6, "hidden_size": 6, "max_epochs": 2, "random_state": 0, **parameters}
        ).fit(None, y)
        again = copied(model).forecast(8)
        found = model.forecast(8)
        numbers = found.select_dtypes("number").to_numpy()
        np.testing.assert_array_equal(numbers, again.select_dtypes("number").to_numpy())
        return {"forecast": numbers}

    fit.__name__ = f"forecaster_{name}"
    case(fit)


_forecaster("default")
_forecaster("linear", closed_form="only")
_forecaster("direct", decoder="direct", cell="lstm")
_forecaster("recursive", decoder="recursive", distribution=Distribution(n_samples=20))
_forecaster("normal", distribution="normal")
_forecaster("student", distribution="student_t")
_forecaster("negative_binomial", distribution="negative_binomial", target_transform=None)
_forecaster("mixture", distribution="mixture", n_estimators=2)


@case
def forecaster_panel() -> Found:
    frames = [
        pd.DataFrame({"store": f"s{k}", "month": y.index, "sales": y.to_numpy()})
        for k, y in enumerate([monthly(60), monthly(72, 50.0), monthly(48, 5.0)])
    ]
    X = pd.concat(frames, ignore_index=True)
    X["promotion"] = (np.arange(len(X)) % 5 == 0).astype(float)
    y = X.pop("sales") + 2 * X["promotion"]
    model = SequenceForecaster(
        horizon=6, id_col="store", hidden_size=6, max_epochs=2, random_state=0
    ).fit(X, y)
    last = X.groupby("store").tail(5)
    model_after = copied(model)
    return {
        "predict": model.predict(last),
        "quantiles": model_after.predict_quantiles(last),
    }


@case
def transformers() -> Found:
    X = ragged(20, holes=True, seed=3)
    found = {}
    for step in (
        SequenceScaler(),
        SequenceScaler("robust", per="sequence"),
        SequenceImputer("linear", add_indicator=True),
        SequenceResampler(7),
        SlidingWindows(3, stride=2),
    ):
        name = f"{type(step).__name__}_{len(found)}"
        found[name] = step.fit(X).transform(X).values
    table = pd.DataFrame(
        {"id": np.repeat(["b", "a"], 4), "t": [*range(4)] * 2, "v": np.arange(8.0)}
    )
    found["ToSequences"] = ToSequences(id="id", time="t").fit_transform(table).values
    found["TextTokenizer"] = TextTokenizer().fit_transform(TEXTS).values
    return found
