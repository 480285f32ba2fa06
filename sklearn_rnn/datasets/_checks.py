"""Checks of the generators' parameters. Imports the standard library alone."""

from numbers import Integral
from typing import Any


def check_count(name: str, value: Any, minimum: int) -> int:
    """Return `value` as an int of at least `minimum`, or say which parameter is wrong."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}.")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value}.")
    return int(value)
