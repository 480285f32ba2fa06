"""Transformers for sequences, from `Sequences` to `Sequences`; imports `sequences`, never torch."""

from ._imputer import SequenceImputer
from ._resampler import SequenceResampler
from ._scaler import SequenceScaler
from ._text_tokenizer import TextTokenizer
from ._to_sequences import ToSequences
from ._windows import SlidingWindows

__all__ = [
    "SequenceImputer",
    "SequenceResampler",
    "SequenceScaler",
    "SlidingWindows",
    "TextTokenizer",
    "ToSequences",
]
