"""Known words in the place of unknown ones that begin as they do; imports the standard library."""

from __future__ import annotations

import math

# So many letters at least, and such a share of the longer word, are the same.
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
