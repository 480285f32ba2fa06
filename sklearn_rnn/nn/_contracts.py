"""What a cell or loss of the user's own has to do, told with the shapes where it did not.

Imports torch only.
"""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

# Memory that ends is nobody's contract.
_MEMORY = re.compile(r"allocat|out of memory|not enough memory|bad_alloc")


class ContractError(TypeError, ValueError, RuntimeError):
    """Raised where a user's own cell or loss cannot do, or has not done, what it has to.

    It is what scikit-learn's users catch, and what torch would have raised.
    """


def is_told(error: Exception) -> bool:
    """Tell whether an error says all there is to say already."""
    return isinstance(error, (ContractError, MemoryError)) or bool(_MEMORY.search(str(error)))


def broken(part: str, given: dict[str, Any], error: Exception, contract: str) -> ContractError:
    """Return what to raise where a part of the user's own has raised `error`."""
    what = ", ".join(f"{name} {_described(value)}" for name, value in given.items())
    return ContractError(f"{part} failed, called with {what}: {error}. {contract}")


def name_of(part: Any) -> str:
    """Return the name of a class, of a function, or of an instance's class."""
    return str(getattr(part, "__name__", type(part).__name__))


def _described(value: Any) -> str:
    """Return a value's shape and type in words."""
    if isinstance(value, Tensor):
        return f"of shape {tuple(value.shape)} ({str(value.dtype).removeprefix('torch.')})"
    if isinstance(value, tuple):
        return f"({', '.join(_described(item) for item in value)})"
    return "None" if value is None else f"of type {type(value).__name__}"
