"""Heads of forecasting networks: distribution of each future step, loss and quantiles.

Imports torch, and SciPy for the quantile functions that torch lacks. The first raw number of a step
is always the location, in the units of the normalised window.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from scipy import special, stats
from torch import Tensor, nn
from torch.nn import functional as F

# The smallest spread, in units of the window's: keeps likelihoods finite on constant series.
_FLOOR = 1e-3


class ForecastHead(nn.Module):
    """What turns the raw numbers of a future step into a distribution.

    Attributes
    ----------
    n_raw : int
        Raw numbers a step; the first is the location.
    likelihood : bool
        Whether the loss is a likelihood, which needs no weight for the scale of a series.
    needs_counts : bool
        Whether `level` and `scale` have to be those of counts, not of transformed values.
    """

    n_raw: int
    likelihood = True
    needs_counts = False

    @abstractmethod
    def initial(self, spread: float) -> list[float]:
        """Return the raw numbers that stand for errors of this standard deviation."""

    @abstractmethod
    def loss(
        self,
        raw: Tensor,
        target: Tensor,
        level: Tensor,
        scale: Tensor,
        steps: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of each step.

        Parameters
        ----------
        raw : Tensor of shape (B, ..., n_raw)
        target : Tensor of shape (B, ...)
            Normalised by `level` and `scale`, which broadcast against it.
        level, scale : Tensor
        steps : Tensor of int, default=None
            Steps of the horizon, the last axis, that the spread is learned from; None means all.
            A head may take it for a hint.

        Returns
        -------
        Tensor of shape (B, ...)
        """

    @abstractmethod
    def quantiles(
        self, raw: np.ndarray, levels: Sequence[float], level: np.ndarray, scale: np.ndarray
    ) -> np.ndarray:
        """Return normalised quantiles (B, ..., len(levels)), which do not cross."""

    def point(self, raw: np.ndarray, level: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Return the normalised point forecast: the location."""
        return raw[..., 0]

    def sample(
        self, raw: Tensor, generator: torch.Generator, level: Tensor, scale: Tensor
    ) -> Tensor:
        """Draw one normalised value a step by inverting the quantile function.

        All rows share their luck, so that none depends on which others are in the batch.
        """
        luck = torch.rand(raw.shape[1:-1], generator=generator).numpy() * 98
        numbers, levels, scales = (part.cpu().numpy() for part in (raw, level, scale))
        drawn = np.empty(raw.shape[:-1])
        for place in np.ndindex(luck.shape):  # a target each, whose rows share their luck
            here = (slice(None), *place)
            low = min(int(luck[place]), 97)
            grid = [(low + 1) / 100, (low + 2) / 100]
            ends = self.quantiles(numbers[here], grid, levels[here], scales[here])
            drawn[here] = ends[:, 0] + (luck[place] - low) * (ends[:, 1] - ends[:, 0])
        return torch.from_numpy(drawn).to(raw)


class QuantileForecastHead(ForecastHead):
    """Quantiles that cannot cross: a median, and steps up and down from it that are positive.

    A step of the horizon has a median and two widths, one downwards and one upwards; how the
    levels between are spaced is learned once. The loss is the absolute error of the median plus
    the mean pinball loss of the others, which leaves the median alone.

    Parameters
    ----------
    levels : sequence of float
        Rising, in (0, 1), with 0.5 among them.
    """

    likelihood = False
    n_raw = 3

    def __init__(self, levels: Sequence[float]) -> None:
        super().__init__()
        levels = [float(level) for level in levels]
        if 0.5 not in levels or sorted(set(levels)) != levels or not 0 < levels[0] < levels[-1] < 1:
            raise ValueError(f"levels must rise within (0, 1) and hold 0.5; got {levels!r}.")
        self.levels = levels
        self.n_low = levels.index(0.5)
        normal = special.ndtri(np.asarray(levels))
        self.steps = nn.Parameter(torch.from_numpy(np.log(np.diff(normal))).float())

    def initial(self, spread: float) -> list[float]:
        return [0.0, math.log(max(spread, 1e-4)), math.log(max(spread, 1e-4))]

    def all_quantiles(self, raw: Tensor) -> Tensor:
        """Return the quantiles at the head's own levels (..., n_levels)."""
        steps = self.steps.to(raw.dtype).exp()
        low = steps[: self.n_low].flip(0).cumsum(0).flip(0)
        high = steps[self.n_low :].cumsum(0)
        width = raw[..., 1:].clamp(-9, 5).exp()
        centre = raw[..., :1]
        return torch.cat(
            (centre - width[..., :1] * low, centre, centre + width[..., 1:] * high), -1
        )

    def loss(
        self,
        raw: Tensor,
        target: Tensor,
        level: Tensor,
        scale: Tensor,
        steps: Tensor | None = None,
    ) -> Tensor:
        error = (target - raw[..., 0]).abs()
        if steps is None:
            return error + self._pinball(raw, target)
        # Each step that was drawn stands for those that were not.
        pinball = self._pinball(raw[..., steps, :], target[..., steps])
        return error.index_add(-1, steps, pinball * (error.shape[-1] / len(steps)))

    def _pinball(self, raw: Tensor, target: Tensor) -> Tensor:
        """Return twice the mean pinball loss of the levels; the median is taken as it is."""
        found = self.all_quantiles(torch.cat((raw[..., :1].detach(), raw[..., 1:]), -1))
        miss = target[..., None] - found
        levels = torch.tensor(self.levels, dtype=raw.dtype, device=raw.device)
        # max(q e, (q - 1) e) = (q - 1/2) e + |e| / 2, summed over the levels.
        return 2 / len(self.levels) * (miss @ (levels - 0.5) + 0.5 * miss.abs().sum(-1))

    def quantiles(
        self, raw: np.ndarray, levels: Sequence[float], level: np.ndarray, scale: np.ndarray
    ) -> np.ndarray:
        with torch.inference_mode():
            own = self.all_quantiles(torch.from_numpy(np.ascontiguousarray(raw))).numpy()
        return interpolate_quantiles(own, self.levels, levels)


class NormalForecastHead(ForecastHead):
    """A normal distribution; negative log-likelihood."""

    n_raw = 2

    def initial(self, spread: float) -> list[float]:
        return [0.0, math.log(math.expm1(max(spread, 1e-4)))]

    def loss(
        self,
        raw: Tensor,
        target: Tensor,
        level: Tensor,
        scale: Tensor,
        steps: Tensor | None = None,
    ) -> Tensor:
        spread = F.softplus(raw[..., 1]) + _FLOOR
        return 0.5 * ((target - raw[..., 0]) / spread).square() + spread.log()

    def quantiles(
        self, raw: np.ndarray, levels: Sequence[float], level: np.ndarray, scale: np.ndarray
    ) -> np.ndarray:
        spread = np.logaddexp(0, raw[..., 1:2]) + _FLOOR
        return raw[..., :1] + spread * special.ndtri(np.asarray(levels))


class StudentTForecastHead(ForecastHead):
    """Student's t with learned degrees of freedom above two; negative log-likelihood."""

    n_raw = 3

    def initial(self, spread: float) -> list[float]:
        return [0.0, math.log(math.expm1(max(0.8 * spread, 1e-4))), 3.0]

    def loss(
        self,
        raw: Tensor,
        target: Tensor,
        level: Tensor,
        scale: Tensor,
        steps: Tensor | None = None,
    ) -> Tensor:
        spread = F.softplus(raw[..., 1]) + _FLOOR
        freedom = F.softplus(raw[..., 2]) + 2.0
        standard = ((target - raw[..., 0]) / spread).square()
        return (
            torch.lgamma(freedom / 2)
            - torch.lgamma((freedom + 1) / 2)
            + 0.5 * (freedom * math.pi).log()
            + spread.log()
            + (freedom + 1) / 2 * torch.log1p(standard / freedom)
        )

    def quantiles(
        self, raw: np.ndarray, levels: Sequence[float], level: np.ndarray, scale: np.ndarray
    ) -> np.ndarray:
        spread = np.logaddexp(0, raw[..., 1:2]) + _FLOOR
        freedom = np.logaddexp(0, raw[..., 2:3].astype(np.float64)) + 2.0
        return raw[..., :1] + spread * special.stdtrit(freedom, np.asarray(levels))


class NegativeBinomialForecastHead(ForecastHead):
    """A negative binomial of counts; negative log-likelihood in the user's units.

    The location is that of the normalised window; its mean in counts is kept positive. The
    variance is ``mean + dispersion * mean ** 2``.
    """

    n_raw = 2
    needs_counts = True

    def initial(self, spread: float) -> list[float]:
        return [0.0, math.log(math.expm1(0.3))]

    @staticmethod
    def _mean(location: Tensor, level: Tensor, scale: Tensor) -> Tensor:
        """Bring the location to counts, bending smoothly before zero."""
        soft = scale.clamp(min=1e-3)
        return F.softplus((level + scale * location) / soft) * soft + 1e-4

    def loss(
        self,
        raw: Tensor,
        target: Tensor,
        level: Tensor,
        scale: Tensor,
        steps: Tensor | None = None,
    ) -> Tensor:
        mean = self._mean(raw[..., 0], level, scale)
        size = 1 / (F.softplus(raw[..., 1]) + 1e-3)
        count = (level + scale * target).clamp(min=0)
        return (
            torch.lgamma(size)
            + torch.lgamma(count + 1)
            - torch.lgamma(count + size)
            + (size + count) * (size + mean).log()
            - size * size.log()
            - count * mean.log()
        )

    def _size_and_share(
        self, raw: np.ndarray, level: np.ndarray, scale: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return size and probability as SciPy has them."""
        mean = self._mean(
            *(torch.from_numpy(np.array(v, dtype=np.float64)) for v in (raw[..., 0], level, scale))
        ).numpy()
        size = 1 / (np.logaddexp(0, raw[..., 1].astype(np.float64)) + 1e-3)
        return size, size / (size + mean)

    def quantiles(
        self, raw: np.ndarray, levels: Sequence[float], level: np.ndarray, scale: np.ndarray
    ) -> np.ndarray:
        size, share = self._size_and_share(raw, level, scale)
        counts = stats.nbinom.ppf(np.asarray(levels), size[..., None], share[..., None])
        return (counts - level[..., None]) / scale[..., None]

    def point(self, raw: np.ndarray, level: np.ndarray, scale: np.ndarray) -> np.ndarray:
        size, share = self._size_and_share(raw, level, scale)
        return (size * (1 - share) / share - level) / scale


class MixtureForecastHead(ForecastHead):
    """A mixture of normal distributions around the location; negative log-likelihood.

    Parameters
    ----------
    n_components : int, default=3
    """

    def __init__(self, n_components: int = 3) -> None:
        super().__init__()
        if n_components < 1:
            raise ValueError(f"n_components must be at least 1; got {n_components!r}.")
        self.n_components = n_components
        self.n_raw = 1 + 3 * n_components

    def initial(self, spread: float) -> list[float]:
        k = self.n_components
        offsets = [spread * (2 * i / (k - 1) - 1) * 0.7 if k > 1 else 0.0 for i in range(k)]
        return [0.0, *[0.0] * k, *offsets, *[math.log(math.expm1(max(0.8 * spread, 1e-4)))] * k]

    def _parts(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Split into log weights, centres and spreads of the components."""
        weight, offset, spread = raw[..., 1:].split(self.n_components, -1)
        return weight.log_softmax(-1), raw[..., :1] + offset, F.softplus(spread) + _FLOOR

    def loss(
        self,
        raw: Tensor,
        target: Tensor,
        level: Tensor,
        scale: Tensor,
        steps: Tensor | None = None,
    ) -> Tensor:
        weight, centre, spread = self._parts(raw)
        standard = (target[..., None] - centre) / spread
        return -torch.logsumexp(weight - 0.5 * standard.square() - spread.log(), -1)

    def quantiles(
        self, raw: np.ndarray, levels: Sequence[float], level: np.ndarray, scale: np.ndarray
    ) -> np.ndarray:
        parts = self._parts(torch.from_numpy(np.asarray(raw, dtype=np.float64)))
        weight, centre, spread = (part.numpy()[..., None, :] for part in parts)
        wanted = np.asarray(levels)
        low = np.broadcast_to((centre - 9 * spread).min(-1), (*raw.shape[:-1], len(wanted))).copy()
        high = np.broadcast_to((centre + 9 * spread).max(-1), low.shape).copy()
        for _ in range(40):
            middle = (low + high) / 2
            below = (np.exp(weight) * special.ndtr((middle[..., None] - centre) / spread)).sum(-1)
            low = np.where(below < wanted, middle, low)
            high = np.where(below < wanted, high, middle)
        return (low + high) / 2

    def point(self, raw: np.ndarray, level: np.ndarray, scale: np.ndarray) -> np.ndarray:
        return self.quantiles(raw, [0.5], level, scale)[..., 0]


def interpolate_quantiles(
    values: np.ndarray, levels: Sequence[float], wanted: Sequence[float]
) -> np.ndarray:
    """Interpolate quantiles (..., n_levels) between levels, on the normal distribution's scale.

    Beyond the outermost levels the line through the last two goes on, so that order is kept.

    Parameters
    ----------
    values : ndarray of shape (..., n_levels)
    levels : sequence of float
        Rising.
    wanted : sequence of float

    Returns
    -------
    ndarray of shape (..., len(wanted))
    """
    have, want = special.ndtri(np.asarray(levels)), special.ndtri(np.asarray(wanted))
    right = np.clip(np.searchsorted(have, want), 1, len(have) - 1)
    share = (want - have[right - 1]) / (have[right] - have[right - 1])
    exact = np.isclose(share, np.round(share))
    share = np.where(exact, np.round(share), share)
    with np.errstate(over="ignore", invalid="ignore"):  # of a network that has diverged
        return values[..., right - 1] * (1 - share) + values[..., right] * share


def make_forecast_head(
    distribution: str, levels: Sequence[float], n_components: int = 3
) -> ForecastHead:
    """Make the head of a distribution.

    Parameters
    ----------
    distribution : {"quantile", "normal", "student_t", "negative_binomial", "mixture"}
    levels : sequence of float
        Of the quantile head.
    n_components : int, default=3
        Of the mixture.

    Returns
    -------
    ForecastHead
    """
    if distribution == "quantile":
        return QuantileForecastHead(levels)
    if distribution == "mixture":
        return MixtureForecastHead(n_components)
    simple: dict[str, type[ForecastHead]] = {
        "normal": NormalForecastHead,
        "student_t": StudentTForecastHead,
        "negative_binomial": NegativeBinomialForecastHead,
    }
    if distribution not in simple:
        names = ", ".join(map(repr, ("quantile", *simple, "mixture")))
        raise ValueError(f"distribution must be one of {names}; got {distribution!r}.")
    return simple[distribution]()
