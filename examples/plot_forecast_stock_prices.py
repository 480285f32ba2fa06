"""
Stock prices, honestly
======================

Forecasts of stock prices look splendid in a plot, and say nothing: tomorrow's price is close to
today's, so any forecast that repeats today's price follows the curve. We let the report judge,
and then forecast what can be forecast: how much prices will move.
"""

# %%
# Prices that behave like prices
# ------------------------------
# Simulated, so that we know the truth: returns that cannot be forecast, calm and stormy times
# that last (a GARCH model), business days only.

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_rnn import SequenceForecaster
from sklearn_rnn.inspection import ForecastDisplay
from sklearn_rnn.model_selection import PanelTimeSeriesSplit, backtest

rng = np.random.default_rng(3)
days = pd.date_range("2021-01-01", periods=1000, freq="B", name="day")
returns, variance = np.zeros(1000), 1.0
for day in range(1000):
    variance = 0.02 + 0.12 * (returns[day - 1] ** 2 if day else 1.0) + 0.86 * variance
    returns[day] = rng.normal(scale=np.sqrt(variance))
price = pd.Series(100 * np.exp(np.cumsum(returns / 100)), index=days, name="price")

# %%
# The picture that deceives
# -------------------------
# One day ahead, over and over: the forecast lies on the price. So does yesterday's price, and it
# is as good: the skill against the naive forecast is about nothing.

X = pd.DataFrame(index=days)
options = {"closed_form": "only", "random_state": 0, "season_length": 1}
forecaster = SequenceForecaster(horizon=1, **options)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    daily = backtest(forecaster, X, price, PanelTimeSeriesSplit(1, n_splits=60), refit=False)
    report = forecaster.fit(X, price).report_
naive = price.shift(1).loc[daily.day].to_numpy()
error = (daily.actual - daily.forecast).abs().mean()
naive_error = (daily.actual - naive).abs().mean()
print(f"mean absolute error: forecast {error:.3f}, yesterday's price {naive_error:.3f}")
print(report.round(3))
print(f"warnings that a baseline is better: {len(caught)}")

figure, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
ax.plot(daily.day, daily.actual, label="price", color="#555555")
ax.plot(daily.day, daily.forecast, label="forecast, one day ahead", color="#0072B2")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %%
# A month ahead the forecast is an honest fan: the price may go anywhere, and the interval says
# how far.

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    month = SequenceForecaster(horizon=20, **options).fit(None, price[:-20])
ForecastDisplay.from_estimator(month, None, price[-20:], n_history=120)

# %%
# What can be forecast
# --------------------
# Storms last. The size of the moves, their mean over five days, is forecast better than by the
# mean of the past or by repeating the last value.

moves = pd.Series(np.abs(returns), index=days).rolling(5).mean().dropna()
folds = PanelTimeSeriesSplit(5, n_splits=40)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    frame = backtest(
        SequenceForecaster(horizon=5, **options), moves.to_frame()[[]], moves, folds, refit=False
    )
last = moves.loc[frame.cutoff].to_numpy()
mean = np.array([moves.loc[:cutoff].mean() for cutoff in frame.cutoff])
for name, found in (("forecast", frame.forecast), ("last value", last), ("mean", mean)):
    print(f"{name:10s} {(frame.actual - found).abs().mean():.3f}")
# sphinx_gallery_thumbnail_number = 2
plt.show()
