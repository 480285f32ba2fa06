"""Forecasting: panels of series and what learns from them. Imports layers 0 to 2 and `metrics`."""

from ._forecaster import SequenceForecaster
from ._pipeline import make_forecast_pipeline

__all__ = ["SequenceForecaster", "make_forecast_pipeline"]
