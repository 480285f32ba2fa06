"""What a forecasting model is told: the estimator's parameters as plain values, and its network.

Imports nn, layers 0 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

from ..nn import ForecastNetworkConfig
from ..sequences import Interval, StrOptions, Unused
from ..training import Settings
from ._dataset import ForecastData

#: The levels at which every model states its quantiles.
LEVELS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
DECODERS = ("segment", "direct", "recursive")
DISTRIBUTIONS = ("quantile", "normal", "student_t", "negative_binomial", "mixture")


class Distribution(Settings):
    """What a forecaster learns about the uncertainty.

    For the parameter ``distribution`` of `SequenceForecaster`, where more than the name is to be
    set.

    Parameters
    ----------
    name : {"quantile", "normal", "student_t", "negative_binomial", "mixture"}, default="quantile"
        Quantiles, each by itself, or a distribution with its parameters.
    n_components : int, default=3
        Components of ``"mixture"``.
    n_samples : int, default=200
        Draws of the horizon that ``decoder="recursive"`` makes.

    See Also
    --------
    SequenceForecaster : Takes it.

    Examples
    --------
    >>> from sklearn_rnn import Distribution, SequenceForecaster
    >>> forecaster = SequenceForecaster(distribution=Distribution("mixture", n_components=5))
    >>> forecaster.get_params()["distribution__n_components"]
    5
    """

    _parameter_constraints = {
        "name": [StrOptions(set(DISTRIBUTIONS))],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_samples": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self, name: str = "quantile", *, n_components: int = 3, n_samples: int = 200
    ) -> None:
        self.name = name
        self.n_components = n_components
        self.n_samples = n_samples


@dataclass(frozen=True)
class ForecastOptions:
    """How to forecast: the parameters of `SequenceForecaster` that the model reads.

    ``"auto"`` stands for a rule, or for a choice that the validation tail makes.

    Parameters
    ----------
    horizon : int
        Steps that the network is trained to forecast at once.
    window : int or "auto", default="auto"
        Steps of history that a forecast is computed from.
    decoder : {"segment", "direct", "recursive"}, default="segment"
        How the network gets from the window to the horizon.
    cell : str or type, default="gru"
        The recurrence, see :func:`sklearn_rnn.nn.make_layer`.
    hidden_size, num_layers, dropout
        Of the recurrence.
    segment_length : int or "auto", default="auto"
        Steps that the segment recurrence reads at once; "auto" is the season.
    linear : {True, False, "only"}, default=True
        The path in closed form beside the recurrence; "only" trains nothing.
    transform : {"auto", "log", "box-cox", None}, default="auto"
        Of each series' values; "auto" takes the logarithm where the validation tail prefers it.
    seasonality : bool or "auto", default="auto"
        Give the network each series' own seasonal profile and smoothed levels.
    channels : {"shared", "mixed"}, default="shared"
        Treat several targets as series of their own under the same weights, or let the
        recurrence read them together.
    distribution : str, default="quantile"
        What is learned about the uncertainty.
    n_components : int, default=3
        Of ``distribution="mixture"``.
    n_estimators : int, default=1
        Networks whose median is the forecast.
    calibrate : bool, default=True
        Widen or narrow the intervals so that they hold what they say on the validation tail.
    refit : bool, default=True
        Train again on everything once the validation tail has decided.
    n_samples : int, default=200
        Paths sampled by the recursive decoder.
    """

    horizon: int
    window: int | str = "auto"
    decoder: str = "segment"
    cell: Any = "gru"
    hidden_size: int = 64
    num_layers: int = 1
    dropout: float = 0.0
    segment_length: int | str = "auto"
    linear: bool | str = True
    transform: str | None = "auto"
    seasonality: bool | str = "auto"
    channels: str = "shared"
    distribution: str = "quantile"
    n_components: int = 3
    n_estimators: int = 1
    calibrate: bool = True
    refit: bool = True
    n_samples: int = 200
    batch_size: int | str = "auto"
    max_epochs: int | str = "auto"
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    optimizer: Any = "adamw"
    schedule: str = "one_cycle"
    gradient_clip: float | None = 1.0

    @property
    def trains(self) -> bool:
        """Whether anything is trained by gradient."""
        return self.linear != "only"


#: Parameters of the estimator that have no effect beside others. The first entry that holds counts.
UNUSED = (
    Unused(
        (
            "cell",
            "hidden_size",
            "num_layers",
            "dropout",
            "segment_length",
            "n_estimators",
            "distribution__n_samples",
            "batch_size",
            "max_epochs",
            "learning_rate",
            "optimizer",
            "optimizer__weight_decay",
            "optimizer__schedule",
            "optimizer__gradient_clip",
            "warm_start",
        ),
        lambda forecaster: forecaster.closed_form == "only",
        "closed_form='only' trains nothing",
    ),
    Unused(
        ("distribution__n_components",),
        lambda forecaster: forecaster._settings("distribution").name != "mixture",
        "it is for distribution='mixture'",
    ),
    Unused(
        ("distribution__n_samples",),
        lambda forecaster: forecaster.decoder != "recursive",
        "it is for decoder='recursive'",
    ),
    Unused(
        ("segment_length",),
        lambda forecaster: forecaster.decoder != "segment",
        "it is for decoder='segment'",
    ),
)


# Windows that one epoch draws at most, of all units and for each: neighbours have all but one of
# their targets in common, and no epoch of twelve need see each.
WINDOWS_AN_EPOCH, _WINDOWS_A_UNIT = 60_000, 8_000
_EPOCHS = 12
# Updates that an epoch should hold, and sizes of a batch.
_UPDATES, _SMALLEST_BATCH, _LARGEST_BATCH = 40, 16, 512


def network_config(
    options: ForecastOptions, data: ForecastData, season: int, recent: int
) -> ForecastNetworkConfig:
    """Describe the network for some data, whose recurrence reads a window of `recent` rows."""
    segment = options.segment_length
    if isinstance(segment, str):
        segment = season if season > 1 else max(1, recent // 8)
    return ForecastNetworkConfig(
        window=data.window,
        recent=recent,
        horizon=options.horizon,
        n_targets=data.targets_a_unit,
        n_extra=data.reader.n_extra,
        n_known=data.known.shape[1],
        n_past=data.past.shape[1],
        n_static=data.static.shape[1],
        season=season,
        decoder=options.decoder,
        segment_length=min(segment, recent),
        cell=options.cell,
        hidden_size=options.hidden_size,
        num_layers=options.num_layers,
        dropout=options.dropout,
        recurrent=options.trains,
        distribution=options.distribution,
        levels=LEVELS,
        n_components=options.n_components,
    )


def training_budget(options: ForecastOptions, n_windows: int, n_units: int) -> tuple[int, int, int]:
    """Return batch size, windows an epoch and epochs, for windows of `n_units` units."""
    used = min(n_windows, WINDOWS_AN_EPOCH, n_units * _WINDOWS_A_UNIT)
    size = options.batch_size
    if isinstance(size, str):
        size = _SMALLEST_BATCH
        while size < _LARGEST_BATCH and size * 2 * _UPDATES <= used:
            size *= 2
    epochs = options.max_epochs
    return size, used, _EPOCHS if isinstance(epochs, str) else epochs
