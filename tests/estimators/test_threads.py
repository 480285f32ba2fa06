"""What a fit does to its process: random states stay, and a fork after it does not hang."""

import copy
import os
import pickle
import signal
import subprocess
import sys
import time
import traceback
import warnings

import numpy as np
import pytest
import torch

from sklearn_rnn import (
    Distribution,
    Dropout,
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
from sklearn_rnn.testing._checks_of_fits import unchanged_globals

N = 40
RNG = np.random.default_rng(0)
ROWS = [RNG.normal(size=(RNG.integers(9, 15), 2)) for _ in range(N)]
LABELS = np.array(["off", "on"])[np.arange(N) % 2]
NUMBERS = np.array([row[:, 0].mean() for row in ROWS])
BOTH = np.stack([np.arange(N) % 2, np.arange(N) // 2 % 2], axis=1)
STEPS = [row[:, 0].cumsum() for row in ROWS]
TOKENS = Sequences.from_list([RNG.integers(20, size=len(row)) for row in ROWS], vocabulary_size=20)
TEXTS = [" ".join(f"w{token}" for token in np.ravel(row)) for row in TOKENS.to_list()]
WORDS = [text.split() for text in TEXTS]
TAGS = [["N" if word < "w3" else "V" for word in row] for row in WORDS]
SERIES = np.sin(np.arange(90.0)) + RNG.normal(scale=0.1, size=90)
SMALL = {"hidden_size": 4, "max_epochs": 1}
# Name -> estimator, X and y.
CASES = {
    "classifier": (RNNClassifier(**SMALL), ROWS, LABELS),
    "watched": (
        RNNClassifier(**SMALL, closed_form=False, early_stopping=True, dropout=0.1),
        ROWS,
        LABELS,
    ),
    "members": (RNNClassifier(**SMALL, n_estimators=2, dropout=Dropout(weights=0.1)), ROWS, LABELS),
    "multilabel": (RNNClassifier(**SMALL), ROWS, BOTH),
    "reservoir only": (RNNClassifier(closed_form="only"), ROWS, LABELS),
    "one direction": (RNNClassifier(**SMALL, bidirectional=False), ROWS, LABELS),
    "joint": (
        RNNClassifier(**SMALL),
        ROWS,
        BOTH + np.array([[0, 1]]) * (np.arange(N) % 3)[:, None],
    ),
    "tokens": (RNNClassifier(**SMALL), TOKENS, LABELS),
    "n-grams only": (RNNClassifier(closed_form="only"), TOKENS, LABELS),
    "no n-grams": (RNNClassifier(**SMALL, closed_form=False), TOKENS, LABELS),
    "token numbers": (RNNRegressor(**SMALL), TOKENS, NUMBERS),
    "numbers": (RNNRegressor(**SMALL), ROWS, NUMBERS),
    "several numbers": (RNNRegressor(**SMALL), ROWS, np.c_[NUMBERS, NUMBERS]),
    "steps": (RNNRegressor(**SMALL), ROWS, STEPS),
    "own cell": (RNNClassifier(**SMALL, cell=torch.nn.GRUCell), ROWS, LABELS),
    "reservoir": (ReservoirClassifier(4), ROWS, LABELS),
    "reservoir of tokens": (ReservoirClassifier(4), TOKENS, LABELS),
    "reservoir of numbers": (ReservoirRegressor(4), ROWS, NUMBERS),
    "reservoir of steps": (ReservoirRegressor(4), ROWS, STEPS),
    "reservoir transformer": (ReservoirTransformer(4), ROWS, None),
    "tagger": (SequenceTagger(**SMALL), WORDS, TAGS),
    "tagger of numbers": (
        SequenceTagger(**SMALL),
        ROWS,
        [np.where(row[:, 0] > 0, "up", "down") for row in ROWS],
    ),
    "forecaster": (SequenceForecaster(4, max_epochs=1, hidden_size=4), None, SERIES),
    "recursive": (
        SequenceForecaster(
            2,
            max_epochs=1,
            hidden_size=4,
            decoder="recursive",
            distribution=Distribution("normal", n_samples=5),
        ),
        None,
        SERIES,
    ),
    "linear forecaster": (SequenceForecaster(4, closed_form="only"), None, SERIES),
    "imputer": (SequenceImputer(), ROWS, None),
    "resampler": (SequenceResampler(5), ROWS, None),
    "scaler": (SequenceScaler(), ROWS, None),
    "windows": (SlidingWindows(3, target=0, horizon=1), ROWS, None),
    "tokenizer": (TextTokenizer(), TEXTS, None),
    "to sequences": (ToSequences(), ROWS, None),
}
SOME = ("classifier", "tokens", "own cell", "reservoir", "tagger", "forecaster")
METHODS = ("predict", "predict_proba", "transform", "hidden_states", "predict_quantiles")


def use(model, X, y):
    """Call everything that a fitted estimator does."""
    if isinstance(model, SequenceForecaster):
        model.forecast(3)
        return
    for method in METHODS:
        if hasattr(model, method) and not (method == "transform" and isinstance(y, list)):
            getattr(model, method)(X)
    if getattr(model, "bidirectional", True) is False and hasattr(model, "stream"):
        model.stream().push(X[0])


def fitted(name, **settings):
    """Fit a case with a seed."""
    model, X, y = CASES[name]
    model = copy.deepcopy(model)
    if "random_state" in model.get_params():
        model.set_params(random_state=0, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y), X, y


@pytest.mark.parametrize("name", CASES)
def test_no_random_state_of_the_process_moves(name):
    fitted(name)  # what a first use imports is not its business
    with unchanged_globals(name):
        model, X, y = fitted(name)
        use(model, X, y)
        use(pickle.loads(pickle.dumps(model)), X, y)
    if hasattr(model, "partial_fit") and getattr(model, "closed_form", None) != "only":
        if y is not None:
            with unchanged_globals(f"partial_fit of {name}"):
                model.partial_fit(X, y)


@pytest.mark.parametrize("name", ["classifier", "tokens", "numbers", "reservoir", "tagger"])
def test_nor_does_it_in_a_fit_that_fails(name):
    model, X, y = fitted(name)
    for wrong in (y[:-1], [None, *y[1:]]):
        with unchanged_globals(f"a failed fit of {name}"), pytest.raises((ValueError, TypeError)):
            model.fit(X, wrong)


@pytest.mark.parametrize("name", ["classifier", "own cell", "tokens", "tagger", "forecaster"])
def test_nor_does_it_in_a_fit_that_is_interrupted(name, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    fitted(name)
    monkeypatch.setattr(torch.optim.AdamW, "step", interrupt)
    with unchanged_globals(f"an interrupted fit of {name}"), pytest.raises(KeyboardInterrupt):
        fitted(name)


# ---------------------------------------------------------------- forks


def fork(work, seconds=120):
    """Run something in a forked child; say whether it came to an end by itself."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "ended" if status == 0 else "failed"
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hangs"


def fork_after_each(parent):
    """Fit and use each case, fork, and do the same in the child with a new and the old model."""
    for name in CASES:
        if parent == "many threads":
            torch.mm(torch.rand(500, 500), torch.rand(500, 500)).exp().sum()
        model, X, y = fitted(name)
        use(model, X, y)
        stored = pickle.dumps(model)

        def work(name=name, model=model, X=X, y=y, stored=stored):
            use(model, X, y)
            use(pickle.loads(stored), X, y)
            fitted(name)
            copy.deepcopy(model)

        print(f"{name}: {fork(work, seconds=60)}", flush=True)


def run_without_limits(code):
    """Run Python with nothing said about threads."""
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    return run.stdout + run.stderr


HERE = f"""
import importlib.util, torch
torch.set_num_threads(2)
def here():
    spec = importlib.util.spec_from_file_location("here", {__file__!r})
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("parent", ["nothing of its own", "many threads"])
def test_nothing_hangs_in_a_fork_after_a_fit(parent):
    found = run_without_limits(HERE + f"here().fork_after_each({parent!r})")
    assert found.splitlines() == [f"{name}: ended" for name in CASES]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_nothing_hangs_where_the_fork_came_before_the_import():
    """The parent only used torch; nobody could have prepared its fork."""
    code = HERE + (
        "import os, pickle\n"
        "large = torch.rand(900, 900)\n"
        "torch.mm(large, large).exp().sum()\n"
        "child = os.fork()\n"
        "if child:\n"
        "    raise SystemExit(os.waitpid(child, 0)[1])\n"
        "here = here()\n"
        "for name in here.SOME:\n"
        "    model, X, y = here.fitted(name)\n"
        "    here.use(pickle.loads(pickle.dumps(model)), X, y)\n"
        "    print(name, flush=True)\n"
        "os._exit(0)\n"
    )
    assert run_without_limits(code).splitlines() == list(SOME)
