"""What torch cannot compute is said in our words, as a ValueError that names the parameters."""

import inspect
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from sklearn_rnn import (
    Distribution,
    EarlyStopping,
    Optimizer,
    ReservoirClassifier,
    ReservoirRegressor,
    ReservoirTransformer,
    RNNClassifier,
    RNNRegressor,
    SequenceForecaster,
)
from sklearn_rnn.estimators import _fitting, _reservoir_base
from sklearn_rnn.exceptions import NotEnoughMemoryError
from sklearn_rnn.preprocessing import SequenceResampler

X = np.random.default_rng(0).normal(size=(12, 5))
TINY = {"hidden_size": 4, "max_epochs": 1, "closed_form": False, "random_state": 0}


class WrongProduct(torch.nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.map = torch.nn.Linear(input_size + 1, hidden_size)

    def forward(self, x, state=None):
        return self.map(x)


class TooWide(torch.nn.GRUCell):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size + 1)


class NoState(torch.nn.Module):
    def __init__(self, input_size, hidden_size, batch_first=True):
        super().__init__()
        self.map = torch.nn.Linear(input_size, hidden_size)

    def forward(self, x, state=None):
        return self.map(x)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cell": WrongProduct}, r"cell=WrongProduct: .*\(12, 1\).*cannot be multiplied"),
        ({"cell": TooWide}, r"cell=TooWide: .*new state, of shape \(12, 4\); got \(12, 5\)"),
        ({"cell": NoState}, r"cell=NoState: .*\(output, state\); got Tensor"),
        ({"cell": torch.nn.Linear}, r"cell=Linear: .*x_t of shape \(12, 1\).*state None"),
        ({"cell": torch.nn.Bilinear}, "Bilinear cannot be built as a cell"),
        (
            {"optimizer": Optimizer(torch.optim.SparseAdam, weight_decay=0)},
            "optimizer=SparseAdam: ",
        ),
        ({"optimizer": Optimizer(print, weight_decay=0)}, "optimizer=print must be callable"),
        (
            {"optimizer": Optimizer(lambda params, lr: None, weight_decay=0)},
            "it returned a NoneType",
        ),
        ({"loss": torch.nn.Linear}, "loss=Linear cannot be made"),
        ({"loss": lambda raw, target: raw @ raw @ target}, r"outputs of shape \(12, .*targets of"),
        ({"loss": lambda raw, target: torch.zeros(len(raw))}, "do not depend on the outputs"),
        ({"loss": lambda raw, target: raw.flatten()[:-1]}, r"each of its 12 samples; got shape"),
        ({"loss": lambda raw, target: [0.0]}, "must return a tensor; got list"),
        ({"loss": lambda raw, target: raw.flatten().long()}, "floating numbers; got torch.int64"),
    ],
)
@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor])
def test_the_parameters_are_named(kind, settings, words):
    model = kind(**{**TINY, **settings})
    with pytest.raises((ValueError, TypeError), match=words):
        model.fit(X, np.arange(12) % 3)
    assert not hasattr(model, "net_")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hidden_size": 10**7}, "about .* PiB of memory, .*lower hidden_size=10000000"),
        ({"hidden_size": 10**30}, "lower hidden_size=10{30}"),
        ({"n_estimators": 10**9}, "lower n_estimators=1000000000"),
        ({"num_layers": 10**6}, r"'num_layers' .* in the range \[1, 1000\]"),
        ({"max_epochs": 10**30}, r"'max_epochs' .* in the range \[1, 10000000\]"),
        ({"learning_rate": 1e300}, r"'learning_rate' .* in the range .*1000000"),
        (
            {"optimizer": Optimizer(weight_decay=1e300)},
            r"'optimizer__weight_decay' .* in the range .*1000000",
        ),
        ({"horizon": 10**9}, "lower horizon=1000000000"),
        ({"window": 10**7}, "lower window=10000000"),
        ({"season_length": 10**6}, r"season_length must be in the range \[1, 400\]"),
        (
            {"distribution": Distribution(n_samples=10**12), "decoder": "recursive"},
            "lower distribution__n_samples",
        ),
        (
            {"distribution": Distribution("mixture", n_components=10**9)},
            "lower distribution__n_components",
        ),
    ],
)
@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor, SequenceForecaster])
def test_sizes_beyond_all_memory(kind, settings, words):
    if not set(settings) <= set(inspect.signature(kind).parameters):
        pytest.skip("no such parameter")
    settings = {"hidden_size": 4, "max_epochs": 1, **settings}
    with pytest.raises(ValueError, match=words):
        kind(**settings).fit(None if kind is SequenceForecaster else X, np.arange(12) % 3)


@pytest.mark.parametrize(
    ("settings", "all_there_is"),
    [
        ({"batch_size": 2**70}, {"batch_size": 12}),
        (
            {"early_stopping": EarlyStopping(n_iter_no_change=2**70)},
            {"early_stopping": EarlyStopping(n_iter_no_change=1)},
        ),
        ({"optimizer": Optimizer(tbptt_steps=2**70)}, {"batch_size": 12}),
    ],
)
def test_sizes_that_mean_all_there_is(settings, all_there_is):
    expected, found = (
        RNNRegressor(**{**TINY, **given}).fit(X, X[:, 0]) for given in (all_there_is, settings)
    )
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))


RESERVOIR = """
import resource
import numpy as np
from sklearn_rnn import ReservoirClassifier
from sklearn_rnn.exceptions import NotEnoughMemoryError
X, y = np.random.default_rng(0).normal(size=(12, 5)), np.arange(12) % 2
ReservoirClassifier(3).fit(X, y)
limit = 4 * 2**30
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for size in (2_000_000, 12_000):
    try:
        ReservoirClassifier(size).fit(X, y)
    except NotEnoughMemoryError as error:
        assert isinstance(error, ValueError) and isinstance(error, MemoryError)
        print(error)
"""


def test_a_reservoir_beyond_the_limit_of_a_process():
    pytest.importorskip("resource")
    run = subprocess.run(
        [sys.executable, "-c", RESERVOIR], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    said = "ReservoirClassifier would take about .* and there are 4 GiB; lower hidden_size="
    assert len(re.findall(said, run.stdout)) == 2, run.stdout


def test_memory_that_ends_within_a_fit_and_within_a_prediction(monkeypatch):
    model = RNNClassifier(**{**TINY, "hidden_size": 300}).fit(X, np.arange(12) % 3)
    before = model.predict_proba(X)

    def fails(*args, **kwargs):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9")

    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.Linear, "forward", fails)
        for call in (lambda: model.fit(X, np.arange(12) % 3), lambda: model.predict(X)):
            with pytest.raises(NotEnoughMemoryError, match="RNNClassifier .*lower hidden_size=300"):
                call()
    np.testing.assert_array_equal(model.predict_proba(X), before)


def test_numpys_memory_that_ends():
    resampler = SequenceResampler(10**13)
    with pytest.raises(NotEnoughMemoryError, match="lower length=10000000000000"):
        resampler.fit_transform(X)


def test_an_error_while_a_reservoir_answers_leaves_torch_as_it_was(monkeypatch):
    model = ReservoirRegressor(3, random_state=0).fit(X[:, :, None], X[:, :, None])
    monkeypatch.setattr(type(model._readout), "answer", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError) as kept:  # and with it all that was under way
        model.predict(X[:, :, None])
    assert kept.value is not None
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor])
def test_a_learning_rate_beyond_all_bounds(kind):
    # torch refuses it, or the weights overflow, as the optimizer's implementation has it.
    with pytest.raises(ValueError, match=r"learning_rate.*1e[+]300"):
        kind(**{**TINY, "learning_rate": 1e300}).fit(X, np.arange(12) % 3)


def test_prediction_names_them_too():
    class FailsLater(torch.nn.GRUCell):
        def forward(self, x, state=None):
            if not self.training:
                raise RuntimeError("not any more")
            return super().forward(x, state)

    model = RNNRegressor(**{**TINY, "cell": FailsLater}).fit(X, X.sum(axis=1))
    with pytest.raises(ValueError, match="cell=FailsLater.*not any more"):
        model.predict(X)


@pytest.mark.parametrize(
    "error", [MemoryError("full"), RuntimeError("can't allocate memory: 5 TB")]
)
@pytest.mark.parametrize("kind", [ReservoirClassifier, ReservoirTransformer, RNNClassifier])
def test_too_large_a_model_names_the_parameters_that_there_are(kind, error, monkeypatch):
    def full(*args, **kwargs):
        raise error

    y = np.arange(12) % 3
    model = kind(hidden_size=4, random_state=0).fit(X, y)
    before = model.transform(X)
    monkeypatch.setattr(_reservoir_base, "Reservoir", full)
    monkeypatch.setattr(_fitting, "build_network", full)
    with pytest.raises(ValueError, match=f"{kind.__name__} needs more memory.*hidden_size=900"):
        model.set_params(hidden_size=900).fit(X, y)
    np.testing.assert_array_equal(model.transform(X), before)
