"""What every sequence model should beat, and other packages' classifiers where installed.

Imports scikit-learn; sktime and aeon only when a rival is asked for.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_rnn import Sequences


def summaries(X: Sequences) -> np.ndarray:
    """Describe each channel of each sequence by a dozen numbers, and add the length."""
    return np.array([_summary(x) for x in X])


def _summary(x: np.ndarray) -> np.ndarray:
    """Return location, spread, ends, trend and roughness of every channel, and the length."""
    steps = np.diff(x, axis=0) if len(x) > 1 else np.zeros_like(x)
    clock = np.linspace(-1, 1, len(x))[:, None] if len(x) > 1 else np.zeros((1, 1))
    parts = [
        x.mean(0),
        x.std(0),
        *np.quantile(x, [0, 0.25, 0.5, 0.75, 1], axis=0),
        x[0],
        x[-1],
        (clock * x).mean(0),
        np.abs(steps).mean(0),
        steps.std(0),
        [len(x)],
    ]
    return np.concatenate(parts)


def flat_or_summaries(X: Sequences, n_steps: int | None) -> np.ndarray:
    """Lay sequences out as rows when all have the same length, else describe them."""
    return summaries(X) if n_steps is None else np.asarray(X).reshape(len(X), -1)


def baselines(task: str, n_steps: int | None) -> dict[str, Callable[[int], Any]]:
    """Return makers, from a seed, of the estimators to stand beside ours.

    `n_steps` is the length that all sequences share, or None.
    """
    describe = FunctionTransformer(summaries)
    flatten = FunctionTransformer(flat_or_summaries, kw_args={"n_steps": n_steps})
    if task == "classification":
        return {
            "majority": lambda seed: DummyClassifier(),
            "linear": lambda seed: make_pipeline(
                describe, StandardScaler(), LogisticRegression(max_iter=2000)
            ),
            "forest": lambda seed: make_pipeline(
                flatten, RandomForestClassifier(300, random_state=seed)
            ),
        }
    return {
        "mean": lambda seed: DummyRegressor(),
        "linear": lambda seed: make_pipeline(
            describe, StandardScaler(), RidgeCV(np.logspace(-3, 4, 15))
        ),
        "forest": lambda seed: make_pipeline(
            flatten, RandomForestRegressor(100, min_samples_leaf=2, random_state=seed)
        ),
    }


#: Other packages' classifiers: by title their module and name.
_RIVALS = {
    "MiniRocket": ("aeon.classification.convolution_based", "MiniRocketClassifier"),
    "sktime GRU": ("sktime.classification.deep_learning.gru", "GRUClassifier"),
    "sktime GRU-FCN": ("sktime.classification.deep_learning.gru", "GRUFCNNClassifier"),
    "sktime SimpleRNN": ("sktime.classification.deep_learning.rnn", "SimpleRNNClassifierTorch"),
    "sktime LSTM-FCN": ("sktime.classification.deep_learning.lstmfcn", "LSTMFCNClassifierTorch"),
}


#: What has no default there.
_REQUIRED: dict[str, dict[str, Any]] = {"GRUFCNNClassifier": {"hidden_dim": 64, "gru_layers": 1}}


class PaddedRival:
    """A classifier behind our `fit` and `predict`: padded with zeros, channels first."""

    def __init__(self, module: str, name: str, seed: int) -> None:
        kind = getattr(importlib.import_module(module), name)
        required = _REQUIRED.get(name, {})
        try:
            self.model = kind(random_state=seed, **required)
        except TypeError:
            self.model = kind(**required)
        self.n_steps = 0

    def _pad(self, X: Sequences) -> np.ndarray:
        """Return (n, channels, steps), cut or padded to the length of the training set."""
        padded, _ = X.to_padded(fill_value=0.0)
        # MiniRocket's kernels read nine steps.
        wanted = np.zeros((len(X), max(9, self.n_steps), X.n_channels))
        steps = min(self.n_steps, padded.shape[1])
        wanted[:, :steps] = padded[:, :steps]
        return wanted.transpose(0, 2, 1)

    def fit(self, X: Sequences, y: np.ndarray) -> PaddedRival:
        """Fit on the padded sequences."""
        self.n_steps = int(X.lengths.max())
        self.model.fit(self._pad(X), y)
        return self

    def predict(self, X: Sequences) -> np.ndarray:
        """Predict from the padded sequences."""
        return self.model.predict(self._pad(X))


def rivals(task: str) -> dict[str, Callable[[int], Any]]:
    """Return makers of other packages' classifiers, none of those that are not installed."""

    def maker(module: str, name: str) -> Callable[[int], Any]:
        return lambda seed: PaddedRival(module, name, seed)

    return {
        title: maker(module, name)
        for title, (module, name) in _RIVALS.items()
        if task == "classification" and importlib.util.find_spec(module.split(".")[0])
    }
