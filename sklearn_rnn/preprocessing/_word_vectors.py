"""Word vectors from a text file of word2vec's or GloVe's form, or any mapping; imports NumPy."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from os import PathLike
from typing import Any

import numpy as np

from ..sequences import warn


def find_vectors(source: Any, tokens: Collection[str]) -> dict[str, np.ndarray]:
    """Return the vectors of those tokens that the source has.

    Parameters
    ----------
    source : path or mapping
        A text file with one word and its numbers a line, between them spaces or tabs, with or
        without a first line of two counts; or a mapping from words to vectors.
    tokens : collection of str
        The words that are wanted; no other is kept.

    Raises
    ------
    ValueError, TypeError
        When a vector has another size than the first or holds no finite numbers; the line or
        the word is named.

    Warns
    -----
    UserWarning
        When lines of a file hold too few or too many numbers, once: they are left out.
    """
    wanted = set(tokens)
    if isinstance(source, (str, PathLike)):
        return _from_file(source, wanted)
    if not isinstance(source, Mapping) and not hasattr(source, "__getitem__"):
        raise TypeError(
            f"vectors must be a path or a mapping from words to arrays; got "
            f"{type(source).__name__}."
        )
    found: dict[str, np.ndarray] = {}
    size = None
    for token in sorted(wanted):
        if token in source:
            size = _add(found, token, source[token], size, f"the word {token!r}")
    return found


def _from_file(path: str | PathLike[str], wanted: set[str]) -> dict[str, np.ndarray]:
    """Read a text file line by line, keeping what is wanted."""
    found: dict[str, np.ndarray] = {}
    size: int | None = None
    odd: list[int] = []
    with open(path, encoding="utf-8-sig", errors="replace", newline="\n") as file:
        for number, line in enumerate(file):
            parts = line.rstrip().replace("\t", " ").split(" ")
            if "" in parts:
                parts = [part for part in parts if part]
            if number == 0 and len(parts) == 2 and all(part.isdecimal() for part in parts):
                size = int(parts[1])
                continue
            if len(parts) < 2:
                continue
            if size is None:
                size = len(parts) - 1
            # Some words of GloVe's hold spaces: the numbers are the last ones.
            spelled = parts[: len(parts) - size]
            if len(parts) <= size or any(map(_is_number, spelled[1:])):
                odd.append(number + 1)
                continue
            word = " ".join(spelled)
            if word in wanted and word not in found:
                _add(found, word, parts[len(parts) - size :], size, f"line {number + 1} of {path}")
    if odd:
        warn(
            f"{len(odd):,} lines of {path} hold fewer or more numbers than the {size} of the first "
            f"and were left out; the first of them is line {odd[0]}.",
        )
    return found


def _is_number(part: str) -> bool:
    """Tell whether a part of a line reads as a number."""
    try:
        float(part)
    except ValueError:
        return False
    return True


def _add(
    found: dict[str, np.ndarray], token: str, numbers: Any, size: int | None, where: str
) -> int:
    """Check one vector and keep it; return its size."""
    try:
        vector = np.asarray(numbers, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"vectors: {where} holds no numbers: {error}") from error
    if vector.ndim != 1 or len(vector) == 0 or (size is not None and len(vector) != size):
        raise ValueError(
            f"vectors: {where} has shape {vector.shape}, but all vectors need "
            f"{'one dimension and the same size' if size is None else f'the shape ({size},)'}."
        )
    if not np.isfinite(vector).all():
        raise ValueError(f"vectors: {where} holds a number that is not finite.")
    found[token] = vector
    return len(vector)
