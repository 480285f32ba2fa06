"""The loader of the surnames in 18 languages. May import ``sequences``."""

import zlib
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from ..sequences import Sequences
from ._bunch import answer, list_columns
from ._files import read_columns

_DESCRIPTION = """\
Surnames: which language does this name come from?

20050 surnames in 18 languages, written in Latin letters, 2 to 20 characters long, as published:
some names occur more than once, and some in more than one language. The classes are far from
balanced: 9384 names are Russian, 73 Vietnamese.

Rows       20050: 16005 for training, 4045 for testing. There is no official split; here a name goes
           to the test part when the CRC-32 of its UTF-8 bytes is a multiple of five, so that all
           copies of a name stay on one side
Tokens     83 characters
Steps      2 to 20
Classes    18 languages

S. Robertson, "practical-pytorch", 2017, folder data/names.
"""


def load_surnames(
    *, return_X_y: bool = False, as_frame: bool = False, subset: str = "all"
) -> Bunch | tuple[Any, Any]:
    """Load surnames in 18 languages, as sequences of characters.

    A set of token sequences for classification, multilingual and imbalanced. It comes with the
    package, so nothing is downloaded.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return `(data, target)` instead of a Bunch.
    as_frame : bool, default=False
        Return `data` as a pandas frame with the list column "characters", and `target` as a series.
        A frame cannot say that its integers are tokens: read it with
        `Sequences.from_frame(frame, vocabulary_size=83)`.
    subset : {"train", "test", "all"}, default="all"
        The rows to load. The split is this package's own: about four to one, and all copies of a
        name are on one side.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the fields

        - data: :class:`~sklearn_rnn.Sequences` of 20050 sequences of tokens, 2 to 20 steps long,
          codes into `characters`, or a frame;
        - target: array of int of shape (20050,), codes into `target_names`, or a series;
        - target_names: array of str of shape (18,), the languages;
        - names: array of str of shape (20050,), the names themselves, whatever the subset;
        - characters: str of 83 characters, the vocabulary;
        - feature_names: `["characters"]`;
        - split: array of str of shape (20050,), "train" or "test" for each row;
        - X_train, y_train, X_test, y_test: the two parts, with `subset="all"` only;
        - frame: data and target in one frame, with `as_frame=True` only, otherwise None;
        - DESCR, license: what it is, and under which terms.

    (data, target) : tuple
        If `return_X_y` is True.

    Examples
    --------
    >>> from sklearn_rnn.datasets import load_surnames
    >>> surnames = load_surnames()
    >>> surnames.data
    Sequences(n=20050, vocabulary_size=83, lengths=2-20, dtype=int64)
    >>> "".join(surnames.characters[code] for code in surnames.data[0].ravel())
    'Khoury'
    """
    columns = read_columns("surnames.csv.gz")
    names = np.array(columns["surname"])
    target_names, target = np.unique(columns["language"], return_inverse=True)
    letters = np.array(list("".join(columns["surname"])))
    vocabulary, codes = np.unique(letters, return_inverse=True)
    offsets = np.concatenate([[0], np.cumsum(np.strings.str_len(names))])
    in_test = [zlib.crc32(name.encode()) % 5 == 0 for name in columns["surname"]]
    return answer(
        Sequences(codes, offsets, vocabulary_size=len(vocabulary), channel_names=["characters"]),
        target.astype(np.int64),
        ~np.array(in_test),
        subset=subset,
        return_X_y=return_X_y,
        frames=list_columns("language") if as_frame else None,
        names=names,
        characters="".join(vocabulary),
        target_names=target_names,
        feature_names=["characters"],
        DESCR=_DESCRIPTION,
        license="MIT (see datasets/data/LICENSES.md)",
    )
