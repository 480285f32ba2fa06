"""SequenceResampler: a common length or a regular rate; imports `sequences` and its neighbours."""

from numbers import Integral, Real
from typing import Any, Self

import numpy as np

from ..sequences import (
    Array,
    Interval,
    Sequences,
    StrOptions,
    _fit_context,
    labels_as_parts,
    origin_of,
    release_pages,
    require_memory,
)
from ._base import SequenceTransformer, with_fit_task
from ._statistics import row_blocks


def slack(times: Array, spacing: Array) -> Array:
    """Return the part of a spacing by which rounding may move a time, to be taken as nothing.

    Seconds since 1970 are only good to 2e-7, which shows at a thousand steps a second.
    """
    return 1e-9 + 4 * np.finfo(np.float64).eps * np.abs(times) / spacing


class Source:
    """The steps of one block of sequences: values, when they happened, and whose they are.

    Parameters
    ----------
    values : ndarray of shape (n_steps, n_channels)
        Flat values.
    times : ndarray of shape (n_steps,)
        Increasing within each row.
    offsets : ndarray of int of shape (n_rows + 1,)
        Boundaries of the rows.
    """

    def __init__(self, values: Array, times: Array, offsets: Array) -> None:
        self.values = values
        self.times = times
        self.offsets = offsets
        self.rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))

    def around(self, rows: Array, times: Array) -> tuple[Array, Array, Array]:
        """Return for every query the steps before and after it, and its share of the way.

        The query's row is `rows[k]`, sorted, its time `times[k]`. Beyond the ends of a row both
        steps are the one at the end.
        """
        is_query = np.r_[np.zeros(len(self.times), dtype=bool), np.ones(len(times), dtype=bool)]
        order = np.lexsort((is_query, np.r_[self.times, times], np.r_[self.rows, rows]))
        counted = np.cumsum(~is_query[order])  # steps up to and at each place of the order
        places = order[is_query[order]] - len(self.times)
        before = np.empty(len(times), dtype=np.int64)
        before[places] = counted[is_query[order]] - 1
        first, last = self.offsets[rows], self.offsets[rows + 1] - 1
        after = np.minimum(before + 1, last)
        before = np.maximum(before, first)
        span = self.times[after] - self.times[before]
        span = np.where(span > 0, span, np.inf)
        share = (times - self.times[before]) / span
        near = np.minimum(slack(times, span), 0.01)
        share = np.where(share < near, 0.0, share)
        return before, after, np.where(share > 1 - near, 1.0, share)

    def linear(self, rows: Array, times: Array) -> Array:
        """Interpolate between neighbouring steps; missing beside a missing value."""
        before, after, share = self.around(rows, times)
        low, high = self.values[before], self.values[after]
        between = low + share[:, None] * (high - low)
        return np.where(share[:, None] == 0, low, np.where(share[:, None] == 1, high, between))

    def nearest(self, rows: Array, times: Array) -> Array:
        """Take the value of the nearest step, the earlier one in a tie."""
        before, after, share = self.around(rows, times)
        return self.values[np.where(share > 0.5, after, before)]

    def mean(self, rows: Array, middles: Array, bins: Array) -> Array:
        """Average the observed values of each bin; interpolate at its middle where it has no step.

        `bins` says for every step which query's bin it falls into.
        """
        result = self.linear(rows, middles)
        seen = ~np.isnan(self.values)
        for channel in range(self.values.shape[1]):
            known = self.values[seen[:, channel], channel]
            # Far from zero sums would round; counted from nearby they do not.
            origin = float(origin_of(known.mean(), known.std())) if len(known) else 0.0
            observed = np.where(seen[:, channel], self.values[:, channel] - origin, 0.0)
            sums = np.bincount(bins, weights=observed, minlength=len(rows))
            counts = np.bincount(bins, weights=seen[:, channel], minlength=len(rows))
            with np.errstate(invalid="ignore"):
                means = origin + sums / np.where(counts > 0, counts, np.nan)
            holds_steps = np.bincount(bins, minlength=len(rows)) > 0
            result[:, channel] = np.where(holds_steps, means, result[:, channel])
        return result


class SequenceResampler(SequenceTransformer):
    """Bring sequences to a common length, or to a regular rate.

    Use a common length before estimators that need a rectangular array, or to shorten long signals.
    Use a rate (or its inverse, a step) to put irregularly sampled sequences on a regular grid; the
    length of each then follows from its time span. Give at most one of `length`, `rate` and `step`.
    Without any, the length is the median of the training sequences.

    Parameters
    ----------
    length : int, default=None
        Number of steps of every result, evenly spread from the first to the last step.
    rate : float, default=None
        Steps of the result per unit of time, the units being those of the times of X, or old steps
        where X has none: `rate=0.5` halves the steps.
    step : float, default=None
        Time between two steps of the result, `1 / rate`.
    method : {"linear", "nearest", "mean"}, default="linear"
        "linear" interpolates between the two neighbouring steps; "nearest" takes the nearest one;
        "mean" averages all steps in the interval that a new step begins, so that fast oscillations
        do not appear as slow ones at a lower rate (in an interval without a step it interpolates at
        the middle).

    Attributes
    ----------
    length_ : int or None
        Number of steps of every result; None with a rate or step.
    n_features_in_ : int
        Number of steps of a 2-D array, of columns of a frame; not set for X of another form.
    feature_names_in_ : ndarray of str
        Names of the columns, where X was a frame.

    See Also
    --------
    SequenceImputer : Fill missing values.

    Notes
    -----
    Missing values stay missing: "linear" gives NaN beside one, "mean" averages what was observed
    and gives NaN when nothing was. Fill gaps first if that is not wanted. Where X has times, the
    result has them too: the new grid, which begins at each sequence's own first time. Tokens can
    only be resampled by "nearest".

    Examples
    --------
    >>> from sklearn_rnn.preprocessing import SequenceResampler
    >>> X = [[0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 10.0]]
    >>> [x.ravel() for x in SequenceResampler(3).fit_transform(X)]
    [array([0., 2., 4.]), array([ 0.,  5., 10.])]
    >>> [x.ravel() for x in SequenceResampler(rate=0.5, method="mean").fit_transform(X)]
    [array([0.5, 2.5, 4. ]), array([5.])]
    """

    _step: float | None

    _parameter_constraints: dict[str, Any] = {
        "length": [Interval(Integral, 1, None, closed="left"), None],
        "rate": [Interval(Real, 0, None, closed="neither"), None],
        "step": [Interval(Real, 0, None, closed="neither"), None],
        "method": [StrOptions({"linear", "nearest", "mean"})],
    }

    def __init__(
        self,
        length: int | None = None,
        *,
        rate: float | None = None,
        step: float | None = None,
        method: str = "linear",
    ) -> None:
        self.length = length
        self.rate = rate
        self.step = step
        self.method = method

    @with_fit_task
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the common length, if it is not given.

        Parameters
        ----------
        X : sequences in any accepted form
            The training sequences.
        y : ignored
            Present so that the transformer fits into a pipeline.

        Returns
        -------
        self : SequenceResampler
            The fitted resampler.

        Raises
        ------
        ValueError
            When more than one of `length`, `rate` and `step` is given, or X holds tokens and
            `method` is not "nearest".
        """
        given = [name for name in ("length", "rate", "step") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"Give only one of length, rate and step; got {' and '.join(given)}.")
        sequences = self._read(X, reset=True)
        self._check_method(sequences)
        self._step = None
        self.length_ = None
        if self.rate is not None or self.step is not None:
            step = float(self.step) if self.step is not None else 1.0 / float(self.rate or 1)
            self._step = min(step, float(np.finfo(np.float64).max))  # 1 / 5e-324 is infinite
        else:
            self.length_ = int(self.length or np.median(sequences.lengths))
        self._new_lengths(sequences)
        return self

    def _transform(self, sequences: Sequences) -> Sequences:
        """Look every sequence up on its new grid, block by block."""
        self._check_method(sequences)
        lengths = self._new_lengths(sequences)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        values = np.empty((offsets[-1], sequences.n_channels), dtype=sequences.dtype)
        times = None if sequences.times is None else np.empty(offsets[-1])
        for first, last in row_blocks(sequences.offsets, sequences.n_channels):
            old = sequences.offsets[first : last + 1]
            chosen = slice(old[0], old[-1])
            made = slice(offsets[first], offsets[last])
            block, old = sequences.values[chosen], old - old[0]
            if not sequences.is_tokens:
                block = block.astype(np.float64)
            if sequences.times is None:
                when = np.arange(len(block)) - np.repeat(old[:-1], np.diff(old)).astype(np.float64)
            else:
                when = sequences.times[chosen]
            source = Source(block, when, old)
            values[made], grid = self._look_up(source, lengths[first:last], sequences.times is None)
            if times is not None:
                times[made] = grid
            release_pages(sequences.values[chosen])
        return Sequences(
            values,
            offsets,
            times=times,
            vocabulary_size=sequences.vocabulary_size,
            channel_names=sequences.channel_names,
            static=sequences.static,
            static_names=sequences.static_names,
            static_categories=sequences.static_categories,
        )._with(**labels_as_parts(sequences))

    def _new_lengths(self, sequences: Sequences) -> Array:
        """Return the number of steps that each sequence gets; refuse more than memory holds."""
        lower = f"rate={self.rate}" if self.step is None else f"1 / step, step={self.step}"
        if self._step is None:
            lengths = np.full(len(sequences), min(self.length_ or 1, 2**60), dtype=np.int64)
            lower = f"length={self.length_}"
        elif sequences.times is None:
            lengths = _slots(np.zeros(1), sequences.lengths - 1.0, self._step) + 1
        else:
            begin, end = sequences.offsets[:-1], sequences.offsets[1:] - 1
            lengths = _slots(sequences.times[begin], sequences.times[end], self._step) + 1
        numbers = int(lengths.sum(dtype=np.float64)) * (sequences.n_channels + 2)
        require_memory(self, 8 * numbers, lower)
        return lengths

    def _look_up(self, source: Source, lengths: Array, even: bool) -> tuple[Array, Array]:
        """Return the values of one block on its new grid, and the grid."""
        rows = np.repeat(np.arange(len(lengths)), lengths)
        first = np.cumsum(lengths) - lengths
        place = np.arange(len(rows)) - first[rows]
        begin = source.times[source.offsets[:-1]]
        span = source.times[source.offsets[1:] - 1] - begin
        if self._step is not None:
            spacing = np.full(len(lengths), self._step)
        elif self.method == "mean":  # the last step has a width, too, where steps are even
            spacing = (span + even) / lengths
        else:
            spacing = span / np.maximum(lengths - 1, 1)
        spacing = np.where(spacing > 0, spacing, 1.0)  # a sequence of one step has no span
        grid = begin[rows] + place * spacing[rows]
        if self.length_ == 1 and self.method != "mean":  # one step stands for all: the middle
            grid = grid + span[rows] / 2
        if self.method == "linear":
            return source.linear(rows, grid), grid
        if self.method == "nearest":
            return source.nearest(rows, grid), grid
        slot = _slots(begin[source.rows], source.times, spacing[source.rows])
        bins = first[source.rows] + np.minimum(slot, (lengths - 1)[source.rows])
        middle = grid + (spacing[rows] - even) / 2
        return source.mean(rows, middle, bins), grid

    def _check_method(self, sequences: Sequences) -> None:
        """Refuse to average or interpolate tokens."""
        if self.method != "nearest":
            self._refuse_tokens(sequences, 'Use method="nearest", which only picks steps.')

    def _width(self, n_steps: int) -> int:
        """Return the number of steps that `n_steps` even steps become."""
        if self._step is None:
            return int(self.length_ or 1)
        return int(_slots(np.zeros(1), np.array([n_steps - 1.0]), self._step)[0]) + 1


def _slots(begin: Array, end: Array, spacing: Array | float) -> Array:
    """Return how many whole spacings fit between two times."""
    with np.errstate(over="ignore"):
        fit = np.minimum((end - begin) / spacing, 2.0**60)
        fit = fit + np.minimum(slack(end, np.asarray(spacing)), 0.01)
    return np.floor(fit).astype(np.int64)
