"""One label at every step as a target. Imports NumPy, layer 0 and the targets."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..sequences import (
    Sequences,
    cells_of_lists,
    check_classes,
    check_classification_y,
    is_missing,
    unmasked,
)
from ._tags import no_label, refuse_ignored
from ._targets import LabelTarget


def is_step_labels(y: Any, sequences: Sequences) -> bool:
    """Tell whether y holds a label for every step: a list of labels for each sequence.

    Lists that all have the same length, and not that of the sequences, are several outputs; so
    is every 2-D array.
    """
    if isinstance(y, Sequences):
        return True
    if not isinstance(y, (list, tuple)) and getattr(getattr(y, "dtype", None), "kind", "") != "O":
        return False
    if getattr(y, "ndim", 1) != 1:
        return False
    if any(isinstance(row, (str, bytes)) or not _is_flat(row) for row in _plain(y)):
        return False
    lengths = [len(row) for row in y]
    return len(set(lengths)) > 1 or lengths == sequences.lengths.tolist()


def _is_flat(row: Any) -> bool:
    """Tell whether a row of y is a list of labels."""
    try:
        return np.ndim(row) == 1
    except ValueError:  # what NumPy cannot read as one array
        return False


def _plain(y: Any) -> list[Any]:
    """Return the rows, those that NumPy cannot read as one array as scalars."""
    return [row if hasattr(row, "__len__") else 0 for row in y]


class StepLabelTarget(LabelTarget):
    """One label a step, of any dtype; two classes get the binary head."""

    per_step = True

    def __init__(self, y: Any, sequences: Sequences, classes: Any = None) -> None:
        found = np.unique(check_classification_y(_joined(y, sequences)))
        refuse_ignored(
            found,
            "SequenceTagger(ignore_label=-100) leaves such steps out; or cut them off.",
        )
        super().__init__(found if classes is None else np.unique(check_classes(classes)))
        if len(self.classes) < 2:
            raise ValueError(
                "Classification needs at least 2 classes; y contains only one class: "
                f"{self.classes.tolist()[0]!r}."
            )

    def flat(self, y: Any, sequences: Sequences) -> np.ndarray:
        """Return the labels of all steps, one sequence after the other."""
        return check_classification_y(_joined(y, sequences))

    def encode(self, y: Any, sequences: Sequences) -> np.ndarray:
        """Return class indices by step."""
        return super().encode(self.flat(y, sequences), sequences)


def _joined(y: Any, sequences: Sequences) -> np.ndarray:
    """Join the labels of all sequences, once they have the lengths of X."""
    rows = [np.asarray(unmasked(row)) for row in cells_of_lists(y)]
    rows = [row.reshape(len(row), -1)[:, 0] if len(row) else row for row in rows]
    for row, labels in enumerate(rows):
        if labels.dtype.kind in "fO" and any(map(is_missing, labels)):
            raise no_label(row, labels)
    if len(rows) != len(sequences):
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"[{len(sequences)}, {len(rows)}]"
        )
    for row, (labels, length) in enumerate(zip(rows, sequences.lengths, strict=True)):
        if len(labels) != length:
            raise ValueError(
                f"Row {row}: y has {len(labels)} steps, but X has {length}; give every step of X "
                "one target."
            )
    return np.concatenate(rows)
