"""What a forecasting network reads, and what it says: windows of lanes with their covariates.

Windows are normalised so that a forecast does not depend on level or scale. Imports torch and nn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..nn import ForecastInput
from ._lanes import N_SMOOTHED, Design, Lanes


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


class ForecastData:
    """Read batches of windows for a network.

    A *unit* is what one row of a batch forecasts: a lane, or with mixed channels a series with all
    its lanes. A window is a unit and a cut, counted in rows of the series.

    Parameters
    ----------
    lanes : Lanes
        Of a panel with n series, K targets.
    design : Design
        The panel's covariates as numbers.
    offsets : ndarray of int of shape (n + 1,)
    window, horizon : int
    mixed : bool
    until : ndarray of int of shape (n,), default=None
        Rows of each series that targets may come from; None means all.
    device : torch.device
    """

    def __init__(
        self,
        lanes: Lanes,
        design: Design,
        offsets: np.ndarray,
        window: int,
        horizon: int,
        *,
        mixed: bool,
        until: np.ndarray | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self._given = lanes, design, offsets, horizon, mixed, until
        self.lanes, self.mixed = lanes, mixed
        self.window, self.horizon = window, horizon
        self.n_series, self.n_rows = len(offsets) - 1, int(offsets[-1])
        self.n_targets = len(lanes.start) // max(self.n_series, 1)
        self.offsets = offsets
        lengths = np.diff(offsets) if until is None else until
        shift = np.arange(self.n_targets)[:, None] * self.n_rows
        self.until = (offsets[:-1] + lengths + shift).reshape(-1)
        self.reader = WindowReader(lanes, window, horizon, device, until=self.until)
        self.device = self.reader.device
        self._offsets = torch.from_numpy(np.ascontiguousarray(offsets)).to(self.device)

        def put(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(self.device)

        self.known, self.past, self.static = map(put, (design.known, design.past, design.static))
        self._span = torch.arange(-window, horizon, device=self.device)
        # Padded, so that what lies around any row is a stretch of rows.
        padded = (F.pad(rows, (0, 0, window, horizon)) for rows in (self.known, self.past))
        spans = window + horizon, window
        self._stretches = [stretches(*pair) for pair in zip(padded, spans, strict=True)]

    def with_window(self, window: int) -> ForecastData:
        """Return the same lanes, each by itself, read with another window."""
        lanes, design, offsets, horizon, _, until = self._given
        return ForecastData(
            lanes, design, offsets, window, horizon, mixed=False, until=until, device=self.device
        )

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.n_series if self.mixed else self.n_series * self.n_targets

    @property
    def targets_a_unit(self) -> int:
        """Lanes that a unit forecasts."""
        return self.n_targets if self.mixed else 1

    def lanes_of(self, units: np.ndarray) -> np.ndarray:
        """Return the lanes of units (B, K)."""
        if self.mixed:
            return units[:, None] + np.arange(self.n_targets) * self.n_series
        return units[:, None]

    def rows_of(self, unit: Tensor, cut: Tensor) -> np.ndarray:
        """Return the flat row of each lane (B, K) at cuts."""
        lanes = self.lanes_of(unit.cpu().numpy())
        n = max(self.n_series, 1)
        rows = self.offsets[lanes[:, :1] % n] + cut.cpu().numpy()[:, None]
        return rows + (lanes // n) * self.n_rows

    def effects_ahead(self, unit: Tensor, cut: Tensor) -> np.ndarray | None:
        """Return what covariates explain in the horizon of windows (B, K, H), or None."""
        if self.lanes.effect is None:
            return None
        last = self.lanes.end[self.lanes_of(unit.cpu().numpy())][..., None] - 1
        rows = self.rows_of(unit, cut)[..., None] + np.arange(self.horizon)
        return np.asarray(self.lanes.effect[np.minimum(rows, last)])

    def windows(self, first: int, *, full: bool, most: int, seed: int) -> tuple[Tensor, Tensor]:
        """List windows to train on.

        Parameters
        ----------
        first : int
            Rows that must lie before a cut.
        full : bool
            Only those whose whole horizon lies before the end.
        most : int
            Windows beyond this are left out at random.
        seed : int

        Returns
        -------
        unit, cut : Tensor of int of shape (n_windows,)
        """
        lanes = self.lanes_of(np.arange(self.n_units))
        shift = (lanes // max(self.n_series, 1)) * self.n_rows
        begin = (self.lanes.start[lanes] - shift).min(1)
        end = (self.until[lanes] - shift).min(1)
        base = self.offsets[lanes[:, 0] % self.n_series]
        low = begin - base + first
        high = end - base - (self.horizon if full else 1) + 1
        counts = np.maximum(high - low, 0)
        total = int(counts.sum())
        if total > most:
            places = np.sort(np.random.default_rng(seed).choice(total, most, replace=False))
        else:
            places = np.arange(total)
        ends = np.cumsum(counts)
        unit = np.searchsorted(ends, places, side="right")
        cut = places - (ends - counts)[unit] + low[unit]
        return torch.from_numpy(unit), torch.from_numpy(cut)

    def read(
        self, unit: Tensor, cut: Tensor, *, targets: bool = False
    ) -> tuple[ForecastInput, Windows, Tensor]:
        """Read windows: the network's input, the windows of all lanes (B * K), and the lanes."""
        found, lane = self.read_windows(unit, cut, targets=targets, mask=True)
        series = unit.to(self.device) % max(self.n_series, 1)
        shape = (len(unit), self.targets_a_unit, -1)
        covariates = self._covariates(series, self._offsets[series] + cut.to(self.device))
        inputs = ForecastInput(
            found.z.reshape(*shape[:2], self.window),
            found.mask.reshape(*shape[:2], self.window),
            found.extra.reshape(*shape[:2], found.extra.shape[1]),
            *covariates,
        )
        return inputs, found, lane

    def read_windows(
        self, unit: Tensor, cut: Tensor, *, targets: bool = False, mask: bool = False
    ) -> tuple[Windows, Tensor]:
        """Read the windows of all lanes (B * K), and the lanes, as `read`, but no covariates."""
        n, k = max(self.n_series, 1), self.targets_a_unit
        unit, cut = unit.to(self.device), cut.to(self.device)
        if self.mixed:
            lane = unit[:, None] + torch.arange(k, device=self.device) * n
        else:
            lane = unit[:, None]
        rows = self._offsets[lane[:, 0] % n] + cut
        flat = (rows[:, None] + (lane // n) * self.n_rows).reshape(-1)
        lane = lane.reshape(-1)
        return self.reader.read(lane, flat, targets=targets, mask=mask), lane

    def _covariates(self, series: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gather covariates; before its first and after its last row a series keeps those."""
        static = self.static[series]
        batch = len(series)
        if not self.known.shape[1] and not self.past.shape[1]:
            span = self.window + self.horizon
            return static.new_zeros(batch, span, 0), static.new_zeros(batch, self.window, 0), static
        begin, end = self._offsets[series], self._offsets[series + 1]
        known, past = self._stretches[0][rows], self._stretches[1][rows]
        known = known.reshape(batch, self.window + self.horizon, self.known.shape[1])
        past = past.reshape(batch, self.window, self.past.shape[1])
        near = ((rows - self.window < begin) | (rows + self.horizon > end)).nonzero()[:, 0]
        if len(near):
            rows = rows[near, None]
            steps = torch.maximum(rows + self._span, begin[near, None])
            steps = torch.minimum(steps, end[near, None] - 1)
            known[near] = self.known[steps]
            past[near] = self.past[torch.minimum(steps[:, : self.window], rows - 1).clamp(min=0)]
        return known, past, static


@dataclass
class Forecasts:
    """Forecasts of n origins.

    Attributes
    ----------
    point : ndarray of shape (n, h, K)
    quantiles : ndarray of shape (n, h, K, Q)
        At `levels`; they do not cross.
    levels : tuple of float
    """

    point: np.ndarray
    quantiles: np.ndarray
    levels: tuple[float, ...]


def kept_tail(
    data: ForecastData, unit: Any, cut: Any, found: Forecasts
) -> tuple[np.ndarray, np.ndarray, Forecasts]:
    """Return series, cuts and forecasts by origin, from those of a network's units."""
    units, cuts = (part.cpu().numpy() for part in (unit, cut))
    series = units % data.n_series
    if data.mixed or data.n_targets == 1:
        return series, cuts, found
    n, horizon, levels = data.n_targets, found.point.shape[1], found.levels
    order = np.lexsort((units // data.n_series, cuts, series))
    point = found.point[order, :, 0].reshape(-1, n, horizon).swapaxes(1, 2)
    quantiles = found.quantiles[order, :, 0].reshape(-1, n, horizon, len(levels)).swapaxes(1, 2)
    first = order[::n]
    return series[first], cuts[first], Forecasts(point, quantiles, levels)
