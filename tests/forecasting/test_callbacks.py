"""scikit-learn's callbacks on the forecaster: a task for each epoch, and an early end."""

import io
from contextlib import redirect_stderr

import pytest
from series import daily, quick

pytestmark = pytest.mark.filterwarnings("ignore:.*callback.*experimental")

Y = daily(60)
NETWORK = {"linear": True, "hidden_size": 4, "max_epochs": 3, "refit": False, "window": 7}


class Recorder:
    """A callback that counts epochs, and ends training when told to."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.epochs = 0
        self.open = 0

    def setup(self, estimator, context):
        self.open += 1

    def teardown(self, estimator, context):
        self.open -= 1

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.epochs += context.task_name == "epoch"

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        return self.stop_after is not None and self.epochs >= self.stop_after


def test_every_epoch_is_a_task():
    recorder = Recorder()
    forecaster = quick(**NETWORK).set_callbacks(recorder).fit(None, Y)
    assert recorder.epochs == forecaster.n_iter_ == 3 and recorder.open == 0


def test_a_callback_may_end_training():
    recorder = Recorder(stop_after=1)
    assert quick(**NETWORK).set_callbacks(recorder).fit(None, Y).n_iter_ == 1


def test_progress_is_shown_when_asked_for():
    for verbose, shown in ((0, False), (1, True)):
        with redirect_stderr(io.StringIO()) as screen:
            quick(**NETWORK, verbose=verbose).fit(None, Y)
        assert ("SequenceForecaster" in screen.getvalue()) == shown
