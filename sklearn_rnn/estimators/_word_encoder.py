"""Words to the columns that the network reads, with vocabularies learned from training rows.

Imports NumPy and layers 0 and 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from ..nn import WordColumns
from ..sequences import Sequences, WordRows

# Longer words are read at both ends.
_WORD_LENGTH = 20
# Ends and beginnings of words that are looked up, as slices.
_AFFIXES = (slice(-2, None), slice(-3, None), slice(3))
_DIGITS = str.maketrans("0123456789", "0" * 10)


def normalise(word: str) -> str:
    """Return the form under which a word is looked up: small letters, every digit a zero."""
    return word.lower().translate(_DIGITS)


class EncodedWords:
    """Rows of words as the encoder of a fitted tagger has read them; a tagger takes them again."""

    def __init__(self, sequences: Sequences) -> None:
        self.sequences = sequences

    def __len__(self) -> int:
        return len(self.sequences)


class WordEncoder:
    """Numbers of words, of their characters, their ends and of further columns.

    Parameters
    ----------
    rows : WordRows
        The training rows.
    """

    def __init__(self, rows: WordRows) -> None:
        words = Counter(normalise(word) for row in rows.words for word in row)
        self.words = {word: number for number, word in enumerate(words, start=1)}
        # What only one word has tells no more than the word.
        self.affixes = [
            _number(affix for affix, count in Counter(w[part] for w in words).items() if count > 1)
            for part in _AFFIXES
        ]
        letters = Counter(letter for row in rows.words for word in row for letter in word)
        self.characters = {letter: number for number, letter in enumerate(letters, start=2)}
        longest = max((len(word) for row in rows.words for word in row), default=1)
        self.word_length = max(1, min(longest, _WORD_LENGTH))
        self.categories = {
            name: _number(value for row in column for value in row)
            for name, column in rows.categories.items()
        }
        self.numbers = list(rows.numbers)

    @property
    def columns(self) -> WordColumns:
        """What the columns of a step hold."""
        return WordColumns(
            n_words=len(self.words) + 1,
            n_characters=len(self.characters) + 2,
            word_length=self.word_length,
            categories=tuple(map(len, self.categories.values())),
            affixes=tuple(map(len, self.affixes)),
            n_numeric=len(self.numbers),
        )

    def encode(self, rows: WordRows) -> Sequences:
        """Return the rows as `Sequences` of numbers, or refuse other columns than in training."""
        for wanted, found in (
            (list(self.categories), list(rows.categories)),
            (self.numbers, list(rows.numbers)),
        ):
            if set(wanted) != set(found):
                raise ValueError(
                    f"Beside the words, X has the columns {found}, but the model was fitted with "
                    f"{wanted}."
                )
        offsets = np.concatenate([[0], np.cumsum(rows.lengths)])
        flat = [word for row in rows.words for word in row]
        exact = np.float64 if self.numbers else np.float32
        values = np.zeros((len(flat), self.columns.n_columns), dtype=exact)
        column = 1 + self.word_length + len(self.affixes)
        known: dict[str, np.ndarray] = {}
        for place, word in enumerate(flat):
            if word not in known:
                known[word] = self._encode_word(word)
            values[place, :column] = known[word]
        for name, numbers in self.categories.items():
            codes = [numbers.get(value, 0) for row in rows.categories[name] for value in row]
            values[:, column] = codes
            column += 1
        for name in self.numbers:
            values[:, column] = np.concatenate(rows.numbers[name])
            column += 1
        return Sequences(values, offsets)

    def _encode_word(self, word: str) -> np.ndarray:
        """Return the numbers of a word, of its characters, the middle left out, and its affixes."""
        width = self.word_length
        if len(word) > width:
            word_ends = word[: (width + 1) // 2] + word[len(word) - width // 2 :]
        else:
            word_ends = word
        found = np.zeros(1 + width + len(self.affixes), dtype=np.float32)
        normal = normalise(word)
        found[0] = self.words.get(normal, 0)
        for place, (part, numbers) in enumerate(zip(_AFFIXES, self.affixes, strict=True)):
            found[1 + width + place] = numbers.get(normal[part], 0)
        letters = [self.characters.get(letter, 1) for letter in word_ends]
        found[1 : 1 + len(letters)] = letters
        return found


def _number(values: Iterable[str]) -> dict[str, int]:
    """Number distinct values from 1 on, sorted."""
    return {value: number for number, value in enumerate(sorted(set(values)), start=1)}
