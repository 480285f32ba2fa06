"""Windows on lanes, normalised so that a forecast does not depend on level or scale. Torch.

A window is the stretch before a *cut*; the targets are the rows from the cut on. Level is the mean
of the window's last season, scale the spread of the window. Where a lane had not begun or a value
is missing, the mask is zero and the window reads as its own level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ._lanes import N_SMOOTHED, Lanes


@dataclass
class Windows:
    """A batch of windows.

    Attributes
    ----------
    z : Tensor of shape (B, W)
        Normalised windows, zero where masked.
    mask : Tensor of shape (B, W)
        One where a value was observed.
    extra : Tensor of shape (B, E)
        Normalised profile and smoothed levels; E may be zero.
    level, scale : Tensor of shape (B, 1)
        What ``z`` was normalised by.
    target, seen : Tensor of shape (B, H)
        Normalised targets and where they count; only if asked for.
    """

    z: Tensor
    mask: Tensor
    extra: Tensor
    level: Tensor
    scale: Tensor
    target: Tensor
    seen: Tensor


class WindowReader:
    """Gather windows from lanes.

    Parameters
    ----------
    lanes : Lanes
    window, horizon : int
    device : torch.device
    """

    def __init__(
        self,
        lanes: Lanes,
        window: int,
        horizon: int,
        device: torch.device | str = "cpu",
        *,
        until: np.ndarray | None = None,
    ) -> None:
        self.lanes, self.window, self.horizon = lanes, window, horizon
        self.season = lanes.season
        self.device = torch.device(device)

        def put(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

        self.x = put(lanes.x)
        self.observed = put(lanes.observed)
        self.start = put(lanes.start)
        self.end = put(lanes.end if until is None else until)
        self.unit = put(lanes.unit.astype(np.float32))
        self.profile = None if lanes.profile is None else put(lanes.profile)
        self.smoothed = None if lanes.smoothed is None else put(lanes.smoothed)
        self._back = torch.arange(-window, 0, device=self.device)
        self._ahead = torch.arange(horizon, device=self.device)
        half = self.season // 2
        self._phases = torch.arange(-half - self.season, -half, device=self.device)

    @property
    def n_extra(self) -> int:
        """Numbers in ``Windows.extra``."""
        profile = 0 if self.profile is None else self.season
        return profile + (0 if self.smoothed is None else N_SMOOTHED)

    def read(self, lane: Tensor, cut: Tensor, *, targets: bool = False) -> Windows:
        """Read the windows that end before flat rows `cut` of lanes `lane` (B,)."""
        start = self.start[lane][:, None]
        rows = cut[:, None] + self._back
        inside = rows >= start
        rows = rows.clamp_(min=0)
        mask = inside & self.observed[rows]
        inside = inside.float()
        x = self.x[rows]
        season = min(self.season, self.window)
        recent, weight = x[:, -season:], inside[:, -season:]
        level = (recent * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1)
        z = (x - level) * inside
        count = inside.sum(1, keepdim=True).clamp(min=1)
        mean = z.sum(1, keepdim=True) / count
        spread = (((z - mean) * inside).square().sum(1, keepdim=True) / count).sqrt()
        scale = torch.maximum(spread, self.unit[lane][:, None])
        z = z / scale
        extra = self._extra(cut, start, level, scale)
        target = seen = z[:, :0]
        if targets:
            rows = cut[:, None] + self._ahead
            inside = rows < self.end[lane][:, None]
            rows = rows.clamp_(max=len(self.x) - 1)
            seen = (inside & self.observed[rows]).float()
            target = (self.x[rows] - level) / scale * seen
        return Windows(z, mask.float(), extra, level, scale, target, seen)

    def _extra(self, cut: Tensor, start: Tensor, level: Tensor, scale: Tensor) -> Tensor:
        """Return profile, levels and slope at the cuts, in the window's units."""
        parts = []
        if self.profile is not None:
            rows = cut[:, None] + self._phases
            known = (rows >= start).float()
            parts.append(self.profile[rows.clamp_(min=0)] * known / scale)
        if self.smoothed is not None:
            now = self.smoothed[(cut - 1).clamp(min=0)]
            parts.append((now[:, :-1] - level) / scale)
            parts.append(now[:, -1:] * self.horizon / scale)
        return torch.cat(parts, 1).clamp(-10, 10) if parts else level[:, :0]
