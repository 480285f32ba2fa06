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

from threadpoolctl import threadpool_limits

_changed = threading.Condition()
_depth = threading.local()
_inside = 0
_limited = False


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread for as long as any thread of this process is inside.

    The limit is the whole process's. The first to enter sets it and lifts it, once all others have
    left: some BLAS can only be told by the thread that has told it before.
    """
    global _inside, _limited
    if getattr(_depth, "value", 0):
        yield
        return
    with _changed:
        sets, _limited = not _limited, True
        _inside += 1
        limits = threadpool_limits(limits=1, user_api="blas") if sets else None
    _depth.value = 1
    try:
        yield
    finally:
        _depth.value = 0
        with _changed:
            _inside -= 1
            _changed.notify_all()
            if limits is not None:
                _changed.wait_for(lambda: _inside == 0)
                limits.restore_original_limits()
                _limited = False


def _forget_threads() -> None:
    """Begin anew in a forked child: threads that were inside did not come along to leave."""
    global _changed, _depth, _inside, _limited
    _changed, _depth = threading.Condition(), threading.local()
    _inside, _limited = 0, False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
