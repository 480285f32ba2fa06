"""What a score loses without a channel; imports scikit-learn and the sequences room."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
from joblib import Parallel, delayed
from sklearn.metrics import check_scoring
from sklearn.utils import Bunch, check_random_state

from ..sequences import (
    Sequences,
    _safe_indexing,
    as_table,
    describe_kind,
    frame_roles,
    is_frame,
    read_sequences,
)

Array = np.ndarray


class _Feature(NamedTuple):
    """A channel or static feature, and how X is made with its rows in another order."""

    name: str
    reordered: Callable[[Array], Any]


def permutation_importance(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    scoring: Any = None,
    n_repeats: int = 5,
    features: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    sample_weight: Any = None,
) -> Any:
    """Measure what a score loses when a channel is taken from other rows, as a whole sequence.

    scikit-learn's function of the same name permutes columns of a table. In a 2-D array these are
    steps, and a list has none. This function permutes the channels of sequences among the rows, one
    at a time, and the static features and texts beside them.

    Parameters
    ----------
    estimator : estimator
        Fitted; alone, in a pipeline, or anything else that scores sequences.
    X : sequences in any accepted form, texts, or a frame of list columns, texts and scalars
        Rows that the estimator takes, if possible rows that it has not seen. X is not changed.
    y : array-like
        Their targets.
    scoring : str, callable, list, tuple or dict, default=None
        As in scikit-learn; None takes the estimator's ``score``.
    n_repeats : int, default=5
        How often each feature is permuted.
    features : list of str or int, default=None
        Which features, by name or place; None takes all. Leave out a column of times.
    n_jobs : int, default=None
        Processes, as joblib has them; None means one.
    random_state : int, RandomState instance or None, default=None
        Draws the permutations.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights, for scorers that take them.

    Returns
    -------
    result : :class:`~sklearn.utils.Bunch`, or dict of them by name for several scores
        ``importances`` of shape (n_features, n_repeats), the score of X minus that of permuted
        rows, ``importances_mean``, ``importances_std``, and ``feature_names``: the
        columns of a frame; else channels and then static features, "x0", "x1", ... where they
        have no names. A 2-D array has one channel.

    Notes
    -----
    A row keeps its length, its times and its other channels. A sequence from a row of another
    length is stretched or shrunk to that length: each step takes the nearest step of the other row.
    So a channel keeps its values and their order, and the length of a row is not part of any
    importance. Strings are taken over as they are. If two channels say the same, each replaces the
    other, and both seem unimportant.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_rnn import ReservoirClassifier
    >>> from sklearn_rnn.inspection import permutation_importance
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(60) % 2
    >>> X = [np.column_stack([rng.normal(size=9), rng.normal(size=9) + 3 * label]) for label in y]
    >>> model = ReservoirClassifier(10, random_state=0).fit(X, y)
    >>> result = permutation_importance(model, X, y, random_state=0)
    >>> result.feature_names
    ['x0', 'x1']
    >>> bool(result.importances_mean[1] > 0.3 > abs(result.importances_mean[0]))
    True
    """
    if n_repeats < 1:
        raise ValueError(f"n_repeats must be at least 1; got {n_repeats}.")
    found = _chosen(_features(X), features)
    scorer = check_scoring(estimator, scoring=scoring)
    options = {} if sample_weight is None else {"sample_weight": sample_weight}
    rng = check_random_state(random_state)
    n = _n_rows(X)
    orders = [[rng.permutation(n) for _ in range(n_repeats)] for _ in found]
    baseline = scorer(estimator, X, y, **options)
    scores = Parallel(n_jobs=n_jobs)(
        delayed(_scores)(scorer, estimator, feature, y, order, options)
        for feature, order in zip(found, orders, strict=True)
    )
    names = [feature.name for feature in found]
    if isinstance(baseline, dict):
        return {
            metric: _bunch(score, [[one[metric] for one in row] for row in scores], names)
            for metric, score in baseline.items()
        }
    return _bunch(baseline, scores, names)


def _scores(
    scorer: Any, estimator: Any, feature: _Feature, y: Any, orders: list[Array], options: dict
) -> list[Any]:
    """Return the score for each order of a feature's rows."""
    return [scorer(estimator, feature.reordered(order), y, **options) for order in orders]


def _bunch(baseline: float, scores: list[list[float]], names: list[str]) -> Any:
    """Return what the scores lost."""
    importances = baseline - np.asarray(scores, dtype=np.float64)
    return Bunch(
        importances_mean=importances.mean(axis=1),
        importances_std=importances.std(axis=1),
        importances=importances,
        feature_names=names,
    )


def _chosen(found: list[_Feature], wanted: Any) -> list[_Feature]:
    """Return the features that are wanted, by name or place."""
    if wanted is None:
        return found
    by_name: dict[Any, _Feature] = {feature.name: feature for feature in found}
    by_name |= dict(enumerate(found))
    unknown = [name for name in wanted if name not in by_name]
    if unknown:
        raise ValueError(f"X has no feature {unknown}; it has {[f.name for f in found]}.")
    return [by_name[name] for name in wanted]


def _n_rows(X: Any) -> int:
    """Return the number of rows of X."""
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def _features(X: Any) -> list[_Feature]:
    """List the features of X, whatever form it has."""
    X = as_table(X)
    if is_frame(X):
        roles = frame_roles(X)
        if set(roles.values()) == {"numeric"}:
            return [_Feature("x0", partial(_other_rows, X))]
        return [_Feature(str(name), partial(_other_cells, X, name)) for name in roles]
    first = _first(X)
    if isinstance(first, str) or (not isinstance(X, Sequences) and _is_2d(X)):
        return [_Feature("x0", partial(_other_rows, X))]
    if isinstance(_first(first), str):
        return [_Feature("x0", partial(_other_words, X))]
    sequences = read_sequences(X)
    names = sequences.channel_names or tuple(f"x{c}" for c in range(sequences.n_channels))
    found = [
        _Feature(name, partial(_other_channel, X, sequences, channel))
        for channel, name in enumerate(names)
    ]
    if sequences.static is not None:
        count = sequences.static.shape[1]
        static = sequences.static_names or tuple(f"static{s}" for s in range(count))
        found += [
            _Feature(name, partial(_other_static, sequences, place))
            for place, name in enumerate(static)
        ]
    return found


def _first(X: Any) -> Any:
    """Return the first item of what has items, else None."""
    if isinstance(X, str) or not hasattr(X, "__len__") or not len(X):
        return None
    return X.iloc[0] if hasattr(X, "iloc") else X[0]


def _is_2d(X: Any) -> bool:
    """Tell whether X is read as one univariate sequence of a fixed length a row."""
    return describe_kind(X) == "array_2d"


def _other_rows(X: Any, order: Array) -> Any:
    """Return the rows of X in another order, under the labels that they had."""
    moved = _safe_indexing(X, order)
    if hasattr(X, "iloc"):
        moved.index = X.index
    return moved


def _other_words(X: Any, order: Array) -> list[Any]:
    """Return rows of words in another order, each as long as the row that it stands for."""
    rows = list(X)
    return [_stretched(rows[j], len(row)) for row, j in zip(rows, order, strict=True)]


def _other_cells(X: Any, name: Any, order: Array) -> Any:
    """Return a frame with the cells of one column in another order."""
    frame = nw.from_native(X, eager_only=True)
    cells = frame.get_column(name).to_list()
    made = [
        _stretched(cells[j], len(cell)) if _is_list(cell) and _is_list(cells[j]) else cells[j]
        for cell, j in zip(cells, order, strict=True)
    ]
    if hasattr(X, "iloc"):
        import pandas as pd

        moved = X.copy(deep=False)
        moved[name] = pd.Series(made, index=X.index, dtype=X[name].dtype)
        return moved
    column = frame.get_column(name)
    series = nw.new_series(name, made, column.dtype, backend=nw.get_native_namespace(column))
    return frame.with_columns(series).to_native()


def _is_list(cell: Any) -> bool:
    """Tell whether a cell holds a sequence."""
    return hasattr(cell, "__len__") and not isinstance(cell, (str, bytes, dict))


def _other_channel(X: Any, sequences: Sequences, channel: int, order: Array) -> Any:
    """Return X, in its form, with one channel from other rows."""
    values, offsets = np.array(sequences.values), sequences.offsets
    for row, other in enumerate(order):
        taken = sequences.values[offsets[other] : offsets[other + 1], channel]
        length = offsets[row + 1] - offsets[row]
        values[offsets[row] : offsets[row + 1], channel] = _stretched(taken, length)
    moved = sequences._with(values=values)
    if isinstance(X, Sequences):
        return moved
    if getattr(X, "ndim", 1) == 3:
        dense = np.full(tuple(X.shape), np.nan, dtype=values.dtype)
        dense[np.arange(X.shape[1]) < moved.lengths[:, None]] = values
        return dense
    flat = np.ndim(_first(X)) == 1
    return [row[:, 0] if flat else row for row in moved]


def _other_static(sequences: Sequences, place: int, order: Array) -> Sequences:
    """Return sequences with one static feature from other rows."""
    assert sequences.static is not None, "there are static features"
    static = np.array(sequences.static)
    static[:, place] = static[order, place]
    return sequences._with(static=static)


def _stretched(sequence: Any, length: int) -> Any:
    """Return a sequence at another length: at each step the nearest of its own."""
    own = len(sequence)
    if own == length:
        return sequence
    places = ((np.arange(length) + 0.5) * own / length).astype(np.int64)
    if isinstance(sequence, (list, tuple)):
        return [sequence[place] for place in places]
    return sequence[places]
