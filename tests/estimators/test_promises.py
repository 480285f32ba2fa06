"""The promises of every estimator: our own suite over both, in every form, kind of y and core."""

import os
import pickle
import subprocess
import sys
import threading

import joblib
import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.utils.validation import check_is_fitted

from sklearn_rnn import EarlyStopping, Optimizer, RNNClassifier, RNNRegressor, Sequences
from sklearn_rnn.testing import (
    _checks_of_fits,
    _checks_of_inputs,
    parametrize_with_sequence_checks,
    sequence_checks,
)

CHECKS = (_checks_of_fits, _checks_of_inputs)

TINY = {"hidden_size": 4, "max_epochs": 3, "batch_size": 8, "random_state": 0}
SETTINGS = {**TINY, "closed_form": False}


@parametrize_with_sequence_checks([RNNClassifier(**SETTINGS), RNNRegressor(**SETTINGS)])
def test_sequence_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor])
def test_no_check_is_left_out(kind):
    names = {check.name for _, check in sequence_checks(kind(), forms=["list", "padded_3d"])}
    written = {
        name
        for module in CHECKS
        for name, value in vars(module).items()
        if name.startswith("check_") and value.__module__ == module.__name__
    }
    assert names == written


def means(rows):
    return np.array([np.nan_to_num(row).mean() for row in rows])


TARGETS = {
    "multilabel": (RNNClassifier, lambda r: np.c_[means(r) > 0, means(r) > 0.1].astype(int)),
    "several labels": (RNNClassifier, lambda r: np.c_[np.arange(len(r)) % 3, means(r) > 0]),
    "several numbers": (RNNRegressor, lambda r: np.c_[means(r), np.arange(len(r))]),
    "a number a step": (RNNRegressor, lambda r: [row[:, 0].cumsum() for row in r]),
    "numbers a step": (RNNRegressor, lambda r: [row.cumsum(axis=0) for row in r]),
}
# One form tells as much as another, or another process costs a second, in these.
ONCE = {"check_new_process_predicts_the_same_bits", "check_n_jobs_changes_no_bit", "check_silent"}


def run_checks(estimator, forms, make_y=None):
    names = set()
    for model, check in sequence_checks(estimator, forms=forms, make_y=make_y):
        if check.name not in ONCE:
            check(model)
            names.add(check.name)
    assert {"check_padding_is_not_read", "check_same_seed_same_bits"} <= names


@pytest.mark.parametrize("kind", TARGETS)
def test_sequence_checks_of_other_targets(kind):
    estimator, make_y = TARGETS[kind]
    run_checks(estimator(**SETTINGS), ["list", "padded_3d"], make_y)


class SumCell(torch.nn.Module):
    """A cell of a user's own, with dropout that takes no generator."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.mix = torch.nn.Linear(input_size + hidden_size, hidden_size)
        self.drop = torch.nn.Dropout(0.2)
        self.hidden_size = hidden_size

    def forward(self, x, state=None):
        if state is None:
            state = x.new_zeros(len(x), self.hidden_size)
        return torch.tanh(self.mix(torch.cat([self.drop(x), state], dim=1)))


CORES = [
    {"cell": "gru", "bidirectional": False, "pooling": "last"},
    {"cell": "rnn", "num_layers": 2, "layer_norm": True, "dropout": 0.4},
    {"cell": "gru_reset_before", "pooling": "attention"},
    {"cell": "cifg", "stem": "conv"},
    {"cell": "mingru", "stem": "conv", "pooling": "mean+attention"},
    {"cell": "minlstm", "num_layers": 2},
    {"cell": SumCell},
    {"early_stopping": EarlyStopping(validation_fraction=0.25)},
    {"missing": "indicator", "optimizer": Optimizer("sgd", schedule="plateau")},
    {"loss": torch.nn.CrossEntropyLoss()},
]


@pytest.mark.parametrize("core", CORES, ids=lambda core: "-".join(map(str, core)))
def test_sequence_checks_of_other_cores(core):
    run_checks(RNNClassifier(**{**SETTINGS, **core}), ["list", "padded_3d"])


@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor])
@pytest.mark.parametrize("reservoir", ["auto", "only"])
def test_sequence_checks_of_the_closed_form(kind, reservoir):
    run_checks(kind(**{**TINY, "closed_form": reservoir}), ["list", "padded_3d", "pandas_static"])


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    X = [rng.normal(size=(rng.integers(2, 9), 2)) + label for label in y]
    return X, np.array(["off", "on"])[y]


# ---------------------------------------------------------------- random states


def test_without_a_seed_fits_differ_and_touch_no_global_state(data):
    X, y = data
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    one, two = (RNNClassifier(**{**TINY, "random_state": None}).fit(X, y) for _ in range(2))
    assert not np.array_equal(one.predict_proba(X), two.predict_proba(X))
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


def test_fits_in_threads_have_the_bits_of_fits_in_turn(data):
    X, y = data
    models = [RNNClassifier(**{**TINY, "random_state": seed, "cell": SumCell}) for seed in range(4)]
    wanted = [model.fit(X, y).predict_proba(X).tobytes() for model in models]
    threads = [threading.Thread(target=model.fit, args=(X, y)) for model in models]
    n_threads = torch.get_num_threads()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [model.predict_proba(X).tobytes() for model in models] == wanted
    assert torch.get_num_threads() == n_threads


class NoisyDescent(torch.optim.SGD):
    @torch.no_grad()
    def step(self, closure=None):
        loss = super().step(closure)
        for parameter in self.param_groups[0]["params"]:
            parameter.add_(torch.randn_like(parameter), alpha=1e-3)
        return loss


class NoisyCell(torch.nn.GRUCell):
    def forward(self, x, state=None):
        state = super().forward(x, state)
        return state + 0.01 * torch.randn_like(state)


@pytest.mark.parametrize("brought", [{"optimizer": NoisyDescent}, {"cell": NoisyCell}])
@pytest.mark.parametrize("reservoir", [False, True])
def test_what_the_user_brings_may_draw(data, brought, reservoir):
    X, y = data
    model = RNNClassifier(**{**TINY, **brought, "closed_form": reservoir})
    before = torch.get_rng_state()
    first = model.fit(X, y).predict_proba(X)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    np.testing.assert_array_equal(model.fit(X, y).predict_proba(X), first)
    np.testing.assert_array_equal(model.predict_proba(X), first)


def test_a_finished_fit_goes_on_alike_after_pickling(data):
    X, y = data
    model = RNNClassifier(**TINY).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    for one in (model, again):
        one.partial_fit(X, y)
    np.testing.assert_array_equal(again.transform(X), model.transform(X))


def test_more_threads_than_cores_are_not_started(data):
    X, y = data
    model = RNNClassifier(**SETTINGS, n_jobs=10**9).fit(X, y)
    assert 1 <= model._n_threads() <= (os.cpu_count() or 1)


def test_the_number_of_threads_comes_back(data):
    X, y = data
    before = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            RNNClassifier(**{**SETTINGS, "max_epochs": 1}, n_jobs=3 - count).fit(X, y).predict(X)
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)


# ---------------------------------------------------------------- weights and input


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor])
def test_a_row_of_weight_zero_is_as_good_as_absent(data, kind, early_stopping):
    X, y = data
    settings = {**TINY, "early_stopping": early_stopping}
    y = y if kind is RNNClassifier else np.arange(len(y)) * 1.0
    weights = np.where(np.arange(len(X)) % 3 == 0, 0.0, 2.0)
    kept = np.flatnonzero(weights)
    zero = kind(**settings).fit(X, y, sample_weight=weights).predict(X)
    absent = kind(**settings).fit([X[i] for i in kept], y[kept], weights[kept]).predict(X)
    if kind is RNNClassifier:
        np.testing.assert_array_equal(zero, absent)
    else:
        np.testing.assert_allclose(zero, absent, rtol=1e-7)


def test_weights_are_relative(data):
    X, y = data
    weights = np.linspace(0.5, 2, len(X))
    one = RNNClassifier(**TINY).fit(X, y, sample_weight=weights).predict_proba(X)
    large = RNNClassifier(**TINY).fit(X, y, sample_weight=1e3 * weights).predict_proba(X)
    np.testing.assert_allclose(one, large, rtol=1e-4)


@pytest.mark.parametrize(
    ("weights", "message"),
    [(-1.0, "(?i)negative"), (np.nan, "(?i)nan"), (0.0, "zero"), (np.ones(3), r"\b3\b")],
)
def test_weights_that_make_no_sense_are_refused(data, weights, message):
    X, y = data
    weights = np.full(len(X), weights) if np.isscalar(weights) else weights
    with pytest.raises(ValueError, match=message):
        RNNClassifier(**TINY).fit(X, y, sample_weight=weights)


def test_a_read_only_memory_map_is_learned_from(tmp_path):
    path = tmp_path / "values.npy"
    rng = np.random.default_rng(0)
    np.save(path, rng.normal(size=(200, 3)).astype(np.float32))
    values = np.load(path, mmap_mode="r")
    X = Sequences(values, np.arange(0, 201, 10))
    y = np.arange(20) % 2
    mapped = RNNClassifier(**TINY).fit(X, y).predict_proba(X)
    assert np.shares_memory(X.values, values)
    plain = Sequences(np.array(values), X.offsets)
    np.testing.assert_array_equal(RNNClassifier(**TINY).fit(plain, y).predict_proba(plain), mapped)
    assert path.read_bytes()[-16:] == np.asarray(values).tobytes()[-16:]


# ---------------------------------------------------------------- Ctrl-C


class Interrupting(torch.nn.Module):
    """A GRU that behaves as if Ctrl-C were pressed in one of its steps of training."""

    steps_left = 0

    def __init__(self, input_size, hidden_size, batch_first=True):
        super().__init__()
        self.inner = torch.nn.GRU(input_size, hidden_size, batch_first=True)

    def forward(self, x, state=None):
        if self.training:
            type(self).steps_left -= 1
            if not type(self).steps_left:
                raise KeyboardInterrupt
        return self.inner(x, state)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_interrupted_between_batches_the_model_is_fitted(data, monkeypatch, early_stopping):
    X, y = data
    settings = {**TINY, "max_epochs": 20, "bidirectional": False, "cell": Interrupting}
    model = RNNClassifier(**settings, early_stopping=early_stopping)
    monkeypatch.setattr(Interrupting, "steps_left", 4 * 5 + 2)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    check_is_fitted(model)
    assert 3 <= model.n_iter_ < 20 and len(model.loss_curve_) == model.n_iter_
    assert np.isfinite(model.predict_proba(X)).all()
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    if early_stopping:
        assert model.best_validation_score_ == max(model.validation_scores_)


def test_interrupted_in_the_first_batch_the_model_is_fitted(data, monkeypatch):
    X, y = data
    model = RNNClassifier(**{**TINY, "bidirectional": False, "cell": Interrupting})
    monkeypatch.setattr(Interrupting, "steps_left", 1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.n_iter_ == 0 and model.loss_curve_ == []
    assert np.isfinite(model.predict_proba(X)).all()


def test_an_interrupt_stops_a_grid_search(data, monkeypatch):
    X, y = data
    model = RNNClassifier(**{**TINY, "bidirectional": False, "cell": Interrupting})
    search = GridSearchCV(model, {"learning_rate": [0.001, 0.01]}, cv=2)
    monkeypatch.setattr(Interrupting, "steps_left", 15)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
    assert Interrupting.steps_left == 0
    assert not hasattr(search, "best_estimator_")


def test_an_error_in_training_leaves_nothing_that_looks_fitted_or_what_was_there(data):
    X, y = data

    def broken(raw, target):
        raise RuntimeError("the user's own loss fails")

    model = RNNClassifier(**TINY, loss=broken)
    with pytest.raises(RuntimeError, match="own loss"):
        model.fit(X, y)
    assert vars(model) == model.get_params(deep=False)
    model.set_params(loss="log_loss").fit(X, y)
    expected = model.predict_proba(X)
    with pytest.raises(RuntimeError, match="own loss"):
        model.set_params(loss=broken).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), expected)


# ---------------------------------------------------------------- to look at


@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor])
def test_html_links_to_our_pages(kind):
    html = kind()._repr_mimebundle_()["text/html"]
    assert f"sklearn_rnn.{kind.__name__}.html" in html
    assert "scikit-learn.org/" not in html.split("sklearn_rnn." + kind.__name__)[0][-200:]


# ---------------------------------------------------------------- devices


@pytest.mark.gpu
def test_a_model_fitted_on_cuda_loads_without_cuda(data, tmp_path):
    X, y = data
    model = RNNClassifier(**TINY, device="cuda").fit(X, y)
    assert next(model.net_.module_.parameters()).is_cuda
    there, back = tmp_path / "model.joblib", tmp_path / "back.joblib"
    joblib.dump((model, X), there)
    script = (
        "import sys, joblib, torch; assert not torch.cuda.is_available(); "
        "model, X = joblib.load(sys.argv[1]); joblib.dump(model.predict_proba(X), sys.argv[2])"
    )
    path = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": path}
    command = [sys.executable, "-c", script, str(there), str(back)]
    subprocess.run(command, env=environment, check=True, cwd=tmp_path)
    np.testing.assert_allclose(joblib.load(back), model.predict_proba(X), atol=1e-4)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.gpu
def test_sequence_checks_on_cuda():
    for kind in (RNNClassifier, RNNRegressor):
        run_checks(kind(**TINY, device="cuda"), ["list", "padded_3d", "tokens"])
