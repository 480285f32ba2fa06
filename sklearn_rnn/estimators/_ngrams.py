"""The linear path of an estimator on tokens: solving it, and how much of the recurrence to add.

N-grams of tokens, weighted as TF-IDF does, are read out by scikit-learn's linear models.
Sequences that were left out choose the penalty, the steepness of the probabilities and the
recurrence's share. Imports scikit-learn and layers 0 to 2.
"""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from ..nn import ngram_keys
from ..sequences import Sequences
from ..training import FlatStorage, cpu_threads, prediction_batches
from ._closed_form import ClosedForm
from ._readout import proportions
from ._targets import Target
from ._tokens import are_characters, is_small

#: Tokens of the longest n-grams: of words; of characters, an alphabet's or, if more than a few,
#: those of a script with thousands of signs.
LONGEST_OF_WORDS, LONGEST_OF_LETTERS, LONGEST_OF_SIGNS = 2, 5, 3
# Among so many rows, n-grams of several tokens count only if two rows have them.
_MANY_ROWS = 2000
_MOST_FEATURES = 2**20
# Weight of what is spelled alike beside the n-grams themselves; lengths of the spelled parts.
_SPELLING, _SHORTEST_PART, _LONGEST_PART, _LONGEST_WORD = 0.7, 2, 5, 30
# Inverse penalties, and the one that is taken where too few rows are left out to choose.
_CANDIDATES, _PLAIN = (4.0, 10.0, 25.0), 10.0
_FEWEST_LEFT_OUT = 10
# More rows times outputs than this take the penalty from as many of the rows as fit.
_CHOOSE_ON = 200_000
# Factors on what the recurrence answers: trained to the end, it is too sure of itself.
_STEEPNESS = np.logspace(-1, 0.3, 14)


def wants_ngrams(setting: str | bool, sequences: Sequences, target: Target, loss: Any) -> bool:
    """Decide whether these data get a path of n-grams, or refuse what cannot have one."""
    if setting is False:
        return False
    obstacle = None
    if not sequences.is_tokens:
        obstacle = "X holds numbers, and n-grams are of tokens"
    elif target.per_step:
        obstacle = "y has one target a step, and the n-grams answer once a sequence"
    elif loss not in ("log_loss", "squared_error"):
        obstacle = f"they are solved for the default loss, not for loss={loss!r}"
    if obstacle is None:
        return True
    if setting == "auto":
        return False
    raise ValueError(f"ngrams={setting!r} cannot be used: {obstacle}. Set ngrams=False.")


def ngram_architecture(sequences: Sequences) -> dict[str, Any]:
    """Return what the network's configuration says of n-grams for these tokens."""
    if not are_characters(sequences):
        spelled = sequences.lexicon is not None
        return {"ngram_longest": LONGEST_OF_WORDS, "ngram_spelling": spelled}
    return {"ngram_longest": LONGEST_OF_LETTERS if is_small(sequences) else LONGEST_OF_SIGNS}


class SolvedNGrams(ClosedForm):
    """One fit's path of n-grams; parameters are those of `ClosedForm`."""

    strictness, unjudged = 0.5, 0.5
    shares = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)

    def share_from_rows(self, rows: np.ndarray) -> float:
        """Choose the share on rows that the recurrence has not seen, once it is calibrated."""
        self._calibrate(self.storage, self.encoded[rows], rows)
        return super().share_from_rows(rows)

    def share_from_set(
        self, sequences: Sequences, encoded: np.ndarray, weights: np.ndarray | None
    ) -> float:
        """Choose the share on a validation set, once the recurrence is calibrated."""
        storage = FlatStorage(sequences, self.storage.device, self.storage.dtype)
        self._calibrate(storage, encoded, np.arange(len(sequences)))
        return super().share_from_set(sequences, encoded, weights)

    def _calibrate(self, storage: FlatStorage, encoded: np.ndarray, rows: np.ndarray) -> None:
        """Flatten or steepen the recurrence's probabilities to what unseen rows bear out."""
        if not self._classifies or len(rows) < _FEWEST_LEFT_OUT:
            return
        raw = self._trained(storage, rows)
        losses = [self._losses(gain * raw, encoded).mean() for gain in _STEEPNESS]
        with torch.no_grad():
            for member in self.network.members():
                for parameter in member.head.projection.parameters():
                    parameter *= float(_STEEPNESS[int(np.argmin(losses))])

    def solve(
        self,
        rows: np.ndarray,
        seed: int,
        kept: np.ndarray | None = None,
        apart: np.ndarray | None = None,
    ) -> None:
        """Find the n-grams of the rows and solve their readout, with `kept` left out to choose."""
        path = self.network.path
        with torch.inference_mode(False), torch.no_grad(), cpu_threads(self.n_threads):
            self._find_ngrams(rows)
            features, spelled = self._features(rows)
        wanted = proportions(self.target, self.encoded[rows]) if self._classifies else None
        if wanted is None:
            wanted = self._readout_targets(self.encoded[rows])
        weights = None if self.weights is None else self.weights[rows]
        strength, gain = _PLAIN, 1.0
        if kept is not None and len(kept) >= _FEWEST_LEFT_OUT:
            out = np.isin(rows, kept)
            seen = np.flatnonzero(~out)
            most = max(_CHOOSE_ON // wanted.shape[1], _MANY_ROWS)
            sample = seen
            if len(seen) > most:
                sample = np.sort(np.random.default_rng(seed).choice(seen, most, replace=False))

            def tried(part: np.ndarray, candidate: float) -> tuple[float, float, np.ndarray]:
                """Solve on some rows; return loss, steepness and answers of the others."""
                own = None if weights is None else weights[part]
                weight, bias = self._solved(features[part], wanted[part], own, candidate)
                raw = features[out] @ weight + bias
                losses = [self._loss(g * raw, self.encoded[kept], kept) for g in self._gains()]
                best = int(np.argmin(losses))
                return losses[best], float(self._gains()[best]), raw

            found = {candidate: tried(sample, candidate) for candidate in _CANDIDATES}
            strength = min(found, key=lambda candidate: found[candidate][0])
            _, gain, raw = found[strength] if sample is seen else tried(seen, strength)
            self.left_out = dict(zip(kept.tolist(), gain * raw, strict=True))
        weight, bias = self._solved(features, wanted, weights, strength)
        if spelled is not None:
            n_grams, n_parts = path.output_size, spelled.shape[1]
            own = _SPELLING * (spelled @ weight[n_grams : n_grams + n_parts])
            weight = np.concatenate([weight[:n_grams], own, weight[n_grams + n_parts :]])
        path.set_readout(torch.from_numpy(gain * weight), torch.from_numpy(gain * bias))

    @property
    def _classifies(self) -> bool:
        return self.target.head != "continuous"

    def _find_ngrams(self, rows: np.ndarray) -> None:
        """Set which n-grams the path knows, and what each counts: the rarer, the more."""
        path = self.network.path
        found: list[list[np.ndarray]] = [[] for _ in range(path.longest)]
        singles = np.zeros(max(path.vocabulary_size, 1))
        for batch in prediction_batches(self.storage, rows):
            keys, owners = ngram_keys(
                batch.x, batch.lengths.to(batch.x.device), path.longest, ends=path.ends
            )
            for place, (key, owner) in enumerate(zip(keys, owners, strict=True)):
                pairs = torch.unique(torch.stack((owner, key)), dim=1)
                found[place].append(pairs[1].cpu().numpy())
            if path.vocabulary_size:
                column = path.single_counts(batch.x, batch.lengths)[1].cpu().numpy()
                singles += np.bincount(column, minlength=path.vocabulary_size)
        known, counts = [], []
        for place, parts in enumerate(found):
            if not parts:
                continue
            distinct, count = np.unique(np.concatenate(parts), return_counts=True)
            kept = count >= (2 if place and len(rows) >= _MANY_ROWS else 1)
            known.append(distinct[kept])
            counts.append(count[kept])
        all_known, all_counts = np.concatenate(known), np.concatenate(counts)
        if len(all_known) > _MOST_FEATURES:
            frequent = np.argsort(-all_counts, kind="stable")[:_MOST_FEATURES]
            all_known, all_counts = all_known[frequent], all_counts[frequent]
        order = np.argsort(all_known)
        path.set_ngrams(
            torch.from_numpy(all_known[order]),
            torch.from_numpy(_rarity(all_counts[order], len(rows))),
        )
        path.token_idf.copy_(torch.from_numpy(_rarity(singles, len(rows)))[: path.vocabulary_size])
        self._occurs = singles > 0

    def _features(self, rows: np.ndarray) -> tuple[Any, Any]:
        """Return the features of the rows, sparse, and how the spelled parts make up tokens."""
        path = self.network.path
        place = np.empty(len(self.storage.lengths), dtype=np.int64)
        place[rows] = np.arange(len(rows))
        grams, singles, static = _Triplets(), _Triplets(), np.zeros((len(rows), path.static_size))
        for batch in prediction_batches(self.storage, rows):
            own = place[batch.rows]
            grams.add(own, *path.counts(batch.x, batch.lengths))
            if path.vocabulary_size:
                singles.add(own, *path.single_counts(batch.x, batch.lengths))
            if path.static_size:
                static[own] = self.network.static.plain(batch.static).cpu().numpy()
        parts = [grams.matrix((len(rows), path.output_size))]
        spelled = None
        lexicon = self.storage.sequences.lexicon
        if path.vocabulary_size and lexicon is not None:
            spelled = _spelled_parts(lexicon.tokens, self._occurs)
            parts.append(_SPELLING * singles.matrix((len(rows), path.vocabulary_size)) @ spelled)
        if path.static_size:
            parts.append(sparse.csr_array(static))
        joined = sparse.csr_array(sparse.hstack(parts))
        # Liblinear wants narrow indices, and 2**31 of them are more than fit into memory.
        joined.indices = joined.indices.astype(np.int32)
        joined.indptr = joined.indptr.astype(np.int32)
        return joined, spelled

    def _solved(
        self, features: Any, wanted: np.ndarray, weights: np.ndarray | None, strength: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights of the features and the biases of all outputs."""
        if not self._classifies:
            ridge = Ridge(alpha=10.0 / strength, solver="sparse_cg", tol=1e-6)
            ridge.fit(features, wanted, sample_weight=weights)
            return ridge.coef_.reshape(wanted.shape[1], -1).T, np.atleast_1d(ridge.intercept_)
        coefficients = np.zeros((features.shape[1], wanted.shape[1]))
        biases = np.zeros(wanted.shape[1])
        # Each output against the rest: quick, and as good here as all of them at once.
        model = LogisticRegression(
            C=strength, solver="liblinear", intercept_scaling=3.0, tol=1e-3, max_iter=200
        )
        for column, labels in enumerate(wanted.T > 0.5):
            if labels.all() or not labels.any():
                biases[column] = (1 if labels.all() else -1) * np.log(2.0 * len(labels) + 1.0)
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(features, labels, sample_weight=weights)
            coefficients[:, column], biases[column] = model.coef_[0], model.intercept_[0]
        return coefficients, biases


class _Triplets:
    """Rows, columns and values of a sparse matrix, gathered batch by batch."""

    def __init__(self) -> None:
        self.parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(
        self, place: np.ndarray, row: torch.Tensor, column: torch.Tensor, value: torch.Tensor
    ) -> None:
        """Add a batch whose row i is row place[i] of the matrix."""
        self.parts.append(
            (place[row.cpu().numpy()], column.cpu().numpy(), value.double().cpu().numpy())
        )

    def matrix(self, shape: tuple[int, int]) -> Any:
        """Return the matrix."""
        row, column, value = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        return sparse.csr_array((value, (row, column)), shape=shape)


def _rarity(count: np.ndarray, total: int) -> np.ndarray:
    """Return what an n-gram counts that so many of all rows have, as in scikit-learn's TF-IDF."""
    return np.log((1 + total) / (1 + count)) + 1


def _spelled_parts(tokens: tuple[str, ...], occurs: np.ndarray) -> Any:
    """Return the parts of 2 to 5 characters that make up each token, in rows of length one."""
    parts: list[set[str]] = []
    for number in range(len(occurs)):
        word = tokens[number] if number < len(tokens) and occurs[number] else ""
        word = f" {word[:_LONGEST_WORD]} " if word else ""
        parts.append(
            {
                word[start : start + size]
                for size in range(_SHORTEST_PART, _LONGEST_PART + 1)
                for start in range(len(word) - size + 1)
            }
        )
    shared = Counter(part for own in parts for part in own)
    columns = {part: j for j, part in enumerate(sorted(p for p, n in shared.items() if n > 1))}
    row, column = [], []
    for number, own in enumerate(parts):
        found = sorted(columns[part] for part in own if part in columns)
        column += found
        row += [number] * len(found)
    count = np.bincount(column, minlength=len(columns)) if column else np.zeros(len(columns))
    value = _rarity(count, int(occurs.sum()))[column] if column else np.zeros(0)
    squares = np.bincount(row, weights=value**2, minlength=len(parts)) if row else None
    if squares is not None:
        value = value / np.sqrt(squares)[row]
    return sparse.csr_array((value, (row, column)), shape=(len(parts), max(1, len(columns))))
