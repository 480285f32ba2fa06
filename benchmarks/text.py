"""What texts are classified to from scratch, defaults untouched: python benchmarks/text.py

`make_pipeline(TextTokenizer(), RNNClassifier())` with nothing but a seed is fitted on each set's
training part and scored on its test part, beside TF-IDF of one and two words (one to five
characters for surnames) with logistic regression, a bag of embeddings (the words' vectors, averaged
and read out, as fastText does, trained by our loop). `--parts` adds our n-grams and our recurrence
alone. `--results` keeps every fit in a file and takes from it what has been measured, so that the
table can be put together from several runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
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
    "closed_form": False,
}
MODELS: dict[str, Callable[[TextSet, int], Any]] = {
    "default": _ours(),
    "TF-IDF + LR": _tf_idf,
    "bag of embeddings": _ours(**BAG),
}
PARTS: dict[str, Callable[[TextSet, int], Any]] = {
    "n-grams alone": _ours(closed_form="only"),
    "recurrence alone": _ours(closed_form=False),
}


Fit = dict[str, float]


def measure(make: Callable[[TextSet, int], Any], data: TextSet, seed: int) -> Fit:
    """Return the score, processor seconds of the fit, and texts predicted a second."""
    model = make(data, seed)
    begun = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(data.X_train, data.y_train)
    seconds = time.process_time() - begun
    begun = time.process_time()
    predicted = model.predict(data.X_test)
    speed = len(data.X_test) / (time.process_time() - begun)
    if data.y_test.ndim == 2:
        score = float(f1_score(data.y_test, predicted, average="macro"))
    else:
        score = float(np.mean(predicted == data.y_test))
    return {"score": score, "seconds": seconds, "speed": speed}


class Results:
    """The fits there are by set, model and seed, kept in a file if there is one."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.fits: dict[str, dict[str, dict[str, Fit]]] = {}
        if path is not None and path.exists():
            self.fits = json.loads(path.read_text())

    def add(self, name: str, title: str, seed: int, fit: Callable[[], Fit]) -> None:
        """Measure what has not been, and note it."""
        seeds = self.fits.setdefault(name, {}).setdefault(title, {})
        if str(seed) in seeds:
            return
        seeds[str(seed)] = fit()
        if self.path is not None:
            self.path.write_text(json.dumps(self.fits, indent=1))

    def seeds(self, name: str, title: str) -> list[Fit]:
        """Return the fits of one model on one set."""
        return list(self.fits.get(name, {}).get(title, {}).values())


def _text(fits: list[Fit], seeds: int) -> str:
    """Write mean and spread, the processor seconds of a fit, and how many seeds where others."""
    if not fits:
        return "-"
    scores = [fit["score"] for fit in fits]
    spread = f" ± {statistics.stdev(scores):.3f}" if len(scores) > 1 else ""
    seconds = f"{statistics.median(fit['seconds'] for fit in fits):.0f} s"
    few = f", {len(scores)} seeds" if 1 < len(scores) < seeds else ""
    return f"{statistics.fmean(scores):.3f}{spread} ({seconds}{few})"


def _rows(results: Results, models: list[str], shapes: dict[str, str], seeds: int) -> list:
    """Return a row of the table for each set of which something is known."""
    rows = []
    for name in shapes:
        if not results.seeds(name, "default"):
            continue
        cells = [_text(results.seeds(name, title), seeds) for title in models]
        speed = statistics.median(fit["speed"] for fit in results.seeds(name, "default"))
        rows.append((name, shapes[name], *cells, f"{speed:,.0f}"))
    return rows


def main(arguments: list[str] | None = None) -> dict[str, dict[str, dict[str, Fit]]]:
    """Measure the sets at hand, print the table, update the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sets", help=f"some alone, with commas, of: {', '.join(TEXTS)}")
    parser.add_argument("--models", help=f"some alone, with commas, of: {', '.join(MODELS)}")
    parser.add_argument("--parts", action="store_true", help="our two paths alone, too")
    parser.add_argument("--quick", action="store_true", help="a few hundred texts, one seed")
    parser.add_argument("--results", type=Path, help="keep all fits in this JSON file")
    parser.add_argument("--note", default="", help="what is to be said of these figures")
    parser.add_argument("--data", type=Path, default=FOLDER, help="the folder that holds the sets")
    add_page_options(parser)
    options = parser.parse_args(arguments)
    models = {**MODELS, **(PARTS if options.parts else {})}
    names = options.sets.split(",") if options.sets else list(TEXTS)
    titles = options.models.split(",") if options.models else list(models)
    for kind, asked, known in (("set", names, TEXTS), ("model", titles, models)):
        unknown = [name for name in asked if name not in known]
        if unknown:
            parser.error(f"no {kind} is called {', '.join(unknown)}; there are {', '.join(known)}")
    held = available(options.data)
    results = Results(options.results)
    seeds = 1 if options.quick else options.seeds
    shapes: dict[str, str] = {}
    for name in held:
        if name not in names and name not in results.fits:
            continue
        data = load(name, options.data)
        shapes[name] = data.shape
        if options.quick:
            data = data._replace(
                X_train=data.X_train[::40],
                y_train=data.y_train[::40],
                X_test=data.X_test[::10],
                y_test=data.y_test[::10],
            )
        for title in titles if name in names else ():
            for seed in range(1 if title == "TF-IDF + LR" else seeds):
                results.add(name, title, seed, partial(measure, models[title], data, seed))
            print(f"{name}, {title}: {_text(results.seeds(name, title), seeds)}", flush=True)
    for name in names:
        if name not in held:
            print(f"Skipped, not in the data folder: {name}.", file=sys.stderr)
    # The table has every model of which something is known.
    shown = [t for t in {**MODELS, **PARTS} if any(results.seeds(name, t) for name in shapes)]
    rows = _rows(results, shown, shapes, seeds)
    if not rows:
        print("Nothing was measured of our default.", file=sys.stderr)
        return results.fits
    header = ("set", "texts, labels", *shown, "texts/s")
    body = (
        f"`make_pipeline(TextTokenizer(), RNNClassifier())` with nothing set, from scratch, by "
        f"`benchmarks/text.py`: accuracy on the test part, macro F1 for GoEmotions, mean ± "
        f"standard deviation of {seeds} seed{'s' * (seeds != 1)} (one where there is no "
        "deviation), median processor seconds of a fit on one thread. MR and surnames have no "
        "official split: a tenth and a fifth are held out. `texts/s` is what ours predicts a "
        f"processor second, tokenising included. {options.note}\n\n"
        f"{table(header, rows)}\n\n{environment()}"
    )
    options.no_page = options.no_page or (options.sets is not None and options.results is None)
    publish("text", "Texts from scratch", body, options)
    return results.fits


if __name__ == "__main__":
    main()
