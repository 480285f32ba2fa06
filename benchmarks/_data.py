"""The sets of sequences that the benchmarks read from a folder beside the repository.

The folder is `../shared/data` from the repository's root, or what `SKLEARN_RNN_DATA` or an option
names; where it or a set is absent, the set is skipped. Imports NumPy and the container alone.
"""

from __future__ import annotations

import lzma
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sklearn_rnn import Sequences

FOLDER = Path(os.environ.get("SKLEARN_RNN_DATA", Path(__file__).parents[2] / "shared" / "data"))
RUL_CAP = 125.0


class Dataset(NamedTuple):
    """One set with its own split into training and test."""

    name: str
    task: str
    X_train: Sequences
    y_train: np.ndarray
    X_test: Sequences
    y_test: np.ndarray

    @property
    def shape(self) -> str:
        """Sizes in words: sequences to train and test on, channels, steps."""
        lengths = np.concatenate([self.X_train.lengths, self.X_test.lengths])
        low, high = int(lengths.min()), int(lengths.max())
        steps = f"{low}" if low == high else f"{low}-{high}"
        return f"{len(self.X_train)}/{len(self.X_test)}, {self.X_train.n_channels} x {steps}"


def available(folder: Path = FOLDER) -> list[str]:
    """Return the names of the sets that the folder holds."""
    return [name for name in DATASETS if (folder / DATASETS[name][0]).exists()]


def load(name: str, folder: Path = FOLDER) -> Dataset:
    """Read a set by name."""
    place, reader = DATASETS[name]
    return reader(folder / place, name)


def read_ts(path: Path) -> tuple[Sequences, np.ndarray]:
    """Read a file in sktime's format: channels parted by colons, the target at the end."""
    rows, targets, in_data = [], [], False
    with lzma.open(path, "rt", encoding="utf-8") as file:
        for line in map(str.strip, file):
            if in_data and line:
                *channels, target = line.split(":")
                columns = [np.array(channel.split(","), dtype=np.float64) for channel in channels]
                rows.append(np.column_stack(columns))
                targets.append(target)
            in_data = in_data or line.lower() == "@data"
    return Sequences.from_list(rows), np.array(targets)


def read_classification(folder: Path, name: str) -> Dataset:
    """Read the split of a classification set in sktime's format."""
    train = read_ts(folder / f"{name}_TRAIN.ts.xz")
    test = read_ts(folder / f"{name}_TEST.ts.xz")
    return Dataset(name, "classification", *train, *test)


def read_regression(folder: Path, name: str) -> Dataset:
    """Read the split of a regression set in sktime's format."""
    X_train, y_train = read_ts(folder / f"{name}_TRAIN.ts.xz")
    X_test, y_test = read_ts(folder / f"{name}_TEST.ts.xz")
    return Dataset(name, "regression", X_train, y_train.astype(float), X_test, y_test.astype(float))


def read_baydogan(folder: Path, name: str) -> Dataset:
    """Read a set whose lines are steps: sequence, time, class, channels."""
    parts = []
    for part in ("TRAIN", "TEST"):
        with lzma.open(folder / f"{name}_{part}3.xz", "rt") as file:
            table = np.loadtxt(file)
        offsets = _offsets(table[:, 0])
        parts += [Sequences(table[:, 3:], offsets), table[offsets[:-1], 2].astype(int)]
    return Dataset(name, "classification", *parts)


def read_cmapss(folder: Path, name: str, *, window: int = 60) -> Dataset:
    """Read turbofans: the last cycles up to each training cycle, and up to each test engine's end.

    The target is the remaining life in cycles, capped at 125. Each training sequence is the last
    `window` cycles (fewer at an engine's start) up to one cycle, each test sequence those up to
    the last that is known.
    """
    flights = []
    for part in ("train", "test"):
        with lzma.open(folder / f"{part}_FD001.txt.xz", "rt") as file:
            table = np.loadtxt(file)
        flights.append(np.split(table[:, 2:], _offsets(table[:, 0])[1:-1]))
    rows, lives = [], []
    for engine in flights[0]:
        for stop in range(1, len(engine) + 1):
            rows.append(engine[max(0, stop - window) : stop])
            lives.append(min(RUL_CAP, len(engine) - stop))
    X_test = Sequences.from_list([engine[-window:] for engine in flights[1]])
    y_test = np.minimum(np.loadtxt(folder / "RUL_FD001.txt"), RUL_CAP)
    return Dataset(name, "regression", Sequences.from_list(rows), np.array(lives), X_test, y_test)


def _offsets(ids: np.ndarray) -> np.ndarray:
    """Return where runs of equal ids begin, and the end."""
    return np.concatenate([[0], np.flatnonzero(np.diff(ids)) + 1, [len(ids)]])


Reader = Callable[[Path, str], Dataset]

#: Folder and reader of each set, the quickest to fit first.
DATASETS: dict[str, tuple[str, Reader]] = {
    "BasicMotions": ("tsc_aeon/BasicMotions", read_classification),
    "ItalyPowerDemand": ("tsc_aeon/ItalyPowerDemand", read_classification),
    "GunPoint": ("tsc_aeon/GunPoint", read_classification),
    "ECG": ("tsc_mts_baydogan/ECG", read_baydogan),
    "ArrowHead": ("tsc_aeon/ArrowHead", read_classification),
    "JapaneseVowels": ("tsc_aeon/JapaneseVowels", read_classification),
    "PenDigits": ("tsc_mts_baydogan/PenDigits", read_baydogan),
    "Covid3Month": ("tser_aeon/Covid3Month", read_regression),
    "Tecator": ("tser_aeon/Tecator", read_regression),
    "CMAPSS-FD001": ("cmapss", read_cmapss),
}
