"""SequenceForecaster: forecasting by recurrent networks under scikit-learn's contract.

Imports the rooms below and the parts of this one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from joblib import cpu_count
from sklearn.base import RegressorMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_random_state

from ..nn import CELLS
from ..sequences import (
    Interval,
    StepTable,
    StrOptions,
    Versioned,
    _fit_context,
    all_or_nothing,
    as_table,
    kept_if_interrupted,
    require_memory,
    split_targets,
    warn_of_unused,
)
from ..training import (
    LARGEST_RATE,
    MOST_EPOCHS,
    MOST_LAYERS,
    OPTIMIZERS,
    Composed,
    Composition,
    DivergenceError,
    EpochRecord,
    Optimizer,
    Progress,
    SequenceNet,
    names_parameters,
    resolve_compute,
)
from ._closed_form import needed_bytes
from ._history import (
    begin,
    check_range,
    places_of,
    transform_of_counts,
    warn_of_constant,
    warn_of_targets,
)
from ._model import ForecastModel
from ._options import DECODERS, DISTRIBUTIONS, LEVELS, UNUSED, Distribution, ForecastOptions
from ._outputs import ForecastOutputMixin, check_levels
from ._reading import find_clock, read_X, read_y, times_of_y, without
from ._report import make_report, warn_if_beaten

# Longest season, in steps, that is taken whatever the length of the series.
_ANY_SEASON = 400


class SequenceForecaster(
    ForecastOutputMixin,
    CallbackSupportMixin,
    RegressorMixin,
    Versioned,
    Composed,
):
    """Forecast one series, many, or panels of thousands, inside scikit-learn.

    One row is one (series, time) step. ``predict`` knows the targets up to the end of training and
    nothing after it, so ``TimeSeriesSplit``, ``cross_val_score`` and ``GridSearchCV`` score
    honestly. The time of a row says how far ahead it is, so gaps count. The model has two parts: a
    linear map from the recent past, solved in closed form, and a recurrent network that learns what
    the map leaves. The held-out tail decides the share of the network.

    Parameters
    ----------
    horizon : int or "auto", default="auto"
        Steps ahead that the model is trained for. Further forecasts are made from forecasts.
        ``"auto"`` is what is usual for the frequency (hours 48, days 14, business days 10, weeks
        13, months 18, quarters 8, years 6, else two seasons, or 12 without one), but at most a
        quarter of the median length of the series.
    window : int or "auto", default="auto"
        Steps of history that a forecast is computed from. Series may be shorter.
    id_col : str, default=None
        Column that says which series a row belongs to; for an array, its number. An index of
        (id, time) needs none.
    time_col : str, default=None
        Column of times; for an array, its number. A time index, or a sole column of dates, needs
        none.
    freq : str, offset, timedelta or number, default=None
        Distance of the steps, as pandas spells it ("15min", "h", "D", "B", "W", "MS", ...), or a
        number for times that are numbers. None infers it. If it is given, a row between two steps
        belongs to the step before it, and the mean of the rows of a step is taken. For rows without
        time, 1 says that they follow on.
    season_length : int or "auto", default="auto"
        Steps in a season; 1 for none. ``"auto"`` is that of the frequency: hours 24, days 7,
        business days 5, weeks 52, months 12, quarters 4.
    time_features : {"auto", None} or list of str, default="auto"
        Features of the calendar that are added to the covariates: some of "minute", "hour",
        "dayofweek" and "dayofyear". ``"auto"`` takes the cycles that are longer than two steps
        and that training saw twice.
    past_covariates : list of str, default=None
        Columns that are known only up to the present. Values may be missing.
    static_covariates : list of str, default=None
        Columns that are the same in all rows of a series. All others are known ahead.
    quantiles : tuple of float, default=(0.05, 0.25, 0.5, 0.75, 0.95)
        Levels that `forecast` and `predict_quantiles` give.
    decoder : {"segment", "direct", "recursive"}, default="segment"
        How the network gets from the window to the horizon. "segment" reads segments of a season
        and decodes all steps at once, "direct" reads step by step and decodes all steps at once,
        "recursive" reads and decodes step by step, with draws.
    hidden_size : int, default=64
        Units of the recurrence.
    cell : str or torch module class, default="gru"
        Any cell of the package, as for `RNNRegressor`.
    num_layers : int, default=1
        Layers of the recurrence.
    dropout : float, default=0.0
        Dropout between layers and before the head.
    segment_length : int or "auto", default="auto"
        Steps that the segment decoder reads at once; ``"auto"`` is a season.
    closed_form : bool or "only", default=True
        Whether the closed form stands beside the recurrence. ``"only"`` trains nothing. It reads
        covariates that are known ahead, but not past-only and static ones.
    target_transform : {"auto", "log", "box-cox", None}, default="auto"
        What is done to the values of each series first. ``"auto"`` takes the logarithm where the
        held-out tail is forecast better with it, and none for counts. A series with a value that is
        not positive is left as it is; if you asked for a transform, there is a warning.
    seasonality : bool or "auto", default="auto"
        Whether the network is given each series' own seasonal profile and level.
    channels : {"shared", "mixed"}, default="shared"
        What becomes of several targets: "shared" reads each as a series of its own, with the same
        weights; "mixed" reads them together.
    distribution : {"quantile", "normal", "student_t", "negative_binomial", "mixture"} or \
            Distribution, default="quantile"
        What is learned about the uncertainty. A `Distribution` also has the number of components
        of ``"mixture"``, and of draws.
    n_estimators : int, default=1
        Number of networks; the forecast is their median.
    calibrate : bool, default=True
        Whether intervals are widened or narrowed until they cover what they promise on the held-out
        tail.
    validation_horizon : int or "auto", default="auto"
        Steps of the tail: the end of each series that is held out to decide and to calibrate. At
        least one horizon. ``"auto"`` is one horizon, or up to a fifth of the length of the series
        where these are few and long.
    refit : bool, default=True
        Whether to train again on everything after the held-out tail has decided.
    optimizer : {"adamw", "adam", "sgd", "rmsprop"}, callable or Optimizer, default="adamw"
        A name, any torch optimizer class, or an `Optimizer`, which also has weight decay, the
        schedule of the learning rate and the clipping of gradients. ``functools.partial`` sets an
        optimizer's own options.
    learning_rate : float, default=3e-3
        Learning rate, the peak of the schedule.
    batch_size : int or "auto", default="auto"
        Windows a step.
    max_epochs : int or "auto", default="auto"
        Passes over the windows.
    warm_start : bool, default=False
        Whether a second `fit` begins with the trained weights of the first and takes a quarter of
        the epochs. The networks must be alike. The closed form is solved anew.
    device : str, default="auto"
        ``"auto"`` (CUDA where there is one, else the CPU), ``"cpu"``, ``"cuda"`` or ``"mps"``.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Number type of the products.
    n_jobs : int, default=None
        CPU threads; None means one, -1 all.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, shuffling and draws.
    verbose : int, default=0
        1 shows a progress bar.
    callbacks : list of skorch callbacks, default=None
        Told of every epoch and batch of each network that is trained, beside ours; also classes,
        and pairs of a name and one. They are used as they are, not copied.

    Attributes
    ----------
    horizon_ : int
        The horizon that was trained.
    freq_ : str
        The frequency, in words.
    season_length_ : int
        Steps in a season.
    series_ : ndarray of object
        Ids of the series; 0 where there was none.
    target_names_ : list of str
        Names of the targets.
    report_ : pandas.DataFrame
        The held-out tail: MASE of the forecast, of naive, seasonal naive and drift forecasts and of
        ridge regression on lags, and the forecast's skill: the fraction of their error that it
        saves. Empty where the series are too short to hold anything out.
    validation_ : dict
        What the held-out tail decided: window, transform, whether covariates have solved effects,
        the recurrence's share, and the coverage of the 90 % interval before and after calibration.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of str
        Their names, when X was a frame with string names.
    n_iter_ : int
        Epochs trained.
    loss_curve_ : list of float
        Mean training loss of every epoch.
    history_ : pandas.DataFrame
        One row for each epoch: loss, learning rate, seconds.
    net_ : skorch.NeuralNet
        The net of the network, or of the first of several; ``net_.module_`` is that, and
        ``net_.history`` what its epochs came to.

    See Also
    --------
    sklearn_rnn.model_selection.PanelTimeSeriesSplit : Folds in order of time.
    sklearn_rnn.model_selection.backtest : The forecasts of every origin as one frame.

    Notes
    -----
    Silently wrong elsewhere, refused or warned of here: training rows out of order, duplicate
    times, test rows between training rows, rows without time, missing covariates, values of
    past-only covariates after the cutoff, a change of time zone, constant series, and a model that
    a trivial forecast beats.

    ``fit`` takes no ``sample_weight``: a row is both a target and a part of the history of others.
    Set a target to NaN to leave it out. ``score`` takes weights.

    Examples
    --------
    >>> from sklearn_rnn import SequenceForecaster
    >>> from sklearn_rnn.datasets import load_air_passengers
    >>> y = load_air_passengers(as_frame=True).target
    >>> forecaster = SequenceForecaster(horizon=12, closed_form="only").fit(None, y)
    >>> forecaster.freq_, forecaster.season_length_
    ('every month', 12)
    >>> forecast = forecaster.forecast(12, quantiles=[0.1, 0.9])
    >>> list(forecast.columns), len(forecast)
    (['month', 'forecast', 'q0.1', 'q0.9'], 12)
    """

    _parameter_constraints: dict[str, list] = {
        "horizon": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "window": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "id_col": "no_validation",  # type: ignore[dict-item]
        "time_col": "no_validation",  # type: ignore[dict-item]
        "freq": "no_validation",  # type: ignore[dict-item]
        "season_length": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "time_features": [str, "array-like", None],
        "past_covariates": [str, Integral, "array-like", None],
        "static_covariates": [str, Integral, "array-like", None],
        "quantiles": ["array-like"],
        "decoder": [StrOptions(set(DECODERS))],
        "cell": [StrOptions(set(CELLS)), type],
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "num_layers": [Interval(Integral, 1, MOST_LAYERS, closed="both")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "segment_length": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "closed_form": ["boolean", StrOptions({"only"})],
        "target_transform": [StrOptions({"auto", "log", "box-cox"}), None],
        "seasonality": ["boolean", StrOptions({"auto"})],
        "channels": [StrOptions({"shared", "mixed"})],
        "distribution": [StrOptions(set(DISTRIBUTIONS)), Distribution],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "calibrate": ["boolean"],
        "validation_horizon": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "refit": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_epochs": [Interval(Integral, 1, MOST_EPOCHS, closed="both"), StrOptions({"auto"})],
        "learning_rate": [Interval(Real, 0, LARGEST_RATE, closed="right")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable, Optimizer],
        "warm_start": ["boolean"],
        "device": [str, torch.device],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "callbacks": "no_validation",  # type: ignore[dict-item]
    }

    _composed = {
        "distribution": Composition(Distribution),
        "optimizer": Composition(
            Optimizer, ("tbptt_steps", "gradient_checkpointing", "initial_scale")
        ),
    }

    def __init__(
        self,
        horizon: int | str = "auto",
        *,
        window: int | str = "auto",
        id_col: Any = None,
        time_col: Any = None,
        freq: Any = None,
        season_length: int | str = "auto",
        time_features: Any = "auto",
        past_covariates: Any = None,
        static_covariates: Any = None,
        quantiles: Any = (0.05, 0.25, 0.5, 0.75, 0.95),
        decoder: str = "segment",
        hidden_size: int = 64,
        cell: Any = "gru",
        num_layers: int = 1,
        dropout: float = 0.0,
        segment_length: int | str = "auto",
        closed_form: bool | str = True,
        target_transform: str | None = "auto",
        seasonality: bool | str = "auto",
        channels: str = "shared",
        distribution: str | Distribution = "quantile",
        n_estimators: int = 1,
        calibrate: bool = True,
        validation_horizon: int | str = "auto",
        refit: bool = True,
        optimizer: Any = "adamw",
        learning_rate: float = 3e-3,
        batch_size: int | str = "auto",
        max_epochs: int | str = "auto",
        warm_start: bool = False,
        device: str = "auto",
        precision: str = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        callbacks: Any = None,
    ) -> None:
        self.horizon = horizon
        self.window = window
        self.id_col = id_col
        self.time_col = time_col
        self.freq = freq
        self.season_length = season_length
        self.time_features = time_features
        self.past_covariates = past_covariates
        self.static_covariates = static_covariates
        self.quantiles = quantiles
        self.decoder = decoder
        self.hidden_size = hidden_size
        self.cell = cell
        self.num_layers = num_layers
        self.dropout = dropout
        self.segment_length = segment_length
        self.closed_form = closed_form
        self.target_transform = target_transform
        self.seasonality = seasonality
        self.channels = channels
        self.distribution = distribution
        self.n_estimators = n_estimators
        self.calibrate = calibrate
        self.validation_horizon = validation_horizon
        self.refit = refit
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.warm_start = warm_start
        self.device = device
        self.precision = precision
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    @all_or_nothing
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any) -> SequenceForecaster:
        """Fit to the history of one or several series.

        Parameters
        ----------
        X : frame, pandas index or array of shape (n_rows, n_features), or None
            One row for each (series, time) step, each series in order of time; see the class for
            what its columns may be. Steps without a row count as missing. Rows of an array follow
            on, unless one column rises by the same step throughout, which is then read as time.
            None where y is all there is: a series with a time index, a frame with id and time
            columns, or an array.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            The targets; NaN is missing.

        Returns
        -------
        self : SequenceForecaster
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If the rows are out of order, the frequency cannot be inferred, a covariate is
            missing, or a parameter cannot be used; the message names it, with the remedy.
        """
        compute = resolve_compute(self.device, self.precision)
        check_levels(self.quantiles)
        warn_of_unused(self, UNUSED)
        table, values, bare = self._read_rows(X, y)
        if np.isnan(values).all():
            raise ValueError("y holds no value: every target is missing.")
        options = {
            "freq": self.freq,
            "time_features": self.time_features,
            "past": self.past_covariates,
            "static": self.static_covariates,
            "season_length": self.season_length,
        }
        history = begin(table, values, **options)
        clock = find_clock(table, places_of(history)) if bare else None
        if clock is not None:
            history = begin(without(table, clock.column), values, **options)
            history.clock = clock
        panel = history.panel
        self._check_season(int(panel.lengths.max(initial=0)))
        if len(panel.values) < 2:
            raise ValueError(
                f"Found array with 1 sample(s) while a minimum of 2 is required by "
                f"{type(self).__name__}: one step is no history."
            )
        warn_of_constant(history, self.target_names_)
        warn_of_targets(history, self.target_names_)
        check_range(history, self.target_transform, self._settings("distribution").name)
        usual = int(min(history.grid.horizon(), max(1, np.median(panel.lengths) // 4)))
        horizon = usual if self.horizon == "auto" else int(self.horizon)
        seed = self._draw_seed()
        context = self._init_callback_context(max_subtasks=None)
        rows, targets = self._rows_to_predict(X, y)
        context.call_on_fit_task_begin(estimator=self, X=rows, y=targets)
        series_ = np.empty(len(history.labels), dtype=object)
        series_[:] = history.labels
        absent = np.isnan(values).all(axis=0)
        data = {
            "_history": history,
            "horizon_": horizon,
            "freq_": history.grid.describe(),
            "season_length_": panel.season_length,
            "series_": series_,
            "_seed": seed,
            "_levels": tuple(LEVELS),
            "_trained": panel.lengths.copy(),
            "_means": np.nanmean(np.where(absent, 0.0, values), axis=0),
            "_report": {},
        }

        def fitted(model: ForecastModel) -> dict[str, Any]:
            """Return the attributes that make this estimator one that is fitted."""
            validation, n_iter = dict(model.report_), max(1, len(model.history_))
            return {**data, "model_": model, "validation_": validation, "n_iter_": n_iter}

        def on_epoch(model: ForecastModel) -> bool:
            epoch = context.subcontext(task_name="epoch")
            epoch.call_on_fit_task_begin(estimator=self, X=rows, y=targets)
            return bool(
                epoch.call_on_fit_task_end(
                    estimator=self,
                    X=rows,
                    y=targets,
                    reconstruction_attributes=lambda: fitted(model.as_of_now()),
                )
            )

        model = self._train(panel, horizon, seed, compute, on_epoch)
        self.__dict__.update(fitted(model))
        if model.validation_ is not None:
            series, cuts, forecasts = model.validation_
            self._report = make_report(panel, series, cuts, forecasts.point)
            warn_if_beaten(self._report, type(self).__name__)
            # The forecasts of the tail have told what they can: they are most of a panel's model.
            model.validation_ = None
        with kept_if_interrupted():
            context.call_on_fit_task_end(
                estimator=self, X=rows, y=targets, reconstruction_attributes=lambda: fitted(model)
            )
        return self

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "model_" in state:  # a saved model has no callbacks
            state["callbacks"] = None
        return state

    @property
    def net_(self) -> SequenceNet:
        """The skorch net of the network, or of the first of several."""
        if "model_" not in self.__dict__:
            raise AttributeError(f"This {type(self).__name__} instance is not fitted yet.")
        net = self.model_.net_
        net.bind(self)
        return net

    def _check_season(self, longest: int) -> None:
        """Refuse a season that no series can show, and that takes the square of it in memory."""
        most = max(longest, _ANY_SEASON)
        if not isinstance(self.season_length, str) and self.season_length > most:
            raise ValueError(
                f"season_length must be in the range [1, {most}] here, where the longest series "
                f"has {longest} steps; got {self.season_length}."
            )

    def _read_rows(self, X: Any, y: Any) -> tuple[StepTable, np.ndarray, bool]:
        """Read X and y; return the table, the targets, and whether X was a bare array."""
        X = given = as_table(X)
        if X is None and y is not None:
            X, y = split_targets(y, id_col=self.id_col, time_col=self.time_col)
        bare = False
        if X is None:
            values, names, self._flat = read_y(y, None, self)
            table = StepTable(len(values), None, None, {})
        else:
            table, bare = read_X(X, self, fitting=True)
            values, names, self._flat = read_y(y, table.n_rows, self)
            table = times_of_y(table, X, y, self)
            if given is not None:
                self._note_features(X, bare, max(1, len(table.columns)))
        self.target_names_ = names or [f"y{k}" for k in range(values.shape[1])]
        return table, values, bare

    def _rows_to_predict(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return the training data as `predict` and `score` take it, where y was all there was."""
        if X is None:
            import pandas as pd

            X, y = split_targets(y, id_col=self.id_col, time_col=self.time_col)
            X = pd.RangeIndex(len(y)) if X is None else X
        return X, y

    def _note_features(self, X: Any, bare: bool, n_columns: int) -> None:
        """Set `n_features_in_` and `feature_names_in_`."""
        self.__dict__.pop("feature_names_in_", None)
        names = None if bare else getattr(X, "columns", None)
        if names is None:
            self.n_features_in_ = n_columns
            return
        # A table of pyarrow has its columns there, and their names elsewhere.
        columns = list(getattr(X, "column_names", names))
        self.n_features_in_ = len(columns)
        if columns and all(isinstance(name, str) for name in columns):
            self.feature_names_in_ = np.asarray(columns, dtype=object)

    @names_parameters
    def _train(
        self,
        panel: Any,
        horizon: int,
        seed: int,
        compute: Any,
        after_epoch: Callable[[ForecastModel], bool],
    ) -> ForecastModel:
        """Fit the model, with a bar where one is wanted; say what to do when it diverges."""
        own = self.get_params(deep=False)
        # A parameter named transform would make a transformer of us in scikit-learn's eyes.
        distribution = self._settings("distribution")
        transform = transform_of_counts(self.target_transform, distribution.name)
        own |= self._settings("optimizer").get_params() | distribution.get_params()
        own |= {"transform": transform, "horizon": horizon, "linear": self.closed_form}
        own["distribution"] = distribution.name
        chosen = {f.name: own[f.name] for f in fields(ForecastOptions) if f.name in own}
        options = ForecastOptions(**chosen)
        require_memory(self, needed_bytes(panel, options))
        model = ForecastModel(options)
        model.callbacks = self.callbacks
        if self.warm_start and hasattr(self, "model_"):
            model.earlier_ = self.model_.networks_
        progress = Progress(0, type(self).__name__, show=bool(self.verbose))

        def on_epoch(record: EpochRecord) -> bool:
            progress.update(record)
            return after_epoch(model)

        tail: int | None = None
        if self.validation_horizon != "auto":
            tail = min(int(self.validation_horizon), int(panel.lengths.max()))
        try:
            return model.fit(
                panel, validation_horizon=tail, seed=seed, compute=compute,
                n_threads=self._n_threads(), on_epoch=on_epoch,
            )  # fmt: skip
        except DivergenceError as error:
            raise ValueError(
                f"Training diverged: {error}. Lower learning_rate (now {self.learning_rate:g}), "
                f"set optimizer__gradient_clip (now {options.gradient_clip}), or look for extreme "
                "values in y and the covariates."
            ) from error
        finally:
            progress.close()
            model.earlier_ = []

    def _draw_seed(self) -> int:
        """Return the seed of this fit."""
        if self.random_state is None:
            return int(np.random.SeedSequence().generate_state(1)[0] // 2)
        return int(check_random_state(self.random_state).randint(0, 2**31 - 1))

    def _n_threads(self) -> int:
        """Return the number of CPU threads: one unless asked."""
        if self.n_jobs is None:
            return 1
        if self.n_jobs == 0:
            raise ValueError("n_jobs == 0 has no meaning; use None, a positive number or -1.")
        wanted = self.n_jobs if self.n_jobs > 0 else max(1, cpu_count() + 1 + self.n_jobs)
        return int(min(wanted, cpu_count()))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        tags.input_tags.allow_nan = False
        return tags
