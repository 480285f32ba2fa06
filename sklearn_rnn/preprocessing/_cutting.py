"""Cutting rows of texts into tokens, special ones kept whole; imports its neighbours alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ._texts import Row
from ._words import split_chunks, split_marked, split_words

_CUTS: dict[str, Callable[[str], list[str]]] = {
    "char": list,
    "word": split_words,
    "marked words": split_marked,
    "subword": split_chunks,
}


def cut_rows(
    rows: list[Row],
    analyzer: str | Callable[[str], Any],
    clean: Callable[[str], str],
    special: list[str],
) -> Iterator[list[str]]:
    """Yield the tokens of each row; rows of words are cleaned and stay as many as they are.

    Parameters
    ----------
    rows : list of str, or list of lists of str
    analyzer : {"word", "marked words", "char", "subword"} or callable
        What a token is; of subwords, the words with their marks of spaces. Words are marked where
        they have capitals, and then in small letters.
    clean : callable
        What is done to each text first; a callable `analyzer` sees texts as they are.
    special : list of str
        Tokens that are found as they are written.

    Raises
    ------
    TypeError
        When a callable `analyzer` returns anything but strings; the row is named.
    """
    if rows and not isinstance(rows[0], str):
        known = set(special)
        for row in rows:
            yield [word if word in known else clean(word) for word in row]
    elif callable(analyzer):
        for number, row in enumerate(rows):
            found = analyzer(str(row))
            tokens = list(found) if isinstance(found, Iterable) else [found]
            if not all(isinstance(token, str) for token in tokens):
                raise TypeError(
                    f"analyzer must return a list of strings; for row {number} it returned "
                    f"{found!r:.60}."
                )
            yield tokens
    else:
        if analyzer not in _CUTS:
            raise ValueError(f"analyzer={analyzer!r} is neither a name that is known nor callable.")
        cut = _CUTS[analyzer]
        yield from _cut_around(special, rows, lambda text: cut(clean(text)))


def _cut_around(
    special: list[str], rows: list[Row], cut: Callable[[str], list[str]]
) -> Iterator[list[str]]:
    """Cut texts, keeping special tokens whole."""
    if not special:
        yield from (cut(str(row)) for row in rows)
        return
    ordered = sorted(special, key=len, reverse=True)
    pattern = re.compile("(" + "|".join(map(re.escape, ordered)) + ")")
    for row in rows:
        tokens: list[str] = []
        for place, part in enumerate(pattern.split(str(row))):
            tokens += [part] if place % 2 else cut(part)
        yield tokens
