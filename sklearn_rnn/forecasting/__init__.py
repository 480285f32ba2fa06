"""Forecasting: panels of series and what learns from them. Imports layers 0 to 2 and `metrics`."""

from ._forecaster import SequenceForecaster
from ._options import Distribution
from ._pipeline import make_forecast_pipeline

__all__ = ["Distribution", "SequenceForecaster", "make_forecast_pipeline"]
