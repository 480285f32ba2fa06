"""Panels of series for the forecasting benchmark, from the folder that `_data` names. NumPy alone.

Each set has its own split: the last rows that its competition asked for, or the literature's.
"""

from __future__ import annotations

import csv
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _data import FOLDER


class SeriesSet(NamedTuple):
    """Series to learn from, what came after, and how their competition scales errors."""

    name: str
    train: list[np.ndarray]
    test: list[np.ndarray]
    season: int
    scale_lag: int

    @property
    def horizon(self) -> int:
        """Steps to forecast."""
        return len(self.test[0])


def mcomp(file: str, period: str) -> Callable[[Path, str], SeriesSet]:
    """Return a reader of one period of the M1 or M3 competition."""

    def read(folder: Path, name: str) -> SeriesSet:
        with lzma.open(folder / "m3" / file, "rt", encoding="utf-8") as lines:
            rows = [row for row in map(json.loads, lines) if row["period"] == period]
        season = int(rows[0]["freq"])
        train = [np.asarray(row["x"], dtype=float) for row in rows]
        return SeriesSet(name, train, [np.asarray(row["xx"]) for row in rows], season, season)

    return read


def m4(period: str, season: int, scale_lag: int) -> Callable[[Path, str], SeriesSet]:
    """Return a reader of one period of the M4 competition."""

    def read(folder: Path, name: str) -> SeriesSet:
        parts = []
        for part in ("train", "test"):
            with lzma.open(folder / "m4" / f"{period}-{part}.csv.xz", "rt") as file:
                rows = list(csv.reader(file))[1:]
            parts.append([np.array([float(cell) for cell in row[1:] if cell]) for row in rows])
        return SeriesSet(name, *parts, season, scale_lag)

    return read


def small(file: str, season: int, horizon: int) -> Callable[[Path, str], SeriesSet]:
    """Return a reader of a single short series; its last `horizon` values are held out."""

    def read(folder: Path, name: str) -> SeriesSet:
        values = []
        with gzip.open(folder / "small_univariate" / f"{file}.csv.gz", "rt") as lines:
            for row in csv.reader(lines):
                try:
                    values.append(float(row[1].strip("?")))
                except (IndexError, ValueError):
                    continue
        series = np.array(values)
        return SeriesSet(name, [series[:-horizon]], [series[-horizon:]], season, season)

    return read


def exchange(folder: Path, name: str) -> SeriesSet:
    """Read eight exchange rates; the last 30 days are held out."""
    with lzma.open(folder / "exchange_rate" / "exchange_rate.txt.xz", "rt") as file:
        values = np.loadtxt(file, delimiter=",")
    return SeriesSet(name, list(values[:-30].T), list(values[-30:].T), 5, 1)


#: Name -> a file whose presence tells that the set is there, and its reader.
PANELS: dict[str, tuple[str, Callable[[Path, str], SeriesSet]]] = {
    "M3 monthly": ("m3/M3.jsonl.xz", mcomp("M3.jsonl.xz", "MONTHLY")),
    "M3 quarterly": ("m3/M3.jsonl.xz", mcomp("M3.jsonl.xz", "QUARTERLY")),
    "M3 yearly": ("m3/M3.jsonl.xz", mcomp("M3.jsonl.xz", "YEARLY")),
    "M3 other": ("m3/M3.jsonl.xz", mcomp("M3.jsonl.xz", "OTHER")),
    "M1 monthly": ("m3/M1.jsonl.xz", mcomp("M1.jsonl.xz", "MONTHLY")),
    "M1 quarterly": ("m3/M1.jsonl.xz", mcomp("M1.jsonl.xz", "QUARTERLY")),
    "M1 yearly": ("m3/M1.jsonl.xz", mcomp("M1.jsonl.xz", "YEARLY")),
    "M4 hourly": ("m4/Hourly-train.csv.xz", m4("Hourly", 24, 24)),
    "M4 weekly": ("m4/Weekly-train.csv.xz", m4("Weekly", 52, 1)),
    "exchange rate": ("exchange_rate/exchange_rate.txt.xz", exchange),
    "AirPassengers": (
        "small_univariate/airline-passengers.csv.gz", small("airline-passengers", 12, 24)
    ),
    "car sales": ("small_univariate/monthly-car-sales.csv.gz", small("monthly-car-sales", 12, 12)),
    "shampoo": ("small_univariate/shampoo.csv.gz", small("shampoo", 12, 6)),
    "births": (
        "small_univariate/daily-total-female-births.csv.gz",
        small("daily-total-female-births", 7, 28),
    ),
    "temperatures": (
        "small_univariate/daily-min-temperatures.csv.gz", small("daily-min-temperatures", 7, 28)
    ),
    "sunspots": ("small_univariate/monthly-sunspots.csv.gz", small("monthly-sunspots", 12, 24)),
}  # fmt: skip


def available_panels(folder: Path = FOLDER) -> list[str]:
    """Return the names of the sets that the folder holds."""
    return [name for name, (file, _) in PANELS.items() if (folder / file).exists()]


def load_panel(name: str, folder: Path = FOLDER) -> SeriesSet:
    """Read a set by name."""
    return PANELS[name][1](folder, name)


def load_etth1(folder: Path = FOLDER) -> np.ndarray | None:
    """Read ETTh1, standardised by its first twelve months, of shape (17420, 7); None if absent."""
    path = folder / "ett" / "ETTh1.csv.xz"
    if not path.exists():
        return None
    with lzma.open(path, "rt") as file:
        values = np.array([[float(cell) for cell in row[1:]] for row in list(csv.reader(file))[1:]])
    first = values[: 12 * 30 * 24]
    return (values - first.mean(0)) / first.std(0)
