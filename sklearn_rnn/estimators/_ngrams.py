"""The linear path of an estimator on tokens: solving it, and how much of the recurrence to add.

N-grams of tokens, weighted as TF-IDF does, are read out by scikit-learn's linear models.
Sequences that were left out choose the penalty, the steepness of the probabilities and the
recurrence's share. Imports scikit-learn and layers 0 to 2.
"""

from __future__ import annotations

import itertools
import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from ..sequences import Sequences
from ..training import cpu_threads, prediction_batches
from ._closed_form import ClosedForm
from ._targets import Target
from ._tokens import are_characters, is_small, rarity, spelled_parts

#: Tokens of the longest n-grams: of words; of characters, an alphabet's or, if more than a few,
#: those of a script with thousands of signs.
LONGEST_OF_WORDS, LONGEST_OF_LETTERS, LONGEST_OF_SIGNS = 2, 5, 3
# Among this many rows, n-grams of several tokens count only if two rows have them.
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
# How a text opens matters for sentences: of texts of more words, on average, it is not looked at.
_LONG_TEXTS = 40
# What openings count where they are taken, beside one for each other readout, and by how many
# standard errors they have to be better.
_OPENINGS, _OPENINGS_BETTER = 2.0, 1.0
# More rows times outputs than this take the penalty from as many of the rows as fit.
_CHOOSE_ON = 200_000
# How many rows' worth of loss a steepness e times that of the solution has to gain.
_FIRMNESS = 2.5
# Factors on what the recurrence answers: trained to the end, it is too sure of itself.
_STEEPNESS = np.logspace(-1, 0.3, 14)


def wants_ngrams(setting: str | bool, sequences: Sequences, target: Target, loss: Any) -> bool:
    """Decide whether these data get a path of n-grams, or refuse what cannot have one."""
    if setting is False:
        return False
    obstacle = target.obstacle("ngrams")
    if obstacle is None and loss not in ("log_loss", "squared_error"):
        obstacle = f"they are solved for the default loss, not for loss={loss!r}"
    if obstacle is None:
        return True
    if setting == "auto":
        return False
    raise ValueError(f"closed_form={setting!r} cannot be used: {obstacle}. Set closed_form=False.")


def ngram_architecture(sequences: Sequences) -> dict[str, Any]:
    """Return what the network's configuration says of n-grams for these tokens."""
    if not are_characters(sequences):
        spelled = sequences.lexicon is not None
        openings = float(sequences.lengths.mean()) <= _LONG_TEXTS
        return {
            "ngram_longest": LONGEST_OF_WORDS,
            "ngram_spelling": spelled,
            "ngram_openings": openings,
        }
    letters = is_small(sequences)
    longest = LONGEST_OF_LETTERS if letters else LONGEST_OF_SIGNS
    return {"ngram_longest": longest, "ngram_skips": letters}


class SolvedNGrams(ClosedForm):
    """One fit's path of n-grams; parameters are those of `ClosedForm`."""

    strictness, unjudged = 0.5, 0.5
    shares = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)

    def _steepness(self, trained: np.ndarray, encoded: np.ndarray) -> float:
        """Flatten or steepen the recurrence's probabilities to what unseen rows bear out."""
        if not self.target.is_labels or len(encoded) < _FEWEST_LEFT_OUT:
            return 1.0
        wanted = self._doubted(encoded)
        losses = [self.target.losses(gain * trained, wanted).mean() for gain in _STEEPNESS]
        return float(_STEEPNESS[int(np.argmin(losses))])

    def _steepen(self, gain: float) -> None:
        with torch.no_grad():
            for member in self.network.members():
                for parameter in member.head.projection.parameters():
                    parameter *= gain

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
        wanted = self._wanted(self.encoded[rows])
        weights = None if self.weights is None else self.weights[rows]
        split = None
        if kept is not None and len(kept):
            split = _Split.of(rows, kept, wanted.shape[1], seed)
        n_grams, n_parts = path.output_size, 0 if spelled is None else spelled.shape[1]
        readouts = self._linear_readouts(features, n_parts)
        usual = np.array([not readout.openings for readout in readouts], dtype=float)
        strengths, shares = [_PLAIN] * len(readouts), usual / usual.sum()
        if split is not None and kept is not None and len(kept) < _FEWEST_LEFT_OUT:
            solved = [self._solved(one, wanted, weights, split.seen, _PLAIN) for one in readouts]
            answers = [
                one.features[split.out] @ part[0] + part[1]
                for one, part in zip(readouts, solved, strict=True)
            ]
            left_out = sum(share * raw for share, raw in zip(shares, answers, strict=True))
            self.left_out = dict(zip(kept.tolist(), left_out, strict=True))
        elif split is not None and kept is not None:
            tried = [self._try(readout, wanted, weights, split, kept) for readout in readouts]
            strengths = [strength for _, strength, _ in tried]
            answers = [gain * raw for raw, _, gain in tried]
            mix, left_out = self._mixed(answers, kept, usual)
            shares = mix * [gain for *_, gain in tried]
            self.left_out = dict(zip(kept.tolist(), left_out, strict=True))
        weight, bias = np.zeros((features.shape[1], wanted.shape[1])), np.zeros(wanted.shape[1])
        for readout, strength, share in zip(readouts, strengths, shares, strict=True):
            if share:
                part = self._solved(readout, wanted, weights, slice(None), strength)
                weight[readout.columns] += share * part[0]
                bias += share * part[1]
        if spelled is not None:
            token_weight = _SPELLING * (spelled @ weight[n_grams : n_grams + n_parts])
            weight = np.concatenate([weight[:n_grams], token_weight, weight[n_grams + n_parts :]])
        if path.openings and not shares[usual == 0].any():
            dropped = np.flatnonzero(path.is_opening.cpu().numpy())
            path.drop_openings()
            weight = np.delete(weight, dropped, axis=0)
        path.set_readout(torch.from_numpy(weight), torch.from_numpy(bias))

    def _linear_readouts(self, features: Any, n_parts: int) -> list[_Readout]:
        """Return what is read out: n-grams with what is beside them, and those scaled by ratios.

        Where there are pairs with a token between, the first is two: one reads all but these, the
        other all but the longest n-grams. Openings are read with the n-grams by one of their own.
        """
        path = self.network.path
        columns = np.arange(features.shape[1])
        sizes = np.concatenate([self._sizes, np.zeros(len(columns) - path.output_size, int)])
        plain = columns[sizes <= path.longest + 1]
        own_features = features if len(plain) == len(columns) else features[:, plain]
        readouts = [_Readout(own_features, plain, 0, _CANDIDATES)]
        if path.skips and (sizes > path.longest).any():
            views = columns[sizes <= path.longest], columns[sizes != path.longest]
            readouts = [_Readout(features[:, view], view, 0, _CANDIDATES) for view in views]
        if self.target.is_labels and path.output_size:
            part = np.s_[path.output_size : path.output_size + n_parts]
            own = np.delete(columns, part)
            own = own[sizes[own] <= path.longest]
            by_ratio = int((self._sizes <= path.longest).sum())
            readouts.append(_Readout(features[:, own], own, by_ratio, _CANDIDATES_BY_RATIO))
        if path.openings and (sizes > path.longest + 1).any():
            own = columns[(0 < sizes) & (sizes != path.longest + 1)]
            readouts.append(_Readout(features[:, own], own, 0, (_PLAIN,), openings=True))
        return readouts

    def _try(
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
        if not self.target.is_labels:
            return solve_numbers(features, wanted, weights, strength)
        return solve_labels(features, wanted, weights, strength, by_ratio=readout.by_ratio)

    def _mixed(
        self, answers: list[np.ndarray], kept: np.ndarray, usual: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the readouts' shares and the mix: the usual ones count the same.

        Unless some of them do clearly better: by two standard errors of the mean difference of
        losses. Openings join where that is better by one. Shares hold the gain.
        """
        weights = None if self.weights is None else self.weights[kept]
        chosen, (best, losses) = usual, self._tried_mix(answers, usual, kept)

        def clearly(better: np.ndarray, by: float) -> float:
            """Return by how much a mix is better, less some standard errors."""
            return float(
                np.average(better, weights=weights) - by * better.std() / np.sqrt(len(kept))
            )

        standard, clearest = losses, 0.0
        for some in itertools.product(*[(1.0, 0.0) if say else (0.0,) for say in usual]):
            if not any(some):
                continue
            mix, own = self._tried_mix(answers, np.array(some), kept)
            if clearly(standard - own, 2.0) > clearest:
                chosen, best, losses = np.array(some), mix, own
                clearest = clearly(standard - own, 2.0)
        if not all(usual):
            joined = np.where(usual > 0, chosen, _OPENINGS)
            mix, own = self._tried_mix(answers, joined, kept)
            if clearly(losses - own, _OPENINGS_BETTER) > 0:
                best = mix
        return best, np.asarray(sum(b * a for b, a in zip(best, answers, strict=True)))

    def _tried_mix(
        self, answers: list[np.ndarray], parts: np.ndarray, kept: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the shares of some parts, with their gain, and each row's loss with them."""
        mix = parts / parts.sum()
        raw = np.asarray(sum(share * answer for share, answer in zip(mix, answers, strict=True)))
        gain, _ = self._best_gain(raw, kept)
        return gain * mix, self._losses(gain * raw, self.encoded[kept])

    def _best_gain(self, raw: np.ndarray, kept: np.ndarray) -> tuple[float, float]:
        """Return the steepness that rows left out bear out, and their loss with it."""
        weights = None if self.weights is None else self.weights[kept]
        wanted = self._doubted(self.encoded[kept])
        losses = [
            float(np.average(self.target.losses(g * raw, wanted), weights=weights))
            for g in self._gains()
        ]
        # A few rows are told well or badly by luck, which would make for a steepness of its own.
        best = int(np.argmin(losses + _FIRMNESS * np.log(self._gains()) ** 2 / len(kept)))
        return float(self._gains()[best]), losses[best]

    def _doubted(self, encoded: np.ndarray) -> np.ndarray:
        """Return what raw outputs are to be, with the doubt that so few rows leave.

        As though two more rows of any label had come with them: rows that are told without a fault
        would bear out any steepness. The idea is Platt's.
        """
        wanted = self._wanted(encoded)
        if not self.target.is_labels:
            return wanted
        doubt = 2.0 / (len(encoded) + 2.0)
        usual = self._wanted(self.encoded).mean(axis=0)
        return (1.0 - doubt) * wanted + doubt * usual

    def _wanted(self, encoded: np.ndarray) -> np.ndarray:
        """Return what raw outputs are to be: proportions of labels, or numbers."""
        return self.target.wanted(encoded, self.network.head)

    def _find_ngrams(self, rows: np.ndarray) -> None:
        """Set which n-grams the path knows, and what each counts: the rarer, the more."""
        path = self.network.path
        # N-grams of 1, 2, ... tokens, pairs with one between, openings.
        found: list[list[np.ndarray]] = [[] for _ in range(path.longest + 2)]
        singles = np.zeros(max(path.vocabulary_size, 1))
        for batch in prediction_batches(self.storage, rows):
            keys, owners = path.find(batch.x, batch.lengths)
            plain = min(path.longest, batch.x.shape[1] + 2 * path.ends)
            n_openings = 2 * path.openings
            places = [*range(plain), *[path.longest] * (len(keys) - plain - n_openings)]
            places += [path.longest + 1] * n_openings
            for place, key, owner in zip(places, keys, owners, strict=True):
                pairs = torch.unique(torch.stack((owner, key)), dim=1)
                found[place].append(pairs[1].cpu().numpy())
            if path.vocabulary_size:
                column = path.single_counts(batch.x, batch.lengths)[1].cpu().numpy()
                singles += np.bincount(column, minlength=path.vocabulary_size)
        known, counts, sizes = [], [], []
        for place, parts in enumerate(found):
            if not parts:
                continue
            distinct, count = np.unique(np.concatenate(parts), return_counts=True)
            kept = count >= (2 if place and len(rows) >= _MANY_ROWS else 1)
            known.append(distinct[kept])
            counts.append(count[kept])
            sizes.append(np.full(int(kept.sum()), place + 1))
        all_known, all_counts = np.concatenate(known), np.concatenate(counts)
        all_sizes = np.concatenate(sizes)
        if len(all_known) > _MOST_FEATURES:
            frequent = np.argsort(-all_counts, kind="stable")[:_MOST_FEATURES]
            all_known, all_counts = all_known[frequent], all_counts[frequent]
            all_sizes = all_sizes[frequent]
        order = np.argsort(all_known)
        self._sizes = all_sizes[order]
        path.set_ngrams(
            torch.from_numpy(all_known[order]),
            torch.from_numpy(rarity(all_counts[order], len(rows))),
            torch.from_numpy(self._sizes > path.longest + 1),
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
    """One readout: what it reads, which columns these are, how many are scaled, its penalties.

    Whether openings are among what it reads.
    """

    features: Any
    columns: np.ndarray
    by_ratio: int
    candidates: tuple[float, ...]
    openings: bool = False


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


# How often a feature counts as seen with either answer, beside how often it was.
_SEEN_BEFORE = 1.0


def solve_numbers(
    features: Any, wanted: np.ndarray, weights: np.ndarray | None, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and biases of ridge regression."""
    ridge = Ridge(alpha=10.0 / strength, solver="sparse_cg", tol=1e-6)
    ridge.fit(features, wanted, sample_weight=weights)
    return ridge.coef_.reshape(wanted.shape[1], -1).T, np.atleast_1d(ridge.intercept_)


def solve_labels(
    features: Any,
    wanted: np.ndarray,
    weights: np.ndarray | None,
    strength: float,
    *,
    by_ratio: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and biases of logistic regression, each output against the rest.

    The first `by_ratio` features are scaled by how much more often they occur with the output than
    without (the log-count ratio of naive Bayes), so that the penalty spares what tells much.
    """
    coefficients = np.zeros((features.shape[1], wanted.shape[1]))
    biases = np.zeros(wanted.shape[1])
    # Each output against the rest: quick, and as good here as all of them at once.
    model = LogisticRegression(
        C=strength,
        solver="liblinear",
        intercept_scaling=3.0,
        tol=1e-3,
        max_iter=200,
        random_state=0,
    )
    for column, labels in enumerate(wanted.T > 0.5):
        if labels.all() or not labels.any():
            biases[column] = (1 if labels.all() else -1) * np.log(2.0 * len(labels) + 1.0)
            continue
        scaled, scale = features, np.ones(features.shape[1])
        if by_ratio:
            scale[:by_ratio] = _log_ratios(features, labels, weights)[:by_ratio]
            scaled = features.copy()
            scaled.data *= scale[features.indices]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(scaled, labels, sample_weight=weights)
        coefficients[:, column], biases[column] = scale * model.coef_[0], model.intercept_[0]
    return coefficients, biases


def _log_ratios(features: Any, labels: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Return by how much more often each feature is there with the label than without."""
    there = sparse.csr_array(
        (np.ones(len(features.data)), features.indices, features.indptr), shape=features.shape
    )
    counts = np.ones(len(labels)) if weights is None else weights / weights.mean()
    having = there.T @ (counts * labels) + _SEEN_BEFORE
    lacking = there.T @ (counts * ~labels) + _SEEN_BEFORE
    return np.asarray(np.log(having / having.sum()) - np.log(lacking / lacking.sum()))
