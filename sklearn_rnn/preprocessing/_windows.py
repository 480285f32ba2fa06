"""SlidingWindows: long series into windows and back; imports `sequences` and its neighbours."""

from numbers import Integral
from typing import Any, Self

import narwhals as nw
import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..sequences import (
    Array,
    Interval,
    Sequences,
    StrOptions,
    _fit_context,
    align,
    names_sizes,
    read_sequences,
    warn_of_long_table,
)
from ._base import FLAT_KINDS, Form, SequenceTransformer, with_fit_task
from ._statistics import row_blocks


class SlidingWindows(SequenceTransformer):
    """Cut long series into windows, make targets for them, and put predictions back together.

    Use `split` to turn one long series, or several, into a supervised problem of many short
    sequences; `merge` averages predictions for overlapping windows back onto the series.

    Parameters
    ----------
    window : int, default=None
        Steps of a window. None takes a whole series (less `horizon` in `split`) as one window.
    stride : int, default=1
        Steps from the start of one window to the start of the next.
    horizon : int, default=0
        Steps after a window that `split` makes the target. With 0, `split` needs `y`.
    target : int, str or list of these, default=None
        Channels to predict, by number or name; None takes all. Only for `split` without `y`.
    short : {"raise", "drop"}, default="raise"
        What to do with a series too short for one window: refuse it by its row, or leave it out.

    Attributes
    ----------
    lengths_ : ndarray of int of shape (n_series,)
        Lengths of the series seen in `fit`, to which `inverse_transform` goes back.
    n_features_in_ : int
        Number of steps of a 2-D array, of columns of a frame; not set for X of another form.
    feature_names_in_ : ndarray of str
        Names of the columns, where X was a frame.

    See Also
    --------
    SequenceResampler : Bring sequences to a common length without cutting them.

    Notes
    -----
    With a window, `transform` returns more rows than it was given. scikit-learn's pipelines and
    searches expect a row of y for each row of X, so window the series with `split` first and give
    the windows to the pipeline. Overlapping windows share steps: cross-validate with
    `GroupKFold` and the rows of `positions` as groups, or in the order of time, with a gap.

    A 2-D array is read as one series for each row, as everywhere in this package. One series of
    several channels is `[X]`, with X an array of shape (n_steps, n_channels) or, in `split`, a data
    frame with one row for each step, whose columns name the channels.

    Targets taken from a series with missing values can be NaN; drop their windows,
    `keep = ~np.isnan(y)`, or fill the series first.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_rnn.preprocessing import SlidingWindows
    >>> series = np.arange(8.0)
    >>> windows = SlidingWindows(3, stride=2, horizon=1)
    >>> X, y = windows.split(series)
    >>> X
    array([[0., 1., 2.],
           [2., 3., 4.],
           [4., 5., 6.]])
    >>> y
    array([3., 5., 7.])
    >>> windows.merge(y, series)
    array([nan, nan, nan,  3., nan,  5., nan,  7.])
    """

    _parameter_constraints: dict[str, Any] = {
        "window": [Interval(Integral, 1, None, closed="left"), None],
        "stride": [Interval(Integral, 1, None, closed="left")],
        "horizon": [Interval(Integral, 0, None, closed="left")],
        "target": [Integral, str, list, tuple, None],
        "short": [StrOptions({"raise", "drop"})],
    }

    def __init__(
        self,
        window: int | None = None,
        *,
        stride: int = 1,
        horizon: int = 0,
        target: int | str | list[int | str] | None = None,
        short: str = "raise",
    ) -> None:
        self.window = window
        self.stride = stride
        self.horizon = horizon
        self.target = target
        self.short = short

    @with_fit_task
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the series and remember their lengths.

        Parameters
        ----------
        X : sequences in any accepted form
            The series; a single one is `[series]`.
        y : ignored
            Present so that the transformer fits into a pipeline.

        Returns
        -------
        self : SlidingWindows
            The fitted transformer.

        Raises
        ------
        ValueError
            When a series is too short for one window and `short="raise"`.
        """
        sequences = self._read(X, reset=True)
        self._place(sequences, horizon=0, form=self._form_in)
        self.lengths_ = sequences.lengths
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    @names_sizes
    def split(self, X: Any, y: Any = None) -> tuple[Any, Array]:
        """Make a supervised problem: windows, and a target for each.

        Needs no `fit`, and leaves the transformer as it was.

        Parameters
        ----------
        X : array of shape (n_steps,), list of data frames, or sequences in any accepted form
            One series as a 1-D array, list or pandas Series; or several.
        y : array-like, default=None
            None predicts the series itself: the target is the `horizon` steps after the window.
            One value for each step (shaped like the series: 1-D for one series, a list of arrays or
            a 2-D array for several): the target is its `horizon` values after the window, or its
            value at the last step of the window when `horizon=0`. One value for each series (1-D,
            for several series): every window gets its series' value; needs `horizon=0`.

        Returns
        -------
        X_windows : array or Sequences
            The windows that have a target, series by series, each from early to late: an array
            (n_windows, window) for 1-D and 2-D input, (n_windows, window, n_channels) for 3-D,
            otherwise `Sequences`.
        y_windows : ndarray of shape (n_windows,) or (n_windows, n_outputs)
            The targets. With several steps and several channels the channels of the first step
            come first.

        Raises
        ------
        ValueError
            When there is nothing to predict, y does not fit X, or a series is too short.
        """
        series, form = read_series(X)
        y = align(X, y)
        if form.kind in FLAT_KINDS:
            warn_of_long_table(X)
        if y is None and self.horizon == 0:
            raise ValueError(
                "There is nothing to predict: set horizon to the number of steps to forecast, or "
                "pass y."
            )
        rows, starts, sizes = self._place(series, horizon=self.horizon, form=form)
        windows = cut_windows(series, rows, starts, sizes)
        if y is None:
            flat = series.values[:, self._target_channels(series)]
        else:
            labels = label_each(y, series, form)
            if labels is not None:
                if self.horizon:
                    raise ValueError(
                        "y holds one value for each series, but horizon="
                        f"{self.horizon} asks for steps after the window; set horizon=0."
                    )
                return self._give_windows(windows, form), labels[rows]
            flat = flat_targets(y, series, form)
        ends = series.offsets[rows] + starts + sizes
        if self.horizon == 0:
            targets = flat[ends - 1]
        else:
            targets = flat[ends[:, None] + np.arange(self.horizon)].reshape(len(rows), -1)
        if targets.ndim == 2 and targets.shape[1] == 1:
            targets = targets[:, 0]
        return self._give_windows(windows, form), targets

    @_fit_context(prefer_skip_nested_validation=True)
    @names_sizes
    def positions(self, X: Any) -> tuple[Array, Array]:
        """Return where the windows of `split` come from.

        Parameters
        ----------
        X : array of shape (n_steps,), or sequences in any accepted form
            The series, as given to `split`.

        Returns
        -------
        rows : ndarray of int of shape (n_windows,)
            The series of each window; serves as groups in cross-validation.
        starts : ndarray of int of shape (n_windows,)
            The window's first step in its series.
        """
        series, form = read_series(X)
        return self._place(series, horizon=self.horizon, form=form)[:2]

    @_fit_context(prefer_skip_nested_validation=True)
    @names_sizes
    def merge(self, predictions: Any, X: Any) -> Any:
        """Put predictions for the windows of `split` back onto the series.

        Parameters
        ----------
        predictions : array of shape (n_windows,) or (n_windows, n_outputs)
            Numbers, in the order of `split`. With `horizon` they belong to the steps after the
            window, in the layout of `split`'s targets; without, each belongs to all steps of its
            window.
        X : array of shape (n_steps,), or sequences in any accepted form
            The series, as given to `split`.

        Returns
        -------
        array or Sequences
            The mean of all predictions for each step, NaN where there is none: (n_steps,) or
            (n_steps, n_outputs) for 1-D input; with 2-D and 3-D arrays an array with one row for
            each series; otherwise `Sequences`.

        Raises
        ------
        ValueError
            When the number of predictions is not that of the windows, or they are not numbers.
        """
        series, form = read_series(X)
        rows, starts, sizes = self._place(series, horizon=self.horizon, form=form)
        values = np.asarray(predictions)
        if values.dtype.kind not in "biuf":
            raise ValueError(
                f"predictions must be numbers to be averaged; got dtype {values.dtype}. For class "
                "labels, merge the probabilities of predict_proba."
            )
        if values.ndim == 0 or len(values) != len(rows):
            raise ValueError(
                f"predictions must have one row for each of the {len(rows)} windows that split "
                f"makes; got shape {values.shape}."
            )
        values = values.reshape(len(rows), -1).astype(np.float64)
        if self.horizon == 0:
            merged = average(series, rows, starts, sizes, np.repeat(values, sizes, axis=0))
            return _give_series(merged, form)
        if values.shape[1] % self.horizon:
            raise ValueError(
                f"predictions must have a multiple of horizon={self.horizon} columns; got "
                f"{values.shape[1]}."
            )
        ahead = np.full(len(rows), self.horizon)
        values = values.reshape(len(rows) * self.horizon, -1)
        return _give_series(average(series, rows, starts + sizes, ahead, values), form)

    @names_sizes
    def inverse_transform(self, X: Any) -> Any:
        """Put windows back together, averaging where they overlap.

        Parameters
        ----------
        X : windows in any accepted form
            The windows that `transform` makes of the series seen in `fit`, in the same order.

        Returns
        -------
        array or Sequences
            The series, in the form seen in `fit`; NaN at steps that no window covers.

        Raises
        ------
        ValueError
            When the number of windows or their length is not that of the series seen in `fit`.
        """
        check_is_fitted(self)
        windows = read_sequences(X)
        self._refuse_tokens(windows, "Tokens cannot be averaged.")
        offsets = np.concatenate([[0], np.cumsum(self.lengths_)])
        series = Sequences(np.zeros((offsets[-1], 1)), offsets)
        rows, starts, sizes = self._place(series, horizon=0, form=self._form_in)
        if len(windows) != len(rows):
            raise ValueError(
                f"X has {len(windows)} windows, but the series seen in fit give {len(rows)}."
            )
        different = np.flatnonzero(windows.lengths != sizes)
        if len(different):
            row = different[0]
            raise ValueError(
                f"Row {row} has {windows.lengths[row]} steps; its window has {sizes[row]}. Windows "
                "in lists and Sequences may begin and end with NaN, but must be whole."
            )
        merged = average(series, rows, starts, sizes, windows.values).astype(windows.dtype)
        return self._form_in.give_back(merged)

    def _transform(self, sequences: Sequences) -> Sequences:
        """Cut all windows, whether or not they have a target."""
        return cut_windows(sequences, *self._place(sequences, horizon=0, form=Form("sequences")))

    def _place(self, series: Sequences, *, horizon: int, form: Form) -> tuple[Array, Array, Array]:
        """Return row, first step and number of steps of every window."""
        lengths = series.lengths
        window = self.window
        counts = (lengths - (window or 1) - horizon) // self.stride + 1
        short = np.flatnonzero(counts < 1)
        if len(short) and (self.short == "raise" or len(short) == len(lengths)):
            needed = (window or 1) + horizon
            after = f" and a horizon of {horizon}" if horizon else ""
            hint = 'set short="drop" to leave it out' if len(short) < len(lengths) else "shorten it"
            if form.kind in FLAT_KINDS and len(series) >= needed:
                hint += (
                    f"; if X is one series of {len(series)} steps and {lengths[0]} channels, "
                    "pass [X]"
                )
            raise ValueError(
                f"Row {short[0]} has {lengths[short[0]]} steps, too few for a window of "
                f"{window or 1}{after} ({needed} needed); {hint}."
            )
        if window is None:
            rows = np.flatnonzero(counts > 0)
            return rows, np.zeros_like(rows), lengths[rows] - horizon
        counts = np.maximum(counts, 0)
        rows = np.repeat(np.arange(len(lengths)), counts)
        place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, place * self.stride, np.full(len(rows), window, dtype=np.int64)

    def _target_channels(self, series: Sequences) -> list[int]:
        """Turn `target` into channel numbers."""
        self._refuse_tokens(series, "Pass y to predict something from tokens.")
        names = series.channel_names or ()
        if self.target is None:
            return list(range(series.n_channels))
        chosen = []
        for item in self.target if isinstance(self.target, (list, tuple)) else [self.target]:
            if isinstance(item, str) and item in names:
                chosen.append(names.index(item))
            elif (
                isinstance(item, (int, np.integer))
                and -series.n_channels <= item < series.n_channels
            ):
                chosen.append(int(item))
            else:
                known = f", named {', '.join(names)}" if names else ""
                raise ValueError(
                    f"target {item!r} is not a channel of X, which has {series.n_channels}{known}."
                )
        return chosen

    def _give_windows(self, windows: Sequences, form: Form) -> Any:
        """Return the windows of `split` in the form of X; one series gives a 2-D array."""
        if form.kind == "one_series":
            return windows.values.reshape(len(windows), -1)
        return form.give_back(windows, lambda n_steps: self._width(n_steps - self.horizon))

    def _width(self, n_steps: int) -> int:
        """Return the steps of a window in `n_steps` steps."""
        return n_steps if self.window is None else self.window


def _give_series(merged: Sequences, form: Form) -> Any:
    """Return merged predictions in the form of X; one series gives an array of its steps."""
    if form.kind != "one_series":
        return form.give_back(merged)
    return merged.values[:, 0] if merged.n_channels == 1 else merged.values


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
    """Return y as an array if it holds one value for each series, not for each step."""
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
                "one value for each step, or for each series."
            )
    return np.concatenate(pieces)
