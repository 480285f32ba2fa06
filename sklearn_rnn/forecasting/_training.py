"""What a skorch net trains a forecasting network on, and beginning where an earlier fit ended.

Windows are gathered from flat lanes, on the device, by index: there are no ragged rows to bucket
and no samples to hold. Imports torch, nn and the training room.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..nn import ForecastNetwork
from ..training import Compute, Recipe, SequenceNet, StepDataset, make_net
from ._closed_form import window_weights
from ._dataset import ForecastData
from ._options import ForecastOptions

# The spread of a long horizon is learned from this many of its steps in each batch.
_SPREAD_STEPS = 24
# The linear path starts at its solution, and moves by smaller steps than the rest.
_LINEAR_RATE = 0.3


class WindowDataset(StepDataset):
    """Windows of a panel, a part of which is drawn in each epoch.

    Parameters
    ----------
    data : ForecastData
    windows : tuple of Tensor
        Units and cuts, as :meth:`ForecastData.windows` lists them.
    batch_size : int
    windows_an_epoch : int
        Drawn without replacement.
    seed : int
    weights : ndarray of shape (n_series,), default=None
    """

    def __init__(
        self,
        data: ForecastData,
        windows: tuple[Tensor, Tensor],
        *,
        batch_size: int,
        windows_an_epoch: int,
        seed: int,
        weights: np.ndarray | None = None,
    ) -> None:
        self.data, self.windows = data, windows
        self.size = min(windows_an_epoch, len(windows[0]))
        self.steps_an_epoch = max(1, math.ceil(self.size / batch_size))
        self.draws = torch.Generator().manual_seed(seed)
        self.weights = None
        if weights is not None:
            self.weights = torch.from_numpy(weights).float().to(data.device)

    def __len__(self) -> int:
        return len(self.windows[0])

    def __getitem__(self, i: int) -> WindowBatch:
        return self.__getitems__([i])

    def __getitems__(self, positions: Any) -> WindowBatch:
        """Return some of the windows as one batch."""
        unit, cut = self.windows
        return WindowBatch(self, unit[positions], cut[positions], None)

    def batches(self, size: int = 1024) -> Iterator[WindowBatch]:
        """Yield all windows in their order."""
        for start in range(0, len(self), size):
            yield self.__getitems__(slice(start, start + size))

    def training_steps(self, recipe: Recipe) -> WindowDataset:
        """Return what to iterate over in each epoch."""
        return self

    def __iter__(self) -> Iterator[WindowBatch]:
        unit, cut = self.windows
        order = torch.randperm(len(unit), generator=self.draws)[: self.size]
        for chosen in order.tensor_split(self.steps_an_epoch):
            spread = _drawn(self.data.horizon, self.draws)
            yield WindowBatch(self, unit[chosen], cut[chosen], spread)


class WindowBatch:
    """The windows of one step."""

    def __init__(
        self, dataset: WindowDataset, unit: Tensor, cut: Tensor, steps: Tensor | None
    ) -> None:
        self.dataset, self.unit, self.cut, self.steps = dataset, unit, cut, steps

    def __len__(self) -> int:
        return len(self.unit)

    @property
    def n_steps(self) -> int:
        """Steps that are read."""
        return len(self) * self.dataset.data.window

    def outputs(self, network: Any) -> Tensor:
        """Return a network's raw outputs."""
        inputs, *_ = self.dataset.data.read(self.unit, self.cut)
        found: Tensor = network(inputs)
        return found

    def backward(self, net: SequenceNet, member: Any, index: int) -> tuple[Tensor, Tensor]:
        """Add the gradients of the windows; return the mean loss and the raw outputs."""
        data, network = self.dataset.data, member
        inputs, found, lane = data.read(self.unit, self.cut, targets=True)
        shape = (len(self.unit), data.targets_a_unit, data.horizon)
        target, seen = found.target.reshape(shape), found.seen.reshape(shape)
        with net.run_.compute.autocast_context():
            raw = network(inputs, target)
        level, scale = (v.reshape(*shape[:2], 1) for v in (found.level, found.scale))
        if network.head.needs_counts:
            centre, stretch = (
                torch.from_numpy(part).float().to(level.device).reshape(level.shape)
                for part in data.lanes.units(lane.cpu().numpy())
            )
            level, scale = level * stretch + centre, scale * stretch
        each = network.head.loss(raw.float(), target, level, scale, self.steps)
        weight = seen
        if not network.head.likelihood:
            weight = weight * window_weights(data, found, lane).reshape(*shape[:2], 1)
        if self.dataset.weights is not None:
            own = self.dataset.weights[lane % data.n_series]
            weight = weight * own.reshape(*shape[:2], 1)
        # The sum is over what was seen, the divisor is not: batches with few targets move less.
        loss = (each * weight).sum() / weight.numel()
        loss.backward()
        return loss.detach(), raw.detach()


def network_net(
    network: ForecastNetwork, options: ForecastOptions, epochs: int, compute: Compute
) -> SequenceNet:
    """Return the skorch net of a network, to be trained for this many epochs."""
    recipe = Recipe(
        options.optimizer,
        options.learning_rate,
        options.weight_decay,
        options.schedule,
        epochs,
        options.gradient_clip,
    )
    return make_net(network, recipe, compute, groups=lambda known: _groups(network, known))


def _drawn(horizon: int, draws: torch.Generator) -> Tensor | None:
    """Draw the steps of a long horizon that the spread is learned from in one batch."""
    if horizon <= 2 * _SPREAD_STEPS:
        return None
    return torch.randperm(horizon, generator=draws)[:_SPREAD_STEPS]


def _groups(network: ForecastNetwork, keywords: dict[str, Any]) -> list[dict[str, Any]]:
    """Sort the parameters: weights of the recurrent part are shrunk, what was solved is not."""
    groups: dict[str, list] = {"decayed": [], "free": [], "linear": []}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            kind = "free" if "bias" in name or name.startswith(("spread", "head.")) else "decayed"
            groups["linear" if name.startswith("linear.") else kind].append(parameter)
    none = {"weight_decay": 0.0} if "weight_decay" in keywords else {}
    return [
        {"params": groups["decayed"]},
        {"params": groups["free"], **none},
        {"params": groups["linear"], "share_of_rate": _LINEAR_RATE, **none},
    ]


# What is solved anew is not taken over.
_SOLVED = ("linear", "closed", "spread", "share")
# A warm fit takes this share of the epochs of a cold one.
_EPOCHS = 0.25


def begin_from(
    network: ForecastNetwork, earlier: Sequence[ForecastNetwork], epochs: int, seed: int
) -> int:
    """Give a network the trained weights of an earlier one like it; return the epochs to train."""
    like = [one for one in earlier if one.config == network.config]
    if not like:
        return epochs
    trained = like[seed % len(like)].state_dict()
    own = {name: block for name, block in trained.items() if name.split(".")[0] not in _SOLVED}
    with torch.no_grad():
        network.load_state_dict(own, strict=False)
    return max(1, round(_EPOCHS * epochs))
