"""What the defaults reach, untouched, on every set at hand: python benchmarks/accuracy.py

`RNNClassifier()` and `RNNRegressor()` with nothing but a seed are fitted on each set's own training
part and scored on its test part, several times, beside figures that others published for the same
split and beside estimators that everyone has: the majority or the mean, a linear model on summary
features, a random forest. `--rivals` adds MiniRocket and sktime's recurrent networks where aeon and
sktime are installed, `--variants` the declared variants of ours. A long run can be done in parts:
`--keep FILE` stores what was measured, and the page is made of all that the file holds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _baselines import baselines, rivals
from _data import DATASETS, FOLDER, Dataset, available, load
from _report import add_page_options, environment, publish, table

from sklearn_rnn import ReservoirClassifier, ReservoirRegressor, RNNClassifier, RNNRegressor

#: Ours: the defaults, and what `--variants` may name.
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "closed form": {"closed_form": "only"},
    "trained": {"closed_form": False},
    "GRU": {"closed_form": False, "cell": "gru"},
    "stem": {"closed_form": False, "stem": "conv"},
}
#: A closed form of its own, without convolutions.
_RESERVOIRS = {"classification": ReservoirClassifier, "regression": ReservoirRegressor}

#: Published for the same split: by the methods' authors or in their comparisons; accuracy or RMSE.
PUBLISHED: dict[str, str] = {
    "JapaneseVowels": "ResNet .992, FCN .993, TWIESN .965",
    "BasicMotions": "MLSTM-FCN .955",
    "GunPoint": "InceptionTime 1.000, ResNet .991",
    "ItalyPowerDemand": "InceptionTime .965, ResNet .962",
    "ArrowHead": "InceptionTime .846, ResNet .838",
    "ECG": "FCN .872, TWIESN .737",
    "PenDigits": "MLSTM-FCN .97",
    "CMAPSS-FD001": "LSTM 14.93, deep LSTM 16.14, CNN 16.97",
}


class Score(NamedTuple):
    """Scores and seconds of one estimator over the seeds."""

    scores: list[float]
    seconds: list[float]

    def text(self, task: str) -> str:
        """Write mean and spread, and the processor seconds of a fit."""
        mean = statistics.fmean(self.scores)
        digits = 3 if task == "classification" or mean >= 1 else 4
        spread = ""
        if len(self.scores) > 1:
            spread = f" ± {statistics.stdev(self.scores):.{digits}f}"
        return f"{mean:.{digits}f}{spread} ({statistics.median(self.seconds):.1f} s)"


def measure(make: Callable[[int], Any], data: Dataset, seeds: int) -> Score:
    """Fit and score an estimator once for each seed."""
    scores, seconds = [], []
    for seed in range(seeds):
        model = make(seed)
        begun = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(data.X_train, data.y_train)
        seconds.append(time.process_time() - begun)
        predicted = model.predict(data.X_test)
        if data.task == "classification":
            scores.append(float(np.mean(predicted == data.y_test)))
        else:
            scores.append(float(np.sqrt(np.mean((predicted - data.y_test) ** 2))))
    return Score(scores, seconds)


def ours(task: str, name: str) -> Callable[[int], Any]:
    """Return a maker of one of our variants."""
    kind = RNNClassifier if task == "classification" else RNNRegressor
    return lambda seed: kind(random_state=seed, **VARIANTS[name])


def measure_within(make: Callable[[int], Any], data: Dataset, seeds: int, limit: float) -> Score:
    """Measure in a process of its own, ended after `limit` seconds; what is done by then counts."""
    context = multiprocessing.get_context("fork")
    results: Any = context.Queue()

    def work() -> None:
        for seed in range(seeds):
            score = measure(lambda _, seed=seed: make(seed), data, 1)
            results.put((score.scores[0], score.seconds[0]))

    process = context.Process(target=work)
    process.start()
    process.join(limit)
    if process.is_alive():
        process.terminate()
        process.join()
    found = []
    while not results.empty():
        found.append(results.get())
    if not found:
        raise TimeoutError(f"nothing within {limit:.0f} s, or it failed")
    scores, seconds = zip(*found, strict=True)
    return Score(list(scores), list(seconds))


def run(data: Dataset, options: argparse.Namespace) -> dict[str, Score]:
    """Measure everything on one set; what draws nothing at random is fitted once."""
    seeds, results = options.seeds, {}
    for name in filter(None, options.variants.split(",")):
        results[name] = measure(ours(data.task, name), data, seeds)
    lengths = np.concatenate([data.X_train.lengths, data.X_test.lengths])
    n_steps = int(lengths[0]) if (lengths == lengths[0]).all() else None
    if not options.no_baselines:
        reservoir = _RESERVOIRS[data.task]
        results["reservoir"] = measure(lambda seed: reservoir(random_state=seed), data, seeds)
        for name, make in baselines(data.task, n_steps).items():
            results[name] = measure(make, data, seeds if name == "forest" else 1)
    for name, make in rivals(data.task).items() if options.rivals else ():
        try:
            results[name] = measure_within(make, data, options.rival_seeds, options.rival_seconds)
        except Exception as error:  # a rival's own failure is its result
            print(f"{data.name}: {name} left out: {error}", file=sys.stderr)
    return results


def merge(kept: Path, found: dict[str, dict[str, Score]]) -> dict[str, dict[str, Score]]:
    """Add what was found to what a file holds, write the file, and return all of it."""
    held = json.loads(kept.read_text()) if kept.exists() else {}
    for name, results in found.items():
        held.setdefault(name, {}).update({key: list(each) for key, each in results.items()})
    kept.write_text(json.dumps(held, indent=1))
    return {n: {key: Score(*each) for key, each in r.items()} for n, r in held.items()}


def tables(found: dict[str, tuple[Dataset, dict[str, Score]]]) -> str:
    """Lay out one table for accuracy and one for root mean squared error."""
    texts = []
    for task, what in (
        ("classification", "Test accuracy"),
        ("regression", "Root mean squared error on the test part (smaller is better)"),
    ):
        chosen = {name: each for name, each in found.items() if each[0].task == task}
        if not chosen:
            continue
        columns = list(dict.fromkeys(name for _, results in chosen.values() for name in results))
        rows = [
            (
                name,
                data.shape,
                *(results[c].text(task) if c in results else "-" for c in columns),
                PUBLISHED.get(name, "-"),
            )
            for name, (data, results) in chosen.items()
        ]
        texts.append(f"{what}:\n\n" + table(("set", "sizes", *columns, "published"), rows))
    return "\n\n".join(texts)


def main(arguments: list[str] | None = None) -> dict[str, tuple[Dataset, dict[str, Score]]]:
    """Measure the sets at hand, print the tables, update the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--sets",
        help=f"print some alone, leaving the page as it is; with commas, of: {', '.join(DATASETS)}",
    )
    parser.add_argument(
        "--variants", default="default", help=f"with commas, of: {', '.join(VARIANTS)}"
    )
    parser.add_argument("--no-baselines", action="store_true", help="ours and rivals alone")
    parser.add_argument("--rivals", action="store_true", help="other packages' classifiers too")
    parser.add_argument("--rival-seeds", type=int, default=1, help="fits of a rival on a set")
    parser.add_argument(
        "--rival-seconds", type=float, default=600, help="end a rival on a set after so long"
    )
    parser.add_argument("--keep", type=Path, help="a file that keeps results from run to run")
    parser.add_argument("--data", type=Path, default=FOLDER, help="the folder that holds the sets")
    add_page_options(parser)
    options = parser.parse_args(arguments)
    held = available(options.data)
    names = options.sets.split(",") if options.sets else list(DATASETS)
    unknown = [name for name in names if name not in DATASETS]
    if unknown:
        parser.error(f"no set is called {', '.join(unknown)}; there are {', '.join(DATASETS)}")
    missing = [name for name in names if name not in held]
    if missing:
        print(f"Skipped, not in the data folder: {', '.join(missing)}.", file=sys.stderr)
    if options.rivals and not rivals("classification"):
        print("Neither sktime nor aeon is installed: no rivals.", file=sys.stderr)
    found = {}
    for name in names:
        if name in held:
            data = load(name, options.data)
            results = run(data, options)
            found[name] = data, results
            line = "; ".join(f"{key} {score.text(data.task)}" for key, score in results.items())
            print(f"{name}: {line}", flush=True)
            if options.keep is not None:
                merge(options.keep, {name: results})
    if options.keep is not None:
        held_results = merge(options.keep, {})
        found = {n: (load(n, options.data), held_results[n]) for n in DATASETS if n in held_results}
    if not found:
        print("None of the sets is there: nothing was measured.", file=sys.stderr)
        return found
    body = (
        f"`RNNClassifier()` and `RNNRegressor()` with nothing set, by `benchmarks/accuracy.py`: "
        f"each set's own split, mean ± standard deviation of {options.seeds} seeds, median "
        "processor seconds of a fit. `reservoir` is `ReservoirClassifier()` or "
        "`ReservoirRegressor()`. `linear` is logistic or ridge regression on summary features, "
        "`forest` a random forest on all values where all lengths agree and on summary features "
        "elsewhere. C-MAPSS: the last 60 cycles (chosen on training engines) up to each training "
        "cycle, remaining life capped at 125, predicted at each test engine's last "
        "cycle. Published figures are those of the methods' authors, or of comparisons on the same "
        f"split.\n\n{tables(found)}\n\n{environment()}"
    )
    options.no_page = options.no_page or (options.sets is not None and options.keep is None)
    publish("accuracy", "Accuracy with nothing tuned", body, options)
    return found


if __name__ == "__main__":
    main()
