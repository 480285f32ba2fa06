"""Recurrent networks in plain torch, usable without the estimators; imports torch only."""

from ..kernels import import_whole as import_whole
from ._building import NetworkConfig, build_network

# What is imported as itself is for the other rooms, and no part of the public interface.
from ._building import global_random_lock as global_random_lock
from ._cells import CIFG, GRU, LSTM, RNN, GRUResetBefore, MinGRU, MinLSTM
from ._chunks import ChunkedRun
from ._crf import LinearChainCRF
from ._dropout import Dropout, set_generator
from ._forecast_heads import ForecastHead, interpolate_quantiles, make_forecast_head
from ._forecast_network import (
    ForecastInput,
    ForecastNetwork,
    ForecastNetworkConfig,
    LinearPath,
)
from ._heads import BinaryHead, ContinuousHead, Head, JointHead, MulticlassHead, MultilabelHead
from ._initialisation import initialise, is_builtin
from ._input import NumericInput, StaticInput, TokenInput
from ._input import tokens_in as tokens_in
from ._masking import length_mask, reverse_within
from ._networks import SequenceNetwork, averaged
from ._ngrams import NGramPath, ngram_keys
from ._pieces import Pieces, features_in_pieces, window_features
from ._pooling import (
    AttentionPooling,
    ConcatPooling,
    EachStep,
    LastPooling,
    MaxPooling,
    MeanPooling,
    Pooling,
)
from ._random_convolutions import RandomConvolutions
from ._recurrence import Recurrence, RecurrenceOutput
from ._registry import CELLS as CELLS
from ._registry import StepLoop, make_layer, make_pooling
from ._reservoir import POOLINGS as POOLINGS
from ._reservoir import Reservoir
from ._reservoir_path import ReservoirPath
from ._reservoir_states import reservoir_states
from ._scan import linear_scan
from ._sizes import network_size as network_size
from ._sizes import recurrence_size as recurrence_size
from ._stem import ConvStem, StepBatchNorm
from ._streaming import NetworkStream
from ._tagging_head import TaggingHead
from ._threads import allow_threads as allow_threads
from ._weight_dropout import dropped_weights
from ._words import CharacterEncoder, WordColumns, WordInput

__all__ = [
    "CIFG",
    "GRU",
    "LSTM",
    "RNN",
    "AttentionPooling",
    "BinaryHead",
    "CharacterEncoder",
    "ChunkedRun",
    "ConcatPooling",
    "ContinuousHead",
    "ConvStem",
    "Dropout",
    "EachStep",
    "ForecastHead",
    "ForecastInput",
    "ForecastNetwork",
    "ForecastNetworkConfig",
    "GRUResetBefore",
    "Head",
    "JointHead",
    "LastPooling",
    "LinearPath",
    "LinearChainCRF",
    "MaxPooling",
    "MeanPooling",
    "MinGRU",
    "MinLSTM",
    "MulticlassHead",
    "MultilabelHead",
    "NGramPath",
    "NetworkConfig",
    "NetworkStream",
    "NumericInput",
    "Pieces",
    "Pooling",
    "RandomConvolutions",
    "Recurrence",
    "RecurrenceOutput",
    "Reservoir",
    "ReservoirPath",
    "SequenceNetwork",
    "StaticInput",
    "StepBatchNorm",
    "StepLoop",
    "TaggingHead",
    "TokenInput",
    "WordColumns",
    "WordInput",
    "build_network",
    "averaged",
    "dropped_weights",
    "features_in_pieces",
    "initialise",
    "interpolate_quantiles",
    "is_builtin",
    "length_mask",
    "linear_scan",
    "make_forecast_head",
    "make_layer",
    "make_pooling",
    "ngram_keys",
    "reservoir_states",
    "reverse_within",
    "set_generator",
    "window_features",
]
