"""Sizes that no memory holds, told by the parameters that ask for them. Imports `exceptions`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import wraps
from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar

from ..exceptions import NotEnoughMemoryError

Method = TypeVar("Method", bound=Callable[..., Any])
# What NumPy, torch on a CPU and torch on a GPU say when memory ends, or a size has no 64 bits.
_SAID = re.compile(
    r"allocat|out of memory|not enough memory|bad_alloc|calculation overflow"
    r"|multiplication overflow|too large|too big|maximum supported|array is too"
    r"|int too|[Oo]verflow when unpacking"
)
# What NumPy says of a size beyond 64 bits, as a ValueError.
_BEYOND = re.compile(r"Maximum allowed (dimension|size)|array is too big|negative dimensions")
# Whole numbers that are no sizes, and sizes that hardly anybody lowers.
_NO_SIZES = {"random_state", "n_jobs", "verbose", "max_epochs", "n_iter_no_change", "min_count"}
_SMALL = 256
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def machine_memory() -> int:
    """Return the bytes that this process may take: the machine's, or less by its limits."""
    found = [2**63 - 1]
    try:
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):  # Windows
        pass
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        found += [limit] if limit != resource.RLIM_INFINITY else []
    except (ImportError, OSError, ValueError):
        pass
    try:
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no container, or one without a limit
        pass
    return min(size for size in found if size > 0)


def require_memory(estimator: Any, needed: int, lower: str = "") -> None:
    """Refuse what would take `needed` bytes where the machine has fewer; say what to lower."""
    there = machine_memory()
    if needed > there:
        raise NotEnoughMemoryError(
            f"{type(estimator).__name__} would take about {_amount(needed)} of memory, and there "
            f"are {_amount(there)}; lower {lower or _sizes(estimator)}."
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory ended, or that a size is beyond all memory."""
    if isinstance(error, NotEnoughMemoryError):
        return False  # which is told already
    if isinstance(error, (MemoryError, OverflowError)):
        return True
    if isinstance(error, RuntimeError):
        return bool(_SAID.search(str(error)))
    return type(error) is ValueError and bool(_BEYOND.search(str(error)))


def not_enough(estimator: Any) -> NotEnoughMemoryError:
    """Return the error for memory that ended in a method of an estimator."""
    return NotEnoughMemoryError(
        f"{type(estimator).__name__} needs more memory than there is; lower {_sizes(estimator)}."
    )


def names_sizes(method: Method) -> Method:
    """Let a method of an estimator name the parameters that ask for more memory than there is."""

    @wraps(method)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise not_enough(self) from error

    return wrapped  # type: ignore[return-value]


def _sizes(estimator: Any) -> str:
    """Name the parameters that are large, the largest first."""
    values = {
        name: value
        for name, value in estimator.get_params(deep=False).items()
        if isinstance(value, Integral) and int(value) >= _SMALL and name not in _NO_SIZES
    }
    largest = sorted(values, key=lambda name: -int(values[name]))
    if not largest:
        return "the number or the length of the sequences that are given at once"
    return ", ".join(f"{name}={values[name]}" for name in largest)


def _amount(size: int) -> str:
    """Return a number of bytes in words."""
    size = min(size, 2**900)
    power = min(len(_UNITS) - 1, max(0, (size.bit_length() - 1) // 10))
    return f"{size / 1024**power:.3g} {_UNITS[power]}"
