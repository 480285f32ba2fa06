"""How a forecast stands against what is trivial, on the held-out tail.

Naive, seasonal naive, drift, and ridge on lags. Imports NumPy and `metrics`.
"""

from __future__ import annotations

import numpy as np

from ..exceptions import BaselineWarning
from ..metrics import naive_scale
from ..sequences import warn
from ._grid import Array
from ._panel import Panel

_MOST_WINDOWS = 4000


def history_of(panel: Panel, series: int, cut: int) -> Array:
    """Return what was seen of a series, of shape (cut, n_targets), gaps filled forward."""
    begin = panel.offsets[series]
    return fill_forward(panel.values[begin : begin + cut])


def fill_forward(values: Array) -> Array:
    """Carry the last seen value on through gaps; the first seen value back to the beginning."""
    seen = ~np.isnan(values)
    where = np.where(seen, np.arange(len(values))[:, None], -1)
    where = np.maximum.accumulate(where, axis=0)
    first = np.argmax(seen, axis=0)
    where = np.where(where < 0, first, where)
    return np.take_along_axis(values, where, axis=0)


def seasonal_naive(past: Array, horizon: int, season: int) -> Array:
    """Repeat the last season, (horizon, n_targets); the last value where there is no season."""
    season = season if 0 < season <= len(past) else 1
    last = past[-season:]
    return np.asarray(last[np.arange(horizon) % season])


def drift(past: Array, horizon: int) -> Array:
    """Go on along the line through the first and the last value."""
    slope = (past[-1] - past[0]) / max(1, len(past) - 1)
    return np.asarray(past[-1] + slope * np.arange(1, horizon + 1)[:, None])


def baselines(panel: Panel, series: Array, cuts: Array, horizon: int) -> dict[str, Array]:
    """Return the forecasts of every baseline from origins, each (n, horizon, n_targets)."""
    shape = (len(series), horizon, panel.n_targets)
    found = {name: np.full(shape, np.nan) for name in ("naive", "seasonal_naive", "drift")}
    histories = [history_of(panel, one, cut) for one, cut in zip(series, cuts, strict=True)]
    for row, past in enumerate(histories):
        if len(past):
            found["naive"][row] = past[-1]
            found["seasonal_naive"][row] = seasonal_naive(past, horizon, panel.season_length)
            found["drift"][row] = drift(past, horizon)
    linear = _ridge(histories, series, horizon, panel.season_length)
    return found if linear is None else {**found, "ridge": linear}


def _ridge(histories: list[Array], series: Array, horizon: int, season: int) -> Array | None:
    """Fit one ridge regression on the normalised lags of all series; None for too little data."""
    earliest: dict[int, Array] = {}
    for past, one in zip(histories, series, strict=True):
        if one not in earliest or len(past) < len(earliest[one]):
            earliest[int(one)] = past
    longest = max((len(past) for past in earliest.values()), default=0)
    window = min(max(2 * season, 12), 64, max(2, (longest - horizon) // 2))
    pairs = [
        (number, end, target)
        for number, past in earliest.items()
        for target in range(past.shape[1])
        for end in range(window, len(past) - horizon + 1)
    ]
    if len(pairs) < 10:
        return None
    chosen = np.linspace(0, len(pairs) - 1, min(len(pairs), _MOST_WINDOWS)).astype(int)
    lags = np.empty((len(chosen), window))
    ahead = np.empty((len(chosen), horizon))
    for row, place in enumerate(chosen):
        number, end, target = pairs[place]
        column = earliest[number][:, target]
        level, scale = _normal(column[end - window : end])
        lags[row] = (column[end - window : end] - level) / scale
        ahead[row] = (column[end : end + horizon] - level) / scale
    kept = np.isfinite(lags).all(axis=1) & np.isfinite(ahead).all(axis=1)
    kept &= np.abs(ahead).max(axis=1) < 20
    if kept.sum() < 10:
        return None
    A, B = np.c_[lags[kept], np.ones(kept.sum())], ahead[kept]
    gram = A.T @ A + 1.0 * np.eye(window + 1)
    weights = np.linalg.solve(gram, A.T @ B)
    result = np.full((len(histories), horizon, histories[0].shape[1]), np.nan)
    for row, past in enumerate(histories):
        if len(past) >= window:
            for target in range(past.shape[1]):
                recent = past[-window:, target]
                level, scale = _normal(recent)
                found = np.r_[(recent - level) / scale, 1.0] @ weights
                result[row, :, target] = found * scale + level
    return result


def _normal(window: Array) -> tuple[float, float]:
    """Return level and scale of a window: its last value, and its deviation."""
    scale = float(window.std())
    return float(window[-1]), scale if scale > 0 else 1.0


# A baseline has to be better by this share, over this many points, and by this many standard
# errors of the difference, to be worth a warning.
_MARGIN, _FEWEST, _CLEAR = 0.05, 12, 2.0
_NEGLIGIBLE = 1e-3  # a scaled error that is nothing to warn of
_MOST_ORIGINS = 2000


def make_report(panel: Panel, series: Array, cuts: Array, point: Array) -> dict[str, dict]:
    """Return the scaled error of the forecast and of every baseline, over the same points.

    Parameters
    ----------
    panel : Panel
        Everything seen in training.
    series, cuts : ndarray of int of shape (n,)
        Origins: a series, and how many of its steps were known.
    point : ndarray of shape (n, horizon, n_targets)
        The forecast from every origin.

    Returns
    -------
    dict
        For "forecast" and each baseline: "mase", and for the baselines "skill", the share of
        their error that the forecast saves.
    """
    if len(series) > _MOST_ORIGINS:
        kept = np.linspace(0, len(series) - 1, _MOST_ORIGINS).astype(int)
        series, cuts, point = series[kept], cuts[kept], point[kept]
    horizon = point.shape[1]
    steps = cuts[:, None] + np.arange(horizon)
    inside = steps < panel.lengths[series][:, None]
    slots = panel.offsets[series][:, None] + np.where(inside, steps, 0)
    truth = np.where(inside[..., None], panel.values[slots], np.nan)
    scale = np.array([_scale(panel, one, cut) for one, cut in zip(series, cuts, strict=True)])
    scale = np.where(scale > 0, scale, np.nan)[:, None, :]
    found = {"forecast": point, **baselines(panel, series, cuts, horizon)}
    errors = {name: np.abs(truth - value) / scale for name, value in found.items()}
    fair = np.all([np.isfinite(error) for error in errors.values()], axis=0)
    if not fair.any():
        errors.pop("ridge", None)
        fair = np.all([np.isfinite(error) for error in errors.values()], axis=0)
    if not fair.any():
        return {}
    report: dict[str, dict] = {
        name: {"mase": float(error[fair].mean())} for name, error in errors.items()
    }
    ours = report["forecast"]["mase"]
    for name, entry in report.items():
        if name != "forecast":
            theirs = entry["mase"]
            entry["skill"] = 1 - ours / theirs if theirs > 0 else float("nan")
            lead = (errors["forecast"] - errors[name])[fair]
            doubt = lead.std() / np.sqrt(len(lead))
            entry["lead"] = float(lead.mean() / doubt) if doubt > 0 else 0.0
    report["forecast"]["n_points"] = int(fair.sum())
    return report


def _scale(panel: Panel, series: int, cut: int) -> Array:
    """Return the scale of a series' history; NaN where it is rounding and no more."""
    begin = panel.offsets[series]
    seen = panel.values[begin : begin + cut]
    scale = naive_scale(seen, panel.season_length)
    size = np.nanmax(np.abs(seen), axis=0, initial=0.0, where=~np.isnan(seen))
    return np.where(scale > 16 * np.finfo(np.float64).eps * size, scale, np.nan)


def warn_if_beaten(report: dict[str, dict], kind: str) -> None:
    """Warn where a baseline forecasts the held-out tail better."""
    if not report or report["forecast"]["n_points"] < _FEWEST:
        return
    ours = report["forecast"]["mase"]
    rivals = {name: entry["mase"] for name, entry in report.items() if name != "forecast"}
    best = min(rivals, key=lambda name: rivals[name])
    if ours > _NEGLIGIBLE and rivals[best] < (1 - _MARGIN) * ours and report[best]["lead"] > _CLEAR:
        warn(
            f"On the held-out tail the {best.replace('_', ' ')} forecast was better than "
            f"{kind}: MASE {rivals[best]:.3g} against {ours:.3g}. See report_; the series may "
            "have little to learn from, or a covariate may mislead.",
            BaselineWarning,
        )
