"""scikit-learn's callbacks on the forecaster: a task for each epoch, and an early end."""

import io
from contextlib import redirect_stderr

import numpy as np
import pandas as pd
import pytest
from series import daily, quick
from sklearn.callback import ScoringMonitor
from sklearn.metrics import r2_score

from sklearn_rnn.metrics import mase_scorer

pytestmark = pytest.mark.filterwarnings("ignore:.*callback.*experimental")

Y = daily(60)
NETWORK = {"closed_form": True, "hidden_size": 4, "max_epochs": 3, "refit": False, "window": 7}


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


PANEL = pd.concat([Y.rename("y").to_frame(), 3 * Y.rename("y").to_frame()], keys=["a", "b"])


@pytest.mark.parametrize("linear", [True, False, "only"])
@pytest.mark.parametrize(
    ("X", "y"),
    [
        (None, Y),
        (None, Y.to_numpy()),
        (pd.DataFrame({"week": np.arange(60) // 7}, index=Y.index), Y),
        (PANEL[[]], PANEL["y"]),
    ],
    ids=["series", "array", "frame", "panel"],
)
def test_scores_are_recorded_of_every_epoch_and_of_the_fit(X, y, linear):
    monitor = ScoringMonitor(scoring={"r2": "r2", "mase": mase_scorer})
    forecaster = quick(**NETWORK | {"closed_form": linear, "refit": True}).set_callbacks(monitor)
    forecaster.fit(X, y)
    log = monitor.get_logs().data_as_pandas
    epochs = log[log["task_name"] == "epoch"]
    assert len(epochs) == len(forecaster.history_) and len(log) == 1 + len(epochs)
    assert log[["r2", "mase"]].notna().all(axis=None)
    last = log[log["task_name"] == "fit"]["r2"].iloc[0]
    if X is None:
        X = pd.RangeIndex(60) if isinstance(y, np.ndarray) else y.index
    assert last == pytest.approx(r2_score(y, forecaster.predict(X)), abs=1e-9)
    # The last network to be trained is the one that stays.
    assert linear == "only" or epochs["r2"].iloc[-1] == pytest.approx(last, abs=1e-9)


def test_what_is_recorded_changes_no_bit():
    plain = quick(**NETWORK).fit(None, Y)
    monitor = ScoringMonitor(scoring="r2")
    watched = quick(**NETWORK).set_callbacks(monitor).fit(None, Y)
    np.testing.assert_array_equal(plain.forecast(9), watched.forecast(9))
