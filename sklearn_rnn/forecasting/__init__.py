"""Forecasting: panels of series and what learns from them. Imports layers 0 to 2 and `metrics`."""

from ._forecaster import SequenceForecaster

__all__ = ["SequenceForecaster"]
