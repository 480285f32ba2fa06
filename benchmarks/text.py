"""What texts are classified to from scratch, defaults untouched: python benchmarks/text.py

`make_pipeline(TextTokenizer(), RNNClassifier())` with nothing but a seed is fitted on each set's
training part and scored on its test part, beside TF-IDF of one and two words (one to five
characters for surnames) with logistic regression, a bag of embeddings (the words' vectors, averaged
and read out, as fastText does, trained by our loop). `--parts` adds our n-grams and our recurrence
alone.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _data import FOLDER
from _report import add_page_options, environment, publish, table
from _texts import TEXTS, TextSet, available, load
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from sklearn_rnn import RNNClassifier
from sklearn_rnn.preprocessing import TextTokenizer


class Passing(torch.nn.Module):
    """A recurrence that passes its input on: what is pooled are the embeddings themselves."""

    def __init__(self, input_size: int, hidden_size: int, batch_first: bool = True) -> None:
        super().__init__()
        self.hidden_size = hidden_size

    def forward(self, x: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return x as output."""
        return x, x[:, -1][None]


def _tf_idf(data: TextSet, seed: int) -> Any:
    if data.analyzer == "char":
        vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 5))
    else:
        # Short words and punctuation count: without them questions are told apart less well.
        vectors = TfidfVectorizer(token_pattern=r"\w+|[^\w\s]", ngram_range=(1, 2))
    model: Any = LogisticRegression(C=10.0, max_iter=1000)
    if data.y_train.ndim == 2:
        model = OneVsRestClassifier(model)
    return make_pipeline(vectors, model)


def _ours(**parameters: Any) -> Callable[[TextSet, int], Any]:
    return lambda data, seed: make_pipeline(
        TextTokenizer(data.analyzer), RNNClassifier(random_state=seed, **parameters)
    )


BAG = {
    "cell": Passing,
    "hidden_size": 64,
    "bidirectional": False,
    "pooling": "mean",
    "ngrams": False,
}
MODELS: dict[str, Callable[[TextSet, int], Any]] = {
    "default": _ours(),
    "TF-IDF + LR": _tf_idf,
    "bag of embeddings": _ours(**BAG),
}
PARTS: dict[str, Callable[[TextSet, int], Any]] = {
    "n-grams alone": _ours(ngrams="only"),
    "recurrence alone": _ours(ngrams=False),
}


def measure(
    make: Callable[[TextSet, int], Any], data: TextSet, seeds: int
) -> tuple[list[float], list[float], list[float]]:
    """Return scores, seconds of the fits, and texts predicted a second."""
    scores, seconds, speeds = [], [], []
    for seed in range(seeds):
        model = make(data, seed)
        begun = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(data.X_train, data.y_train)
        seconds.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        predicted = model.predict(data.X_test)
        speeds.append(len(data.X_test) / (time.perf_counter() - begun))
        if data.y_test.ndim == 2:
            scores.append(float(f1_score(data.y_test, predicted, average="macro")))
        else:
            scores.append(float(np.mean(predicted == data.y_test)))
    return scores, seconds, speeds


def _text(scores: list[float], seconds: list[float]) -> str:
    """Write mean and spread, and the seconds of a fit."""
    spread = f" ± {statistics.stdev(scores):.3f}" if len(scores) > 1 else ""
    return f"{statistics.fmean(scores):.3f}{spread} ({statistics.median(seconds):.0f} s)"


def main(arguments: list[str] | None = None) -> dict[str, dict[str, tuple]]:
    """Measure the sets at hand, print the table, update the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--sets",
        help=f"print some alone, leaving the page as it is; with commas, of: {', '.join(TEXTS)}",
    )
    parser.add_argument("--parts", action="store_true", help="our two paths alone, too")
    parser.add_argument("--quick", action="store_true", help="a few hundred texts, one seed")
    parser.add_argument("--data", type=Path, default=FOLDER, help="the folder that holds the sets")
    add_page_options(parser)
    options = parser.parse_args(arguments)
    names = options.sets.split(",") if options.sets else list(TEXTS)
    unknown = [name for name in names if name not in TEXTS]
    if unknown:
        parser.error(f"no set is called {', '.join(unknown)}; there are {', '.join(TEXTS)}")
    held = available(options.data)
    models = {**MODELS, **(PARTS if options.parts else {})}
    found: dict[str, dict[str, tuple]] = {}
    rows = []
    for name in names:
        if name not in held:
            print(f"Skipped, not in the data folder: {name}.", file=sys.stderr)
            continue
        data = load(name, options.data)
        if options.quick:
            data = data._replace(
                X_train=data.X_train[::40],
                y_train=data.y_train[::40],
                X_test=data.X_test[::10],
                y_test=data.y_test[::10],
            )
        results = {
            title: measure(
                make, data, 1 if options.quick or title == "TF-IDF + LR" else options.seeds
            )
            for title, make in models.items()
        }
        found[name] = results
        cells = [_text(*results[title][:2]) for title in models]
        speed = f"{statistics.median(results['default'][2]):,.0f}"
        rows.append((name, data.shape, *cells, speed))
        print(" | ".join(map(str, rows[-1])), flush=True)
    if not found:
        print("None of the sets is there: nothing was measured.", file=sys.stderr)
        return found
    header = ("set", "texts, labels", *models, "texts/s")
    seeds = 1 if options.quick else options.seeds
    body = (
        f"`make_pipeline(TextTokenizer(), RNNClassifier())` with nothing set, from scratch, by "
        f"`benchmarks/text.py`: accuracy on the test part, macro F1 for GoEmotions, mean ± "
        f"standard deviation of {seeds} seed{'s' * (seeds != 1)}, median seconds of a fit. MR and "
        "surnames have no official split: a tenth and a fifth are held out. `texts/s` is what ours "
        "predicts, tokenising included.\n\n"
        f"{table(header, rows)}\n\n{environment()}"
    )
    options.no_page = options.no_page or options.sets is not None
    publish("text", "Texts from scratch", body, options)
    return found


if __name__ == "__main__":
    main()
