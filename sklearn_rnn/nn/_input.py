"""From raw batches to what the recurrence reads: numbers, tokens, words; imports torch only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ._masking import Dropout


def _as_statistics(values: Tensor | Sequence[float], like: Tensor, name: str) -> Tensor:
    """Convert to a tensor of the buffer's shape, dtype and device."""
    tensor = torch.as_tensor(values, dtype=torch.float64).flatten()
    if tensor.shape != like.shape:
        raise ValueError(f"{name} must have {like.numel()} entries; got {tensor.numel()}.")
    return tensor.to(like)


class Standardise(nn.Module):
    """Subtract a mean, divide by a scale, and put zero where a value is missing.

    Parameters
    ----------
    size : int
        Number of channels.

    Attributes
    ----------
    mean, scale : Tensor of shape (size,)
        Buffers: they travel with ``state_dict`` and are not trained.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))

    def set_statistics(
        self, mean: Tensor | Sequence[float], scale: Tensor | Sequence[float]
    ) -> None:
        """Set mean and scale; a scale that is zero or not finite counts as one.

        Parameters
        ----------
        mean, scale : array-like of shape (size,)
        """
        new_mean = _as_statistics(mean, self.mean, "mean")
        new_scale = _as_statistics(scale, self.scale, "scale")
        usable = torch.isfinite(new_scale) & (new_scale > 0)
        self.mean.copy_(torch.nan_to_num(new_mean))
        self.scale.copy_(torch.where(usable, new_scale, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        standard = x.to(self.mean.dtype) - self.mean
        # In place: a long batch is as large as everything else that a step holds.
        return standard.div_(self.scale).nan_to_num_(0.0, math.inf, -math.inf)


class NumericInput(nn.Module):
    """Standardise channels; what is missing becomes the mean, and is flagged if asked.

    Parameters
    ----------
    n_channels : int
    indicator : bool, default=False
        Append, for each channel, one that is 1 where the value is missing.

    Attributes
    ----------
    output_size : int

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn import NumericInput
    >>> layer = NumericInput(1, indicator=True)
    >>> layer.set_statistics([10.0], [2.0])
    >>> layer(torch.tensor([[[12.0], [float("nan")]]]))
    tensor([[[1., 0.],
             [0., 1.]]])
    """

    def __init__(self, n_channels: int, indicator: bool = False) -> None:
        super().__init__()
        if n_channels < 1:
            raise ValueError(f"n_channels must be at least 1; got {n_channels!r}.")
        self.indicator = indicator
        self.standardise = Standardise(n_channels)
        self.output_size = 2 * n_channels if indicator else n_channels

    def set_statistics(
        self, mean: Tensor | Sequence[float], scale: Tensor | Sequence[float]
    ) -> None:
        """Set the channels' mean and scale; a scale of zero counts as one.

        Parameters
        ----------
        mean, scale : array-like of shape (n_channels,)
        """
        self.standardise.set_statistics(mean, scale)

    def forward(self, x: Tensor) -> Tensor:
        standard: Tensor = self.standardise(x)
        if not self.indicator:
            return standard
        return torch.cat((standard, torch.isnan(x).to(standard.dtype)), 2)


def tokens_in(x: Tensor) -> Tensor:
    """Return the tokens (B, T) of steps that are tokens, or (B, T, 2) with numbers beside them."""
    return x if x.ndim == 2 else x[..., 0].long()


class TokenInput(nn.Module):
    """Embed tokens 0 to V - 1; a negative token is padding and becomes zeros.

    Parameters
    ----------
    vocabulary_size : int
        V.
    embedding_size : int
    dropout : float, default=0.0
        Of the embedded values.
    word_dropout : float, default=0.0
        Share of the tokens that training embeds as zeros.
    variational : bool, default=False
        Whether the same values are dropped at every step of a row.
    timed : bool, default=False
        Whether x is (B, T, 2), with a number beside each token that says how long ago the step
        before was. It is standardised and appended to the embedding.

    Attributes
    ----------
    output_size : int
        ``embedding_size``, and one more if `timed`.

    References
    ----------
    Y. Gal, Z. Ghahramani, "A theoretically grounded application of dropout in recurrent neural
    networks", NeurIPS 2016.

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn import TokenInput
    >>> layer = TokenInput(10, 4)
    >>> layer(torch.tensor([[3, 9, -1]]))[0, 2].tolist()
    [0.0, 0.0, 0.0, 0.0]
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_size: int,
        dropout: float = 0.0,
        *,
        word_dropout: float = 0.0,
        variational: bool = False,
        timed: bool = False,
    ) -> None:
        super().__init__()
        for name, value in (
            ("vocabulary_size", vocabulary_size),
            ("embedding_size", embedding_size),
        ):
            if value < 1:
                raise ValueError(f"{name} must be at least 1; got {value!r}.")
        self.vocabulary_size = vocabulary_size
        self.output_size = embedding_size + timed
        self.standardise = Standardise(1) if timed else None
        self.embedding = nn.Embedding(
            vocabulary_size + 1, embedding_size, padding_idx=vocabulary_size
        )
        self.dropout = Dropout(dropout)
        self.word_dropout = Dropout(word_dropout)
        self.variational = variational

    def set_statistics(
        self, mean: Tensor | Sequence[float], scale: Tensor | Sequence[float]
    ) -> None:
        """Set mean and scale of the number beside the tokens.

        Parameters
        ----------
        mean, scale : array-like of shape (1,)
        """
        if self.standardise is not None:
            self.standardise.set_statistics(mean, scale)

    def forward(self, x: Tensor) -> Tensor:
        embedded = self._embed(tokens_in(x))
        if self.standardise is None:
            return embedded
        return torch.cat((embedded, self.standardise(x[..., 1:])), 2)

    def _embed(self, x: Tensor) -> Tensor:
        """Return the vectors of tokens (B, T), with dropout in training."""
        tokens = torch.where(x < 0, self.vocabulary_size, x)
        embedded: Tensor = self.embedding(tokens)
        if not self.training:
            return embedded
        if self.word_dropout.p:
            kept = self.word_dropout(torch.ones_like(embedded[..., :1]))
            # Whole words are missing, and the others as large as they will be.
            embedded = embedded * (kept > 0)
        if self.variational:
            return embedded * self.dropout(torch.ones_like(embedded[:, :1]))
        dropped: Tensor = self.dropout(embedded)
        return dropped

    @torch.no_grad()
    def set_embeddings(self, vectors: Tensor, tokens: Tensor) -> None:
        """Set the vectors (n, embedding_size) of some tokens (n,)."""
        self.embedding.weight[tokens.to(self.embedding.weight.device)] = vectors.to(
            self.embedding.weight
        )


class StaticInput(nn.Module):
    """Prepare what is known of a sample as a whole: numbers are scaled, categories embedded.

    Parameters
    ----------
    cardinalities : sequence of (int or None)
        One entry a column: None for a number, otherwise the number of categories, whose codes run
        from 0. NaN becomes the mean, or a category of its own ("unknown").
    embedding_size : int, default=None
        Of each categorical column; None means half its cardinality, at most 16.

    Attributes
    ----------
    output_size : int
    plain_size : int
        Columns of :meth:`plain`.

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn import StaticInput
    >>> layer = StaticInput([None, 3])
    >>> layer(torch.tensor([[1.5, 2.0], [float("nan"), float("nan")]])).shape
    torch.Size([2, 3])
    """

    def __init__(
        self, cardinalities: Sequence[int | None], embedding_size: int | None = None
    ) -> None:
        super().__init__()
        if any(size is not None and size < 1 for size in cardinalities):
            raise ValueError(f"cardinalities must be at least 1; got {cardinalities!r}.")
        self.n_columns = len(cardinalities)
        self.numeric = [j for j, size in enumerate(cardinalities) if size is None]
        self.categorical = [j for j, size in enumerate(cardinalities) if size is not None]
        self.cardinalities = tuple(size for size in cardinalities if size is not None)
        self.standardise = Standardise(len(self.numeric))
        widths = [embedding_size or min(16, size // 2 + 1) for size in self.cardinalities]
        self.embeddings = nn.ModuleList(
            nn.Embedding(size + 1, width)
            for size, width in zip(self.cardinalities, widths, strict=True)
        )
        self.output_size = len(self.numeric) + sum(widths)
        self.plain_size = len(self.numeric) + sum(self.cardinalities)

    def set_statistics(
        self, mean: Tensor | Sequence[float], scale: Tensor | Sequence[float]
    ) -> None:
        """Set mean and scale of the numeric columns.

        Parameters
        ----------
        mean, scale : array-like
            One entry a column, categorical ones ignored, or one a numeric column.
        """
        mean = torch.as_tensor(mean, dtype=torch.float64)
        scale = torch.as_tensor(scale, dtype=torch.float64)
        if mean.numel() == self.n_columns and scale.numel() == self.n_columns:
            mean, scale = mean[self.numeric], scale[self.numeric]
        self.standardise.set_statistics(mean, scale)

    def forward(self, static: Tensor) -> Tensor:
        if static.ndim != 2 or static.shape[1] != self.n_columns:
            raise ValueError(
                f"static must have {self.n_columns} columns; got shape {tuple(static.shape)}."
            )
        parts = [self.standardise(static[:, self.numeric])]
        for column, size, embedding in zip(
            self.categorical, self.cardinalities, self.embeddings, strict=True
        ):
            codes = static[:, column]
            known = (codes >= 0) & (codes < size)
            parts.append(embedding(torch.where(known, codes + 1, 0).long()))
        return torch.cat(parts, 1)

    def plain(self, static: Tensor) -> Tensor:
        """Return (B, plain_size) without a trained weight: numbers scaled, categories one-hot."""
        parts = [self.standardise(static[:, self.numeric])]
        for column, size in zip(self.categorical, self.cardinalities, strict=True):
            labels = torch.arange(size, device=static.device)
            parts.append((static[:, column, None] == labels).to(parts[0].dtype))
        return torch.cat(parts, 1)


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
