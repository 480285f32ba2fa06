"""Estimators: one file each over a shared base. Imports the layers below."""

from ._classifier import RNNClassifier
from ._regressor import RNNRegressor
from ._reservoir_classifier import ReservoirClassifier
from ._reservoir_regressor import ReservoirRegressor
from ._reservoir_transformer import ReservoirTransformer
from ._stream import PipelineStream, SequenceStream, stream
from ._tagger import SequenceTagger

__all__ = [
    "PipelineStream",
    "RNNClassifier",
    "RNNRegressor",
    "ReservoirClassifier",
    "ReservoirRegressor",
    "ReservoirTransformer",
    "SequenceStream",
    "SequenceTagger",
    "stream",
]
