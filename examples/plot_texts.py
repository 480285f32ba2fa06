"""
Texts: sentiment, label sets, other columns, a search
=====================================================

From strings to labels in one pipeline: sentences with one label, with a set of labels, beside
numbers and categories, and a search over tokenizer and network at once.
"""

# %%
# Short reviews, made up so that "not" turns a word around: what single words cannot tell.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_rnn import RNNClassifier
from sklearn_rnn.inspection import TokenAttributionDisplay
from sklearn_rnn.preprocessing import TextTokenizer

rng = np.random.default_rng(0)
GOOD = ["good", "great", "lovely", "superb", "charming", "brilliant"]
BAD = ["bad", "poor", "awful", "dull", "weak", "boring"]
FILLER = ["the", "plot", "was", "a", "film", "with", "some", "actors", "and", "scenes"]


def review(liked: bool) -> str:
    turned = rng.random() < 0.3
    words = rng.choice(FILLER, rng.integers(2, 8)).tolist()
    said = rng.choice(GOOD if liked != turned else BAD)
    words[rng.integers(len(words)) :] = [*(["not"] if turned else []), said]
    return " ".join([*words, *rng.choice(FILLER, 2)])


liked = rng.random(600) < 0.5
texts = [review(bool(each)) for each in liked]
y = np.where(liked, "liked", "disliked")
X_train, X_test, y_train, y_test = train_test_split(texts, y, random_state=0)

# %%
# Sentiment. The n-grams see "not good" as one; the share of the recurrence is decided on texts that
# it did not train on.
model = make_pipeline(TextTokenizer(), RNNClassifier(16, max_epochs=8, random_state=0))
model.fit(X_train, y_train)
print(f"accuracy {model.score(X_test, y_test):.3f}")
print(f"share of the recurrence {model[-1].recurrence_share_:.1f}")

# %%
# What every word adds to the answer "liked": "good" counts for it, and against it behind "not".
TokenAttributionDisplay.from_estimator(
    model, ["the plot was good", "the plot was not good", "a film with dull scenes"], target="liked"
)
plt.show()

# %%
# A set of labels: what is said of plot and actors.
names = ["plot", "actors", "scenes"]
labels = np.array([[name in text.split() for name in names] for text in texts]).astype(int)
tagged = make_pipeline(TextTokenizer(), RNNClassifier(closed_form="only", random_state=0))
tagged.fit(texts[:450], labels[:450])
print(dict(zip(names, tagged[-1].thresholds_.round(2).tolist(), strict=True)))
print(f"whole sets right {tagged.score(texts[450:], labels[450:]):.3f}")

# %%
# Texts beside other columns: the price matters here as much as the words.
frame = pd.DataFrame(
    {
        "review": texts,
        "price": rng.normal(size=600),
        "kind": pd.Categorical(rng.choice(["book", "film"], 600)),
    }
)
bought = np.where(liked & (frame["price"] < 0.5), "bought", "left")
mixed = make_pipeline(TextTokenizer(), RNNClassifier(closed_form="only", random_state=0))
mixed.fit(frame[:450], bought[:450])
print(f"with price {mixed.score(frame[450:], bought[450:]):.3f}")
words_alone = make_pipeline(TextTokenizer(), RNNClassifier(closed_form="only", random_state=0))
words_alone.fit(texts[:450], bought[:450])
print(f"words alone {words_alone.score(texts[450:], bought[450:]):.3f}")

# %%
# A search over tokenizer and network together.
search = GridSearchCV(
    make_pipeline(TextTokenizer(), RNNClassifier(16, max_epochs=4, random_state=0)),
    {
        "texttokenizer__analyzer": ["word", "char"],
        "rnnclassifier__closed_form": ["only", "auto"],
    },
    cv=2,
)
search.fit(X_train, y_train)
print(search.best_params_)
print(f"accuracy {search.score(X_test, y_test):.3f}")
