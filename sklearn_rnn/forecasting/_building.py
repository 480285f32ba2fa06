"""The network that options and data ask for, and how much it is trained. Imports nn and options."""

from __future__ import annotations

from ..nn import ForecastNetworkConfig
from ._dataset import ForecastData
from ._options import LEVELS, ForecastOptions

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
