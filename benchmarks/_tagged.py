"""The tagged corpora that the benchmark of taggers reads; they are skipped where they are absent.

Imports the standard library alone.
"""

from __future__ import annotations

import gzip
import lzma
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

Sentences = list[list[Any]]
Tags = list[list[str]]


class TaggedSet(NamedTuple):
    """Sentences of words, or of words with a tag each, with their tags, in two parts.

    ``labels_train`` and ``labels_test`` are labels of whole sentences, where there are any.
    """

    name: str
    X_train: Sentences
    y_train: Tags
    X_test: Sentences
    y_test: Tags
    labels_train: list[str] | None = None
    labels_test: list[str] | None = None

    @property
    def shape(self) -> str:
        """Sizes in words: sentences to train and test on, tags."""
        tags = {tag for row in self.y_train for tag in row}
        return f"{len(self.X_train)}/{len(self.X_test)}, {len(tags)}"


def _columns(lines: Iterable[str]) -> Iterable[list[list[str]]]:
    """Yield the sentences of a file of columns, with an empty line between them."""
    rows: list[list[str]] = []
    for line in [*lines, ""]:
        if line.startswith("# "):
            continue
        if line.strip():
            rows.append(line.rstrip("\n").split("\t" if "\t" in line else " "))
        elif rows:
            yield rows
            rows = []


def _ewt(folder: Path) -> TaggedSet:
    parts: list[Any] = []
    for name in ("train", "test"):
        with lzma.open(folder / f"en_ewt-ud-{name}.conllu.xz", "rt", encoding="utf-8") as file:
            # What is numbered 3-4 or 3.1 is no word of the sentence.
            sentences = [[row for row in rows if row[0].isdigit()] for rows in _columns(file)]
        parts.append([[row[1] for row in rows] for rows in sentences])
        parts.append([[row[3] for row in rows] for rows in sentences])
    return TaggedSet("EWT", *parts)


def _conll(folder: Path, *, with_tags: bool) -> TaggedSet:
    parts: list[Any] = []
    with zipfile.ZipFile(folder / "conll2000.zip") as archive:
        for name in ("train", "test"):
            path = next(n for n in archive.namelist() if n.endswith(f"{name}.txt"))
            sentences = list(_columns(archive.read(path).decode("utf-8").splitlines()))
            parts.append(
                [[(r[0], r[1]) if with_tags else r[0] for r in rows] for rows in sentences]
            )
            parts.append([[row[2] for row in rows] for rows in sentences])
    return TaggedSet("CoNLL-2000", *parts)


def _snips(folder: Path) -> TaggedSet:
    parts: list[Any] = []
    labels: list[list[str]] = []
    for name in ("train", "test"):
        rows = {}
        for file in ("seq.in", "seq.out", "label"):
            with gzip.open(folder / name / f"{file}.gz", "rt", encoding="utf-8") as text:
                rows[file] = [line.split() for line in text.read().strip().split("\n")]
        parts += [rows["seq.in"], rows["seq.out"]]
        labels.append([row[0] for row in rows["label"]])
    return TaggedSet("SNIPS", *parts, *labels)


#: Folder and reader of each set.
CORPORA: dict[str, tuple[str, Callable[[Path], TaggedSet]]] = {
    "EWT": ("ud_english_ewt", _ewt),
    "CoNLL-2000": ("nltk_tagging", lambda folder: _conll(folder, with_tags=False)),
    "CoNLL-2000 + POS": ("nltk_tagging", lambda folder: _conll(folder, with_tags=True)),
    "SNIPS": ("slot_filling/snips", _snips),
}


def available(folder: Path) -> list[str]:
    """Return the names of the sets that the folder holds."""
    return [name for name, (place, _) in CORPORA.items() if (folder / place).exists()]


def load(name: str, folder: Path) -> TaggedSet:
    """Read a set by name."""
    place, reader = CORPORA[name]
    return reader(folder / place)
