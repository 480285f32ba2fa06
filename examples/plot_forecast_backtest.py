"""
Backtests and their pictures
============================

One split is one draw. A backtest forecasts from many origins, as it would have been done at the
time, and shows how errors grow with the horizon.
"""

# %%
# Three ways to go from origin to origin
# --------------------------------------
# ``refit=True`` fits at every origin; ``refit=False`` fits at the first and then only takes in
# new rows with ``update``; ``refit="warm"`` begins each fit with the weights of the one before.

import matplotlib.pyplot as plt
import pandas as pd

from sklearn_rnn import SequenceForecaster
from sklearn_rnn.datasets import load_air_passengers
from sklearn_rnn.inspection import ErrorByHorizonDisplay, ForecastDisplay
from sklearn_rnn.model_selection import PanelTimeSeriesSplit, backtest

y = load_air_passengers(as_frame=True).target
X = pd.DataFrame(index=y.index)
folds = PanelTimeSeriesSplit(horizon=12, n_splits=4)
forecaster = SequenceForecaster(horizon=12, closed_form="only", random_state=0)
frames = {
    "fitted at every origin": backtest(forecaster, X, y, folds),
    "fitted once": backtest(forecaster, X, y, folds, refit=False),
}
for name, frame in frames.items():
    print(f"{name}: {(frame.actual - frame.forecast).abs().mean():.1f}")
print(frames["fitted once"].head(3))

# %%
# The origins
# -----------

history = forecaster.fit(None, y[:-48]).observed(36)
ForecastDisplay(frames["fitted at every origin"], history=history).plot()

# %%
# Errors over the horizon
# -----------------------

ErrorByHorizonDisplay.from_backtest(frames)
plt.show()
