"""
One target at every step: a soft sensor
=======================================

A heater is switched on and off, and a cheap thermometer on the outside of the tank tells little of
the water inside. From switch and thermometer we estimate the temperature of the water at every
step, with :class:`~sklearn_rnn.RNNRegressor` and one target a step.
"""

# %%
# The data
# --------
# The water follows the heater slowly and loses heat to a room whose temperature differs from day to
# day; the thermometer is noisy and reads a mixture of both. The runs are of different length.

import matplotlib.pyplot as plt
import numpy as np

rng = np.random.default_rng(0)


def run(n_steps):
    """Simulate one run: (n_steps, 2) inputs and (n_steps,) temperatures of the water."""
    room = rng.uniform(10, 25)
    heater = np.repeat(rng.integers(0, 2, n_steps // 10 + 1), 10)[:n_steps]
    water = np.empty(n_steps)
    now = room
    for step in range(n_steps):
        now += 2.0 * heater[step] - 0.05 * (now - room)
        water[step] = now
    thermometer = 0.3 * water + 0.7 * room + rng.normal(0, 1.5, n_steps)
    return np.column_stack([heater, thermometer]), water


X, y = zip(*[run(rng.integers(40, 120)) for _ in range(150)], strict=True)
X_train, y_train, X_test, y_test = X[:120], y[:120], X[120:], y[120:]

# %%
# Fit
# ---
# A list of arrays, one value a step, is all it takes. An estimate in operation may look only at the
# past, so the recurrence runs in one direction.

from sklearn_rnn import RNNRegressor

regressor = RNNRegressor(
    hidden_size=32, bidirectional=False, dropout=0.0, max_epochs=40, random_state=0
)
regressor.fit(X_train, y_train)
print(f"R² over all steps of the test runs: {regressor.score(X_test, y_test):.3f}")

# %%
# Predictions come back in the form of y: a list with one array a run.

predictions = regressor.predict(X_test)
error = np.concatenate([p - t for p, t in zip(predictions, y_test, strict=True)])
print(f"typical error: {np.abs(error).mean():.2f} degrees")

# %%
# Two runs that the model has not seen. In the first steps it cannot know how warm the room is; it
# learns that from the thermometer as the run goes on.

figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True, layout="constrained")
for ax, row in zip(axes, [0, 1], strict=True):
    steps = np.arange(len(y_test[row]))
    ax.fill_between(
        steps, 0, X_test[row][:, 0], transform=ax.get_xaxis_transform(), color="0.93", step="mid"
    )
    ax.plot(steps, X_test[row][:, 1], ".", color="0.6", markersize=4, label="thermometer")
    ax.plot(steps, y_test[row], color="#0072B2", linewidth=2, label="water, true")
    ax.plot(steps, predictions[row], color="#D55E00", linewidth=2, label="water, estimated")
    ax.set_xlabel("step (grey: heater on)")
axes[0].set_ylabel("temperature in °C")
axes[0].legend(frameon=False, loc="upper left")
plt.show()
