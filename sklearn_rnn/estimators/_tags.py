"""Tags as targets: one label a step, and perhaps one of the sequence, to numbers and back.

Imports NumPy and layer 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..metrics._tagging import split_label
from ..sequences import Sequences
from ..sequences._values import is_missing
from ._targets import LabelTarget, Target

_LISTS = (list, tuple, np.ndarray)


class TagRows(list):
    """Checked targets: a list with one 1-D array of labels a row, or (label, array) pairs."""

    joint = False

    def pick(self, rows: np.ndarray) -> TagRows:
        """Return some of the rows."""
        picked = TagRows(self[i] for i in rows)
        picked.joint = self.joint
        return picked


def read_tags(y: Any, sequences: Sequences) -> TagRows:
    """Return one array of labels a row, checked against the steps of X.

    Raises
    ------
    ValueError
        When y is not a list of labels for each sequence, or one has another length; the row is
        named.
    """
    rows = _rows(y)
    if len(rows) != len(sequences):
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: X has "
            f"{len(sequences)}, y has {len(rows)}: [{len(sequences)}, {len(rows)}]"
        )
    found = TagRows()
    found.joint = _is_joint(rows)
    for number, (row, length) in enumerate(zip(rows, sequences.lengths.tolist(), strict=True)):
        label = None
        if found.joint:
            if not isinstance(row, _LISTS) or len(row) != 2 or not isinstance(row[1], _LISTS):
                raise ValueError(
                    f"Row {number}: y should be a pair of a label and a list of labels, as in row "
                    f"0; got {row!r:.60}."
                )
            label, row = row
        if isinstance(row, str) or not hasattr(row, "__len__"):
            raise ValueError(
                f"Row {number}: y should be a list with one label for each step; got {row!r:.60}. "
                "For one label a sequence use RNNClassifier."
            )
        if isinstance(row, (list, tuple)) and any(map(is_missing, row)):
            raise ValueError(f"Row {number}: the label of a step is missing (None or NaN).")
        tags = np.asarray(row)
        if tags.ndim == 2 and tags.shape[1] == 1:
            tags = tags[:, 0]
        if tags.ndim != 1 or len(tags) != length:
            raise ValueError(
                f"Row {number}: y has {len(tags)} labels, but X has {length} steps; give every "
                "step of X one label."
            )
        if tags.dtype.kind == "f" and not np.isfinite(tags).all():
            raise ValueError(f"Input y contains NaN: row {number}.")
        if tags.dtype.kind == "O" and any(map(is_missing, tags)):
            raise ValueError(f"Row {number}: the label of a step is missing (None or NaN).")
        found.append((label, tags) if found.joint else tags)
    return found


def _rows(y: Any) -> list[Any]:
    """Return the rows of y, whatever holds them."""
    if isinstance(y, Sequences) or isinstance(y, np.ndarray):
        return list(y)
    if hasattr(y, "columns") and len(y.columns) in (1, 2) and not hasattr(y, "to_pylist"):
        import narwhals as nw

        frame = nw.from_native(y, eager_only=True)
        if len(frame.columns) == 1:
            return list(frame[frame.columns[0]].to_list())
        first, second = (frame[name].to_list() for name in frame.columns)
        return list(zip(first, second, strict=True))
    for name in ("to_pylist", "to_list", "tolist"):
        if not isinstance(y, (list, tuple)) and hasattr(y, name):
            return list(getattr(y, name)())
    if isinstance(y, str) or not hasattr(y, "__iter__"):
        raise ValueError(
            f"y should be a list with a list of labels for each sequence; got {y!r:.60}."
        )
    return list(y)


def _is_joint(rows: list[Any]) -> bool:
    """Tell whether rows are pairs of a label and a list of labels, by the first row."""
    first = rows[0] if rows else None
    return (
        isinstance(first, _LISTS)
        and len(first) == 2
        and not isinstance(first[0], _LISTS)
        and isinstance(first[1], _LISTS)
    )


def _distinct(labels: np.ndarray, what: str) -> np.ndarray:
    """Return the sorted classes, or refuse labels that cannot be sorted or are too few."""
    try:
        classes = np.unique(labels)
    except TypeError as error:
        kinds = sorted({type(label).__name__ for label in labels.tolist()})
        raise ValueError(f"{what} mixes labels of the types {kinds}; make them all strings.") from (
            error
        )
    if len(classes) < 2:
        raise ValueError(
            f"{what} has one class only, {classes.tolist()!r}; a tagger needs two to tell apart."
        )
    return classes


def _flat(arrays: list[np.ndarray]) -> np.ndarray:
    """Join labels; strings of different lengths widen, a mix of types stays one of objects."""
    kinds = {"U" if array.dtype.kind == "U" else array.dtype.kind for array in arrays}
    if len(kinds - {"b", "i", "u", "f"}) and len(kinds) > 1:
        return np.concatenate([array.astype(object) for array in arrays])
    return np.concatenate(arrays)


class TagTarget(Target):
    """One label a step, of any dtype; with pairs, one of the sequence as well.

    Parameters
    ----------
    y : TagRows
        The training targets.
    classes : array-like, default=None
        All tags that will ever come; None takes those in y.
    """

    head = "tags"
    per_step = True

    def __init__(self, y: TagRows, classes: Any = None) -> None:
        tags = [row[1] if y.joint else row for row in y]
        self.tags = LabelTarget(
            _distinct(_flat(tags), "y") if classes is None else np.unique(classes)
        )
        self.labels = None
        if y.joint:
            labels = np.asarray([row[0] for row in y])
            self.labels = LabelTarget(_distinct(labels, "The labels of the sequences in y"))
        self.n_outputs = len(self.tags.classes)

    @property
    def n_labels(self) -> int:
        """Labels of whole sequences."""
        return 0 if self.labels is None else len(self.labels.classes)

    def encode(self, y: TagRows, sequences: Sequences) -> np.ndarray:
        """Return flat class indices, (steps,), or (steps, 2) with the label's beside them."""
        if y.joint != (self.labels is not None):
            raise ValueError(
                "y must hold pairs of a label and labels of steps if, and only if, the model was "
                "fitted on such."
            )
        tags = self.tags.encode(_flat([row[1] if y.joint else row for row in y]), sequences)
        if self.labels is None:
            return tags
        labels = self.labels.encode(np.asarray([row[0] for row in y]), sequences)
        return np.stack([tags, np.repeat(labels, sequences.lengths)], axis=1)


def allowed_transitions(
    classes: list[Any], rows: list[np.ndarray], scheme: str | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return which tags may follow, begin and end, by a scheme; None if training rows break it.

    Parameters
    ----------
    classes : list
        The tags.
    rows : list of ndarray of int
        Indices of the tags of the training rows.
    scheme : {"BIO", "BIOES"} or None
    """
    if scheme is None:
        return None
    parts = [split_label(label) for label in classes]
    ends_by_itself = scheme == "BIO"

    def may_follow(before: tuple[str, str], after: tuple[str, str]) -> bool:
        inside = after[0] in "IE"
        opened = before[0] in "BI"
        if inside:
            return opened and before[1] == after[1]
        return ends_by_itself or not opened

    allowed = np.array([[may_follow(a, b) for b in parts] for a in parts])
    first = np.array([part[0] not in "IE" for part in parts])
    last = np.array([ends_by_itself or part[0] not in "BI" for part in parts])
    for row in rows:
        if not (first[row[0]] and last[row[-1]] and allowed[row[:-1], row[1:]].all()):
            return None
    return allowed, first, last
