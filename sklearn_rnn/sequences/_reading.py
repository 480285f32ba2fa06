"""X as users have it, read into `Sequences`; and the one door, which checks X against an estimator.

Imports its neighbours in this room.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from ._container import Sequences
from ._flat import FlatSequences, align, labels_as_parts, recode_static
from ._frames import (
    as_series,
    as_table,
    column_role,
    flatten_series,
    frame_roles,
    is_frame,
    is_series,
    refuse_dated_columns,
    string_columns,
)
from ._sklearn import _check_feature_names, _num_samples
from ._tables import long_table_advice, refuse_table, warn_of_long_table
from ._values import (
    CHANNELS_FIRST_HINT,
    TOKENIZER_HINT,
    Array,
    as_numbers,
    flatten_dense,
    is_mapped,
    iter_chunks,
    no_number,
    refuse_dates,
    row_of,
    unmask,
)

DENSE = ("array_2d", "scalar_frame")


def read_sequences(X: Any) -> Sequences:
    """Read anything that estimators accept as `X` into a `Sequences`.

    Parameters
    ----------
    X : array, list, data frame or Sequences
        - 2-D array or data frame of scalars (n, n_steps): n univariate sequences.
        - 3-D array (n, n_steps, n_channels). In dense arrays and scalar frames trailing steps at
          which every channel is NaN are padding and are cut, unless the whole row is NaN.
        - list, tuple or object array of arrays (n_steps_i,) or (n_steps_i, n_channels).
        - pandas, polars or pyarrow frame with list columns: see `Sequences.from_frame`. A lazy
          frame of polars is collected, a dataset of pyarrow read whole.
        - one column of lists: a Series of pandas or polars, or a pyarrow array.
        - Sequences: returned as it is.

    Returns
    -------
    Sequences
        The values are float32 or float64; only a `Sequences` can hold tokens.

    Raises
    ------
    ValueError, TypeError
        Naming the row or column that cannot be read, and the remedy.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_rnn.sequences import read_sequences
    >>> read_sequences([np.zeros((3, 2)), np.zeros((5, 2))])
    Sequences(n=2, channels=2, lengths=3-5, dtype=float64)
    >>> read_sequences([[1.0, 2.0], []])
    Traceback (most recent call last):
        ...
    ValueError: Row 1 is an empty sequence; every sequence needs at least one step. Drop the row \
from X and y.
    """
    kind, data = resolve(X)
    if kind in DENSE:
        return with_labels(dense_to_sequences(check_dense(data), cut=is_padded(X)), X)
    return with_labels(read_resolved(kind, data, cut=is_padded(X)), X)


def with_labels(read: Sequences, X: Any) -> Sequences:
    """Give what was read of pandas data the labels of its rows."""
    if type(X) in (np.ndarray, list) or isinstance(X, FlatSequences):
        return read
    parts = labels_as_parts(X)
    return read._with(**parts) if parts else read


def is_padded(X: Any) -> bool:
    """Tell whether trailing NaN in `X` are padding: in arrays and frames, not in lists."""
    return not isinstance(X, Sequence)


def describe_kind(X: Any) -> str:
    """Say how `X` is read.

    Parameters
    ----------
    X : any accepted form
        See `read_sequences`.

    Returns
    -------
    str
        "array_2d" (also nested lists of that shape and anything that scikit-learn's own checks
        are to refuse), "array_3d", "list", "frame" (with list columns), "scalar_frame" or
        "sequences".
    """
    return resolve(X)[0]


def resolve(X: Any) -> tuple[str, Any]:
    """Return the kind of `X` and the object to read it from."""
    # What most callers bring, known without asking narwhals; it counts where one row is predicted.
    if type(X) is np.ndarray:
        return _resolve_array(X)
    if type(X) is list:
        return _resolve_list(X)
    if isinstance(X, FlatSequences):
        return "sequences", X
    if isinstance(X, (str, bytes)):
        raise TypeError(f"X is a single string; {TOKENIZER_HINT}.")
    if issparse(X) or isinstance(X, numbers.Number):
        return "array_2d", X  # scikit-learn refuses it in its own words
    X = as_table(X)
    if is_frame(X):
        return ("frame" if "list" in frame_roles(X).values() else "scalar_frame"), X
    if is_series(X):
        return _resolve_series(X)
    if isinstance(X, np.ndarray):
        return _resolve_array(X)
    if isinstance(X, (list, tuple)):
        return _resolve_list(X)
    if hasattr(X, "__array__"):
        try:
            array = np.asarray(X)
        except Exception as error:
            raise TypeError(
                f"X ({type(X).__name__}) cannot be read as a NumPy array: {error}"
            ) from error
        return _resolve_array(array)
    if isinstance(X, Sequence):
        return _resolve_list(list(X))
    raise TypeError(
        f"X must be an array, a list of arrays, a data frame or Sequences; got {type(X).__name__}. "
        "Turn a generator into a list, and collect a lazy frame first."
    )


def _resolve_series(X: Any) -> tuple[str, Any]:
    """Take a column of lists as one channel; a column of numbers is one-dimensional."""
    series = as_series(X)
    role = column_role(series)
    if role == "list":
        return "list", series
    if role == "categorical":
        raise ValueError(f"X is a column of {series.dtype}, not of lists; {TOKENIZER_HINT}.")
    if role == "time":
        raise no_number("X", series.dtype)
    error = _one_dimensional(f"a column of {series.dtype}")
    index: Any = getattr(X, "index", None)
    if getattr(index, "nlevels", 1) > 1:
        names = [f"level_{k}" if name is None else name for k, name in enumerate(index.names)]
        raise ValueError(
            f"{error} If its index says whose step each number is, and when, build sequences with "
            f"Sequences.from_long(X.reset_index(), id={names[0]!r}, time={names[-1]!r})."
        )
    raise error


def _resolve_array(X: Array) -> tuple[str, Any]:
    """Tell dense arrays from object arrays that hold sequences."""
    if isinstance(X, np.ma.MaskedArray):
        X = unmask(X)
    if X.dtype.kind == "O" and X.ndim == 1:
        return _resolve_list(list(X)) if len(X) == 0 or not _holds_lists(X) else ("list", list(X))
    if X.dtype.kind == "O" and X.ndim == 2 and X.size and any(_holds_lists(row) for row in X[:1]):
        import pandas as pd

        # What ColumnTransformer makes of list columns beside scalar ones.
        return "frame", pd.DataFrame(X)
    if X.ndim == 3:
        return "array_3d", X
    if X.ndim > 3:
        raise ValueError(
            f"Found array with dim {X.ndim}, while dim <= 3 is required: X has shape (n, n_steps) "
            "or (n, n_steps, n_channels)."
        )
    if X.ndim == 1 and X.dtype.kind in "USO":
        return ("list", list(X)) if len(X) else _resolve_list([])
    if X.dtype.kind == "O" and X.ndim == 2:
        return "array_2d", _without_na(X)
    return "array_2d", X


def _without_na(X: Array) -> Array:
    """Put NaN where an object array holds pandas.NA, which no float can be made of."""
    gone = np.array([type(item).__name__ == "NAType" for item in X.flat], dtype=bool)
    return np.where(gone.reshape(X.shape), np.nan, X) if gone.any() else X


def _holds_lists(items: Any) -> bool:
    """Tell whether any item is a list, an array or alike."""
    return any(
        not isinstance(item, (str, bytes, dict, set))
        and (hasattr(item, "__len__") or hasattr(item, "__array__"))
        and getattr(item, "shape", None) != ()
        for item in items
    )


def _resolve_list(X: Any) -> tuple[str, Any]:
    """Tell nested lists of a regular shape, which are dense, from lists of arrays."""
    if len(X) == 0:
        raise ValueError(
            "Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is required: X is an "
            "empty list."
        )
    if all(isinstance(item, (list, tuple)) for item in X):
        if not any(_holds_arrays(item) for item in X):
            try:
                array = np.asarray(X)
            except Exception:  # ragged: read row by row, which names the row at fault
                return "list", list(X)
            if array.ndim == 2 and array.size:
                return _resolve_array(array)
            if array.ndim == 3 and array.size:
                return "array_3d", array
        return "list", list(X)
    if all(isinstance(item, numbers.Number) or _is_scalar_array(item) for item in X):
        raise _one_dimensional("a flat list of numbers")
    return "list", list(X)


def _holds_arrays(item: Any) -> bool:
    """Tell whether a list holds, at its first two levels, anything but lists and scalars."""
    return any(
        hasattr(cell, "__array__")
        and not _is_scalar_array(cell)
        or isinstance(cell, (list, tuple))
        and any(hasattr(inner, "__array__") and not _is_scalar_array(inner) for inner in cell)
        for cell in item
    )


def _is_scalar_array(item: Any) -> bool:
    """Tell whether an item is a NumPy scalar or a 0-d array."""
    return getattr(item, "shape", None) == ()


def _one_dimensional(what: str) -> ValueError:
    """Make the error for a single row of numbers."""
    return ValueError(
        f"Expected 2D array, got 1D array instead: X is {what}. Reshape your data: for one "
        "sequence pass [X], for sequences of one step each use X.reshape(-1, 1)."
    )


def check_dense(X: Any) -> Array:
    """Return a 2-D array or scalar frame as float32 or float64, NaN allowed."""
    refuse_strings(X)
    try:
        checked: Array = check_array(
            X,
            dtype=[np.float64, np.float32],
            ensure_all_finite=finite_check(X),
            input_name="X",
        )
    except (ValueError, TypeError) as error:
        raise with_hint(error, X) from error
    except OverflowError as error:
        raise too_large(error) from error
    return checked


def finite_check(X: Any) -> str | bool:
    """Leave the search for infinity in mapped files to `Sequences`, which keeps them off memory."""
    return not is_mapped(X) and "allow-nan"


def refuse_strings(X: Any) -> None:
    """Refuse strings in 2-D data, also those that look like numbers; and dates."""
    where = ""
    refuse_dates(X, "X")
    if is_frame(X):
        roles = frame_roles(X)
        refuse_dated_columns(X, roles=roles)
        columns = string_columns(X, roles=roles)
        where = f"X holds strings in the columns {columns}" if columns else ""
    elif isinstance(X, np.ndarray):
        texts: Any = X.flat if X.dtype.kind == "O" else X.flat[:1] if X.dtype.kind in "US" else ()
        text = next((item for item in texts if isinstance(item, (str, bytes))), None)
        where = "" if text is None else f"X holds the string {str(text)!r}"
    if where:
        raise ValueError(f"{where}: could not convert string to float; {TOKENIZER_HINT}.")


def with_hint(error: ValueError | TypeError, X: Any) -> ValueError | TypeError:
    """Add our remedy to an error of scikit-learn's."""
    if is_frame(X):
        refuse_dated_columns(X)
    text = str(error)
    if "Reshape your data" in text and getattr(X, "ndim", 1) == 1:
        return ValueError(f"{text} For one sequence of many steps, pass [X].")
    if "infinity" in text:
        numbers = check_array(X, dtype=np.float64, ensure_all_finite=False)
        found = np.argwhere(np.isinf(numbers))
        if len(found):
            row, step = found[0]
            return ValueError(
                f"Input X contains infinity: row {row}, step {step}. Replace it, by NaN if it "
                "means missing, or rescale the data."
            )
    return error


def too_large(error: OverflowError) -> ValueError:
    """Make the error for a Python int beyond every float."""
    return ValueError(
        f"Input X contains infinity or a value too large for dtype('float32'): {error}."
    )


def dense_to_sequences(X: Array, *, cut: bool) -> Sequences:
    """Read a checked (n, n_steps) array; `cut` drops trailing NaN."""
    return Sequences._from_rows(*flatten_dense(X, cut=cut))


def read_resolved(kind: str, data: Any, *, cut: bool = True) -> Sequences:
    """Read what `resolve` returned, except for dense 2-D data."""
    if kind == "sequences":
        return data if isinstance(data, Sequences) else Sequences._trusted(**data.__dict__)
    if kind == "frame":
        return Sequences.from_frame(data)
    if kind == "array_3d":
        cube = as_numbers(data, "X")
        if len(cube) == 0:
            raise ValueError(
                f"Found array with 0 sample(s) (shape={cube.shape}) while a minimum of 1 is "
                "required."
            )
        return Sequences._from_rows(*flatten_dense(cube, cut=cut))
    if isinstance(data, list):
        return Sequences.from_list(data)
    return Sequences(*flatten_series(data, "X"))


_LISTS = (list, tuple, np.ndarray)


@dataclass
class WordRows:
    """Words, one list for each row, and what is known of each of them.

    Attributes
    ----------
    words : list of list of str
    categories : dict of str to list of list of str
        Further columns of strings, by name.
    numbers : dict of str to list of ndarray
        Columns of numbers, by name.
    names : list of str or None
        Names of all columns, where X was a frame.
    """

    words: list[list[str]]
    categories: dict[str, list[list[str]]] = field(default_factory=dict)
    numbers: dict[str, list[Array]] = field(default_factory=dict)
    names: list[str] | None = None

    @property
    def lengths(self) -> Array:
        """Words of each row."""
        return np.array([len(row) for row in self.words], dtype=np.int64)


def read_words(X: Any) -> WordRows | None:
    """Read rows of words, or return None for anything else.

    Parameters
    ----------
    X : list of lists of str, list of lists of tuples, column of lists, or data frame
        In a tuple the word comes first, strings and numbers that belong to it follow. In a data
        frame the first column of lists of strings holds the words.

    Raises
    ------
    ValueError, TypeError
        When it is rows of words, but one is empty, has something else in it, or a column of
        another length; the row is named.
    """
    if isinstance(X, (str, bytes, dict, set)) or X is None:
        return None
    X = as_table(X)
    if hasattr(X, "columns") or hasattr(X, "column_names"):
        return _from_frame(X)
    rows = _as_rows(X)
    if rows is None or not len(rows):
        return None
    first = next((row for row in rows if isinstance(row, _LISTS) and len(row)), None)
    if first is not None:
        _refuse_features(first[0])
    if first is None or not _starts_with_word(first):
        return None
    if isinstance(first[0], str):
        return WordRows([_words(row, number) for number, row in enumerate(rows)])
    return _from_tuples(rows, len(first[0]))


def _refuse_features(step: Any) -> None:
    """Refuse dictionaries, or lists, of features of a step, as sklearn-crfsuite takes them."""
    listed = isinstance(step, list) and bool(step) and all(isinstance(item, str) for item in step)
    if isinstance(step, dict) or listed:
        raise TypeError(
            f"Row 0: step 0 is a {type(step).__name__} of features ({step!r:.60}), as taggers "
            "without a network read them. Give the words themselves, as in [['fly', 'to', 'Rome'], "
            "...]: their characters, ends and neighbours are read from them. What is not in the "
            "words goes beside them, in tuples (word, tag, number), or in a data frame whose "
            "columns hold lists: {name: [[step[name] for step in row] for row in X] for name in "
            "('word', 'tag')} makes one."
        )


def _as_rows(X: Any) -> list[Any] | None:
    """Return the rows of a list, an object array or a column; None for other things."""
    if isinstance(X, (list, tuple)):
        return list(X)
    if isinstance(X, np.ndarray):
        return X.tolist() if X.ndim in (1, 2) and X.dtype.kind in "OUT" else None
    for name in ("to_pylist", "to_list", "tolist"):
        if hasattr(X, name) and hasattr(X, "__len__") and not isinstance(X, Sequences):
            rows = getattr(X, name)()
            return rows if isinstance(rows, list) else None
    return None


def _starts_with_word(row: Any) -> bool:
    """Tell whether a row begins with a word, or a tuple that begins with one."""
    head = row[0]
    return isinstance(head, str) or (
        isinstance(head, tuple) and bool(head) and isinstance(head[0], str)
    )


def _words(row: Any, number: int, column: str = "") -> list[str]:
    """Return one row's strings, or refuse it by number."""
    where = f"Row {number}" + (f", column {column!r}" if column else "")
    if not isinstance(row, _LISTS):
        raise TypeError(f"{where} is no list of words, but {type(row).__name__}: {row!r:.60}.")
    if not len(row):
        raise ValueError(f"{where} has no words; drop the row from X and y.")
    for place, word in enumerate(row):
        if not isinstance(word, str):
            raise TypeError(f"{where}: word {place} is no string, but {type(word).__name__}.")
    return [str(word) for word in row]


def _from_tuples(rows: list[Any], width: int) -> WordRows:
    """Take tuples of a word and what belongs to it apart."""
    columns: list[list[list[Any]]] = [[] for _ in range(width)]
    for number, row in enumerate(rows):
        if not isinstance(row, _LISTS) or not len(row):
            raise ValueError(f"Row {number} has no words; drop the row from X and y.")
        for place, step in enumerate(row):
            if not isinstance(step, (tuple, list)) or len(step) != width:
                raise ValueError(
                    f"Row {number}: step {place} should be a tuple of {width}, as the first is; "
                    f"got {step!r:.60}."
                )
        for column, values in zip(columns, zip(*row, strict=True), strict=True):
            column.append(list(values))
    return _assemble({f"column {j}": column for j, column in enumerate(columns)}, named=False)


def _from_frame(X: Any) -> WordRows | None:
    """Read a frame that has a column of lists of strings."""
    import narwhals as nw

    try:
        frame = nw.from_native(X, eager_only=True)
    except TypeError:
        return None
    columns: dict[str, list[Any]] = {}
    plain = []
    for name in frame.columns:
        cells = [
            cell.tolist() if isinstance(cell, np.ndarray) else cell
            for cell in frame.get_column(name).to_list()
        ]
        first = next((cell for cell in cells if cell is not None), None)
        if isinstance(first, (list, tuple)):
            columns[str(name)] = cells
        else:
            plain.append(str(name))
    if not any(_is_words(cells) for cells in columns.values()):
        return None
    if plain:
        raise ValueError(
            f"Columns {plain} hold one value for each row; a tagger reads columns of lists. "
            "Repeat the value for each word of its row, or drop the column."
        )
    return _assemble(columns, named=True)


def _is_words(cells: list[Any]) -> bool:
    """Tell whether cells hold lists of strings, by the first that is not empty."""
    first = next((cell for cell in cells if isinstance(cell, (list, tuple)) and len(cell)), None)
    return first is not None and isinstance(first[0], str)


def _assemble(columns: dict[str, list[Any]], *, named: bool) -> WordRows:
    """Sort columns into words, categories and numbers, and compare their lengths."""
    texts = [name for name, cells in columns.items() if _is_words(cells)]
    read: dict[str, list[list[str]]] = {
        name: [_words(cell, number, name if named else "") for number, cell in enumerate(cells)]
        for name, cells in columns.items()
        if name in texts
    }
    words = read.pop(texts[0])
    numbers = {
        name: [_numbers(cell, number, name) for number, cell in enumerate(cells)]
        for name, cells in columns.items()
        if name not in texts
    }
    beside: dict[str, list[Any]] = {**read, **numbers}
    for name, rows in beside.items():
        for number, (row, own) in enumerate(zip(words, rows, strict=True)):
            if len(row) != len(own):
                raise ValueError(
                    f"Row {number}: column {name!r} has {len(own)} values, but there are "
                    f"{len(row)} words."
                )
    return WordRows(words, read, numbers, list(columns) if named else None)


def _numbers(cell: Any, number: int, column: str) -> Array:
    """Return one row's numbers as float64, or refuse it by number."""
    try:
        values = np.asarray(cell, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"Row {number}, column {column!r}: {error}.") from error
    if values.ndim != 1:
        raise ValueError(f"Row {number}, column {column!r} should hold one number for each word.")
    if np.isinf(values).any():
        raise ValueError(f"Row {number}, column {column!r} contains infinity.")
    return values


@dataclass(frozen=True)
class InputSchema:
    """What an estimator remembers of the input that it was fitted on.

    Parameters
    ----------
    kind : str
        As from `describe_kind`.
    n_channels : int
        Channels of every sequence.
    n_steps : int or None
        Steps of a 2-D input, else None.
    vocabulary_size : int or None
        Set for tokens.
    columns : tuple of (name, role) or None
        Columns of a frame in order; the roles are "list", "numeric" and "categorical".
    channel_names, static_names, static_categories : tuple or None
        As in `Sequences`.
    n_static : int
        Number of static features.
    has_times : bool
        Whether the steps had times.
    """

    kind: str
    n_channels: int
    n_steps: int | None = None
    vocabulary_size: int | None = None
    columns: tuple[tuple[Any, str], ...] | None = None
    channel_names: tuple[str, ...] | None = None
    static_names: tuple[str, ...] | None = None
    static_categories: tuple[tuple[Any, ...] | None, ...] | None = None
    n_static: int = 0
    has_times: bool = False

    @property
    def is_dense(self) -> bool:
        """Whether the input was a 2-D array or a frame of scalars."""
        return self.kind in DENSE


def check_X(estimator: Any, X: Any, *, reset: bool) -> Sequences:
    """Read `X` for an estimator, and check it against what the estimator was fitted on.

    Parameters
    ----------
    estimator : estimator
        With `reset`, gets `n_features_in_` (2-D input: steps; frame: columns; else it has none),
        `feature_names_in_` (frames with string columns only) and `_input_schema_`.
    X : any form that `read_sequences` takes
        2-D arrays and frames of scalars pass through scikit-learn's own `validate_data`.
    reset : bool
        True in `fit` and the first `partial_fit`, False elsewhere.

    Returns
    -------
    Sequences
        With the static features in the order, and the categories in the codes, of the fit;
        categories that were not seen there are NaN.

    Raises
    ------
    ValueError, TypeError
        When X cannot be read or differs from what the estimator was fitted on; the message names
        the row or column and the remedy.
    """
    kind, data = resolve(X)
    fitted: InputSchema | None = None if reset else getattr(estimator, "_input_schema_", None)
    if kind in DENSE:
        try:
            dense = _check_dense(estimator, data, reset=reset, fitted=fitted)
        except (ValueError, TypeError) as error:
            advice = long_table_advice(X)
            if not advice:
                raise
            kind_of = TypeError if isinstance(error, TypeError) else ValueError
            raise kind_of(f"{error} {advice}") from error
        if reset:
            warn_of_long_table(X)
        read = dense_to_sequences(dense, cut=is_padded(X))
        n_steps: int | None = dense.shape[1]
    else:
        nameless = type(X) in (np.ndarray, list) and not hasattr(estimator, "feature_names_in_")
        if kind != "sequences" and (reset or not nameless):
            _check_feature_names(estimator, data if kind == "frame" else X, reset=reset)
        elif reset and hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
        n_steps = None
        read = read_resolved(kind, data, cut=is_padded(X))
    read = with_labels(read, X)
    if len(read) == 0:
        raise ValueError(
            "Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is required by "
            f"{type(estimator).__name__}."
        )
    if reset:
        schema = _schema(kind, data, read, n_steps)
        if kind == "frame":
            estimator.n_features_in_ = len(schema.columns or ())
        elif kind not in DENSE:
            # What is not two-dimensional has no `X.shape[1]`. Clients take the attribute for that
            # number, and probe `predict(np.zeros((1, n_features_in_)))`.
            estimator.__dict__.pop("n_features_in_", None)
        estimator._input_schema_ = schema
        return read
    if fitted is None:
        return read
    name = type(estimator).__name__
    _check_channels(name, data, read, kind, fitted)
    _check_vocabulary(name, read, fitted)
    _check_times(name, read, fitted)
    return _align_static(name, read, fitted)


def refuse_long_table(X: Any, y: Any) -> None:
    """Refuse a long table that comes with one target for each of its series."""
    try:
        n_rows, n_targets = _num_samples(X), _num_samples(y)
    except TypeError:
        return
    if getattr(X, "ndim", 2) == 2 and 1 < n_targets < n_rows:
        refuse_table(X, n_rows, n_targets)


def align_targets(
    X: Any, y: Any, sample_weight: Any = None, *, names: tuple[str, str] = ("y", "sample_weight")
) -> tuple[Any, Any]:
    """Return targets and weights in the order of the rows of `X`, by their labels; see `align`.

    Parameters
    ----------
    X : any accepted form
        As the user passed it.
    y, sample_weight : array-like, column or frame, or None
        What belongs to its rows.
    names : tuple of str
        What the two are called in error messages.

    Raises
    ------
    ValueError
        When their labels are not those of X, or X is a long table, with one row for each step, and
        there is one target for each of its series.
    """
    refuse_long_table(X, y)  # a fit has asked before, so that it warns of nothing that it refuses
    return align(X, y, names[0]), align(X, sample_weight, names[1])


def check_missing(X: Sequences, name: str) -> None:
    """Refuse missing values (NaN), naming the first row, channel and step that has one.

    Parameters
    ----------
    X : Sequences
        As `check_X` returns it.
    name : str
        Name of the estimator, for the message.
    """
    if X.is_tokens:
        return
    for start, _, chunk in iter_chunks(X.values):
        if np.isnan(np.maximum.reduce(chunk, axis=None)):  # NaN wins, and nothing overflows
            bad = np.argwhere(np.isnan(chunk))
            step, channel = start + int(bad[0, 0]), int(bad[0, 1])
            row = row_of(step, X.offsets)
            label = repr(X.channel_names[channel]) if X.channel_names else channel
            raise ValueError(
                f"Input X contains NaN: row {row}, channel {label}, step "
                f"{step - int(X.offsets[row])}. {name} was told to refuse missing values "
                '(missing="error"); impute them first, or choose missing="auto".'
            )


def _check_dense(estimator: Any, X: Any, *, reset: bool, fitted: InputSchema | None) -> Array:
    """Pass 2-D input through scikit-learn's checks; its T counts only against another 2-D input."""
    if fitted is not None and not fitted.is_dense:
        _check_feature_names(estimator, X, reset=False)
        return check_dense(X)
    if fitted is not None and _is_plain(estimator, X):
        return X
    refuse_strings(X)
    try:
        with np.errstate(invalid="ignore"):  # of both infinities, which are refused by name
            checked: Array = validate_data(
                estimator,
                X,
                reset=reset,
                dtype=[np.float64, np.float32],
                ensure_all_finite=finite_check(X),
            )
    except (ValueError, TypeError) as error:
        raise with_hint(error, X) from error
    except OverflowError as error:
        raise too_large(error) from error
    return checked


def _is_plain(estimator: Any, X: Any) -> bool:
    """Tell whether scikit-learn's checks of an array would find nothing and change nothing.

    Infinity is looked for by `Sequences`. The checks themselves take as long as one prediction.
    """
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype in (np.float64, np.float32)
        and X.dtype.isnative
        and len(X) > 0
        and X.shape[1] == estimator.n_features_in_
        and not hasattr(estimator, "feature_names_in_")
    )


def _schema(kind: str, data: Any, read: Sequences, n_steps: int | None) -> InputSchema:
    """Write down what the input looked like."""
    return InputSchema(
        kind=kind,
        n_channels=read.n_channels,
        n_steps=n_steps,
        vocabulary_size=read.vocabulary_size,
        columns=tuple(frame_roles(data).items()) if kind == "frame" else None,
        channel_names=read.channel_names,
        static_names=read.static_names,
        static_categories=read.static_categories,
        n_static=0 if read.static is None else read.static.shape[1],
        has_times=read.times is not None,
    )


def _check_channels(name: str, data: Any, read: Sequences, kind: str, fitted: InputSchema) -> None:
    """Refuse another number, or order, of channels than in fit."""
    expected = fitted.n_channels
    if read.n_channels != expected:
        hint = ""
        if kind in ("array_3d", "list", "sequences") and (read.lengths == expected).all():
            hint = " " + CHANNELS_FIRST_HINT
        elif kind in DENSE and np.shape(data)[1] == expected:
            hint = (
                " A 2-D array is read as univariate sequences, one for each row; for one sequence "
                "of shape (n_steps, n_channels) pass [X]."
            )
        raise ValueError(
            f"X has {read.n_channels} channels, but {name} is expecting {expected} channels as "
            f"input.{hint}"
        )
    names = (read.channel_names, fitted.channel_names)
    if names[0] is not None and names[1] is not None and names[0] != names[1]:
        raise ValueError(
            f"The channel names should match those that were passed during fit: X has "
            f"{list(names[0])}, but {name} was fitted on {list(names[1])}, in that order."
        )


def _check_vocabulary(name: str, read: Sequences, fitted: InputSchema) -> None:
    """Refuse tokens for numbers, numbers for tokens, and another vocabulary."""
    if read.vocabulary_size == fitted.vocabulary_size:
        return
    if fitted.vocabulary_size is None:
        raise ValueError(
            f"X holds tokens, but {name} was fitted on numbers; leave vocabulary_size out."
        )
    if read.vocabulary_size is None:
        raise ValueError(
            f"X holds numbers, but {name} was fitted on tokens; build X with "
            f"Sequences.from_list(..., vocabulary_size={fitted.vocabulary_size})."
        )
    raise ValueError(
        f"X has vocabulary_size={read.vocabulary_size}, but {name} was fitted with "
        f"vocabulary_size={fitted.vocabulary_size}; use the tokenizer of the fit."
    )


def _check_times(name: str, read: Sequences, fitted: InputSchema) -> None:
    """Refuse steps with times where the fit had none, and the other way round."""
    if (read.times is not None) == fitted.has_times:
        return
    if fitted.has_times:
        raise ValueError(
            f"X has no times, but {name} was fitted on sequences with times; give every step its "
            "time, with Sequences.from_list(..., times=...) or from_long(..., time=...)."
        )
    raise ValueError(
        f"X has times, but {name} was fitted on sequences without; leave times out, or fit on "
        "sequences that have them."
    )


def _align_static(name: str, read: Sequences, fitted: InputSchema) -> Sequences:
    """Bring static features into the order and the codes of the fit."""
    if read.static is None:
        if not fitted.n_static:
            return read
        names = list(fitted.static_names or ()) or fitted.n_static
        raise ValueError(f"X lacks the static features {names} that {name} was fitted with.")
    if not fitted.n_static:
        names = list(read.static_names or ()) or read.static.shape[1]
        raise ValueError(f"X has the static features {names}, but {name} was fitted without any.")
    static = read.static
    categories = read.static_categories or (None,) * static.shape[1]
    if read.static_names is not None and fitted.static_names is not None:
        missing = [column for column in fitted.static_names if column not in read.static_names]
        unseen = [column for column in read.static_names if column not in fitted.static_names]
        if missing or unseen:
            raise ValueError(
                f"The static features should match those that {name} was fitted with; missing: "
                f"{missing}, unseen at fit: {unseen}."
            )
        order = [read.static_names.index(column) for column in fitted.static_names]
        static = static[:, order]
        categories = tuple(categories[column] for column in order)
    elif static.shape[1] != fitted.n_static:
        raise ValueError(
            f"X has {static.shape[1]} static features, but {name} is expecting {fitted.n_static}."
        )
    target = fitted.static_categories or (None,) * fitted.n_static
    for column, (labels, wanted) in enumerate(zip(categories, target, strict=True)):
        if (labels is None) != (wanted is None) and not np.isnan(static[:, column]).all():
            label = fitted.static_names[column] if fitted.static_names else column
            kinds = ("a number", "a category")
            raise ValueError(
                f"Static feature {label!r} is {kinds[labels is not None]} in X, but {name} was "
                f"fitted with {kinds[wanted is not None]}."
            )
    return read._with(
        static=recode_static(static, categories, target),
        static_names=fitted.static_names or read.static_names,
        static_categories=fitted.static_categories,
    )
