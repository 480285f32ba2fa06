"""The linear path of an estimator on tokens: solving it, and how much of the recurrence to add.

N-grams of tokens, weighted as TF-IDF does, are read out by scikit-learn's linear models.
Sequences that were left out choose the penalty, the steepness of the probabilities and the
recurrence's share. Imports scikit-learn and layers 0 to 2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse

from ..nn import ngram_keys
from ..sequences import Sequences
from ..training import FlatStorage, cpu_threads, prediction_batches
from ._closed_form import ClosedForm
from ._linear import solve_labels, solve_numbers
from ._readout import proportions
from ._spelling import rarity, spelled_parts
from ._targets import Target
from ._tokens import are_characters, is_small

#: Tokens of the longest n-grams: of words; of characters, an alphabet's or, if more than a few,
#: those of a script with thousands of signs.
LONGEST_OF_WORDS, LONGEST_OF_LETTERS, LONGEST_OF_SIGNS = 2, 5, 3
# Among so many rows, n-grams of several tokens count only if two rows have them.
_MANY_ROWS = 2000
_MOST_FEATURES = 2**20
# Weight of what is spelled alike beside the n-grams themselves.
_SPELLING = 0.7
# Inverse penalties, and the one that is taken where too few rows are left out to choose.
_CANDIDATES: tuple[float, ...] = (4.0, 10.0, 25.0)
_PLAIN = 10.0
_FEWEST_LEFT_OUT = 10
# The same for the readout whose features are scaled by log-count ratios.
_CANDIDATES_BY_RATIO: tuple[float, ...] = (3.0, 10.0)
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
        split = None
        if kept is not None and len(kept) >= _FEWEST_LEFT_OUT:
            split = _Split.of(rows, kept, wanted.shape[1], seed)
        columns = np.arange(features.shape[1])
        n_grams, n_parts = path.output_size, 0 if spelled is None else spelled.shape[1]
        readouts = [_Readout(features, columns, 0, _CANDIDATES)]
        if self._classifies and n_grams:
            unspelled = np.delete(columns, np.s_[n_grams : n_grams + n_parts])
            readouts.append(
                _Readout(features[:, unspelled], unspelled, n_grams, _CANDIDATES_BY_RATIO)
            )
        solved, answers = [], []
        for readout in readouts:
            strength, gain = _PLAIN, 1.0
            if split is not None and kept is not None:
                raw, strength, gain = self._choose_strength(readout, wanted, weights, split, kept)
                answers.append(gain * raw)
            own_weight, own_bias = self._solved(readout, wanted, weights, slice(None), strength)
            part = np.zeros((len(columns), wanted.shape[1]))
            part[readout.columns] = gain * own_weight
            solved.append((part, gain * own_bias))
        shares = np.full(len(readouts), 1.0 / len(readouts))
        if kept is not None and answers:
            shares, left_out = self._mixed(answers, kept)
            self.left_out = dict(zip(kept.tolist(), left_out, strict=True))
        weight = sum(share * part for share, (part, _) in zip(shares, solved, strict=True))
        bias = sum(share * part for share, (_, part) in zip(shares, solved, strict=True))
        if spelled is not None:
            token_weight = _SPELLING * (spelled @ weight[n_grams : n_grams + n_parts])
            weight = np.concatenate([weight[:n_grams], token_weight, weight[n_grams + n_parts :]])
        path.set_readout(torch.from_numpy(np.asarray(weight)), torch.from_numpy(np.asarray(bias)))

    def _choose_strength(
        self,
        readout: _Readout,
        wanted: np.ndarray,
        weights: np.ndarray | None,
        split: _Split,
        kept: np.ndarray,
    ) -> tuple[np.ndarray, float, float]:
        """Return answers to rows left out, the inverse penalty that is best there, its gain."""

        def tried(part: np.ndarray, strength: float) -> tuple[float, float, np.ndarray]:
            """Solve on some rows; return loss, gain and answers of the others."""
            weight, bias = self._solved(readout, wanted, weights, part, strength)
            raw = readout.features[split.out] @ weight + bias
            gain, loss = self._best_gain(raw, kept)
            return loss, gain, raw

        found = {strength: tried(split.sample, strength) for strength in readout.candidates}
        strength = min(found, key=lambda strength: found[strength][0])
        whole = split.sample is split.seen
        _, gain, raw = found[strength] if whole else tried(split.seen, strength)
        return raw, strength, gain

    def _solved(
        self,
        readout: _Readout,
        wanted: np.ndarray,
        weights: np.ndarray | None,
        part: Any,
        strength: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return weights and biases of a readout solved on some rows."""
        features, wanted = readout.features[part], wanted[part]
        weights = None if weights is None else weights[part]
        if not self._classifies:
            return solve_numbers(features, wanted, weights, strength)
        return solve_labels(features, wanted, weights, strength, by_ratio=readout.by_ratio)

    def _mixed(self, answers: list[np.ndarray], kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the readouts' shares, equal unless one alone does clearly better, and the mix.

        Clearly is by two standard errors of the mean difference of losses. Shares hold the gain.
        """
        weights = None if self.weights is None else self.weights[kept]
        equal = np.full(len(answers), 1.0 / len(answers))
        best, losses, clearest = equal, np.zeros(len(kept)), 0.0
        for mix in (equal, *np.eye(len(answers))):
            raw = sum(share * answer for share, answer in zip(mix, answers, strict=True))
            gain, _ = self._best_gain(np.asarray(raw), kept)
            own = self._losses(gain * np.asarray(raw), self.encoded[kept])
            if mix is equal:
                best, losses = gain * equal, own
                continue
            better = losses - own
            clear = np.average(better, weights=weights) - 2 * better.std() / np.sqrt(len(kept))
            if clear > clearest:
                best, clearest = gain * mix, float(clear)
        return best, np.asarray(sum(b * a for b, a in zip(best, answers, strict=True)))

    def _best_gain(self, raw: np.ndarray, kept: np.ndarray) -> tuple[float, float]:
        """Return the steepness that rows left out bear out, and their loss with it."""
        losses = [self._loss(g * raw, self.encoded[kept], kept) for g in self._gains()]
        best = int(np.argmin(losses))
        return float(self._gains()[best]), losses[best]

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
            torch.from_numpy(rarity(all_counts[order], len(rows))),
        )
        path.token_idf.copy_(torch.from_numpy(rarity(singles, len(rows)))[: path.vocabulary_size])
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
            spelled = spelled_parts(lexicon.tokens, self._occurs)
            parts.append(_SPELLING * singles.matrix((len(rows), path.vocabulary_size)) @ spelled)
        if path.static_size:
            parts.append(sparse.csr_array(static))
        joined = sparse.csr_array(sparse.hstack(parts))
        # Liblinear wants narrow indices, and 2**31 of them are more than fit into memory.
        joined.indices = joined.indices.astype(np.int32)
        joined.indptr = joined.indptr.astype(np.int32)
        return joined, spelled


class _Split(NamedTuple):
    """Places of the rows that are left out, of the others, and of those that try penalties."""

    out: np.ndarray
    seen: np.ndarray
    sample: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, kept: np.ndarray, n_outputs: int, seed: int) -> _Split:
        """Tell the rows apart."""
        out = np.isin(rows, kept)
        seen = np.flatnonzero(~out)
        most = max(_CHOOSE_ON // n_outputs, _MANY_ROWS)
        if len(seen) <= most:
            return cls(out, seen, seen)
        sample = np.random.default_rng(seed).choice(seen, most, replace=False)
        return cls(out, seen, np.sort(sample))


class _Readout(NamedTuple):
    """One readout: what it reads, which columns these are, how many are scaled, its penalties."""

    features: Any
    columns: np.ndarray
    by_ratio: int
    candidates: tuple[float, ...]


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
