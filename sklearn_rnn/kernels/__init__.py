"""Loops over time compiled for the CPU, where torch's own are slow: recurrences and fixed features.

Knows neither torch nor the estimators, and imports nothing of the package: NumPy, and llvmlite (the
extra ``fast``) when kernels are used. Arrays are given by the addresses of their memory, since
wrapping each in an array of NumPy's would cost as much as a short call computes.

The way through the files: ``_loading`` says whether there are kernels, and gets them. ``_library``
compiles and keeps what ``_loops`` (the loop over time) and ``_features`` (the closed form's) write
in the language of ``_builder``, where each cell's formulas stand too. ``_call`` runs a cell over a
batch, in shards and blocks.
"""

# For the room of the networks, and no part of the public interface.
from ._loading import import_whole as import_whole
from ._loading import is_available as is_available
from ._loading import load as load

__all__: list[str] = []
