"""
Ragged sequences with holes
===========================

Real recordings stop at different times and lose values on the way. We take values out of
JapaneseVowels at random, more and more of them, and compare three ways of living with it: leaving
the holes to the classifier, filling them by interpolation, and dropping every damaged step.
"""

# %%
# Making holes
# ------------
# NaN means missing. Whole stretches of a channel disappear, as when a sensor fails for a while.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from sklearn_rnn import RNNClassifier
from sklearn_rnn.datasets import load_japanese_vowels
from sklearn_rnn.preprocessing import SequenceImputer

X_train, y_train = load_japanese_vowels(subset="train", return_X_y=True)
X_test, y_test = load_japanese_vowels(subset="test", return_X_y=True)


def with_holes(X, share, seed):
    """Return a copy of X in which about this share of the values is missing, in stretches of 3."""
    rng = np.random.default_rng(seed)
    values = X.values.copy()
    for step, channel in np.argwhere(rng.uniform(size=values.shape) < share / 3):
        values[step : step + 3, channel] = np.nan
    return X.with_values(values)


damaged = with_holes(X_train, 0.3, seed=0)
print(f"missing: {np.isnan(damaged.values).mean():.2f}")

figure, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True, layout="constrained")
for ax, title, sequences in zip(
    axes, ["as recorded", "with holes"], [X_train, damaged], strict=True
):
    ax.imshow(sequences[0].T, aspect="auto", cmap="viridis", interpolation="none")
    ax.set(title=title, xlabel="step", xticks=range(0, 20, 5))
axes[0].set_ylabel("channel")

# %%
# Three ways
# ----------
# By default (``missing="auto"``) the network sees the training mean where a value is missing, and a
# second channel that says so. :class:`~sklearn_rnn.preprocessing.SequenceImputer` interpolates
# along time first. Dropping steps in which anything is missing is what one does by hand; sequences
# of which nothing would be left keep their first step, filled with zeros.
#
# ``closed_form="only"`` solves the classifier in closed form and trains nothing by gradient: quick,
# and on so few recordings hard to beat.

classifier = RNNClassifier(closed_form="only", random_state=0)
interpolating = make_pipeline(SequenceImputer("linear"), classifier)


def without_damaged_steps(X):
    """Return the sequences without the steps in which a value is missing."""
    kept = [x[~np.isnan(x).any(axis=1)] for x in X]
    return [k if len(k) else np.nan_to_num(x[:1]) for k, x in zip(kept, X, strict=True)]


shares = [0.0, 0.1, 0.3, 0.6]
accuracy = {"left to the classifier": [], "interpolated": [], "damaged steps dropped": []}
for share in shares:
    train, test = with_holes(X_train, share, seed=1), with_holes(X_test, share, seed=2)
    for name, model in zip(accuracy, [classifier, interpolating], strict=False):
        accuracy[name].append(model.fit(train, y_train).score(test, y_test))
    dropped = classifier.fit(without_damaged_steps(train), y_train)
    accuracy["damaged steps dropped"].append(dropped.score(without_damaged_steps(test), y_test))

# %%
# Dropping steps throws away most of a recording long before most of it is missing. Left to the
# classifier, the holes cost little while they are few. These signals are smooth, so interpolation
# is a good guess even where they are many; it is one more step of the pipeline to choose by
# cross-validation.

figure, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
for (name, values), color, marker in zip(
    accuracy.items(), ["#0072B2", "#009E73", "#D55E00"], "osD", strict=True
):
    ax.plot(shares, values, marker + "-", color=color, label=name, linewidth=1.8)
    print(f"{name:24s}", "  ".join(f"{value:.3f}" for value in values))
ax.set(xlabel="share of values taken out", ylabel="test accuracy", ylim=(0, 1.02))
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, loc="lower left")
# sphinx_gallery_thumbnail_number = 2
plt.show()
