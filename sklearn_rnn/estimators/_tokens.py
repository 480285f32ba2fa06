"""The embeddings of tokens before training. Imports NumPy, torch and layers 0 and 1."""

from __future__ import annotations

import numpy as np
import torch

from ..nn import TokenInput
from ..sequences import Sequences


def vector_size(sequences: Sequences) -> int | None:
    """Return the size of the tokens' pretrained vectors, if they have any."""
    lexicon = sequences.lexicon
    if lexicon is None or lexicon.vectors is None:
        return None
    return int(lexicon.vectors.shape[1])


def prepare_embeddings(layer: TokenInput, sequences: Sequences, rows: np.ndarray) -> None:
    """Start from pretrained vectors; what never occurs and has none, says nothing: zeros."""
    occurs = np.zeros(sequences.vocabulary_size or 0, dtype=bool)
    for row in rows:
        occurs[sequences[int(row)][:, 0]] = True
    unseen = np.flatnonzero(~occurs)
    layer.set_embeddings(torch.zeros(len(unseen), layer.output_size), torch.from_numpy(unseen))
    lexicon = sequences.lexicon
    if lexicon is None or lexicon.vectors is None:
        return
    known = np.flatnonzero(~np.isnan(lexicon.vectors).any(axis=1))
    vectors = torch.from_numpy(lexicon.vectors[known])
    layer.set_embeddings(vectors, torch.from_numpy(known))
