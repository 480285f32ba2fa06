"""Where an estimator calls torch: one thread, and errors that name our parameters.

Imports torch and layer 2.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from ..training import cpu_threads

Method = TypeVar("Method", bound=Callable[..., Any])
_SIZES = ("hidden_size", "num_layers", "embedding_size", "batch_size")
_BROUGHT = ("cell", "loss", "optimizer", "learning_rate")


class NetworkError(ValueError, RuntimeError):
    """Raised when torch cannot compute what the parameters, or the user's own classes, ask for."""


def names_parameters(method: Method) -> Method:
    """Let a method of an estimator raise a `NetworkError` where torch would raise its own.

    Torch has one thread in it; see `cpu_threads`.
    """

    @functools.wraps(method)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            with cpu_threads(1):
                return method(self, *args, **kwargs)
        except RuntimeError as error:
            if isinstance(error, ValueError):
                raise
            raise NetworkError(explain(self, error)) from error

    return wrapped  # type: ignore[return-value]


def explain(estimator: Any, error: RuntimeError) -> str:
    """Say what torch said, and which parameters to look at."""
    name = type(estimator).__name__
    if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
        return f"{name} needs more memory than there is; lower {_given(estimator, _SIZES)}."
    return f"{name} cannot compute with {_given(estimator, _BROUGHT)}: {error}"


def _given(estimator: Any, names: tuple[str, ...]) -> str:
    """List parameters with their values."""
    values = {name: getattr(estimator, name) for name in names}
    return ", ".join(
        f"{name}={value.__name__ if isinstance(value, type) else repr(value)}"
        for name, value in values.items()
    )
