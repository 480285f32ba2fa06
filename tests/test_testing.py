"""The checks for others: a good estimator passes, and each broken one is caught by its check."""

import os
import random
import sys
import textwrap
import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import SkipTestWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_rnn.preprocessing import SequenceScaler
from sklearn_rnn.sequences import (
    all_or_nothing,
    check_classification_y,
    check_consistent,
    check_weights,
    check_X,
    kept_if_interrupted,
    read_sequences,
)
from sklearn_rnn.testing import (
    check_sequence_estimator,
    parametrize_with_sequence_checks,
    sequence_checks,
)

FORMS = ["array_3d", "padded_3d", "list", "pandas"]


class NearestMean(CallbackSupportMixin, ClassifierMixin, TransformerMixin, BaseEstimator):
    """A good estimator: the class whose mean of random projections is nearest."""

    def __init__(self, learning_rate=0.5, n_jobs=None, random_state=None):
        self.learning_rate = learning_rate
        self.n_jobs = n_jobs
        self.random_state = random_state

    def read(self, X, reset):
        return check_X(self, X, reset=reset)

    def pool(self, sequences):
        values = np.nan_to_num(sequences.values)
        return np.add.reduceat(values, sequences.offsets[:-1]) / sequences.lengths[:, None]

    def features(self, sequences):
        if sequences.static is not None:
            raise ValueError("static features are not supported")
        return np.tanh(self.pool(sequences)) @ self.projection_

    @all_or_nothing
    @with_callbacks
    def fit(self, X, y, sample_weight=None):
        context = self._init_callback_context()
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        sequences = self.read(X, reset=True)
        labels = check_classification_y(y, estimator=self)
        check_consistent(sequences, labels)
        weights = check_weights(sample_weight, len(sequences))
        weights = np.ones(len(labels)) if weights is None else self.weigh(weights)
        self.classes_ = np.unique(labels)
        if len(self.classes_) < 2:
            raise ValueError("y has only one class")
        self.projection_ = self.random().normal(size=(sequences.n_channels, 3))
        pooled = self.features(sequences)
        self.means_ = np.stack(
            [
                np.average(pooled[labels == c], axis=0, weights=weights[labels == c] + 1e-300)
                for c in self.classes_
            ]
        )
        self.learn()
        with kept_if_interrupted():
            context.call_on_fit_task_end(
                estimator=self, X=X, y=y, reconstruction_attributes=lambda: dict(vars(self))
            )
        return self

    def random(self):
        return check_random_state(0 if self.random_state is None else self.random_state)

    def weigh(self, weights):
        return weights

    def learn(self):
        """Anything a training loop might do."""

    def predict_proba(self, X):
        check_is_fitted(self)
        pooled = self.features(self.read(X, reset=False))
        closeness = np.exp(-((pooled[:, None] - self.means_) ** 2).sum(axis=2))
        return closeness / closeness.sum(axis=1, keepdims=True)

    def predict(self, X):
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def transform(self, X):
        check_is_fitted(self)
        return self.features(self.read(X, reset=False))

    def get_feature_names_out(self, input_features=None):
        return np.array([f"projection{j}" for j in range(3)], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


BROKEN = {}


def broken_at(check, message):
    """Register an estimator with the check, and the words, that catch it."""

    def register(kind):
        BROKEN[kind.__name__] = (kind, check, message)
        return kind

    return register


# ---------------------------------------------------------------- rows


@broken_at("check_rows_do_not_depend_on_their_batch", "when it is predicted alone")
class PoolsOverTheLongestRow(NearestMean):
    def pool(self, sequences):
        sums = super().pool(sequences) * sequences.lengths[:, None]
        return sums / sequences.lengths.max()


@broken_at("check_rows_do_not_depend_on_their_batch", "when it is predicted alone")
class StandardisesEachBatch(NearestMean):
    def features(self, sequences):
        pooled = super().features(sequences)
        return (pooled - pooled.mean(axis=0)) / (pooled.std(axis=0) + 1.0)


@broken_at("check_rows_do_not_depend_on_their_batch", "in another order")
class KnowsItsFirstRow(NearestMean):
    def features(self, sequences):
        pooled = super().features(sequences)
        if not hasattr(self, "means_"):
            self.first_ = pooled[0]
        same = len(pooled) == 1 or np.allclose(pooled[0], self.first_)
        return pooled if same else pooled + 1e-3


@broken_at("check_rows_do_not_depend_on_their_batch", "among 300 rows")
class ForgetsLaterBatches(NearestMean):
    def features(self, sequences):
        pooled = super().features(sequences)
        pooled[256:] = pooled[:1]
        return pooled


@broken_at("check_rows_do_not_depend_on_extreme_mates", "beside a row of extreme")
class ScalesByTheLargest(NearestMean):
    def features(self, sequences):
        largest = max(float(np.abs(np.nan_to_num(sequences.values)).max()), 100.0)
        return super().features(sequences) / largest


@broken_at("check_padding_is_not_read", "more steps of padding")
class ReadsPadding(NearestMean):
    def read(self, X, reset):
        if isinstance(X, np.ndarray) and X.ndim == 3:
            X = list(np.nan_to_num(X))
        return super().read(X, reset)


@broken_at("check_forms_agree", "when X comes as pandas and not list")
class DropsAColumn(NearestMean):
    def read(self, X, reset):
        sequences = super().read(X, reset)
        if hasattr(X, "columns"):
            sequences = sequences.with_values(sequences.values * [1.0, 0.0])
        return sequences


@broken_at("check_refit_forgets", "fitted on other rows before")
class Remembers(NearestMean):
    def learn(self):
        self.past_ = getattr(self, "past_", 0) + 1
        self.means_ = self.means_ * self.past_


@broken_at("check_fit_returns_self_and_predicts_every_row", "must return self")
class ReturnsNothing(NearestMean):
    def fit(self, X, y, sample_weight=None):
        super().fit(X, y, sample_weight)


@broken_at("check_fit_returns_self_and_predicts_every_row", "nan")
class PredictsNaN(NearestMean):
    def predict_proba(self, X):
        return super().predict_proba(X) * np.nan


# ---------------------------------------------------------------- the same bits


@broken_at("check_same_seed_same_bits", "between two fits of one seed")
class DrawsFromTheGlobalState(NearestMean):
    def random(self):
        return np.random.mtrand._rand


@broken_at("check_process_is_left_as_found", "the random state of NumPy")
class SeedsTheGlobalState(NearestMean):
    def random(self):
        np.random.seed(0)
        return np.random.mtrand._rand


@broken_at("check_process_is_left_as_found", "the random state of Python")
class ShufflesInPrediction(NearestMean):
    def predict(self, X):
        random.random()
        return super().predict(X)


@broken_at("check_process_is_left_as_found", "error handling")
class SetsErrorHandling(NearestMean):
    def learn(self):
        np.seterr(under="raise" if np.geterr()["under"] != "raise" else "ignore")


@broken_at("check_process_is_left_as_found", "warning filters")
class SilencesWarnings(NearestMean):
    def learn(self):
        warnings.filterwarnings("ignore", message=f"{id(self)}")


@broken_at("check_n_jobs_changes_no_bit", "between n_jobs=1 and n_jobs=2")
class SplitsByJobs(NearestMean):
    def learn(self):
        self.means_ = self.means_ + 1e-9 * (self.n_jobs or 1)


@broken_at("check_pickle_and_joblib", "after pickle")
class PicklesRounded(NearestMean):
    def __getstate__(self):
        state = dict(super().__getstate__())
        return {**state, "means_": state["means_"].round(3)} if "means_" in state else state


@broken_at("check_clone_is_unfitted_and_equal", "still has")
class ClonesItsFit(NearestMean):
    def __sklearn_clone__(self):
        copy = type(self)(**self.get_params())
        copy.__dict__.update(vars(self))
        return copy


# ---------------------------------------------------------------- arguments


@broken_at("check_input_is_not_changed", "fit changes its input")
class CentresInPlace(NearestMean):
    def fit(self, X, y, sample_weight=None):
        if isinstance(X, list):
            X[0][:] -= X[0].mean()
        return super().fit(X, y, sample_weight)


@broken_at("check_input_is_not_changed", "predict changes its input")
class PopsInPrediction(NearestMean):
    def predict(self, X):
        labels = super().predict(X)
        if isinstance(X, list) and len(X) > 2:
            X.pop()
        return labels


@broken_at("check_parameters_are_not_changed", "changes the parameter learning_rate")
class SetsItsParameter(NearestMean):
    def learn(self):
        self.learning_rate = self.learning_rate / 2


@broken_at("check_silent", "is not silent")
class Prints(NearestMean):
    def learn(self):
        print("epoch 1")


@broken_at("check_silent", "is not silent")
class WritesToTheDescriptor(NearestMean):
    def learn(self):
        os.write(2, b"from compiled code")


@broken_at("check_silent", "writes files")
class KeepsALog(NearestMean):
    def learn(self):
        os.makedirs("lightning_logs", exist_ok=True)


# ---------------------------------------------------------------- refusals


@broken_at("check_bad_rows_are_named", "raises RuntimeError")
class LetsErrorsOfItsBackendOut(NearestMean):
    def read(self, X, reset):
        try:
            return super().read(X, reset)
        except ValueError as error:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied") from error


@broken_at("check_bad_rows_are_named", "does not say")
class NamesNoRow(NearestMean):
    def read(self, X, reset):
        try:
            return super().read(X, reset)
        except ValueError:
            raise ValueError("bad input") from None


@broken_at("check_bad_rows_are_named", "is not refused")
class TakesInfinity(NearestMean):
    def read(self, X, reset):
        if isinstance(X, list) and all(isinstance(row, np.ndarray) for row in X):
            X = [np.nan_to_num(row, posinf=9.0) if row.size else row for row in X]
        return super().read(X, reset)


@broken_at("check_bad_X_is_refused", "is not refused")
class TakesAnything(NearestMean):
    def read(self, X, reset):
        return super().read([np.zeros((3, 2))] * 24 if isinstance(X, dict) else X, reset)


@broken_at("check_other_channels_are_refused", "is not refused")
class TakesOtherChannels(NearestMean):
    def read(self, X, reset):
        if not reset and isinstance(X, list):
            X = [np.resize(row, (len(row), 2)) if row.ndim == 2 else row for row in X]
        return super().read(X, reset)


@broken_at("check_bad_y_is_refused", "only one class as y is not refused")
class TakesOneClass(NearestMean):
    def fit(self, X, y, sample_weight=None):
        if y is not None and len(set(np.ravel(y).tolist())) == 1 and np.size(y) > 1:
            y = np.r_[["other"], y[1:]]
        return super().fit(X, y, sample_weight)


@broken_at("check_not_fitted_is_said", "must raise NotFittedError")
class PredictsUnfitted(NearestMean):
    def predict(self, X):
        return np.full(len(X), "ash")


# ---------------------------------------------------------------- training


@broken_at("check_divergence_is_said", "neither raises nor gives finite numbers")
class Diverges(NearestMean):
    def learn(self):
        if self.learning_rate > 1:
            self.means_ = np.full_like(self.means_, np.nan)


@broken_at("check_interrupt_leaves_a_fitted_model", "swallows KeyboardInterrupt")
class SwallowsInterrupts(NearestMean):
    def fit(self, X, y, sample_weight=None):
        try:
            return super().fit(X, y, sample_weight)
        except KeyboardInterrupt:
            return self


@broken_at(
    "check_failed_fit_leaves_the_model", "answers no more after fit failed on too few targets"
)
class ForgetsBeforeItReads(NearestMean):
    fit = NearestMean.fit.__wrapped__


@broken_at("check_rows_of_weight_zero_teach_nothing", "hold something else")
class LearnsFromWeightZero(NearestMean):
    def weigh(self, weights):
        return weights + 0.5


@broken_at("check_weights_count", "ignores it")
class IgnoresWeights(NearestMean):
    def weigh(self, weights):
        return np.ones(len(weights))


# ---------------------------------------------------------------- names


@broken_at("check_feature_names_in", "feature_names_in_ is")
class NamesNothing(NearestMean):
    def learn(self):
        self.__dict__.pop("feature_names_in_", None)


@broken_at("check_feature_names_out_fit", "2 names for 3 columns")
class NamesTooFew(NearestMean):
    def get_feature_names_out(self, input_features=None):
        return np.array(["one", "two"], dtype=object)


@broken_at("check_set_output", "gives <class 'numpy.ndarray'> for pandas")
class IgnoresSetOutput(NearestMean):
    def set_output(self, *, transform=None):
        return self


@broken_at("check_html", "does not name it")
class HidesInTheDiagram(NearestMean):
    def _repr_mimebundle_(self, **kwargs):
        return {"text/html": "<p>model</p>"}


# ---------------------------------------------------------------- the tests


def results_of(estimator, forms=FORMS, **settings):
    with np.errstate(), warnings.catch_warnings():
        return check_sequence_estimator(
            estimator, forms=forms, on_fail=None, on_skip=None, **settings
        )


def test_a_good_estimator_passes():
    results = results_of(NearestMean(), forms=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert not failed
    skipped = {(r["check_name"], r["form"]) for r in results if r["status"] == "skipped"}
    # Whether another process can import this module depends on how pytest was started.
    skipped.discard(("check_new_process_predicts_the_same_bits", "list"))
    assert {form for _, form in skipped} == {"pandas_static"}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_estimator_is_caught(name):
    kind, check_name, message = BROKEN[name]
    caught = []
    with np.errstate(), warnings.catch_warnings():
        for estimator, check in sequence_checks(kind(), forms=FORMS):
            if check.name == check_name:
                try:
                    check(estimator)
                except AssertionError as error:
                    caught.append(str(error))
    assert caught and message in caught[0]
    assert all(kind.__name__ in text for text in caught)


def test_every_check_catches_something():
    names = {check.name for _, check in sequence_checks(NearestMean())}
    # Tested below, with a module that another process can import.
    names.remove("check_new_process_predicts_the_same_bits")
    assert names == {check for _, check, _ in BROKEN.values()}


def test_what_differs_in_a_new_process_is_caught(tmp_path, monkeypatch):
    source = """
    import os
    import numpy as np
    from sklearn.base import BaseEstimator, TransformerMixin
    from sklearn_rnn.sequences import check_X

    class Lengths(TransformerMixin, BaseEstimator):
        def __init__(self, fixed=True):
            self.fixed = fixed

        def fit(self, X, y=None):
            check_X(self, X, reset=True)
            self.fitted_ = True
            return self

        def transform(self, X):
            lengths = check_X(self, X, reset=False).lengths[:, None].astype(float)
            return lengths if self.fixed else lengths + os.getpid()
    """
    (tmp_path / "lengths_module.py").write_text(textwrap.dedent(source))
    monkeypatch.syspath_prepend(tmp_path)
    module = pytest.importorskip("lengths_module")
    for fixed, status in ((True, "passed"), (False, "failed")):
        results = results_of(module.Lengths(fixed), forms=["list"])
        (found,) = [r for r in results if "new_process" in r["check_name"]]
        assert found["status"] == status
        assert fixed or "in a new process" in str(found["exception"])
    sys.modules.pop("lengths_module")


class WindowMeans(TransformerMixin, BaseEstimator):
    """A transformer without parameters that needs no y and no fit."""

    def fit(self, X, y=None):
        read_sequences(X)
        self.n_features_in_ = 1
        return self

    def transform(self, X):
        check_is_fitted(self)
        return np.array([[row.mean()] for row in read_sequences(X)])


def test_checks_that_do_not_apply_are_not_yielded():
    names = {check.name for _, check in sequence_checks(WindowMeans())}
    assert not names & {
        "check_bad_y_is_refused",
        "check_weights_count",
        "check_n_jobs_changes_no_bit",
        "check_divergence_is_said",
        "check_interrupt_leaves_a_fitted_model",
    }
    assert "check_padding_is_not_read" in names


def test_a_regressor_gets_numbers_and_y_may_be_ones_own():
    seen = []

    class Constant(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            check_X(self, X, reset=True)
            seen.append(y)
            self.mean_ = np.mean(y, axis=0)
            return self

        def predict(self, X):
            return np.full(len(check_X(self, X, reset=False)), self.mean_)

    checks = dict.fromkeys(check.name for _, check in sequence_checks(Constant(), forms="list"))
    assert "check_bad_y_is_refused" in checks
    _, first = next(sequence_checks(Constant(), forms="list"))
    first(Constant())
    assert seen[0].dtype == float
    lengths = lambda rows: np.array([len(row) for row in rows])  # noqa: E731
    _, first = next(sequence_checks(Constant(), forms="list", make_y=lengths))
    first(Constant())
    assert seen[-1].dtype == int
    mine = {check.name for _, check in sequence_checks(Constant(), forms="list", make_y=lengths)}
    assert "check_bad_y_is_refused" not in mine


def test_failures_raise_warn_or_are_reported():
    with pytest.raises(AssertionError, match="is not silent"):
        check_sequence_estimator(Prints(), forms=["array_3d"])
    with pytest.warns(UserWarning, match=r"check_silent\[array_3d\] failed"):
        check_sequence_estimator(Prints(), forms=["array_3d"], on_fail="warn", on_skip=None)
    (found,) = [r for r in results_of(Prints(), ["list"]) if r["status"] == "failed"]
    assert found["check_name"] == "check_silent" and found["form"] == "list"
    assert not found["expected_to_fail"]
    with pytest.raises(ValueError, match="on_fail"):
        check_sequence_estimator(Prints(), on_fail="ignore")
    with pytest.raises(ValueError, match="on_skip"):
        check_sequence_estimator(Prints(), on_skip="raise")


@pytest.mark.parametrize("key", ["check_silent", "check_silent[list]"])
def test_expected_failures(key):
    reason = {key: "it likes to talk"}
    results = check_sequence_estimator(
        Prints(), forms=["list"], expected_failed_checks=reason, on_skip=None
    )
    (found,) = [r for r in results if r["status"] == "xfail"]
    assert found["expected_to_fail_reason"] == "it likes to talk"
    mark = parametrize_with_sequence_checks(
        [Prints()], forms=["list"], expected_failed_checks=lambda estimator: reason
    )
    marked = [case for case in mark.args[1] if case.marks]
    assert [case.id for case in marked] == ["Prints()-check_silent[list]"]
    assert marked[0].marks[0].kwargs == {"reason": "it likes to talk", "strict": True}


def test_a_refused_form_is_skipped_and_said_once():
    with pytest.warns(SkipTestWarning, match="refuses tokens.*works on numbers") as caught:
        results = check_sequence_estimator(SequenceScaler(), forms=["tokens", "array_3d"])
    assert len(caught) == 1
    assert {r["status"] for r in results if r["form"] == "array_3d"} == {"passed"}


@pytest.mark.parametrize("forms", ["lists", ["list", "torch"], []])
def test_unknown_forms_are_refused(forms):
    with pytest.raises(ValueError, match="forms must be among"):
        list(sequence_checks(NearestMean(), forms=forms))


def test_checks_have_names():
    pairs = list(sequence_checks(NearestMean(), forms=["list"]))
    labels = [str(check) for _, check in pairs]
    assert len(set(labels)) == len(labels)
    assert all(estimator is not pairs[0][0] for estimator, _ in pairs[1:])
    assert "check_silent[list]" in labels
    assert "SequenceCheck(name='check_silent', form='list')" in map(repr, (c for _, c in pairs))


@parametrize_with_sequence_checks([NearestMean(), SequenceScaler()], forms=["array_2d"])
def test_under_pytest(estimator, check):
    check(estimator)
