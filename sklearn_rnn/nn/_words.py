"""Words as input: embeddings of each word, of its ends and of its characters; torch only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ._dropout import Dropout
from ._input import Standardise

# Sizes of the vectors of a character, and of a word's beginning or end.
_CHARACTER_SIZE = 32
_AFFIX_SIZE = 16


@dataclass(frozen=True, kw_only=True)
class WordColumns:
    """What the columns of a step of words hold, in this order.

    Parameters
    ----------
    n_words : int
        Numbers of words in the first column; 0 is an unknown word.
    n_characters : int
        Numbers of characters; 0 is none (padding), 1 an unknown one.
    word_length : int
        Columns of characters.
    categories : tuple of int, default=()
        For each further categorical column, its number of categories. Others count as unknown.
    n_numeric : int, default=0
        Columns of numbers, at the end.
    affixes : tuple of int, default=()
        For each column of beginnings or ends of words, between characters and categories, how many
        it tells apart. Others count as unknown.
    """

    n_words: int
    n_characters: int
    word_length: int
    categories: tuple[int, ...] = ()
    n_numeric: int = 0
    affixes: tuple[int, ...] = ()

    @property
    def n_columns(self) -> int:
        """Columns of a step in all."""
        known = 1 + self.word_length + len(self.affixes) + len(self.categories)
        return known + self.n_numeric


class CharacterEncoder(nn.Module):
    """From the characters of a word to a vector: a convolution over them, and its maximum.

    Each distinct word of a batch is read once.

    Parameters
    ----------
    n_characters : int
        Numbers of characters; 0 is padding.
    output_size : int
    kernel_size : int, default=3

    References
    ----------
    X. Ma, E. Hovy, "End-to-end sequence labeling via bi-directional LSTM-CNNs-CRF", ACL 2016.
    """

    def __init__(self, n_characters: int, output_size: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.output_size = output_size
        self.embedding = nn.Embedding(n_characters, _CHARACTER_SIZE, padding_idx=0)
        self.convolution = nn.Conv1d(
            _CHARACTER_SIZE, output_size, kernel_size, padding=kernel_size // 2
        )

    def forward(self, characters: Tensor) -> Tensor:
        """Return (N, output_size) of the characters (N, W), padded with 0 behind."""
        distinct, where = _distinct_rows(characters)
        width = max(1, int((distinct > 0).sum(1).max()))
        distinct = distinct[:, :width]
        valid = (distinct > 0).unsqueeze(1)
        embedded = torch.where(valid, self.embedding(distinct).transpose(1, 2), 0.0)
        found = torch.relu(self.convolution(embedded))
        # A rectified maximum: what padding adds is zero, and so is a word without characters.
        return torch.where(valid, found, 0.0).amax(2).index_select(0, where)


def _distinct_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distinct rows of (N, W) numbers, and for each row which of them it is."""
    # Rows are told apart by a hash of 64 bits: to sort whole rows takes a tenth of the training.
    generator = torch.Generator().manual_seed(0)
    factors = torch.empty(rows.shape[1], dtype=torch.int64)
    factors.random_(-(2**63), None, generator=generator)
    keys, where = torch.unique((rows * factors.to(rows.device)).sum(1), return_inverse=True)
    first = torch.empty(len(keys), dtype=torch.int64, device=rows.device)
    first[where] = torch.arange(len(rows), device=rows.device)
    return rows.index_select(0, first), where


class WordInput(nn.Module):
    """Steps of words to (B, T, output_size): words, characters, affixes, categories and numbers.

    Parameters
    ----------
    columns : WordColumns
        What a step holds.
    embedding_size : int
        Of words.
    character_size : int
        Of what is made from a word's characters; 0 leaves them out.
    dropout : float, default=0.0
        Of the result.
    word_dropout : float, default=0.0
        Share of the words that training takes as unknown, so that these are learned too.

    Attributes
    ----------
    output_size : int
    """

    def __init__(
        self,
        columns: WordColumns,
        embedding_size: int,
        character_size: int,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.columns = columns
        self.words = nn.Embedding(columns.n_words, embedding_size)
        self.characters = (
            CharacterEncoder(columns.n_characters, character_size) if character_size else None
        )
        self.affixes = nn.ModuleList(
            nn.Embedding(size + 1, _AFFIX_SIZE) for size in columns.affixes
        )
        widths = [min(32, size // 2 + 1) for size in columns.categories]
        self.categories = nn.ModuleList(
            nn.Embedding(size + 1, width)
            for size, width in zip(columns.categories, widths, strict=True)
        )
        self.standardise = Standardise(columns.n_numeric)
        self.keep_word = Dropout(word_dropout)
        self.dropout = Dropout(dropout)
        self.output_size = (
            embedding_size
            + character_size
            + _AFFIX_SIZE * len(columns.affixes)
            + sum(widths)
            + columns.n_numeric
        )

    def shrink(self, scale: float) -> None:
        """Multiply the vectors of words and affixes: most are rare, and start as little but noise.

        Parameters
        ----------
        scale : float
        """
        with torch.no_grad():
            for layer in (self.words, *self.affixes):
                layer.weight *= scale

    def set_statistics(
        self, mean: Tensor | Sequence[float], scale: Tensor | Sequence[float]
    ) -> None:
        """Set mean and scale of the columns of numbers, given those of all columns."""
        first = self.columns.n_columns - self.columns.n_numeric
        mean, scale = torch.as_tensor(mean), torch.as_tensor(scale)
        self.standardise.set_statistics(mean[first:], scale[first:])

    def forward(self, x: Tensor) -> Tensor:
        columns = self.columns
        batch, steps = x.shape[:2]
        numbers = x[:, :, : columns.n_columns - columns.n_numeric]
        # What pads a batch may be anything.
        ids = torch.nan_to_num(numbers, 0.0, 0.0, 0.0).long()
        words = ids[:, :, 0]
        words = torch.where((words >= 0) & (words < columns.n_words), words, 0)
        if self.training and self.keep_word.p > 0:
            kept = self.keep_word(torch.ones(batch, steps, device=x.device)) > 0
            words = torch.where(kept, words, 0)
        parts = [self.words(words)]
        if self.characters is not None:
            characters = ids[:, :, 1 : 1 + columns.word_length].flatten(0, 1)
            characters = characters.clamp(0, columns.n_characters - 1)
            parts.append(self.characters(characters).view(batch, steps, -1))
        first = 1 + columns.word_length
        sizes = columns.affixes + columns.categories
        embeddings = [*self.affixes, *self.categories]
        for place, (size, embedding) in enumerate(zip(sizes, embeddings, strict=True)):
            codes = ids[:, :, first + place]
            parts.append(embedding(torch.where((codes > 0) & (codes <= size), codes, 0)))
        if columns.n_numeric:
            parts.append(self.standardise(x[:, :, -columns.n_numeric :]))
        joined: Tensor = self.dropout(torch.cat(parts, 2))
        return joined
