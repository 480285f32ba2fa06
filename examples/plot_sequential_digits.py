"""
How many rows does it take to know a digit?
===========================================

scikit-learn's digits, read row by row as sequences of 8 steps with 8 channels. Because sequences of
any length are at home here, one model can be asked after one row, after two, and so on.
"""

# %%
# Digits as sequences
# -------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from sklearn_rnn import RNNClassifier
from sklearn_rnn.datasets import make_sequential_digits

X, y = make_sequential_digits(random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)
print(X_train.shape)

# %%
# Two ways to train
# -----------------
# One model sees whole digits only. The other sees each training digit cut after a random number of
# rows: a list of arrays of different length, and nothing else to do.

rng = np.random.default_rng(0)
cut = [x[: rng.integers(1, 9)] for x in X_train]

options = {"hidden_size": 32, "bidirectional": False, "max_epochs": 20, "random_state": 0}
models = {
    "trained on whole digits": RNNClassifier(**options).fit(X_train, y_train),
    "trained on cut digits": RNNClassifier(**options).fit(cut, y_train),
}

# %%
# Asked after each row
# --------------------

figure, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
rows = range(1, 9)
for (name, model), color, marker in zip(models.items(), ["#0072B2", "#D55E00"], "os", strict=True):
    accuracy = [model.score(X_test[:, :k], y_test) for k in rows]
    ax.plot(rows, accuracy, marker + "-", color=color, label=name, linewidth=1.8)
    print(f"{name:24s}", "  ".join(f"{value:.2f}" for value in accuracy))
ax.axhline(0.1, color="0.5", linestyle=":", linewidth=1)
ax.text(8, 0.115, "guessing", ha="right", color="0.4")
ax.set(xlabel="rows seen", ylabel="test accuracy", ylim=(0, 1.02))
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, loc="upper left")

# %%
# One digit
# ---------
# The probabilities of the second model, row by row, for one test digit.

digit = 7
model = models["trained on cut digits"]
probabilities = np.array([model.predict_proba(X_test[digit : digit + 1, :k])[0] for k in rows])
figure, axes = plt.subplots(
    1, 2, figsize=(8, 3.4), layout="constrained", width_ratios=[1, 1.6], sharey=True
)
axes[0].imshow(X_test[digit], cmap="Greys")
axes[0].set(title=f"a {y_test[digit]}", ylabel="row", xticks=[], yticks=range(8))
axes[0].set_yticklabels(rows)
image = axes[1].imshow(probabilities, cmap="Blues", vmin=0, vmax=1, aspect="auto")
axes[1].set(title="probability after this row", xlabel="digit", xticks=range(10))
figure.colorbar(image, ax=axes[1])
plt.show()
