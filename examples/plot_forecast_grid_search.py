"""
Grid search for forecasters
===========================

``GridSearchCV`` works as it is, if its folds come in order of time. For a panel that is what
:class:`~sklearn_rnn.model_selection.PanelTimeSeriesSplit` is for: it counts time and not rows.
"""

# %%
# Folds
# -----
# Blue rows train, orange rows test. scikit-learn's ``TimeSeriesSplit`` (left) counts rows, and so
# trains on the first series to forecast the last; ours (right) cuts all series at one moment.

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score

from sklearn_rnn import SequenceForecaster
from sklearn_rnn.exceptions import BaselineWarning
from sklearn_rnn.metrics import mase_scorer
from sklearn_rnn.model_selection import PanelTimeSeriesSplit

rng = np.random.default_rng(0)
months = pd.date_range("2015-01-01", periods=96, freq="MS")
names = [f"region {k}" for k in range(6)]
index = pd.MultiIndex.from_product([names, months], names=["region", "month"])
season = np.tile(np.sin(np.arange(96) / 12 * 2 * np.pi), 6) * np.repeat(rng.uniform(1, 9, 6), 96)
trend = np.tile(np.arange(96) / 12, 6) * np.repeat(rng.normal(size=6), 96)
y = pd.Series(50 + season + trend + rng.normal(size=576), index=index)
X = y.to_frame()[[]]

figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, layout="constrained")
splitters = [TimeSeriesSplit(3), PanelTimeSeriesSplit(12, n_splits=3)]
for ax, splitter in zip(axes, splitters, strict=True):
    train, test = list(splitter.split(X))[-1]
    for rows, color in ((train, "#0072B2"), (test, "#D55E00")):
        ax.scatter(rows % 96, rows // 96, c=color, s=6, marker="s")
    ax.set(title=type(splitter).__name__, xlabel="month", yticks=range(6), yticklabels=names)

# %%
# The search
# ----------
# The scorer divides each region's error by its own naive error, and averages over regions.

warnings.simplefilter("ignore", BaselineWarning)  # poor settings are to be tried, too
folds = PanelTimeSeriesSplit(12, n_splits=3)
search = GridSearchCV(
    SequenceForecaster(12, closed_form="only", random_state=0),
    {"window": [12, 24, 48], "target_transform": [None, "log"]},
    cv=folds,
    scoring=mase_scorer,
)
search.fit(X, y)
columns = ["param_window", "param_target_transform", "mean_test_score"]
print(pd.DataFrame(search.cv_results_)[columns].sort_values("mean_test_score", ascending=False))

# %%
# Nested
# ------
# The best score of a search is a little too good, having been chosen. A search within
# ``cross_val_score`` is honest: every outer fold is forecast by what the months before it chose.

outer = PanelTimeSeriesSplit(12, n_splits=2)
search.set_params(cv=PanelTimeSeriesSplit(12, n_splits=2), param_grid={"window": [12, 24]})
scores = cross_val_score(search, X, y, cv=outer, scoring=mase_scorer)
print(f"MASE of the nested search: {-scores.mean():.2f}")
plt.show()
