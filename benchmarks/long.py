"""Measure long sequences and live data: python benchmarks/long.py

Memory of prediction and training in fresh processes, the parallel scan beside torch's recurrences,
the adding problem over many steps, and what a step of live data costs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _report import add_page_options, environment, publish, table

from sklearn_rnn import Optimizer, RNNClassifier, RNNRegressor
from sklearn_rnn.datasets import make_adding_problem
from sklearn_rnn.nn._cells import MinGRU, MinLSTM

MIB = 2**20

# Predictions of one sequence: what it is, parameters, method, targets a step.
PREDICT: dict[str, tuple[dict[str, Any], str, bool]] = {
    "all defaults": ({}, "predict", False),
    "closed form alone": ({"closed_form": "only"}, "predict", False),
    "one direction": ({"bidirectional": False}, "predict", False),
    "convolutional stem": ({"stem": "conv"}, "predict", False),
    "attention, 2 layers": ({"pooling": "attention", "num_layers": 2}, "predict", False),
    "a target at every step": ({}, "predict", True),
    "hidden states": ({"hidden_size": 8}, "hidden_states", False),
}
TRAIN: dict[str, dict[str, Any]] = {
    "all kept": {"optimizer": Optimizer(gradient_checkpointing=False)},
    "checkpoints": {"optimizer": Optimizer(gradient_checkpointing=True)},
}
STREAMS: dict[str, dict[str, Any]] = {
    "GRU": {"cell": "gru", "closed_form": False},
    "LSTM": {"closed_form": False},
    "LSTM, convolutional stem": {"stem": "conv", "closed_form": False},
    "reservoir alone": {"closed_form": "only"},
    "all defaults": {},
}


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Measure how far the resident set grows, in MiB, looking every few milliseconds."""
    import psutil

    process, done = psutil.Process(), threading.Event()
    begun, found = process.memory_info().rss, [0.0]

    def watch() -> None:
        while not done.wait(0.003):
            found[0] = max(found[0], (process.memory_info().rss - begun) / MIB)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def run_predict(case: str, steps: int) -> dict[str, float]:
    """Predict one long sequence in this process."""
    parameters, method, per_step = PREDICT[case]
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(50, 1)).astype(np.float32) for _ in range(40)]
    kind = RNNRegressor if per_step else RNNClassifier
    y = [x[:, 0] for x in X] if per_step else np.arange(40) % 2
    model = kind(**{"closed_form": False, "max_epochs": 1, "random_state": 0} | parameters)
    model.fit(X, y)
    getattr(model, method)(X)
    data = [rng.normal(size=(steps, 1)).astype(np.float32)]
    begun = time.perf_counter()
    with peak_memory() as peak:
        result = getattr(model, method)(data)
    seconds = time.perf_counter() - begun
    size = result.values.nbytes if method == "hidden_states" else np.asarray(result[0]).nbytes
    return {"MiB": peak[0], "s": seconds, "result MiB": size / MIB}


def run_train(case: str, steps: int) -> dict[str, float]:
    """Train on eight long sequences in this process."""
    rng = np.random.default_rng(0)
    y = np.arange(8) % 2
    options: dict[str, Any] = {"closed_form": False, "random_state": 0, "batch_size": 8}
    RNNClassifier(**options, max_epochs=1).fit(rng.normal(size=(8, 50)), y)
    X = rng.normal(size=(8, steps, 1)).astype(np.float32)
    begun = time.perf_counter()
    with peak_memory() as peak:
        model = RNNClassifier(**options, max_epochs=2, **TRAIN[case]).fit(X, y)
    seconds = (time.perf_counter() - begun) / 2
    return {"MiB": peak[0], "s": seconds, "loss": model.loss_curve_[-1]}


def fresh(job: str, case: str, steps: int) -> dict[str, float]:
    """Run a case in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--job", job, "--case", case]
    done = subprocess.run(
        [*command, "--steps", str(steps)], stdout=subprocess.PIPE, text=True, check=True
    )
    report: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return report


def time_scans(rows: int, steps: int, units: int, repeats: int) -> dict[str, float]:
    """Return seconds of forward and backward for each recurrence: minima of alternated runs."""
    layers: dict[str, torch.nn.Module] = {
        "mingru": MinGRU(2, units),
        "mingru, step by step": MinGRU(2, units, parallel=False),
        "minlstm": MinLSTM(2, units),
        "minlstm, step by step": MinLSTM(2, units, parallel=False),
        "torch.nn.GRU": torch.nn.GRU(2, units, batch_first=True),
        "torch.nn.LSTM": torch.nn.LSTM(2, units, batch_first=True),
    }
    x = torch.randn(rows, steps, 2)
    found: dict[str, list[float]] = {name: [] for name in layers}
    for _ in range(repeats):
        for name, layer in layers.items():
            begun = time.perf_counter()
            layer(x)[0].sum().backward()
            found[name].append(time.perf_counter() - begun)
    return {name: min(seconds) for name, seconds in found.items()}


def solve_adding(cell: str, sequences: int, steps: int, epochs: int) -> tuple[float, float]:
    """Return the mean squared error on new sequences, and seconds of the fit."""
    X, y = make_adding_problem(sequences, n_steps=steps, random_state=0)
    X_new, y_new = make_adding_problem(300, n_steps=steps, random_state=1)
    model = RNNRegressor(32, cell=cell, closed_form=False, max_epochs=epochs, random_state=0)
    begun = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - begun
    return float(np.mean((model.predict(X_new) - y_new) ** 2)), seconds


def time_pushes(parameters: dict[str, Any], pushes: int) -> tuple[float, float]:
    """Return microseconds a push after few steps and after many: medians."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(30, 2)).astype(np.float32) for _ in range(40)]
    model = RNNClassifier(32, bidirectional=False, max_epochs=1, random_state=0, **parameters)
    stream = model.fit(X, np.arange(40) % 3).stream()

    def median(push: Callable[[Any], Any]) -> float:
        taken = []
        for _ in range(pushes):
            begun = time.perf_counter()
            push(X[0][0])
            taken.append(time.perf_counter() - begun)
        return 1e6 * statistics.median(taken)

    early = median(stream.push)
    stream.push(rng.normal(size=(20 * pushes, 2)))
    return early, median(stream.push)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Measure everything, print the tables, update the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run?")
    parser.add_argument("--job", choices=("predict", "train"), help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, help=argparse.SUPPRESS)
    add_page_options(parser)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if options.job:
        run = run_predict if options.job == "predict" else run_train
        print(json.dumps(run(options.case, options.steps)))
        return {}
    quick = options.quick
    steps, train_steps = (20_000, 500) if quick else (1_000_000, 20_000)
    pick = (lambda cases: list(cases)[:1]) if quick else list
    found: dict[str, Any] = {}
    cases = {"predict": (PREDICT, steps), "train": (TRAIN, train_steps)}
    for name, (jobs, size) in cases.items():
        found[name] = {}
        for case in pick(jobs):
            found[name][case] = fresh(name, case, size)
            print(name, case, found[name][case], flush=True)
    sizes = ((1, 64), (8, 32), (32, 64))
    length = 50 if quick else 2000
    found["scan"] = {s: time_scans(s[0], length, s[1], 1 if quick else 2) for s in sizes}
    print(found["scan"], flush=True)
    job = (64, 50, 1) if quick else (1000, 1000, 6)
    found["adding"] = {}
    for cell in ("mingru", "minlstm"):
        found["adding"][cell] = solve_adding(cell, *job)
        print(cell, found["adding"][cell], flush=True)
    found["stream"] = {name: time_pushes(p, 20 if quick else 500) for name, p in STREAMS.items()}
    publish("long", "Long sequences and live data", _body(found, steps, train_steps, job), options)
    return found


def _body(found: dict[str, Any], steps: int, train_steps: int, job: tuple[int, ...]) -> str:
    """Lay out the tables."""
    predict = [
        (case, f"{r['MiB']:.0f}", f"{r['result MiB']:.0f}", f"{r['s']:.1f}")
        for case, r in found["predict"].items()
    ]
    train = [(case, f"{r['MiB']:.0f}", f"{r['s']:.1f}") for case, r in found["train"].items()]
    names = list(next(iter(found["scan"].values())))
    scan = [
        (f"{rows} x {units}", *(f"{1e3 * seconds[name]:.0f}" for name in names))
        for (rows, units), seconds in found["scan"].items()
    ]
    adding = [(c, f"{error:.4f}", f"{s:.0f}") for c, (error, s) in found["adding"].items()]
    stream = [(n, f"{a:.0f}", f"{b:.0f}") for n, (a, b) in found["stream"].items()]
    return (
        "By `benchmarks/long.py`. Memory is the peak growth of the resident set during the call, "
        "each case in a fresh process.\n\n"
        f"Prediction of one sequence of {steps:,} steps and one channel, LSTM of 64 units in both "
        "directions where not said otherwise (hidden states: 8 units):\n\n"
        f"{table(('model', 'MiB', 'of it the result', 's'), predict)}\n\n"
        f"Training on 8 sequences of {train_steps:,} steps, LSTM of 64 units in both directions:"
        f"\n\n{table(('', 'MiB', 's an epoch'), train)}\n\n"
        "Forward and backward over sequences of 2,000 steps, milliseconds, minima of alternated "
        f"runs:\n\n{table(('rows x units', *names), scan)}\n\n"
        f"The adding problem over {job[1]:,} steps, `RNNRegressor(32, cell=..., "
        f"closed_form=False)`, {job[0]:,} sequences, {job[2]} epochs; always answering the mean "
        f"has an error of 0.167:\n\n{table(('cell', 'mean squared error', 'fit, s'), adding)}\n\n"
        "A push of one step into a stream, `RNNClassifier(32, bidirectional=False)` on two "
        "channels, microseconds, medians; after many steps it costs what it costs after few:\n\n"
        f"{table(('model', 'early', 'late'), stream)}\n\n{environment()}"
    )


if __name__ == "__main__":
    main()
