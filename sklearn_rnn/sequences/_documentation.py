"""Where the documentation of a public class stands; imports nothing of this package."""

from __future__ import annotations

DOC_LINK_TEMPLATE = "https://sklearn-rnn.readthedocs.io/en/latest/generated/{estimator_module}.{estimator_name}.html"

_AT_ROOT = ("sequences", "estimators", "forecasting")


def public_module(kind: type) -> str:
    """Return the module from which users import a class of this package."""
    parts = [part for part in kind.__module__.split(".") if not part.startswith("_")]
    return parts[0] if len(parts) > 1 and parts[1] in _AT_ROOT else ".".join(parts[:2])
