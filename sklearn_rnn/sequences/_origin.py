"""What to count numbers from, so that single precision keeps their differences; NumPy only."""

import numpy as np

from ._values import Array

# A mean of at most so many scales loses nothing that counts: 24 bits hold both.
_FAR = 64.0
# An origin has few bits, so that taking it off rounds nothing: it is so many scales, or a multiple.
_GRAIN = 8.0


def origin_of(mean: Array, scale: Array) -> Array:
    """Return what to subtract, in double precision, before numbers are cast to single.

    It lies within about eight scales of the mean where that is far from zero (a clock, a counter,
    a serial number), and is zero elsewhere. Whatever an estimator casts is counted from it.

    Parameters
    ----------
    mean, scale : ndarray
        Of the numbers; a scale of zero counts as one.
    """
    scale = np.where(scale > 0, scale, 1.0)
    grain = _GRAIN * 2.0 ** np.ceil(np.log2(scale))
    return np.where(np.abs(mean) > _FAR * scale, np.round(mean / grain) * grain, 0.0)


def counted(values: Array, origin: Array | None) -> Array:
    """Return numbers counted from an origin, in double precision; as they are without one."""
    return values if origin is None else values - origin
