"""Warnings and errors of this package, to be caught by name. Imports nothing."""

__all__ = ["BaselineWarning", "NotEnoughMemoryError"]


class BaselineWarning(UserWarning):
    """A simple baseline does clearly better than the fitted model, on the same sequences.

    Given once, at the end of a fit. The fitted estimator's ``report_`` has the figures.

    Examples
    --------
    >>> import warnings
    >>> from sklearn_rnn.exceptions import BaselineWarning
    >>> warnings.simplefilter("error", BaselineWarning)  # let such a fit fail
    >>> warnings.simplefilter("default", BaselineWarning)
    """


class NotEnoughMemoryError(ValueError, MemoryError):
    """What the parameters ask for takes more memory than there is.

    Raised before anything is built, where the sizes tell, or when memory runs out. The message
    names the parameters to lower.

    Examples
    --------
    >>> from sklearn_rnn import RNNClassifier
    >>> RNNClassifier(hidden_size=10**9).fit([[1.0, 2.0], [3.0, 4.0]], [0, 1])
    Traceback (most recent call last):
    ...
    sklearn_rnn.exceptions.NotEnoughMemoryError: RNNClassifier would take ...
    """
