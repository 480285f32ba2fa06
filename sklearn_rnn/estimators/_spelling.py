"""Tokens by the parts of their spelling, which those that are spelled alike share.

Imports NumPy and SciPy.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from scipy import sparse

# Lengths of the parts; characters of a word that count.
_SHORTEST_PART, _LONGEST_PART, _LONGEST_WORD = 2, 5, 30


def rarity(count: np.ndarray, total: int) -> np.ndarray:
    """Return what an n-gram counts that so many of all rows have, as in scikit-learn's TF-IDF."""
    return np.log((1 + total) / (1 + count)) + 1


def spelled_parts(tokens: tuple[str, ...], occurs: np.ndarray) -> Any:
    """Return the parts of 2 to 5 characters that make up each token, in rows of length one."""
    parts: list[set[str]] = []
    for number in range(len(occurs)):
        word = tokens[number] if number < len(tokens) and occurs[number] else ""
        word = f" {word[:_LONGEST_WORD]} " if word else ""
        parts.append(
            {
                word[start : start + size]
                for size in range(_SHORTEST_PART, _LONGEST_PART + 1)
                for start in range(len(word) - size + 1)
            }
        )
    shared = Counter(part for own in parts for part in own)
    columns = {part: j for j, part in enumerate(sorted(p for p, n in shared.items() if n > 1))}
    row, column = [], []
    for number, own in enumerate(parts):
        found = sorted(columns[part] for part in own if part in columns)
        column += found
        row += [number] * len(found)
    count = np.bincount(column, minlength=len(columns)) if column else np.zeros(len(columns))
    value = rarity(count, int(occurs.sum()))[column] if column else np.zeros(0)
    squares = np.bincount(row, weights=value**2, minlength=len(parts)) if row else None
    if squares is not None:
        value = value / np.sqrt(squares)[row]
    return sparse.csr_array((value, (row, column)), shape=(len(parts), max(1, len(columns))))
