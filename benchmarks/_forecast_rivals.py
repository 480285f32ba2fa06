"""Forecasts of others, for the forecasting benchmark: statistics, and networks where installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from _series import SeriesSet

Forecaster = Callable[[SeriesSet], np.ndarray]


def seasonal_naive(data: SeriesSet) -> np.ndarray:
    """Repeat each series' last season."""
    steps = np.arange(data.horizon)
    return np.stack([_season(x, data.season)[steps % _lag(x, data.season)] for x in data.train])


def _lag(x: np.ndarray, season: int) -> int:
    """Return the season, or one where a series is shorter."""
    return season if len(x) >= season else 1


def _season(x: np.ndarray, season: int) -> np.ndarray:
    """Return the last season of a series."""
    return x[-_lag(x, season) :]


def ridge(data: SeriesSet) -> np.ndarray:
    """Regress each horizon on two seasons of lags, over all series, windows scaled by their mean.

    The plain form of what a linear model reaches: no transform, one fixed penalty.
    """
    window = int(
        min(max(2 * data.season, data.horizon), np.median([len(x) for x in data.train]) / 2)
    )
    rows: list[np.ndarray] = []
    targets: list[np.ndarray] = []

    def scaled(part: np.ndarray) -> tuple[np.ndarray, float, float]:
        padded = np.concatenate([np.full(max(0, window - len(part)), part[0]), part[-window:]])
        level, scale = padded.mean(), padded.std()
        scale = scale if scale > 0 else 1.0
        return (padded - level) / scale, level, scale

    for x in data.train:
        cuts = range(max(2, min(window, len(x) - data.horizon)), len(x) - data.horizon + 1)
        for cut in list(cuts)[-200:]:
            z, level, scale = scaled(x[:cut])
            rows.append(z)
            targets.append((x[cut : cut + data.horizon] - level) / scale)
    if not rows:
        return seasonal_naive(data)
    features = np.column_stack([np.stack(rows), np.ones(len(rows))])
    gram = features.T @ features + 1e-2 * len(rows) * np.eye(window + 1)
    weight = np.linalg.solve(gram, features.T @ np.stack(targets))
    found = []
    for x in data.train:
        z, level, scale = scaled(x)
        found.append(np.append(z, 1.0) @ weight * scale + level)
    return np.stack(found)


def _frame(data: SeriesSet) -> Any:
    """Lay a set out as a long frame with the columns that Nixtla's packages ask for."""
    import pandas as pd

    lengths = [len(x) for x in data.train]
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(len(lengths)), lengths),
            "ds": np.concatenate([np.arange(n) for n in lengths]),
            "y": np.concatenate(data.train),
        }
    )


def _matrix(found: Any, column: str, data: SeriesSet) -> np.ndarray:
    """Bring a long frame of forecasts into the order of the series."""
    found = found.reset_index() if "unique_id" not in found.columns else found
    found = found.sort_values(["unique_id", "ds"])
    return found[column].to_numpy().reshape(len(data.train), data.horizon)


def _statsforecast(name: str) -> Forecaster:
    """Return a forecaster of statsforecast's."""

    def forecast(data: SeriesSet) -> np.ndarray:
        from statsforecast import StatsForecast, models

        model = getattr(models, name)(season_length=data.season)
        found = StatsForecast(models=[model], freq=1, fallback_model=models.Naive()).forecast(
            df=_frame(data), h=data.horizon
        )
        return _matrix(found, name, data)

    return forecast


#: What keeps Lightning from drawing bars and writing folders; nothing that is learned changes.
_QUIET = {"enable_progress_bar": False, "logger": False, "enable_checkpointing": False}
#: Updates of darts' default hundred epochs beyond which it is not waited for.
_MOST_UPDATES = 30_000


def _neuralforecast(data: SeriesSet) -> np.ndarray:
    """Fit neuralforecast's LSTM at its defaults; short series are padded, else it refuses them."""
    from neuralforecast import NeuralForecast
    from neuralforecast.models import LSTM

    # Its default window is three horizons.
    short = min(len(x) for x in data.train) < 4 * data.horizon
    quiet = {**_QUIET, "enable_model_summary": False}
    model = LSTM(h=data.horizon, start_padding_enabled=short, **quiet)
    network = NeuralForecast(models=[model], freq=1)
    network.fit(df=_frame(data), val_size=0)
    return _matrix(network.predict(), "LSTM", data)


def _darts(name: str) -> Forecaster:
    """Return a recurrent forecaster of darts', at its defaults, on two seasons, scaled."""

    def forecast(data: SeriesSet) -> np.ndarray:
        from darts import TimeSeries, models
        from darts.dataprocessing.transformers import Scaler

        shortest = min(len(x) for x in data.train)
        window = min(2 * max(data.season, data.horizon), shortest - data.horizon - 1)
        updates = sum(max(1, len(x) - window - data.horizon) for x in data.train) * 100 // 32
        if updates > _MOST_UPDATES:
            raise RuntimeError(f"{updates} updates, more than {_MOST_UPDATES}, were not waited for")
        series = [TimeSeries.from_values(x) for x in data.train]
        scaler = Scaler()
        scaled = scaler.fit_transform(series)
        trainer = {**_QUIET, "enable_model_summary": False}
        if name == "RNNModel":
            model = models.RNNModel(
                window, "LSTM", training_length=window + data.horizon, pl_trainer_kwargs=trainer
            )
        else:
            model = models.BlockRNNModel(
                window, data.horizon, model="LSTM", pl_trainer_kwargs=trainer
            )
        found = scaler.inverse_transform(model.fit(scaled).predict(data.horizon, scaled))
        return np.stack([one.values()[:, 0] for one in found])

    return forecast


def rivals() -> dict[str, Forecaster]:
    """Return the statistical forecasters of packages that are installed."""
    if not importlib.util.find_spec("statsforecast"):
        return {}
    return {"ETS": _statsforecast("AutoETS"), "Theta": _statsforecast("AutoTheta")}


def networks() -> dict[str, Forecaster]:
    """Return the recurrent forecasters of packages that are installed."""
    found: dict[str, Forecaster] = {}
    if importlib.util.find_spec("neuralforecast"):
        found["neuralforecast LSTM"] = _neuralforecast
    if importlib.util.find_spec("darts"):
        found |= {"darts RNNModel": _darts("RNNModel"), "darts BlockRNN": _darts("BlockRNNModel")}
    return found
