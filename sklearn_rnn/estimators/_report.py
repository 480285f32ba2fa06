"""What a fit is worth: the model beside baselines, on sequences that it has not learned from.

The baselines are a linear model of simple features, and an answer that ignores X. Imports
scikit-learn and layers 0 to 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.linear_model import Ridge
from sklearn.utils.validation import check_is_fitted

from ..exceptions import BaselineWarning
from ..sequences import RowReader, Sequences, align_targets, check_weights, warn
from ..training import NormalEquations, Origins, at_level_of_all
from ._closed_form import ClosedForm, FitData, block_keys, keys
from ._targets import SolvedTarget, Target, read_y

# Sequences that the linear model of tokens learns from, and that predictions are left out for.
_MOST_TOKEN_ROWS, _LEFT_OUT = 20_000, 2000


class Baselines:
    """The mean, or majority, of the targets, and ridge regression on simple features.

    The features are mean, deviation, extremes, ends and slope of every channel; how often each
    token occurs; or, for one target a step, what is known of the step. Labels are regressed on as
    plus and minus one, and the largest output wins.

    Parameters
    ----------
    target : SolvedTarget
        What is predicted.
    origins : tuple of two (ndarray or None), default=(None, None)
        What channels and static features are counted from, as in `FlatStorage`.
    """

    def __init__(self, target: SolvedTarget, origins: Origins = (None, None)) -> None:
        self.target, self.origins = target, origins
        self.level = np.zeros(0)
        self.shift, self.scale = np.zeros(0), np.ones(0)
        self.weight, self.bias = np.zeros((0, 0)), np.zeros(0)
        self.is_fitted = False

    def fit(
        self,
        sequences: Sequences,
        rows: np.ndarray,
        encoded: np.ndarray,
        weights: np.ndarray | None,
        *,
        left_out: bool = False,
    ) -> dict[bytes, np.ndarray]:
        """Learn from some rows; return left-out predictions by key, where they are wanted."""
        each = np.ones(len(sequences)) if weights is None else weights
        each = self.target.spread(each, sequences)
        seen = self.target.observed(encoded)
        if seen is not None:
            shape = (-1, *[1] * (encoded.ndim - 1))
            each, encoded = each * seen, np.where(seen.reshape(shape), encoded, 0)
        places = self.target.places(sequences, rows)
        by_target = each[places]
        self.level = self.target.mean_columns(encoded[places], by_target)
        self.is_fitted = True
        if sequences.is_tokens:
            return self._fit_tokens(sequences, rows, encoded, each, left_out=left_out)
        return self._fit_numbers(sequences, rows, encoded, each, left_out=left_out)

    @property
    def _steps(self) -> bool:
        return self.target.by_step

    def _fit_numbers(
        self,
        sequences: Sequences,
        rows: np.ndarray,
        encoded: np.ndarray,
        each: np.ndarray,
        *,
        left_out: bool,
    ) -> dict[bytes, np.ndarray]:
        """Solve ridge regression on summaries, or on the values of each step."""
        sums: NormalEquations | None = None
        for here, features in self._summaries(sequences, rows):
            if sums is None:
                with np.errstate(over="ignore", invalid="ignore"):
                    finite: Any = features
                    if not np.isfinite(features).all():
                        finite = np.ma.masked_invalid(features)
                    self.shift = np.asarray(np.ma.filled(finite.mean(axis=0), 0.0))
                    scale = np.asarray(np.ma.filled(finite.std(axis=0), 0.0))
                self.scale = np.where(np.isfinite(scale) & (scale > 0), scale, 1.0)
                size = features.shape[1]
                dual = 0 if self._steps else min(size, 1000)
                sums = NormalEquations(size, len(self.level), max_rows=dual, n_kept=_LEFT_OUT)
            places = self.target.places(sequences, here)
            names, by_target, sizes = keys(sequences, here), each[places], None
            if self._steps:
                names, sizes = block_keys(names, sequences.lengths[here].tolist())
            # Where there are many labels, those of all rows as columns would fill the memory.
            wanted = self.target.columns(encoded[places])
            sums.add(names, self._standard(features), wanted, by_target, sizes)
        assert sums is not None, "there is at least one row"
        solution = sums.solve(_squared_error)
        self.weight, self.bias = solution.weight, solution.bias
        if not left_out:
            return {}
        stops = np.cumsum([size for _, size in solution.keys])[:-1]
        parts = np.split(solution.levelled, stops)
        return {key: part for (key, _), part in zip(solution.keys, parts, strict=True)}

    def _fit_tokens(
        self,
        sequences: Sequences,
        rows: np.ndarray,
        encoded: np.ndarray,
        each: np.ndarray,
        *,
        left_out: bool,
    ) -> dict[bytes, np.ndarray]:
        """Fit ridge regression on sparse counts."""
        if len(rows) > _MOST_TOKEN_ROWS:
            chosen = np.random.default_rng(0).choice(len(rows), _MOST_TOKEN_ROWS, replace=False)
            rows = np.sort(rows[chosen])
        counts = token_counts(sequences, rows, per_step=self._steps)
        places = self.target.places(sequences, rows)
        by_target = each[places]
        model = Ridge(alpha=1.0, solver="sparse_cg")
        targets = self.target.columns(encoded[places])
        model.fit(counts, targets, sample_weight=by_target)
        self.weight = model.coef_.reshape(targets.shape[1], -1).T
        self.bias = np.atleast_1d(model.intercept_)
        if not left_out or self._steps:
            return {}
        some = np.arange(len(rows))
        if len(rows) > _LEFT_OUT:
            some = np.random.default_rng(0).choice(len(rows), _LEFT_OUT, replace=False)
        found = _left_out(counts[some], targets[some], by_target[some])
        found = at_level_of_all(found, targets[some], by_target[some])
        return {key: found[i : i + 1] for i, key in enumerate(keys(sequences, rows[some]))}

    def predict(self, sequences: Sequences) -> np.ndarray:
        """Return the linear model's outputs, one line a sequence or a step."""
        rows = np.arange(len(sequences))
        if sequences.is_tokens:
            counts = token_counts(sequences, rows, per_step=self._steps)
            return np.asarray(counts @ self.weight + self.bias)
        found = [
            self._standard(features) @ self.weight + self.bias
            for _, features in self._summaries(sequences, rows)
        ]
        return np.concatenate(found)

    def _summaries(
        self, sequences: Sequences, rows: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield rows and their features, counted from the origins."""
        return summary_chunks(sequences, rows, per_step=self._steps, origins=self.origins)

    def _standard(self, features: np.ndarray) -> np.ndarray:
        """Scale features as those of the fit; what is missing is average."""
        return np.nan_to_num((features - self.shift) / self.scale, nan=0.0)


def _left_out(counts: csr_array, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return exact left-out predictions of ridge regression with a penalty of 1 on few rows."""
    share, root = weights / weights.sum(), np.sqrt(weights)[:, None]
    kernel = (counts @ counts.T).toarray()
    kernel -= share @ kernel
    kernel -= (kernel @ share)[:, None]
    inverse = np.linalg.inv(root * kernel * root.T + np.eye(len(kernel)))
    dual = inverse @ (root * (targets - share @ targets))
    complement = np.maximum(np.diag(inverse) - share, 1e-12)[:, None]
    return np.asarray(targets - dual / root / complement)


def _squared_error(left_out: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> float:
    """Return the mean squared error in units of each output's spread."""
    share = weights / weights.sum()
    level = share @ targets
    spread = share @ (targets - level) ** 2
    errors = (left_out - targets) ** 2 / np.where(spread > 0, spread, 1)
    return float(share @ errors.mean(axis=1))


# Numbers that are read at once.
_CHUNK = 2**20
# Numbers that are described at once.
_IN_CACHE = 2**16
_MOST_CATEGORIES = 100


def summary_chunks(
    sequences: Sequences, rows: np.ndarray, *, per_step: bool, origins: Origins = (None, None)
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows, and a line of features for each of them, or for each of their steps.

    A sequence is described by mean, deviation, smallest and largest, first and last value and
    slope of every channel, its length and its static features; a step by its values and the
    static features. What is missing is NaN. Values are counted from the origins of `FlatStorage`.
    """
    reader = RowReader(sequences.values, origins[0])
    offsets = np.asarray(sequences.offsets)
    lengths = np.diff(offsets)
    most = max(1, _CHUNK // sequences.n_channels)
    start = 0
    while start < len(rows):
        stop, steps = start, 0
        while stop < len(rows) and (stop == start or steps + lengths[rows[stop]] <= most):
            steps += int(lengths[rows[stop]])
            stop += 1
        here = rows[start:stop]
        values = np.empty((steps, sequences.n_channels))
        bounds = np.append(0, np.cumsum(lengths[here]))
        reader.read(offsets[here], lengths[here], values, bounds[:-1])
        known = _static(sequences, here, origins[1])
        if per_step:
            known = np.repeat(known, lengths[here], axis=0)
        else:
            values = _summaries(values, bounds)
        yield here, np.concatenate((values, known), axis=1)
        start = stop


def _summaries(values: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Describe each sequence of flat values."""
    starts, lengths = bounds[:-1], np.diff(bounds)
    clock = np.arange(len(values)) - np.repeat(starts + (lengths - 1) / 2, lengths)
    spread = np.maximum(np.add.reduceat(clock**2, starts), 1.0)
    # A few channels at once, each by itself, so that what is worked on stays in the cache.
    wide = max(1, _IN_CACHE // len(values))
    parts = [
        _described(np.ascontiguousarray(values[:, first : first + wide].T), bounds, clock, spread)
        for first in range(0, values.shape[1], wide)
    ]
    described = np.concatenate(parts, axis=1)
    return np.column_stack((described.reshape(-1, len(starts)).T, np.log(lengths)))


def _described(
    values: np.ndarray, bounds: np.ndarray, clock: np.ndarray, spread: np.ndarray
) -> np.ndarray:
    """Describe each sequence of flat channels: (descriptions, channels, sequences)."""
    starts, lengths = bounds[:-1], np.diff(bounds)
    seen, count = ~np.isnan(values), lengths
    whole = bool(seen.all())
    if not whole:
        count = np.add.reduceat(seen, starts, axis=1, dtype=np.int64)

    def known(numbers: np.ndarray) -> np.ndarray:
        return numbers if whole else np.where(seen, numbers, 0.0)

    safe = np.maximum(count, 1)
    mean = np.add.reduceat(known(values), starts, axis=1) / safe
    off = known(values - np.repeat(mean, lengths, axis=1))
    smallest = np.minimum.reduceat(off, starts, axis=1) + mean
    largest = np.maximum.reduceat(off, starts, axis=1) + mean
    slope = np.add.reduceat(clock * off, starts, axis=1) / spread
    deviation = np.sqrt(np.add.reduceat(off * off, starts, axis=1) / safe)
    ends = [
        np.where(np.isnan(values[:, at]), mean, values[:, at]) for at in (starts, bounds[1:] - 1)
    ]
    parts = np.stack((mean, deviation, smallest, largest, *ends, slope))
    return parts if whole else np.where(count > 0, parts, np.nan)


def _static(sequences: Sequences, rows: np.ndarray, origin: np.ndarray | None) -> np.ndarray:
    """Return static features, numbers as they are and categories one-hot."""
    if sequences.static is None:
        return np.empty((len(rows), 0))
    categories = sequences.static_categories or (None,) * sequences.static.shape[1]
    parts = []
    for column, labels in enumerate(categories):
        codes = sequences.static[rows, column]
        if labels is None:
            parts.append((codes if origin is None else codes - origin[column])[:, None])
        else:
            parts.append(
                (codes[:, None] == np.arange(len(labels))[:_MOST_CATEGORIES]).astype(float)
            )
    return np.concatenate(parts, axis=1)


def token_counts(sequences: Sequences, rows: np.ndarray, *, per_step: bool) -> csr_array:
    """Return how often each token occurs in a row, dampened, or which token a step is."""
    reader = RowReader(sequences.values)
    offsets = np.asarray(sequences.offsets)
    lengths = np.diff(offsets)[rows]
    tokens = np.empty((int(lengths.sum()), 1), dtype=np.int64)
    bounds = np.append(0, np.cumsum(lengths))
    reader.read(offsets[rows], lengths, tokens, bounds[:-1])
    if per_step:
        bounds = np.arange(len(tokens) + 1)
    assert sequences.vocabulary_size is not None
    shape = (len(bounds) - 1, sequences.vocabulary_size)
    counts = csr_array((np.ones(len(tokens)), tokens[:, 0], bounds), shape=shape)
    counts.sum_duplicates()
    counts.data = np.log1p(counts.data)
    norms = np.sqrt(np.add.reduceat(counts.data**2, counts.indptr[:-1]))
    counts.data /= np.repeat(norms, np.diff(counts.indptr))
    return counts


# With fewer sequences than these nothing is said, and something only if it is clear the more.
_FEWEST, _MANY = 10, 30
# Of what the worse one gets wrong, the better one has to get at least this part right.
_WORTH_A_WORD = 0.01
NOTHING = "nothing was held out"
#: What a trained network that does worse may do about it.
REMEDY = (
    "Take the simpler model, or cross-validate closed_form='only', a larger max_epochs and another "
    "learning_rate."
)
_WITHOUT = "cell, hidden_size and the like change no prediction while the recurrence has no share"


#: What the closed forms are called.
CLOSED_FORMS: dict[str | None, str] = {"reservoir": "closed form", "ngrams": "n-grams"}


@dataclass(frozen=True)
class Part:
    """One part of a prediction: its share, and what it scores alone, None if that is not known."""

    name: str
    share: float
    score: float | None

    def in_words(self) -> str:
        """Say what it is and what it is worth."""
        alone = "" if self.score is None else f" ({self.score:.3f} alone)"
        return f"{self.share:.2f} {self.name}{alone}"


@dataclass(frozen=True, eq=False)
class Report:
    """A fitted model beside the baselines that it has to beat; ``report_`` of the estimators.

    Attributes
    ----------
    metric : str
        ``"accuracy"`` or ``"R2"``, as in the estimator's ``score``.
    validation : str
        Which sequences they were scored on.
    n_validation : int
        How many sequences, or blocks of steps, that is.
    n_effective : float
        How many of equal weight would be as telling.
    model_score : float or None
        Score of the fitted model; None where nothing was held out.
    trivial_score : float or None
        Score of always predicting the most frequent label, or the mean.
    linear_score : float or None
        Score of ridge regression on simple features: mean, deviation, extremes, ends and slope
        of each channel; counts of tokens; the values of the step, for one target a step.
    trivial_error, linear_error : float or None
        Standard error of the model's score less that of the baseline, on the same sequences.
    verdict : str
        The outcome in words.
    baselines : Baselines or None
        The fitted baselines.
    parts : tuple of Part
        How the prediction is made up: ``name``, ``share`` and ``score`` of the closed form and of
        the recurrence, each alone on what decided the shares.
    """

    metric: str
    validation: str
    n_validation: int = 0
    n_effective: float = 0.0
    model_score: float | None = None
    trivial_score: float | None = None
    linear_score: float | None = None
    trivial_error: float | None = None
    linear_error: float | None = None
    verdict: str = "not known: pass X_val and y_val, or early_stopping=True, or use compare(...)"
    baselines: Baselines | None = None
    parts: tuple[Part, ...] = ()

    def compare(self, model: Any, X: Any, y: Any, sample_weight: Any = None) -> Report:
        """Score a fitted model and the stored baselines on other sequences.

        Parameters
        ----------
        model : estimator
            The estimator that this is the report of.
        X, y : as in `fit`
            Sequences that it was not fitted on.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the sequences.

        Returns
        -------
        report : Report
            With the scores on these sequences.

        Raises
        ------
        ValueError
            If there are no baselines for this kind of target.
        """
        check_is_fitted(model)
        if self.baselines is None:
            raise ValueError("This report has no baselines; see its verdict.")
        sequences = model._read_for_prediction(X)
        y, sample_weight = align_targets(X, y, sample_weight)
        labels = read_y(model, y, sequences)
        weights = check_weights(sample_weight, len(sequences))
        return on_sequences(
            self.baselines, model, sequences, labels, weights, "sequences given to compare"
        )

    @property
    def beaten_by(self) -> str | None:
        """The baseline that does clearly better than the model, if one does."""
        for name, score, error in (
            ("linear", self.linear_score, self.linear_error),
            ("trivial", self.trivial_score, self.trivial_error),
        ):
            if self.model_score is None or score is None or error is None:
                continue
            if _clearly(score, self.model_score, error, self.n_effective):
                return name
        return None

    def __repr__(self) -> str:
        lines = [f"Report: {self._on_what()}"]
        lines += [f"  {name:<24}{score:>8}{more}" for name, score, more in self._lines()]
        lines.append(f"  {self.verdict}")
        if self.parts:
            lines.append(f"  prediction: {self.made_of}")
        if self.without_recurrence:
            lines.append(f"  {_WITHOUT}")
        return "\n".join(lines)

    @property
    def made_of(self) -> str:
        """How the prediction is made up, in words."""
        return " + ".join(part.in_words() for part in self.parts)

    @property
    def without_recurrence(self) -> bool:
        """Whether a recurrence was trained and has no share in the prediction."""
        return any(part.name == "recurrence" and part.share == 0 for part in self.parts)

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        body = "".join(
            f"<tr><th>{escape(name)}</th><td>{score}</td><td>{escape(more)}</td></tr>"
            for name, score, more in self._lines()
        )
        caption = f"<caption>{escape(self._on_what())}</caption>"
        told = [self.verdict]
        if self.parts:
            told.append(f"prediction: {self.made_of}")
        if self.without_recurrence:
            told.append(_WITHOUT)
        return f"<table>{caption}{body}</table>" + "".join(f"<p>{escape(t)}</p>" for t in told)

    def _on_what(self) -> str:
        """Say what was measured on what."""
        if not self.n_validation:
            return self.validation
        return f"{self.metric} on {self.n_validation:,} {self.validation}"

    def _lines(self) -> list[tuple[str, str, str]]:
        """Return names, scores and differences, where there are any."""
        if self.model_score is None:
            return []
        found = [("model", f"{self.model_score:.3f}", "")]
        trivial = "most frequent label" if self.metric == "accuracy" else "mean"
        for name, score, error in (
            ("linear baseline", self.linear_score, self.linear_error),
            (trivial, self.trivial_score, self.trivial_error),
        ):
            if score is not None and error is not None:
                more = f"   model {self.model_score - score:+.3f} +- {error:.3f}"
                found.append((name, f"{score:.3f}", more))
        return found


def empty_report(target: Target, baselines: Baselines | None) -> Report:
    """Return the report of a fit that held nothing out, or of a target without baselines."""
    if baselines is None:
        verdict = "not known: this kind of target has no baselines"
        return Report(target.metric, NOTHING, verdict=verdict)
    return Report(target.metric, NOTHING, baselines=baselines)


def judged(
    baselines: Baselines,
    wanted: np.ndarray,
    model: np.ndarray,
    linear: np.ndarray,
    weights: np.ndarray,
    groups: np.ndarray | None,
    validation: str,
    *,
    left_out_of: float = np.inf,
) -> Report:
    """Compare columns of outputs line by line; lines of a group are one observation.

    ``left_out_of`` is the weight of all of which each was left out in turn. Such predictions come
    at the level of all, as the mean and the most frequent label do; see `at_level_of_all`. They
    err together, since nearly all that they learn from is the same: what is left out of n scatters
    as though it were n / 2 (C. Nadeau and Y. Bengio, "Inference for the generalization error",
    Machine Learning 52, 2003).
    """
    target = baselines.target
    level = np.average(wanted, axis=0, weights=weights)
    spread = np.average((wanted - level) ** 2, axis=0, weights=weights)
    spread = np.where(spread > 0, spread, 1.0)
    trivial = np.broadcast_to(baselines.level, wanted.shape)
    if groups is None:
        groups = np.arange(len(wanted))
    each = np.bincount(groups, weights=weights)

    def grouped(outputs: np.ndarray) -> np.ndarray:
        right = target.agreement(wanted, outputs, spread)
        return np.bincount(groups, weights=weights * right) / np.where(each > 0, each, 1)

    right = [grouped(outputs) for outputs in (model, trivial, linear)]
    scores = [float(np.average(r, weights=each)) for r in right]
    size = each.sum() ** 2 / (each**2).sum()
    errors = []
    for other in right[1:]:
        difference = right[0] - other
        off = difference - np.average(difference, weights=each)
        variance = np.average(off**2, weights=each) / max(size - 1, 1)
        errors.append(float(np.sqrt(variance * (1 + each.sum() / left_out_of))))
    report = Report(
        target.metric,
        validation,
        len(each),
        float(size),
        scores[0],
        scores[1],
        scores[2],
        errors[0],
        errors[1],
        "",
        baselines,
    )
    return replace(report, verdict=_verdict(report))


def on_sequences(
    baselines: Baselines,
    model: Any,
    sequences: Sequences,
    labels: Any,
    weights: np.ndarray | None,
    validation: str,
) -> Report:
    """Compare a fitted model with the baselines on sequences that neither has seen."""
    target = baselines.target
    wanted = target.columns(target.encode(labels, sequences))
    each = np.ones(len(sequences)) if weights is None else weights
    groups = target.spread(np.arange(len(sequences)), sequences)
    each = each[groups]
    seen = target.observed(wanted)
    if seen is not None:
        each, wanted = each * seen, np.where(seen[:, None], wanted, 0.0)
    answers = target.columns_of(np.asarray(model._predict_raw(sequences)))
    return judged(
        baselines, wanted, answers, baselines.predict(sequences), each, groups, validation
    )


def baselines_of(target: Target, origins: Origins) -> Baselines | None:
    """Return unfitted baselines, or None where there are none for the target."""
    return None if target.solved is None else Baselines(target.solved, origins)


def report_of(model: Any, data: FitData, closed: ClosedForm | None) -> Report:
    """Hold a fitted network against the baselines, and say how its prediction is made up."""
    return _with_parts(_compare(model, data, closed), model, data, closed)


def _with_parts(report: Report, model: Any, data: FitData, closed: ClosedForm | None) -> Report:
    """Add the parts of the prediction, with what each scores alone, where that is known."""
    share = float(model.net_.module_.recurrence_share)
    if closed is None or not model._config.recurrent:
        name = "recurrence" if closed is None else CLOSED_FORMS[data.path]
        return replace(report, parts=(Part(name, 1.0, report.model_score),))
    scores: list[float | None] = [None, None]
    if closed.chosen is not None:
        unseen, weighed = closed.chosen
        held_out = data.held_out if data.kept is None else data.pick(data.kept)
        assert held_out is not None, "the share was chosen on one or the other"
        sequences, labels, weights = held_out
        scores = [
            model._target.judge(labels, model._decoded_here(raw), sequences, weights)[0]
            for raw in (unseen.solved, weighed.trained)
        ]
    closed_form = Part(CLOSED_FORMS[data.path], 1.0 - share, scores[0])
    return replace(report, parts=(closed_form, Part("recurrence", share, scores[1])))


def _compare(model: Any, data: FitData, closed: ClosedForm | None) -> Report:
    """Compare on what was held out, or on left-out answers."""
    baselines = baselines_of(model._target, model._origins)
    sequences, weights, kept = data.sequences, data.weights, data.kept
    if baselines is None:
        return empty_report(model._target, None)
    in_training = data.held_out is None or kept is not None
    if closed is not None and closed.by_recording and in_training:
        return _report_on_recordings(baselines, data, closed)
    if closed is not None and closed.left_out and in_training:
        unseen = _unseen(closed, kept)
        solved = data.solved_on
        found = baselines.fit(sequences, solved, data.encoded, weights, left_out=True)
        names = dict(zip(unseen, keys(sequences, np.array(list(unseen))), strict=True))
        both = np.array([row for row, name in names.items() if name in found])
        name = "training sequences, each left out in turn"
        if kept is not None:
            name = "training sequences that the recurrence has not seen"
        return judged(
            baselines,
            baselines.target.columns(data.encoded[both]),
            np.stack([unseen[row] for row in both]),
            np.concatenate([found[names[row]] for row in both]),
            np.ones(len(both)) if weights is None else weights[both],
            None,
            name,
            left_out_of=float(len(solved) if weights is None else weights[solved].sum()),
        )
    baselines.fit(sequences, data.rows, data.encoded, weights)
    if data.held_out is None:
        return empty_report(model._target, baselines)
    name = "sequences of X_val"
    if kept is not None:
        name = "sequences held out for early stopping"
    unseen_sequences, labels, own = data.held_out
    return on_sequences(baselines, model, unseen_sequences, labels, own, name)


def _report_on_recordings(baselines: Baselines, data: FitData, closed: ClosedForm) -> Report:
    """Compare on whole recordings that were held out: a baseline leaves out single rows."""
    kept, weights = data.kept, data.weights
    baselines.fit(data.sequences, data.rows, data.encoded, weights)
    if kept is None or closed.chosen is None:
        return empty_report(baselines.target, baselines)
    assert data.recordings is not None
    unseen = _unseen(closed, kept)
    wanted = baselines.target.columns(data.encoded)
    each = np.ones(len(wanted)) if weights is None else weights
    mass = float(each[data.solved_on].sum())
    # The cuts of a recording are one observation. All that is known of the level is used, as
    # by the closed form: few recordings are seldom those of the others' level.
    baselines.level = np.average(wanted[data.solved_on], axis=0, weights=each[data.solved_on])
    linear = at_level_of_all(
        baselines.predict(data.sequences[kept]),
        wanted[kept],
        each[kept],
        np.zeros(len(kept), dtype=int),
        mass,
    )
    numbers = data.recordings[np.searchsorted(data.solved_on, kept)]
    return judged(
        baselines,
        wanted[kept],
        np.stack([unseen[row] for row in kept.tolist()]),
        linear,
        each[kept],
        np.unique(numbers, return_inverse=True)[1],
        "recordings that the recurrence has not seen",
        left_out_of=mass,
    )


def _unseen(closed: ClosedForm, kept: np.ndarray | None) -> dict[int, np.ndarray]:
    """Return outputs for rows of which each path has learned nothing, by row."""
    if kept is not None and closed.chosen is not None:
        raw = dict(zip(kept.tolist(), closed.chosen[1].raw, strict=True))
    else:
        raw = closed.left_out
    head = closed.network.head
    return {row: closed.target.from_raw(values, head) for row, values in raw.items()}


def warn_of_baseline(report: Report, name: str, remedy: str) -> None:
    """Warn when a baseline does clearly better."""
    which = report.beaten_by
    if which is None:
        return
    score = report.linear_score if which == "linear" else report.trivial_score
    what = (
        "a linear model of simple features"
        if which == "linear"
        else "predicting the most frequent label"
        if report.metric == "accuracy"
        else "predicting the mean"
    )
    warn(
        f"{name} reaches {report.metric} {report.model_score:.3f} on {report.n_validation:,} "
        f"{report.validation}, and {what} reaches {score:.3f}, which is clearly better. {remedy} "
        "See report_.",
        BaselineWarning,
    )


def _clearly(better: float, worse: float, error: float, n: float) -> bool:
    """Tell whether a difference of scores is beyond noise, and worth a word."""
    strictness = 2.0 * max(1.0, np.sqrt(_MANY / max(n, 1)))
    smallest = _WORTH_A_WORD * (1.0 - worse) + 1e-9
    return n >= _FEWEST and better - worse > max(strictness * error, smallest)


def _verdict(report: Report) -> str:
    """Say in words how the model stands."""
    assert report.model_score is not None and report.linear_score is not None
    assert report.trivial_score is not None
    worse = report.beaten_by
    if worse is not None:
        name = "the linear baseline" if worse == "linear" else "a prediction that ignores X"
        return f"clearly worse than {name}"
    n = report.n_effective
    if n < _FEWEST:
        return f"not known: {report.n_validation} are too few to tell"
    linear = _clearly(report.model_score, report.linear_score, report.linear_error or 0.0, n)
    trivial = _clearly(report.model_score, report.trivial_score, report.trivial_error or 0.0, n)
    if linear and trivial:
        return "clearly better than the linear baseline"
    if trivial:
        return "as good as the linear baseline, within the noise"
    if report.model_score - report.trivial_score > 2.0 * (report.trivial_error or 0.0):
        return (
            f"better than a prediction that ignores X, but {report.n_validation} are few to tell by"
        )
    return "no better than a prediction that ignores X, within the noise"
