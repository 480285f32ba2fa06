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
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ._cells import CELLS
from ._form import Weights
from ._library import Kernels
from ._plan import Plan, make_plan, n_shards
from ._workspace import PLACE, Workspace, Workspaces

#: (step, row) pairs worked on at once at least.
_PAIRS = 64
#: Multiplications that a shard is worth.
_WORTH_A_SHARD = 2_000_000
_TYPES: dict[torch.dtype, type[np.floating]] = {
    torch.float32: np.float32,
    torch.float64: np.float64,
}
#: Fields that every call sets.
_ROWS, _PLACES, _LENGTHS, _KEPT = (PLACE[n] for n in ("rows", "place", "lengths", "kept"))


class Result(NamedTuple):
    """What a call gives: (B, T, H), zero at padding, and the last states, (B, H)."""

    out: Tensor
    h: Tensor
    c: Tensor | None


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


_spaces = Workspaces()


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _by_rows(x: Tensor) -> Tensor:
    """Make the last axis contiguous."""
    if x.stride(2) == 1 or x.shape[2] == 1:
        return x
    if not any(x.stride()):
        # The gradient of a sum is one number; one row of it will do.
        return x[:1, :1].contiguous().expand_as(x)
    return x.contiguous()


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

    plan: Plan

    def __init__(
        self,
        name: str,
        kernels: Kernels,
        lengths: np.ndarray | None,
        reverse: bool,
        threads: int,
    ) -> None:
        self.name, self.cell = name, CELLS[name]
        self.kernels, self.lengths = kernels, lengths
        self.reverse, self.threads = reverse, threads

    def _key(self, way: str, weights: Weights, x: Tensor) -> tuple:
        """Return what decides how memory is cut."""
        b_w, b_u = weights.b_w is None, weights.b_u is None
        sizes = x.shape[2], weights.u.shape[1], self.plan.rows, len(self.plan.shards)
        return (way, self.name, self.kernels.lanes, x.dtype, *sizes, b_w, b_u)

    def _constants(self, weights: Weights, x: Tensor) -> dict[str, int]:
        """Return the fields of sizes."""
        units = weights.u.shape[1]
        return {
            "channels": x.shape[2],
            "units": units,
            "padded": -(-units // self.kernels.lanes) * self.kernels.lanes,
            "capacity": max(_PAIRS, self.plan.rows),
        }

    def _packed_size(self, depth: int, columns: int) -> int:
        """Return the numbers in a packed right operand."""
        width = 3 * self.kernels.lanes
        return depth * -(-columns // width) * width

    def _make_forward(self, weights: Weights, x: Tensor) -> Workspace:
        """Cut memory for the way forward."""
        cell, constants = self.cell, self._constants(weights, x)
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
        shards = len(self.plan.shards)
        return Workspace(constants, shared, own, 0, shards, _TYPES[x.dtype])

    def _make_backward(self, weights: Weights, x: Tensor, wants_x: bool) -> Workspace:
        """Cut memory for the way back."""
        cell, constants = self.cell, self._constants(weights, x)
        channels, units, padded, pairs = constants.values()
        n_x, n_h, n_grads = len(cell.x_gates), len(cell.h_gates), cell.n_grads
        rows, lanes = self.plan.rows, self.kernels.lanes
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
            "d_u": weights.u.shape[0] * padded,
            "gathered": pairs * channels,
            "gates": rows * padded,
            "now": rows * padded,
            "h": rows * padded,
            "c": rows * padded * (cell.n_states - 1),
            "reset": 0 if cell.second is None else pairs * padded,
            "before": pairs * padded,
            "d_gates": pairs * n_grads * padded,
            "d_x_rows": (pairs + 1) * -(-channels // lanes) * lanes if wants_x else 0,
            "addresses": pairs * 8 // x.element_size(),
        }
        space = Workspace(constants, shared, own, 3, len(self.plan.shards), _TYPES[x.dtype])
        space.shared("one")[0] = 1
        return space

    def _call(
        self, packing: Any, function: Any, space: Workspace, given: dict[str, int], kept_size: int
    ) -> None:
        """Call a kernel on every block, each shard in one thread, the packing of weights first."""
        kept = given["kept"]
        dynamic = [(PLACE[name], value) for name, value in given.items()]
        for values in space.fields:
            for place, value in dynamic:
                values[place] = value
        packing(ctypes.addressof(space.fields[0]))
        shards = self.plan.shards

        def share(first: int, threads: int) -> None:
            for shard in range(first, len(shards), threads):
                values = space.fields[shard]
                for block in shards[shard]:
                    values[_ROWS] = block.rows
                    values[_PLACES] = block.place
                    values[_LENGTHS] = block.lengths
                    if kept:
                        values[_KEPT] = kept + block.kept * kept_size
                    function(ctypes.addressof(values))

        threads = min(self.threads, len(shards))
        if threads == 1:
            share(0, 1)
        else:
            _pool.run([partial(share, first, threads) for first in range(threads)])

    def _given(self, weights: Weights, x: Tensor, h: Tensor | None, out: Tensor) -> dict[str, int]:
        """Return the fields that both ways set."""
        x_row, x_step, _ = x.stride()
        out_row, out_step, _ = out.stride()
        return {
            "reverse": int(self.reverse),
            "x": x.data_ptr(),
            "x_row": x_row,
            "x_step": x_step,
            "w": weights.w.data_ptr(),
            "u": weights.u.data_ptr(),
            "out": out.data_ptr(),
            "out_row": out_row,
            "out_step": out_step,
            "h_start": _address(h),
        }

    def forward(
        self, weights: Weights, x: Tensor, h: Tensor | None, c: Tensor | None, keep: bool
    ) -> tuple[Result, Tensor | None]:
        """Run forward; also return what the way back needs, if it is to be kept."""
        batch, steps, channels = x.shape
        w_rows, units = weights.w.shape[0], weights.u.shape[1]
        lengths = self.lengths
        total = batch * steps if lengths is None else int(lengths.sum())
        shards = n_shards(
            batch, total, w_rows, len(weights.u) // w_rows * units + channels, _WORTH_A_SHARD
        )
        self.plan = make_plan(batch, steps, lengths, shards)
        cell, x = self.cell, _by_rows(x)
        out = (x.new_empty if lengths is None else x.new_zeros)(batch, steps, units)
        h_end = x.new_empty(batch, units)
        c_end = x.new_empty(batch, units) if cell.n_states == 2 else None
        kept = None
        if keep and cell.n_kept:
            lanes = self.kernels.lanes
            kept = x.new_empty(total, cell.n_kept * (-(-units // lanes) * lanes))
        key = self._key("forward", weights, x)
        space = _spaces.take(key, partial(self._make_forward, weights, x))
        given = self._given(weights, x, h, out)
        given["b_w"], given["b_u"] = _address(weights.b_w), _address(weights.b_u)
        given["c_start"] = _address(c)
        given["h_end"], given["c_end"] = h_end.data_ptr(), _address(c_end)
        given["kept"] = _address(kept)
        kept_size = 0 if kept is None else kept.stride(0) * kept.element_size()
        self._call(self.kernels.pack_forward, self.kernels.forward, space, given, kept_size)
        _spaces.give_back(key, space)
        return Result(out, h_end, c_end), kept

    def backward(
        self,
        weights: Weights,
        x: Tensor,
        h: Tensor | None,
        out: Tensor,
        kept: Tensor | None,
        grads: tuple[Tensor | None, Tensor | None, Tensor | None],
        wanted: tuple[bool, bool, bool],
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, Weights]:
        """Return the gradients at x, h and c, where `wanted`, and at the weights."""
        x, (d_out, d_h_end, d_c_end) = _by_rows(x), grads
        wants_x = wanted[0]
        d_h_end = None if d_h_end is None else d_h_end.contiguous()
        d_c_end = None if d_c_end is None else d_c_end.contiguous()
        units, lanes = weights.u.shape[1], self.kernels.lanes
        d_x = d_h = d_c = None
        if wants_x:
            make = torch.empty_like if self.lengths is None else torch.zeros_like
            d_x = make(x, memory_format=torch.contiguous_format)
        if wanted[1]:
            d_h = x.new_empty(x.shape[0], units)
        if wanted[2]:
            d_c = x.new_empty(x.shape[0], units)
        result = weights.empty_like()
        key = (*self._key("backward", weights, x), wants_x)
        space = _spaces.take(key, partial(self._make_backward, weights, x, wants_x))
        space.clear()
        given = self._given(weights, x, h, out)
        given["kept"] = _address(kept)
        if d_out is None:
            given["d_out"] = 0
        else:
            d_out = _by_rows(d_out)
            given["d_out"] = d_out.data_ptr()
            given["d_out_row"], given["d_out_step"], _ = d_out.stride()
        given["d_h_end"], given["d_c_end"] = _address(d_h_end), _address(d_c_end)
        given["d_h_start"], given["d_c_start"] = _address(d_h), _address(d_c)
        given["d_x"] = 0
        if d_x is not None:
            given["d_x"] = d_x.data_ptr()
            given["d_x_row"], given["d_x_step"], _ = d_x.stride()
        kept_size = 0 if kept is None else kept.stride(0) * kept.element_size()
        # Rows of whole vectors are summed where torch wants them.
        first, place = space.fields[0], PLACE["d_u"]
        own, direct = first[place], units % lanes == 0
        if direct:
            result.u.zero_()
            first[place] = result.u.data_ptr()
        self._call(self.kernels.pack_backward, self.kernels.backward, space, given, kept_size)
        self._add_up(space, result.u if direct else None)
        for name, grad in zip(Weights._fields, result, strict=True):
            first[PLACE[f"to_{name}"]] = _address(grad)
        if direct:
            first[PLACE["to_u"]] = 0
        self.kernels.unpack_grads(ctypes.addressof(first))
        first[place] = own
        _spaces.give_back(key, space)
        return d_x, d_h, d_c, result

    @staticmethod
    def _add_up(space: Workspace, u: Tensor | None) -> None:
        """Add the shards' sums to the first one's; those of u may stand elsewhere."""
        if len(space.sums) == 1:
            return
        total = space.sums[0]
        if u is None:
            for part in space.sums[1:]:
                total += part
            return
        into, split = u.view(-1).numpy(), space.own("d_u")
        for part in space.sums[1:]:
            total[:split] += part[:split]
            into += part[split : split + len(into)]


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
