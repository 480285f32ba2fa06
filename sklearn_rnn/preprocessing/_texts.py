"""Texts in any form, row by row, whole or while they come in; imports `sequences`."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from itertools import chain
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np

from ..sequences import (
    Array,
    Sequences,
    as_series,
    as_table,
    as_times,
    column_role,
    is_frame,
    is_missing,
    is_series,
    read_static,
)
from ._vocabulary import UNKNOWN
from ._words import Row, make_cleaner


class Texts(NamedTuple):
    """What X holds: one text, or list of words, a row; and the other columns of a frame."""

    rows: list[Row]
    column: str | None = None
    static: np.ndarray | None = None
    static_names: tuple[str, ...] | None = None
    static_categories: tuple[Any, ...] | None = None
    columns: tuple[str, ...] | None = None
    times: list[np.ndarray] | None = None


def read_texts(X: Any, column: Any = None, times: Any = None) -> Texts:
    """Read a list, array, series or frame of texts.

    Parameters
    ----------
    X : list of str, list of lists of str, array, column, or frame
        A frame has one column of texts; its other columns are static features.
    column : column name, default=None
        Which column of a frame holds the texts. None takes the only column of strings.
    times : column name, default=None
        Which column of a frame holds lists with the time of each word.

    Raises
    ------
    TypeError, ValueError
        Naming the row that holds no text, or the columns to choose from.
    """
    if isinstance(X, (str, bytes)):
        raise TypeError("X is a single string; for one text pass [X].")
    X = as_table(X)
    if is_frame(X):
        return _read_frame(X, column, times)
    if times is not None:
        raise TypeError(
            f"times={times!r} names a column of a data frame; X is {type(X).__name__}. Leave times "
            "out, or pass a frame of the words and their times."
        )
    if is_series(X):
        series = as_series(X)
        return Texts(check_rows(series.to_list()), str(series.name) if series.name else None)
    if isinstance(X, np.ndarray):
        if X.ndim == 2 and X.shape[1] == 1:
            X = X[:, 0]
        if X.ndim != 1:
            raise ValueError(
                f"X must have one text for each row; got an array of shape {X.shape}. For texts "
                "beside other features pass a data frame; for lists of words a list."
            )
        return Texts(check_rows(X.tolist()))
    if not isinstance(X, Iterable) or isinstance(X, (dict, set, frozenset)):
        raise TypeError(f"X must be a list or column of texts; got {type(X).__name__}.")
    return Texts(check_rows(list(X)))


def _read_frame(X: Any, column: Any, times: Any) -> Texts:
    """Take the texts out of a frame, and its other columns as static features."""
    frame = nw.from_native(X, eager_only=True)
    for name in (column, times):
        if name is not None and name not in frame.columns:
            raise ValueError(f"X has no column {name!r}; its columns are {frame.columns}.")
    found = [name for name in frame.columns if _holds_texts(frame.get_column(name))]
    if column is None:
        if len(found) != 1:
            raise ValueError(
                f"X must have one column of texts; found {found or 'none'}. Name it with "
                "TextTokenizer(column=...); others become categories."
            )
        column = found[0]
    rows = check_rows(frame.get_column(column).to_list(), f" of column {column!r}")
    others = [name for name in frame.columns if name not in (column, times)]
    for name in others:
        if column_role(frame.get_column(name)) == "list":
            raise ValueError(
                f"Column {name!r} holds lists, and the words are in {column!r}. If it says when "
                f"each word was, name it with TextTokenizer(times={name!r}); else drop it."
            )
    clock = None if times is None else _read_times(frame.get_column(times), rows, times)
    columns = tuple(map(str, frame.columns))
    if not others:
        return Texts(rows, str(column), columns=columns, times=clock)
    read = [read_static(frame.get_column(name)) for name in others]
    return Texts(
        rows,
        str(column),
        np.column_stack([values for values, _ in read]),
        tuple(str(name) for name in others),
        tuple(labels for _, labels in read),
        columns,
        clock,
    )


def _read_times(series: Any, rows: list[Row], name: Any) -> list[np.ndarray]:
    """Return the times of the words of each row, or refuse them by row."""
    found = []
    for number, (words, cell) in enumerate(zip(rows, series.to_list(), strict=True)):
        if isinstance(words, str):
            raise ValueError(
                f"times={name!r} gives each word a time, but row {number} is a string: split the "
                "texts into lists of words first."
            )
        clock = np.zeros(0)
        if not is_missing(cell):
            clock = as_times(cell, f"Row {number} of column {name!r}").astype(np.float64)
        if clock.shape != (len(words),):
            raise ValueError(
                f"Row {number} has {len(words)} words, but column {name!r} has {clock.size} times; "
                "give every word its time."
            )
        found.append(clock)
    return found


def cut_times(
    times: list[np.ndarray] | None, rows: list[list[int]], truncate: str
) -> np.ndarray | None:
    """Join the times of what is left of each row; an empty one has its token at time 0."""
    if times is None:
        return None
    kept = []
    for clock, row in zip(times, rows, strict=True):
        first = 0 if truncate == "end" else len(clock) - len(row)
        kept.append(clock[first : first + len(row)] if len(clock) else np.zeros(1))
    return np.concatenate(kept)


def _holds_texts(series: Any) -> bool:
    """Tell whether a column holds strings, or lists of strings, and is no category."""
    dtype = series.dtype
    if dtype == nw.String:
        return True
    if isinstance(dtype, nw.List):
        return bool(dtype.inner == nw.String)
    if dtype not in (nw.Object, nw.Unknown):
        return False
    first = next((cell for cell in series.to_list() if not is_missing(cell)), None)
    return isinstance(first, str) or _is_words(first)


def _is_words(row: Any) -> bool:
    """Tell whether a row is a list of words."""
    if isinstance(row, np.ndarray):
        return row.ndim == 1 and row.dtype.kind in "UO" and all(isinstance(w, str) for w in row)
    return isinstance(row, (list, tuple)) and all(isinstance(word, str) for word in row)


def check_rows(rows: list[Any], where: str = "") -> list[Row]:
    """Return the rows as texts or lists of words; refuse anything else by its row."""
    if not rows:
        raise ValueError(
            "Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is required: X is "
            "empty."
        )
    if all(isinstance(row, str) for row in rows):
        return rows
    checked: list[Row] = []
    for number, row in enumerate(rows):
        if isinstance(row, str):
            checked.append(str(row))
        elif _is_words(row):
            checked.append([str(word) for word in row])
        else:
            raise _no_text(number, row, where)
    kinds = {isinstance(row, str) for row in checked}
    if len(kinds) > 1:
        first = isinstance(checked[0], str)
        number = next(i for i, row in enumerate(checked) if isinstance(row, str) != first)
        names = ("a list of words", "a string")
        raise TypeError(
            f"Row {number}{where} is {names[not first]}, but row 0 is {names[first]}; give every "
            "row in the same form."
        )
    return checked


def _no_text(number: int, row: Any, where: str) -> TypeError:
    """Make the error for a row that is no text."""
    if is_missing(row):
        return TypeError(
            f"Row {number}{where} is missing ({row!r}); drop the row from X and y, or put '' for a "
            "text that is empty."
        )
    if isinstance(row, bytes):
        return TypeError(
            f"Row {number}{where} is bytes; decode it first, with row.decode('utf-8')."
        )
    if isinstance(row, (list, tuple, np.ndarray)):
        other = next((word for word in row if not isinstance(word, str)), None)
        return TypeError(
            f"Row {number}{where} holds {other!r} ({type(other).__name__}), which is no word; a "
            "list has to hold strings alone."
        )
    return TypeError(
        f"Row {number}{where} is {row!r} ({type(row).__name__}), not a text; turn it into a string "
        "if it is meant as one."
    )


def join_rows(rows: list[list[int]], vocabulary_size: int, **parts: Any) -> Sequences:
    """Build a container of tokens from rows of numbers."""
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(list(map(len, rows)), out=offsets[1:])
    values = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=int(offsets[-1]))
    return Sequences(values, offsets, vocabulary_size=vocabulary_size, **parts)


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
        # Numbers of what is settled, then the text that is not. That text begins with a settled
        # chunk of `context` tokens, since the mark of a word depends on the word before.
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


# Longer texts are settled in part, up to a place this many characters before their end (letters).
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
