"""Fixed random convolutions, each pooled to the shares of time it is above a level; torch only."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from ._compiled import count_above
from ._masking import blank_padding, length_mask, ragged_lengths

#: Steps that a kernel reads, a dilation apart.
KERNEL_SIZE = 9
#: Dilations and levels of each kernel.
N_SCALES, N_LEVELS = 12, 2
# Mixes of channels at each scale, which the kernels share out among them.
_MIXES = 12
# A level is passed within so much of the sequence's own deviation, and of its size: far above
# rounding, and far below what tells sequences apart, small ones among large ones too.
_WIDTH_OF_DEVIATION, _WIDTH_OF_SIZE = 1e-3, 1e-5
# Numbers of convolved steps that are held at once.
_CHUNK = 2**22
# Numbers behind a row that compiled code reads and does not count.
_SLACK = 16
_GOLDEN = (5**0.5 - 1) / 2


class RandomConvolutions(nn.Module):
    """Convolve with fixed kernels at many dilations; pool the share of time above some levels.

    The kernels are the 84 of nine weights of which three are 2 and six are -1, so that the level
    of the input does not matter. At each of twelve dilations every kernel reads the sum of a few
    channels drawn at random, and is compared with two levels. What is returned is the share of
    the true steps above a level; a step counts in part when it is close to the level, so that
    rounding does not decide.

    Parameters
    ----------
    input_size : int
        Channels of x, standardised.

    Attributes
    ----------
    output_size : int
        84 kernels times 12 dilations times 2 levels: 2016.

    References
    ----------
    A. Dempster, D. F. Schmidt, G. I. Webb, "MiniRocket: a very fast (almost) deterministic
    transform for time series classification", KDD 2021.

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn._random_convolutions import RandomConvolutions
    >>> convolutions = RandomConvolutions(2)
    >>> convolutions.draw(torch.Generator().manual_seed(0))
    >>> x, lengths = torch.randn(3, 20, 2), torch.tensor([20, 7, 12])
    >>> convolutions.calibrate(x, lengths)
    >>> convolutions(x, lengths).shape
    torch.Size([3, 2016])
    """

    kernels: Tensor
    mixes: Tensor
    owner: Tensor
    order: Tensor
    dilation: Tensor
    level: Tensor

    def __init__(self, input_size: int) -> None:
        super().__init__()
        threes = list(itertools.combinations(range(KERNEL_SIZE), 3))
        kernels = torch.full((len(threes), KERNEL_SIZE), -1.0)
        for row, three in zip(kernels, threes, strict=True):
            row[list(three)] = 2.0
        self.n_kernels = len(threes)
        self.output_size = N_SCALES * N_LEVELS * self.n_kernels
        self.n_mixes = 1 if input_size == 1 else _MIXES
        self.register_buffer("kernels", kernels, persistent=False)
        self.register_buffer("mixes", torch.ones(N_SCALES, input_size, self.n_mixes))
        self.register_buffer("order", torch.arange(self.n_kernels).expand(N_SCALES, -1).clone())
        # Which row of the calibration each kernel takes its levels from, as a share of all rows.
        self.register_buffer("owner", torch.zeros(N_SCALES, self.n_kernels))
        self.register_buffer("dilation", torch.ones(N_SCALES, dtype=torch.int64))
        self.register_buffer("level", torch.zeros(N_SCALES, self.n_kernels, N_LEVELS))

    @torch.no_grad()
    def draw(self, generator: torch.Generator) -> None:
        """Draw channels and what levels are taken from, from the generator and nothing else.

        Parameters
        ----------
        generator : torch.Generator
            On the CPU.
        """
        channels = self.mixes.shape[1]
        if self.n_mixes > 1:
            most = min(channels, KERNEL_SIZE)
            for scale in range(N_SCALES):
                sizes = (1 + most) ** torch.rand(self.n_mixes, generator=generator)
                for mix, size in enumerate(sizes.int().clamp(1, most).tolist()):
                    chosen = torch.randperm(channels, generator=generator)[:size]
                    self.mixes[scale, :, mix] = 0.0
                    self.mixes[scale, chosen, mix] = 1.0
                self.order[scale] = torch.randperm(self.n_kernels, generator=generator)
        self.owner.copy_(torch.rand(self.owner.shape, generator=generator))

    @torch.no_grad()
    def calibrate(self, x: Tensor, lengths: Tensor | None = None) -> None:
        """Set dilations by the lengths of some sequences, and levels by quantiles on them.

        Parameters
        ----------
        x : Tensor of shape (B, T, C)
            Some of the sequences to be learned from, standardised.
        lengths : Tensor of shape (B,), default=None
            Steps of each; None means T.
        """
        rows, longest, _ = x.shape
        counted = torch.full((rows,), longest) if lengths is None else lengths.cpu()
        lengths = ragged_lengths(lengths, x)
        x = blank_padding(widened(x), lengths)
        # A kernel spans no more than the middle one of the lengths.
        largest = max(1.0, (float(counted.float().quantile(0.5)) - 1) / (KERNEL_SIZE - 1))
        exponents = torch.linspace(0, 1, N_SCALES, dtype=torch.float64)
        self.dilation.copy_((largest**exponents + 1e-9).floor().long())
        n = counted.to(x.device)[:, None]
        place = torch.arange(self.n_kernels * N_SCALES * N_LEVELS, dtype=torch.float64) + 1
        shares = ((place * _GOLDEN) % 1).view(N_SCALES, self.n_kernels, N_LEVELS).to(x)
        for scale in range(N_SCALES):
            convolved = self._convolve(x, scale, 0, longest)
            taken = (self.owner[scale] * rows).long().clamp(max=rows - 1).to(x.device)
            own = convolved[taken, torch.arange(self.n_kernels, device=x.device)]
            size = n[taken]
            padding = torch.arange(longest, device=x.device) >= size
            ascending = own.masked_fill(padding, torch.inf).sort(1).values
            at = shares[scale] * (size - 1)
            low = at.floor().long()
            high = torch.minimum(low + 1, size - 1)
            below, above = ascending.gather(1, low), ascending.gather(1, high)
            self.level[scale] = below + (at - low) * (above - below)

    @torch.no_grad()
    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the shares (B, output_size) of a padded batch x (B, T, C), as the levels' type."""
        with torch.autocast(x.device.type, enabled=False):
            return self._pooled(widened(x), lengths)

    @property
    def reach(self) -> int:
        """How many steps before and after a step the kernels read."""
        return int(self.dilation.max()) * (KERNEL_SIZE // 2)

    def _pooled(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Return each row's share of its steps above each level."""
        rows, longest, _ = x.shape
        lengths = ragged_lengths(lengths, x)
        x = blank_padding(x, lengths)
        counted = x.new_full((rows, 1), longest) if lengths is None else lengths[:, None].to(x)
        slope = self.slope(x.sum(1) / counted, (x * x).sum(1) / counted)
        found = self.above(x, slope, 0, longest, lengths)
        return self.shares(found, counted)

    def slope(self, mean: Tensor, mean_square: Tensor) -> Tensor:
        """Return how steeply a step counts around a level, by the channels' moments (B, C)."""
        deviation = (mean_square - mean * mean).clamp(min=0).mean(1).sqrt()
        width = _WIDTH_OF_DEVIATION * deviation + _WIDTH_OF_SIZE * mean_square.mean(1).sqrt()
        return (1 / width.clamp(min=1e-12))[:, None, None]

    def above(
        self, x: Tensor, slope: Tensor, start: int, stop: int, lengths: Tensor | None = None
    ) -> Tensor:
        """Count the steps from start to stop of x (B, T, C) above the levels, piece by piece.

        Before x and behind it there are zeros. The result is for :meth:`shares`.
        """
        rows, longest, _ = x.shape
        found = x.new_zeros(N_SCALES, rows, self.n_kernels, N_LEVELS)
        if self._above_compiled(x, slope, start, stop, lengths, found):
            return found
        size = max(KERNEL_SIZE, _CHUNK // (self.n_kernels * rows))
        mask = None if lengths is None else length_mask(lengths, longest)
        for scale in range(N_SCALES):
            for first in range(start, stop, size):
                last = min(first + size, stop)
                convolved = self._convolve(x, scale, first, last)
                if mask is not None:
                    convolved = convolved.masked_fill(~mask[:, None, first:last], -torch.inf)
                for k in range(N_LEVELS):
                    # From 0 to 1 while passing through the level, on a line.
                    over = convolved - self.level[scale, :, k : k + 1]
                    found[scale, :, :, k] += over.mul_(slope).add_(0.5).clamp_(0, 1).sum(2)
        return found

    def _above_compiled(
        self,
        x: Tensor,
        slope: Tensor,
        start: int,
        stop: int,
        lengths: Tensor | None,
        found: Tensor,
    ) -> bool:
        """Do the same by compiled code, where there is some; tell whether it was."""
        rows = x.shape[0]
        steps = torch.full((rows,), stop - start) if lengths is None else lengths - start
        counted = steps.clamp(0, stop - start).tolist()
        # Mixes of so many rows are held at once.
        most = max(1, _CHUNK // (self.n_mixes * (stop - start + 2 * self.reach)))
        taps = self.kernels.gt(0).nonzero()[:, 1].view(-1, 3)
        for scale in range(N_SCALES):
            chosen, level = taps[self.order[scale]], self.level[scale].to(x)
            dilation = int(self.dilation[scale])
            for first in range(0, rows, most):
                here = slice(first, first + most)
                mixed = self._mixed(x[here], scale, start, stop, behind=_SLACK)
                if not count_above(
                    mixed, counted[here], dilation, chosen, level, slope[here, 0, 0],
                    found[scale, here],
                ):  # fmt: skip
                    return False
        return True

    def shares(self, above: Tensor, counted: Tensor) -> Tensor:
        """Return features (B, output_size) from counts above the levels and of steps (B, 1)."""
        shares = (above / counted[:, :, None]).permute(1, 0, 2, 3).flatten(1)
        return shares.to(self.level.dtype)

    def _convolve(self, x: Tensor, scale: int, start: int, stop: int) -> Tensor:
        """Return what the kernels make of the steps from start to stop, (B, kernels, steps)."""
        dilation, size = int(self.dilation[scale]), stop - start
        mixed = self._mixed(x, scale, start, stop).transpose(0, 1)
        shifted = [mixed[:, :, i * dilation : i * dilation + size] for i in range(KERNEL_SIZE)]
        grouped = self.kernels.to(x)[self.order[scale]].view(self.n_mixes, -1, KERNEL_SIZE)
        convolved: Tensor = grouped @ torch.stack(shifted, 2)
        return convolved.flatten(1, 2)

    def _mixed(self, x: Tensor, scale: int, start: int, stop: int, *, behind: int = 0) -> Tensor:
        """Return what the kernels read for the steps from start to stop, (mixes, B, steps).

        Before x and behind it there are zeros, `behind` more of them than the kernels reach.
        """
        reach = int(self.dilation[scale]) * (KERNEL_SIZE // 2)
        low, high = max(0, start - reach), min(x.shape[1], stop + reach)
        mixed = (x[:, low:high] @ self.mixes[scale].to(x)).permute(2, 0, 1)
        before, after = reach - (start - low), reach - (high - stop)
        return nn.functional.pad(mixed, (before, after + behind))


def widened(x: Tensor) -> Tensor:
    """Return x in double precision, where there is one: levels are steep, and rounding shows."""
    return x if x.device.type == "mps" else x.double()
