"""Ridge regression with exact leave-one-out predictions for many penalties; imports NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ._blas import one_blas_thread

PENALTIES = np.logspace(-2, 6, 17)
# A feature that varies less than this over the training set carries rounding, not information.
SMALLEST_SCALE = 1e-4


@dataclass(frozen=True)
class RidgeSolution:
    """A solved readout.

    Attributes
    ----------
    weight : ndarray of shape (n_features, n_targets)
        Coefficients of the features as given.
    bias : ndarray of shape (n_targets,)
        Intercepts.
    penalty : float
        The chosen penalty, on standardised features.
    left_out : ndarray of shape (n_samples, n_targets)
        What each sample is predicted to be by a readout solved without it.
    levelled : ndarray of shape (n_samples, n_targets)
        The same at the level of all samples, see :func:`at_level_of_all`.
    """

    weight: np.ndarray
    bias: np.ndarray
    penalty: float
    left_out: np.ndarray
    levelled: np.ndarray


def at_level_of_all(
    left_out: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    groups: np.ndarray | None = None,
    mass: float | None = None,
) -> np.ndarray:
    """Return left-out predictions as though the mean of all targets had been known.

    The targets of the others are off their mean to the other side of what is left out. Where
    nothing can be learned, a prediction is their mean, so that of two classes of the same size it
    would always be the wrong one. What is left out has a share in the mean of all by its weight,
    and the same share of its residual is what the mean without it is off by: none where the
    features tell all.

    Parameters
    ----------
    left_out, targets : ndarray of shape (n_samples, n_targets)
        Predictions of samples by readouts solved without them, and what they should be.
    weights : ndarray of shape (n_samples,)
        Their weights.
    groups : ndarray of int of shape (n_samples,), default=None
        Samples of the same number were left out together. None means each by itself.
    mass : float, default=None
        The weight of all that the readout is solved on. None means the sum of `weights`.
    """
    mass = weights.sum() if mass is None else mass
    residuals = targets - left_out
    if groups is None:
        return np.asarray(left_out + (weights / mass)[:, None] * residuals)
    sums = [np.bincount(groups, weights=weights * column)[groups] for column in residuals.T]
    return np.asarray(left_out + np.stack(sums, axis=1) / mass)


class RidgeProblem:
    """Ridge regression on blocks of features, to be solved more than once.

    The features are standardised. Solutions that weigh the blocks differently share the blocks'
    Gram matrices of samples.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features)
        Finite numbers.
    targets : ndarray of shape (n_samples, n_targets)
        Finite numbers.
    blocks : sequence of int, default=None
        Sizes of the blocks of features, in their order; None makes one of all.
    weights : ndarray of shape (n_samples,), default=None
        Positive weights of the samples.
    groups : ndarray of int of shape (n_samples,), default=None
        Samples of a group are copies with the same features, counted 0, 1, ...; they are left out
        together. A sample given twice is then the same as one of twice the weight, and a copy
        does not tell the answer of the one that is left out.
    apart : ndarray of int of shape (n_samples,), default=None
        Samples with the same number, of one recording for instance, are left out together too:
        what is left out is not all but known from what remains.
    """

    @one_blas_thread()
    def __init__(
        self,
        features: np.ndarray,
        targets: np.ndarray,
        *,
        blocks: Sequence[int] | None = None,
        weights: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        apart: np.ndarray | None = None,
    ) -> None:
        self.groups = np.arange(len(features)) if groups is None else groups
        heavy = np.ones(len(features)) if weights is None else weights
        each = np.bincount(self.groups, weights=heavy)
        targets = np.asarray(targets, dtype=np.float64)
        summed = [np.bincount(self.groups, weights=heavy * column) for column in targets.T]
        self.targets = np.stack(summed, axis=1) / each[:, None]
        _, first = np.unique(self.groups, return_index=True)
        self.features = features if len(first) == len(features) else features[first]
        self.apart = None if apart is None else apart[first]
        self.each = each * (len(each) / each.sum())
        self.root = np.sqrt(self.each)[:, None]
        self.level = np.average(self.targets, axis=0, weights=self.each)
        ends = np.cumsum([features.shape[1]] if blocks is None else blocks)
        self.blocks = [slice(int(a), int(b)) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
        scaled = [self._standard(block) for block in self.blocks]
        self.centre = np.concatenate([centre for _, centre, _ in scaled])
        self.scale = np.concatenate([scale for _, _, scale in scaled])
        self.grams = [standard @ standard.T for standard, _, _ in scaled]

    def _standard(self, block: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a block standardised and times the root weights, its centre, and its scale."""
        values = np.array(self.features[:, block], dtype=np.float64)
        share = self.each / self.each.sum()
        centre = share @ values
        # In place: these are the largest numbers that a fit holds.
        values -= centre
        values *= self.root
        scale = np.sqrt(np.einsum("ij,ij->j", values, values) / self.each.sum())
        scale = np.where(scale <= SMALLEST_SCALE, np.inf, scale)
        values /= scale
        return values, centre, scale

    @one_blas_thread()
    def solve(
        self,
        criterion: Callable[[np.ndarray], float],
        *,
        emphasis: Sequence[float] | None = None,
        penalties: np.ndarray = PENALTIES,
        judged: np.ndarray | None = None,
    ) -> RidgeSolution:
        """Solve at the penalty whose left-out predictions do best.

        All penalties share one eigendecomposition, and the left-out predictions are exact for the
        standardised features: leaving samples out changes their predictions by their residuals
        over their leverage's complement.

        Parameters
        ----------
        criterion : callable
            Takes left-out predictions (n_samples, n_targets) and returns what is to be small.
            Those of the judged samples alone, if there are some.
        emphasis : sequence of float, default=None
            Factor of the standardised features of each block: the larger, the less their
            coefficients are penalised; 0 leaves a block out.
        penalties : ndarray, default=PENALTIES
            Candidates; on a tie the first is taken.
        judged : ndarray of int, default=None
            The samples whose left-out predictions choose the penalty; None means all. With `apart`
            it has to be None.

        Returns
        -------
        RidgeSolution
            The readout and its left-out predictions.
        """
        factors = np.ones(len(self.blocks)) if emphasis is None else np.asarray(emphasis, float)
        gram = sum(f**2 * g for f, g in zip(factors, self.grams, strict=True) if f)
        # The intercept is not penalised: its direction, the root weights, is to leave the problem.
        # All is centred, so that nothing else is there; a value among the others sets it apart.
        ones = self.root / np.linalg.norm(self.root)
        apart_by = max(float(np.trace(gram)) / len(gram), 1.0)
        values, vectors = np.linalg.eigh(gram + apart_by * (ones @ ones.T))
        values = np.clip(values, 0.0, None)
        projected = vectors.T @ (self.root * (self.targets - self.level))
        some = None if judged is None else self.groups[judged]

        def solved(penalty: float, rows: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
            """Return the dual solution and the left-out predictions, of some rows or all."""
            inverse = 1.0 / (values + penalty)
            here = slice(None) if rows is None else rows
            intercept = ones[here] / np.sqrt(apart_by + penalty)
            dual = (vectors[here] * inverse) @ projected
            residuals = self._residuals(vectors[here], inverse, dual, intercept)
            return dual, self.targets[here] - residuals / self.root[here]

        best: tuple[float, float, np.ndarray, np.ndarray] | None = None
        for penalty in penalties:
            dual, left_out = solved(penalty, some)
            value = criterion(left_out[self.groups] if some is None else left_out)
            if best is None or value < best[0]:
                best = (value, float(penalty), dual, left_out)
        assert best is not None, "there is at least one penalty"
        _, penalty, dual, left_out = best
        if some is not None:
            dual, left_out = solved(penalty, None)
        coefficients = np.zeros((len(self.scale), dual.shape[1]))
        for factor, block in zip(factors, self.blocks, strict=True):
            if factor:
                standard, _, scale = self._standard(block)
                coefficients[block] = factor**2 * (standard.T @ dual) / scale[:, None]
        bias = self.level - self.centre @ coefficients
        apart = None if self.apart is None else np.unique(self.apart, return_inverse=True)[1]
        levelled = at_level_of_all(left_out, self.targets, self.each, apart)
        return RidgeSolution(
            coefficients, bias, penalty, left_out[self.groups], levelled[self.groups]
        )

    def _residuals(
        self, vectors: np.ndarray, inverse: np.ndarray, dual: np.ndarray, intercept: np.ndarray
    ) -> np.ndarray:
        """Return what left-out predictions are off by, times the root weights."""
        if self.apart is None:
            diagonal = ((vectors**2) * inverse).sum(axis=1)[:, None] - intercept**2
            return dual / np.maximum(diagonal, 1e-15 * diagonal.max() + 1e-300)
        found = np.empty_like(dual)
        for number in np.unique(self.apart):
            own = np.flatnonzero(self.apart == number)
            block = (vectors[own] * inverse) @ vectors[own].T
            block -= intercept[own] @ intercept[own].T
            found[own] = np.linalg.lstsq(block, dual[own], rcond=1e-12)[0]
        return found


def solve_ridge(
    features: np.ndarray,
    targets: np.ndarray,
    criterion: Callable[[np.ndarray], float],
    *,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    penalties: np.ndarray = PENALTIES,
) -> RidgeSolution:
    """Solve ridge regression once; parameters as for :class:`RidgeProblem` and its ``solve``."""
    problem = RidgeProblem(features, targets, weights=weights, groups=groups)
    return problem.solve(criterion, penalties=penalties)
