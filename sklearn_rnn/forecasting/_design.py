"""Covariates as numbers that a network can read. Imports NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np


class Design:
    """Covariates as numbers: standardised, categories as indicators; learned on one panel.

    Parameters
    ----------
    panel : Panel
        What the statistics are learned from.
    """

    # Categories beyond this many share one indicator.
    _MOST_CATEGORIES = 64

    def __init__(self, panel: Any) -> None:
        self._known = _Columns(panel.known, _cardinalities(panel, "known"))
        self._past = _Columns(panel.past, _cardinalities(panel, "past"))
        self._static = _Columns(panel.static, _cardinalities(panel, "static"))

    def __call__(self, panel: Any) -> Design:
        """Return the numbers of a panel."""
        n_rows, n = len(panel.values), len(panel.offsets) - 1
        found = Design.__new__(Design)
        found.known = self._known(panel.known, n_rows)
        found.past = self._past(panel.past, n_rows)
        found.static = self._static(panel.static, n)
        return found

    known: np.ndarray
    past: np.ndarray
    static: np.ndarray


def _cardinalities(panel: Any, kind: str) -> tuple[int | None, ...]:
    """Return the number of categories of each column, None for numbers."""
    given = getattr(panel, f"{kind}_cardinalities", None) or ()
    columns = getattr(panel, kind)
    n = 0 if columns is None else columns.shape[1]
    return tuple(given) if len(given) == n else (None,) * n


class _Columns:
    """Turn columns into numbers."""

    def __init__(self, values: np.ndarray | None, cardinalities: tuple[int | None, ...]) -> None:
        self.cardinalities = cardinalities
        self.mean = self.scale = np.zeros(0)
        if values is not None and values.shape[1]:
            values = np.asarray(values, dtype=np.float64)
            values = np.where(np.isnan(values).all(axis=0), 0.0, values)
            self.mean = np.nanmean(values, axis=0)
            # Sums of large numbers round; those of what is left do not.
            self.mean = self.mean + np.nanmean(values - self.mean, axis=0)
            scale = np.nanstd(values, axis=0)
            rounding = 16 * np.finfo(np.float64).eps * np.abs(self.mean)
            self.scale = np.where(scale > rounding, scale, 1.0)

    def __call__(self, values: np.ndarray | None, n: int) -> np.ndarray:
        if values is None or not self.cardinalities:
            return np.zeros((n, 0), dtype=np.float32)
        parts = []
        for column, cardinality in enumerate(self.cardinalities):
            raw = np.asarray(values[:, column], dtype=np.float64)
            if cardinality is None:
                standard = np.nan_to_num((raw - self.mean[column]) / self.scale[column])
                parts.append(np.clip(standard, -10, 10)[:, None])
                continue
            width = min(int(cardinality), Design._MOST_CATEGORIES)
            code = np.where(np.isfinite(raw), raw, -1).astype(np.int64)
            code = np.where(code >= 0, np.minimum(code, width - 1), -1)
            parts.append((code[:, None] == np.arange(width)).astype(np.float64))
        return np.concatenate(parts, axis=1).astype(np.float32)
