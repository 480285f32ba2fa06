"""The closed-form path of a network: fixed features of each sequence, and a solved readout.

Imports torch only. Nothing here is trained by gradient; the readout's weights are solved elsewhere.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._masking import blank_padding, length_mask, ragged_lengths
from ._random_convolutions import RandomConvolutions
from ._reservoir import Reservoir

# A channel that varies less than this within a sequence is not blown up to vary by one.
_SMALLEST_DEVIATION = 1e-3


class ReservoirPath(nn.Module):
    """Random features of whole sequences with a linear readout: from steps to raw outputs.

    The features are pooled states of a reservoir that reads the steps, those of a smaller one that
    reads each sequence standardised by its own mean and deviation, and random convolutions; then
    what is known of the sample as a whole.

    Parameters
    ----------
    input_size : int
        Channels of the standardised steps.
    n_outputs : int
        Raw outputs, as many as the head gives.
    units : int, default=100
        Of the first reservoir; see :class:`Reservoir`. The second has half as many.
    static_size : int, default=0
        What is known of a sample as a whole, read out beside the pooled states.
    bidirectional : bool, default=True
        Whether the whole sequence may be known before the first feature is. If not there is the
        first reservoir alone, reading forward, so that a sequence can be followed step by step.

    Attributes
    ----------
    blocks : dict of str to int
        Features of each kind, in their order: ``"reservoir"``, ``"shape"`` (the second reservoir),
        ``"convolutions"``, ``"static"``.
    pooled_size : int
        Features without the static ones.
    """

    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        input_size: int,
        n_outputs: int,
        units: int = 100,
        static_size: int = 0,
        bidirectional: bool = True,
    ) -> None:
        super().__init__()
        self.reservoir = Reservoir(input_size, units, bidirectional=bidirectional)
        self.blocks = {"reservoir": self.reservoir.output_size}
        self.shape_reservoir: Reservoir | None = None
        self.convolutions: RandomConvolutions | None = None
        if bidirectional:
            self.shape_reservoir = Reservoir(input_size, max(1, units // 2))
            self.convolutions = RandomConvolutions(input_size)
            self.blocks["shape"] = self.shape_reservoir.output_size
            self.blocks["convolutions"] = self.convolutions.output_size
        self.pooled_size = sum(self.blocks.values())
        self.static_size = static_size
        if static_size:
            self.blocks["static"] = static_size
        size = self.pooled_size + static_size
        self.register_buffer("weight", torch.zeros(size, n_outputs))
        self.register_buffer("bias", torch.zeros(n_outputs))

    @property
    def feature_size(self) -> int:
        """Number of features of the steps."""
        return self.pooled_size

    @property
    def n_solved(self) -> int:
        """Number of weights of the readout."""
        return self.weight.numel() + self.bias.numel()

    def in_words(self) -> str:
        """Say what there is, in a few words."""
        reservoir = self.reservoir
        text = f"reservoir {reservoir.units} x {len(reservoir.time_scales)} time scales"
        if self.shape_reservoir is None:
            return text
        return f"{text}, bidirectional + shapes + convolutions"

    def draw(self, generator: torch.Generator) -> None:
        """Draw all random weights from the generator, and from nothing else."""
        self.reservoir.draw(generator)
        if self.shape_reservoir is not None and self.convolutions is not None:
            self.shape_reservoir.draw(generator)
            self.convolutions.draw(generator)

    @torch.no_grad()
    def calibrate(self, steps: Tensor, lengths: Tensor | None = None) -> None:
        """Set levels and scales by some sequences (B, T, C), standardised; after `draw`."""
        if self.shape_reservoir is None or self.convolutions is None:
            return
        self.convolutions.calibrate(steps, lengths)
        shapes = standardised_within(steps, lengths)
        changes = (shapes[:, 1:] - shapes[:, :-1]).flatten(0, 1)
        if lengths is not None:
            inside = length_mask(lengths.to(steps.device), steps.shape[1])[:, 1:]
            changes = changes[inside.flatten()]
        if len(changes) > 1:
            deviation = changes.std(0)
            scale = torch.where(deviation > 1e-6, deviation, 1.0)
            self.shape_reservoir.difference_scale.copy_(scale)

    def set_readout(self, weight: Tensor, bias: Tensor) -> None:
        """Set the solved readout: weight (features, outputs) and bias (outputs,)."""
        self.weight.copy_(weight)
        self.bias.copy_(bias)

    def pooled(self, steps: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the features of the steps alone, (B, pooled_size)."""
        with torch.autocast(steps.device.type, enabled=False):
            steps = steps.to(self.weight.dtype)
            parts = [self.reservoir(steps, lengths)]
            if self.shape_reservoir is not None and self.convolutions is not None:
                parts.append(self.shape_reservoir(standardised_within(steps, lengths), lengths))
                parts.append(self.convolutions(steps, lengths))
            return torch.cat(parts, 1)

    def features(
        self, steps: Tensor, lengths: Tensor | None = None, static: Tensor | None = None
    ) -> Tensor:
        """Return what is read out: the pooled features, then static (B, static_size)."""
        pooled = self.pooled(steps, lengths)
        return pooled if static is None else torch.cat((pooled, static.to(pooled.dtype)), 1)

    def forward(
        self, steps: Tensor, lengths: Tensor | None = None, static: Tensor | None = None
    ) -> Tensor:
        """Return raw outputs (B, n_outputs) for standardised steps (B, T, C)."""
        features = self.features(steps, lengths, static)
        with torch.autocast(steps.device.type, enabled=False):
            return self.read_out(features)

    def read_out(self, features: Tensor) -> Tensor:
        """Return raw outputs (B, n_outputs) for what :meth:`features` returned."""
        return features @ self.weight + self.bias


def standardised_within(steps: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Give each channel mean 0 and deviation 1 within each sequence of steps (B, T, C)."""
    lengths = ragged_lengths(lengths, steps)
    # MPS has no double precision. What varies little is blown up, and its rounding with it.
    wide = torch.float32 if steps.device.type == "mps" else torch.float64
    x = blank_padding(steps, lengths).to(wide)
    count = float(x.shape[1]) if lengths is None else lengths[:, None, None].to(x)
    mean = x.sum(1, keepdim=True) / count
    centred = blank_padding(x - mean, lengths)
    deviation = ((centred * centred).sum(1, keepdim=True) / count).sqrt()
    return blank_padding(standardised_by(x, mean, deviation), lengths).to(steps.dtype)


def standardised_by(x: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Subtract a sequence's own mean and divide by its deviation, if there is one."""
    return (x - mean) / deviation.clamp(min=_SMALLEST_DEVIATION)
