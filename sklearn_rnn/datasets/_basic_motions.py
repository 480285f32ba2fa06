"""The loader of BasicMotions. May import ``sequences``."""

from typing import Any

import numpy as np
from sklearn.utils import Bunch

from ..sequences import Sequences
from ._bunch import answer, list_columns
from ._files import read_recordings

_DESCRIPTION = """\
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
_CHANNELS = [
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
        Return `data` as a pandas frame with one list column a channel (Arrow-backed where pyarrow
        is installed, of arrays otherwise) and `target` as a series.
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
    X = packed.values.reshape(len(packed.lengths), -1, len(_CHANNELS))
    return answer(
        X,
        packed.target,
        packed.in_train,
        subset=subset,
        return_X_y=return_X_y,
        frames=_frames if as_frame else None,
        target_names=packed.target_names,
        feature_names=list(_CHANNELS),
        DESCR=_DESCRIPTION,
        license="BSD-3-Clause (from aeon; see datasets/data/LICENSES.md)",
    )


def _frames(X: np.ndarray, y: np.ndarray, rows: np.ndarray) -> tuple[Any, Any]:
    """Turn the dense array into list columns."""
    sequences = Sequences.from_padded(X, channel_names=_CHANNELS)
    return list_columns("activity")(sequences, y, rows)
