"""Stacking containers, with their static categories merged; imports _flat."""

from typing import Any

import numpy as np

from ._alignment import as_ids
from ._flat import FlatSequences
from ._values import Array


def concatenate_parts(containers: list[FlatSequences]) -> dict[str, Any]:
    """Return the parts of one container that holds the sequences of all, in order."""
    if not containers:
        raise ValueError("There is nothing to concatenate: give at least one Sequences.")
    first = containers[0]
    for position, other in enumerate(containers):
        if not isinstance(other, FlatSequences):
            raise TypeError(
                f"Item {position} is a {type(other).__name__}, not Sequences; build it with "
                "Sequences.from_list first."
            )
    for position, other in enumerate(containers):
        for name in ("n_channels", "vocabulary_size", "static_names"):
            mine, theirs = getattr(first, name), getattr(other, name)
            if mine != theirs:
                raise ValueError(
                    f"Sequences {position} has {name}={theirs}, but sequences 0 has {mine}."
                )
        for name in ("times", "static"):
            if (getattr(first, name) is None) != (getattr(other, name) is None):
                raise ValueError(
                    f"Either all containers have {name} or none; 0 and {position} differ."
                )
    lengths = np.concatenate([container.lengths for container in containers])
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    static, categories = _merge_static(containers)
    times = [container.times for container in containers if container.times is not None]
    ids = [container.ids for container in containers if container.ids is not None]
    named = len(ids) == len(containers) and len({c.id_name for c in containers}) == 1
    return {
        "values": np.concatenate([container.values for container in containers]),
        "offsets": offsets,
        "vocabulary_size": first.vocabulary_size,
        "times": np.concatenate(times) if times else None,
        "static": static,
        "channel_names": first.channel_names,
        "static_names": first.static_names,
        "static_categories": categories,
        "lexicon": first.lexicon,
        "ids": as_ids([label for part in ids for label in part.tolist()]) if named else None,
        "id_name": first.id_name if named else None,
    }


def _merge_static(
    containers: list[FlatSequences],
) -> tuple[Array | None, tuple[Any, ...] | None]:
    """Stack static matrices under the union of each column's labels."""
    if containers[0].static is None:
        return None, None
    given = [container.static_categories for container in containers]
    matrices = [c.static for c in containers if c.static is not None]
    width = {matrix.shape[1] for matrix in matrices}
    if len(width) > 1:
        raise ValueError(f"The containers differ in their number of static features: {width}.")
    if all(categories is None for categories in given):
        return np.concatenate(matrices), None
    known = [categories or (None,) * matrices[0].shape[1] for categories in given]
    merged: list[Any] = []
    for column, labels in enumerate(zip(*known, strict=True)):
        if any((one is None) != (labels[0] is None) for one in labels):
            raise ValueError(f"Static feature {column} is a number here and a category there.")
        merged.append(None if labels[0] is None else tuple(dict.fromkeys(sum(labels, ()))))
    target = tuple(merged)
    recoded = [
        recode_static(matrix, categories, target)
        for matrix, categories in zip(matrices, known, strict=True)
    ]
    return np.concatenate(recoded), target


def recode_static(static: Array, categories: tuple[Any, ...], target: tuple[Any, ...]) -> Array:
    """Express codes in terms of other labels; labels that `target` lacks become NaN."""
    recoded = static.astype(np.float64)
    for column, (labels, wanted) in enumerate(zip(categories, target, strict=True)):
        if labels is None or wanted is None or labels == wanted:
            continue
        index = {label: code for code, label in enumerate(wanted)}
        table = np.array([index.get(label, np.nan) for label in labels] + [np.nan])
        codes = static[:, column]
        recoded[:, column] = table[np.where(np.isnan(codes), -1, codes).astype(np.int64)]
    return recoded
