"""What `fit` and `predict` add to the process on memory-mapped values: python benchmarks/memory.py

A temporary file of `--gib` GiB is written, each case maps it in a fresh process, fits and predicts,
and reports by how much the resident set grew over what it was after the imports, at its peak.
`total` counts every resident page, those of the mapped file too; `own` counts the process's own
(anonymous) pages. The file is removed at the end.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _report import add_page_options, environment, publish, table

PASS_MARK_MIB = 700
MIB = 2**20


class Case(NamedTuple):
    """One row of the table: how the file is seen and what reads it."""

    name: str
    form: str
    channels: int
    steps: int
    parameters: dict[str, Any]
    dtype: str = "float32"
    ragged: bool = False


SMALL = {"hidden_size": 16, "bidirectional": False}
MANY = SMALL | {"batch_size": 1024}
CASES = {
    "long": Case("`Sequences`, long, all defaults", "sequences", 256, 2000, {}, ragged=True),
    "short": Case("`Sequences`, many and short", "sequences", 32, 20, MANY, ragged=True),
    "stopping": Case(
        "`Sequences`, early stopping",
        "sequences",
        64,
        400,
        SMALL | {"early_stopping": True},
        ragged=True,
    ),
    "double": Case("`Sequences`, float64", "sequences", 32, 400, SMALL, "float64", ragged=True),
    "cube": Case("3-D array", "cube", 64, 400, SMALL),
    "thin": Case("3-D array, many and short", "cube", 32, 20, MANY),
}


def write_values(path: Path, dtype: str, n_bytes: int) -> None:
    """Fill a file with normal numbers around a slowly rising level."""
    block = np.random.default_rng(0).standard_normal(2**20).astype(dtype)
    missing = n_bytes // block.itemsize
    with path.open("wb") as file:
        while missing > 0:
            file.write(block[:missing].tobytes())
            missing -= len(block)
            block += 0.001


def map_values(path: Path, case: Case) -> tuple[Any, int]:
    """Return X over the mapped file, and its number of sequences."""
    flat = np.memmap(path, dtype=case.dtype, mode="r")
    total = len(flat) // case.channels
    if case.form != "sequences":
        n = total // case.steps
        shape = (n, case.steps, case.channels) if case.form == "cube" else (n, case.steps)
        return flat[: n * case.steps * case.channels].reshape(shape), n
    from sklearn_rnn import Sequences

    rng = np.random.default_rng(1)
    n = total // case.steps
    lengths = rng.integers(case.steps // 2, case.steps * 3 // 2 + 1, n) if case.ragged else None
    offsets = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(case.steps if lengths is None else lengths, out=offsets[1:])
    offsets = offsets[offsets <= total]
    values = flat[: offsets[-1] * case.channels].reshape(-1, case.channels)
    return Sequences(values, offsets), len(offsets) - 1


class Watch:
    """The peak of the resident set, and of the process's own part of it, above a start."""

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()
        self._start = self._read()
        self.total = self.own = 0

    def _read(self) -> tuple[int, int]:
        """Return the resident bytes, and those that no file backs."""
        info = self._process.memory_info()
        return info.rss, info.rss - getattr(info, "shared", 0)

    def _note(self, total: int, own: int) -> None:
        """Remember the peaks."""
        self.total = max(self.total, total - self._start[0])
        self.own = max(self.own, own - self._start[1])

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take samples in a thread; where the system keeps the exact peak, use that as well."""
        self.total = self.own = 0
        stopped = threading.Event()

        def sample() -> None:
            while not stopped.wait(0.002):
                self._note(*self._read())

        exact = _forget_peak()
        thread = threading.Thread(target=sample, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()
            self._note(*self._read())
            if exact:
                self._note(_exact_peak(), 0)


def _forget_peak() -> bool:
    """Ask Linux to start its record of the peak afresh, and say whether it did."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _exact_peak() -> int:
    """Return Linux's record of the largest resident set, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


def run_case(path: Path, case: Case) -> dict[str, float]:
    """Fit and predict in this process; return seconds, and growth in MiB since the imports."""
    from sklearn_rnn import RNNClassifier

    model = RNNClassifier(device="cpu", random_state=0, max_epochs=1, **case.parameters)
    report: dict[str, float] = {}
    watch = Watch()
    for job in ("fit", "predict"):
        begun = time.perf_counter()
        with watch.watching():
            X, n = map_values(path, case)
            if job == "fit":
                model.fit(X, np.arange(n) % 3)
            else:
                model.predict(X)
            del X
        report[f"{job} s"] = time.perf_counter() - begun
        report[f"{job} total"] = watch.total / MIB
        report[f"{job} own"] = watch.own / MIB
    report["n"] = n
    return report


def run_fresh(path: Path, name: str) -> dict[str, float]:
    """Run a case in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), "--case", name, "--file", str(path)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    report: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return report


def main(arguments: list[str] | None = None) -> dict[str, dict[str, float]]:
    """Measure every case, print the table, update the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gib", type=float, default=2.0, help="size of the file (default: 2)")
    parser.add_argument("--cases", default=",".join(CASES), help="which, by name, with commas")
    parser.add_argument("--folder", help="where the file is written (default: temporary files)")
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    add_page_options(parser)
    options = parser.parse_args(arguments)
    if options.case:
        print(json.dumps(run_case(options.file, CASES[options.case])))
        return {}
    names = options.cases.split(",")
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "values"
        for dtype in ("float32", "float64"):
            chosen = [name for name in names if CASES[name].dtype == dtype]
            if chosen:
                write_values(path, dtype, int(options.gib * 2**30))
            for name in chosen:
                results[name] = run_fresh(path, name)
                print(name, {key: round(value, 1) for key, value in results[name].items()})
    worst = max(max(r["fit total"], r["predict total"]) for r in results.values())
    rows = [
        (
            CASES[name].name,
            f"{int(result['n']):,} x {CASES[name].steps:,} x {CASES[name].channels}",
            *(f"{result[key]:.0f}" for key in ("fit total", "fit own", "fit s")),
            *(f"{result[key]:.0f}" for key in ("predict total", "predict own", "predict s")),
        )
        for name, result in results.items()
    ]
    header = ("X", "sequences x mean steps x channels", "fit, MiB", "own", "s")
    header += ("predict, MiB", "own", "s")
    verdict = "holds" if worst < PASS_MARK_MIB else "is missed"
    body = (
        "Peak growth of the resident set over what it is after the imports, on "
        f"{options.gib:g} GiB of memory-mapped values, by `benchmarks/memory.py`: one epoch and a "
        "prediction of `RNNClassifier`, each case in a fresh process. The first figure counts the "
        "pages of the mapped file that are resident at the time, `own` leaves them out. Where not "
        "said otherwise the network is an LSTM of 16 units in one direction. The mark of "
        f"{PASS_MARK_MIB} MiB {verdict}: at most {worst:.0f}.\n\n"
        f"{table(header, rows)}\n\n{environment()}"
    )
    publish("memory", "Memory on mapped files", body, options)
    return results


if __name__ == "__main__":
    main()
