"""Which rows are worked on together, and by which threads. Imports NumPy only.

A batch is cut into shards and blocks. A shard is what a thread takes, whatever the threads there
are; a block is what a call of a kernel takes, rows whose states fit the cache. Both come in whole
eights of rows, as the products want them, and the longest rows are dealt out first.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

#: Rows of a block at most.
_BLOCK_ROWS = 32
#: Rows that a product takes at once.
_EIGHT = 8
#: Shards at most.
_SHARDS = 8
#: Plans of so many rows at most are kept.
_FEW_ROWS = 4096
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Block:
    """Rows that one call of a kernel takes, the longest first."""

    rows: int
    #: Addresses of the rows' places in the batch, and of their steps.
    place: int
    lengths: int
    #: (step, row) pairs of the blocks before it.
    kept: int


@dataclass(frozen=True)
class Plan:
    """The blocks of each shard, and what their addresses point into."""

    shards: tuple[tuple[Block, ...], ...]
    #: Rows of the largest block.
    rows: int
    held: tuple[np.ndarray, np.ndarray]


def n_shards(batch: int, steps: int, rows: int, columns: int, worth: int) -> int:
    """Return the shards of a batch, whatever the threads: by its rows, and by what is to be done.

    `steps` are those of all rows together; `rows` and `columns` are the recurrent weights' and
    the inputs' together, `worth` the multiplications that a shard is worth. Large weights have
    large sums, which each shard has for itself.
    """
    least = 16 if columns < 256 else 32
    wanted = max(1, min(_SHARDS, batch // least, steps * rows * columns // worth))
    return -(-batch // _whole(batch, wanted))


def _whole(rows: int, parts: int) -> int:
    """Return the rows of each part but the last: whole eights, where there are several parts."""
    size = -(-rows // parts)
    return size if parts == 1 else -(-size // _EIGHT) * _EIGHT


@lru_cache(maxsize=256)
def _deal(batch: int, shards: int) -> tuple[np.ndarray, np.ndarray, tuple[tuple[int, ...], ...]]:
    """Deal rows that are sorted by length out to shards.

    Return which row of the order comes when, shard by shard; its place in an array of lengths that
    has an entry before and after each block; and the rows of the blocks of each shard.
    """
    size = _whole(batch, shards)
    sizes = [min(size, batch - start) for start in range(0, batch, size)]
    hands: list[list[int]] = [[] for _ in sizes]
    row = 0
    for turn in range(size):
        for hand, most in zip(hands, sizes, strict=True):
            if turn < most:
                hand.append(row)
                row += 1
    blocks: list[tuple[int, ...]] = []
    slots: list[int] = []
    start = 0
    for hand in hands:
        most = _whole(len(hand), -(-len(hand) // _BLOCK_ROWS))
        cut = tuple(min(most, len(hand) - first) for first in range(0, len(hand), most))
        for rows in cut:
            slots += range(start + 1, start + 1 + rows)
            start += rows + 2
        blocks.append(cut)
    order = np.array([row for hand in hands for row in hand], dtype=np.int64)
    return order, np.array(slots, dtype=np.int64), tuple(blocks)


def make_plan(batch: int, steps: int, lengths: np.ndarray | None, shards: int) -> Plan:
    """Cut a batch into so many shards; without `lengths` every row has all steps."""
    few = batch <= _FEW_ROWS
    if lengths is None:
        return (_level_plan if few else _level_plan.__wrapped__)(batch, steps, shards)
    order, slots, blocks = (_deal if few else _deal.__wrapped__)(batch, shards)
    sort = np.argsort(-lengths, kind="stable")
    return _plan(sort[order], lengths[sort][order], slots, blocks)


@lru_cache(maxsize=64)
def _level_plan(batch: int, steps: int, shards: int) -> Plan:
    """Return the plan of rows of one length."""
    order, slots, blocks = _deal(batch, shards)
    return _plan(order, np.full(batch, steps, dtype=np.int64), slots, blocks)


def _plan(
    place: np.ndarray,
    lengths: np.ndarray,
    slots: np.ndarray,
    blocks: tuple[tuple[int, ...], ...],
) -> Plan:
    """Put a plan together from the rows in the order in which the blocks take them."""
    # A length that no step reaches stands before a block, one that no step is below after it.
    entries = np.zeros(len(lengths) + 2 * sum(map(len, blocks)), dtype=np.int64)
    entries[slots] = lengths
    ends = np.concatenate(([0], np.cumsum(lengths))).tolist()
    places, steps = place.ctypes.data, entries.ctypes.data
    shards, first, start, most = [], 0, 0, 0
    for cut in blocks:
        made = []
        for rows in cut:
            entries[start] = _NEVER
            made.append(Block(rows, places + 8 * first, steps + 8 * (start + 1), ends[first]))
            first, start, most = first + rows, start + rows + 2, max(most, rows)
        shards.append(tuple(made))
    return Plan(tuple(shards), most, (place, entries))


class _Pool:
    """Threads for the shards after the first; a forked process makes its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._size = 0

    def run(self, tasks: list[Callable[[], None]]) -> None:
        """Run all tasks, the first here."""
        if len(tasks) == 1:
            tasks[0]()
            return
        with self._lock:
            if self._size < len(tasks) - 1:
                self._size = len(tasks) - 1
                self._pool = ThreadPoolExecutor(self._size, thread_name_prefix="sklearn-rnn")
            pool = self._pool
        assert pool is not None
        futures: list[Future[None]] = []
        try:
            for task in tasks[1:]:
                futures.append(pool.submit(task))
            tasks[0]()
        finally:
            # They write into our memory: an interrupt has to wait for them too.
            try:
                wait(futures)
            except BaseException:
                wait(futures)
                raise
        for future in futures:
            future.result()


_pool = _Pool()


def _forget_threads() -> None:
    """Threads do not survive a fork."""
    global _pool
    _pool = _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


def run_together(tasks: list[Callable[[], None]]) -> None:
    """Run all tasks, the first here, each other one in a thread of its own."""
    _pool.run(tasks)
