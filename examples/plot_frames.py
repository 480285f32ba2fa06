"""
Data frames with list columns and static columns
================================================

Much data arrives as a table with a row for each patient, machine or customer: some cells hold a
series, others a single number or a category. Such a frame goes into the estimators as it is. Each
list column is a channel, each scalar column a static feature of the sample.
"""

# %%
# A ward
# ------
# Patients are measured every few hours, for as long as they stay. A pulse that rises is a bad sign,
# and so are age and some wards: neither the series nor the scalars alone say it all.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
n = 500
age = rng.integers(20, 90, n)
ward = rng.choice(["cardiology", "surgery", "general"], n)
trend = rng.normal(0, 1, n)
stay = rng.integers(8, 40, n)
frame = pd.DataFrame(
    {
        "pulse": [
            75 + 15 * slope * np.linspace(0, 1, k) + rng.normal(0, 2, k)
            for slope, k in zip(trend, stay, strict=True)
        ],
        "temperature": [37 + rng.normal(0, 0.3, k) for k in stay],
        "age": age,
        "ward": ward,
    }
)
risk = 2 * trend + (age - 55) / 12 + np.where(ward == "cardiology", 1.5, -0.5)
y = np.where(risk + rng.normal(0, 0.5, n) > 0, "complication", "none")
frame.head()

# %%
# Straight into the classifier
# ----------------------------
# The frame survives ``train_test_split`` and cross-validation like any other. The two list columns
# have the same length within a row; from row to row they differ. (``closed_form=False`` leaves out
# the closed-form path beside the recurrence, which reads the series alone.)

from sklearn.model_selection import cross_val_score

from sklearn_rnn import RNNClassifier

classifier = RNNClassifier(
    hidden_size=16, bidirectional=False, max_epochs=25, closed_form=False, random_state=0
)
columns = {
    "series and static": ["pulse", "temperature", "age", "ward"],
    "series only": ["pulse", "temperature"],
}
scores = {
    name: cross_val_score(classifier, frame[chosen], y, cv=3) for name, chosen in columns.items()
}
classifier.fit(frame, y)
print("the network:", classifier.input_, "->", classifier.core_, "->", classifier.head_)

# %%
# The scalars alone go to a classifier of scikit-learn, for comparison.

from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

static_only = make_pipeline(
    make_column_transformer((StandardScaler(), ["age"]), (OneHotEncoder(), ["ward"])),
    LogisticRegression(),
)
scores["static only"] = cross_val_score(static_only, frame, y, cv=3)

figure, ax = plt.subplots(figsize=(6.5, 2.6), layout="constrained")
names = list(scores)[::-1]
means = [scores[name].mean() for name in names]
bars = ax.barh(names, means, color=["#999999", "#999999", "#0072B2"], height=0.6)
ax.bar_label(bars, fmt="%.2f", padding=4)
ax.axvline(max(np.mean(y == "none"), np.mean(y != "none")), color="0.3", linestyle=":", linewidth=1)
ax.set(xlim=(0.4, 1), xlabel="accuracy in cross-validation (dotted: always the larger class)")
ax.spines[["top", "right", "left"]].set_visible(False)
ax.tick_params(axis="y", length=0)

# %%
# From and to Parquet
# -------------------
# A long table, with a row for each measurement, becomes :class:`~sklearn_rnn.Sequences` with
# :meth:`~sklearn_rnn.Sequences.from_long`; ``to_frame`` and ``to_arrow`` give list columns back,
# which Parquet stores as they are.

from sklearn_rnn import Sequences

long = pd.DataFrame(
    {
        "patient": np.repeat(np.arange(n), stay),
        "pulse": np.concatenate(frame["pulse"]),
        "age": np.repeat(age, stay),
    }
)
sequences = Sequences.from_long(long, id="patient", static=["age"])
print(sequences)
print(sequences.to_arrow().schema)
plt.show()
