"""From torch's errors to errors that name our parameters. Imports torch only."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch

Method = TypeVar("Method", bound=Callable[..., Any])
_SIZES = ("hidden_size", "num_layers", "embedding_size", "batch_size")
_BROUGHT = ("cell", "loss", "optimizer", "learning_rate")


class NetworkError(ValueError, RuntimeError):
    """Raised when torch cannot compute what the parameters, or the user's own classes, ask for."""


def names_parameters(method: Method) -> Method:
    """Let a method of an estimator raise a `NetworkError` where torch would raise its own."""

    @functools.wraps(method)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, ValueError):
                raise
            raise NetworkError(explain(self, error)) from error

    return wrapped  # type: ignore[return-value]


def explain(estimator: Any, error: RuntimeError | MemoryError) -> str:
    """Say what torch said, and which parameters to look at."""
    name = type(estimator).__name__
    full = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    if full or "allocate memory" in str(error):
        return f"{name} needs more memory than there is; lower {_given(estimator, _SIZES)}."
    brought = _given(estimator, _BROUGHT)
    return f"{name} cannot compute{' with ' if brought else ''}{brought}: {error}"


def _given(estimator: Any, names: tuple[str, ...]) -> str:
    """List those parameters that the estimator has, with their values."""
    known = estimator.get_params(deep=False)
    values = {name: known[name] for name in names if name in known}
    return ", ".join(
        f"{name}={value.__name__ if isinstance(value, type) else repr(value)}"
        for name, value in values.items()
    )
