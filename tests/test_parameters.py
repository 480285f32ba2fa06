"""Every documented value of every parameter: fitted, predicted with, followed live, pickled.

The values come from the constraints and docstrings of the classes; a parameter that those cannot
tell a value of needs one in `OWN`, and a test says so.
"""

import functools
import inspect
import pickle
import re
from collections.abc import Hashable
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from skorch.callbacks import EpochTimer

import sklearn_rnn
from sklearn_rnn import Sequences, preprocessing
from sklearn_rnn.sequences._sklearn import Interval, StrOptions
from sklearn_rnn.testing._problems import _close, rows_of

RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(2, 8, size=12)
ROWS = [RNG.normal(size=(n, 2)) for n in LENGTHS]
HOLES = [np.where(RNG.random(row.shape) < 0.1, np.nan, row) for row in ROWS]
TOKENS = Sequences.from_list([RNG.integers(0, 6, size=n) for n in LENGTHS], vocabulary_size=6)
TIMED = Sequences.from_list(ROWS, times=[np.cumsum(0.5 + RNG.random(n)) for n in LENGTHS])
LABELS = np.array(["ash", "birch", "cedar"])[np.arange(12) % 3]
NUMBERS = np.array([row.mean() for row in ROWS])
STEPS = [np.cumsum(row[:, 0]) for row in ROWS]
STEP_LABELS = [np.where(row[:, 0] > 0, "up", "down").tolist() for row in ROWS]
WORDS = [[f"w{k}" for k in row.ravel()] for row in TOKENS.to_list()]
TEXTS = [" ".join(words) for words in WORDS]
SERIES = 5 + np.sin(np.arange(36.0)) + 0.01 * np.arange(36)

TINY = {"hidden_size": 3, "max_epochs": 1, "random_state": 0}
SMALL = {"hidden_size": 3, "random_state": 0}


def log_cosh(raw, target):
    return torch.log(torch.cosh(raw - target)).flatten(1).mean(1)


def entropy(raw, target):
    return torch.nn.functional.cross_entropy(raw, target, reduction="none")


# Kind -> (X, y, settings) to try every value in; a model of one direction is streamed too.
PROBLEMS = {
    "RNNClassifier": [
        (ROWS, LABELS, {**TINY, "bidirectional": False}),
        (HOLES, LABELS, {**TINY, "closed_form": False}),
        (TOKENS, LABELS, {**TINY, "bidirectional": False, "embedding__size": 3}),
    ],
    "RNNRegressor": [
        (ROWS, NUMBERS, {**TINY, "bidirectional": False}),
        (TIMED, NUMBERS, {**TINY, "closed_form": False}),
        (ROWS, STEPS, {**TINY, "bidirectional": False}),
        (TOKENS, NUMBERS, {**TINY, "closed_form": False, "embedding": 3}),
    ],
    "SequenceTagger": [
        (WORDS, STEP_LABELS, {**TINY, "embedding__characters": 3, "embedding": 3}),
        (HOLES, STEP_LABELS, {**TINY, "bidirectional": False}),
    ],
    "SequenceForecaster": [
        (
            None,
            SERIES,
            {**TINY, "horizon": 3, "distribution__n_samples": 5, "validation_horizon": 6},
        ),
        (None, np.round(SERIES), {**TINY, "horizon": 3, "closed_form": False, "refit": False}),
    ],
    "ReservoirClassifier": [(HOLES, LABELS, SMALL), (ROWS, STEP_LABELS, SMALL)],
    "ReservoirRegressor": [(TIMED, NUMBERS, SMALL), (ROWS, STEPS, SMALL)],
    "ReservoirTransformer": [(HOLES, None, SMALL), (TOKENS, None, SMALL)],
    "SequenceImputer": [(HOLES, None, {})],
    "SequenceResampler": [(TIMED, None, {}), (ROWS, None, {})],
    "SequenceScaler": [(HOLES, None, {})],
    "SlidingWindows": [(ROWS, None, {})],
    "TextTokenizer": [(TEXTS, None, {})],
    "ToSequences": [(HOLES, None, {})],
}
LONG = pd.DataFrame({"who": [1, 1, 2], "when": [0, 3, 1], "a": [1.0, 2, 3], "b": [0.0, 0, 1]})
TIMED = pd.DataFrame({"words": [["w0", "w1"], ["w1"]], "when": [[0.0, 1.5], [2.0]]})
COLUMNS = pd.DataFrame({"time": [[0, 1], [0, 3]], "a": [[1.0, 2], [3, 4]], "b": [[1, 1], [0, 0]]})
FIRST = np.arange(24.0).reshape(2, 3, 4)
PANEL = pd.DataFrame(
    {
        "shop": np.repeat(["x", "y"], 18),
        "day": np.tile(pd.date_range("2024-01-01", periods=18), 2),
        "price": RNG.normal(size=36),
        "size": np.repeat([1.0, 2.0], 18),
    }
)
SHOPS = {"id_col": "shop", "time_col": "day"}
RADII, LEAKS = (0.5, 0.9, 0.95, 0.95, 0.99), (1.0, 1.0, 0.5, 0.2, 0.05)


class With(NamedTuple):
    """A value that needs other settings, or an X of its own."""

    value: Any
    settings: dict = {}
    X: Any = None


# Values that constraints and docstrings cannot tell.
OWN = {
    "cell": [torch.nn.GRUCell, torch.nn.GRU],
    "optimizer": [torch.optim.NAdam, functools.partial(torch.optim.SGD, momentum=0.5)],
    "optimizer__optimizer": [torch.optim.NAdam],
    "device": ["cpu", torch.device("cpu")],
    "random_state": [None, 7, np.random.RandomState(0)],
    "verbose": [1],
    "ignore_label": [None, "none of these"],
    "n_jobs": [None, 2, -1],
    "callbacks": [None, EpochTimer(), [EpochTimer], [("timer", EpochTimer())]],
    "spectral_radius": [0.9, RADII, list(RADII), np.array(RADII)],
    "leak_rate": [0.5, LEAKS, list(LEAKS), np.array(LEAKS)],
    "alpha": [(0.1, 10.0), [1.0], np.array([0.1, 1.0])],
    "distribution__n_components": [With(2, {"distribution": "mixture"})],
    "distribution__n_samples": [With(3, {"decoder": "recursive"})],
    "RNNClassifier.pooling": ["last", "mean+max", ("mean", "max", "last", "attention"), ["max"]],
    "RNNRegressor.pooling": ["last", "mean+max", ("mean", "max", "last", "attention"), ["max"]],
    "pooling": ["mean+max", ("last", "std"), ["positive"]],
    "RNNClassifier.loss": [torch.nn.CrossEntropyLoss, torch.nn.CrossEntropyLoss(), entropy],
    "RNNRegressor.loss": [torch.nn.SmoothL1Loss, torch.nn.L1Loss(), log_cosh],
    "RNNClassifier.class_weight": [{"ash": 2.0, "birch": 1.0, "cedar": 1.0}],
    "id_col": [With("shop", SHOPS, PANEL)],
    "time_col": [With("day", SHOPS, PANEL)],
    "freq": [With("D", SHOPS, PANEL), 1],
    "time_features": [With("auto", SHOPS, PANEL), With(["dayofweek"], SHOPS, PANEL)],
    "past_covariates": [With(["price"], SHOPS, PANEL)],
    "static_covariates": [With(["size"], SHOPS, PANEL)],
    "quantiles": [(0.1, 0.5, 0.9), [0.5], np.array([0.2, 0.8])],
    "ToSequences.id": [With("who", {"time": "when"}, LONG)],
    "ToSequences.time": [With("time", {}, COLUMNS), With("when", {"id": "who"}, LONG)],
    "ToSequences.channels": [With(["a"], {}, COLUMNS)],
    "ToSequences.static": [With(["b"], {"id": "who", "channels": ["a"]}, LONG)],
    "ToSequences.channels_first": [With(True, {}, FIRST)],
    "ToSequences.vocabulary_size": [With(n, {}, [[0], [0, 0]]) for n in (1, 2, 9)],
    "SlidingWindows.target": [0, [1]],
    "SequenceScaler.feature_range": [With((-1.0, 1.0), {"method": "minmax"})],
    "SequenceScaler.quantile_range": [With((10.0, 90.0), {"method": "robust"})],
    "SequenceImputer.fill_value": [With(-1.0, {"strategy": "constant"}), 2],
    "SequenceResampler.method": [With("nearest", {}, TOKENS)],
    "TextTokenizer.analyzer": [str.split],
    "TextTokenizer.special_tokens": [("[A]",), ["[A]", "[B]"]],
    "TextTokenizer.vectors": [dict.fromkeys(("w0", "w1"), np.ones(3))],
    "TextTokenizer.column": [With("text", {}, pd.DataFrame({"text": TEXTS, "n": NUMBERS}))],
    "TextTokenizer.times": [With("when", {"column": "words"}, TIMED)],
    "TextTokenizer.subword_model": [
        With(name, {"analyzer": "subword", "max_vocabulary": 20}) for name in ("bpe", "unigram")
    ],
}
# Values that a problem may refuse, by name, but not every problem.
REFUSED = {
    ("missing", "error"): "contains NaN",
    ("closed_form", "only"): "closed_form='only'",
    ("closed_form", True): "closed_form=True",
}
STREAMED = (sklearn_rnn.RNNClassifier, sklearn_rnn.RNNRegressor)
KINDS = {
    name: value
    for module in (sklearn_rnn, preprocessing)
    for name in module.__all__
    if inspect.isclass(value := getattr(module, name)) and hasattr(value, "fit")
}


def quoted(kind):
    """Return the strings that the docstring names as values of each parameter."""
    section = inspect.getdoc(kind).split("Parameters\n----------\n")[1].split("\nAttributes\n")[0]
    found = {}
    for names, kinds in re.findall(r"^(\w[\w, ]*) : ((?:.*\\\n)*.*)$", section, re.MULTILINE):
        for name in names.split(", "):
            found[name] = re.findall(r'"([^"]+)"', kinds)
    return found


def constrained(bounds):
    """Return values that a constraint allows, at its bounds where they are allowed too."""
    if isinstance(bounds, StrOptions):
        return sorted(bounds.options)
    if bounds == "boolean":
        return [True, False]
    if bounds is None:
        return [None]
    if isinstance(bounds, Interval):
        low, high, whole = bounds.left, bounds.right, bounds.type is Integral
        if low is None:
            return [2] if whole else [0.5]
        first = low if bounds.closed in ("left", "both") else None
        last = high if bounds.closed in ("right", "both") and high is not None else None
        inner = low + 1 if whole else low + 0.3
        return [v for v in (first, inner, last) if v is not None and (last is None or v <= 10)]
    return []


def values(name, parameter):
    """Return all that is to be tried of a parameter; all others try its default."""
    kind, parameter_of = KINDS[name], parameter
    default = kind().get_params()[parameter]
    own = OWN.get(f"{name}.{parameter}", OWN.get(parameter, []))
    tried = [value if isinstance(value, With) else With(value) for value in own]
    outer, _, inner = parameter.partition("__")
    if inner:
        kind, parameter_of = kind._composed[outer].kind, inner
    bounds = kind._parameter_constraints[parameter_of]
    listed = [] if isinstance(bounds, str) else [v for b in bounds for v in constrained(b)]
    known = [default, *(t.value for t in tried)]
    for value in [*listed, *quoted(kind)[parameter_of]]:
        if not any(type(v) is type(value) and repr(v) == repr(value) for v in known):
            tried.append(With(value))
            known.append(value)
    return tried


def outcome(model, X):
    """Return what a fitted model says of its training data, row by row."""
    if hasattr(model, "forecast") and X is None:
        return [model.forecast(4).iloc[:, -1].to_numpy(float)]
    if hasattr(model, "forecast"):
        return [model.predict(X.assign(day=X["day"] + pd.Timedelta(days=18)))]
    if hasattr(model, "predict"):
        return [np.asarray(row) for row in model.predict(X)]
    return rows_of(model.transform(X), "transform")


def follow(model, X):
    """Return the last prediction of a stream over the first sequence, and of its copy."""
    rows = X.to_list() if isinstance(X, Sequences) else X
    timed = isinstance(X, Sequences) and X.times is not None
    stream = model.stream()
    found = stream.push(rows[0], times=X.times[: len(rows[0])] if timed else None)
    return np.asarray(found), np.asarray(pickle.loads(pickle.dumps(stream)).predict())


def goes_all_the_way(model, X, y):
    """Fit, predict, pickle and follow; the bits of the saved are those of the fitted."""
    model.fit(*(part for part in (X, y) if part is not None or hasattr(model, "forecast")))
    found = outcome(model, X)
    for row, again in zip(found, outcome(pickle.loads(pickle.dumps(model)), X), strict=True):
        np.testing.assert_array_equal(row, again)
    if hasattr(model, "predict"):
        assert all(np.isfinite(row).all() for row in found if row.dtype.kind == "f")
    if getattr(model, "bidirectional", True) or not isinstance(model, STREAMED):
        return
    followed, again = follow(model, X)
    np.testing.assert_array_equal(followed, again)
    assert _close(followed, found[0])


PARAMETERS = [(name, p) for name, kind in KINDS.items() for p in kind().get_params()]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("name", "parameter"), PARAMETERS)
def test_every_value_goes_all_the_way(name, parameter):
    for value, settings, own_X in values(name, parameter):
        passed = False
        for X, y, base in PROBLEMS[name]:
            model = KINDS[name]().set_params(**{**base, **settings, parameter: value})
            try:
                goes_all_the_way(model, X if own_X is None else own_X, y)
                passed = True
            except ValueError as error:
                refusal = REFUSED.get((parameter, value)) if isinstance(value, Hashable) else None
                if refusal is None or refusal not in str(error):
                    raise
            except Exception as error:
                raise AssertionError(f"{model!r}") from error
        assert passed, f"{parameter}={value!r} is refused everywhere"


def test_each_parameter_has_a_value_to_try_and_each_kind_a_problem():
    assert sorted(KINDS) == sorted(PROBLEMS)
    for name, parameter in PARAMETERS:
        assert values(name, parameter), f"{name}.{parameter} needs a value in OWN"


COUNTS = {"RNNClassifier": 28, "RNNRegressor": 27, "SequenceTagger": 28, "SequenceForecaster": 36}


@pytest.mark.parametrize("name", COUNTS)
def test_a_constructor_has_few_parameters_in_one_order(name):
    """What belongs together is an object; what several have stands in the classifier's order."""
    own = list(inspect.signature(KINDS[name]).parameters)
    assert len(own) <= COUNTS[name]
    known = list(inspect.signature(sklearn_rnn.RNNClassifier).parameters)
    shared = [parameter for parameter in own if parameter in known]
    assert shared == sorted(shared, key=known.index)
