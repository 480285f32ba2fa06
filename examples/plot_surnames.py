"""
From a surname to its language
==============================

A classic of character models: 20,050 surnames in 18 languages, far from balanced. The tokenizer
cuts names into characters; the estimator counts up to five of them in a row, and may add a
recurrence.
"""

# %%
# The names come with the package. A sixth of them keeps this page quick.
import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay, classification_report
from sklearn.pipeline import make_pipeline

from sklearn_rnn import RNNClassifier
from sklearn_rnn.datasets import load_surnames
from sklearn_rnn.preprocessing import TextTokenizer

surnames = load_surnames()
languages = surnames.target_names[surnames.target]
train = np.flatnonzero(surnames.split == "train")[::6]
test = np.flatnonzero(surnames.split == "test")[::4]
X_train, y_train = surnames.names[train], languages[train]
X_test, y_test = surnames.names[test], languages[test]

# %%
# The n-grams alone need no training by gradient.
model = make_pipeline(TextTokenizer("char"), RNNClassifier(closed_form="only", random_state=0))
model.fit(X_train, y_train)
print(f"accuracy {model.score(X_test, y_test):.3f}")
print(model.predict(["Satoshi", "Papadopoulos", "O'Neill", "Kowalczyk"]))

# %%
# Rare languages are found less often; ``class_weight="balanced"`` trades some of the frequent ones
# for them.
balanced = make_pipeline(
    TextTokenizer("char"),
    RNNClassifier(closed_form="only", class_weight="balanced", random_state=0),
).fit(X_train, y_train)
for name, fitted in (("as they come", model), ("balanced", balanced)):
    report = classification_report(
        y_test, fitted.predict(X_test), output_dict=True, zero_division=0
    )
    print(f"{name}: macro F1 {report['macro avg']['f1-score']:.3f}")

# %%
import matplotlib.pyplot as plt

_, ax = plt.subplots(figsize=(7, 7), layout="constrained")
ConfusionMatrixDisplay.from_predictions(
    y_test,
    model.predict(X_test),
    normalize="true",
    include_values=False,
    xticks_rotation="vertical",
    ax=ax,
)
