"""Accuracy of untouched estimators over all data sets, beside simple rivals and published figures.

    python benchmarks/accuracy.py                 # the sets' own test parts, five seeds
    python benchmarks/accuracy.py --folds 3       # cross-validation on the training parts only

Choices of defaults are made on the second; the first only reports. Accuracy for classification,
root mean squared error for regression; processor seconds of one fit on one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from _data import Problem, problems
from _report import add_page_options, environment, publish, table
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_rnn import RNNClassifier, RNNRegressor


def summaries(sequences: list[np.ndarray]) -> np.ndarray:
    """Return mean, deviation, extremes, first, last and mean change of every channel."""
    rows = []
    for x in sequences:
        change = np.abs(np.diff(x, axis=0)).mean(axis=0) if len(x) > 1 else np.zeros(x.shape[1])
        parts = [x.mean(0), x.std(0), x.min(0), x.max(0), x[0], x[-1], change, [len(x)]]
        rows.append(np.concatenate(parts))
    return np.array(rows)


def _summarised(estimator: Any) -> Any:
    """Put the summary features before an estimator."""
    return make_pipeline(FunctionTransformer(summaries), StandardScaler(), estimator)


def _ours(**parameters: Any) -> Callable[[Problem, int], Any]:
    """Make ours for a problem and a seed."""

    def make(problem: Problem, seed: int) -> Any:
        estimator = RNNRegressor if problem.regression else RNNClassifier
        return estimator(random_state=seed, **parameters)

    return make


MODELS: dict[str, Callable[[Problem, int], Any]] = {
    "default": _ours(),
    "reservoir only": _ours(reservoir="only"),
    "trained only": _ours(reservoir=False),
    "trained, conv stem": _ours(reservoir=False, stem="conv"),
    "random forest": lambda p, s: _summarised(
        (RandomForestRegressor if p.regression else RandomForestClassifier)(300, random_state=s)
    ),
    "linear": lambda p, s: _summarised(
        RidgeCV(np.logspace(-3, 5, 17))
        if p.regression
        else LogisticRegressionCV(
            Cs=8,
            l1_ratios=(0.0,),
            use_legacy_attributes=False,
            scoring="accuracy",
            max_iter=2000,
        )
    ),
    "trivial": lambda p, s: _summarised(DummyRegressor() if p.regression else DummyClassifier()),
}


def splits(problem: Problem, folds: int, seed: int) -> Iterator[tuple[Any, Any]]:
    """Yield (train, test) parts: the set's own, or folds of its training part."""
    if not folds:
        yield problem.train, problem.test
        return
    X, y = problem.train
    if problem.groups is not None:
        cut = GroupKFold(folds, shuffle=True, random_state=seed).split(y, groups=problem.groups)
    elif problem.regression:
        cut = KFold(folds, shuffle=True, random_state=seed).split(y)
    else:
        cut = StratifiedKFold(folds, shuffle=True, random_state=seed).split(y, y)
    for a, b in cut:
        yield ([X[i] for i in a], y[a]), ([X[i] for i in b], y[b])


def measure(problem: Problem, model: str, seeds: int, folds: int) -> tuple[list[float], float]:
    """Return the scores of one model on one set, and the seconds of a fit."""
    scores, seconds = [], []
    for seed in range(seeds):
        for (X, y), (X_test, y_test) in splits(problem, folds, seed):
            estimator = MODELS[model](problem, seed)
            begun = time.process_time()
            estimator.fit(X, y)
            seconds.append(time.process_time() - begun)
            predicted = estimator.predict(X_test)
            if problem.regression:
                scores.append(float(np.sqrt(np.mean((predicted - y_test) ** 2))))
            else:
                scores.append(float(np.mean(predicted == y_test)))
    return scores, float(np.mean(seconds))


def main(arguments: list[str] | None = None) -> dict[tuple[str, str], float]:
    """Measure, print and write the table; return the mean scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folds", type=int, default=0, help="cross-validate on the training parts")
    parser.add_argument("--sets", nargs="*", help="only these data sets")
    parser.add_argument("--models", nargs="*", choices=MODELS, default=list(MODELS))
    add_page_options(parser)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    found = problems(options.sets)
    if not found:
        print("No data sets here; set SKLEARN_RNN_DATA to their folder.")
        return {}
    rows, means = [], {}
    for problem in found:
        row = [problem.name + (" (RMSE)" if problem.regression else "")]
        digits = 4 if not problem.regression or problem.test[1].max() < 1 else 2
        for model in options.models:
            scores, seconds = measure(problem, model, options.seeds, options.folds)
            means[problem.name, model] = float(np.mean(scores))
            spread = float(np.std(scores))
            row.append(f"{np.mean(scores):.{digits}f} ± {spread:.{digits}f} ({seconds:.1f} s)")
            print(f"{problem.name:18}{model:20}{row[-1]}", flush=True)
        rows.append([*row, problem.published])
    how = (
        f"{options.folds}-fold cross-validation on the training parts"
        if options.folds
        else "the sets' own test parts"
    )
    body = (
        f"Mean and standard deviation over {options.seeds} seeds of {how}; in brackets the "
        f"processor seconds of a fit. Written by `benchmarks/accuracy.py`, "
        f"{environment()}\n\n" + table(["", *options.models, "published"], rows)
    )
    name = "accuracy-folds" if options.folds else "accuracy"
    title = "Accuracy on training folds" if options.folds else "Accuracy on the test parts"
    publish(name, title, body, options)
    return means


if __name__ == "__main__":
    main()
