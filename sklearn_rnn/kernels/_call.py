"""Run a compiled cell over a batch: cut it into shards and blocks, and call. Imports NumPy.

Each thread takes shards of the rows through all steps, so that none waits for another within a
call. A shard is cut into blocks of rows, whose states fit the cache. Shards depend on the batch
alone and the weights' gradients are summed shard by shard, so that the number of threads changes
no bit of them.

Arrays are given by name as the addresses of their memory, which stays the caller's; the names are
those of :class:`CellFields`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any

import numpy as np

from ._builder import Real
from ._cells import CELLS
from ._loops import CellFields
from ._plan import make_plan, n_shards, run_together
from ._product import PANEL

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
        So many of `own`, the first ones, are sums, which :meth:`clear` sets to zero.
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
