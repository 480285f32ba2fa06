"""One answer for every loader: a subset as a Bunch, as (X, y), as frames. Imports no room."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils import Bunch

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
    """Turn a Sequences into a frame with one list column a channel, and codes into a series."""

    def frames(X: Any, y: np.ndarray, rows: np.ndarray) -> tuple[Any, Any]:
        import pandas as pd

        return X.to_frame("pandas"), pd.Series(y, name=target_name)

    return frames
