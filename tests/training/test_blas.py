"""What is solved is solved on one BLAS thread, and the limit is lifted afterwards."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_rnn.training import NormalEquations, RidgeProblem
from sklearn_rnn.training._device import one_blas_thread


def threads():
    """Return how many threads each BLAS may use."""
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.fixture
def several():
    """Allow BLAS three threads, where it is one that can be told."""
    with threadpool_limits(limits=3, user_api="blas"):
        if set(threads()) != {3}:
            pytest.skip("this BLAS takes no limit")
        yield


def test_the_limit_holds_until_the_last_has_left(several):
    """Last digits must not depend on whether another thread has finished before."""
    entered, leave = threading.Event(), threading.Event()
    seen = []

    def other():
        with one_blas_thread():
            entered.set()
            leave.wait(10)
            seen.extend(threads())

    thread = threading.Thread(target=other)
    with one_blas_thread():
        with one_blas_thread():
            assert set(threads()) == {1}
        assert set(threads()) == {1}
        thread.start()
        assert entered.wait(10)
        # Lets the other go on while this thread is waiting to lift the limit.
        threading.Timer(0.2, leave.set).start()
    thread.join()
    assert set(seen) == {1}
    assert set(threads()) == {3}
    with one_blas_thread():
        assert set(threads()) == {1}


def test_readouts_are_solved_on_one_thread(several):
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(20, 5)), rng.normal(size=(20, 1))
    seen = []

    def loss(left_out, *_):
        seen.extend(threads())
        return float(np.mean((left_out - targets) ** 2))

    RidgeProblem(features, targets).solve(loss)
    sums = NormalEquations(5, 1, max_rows=10)
    sums.add([bytes([i]) for i in range(20)], features, targets, np.ones(20))
    sums.solve(loss)
    assert set(seen) == {1}
    assert set(threads()) == {3}
