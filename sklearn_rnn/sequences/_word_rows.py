"""Rows split into words already, with columns beside the words; imports NumPy and narwhals.

`read_words` tells such rows from all others by looking at the first word.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._container import Sequences
from ._frames import as_table
from ._values import Array

_LISTS = (list, tuple, np.ndarray)


@dataclass
class WordRows:
    """Words, one list a row, and what is known of each of them.

    Attributes
    ----------
    words : list of list of str
    categories : dict of str to list of list of str
        Further columns of strings, by name.
    numbers : dict of str to list of ndarray
        Columns of numbers, by name.
    names : list of str or None
        Names of all columns, where X was a frame.
    """

    words: list[list[str]]
    categories: dict[str, list[list[str]]] = field(default_factory=dict)
    numbers: dict[str, list[Array]] = field(default_factory=dict)
    names: list[str] | None = None

    @property
    def lengths(self) -> Array:
        """Words of each row."""
        return np.array([len(row) for row in self.words], dtype=np.int64)


def read_words(X: Any) -> WordRows | None:
    """Read rows of words, or return None for anything else.

    Parameters
    ----------
    X : list of lists of str, list of lists of tuples, column of lists, or data frame
        In a tuple the word comes first, strings and numbers that belong to it follow. In a data
        frame the first column of lists of strings holds the words.

    Raises
    ------
    ValueError, TypeError
        When it is rows of words, but one is empty, has something else in it, or a column of
        another length; the row is named.
    """
    if isinstance(X, (str, bytes, dict, set)) or X is None:
        return None
    X = as_table(X)
    if hasattr(X, "columns") or hasattr(X, "column_names"):
        return _from_frame(X)
    rows = _as_rows(X)
    if rows is None or not len(rows):
        return None
    first = next((row for row in rows if isinstance(row, _LISTS) and len(row)), None)
    if first is not None:
        _refuse_features(first[0])
    if first is None or not _starts_with_word(first):
        return None
    if isinstance(first[0], str):
        return WordRows([_words(row, number) for number, row in enumerate(rows)])
    return _from_tuples(rows, len(first[0]))


def _refuse_features(step: Any) -> None:
    """Refuse dictionaries, or lists, of features of a step, as sklearn-crfsuite takes them."""
    listed = isinstance(step, list) and bool(step) and all(isinstance(item, str) for item in step)
    if isinstance(step, dict) or listed:
        raise TypeError(
            f"Row 0: step 0 is a {type(step).__name__} of features ({step!r:.60}), as taggers "
            "without a network read them. Give the words themselves, as in [['fly', 'to', 'Rome'], "
            "...]: their characters, ends and neighbours are read from them. What is not in the "
            "words goes beside them, in tuples (word, tag, number), or in a data frame whose "
            "columns hold lists: {name: [[step[name] for step in row] for row in X] for name in "
            "('word', 'tag')} makes one."
        )


def _as_rows(X: Any) -> list[Any] | None:
    """Return the rows of a list, an object array or a column; None for other things."""
    if isinstance(X, (list, tuple)):
        return list(X)
    if isinstance(X, np.ndarray):
        return X.tolist() if X.ndim in (1, 2) and X.dtype.kind in "OUT" else None
    for name in ("to_pylist", "to_list", "tolist"):
        if hasattr(X, name) and hasattr(X, "__len__") and not isinstance(X, Sequences):
            rows = getattr(X, name)()
            return rows if isinstance(rows, list) else None
    return None


def _starts_with_word(row: Any) -> bool:
    """Tell whether a row begins with a word, or a tuple that begins with one."""
    head = row[0]
    return isinstance(head, str) or (
        isinstance(head, tuple) and bool(head) and isinstance(head[0], str)
    )


def _words(row: Any, number: int, column: str = "") -> list[str]:
    """Return one row's strings, or refuse it by number."""
    where = f"Row {number}" + (f", column {column!r}" if column else "")
    if not isinstance(row, _LISTS):
        raise TypeError(f"{where} is no list of words, but {type(row).__name__}: {row!r:.60}.")
    if not len(row):
        raise ValueError(f"{where} has no words; drop the row from X and y.")
    for place, word in enumerate(row):
        if not isinstance(word, str):
            raise TypeError(f"{where}: word {place} is no string, but {type(word).__name__}.")
    return [str(word) for word in row]


def _from_tuples(rows: list[Any], width: int) -> WordRows:
    """Take tuples of a word and what belongs to it apart."""
    columns: list[list[list[Any]]] = [[] for _ in range(width)]
    for number, row in enumerate(rows):
        if not isinstance(row, _LISTS) or not len(row):
            raise ValueError(f"Row {number} has no words; drop the row from X and y.")
        for place, step in enumerate(row):
            if not isinstance(step, (tuple, list)) or len(step) != width:
                raise ValueError(
                    f"Row {number}: step {place} should be a tuple of {width}, as the first is; "
                    f"got {step!r:.60}."
                )
        for column, values in zip(columns, zip(*row, strict=True), strict=True):
            column.append(list(values))
    return _assemble({f"column {j}": column for j, column in enumerate(columns)}, named=False)


def _from_frame(X: Any) -> WordRows | None:
    """Read a frame that has a column of lists of strings."""
    import narwhals as nw

    try:
        frame = nw.from_native(X, eager_only=True)
    except TypeError:
        return None
    columns: dict[str, list[Any]] = {}
    plain = []
    for name in frame.columns:
        cells = [
            cell.tolist() if isinstance(cell, np.ndarray) else cell
            for cell in frame.get_column(name).to_list()
        ]
        first = next((cell for cell in cells if cell is not None), None)
        if isinstance(first, (list, tuple)):
            columns[str(name)] = cells
        else:
            plain.append(str(name))
    if not any(_is_words(cells) for cells in columns.values()):
        return None
    if plain:
        raise ValueError(
            f"Columns {plain} hold one value a row; a tagger reads columns of lists. Repeat the "
            "value for each word of its row, or drop the column."
        )
    return _assemble(columns, named=True)


def _is_words(cells: list[Any]) -> bool:
    """Tell whether cells hold lists of strings, by the first that is not empty."""
    first = next((cell for cell in cells if isinstance(cell, (list, tuple)) and len(cell)), None)
    return first is not None and isinstance(first[0], str)


def _assemble(columns: dict[str, list[Any]], *, named: bool) -> WordRows:
    """Sort columns into words, categories and numbers, and compare their lengths."""
    texts = [name for name, cells in columns.items() if _is_words(cells)]
    read: dict[str, list[list[str]]] = {
        name: [_words(cell, number, name if named else "") for number, cell in enumerate(cells)]
        for name, cells in columns.items()
        if name in texts
    }
    words = read.pop(texts[0])
    numbers = {
        name: [_numbers(cell, number, name) for number, cell in enumerate(cells)]
        for name, cells in columns.items()
        if name not in texts
    }
    beside: dict[str, list[Any]] = {**read, **numbers}
    for name, rows in beside.items():
        for number, (row, own) in enumerate(zip(words, rows, strict=True)):
            if len(row) != len(own):
                raise ValueError(
                    f"Row {number}: column {name!r} has {len(own)} values, but there are "
                    f"{len(row)} words."
                )
    return WordRows(words, read, numbers, list(columns) if named else None)


def _numbers(cell: Any, number: int, column: str) -> Array:
    """Return one row's numbers as float64, or refuse it by number."""
    try:
        values = np.asarray(cell, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"Row {number}, column {column!r}: {error}.") from error
    if values.ndim != 1:
        raise ValueError(f"Row {number}, column {column!r} should hold one number a word.")
    if np.isinf(values).any():
        raise ValueError(f"Row {number}, column {column!r} contains infinity.")
    return values
