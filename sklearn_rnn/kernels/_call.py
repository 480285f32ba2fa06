"""Running a cell's kernel over a batch, in shards of rows and blocks of steps. Imports NumPy."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from ._builder import CELLS, PANEL, Real
from ._loops import CellFields

#: Rows of a block at most.
_BLOCK_ROWS = 32
#: Rows that a product takes at once.
_EIGHT = 8
#: Shards at most.
_SHARDS = 8
#: Plans of this many rows at most are kept.
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
    """Cut a batch into this many shards; without `lengths` every row has all steps."""
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


#: (step, row) pairs worked on at once at least.
_PAIRS = 64
#: Multiplications that a shard is worth.
_WORTH_A_SHARD = 2_000_000
#: Bytes of a line of the cache.
_LINE = 64


class Workspace:
    """Work memory of a call, kept from one to the next with what points into it.

    Fresh pages, and filling in fields, cost more than short calls compute. The memory is cut into
    arrays that begin at whole lines of the cache, all zeros at first. What pads a row to whole
    vectors is read and never written, so that it stays zero.

    Parameters
    ----------
    constants : dict
        Fields that are the same in every call.
    shared, own : dict
        Numbers in the arrays that all shards share, and in those that each has for itself.
    sums : int
        This many of `own`, the first ones, are sums, which :meth:`clear` sets to zero.
    shards : int
    size : int
        Bytes of a number.

    Attributes
    ----------
    fields : list of CellFields
        One for each shard.
    sums : list of numpy arrays
        The sums of each shard, side by side.
    """

    def __init__(
        self,
        constants: dict[str, int],
        shared: dict[str, int],
        own: dict[str, int],
        sums: int,
        shards: int,
        size: int,
    ) -> None:
        line = _LINE // size

        def starts(sizes: dict[str, int]) -> tuple[dict[str, int], int]:
            """Return where each array begins, and where the last ends."""
            found, end = {}, 0
            for name, size in sizes.items():
                found[name] = end
                end += -(-size // line) * line
            return found, end

        self._starts, common = starts(shared)
        self._own, apart = starts(own)
        total = common + apart * shards
        memory = np.zeros(total + line, dtype=np.float32 if size == 4 else np.float64)
        skip = -memory.ctypes.data % _LINE // memory.itemsize
        self.memory = memory[skip : skip + total]
        self.size = memory.nbytes
        base = self.memory.ctypes.data
        end_of_sums = list(self._own.values())[sums] if sums else 0
        self.fields, self.sums = [], []
        for shard in range(shards):
            given, first = CellFields(**constants), common + apart * shard
            places = self._starts | {name: first + start for name, start in self._own.items()}
            for name, start in places.items():
                setattr(given, name, base + start * memory.itemsize)
            self.fields.append(given)
            self.sums.append(self.memory[first : first + end_of_sums])

    def shared(self, name: str) -> np.ndarray:
        """Return the memory from a shared array on."""
        return self.memory[self._starts[name] :]

    def own(self, name: str) -> int:
        """Return where an array begins in each shard's memory, of which the sums come first."""
        return self._own[name]

    def clear(self) -> None:
        """Set the sums to zero."""
        for part in self.sums:
            part.fill(0)


class Workspaces:
    """Workspaces that are not in use.

    Parameters
    ----------
    most : int, default=2**25
        Bytes kept at most.
    """

    def __init__(self, most: int = 32 * 2**20) -> None:
        self.most = most
        self._kept: dict[Hashable, list[Workspace]] = {}
        self._total = 0

    def take(self, key: Hashable, make: Callable[[], Workspace]) -> Workspace:
        """Return a workspace of a kind; `make` makes one."""
        # Threads may meet here; a list's own methods are all they share.
        try:
            found = self._kept[key].pop()
        except (KeyError, IndexError):
            return make()
        self._total -= found.size
        return found

    def give_back(self, key: Hashable, workspace: Workspace) -> None:
        """Keep a workspace for later calls, unless that would be too much."""
        if self._total + workspace.size > self.most:
            self._kept, self._total = {}, 0
        if workspace.size <= self.most // 4:
            self._total += workspace.size
            self._kept.setdefault(key, []).append(workspace)


_spaces = Workspaces()


class CellKernels:
    """A cell's compiled functions, for numbers of `size` bytes.

    Each is called with the address of its fields, and runs without Python's lock; `engine` owns
    the machine code.
    """

    def __init__(self, name: str, real: Real, engine: Any, *functions: Any) -> None:
        self.name, self.cell = name, CELLS[name]
        self.lanes, self.size, self.engine = real.lanes, real.size, engine
        self.pack_forward, self.forward = functions[:2]
        self.pack_backward, self.backward, self.unpack_grads = functions[2:]

    def call(self, *arguments: Any) -> Call:
        """Return a run over a batch; arguments are those of :class:`Call`."""
        return Call(self, *arguments)


class Call:
    """One run of a cell over a batch, forward and, if asked for, back.

    Parameters
    ----------
    kernels : CellKernels
    shape : (int, int, int)
        Rows, steps and channels of the batch.
    units : int
    biases : (bool, bool)
        Whether there is one of the inputs' share, and one of the state's.
    lengths : numpy array of shape (B,) or None
        Steps of each row; None means all.
    reverse : bool
        Start each row at its last step.
    threads : int
        To use at most. They change no bit of the result.

    Attributes
    ----------
    n_states : int
        Arrays of a state.
    level : bool
        Whether every row has all steps, and no padding of the output is to be zero.
    kept_shape : (int, int)
        Of the array that the way forward fills for the way back; empty if there is nothing to keep.
    """

    def __init__(
        self,
        kernels: CellKernels,
        shape: tuple[int, int, int],
        units: int,
        biases: tuple[bool, bool],
        lengths: np.ndarray | None,
        reverse: bool,
        threads: int,
    ) -> None:
        batch, steps, self.channels = shape
        self.kernels, self.cell, self.units = kernels, kernels.cell, units
        self.biases, self.reverse, self.threads = biases, reverse, threads
        self.padded = -(-units // kernels.lanes) * kernels.lanes
        cell = self.cell
        total = batch * steps if lengths is None else int(lengths.sum())
        # Gates whose weights stand in u; those of some cells see no state.
        self.u_rows = (len(cell.h_gates) + (cell.second is not None)) * units
        columns = (units if self.u_rows else 0) + self.channels
        shards = n_shards(batch, total, len(cell.x_gates) * units, columns, _WORTH_A_SHARD)
        self.plan = make_plan(batch, steps, lengths, shards)
        self.n_states, self.level = cell.n_states, lengths is None
        self.kept_shape = total, cell.n_kept * self.padded

    def forward(self, arrays: Mapping[str, int]) -> None:
        """Run forward."""
        key = self._key("forward")
        space = _spaces.take(key, self._make_forward)
        self._call(self.kernels.pack_forward, self.kernels.forward, space, arrays)
        _spaces.give_back(key, space)

    def backward(self, arrays: Mapping[str, int]) -> None:
        """Run back, and write the gradients at the weights into what `to_w` and so on stand for."""
        wants_x = bool(arrays["d_x"])
        key = (*self._key("backward"), wants_x)
        space = _spaces.take(key, partial(self._make_backward, wants_x))
        space.clear()
        first, own = space.fields[0], space.fields[0].d_u
        # Rows of whole vectors are summed where the caller wants them.
        direct = arrays["to_u"] if self.units == self.padded else 0
        if direct:
            ctypes.memset(direct, 0, self.u_rows * self.units * self.kernels.size)
            first.d_u = direct
            arrays = {**arrays, "to_u": 0}
        self._call(self.kernels.pack_backward, self.kernels.backward, space, arrays)
        self._add_up(space, direct)
        self.kernels.unpack_grads(ctypes.addressof(first))
        first.d_u = own
        _spaces.give_back(key, space)

    def _key(self, way: str) -> tuple:
        """Return what decides how memory is cut."""
        kernels, plan = self.kernels, self.plan
        sizes = self.channels, self.units, plan.rows, len(plan.shards)
        return (way, kernels.name, kernels.lanes, kernels.size, *sizes, *self.biases)

    def _constants(self) -> dict[str, int]:
        """Return the fields of sizes."""
        return {
            "channels": self.channels,
            "units": self.units,
            "padded": self.padded,
            "capacity": max(_PAIRS, self.plan.rows),
        }

    def _packed_size(self, depth: int, columns: int) -> int:
        """Return the numbers in a packed right operand."""
        width = PANEL * self.kernels.lanes
        return depth * -(-columns // width) * width

    def _make_forward(self) -> Workspace:
        """Cut memory for the way forward."""
        cell, constants = self.cell, self._constants()
        channels, units, padded, pairs = constants.values()
        n_x, n_h, rows = len(cell.x_gates), len(cell.h_gates), self.plan.rows
        shared = {
            "w_packed": self._packed_size(channels, n_x * padded),
            "u_packed": self._packed_size(units, n_h * padded),
            "second_packed": 0 if cell.second is None else self._packed_size(units, padded),
            "b_packed": n_x * padded,
            "h_packed": n_h * padded,
        }
        own = {
            "gathered": pairs * channels,
            "shares": pairs * n_x * padded,
            "gates": rows * n_h * padded,
            "h": rows * padded,
            "c": rows * padded * (cell.n_states - 1),
            "reset": 0 if cell.second is None else rows * padded,
        }
        return Workspace(constants, shared, own, 0, len(self.plan.shards), self.kernels.size)

    def _make_backward(self, wants_x: bool) -> Workspace:
        """Cut memory for the way back."""
        cell, constants = self.cell, self._constants()
        channels, _, padded, pairs = constants.values()
        n_x, n_h, n_grads = len(cell.x_gates), len(cell.h_gates), cell.n_grads
        rows, lanes, size = self.plan.rows, self.kernels.lanes, self.kernels.size
        shared = {
            "u_back": self._packed_size(n_h * padded, padded),
            "h_packed": padded,
            "one": 1,
        }
        if cell.second is not None:
            shared["second_back"] = self._packed_size(padded, padded)
        if wants_x:
            shared["w_back"] = self._packed_size(n_x * padded, channels)
        own = {
            "d_w": channels * n_x * padded,
            "d_b": n_grads * padded,
            "d_u": self.u_rows * padded,
            "gathered": pairs * channels,
            "gates": rows * padded,
            "now": rows * padded,
            "h": rows * padded,
            "c": rows * padded * (cell.n_states - 1),
            "reset": 0 if cell.second is None else pairs * padded,
            "before": pairs * padded,
            "d_gates": pairs * n_grads * padded,
            "d_x_rows": (pairs + 1) * -(-channels // lanes) * lanes if wants_x else 0,
            "addresses": pairs * 8 // size,
        }
        space = Workspace(constants, shared, own, 3, len(self.plan.shards), size)
        space.shared("one")[0] = 1
        return space

    def _call(
        self, packing: Any, function: Any, space: Workspace, arrays: Mapping[str, int]
    ) -> None:
        """Call a kernel on every block, each shard in one thread, the packing of weights first."""
        kept, row = arrays["kept"], self.kept_shape[1] * self.kernels.size
        for given in space.fields:
            given.reverse = self.reverse
            for name, value in arrays.items():
                setattr(given, name, value)
        packing(ctypes.addressof(space.fields[0]))
        shards = self.plan.shards

        def share(first: int, threads: int) -> None:
            for shard in range(first, len(shards), threads):
                given = space.fields[shard]
                for block in shards[shard]:
                    given.rows, given.place, given.lengths = block.rows, block.place, block.lengths
                    if kept:
                        given.kept = kept + block.kept * row
                    function(ctypes.addressof(given))

        threads = min(self.threads, len(shards))
        run_together([partial(share, first, threads) for first in range(threads)])

    def _add_up(self, space: Workspace, direct: int) -> None:
        """Add the shards' sums to the first one's; those of u may stand elsewhere."""
        if len(space.sums) == 1:
            return
        total: Any = space.sums[0]
        split, count = len(total), 0
        into = total[split:]
        if direct:
            split, count = space.own("d_u"), self.u_rows * self.units
            memory: Any = (ctypes.c_char * (count * self.kernels.size)).from_address(direct)
            into = np.frombuffer(memory, total.dtype)
        for part in space.sums[1:]:
            total[:split] += part[:split]
            into += part[split : split + count]
