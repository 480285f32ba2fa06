"""What a fitted forecaster answers: rows, frames, quantiles, intervals, new history.

Imports the parts of this room, and a frame's library when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import ndtri
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from ..metrics import naive_scale
from ..sequences import (
    StepTable,
    _check_feature_names,
    all_or_nothing,
    as_table,
    check_weights,
    column_role,
    is_missing,
    require_memory,
    split_targets,
    warn,
)
from ._grid import Array, calendar
from ._history import (
    History,
    bounded,
    encode,
    extend,
    floors,
    locate,
    refuse_contradictions,
    warn_of_static,
)
from ._model import ForecastModel
from ._options import LEVELS
from ._reading import read_clock, read_X, read_y, times_of_y


def make_frame(columns: dict[str, Any], backend: str, days: bool = False) -> Any:
    """Build a frame of the library that the data came from: polars, pyarrow, or else pandas."""
    import pandas as pd

    frame = pd.DataFrame(columns)
    if backend not in ("polars", "pyarrow"):
        return frame
    for name, column in columns.items():
        if isinstance(column, pd.PeriodIndex):
            frame[name] = column.to_timestamp()
        elif days and isinstance(column, pd.DatetimeIndex):
            frame[name] = column.date
    if backend == "pyarrow":
        import pyarrow as pa

        return pa.Table.from_pandas(frame, preserve_index=False)
    import polars as pl

    times = {name: c for name, c in columns.items() if isinstance(c, pd.DatetimeIndex)}
    made = pl.DataFrame(
        {
            name: frame[name].to_list()
            if days or frame[name].dtype == object or str(frame[name].dtype).startswith("str")
            else frame[name].dt.tz_localize(None).to_numpy()
            if name in times and times[name].tz is None
            else frame[name].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
            if name in times
            else frame[name].to_numpy()
            for name in columns
        }
    )
    for name, index in times.items():
        if index.tz is not None:
            zone = pl.col(name).dt.replace_time_zone("UTC").dt.convert_time_zone(str(index.tz))
            made = made.with_columns(zone)
    return made


def at_levels(quantiles: Array, stated: Any, wanted: Any) -> Array:
    """Return quantiles (..., Q) at other levels, linear between normal scores, never crossing.

    Beyond the outermost levels the slope of the last two goes on.
    """
    given, asked = ndtri(np.asarray(stated, dtype=np.float64)), ndtri(np.asarray(wanted, float))
    if len(given) == 1:
        return np.repeat(quantiles, len(asked), axis=-1)
    right = np.clip(np.searchsorted(given, asked), 1, len(given) - 1)
    share = (asked - given[right - 1]) / (given[right] - given[right - 1])
    low, high = quantiles[..., right - 1], quantiles[..., right]
    found = low + share * (high - low)
    # An exact level keeps its exact value.
    exact = np.isclose(asked[:, None], given)
    hits, places = np.nonzero(exact)
    found[..., hits] = quantiles[..., places]
    return np.asarray(found)


def check_levels(levels: Any, name: str = "quantiles") -> tuple[float, ...]:
    """Return levels as floats; refuse those that are not within (0, 1)."""
    try:
        found = np.atleast_1d(np.asarray(levels, dtype=np.float64))
    except (TypeError, ValueError):
        found = np.zeros(0)
    if found.ndim != 1 or not len(found) or not ((found > 0) & (found < 1)).all():
        raise ValueError(f"{name} must be levels between 0 and 1, both excluded; got {levels!r}.")
    return tuple(float(level) for level in found)


def interval_levels(coverage: Any) -> tuple[float, float]:
    """Return the levels of the interval that covers a share of the outcomes."""
    if not isinstance(coverage, (int, float, np.number)) or not 0 < coverage < 1:
        raise ValueError(f"coverage must be a number between 0 and 1; got {coverage!r}.")
    outside = (1 - float(coverage)) / 2
    return outside, 1 - outside


# Rows up to this many steps ahead are forecast without a word.
_FAR = 1000


class ForecastOutputMixin:
    """Prediction, and frames about the fit, for `SequenceForecaster`."""

    _history: History
    model_: ForecastModel
    horizon_: int
    series_: Array
    quantiles: Any
    id_col: Any
    time_col: Any
    _flat: bool
    target_names_: list[str]
    _trained: Array
    _report: dict[str, dict]

    # ---------------------------------------------------------------- about the fit

    @property
    def report_(self) -> Any:
        """MASE and skill on the held-out tail, as a frame."""
        import pandas as pd

        if not hasattr(self, "_report"):
            raise AttributeError("report_ is there after fit.")
        columns = ["mase", "skill"]
        return pd.DataFrame.from_dict(self._report, orient="index").reindex(columns=columns)

    @property
    def history_(self) -> Any:
        """Training loss, learning rate and seconds of every epoch, as a frame."""
        import pandas as pd

        if not hasattr(self, "model_"):
            raise AttributeError("history_ is there after fit.")
        columns = ["epoch", "train_loss", "valid_loss", "valid_score", "learning_rate", "seconds"]
        frame = pd.DataFrame([vars(one) for one in self.model_.history_], columns=columns)
        return frame.astype(dict.fromkeys(columns[1:], float))

    @property
    def loss_curve_(self) -> list[float]:
        """Mean training loss of every epoch, of all networks one after the other."""
        if not hasattr(self, "model_"):
            raise AttributeError("loss_curve_ is there after fit.")
        return [float(record.train_loss) for record in self.model_.history_]

    def observed(self, n_steps: int | None = None) -> Any:
        """Return what is known of the targets: the history that forecasts start from.

        Parameters
        ----------
        n_steps : int, default=None
            How many of the last steps of every series; None means all.

        Returns
        -------
        pandas.DataFrame
            One row a series, step and target, with the columns id (for a panel), time, "target"
            (for several) and "value"; steps without a row in the data are NaN.
        """
        import pandas as pd

        check_is_fitted(self)
        history, panel = self._history, self._history.panel
        steps = np.arange(len(panel.values)) - np.repeat(panel.offsets[:-1], panel.lengths)
        left = np.repeat(panel.lengths, panel.lengths) - steps
        kept = np.ones(len(steps), dtype=bool) if n_steps is None else left <= n_steps
        series = panel.series[kept]
        n_targets = panel.n_targets
        frame: dict[str, Any] = {}
        if history.has_ids:
            frame[history.id_name] = [history.labels[k] for k in np.repeat(series, n_targets)]
        places = panel.start[series] + steps[kept]
        frame[history.time_name] = history.grid.times(np.repeat(places, n_targets))
        if n_targets > 1:
            frame["target"] = np.tile(np.array(self.target_names_, dtype=object), len(series))
        frame["value"] = panel.values[kept].ravel()
        return pd.DataFrame(frame)

    # ---------------------------------------------------------------- a row each

    def predict(self, X: Any) -> Array:
        """Forecast every row of X.

        Rows after the end of the history are forecast from its end, however many steps ahead
        they are; nothing of X but covariates that are known ahead is used. Rows of training get
        in-sample forecasts, one step ahead of the rows before them, by a model that was fitted on
        all of them.

        Parameters
        ----------
        X : frame, pandas index or array of shape (n_rows, n_features)
            Rows with times, and with ids where fit had them, in any order, as are columns that have
            names. Columns that fit did not have are refused; past-only covariates need not be
            there. Arrays without time are rows of training where they equal them,
            and else follow on.

        Returns
        -------
        ndarray of float64 of shape (n_rows,) or (n_rows, n_targets)
            The point forecasts.

        Raises
        ------
        ValueError
            If a row belongs to an unknown series, lies before its first row or between two steps
            of the grid, or lacks a covariate; the message names it.
        """
        check_is_fitted(self)
        table, _ = self._table(X)
        point, _ = self._forecast_table(table)
        return point[:, 0] if self._flat else point

    def predict_quantiles(self, X: Any, quantiles: Any = None) -> Array:
        """Forecast quantiles of every row of X.

        Parameters
        ----------
        X : frame, pandas index or array of shape (n_rows, n_features)
            As for `predict`.
        quantiles : array-like of float, default=None
            Levels, between 0 and 1; None means the parameter of the same name.

        Returns
        -------
        ndarray of shape (n_rows, n_quantiles) or (n_rows, n_targets, n_quantiles)
            Quantiles in the order of the levels; they never cross.
        """
        wanted = check_levels(self.quantiles if quantiles is None else quantiles)
        check_is_fitted(self)
        table, _ = self._table(X)
        _, found = self._forecast_table(table)
        codes, _ = locate(self._history, table)
        answer = bounded(at_levels(found, self.model_levels_, wanted), self._floors()[codes])
        return answer[:, 0] if self._flat else answer

    def predict_interval(self, X: Any, coverage: float = 0.9) -> Array:
        """Forecast an interval for every row of X.

        Parameters
        ----------
        X : frame, pandas index or array of shape (n_rows, n_features)
            As for `predict`.
        coverage : float, default=0.9
            The share of outcomes that should fall into it.

        Returns
        -------
        ndarray of shape (n_rows, 2) or (n_rows, n_targets, 2)
            Lower and upper ends.
        """
        return self.predict_quantiles(X, interval_levels(coverage))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R², for several series in units of each one's scale.

        Of one series it is scikit-learn's R². Over series of different scale, R² of the pooled
        rows says only that large series are larger than small ones; so every series is divided by
        the mean absolute seasonal difference of its history, and compared with its own mean.

        Parameters
        ----------
        X : frame, pandas index or array of shape (n_rows, n_features)
            As for `predict`.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            What happened; rows where it is missing do not count.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows.

        Returns
        -------
        float
            At most 1; 0 is as good as the mean of what happened.
        """
        check_is_fitted(self)
        table, _ = self._table(X)
        truth, _, _ = read_y(y, table.n_rows, self)
        times_of_y(replace(table), X, y, self)
        point, _ = self._forecast_table(table)
        weights = check_weights(sample_weight, len(truth))
        weights = np.ones(len(truth)) if weights is None else weights
        seen = ~np.isnan(truth).any(axis=1)
        truth, point, weights = truth[seen], point[seen], weights[seen]
        if not seen.any():
            raise ValueError("y holds no value that was seen; there is nothing to score.")
        if len(self._history.labels) == 1:
            return float(r2_score(truth, point, sample_weight=weights))
        codes = locate(self._history, table)[0][seen]
        scale = self._naive_scales()[codes]
        weights = weights[:, None] / np.where(scale > 0, scale, np.inf) ** 2
        sums = np.zeros((len(self._history.labels), truth.shape[1]))
        counts = np.bincount(codes, minlength=len(sums))[:, None]
        np.add.at(sums, codes, truth)
        own_mean = (sums / np.maximum(counts, 1))[codes]
        spread = (weights * (truth - own_mean) ** 2).sum()
        error = (weights * (truth - point) ** 2).sum()
        return float(1 - error / spread) if spread > 0 else float("nan")

    # ---------------------------------------------------------------- a frame

    def forecast(self, horizon: int | None = None, X: Any = None, quantiles: Any = None) -> Any:
        """Forecast every series from the end of its history, as a frame.

        Parameters
        ----------
        horizon : int, default=None
            Steps ahead; None means the horizon that was trained. Beyond it the forecast is fed
            back as history.
        X : frame or array, default=None
            Rows with the covariates that are known ahead, for every step of the horizon; needed
            where fit had such covariates.
        quantiles : array-like of float, default=None
            Levels of the quantile columns; None means the parameter of the same name.

        Returns
        -------
        frame
            Of the library that X came from in fit. One row a series, step and target, with the
            columns id (for a panel), time, target (for several), "forecast" and one for each
            quantile, such as "q0.05".

        Raises
        ------
        ValueError
            If the horizon is not positive, or covariates of its steps are missing.
        """
        check_is_fitted(self)
        steps = self.horizon_ if horizon is None else horizon
        if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
            raise ValueError(f"horizon must be a whole number of at least 1; got {horizon!r}.")
        wanted = check_levels(self.quantiles if quantiles is None else quantiles)
        history = self._history
        series = np.arange(len(history.labels))
        numbers = len(series) * int(steps) * (4 * len(self.target_names_) * len(LEVELS) + 4)
        require_memory(self, 8 * numbers, f"horizon={steps}")
        known = np.full((len(series), steps, history.n_own), np.nan)
        if history.n_own:
            self._read_future(X, known)
        elif X is not None and history.schema.past:
            table, _ = self._table(X)
            codes, places = locate(history, table)
            self._warn_of_future(table, places >= history.ends[codes])
        point, found = self._ahead(series, known)
        answer = at_levels(found, self.model_levels_, wanted)
        answer = bounded(answer, self._floors()[:, None])
        places = history.ends[:, None] + np.arange(steps)
        return self._as_frame(series, places, point, answer, wanted)

    def _read_future(self, X: Any, known: Array) -> None:
        """Fill in the covariates of the steps ahead, or say which are missing."""
        history, steps = self._history, known.shape[1]
        names = [column.name for column in history.schema.known]
        if X is None:
            raise ValueError(
                f"The model was fitted with the covariates {names}, which are known ahead: pass "
                "their values for the steps to forecast as X, or list them in past_covariates."
            )
        table, _ = self._table(X)
        codes, places = locate(history, table)
        ahead = places - history.ends[codes]
        fits = (ahead >= 0) & (ahead < steps)
        own = encode(history.schema.known, table)
        refuse_contradictions(history, codes, places, own)
        self._warn_of_future(table, ahead >= 0)
        known[codes[fits], ahead[fits]] = own[fits]
        if np.isnan(known).any():
            code, step = np.argwhere(np.isnan(known))[0][:2]
            when = history.grid.times(history.ends[[code]] + step)[0]
            raise ValueError(
                f"X has no row for series {history.labels[code]!r} at {when}, step {step + 1} of "
                f"{steps}; {names} are needed for every step."
            )

    def _as_frame(
        self, series: Array, places: Array, point: Array, quantiles: Array, levels: Any
    ) -> Any:
        """Lay forecasts (n, h, K[, Q]) out as a long frame."""
        history = self._history
        n, steps, n_targets = point.shape
        columns: dict[str, Any] = {}
        taken = {"forecast", "target"} & {history.has_ids and history.id_name, history.time_name}
        if taken:
            raise ValueError(f"Rename {sorted(taken)} in X: the frame of forecasts has its own.")
        if history.has_ids:
            labels = np.repeat(np.arange(n), steps * n_targets)
            columns[history.id_name] = [history.labels[series[k]] for k in labels]
        columns[history.time_name] = history.grid.times(np.repeat(places.ravel(), n_targets))
        if n_targets > 1:
            columns["target"] = np.tile(np.array(self.target_names_, dtype=object), n * steps)
        columns["forecast"] = point.ravel()
        flat = quantiles.reshape(-1, quantiles.shape[-1])
        for place, level in enumerate(levels):
            columns[f"q{level:g}"] = flat[:, place]
        return make_frame(columns, history.backend, history.days)

    # ---------------------------------------------------------------- new history

    @all_or_nothing
    def update(self, X: Any, y: Any) -> Any:
        """Take in what happened since, without fitting again; forecasts then start after it.

        Parameters
        ----------
        X : frame, pandas index, array or None
            The new rows, as for `fit`: after the history, or where it had missing targets. They
            may begin new series. None where y bears the times, or follows on.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            Their targets; NaN is missing.

        Returns
        -------
        self : estimator
            With the longer history; the weights are the same.

        Raises
        ------
        ValueError
            If a row is not new.
        """
        check_is_fitted(self)
        if X is None:
            X, y = split_targets(y, id_col=self.id_col, time_col=self.time_col)
        if X is None:
            values, _, _ = read_y(y, None, self)
            table = StepTable(len(values), None, None, {})
        else:
            table, _ = self._table(X)
            values, _, _ = read_y(y, table.n_rows, self)
            table = times_of_y(table, X, y, self)
        if values.shape[1] != len(self.target_names_):
            raise ValueError(
                f"y has {values.shape[1]} targets, but fit had {len(self.target_names_)}."
            )
        before = len(self._history.labels)
        self._history = extend(self._history, table, values)
        fresh = self._history.panel.lengths[before:]
        self._trained = np.concatenate([self._trained, fresh])
        self.series_ = np.empty(len(self._history.labels), dtype=object)
        self.series_[:] = self._history.labels
        return self

    # ---------------------------------------------------------------- inside

    def training_scale(
        self,
        X: Any,
        *,
        season_length: int | None = None,
        squared: bool = False,
        inverse: Callable[[Array], Array] | None = None,
    ) -> Array:
        """Return, for every row of X, the scale of its series: what MASE and RMSSE divide by.

        Parameters
        ----------
        X : frame, pandas index or array of shape (n_rows, n_features)
            As for `predict`.
        season_length : int, default=None
            Steps between the values compared; None means the season of the fit.
        squared : bool, default=False
            Whether to return the mean squared difference instead of the absolute one.
        inverse : callable, default=None
            Takes the history, of shape (n_steps, n_targets), back to the units of y, where the
            forecaster was fitted on transformed targets.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_targets)
            The mean seasonal difference of the history that the row's forecast starts from.
        """
        check_is_fitted(self)
        table, _ = self._table(X)
        codes, _ = locate(self._history, table)
        scales = self._naive_scales(season_length, squared, inverse)[codes]
        return scales[:, 0] if scales.shape[1] == 1 else scales

    def series_of(self, X: Any) -> Array:
        """Return the id of every row's series.

        Parameters
        ----------
        X : frame, pandas index or array of shape (n_rows, n_features)
            As for `predict`.

        Returns
        -------
        ndarray of object of shape (n_rows,)
            The ids; 0 where fit had none.
        """
        check_is_fitted(self)
        table, _ = self._table(X)
        codes, _ = locate(self._history, table)
        labels = np.empty(len(self._history.labels), dtype=object)
        labels[:] = self._history.labels
        return labels[codes]

    def steps_ahead(self, X: Any) -> Array:
        """Return how many steps after the end of its history every row of X lies.

        Parameters
        ----------
        X : frame, pandas index or array of shape (n_rows, n_features)
            As for `predict`.

        Returns
        -------
        ndarray of int of shape (n_rows,)
            1 for the first step ahead; 0 and less for rows of the history.
        """
        check_is_fitted(self)
        table, _ = self._table(X)
        codes, places = locate(self._history, table)
        return np.asarray(places - self._history.ends[codes] + 1)

    def _naive_scales(
        self,
        season_length: int | None = None,
        squared: bool = False,
        inverse: Callable[[Array], Array] | None = None,
    ) -> Array:
        """Return the scale of every series, (n_series, n_targets)."""
        panel = self._history.panel
        season = panel.season_length if season_length is None else season_length
        values = panel.values if inverse is None else inverse(panel.values)
        pieces = np.split(values, panel.offsets[1:-1])
        return np.array([naive_scale(piece, season, squared=squared) for piece in pieces])

    @property
    def model_levels_(self) -> tuple[float, ...]:
        """Levels at which the model itself states quantiles; others lie between them."""
        return tuple(self._levels)

    _levels: tuple[float, ...]

    def _table(self, X: Any) -> tuple[StepTable, bool]:
        """Read X after fit."""
        X = as_table(X)
        table, bare = read_X(X, self, fitting=False)
        self._check_names(X, table, bare)
        if bare and self._history.clock is not None:
            table = read_clock(table, self._history.clock, self._history.grid)
        return table, bare

    def _check_names(self, X: Any, table: StepTable, bare: bool) -> None:
        """Refuse columns that fit did not have; their order is free, past-only ones may lack."""
        if bare:
            _check_feature_names(self, X, reset=False)
            return
        names = getattr(self, "feature_names_in_", None)
        if names is None or not hasattr(X, "columns"):  # an index of times has none
            return
        unseen = [name for name in table.columns if name not in names]
        if unseen or not {column.name for column in self._history.schema.known} <= set(
            table.columns
        ):
            _check_feature_names(self, X, reset=False)
        if unseen:
            raise ValueError(
                "The feature names should match those that were passed during fit. Feature names "
                f"unseen at fit time: {unseen}. Drop them from X."
            )

    def _forecast_table(self, table: StepTable) -> tuple[Array, Array]:
        """Return point forecasts (n, K) and quantiles (n, K, Q) of the rows of a table."""
        history = self._history
        codes, places = locate(history, table)
        own = encode(history.schema.known, table)
        refuse_contradictions(history, codes, places, own)
        relative = places - history.panel.start[codes]
        if (relative < 0).any():
            row = int(np.argmin(relative >= 0))
            raise ValueError(
                f"Row {row} lies before the first row of its series "
                f"({history.grid.times(history.panel.start[codes[[row]]])[0]}); there is no "
                "history to forecast it from."
            )
        ahead = places - history.ends[codes]
        future = ahead >= 0
        shape = (len(codes), history.panel.n_targets)
        point, quantiles = np.empty(shape), np.empty((*shape, len(self.model_levels_)))
        if (~future).any():
            self._warn_of_gaps(codes[~future], relative[~future])
            point[~future], quantiles[~future] = self._in_sample(
                codes[~future], relative[~future], own[~future]
            )
        if future.any():
            self._warn_of_future(table, future)
            warn_of_static(history, table, codes)
            series, back = np.unique(codes[future], return_inverse=True)
            steps = int(ahead[future].max()) + 1
            self._warn_of_distance(codes, ahead)
            known = np.full((len(series), steps, history.n_own), np.nan)
            known[back, ahead[future]] = own[future]
            found, spread = self._ahead(series, known)
            point[future] = found[back, ahead[future]]
            quantiles[future] = spread[back, ahead[future]]
        return point, quantiles

    def _floors(self) -> Array:
        """Return the least value that each series and target can take, (n_series, n_targets)."""
        return floors(self._history.panel, self.model_)

    def _ahead(self, series: Array, known: Array) -> tuple[Array, Array]:
        """Forecast series from their ends; steps without covariates take those before them."""
        history = self._history
        panel = history.panel.select(series)
        n, steps = known.shape[:2]
        future = None
        if history.panel.known is not None:
            last = history.panel.known[panel_ends(history)[series] - 1, : history.n_own]
            for step in range(steps):
                before = last if step == 0 else known[:, step - 1]
                known[:, step] = np.where(np.isnan(known[:, step]), before, known[:, step])
            places = history.ends[series][:, None] + np.arange(steps)
            dates = calendar(history.features, history.grid, places.ravel())
            future = np.concatenate([known, dates.reshape(n, steps, -1)], axis=2)
        return self._finite(self.model_.predict(panel, steps, future, seed=self._seed))

    def _in_sample(self, codes: Array, relative: Array, own: Array) -> tuple[Array, Array]:
        """Forecast rows of the history one step ahead, under the covariates given."""
        history = self._history
        panel = history.panel
        slots = panel.offsets[codes] + relative
        if history.n_own and panel.known is not None:
            known = panel.known.copy()
            known[slots, : history.n_own] = own
            panel = replace(panel, known=known)
        # Always in the same order, so that the order of the rows changes no digit.
        order = np.argsort(slots, kind="stable")
        origins = codes[order], relative[order]
        point, quantiles = self._finite(
            self.model_.predict(panel, 1, origins=origins, limit=self._trained, seed=self._seed)
        )
        back = np.argsort(order)
        return point[back, 0], quantiles[back, 0]

    def _finite(self, found: Any) -> tuple[Array, Array]:
        """Put the mean of training where a model without any history has no answer."""
        point = np.asarray(found.point, dtype=np.float64)
        quantiles = np.asarray(found.quantiles, dtype=np.float64)
        if not np.isfinite(point).all():
            point = np.where(np.isfinite(point), point, self._means)
        if not np.isfinite(quantiles).all():
            quantiles = np.where(np.isfinite(quantiles), quantiles, point[..., None])
        return point, quantiles

    _means: Array
    _seed: int

    def _warn_of_gaps(self, codes: Array, relative: Array) -> None:
        """Warn of rows that training skipped but has seen the future of."""
        panel = self._history.panel
        skipped = ~self._history.present[panel.offsets[codes] + relative]
        skipped &= relative < self._trained[codes]
        if skipped.any():
            warn(
                f"{int(skipped.sum())} rows of X lie between rows of training, but were not among "
                "them: the training rows are shuffled or not contiguous, and the model has seen "
                "what came after. Their score is not that of a forecast. Split with "
                "TimeSeriesSplit or PanelTimeSeriesSplit.",
            )

    def _warn_of_distance(self, codes: Array, ahead: Array) -> None:
        """Warn of a row so far ahead that a date or the frequency is likely wrong."""
        row = int(np.argmax(ahead))
        steps, seen = int(ahead[row]) + 1, int(self._history.panel.lengths[codes[row]])
        if steps > max(_FAR, 10 * self.horizon_, 2 * seen):
            warn(
                f"Row {row} of X lies {steps:,} steps after the end of a history of {seen:,}, and "
                f"the model was trained for {self.horizon_}: it is forecast from forecasts, "
                "slowly. Look for a wrong date, or pass a coarser freq.",
            )

    def _warn_of_future(self, table: StepTable, future: Array) -> None:
        """Warn of past-only covariates after the cutoff, and of rows that bear no time."""
        for column in self._history.schema.past:
            if column.name not in table.columns:
                continue
            cells = table.columns[column.name]
            if column_role(cells) == "numeric":
                given = ~np.isnan(np.asarray(cells.to_numpy(), dtype=np.float64))
            else:
                given = np.array([not is_missing(cell) for cell in cells.to_list()])
            if (given & future).any():
                row = int(np.flatnonzero(given & future)[0])
                warn(
                    f"Column {column.name!r} is a past-only covariate, but X has values of it "
                    f"after the end of the history (row {row}). They are ignored: a forecast "
                    "cannot know them.",
                )
        if table.times is None and self._says_no_gap is False:
            warn(
                "X has no time, so its rows are taken to follow on from the last row of training. "
                "If rows lie between (a gap of the splitter, shuffled folds), the forecasts are "
                "for other steps. Index X by time; freq=1 says that rows follow on, and "
                "silences this.",
            )

    @property
    def _says_no_gap(self) -> bool:
        """Whether the user has said that rows follow on."""
        freq = getattr(self, "freq", None)
        return not isinstance(freq, str) and freq == 1


def panel_ends(history: History) -> Array:
    """Return the row after the last of every series in the flat panel."""
    return history.panel.offsets[1:]
