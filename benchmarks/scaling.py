"""How the cost of a fit grows: python benchmarks/scaling.py

From one middling problem, the number of sequences, their length, the channels, the units and the
raggedness are each doubled several times while the rest stays. Every fit runs in a fresh process,
which reports processor seconds and by how much its memory grew at the peak. The exponent is the
slope of a line through the logarithms: 1 is proportional, 0 is no growth.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from _report import add_page_options, environment, publish, table
from memory import MIB, Watch

MIDDLE = {"sequences": 500, "steps": 100, "channels": 4, "units": 64, "spread": 1}
GRID = {
    "sequences": (250, 500, 1000, 2000),
    "steps": (50, 100, 200, 400),
    "channels": (4, 16, 64, 256),
    "units": (16, 32, 64, 128, 256),
    "spread": (1, 4, 16, 50),
}
QUICK = {"sequences": (8, 16)}


def run_case(sequences: int, steps: int, channels: int, units: int, spread: int) -> dict[str, Any]:
    """Fit once in this process; return processor seconds of an epoch and MiB at the peak."""
    from sklearn_rnn import RNNClassifier, Sequences

    rng = np.random.default_rng(0)
    relative = spread ** rng.uniform(0, 1, sequences)
    lengths = np.maximum(1, (relative / relative.mean() * steps).round().astype(int))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = rng.standard_normal((offsets[-1], channels), dtype=np.float32)
    X, y = Sequences(values, offsets), np.arange(sequences) % 3
    model = RNNClassifier(
        units, bidirectional=False, closed_form=False, batch_size=32, device="cpu", random_state=0
    )
    # Kernels are made, and the machinery warmed up, outside of what is measured.
    model.set_params(max_epochs=1).fit(X[:32], y[:32])
    watch, epochs = Watch(), 2
    begun = time.process_time()
    with watch.watching():
        model.set_params(max_epochs=epochs).fit(X, y)
    return {"seconds": (time.process_time() - begun) / epochs, "MiB": watch.total / MIB}


def run_fresh(sizes: dict[str, int], repeats: int) -> dict[str, float]:
    """Run a case in processes of its own and return the medians."""
    command = [sys.executable, str(Path(__file__).resolve()), "--case", json.dumps(sizes)]
    reports = []
    for _ in range(repeats):
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        reports.append(json.loads(done.stdout.splitlines()[-1]))
    return {key: statistics.median(r[key] for r in reports) for key in reports[0]}


def exponent(sizes: tuple[int, ...], costs: list[float]) -> float:
    """Return the slope of the costs over the sizes, both in logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(costs, 1e-9)), 1)[0])


def main(arguments: list[str] | None = None) -> dict[str, dict[str, Any]]:
    """Measure every size, print the table, update the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    add_page_options(parser)
    options = parser.parse_args(arguments)
    if options.case:
        print(json.dumps(run_case(**options.case)))
        return {}
    results: dict[str, dict[str, Any]] = {}
    rows = []
    for name, sizes in (QUICK if options.quick else GRID).items():
        found = [run_fresh({**MIDDLE, name: size}, options.repeats) for size in sizes]
        seconds, memory = ([f[key] for f in found] for key in ("seconds", "MiB"))
        slopes = exponent(sizes, seconds), exponent(sizes, memory)
        results[name] = {"seconds": seconds, "MiB": memory, "exponents": slopes}
        rows.append(
            (
                f"{name}: {', '.join(f'{size:,}' for size in sizes)}",
                ", ".join(f"{s:.2f}" for s in seconds),
                f"{slopes[0]:.2f}",
                ", ".join(f"{m:.0f}" for m in memory),
                f"{slopes[1]:.2f}",
            )
        )
        print(*rows[-1], sep="; ", flush=True)
    middle = ", ".join(f"{value:,} {name}" for name, value in MIDDLE.items() if name != "spread")
    body = (
        f"One epoch of `RNNClassifier` (LSTM, one direction, batches of 32), by "
        f"`benchmarks/scaling.py`: from {middle} and rows of equal length, one of them changes; "
        "spread is the longest row over the shortest at the same mean. Processor seconds, and "
        f"MiB by which memory grew at the peak, data left out; medians of {options.repeats}. The "
        "exponent is fitted: 1 is proportional.\n\n"
        f"{table(('', 'seconds', 'exponent', 'MiB', 'exponent'), rows)}\n\n{environment()}"
    )
    publish("scaling", "How the cost grows", body, options)
    return results


if __name__ == "__main__":
    main()
