"""The generator of the copy-memory problem. May import ``sequences``."""

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ..sequences import Sequences
from ._checks import check_count


def make_copy_memory(
    n_samples: int = 1000,
    *,
    n_recall: int = 10,
    n_delay: int = 50,
    n_symbols: int = 8,
    random_state: Any = None,
) -> tuple[Sequences, Sequences]:
    """Make the copy-memory problem: repeat symbols seen long ago.

    A probe of long memory with one target a step. A sequence shows `n_recall` random symbols, then
    blanks, then a mark `n_delay` steps after the last symbol, then blanks again; the target is
    blank until the mark has passed, and then the symbols in their order. Without memory the best
    mean cross-entropy is `n_recall * log(n_symbols) / (2 * n_recall + n_delay)`.

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
        Targets, one a step of `X`: the symbols and the blank.

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
