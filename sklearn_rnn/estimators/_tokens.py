"""The embeddings of tokens before training. Imports NumPy, torch and layers 0 and 1."""

from __future__ import annotations

import numpy as np
import torch

from ..nn import TokenInput
from ..sequences import Sequences

# There are many tokens, and most are rare: their noise would drown the others. Measured on
# sentences: 0.1 beats 0.3 and 1.
_SCALE = 0.1


def vector_size(sequences: Sequences) -> int | None:
    """Return the size of the tokens' pretrained vectors, if they have any."""
    lexicon = sequences.lexicon
    if lexicon is None or lexicon.vectors is None:
        return None
    return int(lexicon.vectors.shape[1])


def prepare_embeddings(
    layer: TokenInput, sequences: Sequences, rows: np.ndarray, *, scale: float | None
) -> None:
    """Start from pretrained vectors or small ones; zeros for what never occurs and has none.

    ``scale`` is that of the initial weights, None for the one chosen here.
    """
    if scale is None:
        with torch.no_grad():
            layer.embedding.weight *= _SCALE
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
