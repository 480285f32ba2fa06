"""Generators of sequences, to probe memory with. May import ``sequences``."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.utils import check_random_state

from ..sequences import Sequences


def check_count(name: str, value: Any, minimum: int) -> int:
    """Return `value` as an int of at least `minimum`, or say which parameter is wrong."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}.")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value}.")
    return int(value)


def make_adding_problem(
    n_samples: int = 1000,
    *,
    n_steps: int | tuple[int, int] = 50,
    random_state: Any = None,
) -> tuple[Any, np.ndarray]:
    """Make the adding problem: sum the two marked numbers of a sequence.

    A probe of long memory for regressors. The first channel holds numbers drawn uniformly from
    [0, 1), the second is 1 at two steps, one in each half of the sequence, and 0 elsewhere. The
    target is the sum of the two marked numbers. Always answering 1 has a mean squared error of 1/6;
    a network that carries the first number to the second gets near 0.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of sequences.
    n_steps : int or (int, int), default=50
        Steps of each sequence, at least 2. A pair draws each length uniformly between its two
        numbers, both included.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws.

    Returns
    -------
    X : array of shape (n_samples, n_steps, 2) or :class:`~sklearn_rnn.Sequences`
        The numbers and the marks; a Sequences when `n_steps` is a pair.
    y : array of shape (n_samples,)
        Sums, between 0 and 2.

    Raises
    ------
    ValueError
        When a number is too small, or the pair `n_steps` falls.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9 (8), 1997.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_rnn.datasets import make_adding_problem
    >>> X, y = make_adding_problem(4, n_steps=20, random_state=0)
    >>> X.shape
    (4, 20, 2)
    >>> np.allclose((X[..., 0] * X[..., 1]).sum(axis=1), y)
    True
    """
    n_samples = check_count("n_samples", n_samples, 1)
    random = check_random_state(random_state)
    ragged = isinstance(n_steps, Sequence)
    bounds = list(n_steps) if isinstance(n_steps, Sequence) else [n_steps, n_steps]
    if len(bounds) != 2:
        raise ValueError(f"n_steps must be a number or a pair of them, got {n_steps!r}.")
    shortest, longest = (check_count("n_steps", bound, 2) for bound in bounds)
    if shortest > longest:
        raise ValueError(f"n_steps must rise from the shortest to the longest, got {n_steps!r}.")

    lengths = random.randint(shortest, longest + 1, size=n_samples)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    half = lengths // 2
    first = offsets[:-1] + (random.uniform(size=n_samples) * half).astype(np.int64)
    second = offsets[:-1] + half
    second += (random.uniform(size=n_samples) * (lengths - half)).astype(np.int64)

    values = np.zeros((offsets[-1], 2))
    values[:, 0] = random.uniform(size=offsets[-1])
    values[first, 1] = values[second, 1] = 1.0
    y = values[first, 0] + values[second, 0]
    X = Sequences(values, offsets, channel_names=["number", "mark"])
    return (X if ragged else values.reshape(n_samples, longest, 2)), y


def make_copy_memory(
    n_samples: int = 1000,
    *,
    n_recall: int = 10,
    n_delay: int = 50,
    n_symbols: int = 8,
    random_state: Any = None,
) -> tuple[Sequences, Sequences]:
    """Make the copy-memory problem: repeat symbols seen long ago.

    A probe of long memory with one target for each step. A sequence shows `n_recall` random
    symbols, then blanks, then a mark `n_delay` steps after the last symbol, then blanks again; the
    target is blank until the mark has passed, and then the symbols in their order. Without memory
    the best mean cross-entropy is `n_recall * log(n_symbols) / (2 * n_recall + n_delay)`.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of sequences.
    n_recall : int, default=10
        Symbols to remember, at least 1.
    n_delay : int, default=50
        Steps from the last symbol to the mark, at least 1.
    n_symbols : int, default=8
        Different symbols, at least 2.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws.

    Returns
    -------
    X : :class:`~sklearn_rnn.Sequences`
        `n_samples` sequences of `2 * n_recall + n_delay` tokens: symbols from 0 to `n_symbols - 1`,
        the blank `n_symbols`, the mark `n_symbols + 1`.
    y : :class:`~sklearn_rnn.Sequences`
        Targets, one for each step of `X`: the symbols and the blank.

    Raises
    ------
    ValueError
        When a number is too small.

    References
    ----------
    M. Arjovsky, A. Shah and Y. Bengio, "Unitary evolution recurrent neural networks", ICML 2016.

    Examples
    --------
    >>> from sklearn_rnn.datasets import make_copy_memory
    >>> X, y = make_copy_memory(1, n_recall=3, n_delay=2, n_symbols=4, random_state=0)
    >>> X[0].ravel()
    array([0, 3, 1, 4, 5, 4, 4, 4])
    >>> y[0].ravel()
    array([4, 4, 4, 4, 4, 0, 3, 1])
    """
    n_samples = check_count("n_samples", n_samples, 1)
    n_recall = check_count("n_recall", n_recall, 1)
    n_delay = check_count("n_delay", n_delay, 1)
    n_symbols = check_count("n_symbols", n_symbols, 2)
    random = check_random_state(random_state)

    blank, mark = n_symbols, n_symbols + 1
    n_steps = 2 * n_recall + n_delay
    symbols = random.randint(n_symbols, size=(n_samples, n_recall))
    shown = np.full((n_samples, n_steps), blank, dtype=np.int64)
    shown[:, :n_recall] = symbols
    shown[:, n_recall + n_delay - 1] = mark
    wanted = np.full((n_samples, n_steps), blank, dtype=np.int64)
    wanted[:, -n_recall:] = symbols
    offsets = np.arange(n_samples + 1) * n_steps
    return (
        Sequences(shown.ravel(), offsets, vocabulary_size=n_symbols + 2),
        Sequences(wanted.ravel(), offsets, vocabulary_size=n_symbols + 1),
    )


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
