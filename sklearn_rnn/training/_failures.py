"""From torch's errors to errors that name parameters. Imports the words of memory from layer 0."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from ..sequences import is_out_of_memory, not_enough
from ._device import cpu_threads
from ._settings import Settings

Method = TypeVar("Method", bound=Callable[..., Any])
# What a user may bring along; torch's own errors come from there.
_BROUGHT = ("cell", "loss", "optimizer")


class NetworkError(ValueError, RuntimeError):
    """Raised when torch cannot compute what the parameters, or the user's own classes, ask for."""


def names_parameters(method: Method) -> Method:
    """Let a method of an estimator name parameters where torch and NumPy would name none.

    Torch has one thread in it; see `cpu_threads`.
    """

    @functools.wraps(method)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            with cpu_threads(1):
                return method(self, *args, **kwargs)
        except Exception as error:
            torchs = isinstance(error, RuntimeError) and not isinstance(error, ValueError)
            torchs &= not getattr(error, "of_callback", False)
            if not torchs and not is_out_of_memory(error):
                raise
            raise explained(self, error) from error

    return wrapped  # type: ignore[return-value]


def explained(estimator: Any, error: Exception) -> Exception:
    """Return what to raise instead of torch's error: which parameters to look at."""
    if is_out_of_memory(error):
        return not_enough(estimator)
    name = type(estimator).__name__
    values = {key: getattr(estimator, key, None) for key in _BROUGHT}
    for key, value in values.items():
        if isinstance(value, Settings):
            values[key] = getattr(value, key)
    brought = ", ".join(
        f"{key}={value.__name__ if isinstance(value, type) else repr(value)}"
        for key, value in values.items()
        if value is not None and not isinstance(value, str)
    )
    return NetworkError(f"{name} cannot compute with {brought or 'its parameters'}: {error}")
