"""
A first classifier: who is speaking?
====================================

JapaneseVowels holds 640 recordings of two vowels, spoken by nine men. Each recording is a sequence
of 12 coefficients a step, and the recordings are of different length. We fit
:class:`~sklearn_rnn.RNNClassifier` on them as they are.
"""

# %%
# The data
# --------
# :class:`~sklearn_rnn.Sequences` holds recordings of unequal length without padding. It is indexed
# like an array of samples: a number gives one recording, anything else gives fewer of them.

import matplotlib.pyplot as plt

from sklearn_rnn.datasets import load_japanese_vowels

X_train, y_train = load_japanese_vowels(subset="train", return_X_y=True)
X_test, y_test = load_japanese_vowels(subset="test", return_X_y=True)
print(X_train)
print("the first recording:", X_train[0].shape)

# %%
# Two recordings of each of three speakers. What tells them apart is not plain to the eye.

figure, axes = plt.subplots(2, 3, figsize=(9, 4.2), sharey=True, layout="constrained")
for column, speaker in enumerate([0, 3, 7]):
    rows = (y_train == speaker).nonzero()[0][:2]
    for ax, row in zip(axes[:, column], rows, strict=True):
        ax.plot(X_train[row], linewidth=1)
        ax.set_xlim(0, 25)
    axes[0, column].set_title(f"speaker {speaker + 1}")
    axes[1, column].set_xlabel("step")

# %%
# Fit and score
# -------------
# The data need no scaling, padding or shuffling first: the estimator does what is needed. Passing a
# validation set scores it after every epoch, for us to look at; ``early_stopping=True`` would also
# act on the scores. ``closed_form=False`` leaves out the closed form, so that it is a network's
# training that we see. What a notebook shows of the fitted estimator is scikit-learn's diagram,
# with the network below it: what goes in, the recurrence, what comes out.

from sklearn.model_selection import train_test_split

from sklearn_rnn import RNNClassifier

X_fit, X_val, y_fit, y_val = train_test_split(
    X_train, y_train, test_size=0.2, stratify=y_train, random_state=0
)
classifier = RNNClassifier(max_epochs=30, closed_form=False, random_state=0)
classifier.fit(X_fit, y_fit, X_val=X_val, y_val=y_val)

# %%
# How training went
# -----------------

from sklearn_rnn.inspection import TrainingCurveDisplay

TrainingCurveDisplay.from_estimator(classifier, learning_rate=True)

# %%
# All of the training data, and the test
# --------------------------------------
# Without a validation set to watch, and on few data, a closed-form path joins the recurrence by
# default: a reservoir of random recurrences whose readout is solved in a second. Recordings that
# the recurrence has not seen decide its share, ``recurrence_share_``.

from sklearn.base import clone
from sklearn.metrics import ConfusionMatrixDisplay

final = clone(classifier).set_params(closed_form="auto").fit(X_train, y_train)
print("the network:", final.core_)
print("share of the trained recurrence:", final.recurrence_share_)
print(f"test accuracy: {final.score(X_test, y_test):.3f}")

# %%
# Predictions are probabilities or labels, as with any classifier of scikit-learn, so its tools for
# looking at them work unchanged.

matrix = ConfusionMatrixDisplay.from_estimator(
    final, X_test, y_test, display_labels=range(1, 10), cmap="Blues", colorbar=False
)
matrix.ax_.set(xlabel="Predicted speaker", ylabel="True speaker")
# sphinx_gallery_thumbnail_number = 3
plt.show()
