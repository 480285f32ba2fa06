"""Parameters that were set and have no effect in a fit. Imports NumPy and the file of warnings."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ..exceptions import UnusedParameterWarning
from ._conduct import warn


class Unused(NamedTuple):
    """Parameters that have no effect when something holds of a fitted model, and why."""

    names: tuple[str, ...]
    when: Callable[[Any], bool]
    why: str


def warn_of_unused(model: Any, table: Iterable[Unused]) -> None:
    """Warn, once for a fit, of parameters that differ from their defaults for nothing.

    The candidates of a search are silent: each leaves unused what others need. The one that the
    search fits at its end is not.
    """
    signature = inspect.signature(type(model)).parameters
    flat = getattr(model, "_with_settings", dict)  # with the settings inside of parameters
    values = flat(model.get_params(deep=False))
    defaults = flat({name: p.default for name, p in signature.items()})
    changed = {name for name in values if not _same(values[name], defaults[name])}
    found: dict[str, str] = {}
    for entry in table:
        names = [name for name in entry.names if name in changed and name not in found]
        if names and entry.when(model):
            found |= dict.fromkeys(names, entry.why)
    if not found or _is_candidate():
        return
    told = [
        f"{', '.join(name for name in found if found[name] == why)} ({why})"
        for why in dict.fromkeys(found.values())
    ]
    warn(
        f"{type(model).__name__} was given parameters that have no effect in this fit: "
        f"{'; '.join(told)}. Leave them out, or change what stands against them.",
        UnusedParameterWarning,
    )


def _same(value: Any, default: Any) -> bool:
    """Tell whether a value is the default, whatever it compares to."""
    if value is default:
        return True
    if isinstance(value, (bool, str)) or isinstance(default, (bool, str)):
        return type(value) is type(default) and value == default
    try:
        return bool(np.array_equal(value, default))
    except Exception:
        return False


def _is_candidate() -> bool:
    """Tell whether scikit-learn is fitting a candidate of a search, with parameters of its own."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "_fit_and_score":
            return bool(frame.f_locals.get("parameters"))
        frame = frame.f_back  # type: ignore[assignment]
    return False
