"""The linear path of a forecaster, solved, and what the held-out tail chooses for it.

Ridge regression on windows, in one pass over them; blocks of the history that are left out in turn,
where the tail alone tells little; window, transform, prior and penalty. NumPy and the parts of this
room.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..nn import LinearPath, recurrence_size
from ._dataset import ForecastData, Windows
from ._lanes import N_SMOOTHED, Design, Effects, Lanes, estimate_effects, make_lanes
from ._options import ForecastOptions
from ._panel import Panel

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


# Blocks, and windows that one is tried on.
_BLOCKS, _MOST_TRIED = 4, 400
#: Forecasts in a tail that do not overlap, from which on it is enough.
ENOUGH = 100.0

_Windows = tuple[Tensor, Tensor]


def left_out(
    data: ForecastData, unit: Tensor, cut: Tensor, begin: int, stride: int
) -> list[tuple[np.ndarray, _Windows]]:
    """List blocks: which windows (n_windows,) have no target in it, and windows to try on it.

    Parameters
    ----------
    data : ForecastData
        Ends before the tail.
    unit, cut : Tensor of int of shape (n_windows,)
        Windows that are solved from.
    begin : int
        Rows that lie before the first block.
    stride : int
        Rows between the windows that are tried.
    """
    horizon, n = data.horizon, data.n_series
    until = data.until[:n] - data.offsets[:-1]
    room = until - begin
    n_blocks = int(min(_BLOCKS, np.median(room) // horizon))
    if n_blocks < 2:
        return []
    edges = begin + np.maximum(room, 0)[:, None] * np.arange(n_blocks + 1) // n_blocks
    series, place = unit.numpy() % n, cut.numpy()
    found = []
    for low, high in zip(edges.T[:-1], edges.T[1:], strict=True):
        # Targets before the block, or behind it.
        apart = (place + horizon <= low[series]) | (place >= high[series])
        tried = _tried(data, low, high, stride)
        if apart.any() and len(tried[0]):
            found.append((apart, tried))
    return found


def _tried(data: ForecastData, low: np.ndarray, high: np.ndarray, stride: int) -> _Windows:
    """List windows whose targets lie in a block; all targets of a series at each cut."""
    cuts = [
        np.arange(last - data.horizon, first - 1, -stride)[::-1]
        for first, last in zip(low, high, strict=True)
    ]
    series = np.repeat(np.arange(data.n_series), [len(part) for part in cuts])
    cut = np.concatenate(cuts)
    times = data.n_units // data.n_series
    kept = _some(np.arange(len(cut)), max(1, _MOST_TRIED // times))
    units = (series[kept][None] + np.arange(times)[:, None] * data.n_series).reshape(-1)
    return torch.from_numpy(units), torch.from_numpy(np.tile(cut[kept], times))


def _some(places: np.ndarray, most: int) -> np.ndarray:
    """Return places, or this many drawn from them."""
    if len(places) <= most:
        return places
    return np.sort(np.random.default_rng(0).choice(places, most, replace=False))


# Seasons in a window, and horizons where there is no season.
_SEASONS = (2, 4, 7, 14, 30)
_HORIZONS = (1, 2, 4, 8)
_LONGEST_WINDOW = 1500
# Forecasts that do not overlap, from which on a tail can tell whether a series has a mean.
_TELLING = 8
# From windows of more rows on, what was this many times as wrong as another is tried no more.
_LONG, _BEHIND = 500, 1.1
# Shortest window, as a share of the horizon.
_LOOK_BACK = 0.4
# Windows that candidates are solved on, and validated on.
MOST_SOLVED, _MOST_VALIDATED = 30_000, 3_000
# Steps of a long horizon that candidates are compared on.
_MOST_STEPS = 64
# Relative error that one forecast cannot tell, from the tail alone and joined by blocks, which are
# spread over all of the history.
_DOUBT, _DOUBT_BLOCKS = 0.35, 0.15
# Least penalty where the tail holds few forecasts.
_FIRM = 0.1
# Shares of the intercept that are tried: drift that was seen is seldom all of the drift to come.
_DRIFTS = (1.0, 0.5, 0.0)
# Candidates of less than this share of the best one's weight are left out.
_LEAST_WEIGHT = 0.1
# Independent windows that the tail should hold, and the share of a series that it may take.
_WANTED, _TAIL_SHARE = 200, 0.2


@dataclass(frozen=True)
class Candidate:
    """A linear path: window, what its penalty draws it to, drift, and weight in the average."""

    window: int
    prior: str
    penalty: float
    # Share of the intercept that is kept.
    drift: float = 1.0
    error: float = float("nan")
    weight: float = 1.0


@dataclass
class Choice:
    """What was chosen, and the tail it was chosen on."""

    transform: str | None
    seasonality: bool
    # Linear paths that are averaged; the recurrence reads the window of the best.
    candidates: list[Candidate]
    # Rows of each series before its tail; the whole series where none is held out.
    until: np.ndarray
    held_out: np.ndarray
    stride: int
    # Forecasts in the tail that do not overlap. Targets of a series share their time: they are one.
    n_independent: float
    # Of covariates, where the tail prefers them to none.
    effects: Effects | None = None

    @property
    def validated(self) -> bool:
        """Whether anything is held out."""
        return bool(self.held_out.any())

    @property
    def window(self) -> int:
        """Longest window of the average."""
        return max(candidate.window for candidate in self.candidates)

    @property
    def recent(self) -> int:
        """Window of the most weight."""
        found = self._windows()
        return max(found, key=lambda window: found[window])

    def _windows(self) -> dict[int, float]:
        """Add up the weights by window."""
        found: dict[int, float] = {}
        for candidate in self.candidates:
            found[candidate.window] = found.get(candidate.window, 0.0) + candidate.weight
        return found

    def report(self) -> dict[str, Any]:
        """Say what was chosen."""
        return {
            "window": self.recent,
            "windows": self._windows(),
            "transform": self.transform,
            "effects": self.effects is not None,
            "validated_series": int(self.held_out.sum()),
        }

    def truth(
        self, data: ForecastData, panel: Panel, unit: Tensor, cut: Tensor
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the targets of windows (B, H, K) in the user's units, and scales (B, K)."""
        lanes = data.lanes_of(unit.numpy())
        series, target = lanes[:, 0] % data.n_series, lanes // data.n_series
        rows = panel.offsets[series] + cut.numpy()
        rows = rows[:, None] + np.arange(data.horizon)
        end = panel.offsets[series + 1][:, None]
        values = panel.values[np.minimum(rows, end - 1)[:, :, None], target[:, None, :]]
        return np.where((rows < end)[:, :, None], values, np.nan), data.lanes.scale[lanes]


def first_cut(window: int, season: int) -> int:
    """Return how many rows must lie before the first window that is learned from."""
    return min(window, max(2, season // 2))


def needed_bytes(panel: Panel, options: ForecastOptions) -> int:
    """Return about how many bytes fitting and forecasting will take, told by the sizes alone."""
    lengths = np.diff(panel.offsets)
    season, horizon = max(1, int(panel.season_length)), int(options.horizon)
    window = max(_windows(options.window, lengths, horizon, season))
    profile = season if season > 1 and options.seasonality is not False else 0
    features, hidden = window + profile + N_SMOOTHED, int(options.hidden_size)
    raw = panel.n_targets * max(13, 3 * int(options.n_components))
    trained = hidden * (features + horizon * raw) + features * horizon
    trained += recurrence_size(options.cell, hidden, hidden, int(options.num_layers), False)
    paths = int(options.n_samples) if options.decoder == "recursive" else 13
    rows = len(lengths) * panel.n_targets
    return (
        (8 * (8 * features**2 + 8 * features * horizon) if options.linear else 0)
        + (16 * int(options.n_estimators) * trained if options.trains else 0)
        + 8 * rows * (window + horizon * paths)
    )


def choose(
    panel: Panel,
    design: Design,
    options: ForecastOptions,
    validation_horizon: int | None,
    weights: np.ndarray | None,
) -> Choice:
    """Choose what is "auto" on the tail of the panel's series.

    Linear paths of all windows, priors and penalties are tried; those that do about as well as
    the best are averaged, and what counts as about as well depends on how much the tail can tell:
    a panel of a thousand series singles one out, a single short series averages nearly all. Where
    the tail holds few forecasts, blocks of the history before it are left out in turn, and their
    error counts as much as the tail's.
    """
    lengths = np.diff(panel.offsets)
    season, horizon = max(1, int(panel.season_length)), options.horizon
    seasonality = options.seasonality is not False
    until, held_out, tail = _hold_out(lengths, horizon, season, validation_horizon)
    choice = Choice(
        transform=None,
        seasonality=seasonality,
        candidates=[],
        until=until,
        held_out=held_out,
        stride=max(1, min(horizon // 4, tail // 50)),
        n_independent=float(held_out.sum() * tail / horizon),
    )
    tries = []
    for transform in _transforms(panel, options.transform):
        plain = make_lanes(panel, transform, seasonality=seasonality, limit=until)
        for effects in _effects(plain, panel, design, options, choice):
            lanes = plain
            if effects is not None:
                lanes = make_lanes(
                    panel, transform, seasonality=seasonality, limit=until,
                    effects=effects, known=design.known,
                )  # fmt: skip
            tries.append(_Try(transform, effects, lanes))
    windows = _windows(options.window, lengths, horizon, season)
    for window in windows:
        for one in _running(tries) if window > _LONG else tries:
            one.add(window, min(windows), panel, design, options, choice, weights)
        best = _best(tries)
        choice.transform, choice.effects = best.transform, best.effects
        choice.candidates = _averaged(best.candidates, choice.n_independent, best.n_blocks)
        if not choice.validated or not options.linear:
            break
        # Where a long window has no part in the average, a longer one will have none.
        if window > _LONG and all(one.window != window for one in choice.candidates):
            break
    return choice


@dataclass
class _Try:
    """A transform, with or without effects of covariates, and what was tried on its lanes."""

    transform: str | None
    effects: Effects | None
    lanes: Lanes
    candidates: list[Candidate] = field(default_factory=list)
    # The least error on the tail alone, and blocks tried.
    least: float = np.inf
    n_blocks: int = 0

    @property
    def error(self) -> float:
        """The least error of the candidates."""
        return float(np.nanmin([*(one.error for one in self.candidates), np.inf]))

    def add(
        self,
        window: int,
        shortest: int,
        panel: Panel,
        design: Design,
        options: ForecastOptions,
        choice: Choice,
        weights: np.ndarray | None,
    ) -> None:
        """Try the linear paths of a window."""
        season, horizon = max(1, int(panel.season_length)), options.horizon
        joined = choice.n_independent < ENOUGH
        data = ForecastData(
            self.lanes, design, panel.offsets, window, horizon, mixed=False, until=choice.until
        )
        simple = priors(data)
        if not joined and season > 1:
            # A seasonal panel gains nothing from the last value alone.
            simple.pop("last")
        if choice.n_independent < _TELLING:
            # Back to a far mean is wrong for most short series, and their tail cannot say so.
            simple.pop("mean", None)
        if not choice.validated or not options.linear:
            prior = "profile" if "profile" in simple else list(simple)[-1]
            self.candidates = [Candidate(window, prior, 1.0)]
            return
        first = first_cut(window, season)
        rows = data.windows(first, full=True, most=MOST_SOLVED, seed=0)
        blocks = left_out(data, *rows, shortest, choice.stride) if joined else []
        forms = closed_forms(data, *rows, weights, [apart for apart, _ in blocks])
        tried = [validation_windows(data, choice), *(some for _, some in blocks)]
        errors, *parts = (
            _errors(form, data, panel, choice, simple, some)
            for form, some in zip(forms, tried, strict=True)
        )
        self.least = float(np.fmin(self.least, np.nanmin([*errors.values(), np.inf])))
        self.n_blocks = len(blocks)
        for key, error in errors.items():
            if parts:
                error = 0.5 * error + 0.5 * float(np.mean([part[key] for part in parts]))
            self.candidates.append(Candidate(window, *key, error=error))


def _best(tries: list[_Try]) -> _Try:
    """Return the try that is chosen."""
    # Whether a trend is one of shares is told by the end of it: the tail alone decides.
    return min(_best_effects(tries).values(), key=lambda one: one.least)


def _best_effects(tries: list[_Try]) -> dict[str | None, _Try]:
    """Return the best of each transform."""
    found: dict[str | None, _Try] = {}
    for one in tries:
        if one.transform not in found or one.error < found[one.transform].error:
            found[one.transform] = one
    return found


def _running(tries: list[_Try]) -> list[_Try]:
    """Return the tries that shorter windows did not leave far behind."""
    best, alike = _best(tries), _best_effects(tries)
    return [
        one
        for one in tries
        if one.error <= _BEHIND * alike[one.transform].error
        and alike[one.transform].least <= _BEHIND * best.least
    ]


def _effects(
    plain: Lanes, panel: Panel, design: Design, options: ForecastOptions, choice: Choice
) -> list[Effects | None]:
    """List the effects of covariates to try: none, and those that were estimated."""
    # Counts have no effects that add up; what the covariates say of them is left to the network.
    n_columns = design.known.shape[1] - panel.n_calendar
    counts = options.distribution == "negative_binomial"
    if not n_columns or counts or not options.linear or not choice.validated:
        return [None]
    found = effects_until(plain, panel, design, choice.until)
    return [None] if found is None else [None, found]


def effects_until(lanes: Lanes, panel: Panel, design: Design, until: np.ndarray) -> Effects | None:
    """Estimate the effects of covariates, but for the calendar's, from the first rows of series."""
    known = design.known[:, : design.known.shape[1] - panel.n_calendar]
    shift = np.arange(panel.n_targets)[:, None] * len(known)
    return estimate_effects(lanes, known, (panel.offsets[:-1] + until + shift).reshape(-1))


def _averaged(found: list[Candidate], n_independent: float, n_blocks: int) -> list[Candidate]:
    """Weight candidates by their errors, as sharply as this many forecasts can tell them apart."""
    errors = np.array([candidate.error for candidate in found])
    if len(found) == 1 or not np.isfinite(errors).all():
        return found[:1]
    doubt = _DOUBT_BLOCKS if n_blocks else _DOUBT
    doubt /= np.sqrt(max(n_independent, 1.0) * (1 + n_blocks))
    weight = np.exp(-(errors / max(errors.min(), 1e-300) - 1) / doubt)
    weight[weight < _LEAST_WEIGHT * weight.max()] = 0.0
    weight /= weight.sum()
    return [replace(c, weight=float(w)) for c, w in zip(found, weight, strict=True) if w > 0]


def _errors(
    form: ClosedForm,
    data: ForecastData,
    panel: Panel,
    choice: Choice,
    simple: dict[str, np.ndarray],
    tried: tuple[Tensor, Tensor],
) -> dict[tuple[str, float, float], float]:
    """Solve each prior and penalty; return the scaled errors on some windows."""
    steps = _steps(data.horizon)
    # Windows of one history overlap: they are fewer than they seem, and ask for firmer penalties.
    few = choice.n_independent < ENOUGH
    penalties = PENALTIES[PENALTIES >= _FIRM] if few else PENALTIES
    wanted = list(itertools.product(simple, penalties.tolist()))
    solved = form.solve(simple, wanted, steps)
    maps = {one: solved[one] for one in wanted}
    total = {(*key, drift): 0.0 for key in maps for drift in _DRIFTS}
    count = 0.0
    for unit, cut in batches(*tried, 1024):
        truth, scale = choice.truth(data, panel, unit, cut)
        found, lane = data.read_windows(unit, cut)
        features = torch.cat((found.z, found.extra), 1).double().numpy()
        level, spread = found.level.double().numpy(), found.scale.double().numpy()
        effect = data.effects_ahead(unit, cut)
        seen = truth[:, steps, 0]
        known = np.isfinite(seen)
        count += known.sum()
        for key, solution in maps.items():
            straight = features @ solution.weight
            for drift in _DRIFTS:
                moved = (straight + drift * solution.bias) * spread + level
                if effect is not None:
                    moved += effect[:, 0, steps]
                error = np.abs(seen - data.lanes.to_user(moved, lane.numpy())) / scale
                total[(*key, drift)] += float(error[known].sum())
    return {key: value / max(count, 1.0) for key, value in total.items()}


def _steps(horizon: int) -> np.ndarray:
    """Return the steps that candidates are compared on: all, or some drawn from a long horizon.

    Drawn and not evenly spaced, so that no season is always met in the same phase.
    """
    if horizon <= _MOST_STEPS:
        return np.arange(horizon)
    return np.sort(np.random.default_rng(0).choice(horizon, _MOST_STEPS, replace=False))


def validation_windows(data: ForecastData, choice: Choice) -> tuple[Tensor, Tensor]:
    """List the windows whose targets lie in the tail; all targets of a series at each cut."""
    found, cuts = [], []
    lengths = np.diff(data.offsets)
    for index in np.flatnonzero(choice.held_out):
        last = lengths[index] - data.horizon
        part = np.arange(last, choice.until[index] - 1, -choice.stride)[::-1]
        found.append(np.full(len(part), index))
        cuts.append(part)
    series, cut = np.concatenate(found), np.concatenate(cuts)
    times = data.n_units // data.n_series
    most = max(1, _MOST_VALIDATED // times)
    if len(series) > most:
        chosen = np.sort(np.random.default_rng(0).choice(len(series), most, replace=False))
        series, cut = series[chosen], cut[chosen]
    units = (series[None] + np.arange(times)[:, None] * data.n_series).reshape(-1)
    return torch.from_numpy(units), torch.from_numpy(np.tile(cut, times))


def _hold_out(
    lengths: np.ndarray, horizon: int, season: int, wanted: int | None
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the rows before each tail, which series have one, and its usual length."""
    if wanted is None:
        long = int(_TAIL_SHARE * np.median(lengths)) if len(lengths) else 0
        many = max(1, _WANTED // max(1, len(lengths)))
        tail = max(horizon, min(long, many * horizon))
    else:
        tail = max(int(wanted), horizon)
    least = max(4, min(season + 2, horizon + 2))
    held_out = lengths - tail >= least
    if not held_out.any() and wanted is None:
        tail = horizon
        held_out = lengths - tail >= least
    return np.where(held_out, lengths - tail, lengths), held_out, tail


def _transforms(panel: Panel, transform: str | None) -> Iterable[str | None]:
    """List the transforms to try."""
    if transform != "auto":
        return (transform,)
    finite = np.isfinite(panel.values)
    positive = np.where(finite, panel.values, np.inf).min(initial=np.inf) > 0
    if positive:
        return ("log", None)
    lanes = [
        (v[np.isfinite(v)] > 0).all()
        for a, b in zip(panel.offsets[:-1], panel.offsets[1:], strict=True)
        for v in panel.values[a:b].T
    ]
    return ("log", None) if np.mean(lanes) > 0.5 else (None,)


def _windows(window: int | str, lengths: np.ndarray, horizon: int, season: int) -> list[int]:
    """List the windows to try, shortest first."""
    if not isinstance(window, str):
        return [int(window)]
    room = float(np.median(lengths)) - horizon
    if season > 1:
        found = [seasons * season for seasons in _SEASONS]
    else:
        found = [max(4, times * horizon) for times in _HORIZONS]
    fitting = [w for w in found if w <= min(0.5 * room, _LONGEST_WINDOW)]
    # What looks far ahead looks back far enough, where the series are long enough.
    far = [w for w in fitting if w >= _LOOK_BACK * horizon]
    return far or fitting or [int(np.clip(found[0], 2, max(2, room)))]
