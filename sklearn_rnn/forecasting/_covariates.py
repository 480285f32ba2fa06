"""The columns beside id and time: what kind each is, and how it becomes numbers.

Imports the rooms below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..sequences import (
    FLOAT32_MAX,
    StepTable,
    as_numbers,
    column_role,
    excess,
    is_missing,
    refuse_mixed,
    warn,
)
from ._grid import Array


@dataclass(frozen=True)
class Column:
    """A column and, where it holds categories, those seen in training."""

    name: Any
    categories: tuple[Any, ...] | None = None

    @property
    def cardinality(self) -> int | None:
        """Number of codes, the one for unseen categories included; None for numbers."""
        return None if self.categories is None else len(self.categories) + 1


@dataclass(frozen=True)
class Schema:
    """Which columns X has and what they are."""

    known: tuple[Column, ...] = ()
    past: tuple[Column, ...] = ()
    static: tuple[Column, ...] = ()


def make_schema(table: StepTable, past: Any, static: Any) -> Schema:
    """Sort the columns of the training rows into known ahead, past-only and static."""
    lists = {}
    for role, names in (("past_covariates", past), ("static_covariates", static)):
        chosen = [] if names is None else [names] if isinstance(names, (str, int)) else list(names)
        absent = [name for name in chosen if name not in table.columns]
        if absent:
            raise ValueError(
                f"{role} names {absent}, which X does not have; its columns are "
                f"{list(table.columns)}."
            )
        lists[role] = chosen
    both = set(lists["past_covariates"]) & set(lists["static_covariates"])
    if both:
        raise ValueError(f"{sorted(both)} are in past_covariates and in static_covariates.")
    taken = {*lists["past_covariates"], *lists["static_covariates"]}
    known = [name for name in table.columns if name not in taken]

    def columns(names: list[Any]) -> tuple[Column, ...]:
        return tuple(_describe(table.columns[name], name) for name in names)

    return Schema(
        columns(known), columns(lists["past_covariates"]), columns(lists["static_covariates"])
    )


def _describe(column: Any, name: Any) -> Column:
    """Find out whether a column holds numbers or categories."""
    role = column_role(column)
    refuse_mixed(column, f"Column {name!r}")
    if role == "numeric":
        return Column(name)
    if role == "categorical":
        cells = {cell for cell in column.to_list() if not is_missing(cell)}
        return Column(name, tuple(sorted(cells, key=lambda cell: (type(cell).__name__, cell))))
    what = "lists" if role == "list" else "times"
    raise TypeError(
        f"Column {name!r} holds {what}; a covariate is a number or a category a row. Drop it, or "
        "name it as time_col."
    )


def encode(columns: tuple[Column, ...], table: StepTable, *, missing: bool = False) -> Array:
    """Return columns as float64 of shape (n_rows, n_columns), categories as codes.

    Raises
    ------
    ValueError
        If a column is not there, or a value is missing or infinite, with row and column.
    """
    absent = [column.name for column in columns if column.name not in table.columns]
    if absent:
        raise ValueError(
            f"X lacks the columns {absent}, which it had in fit; it has {list(table.columns)}."
        )
    result = np.empty((table.n_rows, len(columns)))
    for place, column in enumerate(columns):
        result[:, place] = _encode(column, table.columns[column.name], missing)
    return result


def _encode(column: Column, series: Any, missing: bool) -> Array:
    """Return one column as numbers."""
    name = column.name
    if column.categories is not None:
        cells = series.to_list()
        index: dict[Any, float] = {label: k + 1.0 for k, label in enumerate(column.categories)}
        empty = [row for row, cell in enumerate(cells) if is_missing(cell)]
        if empty and not missing:
            raise _missing(empty[0], name)
        unseen = {cell for cell in cells if cell not in index and not is_missing(cell)}
        if unseen:
            warn(
                f"Column {name!r} has categories that training did not see: "
                f"{sorted(map(str, unseen))[:5]}. They count as unknown.",
            )
        return np.array([np.nan if is_missing(c) else index.get(c, 0.0) for c in cells])
    if column_role(series) == "categorical":
        refuse_mixed(series, f"Column {name!r}")
        raise ValueError(
            f"Column {name!r} held numbers in fit, and now holds {series.dtype}. Convert it to "
            "numbers, as in fit."
        )
    refuse_mixed(series, f"Column {name!r}")
    numbers = as_numbers(series.to_numpy(), f"Column {name!r}").astype(np.float64)
    if not missing and np.isnan(numbers).any():
        raise _missing(int(np.argmax(np.isnan(numbers))), name)
    beyond = np.abs(numbers) > FLOAT32_MAX
    if beyond.any():
        row = int(np.argmax(beyond))
        raise ValueError(f"Input X contains {excess(numbers[row])}: row {row}, column {name!r}.")
    return numbers


def _missing(row: int, name: Any) -> ValueError:
    return ValueError(
        f"Input X contains NaN: row {row}, column {name!r}. A covariate that is known ahead needs "
        "a value in every row: fill it, or list the column in past_covariates, where values may "
        "be missing."
    )


def encode_past(columns: tuple[Column, ...], table: StepTable) -> Array:
    """Return past-only columns as numbers, categories one column each; NaN is missing."""
    codes = encode(columns, table, missing=True)
    blocks = []
    for place, column in enumerate(columns):
        if column.categories is None:
            blocks.append(codes[:, [place]])
            continue
        hot = codes[:, [place]] == np.arange(1, len(column.categories) + 1)
        blocks.append(np.where(np.isnan(codes[:, [place]]), np.nan, hot.astype(np.float64)))
    return np.hstack(blocks) if blocks else np.empty((table.n_rows, 0))


def encode_static(
    columns: tuple[Column, ...], table: StepTable, codes: Array, labels: list[Any]
) -> Array:
    """Return static columns as one row a series; refuse one that changes."""
    rows = encode(columns, table)
    _, first = np.unique(codes, return_index=True)
    same = rows == rows[first][codes]
    if not same.all():
        row, place = np.argwhere(~same)[0]
        raise ValueError(
            f"Static column {columns[place].name!r} changes within series {labels[codes[row]]!r}, "
            f"at row {row}. Take it off static_covariates, or correct it."
        )
    return rows[first]
