"""From which probability on a label of a set is given, learned from unseen rows. Imports NumPy."""

from __future__ import annotations

import numpy as np

#: Fewer unseen rows than this say nothing of thresholds.
FEWEST = 20
_CANDIDATES = np.round(np.concatenate([[0.02, 0.03, 0.04], np.arange(0.05, 0.96, 0.025)]), 3)
# A label counts for itself as far as its positive rows outnumber these; else as the others do.
_PRIOR_ROWS = 10.0


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
    given = probabilities[:, :, None] >= _CANDIDATES
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
    return np.array([np.median(_CANDIDATES[row]) for row in best])
