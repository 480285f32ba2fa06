"""Warnings of this package, to be filtered by name. Imports nothing."""

__all__ = ["BaselineWarning"]


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
