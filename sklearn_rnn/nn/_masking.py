"""Where lengths become masks, reversals and last steps; imports torch only."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def length_mask(lengths: Tensor, max_length: int) -> Tensor:
    """Tell the steps of each sequence from its padding.

    Parameters
    ----------
    lengths : Tensor of shape (B,)
        Number of steps of each row.
    max_length : int
        Number of steps of the padded batch.

    Returns
    -------
    Tensor of shape (B, max_length)
        True at steps, False at padding.

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn import length_mask
    >>> length_mask(torch.tensor([1, 3]), 3)
    tensor([[ True, False, False],
            [ True,  True,  True]])
    """
    return torch.arange(max_length, device=lengths.device) < lengths[:, None]


def ragged_lengths(lengths: Tensor | None, x: Tensor) -> Tensor | None:
    """Return `lengths` on x's device, or None where they say that no row is padded."""
    if lengths is None:
        return None
    if lengths.ndim != 1 or lengths.shape[0] != x.shape[0]:
        raise ValueError(
            f"lengths must have one entry for each of the {x.shape[0]} rows of x; "
            f"got shape {tuple(lengths.shape)}."
        )
    # Asking a GPU would make the host wait for it, so there the mask is always applied.
    if lengths.device.type == "cpu" and bool((lengths >= x.shape[1]).all()):
        return None
    return lengths.to(x.device, non_blocking=True)


def blank_padding(x: Tensor, lengths: Tensor | None, value: float = 0.0) -> Tensor:
    """Put `value` into the padding of x (B, T, ...), whatever stood there, NaN included."""
    if lengths is None:
        return x
    padding = ~length_mask(lengths, x.shape[1])
    if x.is_cuda or x.ndim == 2:
        return x.masked_fill(padding.reshape(padding.shape + (1,) * (x.ndim - 2)), value)
    # On a CPU several times as fast; on a GPU nonzero would make the host wait.
    steps = padding.flatten().nonzero().flatten()
    return x.flatten(0, 1).index_fill(0, steps, value).view(x.shape)


def last_step(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Return each row's last true step of x (B, T, D), as (B, D)."""
    if lengths is None:
        return x[:, -1]
    rows = torch.arange(x.shape[0], device=x.device)
    return x[rows, (lengths - 1).clamp_min(0)]


class _Reorder(torch.autograd.Function):
    """Reorder rows by a permutation that is its own inverse, and so its own gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor) -> Tensor:
        ctx.save_for_backward(order)
        return x.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (order,) = ctx.saved_tensors
        return _Reorder.apply(grads[0], order), None


def reversal(lengths: Tensor, max_length: int) -> Tensor:
    """Return the permutation of the B * max_length steps that reverses every row in its length."""
    steps = torch.arange(max_length, device=lengths.device).expand(lengths.shape[0], -1)
    mirrored = lengths[:, None] - 1 - steps
    starts = torch.arange(lengths.shape[0], device=lengths.device)[:, None] * max_length
    return (torch.where(mirrored >= 0, mirrored, steps) + starts).flatten()


def reverse_within(x: Tensor, lengths: Tensor | None, order: Tensor | None = None) -> Tensor:
    """Reverse each row within its own length, leaving the padding where it is.

    Parameters
    ----------
    x : Tensor of shape (B, T, D)
    lengths : Tensor of shape (B,) or None
        None means that every row has T steps.
    order : Tensor, default=None
        ``reversal(lengths, T)``, for callers who reverse more than once.

    Returns
    -------
    Tensor of shape (B, T, D)
    """
    if lengths is None:
        return x.flip(1)
    if order is None:
        order = reversal(lengths, x.shape[1])
    flat = x.reshape(-1, x.shape[2])
    result: Tensor = _Reorder.apply(flat, order)
    return result.view(x.shape)
