"""Whatever goes wrong in a fit, the model is as before or new, and never between."""

import inspect
import os
import random
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler

import sklearn_rnn
from sklearn_rnn import Dropout, Optimizer, preprocessing
from sklearn_rnn.nn import _compiled as _threads
from sklearn_rnn.sequences import _conduct
from sklearn_rnn.training import _device

rng = np.random.default_rng(0)
X = [rng.normal(size=(rng.integers(5, 12), 2)) for _ in range(40)]
OTHER = [2 * x + 1 for x in X]
Y, NUMBERS = np.arange(40) % 2, rng.normal(size=40)
SETS = (rng.random((40, 3)) < 0.4).astype(int)
STEPS = [x[:, 0] for x in X]
WORDS = [[f"w{i}" for i in rng.integers(0, 30, rng.integers(3, 8))] for _ in range(30)]
TAGS = [["B" if word[-1] in "123" else "O" for word in row] for row in WORDS]
TEXTS = [" ".join(row) for row in WORDS]
DAYS = pd.date_range("2020-01-01", periods=65, freq="D")
SERIES = pd.Series(np.sin(np.arange(65) / 3) + rng.normal(0, 0.1, 65), DAYS, name="sales")
PAST, SINCE = SERIES[:60], SERIES[60:]
TOKENS = preprocessing.TextTokenizer().fit_transform(TEXTS)

TINY = {"hidden_size": 4, "max_epochs": 2, "batch_size": 16, "random_state": 0}
DROPPED = {**TINY, "dropout": Dropout(weights=0.5), "n_estimators": 2}
WARM = {**TINY, "warm_start": True}
UNITS = {"hidden_size": 5, "random_state": 0}
AHEAD = {"horizon": 3, "hidden_size": 4, "max_epochs": 2, "random_state": 0}


def rows(found):
    """Return outputs of any form as one array."""
    return np.concatenate([np.asarray(row, dtype=float).ravel() for row in found])


#: Class, parameters, what is learned first, and then, and by what outputs are compared.
CASES = {
    "classifier": ("RNNClassifier", TINY, ("fit", X, Y), ("fit", OTHER, 1 - Y)),
    "warm start": ("RNNClassifier", WARM, ("fit", X, SETS), ("fit", OTHER, 1 - SETS)),
    "partial_fit": ("RNNClassifier", DROPPED, ("fit", X, Y), ("partial_fit", OTHER, 1 - Y)),
    "regressor": ("RNNRegressor", DROPPED, ("fit", X, NUMBERS), ("fit", OTHER, -NUMBERS)),
    "online": ("RNNRegressor", TINY, ("partial_fit", X, STEPS), ("partial_fit", OTHER, STEPS)),
    "tokens": ("RNNClassifier", WARM, ("fit", TOKENS, Y[:30]), ("fit", TOKENS, 1 - Y[:30])),
    "tagger": ("SequenceTagger", TINY, ("fit", WORDS, TAGS), ("fit", WORDS[::-1], TAGS[::-1])),
    "reservoir": ("ReservoirClassifier", UNITS, ("fit", X, Y), ("fit", OTHER, 1 - Y)),
    "portions": (
        "ReservoirClassifier", UNITS, ("partial_fit", X, Y), ("partial_fit", OTHER, 1 - Y),
    ),
    "sums": (
        "ReservoirRegressor", UNITS, ("partial_fit", X, STEPS), ("partial_fit", OTHER, STEPS),
    ),
    "states": ("ReservoirTransformer", UNITS, ("fit", X), ("fit", OTHER)),
    "forecaster": ("SequenceForecaster", AHEAD, ("fit", None, PAST), ("fit", None, -PAST)),
    "update": (
        "SequenceForecaster",
        {**AHEAD, "closed_form": "only"},
        ("fit", None, PAST),
        ("update", None, SINCE),
    ),
    "scaler": ("SequenceScaler", {}, ("fit", X), ("fit_transform", OTHER)),
    "more to scale": ("SequenceScaler", {}, ("partial_fit", X), ("partial_fit", OTHER)),
    "imputer": ("SequenceImputer", {}, ("fit", X), ("fit", OTHER)),
    "resampler": ("SequenceResampler", {}, ("fit", X), ("fit", [x[:4] for x in X])),
    "tokenizer": ("TextTokenizer", {}, ("fit", TEXTS), ("fit_transform", ["v1 v2", "w1"])),
    "vocabulary": (
        "TextTokenizer",
        {"max_vocabulary": 99},
        ("partial_fit", TEXTS),
        ("partial_fit", ["v1 v2", "w1"]),
    ),
}  # fmt: skip


def make(case):
    name, parameters, *_ = CASES[case]
    kind = getattr(sklearn_rnn, name, None) or getattr(preprocessing, name)
    return kind(**parameters)


def learn(model, step):
    method, *data = step
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(model, method)(*data)
    return model


def outputs(model):
    """Return what a model answers to what its kind learns from."""
    if hasattr(model, "forecast"):
        return rows([model.forecast(3, quantiles=[0.1]).iloc[:, 1:]])
    if isinstance(model, preprocessing.TextTokenizer):
        return rows(model.transform(TEXTS))
    if isinstance(model, sklearn_rnn.SequenceTagger):
        return rows(model.predict_proba(WORDS))
    tokens = getattr(getattr(model, "_input_schema_", None), "vocabulary_size", None)
    data = X if tokens is None else TOKENS
    for name in ("predict_proba", "predict", "transform"):
        if hasattr(model, name):
            return rows(getattr(model, name)(data))
    raise AssertionError(model)


class CtrlC:
    """Raise KeyboardInterrupt at a call within the package; count the calls until then."""

    def __init__(self, at=-1):
        self.at, self.calls = at, 0
        self.folder = os.path.dirname(sklearn_rnn.__file__)

    def __call__(self, frame, event, arg):
        code = frame.f_code
        inside = code.co_filename.startswith(self.folder)
        # What is imported on the way, and generators that are closed, do not raise.
        if not inside or code.co_name in ("<module>", "<genexpr>"):
            return
        if code.co_filename == _conduct.__file__:
            return
        self.calls += 1
        if self.calls == self.at:
            sys.settrace(None)
            raise KeyboardInterrupt

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self)
        return self

    def __exit__(self, *error):
        sys.settrace(self.before)


@pytest.mark.parametrize("case", CASES)
def test_an_interrupt_leaves_the_model_of_before(case):
    *_, first, then = CASES[case]
    model = learn(make(case), first)
    with CtrlC() as whole:
        learn(model, then)
    expected = outputs(model)
    draw = random.Random(case)
    late = whole.calls - draw.randint(0, whole.calls // 20)
    model, at = learn(make(case), first), draw.choice([draw.randint(1, whole.calls), late])
    before, state = outputs(model), np.random.get_state()[1].copy()
    torchs = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt), CtrlC(at):
        learn(model, then)
    np.testing.assert_array_equal(outputs(model), before)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert torch.equal(torch.get_rng_state(), torchs)
    # Nothing of the process is left as the fit had it, and a fit after it is like any other.
    assert not _device.cpu_threads._inside and not _device._inside and _device._setter is None
    assert _threads._allowed.get() is None
    np.testing.assert_array_equal(outputs(learn(model, then)), expected)


@pytest.mark.parametrize("case", CASES)
def test_an_interrupted_first_fit_leaves_a_whole_model_or_none(case):
    *_, first, _ = CASES[case]
    with CtrlC() as whole:
        model = learn(make(case), first)
    expected = outputs(model)
    model, at = make(case), random.Random(case).randint(1, whole.calls)
    with pytest.raises(KeyboardInterrupt), CtrlC(at):
        learn(model, first)
    try:
        assert np.isfinite(outputs(model)).all()
    except NotFittedError:
        assert vars(model) == model.get_params(deep=False)
        np.testing.assert_array_equal(outputs(learn(model, first)), expected)


BAD = {
    "another width, too few targets": ("fit", [x[:, [0, 1, 1]] for x in X], Y[:7]),
    "no target": ("fit", [x[:, [0, 1, 1]] for x in X], np.full(40, np.nan)),
    "infinity": ("fit", [x * np.inf for x in X], Y),
    "a portion of another width": ("partial_fit", [x[:, [0]] for x in X], Y),
    "a portion without targets": ("partial_fit", X, np.full(40, np.nan)),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("case", ["classifier", "regressor", "reservoir", "portions"])
def test_bad_input_leaves_the_model_of_before(case, bad):
    model = learn(make(case), CASES[case][2])
    before = outputs(model)
    with pytest.raises(ValueError):
        learn(model, BAD[bad])
    np.testing.assert_array_equal(outputs(model), before)


def test_a_portion_that_diverges_leaves_the_model_of_before():
    model = sklearn_rnn.RNNRegressor(**TINY, optimizer=Optimizer(gradient_clip=None)).partial_fit(
        X, NUMBERS
    )
    before = outputs(model)
    with pytest.raises(ValueError, match="diverged"):
        model.partial_fit(X, 1e30 * NUMBERS)
    np.testing.assert_array_equal(outputs(model), before)
    assert len(model.loss_curve_) == model.n_iter_ == 1


class Broken:
    """A callback that does what it is told at the end of a task."""

    def __init__(self, error, after):
        self.error, self.after = error, after

    def setup(self, estimator, context):
        pass

    teardown = setup

    def on_fit_task_begin(self, estimator, context, **kwargs):
        pass

    def on_fit_task_end(self, estimator, context, **kwargs):
        self.after -= 1
        if not self.after:
            raise self.error
        return False


@pytest.mark.parametrize("error", [KeyError("mine"), MemoryError("full"), KeyboardInterrupt()])
@pytest.mark.parametrize("case", ["classifier", "reservoir", "states", "forecaster", "scaler"])
def test_a_callback_that_raises_leaves_the_model_of_before(case, error):
    *_, first, then = CASES[case]
    model = learn(make(case), first)
    before = outputs(model)
    model.set_callbacks(Broken(error, after=1))
    with pytest.raises((type(error), ValueError)) as caught:
        learn(model, then)
    assert caught.value is error or caught.value.__cause__ is error
    np.testing.assert_array_equal(outputs(model), before)


def test_every_method_that_learns_is_all_or_nothing():
    for module in (sklearn_rnn, preprocessing):
        for kind in map(module.__dict__.get, module.__all__):
            kind = kind if inspect.isclass(kind) else None
            for name in ("fit", "partial_fit", "update", "fit_transform"):
                method = getattr(kind, name, None)
                if str(getattr(method, "__module__", "")).startswith("sklearn_rnn"):
                    assert getattr(method, "is_all_or_nothing", False), (kind, name)


def test_a_forecaster_whose_first_fit_failed_is_not_fitted():
    model = sklearn_rnn.SequenceForecaster(horizon=3, freq="nonsense")
    with pytest.raises(ValueError):
        model.fit(None, PAST)
    with pytest.raises(NotFittedError):
        model.forecast(3)


def test_a_forecast_pipeline_is_fitted_as_a_whole():
    frame = pd.DataFrame({"price": np.arange(65.0)}, index=DAYS)
    forecaster = sklearn_rnn.SequenceForecaster(3, closed_form="only", random_state=0)
    model = sklearn_rnn.make_forecast_pipeline(StandardScaler(), forecaster)
    model.fit(frame[:60], PAST)
    before = model.predict(frame[60:])
    with pytest.raises(ValueError):
        model.fit(frame[:60] * 1000, PAST * np.nan)
    np.testing.assert_array_equal(model.predict(frame[60:]), before)


@pytest.mark.parametrize("learns", ["partial_fit", "warm_start"])
@pytest.mark.parametrize("name", ["RNNClassifier", "RNNRegressor"])
def test_a_stream_holds_what_it_began_with(name, learns):
    model = getattr(sklearn_rnn, name)(**TINY, bidirectional=False).fit(X, Y)
    kept, held = model.stream(), model.stream()
    expected = [held.push(step) for step in X[0]]
    found = [kept.push(step) for step in X[0][:3]]
    for _ in range(2):
        if learns == "partial_fit":
            model.partial_fit(OTHER, 1 - Y)
        else:
            model.set_params(warm_start=True).fit(OTHER, 1 - Y)
    found += [kept.push(step) for step in X[0][3:]]
    np.testing.assert_array_equal(found, expected)
    again = kept.reset()
    np.testing.assert_array_equal([again.push(step) for step in X[0]], expected)


FIRST_FIT = """
    import os, signal, sys, tempfile, traceback
    import numpy as np, torch
    from sklearn_rnn import RNNClassifier

    def interrupt(*_):
        raise KeyboardInterrupt

    X, y = np.random.default_rng(0).normal(size=(30, 6)), np.arange(30) % 2
    model = RNNClassifier(4, max_epochs=1, optimizer=OPTIMIZER, random_state=0)
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        model.fit(X, y)
    except KeyboardInterrupt:
        print("interrupted")
    signal.setitimer(signal.ITIMER_REAL, 0)
    model.fit(X, y)
    print("torch._dynamo" in sys.modules, os.listdir(tempfile.gettempdir()))
"""


def first_fit(tmp_path, optimizer, seconds):
    code = textwrap.dedent(FIRST_FIT).replace("OPTIMIZER", optimizer)
    environment = {**os.environ, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code.replace("SECONDS", str(seconds))],
        env=environment, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return done.stdout.split("\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no such signals")
def test_an_interrupt_while_torch_imports_its_compiler_spoils_no_later_fit(tmp_path):
    *interrupted, loaded, _ = first_fit(tmp_path, "torch.optim.NAdam", 0.1)
    assert interrupted == ["interrupted"] and loaded.startswith("True")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no such signals")
def test_a_fit_needs_nothing_of_torchs_compiler_and_leaves_no_folder(tmp_path):
    assert first_fit(tmp_path, "torch.optim.AdamW", 0)[0] == "False []"
