"""What `SequenceForecaster()` reaches, untouched, on every set at hand: benchmarks/forecasting.py

Competition sets by mean MASE, with the share that the 90 % interval covers and seconds of a fit;
ETTh1 by the literature's protocol (12 months to learn from, 4 left out, every origin of the next 4,
standardised). Beside it seasonal naive, whose published figures check the metric, ridge on lags,
and with `--rivals` statsforecast's ETS and Theta; `--networks` compares with neuralforecast and
darts in a section of its own. `--quick` takes every tenth series and fewer origins, and leaves the
page alone.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from _data import FOLDER
from _forecast_rivals import Forecaster, networks, ridge, rivals, seasonal_naive
from _report import add_page_options, environment, publish, table
from _series import PANELS, SeriesSet, available_panels, load_etth1, load_panel

from sklearn_rnn import SequenceForecaster

#: Published: what seasonal naive must come to, and what others reached.
PUBLISHED = {
    "M3 monthly": "TBATS .861, Chronos-Bolt .851",
    "M1 monthly": "ETS 1.074, DeepAR 1.192",
    "M4 hourly": "ES-RNN .893, FFORMA .819; seasonal naive 1.193",
    "M4 weekly": "ES-RNN 2.356, FFORMA 2.108",
}
ETT_PUBLISHED = {
    96: "SegRNN .351, PatchTST .370",
    192: "SegRNN .392, PatchTST .413",
    336: "SegRNN .423, PatchTST .422",
    720: "SegRNN .466, PatchTST .447",
}
_MONTH = 30 * 24
#: Sets that other packages' networks are fitted to: a thousand updates take them minutes on each.
_BESIDE_NETWORKS = ("M3 monthly", "M1 monthly", "M4 hourly", "M4 weekly", "AirPassengers")
_NETWORKS_TEXT = (
    "`SequenceForecaster()` and the recurrent forecasters of neuralforecast and darts, in one run, "
    "by `benchmarks/forecasting.py --networks`: all at their defaults, told the horizon. "
    "neuralforecast pads series that are shorter than its window, which it else refuses; darts "
    "reads two seasons, scaled, and is left out where its hundred epochs would take over 30,000 "
    "updates. Theirs use one thread for each core, ours one in all."
)


class Result(NamedTuple):
    """Mean MASE, coverage of the 90 % interval if there is one, and seconds of fit and forecast."""

    mase: float
    seconds: float
    coverage: float | None = None

    @property
    def text(self) -> str:
        """Write it into a cell of a table."""
        return f"{self.mase:.3f} ({self.seconds:.1f} s)"


def mase(data: SeriesSet, found: np.ndarray) -> float:
    """Return the mean over the series of the mean absolute scaled error."""
    errors = []
    for x, truth, forecast in zip(data.train, data.test, found, strict=True):
        lag = data.scale_lag if len(x) > data.scale_lag else 1
        scale = np.abs(x[lag:] - x[:-lag]).mean()
        if scale == 0:
            scale = np.abs(np.diff(x)).mean()
        if scale > 0:
            errors.append(np.abs(truth - forecast).mean() / scale)
    return float(np.mean(errors))


def frames(data: SeriesSet) -> tuple[pd.DataFrame, pd.Series, pd.DataFrame]:
    """Lay a set out as rows of a series and a step: to fit, their targets, to forecast."""

    def rows(lengths: list[int], first: list[int]) -> pd.DataFrame:
        series = np.repeat(np.arange(len(lengths)), lengths)
        steps = [np.arange(n) + begin for n, begin in zip(lengths, first, strict=True)]
        return pd.DataFrame({"series": series, "step": np.concatenate(steps)})

    lengths = [len(x) for x in data.train]
    past = rows(lengths, [0] * len(lengths))
    future = rows([data.horizon] * len(lengths), lengths)
    return past, pd.Series(np.concatenate(data.train)), future


def ours(data: SeriesSet, seed: int) -> Result:
    """Fit and score the default."""
    past, targets, future = frames(data)
    model = SequenceForecaster(
        horizon=data.horizon, id_col="series", time_col="step",
        season_length=data.season, random_state=seed,
    )  # fmt: skip
    begun = time.perf_counter()
    model.fit(past, targets)
    found = model.predict(future).reshape(len(data.train), data.horizon)
    seconds = time.perf_counter() - begun
    interval = np.asarray(model.predict_interval(future, coverage=0.9)).reshape(*found.shape, 2)
    truth = np.stack(data.test)
    inside = (truth >= interval[..., 0]) & (truth <= interval[..., 1])
    return Result(mase(data, found), seconds, float(inside.mean()))


def theirs(data: SeriesSet, forecast: Forecaster) -> Result:
    """Score another's forecasts."""
    begun = time.perf_counter()
    found = forecast(data)
    return Result(mase(data, found), time.perf_counter() - begun)


class EttResult(NamedTuple):
    """Mean squared and absolute error over the origins of the test months, and fit seconds."""

    mse: float
    mae: float
    seconds: float


def ett(values: np.ndarray, horizon: int, stride: int, seed: int, *, tail: bool) -> EttResult:
    """Learn from the first 12 months of ETTh1, forecast from origins in months 17 to 20.

    With `tail`, what is "auto" is decided on months 13 to 16, the literature's validation part, and
    nothing is trained on them (``refit=False``); else they are history alone and the default holds
    out the end of its 12 months, and trains on those again.
    """
    train, end, last = 12 * _MONTH, 16 * _MONTH, 20 * _MONTH
    model = SequenceForecaster(
        horizon=horizon, season_length=24, time_features=None, random_state=seed
    )
    if tail:
        model.set_params(validation_horizon=end - train, refit=False)
    seen = end if tail else train
    begun = time.perf_counter()
    model.fit(None, pd.DataFrame(values[:seen], index=pd.RangeIndex(seen)))
    seconds = time.perf_counter() - begun
    from sklearn_rnn.forecasting._panel import Panel

    panel = Panel(values[:last], np.array([0, last]), np.zeros(1, np.int64), season_length=24)
    squared, absolute = [], []
    # The literature's origins: the first forecast begins with the first row of the test months.
    cuts = np.arange(end, last - horizon + 1, stride)
    for part in np.array_split(cuts, max(1, len(cuts) // 200)):
        found = model.model_.predict(panel, horizon, origins=(np.zeros(len(part), int), part))
        error = found.point - np.stack([values[cut : cut + horizon] for cut in part])
        squared.append((error**2).mean((1, 2)))
        absolute.append(np.abs(error).mean((1, 2)))
    mse, mae = (float(np.concatenate(each).mean()) for each in (squared, absolute))
    return EttResult(mse, mae, seconds)


def main(arguments: list[str] | None = None) -> dict[str, dict[str, Result]]:
    """Measure the sets at hand, print the tables, update the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", help=f"with commas, of: {', '.join(PANELS)}; leaves the page")
    parser.add_argument("--ett", default="96,192,336,720", help="horizons on ETTh1; may be empty")
    parser.add_argument("--ett-stride", type=int, default=1, help="origins of ETTh1 to leave out")
    parser.add_argument("--quick", action="store_true", help="a tenth of it all; leaves the page")
    parser.add_argument("--rivals", action="store_true", help="statsforecast's ETS and Theta")
    parser.add_argument(
        "--networks",
        action="store_true",
        help="beside neuralforecast and darts, on a few sets, for minutes each",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=FOLDER, help="the folder that holds the sets")
    add_page_options(parser)
    options = parser.parse_args(arguments)
    options.ett_stride = 50 if options.quick else options.ett_stride
    held = available_panels(options.data)
    names = options.sets.split(",") if options.sets else list(PANELS)
    if options.networks:
        options.ett, names = "", names if options.sets else list(_BESIDE_NETWORKS)
    unknown = [name for name in names if name not in PANELS]
    if unknown:
        parser.error(f"no set is called {', '.join(unknown)}; there are {', '.join(PANELS)}")
    missing = [name for name in names if name not in held]
    if missing:
        print(f"Skipped, not in the data folder: {', '.join(missing)}.", file=sys.stderr)
    others = {"seasonal naive": seasonal_naive, "ridge": ridge}
    others |= rivals() if options.rivals else {}
    others |= networks() if options.networks else {}
    results: dict[str, dict[str, Result]] = {}
    rows = []
    for name in (name for name in names if name in held):
        data = load_panel(name, options.data)
        if options.quick:
            data = data._replace(train=data.train[::10], test=data.test[::10])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = {"default": ours(data, options.seed)}
            for key, forecast in others.items():
                try:
                    found[key] = theirs(data, forecast)
                except Exception as error:  # a rival's own failure is its result
                    print(f"{name}: {key} failed: {error}", file=sys.stderr)
        results[name] = found
        covered = found["default"].coverage
        cells = [found[key].text if key in found else "-" for key in ("default", *others)]
        size = f"{len(data.train)} x {data.horizon}"
        rows.append((name, size, *cells, f"{covered:.3f}", PUBLISHED.get(name, "-")))
        print(" | ".join(map(str, rows[-1])), flush=True)
    texts = []
    if rows:
        header = ("set", "series x horizon", "default", *others, "covered", "published")
        texts.append("Mean MASE and seconds of fit and forecast:\n\n" + table(header, rows))
    texts += _ett_table(options)
    if not texts:
        print("None of the sets is there: nothing was measured.", file=sys.stderr)
        return results
    if options.networks:
        options.no_page = options.no_page or options.quick or options.sets is not None
        body = f"{_NETWORKS_TEXT}\n\n{chr(10).join(texts)}\n\n{environment()}"
        publish("forecasting-networks", "Forecasting beside other networks", body, options)
        return results
    body = (
        "`SequenceForecaster()` with nothing set but horizon and season, by "
        "`benchmarks/forecasting.py`. `covered` is the share of the held-out values in the 90 % "
        "interval. Seasonal naive checks the metric: M4 hourly is published as 1.193. On ETTh1 all "
        "learn from the first 12 months and are scored at "
        f"{'every' if options.ett_stride == 1 else f'every {options.ett_stride}th'} origin of "
        "months 17 to 20: the default, which knows nothing of months 13 to 16 but their history, "
        "and with the literature's validation months as the tail that decides "
        f"(`validation_horizon`, `refit=False`).\n\n{chr(10).join(texts)}\n\n{environment()}"
    )
    partly = options.quick or options.sets is not None or options.ett != "96,192,336,720"
    options.no_page = options.no_page or partly
    publish("forecasting", "Forecasting with nothing tuned", body, options)
    return results


def _ett_table(options: argparse.Namespace) -> list[str]:
    """Measure ETTh1 at the horizons that are wanted."""
    horizons = [int(each) for each in options.ett.split(",") if each]
    values = load_etth1(options.data) if horizons else None
    if values is None:
        return []
    rows = []
    for horizon in horizons:
        stride, seed = options.ett_stride, options.seed
        found = [ett(values, horizon, stride, seed, tail=tail) for tail in (False, True)]
        cells = [f"{one.mse:.3f} / {one.mae:.3f} ({one.seconds:.0f} s)" for one in found]
        rows.append((horizon, *cells, ETT_PUBLISHED.get(horizon, "-")))
        print("ETTh1 | " + " | ".join(map(str, rows[-1])), flush=True)
    header = ("ETTh1, horizon", "12 months alone", "validation months as tail", "published MSE")
    return ["\nMean squared / absolute error and seconds of a fit:\n\n" + table(header, rows)]


if __name__ == "__main__":
    main()
