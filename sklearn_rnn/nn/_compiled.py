"""Torch's side of the compiled kernels: whether they run, on which memory, and their gradients.

Imports torch, and the kernels. :func:`recur` takes a layer's weights and a batch and gives the
result, or None where torch's own path is to be taken; :func:`reservoir_call` and
:func:`count_above` do the same for the fixed features of the closed form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..kernels import is_available, load

#: Units up to which a single step that is to be differentiated is faster compiled; more steps
#: always are, and other cells. No single step of a simple recurrence is.
_ONE_STEP = {"gru": 128}
#: Bytes of a block's recurrent weights; larger ones leave the cache, and torch, which reads them
#: once for many rows, is faster (measured: 500 units in single precision are, 1000 are not).
_LARGEST_BLOCK = 2**20
_PLAIN = (Tensor, torch.nn.Parameter)
_REALS = (torch.float32, torch.float64)


class Weights(NamedTuple):
    """A cell's weights as torch has them; a bias may be missing."""

    w: Tensor
    u: Tensor
    b_w: Tensor | None = None
    b_u: Tensor | None = None

    def _each(self, change: Callable[[Tensor], Tensor]) -> Weights:
        b_w, b_u = (None if b is None else change(b) for b in (self.b_w, self.b_u))
        return Weights(change(self.w), change(self.u), b_w, b_u)

    def contiguous(self) -> Weights:
        """Return the weights without gaps."""
        return self._each(Tensor.contiguous)

    def empty_like(self) -> Weights:
        """Return uninitialised tensors of the same shapes."""
        return self._each(torch.empty_like)


class Form(NamedTuple):
    """What a layer computes: a name of the compiled cells, its weights, the tensors of a state."""

    name: str
    weights: Weights
    n_states: int = 1


def _is_traced() -> bool:
    """Tell whether torch is looking at the operations rather than wanting a result."""
    transformed = getattr(torch._C, "_are_functorch_transforms_active", None)
    return (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch.is_autocast_enabled("cpu")
        or (transformed is not None and transformed())
    )


def is_faster(form: Form, x: Tensor) -> bool:
    """Tell whether the kernels are the faster path, measured by `benchmarks/cells.py`.

    They are, but for training on single steps. What is not to be differentiated always runs
    compiled, so that a row has the same bits in every batch; torch would be faster there for one
    row of one or two steps through 512 units, whose weights have to be laid out anew.
    """
    if x.shape[1] > 1 or not torch.is_grad_enabled():
        return True
    most = 0 if form.name.startswith("rnn_") else _ONE_STEP.get(form.name)
    return most is None or form.weights.u.shape[1] <= most


def _takes(form: Form, x: Tensor, states: tuple[Tensor, ...]) -> bool:
    """Tell whether the kernels know these inputs; what is wrong with others is for torch to say."""
    weights, dtype, shape = form.weights, x.dtype, x.shape
    if dtype not in _REALS or len(shape) != 3 or 0 in shape:
        return False
    if shape[2] != weights.w.shape[1]:
        return False
    for tensor in (x, *states, *weights):
        # In memory, of one type, and nothing cleverer.
        if tensor is not None and not (
            type(tensor) in _PLAIN
            and tensor.is_cpu
            and tensor.dtype == dtype
            and tensor.layout == torch.strided
        ):
            return False
    if not states:
        return True
    expected = (1, shape[0], weights.u.shape[1])
    return all(state.shape == expected for state in states)


def recur(
    form: Form, x: Tensor, state: Any, lengths: Tensor | None = None, reverse: bool = False
) -> tuple[Tensor, Any] | None:
    """Run one layer in one direction by compiled code, or return None for torch to do it.

    Parameters
    ----------
    form : Form
    x : Tensor of shape (B, T, C)
        Its padding is not read.
    state : Tensor of shape (1, B, H), a pair of such, or None
    lengths : Tensor of shape (B,), default=None
        Steps of each row.
    reverse : bool, default=False
        Start each row at its last step.

    Returns
    -------
    output : Tensor of shape (B, T, H)
        Zero at padding.
    state : Tensor of shape (1, B, H), or a pair of such
        After each row's last step; its first in reverse.
    """
    if not isinstance(x, Tensor) or not x.is_cpu or not is_available() or _is_traced():
        return None
    states: Any = () if state is None else state if form.n_states > 1 else (state,)
    if not (isinstance(states, tuple) and all(isinstance(s, Tensor) for s in states)):
        return None
    if not (_takes(form, x, states) and is_faster(form, x)):
        return None
    kernels = load(form.name, x.element_size())
    if kernels is None:
        return None
    steps = None
    if lengths is not None:
        steps = np.minimum(np.maximum(lengths.detach().numpy(), 0), x.shape[1])
    weights = form.weights.contiguous()
    biases = weights.b_w is not None, weights.b_u is not None
    units = weights.u.shape[1]
    call = kernels.call(tuple(x.shape), units, biases, steps, reverse, recurrence_threads())
    h, c = (None if i >= len(states) else states[i][0].contiguous() for i in (0, 1))
    tensors = (x, h, c, *weights)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        out, h_end, c_end = Compiled.apply(call, *tensors)
    else:
        out, h_end, c_end, _ = _forward(call, x, h, c, weights, keep=False)
    return out, h_end[None] if c_end is None else (h_end[None], c_end[None])


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


def _fields(x: Tensor, out: Tensor, h: Tensor | None, weights: Weights) -> dict[str, int]:
    """Return the addresses and strides that both ways read."""
    x_row, x_step, _ = x.stride()
    out_row, out_step, _ = out.stride()
    return {
        "x": x.data_ptr(),
        "x_row": x_row,
        "x_step": x_step,
        "out": out.data_ptr(),
        "out_row": out_row,
        "out_step": out_step,
        "h_start": _address(h),
        "w": weights.w.data_ptr(),
        "u": weights.u.data_ptr(),
    }


def _forward(
    call: Any, x: Tensor, h: Tensor | None, c: Tensor | None, weights: Weights, keep: bool
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Return the output, zero at padding, the last states, and what is kept for the way back."""
    (batch, steps, _), units = x.shape, call.units
    x = _by_rows(x)
    out = (x.new_empty if call.level else x.new_zeros)(batch, steps, units)
    h_end = x.new_empty(batch, units)
    c_end = x.new_empty(batch, units) if call.n_states == 2 else None
    kept = x.new_empty(call.kept_shape) if keep and call.kept_shape[1] else None
    given = _fields(x, out, h, weights)
    given["b_w"], given["b_u"], given["c_start"] = map(_address, (weights.b_w, weights.b_u, c))
    given["h_end"], given["c_end"], given["kept"] = map(_address, (h_end, c_end, kept))
    call.forward(given)
    return out, h_end, c_end, kept


def _backward(
    call: Any,
    x: Tensor,
    h: Tensor | None,
    weights: Weights,
    out: Tensor,
    kept: Tensor | None,
    grads: tuple[Tensor | None, Tensor | None, Tensor | None],
    wanted: tuple[bool, bool, bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None, Weights]:
    """Return the gradients at x, h and c, where `wanted`, and at the weights."""
    x, (d_out, d_h_end, d_c_end) = _by_rows(x), grads
    d_x = None
    if wanted[0]:
        make = torch.empty_like if call.level else torch.zeros_like
        d_x = make(x, memory_format=torch.contiguous_format)
    d_h, d_c = (x.new_empty(len(x), call.units) if want else None for want in wanted[1:])
    d_out = None if d_out is None else _by_rows(d_out)
    ends = [None if d is None else d.contiguous() for d in (d_h_end, d_c_end)]
    d_weights = weights.empty_like()
    given = _fields(x, out, h, weights)
    given["kept"] = _address(kept)
    for name, tensor in (("d_out", d_out), ("d_x", d_x)):
        given[name] = _address(tensor)
        if tensor is not None:
            given[f"{name}_row"], given[f"{name}_step"], _ = tensor.stride()
    given["d_h_end"], given["d_c_end"] = map(_address, ends)
    given["d_h_start"], given["d_c_start"] = _address(d_h), _address(d_c)
    for name, grad in zip(Weights._fields, d_weights, strict=True):
        given[f"to_{name}"] = _address(grad)
    call.backward(given)
    return d_x, d_h, d_c, d_weights


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
    """A run of a compiled cell as a step that torch can differentiate, once."""

    @staticmethod
    def forward(ctx: Any, call: Any, x: Tensor, h: Any, c: Any, *weights: Any) -> Any:
        *result, kept = _forward(call, x, h, c, Weights(*weights), keep=True)
        ctx.call = call
        ctx.save_for_backward(x, h, c, *weights, result[0], kept)
        ctx.set_materialize_grads(False)
        return tuple(result)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, h, c, *weights, out, kept = ctx.saved_tensors
        with torch.no_grad():
            *others, d_weights = _backward(
                ctx.call, x, h, Weights(*weights), out, kept, grads, ctx.needs_input_grad[1:4]
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


# ------------------------------------------------------------------ fixed features


def _usable(*tensors: Tensor) -> bool:
    """Tell whether these stand in memory as the kernels of fixed features read them."""
    dtype = tensors[0].dtype
    return (
        dtype in _REALS
        and all(type(t) is Tensor and t.is_cpu and t.dtype == dtype for t in tensors)
        and is_available()
        and not _is_traced()
    )


class ReservoirCall:
    """A reservoir's weights as its kernel reads them; never changed."""

    def __init__(
        self, kernel: Any, weight_in: Tensor, weight: Tensor, bias: Tensor, leak: Tensor
    ) -> None:
        self._kernel, self._shape = kernel, tuple(weight_in.shape)
        padded = kernel.padded(weight_in.shape[2])
        wide = {"weight_in": weight_in, "weight": weight, "bias": bias}
        self._weights = {name: _widened(part, padded) for name, part in wide.items()}
        self._weights["leak"] = leak.contiguous()

    def advance(
        self,
        read: Sequence[Tensor],
        lengths: Tensor | None,
        arrays: dict[str, Tensor],
    ) -> None:
        """Take rows on by some steps (B, T, inputs), one tensor a direction; changes the arrays.

        Parameters
        ----------
        read : sequence of Tensor
        lengths : Tensor of shape (B,) or None
        arrays : dict of str to Tensor
            By field: the states and poolings (K, B, U), without gaps, and the count of steps.
        """
        rows, steps, inputs = read[0].shape
        read = [part.contiguous() for part in read]
        size = steps * inputs * read[0].element_size()
        places = [part.data_ptr() + row * size for part in read for row in range(rows)]
        known = [steps] * rows if lengths is None else lengths.clamp(0, steps).tolist()
        given = {name: part.data_ptr() for name, part in {**self._weights, **arrays}.items()}
        self._kernel.advance(given, self._shape, places, known, recurrence_threads())


def _widened(weights: Tensor, padded: int) -> Tensor:
    """Fill the last axis up to whole vectors with zeros."""
    missing = padded - weights.shape[-1]
    return torch.nn.functional.pad(weights, (0, missing)).contiguous()


def reservoir_call(
    weight_in: Tensor, weight: Tensor, bias: Tensor, leak: Tensor
) -> ReservoirCall | None:
    """Return a reservoir ready to be run compiled, or None for torch to do it."""
    if not _usable(weight_in, weight, bias, leak) or weight[0].nbytes > _LARGEST_BLOCK:
        return None
    kernel = load("reservoir", weight.element_size())
    return None if kernel is None else ReservoirCall(kernel, weight_in, weight, bias, leak)


def count_above(
    mixed: Tensor,
    lengths: Sequence[int],
    dilation: int,
    taps: Tensor,
    level: Tensor,
    slope: Tensor,
    found: Tensor,
) -> bool:
    """Add to `found` how many steps of each row are above each level; False for torch to do it.

    Parameters
    ----------
    mixed : Tensor of shape (mixes, B, size)
        The first tap of a row's first step is its first number; behind the last tap
        of the longest row's last step stand 16 numbers more.
    lengths : sequence of int
        Steps of each row.
    dilation : int
    taps : Tensor of shape (kernels, 3), int64
        Which of the nine taps weigh 2 and not -1, of the kernels of each mix after the other.
    level : Tensor of shape (kernels, levels)
    slope : Tensor of shape (B,)
    found : Tensor of shape (B, kernels, levels)
        Without gaps.
    """
    kernel = (
        load("convolutions", mixed.element_size()) if _usable(mixed, level, slope, found) else None
    )
    if kernel is None:
        return False
    read = {
        "mixed": mixed.contiguous(),
        "taps": (taps * dilation).contiguous(),
        "level": level.contiguous(),
        "slope": slope.contiguous(),
        "found": found,
    }
    given = {name: part.data_ptr() for name, part in read.items()}
    kernel.count(given, tuple(mixed.shape), lengths, dilation, len(taps))
    return True


_allowed: ContextVar[int | None] = ContextVar("recurrence_threads", default=None)


def recurrence_threads() -> int:
    """Return the threads that compiled recurrences may use; unless said otherwise, torch's."""
    allowed = _allowed.get()
    return torch.get_num_threads() if allowed is None else allowed


@contextmanager
def allow_threads(n_threads: int) -> Iterator[None]:
    """Let compiled recurrences of this thread of control use this many threads."""
    before = _allowed.get()
    try:
        _allowed.set(n_threads)
        yield
    finally:
        _allowed.set(before)
