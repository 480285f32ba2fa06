"""What is known of tokens beside their numbers: spelling and vectors; imports numpy only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ._values import Array


class Lexicon:
    """Say how the tokens of a vocabulary are spelled, and what vectors are known of them.

    Parameters
    ----------
    tokens : iterable of str
        The spelling of token 0, 1, ...
    vectors : array of shape (n_tokens, size), default=None
        Pretrained vectors; NaN in the rows of tokens that have none.

    Raises
    ------
    ValueError
        When the vectors do not fit the tokens.
    """

    def __init__(self, tokens: Iterable[str], vectors: Any = None) -> None:
        self.tokens: tuple[str, ...] = tuple(tokens)
        self.vectors: Array | None = None
        if vectors is None:
            return
        self.vectors = np.asarray(vectors, dtype=np.float32)
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.tokens):
            raise ValueError(
                f"vectors must have shape ({len(self.tokens)}, size); got {self.vectors.shape}."
            )

    def __len__(self) -> int:
        return len(self.tokens)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Lexicon) or self.tokens != other.tokens:
            return False
        if self.vectors is None or other.vectors is None:
            return self.vectors is other.vectors
        return np.array_equal(self.vectors, other.vectors, equal_nan=True)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        size = "" if self.vectors is None else f", vectors of {self.vectors.shape[1]}"
        return f"Lexicon({len(self)} tokens{size})"
