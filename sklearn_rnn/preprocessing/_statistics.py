"""Statistics by channel that ignore NaN, in bounded memory; imports NumPy and `sequences`."""

from collections.abc import Iterator

import numpy as np

from ..sequences import Array, iter_chunks, origin_of

EPS = float(np.finfo(np.float64).eps)
BLOCK_VALUES = 2**21


class Moments:
    """Count, mean and variance of every channel, merged chunk by chunk (Chan et al. 1979).

    They are counted from an origin, which the first values of a channel say: where it is far from
    zero, sums of its values would round.
    """

    def __init__(self, n_channels: int) -> None:
        self.count = np.zeros(n_channels, dtype=np.int64)
        self.origin = np.zeros(n_channels)
        self.mean = np.zeros(n_channels)
        self.squares = np.zeros(n_channels)

    def update(self, values: Array) -> None:
        """Merge the steps of `values`, shape (n_steps, n_channels)."""
        for _, _, chunk in iter_chunks(values):
            wide = chunk - self.origin
            seen = ~np.isnan(wide)
            count = seen.sum(axis=0)
            mean, squares = _moments(wide, seen, np.maximum(count, 1))
            scale = np.sqrt(squares / np.maximum(count, 1))
            fresh = np.where(self.count == 0, origin_of(mean, scale), 0.0)
            if fresh.any():
                self.origin = self.origin + fresh
                mean, squares = _moments(wide - fresh, seen, np.maximum(count, 1))
            total = self.count + count
            shift = mean - self.mean
            share = count / np.maximum(total, 1)
            self.squares += squares + shift**2 * self.count * share
            self.mean += shift * share
            self.count = total

    def center_scale(self) -> tuple[Array, Array]:
        """Return mean and standard deviation; NaN where nothing was observed."""
        count = np.where(self.count, self.count, np.nan)
        mean = self.origin + self.mean
        return np.where(self.count, mean, np.nan), np.sqrt(self.squares / count)


def _moments(values: Array, seen: Array, count: Array) -> tuple[Array, Array]:
    """Return mean and summed squared deviations of the values of every channel that were seen."""
    mean = np.where(seen, values, 0.0).sum(axis=0) / count
    return mean, np.where(seen, (values - mean) ** 2, 0.0).sum(axis=0)


class Extremes:
    """Count, minimum and maximum of every channel, merged chunk by chunk."""

    def __init__(self, n_channels: int) -> None:
        self.count = np.zeros(n_channels, dtype=np.int64)
        self.low = np.full(n_channels, np.nan)
        self.high = np.full(n_channels, np.nan)

    def update(self, values: Array) -> None:
        """Merge the steps of `values`, shape (n_steps, n_channels)."""
        for _, _, chunk in iter_chunks(values):
            self.count += np.count_nonzero(~np.isnan(chunk), axis=0)
            self.low = np.fmin(self.low, np.fmin.reduce(chunk, axis=0))
            self.high = np.fmax(self.high, np.fmax.reduce(chunk, axis=0))

    def center_scale(self) -> tuple[Array, Array]:
        """Return minimum and range; NaN where nothing was observed."""
        return self.low, self.high - self.low


def usable_scale(center: Array, scale: Array) -> Array:
    """Replace by 1 a scale that is zero, missing, or no more than rounding beside `center`."""
    tiny = np.finfo(np.float64).tiny / EPS
    with np.errstate(invalid="ignore"):
        flat = ~(scale > np.maximum(10 * EPS * np.abs(center), tiny))
    return np.where(flat, 1.0, scale)


def channel_quantiles(values: Array, probabilities: list[float]) -> tuple[Array, Array]:
    """Return the exact quantiles (n_probabilities, n_channels) and the observed counts.

    Many values are never sorted as a whole: a radix selection over the bits of the floats counts
    them 16 bits at a time, in two passes (float32) or four (float64), whatever their number.
    Between two observations the quantile is linear, as in `numpy.quantile`.
    """
    n_channels = values.shape[1]
    count = np.zeros(n_channels, dtype=np.int64)
    for _, _, chunk in iter_chunks(values):
        count += np.count_nonzero(~np.isnan(chunk), axis=0)
    if values.size <= BLOCK_VALUES:
        whole = np.array([0, len(values)])
        return sequence_quantiles(values.astype(np.float64), whole, probabilities)[:, 0], count
    position = np.asarray(probabilities)[:, None] * np.maximum(count - 1, 0)
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    quantiles = np.full(position.shape, np.nan)
    for channels in np.array_split(np.flatnonzero(count), -(-n_channels // 8)):
        chosen = _select(values, channels, np.concatenate([low, high])[:, channels])
        below, above = chosen[: len(low)], chosen[len(low) :]
        share = (position - low)[:, channels]
        quantiles[:, channels] = below + share * (above - below)
    return quantiles, count


def _select(values: Array, channels: Array, ranks: Array) -> Array:
    """Return the order statistics `ranks` (0 is the smallest), (n_ranks, n chosen channels)."""
    bits = values.dtype.itemsize * 8
    prefix = np.zeros(ranks.shape, dtype=np.uint64)
    left = ranks.copy()
    for shift in range(bits - 16, -1, -16):
        histograms = np.zeros((*ranks.shape, 2**16), dtype=np.int64)
        for _, _, chunk in iter_chunks(values):
            for place, channel in enumerate(channels):
                column = chunk[:, channel]
                keys = _sortable(column[~np.isnan(column)])
                _count_digits(keys, shift, bits, prefix[:, place], histograms[:, place])
        cumulative = histograms.cumsum(axis=-1)
        digit = (cumulative <= left[..., None]).sum(axis=-1)
        before = np.take_along_axis(cumulative, np.maximum(digit - 1, 0)[..., None], -1)[..., 0]
        left -= np.where(digit > 0, before, 0)
        prefix = (prefix << np.uint64(16)) | digit.astype(np.uint64)
    return _unsortable(prefix, values.dtype).astype(np.float64)


def _count_digits(keys: Array, shift: int, bits: int, prefixes: Array, counts: Array) -> None:
    """Count the 16 bits at `shift` of the keys that begin with each prefix, row by row."""
    digits = (keys >> keys.dtype.type(shift)) & keys.dtype.type(0xFFFF)
    first = shift == bits - 16
    known: dict[int, Array] = {}
    for row, prefix in enumerate(prefixes.tolist()):
        if prefix not in known:
            chosen = digits if first else digits[keys >> keys.dtype.type(shift + 16) == prefix]
            known[prefix] = np.bincount(chosen.astype(np.int64), minlength=2**16)
        counts[row] += known[prefix]


def _sortable(column: Array) -> Array:
    """Map floats to unsigned integers of the same order."""
    unsigned = np.uint32 if column.dtype.itemsize == 4 else np.uint64
    bits = (column + column.dtype.type(0)).view(unsigned)  # adding zero turns -0.0 into 0.0
    sign = unsigned(1 << (unsigned(0).itemsize * 8 - 1))
    return np.where(bits & sign, ~bits, bits | sign)


def _unsortable(keys: Array, dtype: np.dtype) -> Array:
    """Map the integers of `_sortable` back to floats."""
    unsigned = np.uint32 if dtype.itemsize == 4 else np.uint64
    keys = keys.astype(unsigned)
    sign = unsigned(1 << (unsigned(0).itemsize * 8 - 1))
    return np.where(keys & sign, keys ^ sign, ~keys).view(dtype)


def row_blocks(offsets: Array, n_channels: int) -> Iterator[tuple[int, int]]:
    """Yield `(first, last)` rows that together hold about two million values or one sequence."""
    budget = max(1, BLOCK_VALUES // max(1, n_channels))
    first = 0
    while first < len(offsets) - 1:
        last = int(np.searchsorted(offsets, offsets[first] + budget, side="right")) - 1
        last = max(first + 1, last)
        yield first, last
        first = last


def sequence_moments(values: Array, offsets: Array) -> tuple[Array, Array]:
    """Return mean and standard deviation of every sequence, each (n, C); NaN where unobserved."""
    starts, lengths = offsets[:-1], np.diff(offsets)
    seen = ~np.isnan(values)
    count = np.add.reduceat(seen, starts, axis=0, dtype=np.float64)
    count[count == 0] = np.nan
    mean = np.add.reduceat(np.where(seen, values, 0.0), starts, axis=0) / count
    deviation = np.where(seen, values - np.repeat(mean, lengths, axis=0), 0.0)
    scale = np.sqrt(np.add.reduceat(deviation**2, starts, axis=0) / count)
    # Far from zero the sum has rounded; what is off shows in the deviations' mean.
    far = origin_of(mean, scale) != 0
    return np.where(far, mean + np.add.reduceat(deviation, starts, axis=0) / count, mean), scale


def sequence_extremes(values: Array, offsets: Array) -> tuple[Array, Array]:
    """Return minimum and range of every sequence, each (n, C); NaN where unobserved."""
    low = np.fmin.reduceat(values, offsets[:-1], axis=0)
    return low, np.fmax.reduceat(values, offsets[:-1], axis=0) - low


def sequence_quantiles(values: Array, offsets: Array, probabilities: list[float]) -> Array:
    """Return quantiles (n_probabilities, n, C) of every sequence; NaN where unobserved."""
    starts, lengths = offsets[:-1], np.diff(offsets)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    count = np.add.reduceat(~np.isnan(values), starts, axis=0, dtype=np.int64)
    quantiles = np.full((len(probabilities), len(lengths), values.shape[1]), np.nan)
    for channel in range(values.shape[1]):
        column = values[:, channel]
        column = column[np.lexsort((column, rows))]  # by row, then by value; NaN comes last
        last = np.maximum(count[:, channel] - 1, 0)
        for k, probability in enumerate(probabilities):
            position = probability * last
            low = np.floor(position).astype(np.int64)
            below = column[starts + low]
            above = column[starts + np.minimum(low + 1, last)]
            quantiles[k, :, channel] = below + (position - low) * (above - below)
    return quantiles
