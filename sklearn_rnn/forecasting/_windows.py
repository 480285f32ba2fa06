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
from torch.nn import functional as F

from ._lanes import N_SMOOTHED, Lanes


@dataclass
class Windows:
    """A batch of windows.

    Attributes
    ----------
    z : Tensor of shape (B, W)
        Normalised windows, zero where masked.
    mask : Tensor of shape (B, W)
        One where a value was observed; only if asked for.
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


def stretches(rows: Tensor, length: int) -> Tensor:
    """Return every stretch of `length` rows, one a row, as a view: to gather from in one piece."""
    width = rows[0].numel()
    return rows.as_strided((len(rows) - length + 1, length * width), (width, 1))


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

        # Padded, so that every window and every horizon is a stretch of rows.
        around = (window, horizon)
        x, observed = (F.pad(put(array), around) for array in (lanes.x, lanes.observed))
        self._windows, self._horizons = stretches(x, window), stretches(x, horizon)
        self._observed = stretches(observed, window), stretches(observed, horizon)
        self.start = put(lanes.start)
        self.end = put(lanes.end if until is None else until)
        self.unit = put(lanes.unit.astype(np.float32))
        self.profile = None if lanes.profile is None else put(lanes.profile)
        self.smoothed = None if lanes.smoothed is None else put(lanes.smoothed)
        self._back = torch.arange(-window, 0, device=self.device)
        self._ahead = torch.arange(horizon, device=self.device)
        half = self.season // 2
        self._phases = torch.arange(-half - self.season, -half, device=self.device)
        if self.profile is not None:
            padded = F.pad(self.profile, (half + self.season, 0))
            self._profiles = stretches(padded, self.season)

    @property
    def n_extra(self) -> int:
        """Numbers in ``Windows.extra``."""
        profile = 0 if self.profile is None else self.season
        return profile + (0 if self.smoothed is None else N_SMOOTHED)

    def read(
        self, lane: Tensor, cut: Tensor, *, targets: bool = False, mask: bool = False
    ) -> Windows:
        """Read the windows that end before flat rows `cut` of lanes `lane` (B,)."""
        begun = (self.start[lane] - cut)[:, None]
        within = self._back >= begun
        inside = within.float()
        x = self._windows[cut]
        season = min(self.season, self.window)
        recent, weight = x[:, -season:], inside[:, -season:]
        level = (recent * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1)
        z = x.sub_(level).mul_(inside)
        count = inside.sum(1, keepdim=True).clamp(min=1)
        mean = z.sum(1, keepdim=True) / count
        spread = ((z - mean).mul_(inside).square_().sum(1, keepdim=True) / count).sqrt()
        scale = torch.maximum(spread, self.unit[lane][:, None])
        z.div_(scale)
        extra = self._extra(cut, begun, level, scale)
        seen_back = z[:, :0]
        if mask:
            seen_back = (within & self._observed[0][cut]).float()
        target = seen = z[:, :0]
        if targets:
            first = cut + self.window
            ahead = self._ahead < (self.end[lane] - cut)[:, None]
            seen = (ahead & self._observed[1][first]).float()
            target = self._horizons[first].sub_(level).div_(scale).mul_(seen)
        return Windows(z, seen_back, extra, level, scale, target, seen)

    def _extra(self, cut: Tensor, begun: Tensor, level: Tensor, scale: Tensor) -> Tensor:
        """Return profile, levels and slope at the cuts, in the window's units."""
        parts = []
        if self.profile is not None:
            known = (self._phases >= begun).float()
            parts.append(self._profiles[cut] * known / scale)
        if self.smoothed is not None:
            now = self.smoothed[(cut - 1).clamp(min=0)]
            parts.append((now[:, :-1] - level) / scale)
            parts.append(now[:, -1:] * self.horizon / scale)
        return torch.cat(parts, 1).clamp(-10, 10) if parts else level[:, :0]
