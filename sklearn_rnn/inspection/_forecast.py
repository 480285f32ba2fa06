"""ForecastDisplay: history, forecast, fan and actuals. Imports `sequences`.

The class computes nothing that it draws: `from_estimator` reads the frames, `plot` draws them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..sequences import is_time_index, read_step_table
from ._drawing import as_axis, check_forecasts, pyplot, quantile_columns, roles, to_pandas

_HISTORY, _FORECAST, _ACTUAL = "#555555", "#0072B2", "#D55E00"


class ForecastDisplay:
    """Draw forecasts after their history: the fan of intervals, what happened, several series.

    Use `from_estimator` on a fitted forecaster, `from_predictions` on arrays, or pass the frame of
    `forecast` or `backtest`. Each series and target has axes of its own.

    Parameters
    ----------
    forecast : frame
        With the columns of :meth:`SequenceForecaster.forecast` or
        :func:`~sklearn_rnn.model_selection.backtest`: time, "forecast", and as there are id,
        "target", quantiles, "actual" and "cutoff".
    history : frame, default=None
        What was seen before, with the same id and time, and "value": what
        :meth:`SequenceForecaster.observed` returns.
    actual : frame, default=None
        What happened, in the form of ``history``. None takes the column "actual" of ``forecast``.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        The axes, one for each series and target.
    figure_ : matplotlib Figure
        The figure that holds them.
    series_ : list of tuple
        Id and target of each of the axes; None where there is but one.

    Raises
    ------
    ValueError, TypeError
        If a frame lacks its columns.

    Examples
    --------
    >>> from sklearn_rnn import SequenceForecaster
    >>> from sklearn_rnn.datasets import load_air_passengers
    >>> from sklearn_rnn.inspection import ForecastDisplay
    >>> data = load_air_passengers(as_frame=True)
    >>> forecaster = SequenceForecaster(horizon=24, closed_form="only")
    >>> forecaster = forecaster.fit(None, data.y_train)
    >>> display = ForecastDisplay.from_estimator(forecaster, None, data.y_test)
    >>> len(display.axes_)
    1
    """

    axes_: Any
    figure_: Any
    series_: list[tuple[Any, Any]]

    def __init__(self, forecast: Any, *, history: Any = None, actual: Any = None) -> None:
        self.forecast = check_forecasts(forecast)
        self.id_name, self.time_name = roles(self.forecast)
        self.history = self._read(history, "history")
        if actual is None and "actual" in self.forecast.columns:
            actual = self.forecast.rename(columns={"actual": "value"})
        self.actual = self._read(actual, "actual")

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        *,
        horizon: int | None = None,
        quantiles: Any = (0.05, 0.25, 0.75, 0.95),
        n_history: int | str | None = "auto",
        series: Any = None,
        max_series: int = 9,
        ax: Any = None,
        **keywords: Any,
    ) -> ForecastDisplay:
        """Forecast from the end of a fitted forecaster's history, and draw it.

        Parameters
        ----------
        estimator : SequenceForecaster, pipeline or search
            Fitted.
        X : frame, default=None
            Rows with the covariates that are known ahead; needed if `fit` had such covariates. For
            a `y` without times, they say to which series and time each value belongs.
        y : series or frame, default=None
            What happened: with its times, or beside the rows of X; or an array for the steps ahead
            of one series.
        horizon : int, default=None
            Steps ahead; None means the trained horizon, or the length of an array ``y``.
        quantiles : tuple of float, default=(0.05, 0.25, 0.75, 0.95)
            Levels of the fan, in pairs around one half.
        n_history : int, "auto" or None, default="auto"
            Steps of history; ``"auto"`` is three times the horizon, None all of it.
        series : list, default=None
            Ids of the series to draw; None takes the first ``max_series``.
        max_series : int, default=9
            How many series are drawn at most.
        ax : matplotlib Axes, default=None
            Axes to draw on, for one series.
        **keywords : dict
            Passed to `plot`.

        Returns
        -------
        display : ForecastDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator does not forecast.
        """
        inner, rows = _forecaster_of(estimator, X)
        steps = horizon
        beside = _beside(X, y, inner)
        if beside is not None:
            if steps is None:
                steps = max(1, int(np.max(inner.steps_ahead(rows))))
            y = None
        if steps is None and y is not None and not hasattr(y, "index"):
            steps = len(np.asarray(y))
        if steps is None and y is not None and not getattr(inner, "id_col", None):
            ahead = int(np.max(inner.steps_ahead(y.index)))
            steps = ahead if ahead > 0 else None
        frame = inner.forecast(steps, rows, quantiles)
        length = to_pandas(frame)
        steps = int(inner.horizon_ if steps is None else steps)
        n_steps = 3 * steps if n_history == "auto" else n_history
        history = inner.observed(n_steps)
        actual = _actual_of(y, length) if beside is None else _placed(beside, length)
        display = cls(length, history=history, actual=actual)
        return display.plot(ax, series=series, max_series=max_series, **keywords)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        *,
        times: Any = None,
        interval: Any = None,
        coverage: float = 0.9,
        groups: Any = None,
        y_train: Any = None,
        train_times: Any = None,
        ax: Any = None,
        **keywords: Any,
    ) -> ForecastDisplay:
        """Draw forecasts that are at hand as arrays.

        Parameters
        ----------
        y_true : array-like of shape (n,) or None
            What happened.
        y_pred : array-like of shape (n,)
            What was forecast.
        times : array-like of shape (n,), default=None
            When. None takes the index of ``y_true``, or counts on from ``y_train``.
        interval : array-like of shape (n, 2), default=None
            Lower and upper ends.
        coverage : float, default=0.9
            What the interval promises.
        groups : array-like of shape (n,), default=None
            Ids of the series.
        y_train : array-like of shape (n_train,), default=None
            The history, for one series.
        train_times : array-like of shape (n_train,), default=None
            Its times. None takes its index, or counts.
        ax : matplotlib Axes, default=None
            Axes to draw on, for one series.
        **keywords : dict
            Passed to `plot`.

        Returns
        -------
        display : ForecastDisplay
            The display, drawn.
        """
        import pandas as pd

        if groups is not None and y_train is not None:
            raise ValueError("y_train is for one series; pass frames to ForecastDisplay for many.")
        found = np.asarray(y_pred, dtype=np.float64).ravel()
        history = None
        begin = 0
        if y_train is not None:
            seen = np.asarray(y_train, dtype=np.float64).ravel()
            when = _when(train_times, y_train, np.arange(len(seen)))
            history = pd.DataFrame({"time": when, "value": seen})
            begin = len(seen)
        columns: dict[str, Any] = {} if groups is None else {"id": list(groups)}
        columns["time"] = _when(times, y_true, begin + np.arange(len(found)))
        columns["forecast"] = found
        if y_true is not None:
            columns["actual"] = np.asarray(y_true, dtype=np.float64).ravel()
        if interval is not None:
            ends = np.asarray(interval, dtype=np.float64).reshape(len(found), 2)
            columns[f"q{(1 - coverage) / 2:.4g}"] = ends[:, 0]
            columns[f"q{(1 + coverage) / 2:.4g}"] = ends[:, 1]
        display = cls(pd.DataFrame(columns), history=history)
        return display.plot(ax, **keywords)

    def plot(
        self,
        ax: Any = None,
        *,
        series: Any = None,
        max_series: int = 9,
        n_columns: int | None = None,
        color: Any = None,
    ) -> ForecastDisplay:
        """Draw the frames.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, for one series. None makes a new figure.
        series : list, default=None
            Ids of the series to draw; None takes the first ``max_series``.
        max_series : int, default=9
            How many axes are drawn at most.
        n_columns : int, default=None
            Axes beside each other; None is at most three.
        color : matplotlib color, default=None
            Colour of forecast and fan.

        Returns
        -------
        self : ForecastDisplay
            The display, with the artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed; the message says how to install it.
        ValueError
            If a series is unknown, or one pair of axes is given for several.
        """
        plt = pyplot("ForecastDisplay")
        self.series_ = self._chosen(series)[:max_series]
        n = len(self.series_)
        if ax is not None:
            if n > 1:
                raise ValueError(f"ax is one pair of axes, but there are {n} series; leave it out.")
            axes = np.array([ax])
        else:
            wide = n_columns or min(3, n)
            tall = -(-n // wide)
            size = (6.4, 3.6) if n == 1 else (4.2 * wide, 2.6 * tall + 0.4)
            _, grid = plt.subplots(tall, wide, figsize=size, squeeze=False, layout="constrained")
            for spare in grid.ravel()[n:]:
                spare.set_axis_off()
            axes = grid.ravel()[:n]
        self.axes_, self.figure_ = axes, axes[0].figure
        for one, key in zip(axes, self.series_, strict=True):
            self._draw(one, key, color or _FORECAST)
        self._draw_legend(own=ax is None)
        return self

    # ---------------------------------------------------------------- inside

    def _read(self, frame: Any, name: str) -> Any:
        """Check a frame of values."""
        if frame is None:
            return None
        frame = to_pandas(frame)
        needed = {self.time_name, "value"} | ({self.id_name} if self.id_name else set())
        if not needed <= set(frame.columns):
            raise ValueError(
                f"{name} needs the columns {sorted(map(str, needed))}; it has "
                f"{list(frame.columns)}."
            )
        return frame

    def _chosen(self, series: Any) -> list[tuple[Any, Any]]:
        """Return id and target of what is to be drawn."""
        ids = [None] if self.id_name is None else list(self.forecast[self.id_name].unique())
        if series is not None:
            unknown = [one for one in series if one not in ids]
            if unknown:
                raise ValueError(f"There is no series {unknown[0]!r}; there are {ids[:10]}.")
            ids = list(series)
        several = "target" in self.forecast.columns
        targets = list(self.forecast["target"].unique()) if several else [None]
        return [(one, target) for one in ids for target in targets]

    def _part(self, frame: Any, key: tuple[Any, Any]) -> Any:
        """Return the rows of a series and target."""
        if frame is None:
            return None
        one, target = key
        if one is not None:
            frame = frame[frame[self.id_name] == one]
        if target is not None and "target" in frame.columns:
            frame = frame[frame["target"] == target]
        return frame

    def _draw(self, ax: Any, key: tuple[Any, Any], color: Any) -> None:
        """Draw one series."""
        rows = self._part(self.forecast, key)
        seen = self._part(self.history, key)
        happened = self._part(self.actual, key)
        folds = [rows] if "cutoff" not in rows.columns else [f for _, f in rows.groupby("cutoff")]
        if seen is not None and len(seen):
            line = {"color": _HISTORY, "linewidth": 1.4, "label": "history"}
            ax.plot(as_axis(seen[self.time_name]), seen["value"], **line)
        for fold in folds:
            self._draw_fold(ax, fold, color, many=len(folds) > 1)
        if happened is not None and len(happened):
            unique = happened.drop_duplicates(self.time_name).sort_values(self.time_name)
            line = {"color": _ACTUAL, "linewidth": 1.4, "label": "actual", "zorder": 3}
            ax.plot(as_axis(unique[self.time_name]), unique["value"], **line)
        if not folds or len(folds) == 1:
            self._mark_beginning(ax, rows, seen)
        title = ", ".join(str(part) for part in key if part is not None)
        if title:
            ax.set_title(title, fontsize="medium")
        ax.spines[["top", "right"]].set_visible(False)
        if np.asarray(as_axis(rows[self.time_name])).dtype.kind == "M":
            self._short_dates(ax)

    def _draw_fold(self, ax: Any, fold: Any, color: Any, *, many: bool) -> None:
        """Draw the forecast from one origin, with its fan."""
        fold = fold.sort_values(self.time_name)
        when = as_axis(fold[self.time_name])
        levels = quantile_columns(fold)
        lower = [level for level in levels if level < 0.5]
        for place, level in enumerate(lower):
            mirror = next((high for high in levels if abs(1 - level - high) < 1e-6), None)
            if mirror is None:
                continue
            low, high = fold[levels[level]].to_numpy(), fold[levels[mirror]].to_numpy()
            label = f"{100 * (mirror - level):.3g} % interval"
            shade = {"color": color, "alpha": 0.15 + 0.15 * place, "linewidth": 0, "label": label}
            if len(when) == 1:
                ax.vlines(when, low, high, color=color, alpha=0.3, linewidth=6, label=label)
            else:
                ax.fill_between(when, low, high, **shade)
        style = {"marker": "."} if len(when) == 1 else {}
        ax.plot(when, fold["forecast"], color=color, linewidth=1.8, label="forecast", **style)
        if many:
            first = when[0]
            ax.axvline(first, color="#bbbbbb", linewidth=0.8, zorder=0)

    def _mark_beginning(self, ax: Any, rows: Any, seen: Any) -> None:
        """Draw the end of the history."""
        if seen is not None and len(seen):
            end = as_axis(seen[self.time_name])[-1]
            ax.axvline(end, color="#bbbbbb", linewidth=0.8, linestyle="--", zorder=0)

    @staticmethod
    def _short_dates(ax: Any) -> None:
        """Label dates so that they do not run into each other."""
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(maxticks=6)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))

    def _draw_legend(self, *, own: bool) -> None:
        """Name everything once, below the axes."""
        entries: dict[str, Any] = {}
        for ax in self.axes_:
            for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
                entries.setdefault(label, handle)
        if own:
            self.figure_.legend(
                entries.values(),
                entries.keys(),
                loc="outside lower center",
                ncols=len(entries),
                frameon=False,
                fontsize="small",
            )
        else:
            self.axes_[0].legend(entries.values(), entries.keys(), frameon=False, fontsize="small")


def _forecaster_of(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return the forecaster inside an estimator, and X as it sees it."""
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    if hasattr(estimator, "steps"):
        X = X if X is None or len(estimator.steps) == 1 else estimator[:-1].transform(X)
        estimator = estimator.steps[-1][1]
    if not hasattr(estimator, "observed"):
        raise TypeError(
            f"{type(estimator).__name__} is no SequenceForecaster, and no pipeline or search that "
            "holds one. Use ForecastDisplay.from_predictions."
        )
    return estimator, X


def _when(times: Any, values: Any, counted: Any) -> Any:
    """Return times that are given, or those of an index, or numbers that count on."""
    import pandas as pd

    if times is not None:
        return times
    index = values.index if isinstance(values, (pd.Series, pd.DataFrame)) else None
    return counted if index is None else index


def _beside(X: Any, y: Any, forecaster: Any) -> tuple[Any, Any] | None:
    """Return the rows of X and what happened in them, where y bears no times of its own."""
    import pandas as pd

    if X is None or y is None:
        return None
    if isinstance(y, (pd.Series, pd.DataFrame)) and is_time_index(y.index):
        return None
    if isinstance(y, pd.DataFrame):
        named = {forecaster.id_col, forecaster.time_col} & set(y.columns)
        if named or any(y[name].dtype.kind not in "iufb" for name in y):
            return None  # ids and times are among its columns
    table = read_step_table(X, id_col=forecaster.id_col, time_col=forecaster.time_col)
    values = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
    return (table, values) if table.times is not None and len(y) == table.n_rows else None


def _placed(beside: tuple[Any, Any], forecast: Any) -> Any:
    """Return what happened in rows of X as a frame like the forecast's."""
    import pandas as pd

    table, values = beside
    id_name, time_name = roles(forecast)
    columns = {} if id_name is None else {id_name: table.ids}
    frame = pd.DataFrame({**columns, time_name: table.times})
    if "target" not in forecast.columns:
        return frame.assign(value=values[:, 0])
    names = list(dict.fromkeys(forecast["target"]))
    parts = [frame.assign(target=name, value=values[:, k]) for k, name in enumerate(names)]
    return pd.concat(parts, ignore_index=True)


def _actual_of(y: Any, forecast: Any) -> Any:
    """Return what happened as a frame like the forecast's."""
    import pandas as pd

    if y is None:
        return None
    id_name, time_name = roles(forecast)
    if isinstance(y, (pd.Series, pd.DataFrame)):
        block = y.to_frame("value") if isinstance(y, pd.Series) else y
        names = [time_name] if id_name is None else [id_name, time_name]
        if set(names) <= set(block.columns):
            return block.rename(columns={block.columns[-1]: "value"})
        block = block.copy()
        block.index.names = names
        if "target" in forecast.columns:
            long: Any = block.reset_index()
            return long.melt(id_vars=names, var_name="target", value_name="value")
        return block.set_axis(["value"], axis=1).reset_index()
    values = np.asarray(y, dtype=np.float64).ravel()
    if len(values) != len(forecast):
        raise ValueError(
            f"y has {len(values)} values for {len(forecast)} forecasts; pass a series with times."
        )
    kept = [c for c in (id_name, time_name, "target") if c is not None and c in forecast.columns]
    return forecast[kept].assign(value=values)
