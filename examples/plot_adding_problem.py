"""
The adding problem: which cells remember?
=========================================

A classic probe of memory. Each sequence holds random numbers, two of which are marked; the target
is the sum of these two. To answer always 1 gives a mean squared error of 1/6. Doing better needs a
network that keeps the first number until the second one comes.
"""

# %%
# The data
# --------

import matplotlib.pyplot as plt
import numpy as np

from sklearn_rnn import RNNRegressor
from sklearn_rnn.datasets import make_adding_problem

X, y = make_adding_problem(1200, n_steps=(20, 40), random_state=0)
X_test, y_test = make_adding_problem(300, n_steps=(20, 40), random_state=1)
print(X)

figure, ax = plt.subplots(figsize=(7, 2.4), layout="constrained")
number, mark = X[0].T
ax.bar(range(len(number)), number, color=np.where(mark == 1, "#D55E00", "#BBBBBB"))
ax.set(xlabel="step", ylabel="number", title=f"the sum of the marked numbers is {y[0]:.2f}")
ax.spines[["top", "right"]].set_visible(False)

# %%
# Four recurrences
# ----------------
# To make memory the point, they run in one direction and answer from their last state alone.

models = {}
for cell in ["rnn", "gru", "lstm", "mingru"]:
    models[cell] = RNNRegressor(
        32,
        cell=cell,
        bidirectional=False,
        pooling="last",
        dropout=0.0,
        learning_rate=0.01,
        batch_size=64,
        max_epochs=20,
        closed_form=False,
        random_state=0,
    ).fit(X, y, X_val=X_test, y_val=y_test)
    error = np.mean((models[cell].predict(X_test) - y_test) ** 2)
    print(f"{cell:8s} mean squared error {error:.4f} (always 1: {np.var(y_test):.4f})")

# %%
# The training curves side by side: the loss solid on the left axis, R² on the test data dashed on
# the right one. The loss is in units of the variance of y, so that 1 is what always answering the
# mean gives.

from sklearn_rnn.inspection import TrainingCurveDisplay

figure, ax = plt.subplots(figsize=(8.5, 5), layout="constrained")
for color, (cell, model) in zip(
    ["#999999", "#0072B2", "#D55E00", "#009E73"], models.items(), strict=True
):
    TrainingCurveDisplay.from_estimator(model, ax=ax, name=cell, color=color)
# sphinx_gallery_thumbnail_number = 2
plt.show()
