"""The sets of texts that the benchmark of texts reads; they are skipped where they are absent.

Imports NumPy and the bundled surnames alone.
"""

from __future__ import annotations

import lzma
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split

from sklearn_rnn.datasets import load_surnames


class TextSet(NamedTuple):
    """Texts with labels, or sets of labels, in two parts."""

    name: str
    analyzer: str
    X_train: list[str]
    y_train: np.ndarray
    X_test: list[str]
    y_test: np.ndarray

    @property
    def shape(self) -> str:
        """Sizes in words: texts to train and test on, labels."""
        labels = self.y_train.shape[1] if self.y_train.ndim == 2 else len(np.unique(self.y_train))
        return f"{len(self.X_train)}/{len(self.X_test)}, {labels}"


def read_lines(path: Path) -> list[str]:
    """Read lines of UTF-8, or of Latin-1 where a line is none."""
    lines = []
    for raw in lzma.decompress(path.read_bytes()).split(b"\n"):
        try:
            lines.append(raw.decode("utf-8").strip())
        except UnicodeDecodeError:
            lines.append(raw.decode("latin-1").strip())
    return [line for line in lines if line]


def _labelled(path: Path) -> tuple[list[str], np.ndarray]:
    """Read lines of a label, a space and a text."""
    parts = [line.partition(" ") for line in read_lines(path)]
    return [text for _, _, text in parts], np.array([label for label, _, _ in parts])


def _trec(folder: Path) -> TextSet:
    train = _labelled(folder / "TREC.train.all.xz")
    return TextSet("TREC", "word", *train, *_labelled(folder / "TREC.test.all.xz"))


def _sst(folder: Path) -> TextSet:
    train = _labelled(folder / "stsa.binary.train.xz")
    return TextSet("SST-2", "word", *train, *_labelled(folder / "stsa.binary.test.xz"))


def _mr(folder: Path) -> TextSet:
    texts, labels = _labelled(folder / "rt-polarity.all.xz")
    parts = train_test_split(texts, labels, test_size=0.1, random_state=0, stratify=labels)
    return TextSet("MR", "word", parts[0], parts[2], parts[1], parts[3])


def _r8(folder: Path) -> TextSet:
    entries = [line.split("\t") for line in read_lines(folder / "R8.txt.xz")]
    texts = read_lines(folder / "corpus" / "R8.clean.txt.xz")
    labels = np.array([entry[2] for entry in entries])
    train = np.array(["train" in entry[1] for entry in entries])
    parts = [[texts[i] for i in np.flatnonzero(part)] for part in (train, ~train)]
    return TextSet("R8", "word", parts[0], labels[train], parts[1], labels[~train])


def _goemotions(folder: Path) -> TextSet:
    parts: list = []
    for name in ("train", "test"):
        rows = [line.split("\t") for line in read_lines(folder / "original" / f"{name}.tsv.xz")]
        labels = np.zeros((len(rows), 28), dtype=int)
        for row, entry in enumerate(rows):
            labels[row, [int(label) for label in entry[1].split(",")]] = 1
        parts += [[entry[0] for entry in rows], labels]
    return TextSet("GoEmotions", "word", *parts)


def _surnames(folder: Path) -> TextSet:
    bunch = load_surnames()
    labels = bunch.target_names[bunch.target]
    train = bunch.split == "train"
    names = bunch.names
    return TextSet(
        "surnames",
        "char",
        names[train].tolist(),
        labels[train],
        names[~train].tolist(),
        labels[~train],
    )


#: Folder and reader of each set, the quickest to fit first.
TEXTS: dict[str, tuple[str, Callable[[Path], TextSet]]] = {
    "TREC": ("text_sentence_cls", _trec),
    "SST-2": ("text_sentence_cls", _sst),
    "MR": ("text_sentence_cls", _mr),
    "R8": ("text_gcn_r8_mr", _r8),
    "surnames": ("", _surnames),
    "GoEmotions": ("goemotions", _goemotions),
}


def available(folder: Path) -> list[str]:
    """Return the names of the sets that the folder holds; surnames come with the package."""
    return [name for name, (place, _) in TEXTS.items() if not place or (folder / place).exists()]


def load(name: str, folder: Path) -> TextSet:
    """Read a set by name."""
    place, reader = TEXTS[name]
    return reader(folder / place)
