"""The forecasting model behind the estimator: panels in, forecasts out; no frames, no time stamps.

Imports torch, nn, the training room and the parts of this room.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..nn import ForecastNetwork
from ..training import (
    Compute,
    EpochRecord,
    SequenceNet,
    copied_history,
    cpu_threads,
    load_weights,
    one_blas_thread,
    seeded_globals,
    train,
)
from ._calibration import Calibration, continued, extended, ordered, proven, shortened, widened
from ._closed_form import (
    ENOUGH,
    MOST_SOLVED,
    Choice,
    LinearMap,
    averaged,
    batches,
    choose,
    closed_forms,
    effects_until,
    first_cut,
    left_out,
    priors,
    scale_ratio,
    validation_windows,
)
from ._dataset import ForecastData, Forecasts, kept_tail
from ._lanes import Design, Effects, make_lanes
from ._options import LEVELS, ForecastOptions, network_config, training_budget
from ._panel import Panel
from ._training import WindowDataset, begin_from, network_net

# Before the tail is asked, the share is zero, as sure as if this many forecasts had said so.
_SHARE_BEFORE, _SHARE_DOUBT = 0.0, 4.0
_MOST_WINDOWS = 2_000_000
_PREDICT_BATCH = 2048


class ForecastModel:
    """Networks for a panel, chosen and calibrated on its tail.

    Parameters
    ----------
    options : ForecastOptions

    Attributes
    ----------
    report_ : dict
        What the validation tail said: ``window``, ``transform``, ``penalty``, ``share``,
        ``scaled_error`` of the forecast and of the closed form, and ``coverage`` of the 90 %
        interval before and after calibration.
    history_ : list of EpochRecord
    effects_ : Effects or None
        Of covariates that are known ahead, in the networks trained last.
    validation_ : tuple of ndarray, ndarray and Forecasts, or None
        Series, cuts and forecasts of the tail, by the model that did not see it.
    """

    def __init__(self, options: ForecastOptions) -> None:
        self.options = options
        self.networks_: list[ForecastNetwork] = []
        self.earlier_: list[ForecastNetwork] = []  # of an earlier fit, to begin with
        self.callbacks: Any = None
        self.net_: SequenceNet

    # Fitting.

    @cpu_threads(1)
    def fit(
        self,
        panel: Panel,
        *,
        weights: np.ndarray | None = None,
        validation_horizon: int | None = None,
        seed: int = 0,
        compute: Compute | None = None,
        n_threads: int = 1,
        on_epoch: Callable[[EpochRecord], object] | None = None,
    ) -> ForecastModel:
        """Fit on a panel.

        Parameters
        ----------
        panel : Panel
        weights : ndarray of shape (n_series,), default=None
            Of the series in the loss.
        validation_horizon : int, default=None
            Last rows of each series that are held out to choose and calibrate; None is one
            horizon, or more where the panel is small and its series are long.
        seed : int, default=0
        compute : Compute, default=None
            None is the CPU.
        n_threads : int, default=1
        on_epoch : callable, default=None
            Called with an `EpochRecord` after each epoch; training ends early if it returns True.
            Epochs are counted through all networks that are trained; `n_epochs_` says how many.

        Returns
        -------
        ForecastModel
        """
        self.compute = compute or Compute(torch.device("cpu"))
        self.n_threads = n_threads
        self.history_: list[EpochRecord] = []
        self.n_made_ = 0
        self.design_ = Design(panel)
        self.season_ = max(1, int(panel.season_length))
        self.calibration_: Calibration | None = None
        self.effects_: Effects | None = None
        self.validation_: tuple[np.ndarray, np.ndarray, Forecasts] | None = None
        design = self.design_(panel)
        with cpu_threads(n_threads), one_blas_thread():
            choice = choose(panel, design, self.options, validation_horizon, weights)
        self.choice_ = choice
        self.report_: dict[str, Any] = choice.report()
        share = 1.0
        if choice.validated and (self.trains or self.options.calibrate):
            data = self._data(panel, design, choice, until=choice.until)
            network = self._network(data, choice, weights, seed, on_epoch)
            with cpu_threads(n_threads), one_blas_thread():
                share = self._validate(network, data, panel, choice, weights)
            if not self.options.refit:
                self.networks_ = [network]
        elif self.trains:
            share = _SHARE_BEFORE if self.options.linear else 1.0
        if not self.networks_ or self.options.refit:
            self.n_made_ = 0
            data = self._data(panel, design, choice, until=None)
            self.networks_ = [
                self._network(data, choice, weights, seed + 1 + index, on_epoch)
                for index in range(max(1, self.options.n_estimators if self.trains else 1))
            ]
        for network in self.networks_:
            network.share.fill_(share)
        return self

    @property
    def trains(self) -> bool:
        """Whether anything is trained by gradient."""
        return self.options.trains

    def _data(
        self, panel: Panel, design: Design, choice: Choice, until: np.ndarray | None
    ) -> ForecastData:
        """Make the windows of a panel; statistics come from rows before `until`."""
        effects = choice.effects
        if effects is not None and until is None:
            plain = make_lanes(panel, choice.transform, seasonality=False)
            effects = effects_until(plain, panel, design, np.diff(panel.offsets))
        self.effects_ = effects
        lanes = make_lanes(
            panel, choice.transform, seasonality=choice.seasonality, limit=until,
            effects=effects, known=design.known,
        )  # fmt: skip
        return ForecastData(
            lanes,
            design,
            panel.offsets,
            choice.window,
            self.options.horizon,
            mixed=self.options.channels == "mixed",
            until=until,
            device=self.compute.device,
        )

    def _network(
        self,
        data: ForecastData,
        choice: Choice,
        weights: np.ndarray | None,
        seed: int,
        on_epoch: Callable[[EpochRecord], object] | None,
    ) -> ForecastNetwork:
        """Solve and train one network."""
        options = self.options
        config = network_config(options, data, self.season_, choice.recent)
        with seeded_globals(seed):
            network = ForecastNetwork(config)
        network.start(torch.Generator().manual_seed(seed))
        first = first_cut(choice.recent, self.season_)
        windows = data.windows(first, full=False, most=_MOST_WINDOWS, seed=seed)
        spread = np.ones(options.horizon)
        if options.linear:
            with cpu_threads(self.n_threads), one_blas_thread():
                (solution,), spread = self._solve(data, choice, weights, seed)
            solution.put(network.linear)
            solution.put(network.closed)
        else:
            network.linear.requires_grad_(False)
        with torch.no_grad():
            initial = [network.head.initial(float(s))[1:] for s in spread]
            network.spread.copy_(torch.tensor(initial))
        network.to(self.compute.device)
        size, used, epochs = training_budget(options, len(windows[0]), data.n_units)
        if self.trains and len(windows[0]):
            epochs = begin_from(network, self.earlier_, epochs, seed)
        net = network_net(network, options, epochs, self.compute)
        if self.trains and len(windows[0]):
            train(
                net,
                WindowDataset(
                    data,
                    windows,
                    batch_size=size,
                    windows_an_epoch=used,
                    seed=seed,
                    weights=weights,
                ),
                net.run_.recipe,
                seed=seed,
                n_threads=self.n_threads,
                on_epoch=lambda record: self._note(record, on_epoch, network),
                guard_globals=isinstance(options.cell, type),
                callbacks=self.callbacks,
            )
        # That of the first of the last networks stays.
        self.net_ = net if self.n_made_ == 0 else self.net_
        self.n_made_ += 1
        return network.eval()

    def _solve(
        self,
        data: ForecastData,
        choice: Choice,
        weights: np.ndarray | None,
        seed: int,
        rows: tuple[Tensor, Tensor] | None = None,
        parts: Sequence[np.ndarray] = (),
    ) -> tuple[list[LinearMap], np.ndarray]:
        """Solve the linear paths that were chosen and average them; return their spread too.

        From all windows, or `rows`, then from each of some parts of `rows`.
        """
        spread = np.zeros(data.horizon)
        maps: list[list[tuple[LinearMap, int, float]]] = [[] for _ in range(1 + len(parts))]
        for window in sorted({candidate.window for candidate in choice.candidates}):
            part = data.with_window(window)
            first = first_cut(window, self.season_)
            some = list(parts)
            if rows is None:
                unit, cut = part.windows(first, full=True, most=MOST_SOLVED, seed=seed)
            else:
                late = rows[1] >= first
                unit, cut = (ends[late] for ends in rows)
                some = [one[late.numpy()] for one in parts]
            forms, simple = closed_forms(part, unit, cut, weights, some), priors(part)
            wider = scale_ratio(part, data, unit, cut)
            here = [candidate for candidate in choice.candidates if candidate.window == window]
            wanted = {(candidate.prior, candidate.penalty) for candidate in here}
            for form, found in zip(forms, maps, strict=True):
                solved = form.solve(simple, wanted)
                for candidate in here:
                    solution = solved[candidate.prior, candidate.penalty]
                    solution = replace(solution, bias=candidate.drift * solution.bias)
                    # The bias is in units of the window's own spread.
                    moved = replace(solution, bias=solution.bias * wider)
                    found.append((moved, window, candidate.weight))
                    if form is forms[0]:
                        spread += candidate.weight * form.spread(solution)
        return [averaged(found, data.window) for found in maps], spread

    def _note(
        self,
        record: EpochRecord,
        on_epoch: Callable[[EpochRecord], object] | None,
        network: ForecastNetwork,
    ) -> object:
        """Keep an epoch's record, counted through all networks."""
        self.history_.append(replace(record, epoch=len(self.history_) + 1))
        self._in_training = network
        try:
            return on_epoch(self.history_[-1]) if on_epoch is not None else None
        finally:
            del self._in_training

    def as_of_now(self) -> ForecastModel:
        """Return, within `on_epoch`, the model as if training ended with this epoch."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        network = copy.deepcopy(other.__dict__.pop("_in_training")).eval()
        network.share.fill_(self.report_.get("share", 1.0))
        other.networks_ = [network]
        return other

    def _validate(
        self,
        network: ForecastNetwork,
        data: ForecastData,
        panel: Panel,
        choice: Choice,
        weights: np.ndarray | None,
    ) -> float:
        """Choose the share of what was trained, and calibrate, on the tail."""
        unit, cut = validation_windows(data, choice)
        truth, scale = choice.truth(data, panel, unit, cut)
        full = self._run([network], data, unit, cut, share=1.0)
        share = 1.0
        if self.trains and self.options.linear:
            closed = self._run([network], data, unit, cut, share=0.0)
            best = _best_share(truth, full.point, closed.point, scale)
            n = choice.n_independent
            share = (n * best + _SHARE_DOUBT * _SHARE_BEFORE) / (n + _SHARE_DOUBT)
            self.report_ |= {
                "share": share,
                "scaled_error_closed_form": _scaled_error(truth, closed.point, scale),
                "scaled_error_trained": _scaled_error(truth, full.point, scale),
            }
        found = self._run([network], data, unit, cut, share=share)
        self.validation_ = kept_tail(data, unit, cut, found)
        self.report_["scaled_error"] = _scaled_error(truth, found.point, scale)
        if self.options.calibrate:
            known, forecasts = [truth], [found]
            if choice.n_independent < ENOUGH and self.options.linear and not data.mixed:
                for true, one in self._left_out(network, data, panel, choice, weights):
                    known.append(true)
                    forecasts.append(one)
            point = np.concatenate([one.point for one in forecasts])
            quantiles = np.concatenate([one.quantiles for one in forecasts])
            n = choice.n_independent * len(known)
            self.calibration_, self.report_["coverage_before"], self.report_["coverage"] = proven(
                np.concatenate(known), point, quantiles, found.levels, n
            )
        return share

    def _left_out(
        self,
        network: ForecastNetwork,
        data: ForecastData,
        panel: Panel,
        choice: Choice,
        weights: np.ndarray | None,
    ) -> Iterator[tuple[np.ndarray, Forecasts]]:
        """Yield blocks of the history and their forecasts by closed forms that were not told."""
        other = copy.deepcopy(network)
        first = first_cut(choice.recent, self.season_)
        shortest = min(candidate.window for candidate in choice.candidates)
        rows = data.windows(first, full=True, most=MOST_SOLVED, seed=0)
        blocks = left_out(data, *rows, shortest, choice.stride)
        if not blocks:
            return
        solved, _ = self._solve(data, choice, weights, 0, rows, [apart for apart, _ in blocks])
        for solution, (_, tried) in zip(solved[1:], blocks, strict=True):
            solution.put(other.closed)
            truth, _ = choice.truth(data, panel, *tried)
            yield truth, self._run([other], data, *tried, share=0.0)

    # Forecasting.

    def predict(
        self,
        panel: Panel,
        horizon: int,
        future_known: np.ndarray | None = None,
        *,
        origins: tuple[np.ndarray, np.ndarray] | None = None,
        limit: np.ndarray | None = None,
        seed: int = 0,
    ) -> Forecasts:
        """Forecast from the end of each series, or from given origins.

        Beyond the trained horizon the point forecasts are taken for history and the networks run
        again; the spread of each further block adds to what the block before ended with.

        Parameters
        ----------
        panel : Panel
            With the columns of the one in `fit`; its series may be others.
        horizon : int
        future_known : ndarray of shape (n, horizon, Ck), default=None
            Known covariates after each series' end.
        origins : tuple of ndarray of int, default=None
            Series index and number of rows seen, for each forecast; statistics of a series come
            from the rows before its first origin, or before its limit.
        limit : ndarray of int of shape (n_series,), default=None
            Number of rows of each series that its statistics come from; set, forecasts do not
            depend on what other origins are asked for.
        seed : int, default=0
            Of sampled paths.

        Returns
        -------
        Forecasts
        """
        lengths = np.diff(panel.offsets)
        if origins is None:
            series, cut = np.arange(len(lengths)), lengths
        else:
            series, cut = (np.asarray(part, dtype=np.int64) for part in origins)
        if limit is None:
            limit = lengths.copy()
            np.minimum.at(limit, series, cut)
        step = self.options.horizon
        n_targets = panel.values.shape[1]
        levels = tuple(LEVELS)
        point = np.empty((len(series), horizon, n_targets))
        quantiles = np.empty((len(series), horizon, n_targets, len(levels)))
        panel = extended(panel, step * -(-horizon // step), future_known)
        wide: np.ndarray | None = None
        networks = self._exact(self.networks_)
        with cpu_threads(self.n_threads):
            for begin in range(0, horizon, step):
                if begin:
                    # Each origin becomes a series of its own that has seen its forecasts.
                    panel, series, cut = continued(
                        panel, series, cut, point[:, begin - step : begin]
                    )
                    limit = cut.copy()
                here = panel
                if begin or origins is None:
                    here = shortened(panel, cut + step)
                found = self._forecast(networks, here, series, cut, limit, seed + begin)
                if wide is not None:
                    found = widened(found, wide)
                stop = min(begin + step, horizon)
                point[:, begin:stop] = found.point[:, : stop - begin]
                quantiles[:, begin:stop] = found.quantiles[:, : stop - begin]
                wide = found.quantiles[:, -1] - found.point[:, -1, :, None]
        return Forecasts(point, quantiles, levels)

    def _exact(self, networks: Sequence[ForecastNetwork]) -> Sequence[ForecastNetwork]:
        """Return copies in double precision on a CPU: no forecast shows its batch in a digit."""
        if self.compute.device.type != "cpu":
            return networks
        return [copy.deepcopy(network).double() for network in networks]

    def _forecast(
        self,
        networks: Sequence[ForecastNetwork],
        panel: Panel,
        series: np.ndarray,
        cut: np.ndarray,
        limit: np.ndarray,
        seed: int,
    ) -> Forecasts:
        """Forecast one trained horizon by networks as `_exact` returns them."""
        design = self.design_(panel)
        lanes = make_lanes(
            panel, self.choice_.transform, seasonality=self.choice_.seasonality, limit=limit,
            effects=self.effects_, known=design.known,
        )  # fmt: skip
        mixed = self.options.channels == "mixed"
        data = ForecastData(
            lanes, design, panel.offsets, self.choice_.window, self.options.horizon,
            mixed=mixed, device=self.compute.device,
        )  # fmt: skip
        n_targets = panel.values.shape[1]
        if mixed:
            unit, cuts = series, cut
        else:
            unit = (series[:, None] + np.arange(n_targets) * data.n_series).reshape(-1)
            cuts = np.repeat(cut, n_targets)
        found = self._run(
            networks, data, torch.from_numpy(unit), torch.from_numpy(cuts), seed=seed, exact=True
        )
        shape = (len(series), n_targets)
        if not mixed:
            found.point = found.point[..., 0].reshape(*shape, -1).swapaxes(1, 2)
            found.quantiles = np.moveaxis(
                found.quantiles[:, :, 0].reshape(*shape, *found.quantiles.shape[1:2], -1), 1, 2
            )
        if self.calibration_ is not None:
            moved = self.calibration_(
                found.point.swapaxes(1, 2), np.moveaxis(found.quantiles, 2, 1)
            )
            found.quantiles = np.moveaxis(moved, 1, 2)
        return found

    def _run(
        self,
        networks: Sequence[ForecastNetwork],
        data: ForecastData,
        unit: Tensor,
        cut: Tensor,
        *,
        share: float | None = None,
        seed: int = 0,
        exact: bool = False,
    ) -> Forecasts:
        """Return forecasts (B, H, K) of windows in the user's units, not calibrated.

        `exact` says that the networks are those of `_exact` already.
        """
        points, quantiles = [], []
        dtype = torch.float64 if self.compute.device.type == "cpu" else torch.float32
        if not exact:
            networks = self._exact(networks)
        generator = torch.Generator().manual_seed(seed)
        with torch.inference_mode():
            for part, where in batches(unit, cut, _PREDICT_BATCH):
                generator.manual_seed(seed)
                inputs, found, lane = data.read(part, where)
                inputs = type(inputs)(*(block.to(dtype) for block in inputs))
                shape = (len(part), data.targets_a_unit)
                lanes = lane.cpu().numpy()
                level = found.level.cpu().numpy().astype(np.float64).reshape(*shape, 1)
                scale = found.scale.cpu().numpy().astype(np.float64).reshape(*shape, 1)
                point_z, quantile_z = [], []
                for network in networks:
                    kept = network.share.clone()
                    try:
                        if share is not None:
                            network.share.fill_(share)
                        p, q = self._one(network, inputs, data, lanes, level, scale, generator)
                    finally:
                        network.share.copy_(kept)
                    point_z.append(p)
                    quantile_z.append(q)
                p = np.median(point_z, axis=0) if len(networks) > 1 else point_z[0]
                q = np.median(quantile_z, axis=0) if len(networks) > 1 else quantile_z[0]

                effect = data.effects_ahead(part, where)

                def user(
                    values: np.ndarray,
                    lanes: np.ndarray = lanes,
                    level: np.ndarray = level,
                    scale: np.ndarray = scale,
                    effect: np.ndarray | None = effect,
                ) -> np.ndarray:
                    tail = (1,) * (values.ndim - 3)
                    moved = values * scale.reshape(*scale.shape, *tail) + level.reshape(
                        *level.shape, *tail
                    )
                    if effect is not None:
                        moved += effect.reshape(*effect.shape, *(1,) * (values.ndim - 3))
                    flat = moved.reshape(-1, *moved.shape[2:])
                    return data.lanes.to_user(flat, lanes).reshape(moved.shape)

                # Where no value was ever seen there is nothing to forecast from.
                begins = data.lanes.start[lanes].reshape(shape)
                rows = data.rows_of(part, where).reshape(shape)
                p[rows <= begins], q[rows <= begins] = np.nan, np.nan
                points.append(user(p).swapaxes(1, 2))
                quantiles.append(np.moveaxis(user(ordered(q, LEVELS)), 1, 2))
        return Forecasts(np.concatenate(points), np.concatenate(quantiles), tuple(LEVELS))

    def _one(
        self,
        network: ForecastNetwork,
        inputs: Any,
        data: ForecastData,
        lanes: np.ndarray,
        level: np.ndarray,
        scale: np.ndarray,
        generator: torch.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return one network's normalised point forecasts (B, K, H) and quantiles."""
        if network.head.needs_counts:
            centre, stretch = (part.reshape(level.shape) for part in data.lanes.units(lanes))
            level, scale = level * stretch + centre, scale * stretch
        if network.recurrence is not None and network.config.decoder == "recursive":
            units = (
                torch.from_numpy(level[..., 0]).to(inputs.z.dtype),
                torch.from_numpy(scale[..., 0]).to(inputs.z.dtype),
            )
            n_paths = self.options.n_samples
            paths = network.sample(inputs, *units, generator, n_paths).cpu().numpy()
            quantiles = np.moveaxis(np.quantile(paths, LEVELS, axis=0), 0, -1)
            return np.median(paths, axis=0), quantiles
        raw = network.blended(inputs, network(inputs)).double().cpu().numpy().astype(np.float64)
        level, scale = (np.broadcast_to(v, raw.shape[:-1]) for v in (level, scale))
        return (
            network.head.point(raw, level, scale),
            network.head.quantiles(raw, LEVELS, level, scale),
        )

    # Keeping.

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state["networks_"] = [
            (net.config, {k: v.cpu().numpy().copy() for k, v in net.state_dict().items()})
            for net in self.networks_
        ]
        state["net_"] = [dict(row, batches=[]) for row in self.net_.history]
        del state["compute"], state["callbacks"]
        return state

    @cpu_threads(1)
    def __setstate__(self, state: dict[str, Any]) -> None:
        networks = []
        for config, weights in state["networks_"]:
            with seeded_globals(0):
                network = ForecastNetwork(config)
            load_weights(network, weights)
            networks.append(network.eval())
        self.__dict__.update(state)
        self.networks_ = networks
        self.callbacks = None
        self.compute = Compute(torch.device("cpu"))
        self.net_ = network_net(networks[0], self.options, 1, self.compute)
        self.net_.history_ = copied_history(state["net_"])


def _best_share(
    truth: np.ndarray, full: np.ndarray, closed: np.ndarray, scale: np.ndarray
) -> float:
    """Return the share of `full` from 0 to 1, the rest being `closed`, with the least scaled error.

    The error is a sum of kinks, and least at their weighted median. Shares on a grid would part two
    tails that are nearly the same, where a small share gains a little.
    """
    move = full - closed
    weight = np.abs(move) / scale[:, None]
    told = np.isfinite(truth) & (weight > 0) & np.isfinite(weight)
    if not told.any():
        return 0.0
    kinks, weight = (truth - closed)[told] / move[told], weight[told]
    order = np.argsort(kinks)
    sums = np.cumsum(weight[order])
    middle = kinks[order[np.searchsorted(sums, 0.5 * sums[-1])]]
    return float(np.clip(middle, 0.0, 1.0))


def _scaled_error(truth: np.ndarray, point: np.ndarray, scale: np.ndarray) -> float:
    """Return the mean absolute error in units of each lane's scale."""
    error = np.abs(truth - point) / scale[:, None]
    return float(np.nanmean(error)) if np.isfinite(error).any() else float("nan")
