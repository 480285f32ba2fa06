"""Estimators: one file each over a shared base. Imports the layers below."""

from ._classifier import RNNClassifier
from ._pipeline_stream import PipelineStream, stream
from ._regressor import RNNRegressor
from ._reservoir_classifier import ReservoirClassifier
from ._reservoir_regressor import ReservoirRegressor
from ._reservoir_transformer import ReservoirTransformer
from ._stream import SequenceStream
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
