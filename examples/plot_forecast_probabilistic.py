"""
How sure is the forecast?
=========================

A forecast without its uncertainty is half a forecast. We forecast quantiles, and check on a
backtest whether the intervals hold what they promise.
"""

# %%
# Many series of counts
# ---------------------
# Thirty series with a weekly season, the noise of which grows with their level.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_rnn import SequenceForecaster
from sklearn_rnn.inspection import ErrorByHorizonDisplay, ForecastDisplay
from sklearn_rnn.metrics import interval_coverage, mean_interval_score, weighted_quantile_loss
from sklearn_rnn.model_selection import PanelTimeSeriesSplit, backtest

rng = np.random.default_rng(0)
days = pd.date_range("2025-01-01", periods=150, freq="D")
week = np.array([1.0, 1.1, 1.0, 1.2, 1.6, 1.9, 0.7])[days.day_of_week]
index = pd.MultiIndex.from_product([[f"item {k}" for k in range(30)], days], names=["item", "day"])
level = np.repeat(rng.uniform(4, 40, size=30), 150) * np.tile(week, 30)
y = pd.Series(rng.poisson(level * rng.gamma(20, 1 / 20, size=len(level))), index=index, dtype=float)
X = y.to_frame()[[]]

# %%
# A backtest
# ----------
# Every origin gives fourteen days of quantiles. ``refit=False`` fits once, and later only takes
# in what happened since.

forecaster = SequenceForecaster(
    horizon=14, quantiles=(0.05, 0.25, 0.5, 0.75, 0.95), closed_form="only", random_state=0
)
folds = PanelTimeSeriesSplit(14, n_splits=3)
origins = backtest(forecaster, X, y, folds, refit=False)
ends = origins[["q0.05", "q0.95"]].to_numpy()
levels = [0.05, 0.25, 0.5, 0.75, 0.95]
quantiles = origins[[f"q{level:g}" for level in levels]].to_numpy()
print(f"90 % intervals hold {interval_coverage(origins.actual, ends):.1%} of the actuals")
print(f"interval score: {mean_interval_score(origins.actual, ends, coverage=0.9):.1f}")
print(f"quantile loss: {weighted_quantile_loss(origins.actual, quantiles, quantiles=levels):.3f}")

# %%
# Over the horizon
# ----------------
# Intervals are calibrated step by step on the end of the training data, and so should hold as
# much far ahead as near.

ErrorByHorizonDisplay.from_backtest(origins, metric="coverage")

# %%
# The fans of three items, from the last origin.

last = origins[origins.fold == 2]
ForecastDisplay(last).plot(series=["item 0", "item 1", "item 2"])
# sphinx_gallery_thumbnail_number = 2
plt.show()
