"""How fast `fit` and `predict` are, beside others and the bare network: python benchmarks/speed.py

Fitting is timed against the same network in a loop written by hand (as in `overhead.py`), the
usual skorch idiom (a module, a DataLoader that pads batches of rows in any order), Keras' LSTM or
GRU on its torch backend and sktime's LSTM-FCN in torch; each for the same number of epochs over the
same rows, at the same batch size. Predicting is timed against bare networks, one of torch's layers
and our own module, called on tensors that are padded already, in the best of several batch sizes,
and on one row. Rivals that are not installed are left out. All take turns; what is compared are
medians of one run: of processor seconds, which other jobs disturb least, and of seconds on the wall
where threads are compared.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import torch
from _report import add_page_options, environment, publish, table
from overhead import LEARNING_RATE, N_CLASSES, WEIGHT_DECAY, Problem, train_by_hand
from torch import nn

from sklearn_rnn import Optimizer, RNNClassifier
from sklearn_rnn.nn import NetworkConfig, build_network

CHANNELS = 4
PREDICTION_BATCHES = (32, 64, 128, 256)
Clock = Callable[[], float]


class Case(NamedTuple):
    """One row of the table: mean length, and the longest over the shortest."""

    cell: str
    units: int
    steps: int
    spread: int


DEFAULT = (
    Case("lstm", 16, 100, 1),
    Case("lstm", 64, 100, 1),
    Case("lstm", 64, 100, 10),
    Case("lstm", 64, 100, 50),
    Case("lstm", 256, 50, 1),
    Case("lstm", 64, 500, 10),
    Case("gru", 32, 100, 1),
    Case("gru", 64, 100, 10),
)
FULL = tuple(
    itertools.starmap(
        Case,
        itertools.product(("lstm", "gru"), (16, 64, 256, 512), (20, 200, 2000), (1, 10, 50)),
    )
)
QUICK = (Case("lstm", 4, 10, 4),)


def make_problem(case: Case, n: int, batch: int, epochs: int) -> Problem:
    """Draw noisy waves; their lengths are spread evenly on a logarithmic scale."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, N_CLASSES, n)
    relative = case.spread ** rng.uniform(0, 1, n)
    lengths = np.maximum(2, (relative / relative.mean() * case.steps).round().astype(int))
    X = []
    for label, length in zip(y, lengths, strict=True):
        time_steps = np.arange(length)[:, None]
        wave = np.sin(time_steps * (1 + label) / 10 + rng.uniform(0, 6, CHANNELS))
        X.append((wave + rng.normal(0, 0.5, wave.shape)).astype(np.float32))
    return Problem(X, y, case.units, batch, epochs)


def estimator(case: Case, problem: Problem, **settings: Any) -> RNNClassifier:
    """Return ours, with everything set that the others have too."""
    return RNNClassifier(
        hidden_size=case.units,
        cell=case.cell,
        bidirectional=False,
        closed_form=False,
        batch_size=problem.batch_size,
        max_epochs=problem.epochs,
        learning_rate=LEARNING_RATE,
        optimizer=Optimizer(weight_decay=WEIGHT_DECAY),
        device="cpu",
        random_state=0,
        **settings,
    )


def same_network(case: Case) -> nn.Module:
    """Build the estimator's own network."""
    config = NetworkConfig(
        n_channels=CHANNELS,
        hidden_size=case.units,
        cell=case.cell,
        dropout=0.2,
        head="multiclass",
        n_outputs=N_CLASSES,
    )
    return build_network(config, torch.Generator().manual_seed(0))


class SkorchModule(nn.Module):
    """The module of the usual idiom, with our pooling: mean, maximum and last of padded rows."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        kind = nn.LSTM if case.cell == "lstm" else nn.GRU
        self.recurrence = kind(CHANNELS, case.units, batch_first=True)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(3 * case.units, N_CLASSES)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        output, _ = self.recurrence(x)
        last = output[torch.arange(len(x)), lengths - 1]
        if bool((lengths == x.shape[1]).all()):
            return self.head(self.dropout(torch.cat((output.mean(1), output.amax(1), last), 1)))
        padding = (torch.arange(x.shape[1]) >= lengths[:, None])[:, :, None]
        mean = output.masked_fill(padding, 0.0).sum(1) / lengths[:, None]
        largest = output.masked_fill(padding, -torch.inf).amax(1)
        return self.head(self.dropout(torch.cat((mean, largest, last), 1)))


def _pad(rows: list) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Collate rows as tutorials do."""
    x = nn.utils.rnn.pad_sequence([torch.from_numpy(x) for x, _ in rows], batch_first=True)
    lengths = torch.tensor([len(x) for x, _ in rows])
    return {"x": x, "lengths": lengths}, torch.tensor([y for _, y in rows])


class _Rows(torch.utils.data.Dataset):
    """Rows with their labels, one at a time."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def __len__(self) -> int:
        return len(self.problem.X)

    def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
        return self.problem.X[row], int(self.problem.y[row])


def fit_skorch(case: Case, problem: Problem) -> None:
    """Fit the usual skorch idiom."""
    from skorch import NeuralNetClassifier

    net = NeuralNetClassifier(
        SkorchModule(case),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        lr=LEARNING_RATE,
        max_epochs=problem.epochs,
        batch_size=problem.batch_size,
        iterator_train__shuffle=True,
        iterator_train__collate_fn=_pad,
        train_split=None,
        verbose=0,
    )
    net.fit(_Rows(problem), None)


def _padded(problem: Problem) -> np.ndarray:
    """Pad all rows to the longest, as packages without ragged input want them."""
    x = np.zeros((len(problem.X), max(map(len, problem.X)), CHANNELS), dtype=np.float32)
    for row, values in zip(x, problem.X, strict=True):
        row[: len(values)] = values
    return x


def fit_keras(case: Case, problem: Problem) -> None:
    """Fit Keras' layer over masked padding."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    layer = keras.layers.LSTM if case.cell == "lstm" else keras.layers.GRU
    model = keras.Sequential(
        [
            keras.layers.Input((None, CHANNELS)),
            keras.layers.Masking(),
            layer(case.units),
            keras.layers.Dense(N_CLASSES),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(LEARNING_RATE), loss)
    model.fit(
        _padded(problem),
        problem.y,
        batch_size=problem.batch_size,
        epochs=problem.epochs,
        verbose=0,
    )


def fit_sktime(case: Case, problem: Problem) -> None:
    """Fit sktime's LSTM-FCN on padded rows, channels first."""
    from sktime.classification.deep_learning.lstmfcn import LSTMFCNClassifierTorch

    model = LSTMFCNClassifierTorch(
        num_epochs=problem.epochs, batch_size=problem.batch_size, lstm_size=case.units
    )
    model.fit(_padded(problem).transpose(0, 2, 1), problem.y)


RIVALS: dict[str, tuple[str, Callable[[Case, Problem], None]]] = {
    "skorch": ("skorch", fit_skorch),
    "Keras": ("keras", fit_keras),
    "sktime": ("sktime", fit_sktime),
}


def take_turns(ways: dict[str, Callable[[], Any]], repeats: int, clock: Clock) -> dict[str, float]:
    """Return the median seconds of each way; the first round is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            begun = clock()
            way()
            if turn:
                seconds[name].append(clock() - begun)
    return {name: statistics.median(values) for name, values in seconds.items()}


def measure_fit(case: Case, problem: Problem, rivals: list[str], repeats: int) -> dict[str, float]:
    """Time `fit`, the loop written by hand and the rivals."""
    ways: dict[str, Callable[[], Any]] = {
        "fit": lambda: estimator(case, problem).fit(problem.X, problem.y),
        "loop": lambda: train_by_hand(problem, same_network(case)),
    }
    for name in rivals:
        ways[name] = lambda run=RIVALS[name][1]: run(case, problem)
    return take_turns(ways, repeats, time.process_time)


def measure_predict(case: Case, problem: Problem, repeats: int) -> dict[str, float]:
    """Time `predict` on all rows and on one, and bare networks, ours and torch's, on tensors."""
    model = estimator(case, problem._replace(epochs=1)).fit(problem.X, problem.y)
    network: Any = model.net_.module_
    order = np.argsort([-len(x) for x in problem.X], kind="stable")
    rows = [torch.from_numpy(problem.X[i]) for i in order]
    one, alone = [problem.X[0]], torch.from_numpy(problem.X[0])[None]

    def batches(size: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        parts = [rows[i : i + size] for i in range(0, len(rows), size)]
        pad = nn.utils.rnn.pad_sequence
        return [(pad(p, batch_first=True), torch.tensor([len(x) for x in p])) for p in parts]

    def bare(made: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        with torch.inference_mode():
            for x, lengths in made:
                network.head.decode(network(x, lengths))

    def many(call: Callable[[], Any]) -> Callable[[], None]:
        return lambda: [call() for _ in range(50)] and None

    plain = SkorchModule(case).eval()

    def plain_torch(made: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        with torch.inference_mode():
            for x, lengths in made:
                plain(x, lengths).softmax(1).argmax(1)

    ways: dict[str, Callable[[], Any]] = {"predict": lambda: model.predict(problem.X)}
    for size in PREDICTION_BATCHES:
        made = batches(size)
        ways[f"bare {size}"] = functools.partial(bare, made)
        ways[f"torch {size}"] = functools.partial(plain_torch, made)
    single = [(alone, torch.tensor([len(problem.X[0])]))]
    ways |= {"one": many(lambda: model.predict(one)), "bare one": many(lambda: bare(single))}
    found = take_turns(ways, repeats, time.process_time)
    best, torchs = (min(found[f"{n} {z}"] for z in PREDICTION_BATCHES) for n in ("bare", "torch"))
    return {
        "predict": found["predict"],
        "predict ratio": found["predict"] / best,
        "torch ratio": found["predict"] / torchs,
        "one": found["one"] / 50,
        "one ratio": found["one"] / found["bare one"],
    }


def measure_raggedness(case: Case, problem: Problem, repeats: int) -> float:
    """Return `fit`'s cost of a step, over that on rows of equal length, with the same mean."""
    mean = round(sum(map(len, problem.X)) / len(problem.X))
    level = make_problem(
        case._replace(steps=mean, spread=1), len(problem.X), problem.batch_size, problem.epochs
    )
    ways = {
        "ragged": lambda: estimator(case, problem).fit(problem.X, problem.y),
        "level": lambda: estimator(case, level).fit(level.X, level.y),
    }
    found = take_turns(ways, repeats, time.process_time)
    steps = [sum(map(len, p.X)) for p in (problem, level)]
    return (found["ragged"] / steps[0]) / (found["level"] / steps[1])


def measure_threads(case: Case, problem: Problem, repeats: int, *, busy: bool) -> float:
    """Return the seconds of a fit with two threads over those with one, on the wall."""
    worker = None
    if busy:
        worker = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        ways = {
            str(n): lambda n=n: estimator(case, problem, n_jobs=n).fit(problem.X, problem.y)
            for n in (1, 2)
        }
        found = take_turns(ways, repeats, time.perf_counter)
    finally:
        if worker is not None:
            worker.kill()
            worker.wait()
    return found["2"] / found["1"]


def main(arguments: list[str] | None = None) -> dict[Case, dict[str, float]]:
    """Measure every case, print the table, update the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    grid = parser.add_mutually_exclusive_group()
    grid.add_argument("--full", action="store_true", help="every cell, size, length and spread")
    grid.add_argument("--quick", action="store_true", help="one tiny case, to see that it runs")
    parser.add_argument("--sequences", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rivals", default=",".join(RIVALS), help="with commas; '' for none")
    parser.add_argument("--no-threads", action="store_true", help="leave the threads out")
    add_page_options(parser)
    options = parser.parse_args(arguments)
    cases = QUICK if options.quick else FULL if options.full else DEFAULT
    wanted = [name for name in options.rivals.split(",") if name]
    rivals = [name for name in wanted if find_spec(RIVALS[name][0])]
    for name in set(wanted) - set(rivals):
        print(f"{name} is not installed: left out.", file=sys.stderr)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    results: dict[Case, dict[str, float]] = {}
    rows = []
    try:
        for case in cases:
            problem = make_problem(case, options.sequences, options.batch_size, options.epochs)
            found = measure_fit(case, problem, rivals, options.repeats)
            found |= measure_predict(case, problem, options.repeats)
            if case.spread > 1:
                found["ragged"] = measure_raggedness(case, problem, options.repeats)
            if not options.no_threads:
                for name, busy in (("idle", False), ("busy", True)):
                    found[name] = measure_threads(case, problem, options.repeats, busy=busy)
            results[case] = found
            rate = sum(map(len, problem.X)) * problem.epochs / found["fit"]
            rows.append(
                (
                    f"{case.cell}, {case.units} units, {case.steps} steps, {case.spread}x",
                    f"{rate / 1e3:,.0f}",
                    f"{found['fit'] / found['loop']:.2f}",
                    *(f"{found[name] / found['fit']:.1f}" for name in rivals),
                    f"{found['ragged']:.2f}" if "ragged" in found else "",
                    f"{found['torch ratio']:.2f}",
                    f"{found['predict ratio']:.2f}",
                    f"{found['one ratio']:.2f}",
                    *(f"{found[k]:.2f}" for k in ("idle", "busy") if k in found),
                )
            )
            print(*rows[-1], sep="; ", flush=True)
    finally:
        torch.set_num_threads(before)
    header = ("", "fit, 1000 steps/s", "over loop", *(f"{n} takes" for n in rivals))
    header += ("ragged over level", "predict over torch", "over our network", "one row over it")
    header += () if options.no_threads else ("2 threads over 1", "beside a busy process")
    body = (
        f"`RNNClassifier`, one direction, {options.sequences:,} sequences of {CHANNELS} channels, "
        f"batches of {options.batch_size}, {options.epochs} epochs, by `benchmarks/speed.py`: mean "
        "length, and the longest over the shortest. `over loop` is `fit` over a loop written by "
        "hand with the same network; `takes` is a rival's time over that of `fit`; `ragged over "
        "level` is the cost of a valid step over that in rows of equal length; `predict` is over "
        "bare networks on padded tensors, each in its best batch size: one of torch's own layers, "
        "and our own module, which one row is over, too. All networks pool alike. Processor "
        f"seconds, threads on the wall; medians of {options.repeats} alternated repetitions.\n\n"
        f"{table(header, rows)}\n\n{environment()}"
    )
    publish("speed", "Speed beside others and the bare network", body, options)
    return results


if __name__ == "__main__":
    main()
