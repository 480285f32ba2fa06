"""Imports in the midst of a fit, out of reach of an interrupt. Imports nothing of the package."""

from __future__ import annotations

import importlib
import sys
import threading


def import_whole(name: str) -> None:
    """Import a package in a thread of its own, which no interrupt reaches.

    What is imported by half stays so for the rest of the process.
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
