"""What estimators share beside their classes: tokens, unused parameters, random streams, threads.

Imports scikit-learn, joblib, layers 0 to 2.
"""

from __future__ import annotations

from collections import Counter
from numbers import Integral
from typing import Any

import numpy as np
import torch
from joblib import cpu_count
from scipy import sparse
from sklearn.base import TransformerMixin
from sklearn.utils import check_random_state

from ..nn import TokenInput
from ..sequences import (
    Sequences,
    Unused,
    all_or_nothing,
    require_in_step,
)
from ..training import (
    Embedding,
    Optimizer,
)
from ._closed_form import copies

# There are many words, and most are rare: their noise would drown the others. Measured on
# sentences: 0.1 beats 0.3 and 1. The letters of an alphabet are all frequent.
_SCALE_OF_WORDS, _SCALE_OF_LETTERS = 0.1, 1.0
# Share of a word's first vector, by variance, that words spelled alike have in common.
_ALIKE = 0.5
# This many different tokens at most are an alphabet.
_FEW = 256
# Copies of a sequence stay together where at least this many distinct ones can be held out.
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
    """Return what an n-gram counts that this many of all rows have, as in scikit-learn's TF-IDF."""
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


def private_stream(random_state: Any) -> np.random.RandomState:
    """Return a stream of our own, seeded from what the user gave, or from entropy for None."""
    if random_state is None:
        return np.random.RandomState(np.random.SeedSequence().generate_state(4))
    if isinstance(random_state, Integral):
        return np.random.RandomState(int(random_state))
    return np.random.RandomState(check_random_state(random_state).randint(0, 2**31 - 1))


_OF_TOKENS = ("embedding", *(f"embedding__{name}" for name in Embedding._parameter_constraints))


#: What is read by a recurrence, or by its training, and by nothing else.
_OF_TRAINING = (
    "hidden_size",
    "cell",
    "num_layers",
    "pooling",
    "stem",
    "dropout",
    "layer_norm",
    "dropout__weights",
    *_OF_TOKENS,
    "n_estimators",
    "label_smoothing",
    "optimizer",
    *(f"optimizer__{name}" for name in Optimizer._parameter_constraints),
    "learning_rate",
    "batch_size",
    "max_epochs",
    "early_stopping__n_iter_no_change",
    "early_stopping__tol",
)


def _reads_no_text(model: Any) -> bool:
    """Tell whether a model was fitted on numbers."""
    return model._config.vocabulary_size is None and model._config.words is None


#: What has no effect when, by what a fit knows before it trains. The first entry that holds counts.
UNUSED = (
    Unused(
        _OF_TRAINING,
        lambda model: not model._config.recurrent,
        "the closed form alone is solved, and nothing is trained",
    ),
    Unused(
        ("early_stopping", "early_stopping__validation_fraction"),
        lambda model: not model._config.recurrent and bool(model._config.reservoir_units),
        "the closed form alone is solved, and nothing is trained",
    ),
    Unused(
        _OF_TOKENS,
        _reads_no_text,
        "X holds numbers, and they are for tokens or words",
    ),
    Unused(
        ("embedding",),
        lambda model: model._config.embedding_size != model._settings("embedding").size,
        "the tokens' pretrained vectors have a size",
    ),
    Unused(
        ("pooling",),
        lambda model: model._config.per_step,
        "y has one target a step, none is pooled",
    ),
)


def copied_stream(stream: np.random.RandomState) -> np.random.RandomState:
    """Return a stream that draws what this one would, in a tenth of `copy.deepcopy`'s time."""
    other = np.random.RandomState(0)
    other.set_state(stream.get_state())
    return other


def n_threads(n_jobs: int | None) -> int:
    """Return the number of CPU threads: one unless asked, which is fastest for small nets."""
    if n_jobs is None:
        return 1
    if n_jobs == 0:
        raise ValueError("n_jobs == 0 has no meaning; use None, a positive number or -1.")
    # More threads than cores only take memory, and enough of them end the process.
    wanted = n_jobs if n_jobs > 0 else max(1, cpu_count() + 1 + n_jobs)
    return min(wanted, cpu_count())


@all_or_nothing
def fit_transform(self: Any, X: Any, y: Any = None, **fit_params: Any) -> Any:
    """Fit to X and y, then transform the training sequences.

    Parameters
    ----------
    X : array-like, frame, list of arrays or Sequences
        The sequences, as in `fit`.
    y : array-like or list of n_samples targets
        As in `fit`, but in the order of X: what comes after has no labels to align it by.
    **fit_params : dict
        Further arguments of `fit`.

    Returns
    -------
    features : ndarray of shape (n_samples, n_features_out)
        As from `transform`.
    """
    require_in_step(X, y, type(self).__name__)
    return TransformerMixin.fit_transform(self, X, y, **fit_params)
