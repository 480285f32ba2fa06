"""Recurrent networks in plain torch, usable without the estimators; imports torch only."""

# What is imported as itself is for the other rooms, and no part of the public interface.
from ..kernels import import_whole as import_whole
from ._building import NetworkConfig, SequenceNetwork, build_network
from ._building import averaged as averaged
from ._building import global_random_lock as global_random_lock
from ._building import network_size as network_size
from ._building import recurrence_size as recurrence_size
from ._cells import initialise
from ._compiled import allow_threads as allow_threads
from ._drivers import ChunkedRun as ChunkedRun
from ._drivers import NetworkStream as NetworkStream
from ._drivers import Pieces as Pieces
from ._drivers import features_in_pieces as features_in_pieces
from ._drivers import window_features as window_features
from ._forecast_network import ForecastInput as ForecastInput
from ._forecast_network import ForecastNetwork as ForecastNetwork
from ._forecast_network import ForecastNetworkConfig as ForecastNetworkConfig
from ._forecast_network import LinearPath as LinearPath
from ._heads import BinaryHead, ContinuousHead, Head, JointHead, MulticlassHead, MultilabelHead
from ._input import NumericInput as NumericInput
from ._input import StaticInput as StaticInput
from ._input import TokenInput as TokenInput
from ._input import WordColumns as WordColumns
from ._input import tokens_in as tokens_in
from ._masking import dropped_weights as dropped_weights
from ._masking import length_mask
from ._masking import set_generator as set_generator
from ._ngrams import NGramPath as NGramPath
from ._pooling import AttentionPooling as AttentionPooling
from ._pooling import Pooling
from ._recurrence import Recurrence
from ._registry import CELLS as CELLS
from ._registry import make_layer, make_pooling
from ._reservoir import POOLINGS as POOLINGS
from ._reservoir import Reservoir as Reservoir
from ._reservoir import reservoir_states as reservoir_states

__all__ = [
    "BinaryHead",
    "ContinuousHead",
    "Head",
    "JointHead",
    "MulticlassHead",
    "MultilabelHead",
    "NetworkConfig",
    "Pooling",
    "Recurrence",
    "SequenceNetwork",
    "build_network",
    "initialise",
    "length_mask",
    "make_layer",
    "make_pooling",
]
