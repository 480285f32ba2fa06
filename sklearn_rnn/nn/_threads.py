"""How many threads a recurrence may use, apart from torch's own number; imports torch only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_allowed: ContextVar[int | None] = ContextVar("recurrence_threads", default=None)


def recurrence_threads() -> int:
    """Return the threads that compiled recurrences may use; unless said otherwise, torch's."""
    allowed = _allowed.get()
    return torch.get_num_threads() if allowed is None else allowed


@contextmanager
def allow_threads(n_threads: int) -> Iterator[None]:
    """Let compiled recurrences of this thread of control use so many threads."""
    before = _allowed.get()
    try:
        _allowed.set(n_threads)
        yield
    finally:
        _allowed.set(before)
