"""The checks of y and sample weights; imports the container and _sklearn."""

from typing import Any

import numpy as np
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length

from ._container import Sequences
from ._flat import FlatSequences, open_distinct
from ._frames import (
    as_series,
    as_table,
    column_role,
    is_series,
    refuse_dated_columns,
    string_columns,
)
from ._reading import read_resolved, resolve
from ._sklearn import _check_sample_weight, _num_samples
from ._values import (
    Array,
    flatten_dense,
    flatten_list,
    is_missing,
    no_number,
    refuse_dates,
    unmasked,
)

_DATED_Y = (
    "a target is a number: subtract a date and divide by a duration, as in "
    "(y - y.min()) / numpy.timedelta64(1, 's')"
)

# The largest weight lies between these. A weight below 1e-30 of it counts as zero.
_LIGHTEST, _HEAVIEST = 1e-30, 1e30


_ONE_HOT = (
    "y should be a 1d array, or 2d with one column for each output; it has several numbers at "
    "every step of a sequence. If they are one-hot, or probabilities, take the labels: "
    "y.argmax(axis=-1). For a label at each step use SequenceTagger."
)


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
    y = _as_array(unmasked(as_table(y)))
    _refuse_odd_labels(y)
    if not isinstance(y, (list, tuple)):
        _refuse_nan(y)
    checked = _checked(
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
    with np.errstate(invalid="ignore"):  # of numbers too large for integers
        check_classification_targets(checked)
    return np.asarray(checked)


def check_classes(classes: Any) -> Any:
    """Return the `classes` of partial_fit, or refuse those among which one is missing."""
    classes = unmasked(classes)
    for label in classes:
        nested = isinstance(label, (list, tuple, np.ndarray))
        for one in label if nested else [label]:
            if is_missing(one) or (isinstance(one, (float, np.floating)) and np.isinf(one)):
                raise ValueError(
                    f"classes contains {one}; no label is NaN, None, masked or infinite. Leave it "
                    "out."
                )
    return classes


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
    y = _as_array(unmasked(as_table(y)))
    refuse_strings(y)
    refuse_dated_y(y)
    _refuse_nan(y)
    checked = check_array(y, ensure_2d=False, dtype="numeric", input_name="y", estimator=estimator)
    checked = _flatten_column(checked).astype(np.float64, copy=False)
    _check_n(len(checked), n)
    return np.asarray(checked)


def _as_array(y: Any) -> Any:
    """Return lists of numbers as an array, which is looked at at once; leave the rest."""
    if not isinstance(y, (list, tuple)) or (len(y) and isinstance(y[0], str)):
        return y
    try:
        array = np.asarray(y)
    except ValueError:  # ragged
        return y
    return array if array.dtype.kind in "biuf" and array.ndim in (1, 2) else y


def _refuse_missing(y: Any, estimator: Any) -> None:
    """Raise scikit-learn's error when there is no y."""
    if y is None:
        name = "estimator" if estimator is None else f"{type(estimator).__name__} estimator"
        raise ValueError(f"This {name} requires y to be passed, but the target y is None.")


def refuse_strings(y: Any) -> None:
    """Raise where a target that should be a number is a string, naming its column and row."""
    for column, cells in _text_columns(y):
        for row, cell in enumerate(cells):
            if isinstance(cell, str) and not is_number(cell):
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


def refuse_dated_y(y: Any, name: str = "y", remedy: str = _DATED_Y) -> None:
    """Raise where targets, or weights, that should be numbers are dates or durations."""
    frame = open_distinct(y)
    if frame is not None:
        refuse_dated_columns(y, f" of {name}", remedy)
        for column in string_columns(y):
            cells = frame.get_column(column).to_list()
            texts = [c for c in cells if isinstance(c, str) and not is_number(c)]
            if texts:
                raise ValueError(
                    f"Column {column!r} of {name} holds strings ({texts[0]!r:.40} in row "
                    f"{cells.index(texts[0])}), which are no numbers. Convert or drop it."
                )
        return
    if is_series(y):
        series = as_series(y)
        if column_role(series) == "time":
            raise no_number(name, series.dtype, remedy)
    if isinstance(y, (list, tuple)):
        try:
            y = np.asarray(y)
        except ValueError:  # of steps, and ragged: told row by row
            return
    refuse_dates(np.asarray(y) if hasattr(y, "dtype") else y, name, remedy=remedy)


def refuse_masked(y: Any, sample_weight: Any = None) -> None:
    """Raise where a target, or a weight, to score by is masked: scikit-learn's scores read it."""
    plain = unmasked(y)
    if plain is not y:
        _refuse_nan(plain)
    if unmasked(sample_weight) is not sample_weight:
        check_weights(sample_weight, len(sample_weight))


def _refuse_nan(y: Any, column: str = "") -> None:
    """Raise where a target is NaN, or masked, and name its row."""
    frame = open_distinct(y)
    if frame is not None:
        for name in frame.columns:
            _refuse_nan(frame.get_column(name).to_numpy(), f", column {name!r},")
        return
    if is_series(y):
        y = as_series(y).to_numpy()
    kind = getattr(getattr(y, "dtype", None), "kind", "")
    if isinstance(y, (list, tuple)):
        row = next((row for row, item in enumerate(y) if is_missing(item)), None)
    elif isinstance(y, np.ndarray) and kind in "fO" and y.ndim in (1, 2) and y.size:
        gone = np.isnan(y) if kind == "f" else np.frompyfunc(is_missing, 1, 1)(y).astype(bool)
        rows = np.flatnonzero(gone.reshape(len(y), -1).any(axis=1))
        row = int(rows[0]) if len(rows) else None
    else:
        return
    if row is not None:
        raise ValueError(
            f"Input y contains NaN: row {row}{column} has no target (NaN, None or masked). Drop "
            "the row from X and y, or fill it."
        )


def is_number(text: str) -> bool:
    """Tell whether a string is a number, which scikit-learn converts."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _refuse_odd_labels(y: Any) -> None:
    """Raise where labels are sets, or one is missing, which would only fail further on."""
    if getattr(y, "ndim", 1) == 3:
        raise ValueError(_ONE_HOT)
    kind = getattr(getattr(y, "dtype", None), "kind", "O")  # numbers are checked elsewhere
    if getattr(y, "ndim", 1) != 1 or (kind != "O" and not hasattr(y, "isna")):
        return
    if not hasattr(y, "__iter__") or hasattr(y, "columns") or isinstance(y, (str, bytes)):
        return
    labels = y.to_list() if hasattr(y, "to_list") else list(y)
    sets = [isinstance(label, (set, frozenset)) for label in labels]
    rows = [isinstance(label, (list, tuple)) for label in labels]
    arrays = np.ndarray in set(map(type, labels))
    if arrays and any(isinstance(label, np.ndarray) and label.ndim == 2 for label in labels):
        raise ValueError(_ONE_HOT)
    if any(sets) or (all(rows) and len({len(label) for label in labels}) > 1):
        raise ValueError(
            "y holds sets of labels, rows of inhomogeneous length. Turn them into columns of 0 and "
            "1 first: y = sklearn.preprocessing.MultiLabelBinarizer().fit_transform(y). For a "
            "label at each step use SequenceTagger, or ReservoirClassifier with one label for each "
            "step in every row of y."
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
            f"y should be a 1d array, or 2d with one column for each output; got shape {y.shape}."
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
        Finite numbers. NaN, or what NumPy masks, is a target that is missing. A dense array may be
        padded with NaN beyond a sequence's end.
    X : Sequences
        What the targets belong to.

    Returns
    -------
    Sequences
        Values in float64.

    Raises
    ------
    ValueError
        When the lengths of a row differ, or all targets are missing; the message names the row.
    """
    kind, data = resolve(y)
    if kind in ("array_2d", "array_3d", "scalar_frame"):
        refuse_dated_y(data)
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
    elif isinstance(data, list):
        read = Sequences(*flatten_list(data, column="y"))
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
    if np.isnan(read.values).any(axis=1).all():
        raise ValueError("Input y contains NaN at every step: there is no target to learn from.")
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


def _checked(y: Any, **options: Any) -> Any:
    """Check y as scikit-learn does; name the row where the rows make no array together."""
    try:
        return check_array(y, **options)
    except ValueError as error:
        if "inhomogeneous" not in str(error) and "array element" not in str(error):
            raise
        shapes = [np.shape(row) if _is_even(row) else None for row in y]
        odd = next((i for i, shape in enumerate(shapes) if shape is None or shape != shapes[0]), 0)
        raise ValueError(
            f"Row {odd} of y is not like row 0: every sequence needs the same number of "
            "targets. One target for each step of ragged sequences is learned by RNNRegressor, "
            "ReservoirRegressor, ReservoirClassifier and SequenceTagger, as a list with one array "
            "or list a row, as long as the row of X."
        ) from error


def _is_even(row: Any) -> bool:
    """Tell whether a row of y is a scalar or an array."""
    try:
        np.shape(row)
    except ValueError:
        return False
    return True


def check_weights(sample_weight: Any, n: int) -> Array | None:
    """Return sample weights as float64 of shape (n,), or None.

    Parameters
    ----------
    sample_weight : float, array-like of shape (n,) or None
        Not negative, not all zero, and at most 1e30. A single number stands for every sample.
    n : int
        Number of samples.
    """
    if sample_weight is None:
        return None
    sample_weight = unmasked(sample_weight)
    refuse_dated_y(sample_weight, "sample_weight", "a weight is a number, not negative")
    if isinstance(sample_weight, (list, tuple, np.ndarray)) and np.ndim(sample_weight) == 1:
        gone = [row for row, weight in enumerate(sample_weight) if is_missing(weight)]
        if gone:
            raise ValueError(
                f"Input sample_weight contains NaN: row {gone[0]} has no weight (NaN, None or "
                "masked). Give it one; 0 leaves the row out."
            )
    try:
        checked: Array = _check_sample_weight(
            sample_weight,
            np.empty(n),
            dtype=np.float64,
            ensure_non_negative=True,
            allow_all_zero_weights=False,
        )
    except (TypeError, ValueError) as error:
        if "sample_weight" in str(error).lower() or "Sample weights" in str(error):
            raise
        raise ValueError(
            f"sample_weight must hold one number for each sample; got {str(sample_weight)[:60]}."
        ) from error
    if not np.isfinite(checked).all():
        raise ValueError("Input sample_weight contains NaN or infinity.")
    return bounded_weights(checked, "sample_weight")


def bounded_weights(weights: Array, name: str) -> Array:
    """Refuse weights that single precision cannot square; what hardly weighs beside others is 0.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Not negative.
    name : str
        Opens the error message.
    """
    largest = float(weights.max(initial=0.0))
    if largest and not _LIGHTEST <= largest <= _HEAVIEST:
        raise ValueError(
            f"{name} has {largest:g} as its largest weight, which should lie between "
            f"{_LIGHTEST:g} and {_HEAVIEST:g}. Divide all weights by their mean."
        )
    nothing = weights < _LIGHTEST * largest
    return np.where(nothing, 0.0, weights) if nothing.any() else weights


def check_consistent(X: FlatSequences, y: Any, sample_weight: Any = None) -> None:
    """Refuse X, y and weights of unequal numbers of samples, in scikit-learn's words."""
    counts = [part for part in (X, y, sample_weight) if part is not None]
    check_consistent_length(*[np.empty(_num_samples(part)) for part in counts])
