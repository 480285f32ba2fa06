"""Run a compiled cell over a batch: cut it into shards and blocks, call, differentiate. No rule.

Each thread takes shards of the rows through all steps, so that none waits for another within a
call. A shard is cut into blocks of rows, whose states fit the cache. Shards depend on the batch
alone and the weights' gradients are summed shard by shard, so that the number of threads changes
no bit of them.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ._cells import CELLS, Cell
from ._form import Weights
from ._library import Kernels
from ._loops import FIELDS

_PLACE = {name: index for index, name in enumerate(FIELDS)}
_Fields = ctypes.c_int64 * len(FIELDS)
#: Rows of a block at most, and (step, row) pairs worked on at once at least.
_BLOCK_ROWS, _PAIRS = 32, 64
#: Shards at most.
_SHARDS = 8
#: Multiplications that a shard is worth.
_WORTH_A_SHARD = 2_000_000
_LINE = 64
_NEVER = np.iinfo(np.int64).max


class Result(NamedTuple):
    """What a call gives: (B, T, H), zero at padding, and the last states, (B, H)."""

    out: Tensor
    h: Tensor
    c: Tensor | None


@dataclass
class _Block:
    """Rows that one call of a kernel takes, longest first."""

    place: np.ndarray
    #: The rows' steps, between a length that no step reaches and one that no step is below.
    lengths: np.ndarray
    #: Where in `kept` its steps begin.
    kept: int

    @property
    def rows(self) -> int:
        return len(self.place)


def n_shards(batch: int, steps: int, rows: int, columns: int) -> int:
    """Return the shards of a batch, whatever the threads: by its rows, and by what is to be done.

    `steps` are those of all rows together; `rows` and `columns` are the recurrent weights' and
    the inputs' together. Large weights have large sums, which each shard has for itself.
    """
    least = 16 if columns < 256 else 32
    return max(1, min(_SHARDS, -(-batch // least), steps * rows * columns // _WORTH_A_SHARD))


def _blocks(batch: int, steps: int, lengths: np.ndarray | None, shards: int) -> list[list[_Block]]:
    """Deal the rows out to shards, the longest first, and cut each shard into blocks."""
    if lengths is None:
        order, sizes = np.arange(batch), np.full(batch, steps, dtype=np.int64)
    else:
        order = np.argsort(-lengths, kind="stable")
        sizes = lengths[order]
    kept, result = 0, []
    for shard in range(shards):
        mine, own = order[shard::shards], sizes[shard::shards]
        blocks = []
        count = -(-len(mine) // _BLOCK_ROWS)
        for part in range(count):
            chosen = slice(part * len(mine) // count, (part + 1) * len(mine) // count)
            ends = np.concatenate(([_NEVER], own[chosen], [0])).astype(np.int64)
            blocks.append(_Block(np.ascontiguousarray(mine[chosen], dtype=np.int64), ends, kept))
            kept += int(own[chosen].sum())
        result.append(blocks)
    return result


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
            assert self._pool is not None
            futures: list[Future[None]] = [self._pool.submit(task) for task in tasks[1:]]
        try:
            tasks[0]()
        finally:
            for future in futures:
                future.result()


_pool = _Pool()


def _forget_threads() -> None:
    """Threads do not survive a fork."""
    global _pool
    _pool = _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


class _Memory:
    """Work memory kept from call to call: fresh pages cost more than short calls compute."""

    def __init__(self, most: int = 32 * 2**20) -> None:
        self.most = most
        self._kept: dict[int, list[np.ndarray]] = {}
        self._total = 0

    def zeros(self, size: int) -> np.ndarray:
        """Return so many bytes, all zero."""
        # Threads may meet here; a list's own methods are all they share.
        try:
            piece = self._kept[size].pop()
        except (KeyError, IndexError):
            return np.zeros(size, dtype=np.uint8)
        self._total -= size
        piece.fill(0)
        return piece

    def give_back(self, piece: np.ndarray) -> None:
        """Keep bytes for later calls, unless that would be too many."""
        if self._total + len(piece) > self.most:
            self._kept, self._total = {}, 0
        if len(piece) <= self.most // 4:
            self._total += len(piece)
            self._kept.setdefault(len(piece), []).append(piece)


_memory = _Memory()


class _Area:
    """A piece of memory, cut into arrays that begin at whole lines of the cache."""

    def __init__(self, sizes: dict[str, int], like: Tensor) -> None:
        size = like.element_size()
        starts, total = {}, 0
        for name, count in sizes.items():
            starts[name] = total
            total += -(-count * size // _LINE) * _LINE
        # Zeros: what pads a row to whole vectors is read, and must be finite.
        self._memory = _memory.zeros(total + _LINE)
        begin = self._memory.ctypes.data
        skip = -begin % _LINE
        self.addresses = {name: begin + skip + start for name, start in starts.items()}
        self._places = {n: (skip + start, sizes[n] * size) for n, start in starts.items()}
        self._dtype = like.dtype

    def __del__(self) -> None:
        _memory.give_back(self._memory)

    def part(self, name: str) -> Tensor:
        """Return one array."""
        start, size = self._places[name]
        return torch.from_numpy(self._memory[start : start + size]).view(self._dtype)


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _by_rows(x: Tensor) -> Tensor:
    """Make the last axis contiguous."""
    return x if x.stride(2) == 1 or x.shape[2] == 1 else x.contiguous()


class Call:
    """One run of a cell over a batch, forward and, if asked for, back.

    Parameters
    ----------
    name : str
        A key of ``CELLS``.
    kernels : Kernels
        Its compiled functions.
    lengths : numpy array of shape (B,) or None
        Steps of each row; None means all.
    reverse : bool
        Start each row at its last step.
    threads : int
        To use at most. They change no bit of the result.
    """

    def __init__(
        self,
        name: str,
        kernels: Kernels,
        lengths: np.ndarray | None,
        reverse: bool,
        threads: int,
    ) -> None:
        self.cell: Cell = CELLS[name]
        self.kernels, self.lengths = kernels, lengths
        self.reverse, self.threads = reverse, threads

    def _fields(self, weights: Weights, x: Tensor) -> dict[str, int]:
        """Return what both ways have in common."""
        units, channels = weights.u.shape[1], x.shape[2]
        pairs = max(_PAIRS, max((b.rows for shard in self.blocks for b in shard), default=1))
        return {
            "channels": channels,
            "units": units,
            "padded": -(-units // self.kernels.lanes) * self.kernels.lanes,
            "capacity": pairs,
            "reverse": int(self.reverse),
            "x": x.data_ptr(),
            "x_row": x.stride(0),
            "x_step": x.stride(1),
            "w": weights.w.data_ptr(),
            "u": weights.u.data_ptr(),
            "b_w": _address(weights.b_w),
            "b_u": _address(weights.b_u),
        }

    def _packed_size(self, depth: int, columns: int) -> int:
        """Return the numbers in a packed right operand."""
        width = 3 * self.kernels.lanes
        return depth * -(-columns // width) * width

    def _run(self, function: Any, fields: dict[str, int], areas: list[dict[str, int]]) -> None:
        """Call a kernel on every block, each shard in one thread."""

        def task(shard: int) -> None:
            values = _Fields()
            for name, value in (fields | areas[shard]).items():
                values[_PLACE[name]] = value
            kept = values[_PLACE["kept"]]
            for block in self.blocks[shard]:
                values[_PLACE["rows"]] = block.rows
                values[_PLACE["place"]] = block.place.ctypes.data
                values[_PLACE["lengths"]] = block.lengths.ctypes.data + 8
                if kept:
                    values[_PLACE["kept"]] = kept + block.kept * self.kept_size
                function(ctypes.addressof(values))

        def share(first: int, threads: int) -> None:
            for shard in range(first, len(self.blocks), threads):
                task(shard)

        threads = min(self.threads, len(self.blocks))
        _pool.run([partial(share, first, threads) for first in range(threads)])

    def forward(
        self, weights: Weights, x: Tensor, h: Tensor | None, c: Tensor | None, keep: bool
    ) -> tuple[Result, Tensor | None]:
        """Run forward; also return what the way back needs, if it is to be kept."""
        batch, steps, channels = x.shape
        total = batch * steps if self.lengths is None else int(self.lengths.sum())
        shards = n_shards(batch, total, weights.u.shape[0], weights.u.shape[1] + channels)
        self.blocks = _blocks(batch, steps, self.lengths, shards)
        cell, x = self.cell, _by_rows(x)
        fields = self._fields(weights, x)
        units, padded, pairs = fields["units"], fields["padded"], fields["capacity"]
        n_x, n_h = len(cell.x_gates), len(cell.h_gates)
        ragged = self.lengths is not None
        out = (x.new_zeros if ragged else x.new_empty)(batch, steps, units)
        h_end = x.new_empty(batch, units)
        c_end = x.new_empty(batch, units) if cell.n_states == 2 else None
        kept = None
        if keep:
            self.kept_size = cell.n_kept * padded * x.element_size()
            kept = x.new_empty(total, cell.n_kept * padded)
        packed = _Area(
            {
                "w_packed": self._packed_size(channels, n_x * padded),
                "u_packed": self._packed_size(units, n_h * padded),
                "second_packed": 0 if cell.second is None else self._packed_size(units, padded),
                "b_packed": n_x * padded,
                "h_packed": n_h * padded,
            },
            x,
        )
        rows = max((b.rows for shard in self.blocks for b in shard), default=0)
        sizes = {
            "gathered": pairs * channels,
            "shares": pairs * n_x * padded,
            "gates": rows * n_h * padded,
            "h": rows * padded,
            "c": rows * padded * (cell.n_states - 1),
            "reset": 0 if cell.second is None else rows * padded,
        }
        fields |= packed.addresses | {
            "out": out.data_ptr(),
            "out_row": out.stride(0),
            "out_step": out.stride(1),
            "h_start": _address(h),
            "c_start": _address(c),
            "h_end": h_end.data_ptr(),
            "c_end": _address(c_end),
            "kept": _address(kept),
        }
        self._call(self.kernels.pack_forward, fields)
        areas = [_Area(sizes, x) for _ in self.blocks]
        self._run(self.kernels.forward, fields, [area.addresses for area in areas])
        return Result(out, h_end, c_end), kept

    def _call(self, function: Any, fields: dict[str, int]) -> None:
        """Call a function once."""
        values = _Fields()
        for name, value in fields.items():
            values[_PLACE[name]] = value
        function(ctypes.addressof(values))

    def backward(
        self,
        weights: Weights,
        x: Tensor,
        h: Tensor | None,
        out: Tensor,
        kept: Tensor,
        grads: tuple[Tensor | None, Tensor | None, Tensor | None],
        wanted: tuple[bool, bool, bool],
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, Weights]:
        """Return the gradients at x, h and c, where `wanted`, and at the weights."""
        cell, x, (d_out, d_h_end, d_c_end) = self.cell, _by_rows(x), grads
        if d_out is not None:
            d_out = _by_rows(d_out)
        d_h_end = None if d_h_end is None else d_h_end.contiguous()
        d_c_end = None if d_c_end is None else d_c_end.contiguous()
        fields = self._fields(weights, x)
        channels, units = fields["channels"], fields["units"]
        padded, pairs = fields["padded"], fields["capacity"]
        n_x, n_h, n_grads = len(cell.x_gates), len(cell.h_gates), cell.n_grads
        ragged = self.lengths is not None
        d_x = (torch.zeros_like if ragged else torch.empty_like)(
            x, memory_format=torch.contiguous_format
        ) if wanted[0] else None  # fmt: skip
        d_h = x.new_empty(x.shape[0], units) if wanted[1] else None
        d_c = x.new_empty(x.shape[0], units) if wanted[2] else None
        packed = _Area(
            {
                "u_back": self._packed_size(n_h * padded, padded),
                "second_back": 0 if cell.second is None else self._packed_size(padded, padded),
                "w_back": self._packed_size(n_x * padded, channels) if wanted[0] else 0,
                "h_packed": padded,
                "one": 1,
            },
            x,
        )
        packed.part("one").fill_(1)
        addresses = packed.addresses
        if not wanted[0]:
            addresses["w_back"] = 0
        if cell.second is None:
            addresses["second_back"] = 0
        wide = -(-channels // self.kernels.lanes) * self.kernels.lanes
        rows = max((b.rows for shard in self.blocks for b in shard), default=0)
        sums = {
            "d_w": channels * n_x * padded,
            "d_u": weights.u.shape[0] * padded,
            "d_b": n_grads * padded,
        }
        sizes = {
            "gathered": pairs * channels,
            "gates": rows * padded,
            "h": rows * padded,
            "c": rows * padded * (cell.n_states - 1),
            "reset": 0 if cell.second is None else pairs * padded,
            "before": pairs * padded,
            "d_gates": pairs * n_grads * padded,
            "d_x_rows": (pairs + 1) * wide if wanted[0] else 0,
            "addresses": pairs * 8 // x.element_size(),
        }
        fields |= addresses | {
            "out": out.data_ptr(),
            "out_row": out.stride(0),
            "out_step": out.stride(1),
            "h_start": _address(h),
            "kept": kept.data_ptr(),
            "d_out": _address(d_out),
            "d_out_row": 0 if d_out is None else d_out.stride(0),
            "d_out_step": 0 if d_out is None else d_out.stride(1),
            "d_h_end": _address(d_h_end),
            "d_c_end": _address(d_c_end),
            "d_x": _address(d_x),
            "d_x_row": 0 if d_x is None else d_x.stride(0),
            "d_x_step": 0 if d_x is None else d_x.stride(1),
            "d_h_start": _address(d_h),
            "d_c_start": _address(d_c),
        }
        self._call(self.kernels.pack_backward, fields)
        result = weights.empty_like()
        areas, places = [], []
        for shard in range(len(self.blocks)):
            own = dict(sums)
            # Rows of whole vectors are summed where torch wants them.
            direct = shard == 0 and padded == units
            if direct:
                own["d_u"] = 0
                result.u.zero_()
            areas.append(_Area(sizes | own, x))
            place = areas[-1].addresses
            places.append(place | {"d_u": result.u.data_ptr()} if direct else place)
        self._run(self.kernels.backward, fields, places)
        for area in areas[1:]:
            for name in sums:
                into = areas[0].part(name)
                (result.u.view(-1) if into.numel() == 0 else into).add_(area.part(name))
        fields |= {name: places[0][name] for name in sums}
        fields |= {f"to_{name}": _address(grad) for name, grad in result._asdict().items()}
        if padded == units:
            fields["to_u"] = 0
        self._call(self.kernels.unpack_grads, fields)
        return d_x, d_h, d_c, result


class _Last(torch.autograd.Function):
    """Pass gradients on that cannot be differentiated again, and say so if that is tried."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Tensor) -> Any:
        return tuple(tensor.clone() for tensor in tensors[:count])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError(
            "The compiled recurrences have no second derivatives. Set the environment variable "
            "SKLEARN_RNN_COMPILED=0 to compute them by torch."
        )


class Compiled(torch.autograd.Function):
    """A :class:`Call` as a step that torch can differentiate, once."""

    @staticmethod
    def forward(ctx: Any, call: Call, x: Tensor, h: Any, c: Any, *weights: Any) -> Any:
        result, kept = call.forward(Weights(*weights), x, h, c, keep=True)
        ctx.call = call
        ctx.save_for_backward(x, h, c, *weights, result.out, kept)
        ctx.set_materialize_grads(False)
        return tuple(result)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, h, c, *weights, out, kept = ctx.saved_tensors
        with torch.no_grad():
            *others, d_weights = ctx.call.backward(
                Weights(*weights), x, h, out, kept, grads, ctx.needs_input_grad[1:4]
            )
        results = [None, *others, *d_weights]
        if torch.is_grad_enabled():
            places = [i for i, result in enumerate(results) if result is not None]
            sources = [t for t in (x, h, c, *weights, *grads) if t is not None]
            tensors = [results[i] for i in places]
            for place, last in zip(
                places, _Last.apply(len(tensors), *tensors, *sources), strict=True
            ):
                results[place] = last
        return tuple(results)


def run(call: Call, x: Tensor, h: Tensor | None, c: Tensor | None, weights: Weights) -> Result:
    """Run a call, differentiably where torch would."""
    h, c = (None if t is None else t.contiguous() for t in (h, c))
    weights = weights.contiguous()
    tensors = (x, h, c, *weights)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        return Result(*Compiled.apply(call, *tensors))
    result, _ = call.forward(weights, x, h, c, keep=False)
    return result
