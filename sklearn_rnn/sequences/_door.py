"""The one door for X: checks it against an estimator; imports its neighbours in this room."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from ._alignment import align
from ._arrays import CHANNELS_FIRST_HINT
from ._container import Sequences
from ._flat import recode_static
from ._frames import frame_roles
from ._reading import (
    DENSE,
    check_dense,
    dense_to_sequences,
    finite_check,
    is_padded,
    read_resolved,
    refuse_strings,
    resolve,
    too_large,
    with_hint,
    with_labels,
)
from ._sklearn import _check_feature_names
from ._tables import long_table_advice, refuse_long_table, warn_of_long_table
from ._values import Array, iter_chunks, row_of


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
