"""One BLAS thread while something is solved. Imports threadpoolctl.

NumPy's and SciPy's BLAS take a thread for each core unless told otherwise. Beside another process
that keeps a core busy these wait for each other: an eigendecomposition of 1,000 rows was seen to
take fifty times as long. And its last digits depend on their number, which a fit's must not.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

from threadpoolctl import ThreadpoolController

_changed = threading.Condition()
_inside: set[int] = set()
_setter: int | None = None
_before: Any = None


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread for as long as any thread of this process is inside.

    The limit is the whole process's. The first to enter sets it and lifts it, once all others have
    left: some BLAS can only be told by the thread that has told it before.
    """
    me = threading.get_ident()
    if me in _inside:
        yield
        return
    try:
        _enter(me)
        yield
    finally:
        try:
            _leave(me)
        except BaseException:  # an interrupt may come in between
            _leave(me)
            raise


def _enter(me: int) -> None:
    """Note who is inside, and set the limit if nobody was."""
    global _setter, _before
    with _changed:
        _inside.add(me)
        if _setter is None:
            controller = ThreadpoolController().select(user_api="blas")
            _before = controller.limit(limits=None)
            _setter = me
            controller.limit(limits=1)


def _leave(me: int) -> None:
    """Go, once, and lift the limit if it is one's own: the second time does nothing."""
    global _setter, _before
    with _changed:
        _inside.discard(me)
        _changed.notify_all()
        if _setter == me:
            _changed.wait_for(lambda: not _inside)
            _before.restore_original_limits()
            _setter = _before = None


def _forget_threads() -> None:
    """Begin anew in a forked child: threads that were inside did not come along to leave."""
    global _changed, _inside, _setter, _before
    _changed = threading.Condition()
    _inside, _setter, _before = set(), None, None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
