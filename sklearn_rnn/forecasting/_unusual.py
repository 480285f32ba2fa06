"""Series that deserve a word before anything is learned from them. Imports the history."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..sequences import warn
from ._history import History


def warn_of_constant(history: History, names: list[str]) -> None:
    """Warn of series that never change, or that hold no value at all."""
    panel = history.panel
    low = np.fmin.reduceat(panel.values, panel.offsets[:-1], axis=0)
    high = np.fmax.reduceat(panel.values, panel.offsets[:-1], axis=0)
    empty = np.isnan(low).all(axis=1)
    if empty.any():
        _warn(
            history, empty, "hold no value", "they teach nothing, and their forecasts are guesses"
        )
    still = (low == high).all(axis=1) & (panel.lengths > 2)
    so = "they are forecast as such, and scaled errors (MASE, RMSSE) are not defined for them"
    if still.any():
        _warn(history, still, "are constant", so)
    for place, name in enumerate(names):
        alone = (low == high)[:, place] & (panel.lengths > 2) & ~still
        if alone.any():
            _warn(history, alone, f"are constant in target {name!r}", so)


def warn_of_targets(history: History, names: list[str]) -> None:
    """Warn of targets without any value, and of covariates that are the target."""
    panel = history.panel
    for place in np.flatnonzero(np.isnan(panel.values).all(axis=0)):
        warn(
            f"Target {names[place]!r} holds no value: its forecasts are guesses. Drop it from y.",
        )
    for column, own in enumerate(history.schema.known):
        if own.categories is not None or panel.known is None:
            continue
        cells = panel.known[:, column][:, None]
        seen = ~np.isnan(panel.values)
        same = seen.any(axis=0) & ((cells == panel.values) | ~seen).all(axis=0)
        same &= (seen & (cells != cells[0])).any(axis=0)
        if same.any():
            warn(
                f"Column {own.name!r} of X equals the target {names[int(np.argmax(same))]!r} in "
                "every row: the model learns to copy it, and nobody knows it ahead. Drop it from "
                "X, or list it in past_covariates.",
            )


def _warn(history: History, which: Any, what: str, so: str) -> None:
    found = [history.labels[k] for k in np.flatnonzero(which)[:5]]
    named = f" ({', '.join(map(repr, found))})" if history.has_ids else ""
    warn(
        f"{int(which.sum())} of {len(which)} series{named} {what}: {so}.",
    )
