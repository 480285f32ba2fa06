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
# Requests are put together from patterns. A third of the names is kept for the test, so that the
# model cannot know them by heart: it has to go by how they are written and by the words around.

import random

import matplotlib.pyplot as plt

rng = random.Random(0)
NAMES = {
    "city": ["Rome", "New York", "Oslo", "San Jose", "Lima", "Cape Town", "Riga", "Hong Kong"]
    + ["Bonn", "Tel Aviv", "Graz", "La Paz", "Kyoto", "Porto Alegre", "Turin"],
    "person": ["Ann", "Bob Stone", "Carla", "Dan Brook", "Eve", "Finn Marsh", "Gina", "Hal Reed"]
    + ["Ida", "Jim Ford", "Kay", "Leo Field", "Mia", "Ned Hill", "Olga"],
    "time": ["today", "at noon", "on Monday", "tomorrow", "at 9", "next week", "on Friday"]
    + ["tonight", "at 10", "on Sunday", "in May", "at 11", "on Tuesday", "in June", "at 8"],
}
PATTERNS = {
    "travel": ["fly to {city} {time}", "i need a train from {city} to {city}", "to {city} please"],
    "message": ["tell {person} that i come {time}", "write {person} a note", "ask {person} {time}"],
    "weather": ["will it rain in {city} {time}", "how warm is {city}", "is it cold {time}"],
}


def request(part):
    """Draw a request of the training (0) or test (1) part: words, and its kind with its tags."""
    kind = rng.choice(list(PATTERNS))
    words, tags = [], []
    for piece in rng.choice(PATTERNS[kind]).split():
        name = piece.strip("{}")
        known = NAMES.get(name) if piece != name else None
        if known is None:
            words.append(piece)
            tags.append("O")
        else:
            found = rng.choice(known[:10] if part == 0 else known[10:]).split()
            words += found
            tags += [f"B-{name}"] + [f"I-{name}"] * (len(found) - 1)
    return words, (kind, tags)


X_train, y_train = zip(*[request(0) for _ in range(400)], strict=True)
X_test, y_test = zip(*[request(1) for _ in range(200)], strict=True)
print(X_train[0], y_train[0])

# %%
# Fit
# ---
# X is a list of lists of words. y has a pair for each request, its kind and its tags; a list of
# tags alone would do as well.

from sklearn_rnn import SequenceTagger

tagger = SequenceTagger(hidden_size=32, max_epochs=20, scoring="entity_f1", random_state=0)
tagger.fit(X_train, y_train)
print(f"scheme {tagger.scheme_}, F1 of names never seen: {tagger.score(X_test, y_test):.3f}")
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

display = ConfusionMatrixDisplay.from_predictions(
    list(chain.from_iterable(true_tags)),
    list(chain.from_iterable(found_tags)),
    normalize="true",
    values_format=".2f",
    xticks_rotation=45,
    cmap="Blues",
)
display.ax_.set(xlabel="found", ylabel="true", title="Share of each true tag")
display.figure_.set_layout_engine("constrained")
plt.show()
