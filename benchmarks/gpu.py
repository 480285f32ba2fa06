"""How close `fit` comes to a GPU: python benchmarks/gpu.py

Two jobs, a small one (2,000 sequences of 100 steps, 64 units) and a large one (100,000 of 200
steps, 512 units), are trained by `RNNClassifier`, in float32 and bfloat16, by a bare loop over the
same network with all data on the device, and by the usual skorch idiom. Samples per second stand
beside a floor: the time that the products take at the rate at which the device multiplies large
matrices, or that the states and weights take at the rate at which it copies memory, whichever is
longer; both rates are measured. Without a CUDA device the script says so and ends; `--device cpu`
tries its code.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from _report import PAGE_FOR_USERS, add_page_options, environment, publish, table
from torch import nn

from sklearn_rnn import RNNClassifier
from sklearn_rnn.nn import NetworkConfig, build_network

CHANNELS, CLASSES, LEARNING_RATE = 8, 5, 1e-3
# Gates of an LSTM, and products forward, back to the states and back to the weights.
_GATES, _PASSES = 4, 3


class Job(NamedTuple):
    """What is trained."""

    name: str
    n: int
    steps: int
    units: int
    batch: int


JOBS = (Job("small", 2_000, 100, 64, 64), Job("large", 100_000, 200, 512, 512))
QUICK = (Job("tiny", 24, 6, 4, 8),)


def draw(job: Job) -> tuple[np.ndarray, np.ndarray]:
    """Draw sequences of noise and labels."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((job.n, job.steps, CHANNELS), dtype=np.float32)
    return X, rng.integers(0, CLASSES, job.n)


def wait(device: torch.device) -> None:
    """Let the device finish."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(call: Callable[[], Any], device: torch.device, repeats: int) -> float:
    """Return the median seconds of a call, after one that is not counted."""
    taken = []
    for turn in range(repeats + 1):
        wait(device)
        begun = time.perf_counter()
        call()
        wait(device)
        if turn:
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def rates(device: torch.device, size: int) -> tuple[float, float]:
    """Measure multiplications and additions per second, and bytes per second."""
    a = torch.randn(size, size, device=device)
    product = seconds_of(lambda: a @ a, device, 5)
    copy = seconds_of(a.clone, device, 5)
    return 2 * size**3 / product, 2 * a.nbytes / copy


def floor(job: Job, flops: float, bandwidth: float) -> float:
    """Return the least seconds of an epoch: of products, or of memory, whichever is longer."""
    work = 2 * _PASSES * _GATES * job.units * (job.units + CHANNELS)
    # Gates and states of a step are written once and read once, forward and back; the weights of
    # the recurrence are read for each step of a batch.
    states = 4 * 2 * 2 * (_GATES + 2) * job.units
    weights = 4 * 2 * _GATES * job.units**2 / job.batch
    steps = job.n * job.steps
    return steps * max(work / flops, (states + weights) / bandwidth)


def ours(job: Job, epochs: int, device: torch.device, precision: str) -> RNNClassifier:
    """Return the estimator."""
    return RNNClassifier(
        job.units,
        bidirectional=False,
        dropout=0.0,
        closed_form=False,
        batch_size=job.batch,
        max_epochs=epochs,
        learning_rate=LEARNING_RATE,
        device=str(device),
        precision=precision,
        random_state=0,
    )


def bare_loop(job: Job, X: np.ndarray, y: np.ndarray, epochs: int, device: torch.device) -> None:
    """Train the estimator's network in a loop over tensors on the device."""
    config = NetworkConfig(
        n_channels=CHANNELS, hidden_size=job.units, head="multiclass", n_outputs=CLASSES
    )
    network = build_network(config, torch.Generator().manual_seed(0)).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE)
    x_all, y_all = torch.from_numpy(X).to(device), torch.from_numpy(y).to(device)
    network.train()
    for _ in range(epochs):
        order = torch.randperm(job.n, device=device)
        for rows in order.split(job.batch):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(x_all[rows]), y_all[rows])
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()


class SkorchModule(nn.Module):
    """The module of the usual idiom."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.recurrence = nn.LSTM(CHANNELS, units, batch_first=True)
        self.head = nn.Linear(units, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.recurrence(x)[0][:, -1])


def skorch_idiom(job: Job, X: np.ndarray, y: np.ndarray, epochs: int, device: torch.device) -> None:
    """Fit skorch's classifier."""
    from skorch import NeuralNetClassifier

    NeuralNetClassifier(
        SkorchModule(job.units),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        lr=LEARNING_RATE,
        max_epochs=epochs,
        batch_size=job.batch,
        iterator_train__shuffle=True,
        train_split=None,
        device=str(device),
        verbose=0,
    ).fit(X, y)


def main(arguments: list[str] | None = None) -> dict[str, dict[str, float]]:
    """Measure both jobs, print the table, update the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--jobs", default=",".join(job.name for job in JOBS), help="with commas")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tiny job, to see that it runs")
    add_page_options(parser, PAGE_FOR_USERS)
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("There is no CUDA device: nothing was measured.", file=sys.stderr)
        return {}
    jobs = QUICK if options.quick else [j for j in JOBS if j.name in options.jobs.split(",")]
    flops, bandwidth = rates(device, 64 if options.quick else 8192)
    results: dict[str, dict[str, float]] = {}
    rows = []
    for job in jobs:
        X, y = draw(job)

        def fit(precision: str, job: Job = job, X: np.ndarray = X, y: np.ndarray = y) -> None:
            ours(job, options.epochs, device, precision).fit(X, y)

        ways: dict[str, Callable[[], Any]] = {
            "fit": lambda fit=fit: fit("float32"),
            "fit, bfloat16": lambda fit=fit: fit("bfloat16"),
            "bare loop": lambda j=job, X=X, y=y: bare_loop(j, X, y, options.epochs, device),
            "skorch": lambda j=job, X=X, y=y: skorch_idiom(j, X, y, options.epochs, device),
        }
        least = floor(job, flops, bandwidth)
        results[job.name] = {}
        for name, way in ways.items():
            taken = seconds_of(way, device, options.repeats) / options.epochs
            results[job.name][name] = taken
            sizes = f"{job.n:,} x {job.steps} x {job.units} units"
            rows.append((f"{sizes}, {name}", f"{job.n / taken:,.0f}", f"{least / taken:.3f}"))
            print(*rows[-1], sep="; ", flush=True)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "no GPU"
    body = (
        f"Training an LSTM, by `benchmarks/gpu.py` ({name}): samples per second, preparation of "
        "the data included, and the share of the floor that arithmetic or memory set (the device "
        f"measured at {flops / 1e12:.2f} TFLOP/s in float32 and {bandwidth / 1e9:.0f} GB/s).\n\n"
        f"{table(('', 'samples/s', 'share of floor'), rows)}\n\n{environment(None)}"
    )
    publish("gpu", "Speed on a GPU", body, options)
    return results


if __name__ == "__main__":
    main()
