"""The linear path, solved: ridge regression on windows, in one pass over them. NumPy and torch.

Gram matrices are summed up batch by batch, so memory does not grow with the panel, and one
eigendecomposition serves all penalties. What the penalty draws the map to is not zero but a simple
forecast: the last season again, with or without trend, or the series' own profile and level.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..nn import LinearPath
from ._dataset import ForecastData
from ._windows import Windows

PENALTIES = 10.0 ** np.arange(-4.0, 5.0)
_BATCH = 8192
# Windows count by how much their errors weigh in the panel's scaled error, within these bounds.
_LIGHTEST, _HEAVIEST = 0.01, 10.0


@dataclass(frozen=True)
class LinearMap:
    """Coefficients (F, H) of window and extra numbers, and an intercept (H,)."""

    weight: np.ndarray
    bias: np.ndarray

    def put(self, path: LinearPath) -> None:
        """Write it into a network's linear path."""
        with torch.no_grad():
            path.map.weight.copy_(torch.from_numpy(self.weight.T))
            path.map.bias.copy_(torch.from_numpy(self.bias))


def averaged(maps: list[tuple[LinearMap, int, float]], window: int) -> LinearMap:
    """Average maps of windows of different length, with weights, into one of the longest."""
    n_extra = len(maps[0][0].weight) - maps[0][1]
    horizon = len(maps[0][0].bias)
    weight, bias = np.zeros((window + n_extra, horizon)), np.zeros(horizon)
    for found, length, share in maps:
        weight[window - length : window] += share * found.weight[:length]
        weight[window:] += share * found.weight[length:]
        bias += share * found.bias
    return LinearMap(weight, bias)


def scale_ratio(part: ForecastData, whole: ForecastData, unit: Tensor, cut: Tensor) -> float:
    """Return the usual spread of windows of `part` in units of those of `whole`, same cuts.

    A linear map is the same in any unit but for its bias: along a trend, a window of twice the
    length spreads twice as wide, and a drift that is written in its units would double.
    """
    if part.window == whole.window or not len(unit):
        return 1.0
    if len(unit) > _BATCH:
        some = np.random.default_rng(0).choice(len(unit), _BATCH, replace=False)
        unit, cut = unit[some], cut[some]
    lanes = part.lanes_of(unit.cpu().numpy())[:, 0]
    rows = torch.from_numpy(part.rows_of(unit, cut)[:, 0]).to(part.device)
    lane = torch.from_numpy(lanes).to(part.device)
    own, other = (data.reader.read(lane, rows).scale.double()[:, 0] for data in (part, whole))
    # Forecasts start where a series has been seen for longest: early windows are alike.
    seen = (rows - whole.reader.start[lane]).clamp(max=whole.window)
    return float((own / other)[seen == seen.max()].mean())


def window_weights(data: ForecastData, found: Windows, lane: Tensor) -> Tensor:
    """Return how much an error of one, normalised, comes to in units of each lane's MASE scale."""
    lanes = lane.cpu().numpy()
    slope = data.lanes.slope(found.level[:, 0].double().cpu().numpy(), lanes)
    factor = torch.from_numpy(slope / data.lanes.scale[lanes]).float().to(found.scale.device)
    return (found.scale[:, 0] * factor).clamp(_LIGHTEST, _HEAVIEST)


def batches(unit: Tensor, cut: Tensor, size: int = _BATCH) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield windows in batches."""
    for begin in range(0, len(unit), size):
        yield unit[begin : begin + size], cut[begin : begin + size]


class ClosedForm:
    """Sums over windows from which linear maps are solved.

    Parameters
    ----------
    data : ForecastData
    unit, cut : Tensor of int of shape (n_windows,)
        Windows to learn from.
    weights : ndarray of shape (n_series,), default=None
        Of the series.
    """

    def __init__(
        self,
        data: ForecastData,
        unit: Tensor,
        cut: Tensor,
        weights: np.ndarray | None = None,
    ) -> None:
        n_features = data.window + data.reader.n_extra + 1
        gram = np.zeros((n_features, n_features))
        joint = np.zeros((n_features, data.horizon))
        square = np.zeros(data.horizon)
        for part, where in batches(unit, cut):
            found, lane = data.read_windows(part, where, targets=True)
            weight = window_weights(data, found, lane)
            if weights is not None:
                series = (lane % data.n_series).cpu().numpy()
                weight = weight * torch.from_numpy(weights[series]).float().to(weight.device)
            # Where most of a horizon is unknown nothing is learned; what else lacks is the level.
            weight = weight * (found.seen.mean(1) > 0.5)
            ones = torch.ones(len(weight), 1, device=weight.device)
            features = torch.cat((found.z, found.extra, ones), 1)
            heavy = (features * weight[:, None]).T
            gram += (heavy @ features).double().cpu().numpy()
            joint += (heavy @ found.target).double().cpu().numpy()
            square += (weight[:, None] * found.target.square()).sum(0).double().cpu().numpy()
        self.total = float(gram[-1, -1])
        self.gram, self.joint, self.square = gram, joint, square
        if self.total > 0:
            self._mean = gram[-1, :-1] / self.total
            centred = gram[:-1, :-1] - np.outer(self._mean, gram[-1, :-1])
            values, self._vectors = np.linalg.eigh(centred)
            self._values = np.maximum(values, 0.0)

    def solve(self, prior: np.ndarray, penalty: float) -> LinearMap:
        """Solve ridge regression that is drawn to `prior` (F, H).

        The penalty is in windows of unit variance, relative to the number of windows.
        """
        return next(self.path(prior, [penalty], np.arange(prior.shape[1])))

    def path(
        self, prior: np.ndarray, penalties: Iterable[float], steps: np.ndarray
    ) -> Iterator[LinearMap]:
        """Yield the solutions of several penalties, for some steps of the horizon alone."""
        prior = prior[:, steps]
        if self.total <= 0:
            for _ in penalties:
                yield LinearMap(prior, np.zeros(len(steps)))
            return
        joint = self.joint[:, steps] - self.gram[:, :-1] @ prior
        mean = joint[-1] / self.total
        turned = self._vectors.T @ (joint[:-1] - np.outer(self._mean, joint[-1]))
        for penalty in penalties:
            shrunk = 1.0 / (self._values + penalty * self.total)
            weight = self._vectors @ (shrunk[:, None] * turned)
            # The intercept is drawn to none too, a hundred times as gently.
            bias = (mean - self._mean @ weight) / (1 + 0.01 * penalty)
            yield LinearMap(weight + prior, bias)

    def spread(self, solution: LinearMap) -> np.ndarray:
        """Return the root mean squared error of a map on the windows, for each step."""
        if self.total <= 0:
            return np.ones(len(self.square))
        full = np.vstack([solution.weight, solution.bias])
        explained = 2 * (full * self.joint).sum(0) - (full * (self.gram @ full)).sum(0)
        return np.sqrt(np.maximum(self.square - explained, 1e-8 * self.total) / self.total)


def priors(data: ForecastData) -> dict[str, np.ndarray]:
    """Return the simple forecasts that a map may be drawn to, as maps (F, H)."""
    window, horizon, season = data.window, data.horizon, data.reader.season
    n_features = window + data.reader.n_extra
    steps = np.arange(horizon)
    found = {"level": np.zeros((n_features, horizon))}
    if 1 < season <= window:
        found["season"] = np.zeros((n_features, horizon))
        found["season"][window - season + steps % season, steps] = 1.0
    found["last"] = np.zeros((n_features, horizon))
    found["last"][window - 1] = 1.0
    if data.reader.profile is not None:
        found["profile"] = np.zeros((n_features, horizon))
        found["profile"][window + (steps + season // 2) % season, steps] = 1.0
        found["profile"][window + season + 1] = 1.0
    if data.reader.smoothed is not None:
        # Back to the mean of the window, with the season's profile around it.
        found["mean"] = np.zeros((n_features, horizon))
        found["mean"][:window] = 1 / window
        if data.reader.profile is not None:
            found["mean"] += found["profile"]
            found["mean"][window + season + 1] = 0.0
        # Season or last value, going on along the straight line through the lane so far.
        base = "season" if "season" in found else "last"
        lag = season * (1 + steps // season)
        found["trend"] = found[base].copy()
        found["trend"][-1] = lag / horizon
    return found
