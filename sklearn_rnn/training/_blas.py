"""One BLAS thread while something is solved. Imports threadpoolctl, which scikit-learn brings.

NumPy's and SciPy's BLAS take a thread for each core unless told otherwise. Beside another process
that keeps a core busy these wait for each other: an eigendecomposition of 1,000 rows was seen to
take fifty times as long. On one thread, sums are also added up in the same order on every machine.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from threadpoolctl import threadpool_limits

_held = threading.Lock()


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread, unless another thread of this process does so already.

    The limit is the whole process's, and some BLAS can only be told by the thread that has told it
    before: who sets it is who lifts it.
    """
    if not _held.acquire(blocking=False):
        yield
        return
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        _held.release()
