"""Single series and targets for windows of them; imports `sequences` and its neighbours."""

from typing import Any

import narwhals as nw
import numpy as np

from ..sequences import Array, Sequences, read_sequences
from ._base import Form
from ._statistics import row_blocks


def read_series(X: Any) -> tuple[Sequences, Form]:
    """Read X, taking one-dimensional numbers for a single series (kind "one_series").

    A list of frames of scalars gives its columns' names to the channels.
    """
    flat = X
    if nw.dependencies.is_into_series(X):
        flat = nw.from_native(X, series_only=True).to_numpy()
    elif isinstance(X, (list, tuple)) and X and all(np.ndim(item) == 0 for item in X[:2]):
        flat = np.asarray(X)
    if isinstance(flat, np.ndarray) and flat.ndim == 1 and flat.dtype.kind in "biuf":
        return read_sequences([flat]), Form("one_series")
    if isinstance(X, (list, tuple)) and X and all(map(nw.dependencies.is_into_dataframe, X)):
        frames = [nw.from_native(frame, eager_only=True) for frame in X]
        names = frames[0].columns
        for row, frame in enumerate(frames):
            if frame.columns != names:
                raise ValueError(f"Row {row} has the columns {frame.columns}, but row 0 {names}.")
        rows = read_sequences([frame.to_numpy() for frame in frames])
        return rows.with_values(rows.values, channel_names=names), Form("list")
    return read_sequences(X), Form.of(X)


def cut_windows(series: Sequences, rows: Array, starts: Array, sizes: Array) -> Sequences:
    """Copy windows out of the series; window k is `sizes[k]` steps of row `rows[k]`."""
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    begin = series.offsets[rows] + starts
    values = np.empty((offsets[-1], series.n_channels), dtype=series.dtype)
    times = None if series.times is None else np.empty(offsets[-1], dtype=series.times.dtype)
    for first, last in row_blocks(offsets, series.n_channels):
        steps = window_steps(begin[first:last], sizes[first:last])
        values[offsets[first] : offsets[last]] = series.values[steps]
        if times is not None and series.times is not None:
            times[offsets[first] : offsets[last]] = series.times[steps]
    return Sequences(
        values,
        offsets,
        vocabulary_size=series.vocabulary_size,
        times=times,
        static=None if series.static is None else series.static[rows],
        channel_names=series.channel_names,
        static_names=series.static_names,
        static_categories=series.static_categories,
        lexicon=series.lexicon,
    )


def window_steps(begin: Array, sizes: Array) -> Array:
    """Return the flat steps of the windows that begin at `begin`, window after window."""
    return np.repeat(begin - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())


def average(
    series: Sequences, rows: Array, starts: Array, sizes: Array, values: Array
) -> Sequences:
    """Average what the windows say about each step of the series, leaving NaN out."""
    steps = window_steps(series.offsets[rows] + starts, sizes)
    total = int(series.offsets[-1])
    result = np.full((total, values.shape[1]), np.nan)
    for column in range(values.shape[1]):
        said = ~np.isnan(values[:, column])
        counts = np.bincount(steps[said], minlength=total)
        sums = np.bincount(steps[said], weights=values[said, column], minlength=total)
        result[counts > 0, column] = sums[counts > 0] / counts[counts > 0]
    return series.with_values(result)


def label_each(y: Any, series: Sequences, form: Form) -> Array | None:
    """Return y as an array if it holds one value a series, not one a step."""
    if form.kind == "one_series" or len(y) != len(series):
        return None
    items = list(y)
    if any(np.ndim(item) > 0 for item in items):
        return None
    if len(series) == 1 and series.lengths[0] == 1:
        return None
    return np.asarray(y)


def flat_targets(y: Any, series: Sequences, form: Form) -> Array:
    """Return one row of targets for each flat step, (n_steps,) or (n_steps, n_outputs)."""
    whole = len(series) == 1 and len(y) != 1
    pieces = [np.asarray(y)] if whole or form.kind == "one_series" else [np.asarray(p) for p in y]
    if len(pieces) != len(series):
        raise ValueError(f"y has {len(pieces)} entries, but X has {len(series)} series.")
    for row, (piece, length) in enumerate(zip(pieces, series.lengths, strict=True)):
        if form.n_steps is not None and len(piece) == form.n_steps:
            pieces[row] = piece = piece[:length]  # X was padded, and so is y
        if piece.ndim not in (1, 2) or len(piece) != length:
            raise ValueError(
                f"Row {row} of y has shape {piece.shape}, but its series has {length} steps; give "
                "one value a step, or one a series."
            )
    return np.concatenate(pieces)
