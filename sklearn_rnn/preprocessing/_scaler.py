"""SequenceScaler: bring channels to a common scale; imports `sequences` and its neighbours."""

import copy
from typing import Any, Self

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..sequences import (
    Array,
    Sequences,
    StrOptions,
    _fit_context,
    all_or_nothing,
    read_sequences,
    release_pages,
)
from ._base import Form, SequenceTransformer, Stepwise, with_fit_task
from ._statistics import (
    Extremes,
    Moments,
    channel_quantiles,
    row_blocks,
    sequence_extremes,
    sequence_moments,
    sequence_quantiles,
    usable_scale,
)


def _is_incremental(scaler: Any) -> bool:
    """Tell whether `partial_fit` exists: quantiles cannot be merged."""
    return not (isinstance(scaler.method, str) and scaler.method == "robust")


class SequenceScaler(SequenceTransformer):
    """Bring every channel to a common scale, ignoring missing values.

    Use it in front of estimators that do not standardise their input themselves, or to make
    sequences comparable in shape rather than level (`per="sequence"`). Unlike scikit-learn's
    scalers, it treats all steps of a channel alike: a column of a 2-D array is a step, not a
    feature, and is not scaled on its own.

    Parameters
    ----------
    method : {"standard", "minmax", "robust"}, default="standard"
        "standard" gives mean 0 and standard deviation 1, "minmax" the range `feature_range`,
        "robust" median 0 and a range of 1 between the quantiles `quantile_range`.
    per : {"channel", "sequence"}, default="channel"
        "channel" learns one center and scale for each channel from all training steps. "sequence"
        scales each sequence by its own statistics, and learns nothing.
    feature_range : tuple (low, high), default=(0.0, 1.0)
        Range for `method="minmax"`. New data may fall outside it.
    quantile_range : tuple (low, high), default=(25.0, 75.0)
        Percentiles for `method="robust"`.

    Attributes
    ----------
    center_ : ndarray of shape (n_channels,)
        What is subtracted from each channel. Only with `per="channel"`.
    scale_ : ndarray of shape (n_channels,)
        What each channel is then divided by; 1 for a channel that is constant or was never
        observed. Only with `per="channel"`.
    n_steps_seen_ : ndarray of int of shape (n_channels,)
        Number of observed values of each channel. Only with `per="channel"`.
    n_features_in_ : int
        Number of steps of a 2-D array, of columns of a frame; not set for X of another form.
    feature_names_in_ : ndarray of str
        Names of the columns, where X was a frame.

    See Also
    --------
    SequenceImputer : Fill missing values.

    Notes
    -----
    Missing values stay missing. Static features and times pass through unchanged. Statistics of
    memory-mapped `Sequences` are computed in chunks. Quantiles are exact, too, and never sort the
    whole data.

    Examples
    --------
    >>> from sklearn_rnn.preprocessing import SequenceScaler
    >>> X = [[[1.0, 100.0], [3.0, 300.0]], [[5.0, 500.0]]]
    >>> scaler = SequenceScaler(method="minmax").fit(X)
    >>> scaler.transform(X).to_list()[0]
    array([[0. , 0. ],
           [0.5, 0.5]])
    >>> scaler.inverse_transform(scaler.transform(X)).to_list()[1]
    array([[  5., 500.]])
    """

    _parameter_constraints: dict[str, Any] = {
        "method": [StrOptions({"standard", "minmax", "robust"})],
        "per": [StrOptions({"channel", "sequence"})],
        "feature_range": [tuple],
        "quantile_range": [tuple],
    }

    def __init__(
        self,
        method: str = "standard",
        *,
        per: str = "channel",
        feature_range: tuple[float, float] = (0.0, 1.0),
        quantile_range: tuple[float, float] = (25.0, 75.0),
    ) -> None:
        self.method = method
        self.per = per
        self.feature_range = feature_range
        self.quantile_range = quantile_range

    @with_fit_task
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn center and scale of each channel.

        Parameters
        ----------
        X : sequences in any accepted form
            The training sequences. NaN is left out of the statistics.
        y : ignored
            Present so that the transformer fits into a pipeline.

        Returns
        -------
        self : SequenceScaler
            The fitted scaler.

        Raises
        ------
        ValueError
            When X holds tokens, or a range is not an increasing pair.
        """
        self.__dict__.pop("_state", None)
        return self._learn(X, reset=True)

    @available_if(_is_incremental)
    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Update center and scale with more sequences; not available for `method="robust"`.

        Parameters
        ----------
        X : sequences in any accepted form
            More training sequences, with the same channels as before.
        y : ignored
            Present so that the transformer fits into a pipeline.

        Returns
        -------
        self : SequenceScaler
            The scaler, fitted to everything seen so far.
        """
        return self._learn(X, reset=not hasattr(self, "_input_schema_"))

    def _learn(self, X: Any, *, reset: bool) -> Self:
        """Merge X into the statistics."""
        self._check_ranges()
        sequences = self._read(X, reset=reset)
        self._refuse_tokens(sequences, "Leave the scaler out; an embedding needs no scaling.")
        for name in ("center_", "scale_", "n_steps_seen_"):
            self.__dict__.pop(name, None)
        if self.per == "sequence":
            return self
        if self.method == "robust":
            quantiles, count = channel_quantiles(sequences.values, self._probabilities())
            center, scale = quantiles[1], quantiles[2] - quantiles[0]
        else:
            kind = Moments if self.method == "standard" else Extremes
            state = copy.deepcopy(self.__dict__.get("_state"))
            if not isinstance(state, kind):
                state = kind(sequences.n_channels)
            state.update(sequences.values)
            self._state = state
            center, scale = state.center_scale()
            count = state.count.copy()
        self.center_, self.scale_ = self._finish(center, scale)
        self.n_steps_seen_ = count
        return self

    def inverse_transform(self, X: Any, *, statistics: tuple[Array, Array] | None = None) -> Any:
        """Bring scaled sequences back to their original scale.

        Parameters
        ----------
        X : sequences in any accepted form
            Scaled sequences.
        statistics : tuple (center, scale), default=None
            Required with `per="sequence"`, whose statistics the scaler does not keep: what
            `sequence_statistics` returned for the sequences before they were scaled.

        Returns
        -------
        array or `Sequences`
            An array where X is one, `Sequences` otherwise.

        Raises
        ------
        ValueError
            When `per="sequence"` and the statistics are missing or do not fit X.

        Examples
        --------
        >>> from sklearn_rnn.preprocessing import SequenceScaler
        >>> X = [[1.0, 2.0, 3.0], [10.0, 30.0]]
        >>> scaler = SequenceScaler(per="sequence").fit(X)
        >>> statistics = scaler.sequence_statistics(X)
        >>> scaler.inverse_transform(scaler.transform(X), statistics=statistics).to_list()[1]
        array([[10.],
               [30.]])
        """
        check_is_fitted(self)
        sequences = read_sequences(X)
        expected = self._input_schema_.n_channels
        if sequences.n_channels != expected:
            raise ValueError(
                f"X has {sequences.n_channels} channels, but {type(self).__name__} is expecting "
                f"{expected} channels as input."
            )
        if self.per == "channel":
            if statistics is not None:
                raise ValueError(
                    'statistics belong to per="sequence"; leave them out with per="channel".'
                )
            center, scale = self.center_, self.scale_
        else:
            center, scale = _check_statistics(statistics, (len(sequences), expected))
        return Form.of(X).give_back(_apply(sequences, center, scale, inverse=True))

    def sequence_statistics(self, X: Any) -> tuple[Array, Array]:
        """Return the center and scale by which each sequence is scaled.

        Parameters
        ----------
        X : sequences in any accepted form
            Sequences before scaling.

        Returns
        -------
        center, scale : ndarray of shape (n_sequences, n_channels)
            A scaled value is `(value - center) / scale`. The same in every row when
            `per="channel"`.
        """
        check_is_fitted(self)
        return self._statistics_of(self._read(X, reset=False))

    def _transform(self, sequences: Sequences) -> Sequences:
        """Subtract the center and divide by the scale."""
        if self.per == "channel":
            return _apply(sequences, self.center_, self.scale_)
        return _apply(sequences, *self._statistics_of(sequences))

    def _following(self) -> Stepwise:
        """Return the scaler for one sequence as it comes in."""
        if self.per == "sequence":
            raise ValueError(
                'scales by statistics of the whole sequence; per="channel" takes those of the fit.'
            )
        return Stepwise(copy.copy(self)._transform, self._input_schema_)

    def _statistics_of(self, sequences: Sequences) -> tuple[Array, Array]:
        """Return center and scale of every sequence, each (n, C)."""
        shape = (len(sequences), sequences.n_channels)
        if self.per == "channel":
            return np.tile(self.center_, (shape[0], 1)), np.tile(self.scale_, (shape[0], 1))
        center, scale = np.empty(shape), np.empty(shape)
        for first, last in row_blocks(sequences.offsets, sequences.n_channels):
            offsets = sequences.offsets[first : last + 1]
            block = sequences.values[offsets[0] : offsets[-1]].astype(np.float64)
            offsets = offsets - offsets[0]
            if self.method == "standard":
                found = sequence_moments(block, offsets)
            elif self.method == "minmax":
                found = sequence_extremes(block, offsets)
            else:
                quantiles = sequence_quantiles(block, offsets, self._probabilities())
                found = quantiles[1], quantiles[2] - quantiles[0]
            center[first:last], scale[first:last] = self._finish(*found)
        return center, scale

    def _finish(self, center: Array, scale: Array) -> tuple[Array, Array]:
        """Make center and scale safe to use, and stretch them to the range of "minmax"."""
        center = np.where(np.isnan(center), 0.0, center)
        scale = usable_scale(center, scale)
        if self.method == "minmax":
            low, high = self.feature_range
            scale = scale / (high - low)
            center = center - low * scale
        return center, scale

    def _probabilities(self) -> list[float]:
        """Return the quantiles that "robust" needs: lower, median, upper."""
        low, high = self.quantile_range
        return [low / 100, 0.5, high / 100]

    def _check_ranges(self) -> None:
        """Refuse ranges that are not increasing pairs."""
        limits = {"feature_range": (-np.inf, np.inf), "quantile_range": (0, 100)}
        for name, (floor, ceiling) in limits.items():
            pair = getattr(self, name)
            try:
                good = len(pair) == 2 and floor <= pair[0] < pair[1] <= ceiling
                good = good and bool(np.isfinite(pair).all())
            except TypeError:
                good = False
            if not good:
                between = " between 0 and 100" if name == "quantile_range" else ""
                raise ValueError(
                    f"{name} must be a tuple of two increasing numbers{between}; got {pair!r}."
                )


def _apply(sequences: Sequences, center: Array, scale: Array, inverse: bool = False) -> Sequences:
    """Return `(values - center) / scale`, or its inverse, computed in float64 block by block."""
    result = np.empty_like(sequences.values, subok=False)
    for first, last in row_blocks(sequences.offsets, sequences.n_channels):
        offsets = sequences.offsets[first : last + 1]
        chosen = slice(offsets[0], offsets[-1])
        block = sequences.values[chosen].astype(np.float64)
        middle, unit = center, scale
        if center.ndim == 2:
            lengths = np.diff(offsets)
            middle = np.repeat(center[first:last], lengths, axis=0)
            unit = np.repeat(scale[first:last], lengths, axis=0)
        with np.errstate(over="ignore"):  # `with_values` names the row of what becomes infinite
            result[chosen] = block * unit + middle if inverse else (block - middle) / unit
        release_pages(sequences.values[chosen])
    return sequences.with_values(result)


def _check_statistics(
    statistics: tuple[Array, Array] | None, shape: tuple[int, int]
) -> tuple[Array, Array]:
    """Return center and scale of the sequences, or say how to get them."""
    if statistics is None:
        raise ValueError(
            'With per="sequence" the scaler keeps no statistics to invert. Take them before '
            "transforming: statistics = scaler.sequence_statistics(X), then "
            "scaler.inverse_transform(X_scaled, statistics=statistics)."
        )
    center, scale = (np.asarray(part, dtype=np.float64) for part in statistics)
    if center.shape != shape or scale.shape != shape:
        raise ValueError(
            f"statistics must be two arrays of shape {shape}, (n_sequences, n_channels); got "
            f"{center.shape} and {scale.shape}."
        )
    return center, scale
