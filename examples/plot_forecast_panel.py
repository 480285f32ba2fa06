"""
A panel of shops with covariates
================================

Eight shops, daily sales, prices known ahead, weather known only up to today, and a city that
stays the same. The data are made up, so that we know what there is to find.
"""

# %%
# One row is one shop on one day
# ------------------------------
# Sales follow the day of the week, fall with the price, and depend on yesterday's rain.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_rnn import SequenceForecaster
from sklearn_rnn.inspection import ForecastDisplay
from sklearn_rnn.metrics import mase_scorer

rng = np.random.default_rng(0)
days = pd.date_range("2025-01-01", periods=180, freq="D")
week = np.array([0.8, 0.8, 0.9, 1.0, 1.3, 1.6, 0.6])[days.day_of_week]
frames = []
for shop in range(8):
    price = rng.choice([1.0, 0.8], size=180, p=[0.7, 0.3])
    rain = rng.gamma(0.5, 4.0, size=180)
    level = 40 * (1 + shop % 5) * week * (1 + 1.5 * (1 - price))
    sales = level * np.exp(-0.02 * np.roll(rain, 1)) * rng.lognormal(sigma=0.08, size=180)
    city = "Bergen" if shop % 2 else "Malaga"
    frames.append(
        pd.DataFrame(
            {"shop": f"shop {shop}", "day": days, "price": price, "rain": rain, "city": city}
        ).assign(sales=sales)
    )
table = pd.concat(frames, ignore_index=True)
train, test = table[table.day < "2025-06-16"], table[table.day >= "2025-06-16"]
X_train, X_test = train.drop(columns="sales"), test.drop(columns=["sales", "rain"])

# %%
# Three kinds of covariates
# -------------------------
# Columns are known ahead unless they are listed. The rain to come is not in ``X_test``: nobody
# knows it. (Were it there, it would be ignored, with a warning.)

options = {"id_col": "shop", "time_col": "day", "horizon": 14, "random_state": 0}
small = {"hidden_size": 16, "max_epochs": 3, "window": 28, "refit": False}
forecaster = SequenceForecaster(
    past_covariates=["rain"], static_covariates=["city"], **options, **small
)
forecaster.fit(X_train, train.sales)
with_prices = -mase_scorer(forecaster, X_test, test.sales)

blind = SequenceForecaster(**options, **small)
blind.fit(X_train[["shop", "day"]], train.sales)
without = -mase_scorer(blind, X_test[["shop", "day"]], test.sales)
print(f"MASE over the shops: {with_prices:.2f} with covariates, {without:.2f} without")

# %%
# Each shop has axes of its own.

ForecastDisplay.from_estimator(
    forecaster, X_test, test[["shop", "day", "sales"]], max_series=6, n_history=42
)
plt.show()
