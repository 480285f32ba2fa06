"""Values of sequences at other times: nearest, linear, mean of a bin; imports NumPy and layer 0."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..sequences import origin_of

Array = NDArray[Any]


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
