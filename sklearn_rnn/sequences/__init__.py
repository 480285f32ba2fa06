"""What a sample is: the ragged container, the reading of any form into it, the door for X and y."""

from ._alignment import align, labels_as_parts, require_in_step
from ._all_or_nothing import all_or_nothing, kept_if_interrupted
from ._container import Sequences
from ._dates import refuse_dates
from ._documentation import DOC_LINK_TEMPLATE, public_module
from ._door import InputSchema, align_targets, check_missing, check_X
from ._frames import (
    as_series,
    as_table,
    cells_of_lists,
    column_role,
    frame_roles,
    is_frame,
    is_series,
    read_static,
    refuse_mixed,
)
from ._lexicon import Lexicon
from ._long_tables import refuse_long_table, warn_of_long_table
from ._memory import is_out_of_memory, names_sizes, not_enough, require_memory
from ._origin import counted, origin_of
from ._reading import describe_kind, read_sequences
from ._rows import RowReader
from ._sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    _check_feature_names,
    _check_feature_names_in,
    _fit_context,
    _get_output_config,
    _safe_indexing,
)
from ._step_table import StepTable, is_time_index, read_step_table, rows_of_targets, split_targets
from ._targets import (
    bounded_weights,
    check_classes,
    check_classification_y,
    check_consistent,
    check_regression_y,
    check_step_y,
    check_weights,
    is_number,
    is_step_y,
    refuse_dated_y,
    refuse_masked,
    refuse_strings,
)
from ._unused import Unused, warn_of_unused
from ._values import (
    FLOAT32_MAX,
    Array,
    as_numbers,
    as_times,
    excess,
    is_missing,
    iter_chunks,
    release_pages,
    row_of,
    unmasked,
)
from ._versions import Versioned
from ._warnings import warn
from ._word_rows import WordRows, read_words

__all__ = [
    "Array",
    "FLOAT32_MAX",
    "HasMethods",
    "Interval",
    "StepTable",
    "StrOptions",
    "WordRows",
    "_check_feature_names",
    "_check_feature_names_in",
    "_fit_context",
    "_get_output_config",
    "_safe_indexing",
    "as_numbers",
    "as_series",
    "as_table",
    "as_times",
    "cells_of_lists",
    "column_role",
    "excess",
    "frame_roles",
    "is_frame",
    "is_missing",
    "is_number",
    "is_out_of_memory",
    "is_series",
    "is_time_index",
    "labels_as_parts",
    "names_sizes",
    "not_enough",
    "read_static",
    "read_step_table",
    "read_words",
    "refuse_dated_y",
    "refuse_dates",
    "refuse_mixed",
    "refuse_strings",
    "require_memory",
    "row_of",
    "rows_of_targets",
    "split_targets",
    "unmasked",
    "Unused",
    "warn",
    "warn_of_long_table",
    "warn_of_unused",
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
