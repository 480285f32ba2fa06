"""Ridge regression with exact left-out predictions for many penalties: of rows, or of sums.

Sums are added to in any order; while there are few samples their features are kept. Imports NumPy
and SciPy.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.linalg.blas import dsyrk
from scipy.linalg.lapack import dpotri

from ._device import one_blas_thread

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


# All penalties share an eigendecomposition up to this size; above, each has a Cholesky factor.
_EIGEN_SIZE = 1200
# With Cholesky factors, penalties are tried at every fourth, then between.
_STRIDE = 4
# Samples that are added to the sums of products at once.
_FOLDED = 512


@dataclass(frozen=True)
class RidgeReadout:
    """A readout solved from sums.

    Attributes
    ----------
    weight : ndarray of shape (n_features, n_targets)
        Coefficients of the features as given.
    bias : ndarray of shape (n_targets,)
        Intercepts.
    alpha : float
        The penalty, on standardised features.
    left_out : ndarray of shape (n_kept, n_targets)
        What the kept samples are predicted to be by a readout solved without them (without their
        block, where samples come in blocks).
    levelled : ndarray of shape (n_kept, n_targets)
        The same at the level of all samples, see `at_level_of_all`.
    targets : ndarray of shape (n_kept, n_targets)
        Their mean targets.
    weights : ndarray of shape (n_kept,)
        Their weights.
    keys : list of (bytes, int)
        Whose they are, block by block, and how many samples each block has.
    """

    weight: np.ndarray
    bias: np.ndarray
    alpha: float
    left_out: np.ndarray
    levelled: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    keys: list[tuple[bytes, int]]


@dataclass(frozen=True)
class Sums:
    """What is summed over the samples, about an origin, and what waits to be summed.

    Attributes
    ----------
    mass : float
        Of weights.
    x, y, xy : ndarray
        Of features, targets and their products.
    products : ndarray of shape (n_features, n_features) or None
        Of products of features, the lower half.
    waiting : tuple of (features, targets, weights)
        Large sums are added to with many samples at once.
    """

    mass: float
    x: np.ndarray
    y: np.ndarray
    xy: np.ndarray
    products: np.ndarray | None = None
    waiting: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...] = ()


Criterion = Callable[[np.ndarray, np.ndarray, np.ndarray], float]


class NormalEquations:
    """The sums that ridge regression needs, and samples to leave out.

    Parameters
    ----------
    n_features, n_targets : int
        Sizes.
    max_rows : int
        Up to this many distinct blocks, their features are kept and no sums of products.
    n_kept : int, default=2000
        Above that, about this many samples are kept for left-out predictions: those of the blocks
        with the smallest keys, which are a random choice that no order changes.
    """

    def __init__(
        self, n_features: int, n_targets: int, *, max_rows: int, n_kept: int = 2000
    ) -> None:
        self.max_rows, self.n_kept = max_rows, n_kept
        self.n_features = n_features
        # Key -> features (t, p), weighted targets (t, k), weights (t,).
        self.blocks: dict[bytes, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        self.last_key: bytes | None = None
        self.origin = np.zeros(n_features)
        self.sums = Sums(
            0.0, np.zeros(n_features), np.zeros(n_targets), np.zeros((n_features, n_targets))
        )
        # Whether nobody else holds the products, so that they can be added to in place.
        self._owned = True

    @property
    def products(self) -> np.ndarray | None:
        """Sums of products, as far as they have been added up; None while features are kept."""
        return self.sums.products

    def add(
        self,
        keys: list[bytes],
        features: np.ndarray,
        targets: np.ndarray,
        weights: np.ndarray,
        sizes: np.ndarray | None = None,
    ) -> None:
        """Add samples.

        Parameters
        ----------
        keys : list of bytes
            One for each block; blocks of the same key are copies with the same features, and are
            left out together.
        features : ndarray of shape (n_samples, n_features)
            Finite numbers.
        targets : ndarray of shape (n_samples, n_targets)
            Finite numbers.
        weights : ndarray of shape (n_samples,)
            Their weights. A block that has none is not kept.
        sizes : ndarray of int, default=None
            Samples of each block, which are left out together. None means one.
        """
        if self.products is not None:
            self._sum(features, targets, weights)
        stops = np.cumsum(np.ones(len(keys), dtype=int) if sizes is None else sizes)
        weighted = weights[:, None] * targets
        start = 0
        for key, stop in zip(keys, stops.tolist(), strict=True):
            here = slice(start, stop)
            start = stop
            known = self.blocks.get(key)
            if known is not None:
                summed = known[1] + weighted[here]
                self.blocks[key] = (known[0], summed, known[2] + weights[here])
            elif weights[here].any() and (self.last_key is None or key <= self.last_key):
                # Copies: what is dropped later must not keep the rest.
                mine = features[here].copy(), weighted[here].copy(), weights[here].copy()
                self.blocks[key] = mine
        if self.products is None and len(self.blocks) > self.max_rows:
            self._start_summing()
        elif self.products is not None and len(self.blocks) > 2 * self.n_kept:
            self._drop()

    def copy(self) -> NormalEquations:
        """Return sums that can be added to, while these stay as they are."""
        self._owned = False
        other = copy.copy(self)
        other.blocks = dict(self.blocks)
        return other

    def _start_summing(self) -> None:
        """Turn kept rows into sums of products."""
        blocks = list(self.blocks.values())
        self.origin = np.mean(np.concatenate([f for f, _, _ in blocks[:500]]), axis=0)
        shape = self.n_features, self.n_features
        self.sums = replace(self.sums, products=np.zeros(shape, order="F"))
        self._owned = True
        for start in range(0, len(blocks), _FOLDED):
            part = blocks[start : start + _FOLDED]
            weights = np.concatenate([w for _, _, w in part])
            targets = _means(np.concatenate([t for _, t, _ in part]), weights)
            self._sum(np.concatenate([f for f, _, _ in part]), targets, weights)
        self._drop()

    def _sum(self, features: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> None:
        """Add to the sums of products, once there is enough to add."""
        waiting = (*self.sums.waiting, (features, targets, weights))
        self.sums = replace(self.sums, waiting=waiting)
        if sum(len(w) for _, _, w in waiting) >= _FOLDED:
            self.sums, self._owned = self._folded(in_place=self._owned), True

    @one_blas_thread()
    def _folded(self, *, in_place: bool = False) -> Sums:
        """Return the sums with what waits added: large ones are changed only where they may be."""
        sums = self.sums
        assert sums.products is not None
        if not sums.waiting:
            return sums
        features, targets, weights = map(np.concatenate, zip(*sums.waiting, strict=True))
        shifted = features - self.origin
        sum_x = sums.x + weights @ shifted
        sum_xy = sums.xy + shifted.T @ (weights[:, None] * targets)
        shifted *= np.sqrt(weights)[:, None]
        return Sums(
            sums.mass + float(weights.sum()),
            sum_x,
            sums.y + weights @ targets,
            sum_xy,
            dsyrk(1.0, shifted.T, beta=1.0, c=sums.products, lower=1, overwrite_c=in_place),
        )

    def _drop(self) -> None:
        """Keep the blocks with the smallest keys, until there are enough samples."""
        order, total = sorted(self.blocks), 0
        kept: list[bytes] = []
        for key in order:
            size = len(self.blocks[key][2])
            if total + size > self.n_kept and kept:
                break
            kept.append(key)
            total += size
        if len(kept) < len(order):
            self.last_key = kept[-1]
            self.blocks = {key: self.blocks[key] for key in kept}

    @one_blas_thread()
    def solve(
        self,
        criterion: Criterion,
        *,
        alpha: float | np.ndarray | None = None,
        emphasis: np.ndarray | None = None,
    ) -> RidgeReadout:
        """Solve, at a given penalty or at the one whose left-out predictions do best.

        Parameters
        ----------
        criterion : callable
            Takes left-out predictions, targets and weights of the kept samples and returns what
            is to be small.
        alpha : float or ndarray, default=None
            The penalty, or candidates, on standardised features and weights as given. None takes
            `PENALTIES` as candidates, for samples of mean weight 1.
        emphasis : ndarray of shape (n_features,), default=None
            Factor of each standardised feature: the larger, the less its coefficient is penalised.
        """
        if self.products is not None:
            self._drop()
        order = sorted(self.blocks)
        blocks = [self.blocks[key] for key in order]
        features = np.concatenate([f for f, _, _ in blocks])
        weights = np.concatenate([w for _, _, w in blocks])
        targets = _means(np.concatenate([t for _, t, _ in blocks]), weights)
        sizes = np.array([len(w) for _, _, w in blocks])
        form: _Dual | _Primal
        if self.products is None:
            assert (sizes == 1).all() or self.max_rows == 0, "rows are kept one a block"
            form = _Dual(features, targets, weights, emphasis)
        else:
            # What waits goes on waiting, so that solving in between changes no later digit.
            folded = self._folded()
            if folded is self.sums:
                folded = replace(folded, products=self.products.copy(order="F"))
            form = _Primal(folded, self.origin, features, targets, weights, sizes, emphasis)
        given = PENALTIES * weights.mean() if alpha is None else np.atleast_1d(alpha)
        candidates = np.sort(np.asarray(given, dtype=np.float64)).tolist()
        best: tuple[float, float, np.ndarray, np.ndarray] | None = None
        # An eigendecomposition serves all penalties; Cholesky factors cost one each.
        stride = 1 if form.values is not None else min(_STRIDE, max(1, len(candidates) // 4))
        for value, candidate, solved, left_out in _search(
            candidates, stride, form.solve, lambda p: criterion(p, targets, weights)
        ):
            if best is None or (value, candidate) < best[:2]:
                best = (value, candidate, solved, left_out)
        assert best is not None, "there is at least one penalty"
        _, chosen, solved, left_out = best
        coefficients = form.coefficients(solved)
        bias = form.level - form.centre @ coefficients
        keys = list(zip(order, sizes.tolist(), strict=True))
        block = np.repeat(np.arange(len(sizes)), sizes)
        mass = form.mass if isinstance(form, _Primal) else None
        levelled = at_level_of_all(left_out, targets, weights, block, mass)
        return RidgeReadout(
            coefficients, bias, float(chosen), left_out, levelled, targets, weights, keys
        )


def _means(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Divide weighted sums by their weights; what has no weight gets zero."""
    return sums / np.where(weights > 0, weights, 1.0)[:, None]


def _search(
    candidates: list[float],
    stride: int,
    solve: Callable[[float], tuple[np.ndarray, np.ndarray]],
    judge: Callable[[np.ndarray], float],
) -> Iterator[tuple[float, float, np.ndarray, np.ndarray]]:
    """Try penalties from coarse to fine: first this many apart, then around the best of them."""
    values: dict[int, float] = {}
    wanted = list(range(0, len(candidates), stride))
    while True:
        for index in wanted:
            solved, left_out = solve(candidates[index])
            values[index] = judge(left_out)
            yield values[index], candidates[index], solved, left_out
        if stride == 1:
            return
        stride = max(1, stride // 2)
        best = min(values, key=lambda i: (values[i], i))
        wanted = [i for i in (best - stride, best + stride) if 0 <= i < len(candidates)]
        wanted = [i for i in wanted if i not in values]


def _factors(variance: np.ndarray, emphasis: np.ndarray | None) -> np.ndarray:
    """Return what each centred feature is multiplied by; what hardly varies is left out."""
    scale = np.sqrt(np.clip(variance, 0, None))
    factors = np.where(scale > SMALLEST_SCALE, 1 / np.where(scale > 0, scale, 1.0), 0.0)
    return factors if emphasis is None else factors * emphasis


def _smallest_penalty(gram: np.ndarray) -> float:
    """Return the penalty below which rounding in a Gram matrix decides, and not the penalty."""
    return float(np.finfo(np.float64).eps * np.trace(gram))


def _solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve; where some samples outweigh all others nothing is known without them."""
    try:
        return np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(matrix, right, rcond=1e-12)[0])


class _Dual:
    """One unknown a sample: for fewer samples than features."""

    def __init__(
        self,
        features: np.ndarray,
        targets: np.ndarray,
        weights: np.ndarray,
        emphasis: np.ndarray | None,
    ) -> None:
        self.root = np.sqrt(weights)[:, None]
        self.share = weights / weights.sum()
        self.centre = self.share @ features
        self.level = self.share @ targets
        self.standard = features - self.centre
        self.factors = _factors(self.share @ self.standard**2, emphasis)
        self.standard *= self.factors
        self.standard *= self.root
        self.targets = targets
        self.wanted = self.root * (targets - self.level)
        self.gram = self.standard @ self.standard.T
        self.values: np.ndarray | None = None
        if len(self.gram) <= _EIGEN_SIZE:
            values, self.vectors = np.linalg.eigh(self.gram)
            self.values = np.clip(values, 0, None)
            self.projected = self.vectors.T @ self.wanted

    def solve(self, alpha: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the dual solution and the left-out predictions."""
        alpha = max(alpha, _smallest_penalty(self.gram))
        if self.values is not None:
            inverse = 1 / (self.values + alpha)
            dual = (self.vectors * inverse) @ self.projected
            diagonal = (self.vectors**2) @ inverse
        else:
            gram = self.gram.copy()
            gram.flat[:: len(gram) + 1] += alpha
            factor = cholesky(gram, lower=True, overwrite_a=True, check_finite=False)
            dual = cho_solve((factor, True), self.wanted, check_finite=False)
            diagonal = np.diag(dpotri(factor, lower=1, overwrite_c=1)[0])
        # Leverage and its complement add up to one, and the intercept has its share of the former.
        complement = np.maximum(alpha * diagonal - self.share, 1e-12)[:, None]
        left_out = self.targets - alpha * dual / self.root / complement
        return dual, left_out

    def coefficients(self, dual: np.ndarray) -> np.ndarray:
        """Return coefficients of the features as given."""
        return (self.standard.T @ dual) * self.factors[:, None]


class _Primal:
    """One unknown a feature, from sums of products, with kept samples to leave out.

    The products are changed in place.
    """

    def __init__(
        self,
        sums: Sums,
        origin: np.ndarray,
        features: np.ndarray,
        targets: np.ndarray,
        weights: np.ndarray,
        sizes: np.ndarray,
        emphasis: np.ndarray | None,
    ) -> None:
        assert sums.products is not None
        self.mass, self.weights, self.targets = sums.mass, weights, targets
        mean = sums.x / sums.mass
        self.centre = origin + mean
        self.level = sums.y / sums.mass
        self.gram = sums.products
        for column in range(len(mean)):
            self.gram[column:, column] -= sums.mass * mean[column] * mean[column:]
        self.factors = _factors(np.diag(self.gram) / sums.mass, emphasis)
        self.gram *= self.factors
        self.gram *= self.factors[:, None]
        self.right = (sums.xy - np.outer(mean, sums.y)) * self.factors[:, None]
        self.kept = (features - self.centre) * self.factors
        self.bounds = np.append(0, np.cumsum(sizes))
        self.values: np.ndarray | None = None
        if len(mean) <= _EIGEN_SIZE:
            values, vectors = np.linalg.eigh(self.gram)
            self.values = np.clip(values, 0, None)
            self.vectors, self.projected = vectors, vectors.T @ self.right
            self.rotated = self.kept @ vectors
            self.squares = self.rotated**2

    def solve(self, alpha: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the coefficients of standardised features and the left-out predictions."""
        alpha = max(alpha, _smallest_penalty(self.gram))
        alone = len(self.bounds) == len(self.targets) + 1
        if self.values is not None:
            inverse = 1 / (self.values + alpha)
            solved = self.vectors @ (inverse[:, None] * self.projected)
            size = self.squares @ inverse
            half = self.rotated if alone else self.rotated * np.sqrt(inverse)
        else:
            gram = self.gram.copy(order="F")
            gram.flat[:: len(gram) + 1] += alpha
            factor = cholesky(gram, lower=True, overwrite_a=True, check_finite=False)
            solved = cho_solve((factor, True), self.right, check_finite=False)
            half = solve_triangular(factor, self.kept.T, lower=True, check_finite=False).T
            size = (half**2).sum(axis=1)
        residual = self.targets - (self.kept @ solved + self.level)
        if alone:
            leverage = self.weights * (size + 1 / self.mass)
            complement = np.maximum(1 - leverage, 1e-12)[:, None]
            return solved, self.targets - residual / complement
        left_out = np.empty_like(self.targets)
        for start, stop in zip(self.bounds[:-1], self.bounds[1:], strict=True):
            here = slice(start, stop)
            hat = (half[here] @ half[here].T + 1 / self.mass) * self.weights[here]
            without = _solved(np.eye(stop - start) - hat, residual[here])
            left_out[here] = self.targets[here] - without
        return solved, left_out

    def coefficients(self, solved: np.ndarray) -> np.ndarray:
        """Return coefficients of the features as given."""
        return solved * self.factors[:, None]
