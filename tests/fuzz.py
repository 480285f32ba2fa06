"""Random calls on every estimator and transformer: each ends in a result or a documented error.

Run it by hand for as long as you like, ``python tests/fuzz.py --calls 10000 --seed 1``; the tests
run a small, seeded part. A *call* is one method of one model: parameters, X, y and weights are
drawn legal, at their borders, and wrong. What a call may do is written in `judge`.
"""

from __future__ import annotations

import argparse
import collections
import faulthandler
import inspect
import pickle
import re
import signal
import sys
import traceback
import warnings
from numbers import Integral

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import sklearn_rnn
from sklearn_rnn import Sequences, preprocessing
from sklearn_rnn.sequences._sklearn import Interval, StrOptions
from sklearn_rnn.testing._problems import rows_of

SECONDS = 60
KINDS = {
    name: value
    for module in (sklearn_rnn, preprocessing)
    for name in module.__all__
    if inspect.isclass(value := getattr(module, name)) and hasattr(value, "fit")
}
TRANSFORMERS = [name for name in KINDS if name in preprocessing.__all__]
# Sizes that are small enough for a quick call, unless a size is what is drawn.
SMALL = {
    "hidden_size": 3,
    "max_epochs": 1,
    "embedding__size": 4,
    "embedding__characters": 3,
    "distribution__n_samples": 3,
    "random_state": 0,
}
# Costs too much to be drawn often, or stands for itself.
HUGE = [10**9, 2**31, 2**40, 2**63, 2**70, 10**30]
WRONG = [-1, 0, 1.5, float("nan"), float("inf"), "nope", None, [], {}, (), object(), b"", np.nan]


# ------------------------------------------------------------------------------ parameters


class OneStep(torch.nn.Module):
    """A cell of a user's own."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.mix = torch.nn.Linear(input_size + hidden_size, hidden_size)
        self.hidden_size = hidden_size

    def forward(self, x, state=None):
        state = x.new_zeros(len(x), self.hidden_size) if state is None else state
        return torch.tanh(self.mix(torch.cat([x, state], 1)))


class TooWide(OneStep):
    """A cell that returns one unit too many."""

    def forward(self, x, state=None):
        state = None if state is None else state[:, : self.hidden_size]
        new = super().forward(x, state)
        return torch.cat([new, new[:, :1]], 1)


class WrongProduct(OneStep):
    """A cell that cannot multiply what it is given."""

    def forward(self, x, state=None):
        return self.mix(x)


class Whole(torch.nn.Module):
    """A whole-sequence cell that forgets the state."""

    def __init__(self, input_size, hidden_size, batch_first=True):
        super().__init__()
        self.map = torch.nn.Linear(input_size, hidden_size)

    def forward(self, x, state=None):
        return self.map(x)


def plain_adam(params, lr):
    """An optimizer that takes no weight decay."""
    return torch.optim.Adam(params, lr=lr)


def per_row(raw, target):
    """A loss of a number a row."""
    return (raw.float().flatten(1) if raw.ndim > 1 else raw[:, None]).square().mean(1)


def one_number(raw, target):
    """A loss of a number a batch."""
    return raw.square().mean()


def too_few(raw, target):
    """A loss of the wrong shape."""
    return raw.reshape(-1)[:-1]


def no_gradient(raw, target):
    """A loss that nothing can be learned from."""
    return torch.zeros(len(raw))


def of_a_list(raw, target):
    """A loss that is no tensor."""
    return [0.0] * len(raw)


def wrong_product(raw, target):
    """A loss that torch cannot compute."""
    return raw @ raw @ target


OWN = {
    "cell": [
        OneStep,
        torch.nn.GRUCell,
        torch.nn.GRU,
        TooWide,
        WrongProduct,
        Whole,
        torch.nn.Linear,
    ],
    "pooling": [
        "last",
        "mean+max",
        "attention",
        ("mean",),
        ["std"],
        "all",
        "none",
        "max+max",
        ("last", 3),
    ],
    "loss": [
        per_row,
        one_number,
        too_few,
        no_gradient,
        of_a_list,
        wrong_product,
        torch.nn.CrossEntropyLoss,
        torch.nn.MSELoss(),
        torch.nn.L1Loss,
        torch.nn.NLLLoss,
    ],
    "optimizer": [torch.optim.NAdam, torch.optim.LBFGS, torch.optim.SparseAdam, plain_adam, print],
    "device": ["cpu", "auto", "cuda", "mps", "gpu", torch.device("cpu"), "cuda:99", "meta"],
    "class_weight": [{0: 1, 1: 2}, {"a": 1.0}, [{0: 1}, {1: 2}], {"a": -1.0, "b": float("nan")}],
    "random_state": [None, 7, np.random.RandomState(0), np.random.default_rng(0)],
    "verbose": [0, False],
    "n_jobs": [None, 1, 2, -1, 0, -99],
    "spectral_radius": [0.9, (0.5, 0.9), [0.5, 0.9, 0.95, 0.95, 0.99], np.ones(5), np.ones((2, 2))],
    "leak_rate": [0.5, (0.5, 1.0), [1.0, 1.0, 0.5, 0.2, 0.05], np.ones(5), (2.0, 0.0)],
    "alpha": [1.0, (0.1, 1.0), [], np.array([1.0, np.nan]), [[1.0]], ("a",), [0.0, -1.0], 1e-320],
    "distribution__n_components": [1, 2],
    "id_col": ["id", "absent", 0, 5],
    "time_col": ["time", "absent", 0, 5],
    "freq": ["D", "h", 1, 2, "nope", 0, pd.Timedelta("1D"), "W"],
    "time_features": ["dayofweek", ["hour", "dayofyear"], ["moon"], None, 3],
    "past_covariates": ["a", ["a"], [0], ["absent"], [], 0],
    "static_covariates": ["b", ["b"], [1], ["absent"], []],
    "quantiles": [(0.5,), [0.1, 0.9], [], [0.0, 1.0], [2.0], ["a"], 0.5, np.array([[0.5]])],
    "id": ["id", "absent", 0],
    "time": ["time", "absent", 0],
    "channels": [["a"], ["a", "b"], ["absent"], []],
    "static": [["b"], ["absent"], []],
    "target": [0, [0, 1], 7, "a", ["a"], -1, [], 1.5],
    "analyzer": ["word", "char", "subword", str.split, str.lower, len],
    "special_tokens": [("[A]",), ["[A]", "[A]"], [3], [""], "abc"],
    "vectors": [{"one": [1.0, 2.0]}, {"one": [1.0], "two": [1.0, 2.0]}, {}, "absent.txt"],
    "column": ["text", "absent", 0],
    "feature_range": [(0.0, 2.0), (1.0, 0.0), (0.0,), (0.0, np.inf), ("a", "b")],
    "quantile_range": [(10.0, 90.0), (90.0, 10.0), (-1.0, 101.0), (25.0, 25.0), (1.0, 2.0, 3.0)],
}


def drawn(bounds, rng):
    """Draw a value that a constraint allows, at its border or within."""
    if isinstance(bounds, StrOptions):
        return rng.choice(sorted(bounds.options)).item()
    if bounds == "boolean":
        return bool(rng.integers(2))
    if isinstance(bounds, Interval):
        low, high = bounds.left, bounds.right
        if bounds.type is Integral:
            near = [low, low + 1, low + 2, low + 4] if low is not None else [-2, 0, 3]
            return int(near[rng.integers(4)]) if rng.random() < 0.85 else HUGE[rng.integers(6)]
        low, high = (low if low is not None else -1e300), (high if high is not None else 1e300)
        if rng.random() < 0.25:
            return float(rng.choice([low, high, np.nextafter(low, high), np.nextafter(high, low)]))
        return float(low + (min(high, low + 1) - low) * rng.random())
    return None


def draw_value(kind, name, rng):
    """Draw a value of a parameter: mostly legal, some at the border, some wrong."""
    if rng.random() < 0.12:
        return WRONG[rng.integers(len(WRONG))]
    outer, _, inner = name.partition("__")
    of = kind._composed[outer].kind if inner else kind
    bounds = of._parameter_constraints[inner or outer]
    choices = [] if isinstance(bounds, str) else list(bounds)
    own = OWN.get(name, [])
    where = rng.integers(len(choices) + (2 * len(choices) if own else 0)) if choices else 99
    if own and where >= len(choices):
        return own[rng.integers(len(own))]
    return drawn(choices[where], rng) if choices else WRONG[rng.integers(len(WRONG))]


def names_of(kind):
    """Return the names of all parameters, those inside of others last."""
    names = list(kind._parameter_constraints)
    return names + [name for name in kind().get_params() if name not in names]


def draw_parameters(kind, rng):
    """Draw settings: a small model, and a few parameters at random."""
    names = names_of(kind)
    settings = {name: value for name, value in SMALL.items() if name in names}
    if "closed_form" in names and rng.random() < 0.5:
        settings["closed_form"] = False
    if "bidirectional" in names and rng.random() < 0.5:
        settings["bidirectional"] = False
    for name in rng.choice(names, size=min(len(names), rng.integers(0, 4)), replace=False):
        settings[str(name)] = draw_value(kind, str(name), rng)
    return settings


# ------------------------------------------------------------------------------ inputs

LABELS = np.array(["ash", "birch", "cedar", "a", "b"])
WORDS = ["one", "two", "Three", "four.", "It's", "été", "漢字", "", "42", "🙂"]
# A form lays rows out; some hold channels of one only, or rows of one length.
FORMS = [
    "array_2d",
    "array_3d",
    "padded_3d",
    "list",
    "list_1d",
    "object",
    "sequences",
    "times",
    "nested",
]
FORMS += [
    "pandas",
    "pandas_static",
    "pandas_arrow",
    "polars",
    "arrow",
    "tokens",
    "timed_tokens",
    "ints",
]
FORMS += ["words", "texts", "text_frame", "text_static", "long", "bad"]


class Problem:
    """Rows in a form, so that any of them can be laid out alone."""

    def __init__(self, rng, kind):
        weights = np.ones(len(FORMS))
        wanted = ["words"] if kind == "SequenceTagger" else ["texts", "text_frame", "text_static"]
        if kind in ("SequenceTagger", "TextTokenizer"):
            weights[[FORMS.index(name) for name in wanted]] = 12
        if kind == "ToSequences":
            weights[FORMS.index("long")] = 5
        self.form = str(rng.choice(FORMS, p=weights / weights.sum()))
        self.n = int(rng.choice([1, 2, 3, 6, 12, 20], p=[0.05, 0.05, 0.1, 0.3, 0.3, 0.2]))
        self.rng = rng
        one = self.form in (
            "array_2d",
            "list_1d",
            "tokens",
            "timed_tokens",
            "ints",
            "words",
            "texts",
        )
        self.channels = 1 if one else int(rng.integers(1, 4))
        even = self.form in ("array_2d", "array_3d")
        steps = rng.integers(1, 9, size=self.n)
        self.lengths = np.full(self.n, steps[0]) if even else steps
        if self.form in (
            "tokens",
            "timed_tokens",
            "ints",
            "words",
            "texts",
            "text_frame",
            "text_static",
        ):
            self.rows = [rng.integers(7, size=(k, 1)) for k in self.lengths]
            return
        self.rows = [rng.normal(size=(k, self.channels)) for k in self.lengths]
        power = rng.choice([0, 0, 0, 0, 0, 0, -6, 6, 12, 30, -30, 39])
        self.rows = [row * 10.0**power for row in self.rows]
        self.spoil()

    def spoil(self):
        """Put gaps, constants and wrong values in, sometimes."""
        rng, what = self.rng, self.rng.random()
        flat = np.concatenate(self.rows)
        if what < 0.15:
            flat[rng.random(flat.shape) < 0.2] = np.nan
        elif what < 0.2:
            flat[:, 0] = np.nan
        elif what < 0.25:
            flat[:, 0] = 3.0
        elif what < 0.28:
            flat[rng.integers(len(flat)), 0] = np.inf
        elif what < 0.33:
            with np.errstate(all="ignore"):
                flat = flat.astype(rng.choice(["float32", "float16", "int64", "bool"]))
        self.rows = np.split(flat, np.cumsum(self.lengths)[:-1])

    def made(self, chosen=None):
        """Lay the chosen rows out."""
        chosen = range(self.n) if chosen is None else chosen
        rows = [self.rows[i] for i in chosen]
        times = [np.cumsum(1.0 + np.arange(len(row)) % 3) for row in rows]
        return getattr(self, f"_{self.form}")(rows, times)

    def _array_2d(self, rows, times):
        return np.stack(rows)[:, :, 0]

    def _array_3d(self, rows, times):
        return np.stack(rows)

    def _padded_3d(self, rows, times):
        padded = np.full((len(rows), max(self.lengths), self.channels), np.nan)
        for row, values in zip(padded, rows, strict=True):
            row[: len(values)] = values
        return padded

    def _list(self, rows, times):
        return rows

    def _nested(self, rows, times):
        return [row.tolist() for row in rows]

    def _list_1d(self, rows, times):
        return [row[:, 0] for row in rows]

    def _object(self, rows, times):
        found = np.empty(len(rows), dtype=object)
        found[:] = rows
        return found

    def _sequences(self, rows, times):
        return Sequences.from_list(rows)

    def _times(self, rows, times):
        return Sequences.from_list(rows, times=times)

    def _columns(self, rows):
        return {f"c{j}": [row[:, j].tolist() for row in rows] for j in range(self.channels)}

    def _pandas(self, rows, times):
        return pd.DataFrame(self._columns(rows), index=[f"r{i}" for i in range(len(rows))])

    def _pandas_static(self, rows, times):
        frame = self._pandas(rows, times)
        labels = ["even" if len(row) % 2 == 0 else "odd" for row in rows]
        return frame.assign(
            number=[float(len(row)) for row in rows],
            category=pd.Categorical(labels, categories=["even", "odd"]),
        )

    def _pandas_arrow(self, rows, times):
        import pyarrow as pa

        kind = pd.ArrowDtype(pa.list_(pa.float64()))
        frame = self._pandas(rows, times)
        return frame.astype(dict.fromkeys(frame, kind))

    def _polars(self, rows, times):
        import polars as pl

        return pl.DataFrame(self._columns(rows))

    def _arrow(self, rows, times):
        import pyarrow as pa

        return pa.table(self._columns(rows))

    def _tokens(self, rows, times):
        return Sequences.from_list([row[:, 0] for row in rows], vocabulary_size=7)

    def _timed_tokens(self, rows, times):
        return Sequences.from_list([row[:, 0] for row in rows], vocabulary_size=7, times=times)

    def _ints(self, rows, times):
        return [row[:, 0] for row in rows]

    def _words(self, rows, times):
        return [[WORDS[k] or "x" for k in row[:, 0]] for row in rows]

    def _texts(self, rows, times):
        return [" ".join(WORDS[k] for k in row[:, 0]) for row in rows]

    def _text_frame(self, rows, times):
        return pd.DataFrame({"text": self._texts(rows, times)})

    def _text_static(self, rows, times):
        return self._text_frame(rows, times).assign(n=[float(len(row)) for row in rows])

    def _long(self, rows, times):
        frame = pd.DataFrame(np.concatenate(rows)).rename(columns=lambda j: "abc"[j])
        return frame.assign(
            id=np.repeat(np.arange(len(rows)), [len(row) for row in rows]),
            time=np.concatenate(times),
        )

    def _bad(self, rows, times):
        choices = [
            None, 3, "abc", [], [[]], np.zeros(3), np.zeros((2, 0)), np.zeros((0, 3)), {}, object(),
            np.zeros((2, 2, 2, 2)), [*rows, np.zeros((0, self.channels))], [*rows, None],
            [*rows, np.zeros((2, self.channels + 1))], [*rows, ["a"]], [*rows, 3.0], {"a": rows},
            np.zeros((2, 3), complex), np.array([["a", "b"]]), pd.DataFrame(), pd.Series([1.0]),
            np.array([["2020-01-01"] * 3] * 2, dtype="datetime64[D]"), iter(rows), [{"a": 1.0}],
            pd.DataFrame({"a": [[1.0], "x"]}), np.ma.masked_array(np.zeros((2, 3)), mask=True),
        ]  # fmt: skip
        return choices[self.rng.integers(len(choices))]


def draw_y(kind, problem, rng):
    """Draw targets of one kind or another; a word says which."""
    n, lengths = problem.n, problem.lengths
    labels = LABELS[rng.integers(3, size=n)]
    numbers = rng.normal(size=n)
    steps = [rng.normal(size=k) for k in lengths]
    tags = [LABELS[rng.integers(3, size=k)].tolist() for k in lengths]
    found = {
        "labels": lambda: labels,
        "ints": lambda: rng.integers(-1, 3, size=n),
        "bools": lambda: rng.random(n) < 0.5,
        "one class": lambda: np.full(n, "ash"),
        "floats that are labels": lambda: rng.integers(2, size=n).astype(float),
        "labels as objects": lambda: labels.astype(object),
        "labels, series": lambda: pd.Series(labels, index=np.arange(n) + 5),
        "labels, categorical": lambda: pd.Series(pd.Categorical(labels)),
        "labels, column": lambda: labels[:, None],
        "multilabel": lambda: (rng.random((n, 3)) < 0.5).astype(int),
        "several labels": lambda: LABELS[rng.integers(3, size=(n, 2))],
        "labels and none": lambda: np.array([None, *labels[1:]], dtype=object),
        "mixed": lambda: np.array([1, *labels[1:]], dtype=object),
        "numbers": lambda: numbers,
        "whole numbers": lambda: rng.integers(100, size=n),
        "numbers, list": lambda: numbers.tolist(),
        "numbers, series": lambda: pd.Series(numbers),
        "numbers, column": lambda: numbers[:, None],
        "several numbers": lambda: rng.normal(size=(n, 2)),
        "several numbers, frame": lambda: pd.DataFrame(rng.normal(size=(n, 2)), columns=["p", "q"]),
        "constant": lambda: np.full(n, 3.0),
        "large": lambda: numbers * 1e30,
        "small": lambda: numbers * 1e-30,
        "far": lambda: numbers + 1e9,
        "a missing number": lambda: np.where(np.arange(n) == 0, np.nan, numbers),
        "an infinite number": lambda: np.where(np.arange(n) == 0, np.inf, numbers),
        "numbers a step": lambda: steps,
        "several numbers a step": lambda: [np.c_[s, s] for s in steps],
        "labels a step": lambda: tags,
        "labels a step, arrays": lambda: [np.array(t) for t in tags],
        "pairs": lambda: [(str(label), t) for label, t in zip(labels, tags, strict=True)],
        "one tag": lambda: [["O"] * len(t) for t in tags],
        "steps too few": lambda: [t[:-1] for t in tags],
        "None": lambda: None,
        "too long": lambda: np.arange(n + 1),
        "a string": lambda: "ash",
        "dates": lambda: np.full(n, np.datetime64("2020-01-01")),
        "complex": lambda: numbers * 1j,
    }  # fmt: skip
    classes = list(found)[:13]
    usual = {
        "RNNClassifier": classes[:11],
        "ReservoirClassifier": [*classes[:11], "labels a step"],
        "RNNRegressor": list(found)[13:20] + ["numbers a step", "several numbers a step"],
        "ReservoirRegressor": list(found)[13:20] + ["numbers a step", "several numbers a step"],
        "SequenceTagger": ["labels a step", "labels a step", "labels a step, arrays", "pairs"],
    }.get(kind, ["None"])
    name = str(rng.choice(usual if rng.random() < 0.75 else list(found)))
    return name, found[name]()


def draw_weights(n, rng):
    """Draw weights, mostly none."""
    choices = [
        rng.random(n), np.arange(n), np.zeros(n), -np.ones(n), np.full(n, np.nan), np.ones(n + 1),
        np.ones((n, 1)), ["a"] * n, 1.0, np.full(n, 1e6), np.full(n, np.inf), pd.Series(np.ones(n)),
    ]  # fmt: skip
    return None if rng.random() < 0.7 else choices[rng.integers(len(choices))]


# ------------------------------------------------------------------------------ calls


class Hang(BaseException):
    """A call that took too long."""


class BadResult(AssertionError):
    """A result that no call may return."""


def check(condition, words):
    """Refuse a result."""
    if not condition:
        raise BadResult(words)


def finite(values):
    """Tell whether all numbers of a result are finite."""
    values = np.asarray(values)
    return values.dtype.kind not in "fc" or bool(np.isfinite(values).all())


def by_row(model, method, X):
    """Call a method and return an array a row."""
    found = getattr(model, method)(X)
    if isinstance(model, sklearn_rnn.SequenceTagger) and isinstance(found, list):
        # A list a row; a pair of a label and such a list where it was trained on pairs.
        flat = [[r[0], *r[1]] if isinstance(r, tuple) else r for r in found]
        return [np.asarray(row) for row in flat]
    return rows_of(found, method)


def check_rows(model, method, problem, rng):
    """Predict all rows and one alone: one result for each row, finite, and the same."""
    found = by_row(model, method, problem.made())
    check(len(found) == problem.n, f"{len(found)} results of {method} for {problem.n} rows")
    if not method.startswith("predict_log"):
        check(all(finite(row) for row in found), f"{method} is not finite")
    i = int(rng.integers(problem.n))
    alone = by_row(model, method, problem.made([i]))[0]
    if alone.dtype.kind == "f":
        size = max(1.0, float(np.abs(found[i]).max(initial=0)) if finite(found[i]) else 1.0)
        same = np.allclose(found[i], alone, rtol=1e-5, atol=1e-5 * size, equal_nan=True)
        check(
            alone.shape == found[i].shape and same,
            f"{method}: row {i} alone is {alone!r}, not {found[i]!r}",
        )
    if method == "predict_proba" and not isinstance(model, sklearn_rnn.SequenceTagger):
        multilabel = getattr(getattr(model, "_target", None), "several_outputs", False)
        sums = [row.reshape(-1, row.shape[-1]).sum(1) for row in map(np.atleast_2d, found)]
        check(
            multilabel or all(np.allclose(s, 1, atol=1e-4) for s in sums),
            "probabilities do not sum to 1",
        )


def check_stream(model, problem, rng):
    """Follow the first sequence step by step: what the stream says is what predict says."""
    X = problem.made([0])
    sequences = X if isinstance(X, Sequences) else None
    row = problem.rows[0]
    times = None if sequences is None else sequences.times
    static = None
    if problem.form == "pandas_static":
        frame = problem.made([0])
        static = {"number": frame["number"].iloc[0], "category": frame["category"].iloc[0]}
    stream = model.stream(static)
    for t in range(len(row)):
        value = row[t] if row.shape[1] > 1 else row[t, 0]
        found = stream.push(value) if times is None else stream.push(value, times=times[t])
        if t == len(row) // 2:
            stream = pickle.loads(pickle.dumps(stream))
    # NaN at the end of an array is padding, which no stream knows of.
    expected = model.predict([row] if problem.form.endswith("d") else X)[0]
    if np.asarray(expected).dtype.kind == "f":
        last = np.asarray(expected)[-1] if model._target.by_step else expected
        size = max(1.0, float(np.abs(np.asarray(last)).max()))
        check(
            np.allclose(found, last, rtol=1e-4, atol=1e-4 * size),
            f"the stream says {found!r}, predict {last!r}",
        )


def check_pickle(model, problem):
    """Save and load: the same bits."""
    other = pickle.loads(pickle.dumps(model))
    method = "predict" if hasattr(model, "predict") else "transform"
    pairs = zip(
        by_row(model, method, problem.made()), by_row(other, method, problem.made()), strict=True
    )
    for a, b in pairs:
        check(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), "the saved model has other bits")


METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function", "transform"]
METHODS += ["hidden_states", "attention_weights"]


class Session:
    """The calls on one model."""

    def __init__(self, seed, index, name=None):
        self.rng = rng = np.random.default_rng([seed, index])
        self.name = name or str(
            rng.choice([n for n in KINDS if n != "SequenceForecaster"] + ["SequenceForecaster"] * 3)
        )
        self.kind = KINDS[self.name]
        self.settings = draw_parameters(self.kind, rng)
        self.model = self.kind().set_params(**self.settings)
        self.refused = False

    def calls(self):
        """Yield (words, function), one call after the other; what comes next may look back."""
        if self.name == "SequenceForecaster":
            yield from self.forecasts()
            return
        rng = self.rng
        problem = Problem(rng, self.name)
        kind_of_y, y = draw_y(self.name, problem, rng)
        self.about = f"{problem.form} n={problem.n} channels={problem.channels}; y: {kind_of_y}"
        if rng.random() < 0.05:
            yield (
                "predict before fit",
                lambda: getattr(self.model, "predict", self.model.transform)(problem.made()),
            )
        yield "fit", lambda: self.fit(problem, y, "fit")
        if self.refused and rng.random() < 0.8:
            return
        model = self.model
        for _ in range(rng.integers(2, 7)):
            can = [m for m in METHODS if hasattr(model, m)]
            can += ["score", "pickle", "clone", "refit", "set_params", "other X", "repr"]
            can += ["partial_fit"] if hasattr(model, "partial_fit") else []
            can += ["stream"] * 2 if hasattr(model, "stream") else []
            can += ["inverse"] if hasattr(model, "inverse_transform") else []
            can += ["split"] * 3 if hasattr(model, "split") else []
            chosen = str(rng.choice(can))
            if chosen in METHODS:
                yield chosen, lambda m=chosen: self.rows(m, problem)
            elif chosen == "score":
                if hasattr(model, "score") and problem.n > 1:
                    yield (
                        "score",
                        lambda: check(
                            finite(model.score(problem.made(), y)), "score is not finite"
                        ),
                    )
            elif chosen == "pickle":
                yield "pickle", lambda: check_pickle(model, problem)
            elif chosen == "clone":
                yield "clone", lambda: clone(model)
            elif chosen == "repr":
                yield "repr", lambda: (repr(model), model._repr_html_())
            elif chosen == "refit":
                yield "refit", lambda: self.fit(problem, y, "fit")
            elif chosen == "partial_fit":
                yield "partial_fit", lambda: self.fit(problem, y, "partial_fit")
            elif chosen == "set_params":
                name = str(rng.choice(names_of(self.kind)))
                value = draw_value(self.kind, name, rng)
                self.settings[f"then {name}"] = value
                model.set_params(**{name: value})
                yield "refit", lambda: self.fit(problem, y, "fit")
            elif chosen == "other X":
                other = Problem(rng, self.name)
                method = "predict" if hasattr(model, "predict") else "transform"
                yield (
                    f"{method} of {other.form}",
                    lambda o=other, m=method: getattr(model, m)(o.made()),
                )
            elif chosen == "stream":
                if problem.form not in (
                    "texts",
                    "words",
                    "text_frame",
                    "text_static",
                    "long",
                    "bad",
                ):
                    yield "stream", lambda: check_stream(model, problem, rng)
            elif chosen == "inverse":
                yield "inverse", lambda: model.inverse_transform(model.transform(problem.made()))
            elif chosen == "split":
                yield (
                    "split",
                    lambda: (
                        model.split(problem.made()),
                        model.merge(model.split(problem.made())[1], problem.made()),
                    ),
                )

    def fit(self, problem, y, method):
        """Fit, with weights where they are taken."""
        model, rng = self.model, self.rng
        arguments = {}
        parameters = inspect.signature(getattr(model, method)).parameters
        if "sample_weight" in parameters:
            weights = draw_weights(problem.n, rng)
            if weights is not None:
                arguments["sample_weight"] = weights
        if method == "fit" and "X_val" in parameters and rng.random() < 0.1:
            arguments.update(X_val=problem.made(), y_val=y)
        if y is None and not hasattr(model, "predict"):
            getattr(model, method)(problem.made(), **arguments)
        else:
            getattr(model, method)(problem.made(), y, **arguments)

    def rows(self, method, problem):
        """Call a method; compare row by row where it answers by row."""
        by_row = problem.form not in ("bad", "long") and self.name != "SlidingWindows"
        if by_row and not (self.name == "SequenceImputer" or self.settings.get("missing") == "x"):
            if self.name in TRANSFORMERS:
                rows_of(self.model.transform(problem.made()), "transform")
            else:
                check_rows(self.model, method, problem, self.rng)
        else:
            getattr(self.model, method)(problem.made())

    # ---------------------------------------------------------------- forecasts

    def forecasts(self):
        """Yield the calls on a forecaster."""
        rng, model = self.rng, self.model
        n = int(rng.choice([1, 2, 3, 5, 8, 20, 40, 60]))
        ids = int(rng.choice([1, 1, 2, 3]))
        form = str(rng.choice(["alone", "array", "frame", "panel", "indexed", "covariates"]))
        steps = np.arange(n * ids)
        y = np.sin(steps) + 5 + 0.1 * rng.normal(size=n * ids)
        shape = rng.random()
        if shape < 0.1:
            y = rng.poisson(2.0, size=n * ids).astype(float)
        elif shape < 0.2:
            y = np.c_[y, y[::-1]]
        elif shape < 0.3:
            y[rng.random(n * ids) < 0.3] = np.nan
        elif shape < 0.35:
            y = np.full(n * ids, 2.0)
        elif shape < 0.4:
            y = y * rng.choice([1e30, 1e-30, 1e9, -1.0])
        elif shape < 0.45:
            y = [None, "abc", [], np.full(n * ids, np.inf), np.array(["a"] * n * ids), y[:-1]][
                rng.integers(6)
            ]
        days = pd.date_range("2024-01-01", periods=n, freq=rng.choice(["D", "h", "MS", "7D"]))
        frame = pd.DataFrame(
            {
                "id": np.repeat(np.arange(ids), n),
                "time": np.tile(days, ids),
                "a": rng.normal(size=n * ids),
                "b": np.repeat(rng.normal(size=ids), n),
            }
        )
        later = frame.assign(time=frame["time"] + (days[-1] - days[0]) + pd.Timedelta("1D"))
        make = {
            "alone": lambda f: None,
            "array": lambda f: f[["a", "b"]].to_numpy(),
            "frame": lambda f: f[["time", "a"]],
            "panel": lambda f: f,
            "indexed": lambda f: f.set_index("time")[["a"]],
            "covariates": lambda f: f.set_index(["id", "time"])[["a", "b"]],
        }[form]
        if form == "panel" and rng.random() < 0.8:
            model.set_params(id_col="id", time_col="time")
        self.about = f"{form} n={n} series={ids}"
        X, ahead = make(frame), make(later)
        yield "fit", lambda: model.fit(X, y)
        if self.refused and rng.random() < 0.8:
            return
        for _ in range(rng.integers(2, 6)):
            chosen = str(
                rng.choice(
                    [
                        "predict",
                        "forecast",
                        "quantiles",
                        "interval",
                        "update",
                        "pickle",
                        "score",
                        "refit",
                        "set_params",
                        "clone",
                    ]
                )
            )
            steps_ahead = rng.choice([1, 2, 5, 40])
            if chosen == "predict":
                yield "predict", lambda: model.predict(ahead)
            elif chosen == "forecast":
                yield "forecast", lambda steps=int(steps_ahead): model.forecast(steps)
            elif chosen == "quantiles":
                yield (
                    "quantiles",
                    lambda: model.predict_quantiles(
                        ahead,
                        quantiles=None
                        if rng.random() < 0.7
                        else draw_value(self.kind, "quantiles", rng),
                    ),
                )
            elif chosen == "interval":
                yield (
                    "interval",
                    lambda: model.predict_interval(
                        ahead, coverage=rng.choice([0.5, 0.9, 1.0, 0.0, -1.0, 2.0])
                    ),
                )
            elif chosen == "update":
                yield "update", lambda: model.update(ahead, y)
            elif chosen == "score":
                yield "score", lambda: model.score(ahead, y)
            elif chosen == "clone":
                yield "clone", lambda: clone(model)
            elif chosen == "refit":
                yield "refit", lambda: model.fit(X, y)
            elif chosen == "pickle":
                yield "pickle", lambda: self.forecast_again(model)
            elif chosen == "set_params":
                name = str(rng.choice(names_of(self.kind)))
                value = draw_value(self.kind, name, rng)
                self.settings[f"then {name}"] = value
                model.set_params(**{name: value})

    def forecast_again(self, model):
        """Save and load: the same bits."""
        one, two = model.forecast(3), pickle.loads(pickle.dumps(model)).forecast(3)
        pd.testing.assert_frame_equal(one, two)


# ------------------------------------------------------------------------------ judging

# What a user should never read: the words of torch, NumPy and Python about our insides.
INNER = re.compile(
    r"mat1|size mismatch|sizes of tensors|require grad|ScalarType|broadcast|inhomogeneous|"
    r"unhashable|"
    r"has no attribute|NoneType|subscriptable|positional argument|keyword argument|out of bounds|"
    r"cannot unpack|array element|ufunc|not supported between|real number|an integer is required|"
    r"too large to convert|int too|overflow|unsupported operand|not iterable|not callable|"
    r"list index|"
    r"Unable to allocate|DefaultCPUAllocator|bad allocation|ambiguous|Storage size|must be tensors|"
    r"invalid literal|could not convert|cannot convert|zero-size|slice|concatenat|reshape|axis|"
    r"internal|assert|optimizer__param|module__|got an unexpected"
)
# What scikit-learn's own checks want to read.
EXPECTED = re.compile(
    r"Reshape your data.*|X holds.*?: could not convert string to float|"
    r"; got NoneType|Expected 2D array[^.]*"
)
DOCUMENTED = (ValueError, TypeError, NotFittedError, FileNotFoundError)
QUIET = (RuntimeWarning, DeprecationWarning, PendingDeprecationWarning, ResourceWarning)


def judge(call):
    """Make a call; return what it came to, its message, whether that is allowed, the traceback."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in QUIET:
            warnings.simplefilter("error", kind)
        try:
            call()
        except (Exception, Hang) as error:
            message = str(error)
            words = EXPECTED.sub("", message)
            allowed = isinstance(error, DOCUMENTED) and bool(words) and not INNER.search(words)
            return type(error).__name__, message, allowed, traceback.format_exception(error)
    return "ok", "", True, []


def alarm(signum, frame):
    """Interrupt a call that hangs."""
    raise Hang(f"more than {SECONDS} s")


def run(seed, n_calls, *, start=0, only=None, names=None, report=print):
    """Make `n_calls` calls; return what they came to, counted, and the failures."""
    counts, messages, failures = collections.Counter(), collections.Counter(), []
    index, made = start, 0
    signal.signal(signal.SIGALRM, alarm)
    while made < n_calls:
        name = None if names is None else names[index % len(names)]
        session = Session(seed, index, name)
        for words, call in session.calls():
            signal.alarm(SECONDS)
            try:
                outcome, message, allowed, _ = judge(call)
            finally:
                signal.alarm(0)
            made += 1
            session.refused = outcome != "ok"
            counts[outcome] += 1
            if message:
                messages[f"{outcome}: {re.sub(r'[0-9]+', '#', message)[:160]}"] += 1
            if not allowed:
                model = f"{session.name}({session.settings}) {session.about}"
                told = f"[{seed}, {index}] {model} .{words}: {outcome}: {message[:300]}"
                failures.append(told)
                report(told)
        index += 1
        if only is not None:
            break
    return counts, messages, failures


def main():
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="one session, with tracebacks")
    parser.add_argument("--kinds", nargs="*", help="names of classes")
    parser.add_argument("--messages", action="store_true", help="print every message")
    parser.add_argument("--memory", type=float, default=6.0, help="GiB that may be taken")
    options = parser.parse_args()
    faulthandler.enable()
    torch.set_num_threads(1)
    limit_memory(options.memory)
    if options.only is not None:
        name = options.kinds[options.only % len(options.kinds)] if options.kinds else None
        session = Session(options.seed, options.only, name)
        for words, call in session.calls():
            outcome, message, allowed, trace = judge(call)
            session.refused = outcome != "ok"
            print("ok " if allowed else "BAD", words, outcome, message[:200])
            if not allowed:
                print(session.name, session.settings, session.about, *trace, sep="\n")
        return
    counts, messages, failures = run(options.seed, options.calls, names=options.kinds)
    if options.messages:
        for message, count in messages.most_common():
            print(count, message)
    print(dict(counts), f"{len(failures)} failures")
    sys.exit(bool(failures))


def limit_memory(gigabytes):
    """Let what is too large fail at once."""
    import resource

    size = int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    main()
