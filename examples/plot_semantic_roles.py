"""
Who does what to whom: semantic roles as tags
=============================================

*Ann asked Bob to leave*: who asks is Ann, who leaves is Bob. The roles of a sentence depend on the
verb one asks about, so that verb is an input: a column that marks it. With it, semantic role
labelling is a tagging problem for :class:`~sklearn_rnn.SequenceTagger`.
"""

# %%
# The data
# --------
# Each sentence has two verbs, and so it comes twice, each time with the other one marked. A data
# frame holds the words in one column of lists and the marks in another.

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

PEOPLE = ["Ann", "Bob", "Carl", "Dora", "Emil", "Fay", "Gus", "Hilda"]
ASKS = {"asked": "object", "told": "object", "urged": "object", "promised": "subject"}
ACTS = ["leave", "sing", "wait", "help"]


def both_readings(first, ask, second, act):
    """Return words and, for either verb, its marks and the roles."""
    words = [first, ask, second, "to", act]
    actor = 2 if ASKS[ask] == "object" else 0
    roles = [["O"] * 5, ["O"] * 5]
    roles[0][0], roles[0][1], roles[0][2] = "B-agent", "B-verb", "B-addressee"
    roles[0][3], roles[0][4] = "B-content", "I-content"
    roles[1][actor], roles[1][4] = "B-agent", "B-verb"
    return [(words, [0, 1, 0, 0, 0], roles[0]), (words, [0, 0, 0, 0, 1], roles[1])]


rows = [
    reading
    for first, ask, second, act in itertools.product(PEOPLE, ASKS, PEOPLE, ACTS)
    if first != second
    for reading in both_readings(first, ask, second, act)
]
frame = pd.DataFrame(rows, columns=["word", "verb", "roles"])
frame = frame.sample(frac=1.0, random_state=0, ignore_index=True)
train, test = frame[:400], frame[400:]
train.head(4)

# %%
# Fit
# ---
# Who leaves if Ann *promised* Bob to leave? Ann does: the model has to look from the marked verb
# back to the other one.

from sklearn_rnn import SequenceTagger

inputs = ["word", "verb"]
tagger = SequenceTagger(hidden_size=32, max_epochs=25, random_state=0)
tagger.fit(train[inputs], train["roles"])
print(f"share of words with the right role: {tagger.score(test[inputs], test['roles']):.3f}")

# %%
# The probabilities of one sentence, asked about in two ways
# ----------------------------------------------------------

sentence = ["Ann", "promised", "Bob", "to", "leave"]
asked = pd.DataFrame({"word": [sentence] * 2, "verb": [[0, 1, 0, 0, 0], [0, 0, 0, 0, 1]]})
probabilities = tagger.predict_proba(asked)
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for ax, shares, marks in zip(axes, probabilities, asked["verb"], strict=True):
    image = ax.imshow(shares.T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    ax.set_xticks(range(len(sentence)), sentence)
    ax.set_title(f"asked about: {sentence[int(np.argmax(marks))]}")
axes[0].set_yticks(range(len(tagger.classes_)), tagger.classes_)
figure.colorbar(image, ax=axes, label="probability")
plt.show()
