"""Our promises, as checks that others can run on their own estimators; imports `sequences` only."""

from ._leakage import check_no_leakage
from ._suite import (
    check_sequence_estimator,
    parametrize_with_sequence_checks,
    sequence_checks,
)

__all__ = [
    "check_no_leakage",
    "check_sequence_estimator",
    "parametrize_with_sequence_checks",
    "sequence_checks",
]
