"""A linear model on n-grams of tokens, solved elsewhere; imports torch only.

The counts of neighbouring tokens say much of what a short text is about. `NGramPath` weighs them as
TF-IDF does and reads them out by a linear layer whose weights are solved in closed form or by a
linear solver, and which the gradient never touches.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from ._input import tokens_in
from ._masking import length_mask

# Marks before the first token and after the last.
_BEGIN, _END = -2, -3
# Stands for any one token between two; for any number of them.
_ANY, _LATER = -4, 2**40
# Odd numbers near 2**64 / golden ratio: products with them wrap around and spread well.
_SPREAD, _STIR, _NEXT = -7046029254386353131, -4658895280553007687, 2685821657736338717


def ngram_keys(
    x: Tensor,
    lengths: Tensor,
    longest: int,
    *,
    ends: bool,
    skips: bool = False,
    openings: bool = False,
) -> tuple[list[Tensor], list[Tensor]]:
    """Return a number for every n-gram of a padded batch, and the row in which it stands.

    The number is a hash in 64 bits: among a million different n-grams, two share one with a
    probability of one in thirty million.

    Parameters
    ----------
    x : Tensor of int64 of shape (B, T)
        Tokens; what stands at padding does not count.
    lengths : Tensor of shape (B,)
    longest : int
        Tokens of the longest n-grams.
    ends : bool
        Whether the begin and the end of a row count as tokens.
    skips : bool, default=False
        Whether there is an entry more: pairs of tokens with any one token between them.
    openings : bool, default=False
        Whether there are two entries more, the last: each token after the first with the first one,
        and each after the second with the first two, wherever it stands.

    Returns
    -------
    keys, rows : list of Tensor of int64
        One entry for n-grams of 1, 2, ... tokens.
    """
    plain, n_tokens = x, lengths
    if ends:
        border = x.new_full((x.shape[0], 1), _BEGIN)
        x = torch.cat((border, x, border), 1)
        x = x.scatter(1, lengths[:, None] + 1, _END)
        lengths = lengths + 2
    true = length_mask(lengths, x.shape[1])
    row = torch.arange(x.shape[0], device=x.device)[:, None].expand_as(x)
    keys, rows = [], []
    hashed = (x + 5) * _SPREAD
    for size in range(1, min(longest, x.shape[1]) + 1):
        if size > 1:
            hashed = _append(hashed[:, :-1], x[:, size - 1 :])
        whole = true[:, size - 1 :]
        keys.append(hashed[whole])
        rows.append(row[:, size - 1 :][whole])
    if skips and x.shape[1] > 2:
        first = (x[:, :-2] + 5) * _SPREAD
        hashed = _append(_append(first, torch.full_like(first, _ANY)), x[:, 2:])
        keys.append(hashed[true[:, 2:]])
        rows.append(row[:, 2:][true[:, 2:]])
    if openings:
        for key, row in _openings(plain, n_tokens):
            keys.append(key)
            rows.append(row)
    return keys, rows


def _openings(x: Tensor, lengths: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return keys and rows of tokens with the first one, and with the first two."""
    true = length_mask(lengths, x.shape[1])
    row = torch.arange(x.shape[0], device=x.device)[:, None].expand_as(x)
    found = []
    hashed = (x[:, :1] + 5) * _SPREAD
    for size in (1, 2):
        if size == 2:
            hashed = _append(hashed, x[:, 1:2])
        mark = _append(hashed, torch.full_like(hashed, _LATER))
        key = _append(mark[:, : x.shape[1] - size], x[:, size:])
        found.append((key[true[:, size:]], row[:, size:][true[:, size:]]))
    return found


def _append(hashed: Tensor, x: Tensor) -> Tensor:
    """Return the numbers of n-grams that are one token longer."""
    return (hashed ^ (hashed >> 29)) * _STIR + (x + 5) * _NEXT


class NGramPath(nn.Module):
    """Weigh the n-grams of a row as TF-IDF does, and read them out linearly.

    An n-gram that occurs k times counts (1 + log k) times its weight `idf`; the counts of a row
    are scaled to a length of one. What is spelled alike can share weights: then each token adds,
    by its share of the row's single tokens, a row of `spelling`.

    Parameters
    ----------
    n_features : int
        Different n-grams that are known.
    n_outputs : int
        Raw outputs, as many as the head gives.
    longest : int, default=2
        Tokens of the longest n-grams.
    ends : bool, default=False
        Whether n-grams see where a row begins and ends.
    skips : bool, default=False
        Whether pairs of tokens with any one token between them are n-grams as well.
    openings : bool, default=False
        Whether tokens with the first one, or two, of their row are n-grams as well. They are scaled
        to a length of one by themselves.
    vocabulary_size : int, default=0
        Tokens that have weights by their spelling; 0 for none.
    static_size : int, default=0
        What is known of a sample as a whole, read out beside.
    """

    keys: Tensor
    idf: Tensor
    weight: Tensor
    bias: Tensor
    is_opening: Tensor
    spelling: Tensor
    token_idf: Tensor
    static_weight: Tensor

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        *,
        longest: int = 2,
        ends: bool = False,
        skips: bool = False,
        openings: bool = False,
        vocabulary_size: int = 0,
        static_size: int = 0,
    ) -> None:
        super().__init__()
        if longest < 1:
            raise ValueError(f"longest must be at least 1; got {longest!r}.")
        self.longest, self.ends, self.skips = longest, ends, skips
        self.openings = openings
        self.n_outputs = n_outputs
        self.vocabulary_size, self.static_size = vocabulary_size, static_size
        self.register_buffer("bias", torch.zeros(n_outputs))
        self.register_buffer("static_weight", torch.zeros(static_size, n_outputs))
        self.register_buffer("spelling", torch.zeros(vocabulary_size, n_outputs))
        self.register_buffer("token_idf", torch.ones(vocabulary_size))
        self.set_ngrams(torch.arange(n_features), torch.ones(n_features))

    @property
    def output_size(self) -> int:
        """Number of different n-grams that are known."""
        return len(self.keys)

    @property
    def n_solved(self) -> int:
        """Number of weights of the readout."""
        parts = self.weight, self.bias, self.spelling, self.static_weight
        return sum(part.numel() for part in parts)

    def in_words(self) -> str:
        """Say what there is, in a few words."""
        return f"{self.output_size} n-grams of up to {self.longest} tokens"

    @property
    def feature_size(self) -> int:
        """Number of raw outputs, which stand for the n-grams where features are asked for."""
        return self.n_outputs

    def set_ngrams(self, keys: Tensor, idf: Tensor, is_opening: Tensor | None = None) -> None:
        """Set which n-grams are known, by keys in ascending order, and what each counts.

        ``is_opening`` says which are openings; None that there are none among them.
        """
        device = self.bias.device
        self.register_buffer("keys", keys.to(device, torch.int64))
        self.register_buffer("idf", idf.to(self.bias))
        self.register_buffer("weight", self.bias.new_zeros(len(keys), self.n_outputs))
        if self.openings:
            if is_opening is None:
                is_opening = torch.zeros(len(keys), dtype=torch.bool)
            self.register_buffer("is_opening", is_opening.to(device))

    def drop_openings(self) -> None:
        """Forget the openings; the readout has to be set again."""
        kept = ~self.is_opening
        self.openings = False
        del self.is_opening
        self.set_ngrams(self.keys[kept], self.idf[kept])

    def set_readout(self, weight: Tensor, bias: Tensor) -> None:
        """Set the solved weights: those of n-grams, of tokens by spelling, of static features."""
        parts = torch.split(weight, [len(self.keys), len(self.spelling), len(self.static_weight)])
        for own, part in zip((self.weight, self.spelling, self.static_weight), parts, strict=True):
            own.copy_(part)
        self.bias.copy_(bias)

    def find(self, x: Tensor, lengths: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return numbers and rows of all n-grams of a padded batch; see :func:`ngram_keys`."""
        lengths = lengths.to(x.device)
        return ngram_keys(
            tokens_in(x),
            lengths,
            self.longest,
            ends=self.ends,
            skips=self.skips,
            openings=self.openings,
        )

    def counts(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return the n-grams of a padded batch (B, T) as rows, columns and values of a matrix.

        Each row of the matrix has length one, or none where no n-gram of it is known; openings have
        a length of one by themselves.
        """
        lengths = _lengths(x, lengths)
        keys, rows = self.find(x, lengths)
        key, row = torch.cat(keys), torch.cat(rows)
        if not len(self.keys):
            return row[:0], row[:0], self.idf[:0]
        column = torch.searchsorted(self.keys, key).clamp_max_(len(self.keys) - 1)
        known = self.keys[column] == key
        groups = self.is_opening if self.openings else None
        return self._scaled(row[known], column[known], self.idf, x.shape[0], groups)

    def single_counts(
        self, x: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return single tokens as `counts` returns n-grams; columns are tokens."""
        x = tokens_in(x)
        mask = length_mask(_lengths(x, lengths), x.shape[1])
        row = torch.arange(x.shape[0], device=x.device)[:, None].expand_as(x)
        return self._scaled(row[mask], x[mask], self.token_idf, x.shape[0])

    @staticmethod
    def _scaled(
        row: Tensor, column: Tensor, idf: Tensor, n_rows: int, groups: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Count what occurs in each row, weigh it, and scale each row's groups to length one."""
        cells, times = torch.unique(row * len(idf) + column, return_counts=True)
        row, column = cells // len(idf), cells % len(idf)
        value = (1 + times.to(idf.dtype).log()) * idf[column]
        part = row if groups is None else row + n_rows * groups[column]
        n_parts = n_rows if groups is None else 2 * n_rows
        squares = value.new_zeros(n_parts).index_add_(0, part, value**2)
        return row, column, value / squares.sqrt()[part].clamp_min(1e-12)

    @torch.no_grad()
    def forward(
        self, x: Tensor, lengths: Tensor | None = None, static: Tensor | None = None
    ) -> Tensor:
        """Return raw outputs (B, n_outputs) for tokens (B, T), or (B, T, 2) with times beside."""
        raw = self.bias.expand(x.shape[0], -1).clone()
        for found, weight in (
            (self.counts(x, lengths), self.weight),
            (self.single_counts(x, lengths) if self.vocabulary_size else None, self.spelling),
        ):
            if found is not None:
                row, column, value = found
                raw.index_add_(0, row, weight[column] * value[:, None])
        if static is not None:
            raw += static.to(raw.dtype) @ self.static_weight
        return raw


def _lengths(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Return lengths on the device of x; None means that every row is full."""
    if lengths is None:
        return torch.full((x.shape[0],), x.shape[1], device=x.device)
    return lengths.to(x.device)


# An opening holds the first token or the first two; a pair with a gap reaches two back.
_FIRST, _REACH = 2, 2


class NGramRun:
    """What a path answers to the tokens of one sequence so far.

    Parameters
    ----------
    path : NGramPath
    """

    def __init__(self, path: NGramPath) -> None:
        self.path = path
        self._groups = [_Group(path.idf, path.weight), _Group(path.idf, path.weight)]
        self._single = _Group(path.token_idf, path.spelling)
        self._first = self._last = path.keys.new_zeros(1, 0)
        if path.ends:
            self._go_on(path.keys.new_full((1, 1), _BEGIN), [])

    def add(self, x: Tensor) -> None:
        """Add tokens (1, t)."""
        path, keys = self.path, []
        if path.openings:
            seen = self._first.shape[1]
            opened = _openings(torch.cat((self._first, x), 1), x.new_tensor([seen + x.shape[1]]))
            # Of those with the first token, and with the first two, what ends in a new one.
            keys = [key[max(0, seen - size) :] for size, (key, _) in enumerate(opened, 1)]
            self._first = torch.cat((self._first, x), 1)[:, :_FIRST]
        if path.vocabulary_size:
            self._single.add(x[0])
        self._go_on(x, keys)

    def answer(self, static: Tensor | None = None) -> Tensor:
        """Return raw outputs (1, n_outputs), as the path itself gives them."""
        path, groups = self.path, self._groups
        if path.ends:
            # Where the row ends now is no end as soon as there is another token.
            columns = self._known(self._ending_in(self._last.new_full((1, 1), _END)))
            groups = [group.with_these(new) for group, new in zip(groups, columns, strict=True)]
        raw = path.bias + sum(group.scaled() for group in groups)
        if path.vocabulary_size:
            raw = raw + self._single.scaled()
        raw = raw.to(path.bias.dtype)[None]
        return raw if static is None else raw + static.to(raw.dtype) @ path.static_weight

    def _go_on(self, x: Tensor, others: list[Tensor]) -> None:
        """Count the n-grams that end in some tokens (1, t), and others."""
        known = self._known(self._ending_in(x) + others)
        for group, columns in zip(self._groups, known, strict=True):
            group.add(columns)
        reach = max(self.path.longest - 1, _REACH)
        self._last = torch.cat((self._last, x), 1)[:, -reach:]

    def _ending_in(self, x: Tensor) -> list[Tensor]:
        """Return the keys of n-grams, but for openings, that end in one of these tokens (1, t)."""
        before, path = self._last.shape[1], self.path
        window = torch.cat((self._last, x), 1)
        lengths = window.new_tensor([window.shape[1]])
        keys, _ = ngram_keys(window, lengths, path.longest, ends=False, skips=path.skips)
        spans = [*range(1, min(path.longest, window.shape[1]) + 1), _REACH + 1]
        return [key[max(0, before - span + 1) :] for span, key in zip(spans, keys, strict=False)]

    def _known(self, keys: list[Tensor]) -> list[Tensor]:
        """Return the columns of known n-grams, and those of openings apart."""
        path, key = self.path, torch.cat(keys)
        if not len(path.keys):
            return [key[:0], key[:0]]
        column = torch.searchsorted(path.keys, key).clamp_max_(len(path.keys) - 1)
        column = column[path.keys[column] == key]
        if not path.openings:
            return [column, column[:0]]
        opening = path.is_opening[column]
        return [column[~opening], column[opening]]

    def copy(self) -> NGramRun:
        """Return a run that goes on from here by itself, over the same path."""
        other = copy.copy(self)
        other._groups = [group.copy() for group in self._groups]
        other._single = self._single.copy()
        return other

    def state(self) -> dict[str, Any]:
        """Return what is kept: plain values and tensors."""
        groups = [group.state() for group in (*self._groups, self._single)]
        return {"first": self._first, "last": self._last, "groups": groups}

    def restore(self, state: dict[str, Any]) -> None:
        """Take on what :meth:`state` returned."""
        self._first, self._last = state["first"], state["last"]
        for group, known in zip((*self._groups, self._single), state["groups"], strict=True):
            group.restore(known)


class _Group:
    """N-grams that are scaled to a length of one together, read out."""

    def __init__(self, idf: Tensor, weight: Tensor) -> None:
        self.idf, self.weight = idf, weight
        self.times: dict[int, int] = {}
        # In double precision, where there is one: what is added and taken away leaves nothing.
        wide = torch.float32 if weight.device.type == "mps" else torch.float64
        self.total = weight.new_zeros(weight.shape[1], dtype=wide)
        self.squares = weight.new_zeros((), dtype=wide)

    def add(self, columns: Tensor) -> None:
        """Count columns once more for each time that they stand here."""
        if len(columns):
            column, before, after = self._counted(columns)
            self.times.update(zip(column.tolist(), after.tolist(), strict=True))
            self._change(column, before, after)

    def with_these(self, columns: Tensor) -> _Group:
        """Return a group, for reading out alone, in which columns have been counted once more."""
        if not len(columns):
            return self
        other = copy.copy(self)
        other._change(*self._counted(columns))
        return other

    def _counted(self, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the distinct columns, and how often they stand before and after these."""
        column, more = torch.unique(columns, return_counts=True)
        before = column.new_tensor([self.times.get(one, 0) for one in column.tolist()])
        return column, before, before + more

    def _change(self, column: Tensor, before: Tensor, after: Tensor) -> None:
        """Bring the sums up to date."""
        idf, weight = self.idf[column].to(self.total), self.weight[column].to(self.total)
        old = torch.where(before > 0, 1 + before.clamp(min=1).to(idf).log(), 0.0) * idf
        new = (1 + after.to(idf).log()) * idf
        self.total = self.total + (new - old) @ weight
        self.squares = self.squares + (new * new - old * old).sum()

    def scaled(self) -> Tensor:
        """Return what is read out, (outputs,)."""
        return self.total / self.squares.clamp(min=0).sqrt().clamp_min(1e-12)

    def copy(self) -> _Group:
        other = copy.copy(self)
        other.times = dict(self.times)
        return other

    def state(self) -> dict[str, Any]:
        device = self.total.device
        return {
            "columns": torch.tensor(list(self.times), dtype=torch.int64, device=device),
            "times": torch.tensor(list(self.times.values()), dtype=torch.int64, device=device),
            "total": self.total,
            "squares": self.squares,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.times = dict(zip(state["columns"].tolist(), state["times"].tolist(), strict=True))
        self.total, self.squares = state["total"], state["squares"]
