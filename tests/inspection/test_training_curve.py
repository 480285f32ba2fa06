"""TrainingCurveDisplay: what it reads from estimators, what it draws, what it refuses."""

import sys
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

from sklearn_rnn import RNNClassifier, RNNRegressor
from sklearn_rnn.datasets import make_adding_problem, make_sequential_digits
from sklearn_rnn.inspection import TrainingCurveDisplay
from sklearn_rnn.preprocessing import SequenceScaler

LOSS = [2.0, 1.0, 0.5, 0.4]
SCORE = [0.2, 0.7, 0.9, 0.8]
RATE = [0.001, 0.003, 0.002, 0.0]


@pytest.fixture(autouse=True)
def closed_figures():
    """Close what a test draws."""
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture(scope="module")
def digits():
    """Load a few digits, read by rows."""
    return make_sequential_digits(120, random_state=0)


@pytest.fixture(scope="module")
def classifier(digits):
    """Fit a small classifier that watches a validation set."""
    model = RNNClassifier(hidden_size=4, max_epochs=4, early_stopping=True, random_state=0)
    return model.fit(*digits)


def labels(display):
    """Read the legend."""
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_draws_the_arrays():
    display = TrainingCurveDisplay(LOSS, validation_score=SCORE).plot()
    np.testing.assert_array_equal(display.loss_line_.get_xdata(), [1, 2, 3, 4])
    np.testing.assert_array_equal(display.loss_line_.get_ydata(), LOSS)
    np.testing.assert_array_equal(display.score_line_.get_ydata(), SCORE)
    assert display.best_.get_xydata().tolist() == [[3, 0.9]]
    assert display.score_ax_ is not display.ax_
    assert labels(display) == ["training loss", "validation score", "best, 0.900 in epoch 3"]


def test_without_a_score_there_is_one_axis():
    display = TrainingCurveDisplay(LOSS).plot()
    assert display.figure_.axes == [display.ax_]
    assert display.score_ax_ is None and display.score_line_ is None and display.best_ is None
    assert display.ax_.get_legend() is None


def test_each_axis_has_the_color_of_its_line():
    display = TrainingCurveDisplay(LOSS, validation_score=SCORE).plot()
    for ax, line in [
        (display.ax_, display.loss_line_),
        (display.score_ax_, display.score_line_),
    ]:
        assert ax.yaxis.label.get_color() == line.get_color()
    assert display.loss_line_.get_color() != display.score_line_.get_color()


def test_epochs_without_a_score_are_left_out():
    display = TrainingCurveDisplay(LOSS, validation_score=[np.nan, 0.7, np.nan, 0.8]).plot()
    np.testing.assert_array_equal(display.score_line_.get_xdata(), [2, 4])
    assert display.best_.get_xdata().tolist() == [4]


def test_learning_rate_lies_behind_the_curves():
    display = TrainingCurveDisplay(LOSS, learning_rate=RATE).plot(learning_rate=True)
    assert display.learning_rate_.axes.get_zorder() < display.ax_.get_zorder()
    assert "learning rate, at most 0.003" in labels(display)
    with pytest.raises(ValueError, match="learning_rate"):
        TrainingCurveDisplay(LOSS).plot(learning_rate=True)


def test_draws_on_given_axes_and_keeps_them():
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2)
    left.plot([0, 1], [0, 1], label="mine")
    display = TrainingCurveDisplay(LOSS, validation_score=SCORE).plot(left)
    assert display.ax_ is left and display.figure_ is figure
    assert len(left.lines) == 2 and "mine" in labels(display)
    assert not right.lines and len(figure.axes) == 3


def test_two_models_share_the_axes():
    first = TrainingCurveDisplay(LOSS, validation_score=SCORE, estimator_name="a")
    second = TrainingCurveDisplay(LOSS[:2], validation_score=SCORE[:2], estimator_name="b")
    first.plot(color="C0")
    second.plot(first.ax_, color="C1")
    assert second.score_ax_ is first.score_ax_
    assert len(first.figure_.axes) == 2
    assert labels(second) == ["a (best, 0.900 in epoch 3)", "b (best, 0.700 in epoch 2)"]
    assert second.ax_.get_ylabel() == "Training loss (solid)"
    assert first.loss_line_.get_color() == first.score_line_.get_color() == "C0"
    assert first.loss_line_.get_linestyle() != first.score_line_.get_linestyle()


def test_log_scale_and_keywords_reach_the_lines():
    display = TrainingCurveDisplay(LOSS, validation_score=SCORE).plot(
        log_loss_scale=True, loss_kwargs={"linewidth": 5}, score_kwargs={"color": "green"}
    )
    assert display.ax_.get_yscale() == "log" and display.score_ax_.get_yscale() == "linear"
    assert display.loss_line_.get_linewidth() == 5
    assert display.score_line_.get_color() == display.best_.get_markeredgecolor() == "green"


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"loss": []}, "no epochs"),
        ({"loss": [[1.0, 2.0]]}, "loss must hold one number for each epoch"),
        ({"loss": LOSS, "validation_score": [1.0]}, "validation_score has 1 epochs"),
        ({"loss": LOSS, "learning_rate": [1.0]}, "learning_rate has 1 epochs"),
        ({"loss": LOSS, "epochs": [1]}, "epochs has 1 epochs"),
    ],
)
def test_refuses_arrays_that_do_not_fit(arguments, match):
    with pytest.raises(ValueError, match=match):
        TrainingCurveDisplay(**arguments)


def test_from_classifier(classifier):
    display = TrainingCurveDisplay.from_estimator(classifier, learning_rate=True)
    np.testing.assert_allclose(display.loss, classifier.loss_curve_)
    np.testing.assert_allclose(display.validation_score, classifier.validation_scores_)
    assert display.score_ax_.get_ylabel() == "Validation accuracy"
    assert display.best_.get_ydata()[0] == classifier.best_validation_score_


def test_from_regressor_without_validation():
    X, y = make_adding_problem(30, n_steps=5, random_state=0)
    regressor = RNNRegressor(hidden_size=2, max_epochs=2, random_state=0).fit(X, y)
    display = TrainingCurveDisplay.from_estimator(regressor)
    assert display.score_ax_ is None and display.score_name == "Validation R²"


def test_from_pipeline_and_search(classifier, digits):
    pipeline = make_pipeline(SequenceScaler(), RNNClassifier(hidden_size=2, max_epochs=2))
    search = GridSearchCV(pipeline, {"rnnclassifier__cell": ["gru"]}, cv=2).fit(*digits)
    display = TrainingCurveDisplay.from_estimator(search, name="tuned")
    np.testing.assert_allclose(display.loss, search.best_estimator_[-1].loss_curve_)
    assert display.estimator_name == "tuned"


def test_from_an_estimator_of_scikit_learn(digits):
    X, y = digits
    model = MLPClassifier((4,), max_iter=3, early_stopping=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X.reshape(len(X), -1), y)
    display = TrainingCurveDisplay.from_estimator(model)
    np.testing.assert_allclose(display.validation_score, model.validation_scores_)


@pytest.mark.filterwarnings("ignore::sklearn_rnn.exceptions.BaselineWarning")
def test_a_validated_fit_after_one_that_was_not_stays_in_step(digits):
    X, y = digits
    model = RNNClassifier(hidden_size=2, max_epochs=2, warm_start=True, random_state=0)
    model.fit(X, y).fit(X, y, X_val=X, y_val=y)
    display = TrainingCurveDisplay.from_estimator(model)
    assert display.epochs.tolist() == [1, 2, 3, 4]
    assert display.score_line_.get_xdata().tolist() == [3, 4]


def test_refuses_what_is_not_fitted_or_has_no_curve(digits):
    X, y = digits
    with pytest.raises(NotFittedError):
        TrainingCurveDisplay.from_estimator(RNNClassifier())
    linear = LogisticRegression(max_iter=1000).fit(X.reshape(len(X), -1), y)
    with pytest.raises(TypeError, match="LogisticRegression has no loss_curve_"):
        TrainingCurveDisplay.from_estimator(linear)


def test_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    display = TrainingCurveDisplay(LOSS)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-rnn\[plot\]'"):
        display.plot()
