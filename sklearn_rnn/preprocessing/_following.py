"""Transformers on a sequence that still comes in, step by step; imports `sequences` and NumPy."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..sequences import Array, InputSchema, Sequences
from ._gaps import fill_forward, previous_observed
from ._texts import Texts
from ._vocabulary import UNKNOWN
from ._words import make_cleaner


class Stepwise:
    """What does to each step the same, whatever came before it.

    Parameters
    ----------
    transform : callable
        Maps `Sequences` to `Sequences`, one for one.
    schema : InputSchema
        What it was fitted on.
    """

    def __init__(self, transform: Callable[[Sequences], Sequences], schema: InputSchema) -> None:
        self.transform = transform
        self.n_channels, self.vocabulary_size = schema.n_channels, schema.vocabulary_size

    def push(self, steps: Sequences) -> Sequences:
        """Return what the steps, one sequence, become behind all those pushed before."""
        return self.transform(steps)


class FillingForward:
    """A `SequenceImputer` that remembers what each channel showed last, and when.

    Parameters
    ----------
    imputer : SequenceImputer
        Fitted, and looking back alone.
    """

    def __init__(self, imputer: Any) -> None:
        self.imputer = imputer
        self.vocabulary_size = None
        self.n_channels: int = len(imputer.statistics_)
        self.n_steps = 0
        # Of each channel: the last value seen, NaN before the first, and its time or the start's.
        self.last: Array | None = None
        self.when: Array | None = None

    def push(self, steps: Sequences) -> Sequences:
        """Return what the steps, one sequence, become behind all those pushed before."""
        imputer = self.imputer
        clock = steps.times
        if clock is None:
            clock = self.n_steps + np.arange(len(steps.values), dtype=np.float64)
        last = np.full(self.n_channels, np.nan) if self.last is None else self.last
        when = np.full(self.n_channels, clock[0]) if self.when is None else self.when
        # The memory stands as a step before the first.
        values = np.vstack([last, steps.values.astype(np.float64)])
        times = np.vstack([when, np.broadcast_to(clock[:, None], steps.values.shape)])
        seen = ~np.isnan(values)
        previous = previous_observed(seen, np.zeros(len(values), dtype=np.int64))
        if imputer.strategy == "forward":
            filled = fill_forward(values, previous, imputer.statistics_)
        else:
            filled = np.where(seen, values, imputer.statistics_)
        latest = np.take_along_axis(times, np.maximum(previous, 0), axis=0)
        parts = [filled[1:]]
        if imputer.add_indicator:
            parts.append(1.0 - seen[1:])
        if imputer.add_time_since:
            parts.append((times - latest)[1:])
        result = np.concatenate(parts, axis=1).astype(steps.dtype)
        self.n_steps += len(clock)
        unseen = np.full(self.n_channels, np.nan)
        self.last, self.when = fill_forward(values, previous, unseen)[-1], latest[-1]
        names = imputer._channel_names_out(list(steps.channel_names or ()))
        return steps.with_values(result, channel_names=names or None)


class FollowingText:
    """A `TextTokenizer` on a text that still comes in, or on a row of words that does.

    Its tokens are those of the whole text so far: a piece that goes on with a word, or with a
    sentence, changes what stands at the end.

    Parameters
    ----------
    tokenizer : TextTokenizer
        Fitted.
    """

    # Tokens at the end that may still change, as a rule.
    open_end = 8

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = copy.copy(tokenizer)
        # Learning on, with partial_fit, adds to it in place.
        self.tokenizer._vocabulary = tokenizer._vocabulary.as_it_is()
        self.words: bool = tokenizer._pretokenized
        if self.words:
            self.open_end = 0
        cuts = tokenizer.analyzer in ("word", "char") and not tokenizer.special_tokens
        self.settles = tokenizer.max_length is None and (self.words or cuts)
        # Numbers of what is settled, then what is not; it begins with a chunk that is settled and
        # came to so many tokens, since how a word is marked depends on the one before.
        self.ids: Array = np.empty(0, dtype=np.int64)
        self.rest: Any = [] if self.words else ""
        self.context = 0
        self.text = ""

    def push(self, piece: Any) -> Sequences:
        """Return the tokens of everything pushed so far, as one sequence."""
        if self.words:
            self.rest = [*self.rest, *_as_words(piece)]
        elif isinstance(piece, str):
            self.rest, self.text = self.rest + piece, self.text + piece
        else:
            raise TypeError(
                "TextTokenizer was fitted on strings; push the next piece of the text, a string, "
                f"not {piece!r}."
            )
        if self.settles and not self.words and self._unmarked():
            # Then no word of the text is marked, whatever was settled.
            self.settles, self.ids, self.rest, self.context = False, self.ids[:0], self.text, 0
        found = self._encoded(self.rest)
        row = np.concatenate([self.ids, found[self.context :]])
        if self.settles and self.words:
            self.ids, self.rest = row, []
        elif self.settles and len(self.rest) > _LONG:
            self._settle(found)
        size = self.tokenizer._sequences([[]], Texts([""])).vocabulary_size
        row = row if len(row) else np.array([UNKNOWN])
        return Sequences(row, [0, len(row)], vocabulary_size=size)

    def _unmarked(self) -> bool:
        """Tell whether small letters are more than the capitals were, as of a dotted I."""
        clean = make_cleaner(self.tokenizer.normalization, False)(self.rest)
        return len(clean.lower()) != len(clean)

    def _encoded(self, rest: Any) -> Array:
        """Return the numbers of the tokens of one row."""
        return np.asarray(self.tokenizer._encoded([rest])[0], dtype=np.int64)

    def _settle(self, found: Array) -> None:
        """Put away what no further piece can change: up to the end of a word or a sentence."""
        ends = [end for end in _CHUNK.finditer(self.rest[:-_LONGEST_OPEN]) if _is_end(end)]
        if not ends:
            return
        last = ends[-1]
        before = self._encoded(self.rest[: last.end()])
        if np.array_equal(before, found[: len(before)]):
            self.ids = np.concatenate([self.ids, before[self.context :]])
            self.rest = self.rest[last.start() :]
            self.context = len(self._encoded(last.group()))


# Texts are cut where they are longer, and not within so many characters of their end.
_LONG, _LONGEST_OPEN = 400, 120
_CHUNK = re.compile("[^\\s\u3002\uff01\uff1f]*(?:[\u3002\uff01\uff1f](?=\\w)|[ \n\t])")


def _is_end(chunk: re.Match[str]) -> bool:
    """Tell whether what follows a chunk is read alike whatever stood before the chunk."""
    text = chunk.group().rstrip()
    return text.isalpha() and text.islower() or text[-1:] in (*".!?\u3002\uff01\uff1f",)


def _as_words(piece: Any) -> list[str]:
    """Return the pushed words."""
    words = [piece] if isinstance(piece, str) else piece
    if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words):
        raise TypeError(
            "TextTokenizer was fitted on lists of words; push a word, or a list of words, not "
            f"{piece!r}."
        )
    return list(words)
