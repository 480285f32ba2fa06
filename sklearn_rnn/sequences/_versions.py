"""Saved models name the version that saved them. Imports our version and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._version import __version__
from ..exceptions import InconsistentVersionWarning
from ._warnings import warn

_KEY = "_sklearn_rnn_version"


class Versioned:
    """What is pickled of an estimator names our version; loading what another saved is warned of.

    Stands before scikit-learn's `BaseEstimator`, which does this for its own version alone.
    """

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), _KEY: __version__}  # type: ignore[dict-item]

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        state = dict(state)
        version = state.pop(_KEY, None)
        if version != __version__:
            by = "a version that left no name" if version is None else f"version {version}"
            warn(
                f"This {type(self).__name__} was saved by {by} of sklearn-rnn, and is loaded by "
                f"version {__version__}: it may predict otherwise, or not at all. Fit it anew, or "
                "load it with the version that saved it.",
                InconsistentVersionWarning,
            )
        super().__setstate__(state)  # type: ignore[misc]
