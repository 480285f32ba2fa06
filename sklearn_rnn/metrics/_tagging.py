"""Scores of taggers: tokens, entities as conlleval counts them, a report by type; imports NumPy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

Entity = tuple[str, int, int]


def _rows(y_true: Any, y_pred: Any) -> list[tuple[list[Any], list[Any]]]:
    """Return pairs of rows of labels, or refuse what does not go together."""
    pairs = []
    if len(y_true) != len(y_pred):
        raise ValueError(f"y_true has {len(y_true)} sequences, y_pred has {len(y_pred)}.")
    for number, (true, found) in enumerate(zip(y_true, y_pred, strict=True)):
        if isinstance(true, str) or not hasattr(true, "__len__"):
            raise ValueError(
                f"Sequence {number} of y_true should be a list with a label for each step; got "
                f"{true!r:.60}."
            )
        if len(true) != len(found):
            raise ValueError(
                f"Sequence {number} has {len(true)} labels in y_true, {len(found)} in y_pred."
            )
        pairs.append((list(true), list(found)))
    return pairs


def _weights(sample_weight: Any, n: int) -> np.ndarray:
    """Return one weight for each sequence."""
    if sample_weight is None:
        return np.ones(n)
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},); got {weights.shape}.")
    return weights


def token_accuracy_score(y_true: Any, y_pred: Any, *, sample_weight: Any = None) -> float:
    """Return the fraction of steps whose label is right, over all sequences together.

    Parameters
    ----------
    y_true : list of lists of labels
    y_pred : list of lists of labels
        Of the same lengths.
    sample_weight : array-like of shape (n_sequences,), default=None
        Weight of every step of a sequence.

    Returns
    -------
    score : float
        From 0 to 1.

    Raises
    ------
    ValueError
        If the lengths differ; the sequence is named.

    Examples
    --------
    >>> from sklearn_rnn.metrics import token_accuracy_score
    >>> token_accuracy_score([["DET", "NOUN"], ["VERB"]], [["DET", "VERB"], ["VERB"]])
    0.666...
    """
    pairs = _rows(y_true, y_pred)
    weights = _weights(sample_weight, len(pairs))
    right = [sum(a == b for a, b in zip(*pair, strict=True)) for pair in pairs]
    steps = [len(pair[0]) for pair in pairs]
    total = float(np.dot(weights, steps))
    if not total:
        raise ValueError("There is no step to score.")
    return float(np.dot(weights, right)) / total


def find_entities(labels: Sequence[str]) -> list[Entity]:
    """Return the entities of one sequence of labels, as conlleval reads them.

    Labels are ``O``, or a prefix and a type: ``B-PER`` begins an entity, ``I-PER`` goes on with
    it, ``E-PER`` ends it, ``S-PER`` is one by itself (``L`` and ``U`` are read as ``E`` and
    ``S``, ``M`` and ``W`` as ``I`` and ``S``). A prefix by itself, as ``B``, is of a nameless type.
    An entity also begins where an ``I`` follows an entity that has ended, or one of another
    type. Labels without a prefix are a type each: a run of equal ones is an entity.

    Parameters
    ----------
    labels : sequence of str

    Returns
    -------
    entities : list of (type, start, stop)
        Steps are counted from 0; `stop` is the step after the last.

    References
    ----------
    The scheme of conlleval, the script of the CoNLL shared tasks: E. Tjong Kim Sang,
    S. Buchholz, "Introduction to the CoNLL-2000 shared task: chunking", CoNLL 2000.

    Examples
    --------
    >>> from sklearn_rnn.metrics import find_entities
    >>> find_entities(["B-PER", "I-PER", "O", "B-LOC", "B-LOC"])
    [('PER', 0, 2), ('LOC', 3, 4), ('LOC', 4, 5)]
    """
    entities: list[Entity] = []
    start, kind, before = 0, "", "O"
    for place, label in enumerate([*labels, "O"]):
        prefix, own = split_label(label)
        if before != "O" and (prefix in "OBS" or before in "ES" or own != kind):
            entities.append((kind, start, place))
            before = "O"
        if prefix != "O" and before == "O":
            start = place
        kind, before = own, prefix
    return entities


# What prefixes of other schemes are called in ours: BILOU, BMES and BMEWO.
_PREFIXES = {"B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S", "M": "I", "W": "S"}
# A W by itself is rather a label of its own.
_BARE = set(_PREFIXES) - {"W"}


def split_label(label: Any) -> tuple[str, str]:
    """Return prefix and type of a label: B, I, E, S or O; a label without a prefix counts as I."""
    text = str(label)
    if text in ("O", "_", ""):
        return "O", ""
    prefix, dash, kind = text.partition("-")
    if dash and prefix in _PREFIXES:
        return _PREFIXES[prefix], kind
    if text in _BARE:
        return _PREFIXES[text], "_"
    return "I", text


def _count(y_true: Any, y_pred: Any, sample_weight: Any) -> dict[str, np.ndarray]:
    """Return for each type how many entities are right, were found, and are there."""
    pairs = _rows(y_true, y_pred)
    counts: dict[str, np.ndarray] = {}
    for (true, found), weight in zip(pairs, _weights(sample_weight, len(pairs)), strict=True):
        wanted, given = set(find_entities(true)), set(find_entities(found))
        for column, entities in enumerate((wanted & given, given, wanted)):
            for kind, number in Counter(entity[0] for entity in entities).items():
                counts.setdefault(kind, np.zeros(3))[column] += weight * number
    return dict(sorted(counts.items()))


def _scores(counts: np.ndarray, zero_division: float) -> tuple[float, float, float]:
    """Return precision, recall and F1."""
    right, found, there = counts.tolist()
    precision = right / found if found else zero_division
    recall = right / there if there else zero_division
    f1 = 2 * right / (found + there) if found + there else zero_division
    return precision, recall, f1


def entity_f1_score(
    y_true: Any,
    y_pred: Any,
    *,
    average: str | None = "micro",
    sample_weight: Any = None,
    zero_division: float = 0.0,
) -> Any:
    """Return the F1 of entities: both type and extent of one have to be right.

    As conlleval counts, the script of the CoNLL shared tasks; see :func:`find_entities`.

    Parameters
    ----------
    y_true : list of lists of str
        Labels of every step, in BIO, BIOES or a similar scheme.
    y_pred : list of lists of str
        Of the same lengths.
    average : {"micro", "macro", "weighted"} or None, default="micro"
        Over all entities; the mean over the types; the mean weighted by how many there are; or
        None for a dict of the types' scores.
    sample_weight : array-like of shape (n_sequences,), default=None
        How much the entities of each sequence count.
    zero_division : float, default=0.0
        The score where there is no entity, neither true nor found.

    Returns
    -------
    score : float, or dict of str to float

    Raises
    ------
    ValueError
        If the lengths differ; the sequence is named.

    Examples
    --------
    >>> from sklearn_rnn.metrics import entity_f1_score
    >>> y_true = [["B-PER", "I-PER", "O", "B-LOC"]]
    >>> y_pred = [["B-PER", "O", "O", "B-LOC"]]
    >>> entity_f1_score(y_true, y_pred)
    0.5
    >>> entity_f1_score(y_true, y_pred, average=None)
    {'LOC': 1.0, 'PER': 0.0}
    """
    if average not in ("micro", "macro", "weighted", None):
        raise ValueError(f"average must be 'micro', 'macro', 'weighted' or None; got {average!r}.")
    counts = _count(y_true, y_pred, sample_weight)
    if average == "micro":
        return _scores(sum(counts.values(), np.zeros(3)), zero_division)[2]
    by_type = {kind: _scores(part, zero_division)[2] for kind, part in counts.items()}
    if average is None:
        return by_type
    if not by_type:
        return zero_division
    there = [part[2] for part in counts.values()] if average == "weighted" else None
    if there is not None and not sum(there):
        return zero_division
    return float(np.average(list(by_type.values()), weights=there))


def entity_report(
    y_true: Any, y_pred: Any, *, digits: int = 3, output_dict: bool = False
) -> str | dict[str, dict[str, float]]:
    """Return precision, recall, F1 and number of entities, by type and over all.

    Parameters
    ----------
    y_true : list of lists of str
    y_pred : list of lists of str
        Of the same lengths.
    digits : int, default=3
        Decimals of the text.
    output_dict : bool, default=False
        Whether to return a dict and not text.

    Returns
    -------
    report : str, or dict of dict
        A row a type, then ``"micro avg"`` and ``"macro avg"``.

    Examples
    --------
    >>> from sklearn_rnn.metrics import entity_report
    >>> print(entity_report([["B-PER", "O", "B-LOC"]], [["B-PER", "O", "O"]]))
               precision  recall      f1  support
    LOC            0.000   0.000   0.000        1
    PER            1.000   1.000   1.000        1
    micro avg      1.000   0.500   0.667        2
    macro avg      0.500   0.500   0.500        2
    """
    counts = _count(y_true, y_pred, None)
    lines = {kind: (*_scores(part, 0.0), part[2]) for kind, part in counts.items()}
    total = sum(counts.values(), np.zeros(3))
    averages = np.array(list(lines.values())).reshape(-1, 4)[:, :3]
    means = averages.mean(axis=0).tolist() if len(averages) else [0.0, 0.0, 0.0]
    lines["micro avg"] = (*_scores(total, 0.0), total[2])
    lines["macro avg"] = (means[0], means[1], means[2], total[2])
    names = ("precision", "recall", "f1", "support")
    if output_dict:
        return {
            kind: dict(zip(names, map(float, line), strict=True)) for kind, line in lines.items()
        }
    width = max(map(len, lines))
    text = [" " * width + "  precision  recall      f1  support"]
    text += [
        f"{kind:<{width}}  {p:9.{digits}f}  {r:6.{digits}f}  {f:6.{digits}f}  {int(n):7d}"
        for kind, (p, r, f, n) in lines.items()
    ]
    return "\n".join(text)


def scheme_of(labels: Iterable[Any]) -> str | None:
    """Return "BIO" or "BIOES" when all labels are of such a scheme, else None."""
    prefixes = set()
    for label in labels:
        text = str(label)
        if text == "O":
            continue
        prefix, dash, _ = text.partition("-")
        if prefix not in (_PREFIXES if dash else _BARE):
            return None
        prefixes.add(_PREFIXES[prefix])
    if not prefixes & {"B", "S"}:
        return None
    return "BIOES" if prefixes & {"E", "S"} else "BIO"
