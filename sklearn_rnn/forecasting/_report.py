"""How a forecast stands against what is trivial, on the held-out tail. Imports `metrics`."""

from __future__ import annotations

import numpy as np

from ..exceptions import BaselineWarning
from ..metrics import naive_scale
from ..sequences import warn
from ._baselines import baselines
from ._grid import Array
from ._panel import Panel

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
