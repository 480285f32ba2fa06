"""
Names in sentences: what is asked, of whom, and where
=====================================================

A request names cities, people and times, and a program wants them as such. Every word gets a tag:
``B-city`` begins a city, ``I-city`` goes on with it, and ``O`` stands outside. We learn the tags,
and the request's kind beside them, with one :class:`~sklearn_rnn.SequenceTagger`.
"""

# %%
# The data
# --------
# Requests are put together from patterns and made-up names. Hardly a name comes twice, so that the
# model has to go by how names are written and by the words around. *How is Dona?* may ask about a
# person or a city; it is not to be told.

import random

import matplotlib.pyplot as plt

rng = random.Random(0)
SYLLABLES = ["ba", "do", "fe", "ka", "li", "mo", "na", "pe", "ri", "so", "tu", "va", "we", "zo"]
DAYS = ["today", "tonight", "tomorrow", "on Monday", "on Friday", "next week", "at noon"]


def stem():
    return "".join(rng.choices(SYLLABLES, k=rng.randint(2, 3))).capitalize()


NAMES = {
    "city": lambda: rng.choice(["{}ton", "{}burg", "{}", "San {}", "{} Bay", "Port {}"]),
    "person": lambda: rng.choice(["{}", "{}", "{} {}son", "{} {}man"]),
    "time": lambda: rng.choice([*DAYS, f"at {rng.randint(1, 12)}", f"at {rng.randint(1, 23)}:30"]),
}
PATTERNS = {
    "travel": ["fly to {city} {time}", "i need a train from {city} to {city}", "to {city} please"],
    "message": [
        "tell {person} to come {time}",
        "write {person} a note",
        "how is {person} {time}",
    ],
    "weather": ["will it rain in {city} {time}", "how is {city} {time}", "is it cold {time}"],
}


def request():
    """Draw a request: its words, and its kind with its tags."""
    kind = rng.choice(list(PATTERNS))
    words, tags = [], []
    for piece in rng.choice(PATTERNS[kind]).split():
        name = piece.strip("{}")
        if piece == name:
            words.append(piece)
            tags.append("O")
        else:
            found = NAMES[name]().format(stem(), stem()).split()
            words += found
            tags += [f"B-{name}"] + [f"I-{name}"] * (len(found) - 1)
    return words, (kind, tags)


X, y = zip(*[request() for _ in range(800)], strict=True)
X_train, y_train, X_test, y_test = X[:300], y[:300], X[300:], y[300:]
print(X_train[0], y_train[0])

# %%
# Fit
# ---
# X is a list of lists of words. y has a pair for each request, its kind and its tags; a list of
# tags alone would do as well.

from sklearn_rnn import SequenceTagger

tagger = SequenceTagger(hidden_size=32, max_epochs=25, scoring="entity_f1", random_state=0)
tagger.fit(X_train, y_train)
print(f"scheme {tagger.scheme_}, F1 of names: {tagger.score(X_test, y_test):.3f}")
tagger.predict([["fly", "to", "Santa", "Cruz", "tomorrow"]])

# %%
# Which types it finds
# --------------------

from sklearn_rnn.metrics import entity_report

found = tagger.predict(X_test)
true_tags = [tags for _, tags in y_test]
found_tags = [tags for _, tags in found]
print(entity_report(true_tags, found_tags))

# %%
# What is taken for what
# ----------------------
# The tags of all words, one after the other, are what scikit-learn's confusion matrix reads.

from itertools import chain

from sklearn.metrics import ConfusionMatrixDisplay

figure, ax = plt.subplots(figsize=(6.4, 5.6), layout="constrained")
ConfusionMatrixDisplay.from_predictions(
    list(chain.from_iterable(true_tags)),
    list(chain.from_iterable(found_tags)),
    normalize="true",
    values_format=".2f",
    xticks_rotation=45,
    cmap="Blues",
    ax=ax,
)
ax.set(xlabel="found", ylabel="true", title="What each true tag is found to be")
plt.show()
