"""The generator of the adding problem. May import ``sequences``."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ..sequences import Sequences
from ._checks import check_count


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
