"""Errors of torch in the words of our parameters. Imports layer 2."""

from ..training._failures import NetworkError, explained, names_parameters

__all__ = ["NetworkError", "explained", "names_parameters"]
