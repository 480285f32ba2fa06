"""Log odds of probabilities, what `decision_function` returns; imports NumPy only."""

from __future__ import annotations

import numpy as np

# The least that stands for a probability of zero, so that every logarithm is finite.
_LEAST = float(np.finfo(np.float64).tiny)


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """Return log(p / (1 - p)) of the classes of each row, in their order; exact near 0 and 1.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Rows that sum to one.

    Returns
    -------
    ndarray of shape (n,) or (n, n_classes)
        Of two classes, those of the second. Its number type is that of the probabilities, which
        says how far they are exact.
    """
    kind = np.asarray(probabilities).dtype
    p = np.asarray(probabilities, dtype=np.float64)
    if p.shape[1] == 2:
        return (_logarithm(p[:, 1]) - _logarithm(p[:, 0])).astype(kind)
    others = p.sum(axis=1, keepdims=True) - p
    # Beside a probability near one, the rest is summed and not subtracted.
    top, rows = p.argmax(axis=1), np.arange(len(p))
    rest = p.copy()
    rest[rows, top] = 0.0
    others[rows, top] = rest.sum(axis=1)
    found = (_logarithm(p) - _logarithm(others)).astype(kind)
    # Rounding must not part what is decided.
    lost = found.argmax(axis=1) != top
    found[rows[lost], top[lost]] = np.nextafter(found[lost].max(axis=1), np.inf, dtype=kind)
    return found


def label_log_odds(probabilities: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return the log odds of labels that may each be given, from 0 on where they are."""
    kind = np.asarray(probabilities).dtype
    p = np.asarray(probabilities, dtype=np.float64)
    least = np.asarray(thresholds, dtype=np.float64)
    found = _logarithm(p) - _logarithm(1 - p) - (_logarithm(least) - _logarithm(1 - least))
    smallest = np.finfo(kind).tiny
    return np.where(p >= least, np.maximum(found, 0.0), np.minimum(found, -smallest)).astype(kind)


def _logarithm(values: np.ndarray) -> np.ndarray:
    """Return logarithms, that of zero as that of the least number."""
    result: np.ndarray = np.log(np.maximum(values, _LEAST))
    return result
