"""Recurrences compiled for the CPU, where torch's own loop over time is slow; extra ``fast``.

The way through the files: ``_choice`` decides and is all that the rest of the room sees; ``_call``
runs a batch and makes the result differentiable, in the shards and blocks of ``_plan`` and the
memory of ``_workspace``; ``_library`` compiles and
keeps what ``_loops`` (the loop over time), ``_cells`` (each cell's formulas), ``_product`` and
``_functions`` write in the language of ``_builder``. ``_feature_calls`` is the door to the fixed
features of the closed form, which ``_features`` writes. Only ``_choice``, ``_feature_calls`` and
``_form`` are imported before they are needed.
"""

from ._choice import is_available, recur
from ._feature_calls import ReservoirCall, count_above, reservoir_call
from ._form import Form, Weights

__all__ = [
    "Form",
    "ReservoirCall",
    "Weights",
    "count_above",
    "is_available",
    "recur",
    "reservoir_call",
]
