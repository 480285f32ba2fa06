"""Subwords by byte-pair encoding or a unigram model; imports the `tokenizers` package when used.

The model is trained and kept as text, nothing is fetched from anywhere, and no threads are used.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

# The threads of the library warn on standard error when the process forks later.
_SWITCH = "TOKENIZERS_PARALLELISM"
# Rounds in which the scores of a unigram model settle.
_ROUNDS = 4


class Subwords:
    """Cut words into pieces learned from data.

    Parameters
    ----------
    serialised : str
        The model as the library's JSON, from `train_subwords`.
    """

    def __init__(self, serialised: str) -> None:
        self.serialised = serialised
        self._model: Any = None

    @property
    def tokens(self) -> list[str]:
        """Pieces by their number."""
        vocabulary = self._loaded().get_vocab(with_added_tokens=False)
        return sorted(vocabulary, key=vocabulary.__getitem__)

    def encode(self, rows: list[list[str]]) -> list[list[int]]:
        """Return the numbers of the pieces of each row of words."""
        with _one_thread():
            found = self._loaded().encode_batch(
                rows, is_pretokenized=True, add_special_tokens=False
            )
        return [encoding.ids for encoding in found]

    def _loaded(self) -> Any:
        """Return the library's object, made when first needed."""
        if self._model is None:
            self._model = _library().Tokenizer.from_str(self.serialised)
        return self._model

    def __getstate__(self) -> dict[str, Any]:
        return {"serialised": self.serialised, "_model": None}


def train_subwords(
    rows: list[list[str]],
    kind: str,
    *,
    size: int,
    min_count: int,
    reserved: list[str],
) -> Subwords:
    """Learn pieces from rows of words.

    Parameters
    ----------
    rows : list of lists of str
        Words, each with its mark of a space.
    kind : {"bpe", "unigram"}
        The model.
    size : int
        Pieces at most, the reserved ones counted.
    min_count : int
        A pair that is rarer is not joined (byte-pair encoding alone).
    reserved : list of str
        Numbers 0, 1, ...; the second stands for what is unknown.
    """
    library = _library()
    if kind == "bpe":
        model = library.models.BPE(unk_token=reserved[1], fuse_unk=True)
        trainer = library.trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=max(min_count, 1),
            special_tokens=reserved,
            show_progress=False,
        )
    else:
        model = library.models.Unigram()
        trainer = library.trainers.UnigramTrainer(
            vocab_size=size,
            special_tokens=reserved,
            unk_token=reserved[1],
            show_progress=False,
        )
    tokenizer = library.Tokenizer(model)
    with _one_thread():
        tokenizer.train_from_iterator(rows, trainer=trainer)
    if kind == "bpe":
        return Subwords(tokenizer.to_str())
    return _settled(tokenizer.to_str(), rows, reserved)


def _settled(serialised: str, rows: list[list[str]], reserved: list[str]) -> Subwords:
    """Give the pieces of a unigram model their order and scores anew.

    Those of the library differ from fit to fit, in their last digits, with the order of its hash
    tables. Here the scores are the logarithms of how often each piece is used, in a few rounds
    that begin with as few pieces a word as possible.
    """
    words = Counter(chain.from_iterable(rows))
    plan = json.loads(serialised)
    pieces = sorted({piece for piece, _ in plan["model"]["vocab"]} - set(reserved))
    used = dict.fromkeys(pieces, 1.0)
    for _ in range(_ROUNDS):
        total = sum(used.values())
        ordered = sorted(used, key=lambda piece: (-used[piece], piece))
        scores = [[piece, math.log(used[piece] / total)] for piece in ordered]
        plan["model"]["vocab"] = [[token, 0.0] for token in reserved] + scores
        subwords = Subwords(json.dumps(plan, ensure_ascii=False))
        found = subwords.encode([[word] for word in words])
        # A piece that goes unused stays possible.
        used = dict.fromkeys(pieces, 0.1)
        numbered = [*reserved, *ordered]
        for ids, count in zip(found, words.values(), strict=True):
            for number in ids:
                if number >= len(reserved):
                    used[numbered[number]] += count
    return subwords


def _library() -> Any:
    """Return the `tokenizers` package, or say how to get it."""
    try:
        import tokenizers
        import tokenizers.models
        import tokenizers.trainers
    except ImportError as error:
        raise ImportError(
            "analyzer='subword' needs the package tokenizers; install it with: "
            "pip install 'sklearn-rnn[text]'"
        ) from error
    return tokenizers


@contextmanager
def _one_thread() -> Iterator[None]:
    """Switch the library's threads off for a while, unless the user has set the switch."""
    if _SWITCH in os.environ:
        yield
        return
    try:
        os.environ[_SWITCH] = "false"
        yield
    finally:
        os.environ.pop(_SWITCH, None)
