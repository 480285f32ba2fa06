"""Whether there are compiled kernels, and which. Imports llvmlite when they are used.

An import in the midst of a fit is out of reach of an interrupt: see :func:`import_whole`.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from importlib.util import find_spec
from typing import Any

_usable: bool | None = None


def is_available() -> bool:
    """Tell whether kernels can be compiled: with llvmlite, unless SKLEARN_RNN_COMPILED=0."""
    global _usable
    if os.environ.get("SKLEARN_RNN_COMPILED") == "0":
        return False
    if _usable is None:
        _usable = find_spec("llvmlite") is not None
    return _usable


def load(name: str, size: int) -> Any:
    """Return kernels for numbers of 4 or 8 bytes, or None where this machine can't have them.

    Parameters
    ----------
    name : str
        ``"reservoir"`` and ``"convolutions"`` for those of fixed features, or the name of a cell.
    size : {4, 8}
        Bytes of a number.
    """
    global _usable
    try:
        import_whole(f"{__package__}._library")
        from . import _library

        return _library.load_kernels(name, size)
    except MemoryError:
        raise
    except Exception:
        # llvmlite is broken, or knows no such processor: torch does without.
        _usable = False
        return None


def import_whole(name: str) -> None:
    """Import a package in a thread of its own, which no interrupt reaches.

    A package that is imported by half stays so for the rest of the process.

    Parameters
    ----------
    name : str
        Its name.
    """
    if name in sys.modules:
        return
    failed: list[BaseException] = []

    def imports() -> None:
        try:
            importlib.import_module(name)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=imports)
    thread.start()
    try:
        thread.join()
    except BaseException:
        thread.join()
        raise
    if failed:
        raise failed[0]
