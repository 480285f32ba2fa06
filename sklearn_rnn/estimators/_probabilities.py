"""Probabilities of labels: log odds, log losses, and from which one on a label is given.

Imports NumPy and layer 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..sequences import Sequences

# The least that stands for a probability of zero, so that every logarithm is finite.
_LEAST = float(np.finfo(np.float64).tiny)
# Thresholds that are tried.
_THRESHOLDS = np.round(np.concatenate([[0.02, 0.03, 0.04], np.arange(0.05, 0.96, 0.025)]), 3)
# A label counts for itself as far as its positive rows outnumber these; else as the others do.
_PRIOR_ROWS = 10.0


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


def logarithms(probabilities: Any) -> Any:
    """Return the logarithms of an array of probabilities, a list of them, or `Sequences`."""
    if isinstance(probabilities, list):
        return [logarithms(part) for part in probabilities]
    with np.errstate(divide="ignore"):
        if isinstance(probabilities, Sequences):
            return Sequences._trusted(np.log(probabilities.values), probabilities.offsets)
        return np.log(probabilities)


def sigmoid_losses(raw: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return each row's mean log loss of logits, each of a label that may be given or not.

    `wanted` are labels, or proportions of them.
    """
    both = wanted * np.logaddexp(0, -raw) + (1 - wanted) * np.logaddexp(0, raw)
    return np.asarray(both.mean(axis=1))


def softmax_losses(
    raw: np.ndarray, wanted: np.ndarray, sizes: Sequence[int] | None = None
) -> np.ndarray:
    """Return each row's log loss of logits of one label, or the sum for one of each of `sizes`.

    `wanted` are columns of labels, or of proportions of them.
    """
    losses = np.zeros(len(raw))
    for part in np.split(np.arange(raw.shape[1]), np.cumsum(sizes or (raw.shape[1],))[:-1]):
        shifted = raw[:, part] - raw[:, part].max(axis=1, keepdims=True)
        losses += np.log(np.exp(shifted).sum(axis=1)) - (wanted[:, part] * shifted).sum(axis=1)
    return losses


def label_losses(raw: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return each row's log loss of logits for one label a row, as `softmax_losses` does."""
    shifted = raw - raw.max(axis=1, keepdims=True)
    own = shifted[np.arange(len(raw)), labels]
    return np.asarray(np.log(np.exp(shifted, out=shifted).sum(axis=1)) - own)


def bounded_softmax(
    raw: np.ndarray, gain: float, bound: float, sizes: Sequence[int] | None = None
) -> np.ndarray:
    """Return probabilities of what is read out, times a gain, in groups of these sizes.

    Outputs beyond the bound are drawn in, in proportion, so that the largest of a row stays so.
    """
    parts = []
    for part in np.split(raw, np.cumsum(sizes or (raw.shape[1],))[:-1], axis=1):
        largest = np.abs(part).max(axis=1, keepdims=True)
        logits = gain * part * (bound / np.maximum(largest, bound))
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        parts.append(odds / odds.sum(axis=1, keepdims=True))
    return np.concatenate(parts, axis=1)


def bounded_sigmoid(raw: np.ndarray, gain: float, bound: float) -> np.ndarray:
    """Return the probability of each label of what is read out, times a gain, within a bound."""
    return np.asarray(0.5 * (1 + np.tanh(gain * np.clip(raw, -bound, bound) / 2)))


def tune_thresholds(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the threshold of each label that does best by its F1 score on unseen rows.

    Labels that are rare there are held close to what is best for all.

    Parameters
    ----------
    probabilities : ndarray of shape (n_rows, n_labels)
        Of each label, predicted for rows that trained nothing.
    labels : ndarray of shape (n_rows, n_labels)
        Which labels the rows have, 1 or 0.
    """
    has = labels > 0.5
    given = probabilities[:, :, None] >= _THRESHOLDS
    right = (given & has[:, :, None]).sum(axis=0)
    positive = has.sum(axis=0).astype(np.float64)
    scores = 2.0 * right / np.maximum(given.sum(axis=0) + positive[:, None], 1)
    if not positive.any():
        return np.full(labels.shape[1], 0.5)
    common = scores[positive > 0].mean(axis=0)
    own = (positive / (positive + _PRIOR_ROWS))[:, None]
    blended = own * scores + (1 - own) * common
    # Of several that do as well, the middle one.
    best = blended >= blended.max(axis=1, keepdims=True) - 1e-12
    return np.array([np.median(_THRESHOLDS[row]) for row in best])
