"""Fit, tune and score a classifier of speakers on JapaneseVowels: what ``make demo`` runs.

640 recordings of two vowels by nine men, 7 to 29 steps long, 12 channels: who is speaking? The
first 270 recordings are for training, the other 370 for the test. Ends with a picture in
``demo-output/``. ``--quick`` trains less, to see that everything works; ``--output`` names another
folder.
"""

import argparse
import os
import time
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # a picture in a file, no window

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline

from sklearn_rnn import RNNClassifier
from sklearn_rnn.datasets import load_japanese_vowels
from sklearn_rnn.inspection import TrainingCurveDisplay
from sklearn_rnn.preprocessing import SequenceScaler

OUTPUT = Path(__file__).parents[1] / "demo-output"


def heading(text):
    """Print a heading."""
    print(f"\n{text}\n{'-' * len(text)}")


def load():
    """Load the two parts and say what they are."""
    X_train, y_train = load_japanese_vowels(subset="train", return_X_y=True)
    X_test, y_test = load_japanese_vowels(subset="test", return_X_y=True)
    heading("The data: JapaneseVowels, as it comes, nothing padded")
    print(f"training  {X_train}")
    print(f"test      {X_test}")
    return X_train, y_train, X_test, y_test


def watch(X, y, quick):
    """Train a recurrent network while watching recordings that are held out."""
    heading("A first fit: a recurrent network, watched on a fifth of the training data")
    X_fit, X_val, y_fit, y_val = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)
    classifier = RNNClassifier(max_epochs=5 if quick else 30, closed_form=False, random_state=0)
    begun = time.perf_counter()
    classifier.fit(X_fit, y_fit, X_val=X_val, y_val=y_val)
    print(f"network   {classifier.input_} -> {classifier.core_} -> {classifier.head_}")
    print(f"weights   {classifier.n_weights_:,}")
    print(f"trained   {classifier.n_iter_} epochs in {time.perf_counter() - begun:.1f} s")
    print(f"accuracy  {classifier.score(X_val, y_val):.3f} on the recordings held out")
    return classifier


def tune(X, y, quick):
    """Choose between networks and the closed form by cross-validation, in a pipeline."""
    heading("Tuning: GridSearchCV over a Pipeline, three folds of the training data")
    pipeline = Pipeline([("scale", SequenceScaler()), ("rnn", RNNClassifier(random_state=0))])
    epochs = {"rnn__max_epochs": [3 if quick else 25]}
    trained = {"rnn__closed_form": [False], "rnn__cell": ["lstm", "gru"], **epochs}
    trained["rnn__stem"] = [None] if quick else [None, "conv"]
    solved = {"rnn__closed_form": ["only"]}
    both = {"rnn__closed_form": [True], "rnn__stem": [None if quick else "conv"], **epochs}
    # Of equals the search takes the first: the simplest.
    grid = [solved, trained, both]
    search = GridSearchCV(pipeline, grid, cv=3)
    begun = time.perf_counter()
    search.fit(X, y)
    results = search.cv_results_
    print("rank  accuracy         seconds  parameters")
    for i in np.argsort(results["rank_test_score"], kind="stable"):
        chosen = ", ".join(
            f"{name.removeprefix('rnn__')}={value!r}"
            for name, value in results["params"][i].items()
            if name not in epochs
        )
        print(
            f"{results['rank_test_score'][i]:4d}  {results['mean_test_score'][i]:.3f} "
            f"+/- {results['std_test_score'][i]:.3f}  {results['mean_fit_time'][i]:7.1f}  {chosen}"
        )
    n_fits = len(results["params"]) * search.n_splits_ + 1
    print(f"{n_fits} fits in {time.perf_counter() - begun:.1f} s")
    return search


def draw(watched, search, X_test, y_test, accuracy, picture):
    """Draw the training curve and the confusion matrix side by side."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(12.5, 5.4), layout="constrained", width_ratios=[1.15, 1]
    )
    figure.get_layout_engine().set(w_pad=0.15, wspace=0.06)
    figure.suptitle("JapaneseVowels: which of nine men is speaking?", fontsize=15)
    TrainingCurveDisplay.from_estimator(watched, ax=left, learning_rate=True)
    left.set_title("First fit, watched on a fifth of the training data", pad=12)
    matrix = ConfusionMatrixDisplay.from_estimator(
        search, X_test, y_test, display_labels=range(1, 10), ax=right, cmap="Blues", colorbar=False
    )
    for (true, predicted), text in np.ndenumerate(matrix.text_):
        if text.get_text() == "0":
            text.set_text("")
        elif true != predicted:
            text.set(color="#D55E00", weight="bold")
    n_wrong = round((1 - accuracy) * len(y_test))
    right.set(xlabel="Predicted speaker", ylabel="True speaker")
    right.set_title(f"Tuned model on the test set: {n_wrong} of {len(y_test)} wrong", pad=12)
    right.tick_params(length=0)
    right.spines[:].set_visible(False)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=130)
    plt.close(figure)


def main(quick, output):
    """Run the demo."""
    begun = time.perf_counter()
    X_train, y_train, X_test, y_test = load()
    watched = watch(X_train, y_train, quick)
    search = tune(X_train, y_train, quick)
    heading("The best model, trained on all 270 recordings, on the 370 it has never heard")
    accuracy = search.score(X_test, y_test)
    print(f"accuracy  {accuracy:.3f}")
    picture = Path(output) / "japanese_vowels.png"
    draw(watched, search, X_test, y_test, accuracy, picture)
    print(f"picture   {os.path.relpath(picture)}")
    print(f"\nAll in {time.perf_counter() - begun:.0f} s.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="train less")
    parser.add_argument("--output", default=OUTPUT, help="folder for the picture")
    arguments = parser.parse_args()
    main(arguments.quick, arguments.output)
