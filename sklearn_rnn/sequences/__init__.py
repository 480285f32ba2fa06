"""What a sample is: the ragged container, the reading of any form into it, the door for X and y."""

from ._alignment import align, require_in_step
from ._all_or_nothing import all_or_nothing, kept_if_interrupted
from ._container import Sequences
from ._documentation import DOC_LINK_TEMPLATE, public_module
from ._door import InputSchema, align_targets, check_missing, check_X
from ._lexicon import Lexicon
from ._long_tables import refuse_long_table
from ._origin import counted, origin_of
from ._reading import describe_kind, read_sequences
from ._rows import RowReader
from ._targets import (
    bounded_weights,
    check_classes,
    check_classification_y,
    check_consistent,
    check_regression_y,
    check_step_y,
    check_weights,
    is_step_y,
    refuse_masked,
)
from ._values import iter_chunks, release_pages
from ._versions import Versioned

__all__ = [
    "DOC_LINK_TEMPLATE",
    "InputSchema",
    "Lexicon",
    "RowReader",
    "Sequences",
    "Versioned",
    "bounded_weights",
    "align",
    "align_targets",
    "all_or_nothing",
    "check_X",
    "check_classes",
    "check_classification_y",
    "check_consistent",
    "check_missing",
    "check_regression_y",
    "check_step_y",
    "check_weights",
    "counted",
    "describe_kind",
    "is_step_y",
    "iter_chunks",
    "kept_if_interrupted",
    "origin_of",
    "public_module",
    "read_sequences",
    "refuse_masked",
    "refuse_long_table",
    "release_pages",
    "require_in_step",
]
