"""Torch's threads earn their place, and what they compute is the same."""

import os
import warnings

import numpy as np
import pytest
import torch

from sklearn_rnn import RNNClassifier
from sklearn_rnn.nn._compiled import recurrence_threads
from sklearn_rnn.training import _device as _threads
from sklearn_rnn.training._device import ThreadTrial


def run(trial, steps, seconds):
    """Let a trial see steps that take what `seconds` says for its number of threads."""
    used = []
    for _ in range(steps):
        used.append(trial.now)
        trial.note(seconds(trial.now))
    return used


def test_threads_that_gain_stay():
    used = run(ThreadTrial(4, 512, 1000), 100, lambda n: 1.0 / n)
    assert used[:5] == [1] * 5
    assert set(used[5:]) == {4}


def test_threads_that_lose_are_tried_ever_less():
    used = run(ThreadTrial(2, 512, 10000), 10000, lambda n: 1.0 if n == 1 else 30.0)
    tried = [step for step, n in enumerate(used) if n == 2]
    assert 2 <= len(tried) <= 4
    assert sum(1.0 if n == 1 else 30.0 for n in used) < 1.05 * len(used)


def test_threads_go_when_the_machine_gets_busy():
    trial = ThreadTrial(2, 512, 1000)
    run(trial, 20, lambda n: 1.0 / n)
    assert trial.now == 2
    trial.note(5.0)
    assert trial.now == 1


def test_small_networks_and_short_fits_leave_torch_on_one():
    before = torch.get_num_threads()
    for trial in (ThreadTrial(8, 64, 10**6), ThreadTrial(8, 512, 50)):
        trial.now = 8
        try:
            torch.set_num_threads(1)
            with trial.step(1.0):
                assert torch.get_num_threads() == 1
                assert recurrence_threads() == 8
        finally:
            torch.set_num_threads(before)


def test_the_result_does_not_depend_on_when_threads_were_used(monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 12, 3)).astype("float32"), np.arange(40) % 2
    settings = {"max_epochs": 2, "batch_size": 20, "closed_form": False, "random_state": 0}
    monkeypatch.setenv("SKLEARN_RNN_COMPILED", "0")
    alone = RNNClassifier(96, **settings, device="cpu").fit(X, y).predict_proba(X)
    monkeypatch.setattr(_threads, "_FEWEST_UNITS", 1)
    monkeypatch.setattr(_threads, "_FEWEST_STEPS", 1)
    monkeypatch.setattr(_threads, "_FIRST", 2)
    monkeypatch.setattr("sklearn_rnn.estimators._base.BaseRNN._n_threads", lambda self: 2)
    seen = []
    monkeypatch.setattr(torch, "set_num_threads", _spy(torch.set_num_threads, seen))
    shared = RNNClassifier(96, **settings, device="cpu").fit(X, y).predict_proba(X)
    assert 2 in seen
    np.testing.assert_array_equal(alone, shared)


def _spy(function, seen):
    def call(count):
        seen.append(count)
        function(count)

    return call


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_asks_torch_for_no_threads():
    """Torch's threads stayed in the parent, and waiting for them would take for ever."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            child = os.fork()
        if child == 0:
            alone = torch.get_num_threads() == 1 and not ThreadTrial(2, 512, 10**6).in_torch
            os._exit(0 if alone else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert torch.get_num_threads() == 2 and ThreadTrial(2, 512, 10**6).in_torch
    finally:
        torch.set_num_threads(before)
