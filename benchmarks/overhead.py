"""What `fit` costs beside a hand-written torch loop: python benchmarks/overhead.py

The same problem is fitted by `RNNClassifier` and by two loops written by hand: one trains the very
same network (`sklearn_rnn.nn.build_network`), the other a network of torch's own parts alone. All
have the same batches, optimizer, clipping and schedule, and take turns; what is compared are the
medians of one run. The loops start from tensors that are padded and scaled already, in batches of
like length, as a careful user would have them; `fit` starts from arrays and does everything.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from _report import add_page_options, environment, publish, table
from torch import nn

from sklearn_rnn import Optimizer, RNNClassifier
from sklearn_rnn.nn import NetworkConfig, build_network
from sklearn_rnn.training import BatchPlan

PASS_MARK = 1.05
N_CLASSES = 5
LEARNING_RATE, WEIGHT_DECAY, CLIP, WARM_UP = 3e-3, 0.01, 1.0, 0.25


class Setting(NamedTuple):
    """One row of the table."""

    name: str
    bidirectional: bool
    ragged: bool


SETTINGS = (
    Setting("LSTM, equal lengths", False, False),
    Setting("LSTM, ragged", False, True),
    Setting("bidirectional LSTM, equal lengths", True, False),
    Setting("bidirectional LSTM, ragged", True, True),
)


class Problem(NamedTuple):
    """Sequences, labels, and how to train on them."""

    X: list[np.ndarray]
    y: np.ndarray
    hidden_size: int
    batch_size: int
    epochs: int


class PlainNetwork(nn.Module):
    """What a careful user writes with torch alone: LSTM, mean, maximum and last state, dropout.

    Ragged batches are masked and not packed, which on a CPU is several times as slow; their
    backward direction is a second LSTM over rows that are reversed within their lengths.
    """

    def __init__(
        self, channels: int, hidden: int, n_classes: int, *, bidirectional: bool, ragged: bool
    ) -> None:
        super().__init__()
        both = bidirectional and not ragged
        self.recurrence = nn.LSTM(channels, hidden, batch_first=True, bidirectional=both)
        self.backward_recurrence = None
        if bidirectional and ragged:
            self.backward_recurrence = nn.LSTM(channels, hidden, batch_first=True)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(3 * hidden * (1 + bidirectional), n_classes)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        output, (final, _) = self.recurrence(x)
        if bool((lengths == x.shape[1]).all()):
            parts = output.mean(1), output.amax(1), final.transpose(0, 1).flatten(1)
            return self.head(self.dropout(torch.cat(parts, 1)))
        rows, steps = torch.arange(len(x)), torch.arange(x.shape[1])
        last = output[rows, lengths - 1]
        if self.backward_recurrence is not None:
            mirrored = (lengths[:, None] - 1 - steps).clamp_min(0)[:, :, None]
            from_end, _ = self.backward_recurrence(x.take_along_dim(mirrored, 1))
            from_end = from_end.take_along_dim(mirrored, 1)
            last = torch.cat((last, from_end[:, 0]), 1)
            output = torch.cat((output, from_end), 2)
        padding = (steps >= lengths[:, None])[:, :, None]
        mean = output.masked_fill(padding, 0.0).sum(1) / lengths[:, None]
        largest = output.masked_fill(padding, -torch.inf).amax(1)
        return self.head(self.dropout(torch.cat((mean, largest, last), 1)))


def make_problem(
    n: int, steps: int, channels: int, hidden: int, batch: int, epochs: int, *, ragged: bool
) -> Problem:
    """Draw noisy sequences whose classes differ in frequency; ragged ones have the same mean."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, N_CLASSES, n)
    low, high = (steps // 5, 2 * steps - steps // 5) if ragged else (steps, steps)
    X = []
    for label in y:
        time_steps = np.arange(rng.integers(low, high + 1))[:, None]
        wave = np.sin(time_steps * (1 + label) / 10 + rng.uniform(0, 6, channels))
        X.append((wave + rng.normal(0, 0.5, wave.shape)).astype(np.float32))
    return Problem(X, y, hidden, batch, epochs)


def fit_estimator(problem: Problem, *, bidirectional: bool) -> float:
    """Fit `RNNClassifier` and return the seconds."""
    model = RNNClassifier(
        hidden_size=problem.hidden_size,
        bidirectional=bidirectional,
        dropout=0.2,
        learning_rate=LEARNING_RATE,
        optimizer=Optimizer(weight_decay=WEIGHT_DECAY, gradient_clip=CLIP),
        batch_size=problem.batch_size,
        max_epochs=problem.epochs,
        device="cpu",
        random_state=0,
        closed_form=False,
    )
    begun = time.perf_counter()
    model.fit(problem.X, problem.y)
    return time.perf_counter() - begun


def same_network(problem: Problem, *, bidirectional: bool) -> nn.Module:
    """Build the estimator's own network."""
    config = NetworkConfig(
        n_channels=problem.X[0].shape[1],
        hidden_size=problem.hidden_size,
        bidirectional=bidirectional,
        dropout=0.2,
        head="multiclass",
        n_outputs=N_CLASSES,
    )
    return build_network(config, torch.Generator().manual_seed(0))


def plain_network(problem: Problem, *, bidirectional: bool) -> nn.Module:
    """Build the network of torch's own parts."""
    return PlainNetwork(
        problem.X[0].shape[1],
        problem.hidden_size,
        N_CLASSES,
        bidirectional=bidirectional,
        ragged=len({len(x) for x in problem.X}) > 1,
    )


def train_by_hand(problem: Problem, network: nn.Module) -> float:
    """Train a network in a plain loop and return the seconds, preparation of the data left out."""
    lengths = np.array([len(x) for x in problem.X])
    flat = np.concatenate(problem.X)
    mean, scale = flat.mean(0), flat.std(0)
    x_all = nn.utils.rnn.pad_sequence(
        [torch.from_numpy((x - mean) / scale) for x in problem.X], batch_first=True
    )
    y_all, all_lengths = torch.from_numpy(problem.y), torch.from_numpy(lengths)
    plan = BatchPlan(lengths, problem.batch_size, np.random.default_rng(0))
    begun = time.perf_counter()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=problem.epochs * len(plan), pct_start=WARM_UP
    )
    loss_of = nn.CrossEntropyLoss()
    network.train()
    for _ in range(problem.epochs):
        total = 0.0
        for positions in plan.epoch():
            rows = torch.from_numpy(positions[np.argsort(-lengths[positions], kind="stable")])
            here = all_lengths[rows]
            x = x_all[rows][:, : int(here.max())]
            optimizer.zero_grad()
            loss = loss_of(network(x, here), y_all[rows])
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), CLIP)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
        if not np.isfinite(total):
            raise RuntimeError("the loop written by hand diverged")
    return time.perf_counter() - begun


def measure(problem: Problem, setting: Setting, repeats: int) -> dict[str, float]:
    """Return the median seconds of each way, which take turns."""
    ways: dict[str, Callable[[], float]] = {
        "fit": lambda: fit_estimator(problem, bidirectional=setting.bidirectional),
        "same": lambda: train_by_hand(
            problem, same_network(problem, bidirectional=setting.bidirectional)
        ),
        "plain": lambda: train_by_hand(
            problem, plain_network(problem, bidirectional=setting.bidirectional)
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()  # warm up: kernels are made, caches filled
    for _ in range(repeats):
        for name, way in ways.items():
            seconds[name].append(way())
    ratios = {
        f"{name} ratio": statistics.median(
            [a / b for a, b in zip(seconds["fit"], seconds[name], strict=True)]
        )
        for name in ("same", "plain")
    }
    return {name: statistics.median(values) for name, values in seconds.items()} | ratios


def main(arguments: list[str] | None = None) -> list[dict[str, float]]:
    """Measure every setting, print the table, update the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sequences", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--channels", type=int, default=4)
    parser.add_argument("--units", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    add_page_options(parser)
    options = parser.parse_args(arguments)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        results = []
        for setting in SETTINGS:
            problem = make_problem(
                options.sequences,
                options.steps,
                options.channels,
                options.units,
                options.batch_size,
                options.epochs,
                ragged=setting.ragged,
            )
            results.append(measure(problem, setting, options.repeats))
    finally:
        torch.set_num_threads(before)
    worst = max(result["same ratio"] for result in results)
    rows = [
        (
            setting.name,
            f"{result['fit']:.2f}",
            f"{result['same']:.2f}",
            f"{result['same ratio']:.3f}",
            f"{result['plain']:.2f}",
            f"{result['plain ratio']:.3f}",
        )
        for setting, result in zip(SETTINGS, results, strict=True)
    ]
    header = ("", "`fit`, s", "loop, same network, s", "ratio", "loop, plain torch, s", "ratio")
    verdict = "holds" if worst <= PASS_MARK else "is missed"
    body = (
        f"`RNNClassifier.fit` beside loops written by hand, by `benchmarks/overhead.py`: "
        f"{options.sequences:,} sequences of {options.steps} steps (ragged: "
        f"{options.steps // 5} to {2 * options.steps - options.steps // 5}) and "
        f"{options.channels} channels, {options.units} units, batches of {options.batch_size}, "
        f"{options.epochs} epochs; medians of {options.repeats} alternated repetitions. The mark "
        f"of {PASS_MARK:.2f} over the same network {verdict}: at most {worst:.3f}.\n\n"
        f"{table(header, rows)}\n\n{environment()}"
    )
    publish("overhead", "Overhead of fit over a hand-written loop", body, options)
    return results


if __name__ == "__main__":
    main()
