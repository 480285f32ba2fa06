"""Cross-validate variants of ours on the training parts alone: python benchmarks/choices.py

Defaults are chosen on this, over all sets and never on a test part; `accuracy.py` then reports.
C-MAPSS is left out: its windows overlap, so folds of them would not be apart.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from _data import DATASETS, FOLDER, Dataset, available, load
from _report import add_page_options, environment, publish, table
from accuracy import VARIANTS, Score, ours
from sklearn.model_selection import KFold, StratifiedKFold


def cross_validate(data: Dataset, variant: str, seeds: int, folds: int) -> Score:
    """Score one variant on every fold of the training part, for every seed."""
    scores, seconds = [], []
    splitter = StratifiedKFold if data.task == "classification" else KFold
    for seed in range(seeds):
        cut = splitter(folds, shuffle=True, random_state=seed)
        for train, test in cut.split(np.zeros(len(data.y_train)), data.y_train):
            model = ours(data.task, variant)(seed)
            begun = time.process_time()
            model.fit(data.X_train[train], data.y_train[train])
            seconds.append(time.process_time() - begun)
            predicted, truth = model.predict(data.X_train[test]), data.y_train[test]
            if data.task == "classification":
                scores.append(float(np.mean(predicted == truth)))
            else:
                scores.append(float(np.sqrt(np.mean((predicted - truth) ** 2))))
    return Score(scores, seconds)


def main(arguments: list[str] | None = None) -> dict[str, dict[str, Score]]:
    """Cross-validate the variants on the sets at hand, print the table, update the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--sets", help="print some alone, leaving the page as it is; with commas")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="with commas")
    parser.add_argument("--data", type=Path, default=FOLDER, help="the folder that holds the sets")
    add_page_options(parser)
    options = parser.parse_args(arguments)
    held = available(options.data)
    wanted = options.sets.split(",") if options.sets else [n for n in DATASETS if "CMAPSS" not in n]
    variants = options.variants.split(",")
    found: dict[str, dict[str, Score]] = {}
    rows = []
    for name in [name for name in wanted if name in held]:
        data = load(name, options.data)
        found[name] = {v: cross_validate(data, v, options.seeds, options.folds) for v in variants}
        texts = [score.text(data.task) for score in found[name].values()]
        rows.append((name, *texts))
        print(f"{name}: {'; '.join(map(' '.join, zip(variants, texts, strict=True)))}", flush=True)
    if not found:
        print("None of the sets is there: nothing was measured.", file=sys.stderr)
        return found
    classified = [n for n in found if load(n, options.data).task == "classification"]
    if classified:
        means = [
            statistics.fmean(statistics.fmean(found[n][v].scores) for n in classified)
            for v in variants
        ]
        rows.append(("mean accuracy", *(f"{mean:.3f}" for mean in means)))
    body = (
        f"{options.folds}-fold cross-validation on the training parts, {options.seeds} seeds, by "
        "`benchmarks/choices.py`: accuracy, or root mean squared error for Covid3Month and "
        "Tecator, with its standard deviation over folds, and the median processor seconds of a "
        f"fit.\n\n{table(('set', *variants), rows)}\n\n{environment()}"
    )
    options.no_page = options.no_page or options.sets is not None
    publish(
        "choices", "The closed form and the trained recurrence, on training folds", body, options
    )
    return found


if __name__ == "__main__":
    main()
