"""Learning that is done wholly or not at all. Imports scikit-learn's check.

What an estimator knows is a dict of attributes. A method that learns sets attributes and changes no
object that was there before it: what goes on from an earlier fit works on copies. So putting the
dict back is all that it takes to be as before, and whoever holds the objects of before, as a stream
does, keeps them as they were.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from ._memory import is_out_of_memory, not_enough

Method = TypeVar("Method", bound=Callable[..., Any])


def all_or_nothing(method: Method) -> Method:
    """Let a method that learns leave its estimator as it was, whatever goes wrong in it.

    Memory that ends is told by the parameters that took it.

    The outermost decorator. What :func:`kept_if_interrupted` lets through stays where there was no
    fitted model before.
    """

    @wraps(method)
    def wholly(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = self.__dict__.copy()
        try:
            return method(self, *args, **kwargs)
        except BaseException as error:
            # One assignment, which no further interrupt can cut in two.
            after, self.__dict__ = self.__dict__, before
            if getattr(error, "leaves_a_model", False) and not _is_fitted(self):
                self.__dict__ = after
            if is_out_of_memory(error):
                raise not_enough(self) from error
            raise

    wholly.is_all_or_nothing = True  # type: ignore[attr-defined]
    return wholly  # type: ignore[return-value]


@contextmanager
def kept_if_interrupted() -> Iterator[None]:
    """Say that the model is whole from here on, and that an interrupt in here may leave it."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        interrupt.leaves_a_model = True  # type: ignore[attr-defined]
        raise


def _is_fitted(estimator: Any) -> bool:
    """Tell whether an estimator is fitted."""
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True
