"""Series that deserve a word before anything is learned from them. Imports the history."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ._history import History


def warn_of_constant(history: History) -> None:
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
    if still.any():
        _warn(
            history,
            still,
            "are constant",
            "they are forecast as such, and scaled errors (MASE, RMSSE) are not defined for them",
        )


def _warn(history: History, which: Any, what: str, so: str) -> None:
    found = [history.labels[k] for k in np.flatnonzero(which)[:5]]
    named = f" ({', '.join(map(repr, found))})" if history.has_ids else ""
    warnings.warn(
        f"{int(which.sum())} of {len(which)} series{named} {what}: {so}.",
        UserWarning,
        stacklevel=4,
    )
