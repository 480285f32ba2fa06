"""What each token of a text adds to the answer. Imports torch and layers 0 to 2."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..nn import NGramPath, TokenInput, tokens_in
from ..sequences import Sequences, counted
from ..training import cpu_threads, time_deltas


def token_attributions(model: Any, X: Any, target: Any, n_steps: int) -> Sequences:
    """Return how much each token adds to the evidence for a label."""
    sequences = model._read_for_prediction(X)
    network: Any = model.net_.network_for(torch.float64)
    if not sequences.is_tokens or model._target.by_step:
        raise ValueError("Attributions are of tokens, with one answer a sequence.")
    device = next(network.parameters()).device
    widths = time_deltas(sequences)
    found = []
    with cpu_threads(model._n_threads()):
        for row in range(len(sequences)):
            tokens = torch.from_numpy(np.array(sequences[row][:, 0], dtype=np.int64))[None]
            if widths is not None:
                here = slice(*sequences.offsets[row : row + 2])
                beside = torch.from_numpy(widths[here].astype(np.float64))[None]
                tokens = torch.stack((tokens.double(), beside), 2)
            static = None
            if sequences.static is not None:
                known = counted(sequences.static[row : row + 1], model._origins[1])
                static = torch.from_numpy(known).to(device)
            found.append(_attribute(model, network, tokens.to(device), static, target, n_steps))
    values = np.concatenate(found)[:, None]
    return Sequences(values, sequences.offsets, channel_names=["attribution"])


def _attribute(
    model: Any, network: Any, tokens: Tensor, static: Tensor | None, target: Any, n_steps: int
) -> np.ndarray:
    """Return the attributions of one text."""
    with torch.no_grad():
        raw = network.answer(tokens, None, static)[0]
    column, sign = model._target.column_of(raw, target)
    share = float(network.recurrence_share)
    total = torch.zeros(tokens.shape[1], dtype=torch.float64, device=tokens.device)
    if share > 0:
        members = network.members()
        for member in members:
            part = integrated_gradients(member, tokens, static, column, n_steps)
            total += share / len(members) * part
    if share < 1 and isinstance(network.path, NGramPath):
        total += (1 - share) * ngram_parts(network.path, tokens, column)
    result: np.ndarray = (sign * total).cpu().numpy()
    return result


def integrated_gradients(
    network: Any, tokens: Tensor, static: Tensor | None, column: int, n_steps: int
) -> Tensor:
    """Return each token's part in one raw output of a recurrence, by the midpoint rule."""
    layer: TokenInput = network.input
    with torch.no_grad():
        vectors = layer(tokens)
    total = torch.zeros_like(vectors)
    points = (torch.arange(n_steps, dtype=vectors.dtype, device=vectors.device) + 0.5) / n_steps
    for some in points.split(16):
        steps = (some[:, None, None] * vectors).requires_grad_()
        hidden = steps if network.stem is None else network.stem(steps, None)
        output, final, _ = network.recurrence(hidden, None)
        features = network.pooling(output, final, None)
        if static is not None:
            features = torch.cat((features, network.static(static).expand(len(some), -1)), 1)
        raw = network.head(features)[:, column].sum()
        total += torch.autograd.grad(raw, steps)[0].sum(0, keepdim=True)
    return (total / n_steps * vectors).sum(2)[0]


@torch.no_grad()
def ngram_parts(path: NGramPath, tokens: Tensor, column: int) -> Tensor:
    """Return each token's part in one raw output of the n-grams."""
    tokens = tokens_in(tokens)
    length = tokens.shape[1]
    parts = torch.zeros(length, dtype=path.weight.dtype, device=tokens.device)
    _, features, values = path.counts(tokens)
    worth = torch.zeros(max(path.output_size, 1), dtype=values.dtype, device=tokens.device)
    worth[features] = values * path.weight[features, column]
    lengths = torch.tensor([length], device=tokens.device)
    keys, _ = path.find(tokens, lengths)
    places = [torch.searchsorted(path.keys, key).clamp(max=path.output_size - 1) for key in keys]
    known = [path.keys[place] == key for place, key in zip(places, keys, strict=True)]
    times = torch.zeros_like(worth)
    for place, is_known in zip(places, known, strict=True):
        times.index_add_(0, place[is_known], times.new_ones(int(is_known.sum())))
    spans = [torch.arange(1 + n) for n in range(min(path.longest, length + 2 * path.ends))]
    # What comes after are pairs with a token between them, then openings.
    n_openings = 2 * path.openings
    spans += [torch.tensor([0, 2])] * (len(places) - n_openings - len(spans))
    for size in range(1, 1 + n_openings):
        for i in torch.nonzero(known[size - 1 - n_openings]).flatten().tolist():
            feature = places[size - 1 - n_openings][i]
            own = torch.tensor([*range(size), size + i], device=parts.device)
            share = worth[feature] / times[feature] / len(own)
            parts.index_add_(0, own, share.expand(len(own)))
    places, known = places[: len(spans)], known[: len(spans)]
    for span, place, is_known in zip(spans, places, known, strict=True):
        for start in torch.nonzero(is_known).flatten().tolist():
            feature = place[start]
            # Marks of begin and end are no tokens: what stands beside them has their part.
            own = (start - int(path.ends) + span).clamp(0, length - 1)
            share = worth[feature] / times[feature] / len(span)
            parts.index_add_(0, own.to(parts.device), share.expand(len(span)))
    if path.vocabulary_size:
        _, single, value = path.single_counts(tokens)
        by_token = torch.zeros(path.vocabulary_size, dtype=value.dtype, device=tokens.device)
        by_token[single] = value * path.spelling[single, column]
        count = torch.bincount(tokens[0], minlength=path.vocabulary_size).clamp(min=1)
        parts += (by_token / count)[tokens[0]]
    return parts
