"""History: the rows of training as a panel, and the way from new rows to places on its grid.

What kind each column beside id and time is, what a target can be, and which series deserve a word
before anything is learned from them. Imports NumPy and the rooms below.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from ._grid import Array, Grid, calendar, choose_features, kind_of, make_grid
from ._panel import Panel


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


# A grid this much longer than the rows is a slip of freq or of a date.
_LONGEST = 200


@dataclass
class Rows:
    """Rows on a grid, in any order: whose, when, and what was seen."""

    codes: Array
    places: Array
    values: Array
    known: Array
    past: Array
    weights: Array | None = None


@dataclass(frozen=True)
class Clock:
    """A column of an array that counts, and so says the time: ``origin + step * place``."""

    column: Any
    origin: float
    step: float


@dataclass
class History:
    """What happened up to now: the panel and what its rows are called."""

    grid: Grid
    schema: Schema
    features: tuple[str, ...]
    labels: list[Any]
    panel: Panel
    present: Array  # whether a row of the data stands behind each step
    id_name: str
    time_name: str
    backend: str
    has_ids: bool
    clock: Clock | None = None
    weights: Array | None = None
    days: bool = False

    @property
    def ends(self) -> Array:
        """Place on the grid of the step after each series' last, of shape (n_series,)."""
        return self.panel.start + self.panel.lengths

    @property
    def n_own(self) -> int:
        """Number of known columns that come from X, before those of the calendar."""
        return len(self.schema.known)


# ---------------------------------------------------------------- from the rows of training


def code_series(ids: list[Any] | None, n_rows: int) -> tuple[Array, list[Any]]:
    """Number the series in order of appearance."""
    if ids is None:
        return np.zeros(n_rows, dtype=np.int64), [0]
    seen: dict[Any, int] = {}
    codes = np.array([seen.setdefault(label, len(seen)) for label in ids], dtype=np.int64)
    return codes, list(seen)


def check_order(table: StepTable, codes: Array, labels: list[Any]) -> None:
    """Refuse times that repeat or fall within a series, naming row and remedy."""
    times = table.times
    if times is None:
        return
    stamps = times.asi8 if hasattr(times, "asi8") else np.asarray(times)
    order = np.argsort(codes, kind="stable")
    distances = np.diff(stamps[order])
    bad = np.flatnonzero((np.diff(codes[order]) == 0) & ~(distances > 0))
    if not len(bad):
        return
    row = int(order[bad[0] + 1])
    whose = f" of series {labels[codes[row]]!r}" if table.ids is not None else ""
    if distances[bad[0]] == 0:
        hint = "drop or aggregate duplicates"
        if table.ids is None:
            hint += ", or name the column that tells the series apart with id_col="
        if kind_of(times) == "date" and times.tz is None:
            hint += "; where a clock was put back, localise the times"
        raise ValueError(f"Row {row}{whose} has a duplicate time, {times[row]}: {hint}.")
    several = "" if table.ids is not None else " Name the column that tells series apart as id_col."
    raise ValueError(
        f"Row {row}{whose} is not in order of time: {times[row]} comes after later times. Sort "
        f"the rows by time.{several} If a splitter shuffled them, split with TimeSeriesSplit or "
        "PanelTimeSeriesSplit, whose training rows come before the test rows."
    )


def begin(
    table: StepTable,
    values: Array,
    *,
    freq: Any,
    time_features: Any,
    past: Any,
    static: Any,
    season_length: Any,
    weights: Array | None = None,
) -> History:
    """Read the rows of training into a history."""
    codes, labels = code_series(table.ids, table.n_rows)
    check_order(table, codes, labels)
    if table.times is None:
        grid, places = Grid("rows"), count_within(codes)
        if freq is not None and freq != 1:
            raise ValueError(
                f"freq={freq!r}, but X has no time. Pass a time index, or freq=1 to say that "
                "rows follow on."
            )
    else:
        grid = make_grid(table.times, codes, freq)
        places = grid.places(table.times)
    schema = make_schema(table, past, static)
    rows = Rows(
        codes,
        places,
        values,
        encode(schema.known, table),
        encode_past(schema.past, table),
        weights,
    )
    history = History(
        grid,
        schema,
        choose_features(time_features, grid, places),
        labels,
        panel=None,  # type: ignore[arg-type]
        present=np.empty(0),
        id_name=table.id_name,
        time_name=table.time_name,
        backend=table.backend,
        has_ids=table.ids is not None,
        days=table.days
        and grid.kind in ("date", "business", "months")
        and grid.unit[0] != "second",
    )
    fixed = encode_static(schema.static, table, codes, labels) if schema.static else None
    season = grid.season_length() if season_length == "auto" else int(season_length)
    return _lay_out(history, rows, fixed, season)


def places_of(history: History) -> Array:
    """Return the places of the rows of the data, one series after the other."""
    panel, kept = history.panel, np.flatnonzero(history.present)
    return np.asarray(kept - (panel.offsets[:-1] - panel.start)[panel.series[kept]])


def count_within(codes: Array) -> Array:
    """Count the rows of each series: 0 for its first, 1 for its second, ..."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    first = np.r_[0, np.flatnonzero(np.diff(ordered)) + 1]
    starts = np.repeat(first, np.diff(np.r_[first, len(codes)]))
    counts = np.empty(len(codes), dtype=np.int64)
    counts[order] = np.arange(len(codes)) - starts
    return counts


def _lay_out(history: History, rows: Rows, static: Array | None, season: int) -> History:
    """Put rows on the grid: one step a place, missing where no row is."""
    n_series = len(history.labels)
    start = np.full(n_series, np.iinfo(np.int64).max)
    end = np.full(n_series, np.iinfo(np.int64).min)
    np.minimum.at(start, rows.codes, rows.places)
    np.maximum.at(end, rows.codes, rows.places + 1)
    lengths = end - start
    if lengths.sum() > _LONGEST * len(rows.codes) + 100_000:
        longest = int(np.argmax(lengths))
        raise ValueError(
            f"Series {history.labels[longest]!r} would have {lengths[longest]:,} steps "
            f"({history.grid.describe()}) for {int((rows.codes == longest).sum()):,} rows. Pass a "
            "coarser freq, or look for a wrong date."
        )
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    slots = offsets[rows.codes] + rows.places - start[rows.codes]
    total = int(offsets[-1])
    present = np.zeros(total, dtype=bool)
    present[slots] = True
    where = np.maximum.accumulate(np.where(present, np.arange(total), 0))

    def known_at_all(block: Array) -> Array:
        """Carry the last value through the steps without a row."""
        full = np.empty((total, block.shape[1]))
        full[slots] = block
        return full[where]

    panel_known = known_at_all(rows.known)
    panel_places = np.arange(total) + np.repeat(start - offsets[:-1], lengths)
    if history.features:
        panel_known = np.hstack(
            [panel_known, calendar(history.features, history.grid, panel_places)]
        )
    numeric = [column.cardinality for column in history.schema.known]
    history.panel = Panel(
        values=_average(slots, rows.values, total),
        offsets=offsets,
        start=start,
        known=panel_known if panel_known.shape[1] else None,
        known_cardinalities=(*numeric, *[None] * (2 * len(history.features))),
        past=_average(slots, rows.past, total) if rows.past.shape[1] else None,
        static=static,
        static_cardinalities=tuple(column.cardinality for column in history.schema.static),
        season_length=season,
        n_calendar=2 * len(history.features),
    )
    history.present = present
    history.weights = None
    if rows.weights is not None:
        history.weights = np.zeros(total)
        np.maximum.at(history.weights, slots, rows.weights)
    return history


def _average(slots: Array, block: Array, total: int) -> Array:
    """Put rows into steps; rows that share a step count by the mean of what they saw."""
    seen = ~np.isnan(block)
    sums, counts = np.zeros((2, total, block.shape[1]))
    np.add.at(sums, slots, np.where(seen, block, 0.0))
    np.add.at(counts, slots, seen)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


# ---------------------------------------------------------------- more history


def extend(history: History, table: StepTable, values: Array) -> History:
    """Return the history with rows that came later; the given one stays as it is."""
    panel, own = history.panel, history.n_own
    codes, places = locate(history, table, new=True)
    check_order(table, codes, _all_labels(history, table))
    labels = _all_labels(history, table)
    n_old = panel.n_series
    old = codes < n_old
    inside = np.zeros(len(codes), dtype=bool)
    inside[old] = places[old] < history.ends[codes[old]]
    if inside.any():
        relative = places[inside] - panel.start[codes[inside]]
        slots = panel.offsets[codes[inside]] + np.maximum(relative, 0)
        clash = (relative < 0) | ~np.isnan(panel.values[slots]).all(axis=1)
        if clash.any():
            row = int(np.flatnonzero(inside)[np.argmax(clash)])
            raise ValueError(
                f"Row {row} of update is not new: the history of {_whose(history, codes[row])} "
                "has a value there. Pass the rows that came after it."
            )
    kept = np.flatnonzero(history.present)
    known = encode(history.schema.known, table)
    past = encode_past(history.schema.past, table)
    old_known = np.empty((len(kept), 0)) if panel.known is None else panel.known[kept][:, :own]
    old_past = np.empty((len(kept), 0)) if panel.past is None else panel.past[kept]
    weights = None
    if history.weights is not None:
        weights = np.concatenate([history.weights[kept], np.ones(len(codes))])
    rows = Rows(
        np.concatenate([panel.series[kept], codes]),
        np.concatenate([places_of(history), places]),
        np.vstack([panel.values[kept], values]),
        np.vstack([old_known, known]),
        np.vstack([old_past, past]),
        weights,
    )
    static = panel.static
    if static is not None:
        found, inverse = np.unique(codes, return_inverse=True)
        named = [labels[code] for code in found]
        given = encode_static(history.schema.static, table, inverse, named)
        known_ones = found < n_old
        differs = (given[known_ones] != static[found[known_ones]]).any(axis=1)
        if differs.any():
            code = found[known_ones][np.argmax(differs)]
            raise ValueError(
                f"A static column of {_whose(history, code)} changed: row "
                f"{int(np.argmax(codes == code))} of update differs from the history. Take it off "
                "static_covariates, or correct it."
            )
        static = np.vstack([static, given[~known_ones]])
    fresh = replace(history, labels=labels)
    return _lay_out(fresh, rows, static, panel.season_length)


def refuse_contradictions(history: History, codes: Array, places: Array, known: Array) -> None:
    """Refuse rows of one step whose covariates differ: there is one forecast for both."""
    if history.grid.snaps or not known.shape[1] or len(codes) < 2:
        return
    order = np.lexsort((places, codes))
    before, after = order[:-1], order[1:]
    same = (codes[before] == codes[after]) & (places[before] == places[after])
    differs = same & (known[before] != known[after]).any(axis=1)
    if differs.any():
        pair = int(np.argmax(differs))
        first, second = sorted((int(before[pair]), int(after[pair])))
        column = int(np.argmax(known[first] != known[second]))
        raise ValueError(
            f"Rows {first} and {second} of X are the same step of {_whose(history, codes[first])}, "
            f"but differ in column {history.schema.known[column].name!r}: drop one of them, or "
            "name the column that tells the series apart with id_col=."
        )


def warn_of_static(history: History, table: StepTable, codes: Array) -> None:
    """Warn where new rows say something else of a series than its history."""
    for place, column in enumerate(history.schema.static):
        if column.name not in table.columns or history.panel.static is None:
            continue
        given = encode((column,), table, missing=True)[:, 0]
        differs = ~np.isnan(given) & (given != history.panel.static[codes, place])
        if differs.any():
            row = int(np.argmax(differs))
            warn(
                f"Static column {column.name!r} of {_whose(history, codes[row])} differs from "
                f"that of its history (row {row}); what the history says is used.",
            )


def _all_labels(history: History, table: StepTable) -> list[Any]:
    """Return the labels of the history's series and after them those new in the table."""
    if table.ids is None:
        return history.labels
    return list(dict.fromkeys([*history.labels, *table.ids]))


def _whose(history: History, code: int) -> str:
    """Name a series in a message."""
    return f"series {history.labels[code]!r}" if history.has_ids else "the series"


# ---------------------------------------------------------------- where new rows belong


def locate(history: History, table: StepTable, *, new: bool = False) -> tuple[Array, Array]:
    """Return series and place of every row; ``new`` allows series that are not known yet.

    Rows without a time are those of training where they hold the same covariates as rows of
    training that differ from each other, and else follow on.
    """
    codes = _codes(history, table, new)
    if table.times is not None:
        if kind_of(table.times) == "date" and history.grid.zone is not None:
            zone = table.times.tz
            if zone is not None and str(zone) != history.grid.zone:
                warn(
                    f"X has times in zone {zone}, and the training rows had "
                    f"{history.grid.zone}; they are converted.",
                )
        places = history.grid.places(table.times)
        if table.counted and not new:
            _warn_if_renumbered(history, table, codes, places)
        return codes, places
    if history.grid.kind != "rows" and not table.columns and not new:
        raise ValueError(
            f"X has no time, but the training rows had ({history.grid.describe()}). Pass X with "
            "its time, or call forecast(horizon)."
        )
    if not new:
        slots = _rows_of_training(history, table)
        if slots is not None:
            panel = history.panel
            found = panel.series[slots]
            return found, slots - panel.offsets[found] + panel.start[found]
    ends = np.zeros(int(codes.max(initial=0)) + 1, dtype=np.int64)
    ends[: len(history.ends)] = history.ends[: len(ends)]
    return codes, ends[codes] + count_within(codes)


def _codes(history: History, table: StepTable, new: bool) -> Array:
    """Return the number of each row's series."""
    if table.ids is None:
        if history.has_ids and len(history.labels) > 1:
            raise ValueError(
                f"X has no series id, but the training rows had {len(history.labels)} series. "
                f"Pass X with {history.id_name!r}, as in fit."
            )
        return np.zeros(table.n_rows, dtype=np.int64)
    if not history.has_ids:
        raise ValueError("X has series ids, but the training rows had none.")
    labels = _all_labels(history, table)
    if len(labels) > len(history.labels) and not new:
        stranger = labels[len(history.labels)]
        row = table.ids.index(stranger)
        raise ValueError(
            f"Row {row}: series {stranger!r} has no history. Give it one with update(X, y), or "
            "fit on it."
        )
    index = {label: code for code, label in enumerate(labels)}
    return np.array([index[label] for label in table.ids], dtype=np.int64)


def _fingerprints(history: History, table: StepTable) -> Array | None:
    """Return the covariates of new rows as one block, or None where some are not there."""
    columns = [*history.schema.known, *history.schema.past]
    if not columns or any(column.name not in table.columns for column in columns):
        return None
    known = encode(history.schema.known, table)
    return np.hstack([known, encode_past(history.schema.past, table)])


def _rows_of_training(history: History, table: StepTable) -> Array | None:
    """Return the step of the panel behind each row, if the rows are rows of training."""
    asked = _fingerprints(history, table)
    if asked is None:
        return None
    panel, kept = history.panel, np.flatnonzero(history.present)
    blocks = [] if panel.known is None else [panel.known[kept][:, : history.n_own]]
    blocks += [] if panel.past is None else [panel.past[kept]]
    seen = np.ascontiguousarray(np.hstack(blocks)) + 0.0
    whole = np.dtype((np.void, seen.dtype.itemsize * seen.shape[1]))
    keys = seen.view(whole).ravel()
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    if (keys[1:] == keys[:-1]).any():
        return None  # rows that look alike cannot be told apart
    wanted = np.ascontiguousarray(asked + 0.0).view(whole).ravel()
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    if not (keys[at] == wanted).all():
        return None
    return np.asarray(kept[order[at]])


def _warn_if_renumbered(history: History, table: StepTable, codes: Array, places: Array) -> None:
    """Warn where a frame's row numbers say training, and its covariates say otherwise."""
    asked, panel = _fingerprints(history, table), history.panel
    if asked is None or panel.known is None or not history.n_own:
        return
    relative = places - panel.start[codes]
    inside = (relative >= 0) & (relative < panel.lengths[codes])
    slots = panel.offsets[codes[inside]] + relative[inside]
    known = panel.known[slots][:, : history.n_own]
    if inside.any() and not np.isclose(known, asked[inside][:, : history.n_own]).any(axis=1).any():
        warn(
            "The row numbers of X are those of training rows, but its covariates are not: was the "
            "index reset? Row numbers count as time; keep them, or index X by time.",
        )


def warn_of_constant(history: History, names: list[str]) -> None:
    """Warn of series that never change, or that hold no value at all."""
    panel = history.panel
    low = np.fmin.reduceat(panel.values, panel.offsets[:-1], axis=0)
    high = np.fmax.reduceat(panel.values, panel.offsets[:-1], axis=0)
    empty = np.isnan(low).all(axis=1)
    if empty.any():
        _warn(
            history, empty, "hold no value", "they teach nothing, and their forecasts are guesses"
        )
    still = (low == high).all(axis=1) & (panel.lengths > 2)
    so = "they are forecast as such, and scaled errors (MASE, RMSSE) are not defined for them"
    if still.any():
        _warn(history, still, "are constant", so)
    for place, name in enumerate(names):
        alone = (low == high)[:, place] & (panel.lengths > 2) & ~still
        if alone.any():
            _warn(history, alone, f"are constant in target {name!r}", so)


def warn_of_targets(history: History, names: list[str]) -> None:
    """Warn of targets without any value, and of covariates that are the target."""
    panel = history.panel
    for place in np.flatnonzero(np.isnan(panel.values).all(axis=0)):
        warn(
            f"Target {names[place]!r} holds no value: its forecasts are guesses. Drop it from y.",
        )
    for column, own in enumerate(history.schema.known):
        if own.categories is not None or panel.known is None:
            continue
        cells = panel.known[:, column][:, None]
        seen = ~np.isnan(panel.values)
        same = seen.any(axis=0) & ((cells == panel.values) | ~seen).all(axis=0)
        same &= (seen & (cells != cells[0])).any(axis=0)
        if same.any():
            warn(
                f"Column {own.name!r} of X equals the target {names[int(np.argmax(same))]!r} in "
                "every row: the model learns to copy it, and nobody knows it ahead. Drop it from "
                "X, or list it in past_covariates.",
            )


def _warn(history: History, which: Any, what: str, so: str) -> None:
    found = [history.labels[k] for k in np.flatnonzero(which)[:5]]
    named = f" ({', '.join(map(repr, found))})" if history.has_ids else ""
    warn(
        f"{int(which.sum())} of {len(which)} series{named} {what}: {so}.",
    )


_COUNTS = "negative_binomial"


def floors(panel: Any, model: Any) -> Array:
    """Return the least value of each series and target (n_series, n_targets): 0, or -inf."""
    least = np.fmin.reduceat(panel.values, panel.offsets[:-1], axis=0)
    if model.options.distribution == _COUNTS:
        return np.zeros_like(least)
    positive = (least > 0) & (model.choice_.transform is not None)
    return np.where(positive, 0.0, -np.inf)


def bounded(quantiles: Array, floor: Array) -> Array:
    """Lift quantiles (..., Q) to the floor (...): calibration and levels far out know none."""
    return np.maximum(quantiles, floor[..., None])


def transform_of_counts(transform: str | None, distribution: str) -> str | None:
    """Return the transform, which is none for counts; refuse another."""
    if distribution != _COUNTS or transform is None:
        return transform
    if transform != "auto":
        raise ValueError(
            f"distribution='negative_binomial' is one of counts, and target_transform="
            f"{transform!r} would leave none. Set target_transform=None, or another distribution."
        )
    return None


def check_range(history: History, transform: str | None, distribution: str) -> None:
    """Refuse counts below zero; warn of series that a transform leaves as they are."""
    panel = history.panel
    least = np.fmin.reduce(np.fmin.reduceat(panel.values, panel.offsets[:-1], axis=0), axis=1)
    series = int(np.argmax(least < 0))
    if distribution == _COUNTS and least[series] < 0:
        named = f" of series {history.labels[series]!r}" if history.has_ids else ""
        raise ValueError(
            f"distribution='negative_binomial' is one of counts, but y{named} holds "
            f"{least[series]:g}. Correct it, or set distribution='quantile' or 'student_t'."
        )
    if transform in ("log", "box-cox") and (least <= 0).any():
        names = [repr(history.labels[k]) for k in np.flatnonzero(least <= 0)[:5]]
        named = f" ({', '.join(names)})" if history.has_ids else ""
        warn(
            f"target_transform={transform!r} leaves {int((least <= 0).sum())} of {len(least)} "
            f"series{named} as they are: they hold values that are not positive.",
        )
