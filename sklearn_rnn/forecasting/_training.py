"""The training loop of forecasting networks. Imports torch, nn and the training room.

Windows are gathered from flat lanes, on the device, by index; there are no ragged rows to bucket
and no samples to hold. So this loop is its own; optimizer, schedule, threads and the test for
divergence are those of the other estimators.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..nn import ForecastNetwork, set_generator
from ..training import (
    Compute,
    DivergenceError,
    EpochRecord,
    Recipe,
    Schedule,
    cpu_threads,
    resolve_optimizer,
    seeded_globals,
)
from ._closed_form import window_weights
from ._dataset import ForecastData

_BLOW_UP = 1e4
# The spread of a long horizon is learned from so many of its steps in each batch.
_SPREAD_STEPS = 24
# The linear path starts at its solution, and moves by smaller steps than the rest.
_LINEAR_RATE = 0.3


def train_network(
    network: ForecastNetwork,
    data: ForecastData,
    windows: tuple[Tensor, Tensor],
    recipe: Recipe,
    compute: Compute,
    *,
    batch_size: int,
    windows_an_epoch: int,
    seed: int,
    n_threads: int,
    weights: np.ndarray | None = None,
    on_epoch: Callable[[EpochRecord], object] | None = None,
    guard_globals: bool = False,
) -> None:
    """Train a network on windows, in place.

    Parameters
    ----------
    network : ForecastNetwork
    data : ForecastData
    windows : tuple of Tensor
        Units and cuts, as :meth:`ForecastData.windows` lists them.
    recipe : Recipe
    compute : Compute
    batch_size : int
    windows_an_epoch : int
        Drawn without replacement.
    seed : int
    n_threads : int
    weights : ndarray of shape (n_series,), default=None
    on_epoch : callable, default=None
        Called with an `EpochRecord`; training ends if it returns True.
    guard_globals : bool, default=False
        Seed and restore torch's global generator, for cells of the user's own.

    Raises
    ------
    DivergenceError
        When loss or weights are not finite any more, or the loss exploded.
    """
    factory, keywords = resolve_optimizer(recipe.optimizer, recipe.weight_decay, grouped=True)
    optimizer = factory(_groups(network, recipe, keywords), lr=recipe.learning_rate, **keywords)
    unit, cut = windows
    size = min(windows_an_epoch, len(unit))
    steps = max(1, math.ceil(size / batch_size))
    schedule = Schedule(recipe.schedule, optimizer, recipe.max_epochs * steps)
    draws = torch.Generator().manual_seed(seed)
    set_generator(network, torch.Generator(device=compute.device).manual_seed(seed))
    series_weight = None if weights is None else torch.from_numpy(weights).float().to(data.device)
    first: float | None = None

    def epoch(number: int) -> bool:
        nonlocal first
        begun, rate = time.perf_counter(), schedule.learning_rate
        order = torch.randperm(len(unit), generator=draws)[:size]
        losses = []
        network.train()
        for chosen in order.tensor_split(steps):
            spread = _drawn(data.horizon, draws)
            loss = _loss(network, data, unit[chosen], cut[chosen], series_weight, compute, spread)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if recipe.gradient_clip is not None:
                torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.gradient_clip)
            optimizer.step()
            schedule.after_batch()
            losses.append(loss.detach())
        mean = float(torch.stack(losses).mean())
        first = abs(mean) if first is None else first
        finite = all(bool(torch.isfinite(p).all()) for p in network.parameters())
        if not math.isfinite(mean) or not finite or abs(mean) > _BLOW_UP * (1 + first):
            raise DivergenceError(f"the training loss became {mean:g}")
        schedule.after_epoch(mean)
        record = EpochRecord(number, mean, rate, time.perf_counter() - begun)
        return bool(on_epoch(record)) if on_epoch is not None else False

    try:
        with cpu_threads(n_threads):
            for number in range(1, recipe.max_epochs + 1):
                if guard_globals:
                    with seeded_globals(seed + number):
                        stop = epoch(number)
                else:
                    stop = epoch(number)
                if stop:
                    break
    finally:
        set_generator(network, None)
        network.eval()


def _drawn(horizon: int, draws: torch.Generator) -> Tensor | None:
    """Draw the steps of a long horizon that the spread is learned from in one batch."""
    if horizon <= 2 * _SPREAD_STEPS:
        return None
    return torch.randperm(horizon, generator=draws)[:_SPREAD_STEPS]


def _groups(network: ForecastNetwork, recipe: Recipe, keywords: dict) -> list[dict]:
    """Sort the parameters: weights of the recurrent part are shrunk, what was solved is not."""
    groups: dict[str, list] = {"decayed": [], "free": [], "linear": []}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            kind = "free" if "bias" in name or name.startswith(("spread", "head.")) else "decayed"
            groups["linear" if name.startswith("linear.") else kind].append(parameter)
    none = {"weight_decay": 0.0} if "weight_decay" in keywords else {}
    found: list[dict] = [
        {"params": groups["decayed"]},
        {"params": groups["free"], **none},
        {"params": groups["linear"], "lr": _LINEAR_RATE * recipe.learning_rate, **none},
    ]
    return [group for group in found if group["params"]]


def _loss(
    network: ForecastNetwork,
    data: ForecastData,
    unit: Tensor,
    cut: Tensor,
    series_weight: Tensor | None,
    compute: Compute,
    steps: Tensor | None,
) -> Tensor:
    """Return the mean loss of a batch over the targets that were seen."""
    inputs, found, lane = data.read(unit, cut, targets=True)
    shape = (len(unit), data.targets_a_unit, data.horizon)
    target, seen = found.target.reshape(shape), found.seen.reshape(shape)
    with compute.autocast_context():
        raw = network(inputs, target)
    level, scale = (v.reshape(*shape[:2], 1) for v in (found.level, found.scale))
    if network.head.needs_counts:
        centre, stretch = (
            torch.from_numpy(part).float().to(level.device).reshape(level.shape)
            for part in data.lanes.units(lane.cpu().numpy())
        )
        level, scale = level * stretch + centre, scale * stretch
    each = network.head.loss(raw.float(), target, level, scale, steps)
    weight = seen
    if not network.head.likelihood:
        weight = weight * window_weights(data, found, lane).reshape(*shape[:2], 1)
    if series_weight is not None:
        weight = weight * series_weight[lane % data.n_series].reshape(*shape[:2], 1)
    # The sum is over what was seen, the divisor is not: batches with few targets move less.
    return (each * weight).sum() / weight.numel()
