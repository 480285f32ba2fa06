"""The checks of y and sample weights; imports the container and _sklearn."""

from typing import Any

import numpy as np
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length

from ._alignment import open_distinct
from ._arrays import flatten_dense
from ._container import Sequences
from ._flat import FlatSequences
from ._reading import read_resolved, resolve
from ._sklearn import _check_sample_weight, _num_samples
from ._values import Array, is_missing


def check_classification_y(y: Any, n: int | None = None, *, estimator: Any = None) -> Array:
    """Return class labels as an array of shape (n,) or (n, n_outputs).

    Parameters
    ----------
    y : array-like of shape (n,), (n, 1) or (n, n_outputs)
        Labels of any type. A column vector is flattened with a `DataConversionWarning`; a 2-D
        array is a multilabel indicator or several outputs.
    n : int, default=None
        Number of samples that y must have.
    estimator : estimator, default=None
        Named in the error messages.

    Raises
    ------
    ValueError
        When y is None, holds NaN, or is continuous.
    """
    _refuse_missing(y, estimator)
    _refuse_odd_labels(y)
    checked = check_array(
        y,
        accept_sparse="csr",
        ensure_2d=False,
        dtype=None,
        input_name="y",
        estimator=estimator,
        ensure_all_finite=True,
    )
    if hasattr(checked, "toarray"):
        checked = checked.toarray()
    checked = _flatten_column(checked)
    _check_n(len(checked), n)
    _refuse_mixed(checked, y)
    check_classification_targets(checked)
    return np.asarray(checked)


def check_regression_y(y: Any, n: int | None = None, *, estimator: Any = None) -> Array:
    """Return targets as float64 of shape (n,) or (n, n_outputs).

    Parameters
    ----------
    y : array-like of shape (n,), (n, 1) or (n, n_outputs)
        Finite numbers. A column vector is flattened with a `DataConversionWarning`.
    n : int, default=None
        Number of samples that y must have.
    estimator : estimator, default=None
        Named in the error messages.
    """
    _refuse_missing(y, estimator)
    refuse_strings(y)
    checked = check_array(y, ensure_2d=False, dtype="numeric", input_name="y", estimator=estimator)
    checked = _flatten_column(checked).astype(np.float64, copy=False)
    _check_n(len(checked), n)
    return np.asarray(checked)


def _refuse_missing(y: Any, estimator: Any) -> None:
    """Raise scikit-learn's error when there is no y."""
    if y is None:
        name = "estimator" if estimator is None else f"{type(estimator).__name__} estimator"
        raise ValueError(f"This {name} requires y to be passed, but the target y is None.")


def refuse_strings(y: Any) -> None:
    """Raise where a target that should be a number is a string, naming its column and row."""
    for column, cells in _text_columns(y):
        for row, cell in enumerate(cells):
            if isinstance(cell, str) and not _is_number(cell):
                raise ValueError(
                    f"y holds strings{column} ({str(cell)!r:.40} in row {row}), which are no "
                    "numbers to predict. Convert them, or use a classifier if they are labels."
                )


def _text_columns(y: Any) -> list[tuple[str, Any]]:
    """Return the columns of y that may hold strings, and how a message names each."""
    frame = open_distinct(y)
    if frame is not None:
        return [
            (f" in column {name!r}", frame.get_column(name).to_list())
            for name in frame.columns
            if not frame.schema[name].is_numeric()
        ]
    kind = getattr(getattr(y, "dtype", None), "kind", "O")
    if kind not in "USO" or not hasattr(y, "__iter__") or isinstance(y, (str, dict, Sequences)):
        return []
    if getattr(y, "ndim", 1) == 2:
        return [(f" in column {place}", column) for place, column in enumerate(np.asarray(y).T)]
    if getattr(y, "ndim", 1) != 1:
        return []
    rows = list(y)
    if rows and all(isinstance(row, (list, tuple)) for row in rows):
        if len({len(row) for row in rows}) > 1:
            return []
        columns = zip(*rows, strict=True)
        return [(f" in column {place}", column) for place, column in enumerate(columns)]
    return [("", rows)]


def _refuse_mixed(labels: Array, y: Any) -> None:
    """Raise where labels are strings here and numbers there, which do not sort."""
    if labels.dtype.kind != "O" or labels.ndim > 2:
        return
    columns = labels.reshape(len(labels), -1)
    texts = np.array([[isinstance(cell, str) for cell in row] for row in columns], dtype=bool)
    if texts.all() or not texts.any():
        return
    frame = open_distinct(y)
    names = None if frame is None else list(frame.columns)
    places = [np.argwhere(texts)[0], np.argwhere(~texts)[0]]
    text, other = (
        f"{columns[row, column]!r} in row {row}"
        + (
            ""
            if labels.ndim == 1
            else f", column {int(column) if names is None else names[column]!r}"
        )
        for row, column in places
    )
    raise ValueError(
        f"y mixes strings and other labels: {text}; {other}. Make all labels of one type, with "
        "y.astype(str) for instance."
    )


def _is_number(text: str) -> bool:
    """Tell whether a string is a number, which scikit-learn converts."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _refuse_odd_labels(y: Any) -> None:
    """Raise where labels are sets, or one is missing, which would only fail further on."""
    kind = getattr(getattr(y, "dtype", None), "kind", "O")  # numbers are checked elsewhere
    if getattr(y, "ndim", 1) != 1 or (kind != "O" and not hasattr(y, "isna")):
        return
    if not hasattr(y, "__iter__") or hasattr(y, "columns") or isinstance(y, (str, bytes)):
        return
    labels = y.to_list() if hasattr(y, "to_list") else list(y)
    sets = [isinstance(label, (set, frozenset)) for label in labels]
    rows = [isinstance(label, (list, tuple)) for label in labels]
    if any(sets) or (all(rows) and len({len(label) for label in labels}) > 1):
        raise ValueError(
            "y holds sets of labels, rows of inhomogeneous length. Turn them into columns of 0 and "
            "1 first: y = sklearn.preprocessing.MultiLabelBinarizer().fit_transform(y). For one "
            "label a step use SequenceTagger (ReservoirClassifier takes as many labels in each row "
            "of y as its sequence has steps)."
        )
    for row, label in enumerate(labels):
        if is_missing(label):
            raise ValueError(
                f"Input y contains NaN or None: row {row} has no label ({label!r}); drop the row "
                "from X and y, or give it a label of its own."
            )


def _flatten_column(y: Any) -> Any:
    """Flatten (n, 1) with scikit-learn's warning; refuse more than two dimensions."""
    if y.ndim == 2 and y.shape[1] == 1:
        return column_or_1d(y, warn=True)
    if y.ndim not in (1, 2) or 0 in y.shape[1:]:
        raise ValueError(
            f"y should be a 1d array, or 2d with one column an output; got shape {y.shape}."
        )
    return y


def is_step_y(y: Any, X: FlatSequences) -> bool:
    """Tell whether `y` holds a target for every step of `X`.

    That is so for `Sequences`, 3-D arrays, columns of lists, and lists of arrays or of lists,
    unless all of these have the same length, and not that of X's sequences: then they are several
    targets a sequence. A 2-D array always means several targets; add an axis to make it one
    target a step.
    """
    if y is None or isinstance(y, str):
        return False
    try:
        kind, data = resolve(y)
    except (ValueError, TypeError):
        return False
    if kind in ("sequences", "array_3d", "frame"):
        return True
    if kind != "list" or not isinstance(data, list):
        return kind == "list"
    try:
        lengths = [len(item) for item in data]
    except TypeError:
        return False
    if any(isinstance(item, (str, bytes)) for item in data):
        return False
    return len(set(lengths)) > 1 or lengths == X.lengths.tolist()


def check_step_y(y: Any, X: FlatSequences) -> Sequences:
    """Return the targets of every step as a `Sequences` with the lengths of `X`.

    Parameters
    ----------
    y : Sequences, list of arrays, or array of shape (n, n_steps) or (n, n_steps, n_outputs)
        Finite numbers. A dense array may be padded with NaN beyond a sequence's end.
    X : Sequences
        What the targets belong to.

    Returns
    -------
    Sequences
        Values in float64.

    Raises
    ------
    ValueError
        When the lengths of a row differ or a target is missing; the message names the row.
    """
    kind, data = resolve(y)
    if kind in ("array_2d", "array_3d", "scalar_frame"):
        dense = check_array(
            data,
            dtype=np.float64,
            allow_nd=True,
            ensure_all_finite="allow-nan",
            input_name="y",
        )
        _check_n(len(dense), len(X))
        read = _cut_to(dense, X)
    elif kind == "sequences":
        if data.is_tokens:
            raise ValueError("y holds tokens; the targets of a regression are numbers.")
        read = Sequences._trusted(data.values, data.offsets)
    else:
        read = read_resolved(kind, data)
        read = Sequences._trusted(read.values, read.offsets)
    _check_n(len(read), len(X))
    wrong = np.flatnonzero(read.lengths != X.lengths)
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(
            f"Row {row}: y has {read.lengths[row]} steps, but X has {X.lengths[row]}; give every "
            "step of X one target."
        )
    missing = np.isnan(read.values).any(axis=1)
    if missing.any():
        row = int(np.searchsorted(read.offsets, np.argmax(missing), side="right")) - 1
        raise ValueError(f"Input y contains NaN: row {row}. Drop the row, or fill its targets.")
    return read.astype(np.float64)


def _check_n(found: int, expected: int | None) -> None:
    """Refuse a y with another number of rows than X."""
    if expected is not None and found != expected:
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: X has "
            f"{expected}, y has {found}: [{expected}, {found}]"
        )


def _cut_to(dense: Array, X: FlatSequences) -> Sequences:
    """Cut a dense y to the lengths of X, if what lies beyond them is padding."""
    values, offsets = flatten_dense(dense, cut=True)
    lengths = np.diff(offsets)
    if dense.shape[1] >= X.lengths.max(initial=0) and (lengths <= X.lengths).all():
        # A target missing at a row's last steps is told from padding by X's length.
        cube = dense.reshape(len(dense), dense.shape[1], -1)
        values = cube[np.arange(dense.shape[1]) < X.lengths[:, None]]
        offsets = X.offsets
    return Sequences(values, offsets)


def check_weights(sample_weight: Any, n: int) -> Array | None:
    """Return sample weights as float64 of shape (n,), or None.

    Parameters
    ----------
    sample_weight : float, array-like of shape (n,) or None
        Non-negative, finite and not all zero. A single number stands for every sample.
    n : int
        Number of samples.
    """
    if sample_weight is None:
        return None
    checked: Array = _check_sample_weight(
        sample_weight,
        np.empty(n),
        dtype=np.float64,
        ensure_non_negative=True,
        allow_all_zero_weights=False,
    )
    if not np.isfinite(checked).all():
        raise ValueError("Input sample_weight contains NaN or infinity.")
    return checked


def check_consistent(X: FlatSequences, y: Any, sample_weight: Any = None) -> None:
    """Refuse X, y and weights of unequal numbers of samples, in scikit-learn's words."""
    counts = [part for part in (X, y, sample_weight) if part is not None]
    check_consistent_length(*[np.empty(_num_samples(part)) for part in counts])
