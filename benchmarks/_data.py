"""The data sets of the accuracy benchmark, read from a folder outside the package.

The folder is ``../shared/data`` beside the checkout, or what ``SKLEARN_RNN_DATA`` names. A set that
is not there is left out.
"""

from __future__ import annotations

import lzma
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FOLDER = Path(os.environ.get("SKLEARN_RNN_DATA", Path(__file__).parents[2] / "shared" / "data"))

Part = tuple[list[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Problem:
    """One data set: its two parts, and what is published about it."""

    name: str
    train: Part
    test: Part
    regression: bool = False
    published: str = ""
    # Sequences of one group come from one object, and stay together when folds are made.
    groups: np.ndarray | None = None


# Figures that are verified at their source, on the same split.
PUBLISHED = {
    "JapaneseVowels": "ResNet .992, TWIESN .965",
    "BasicMotions": "MLSTM-FCN .955",
    "GunPoint": "ResNet .991, TWIESN .989",
    "ItalyPowerDemand": "ResNet .962, TWIESN .871",
    "ArrowHead": "ResNet .838, TWIESN .689",
    "ECG": "FCN .872, TWIESN .737",
    "Covid3Month": "ROCKET .0389, InceptionTime .0556",
    "CMAPSS FD001": "LSTM 14.93, deep LSTM 16.14",
}


def read_ts(path: Path) -> tuple[list[np.ndarray], list[str]]:
    """Read the .ts format: channels divided by colons, the last field the target."""
    sequences, targets, started = [], [], False
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for raw in lines:
            line = raw.strip()
            if not started:
                started = line.lower().startswith("@data")
            elif line:
                *channels, target = line.split(":")
                sequences.append(
                    np.array(
                        [[float(v.replace("?", "nan")) for v in c.split(",")] for c in channels]
                    ).T
                )
                targets.append(target)
    return sequences, targets


def _archive(folder: str, name: str, *, regression: bool = False) -> Problem | None:
    """Read a set of the UCR, UEA or TSER archives."""
    base = FOLDER / folder / name
    if not base.is_dir():
        return None
    parts = []
    for split in ("TRAIN", "TEST"):
        sequences, targets = read_ts(base / f"{name}_{split}.ts.xz")
        parts.append((sequences, np.array(targets, dtype=float if regression else None)))
    return Problem(name, parts[0], parts[1], regression, PUBLISHED.get(name, ""))


def _rows(name: str) -> Problem | None:
    """Read one of Baydogan's sets: id, time, class, channels in each row."""
    base = FOLDER / "tsc_mts_baydogan" / name
    if not base.is_dir():
        return None
    parts = []
    for split in ("TRAIN3", "TEST3"):
        with lzma.open(base / f"{name}_{split}.xz", "rt") as lines:
            table = np.loadtxt(lines)
        table = table[np.lexsort((table[:, 1], table[:, 0]))]
        starts = np.flatnonzero(np.diff(table[:, 0], prepend=np.nan))
        parts.append((np.split(table[:, 3:], starts[1:]), table[starts, 2].astype(int)))
    return Problem(name, parts[0], parts[1], False, PUBLISHED.get(name, ""))


def _cmapss(cuts: int = 5, cap: float = 125.0) -> Problem | None:
    """Read C-MAPSS FD001: remaining cycles, capped, of engines seen up to some cycle.

    Training engines run to failure; each is cut at random cycles, so that the model sees engines
    at all stages. Test engines are as given.
    """
    base = FOLDER / "cmapss"
    if not base.is_dir():
        return None

    def engines(file: str) -> list[np.ndarray]:
        with lzma.open(base / file, "rt") as lines:
            table = np.loadtxt(lines)
        starts = np.flatnonzero(np.diff(table[:, 0], prepend=np.nan))
        return np.split(table[:, 2:], starts[1:])

    rng = np.random.default_rng(0)
    sequences, targets, groups = [], [], []
    for number, engine in enumerate(engines("train_FD001.txt.xz")):
        for _ in range(cuts):
            seen = int(rng.integers(30, len(engine) + 1))
            sequences.append(engine[:seen])
            targets.append(min(cap, float(len(engine) - seen)))
            groups.append(number)
    truth = np.minimum(cap, np.loadtxt(base / "RUL_FD001.txt"))
    name = "CMAPSS FD001"
    return Problem(
        name,
        (sequences, np.array(targets)),
        (engines("test_FD001.txt.xz"), truth),
        True,
        PUBLISHED[name],
        np.array(groups),
    )


def problems(names: list[str] | None = None) -> list[Problem]:
    """Return the sets that are there, or those of the given names."""
    classification = ("JapaneseVowels", "BasicMotions", "GunPoint", "ItalyPowerDemand", "ArrowHead")
    found = [_archive("tsc_aeon", name) for name in classification]
    found += [_rows(name) for name in ("ECG", "PenDigits")]
    found += [_archive("tser_aeon", n, regression=True) for n in ("Covid3Month", "Tecator")]
    found.append(_cmapss())
    return [p for p in found if p is not None and (not names or p.name in names)]
