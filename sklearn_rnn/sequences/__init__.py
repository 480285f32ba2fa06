"""What a sample is: the ragged container, the reading of any form into it, the door for X and y."""

from ._alignment import align, require_in_step
from ._container import Sequences
from ._documentation import DOC_LINK_TEMPLATE, public_module
from ._door import InputSchema, align_targets, check_missing, check_X
from ._lexicon import Lexicon
from ._long_tables import refuse_long_table
from ._reading import describe_kind, read_sequences
from ._rows import RowReader
from ._targets import (
    check_classification_y,
    check_consistent,
    check_regression_y,
    check_step_y,
    check_weights,
    is_step_y,
)
from ._values import iter_chunks, release_pages

__all__ = [
    "DOC_LINK_TEMPLATE",
    "InputSchema",
    "Lexicon",
    "RowReader",
    "Sequences",
    "align",
    "align_targets",
    "check_X",
    "check_classification_y",
    "check_consistent",
    "check_missing",
    "check_regression_y",
    "check_step_y",
    "check_weights",
    "describe_kind",
    "is_step_y",
    "iter_chunks",
    "public_module",
    "read_sequences",
    "refuse_long_table",
    "release_pages",
    "require_in_step",
]
