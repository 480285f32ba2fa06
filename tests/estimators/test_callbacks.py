"""scikit-learn's callbacks on our estimators: alone, in a Pipeline, in a search; down to epochs."""

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_rnn import EarlyStopping, Optimizer, RNNClassifier, RNNRegressor
from sklearn_rnn.preprocessing import SequenceScaler

# The library's callbacks are young, and it says so of every use.
pytestmark = pytest.mark.filterwarnings("ignore:.*callback.*experimental")

EPOCHS = 4
TINY = {"hidden_size": 4, "max_epochs": EPOCHS, "batch_size": 8, "random_state": 0}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = np.arange(32) % 2
    return [rng.normal(size=(rng.integers(2, 7), 2)) + label for label in y], y


class Recorder:
    """A callback that writes down every task, and stops training when told to."""

    def __init__(self, stop_after=None, fails=None):
        self.stop_after = stop_after
        self.fails = fails
        self.tasks = []
        self.fitted = []
        self.open = 0

    def setup(self, estimator, context):
        self.open += 1

    def teardown(self, estimator, context):
        self.open -= 1

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.tasks.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.tasks.append(("end", context.task_name, context.task_id))
        if context.task_name == "epoch":
            self.fitted.append(fitted_estimator)
            if self.fails is not None:
                raise self.fails
        return self.stop_after is not None and context.task_id + 1 >= self.stop_after


def test_a_fit_is_one_task_with_a_task_for_each_epoch(data):
    recorder = Recorder()
    model = RNNClassifier(**TINY)
    assert model.set_callbacks(recorder) is model
    model.fit(*data)
    epochs = [(event, "epoch", i) for i in range(EPOCHS) for event in ("begin", "end")]
    assert recorder.tasks == [("begin", "fit", 0), *epochs, ("end", "fit", 0)]
    assert recorder.open == 0


def test_what_a_callback_is_given_predicts_as_the_model_does(data):
    X, y = data
    recorder = Recorder()
    model = RNNClassifier(**TINY).set_callbacks(recorder).fit(X, y)
    last = recorder.fitted[-1]
    assert last is not model
    np.testing.assert_array_equal(last.predict_proba(X), model.predict_proba(X))
    assert last.n_iter_ == EPOCHS


def test_callbacks_change_no_bit(data):
    X, y = data
    plain = RNNClassifier(**TINY).fit(X, y)
    watched = RNNClassifier(**TINY).set_callbacks(Recorder(), ScoringMonitor(scoring="accuracy"))
    np.testing.assert_array_equal(plain.predict_proba(X), watched.fit(X, y).predict_proba(X))


def test_a_callback_stops_training(data):
    X, y = data
    model = RNNClassifier(**TINY, optimizer=Optimizer(schedule="constant")).set_callbacks(
        Recorder(stop_after=2)
    )
    model.fit(X, y)
    assert model.n_iter_ == 2 and len(model.loss_curve_) == 2
    short = RNNClassifier(
        **{**TINY, "max_epochs": 2}, optimizer=Optimizer(schedule="constant")
    ).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), short.predict_proba(X))


def test_a_callback_that_fails_is_torn_down(data):
    recorder = Recorder(fails=RuntimeError("the callback's own error"))
    with pytest.raises(RuntimeError, match="own error"):
        RNNClassifier(**TINY).set_callbacks(recorder).fit(*data)
    assert recorder.open == 0


def test_callbacks_survive_clone_and_are_not_pickled(data):
    import pickle

    recorder = Recorder()
    model = RNNClassifier(**TINY).set_callbacks(recorder).fit(*data)
    seen = len(recorder.tasks)
    pickle.loads(pickle.dumps(model)).fit(*data)
    assert len(recorder.tasks) == seen
    clone(model).set_callbacks().fit(*data)
    assert len(recorder.tasks) == seen


def test_what_is_no_callback_is_refused():
    with pytest.raises(TypeError, match="callback"):
        RNNClassifier().set_callbacks(print)
    with pytest.raises(TypeError, match="callback"):
        RNNClassifier().set_callbacks(Recorder)


@pytest.mark.parametrize(("kind", "score"), [(RNNClassifier, "accuracy"), (RNNRegressor, "r2")])
@pytest.mark.parametrize("reservoir", [False, True, "only"])
def test_scoring_monitor_scores_every_epoch_and_the_fit(data, kind, score, reservoir):
    X, y = data
    monitor = ScoringMonitor(scoring=score)
    model = kind(**TINY, closed_form=reservoir).set_callbacks(monitor).fit(X, y)
    frame = monitor.get_logs().data_as_pandas
    epochs = frame[frame["task_name"] == "epoch"]
    assert epochs["task_id"].tolist() == list(range(0 if reservoir == "only" else EPOCHS))
    whole = frame.loc[frame["task_name"] == "fit", score]
    assert whole.tolist() == pytest.approx([model.score(X, y)])
    if not reservoir:  # else the epochs are those of the recurrence alone
        assert epochs[score].iloc[-1] == pytest.approx(whole.item())


def test_scoring_monitor_takes_several_scores(data):
    monitor = ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    RNNClassifier(**TINY).set_callbacks(monitor).fit(*data)
    frame = monitor.get_logs().data_as_pandas
    losses = frame.loc[frame["task_name"] == "epoch", "neg_log_loss"]
    assert len(losses) == EPOCHS and losses.iloc[-1] > losses.iloc[0]


def scores_by_fit(monitor):
    """Return the epochs' scores of each fit in the last run."""
    frame = monitor.get_logs().data_as_pandas
    epochs = frame[frame["task_name"] == "epoch"]
    return {
        path: group["accuracy"].tolist() for path, group in epochs.groupby("parent_task_id_path")
    }


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: make_pipeline(SequenceScaler(), m)])
def test_scoring_monitor_reaches_epochs_through_a_search(data, wrap):
    monitor = ScoringMonitor(scoring="accuracy")
    model = RNNClassifier(**TINY).set_callbacks(monitor)
    estimator = wrap(model)
    name = "hidden_size" if estimator is model else "rnnclassifier__hidden_size"
    GridSearchCV(estimator, {name: [2, 4]}, cv=2).fit(*data)
    by_fit = scores_by_fit(monitor)
    assert len(by_fit) == 2 * 2 + 1
    assert all(len(scores) == EPOCHS for scores in by_fit.values())


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_scoring_monitor_reaches_epochs_in_parallel(data, backend):
    def run(n_jobs):
        monitor = ScoringMonitor(scoring="accuracy")
        model = RNNClassifier(**TINY).set_callbacks(monitor)
        search = GridSearchCV(model, {"hidden_size": [2, 4]}, cv=2, n_jobs=n_jobs)
        with parallel_config(backend):
            search.fit(*data)
        return scores_by_fit(monitor)

    assert run(2) == run(1)


@pytest.mark.parametrize("depth", [None, 0])
def test_progress_bar_shows_epochs(data, depth, capsys):
    model = RNNClassifier(**TINY).set_callbacks(ProgressBar(max_propagation_depth=depth))
    model.fit(*data)
    shown = capsys.readouterr().out
    assert "RNNClassifier" in shown and "100%" in shown


@pytest.mark.parametrize("pipeline", [False, True])
def test_progress_bar_reaches_epochs_through_a_search(data, pipeline, capsys):
    model = RNNClassifier(**TINY)
    estimator = make_pipeline(SequenceScaler(), model) if pipeline else model
    name = "rnnclassifier__hidden_size" if pipeline else "hidden_size"
    search = GridSearchCV(estimator, {name: [2, 4]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*data)
    shown = capsys.readouterr().out
    assert "GridSearchCV" in shown and "RNNClassifier" in shown
    assert shown.count("100%") >= 5


def test_early_stopping_and_callbacks_together(data):
    recorder = Recorder()
    model = RNNClassifier(
        **{**TINY, "max_epochs": 50},
        early_stopping=EarlyStopping(n_iter_no_change=2),
        learning_rate=0.05,
    )
    model.set_callbacks(recorder).fit(*data)
    ended = [task for task in recorder.tasks if task[:2] == ("end", "epoch")]
    assert len(ended) == model.n_iter_ < 50
