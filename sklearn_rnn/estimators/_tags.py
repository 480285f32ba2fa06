"""The kind of target of a tagger: one label a step, and perhaps one of the sequence.

Imports metrics, layer 0 and the other targets.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Self, final

import numpy as np

from ..metrics import entity_f1_score, split_label, token_accuracy_score
from ..sequences import Sequences, as_table, is_frame, is_missing, unmasked
from ._labels import class_indices, no_label, refuse_ignored
from ._targets import StepLists, Target

_METRICS = {"entity_f1": entity_f1_score, "token_accuracy": token_accuracy_score}
_LISTS = (list, tuple, np.ndarray)


class TagRows(list):
    """Checked targets: a list with one 1-D array of labels a row, or (label, array) pairs."""

    joint = False

    @property
    def tags(self) -> list[np.ndarray]:
        """The labels of the steps of each row."""
        return [row[1] for row in self] if self.joint else list(self)

    def pick(self, rows: np.ndarray) -> TagRows:
        """Return some of the rows."""
        picked = TagRows(self[i] for i in rows)
        picked.joint = self.joint
        return picked


def is_label(tags: np.ndarray, label: Any) -> np.ndarray:
    """Tell which tags are a label; of a list that mixes types, NumPy has made strings."""
    if tags.dtype.kind in "UO":
        return np.isin(tags.astype(str), [str(label)])
    return np.isin(tags, [label])


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
        row = unmasked(row)
        if isinstance(row, (list, tuple)) and any(map(is_missing, row)):
            raise no_label(number, row)
        tags = np.asarray(row)
        if tags.ndim == 2 and tags.shape[1] == 1:
            tags = tags[:, 0]
        if tags.ndim != 1 or len(tags) != length:
            hint = "give every step of X one label."
            if tags.ndim == 2 and len(tags) == length:
                hint = (
                    f"but each is {tags.shape[1]} numbers. If they are one-hot, or probabilities, "
                    "pass y.argmax(axis=-1), or the labels themselves: a step has one label."
                )
                raise ValueError(f"Row {number}: y has a label for each of {length} steps, {hint}")
            raise ValueError(
                f"Row {number}: y has {len(tags)} labels, but X has {length} steps; {hint}"
            )
        if tags.dtype.kind == "f" and np.isinf(tags).any():
            raise ValueError(f"Input y contains infinity: row {number}.")
        if tags.dtype.kind in "fO" and any(map(is_missing, tags)):
            raise no_label(number, tags)
        found.append((label, tags) if found.joint else tags)
    return found


def _rows(y: Any) -> list[Any]:
    """Return the rows of y, whatever holds them."""
    if isinstance(y, Sequences) or isinstance(y, np.ndarray):
        return list(y)
    y = as_table(y)
    if is_frame(y) and len(y.columns) in (1, 2):
        import narwhals as nw

        frame = nw.from_native(y, eager_only=True)
        columns = [frame.get_column(name).to_list() for name in frame.columns]
        return list(columns[0] if len(columns) == 1 else zip(*columns, strict=True))
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


class TagAnswers:
    """What a tagger says of sequences; each part is worked out when it is asked for.

    Parameters
    ----------
    decoded : callable
        Called with "tags" or "probabilities"; returns these, flat by step, and the labels' indices.
    scoring : {"token_accuracy", "entity_f1"} or callable
        How they are scored.
    """

    def __init__(
        self, decoded: Callable[[str], tuple[np.ndarray, np.ndarray]], scoring: Any
    ) -> None:
        self._decoded = decoded
        self.metric = scoring if callable(scoring) else _METRICS[scoring]

    @cached_property
    def best(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the tags, flat by step, and of the labels of the sequences."""
        return self._decoded("tags")

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Of each tag at each step."""
        return self._decoded("probabilities")[0]


@final
class TagTarget(Target):
    """One label a step, of any dtype, decided together; with pairs, one of the sequence as well.

    Parameters
    ----------
    classes : ndarray
        The tags.
    labels : ndarray or None
        Labels of whole sequences.
    ignore_label : label, default=None
        Of steps that have none; they are encoded as -1.
    """

    head = "tags"
    layout = "step"
    is_labels = True
    streams = False

    def __init__(
        self, classes: np.ndarray, labels: np.ndarray | None = None, ignore_label: Any = None
    ) -> None:
        self.classes, self.labels, self.ignore_label = classes, labels, ignore_label
        self.n_outputs = len(classes)

    @classmethod
    def read(cls, y: Any, sequences: Sequences, estimator: Any = None) -> TagRows:
        return read_tags(y, sequences)

    @classmethod
    def of(
        cls,
        y: TagRows,
        sequences: Sequences,
        classes: Any = None,
        *,
        ignore_label: Any = None,
        **options: Any,
    ) -> Self:
        tags = _flat(y.tags)
        if ignore_label is not None:
            tags = tags[~is_label(tags, ignore_label)]
            if not len(tags):
                raise ValueError(f"Every step of y has ignore_label={ignore_label!r}.")
        found = _distinct(tags, "y") if classes is None else np.unique(classes)
        if ignore_label is None:
            refuse_ignored(found)
        labels = None
        if y.joint:
            given = np.asarray([row[0] for row in y])
            labels = _distinct(given, "The labels of the sequences in y")
        return cls(found, labels, ignore_label)

    def fitted_attributes(self) -> dict[str, Any]:
        return {"classes_": self.classes, "sequence_classes_": self.labels}

    @property
    def n_labels(self) -> int:
        """Labels of whole sequences."""
        return 0 if self.labels is None else len(self.labels)

    def architecture(self) -> dict[str, Any]:
        return {**super().architecture(), "n_labels": self.n_labels}

    def encode(self, y: TagRows, sequences: Sequences) -> np.ndarray:
        """Return flat class indices, (steps,), or (steps, 2) with the label's beside them."""
        if y.joint != (self.labels is not None):
            raise ValueError(
                "y must hold pairs of a label and labels of steps if, and only if, the model was "
                "fitted on such."
            )
        tags = self.encode_tags(_flat(y.tags))
        if self.labels is None:
            return tags
        labels = class_indices(self.labels, np.asarray([row[0] for row in y]))
        return np.stack([tags, np.repeat(labels, sequences.lengths)], axis=1)

    def encode_tags(self, tags: np.ndarray) -> np.ndarray:
        """Return class indices of tags, -1 for those to be ignored."""
        if self.ignore_label is None:
            return class_indices(self.classes, tags)
        found = np.full(len(tags), -1, dtype=np.int64)
        labelled = ~is_label(tags, self.ignore_label)
        found[labelled] = class_indices(self.classes, tags[labelled])
        return found

    def observed(self, encoded: np.ndarray) -> np.ndarray | None:
        """Return which steps have a tag."""
        seen = (encoded if encoded.ndim == 1 else encoded[:, 0]) >= 0
        return None if seen.all() else seen

    def decode(self, answers: TagAnswers, sequences: Sequences) -> StepLists:
        """Return lists of tags by row, or pairs of a label and such a list."""
        tags, labels = answers.best
        names = self.classes[tags].tolist()
        bounds = np.asarray(sequences.offsets).tolist()
        rows = [names[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
        if self.labels is None:
            return StepLists(rows)
        return StepLists(zip(self.labels[labels].tolist(), rows, strict=True))

    def probabilities(self, answers: TagAnswers, sequences: Sequences) -> list[np.ndarray]:
        return np.split(answers.probabilities, np.asarray(sequences.offsets)[1:-1])

    def score(
        self, y: Any, answers: TagAnswers, sequences: Sequences, weights: Any = None
    ) -> float:
        true = (y if isinstance(y, TagRows) else read_tags(y, sequences)).tags
        found = np.split(self.classes[answers.best[0]], np.asarray(sequences.offsets)[1:-1])
        if self.ignore_label is not None:
            kept = [~is_label(row, self.ignore_label) for row in true]
            true = [row[k] for row, k in zip(true, kept, strict=True)]
            found = [row[k] for row, k in zip(found, kept, strict=True)]
        rows = [[row.tolist() for row in both] for both in (true, found)]
        return float(answers.metric(*rows, sample_weight=weights))

    def judge(
        self, y: TagRows, answers: TagAnswers, sequences: Sequences, weights: Any
    ) -> tuple[float, float]:
        score = self.score(y, answers, sequences, weights)
        encoded = self.encode(y, sequences)
        own, seen = encoded if encoded.ndim == 1 else encoded[:, 0], self.observed(encoded)
        chosen = answers.probabilities[np.arange(len(own)), own]
        each = None if weights is None else self.spread(weights, sequences)
        if seen is not None:
            each = seen.astype(np.float64) if each is None else each * seen
        if each is not None and not each.any():
            return score, 0.0
        return score, float(np.average(-np.log(np.clip(chosen, 1e-12, 1)), weights=each))

    def describe(self, config: Any) -> str:
        text = f"{self.n_outputs} tags a step" + (", CRF" if config.crf else "")
        return text + (f"; {self.n_labels} labels" if self.n_labels else "")


def allowed_transitions(
    classes: list[Any], rows: list[np.ndarray], scheme: str | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return which tags may follow, begin and end, by a scheme; None if training rows break it.

    Parameters
    ----------
    classes : list
        The tags.
    rows : list of ndarray of int
        Indices of the tags of the training rows, -1 where there is none.
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
        both = (row[:-1] >= 0) & (row[1:] >= 0)
        # Index -1 is the last tag's: what it says of a step without one is not looked at.
        right = allowed[row[:-1], row[1:]] | ~both
        if not ((row[0] < 0 or first[row[0]]) and (row[-1] < 0 or last[row[-1]]) and right.all()):
            return None
    return allowed, first, last
