"""The network of a forecaster: a linear path, a recurrence beside it, and heads of distributions.

Imports torch and the parts of this room.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import special, stats
from torch import Tensor, nn
from torch.nn import functional as F

from ._cells import initialise
from ._masking import Dropout
from ._recurrence import Recurrence

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


# Normalised inputs beyond this are outliers that would only saturate the gates.
_CLIP = 8.0


class ForecastInput(NamedTuple):
    """A batch of B windows over K targets, W steps back and H ahead.

    Attributes
    ----------
    z : Tensor of shape (B, K, W)
        Normalised targets, zero where masked.
    mask : Tensor of shape (B, K, W)
        One where a value was observed.
    extra : Tensor of shape (B, K, E)
        What else is known of each target at the cut, in the same units.
    known : Tensor of shape (B, W + H, D)
        Covariates known ahead, of the window and of the horizon.
    past : Tensor of shape (B, W, P)
        Covariates of the past.
    static : Tensor of shape (B, S)
        Covariates of the series.
    """

    z: Tensor
    mask: Tensor
    extra: Tensor
    known: Tensor
    past: Tensor
    static: Tensor


@dataclass(frozen=True)
class ForecastNetworkConfig:
    """Plain values that describe a :class:`ForecastNetwork`.

    Parameters
    ----------
    window, horizon : int
        Steps back and ahead.
    recent : int, default=None
        Steps of the window that the recurrence reads, the last; None means all.
    n_targets : int, default=1
        Targets that one window holds.
    n_extra, n_known, n_past, n_static : int, default=0
        Sizes of the other parts of :class:`ForecastInput`.
    season : int, default=1
        Steps of a season, over which covariates are centred.
    decoder : {"segment", "direct", "recursive"}, default="segment"
        See :class:`ForecastNetwork`.
    segment_length : int, default=1
        Steps that ``"segment"`` reads at once.
    cell : str or type, default="gru"
        See :func:`make_layer`.
    hidden_size : int, default=64
        Units of a layer.
    num_layers : int, default=1
        Layers of the recurrence.
    dropout : float, default=0.0
        Between layers, and before the output.
    recurrent : bool, default=True
        False leaves the linear path alone.
    distribution : str, default="quantile"
        See :func:`make_forecast_head`.
    levels : sequence of float, default=(0.05, 0.1, 0.5, 0.9, 0.95)
        Quantiles that are learned.
    n_components : int, default=3
        Of a mixture.
    """

    window: int
    horizon: int
    recent: int | None = None
    n_targets: int = 1
    n_extra: int = 0
    n_known: int = 0
    n_past: int = 0
    n_static: int = 0
    season: int = 1
    decoder: str = "segment"
    segment_length: int = 1
    cell: Any = "gru"
    hidden_size: int = 64
    num_layers: int = 1
    dropout: float = 0.0
    recurrent: bool = True
    distribution: str = "quantile"
    levels: Sequence[float] = (0.05, 0.1, 0.5, 0.9, 0.95)
    n_components: int = 3


class LinearPath(nn.Module):
    """A linear map from window, extra numbers and covariates to the horizon.

    Covariates known ahead act on the same step: window and horizon are first freed of what they
    explain, and it is added back to the forecast (regression with correlated errors).

    Parameters
    ----------
    config : ForecastNetworkConfig
    """

    def __init__(self, config: ForecastNetworkConfig) -> None:
        super().__init__()
        self.window, self.season = config.window, min(config.season, config.window)
        self.map = nn.Linear(config.window + config.n_extra, config.horizon)
        self.effect = nn.Linear(config.n_known, 1, bias=False) if config.n_known else None
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, inputs: ForecastInput) -> Tensor:
        """Return locations (B, K, H)."""
        z = inputs.z
        ahead: Tensor | float = 0.0
        if self.effect is not None:
            effect = self.effect(inputs.known)[:, None, :, 0]
            behind = effect[..., : self.window]
            level = behind[..., -self.season :].mean(-1, keepdim=True)
            z = z - (behind - level) * inputs.mask
            ahead = effect[..., self.window :] - level
        result: Tensor = self.map(torch.cat((z, inputs.extra), -1)) + ahead
        return result


class ForecastNetwork(nn.Module):
    """Forecast a horizon from a window: a linear path, and beside it a recurrence.

    Parameters
    ----------
    config : ForecastNetworkConfig
        ``decoder="segment"`` cuts the window into segments, recurs over those and maps the last
        state to all steps of the horizon at once; ``"direct"`` recurs over single steps and does
        the same; ``"recursive"`` recurs over single steps and goes on through the horizon, fed
        with what came before (teacher forcing in training, samples in :meth:`sample`).

    Attributes
    ----------
    head : ForecastHead
    linear : LinearPath
        Trained with the rest.
    closed : LinearPath
        The solution in closed form, kept as it was set.
    share : Tensor of shape ()
        Of what was trained in the location; the rest is the closed form's.

    Notes
    -----
    The layers that map states to forecasts start at zero: before the first step of training the
    network is its linear path. Segment recurrence: Lin et al., SegRNN, 2023; recursion with
    sampled paths: Salinas et al., DeepAR, 2020.
    """

    share: Tensor

    def __init__(self, config: ForecastNetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.head: ForecastHead = make_forecast_head(
            config.distribution, config.levels, config.n_components
        )
        self.linear, self.closed = LinearPath(config), LinearPath(config)
        self.closed.requires_grad_(False)
        self.register_buffer("share", torch.ones(()))
        self.spread = nn.Parameter(torch.zeros(config.horizon, self.head.n_raw - 1))
        n_future = config.n_known
        self.skipped = 0 if config.recent is None else config.window - config.recent
        k, hidden = config.n_targets, config.hidden_size
        n_step = 2 * k + config.n_known + config.n_past
        self.context_size = k * config.n_extra + config.n_static
        self.recurrence: Recurrence | None = None
        if not config.recurrent:
            return
        if config.decoder == "segment":
            self.embed = nn.Linear(config.segment_length * n_step, hidden)
            n_input = hidden
        elif config.decoder == "direct":
            n_input = n_step
        elif config.decoder == "recursive":
            n_input = n_step - config.n_past + self.context_size
        else:
            raise ValueError(
                f"decoder must be one of 'segment', 'direct', 'recursive'; got {config.decoder!r}."
            )
        self.recurrence = Recurrence(
            n_input,
            hidden,
            cell=config.cell,
            num_layers=config.num_layers,
            dropout=config.dropout,
        )
        self.dropout = Dropout(config.dropout)
        n_raw = k * self.head.n_raw
        if config.decoder == "recursive":
            self.output = nn.Linear(hidden, n_raw)
            return
        self.context = nn.Linear(hidden + self.context_size, hidden)
        self.output = nn.Linear(hidden, config.horizon * n_raw)
        if n_future:
            self.future = nn.Linear(hidden + n_future, hidden)
            self.future_output = nn.Linear(hidden, n_raw)

    def members(self) -> list[ForecastNetwork]:
        """Return the networks that are trained side by side: this one."""
        return [self]

    def start(self, generator: torch.Generator) -> None:
        """Draw the first weights; what leads to the forecasts is zero, the linear paths stay.

        Parameters
        ----------
        generator : torch.Generator
        """
        for name, module in self.named_children():
            if name not in ("linear", "closed", "head"):
                initialise(module, generator)
        for layer in (getattr(self, "output", None), getattr(self, "future_output", None)):
            if layer is not None:
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, inputs: ForecastInput, target: Tensor | None = None) -> Tensor:
        """Return raw numbers of each future step.

        Parameters
        ----------
        inputs : ForecastInput
        target : Tensor of shape (B, K, H), default=None
            Normalised targets that the recursive decoder is taught with.

        Returns
        -------
        Tensor of shape (B, K, H, n_raw)
        """
        location = self.linear(inputs)
        spread = self.spread.expand(*location.shape, -1)
        raw = torch.cat((location[..., None], spread), -1)
        if self.recurrence is None:
            return raw
        if self.config.decoder == "recursive":
            if target is None:
                raise ValueError("The recursive decoder learns from targets, and samples without.")
            return raw + self._taught(inputs, target)
        return raw + self._decoded(inputs)

    def blended(self, inputs: ForecastInput, raw: Tensor) -> Tensor:
        """Move the location from what was trained towards the closed form, by `share`.

        Parameters
        ----------
        inputs : ForecastInput
        raw : Tensor of shape (B, K, H, n_raw)
            What `forward` returned.

        Returns
        -------
        Tensor of shape (B, K, H, n_raw)
        """
        location = self.share * raw[..., 0] + (1 - self.share) * self.closed(inputs)
        return torch.cat((location[..., None], raw[..., 1:]), -1)

    def _steps(self, inputs: ForecastInput) -> Tensor:
        """Lay the window out as steps (B, W, channels)."""
        recent = slice(self.skipped, self.config.window)
        parts = [inputs.z[..., recent].clamp(-_CLIP, _CLIP), inputs.mask[..., recent]]
        steps = torch.cat(parts, 1).transpose(1, 2)
        return torch.cat((steps, inputs.known[:, recent], inputs.past[:, recent]), 2)

    def _context(self, inputs: ForecastInput) -> Tensor:
        """Return what is known beside the window (B, context_size)."""
        return torch.cat((inputs.extra.clamp(-_CLIP, _CLIP).flatten(1), inputs.static), 1)

    def _decoded(self, inputs: ForecastInput) -> Tensor:
        """Map the last state to the whole horizon."""
        assert self.recurrence is not None
        config = self.config
        steps = self._steps(inputs)
        if config.decoder == "segment":
            length = config.segment_length
            lack = -steps.shape[1] % length
            steps = F.pad(steps, (0, 0, lack, 0))
            steps = F.relu(self.embed(steps.reshape(len(steps), -1, length * steps.shape[2])))
        state = self.recurrence(steps).final
        state = torch.cat((state, self._context(inputs)), 1)
        state = self.dropout(F.relu(self.context(state)))
        shape = (len(state), config.horizon, config.n_targets, self.head.n_raw)
        raw: Tensor = self.output(state).reshape(shape)
        if config.n_known:
            # The state is the same at every step of the horizon: it is multiplied once.
            of_state, of_future = self.future.weight.split((state.shape[1], config.n_known), 1)
            hidden = F.linear(inputs.known[:, config.window :], of_future)
            hidden = hidden + F.linear(state, of_state, self.future.bias)[:, None]
            raw = raw + self.future_output(F.relu(hidden)).reshape(shape)
        return raw.transpose(1, 2)

    def _taught(self, inputs: ForecastInput, target: Tensor) -> Tensor:
        """Run over window and horizon, each step fed with the one before."""
        assert self.recurrence is not None
        config = self.config
        z = torch.cat((inputs.z, target), 2)[:, :, :-1].clamp(-_CLIP, _CLIP)
        mask = torch.cat((inputs.mask, torch.ones_like(target)), 2)[:, :, :-1]
        steps = torch.cat((z, mask), 1).transpose(1, 2)
        steps = self._fed(steps[:, self.skipped :], inputs, 1 + self.skipped)
        output = self.recurrence(steps).output[:, -config.horizon :]
        shape = (*output.shape[:2], config.n_targets, self.head.n_raw)
        raw: Tensor = self.output(self.dropout(output)).reshape(shape)
        return raw.transpose(1, 2)

    def _fed(self, steps: Tensor, inputs: ForecastInput, first: int) -> Tensor:
        """Append covariates from step `first` on, and the context, to steps (B, T, 2 K)."""
        context = self._context(inputs)[:, None].expand(-1, steps.shape[1], -1)
        known = inputs.known[:, first : first + steps.shape[1]]
        return torch.cat((steps, known, context), 2)

    @torch.no_grad()
    def sample(
        self,
        inputs: ForecastInput,
        level: Tensor,
        scale: Tensor,
        generator: torch.Generator,
        n_paths: int = 1,
    ) -> Tensor:
        """Draw paths for each row with the recursive decoder; the window is read once.

        Parameters
        ----------
        inputs : ForecastInput
        level, scale : Tensor of shape (B, K)
            What the windows were normalised by.
        generator : torch.Generator
            On the CPU.
        n_paths : int, default=1

        Returns
        -------
        Tensor of shape (n_paths, B, K, H)
            Normalised.
        """
        assert self.recurrence is not None
        config = self.config
        location = self.linear(inputs) * self.share + self.closed(inputs) * (1 - self.share)
        steps = torch.cat((inputs.z.clamp(-_CLIP, _CLIP), inputs.mask), 1).transpose(1, 2)
        steps = self._fed(steps[:, self.skipped :], inputs, 1 + self.skipped)
        first = self.recurrence(steps, return_state=True)
        paths = []
        for _ in range(n_paths):
            found, path = first, []
            for step in range(config.horizon):
                shape = (len(steps), config.n_targets, self.head.n_raw)
                added = self.output(found.output[:, -1]).reshape(shape)
                spread = self.spread[step].expand(*shape[:2], -1)
                raw = torch.cat((location[:, :, step, None], spread), -1)
                raw = raw + torch.cat((added[..., :1] * self.share, added[..., 1:]), -1)
                value = self.head.sample(raw, generator, level, scale)
                path.append(value)
                if step + 1 < config.horizon:
                    fed = torch.cat((value.clamp(-_CLIP, _CLIP), torch.ones_like(value)), 1)
                    fed = self._fed(fed[:, None], inputs, config.window + step + 1)
                    found = self.recurrence(fed, state=found.state)
            paths.append(torch.stack(path, 2))
        return torch.stack(paths)
