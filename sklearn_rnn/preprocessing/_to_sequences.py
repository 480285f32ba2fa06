"""ToSequences: any accepted form to `Sequences`, as a pipeline step; imports `sequences` only."""

import copy
from collections.abc import Hashable
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.validation import check_is_fitted

from ..sequences import (
    Array,
    Interval,
    Sequences,
    StrOptions,
    Versioned,
    _check_feature_names_in,
    _fit_context,
    check_X,
    iter_chunks,
    labels_as_parts,
    row_of,
)
from ._base import Form, Stepwise, with_fit_task


class ToSequences(
    Versioned,
    CallbackSupportMixin,
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Turn any accepted form of X into `Sequences`.

    Use it at the head of a pipeline for data that the other steps cannot read on their own: long
    data frames with one row for each step, channels-first arrays, integers that are tokens, list
    columns that hold times.

    Parameters
    ----------
    id : column name, default=None
        Set for a long frame (one row for each step): the column that says whose step it is.
    time : column name, default=None
        With `id`, the column of times; without, the list column of times of a frame with one row
        a sequence. None takes the steps as evenly spaced.
    channels : list of column names, default=None
        Columns of a frame to read as channels. None takes all that are not something else.
    static : list of column names, default=None
        Columns of a long frame that are constant within each id, read as static features.
    channels_first : bool, default=False
        Set for arrays of shape (n, n_channels, n_steps), or lists of (n_channels, n_steps) arrays,
        the layout of sktime and aeon.
    vocabulary_size : int, default=None
        Set for tokens: the values are then integers in [0, vocabulary_size).
    trailing_nan : {"padding", "missing"}, default="padding"
        What NaN in all channels at the end of a row of a dense array means. "padding" cuts it, as
        everywhere in this package; "missing" keeps it, so that every sequence is as long as the
        array and a `SequenceImputer` behind this step fills it. Lists and frames of lists are
        never cut.

    Attributes
    ----------
    n_features_in_ : int
        Number of steps of a 2-D array, of columns of a frame; not set for X of another form.
    feature_names_in_ : ndarray of str
        Names of the columns, where X was a frame with one row for each sequence.

    See Also
    --------
    sklearn_rnn.Sequences : The container, and its builders `from_long`, `from_frame` and others.

    Notes
    -----
    A long frame has more rows than samples: y needs one value for each id, in the order in which
    the ids first appear or with the ids as its index, and scikit-learn's splitters must not cut
    the frame. For cross-validation build the `Sequences` first, with `Sequences.from_long`.

    `set_output` has no effect: the result is always `Sequences`.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_rnn.preprocessing import ToSequences
    >>> frame = pd.DataFrame(
    ...     {"patient": ["a", "a", "b"], "hour": [0, 4, 1], "pulse": [80.0, 75.0, 90.0]}
    ... )
    >>> ToSequences(id="patient", time="hour").fit_transform(frame)
    Sequences(n=2, channels=1, lengths=1-2, dtype=float64, times)
    >>> ToSequences(vocabulary_size=3).fit_transform([[0, 2], [1, 3]])
    Traceback (most recent call last):
        ...
    ValueError: Row 1 holds the token 3, outside [0, 3); raise vocabulary_size or mend the \
tokenizer.
    """

    _parameter_constraints: dict[str, Any] = {
        "id": "no_validation",
        "time": "no_validation",
        "channels": [list, tuple, None],
        "static": [list, tuple, None],
        "channels_first": ["boolean"],
        "vocabulary_size": [Interval(Integral, 1, None, closed="left"), None],
        "trailing_nan": [StrOptions({"padding", "missing"})],
    }

    def __init__(
        self,
        *,
        id: Hashable = None,
        time: Hashable = None,
        channels: list[Hashable] | None = None,
        static: list[Hashable] | None = None,
        channels_first: bool = False,
        vocabulary_size: int | None = None,
        trailing_nan: str = "padding",
    ) -> None:
        self.id = id
        self.time = time
        self.channels = channels
        self.static = static
        self.channels_first = channels_first
        self.vocabulary_size = vocabulary_size
        self.trailing_nan = trailing_nan

    @with_fit_task
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Check that X can be read, and remember its channels.

        Parameters
        ----------
        X : sequences in any accepted form, or a long data frame if `id` is set
            The training sequences.
        y : ignored
            Present so that the transformer fits into a pipeline.

        Returns
        -------
        self : ToSequences
            The fitted transformer.

        Raises
        ------
        ValueError, TypeError
            When X cannot be read, or the parameters contradict each other.
        """
        self._check_parameters()
        sequences = self._read(X, reset=True)
        self._channels_in = sequences.channel_names
        return self

    def transform(self, X: Any) -> Sequences:
        """Read X.

        Parameters
        ----------
        X : in the form seen in `fit`
            The sequences; never changed, and not copied where that is possible.

        Returns
        -------
        Sequences
            One sequence for each row, or an id of a long frame.

        Raises
        ------
        ValueError, TypeError
            When X cannot be read or does not fit what was seen in `fit`.
        """
        check_is_fitted(self)
        return self._read(X, reset=False)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Do nothing: the output is always `Sequences`.

        Parameters
        ----------
        transform : ignored
            Present so that the transformer fits into a pipeline that is asked for frames.

        Returns
        -------
        self : ToSequences
            The transformer, unchanged.
        """
        return self

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the names of the channels.

        Parameters
        ----------
        input_features : array of str, default=None
            Checked against the names seen in `fit`.

        Returns
        -------
        ndarray of str objects
            One name for each channel; "x0", "x1", ... where they have none.
        """
        check_is_fitted(self, "_input_schema_")
        _check_feature_names_in(self, input_features, generate_names=False)
        count = self._input_schema_.n_channels
        names = self._channels_in or [f"x{channel}" for channel in range(count)]
        return np.asarray(names, dtype=object)

    def _read(self, X: Any, *, reset: bool) -> Sequences:
        """Read X as the parameters say, and check it at the door."""
        if self.id is not None:
            X = Sequences.from_long(
                X, id=self.id, time=self.time, channels=self.channels, static=self.static
            )
        elif self.time is not None or self.channels is not None:
            X = Sequences.from_frame(X, channels=self.channels, times=self.time)
        elif self.channels_first and isinstance(X, np.ndarray) and X.ndim == 3:
            X = X.transpose(0, 2, 1)
        elif self.channels_first:
            X = Sequences.from_channels_first(X)
        sequences = check_X(self, X, reset=reset)
        form = Form.of(X)
        if self.trailing_nan == "missing" and form.n_steps is not None:
            whole = Sequences.from_padded(form.give_back(sequences))
            sequences = whole._with(**labels_as_parts(sequences))
        return self._as_tokens(sequences)

    def _following(self) -> Stepwise:
        """Return the transformer for one sequence as it comes in."""
        return Stepwise(copy.copy(self)._as_tokens, self._input_schema_)

    def _as_tokens(self, sequences: Sequences) -> Sequences:
        """Turn numbers into tokens where the parameters say that they are."""
        if self.vocabulary_size in (None, sequences.vocabulary_size):
            return sequences
        if sequences.is_tokens:
            raise ValueError(
                f"X has vocabulary_size={sequences.vocabulary_size}, but the parameter says "
                f"{self.vocabulary_size}; leave the parameter out."
            )
        return _to_tokens(sequences, int(self.vocabulary_size or 0))

    def _check_parameters(self) -> None:
        """Refuse parameters that belong to different forms of X."""
        if self.static is not None and self.id is None:
            raise ValueError("static needs id: other frames say by their columns what is static.")
        frame = [name for name in ("id", "time", "channels") if getattr(self, name) is not None]
        if self.channels_first and frame:
            raise ValueError(f"channels_first is for arrays, {frame[0]} for frames; set only one.")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _to_tokens(sequences: Sequences, vocabulary_size: int) -> Sequences:
    """Turn whole numbers into tokens."""
    for start, _, chunk in iter_chunks(sequences.values):
        whole = np.floor(chunk) == chunk  # False for NaN
        if not whole.all():
            step, channel = np.argwhere(~whole)[0]
            raise ValueError(
                f"Row {row_of(start + int(step), sequences.offsets)} holds {chunk[step, channel]}, "
                f"which is no token; with vocabulary_size={vocabulary_size} all values must be "
                "whole numbers."
            )
    return Sequences(
        sequences.values.astype(np.int64),
        sequences.offsets,
        vocabulary_size=vocabulary_size,
        times=sequences.times,
        static=sequences.static,
        channel_names=sequences.channel_names,
        static_names=sequences.static_names,
        static_categories=sequences.static_categories,
    )._with(**labels_as_parts(sequences))
