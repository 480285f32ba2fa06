"""Estimators: one file each over a shared base. Imports the layers below."""

from ._classifier import RNNClassifier
from ._regressor import RNNRegressor
from ._stream import SequenceStream

__all__ = ["RNNClassifier", "RNNRegressor", "SequenceStream"]
