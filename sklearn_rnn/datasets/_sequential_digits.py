"""The generator of digits read as sequences. Imports no other room."""

from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.utils import check_random_state

from ._checks import check_count


def make_sequential_digits(
    n_samples: int | None = None, *, order: str = "rows", random_state: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Make sequences from scikit-learn's 8 x 8 digits, read row by row or pixel by pixel.

    The small cousin of sequential MNIST, a classification probe: by rows it is easy, pixel by pixel
    it asks for memory over 64 steps, and permuted pixels take away what lies near each other.

    Parameters
    ----------
    n_samples : int, default=None
        Number of digits, drawn without repetition, at most 1797. None takes all, in their order.
    order : {"rows", "pixels", "permuted"}, default="rows"
        "rows" gives 8 steps of 8 channels, "pixels" 64 steps of one channel, "permuted" the pixels
        in one random order that is the same for all digits.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw of digits and of the permutation.

    Returns
    -------
    X : array of shape (n_samples, 8, 8) or (n_samples, 64, 1)
        Brightness between 0 and 1.
    y : array of int of shape (n_samples,)
        The digits, 0 to 9.

    Raises
    ------
    ValueError
        When `n_samples` is not between 1 and 1797, or `order` is unknown.

    References
    ----------
    Q. V. Le, N. Jaitly and G. E. Hinton, "A simple way to initialize recurrent networks of
    rectified linear units", arXiv:1504.00941, 2015.

    Examples
    --------
    >>> from sklearn_rnn.datasets import make_sequential_digits
    >>> X, y = make_sequential_digits()
    >>> X.shape, y[:5]
    ((1797, 8, 8), array([0, 1, 2, 3, 4]))
    >>> make_sequential_digits(100, order="pixels", random_state=0)[0].shape
    (100, 64, 1)
    """
    if order not in ("rows", "pixels", "permuted"):
        raise ValueError(f"order must be 'rows', 'pixels' or 'permuted', got {order!r}.")
    pixels, y = load_digits(return_X_y=True)
    random = check_random_state(random_state)
    X = pixels / 16.0
    if n_samples is not None:
        if check_count("n_samples", n_samples, 1) > len(X):
            raise ValueError(f"n_samples must be at most {len(X)}, got {n_samples}.")
        drawn = random.permutation(len(X))[:n_samples]
        X, y = X[drawn], y[drawn]
    if order == "permuted":
        X = X[:, random.permutation(X.shape[1])]
    return X.reshape((-1, 8, 8) if order == "rows" else (-1, 64, 1)), y
