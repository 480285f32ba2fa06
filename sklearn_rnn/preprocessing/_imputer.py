"""SequenceImputer: fill missing values along time; imports `sequences` and its neighbours."""

from __future__ import annotations

import copy
from numbers import Real
from typing import Any, Self

import numpy as np

from ..sequences import Array, Interval, Sequences, StrOptions, _fit_context, release_pages, warn
from ._base import SequenceTransformer, with_fit_task
from ._statistics import Moments, channel_quantiles, row_blocks


def previous_observed(seen: Array, starts: Array) -> Array:
    """Return the latest observed step up to each step of its row, or -1; (n_steps, n_channels).

    `starts` gives for every step the first step of its row.
    """
    steps = np.arange(len(seen))[:, None]
    found = np.maximum.accumulate(np.where(seen, steps, -1), axis=0)
    return np.where(found < starts[:, None], -1, found)


def next_observed(seen: Array, stops: Array) -> Array:
    """Return the first observed step from each step of its row on, or -1; (n_steps, n_channels).

    `stops` gives for every step the end of its row.
    """
    steps = np.arange(len(seen))[:, None]
    marked = np.where(seen, steps, len(seen))[::-1]
    found = np.minimum.accumulate(marked, axis=0)[::-1]
    return np.where(found >= stops[:, None], -1, found)


def fill_forward(values: Array, previous: Array, otherwise: Array) -> Array:
    """Repeat the last observed value; `otherwise` (n_channels,) stands before the first."""
    channels = np.arange(values.shape[1])
    return np.where(previous >= 0, values[previous, channels], otherwise)


def fill_linear(
    values: Array, times: Array, previous: Array, following: Array, otherwise: Array
) -> Array:
    """Interpolate over time between observed values, and repeat the nearest one at the ends."""
    channels = np.arange(values.shape[1])
    left = np.where(previous >= 0, previous, following)
    right = np.where(following >= 0, following, previous)
    span = times[right] - times[left]
    share = np.where(span > 0, (times[:, None] - times[left]) / np.where(span > 0, span, 1), 0.0)
    low, high = values[left, channels], values[right, channels]
    filled = np.where(share > 0, low + share * (high - low), low)
    return np.where(left >= 0, filled, otherwise)


class SequenceImputer(SequenceTransformer):
    """Fill missing values (NaN) inside sequences, and say where they were.

    Use it before estimators that refuse NaN, or to choose how gaps are filled. That a value is
    missing often means something: a test was not ordered, for instance. `add_indicator` and
    `add_time_since` keep this information, as extra channels.

    Parameters
    ----------
    strategy : {"forward", "linear", "mean", "median", "constant"}, default="forward"
        "forward" repeats the last observed value, and so never looks ahead; "linear" interpolates
        between the observed values around a gap, over the times of the steps where X has times,
        and repeats the nearest one at the ends; "mean" and "median" put the channel's mean or
        median over all training steps; "constant" puts `fill_value`.
    fill_value : float, default=None
        The value of "constant" (None means 0). "forward" and "linear" use it where a sequence has
        nothing to repeat: before the first observation, or in a channel without any. None takes the
        channel's training mean. Ignored otherwise.
    add_indicator : bool, default=False
        Add for every channel one that is 1 where a value was missing, else 0, named
        ``"missingindicator_"`` and the channel's name.
    add_time_since : bool, default=False
        Add for every channel one with the time since it was last observed (since the start of the
        sequence before the first observation; 0 where it is observed), in the units of the times,
        or in steps where X has none, named ``"timesince_"`` and the channel's name.

    Attributes
    ----------
    statistics_ : ndarray of shape (n_channels,)
        The value that is put where a sequence has none.
    n_features_in_ : int
        Number of steps of a 2-D array, of columns of a frame; not set for X of another form.
    feature_names_in_ : ndarray of str
        Names of the columns, where X was a frame.

    Warns
    -----
    UserWarning
        When a channel was never observed in training and its mean or median is needed; it is taken
        as 0.

    See Also
    --------
    SequenceScaler : Scale channels, leaving missing values alone.

    Notes
    -----
    Extra channels turn a 2-D array into a 3-D one. In 2-D and 3-D arrays, trailing steps at which
    every channel is NaN are padding, not missing values: they stay NaN. (A row without any
    observation is filled as a whole.) In lists and `Sequences` every NaN is filled; put
    `ToSequences(trailing_nan="missing")` in front to have it so for arrays, too.

    Examples
    --------
    >>> from sklearn_rnn.preprocessing import SequenceImputer
    >>> X = [[1.0, None, None, 4.0], [None, 6.0, None]]
    >>> [x.ravel() for x in SequenceImputer("linear").fit_transform(X)]
    [array([1., 2., 3., 4.]), array([6., 6., 6.])]
    >>> SequenceImputer(add_time_since=True, fill_value=-1).fit_transform(X)[1]
    array([[-1.,  0.],
           [ 6.,  0.],
           [ 6.,  1.]])
    """

    _parameter_constraints: dict[str, Any] = {
        "strategy": [StrOptions({"forward", "linear", "mean", "median", "constant"})],
        "fill_value": [Interval(Real, None, None, closed="neither"), None],
        "add_indicator": ["boolean"],
        "add_time_since": ["boolean"],
    }

    def __init__(
        self,
        strategy: str = "forward",
        *,
        fill_value: float | None = None,
        add_indicator: bool = False,
        add_time_since: bool = False,
    ) -> None:
        self.strategy = strategy
        self.fill_value = fill_value
        self.add_indicator = add_indicator
        self.add_time_since = add_time_since

    @with_fit_task
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the value of each channel that stands in where a sequence has none.

        Parameters
        ----------
        X : sequences in any accepted form
            The training sequences.
        y : ignored
            Present so that the transformer fits into a pipeline.

        Returns
        -------
        self : SequenceImputer
            The fitted imputer.

        Raises
        ------
        ValueError
            When X holds tokens, which cannot be missing.
        """
        sequences = self._read(X, reset=True)
        self._refuse_tokens(sequences, "Leave the imputer out; tokens cannot be missing.")
        if self.strategy == "median":
            statistics = channel_quantiles(sequences.values, [0.5])[0][0]
        elif self.strategy == "constant" or (
            self.strategy in ("forward", "linear") and self.fill_value is not None
        ):
            statistics = np.full(sequences.n_channels, float(self.fill_value or 0.0))
        else:
            moments = Moments(sequences.n_channels)
            moments.update(sequences.values)
            statistics = moments.center_scale()[0]
        unseen = np.flatnonzero(np.isnan(statistics))
        if len(unseen):
            names = sequences.channel_names or [str(j) for j in range(sequences.n_channels)]
            warn(
                f"Channel {', '.join(names[j] for j in unseen)} has no observed value in the "
                "training data; its gaps are filled with 0.",
            )
        self.statistics_ = np.where(np.isnan(statistics), 0.0, statistics)
        return self

    def _transform(self, sequences: Sequences) -> Sequences:
        """Fill the gaps, block by block."""
        names = self._channel_names_out(list(sequences.channel_names or ()))
        n_channels = sequences.n_channels * (1 + self.add_indicator + self.add_time_since)
        filled = np.empty((len(sequences.values), n_channels), dtype=sequences.dtype)
        for first, last in row_blocks(sequences.offsets, sequences.n_channels):
            offsets = sequences.offsets[first : last + 1]
            chosen = slice(offsets[0], offsets[-1])
            times = None if sequences.times is None else sequences.times[chosen]
            with np.errstate(over="ignore"):  # `with_values` names what becomes infinite
                filled[chosen] = self._fill(sequences.values[chosen], times, offsets - offsets[0])
            release_pages(sequences.values[chosen])
        return sequences.with_values(filled, channel_names=names or None)

    def _following(self) -> FillingForward:
        """Return the imputer for one sequence as it comes in."""
        if self.strategy == "linear":
            raise ValueError(
                'interpolates towards values that are not there yet; strategy="forward" never '
                "looks ahead."
            )
        return FillingForward(copy.copy(self))

    def _fill(self, values: Array, times: Array | None, offsets: Array) -> Array:
        """Fill the rows of one block and append the extra channels."""
        values = values.astype(np.float64)
        seen = ~np.isnan(values)
        lengths = np.diff(offsets)
        starts = np.repeat(offsets[:-1], lengths)
        if times is None:
            times = (np.arange(len(values)) - starts).astype(np.float64)
        previous = previous_observed(seen, starts)
        if self.strategy == "forward":
            filled = fill_forward(values, previous, self.statistics_)
        elif self.strategy == "linear":
            following = next_observed(seen, np.repeat(offsets[1:], lengths))
            filled = fill_linear(values, times, previous, following, self.statistics_)
        else:
            filled = np.where(seen, values, self.statistics_)
        parts = [filled]
        if self.add_indicator:
            parts.append(1.0 - seen)
        if self.add_time_since:
            since = np.where(previous >= 0, previous, starts[:, None])
            parts.append(times[:, None] - times[since])
        return np.concatenate(parts, axis=1)

    def _channel_names_out(self, names: list[str]) -> list[str]:
        """Append the names of the extra channels."""
        out = list(names)
        if self.add_indicator:
            out += [f"missingindicator_{name}" for name in names]
        if self.add_time_since:
            out += [f"timesince_{name}" for name in names]
        return out


class FillingForward:
    """A `SequenceImputer` that remembers what each channel showed last, and when.

    Parameters
    ----------
    imputer : SequenceImputer
        Fitted, and looking back alone.
    """

    def __init__(self, imputer: Any) -> None:
        self.imputer = imputer
        self.vocabulary_size = None
        self.n_channels: int = len(imputer.statistics_)
        self.n_steps = 0
        # Of each channel: the last value seen, NaN before the first, and its time or the start's.
        self.last: Array | None = None
        self.when: Array | None = None

    def push(self, steps: Sequences) -> Sequences:
        """Return what the steps, one sequence, become behind all those pushed before."""
        imputer = self.imputer
        clock = steps.times
        if clock is None:
            clock = self.n_steps + np.arange(len(steps.values), dtype=np.float64)
        last = np.full(self.n_channels, np.nan) if self.last is None else self.last
        when = np.full(self.n_channels, clock[0]) if self.when is None else self.when
        # The memory stands as a step before the first.
        values = np.vstack([last, steps.values.astype(np.float64)])
        times = np.vstack([when, np.broadcast_to(clock[:, None], steps.values.shape)])
        seen = ~np.isnan(values)
        previous = previous_observed(seen, np.zeros(len(values), dtype=np.int64))
        if imputer.strategy == "forward":
            filled = fill_forward(values, previous, imputer.statistics_)
        else:
            filled = np.where(seen, values, imputer.statistics_)
        latest = np.take_along_axis(times, np.maximum(previous, 0), axis=0)
        parts = [filled[1:]]
        if imputer.add_indicator:
            parts.append(1.0 - seen[1:])
        if imputer.add_time_since:
            parts.append((times - latest)[1:])
        result = np.concatenate(parts, axis=1).astype(steps.dtype)
        self.n_steps += len(clock)
        unseen = np.full(self.n_channels, np.nan)
        self.last, self.when = fill_forward(values, previous, unseen)[-1], latest[-1]
        names = imputer._channel_names_out(list(steps.channel_names or ()))
        return steps.with_values(result, channel_names=names or None)
