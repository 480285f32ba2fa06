"""Whether a recurrence runs compiled. Imports torch and NumPy; llvmlite when used.

:func:`recur` is the door: it takes a layer's weights and a batch and gives the result, or None
where torch's own path is to be taken.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._imports import import_whole
from .._threads import recurrence_threads
from ._form import Form

#: Units up to which a single step that is to be differentiated is faster compiled; more steps
#: always are, and other cells.
_ONE_STEP = {"rnn_tanh": 0, "rnn_relu": 0, "rnn_sigmoid": 0, "gru": 128}

_usable: bool | None = None


def is_available() -> bool:
    """Tell whether kernels can be compiled: with llvmlite, unless SKLEARN_RNN_COMPILED=0."""
    global _usable
    if os.environ.get("SKLEARN_RNN_COMPILED") == "0":
        return False
    if _usable is None:
        _usable = find_spec("llvmlite") is not None
    return _usable


_PLAIN = (Tensor, torch.nn.Parameter)


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
    most = _ONE_STEP.get(form.name)
    return most is None or form.weights.u.shape[1] <= most


def _takes(form: Form, x: Tensor, states: tuple[Tensor, ...]) -> bool:
    """Tell whether the kernels know these inputs; what is wrong with others is for torch to say."""
    weights, dtype, shape = form.weights, x.dtype, x.shape
    if dtype not in (torch.float32, torch.float64) or len(shape) != 3 or 0 in shape:
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
    return _run(form, x, states, lengths, reverse)


def _kernels(name: str, x: Tensor) -> Any:
    """Return a cell's kernels, or None where they cannot be had on this machine after all."""
    global _usable
    try:
        import_whole(f"{__package__}._library")
        from . import _library

        return _library.load_kernels(name, x.element_size())
    except MemoryError:
        raise
    except Exception:
        # llvmlite is broken, or knows no such processor: torch does without.
        _usable = False
        return None


def _run(
    form: Form, x: Tensor, states: tuple[Tensor, ...], lengths: Tensor | None, reverse: bool
) -> tuple[Tensor, Any] | None:
    """Call the kernels."""
    kernels = _kernels(form.name, x)
    if kernels is None:
        return None
    from . import _call

    steps = None
    if lengths is not None:
        steps = np.minimum(np.maximum(lengths.detach().numpy(), 0), x.shape[1])
    call = _call.Call(form.name, kernels, steps, reverse, recurrence_threads())
    h = states[0][0] if states else None
    c = states[1][0] if len(states) > 1 else None
    out, h_end, c_end = _call.run(call, x, h, c, form.weights)
    return out, h_end[None] if c_end is None else (h_end[None], c_end[None])
