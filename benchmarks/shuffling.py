"""Does sorting batches by length cost accuracy? python benchmarks/shuffling.py

The trained network alone is cross-validated on training parts: with plainly shuffled batches, and
with `BatchPlan`'s pools of batches that are sorted by length, those it has and larger. Beside the
ragged sets there are ragged forms of the others: each sequence keeps a random share of its steps,
from a tenth to all (drawn evenly on a logarithmic scale), either alike in every class or more of
them the later the class, so that length says something.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from _data import DATASETS, FOLDER, available, load
from _report import add_page_options, environment, publish, table
from sklearn.model_selection import StratifiedKFold

from sklearn_rnn import RNNClassifier, Sequences
from sklearn_rnn.training import BatchPlan, _batches

SETS = ("JapaneseVowels", "ECG", "BasicMotions", "GunPoint", "ArrowHead", "ItalyPowerDemand")
WAYS = {"plain": None, "as `fit`": (4, 32, 8), "all sorted": (32, 32, 0)}


def shuffled(plan: BatchPlan) -> list[np.ndarray]:
    """Return one epoch's batches without a look at the lengths."""
    order = plan.generator.permutation(len(plan.lengths))
    return [order[i : i + plan.batch_size] for i in range(0, len(order), plan.batch_size)]


@contextmanager
def pools(sizes: tuple[int, int, int] | None):
    """Set smallest and largest pool, and from how many batches on; None shuffles plainly."""
    names = ("_SMALLEST_POOL", "_LARGEST_POOL", "_FEWEST_BATCHES")
    epoch, before = BatchPlan.epoch, [getattr(_batches, name) for name in names]
    try:
        if sizes is None:
            BatchPlan.epoch = shuffled
        else:
            for name, size in zip(names, sizes, strict=True):
                setattr(_batches, name, size)
        yield
    finally:
        BatchPlan.epoch = epoch
        for name, size in zip(names, before, strict=True):
            setattr(_batches, name, size)


def shortened(X: Sequences, y: np.ndarray, *, by_class: bool) -> Sequences:
    """Keep the first steps of each sequence: a tenth to all of them."""
    rng = np.random.default_rng(0)
    _, codes = np.unique(y, return_inverse=True)
    share = rng.uniform(size=len(X))
    if by_class:
        share = (codes + share) / (codes.max() + 1)
    kept = np.maximum(3, (X.lengths * 0.1 ** (1 - share)).astype(int))
    return Sequences.from_list([x[:n] for x, n in zip(X, kept, strict=True)])


def problems(name: str, folder: Path) -> dict[str, tuple[Sequences, np.ndarray]]:
    """Return the training part of a set, in its ragged forms if it is not ragged itself."""
    data = load(name, folder)
    X, y = data.X_train, data.y_train
    if X.lengths.min() < X.lengths.max():
        return {name: (X, y)}
    return {
        f"{name}, shortened": (shortened(X, y, by_class=False), y),
        f"{name}, shortened by class": (shortened(X, y, by_class=True), y),
    }


def cross_validate(X: Sequences, y: np.ndarray, seeds: int, units: int, epochs: int | str) -> list:
    """Return the accuracies of the trained network on three folds, for every seed."""
    scores = []
    for seed in range(seeds):
        for train, test in StratifiedKFold(3, shuffle=True, random_state=seed).split(X, y):
            model = RNNClassifier(
                units, closed_form=False, max_epochs=epochs, device="cpu", random_state=seed
            )
            scores.append(model.fit(X[train], y[train]).score(X[test], y[test]))
    return scores


def padding(X: Sequences, batch_size: int = 16) -> float:
    """Return padded steps over valid ones, of an epoch's batches."""
    plan = BatchPlan(X.lengths, batch_size, np.random.default_rng(0))
    padded = sum(len(rows) * int(X.lengths[rows].max()) for rows in plan.epoch())
    return padded / float(X.lengths.sum())


def main(arguments: list[str] | None = None) -> dict[str, dict[str, list]]:
    """Cross-validate every way to shuffle on the sets at hand, print the table, update the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--units", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--sets", default=",".join(SETS), help="with commas")
    parser.add_argument("--data", type=Path, default=FOLDER, help="the folder that holds the sets")
    add_page_options(parser)
    options = parser.parse_args(arguments)
    held = available(options.data)
    found: dict[str, dict[str, list]] = {}
    rows = []
    for name in [n for n in options.sets.split(",") if n in held and n in DATASETS]:
        for title, (X, y) in problems(name, options.data).items():
            found[title], cells = {}, []
            for way, sizes in WAYS.items():
                with pools(sizes):
                    scores = cross_validate(
                        X, y, options.seeds, options.units, options.epochs or "auto"
                    )
                    cells += [f"{np.mean(scores):.3f} ± {np.std(scores):.3f}", f"{padding(X):.2f}"]
                found[title][way] = scores
            rows.append((title, *cells))
            print(*rows[-1], sep="; ", flush=True)
    if not found:
        print("None of the sets is there: nothing was measured.", file=sys.stderr)
        return found
    means = {way: np.mean([np.mean(scores[way]) for scores in found.values()]) for way in WAYS}
    rows.append(("mean", *(cell for mean in means.values() for cell in (f"{mean:.3f}", ""))))
    header = ("set", *(cell for way in WAYS for cell in (way, "padding")))
    body = (
        f"3-fold cross-validation on the training parts, {options.seeds} seeds, by "
        f"`benchmarks/shuffling.py`: accuracy of the trained network alone ({options.units} units) "
        "with plainly shuffled batches, with batches of like length from shuffled pools, as `fit` "
        "has them, and with pools of 32 batches also in the smallest sets; and padded steps over "
        "valid ones with batches of 16.\n\n"
        f"{table(header, rows)}\n\n{environment()}"
    )
    publish("shuffling", "Batches of like length against plain shuffling", body, options)
    return found


if __name__ == "__main__":
    main()
