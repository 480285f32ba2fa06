"""
A first forecast
================

One series in five lines: a month's airline passengers, the last two years held out.
"""

# %%
# A series with a time index is all that is needed. The frequency and the season come from the
# index; the horizon is ours to choose. (``max_epochs`` and ``hidden_size`` keep this page quick;
# leave them out for the defaults.)

import matplotlib.pyplot as plt

from sklearn_rnn import SequenceForecaster
from sklearn_rnn.datasets import load_air_passengers
from sklearn_rnn.inspection import ForecastDisplay
from sklearn_rnn.metrics import mase_scorer

y = load_air_passengers(as_frame=True).target
train, test = y[:-24], y[-24:]
forecaster = SequenceForecaster(horizon=24, hidden_size=16, max_epochs=8, random_state=0)
forecaster.fit(None, train)
print(forecaster.forecast(24).head())

# %%
# What happened, and what the intervals said
# ------------------------------------------
# The history, the forecast with its 50 % and 90 % intervals, and the two years that followed.

ForecastDisplay.from_estimator(forecaster, None, test, n_history=60)
print(f"MASE: {-mase_scorer(forecaster, test.index, test):.2f}")

# %%
# Is it any good?
# ---------------
# ``fit`` holds out the end of the series, forecasts it, and compares with what is trivial. Skill
# is the share of their error that the forecast saves; were one of them better, ``fit`` would have
# warned.

print(forecaster.report_.round(2))
plt.show()
