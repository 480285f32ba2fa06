"""Tokens: their embeddings before training, how they are spelled, how rare they are.

Imports NumPy, torch and layers 0 to 2.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import torch
from scipy import sparse

from ..nn import TokenInput
from ..sequences import Sequences
from ._readout import copies

# There are many words, and most are rare: their noise would drown the others. Measured on
# sentences: 0.1 beats 0.3 and 1. The letters of an alphabet are all frequent.
_SCALE_OF_WORDS, _SCALE_OF_LETTERS = 0.1, 1.0
# Share of a word's first vector, by variance, that words spelled alike have in common.
_ALIKE = 0.5
# So many different tokens at most are an alphabet.
_FEW = 256
# Copies of a sequence stay together where at least so many distinct ones can be held out.
_FEWEST_DISTINCT = 10
# What "auto" drops of vectors, and of tokens: a word less is still a sentence, a letter less
# is another name. On new surnames these and the larger scale tell .79 right, words' .73.
_DROPOUT_OF_WORDS, _DROPOUT_OF_LETTERS = (0.5, 0.2), (0.2, 0.0)


def are_characters(sequences: Sequences) -> bool:
    """Return whether tokens are characters; without a spelling, few of them are."""
    if sequences.lexicon is None:
        return is_small(sequences)
    lengths = [len(token) for token in sequences.lexicon.tokens[2:]]
    # The usual one: a few special tokens are long in any alphabet.
    return bool(lengths) and bool(np.median(lengths) < 1.5)


def is_small(sequences: Sequences) -> bool:
    """Return whether there are no more different tokens than an alphabet has."""
    return (sequences.vocabulary_size or 0) <= _FEW


def copies_of_tokens(sequences: Sequences, rows: np.ndarray, fraction: float) -> np.ndarray | None:
    """Number the distinct sequences of tokens among the rows, where copies are to stay together.

    Where they are so few that hardly any would be held out, new ones are copies too.
    """
    if not sequences.is_tokens:
        return None
    numbers = copies(sequences, rows)
    n_distinct = int(numbers.max()) + 1
    if n_distinct == len(rows) or fraction * n_distinct < _FEWEST_DISTINCT:
        return None
    return numbers


def token_dropout(
    sequences: Sequences, of_values: float | str, of_tokens: float | str
) -> tuple[float, float]:
    """Return the dropout of the vectors' values and of tokens, with ``"auto"`` made a number."""
    letters = sequences.is_tokens and is_small(sequences) and are_characters(sequences)
    auto = _DROPOUT_OF_LETTERS if letters else _DROPOUT_OF_WORDS
    return (
        auto[0] if of_values == "auto" else float(of_values),
        auto[1] if of_tokens == "auto" else float(of_tokens),
    )


def vector_size(sequences: Sequences) -> int | None:
    """Return the size of the tokens' pretrained vectors, if they have any."""
    lexicon = sequences.lexicon
    if lexicon is None or lexicon.vectors is None:
        return None
    return int(lexicon.vectors.shape[1])


def prepare_embeddings(
    layer: TokenInput,
    sequences: Sequences,
    rows: np.ndarray,
    *,
    scale: float | None,
    generator: torch.Generator,
) -> None:
    """Start from pretrained vectors or small ones; zeros for what never occurs and has none.

    Words that are spelled alike start alike. ``scale`` is that of the initial weights, None for
    the one chosen here.
    """
    lexicon = sequences.lexicon
    occurs = np.zeros(sequences.vocabulary_size or 0, dtype=bool)
    counts = np.zeros(len(sequences), dtype=bool)
    counts[rows] = True
    occurs[np.asarray(sequences.values)[np.repeat(counts, sequences.lengths), 0]] = True
    if scale is None:
        with torch.no_grad():
            letters = is_small(sequences) and are_characters(sequences)
            if lexicon is not None and not are_characters(sequences):
                _start_alike(layer, lexicon.tokens, occurs, generator)
            layer.embedding.weight *= _SCALE_OF_LETTERS if letters else _SCALE_OF_WORDS
    unseen = np.flatnonzero(~occurs)
    layer.set_embeddings(
        torch.zeros(len(unseen), layer.embedding.embedding_dim), torch.from_numpy(unseen)
    )
    if lexicon is None or lexicon.vectors is None:
        return
    known = np.flatnonzero(~np.isnan(lexicon.vectors).any(axis=1))
    vectors = torch.from_numpy(lexicon.vectors[known])
    layer.set_embeddings(vectors, torch.from_numpy(known))


def _start_alike(
    layer: TokenInput, tokens: tuple[str, ...], occurs: np.ndarray, generator: torch.Generator
) -> None:
    """Make half of each word's vector, by variance, a sum of vectors of the parts of its spelling.

    The parts are those of 2 to 5 characters that several words have; their vectors are random.
    """
    parts = spelled_parts(tokens, occurs)
    shape = (parts.shape[1], layer.embedding.embedding_dim)
    of_parts = torch.empty(shape, dtype=torch.float64).normal_(generator=generator)
    spelled = parts @ of_parts.numpy()
    alike = np.flatnonzero(spelled.any(axis=1))
    own = layer.embedding.weight[torch.from_numpy(alike)].double().cpu().numpy()
    mixed = np.sqrt(_ALIKE) * spelled[alike] + np.sqrt(1 - _ALIKE) * own
    layer.set_embeddings(torch.from_numpy(mixed), torch.from_numpy(alike))


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
