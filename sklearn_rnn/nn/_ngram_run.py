"""The n-grams of one sequence while it comes in, at a constant cost a token; imports torch only.

What is kept are how often each known n-gram has occurred, and the sums that the readout needs; of
the tokens the first two and the last few.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from ._ngrams import _BEGIN, _END, NGramPath, _openings, ngram_keys

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
