"""Recurrences compiled for the CPU, where torch's own loop over time is slow; extra ``fast``.

The way through the files: ``_choice`` decides and is all that the rest of the room sees; ``_call``
runs a batch and makes the result differentiable, in the shards and blocks of ``_plan`` and the
memory of ``_workspace``; ``_library`` compiles and
keeps what ``_loops`` (the loop over time), ``_cells`` (each cell's formulas), ``_product`` and
``_functions`` write in the language of ``_builder``. Only ``_choice`` and ``_form`` are
imported before they are needed.
"""

from ._choice import is_available, recur
from ._form import Form, Weights

__all__ = ["Form", "Weights", "is_available", "recur"]
