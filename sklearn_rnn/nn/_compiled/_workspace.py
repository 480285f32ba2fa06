"""Work memory of calls, kept from one to the next with what points into it. Imports NumPy.

Fresh pages, and filling in fields, cost more than short calls compute.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Hashable

import numpy as np

from ._loops import FIELDS

PLACE = {name: index for index, name in enumerate(FIELDS)}
Fields = ctypes.c_int64 * len(FIELDS)
_LINE = 64


class Workspace:
    """Memory cut into arrays that begin at whole lines of the cache, all zeros at first.

    What pads a row to whole vectors is read and never written, so that it stays zero.

    Parameters
    ----------
    constants : dict
        Fields that are the same in every call.
    shared, own : dict
        Numbers in the arrays that all shards share, and in those that each has for itself.
    sums : int
        So many of `own`, the first ones, are sums, which :meth:`clear` sets to zero.
    shards : int
    dtype : numpy dtype

    Attributes
    ----------
    fields : list of ctypes arrays
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
        dtype: type[np.floating],
    ) -> None:
        line = _LINE // np.dtype(dtype).itemsize

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
        memory = np.zeros(total + line, dtype=dtype)
        skip = -memory.ctypes.data % _LINE // memory.itemsize
        self.memory = memory[skip : skip + total]
        self.size = memory.nbytes
        base = self.memory.ctypes.data
        end_of_sums = list(self._own.values())[sums] if sums else 0
        self.fields, self.sums = [], []
        for shard in range(shards):
            fields, first = Fields(), common + apart * shard
            places = self._starts | {name: first + start for name, start in self._own.items()}
            for name, value in constants.items():
                fields[PLACE[name]] = value
            for name, start in places.items():
                fields[PLACE[name]] = base + start * memory.itemsize
            self.fields.append(fields)
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
