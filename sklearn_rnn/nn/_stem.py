"""Convolutions along time in front of the recurrence, blind to padding; imports torch only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ._dropout import Dropout
from ._masking import blank_padding, length_mask, ragged_lengths


class StepBatchNorm(nn.BatchNorm1d):
    """Batch normalisation of (B, T, D) over the true steps of the batch.

    As :class:`torch.nn.BatchNorm1d`; padding enters neither mean nor variance, and at prediction
    time the running statistics make each row independent of the others.

    Parameters
    ----------
    num_features : int
        D.
    """

    def forward(self, input: Tensor, lengths: Tensor | None = None) -> Tensor:
        lengths = ragged_lengths(lengths, input)
        if lengths is None or not self.training:
            flat = input.flatten(0, 1)
            if self.training and flat.shape[0] == 1:
                return input
            return super().forward(flat).view(input.shape)
        mask = length_mask(lengths, input.shape[1])
        if int(lengths.sum()) == 1:
            return input
        result = torch.zeros_like(input)
        return result.masked_scatter(mask[:, :, None], super().forward(input[mask]))


class ConvStem(nn.Module):
    """Convolve along time, keeping every step, and hand the result on beside the input.

    Blocks of convolution, normalisation, ReLU and dropout; padding is blanked before each, so
    that a row's result does not depend on how far it is padded.

    Parameters
    ----------
    input_size : int
        Channels of x.
    filters : int
        Channels of each convolution.
    kernel_sizes : sequence of int, default=(7, 5)
        One a block, in steps.
    norm : {"layer", "batch"} or None, default="layer"
        Over the filters of a step, or over the true steps of the batch with running statistics
        for prediction.
    concatenate : bool, default=True
        Whether the output is input and convolutions side by side, or the convolutions alone.
    dropout : float, default=0.0
        After each block.

    Attributes
    ----------
    input_size, output_size : int

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn._stem import ConvStem
    >>> stem = ConvStem(3, 16)
    >>> stem(torch.zeros(2, 20, 3), torch.tensor([4, 20])).shape
    torch.Size([2, 20, 19])
    """

    def __init__(
        self,
        input_size: int,
        filters: int,
        kernel_sizes: Sequence[int] = (7, 5),
        *,
        norm: str | None = "layer",
        concatenate: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if filters < 1:
            raise ValueError(f"The stem needs at least one filter; got {filters!r}.")
        if not kernel_sizes or any(size < 1 for size in kernel_sizes):
            raise ValueError(f"The stem's kernel sizes must be at least 1; got {kernel_sizes!r}.")
        norms: dict[str | None, type[nn.Module]] = {
            "layer": nn.LayerNorm,
            "batch": StepBatchNorm,
            None: nn.Identity,
        }
        if norm not in norms:
            raise ValueError(f"The stem's norm must be 'layer', 'batch' or None; got {norm!r}.")
        self.concatenate = concatenate
        sizes = [input_size] + [filters] * (len(kernel_sizes) - 1)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(size, filters, kernel, padding=kernel // 2)
            for size, kernel in zip(sizes, kernel_sizes, strict=True)
        )
        make_norm: type[nn.Module] = norms[norm]
        self.norms = nn.ModuleList(make_norm(filters) for _ in kernel_sizes)
        self.dropout = Dropout(dropout)
        #: Steps before and after a step that its result depends on.
        self.reach = (sum(k // 2 for k in kernel_sizes), sum((k - 1) // 2 for k in kernel_sizes))
        self.input_size = input_size
        self.output_size = filters + input_size if concatenate else filters

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        lengths = ragged_lengths(lengths, x)
        x = blank_padding(x, lengths)
        y = x
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            # An even kernel gives one step too many.
            y = convolution(y.transpose(1, 2)).transpose(1, 2)[:, : x.shape[1]]
            y = norm(y, lengths) if isinstance(norm, StepBatchNorm) else norm(y)
            y = blank_padding(self.dropout(torch.relu(y)), lengths)
        return torch.cat((x, y), 2) if self.concatenate else y
