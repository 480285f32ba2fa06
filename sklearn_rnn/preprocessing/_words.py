"""Cleaning texts and cutting them into words or other tokens, in linear time; imports re alone.

Nothing here knows of vocabularies. Every pattern is free of backtracking over the same characters,
so that a hostile text costs what its length costs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Literal

#: A text, or the list of its words.
Row = str | list[str]
#: Tokens before a run of words that begin with a capital, and of words in capitals throughout.
CAPITALISED, CAPITALS = "<Xx>", "<XX>"
# What a capital after it says nothing of: it begins a sentence, or a part of one.
_ENDS_OF_SENTENCES = frozenset(".!?:\u2026\u3002\uff01\uff1f")
#: No word is longer: what is, a megabyte without a space, comes in pieces.
LONGEST_WORD = 100
# Combining marks in a row at most: the limit of Unicode's stream-safe form (UAX 15).
_MARKS_IN_A_ROW = 30

# Scripts that write no spaces between words: their characters stand alone, with their marks.
_SPACELESS = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u0fff"  # Tibetan
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u1950-\u19df\u1a20-\u1aaf"  # Tai Le, New Tai Lue, Tai Tham
    "\ua980-\ua9df"  # Javanese
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029"  # Han radicals and signs
    "\u3041-\u309f"  # Hiragana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
# Invisible marks that say nothing of the word: directions, soft hyphens, byte-order marks.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_JOINERS = "\u200c\u200d"
_APOSTROPHES = "'\u2019"
# An apostrophe as word processors write it.
_TYPOGRAPHIC = re.compile(r"(?<=\w)\u2019(?=\w)")


@cache
def _marks() -> str:
    """Return the marks that belong to the letter before them, as the inside of a class."""
    marks = [c for c in map(chr, range(0x300, 0x1F000)) if unicodedata.category(c)[0] == "M"]
    return "".join(marks) + "\U000e0100-\U000e01ef"


@cache
def _long_runs() -> re.Pattern[str]:
    """Return the pattern of more combining marks in a row than any language has.

    A few Tibetan vowels are none, but decompose into such.
    """
    letters = map(chr, range(0x300, 0x1F000))
    marks = [c for c in letters if unicodedata.combining(unicodedata.normalize("NFKD", c)[0])]
    return re.compile(f"([{''.join(marks)}]{{{_MARKS_IN_A_ROW}}})[{''.join(marks)}]++")


@cache
def word_pattern() -> re.Pattern[str]:
    """Return the pattern of a word.

    In this order: an elided article ("l'" of "l'homme"); a number with its points; a word with
    its marks, with an apostrophe inside and a hash or an at before; a character of a script
    without spaces; a flag or another emoji with its modifiers; any other visible character.
    """
    letter = rf"[^\W{_SPACELESS}]"
    mark = rf"[{_marks()}{_JOINERS}]"
    word = rf"{letter}++(?:{mark}++{letter}*+)*+"
    return re.compile(
        rf"[^\W\d_{_SPACELESS}]{{1,2}}[{_APOSTROPHES}](?=[^\W\d_]{{2}})(?!(?:ll|re|ve|LL|RE|VE)\b)"
        rf"|\d++(?:[.,]\d++)++"
        rf"|[#@]?{word}(?:[{_APOSTROPHES}]{word})*+"
        rf"|[{_APOSTROPHES}](?:s|m|d|t|ll|re|ve)\b"
        rf"|[{_SPACELESS}]{mark}*+"
        rf"|[\U0001f1e6-\U0001f1ff]{{2}}"
        rf"|[^\w\s](?:[\ufe0f\u20e3\U0001f3fb-\U0001f3ff]|\u200d[^\w\s])*+"
        rf"|\w"
    )


@cache
def _spaceless_pattern() -> re.Pattern[str]:
    """Return the pattern of a token of a script without spaces."""
    return re.compile(f"[{_SPACELESS}\u3000-\u30ff\uff01-\uff0f]")


Normalization = Literal["NFC", "NFD", "NFKC", "NFKD"]


def make_cleaner(normalization: Normalization | None, lowercase: bool) -> Callable[[str], str]:
    """Return what is done to every text first: repair, normalise, lower the case."""

    def clean(text: str) -> str:
        if not text.isascii():
            text = repair(text)
            if normalization is not None:
                # Sorting marks takes the square of their number in a row.
                text = _long_runs().sub(r"\1", text)
                text = unicodedata.normalize(normalization, text)
                if "K" in normalization:
                    text = _TYPOGRAPHIC.sub("'", text)
            text = _INVISIBLE.sub("", text)
        return text.lower() if lowercase else text

    return clean


def repair(text: str) -> str:
    """Join surrogates that make a pair, and put U+FFFD for each that stands alone."""
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def split_words(text: str) -> list[str]:
    """Cut a cleaned text into words, none of them empty or overlong."""
    words = word_pattern().findall(text)
    if len(text) > LONGEST_WORD and words and max(map(len, words)) > LONGEST_WORD:
        return [piece for word in words for piece in _pieces(word)]
    return words


def split_marked(text: str) -> list[str]:
    """Cut a cleaned text into words in small letters, with a mark before each run of capitals.

    Words of one letter and capitals that begin a sentence say nothing, and are not marked; those in
    capitals throughout are.
    """
    lowered = text.lower()
    if lowered == text or len(lowered) != len(text):
        # Nothing is to be marked; or, in a few languages, places do not stay where they were.
        return split_words(lowered)
    words: list[str] = []
    before, begins = None, True
    for match in word_pattern().finditer(lowered):
        word = match.group()
        mark = _mark(text[match.start() : match.end()])
        if mark is CAPITALISED and begins:
            mark = None
        if mark is not None and mark is not before:
            words.append(mark)
        words += _pieces(word)
        # Quotes and brackets leave a beginning what it is.
        begins = word in _ENDS_OF_SENTENCES or (begins and not word[0].isalnum())
        before = mark
    return words


def _mark(word: str) -> str | None:
    """Return the mark of a word as it is written; a letter before an apostrophe is one letter."""
    if not word[0].isupper() or not word[1:2].isalpha():
        return None
    return CAPITALS if word.isupper() else CAPITALISED


def split_chunks(text: str) -> list[str]:
    """Cut a cleaned text at its spaces, a leading space kept as a low line block (U+2581)."""
    words = text.replace("\u2581", "_").split()
    return [piece for word in words for piece in _pieces("\u2581" + word)]


def _pieces(word: str) -> list[str]:
    """Cut an overlong word."""
    if len(word) <= LONGEST_WORD:
        return [word]
    return [word[start : start + LONGEST_WORD] for start in range(0, len(word), LONGEST_WORD)]


def join_words(words: list[str]) -> str:
    """Join words by spaces, but for those of scripts that write none."""
    spaceless = _spaceless_pattern()
    parts: list[str] = []
    bare_before = True
    for word in words:
        bare = spaceless.match(word) is not None
        if parts and not (bare and bare_before):
            parts.append(" ")
        parts.append(word)
        bare_before = bare
    return "".join(parts)


_CUTS: dict[str, Callable[[str], list[str]]] = {
    "char": list,
    "word": split_words,
    "marked words": split_marked,
    "subword": split_chunks,
}


def cut_rows(
    rows: list[Row],
    analyzer: str | Callable[[str], Any],
    clean: Callable[[str], str],
    special: list[str],
) -> Iterator[list[str]]:
    """Yield the tokens of each row; the words of a row of words are cleaned, one by one.

    Parameters
    ----------
    rows : list of str, or list of lists of str
    analyzer : {"word", "marked words", "char", "subword"} or callable
        What a token is; of subwords, the words with their marks of spaces. Words are marked where
        they have capitals, and then in small letters.
    clean : callable
        What is done to each text first; a callable `analyzer` sees texts as they are.
    special : list of str
        Tokens that are found as they are written.

    Raises
    ------
    TypeError
        When a callable `analyzer` returns anything but strings; the row is named.
    """
    if rows and not isinstance(rows[0], str):
        known = set(special)
        for row in rows:
            yield [word if word in known else clean(word) for word in row]
    elif callable(analyzer):
        for number, row in enumerate(rows):
            found = analyzer(str(row))
            tokens = list(found) if isinstance(found, Iterable) else [found]
            if not all(isinstance(token, str) for token in tokens):
                raise TypeError(
                    f"analyzer must return a list of strings; for row {number} it returned "
                    f"{found!r:.60}."
                )
            yield tokens
    else:
        if analyzer not in _CUTS:
            raise ValueError(f"analyzer={analyzer!r} is neither a name that is known nor callable.")
        cut = _CUTS[analyzer]
        yield from _cut_around(special, rows, lambda text: cut(clean(text)))


def _cut_around(
    special: list[str], rows: list[Row], cut: Callable[[str], list[str]]
) -> Iterator[list[str]]:
    """Cut texts, keeping special tokens whole."""
    if not special:
        yield from (cut(str(row)) for row in rows)
        return
    ordered = sorted(special, key=len, reverse=True)
    pattern = re.compile("(" + "|".join(map(re.escape, ordered)) + ")")
    for row in rows:
        tokens: list[str] = []
        for place, part in enumerate(pattern.split(str(row))):
            tokens += [part] if place % 2 else cut(part)
        yield tokens
