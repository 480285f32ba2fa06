"""The loader of JapaneseVowels. May import ``sequences``."""

from typing import Any

import numpy as np
from sklearn.utils import Bunch

from ..sequences import Sequences
from ._bunch import answer, list_columns
from ._files import read_recordings

_DESCRIPTION = """\
JapaneseVowels: which of nine men said /ae/?

640 utterances of the two vowels /ae/ by nine male speakers of Japanese, each analysed into 12
cepstral coefficients a frame (12-degree linear prediction analysis at 10 kHz, frames of 25.6 ms
every 6.4 ms), 7 to 29 frames long. The task is to name the speaker.

Rows       640: 270 for training (30 a speaker), 370 for testing (24 to 88 a speaker), in that
           order, sorted by speaker inside each part
Channels   12 coefficients, real
Steps      7 to 29
Classes    9 speakers

M. Kudo, J. Toyama and M. Shimbo, "Multidimensional curve classification using passing-through
regions", Pattern Recognition Letters 20 (11-13), 1103-1111, 1999. Split of the UEA archive
(Bagnall et al., 2018).
"""


def load_japanese_vowels(
    *, return_X_y: bool = False, as_frame: bool = False, subset: str = "all"
) -> Bunch | tuple[Any, Any]:
    """Load JapaneseVowels: utterances of unequal length, 12 channels, 9 speakers.

    The first data set to try a classifier of ragged, multichannel sequences on. It comes with the
    package, so nothing is downloaded.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return `(data, target)` instead of a Bunch.
    as_frame : bool, default=False
        Return `data` as a pandas frame with one list column a channel (Arrow-backed where pyarrow
        is installed, of arrays otherwise) and `target` as a series.
    subset : {"train", "test", "all"}, default="all"
        The rows of the published split to load. "all" holds the 270 training rows first.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the fields

        - data: :class:`~sklearn_rnn.Sequences` of 640 sequences of shape (7 to 29, 12), or a frame;
        - target: array of int of shape (640,), codes into `target_names`, or a series;
        - target_names: array of str of shape (9,), the speakers "1" to "9";
        - feature_names: list of the 12 channel names;
        - split: array of str of shape (640,), "train" or "test" for each row;
        - X_train, y_train, X_test, y_test: the two parts, with `subset="all"` only;
        - frame: data and target in one frame, with `as_frame=True` only, otherwise None;
        - DESCR, license: what it is, and under which terms.

    (data, target) : tuple
        If `return_X_y` is True.

    Examples
    --------
    >>> from sklearn_rnn.datasets import load_japanese_vowels
    >>> vowels = load_japanese_vowels()
    >>> vowels.data
    Sequences(n=640, channels=12, lengths=7-29, dtype=float64)
    >>> vowels.data[0].shape
    (20, 12)
    >>> X_train, y_train = load_japanese_vowels(subset="train", return_X_y=True)
    >>> len(X_train), len(y_train)
    (270, 270)
    """
    packed = read_recordings("japanese_vowels.npz")
    names = [f"coefficient_{number}" for number in range(1, packed.values.shape[1] + 1)]
    offsets = np.concatenate([[0], np.cumsum(packed.lengths)])
    return answer(
        Sequences(packed.values, offsets, channel_names=names),
        packed.target,
        packed.in_train,
        subset=subset,
        return_X_y=return_X_y,
        frames=list_columns("speaker") if as_frame else None,
        target_names=packed.target_names,
        feature_names=names,
        DESCR=_DESCRIPTION,
        license="BSD-3-Clause (from aeon; see datasets/data/LICENSES.md)",
    )
