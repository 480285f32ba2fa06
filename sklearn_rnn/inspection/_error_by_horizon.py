"""ErrorByHorizonDisplay: how forecasts get worse the further they look. Imports model_selection."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..model_selection import backtest
from ._drawing import check_forecasts, pyplot, quantile_columns

METRICS = ("absolute", "squared", "percentage", "coverage")
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


class ErrorByHorizonDisplay:
    """Draw the error of forecasts over the steps ahead, one line for each model.

    Parameters
    ----------
    steps : array-like of shape (n_steps,)
        Steps ahead.
    errors : dict of str to array-like of shape (n_steps,)
        The error at each step, for every model.
    spread : dict of str to array-like of shape (n_steps, 2), default=None
        Lower and upper quartile of the errors over the origins.
    metric : {"absolute", "squared", "percentage", "coverage"}, default="absolute"
        What the errors are.
    coverage : float, default=None
        The coverage that the intervals promise, drawn as a line.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure that holds them.
    lines_ : dict of str to matplotlib Line2D
        The line of every model.

    Raises
    ------
    ValueError
        If arrays differ in length.

    Examples
    --------
    >>> from sklearn_rnn import SequenceForecaster
    >>> from sklearn_rnn.datasets import load_air_passengers
    >>> from sklearn_rnn.inspection import ErrorByHorizonDisplay
    >>> from sklearn_rnn.model_selection import PanelTimeSeriesSplit
    >>> data = load_air_passengers(as_frame=True)
    >>> display = ErrorByHorizonDisplay.from_estimator(
    ...     SequenceForecaster(6, closed_form="only"),
    ...     data.data[[]],
    ...     data.target,
    ...     cv=PanelTimeSeriesSplit(6, n_splits=3),
    ... )
    >>> display.steps.tolist()
    [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    """

    ax_: Any
    figure_: Any
    lines_: dict[str, Any]

    def __init__(
        self,
        steps: Any,
        errors: Any,
        *,
        spread: Any = None,
        metric: str = "absolute",
        coverage: float | None = None,
    ) -> None:
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {list(METRICS)}; got {metric!r}.")
        self.steps = np.asarray(steps, dtype=np.float64)
        self.errors = {name: np.asarray(values, dtype=float) for name, values in errors.items()}
        self.spread = {
            name: np.asarray(values, dtype=float) for name, values in (spread or {}).items()
        }
        self.metric = metric
        self.coverage = coverage
        for name, values in self.errors.items():
            if values.shape != self.steps.shape:
                raise ValueError(
                    f"{name!r} has errors of shape {values.shape} for {len(self.steps)} steps."
                )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        cv: Any,
        refit: bool | str = False,
        metric: str = "absolute",
        name: str | None = None,
        ax: Any = None,
    ) -> ErrorByHorizonDisplay:
        """Backtest an estimator and draw its errors.

        Parameters
        ----------
        estimator : estimator or dict of str to estimator
            What is backtested; it is cloned.
        X : frame, pandas index or array of shape (n_rows, n_features)
            The rows.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            Their targets.
        cv : splitter
            Folds in order of time, such as `PanelTimeSeriesSplit`.
        refit : {True, False, "warm"}, default=False
            As for :func:`~sklearn_rnn.model_selection.backtest`.
        metric : {"absolute", "squared", "percentage", "coverage"}, default="absolute"
            The error.
        name : str, default=None
            Name in the legend.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        display : ErrorByHorizonDisplay
            The display, drawn.
        """
        models = estimator if isinstance(estimator, dict) else {name or "forecast": estimator}
        frames = {key: backtest(model, X, y, cv, refit=refit) for key, model in models.items()}
        return cls.from_backtest(frames, metric=metric, ax=ax)

    @classmethod
    def from_backtest(
        cls, frames: Any, *, metric: str = "absolute", ax: Any = None
    ) -> ErrorByHorizonDisplay:
        """Draw the errors of backtests.

        Parameters
        ----------
        frames : frame or dict of str to frame
            What :func:`~sklearn_rnn.model_selection.backtest` returned, for each model.
        metric : {"absolute", "squared", "percentage", "coverage"}, default="absolute"
            The error; "coverage" is the fraction of actuals inside the widest interval.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        display : ErrorByHorizonDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If a frame has no "step" and "actual", or no quantiles for "coverage".
        """
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {list(METRICS)}; got {metric!r}.")
        named = frames if isinstance(frames, dict) else {"forecast": frames}
        errors, spread, promised = {}, {}, None
        steps: Any = None
        for name, frame in named.items():
            table = check_forecasts(frame)
            if not {"step", "actual"} <= set(table.columns):
                raise ValueError("The frame needs the columns 'step' and 'actual'; use backtest().")
            table = table.assign(error=_errors(table, metric)).dropna(subset="error")
            grouped = table.groupby("step")["error"]
            found = np.array(sorted(table["step"].unique()))
            if steps is None:
                steps = found
            if not np.array_equal(steps, found):
                raise ValueError(f"{name!r} was backtested at other steps than the models before.")
            errors[name] = grouped.mean().to_numpy()
            if metric != "coverage":
                ends = [grouped.quantile(level).to_numpy() for level in (0.25, 0.75)]
                spread[name] = np.column_stack(ends)
            else:
                low, high = _outermost(table)
                promised = high - low
        display = cls(steps, errors, spread=spread, metric=metric, coverage=promised)
        return display.plot(ax)

    def plot(self, ax: Any = None) -> ErrorByHorizonDisplay:
        """Draw the errors.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        self : ErrorByHorizonDisplay
            The display, with the artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed; the message says how to install it.
        """
        plt = pyplot("ErrorByHorizonDisplay")
        if ax is None:
            _, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
        self.ax_, self.figure_, self.lines_ = ax, ax.figure, {}
        for place, (name, values) in enumerate(self.errors.items()):
            color = _COLORS[place % len(_COLORS)]
            if name in self.spread and len(self.errors) == 1:
                low, high = self.spread[name].T
                ax.fill_between(
                    self.steps, low, high, color=color, alpha=0.18, linewidth=0,
                    label="middle half of the errors",
                )  # fmt: skip
            (self.lines_[name],) = ax.plot(
                self.steps, values, marker="o", markersize=4, linewidth=1.8, color=color,
                label=name,
            )  # fmt: skip
        if self.coverage is not None:
            ax.axhline(self.coverage, color="#999999", linestyle="--", label="promised")
            ax.set_ylim(0, 1.03)
        else:
            ax.set_ylim(bottom=0)
        labels = {
            "absolute": "Mean absolute error",
            "squared": "Mean squared error",
            "percentage": "Mean absolute error, %",
            "coverage": "Share of actuals inside",
        }
        ax.set(xlabel="Steps ahead", ylabel=labels[self.metric])
        ax.xaxis.set_major_locator(plt.MaxNLocator(integer=True, min_n_ticks=1))
        ax.spines[["top", "right"]].set_visible(False)
        if len(ax.get_legend_handles_labels()[1]) > 1:
            ax.legend(frameon=False, fontsize="small")
        return self


def _errors(table: Any, metric: str) -> Any:
    """Return the error of every row."""
    distance = (table["actual"] - table["forecast"]).abs()
    if metric == "squared":
        return distance**2
    if metric == "percentage":
        return 100 * distance / table["actual"].abs().where(table["actual"] != 0)
    if metric == "coverage":
        columns = quantile_columns(table)
        low, high = _outermost(table)
        inside = table["actual"].between(table[columns[low]], table[columns[high]])
        return inside.astype(float).where(table["actual"].notna())
    return distance


def _outermost(table: Any) -> tuple[float, float]:
    """Return the levels of the widest interval."""
    levels = list(quantile_columns(table))
    if len(levels) < 2:
        raise ValueError("metric='coverage' needs quantile columns; backtest with quantiles=.")
    return levels[0], levels[-1]
