"""Devices that are not there are refused by name; thread counts and generators come back."""

import threading

import numpy as np
import pytest
import torch

from sklearn_rnn import RNNClassifier
from sklearn_rnn.nn._compiled import recurrence_threads
from sklearn_rnn.training import cpu_threads, resolve_compute, resolve_device, seeded_globals


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:one", ""])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="Use 'auto'"):
        resolve_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_a_missing_device_is_named(name):
    with pytest.raises(ValueError, match=f"device='{name}'.*no usable CUDA device"):
        RNNClassifier(device=name).fit([[[1.0]], [[2.0]]], [0, 1])


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is an MPS device")
def test_missing_mps_is_named():
    with pytest.raises(ValueError, match="no usable MPS device"):
        resolve_device("mps")


def test_other_backends_are_refused():
    with pytest.raises(ValueError, match="not supported"):
        resolve_device("meta")
    with pytest.raises(TypeError, match="device must be a str"):
        resolve_device(3)


def test_precision():
    assert resolve_compute("cpu", "auto").autocast is None
    assert resolve_compute("cpu", "bfloat16").autocast is torch.bfloat16
    with pytest.raises(ValueError, match="precision"):
        resolve_compute("cpu", "float16")


def test_bfloat16_trains_and_predicts():
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    X = rng.normal(size=(40, 12, 2)) + 2 * y[:, None, None]
    model = RNNClassifier(hidden_size=8, max_epochs=10, precision="bfloat16", random_state=0)
    probabilities = model.fit(X, y).predict_proba(X)
    assert probabilities.dtype == np.float32
    assert model.score(X, y) > 0.9


def test_threads_come_back_after_fit_and_predict():
    before = torch.get_num_threads()
    X, y = np.random.default_rng(0).normal(size=(20, 5)), np.arange(20) % 2
    for n_jobs in (None, 1, 2, -1):
        model = RNNClassifier(hidden_size=4, max_epochs=1, n_jobs=n_jobs).fit(X, y)
        model.predict(X)
        assert torch.get_num_threads() == before


def test_threads_come_back_when_fits_overlap():
    before = torch.get_num_threads()
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with cpu_threads(1):
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(10)
    with cpu_threads(2):
        leave.set()
        thread.join()
        assert torch.get_num_threads() == 1
        assert recurrence_threads() == 2
    assert torch.get_num_threads() == before


def test_zero_jobs_are_refused():
    with pytest.raises(ValueError, match="n_jobs == 0"):
        RNNClassifier(n_jobs=0).fit(np.zeros((4, 3)), [0, 1, 0, 1])


def test_seeded_globals_restores_the_generator():
    before = torch.random.get_rng_state()
    with seeded_globals(3):
        first = torch.rand(4)
    with seeded_globals(3):
        assert torch.equal(first, torch.rand(4))
    assert torch.equal(before, torch.random.get_rng_state())
