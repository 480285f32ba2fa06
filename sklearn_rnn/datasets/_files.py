"""Reading the packed files in ``data``. Imports numpy alone."""

import csv
import gzip
import io
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

MILLION = 1_000_000


class Recordings(NamedTuple):
    """A packed classification set: flat steps, lengths, codes, their names and the train part."""

    values: np.ndarray
    lengths: np.ndarray
    target: np.ndarray
    target_names: np.ndarray
    in_train: np.ndarray


def _content(name: str) -> bytes:
    """Read one file of the folder ``data``."""
    return files(__package__).joinpath("data", name).read_bytes()


def read_recordings(name: str) -> Recordings:
    """Read a packed classification set, its numbers to the last published decimal."""
    with np.load(io.BytesIO(_content(name)), allow_pickle=False) as packed:
        return Recordings(
            values=packed["millionths"] / MILLION,
            lengths=packed["lengths"].astype(np.int64),
            target=packed["target"].astype(np.int64),
            target_names=packed["target_names"],
            in_train=np.arange(len(packed["target"])) < packed["n_train"],
        )


def read_columns(name: str) -> dict[str, Any]:
    """Read a packed table as one tuple of strings a column."""
    rows = csv.reader(io.StringIO(gzip.decompress(_content(name)).decode("utf-8")))
    header = next(rows)
    return dict(zip(header, zip(*rows, strict=True), strict=True))
