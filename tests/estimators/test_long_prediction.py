"""Long sequences are predicted in pieces: the same numbers, in bounded memory, mapped files too."""

import numpy as np
import pytest

from sklearn_rnn import RNNClassifier, RNNRegressor, Sequences
from sklearn_rnn.training import _inference as _long

RNG = np.random.default_rng(0)
LENGTHS = (9, 300, 4, 257, 31)
X = [RNG.normal(size=(n, 2)).astype(np.float32) for n in LENGTHS]
Y = np.array(["a", "b", "c", "a", "b"])
SMALL = {"hidden_size": 4, "max_epochs": 1, "random_state": 0}


@pytest.fixture
def in_pieces(monkeypatch):
    """Take rows of more than about 50 steps for long, and count what goes in pieces."""
    rows = []

    def long_rows(network, storage):
        rows.append(np.flatnonzero(storage.lengths > 50))
        return rows[-1]

    def switch():
        monkeypatch.setattr("sklearn_rnn.estimators._base.long_rows", long_rows)
        monkeypatch.setattr(_long.ChunkedRun.__init__, "__defaults__", (None, 64))

    return switch, rows


def compared(model, methods, in_pieces, data=X):
    switch, rows = in_pieces
    before = [getattr(model, method)(data) for method in methods]
    switch()
    for method, expected in zip(methods, before, strict=True):
        found = getattr(model, method)(data)
        for a, b in zip(found, expected, strict=True):
            if np.asarray(a).dtype.kind == "U":
                assert np.array_equal(a, b)
            else:
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    assert all(part.tolist() == [1, 3] for part in rows) and rows


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"closed_form": "only"},
        {"closed_form": False, "pooling": "attention", "num_layers": 2},
        {"closed_form": False, "bidirectional": False, "stem": "conv"},
    ],
    ids=str,
)
def test_classifier(options, in_pieces):
    model = RNNClassifier(**SMALL, **options).fit(X, Y)
    methods = ["predict", "predict_proba", "transform", "hidden_states"]
    compared(model, [name for name in methods if hasattr(model, name)], in_pieces)


def test_joint_outputs(in_pieces):
    y = np.array([["a", "x"], ["b", "y"], ["c", "x"], ["a", "y"], ["b", "y"]])
    compared(RNNClassifier(**SMALL).fit(X, y), ["predict"], in_pieces)


def test_regressor(in_pieces):
    y = 1e6 + np.arange(5.0)
    compared(RNNRegressor(**SMALL).fit(X, y), ["predict", "transform"], in_pieces)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_targets_per_step(in_pieces, bidirectional):
    y = [np.cumsum(x, axis=0) for x in X]
    model = RNNRegressor(**SMALL, bidirectional=bidirectional).fit(X, y)
    compared(model, ["predict", "hidden_states"], in_pieces)


def test_static_features_times_and_mapped_values(in_pieces, tmp_path):
    values = np.memmap(tmp_path / "values", dtype=np.float64, mode="w+", shape=(sum(LENGTHS), 2))
    values[:] = np.concatenate(X)
    offsets = np.concatenate([[0], np.cumsum(LENGTHS)])
    times = np.concatenate([np.cumsum(RNG.uniform(0.1, 3, size=n)) for n in LENGTHS])
    static = RNG.normal(size=(5, 3))
    mapped = Sequences(values, offsets, times=times, static=static)
    model = RNNClassifier(**SMALL).fit(mapped, Y)
    compared(model, ["predict_proba", "hidden_states"], in_pieces, mapped)


def test_a_long_row_needs_no_memory_in_proportion():
    import psutil

    model = RNNClassifier(32, max_epochs=1, closed_form=False, random_state=0).fit(X, Y)
    model.predict(X)
    row = np.zeros((300_000, 2), dtype=np.float32)
    process, peak, n_pieces = psutil.Process(), 0, 0
    begun = process.memory_info().rss
    pieces = _long.ChunkedRun._steps

    def watched(self, piece):
        nonlocal peak, n_pieces
        n_pieces += 1
        peak = max(peak, process.memory_info().rss - begun)
        return pieces(self, piece)

    _long.ChunkedRun._steps = watched
    try:
        model.predict([row])
    finally:
        _long.ChunkedRun._steps = pieces
    # At once, the states alone would take 73 MiB, and all that leads to them about 400.
    assert n_pieces > 10
    assert peak < 60 * 2**20
