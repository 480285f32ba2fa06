"""Time the compiled recurrences beside torch's own, one layer in one direction.

    python benchmarks/cells.py              the grid of the page
    python benchmarks/cells.py --quick      a few sizes, to see that it runs
    python benchmarks/cells.py --always     the kernels also where the rule would choose torch

Each ratio is torch's time over ours, from the medians of alternated repetitions in one process:
above 1 ours is the faster. One thread is timed by processor seconds, more by the clock. The
rival of `gru`, `rnn` (tanh and relu) and `lstm` is torch.nn's layer with the same weights; of the
other cells, which torch lacks, this package's own layer without compiled code.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from _report import add_page_options, environment, publish, table

from sklearn_rnn.kernels import is_available
from sklearn_rnn.nn import CELLS as NAMED
from sklearn_rnn.nn import _compiled

CELLS: dict[str, Callable[[int, int], torch.nn.Module]] = dict(NAMED)
RIVALS: dict[str, Callable[..., torch.nn.Module]] = {
    "gru": torch.nn.GRU,
    "rnn": torch.nn.RNN,
    "rnn_relu": functools.partial(torch.nn.RNN, nonlinearity="relu"),
    "lstm": torch.nn.LSTM,
}


class Case(NamedTuple):
    """One layer and one batch."""

    cell: str
    units: int
    batch: int
    steps: int
    channels: int


def full_grid() -> list[Case]:
    """List the cases of the page: every cell at the sizes that matter, then the corners."""
    cases = [
        Case(cell, units, batch, 100, 4)
        for cell, units, batch in itertools.product(CELLS, (16, 32, 64, 128, 256, 512), (1, 32))
        if not (cell not in RIVALS and units in (128, 512))
    ]
    corners = itertools.product(("gru", "rnn", "lstm"), (16, 64, 256), ((256, 20), (64, 500)))
    cases += [Case(c, units, batch, steps, 64) for c, units, (batch, steps) in corners]
    corners = itertools.product(("gru", "rnn", "lstm"), (16, 128), ((1, 20, 1), (1, 2000, 64)))
    return cases + [Case(c, units, *rest) for c, units, rest in corners]


def quick_grid() -> list[Case]:
    """List a few small cases."""
    return [Case(cell, 8, 4, 10, 2) for cell in CELLS]


@contextmanager
def without_kernels() -> Iterator[None]:
    """Leave everything to torch."""
    before = os.environ.get("SKLEARN_RNN_COMPILED")
    os.environ["SKLEARN_RNN_COMPILED"] = "0"
    try:
        yield
    finally:
        del os.environ["SKLEARN_RNN_COMPILED"]
        if before is not None:
            os.environ["SKLEARN_RNN_COMPILED"] = before


def rival_of(case: Case, ours: torch.nn.Module) -> torch.nn.Module:
    """Return what a layer is compared with, with the same weights."""
    if case.cell not in RIVALS:
        return ours
    rival = RIVALS[case.cell](case.channels, case.units, batch_first=True)
    rival.load_state_dict(getattr(ours, "core", ours).state_dict())
    return rival


def seconds(run: Callable[[], None]) -> float:
    """Time one call: processor seconds on one thread, which other jobs disturb less."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    run()
    return clock() - start


def ratio(rival: Callable[[], None], ours: Callable[[], None], budget: float) -> float:
    """Return the rival's median time over ours, alternated until the budget is spent."""

    def theirs() -> None:
        with without_kernels():
            rival()

    theirs(), ours()
    times: list[tuple[float, float]] = []
    start = time.perf_counter()
    while len(times) < 3 or (time.perf_counter() - start < budget and len(times) < 101):
        times.append((seconds(theirs), seconds(ours)))
    left, right = zip(*times, strict=True)
    return statistics.median(left) / statistics.median(right)


def measure(case: Case, threads: int, budget: float) -> tuple[float, float]:
    """Return the ratios of a prediction and of a training step."""
    torch.manual_seed(0)
    ours = CELLS[case.cell](case.channels, case.units)
    rival = rival_of(case, ours)
    x = torch.randn(case.batch, case.steps, case.channels)

    def predict(layer: torch.nn.Module) -> None:
        with torch.no_grad():
            layer(x)

    def train(layer: torch.nn.Module) -> None:
        layer(x)[0].sum().backward()

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            torch.testing.assert_close(ours(x)[0], rival(x)[0], rtol=1e-4, atol=1e-5)
        return (
            ratio(lambda: predict(rival), lambda: predict(ours), budget),
            ratio(lambda: train(rival), lambda: train(ours), budget),
        )
    finally:
        torch.set_num_threads(before)


def main(arguments: Sequence[str] | None = None) -> dict[Case, list[float]]:
    """Measure, print, and write the page; return the ratios of each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few small sizes only")
    parser.add_argument("--always", action="store_true", help="overrule the choice of path")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=0.3, help="for each ratio")
    parser.add_argument("--cells", nargs="+", choices=list(CELLS), default=list(CELLS))
    parser.add_argument("--units", type=int, nargs="+", help="instead of the page's grid")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 32, 256])
    parser.add_argument("--steps", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--channels", type=int, nargs="+", default=[1, 64])
    add_page_options(parser)
    options = parser.parse_args(arguments)
    if not is_available():
        parser.error("llvmlite is not installed: pip install 'sklearn-rnn[fast]'")
    if options.units:
        sizes = (options.cells, options.units, options.batch, options.steps, options.channels)
        grid = [Case(*values) for values in itertools.product(*sizes)]
    else:
        grid = [
            c for c in (quick_grid() if options.quick else full_grid()) if c.cell in options.cells
        ]
    rule = _compiled.is_faster
    if options.always:
        _compiled.is_faster = lambda *_: True
    budget = 0.01 if options.quick else options.seconds
    results: dict[Case, list[float]] = {}
    try:
        for case in grid:
            found = [value for n in options.threads for value in measure(case, n, budget)]
            results[case] = found
            print(*case, *(f"{value:.2f}" for value in found), flush=True)
    finally:
        _compiled.is_faster = rule
    publish("cells", "Compiled recurrences beside torch's", report(results, options), options)
    return results


def report(results: dict[Case, list[float]], options: argparse.Namespace) -> str:
    """Write the section."""
    kinds = [
        f"{kind}, {n} thread{'s' * (n > 1)}"
        for n in options.threads
        for kind in ("forward", "training step")
    ]
    header = ["cell", "units", "batch", "steps", "channels", *kinds]
    rows = [[*case, *(f"{value:.2f}" for value in found)] for case, found in results.items()]
    lowest = min(value for found in results.values() for value in found)
    return (
        "Time of torch's layer over the time of ours, by `benchmarks/cells.py`: above 1 ours is "
        f"the faster. Medians of alternated repetitions, {options.seconds} s for each ratio, of "
        "processor seconds on one thread and of the clock on more; one layer, one "
        "direction, float32, equal lengths. For `gru`, `rnn` (tanh and relu) and `lstm` the rival "
        "is `torch.nn`'s layer, for the others this package's own without compiled code. The "
        f"lowest ratio is {lowest:.2f}.\n\n"
        f"{table(header, rows)}\n\n{environment(None)}"
    )


if __name__ == "__main__":
    main()
