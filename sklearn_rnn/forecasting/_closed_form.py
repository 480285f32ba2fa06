"""The linear path, solved: ridge regression on windows, in one pass over them. NumPy and torch.

Gram matrices are summed up batch by batch, so memory does not grow with the panel, and one pass
serves all blocks that are left out. What the penalty draws the map to is not zero but a simple
forecast: the last season again, with or without trend, or the series' own profile and level.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..nn import LinearPath
from ._dataset import ForecastData, Windows

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
    n_features, horizon : int
        Numbers that a window has, the one of the intercept included, and steps ahead.
    """

    def __init__(self, n_features: int, horizon: int) -> None:
        self.gram = np.zeros((n_features, n_features))
        self.joint = np.zeros((n_features, horizon))
        self.square = np.zeros(horizon)

    @property
    def total(self) -> float:
        """Weight of the windows."""
        return float(self.gram[-1, -1])

    def solve(
        self,
        priors: dict[str, np.ndarray],
        wanted: Iterable[tuple[str, float]],
        steps: np.ndarray | None = None,
    ) -> dict[tuple[str, float], LinearMap]:
        """Solve ridge regressions, each drawn to one of `priors` (F, H) by a penalty.

        Penalties are in windows of unit variance, relative to the number of windows. `steps` are
        those of the horizon that are solved for; None means all.
        """
        steps = np.arange(self.joint.shape[1]) if steps is None else steps
        wanted = sorted(wanted, key=lambda one: one[1])
        priors = {name: priors[name][:, steps] for name, _ in wanted}
        if self.total <= 0:
            return {one: LinearMap(priors[one[0]], np.zeros(len(steps))) for one in wanted}
        average = self.gram[-1, :-1] / self.total
        centred = self.gram[:-1, :-1] - np.outer(average, self.gram[-1, :-1])
        last = self.joint[-1, steps]
        joint = self.joint[:-1, steps] - np.outer(average, last)
        mean = {name: last / self.total - average @ prior for name, prior in priors.items()}
        # Priors have many columns in common, each is solved for once.
        columns = np.hstack([joint, *priors.values()]).T
        seen: dict[bytes, int] = {}
        place = np.array([seen.setdefault(one.tobytes(), len(seen)) for one in columns])
        right = np.ascontiguousarray(columns[np.unique(place, return_index=True)[1]].T)
        place = place.reshape(1 + len(priors), len(steps))
        places = dict(zip(priors, place[1:], strict=True))
        found = {}
        for penalty, group in itertools.groupby(wanted, key=lambda one: one[1]):
            # One factor serves all priors.
            solved, ridge = _solved(centred, penalty * self.total, right)
            free = solved[:, place[0]]
            for name, _ in group:
                weight = free + ridge * solved[:, places[name]]
                # The intercept is drawn to none too, a hundred times as gently.
                bias = mean[name] - average @ (weight - priors[name])
                found[name, penalty] = LinearMap(weight, bias / (1 + 0.01 * penalty))
        return found

    def spread(self, solution: LinearMap) -> np.ndarray:
        """Return the root mean squared error of a map on the windows, for each step."""
        if self.total <= 0:
            return np.ones(len(self.square))
        full = np.vstack([solution.weight, solution.bias])
        explained = 2 * (full * self.joint).sum(0) - (full * (self.gram @ full)).sum(0)
        return np.sqrt(np.maximum(self.square - explained, 1e-8 * self.total) / self.total)


def closed_forms(
    data: ForecastData,
    unit: Tensor,
    cut: Tensor,
    weights: np.ndarray | None = None,
    parts: Sequence[np.ndarray] = (),
) -> list[ClosedForm]:
    """Sum up windows, and each of some parts of them, in one pass.

    Parameters
    ----------
    data : ForecastData
    unit, cut : Tensor of int of shape (n_windows,)
        Windows to learn from.
    weights : ndarray of shape (n_series,), default=None
        Of the series.
    parts : sequence of ndarray of bool of shape (n_windows,), default=()
        Windows of each part.

    Returns
    -------
    list of ClosedForm
        Of all windows, then of each part.
    """
    n_features = data.window + data.reader.n_extra + 1
    found = [ClosedForm(n_features, data.horizon) for _ in range(1 + len(parts))]
    # Windows of the same parts are summed once.
    kinds = np.zeros(len(unit), dtype=np.int64)
    for index, part in enumerate(parts):
        kinds |= part.astype(np.int64) << index
    for kind in np.unique(kinds).tolist():
        some = np.flatnonzero(kinds == kind)
        told = [found[0], *(form for i, form in enumerate(found[1:]) if kind >> i & 1)]
        for batch in batches(unit[some], cut[some]):
            sums = _sums(data, *batch, weights)
            for form in told:
                form.gram += sums[0]
                form.joint += sums[1]
                form.square += sums[2]
    return found


def _sums(
    data: ForecastData, unit: Tensor, cut: Tensor, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the weighted products of features, with targets, and of targets of some windows."""
    found, lane = data.read_windows(unit, cut, targets=True)
    weight = window_weights(data, found, lane)
    if weights is not None:
        series = (lane % data.n_series).cpu().numpy()
        weight = weight * torch.from_numpy(weights[series]).float().to(weight.device)
    # Where most of a horizon is unknown nothing is learned; what else lacks is the level.
    root = (weight * (found.seen.mean(1) > 0.5)).sqrt()[:, None]
    features = torch.cat((found.z * root, found.extra * root, root), 1).cpu().numpy()
    target = (found.target * root).cpu().numpy()
    # NumPy takes half the time for a product of an array with itself.
    return features.T @ features, features.T @ target, (target**2).sum(0)


def _solved(gram: np.ndarray, ridge: float, right: np.ndarray) -> tuple[np.ndarray, float]:
    """Solve with a number added to the diagonal, or a larger one where rounding asks for it.

    Returns the number too.
    """
    size = len(gram)
    while True:
        matrix = torch.from_numpy(gram.copy())
        matrix.view(-1)[:: size + 1] += ridge
        factor, failed = torch.linalg.cholesky_ex(matrix)
        if not failed:
            return torch.cholesky_solve(torch.from_numpy(right), factor).numpy(), ridge
        if not ridge <= np.trace(gram):
            raise np.linalg.LinAlgError("the sums over the windows are no finite numbers")
        ridge *= 10


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
