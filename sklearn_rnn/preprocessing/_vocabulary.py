"""Counting tokens and giving them numbers; imports NumPy alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

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
    """

    def __init__(self, special_tokens: tuple[str, ...], min_count: int, size: int | None) -> None:
        self.reserved = [PAD_TOKEN, UNKNOWN_TOKEN, *special_tokens]
        self.min_count, self.size = min_count, size
        self.counts: Counter[str] = Counter()
        self.index = {token: number for number, token in enumerate(self.reserved)}

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

    def encode(self, row: list[str]) -> list[int]:
        """Return the numbers of the tokens; the padding token itself, in a text, is unknown."""
        get = self.index.get
        return [get(token, UNKNOWN) or UNKNOWN for token in row]

    def tokens(self) -> np.ndarray:
        """Return the tokens by their numbers."""
        return np.array(list(self.index), dtype=object)
