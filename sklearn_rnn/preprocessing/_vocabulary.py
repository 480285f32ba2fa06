"""Counting tokens and giving them numbers; imports `sequences` and its neighbour."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable

import numpy as np

from ._stand_ins import StandIns

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
