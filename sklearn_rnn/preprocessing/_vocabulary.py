"""Tokens and their numbers, words for unknown ones, vectors of words; imports `sequences`."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from os import PathLike
from typing import Any

import numpy as np

from ..sequences import warn

# Letters that two words must have in common, and the fraction of the longer one that these must be.
_FEWEST_LETTERS, _SHARE = 4, 0.6
# Longer words have none, so that the time is linear in the length of a text.
_MOST_LETTERS = 30


class StandIns:
    """Find for a word that is not known the known one that begins most like it.

    It has to share its first letters, four at least, and three fifths of the longer of the two: so
    ``"clears"`` is read as ``"clear"``. What is not all letters has no stand-in.

    Parameters
    ----------
    words : iterable of str
        Known words, the most frequent first.
    """

    def __init__(self, words: list[str]) -> None:
        self._shortest: dict[str, str] = {}
        shortest = self._shortest
        for word in words:
            if not _may_be_alike(word):
                continue
            for stop in range(_fewest(word), len(word) + 1):
                known = shortest.get(word[:stop])
                if known is None or len(word) < len(known):
                    shortest[word[:stop]] = word

    def find(self, word: str) -> str | None:
        """Return the word that stands in, None if there is none."""
        if not _may_be_alike(word):
            return None
        for stop in range(len(word), _fewest(word) - 1, -1):
            known = self._shortest.get(word[:stop])
            if known is not None:
                return known
        return None


def _may_be_alike(word: str) -> bool:
    """Return whether a word can have a stand-in, or be one."""
    return _FEWEST_LETTERS <= len(word) <= _MOST_LETTERS and word.isalpha()


def _fewest(word: str) -> int:
    """Return how many first letters another word has to share."""
    return max(_FEWEST_LETTERS, math.ceil(_SHARE * len(word)))


PAD, UNKNOWN = 0, 1
PAD_TOKEN, UNKNOWN_TOKEN = "<pad>", "<unk>"


class Vocabulary:
    """Tokens and their numbers; reserved ones first, then by count, ties in alphabetical order.

    Parameters
    ----------
    special_tokens : tuple of str
        Reserved after padding and unknown.
    min_count : int
        Rarer tokens stay unknown.
    size : int or None
        Most tokens, the reserved ones counted.
    alike : bool, default=False
        Whether a word that is unknown is read as a known one that begins like it.
    """

    def __init__(
        self,
        special_tokens: tuple[str, ...],
        min_count: int,
        size: int | None,
        *,
        alike: bool = False,
    ) -> None:
        self.reserved = [PAD_TOKEN, UNKNOWN_TOKEN, *special_tokens]
        self.min_count, self.size, self.alike = min_count, size, alike
        self._stand_ins: StandIns | None = None
        self.counts: Counter[str] = Counter()
        self.index = {token: number for number, token in enumerate(self.reserved)}

    def copy(self) -> Vocabulary:
        """Return a vocabulary that can grow, while this one stays as it is."""
        other = copy.copy(self)
        other.counts, other.index = self.counts.copy(), dict(self.index)
        return other

    def count(self, rows: Iterable[list[str]]) -> None:
        """Count the tokens of some rows."""
        for row in rows:
            self.counts.update(row)

    def grow(self) -> None:
        """Number what is frequent enough and has no number yet; numbers once given stay."""
        room = None if self.size is None else self.size - len(self.index)
        new = [
            (-count, token)
            for token, count in self.counts.items()
            if count >= self.min_count and token not in self.index
        ]
        for _, token in sorted(new)[:room]:
            self.index[token] = len(self.index)
        self._stand_ins = None

    def encode(self, row: list[str]) -> list[int]:
        """Return the numbers of the tokens; the padding token itself, in a text, is unknown."""
        get, unknown = self.index.get, self._unknown
        return [get(token) or unknown(token) for token in row]

    def _unknown(self, token: str) -> int:
        """Return the number of what stands in for a token that is not known."""
        if not self.alike:
            return UNKNOWN
        if self._stand_ins is None:
            self._stand_ins = StandIns(list(self.index)[len(self.reserved) :])
        found = self._stand_ins.find(token)
        return UNKNOWN if found is None else self.index[found]

    def __getstate__(self) -> dict[str, object]:
        # What stands in is found again from the tokens.
        return {**self.__dict__, "_stand_ins": None}

    def as_it_is(self) -> Vocabulary:
        """Return a vocabulary of these numbers that does not grow along with this one."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, index=dict(self.index))
        return other

    def tokens(self) -> np.ndarray:
        """Return the tokens by their numbers."""
        return np.array(list(self.index), dtype=object)


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
