"""What a sample is: the ragged container, the reading of any form into it, the door for X and y."""

from ._container import Sequences
from ._door import InputSchema, check_X
from ._reading import describe_kind, read_sequences
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
    "InputSchema",
    "Sequences",
    "check_X",
    "check_classification_y",
    "check_consistent",
    "check_regression_y",
    "check_step_y",
    "check_weights",
    "describe_kind",
    "is_step_y",
    "iter_chunks",
    "read_sequences",
    "release_pages",
]
