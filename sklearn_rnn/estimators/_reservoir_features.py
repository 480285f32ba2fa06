"""From sequences to what a solved readout reads: scaled, through a reservoir, pooled or by step.

Imports layers 0 to 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..nn import NumericInput, Reservoir, StaticInput, TokenInput, length_mask, reservoir_states
from ..sequences import Sequences
from ..training import (
    Batch,
    FlatStorage,
    Origins,
    StepStatistics,
    cpu_threads,
    load_weights,
    prediction_batches,
    resolve_device,
    static_statistics,
)
from ._readout import difference_scale

# Random coordinates that stand for each token.
_TOKEN_SIZE = 64
# Padded steps of a batch that answers at every step, whose states are held at once.
_STEPS_AT_ONCE = 8192


@dataclass(frozen=True, kw_only=True)
class ReservoirConfig:
    """The architecture as plain values; see `Reservoir` for those from the units on."""

    n_channels: int
    vocabulary_size: int | None
    indicator: bool
    static_cardinalities: tuple[int | None, ...]
    units: int
    time_scales: tuple[tuple[float, float], ...]
    input_scale: float
    poolings: tuple[str, ...]
    bidirectional: bool
    timed: bool = False

    def size(self, n_rows: int) -> int:
        """Return about how many bytes the reservoir takes, with the features of so many rows."""
        blocks = len(self.time_scales) * (2 if self.bidirectional else 1)
        inputs = 2 * (self.n_channels if self.vocabulary_size is None else _TOKEN_SIZE)
        features = blocks * self.units * len(self.poolings)
        # Weights are drawn and their eigenvalues found beside them.
        return 8 * (3 * blocks * self.units * (self.units + inputs) + features * n_rows)


class ReservoirFeatures:
    """A drawn reservoir with the scaling before it.

    Parameters
    ----------
    config : ReservoirConfig
        Sizes and options.
    device : torch.device
        Where it computes, in float64 where that exists.
    """

    def __init__(self, config: ReservoirConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        # Built on the meta device, the embedding draws nothing from torch's global generator.
        if config.vocabulary_size is None:
            self.input: torch.nn.Module = NumericInput(config.n_channels, config.indicator)
        else:
            with torch.device("meta"):
                self.input = TokenInput(config.vocabulary_size, _TOKEN_SIZE, timed=config.timed)
            self.input.to_empty(device="cpu")
        size: int = int(self.input.output_size)
        self.reservoir = Reservoir(
            size,
            config.units,
            time_scales=config.time_scales,
            input_scale=config.input_scale,
            poolings=config.poolings,
            bidirectional=config.bidirectional,
        )
        self.static: StaticInput | None = None
        if config.static_cardinalities:
            with torch.device("meta"):
                self.static = StaticInput(config.static_cardinalities)
            self.static.to_empty(device="cpu")
        self.origins: Origins = (None, None)
        self.n_static = 0 if self.static is None else self.static.plain_size
        for part in self._parts().values():
            part.to(device=device, dtype=self.dtype).eval().requires_grad_(False)

    @property
    def dtype(self) -> torch.dtype:
        """Number type; MPS has no double precision."""
        return torch.float32 if self.device.type == "mps" else torch.float64

    @property
    def pooled_size(self) -> int:
        """Pooled states and static features of a sequence."""
        return self.reservoir.output_size + self.n_static

    @property
    def step_size(self) -> int:
        """States, standardised input and static features at a step."""
        return self.reservoir.state_size + int(self.input.output_size) + self.n_static  # type: ignore[arg-type]

    @property
    def emphasis(self) -> np.ndarray | None:
        """Weigh static features up, so that together they count as half of what is read out."""
        if not self.n_static:
            return None
        factors = np.ones(self.pooled_size)
        factors[-self.n_static :] = np.sqrt(self.reservoir.output_size / self.n_static)
        return factors

    def draw(
        self,
        sequences: Sequences,
        rows: np.ndarray,
        weights: np.ndarray | None,
        statistics: StepStatistics | None,
        seed: int,
        n: int,
    ) -> None:
        """Draw the reservoir, and take the scaling from the rows, with n threads."""
        generator = torch.Generator().manual_seed(seed)
        self.reservoir.draw(generator)
        if isinstance(self.input, TokenInput):
            table = self.input.embedding.weight
            drawn = torch.empty(table.shape, dtype=torch.float64).normal_(generator=generator)
            drawn[-1] = 0
            table.copy_(drawn)
        if statistics is not None:
            assert isinstance(self.input, NumericInput | TokenInput)
            self.input.set_statistics(
                torch.from_numpy(statistics.mean), torch.from_numpy(statistics.scale)
            )
        if self.static is not None:
            mean, scale, known = static_statistics(sequences, rows, weights)
            self.static.set_statistics(torch.from_numpy(mean), torch.from_numpy(scale))
            self.origins = None, known
        if statistics is not None:
            self.origins = statistics.origin, self.origins[1]
        storage = FlatStorage(sequences, self.device, self.dtype, self.origins)
        self.reservoir.difference_scale.copy_(
            difference_scale(self.input, storage, rows, weights, n_threads=n)
        )

    def pooled(
        self, sequences: Sequences, rows: np.ndarray | None, n: int
    ) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        """Yield rows and their pooled features, batch by batch, with n threads."""
        storage = FlatStorage(sequences, self.device, self.dtype, self.origins)
        for batch in prediction_batches(storage, rows):
            with torch.inference_mode(), cpu_threads(n):
                states = self.reservoir(self.input(batch.x), batch.lengths)
                features = torch.cat((states, *self._known(batch)), 1)
            yield batch.rows, features

    def steps(
        self, sequences: Sequences, rows: np.ndarray | None, n: int
    ) -> Iterator[tuple[np.ndarray, int, torch.Tensor, torch.Tensor]]:
        """Yield rows, the first step of a piece, features (B, t, F) and which of them are real."""
        storage = FlatStorage(sequences, self.device, self.dtype, self.origins)
        for batch in prediction_batches(storage, rows, max_steps=_STEPS_AT_ONCE):
            with torch.inference_mode(), cpu_threads(n):
                x = self.input(batch.x)
                mask = length_mask(batch.lengths, x.shape[1])
                known = [part[:, None] for part in self._known(batch)]
            pieces = reservoir_states(self.reservoir, x, batch.lengths)
            while True:
                # What is handed on is used outside: an error there must not leave the mode on.
                with torch.inference_mode(), cpu_threads(n):
                    start, states = next(pieces, (0, None))
                    if states is None:
                        break
                    here = slice(start, start + states.shape[1])
                    parts = [states, x[:, here]]
                    parts += [part.expand(-1, states.shape[1], -1) for part in known]
                    features = torch.cat(parts, 2)
                yield batch.rows, start, features, mask[:, here]

    def of_targets(
        self, sequences: Sequences, n: int, *, by_step: bool
    ) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        """Yield places of targets, one a sequence or a step, and what is known of each."""
        if not by_step:
            yield from self.pooled(sequences, None, n)
            return
        for rows, start, features, mask in self.steps(sequences, None, n):
            yield flat_places(sequences, rows, start, mask), features[mask]

    def _known(self, batch: Batch) -> list[torch.Tensor]:
        """Return the static features of a batch, if there are any."""
        return [] if self.static is None else [self.static.plain(batch.static)]  # type: ignore[arg-type]

    def _parts(self) -> dict[str, torch.nn.Module]:
        """Return the modules by name."""
        parts = {"input": self.input, "reservoir": self.reservoir, "static": self.static}
        return {name: part for name, part in parts.items() if part is not None}

    def __getstate__(self) -> dict[str, Any]:
        weights = {
            name: {key: value.cpu().numpy().copy() for key, value in part.state_dict().items()}
            for name, part in self._parts().items()
        }
        return {
            "config": self.config,
            "device": str(self.device),
            "weights": weights,
            "origins": self.origins,
        }

    @cpu_threads(1)
    def __setstate__(self, state: Mapping[str, Any]) -> None:
        try:
            device = resolve_device(state["device"])
        except ValueError:
            device = torch.device("cpu")
        self.__init__(state["config"], device)  # type: ignore[misc]
        self.origins = state.get("origins", (None, None))
        for name, part in self._parts().items():
            load_weights(part, state["weights"][name])


def flat_places(
    sequences: Sequences, rows: np.ndarray, start: int, mask: torch.Tensor
) -> np.ndarray:
    """Return the flat positions of the real steps of a piece, row after row."""
    where = np.asarray(sequences.offsets)[rows][:, None] + start + np.arange(mask.shape[1])
    return np.asarray(where[mask.cpu().numpy()])
