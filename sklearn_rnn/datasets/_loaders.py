"""Loaders of the data sets that come with the package. May import ``sequences``."""

import csv
import gzip
import io
import zlib
from collections.abc import Callable
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import Bunch

from ..sequences import Sequences

MILLION = 1_000_000


class Recordings(NamedTuple):
    """A packed classification set: flat steps, lengths, codes, their names and the train part."""

    values: np.ndarray
    lengths: np.ndarray
    target: np.ndarray
    target_names: np.ndarray
    in_train: np.ndarray


def _content(name: str) -> bytes:
    """Read one file of the folder ``data``."""
    return files(__package__).joinpath("data", name).read_bytes()


def read_recordings(name: str) -> Recordings:
    """Read a packed classification set, its numbers to the last published decimal."""
    with np.load(io.BytesIO(_content(name)), allow_pickle=False) as packed:
        return Recordings(
            values=packed["millionths"] / MILLION,
            lengths=packed["lengths"].astype(np.int64),
            target=packed["target"].astype(np.int64),
            target_names=packed["target_names"],
            in_train=np.arange(len(packed["target"])) < packed["n_train"],
        )


def read_columns(name: str) -> dict[str, Any]:
    """Read a packed table as one tuple of strings a column."""
    rows = csv.reader(io.StringIO(gzip.decompress(_content(name)).decode("utf-8")))
    header = next(rows)
    return dict(zip(header, zip(*rows, strict=True), strict=True))


SUBSETS = ("train", "test", "all")


def answer(
    data: Any,
    target: np.ndarray,
    in_train: np.ndarray,
    *,
    subset: str,
    return_X_y: bool,
    frames: Callable[[Any, np.ndarray, np.ndarray], tuple[Any, Any]] | None,
    **described: Any,
) -> Bunch | tuple[Any, Any]:
    """Cut the rows of `subset`; `frames(data, target, rows)`, if given, turns them into pandas."""
    if subset not in SUBSETS:
        raise ValueError(f"subset must be 'train', 'test' or 'all', got {subset!r}.")
    rows_of = {
        "train": np.flatnonzero(in_train),
        "test": np.flatnonzero(~in_train),
        "all": np.arange(len(in_train)),
    }

    def cut(name: str) -> tuple[Any, Any]:
        rows = rows_of[name]
        X, y = data[rows], target[rows]
        return (X, y) if frames is None else frames(X, y, rows)

    X, y = cut(subset)
    if return_X_y:
        return X, y
    bunch = Bunch(data=X, target=y, frame=None, **described)
    bunch.split = np.where(in_train[rows_of[subset]], "train", "test")
    if frames is not None:
        bunch.frame = X.assign(**{y.name: y})
    if subset == "all":
        bunch.X_train, bunch.y_train = cut("train")
        bunch.X_test, bunch.y_test = cut("test")
    return bunch


def list_columns(target_name: str) -> Callable[[Any, np.ndarray, np.ndarray], tuple[Any, Any]]:
    """Turn a Sequences into a frame with a list column for each channel, codes into a series."""

    def frames(X: Any, y: np.ndarray, rows: np.ndarray) -> tuple[Any, Any]:
        import pandas as pd

        return X.to_frame("pandas"), pd.Series(y, name=target_name)

    return frames


_OF_JAPANESE_VOWELS = """\
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
        Return `data` as a pandas frame with one list column for each channel (Arrow-backed where
        pyarrow is installed, of arrays otherwise) and `target` as a series.
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
        DESCR=_OF_JAPANESE_VOWELS,
        license="BSD-3-Clause (from aeon; see datasets/data/LICENSES.md)",
    )


_OF_BASIC_MOTIONS = """\
BasicMotions: what is the wearer of this watch doing?

Four students wore a smart watch while standing, running, walking and playing badminton, five times
each. The watch recorded acceleration and rotation, ten times a second for ten seconds.

Rows       80: 40 for training, 40 for testing (10 a class each), in that order, sorted by class
           inside each part
Channels   6: three axes of the accelerometer, three of the gyroscope, real
Steps      100
Classes    Standing, Running, Walking, Badminton

J. Clements, University of East Anglia; split of the UEA archive (A. Bagnall et al., "The UEA
multivariate time series classification archive, 2018").
"""
_MOTION_CHANNELS = [
    *(f"accelerometer_{axis}" for axis in "xyz"),
    *(f"gyroscope_{axis}" for axis in "xyz"),
]


def load_basic_motions(
    *, return_X_y: bool = False, as_frame: bool = False, subset: str = "all"
) -> Bunch | tuple[Any, Any]:
    """Load BasicMotions: 10 seconds of a smart watch, 6 channels, 4 activities.

    A small, easy set of multichannel sequences of equal length. It comes with the package, so
    nothing is downloaded.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return `(data, target)` instead of a Bunch.
    as_frame : bool, default=False
        Return `data` as a pandas frame with one list column for each channel (Arrow-backed where
        pyarrow is installed, of arrays otherwise) and `target` as a series.
    subset : {"train", "test", "all"}, default="all"
        The rows of the published split to load. "all" holds the 40 training rows first.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the fields

        - data: array of shape (80, 100, 6), steps of 0.1 seconds, or a frame;
        - target: array of int of shape (80,), codes into `target_names`, or a series;
        - target_names: array of str of shape (4,), the activities;
        - feature_names: list of the 6 channel names;
        - split: array of str of shape (80,), "train" or "test" for each row;
        - X_train, y_train, X_test, y_test: the two parts, with `subset="all"` only;
        - frame: data and target in one frame, with `as_frame=True` only, otherwise None;
        - DESCR, license: what it is, and under which terms.

    (data, target) : tuple
        If `return_X_y` is True.

    Examples
    --------
    >>> from sklearn_rnn.datasets import load_basic_motions
    >>> motions = load_basic_motions()
    >>> motions.X_train.shape
    (40, 100, 6)
    >>> print(motions.target_names[motions.y_train[0]])
    Standing
    """
    packed = read_recordings("basic_motions.npz")
    X = packed.values.reshape(len(packed.lengths), -1, len(_MOTION_CHANNELS))
    return answer(
        X,
        packed.target,
        packed.in_train,
        subset=subset,
        return_X_y=return_X_y,
        frames=_list_columns_of_motions if as_frame else None,
        target_names=packed.target_names,
        feature_names=list(_MOTION_CHANNELS),
        DESCR=_OF_BASIC_MOTIONS,
        license="BSD-3-Clause (from aeon; see datasets/data/LICENSES.md)",
    )


def _list_columns_of_motions(X: np.ndarray, y: np.ndarray, rows: np.ndarray) -> tuple[Any, Any]:
    """Turn the dense array into list columns."""
    sequences = Sequences.from_padded(X, channel_names=_MOTION_CHANNELS)
    return list_columns("activity")(sequences, y, rows)


_OF_SURNAMES = """\
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
        DESCR=_OF_SURNAMES,
        license="MIT (see datasets/data/LICENSES.md)",
    )


_OF_AIR_PASSENGERS = """\
AirPassengers: how many passengers will fly next month?

Monthly totals of international airline passengers, in thousands, from January 1949 to December
1960: a rising trend, and a season that grows with it.

Rows       144 months; the last 24 are set apart for testing (the series has no official split)
Target     passengers in thousands

G. E. P. Box and G. M. Jenkins, "Time Series Analysis: Forecasting and Control", Holden-Day, 1976,
series G.
"""
_TEST_MONTHS = 24


def load_air_passengers(
    *, return_X_y: bool = False, as_frame: bool = False, subset: str = "all"
) -> Bunch | tuple[Any, Any]:
    """Load AirPassengers: 144 months of one series, with trend and season.

    The classic first series of forecasting: one row is one month, and the target is the series. It
    comes with the package, so nothing is downloaded.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return `(data, target)` instead of a Bunch.
    as_frame : bool, default=False
        Return `data` as a pandas frame and `target` as a series, both indexed by the month.
    subset : {"train", "test", "all"}, default="all"
        "train" is 1949 to 1958, "test" the 24 months after it.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the fields

        - data: array of shape (144, 1), the time in years (1949.0 is January 1949), or a frame with
          the column "year" and the months as index;
        - target: array of float of shape (144,), passengers in thousands, or a series;
        - months: array of datetime64[M] of shape (144,), whatever the subset;
        - target_names, feature_names: `["passengers"]` and `["year"]`;
        - split: array of str of shape (144,), "train" or "test" for each row;
        - X_train, y_train, X_test, y_test: the two parts, with `subset="all"` only;
        - frame: data and target in one frame, with `as_frame=True` only, otherwise None;
        - DESCR, license: what it is, and under which terms.

    (data, target) : tuple
        If `return_X_y` is True.

    Examples
    --------
    >>> from sklearn_rnn.datasets import load_air_passengers
    >>> X, y = load_air_passengers(return_X_y=True)
    >>> X.shape, y[:3]
    ((144, 1), array([112., 118., 132.]))
    >>> load_air_passengers(as_frame=True).y_test.index[0].year
    1959
    """
    columns = read_columns("air_passengers.csv.gz")
    months = np.array(columns["month"], dtype="datetime64[M]")
    passengers = np.array(columns["passengers"], dtype=np.float64)
    years = 1970 + months.astype(np.int64) / 12

    def frames(X: np.ndarray, y: np.ndarray, rows: np.ndarray) -> tuple[Any, Any]:
        import pandas as pd

        index = pd.DatetimeIndex(months[rows], freq="MS", name="month")
        return (
            pd.DataFrame(X, columns=["year"], index=index),
            pd.Series(y, name="passengers", index=index),
        )

    return answer(
        years[:, np.newaxis],
        passengers,
        np.arange(len(months)) < len(months) - _TEST_MONTHS,
        subset=subset,
        return_X_y=return_X_y,
        frames=frames if as_frame else None,
        months=months,
        target_names=["passengers"],
        feature_names=["year"],
        DESCR=_OF_AIR_PASSENGERS,
        license="published figures, no licence claimed (see datasets/data/LICENSES.md)",
    )
