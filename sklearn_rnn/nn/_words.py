"""Words as input: an embedding of each word beside one made from its characters; torch only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ._dropout import Dropout
from ._input import Standardise

_CHARACTER_SIZE = 32


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
    """

    n_words: int
    n_characters: int
    word_length: int
    categories: tuple[int, ...] = ()
    n_numeric: int = 0

    @property
    def n_columns(self) -> int:
        """Columns of a step in all."""
        return 1 + self.word_length + len(self.categories) + self.n_numeric


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
        distinct, where = torch.unique(characters, dim=0, return_inverse=True)
        width = max(1, int((distinct > 0).sum(1).max()))
        distinct = distinct[:, :width]
        valid = (distinct > 0).unsqueeze(1)
        embedded = torch.where(valid, self.embedding(distinct).transpose(1, 2), 0.0)
        found = torch.relu(self.convolution(embedded))
        # A rectified maximum: what padding adds is zero, and so is a word without characters.
        return torch.where(valid, found, 0.0).amax(2).index_select(0, where)


class WordInput(nn.Module):
    """Steps of words to (B, T, output_size): words, characters, categories and numbers.

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
        widths = [min(32, size // 2 + 1) for size in columns.categories]
        self.categories = nn.ModuleList(
            nn.Embedding(size + 1, width)
            for size, width in zip(columns.categories, widths, strict=True)
        )
        self.standardise = Standardise(columns.n_numeric)
        self.keep_word = Dropout(word_dropout)
        self.dropout = Dropout(dropout)
        self.output_size = embedding_size + character_size + sum(widths) + columns.n_numeric

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
        for place, (size, embedding) in enumerate(
            zip(columns.categories, self.categories, strict=True)
        ):
            codes = ids[:, :, first + place]
            parts.append(embedding(torch.where((codes > 0) & (codes <= size), codes, 0)))
        if columns.n_numeric:
            parts.append(self.standardise(x[:, :, -columns.n_numeric :]))
        joined: Tensor = self.dropout(torch.cat(parts, 2))
        return joined
