"""Warnings and errors of this package, to be caught by name. Imports nothing."""

__all__ = [
    "BaselineWarning",
    "ClosedFormWarning",
    "InconsistentVersionWarning",
    "NotEnoughMemoryError",
    "UnusedParameterWarning",
]


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


class ClosedFormWarning(UserWarning):
    """A fit leaves out the closed form that its data would get by default.

    Given where a loss other than the default stands against ``closed_form="auto"``. Setting it to
    False says that this is meant.

    Examples
    --------
    >>> import warnings
    >>> from sklearn_rnn.exceptions import ClosedFormWarning
    >>> warnings.simplefilter("error", ClosedFormWarning)  # let such a fit fail
    >>> warnings.simplefilter("default", ClosedFormWarning)
    """


class InconsistentVersionWarning(UserWarning):
    """A model was saved by another version of this package.

    Given when it is loaded. It may predict otherwise, or not at all; fit it anew, or load it with
    the version that saved it.

    Examples
    --------
    >>> import warnings
    >>> from sklearn_rnn.exceptions import InconsistentVersionWarning
    >>> warnings.simplefilter("error", InconsistentVersionWarning)  # refuse such models
    >>> warnings.simplefilter("default", InconsistentVersionWarning)
    """


class UnusedParameterWarning(UserWarning):
    """A parameter that was set has no effect beside the others, or on these data.

    Given once a fit, and not for the candidates of a search, which leave unused what others need.

    Examples
    --------
    >>> import warnings
    >>> from sklearn_rnn.exceptions import UnusedParameterWarning
    >>> warnings.simplefilter("ignore", UnusedParameterWarning)  # I know
    >>> warnings.simplefilter("default", UnusedParameterWarning)
    """
