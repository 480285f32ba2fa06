"""What sentences are tagged with from scratch, defaults untouched: python benchmarks/tagging.py

`SequenceTagger()` with nothing but a seed is fitted on each corpus' training part and scored on its
test part, beside sklearn-crfsuite with features of a window of five words (where it is installed),
and what others published.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _data import FOLDER
from _report import add_page_options, environment, publish, table
from _tagged import CORPORA, TaggedSet, available, load

from sklearn_rnn import SequenceTagger
from sklearn_rnn.metrics import entity_f1_score, token_accuracy_score

#: Published for bidirectional LSTMs.
PUBLISHED: dict[str, str] = {
    "EWT": "about .955 (pretrained)",
    "CoNLL-2000": "-",
    "CoNLL-2000 + POS": ".945 (pretrained)",
    "SNIPS": ".888, intent .970",
}


def window(row: list[Any]) -> Iterator[dict[str, Any]]:
    """Yield what a linear CRF is told of each word: itself, its ends and shape, its neighbours."""
    words = [item if isinstance(item, str) else item[0] for item in row]
    tags = None if isinstance(row[0], str) else [item[1] for item in row]
    for place, word in enumerate(words):
        features: dict[str, Any] = {
            "bias": 1.0,
            "ends -3": word[-3:],
            "ends -2": word[-2:],
            "starts": word[:3],
            "upper": word.isupper(),
            "title": word.istitle(),
            "digit": any(letter.isdigit() for letter in word),
        }
        for distance in range(-2, 3):
            other = place + distance
            inside = 0 <= other < len(words)
            features[f"word {distance}"] = words[other].lower() if inside else "<none>"
            if tags is not None:
                features[f"tag {distance}"] = tags[other] if inside else "<none>"
        if tags is not None and place:
            features["tags"] = f"{tags[place - 1]} {tags[place]}"
        yield features


class LinearCRF:
    """sklearn-crfsuite over :func:`window`."""

    def __init__(self, **parameters: Any) -> None:
        from sklearn_crfsuite import CRF

        settings = {"algorithm": "lbfgs", "c1": 0.1, "c2": 0.1, "max_iterations": 100}
        self.crf = CRF(all_possible_transitions=True, **{**settings, **parameters})

    def fit(self, X: list[Any], y: list[Any]) -> LinearCRF:
        """Fit on sentences and tags."""
        self.crf.fit([list(window(row)) for row in X], y)
        return self

    def predict(self, X: list[Any]) -> list[Any]:
        """Return tags."""
        return [list(row) for row in self.crf.predict([list(window(row)) for row in X])]


def has_crfsuite() -> bool:
    """Tell whether the rival is installed."""
    try:
        import sklearn_crfsuite  # noqa: F401
    except ImportError:
        return False
    return True


def score(data: TaggedSet, tags: list[list[str]]) -> float:
    """Return the F1 of entities where the tags have a scheme, else the accuracy."""
    if any(tag.startswith("B-") for row in data.y_test for tag in row):
        return float(entity_f1_score(data.y_test, tags))
    return float(token_accuracy_score(data.y_test, tags))


def measure(
    model: Any, data: TaggedSet, *, joint: bool
) -> tuple[float, float | None, float, float]:
    """Return score, accuracy of the labels, seconds of the fit, and sentences tagged a second."""
    y: Any = data.y_train
    if joint and data.labels_train is not None:
        y = list(zip(data.labels_train, y, strict=True))
    begun = time.perf_counter()
    model.fit(data.X_train, y)
    seconds = time.perf_counter() - begun
    begun = time.perf_counter()
    found = model.predict(data.X_test)
    speed = len(data.X_test) / (time.perf_counter() - begun)
    labels = None
    if y is not data.y_train:
        assert data.labels_test is not None
        right = [row[0] == label for row, label in zip(found, data.labels_test, strict=True)]
        labels = statistics.fmean(right)
        found = [row[1] for row in found]
    return score(data, found), labels, seconds, speed


def _text(found: list[tuple[float, float | None, float, float]]) -> str:
    """Write mean and spread, and the seconds of a fit."""
    scores = [f[0] for f in found]
    spread = f" ± {statistics.stdev(scores):.4f}" if len(scores) > 1 else ""
    labels = [f[1] for f in found if f[1] is not None]
    intent = f", intent {statistics.fmean(labels):.4f}" if labels else ""
    seconds = statistics.median(f[2] for f in found)
    return f"{statistics.fmean(scores):.4f}{spread}{intent} ({seconds:.0f} s)"


def section(rows: list[tuple], seeds: int) -> str:
    """Write what was measured, and how."""
    header = ("set", "sentences, tags", "default", "crfsuite", "sentences/s", "published")
    return (
        "`SequenceTagger()` with nothing set, from scratch, no vectors from elsewhere, by "
        f"`benchmarks/tagging.py`: F1 of entities on the test part, accuracy for EWT, mean of "
        f"{seeds} seed{'s' * (seeds != 1)}, median seconds of a fit. For SNIPS one model learns "
        "intent and slots. `crfsuite` is a linear CRF with hand-made features of a window of five "
        "words; it learns the slots alone. `+ POS` adds the corpus' own parts of speech as a "
        "column.\n\n"
        f"{table(header, rows)}\n\n{environment()}"
    )


def main(arguments: list[str] | None = None) -> dict[str, dict[str, list[tuple]]]:
    """Measure the corpora at hand, print the table, update the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--sets",
        help=f"print some alone, leaving the page as it is; with commas, of: {', '.join(CORPORA)}",
    )
    parser.add_argument("--quick", action="store_true", help="some sentences, two epochs, one seed")
    parser.add_argument("--data", type=Path, default=FOLDER, help="the folder that holds the sets")
    add_page_options(parser)
    options = parser.parse_args(arguments)
    names = options.sets.split(",") if options.sets else list(CORPORA)
    unknown = [name for name in names if name not in CORPORA]
    if unknown:
        parser.error(f"no set is called {', '.join(unknown)}; there are {', '.join(CORPORA)}")
    held = available(options.data)
    rival = has_crfsuite()
    if not rival:
        print("sklearn-crfsuite is not installed: measured without it.", file=sys.stderr)
    seeds = 1 if options.quick else options.seeds
    found: dict[str, dict[str, list[tuple]]] = {}
    rows = []
    for name in names:
        if name not in held:
            print(f"Skipped, not in the data folder: {name}.", file=sys.stderr)
            continue
        data = load(name, options.data)
        settings: dict[str, Any] = {}
        if options.quick:
            labels = data.labels_train, data.labels_test
            data = TaggedSet(
                data.name,
                *(part[:60] for part in data[1:5]),
                *(None if part is None else part[:60] for part in labels),
            )
            settings = {"max_epochs": 2, "hidden_size": 8}
        taggers = [SequenceTagger(random_state=seed, **settings) for seed in range(seeds)]
        found[name] = {"default": [measure(tagger, data, joint=True) for tagger in taggers]}
        if rival:
            crf = LinearCRF(max_iterations=5) if options.quick else LinearCRF()
            found[name]["crfsuite"] = [measure(crf, data, joint=False)]
        speed = statistics.median(result[3] for result in found[name]["default"])
        cells = [_text(found[name][key]) for key in ("default", "crfsuite") if key in found[name]]
        if not rival:
            cells.append("-")
        rows.append((name, data.shape, *cells, f"{speed:,.0f}", PUBLISHED[name]))
        print(" | ".join(map(str, rows[-1])), flush=True)
    if not found:
        print("None of the corpora is there: nothing was measured.", file=sys.stderr)
        return found
    options.no_page = options.no_page or options.sets is not None
    publish("tagging", "Tags from scratch", section(rows, seeds), options)
    return found


if __name__ == "__main__":
    main()
