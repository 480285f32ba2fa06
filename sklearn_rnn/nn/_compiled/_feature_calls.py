"""The door to the kernels of the closed form's fixed features. Imports torch; llvmlite when used.

:func:`reservoir_call` and :func:`count_above` give None where torch's own path is to be taken.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .._threads import recurrence_threads
from ._choice import _is_traced, _kernels, is_available

#: Multiplications that a thread of its own is worth.
_WORTH_A_THREAD = 2_000_000
#: Bytes of a block's recurrent weights; larger ones leave the cache, and torch, which reads them
#: once for many rows, is faster (measured: 500 units in single precision are, 1000 are not).
_LARGEST_BLOCK = 2**20


def _usable(*tensors: Tensor) -> bool:
    """Tell whether these stand in memory as the kernels read them."""
    dtype = tensors[0].dtype
    return (
        dtype in (torch.float32, torch.float64)
        and all(type(t) is Tensor and t.is_cpu and t.dtype == dtype for t in tensors)
        and is_available()
        and not _is_traced()
    )


def _fields(names: Sequence[str], values: dict[str, int]) -> Any:
    """Put a call's fields one after the other."""
    return (ctypes.c_int64 * len(names))(*(values.get(name, 0) for name in names))


class ReservoirCall:
    """A reservoir's weights as its kernel reads them; never changed.

    Parameters
    ----------
    kernel : FeatureKernel
    weight_in, weight, bias, leak : Tensor
        Of the reservoir.
    """

    def __init__(
        self, kernel: Any, weight_in: Tensor, weight: Tensor, bias: Tensor, leak: Tensor
    ) -> None:
        from ._features import POOLED_STEPS, RESERVOIR_FIELDS

        self._run, self._names = kernel.run, RESERVOIR_FIELDS
        self.blocks, self.inputs, self.units = weight_in.shape
        padded = -(-self.units // kernel.lanes) * kernel.lanes
        wide = [_widened(part, padded) for part in (weight_in, weight, bias)]
        self._weights = [*wide, leak.contiguous()]
        self._known = {
            "units": self.units,
            "padded": padded,
            "inputs": self.inputs,
            **dict(
                zip(
                    ("weight_in", "weight", "bias", "leak"),
                    (part.data_ptr() for part in self._weights),
                    strict=True,
                )
            ),
        }
        self._work = (POOLED_STEPS + 6) * padded

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
        starts = (ctypes.c_int64 * len(places))(*places)
        ends = (ctypes.c_int64 * rows)(*known)
        values = {
            **self._known,
            "rows": rows,
            "per_direction": self.blocks // len(read),
            "steps": ctypes.addressof(starts),
            "lengths": ctypes.addressof(ends),
            **{name: part.data_ptr() for name, part in arrays.items()},
        }
        cost = sum(known) * self.blocks * self.units * (self.units + inputs)
        parts = max(1, min(recurrence_threads(), self.blocks, cost // _WORTH_A_THREAD))
        work = read[0].new_empty(parts, self._work)
        calls = []
        for part in range(parts):
            values["first"] = self.blocks * part // parts
            values["last"] = self.blocks * (part + 1) // parts
            values["work"] = work[part].data_ptr()
            calls.append(_fields(self._names, values))
        if parts == 1:
            self._run(ctypes.addressof(calls[0]))
            return
        from . import _call

        _call._pool.run([partial(self._run, ctypes.addressof(fields)) for fields in calls])


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
    kernel = _kernels("reservoir", weight)
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
    if not _usable(mixed, level, slope, found):
        return False
    kernel = _kernels("convolutions", mixed)
    if kernel is None:
        return False
    from ._features import CONVOLUTION_FIELDS, CONVOLVED_STEPS

    mixed = mixed.contiguous()
    mixes, rows, size = mixed.shape
    places, lines, steep = (taps * dilation).contiguous(), level.contiguous(), slope.contiguous()
    ends = (ctypes.c_int64 * rows)(*lengths)
    work = mixed.new_empty(CONVOLVED_STEPS + kernel.lanes)
    ones = mixed.new_zeros(2 * kernel.lanes)
    ones[: kernel.lanes] = 1.0
    values = {
        "rows": rows,
        "mixes": mixes,
        "group": len(taps) // mixes,
        "row": size,
        "mix": rows * size,
        "mixed": mixed.data_ptr(),
        "lengths": ctypes.addressof(ends),
        "dilation": dilation,
        "taps": places.data_ptr(),
        "level": lines.data_ptr(),
        "slope": steep.data_ptr(),
        "found": found.data_ptr(),
        "work": work.data_ptr(),
        "ones": ones.data_ptr(),
    }
    fields = _fields(CONVOLUTION_FIELDS, values)
    kernel.run(ctypes.addressof(fields))
    return True
