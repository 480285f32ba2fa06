"""The report is honest: it knows the baselines, the noise, and when nothing was held out."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge

from sklearn_rnn import (
    EarlyStopping,
    ReservoirClassifier,
    ReservoirRegressor,
    RNNClassifier,
    RNNRegressor,
    Sequences,
)
from sklearn_rnn.datasets import load_basic_motions, make_adding_problem
from sklearn_rnn.estimators._report import Report, _left_out, _verdict, summary_chunks, token_counts
from sklearn_rnn.exceptions import BaselineWarning


def waves(n, seed=0):
    """Make classes that a linear model of summaries cannot tell apart: frequencies."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = []
    for label in y:
        t = np.arange(40) + rng.uniform(0, 20)
        X.append(np.sin(t * (0.9 if label else 0.6)) + rng.normal(scale=0.3, size=40))
    return X, np.array(["low", "high"])[y]


def test_a_good_model_is_called_good():
    X, y = waves(150)
    report = ReservoirClassifier(20, random_state=0).fit(X, y).report_
    assert report.metric == "accuracy" and report.n_validation == 150
    assert report.model_score > 0.95 and report.linear_score < 0.75
    assert report.trivial_score == pytest.approx(0.5)
    assert report.verdict == "clearly better than the linear baseline"
    text = repr(report)
    assert "150 training sequences, each left out in turn" in text and "+-" in text
    assert "<table>" in report._repr_html_()


def test_each_way_of_holding_out():
    X, y = waves(100)
    settings = {"hidden_size": 4, "max_epochs": 1, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BaselineWarning)
        mixed = RNNClassifier(**settings).fit(X, y).report_
        only = RNNClassifier(closed_form="only", random_state=0).fit(X, y).report_
        early = RNNClassifier(
            closed_form=False, early_stopping=EarlyStopping(validation_fraction=0.3), **settings
        )
        early = early.fit(X, y).report_
        own = RNNClassifier(**settings).fit(X, y, X_val=X[:30], y_val=y[:30]).report_
    assert mixed.n_validation == 20 and "recurrence has not seen" in mixed.validation
    assert only.n_validation == 100 and only.model_score > 0.95
    assert early.n_validation == 30 and "early stopping" in early.validation
    assert own.n_validation == 30 and "X_val" in own.validation


def test_nothing_held_out_is_said_and_compared_later():
    X, y = waves(60)
    model = RNNClassifier(4, max_epochs=1, closed_form=False, random_state=0).fit(X, y)
    report = model.report_
    assert report.model_score is None and "nothing was held out" in repr(report)
    assert "X_val" in report.verdict and "None" not in report._repr_html_()
    X_test, y_test = waves(80, seed=1)
    later = pickle.loads(pickle.dumps(report)).compare(model, X_test, y_test)
    assert later.n_validation == 80
    assert later.model_score == pytest.approx(model.score(X_test, y_test))
    weights = np.arange(80) % 3
    weighed = report.compare(model, X_test, y_test, weights)
    assert weighed.model_score == pytest.approx(model.score(X_test, y_test, weights))


def test_a_bad_model_is_warned_of_once():
    rng = np.random.default_rng(0)
    y = rng.normal(size=400)
    X = [np.full(5, 3 * value) + rng.normal(size=5) for value in y]
    model = RNNRegressor(
        2, max_epochs=1, closed_form=False, early_stopping=EarlyStopping(validation_fraction=0.3)
    )
    with pytest.warns(
        BaselineWarning, match="R2 .* 120 sequences held out.*cross-validate"
    ) as seen:
        model.set_params(learning_rate=1e-6, random_state=0).fit(X, y)
    assert len(seen) == 1 and seen[0].filename == __file__
    report = model.report_
    assert report.beaten_by == "linear" and report.linear_score > 0.8 > report.model_score
    assert report.verdict == "clearly worse than the linear baseline"
    assert report.linear_score == pytest.approx(0.9, abs=0.1)


def noise(kind, n, rng):
    """Return sequences and targets that have nothing to do with them."""
    X = [rng.normal(size=(12, 2)) for _ in range(n)]
    halves, thirds = (rng.permutation(np.arange(n) % k) for k in (2, 3))
    if kind == "tokens":
        X = Sequences.from_list([rng.integers(30, size=7) for _ in X], vocabulary_size=30)
    return X, {
        "halves": halves,
        "tokens": halves,
        "thirds": thirds,
        "unbalanced": np.maximum(halves, rng.permutation(halves)),
        "multilabel": np.stack([halves, rng.permutation(halves)], axis=1),
        "joint": np.stack([halves, thirds], axis=1),
        "numbers": rng.normal(size=(n, 2)),
        "steps": [rng.normal(size=12) for _ in X],
        "labels": [rng.integers(2, size=12) for _ in X],
    }[kind]


def judge_noise(make, kind, n, draws):
    """Fit on noise again and again; return scores less those of ignoring X, and misjudgements."""
    off, misjudged, warned = [], [], 0
    for seed in range(draws):
        X, y = noise(kind, n, np.random.default_rng([seed, n]))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            report = make(seed).fit(X, y).report_
        warned += any(issubclass(w.category, BaselineWarning) for w in caught)
        if "no better" not in report.verdict:
            misjudged.append(report.verdict)
        off.append([s - report.trivial_score for s in (report.model_score, report.linear_score)])
    return np.array(off), misjudged, warned


@pytest.mark.parametrize(
    ("kind", "n", "draws"),
    [
        ("halves", 30, 50),
        ("halves", 60, 50),
        ("halves", 120, 50),
        ("thirds", 60, 50),
        ("unbalanced", 60, 30),
        ("tokens", 60, 30),
        ("multilabel", 60, 20),
        ("joint", 60, 20),
        ("numbers", 60, 50),
        ("steps", 40, 15),
        ("labels", 40, 15),
    ],
)
def test_on_noise_all_are_level_and_none_is_told_to_be_better_or_worse(kind, n, draws):
    reservoir = ReservoirRegressor if kind in ("numbers", "steps") else ReservoirClassifier
    off, misjudged, warned = judge_noise(
        lambda seed: reservoir(5, random_state=seed), kind, n, draws
    )
    error = np.maximum(off.std(axis=0), 0.01) / np.sqrt(draws)
    # Penalties chosen on the same sequences flatter a little, the fewer they are.
    assert (np.abs(off.mean(axis=0)) < 3 * error + 1.5 / n).all(), off.mean(axis=0)
    # Two comparisons at two standard errors: a few are wrong by chance.
    assert len(misjudged) <= 1 + 0.05 * draws and warned <= 1 + 0.05 * draws, misjudged


@pytest.mark.parametrize(
    "settings",
    [
        {"closed_form": "only"},
        {"max_epochs": 2},
        {
            "max_epochs": 2,
            "closed_form": False,
            "early_stopping": EarlyStopping(validation_fraction=0.4),
        },
    ],
)
def test_networks_are_level_on_noise_too(settings):
    off, misjudged, warned = judge_noise(
        lambda seed: RNNClassifier(4, random_state=seed, **settings), "halves", 60, 20
    )
    assert (np.abs(off.mean(axis=0)) < 3.5 * off.std(axis=0) / np.sqrt(20) + 0.02).all()
    assert len(misjudged) <= 1 and warned <= 1, misjudged


def test_balanced_labels_of_sequences_that_tell_nothing_at_all():
    """Every prediction is the level then, and rounding would know the side of the left-out one."""
    X, y = np.ones((40, 6)), np.random.default_rng(0).permutation(np.arange(40) % 2)
    model = ReservoirClassifier(5, random_state=0).fit(X + 1e-3 * np.arange(6), y)
    report = model.report_
    assert report.model_score == report.linear_score == report.trivial_score == 0.5


def test_a_worse_model_is_warned_of_on_few_sequences_too():
    """What the verdict calls clearly worse, the warning does; nothing is a matter of the number."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=50)
    X = [np.full(5, 3 * value) + rng.normal(size=5) for value in y]
    model = RNNRegressor(
        2,
        max_epochs=1,
        learning_rate=1e-6,
        closed_form=False,
        early_stopping=EarlyStopping(validation_fraction=0.5),
        random_state=0,
    )
    with pytest.warns(BaselineWarning, match="on 25 sequences held out"):
        model.fit(X, y)
    assert model.report_.verdict == "clearly worse than the linear baseline"


def test_a_hair_is_not_clear():
    """Two models that say all but the mean differ by all but nothing, however sure that is."""
    report = Report("R2", "sequences", 60, 60.0, -0.001, 0.0, 0.0, 0.0003, 0.0003)
    assert report.beaten_by is None and "no better" in _verdict(report)
    report = Report("R2", "sequences", 60, 60.0, 0.998, 0.0, 0.999, 0.1, 0.0003)
    assert report.beaten_by == "linear", "of what was wrong, half is right"


def test_few_are_too_few_to_tell():
    X, y = waves(8)
    report = ReservoirClassifier(5, random_state=0).fit(X, y).report_
    assert report.verdict == "not known: 8 are too few to tell"


def test_a_lead_on_few_is_not_called_none():
    """Not clear by the stricter measure of small samples, but more than two standard errors."""
    report = Report("accuracy", "sequences", 12, 12.0, 1.0, 0.58, 1.0, 0.15, 0.0)
    assert _verdict(report) == "better than a prediction that ignores X, but 12 are few to tell by"
    report = Report("accuracy", "sequences", 12, 12.0, 0.75, 0.58, 0.75, 0.15, 0.0)
    assert _verdict(report) == "no better than a prediction that ignores X, within the noise"


@pytest.mark.parametrize("kind", ["multilabel", "joint", "numbers", "steps", "labels", "tokens"])
def test_every_kind_of_target(kind):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(rng.integers(5, 60), 2)) for _ in range(70)]
    first = np.array([x[0, 0] > 0 for x in X]).astype(int)
    estimator = ReservoirRegressor if kind in ("numbers", "steps") else ReservoirClassifier
    Y = {
        "multilabel": np.stack([first, 1 - first], axis=1),
        "joint": np.array([["p", "u"], ["q", "v"]])[first],
        "numbers": np.array([[x[-1, 0], 100 * x[-1, 1]] for x in X]),
        "steps": [np.cumsum(x[:, 0]) for x in X],
        "labels": [np.where(x[:, 0] > 0, "up", "down") for x in X],
        "tokens": first,
    }[kind]
    if kind == "tokens":
        rows = [rng.integers(1, 9, size=12) for _ in X]
        for row, label in zip(rows, first, strict=True):
            row[3] = 0 if label else row[3]
        X = Sequences.from_list(rows, vocabulary_size=9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BaselineWarning)
        model = estimator(20, random_state=0).fit(X, Y)
    report = model.report_
    assert report.linear_score > report.trivial_score, "each can be told from simple features"
    again = report.compare(model, X, Y)
    assert again.model_score == pytest.approx(model.score(X, Y))
    assert "baselines" in vars(pickle.loads(pickle.dumps(model)).report_)


def test_clones_and_partial_fits_have_none():
    X, y = waves(40)
    model = ReservoirClassifier(5, random_state=0).fit(X, y)
    assert not hasattr(clone(model), "report_")
    assert not hasattr(model.partial_fit(X, y), "report_")
    network = RNNClassifier(4, max_epochs=1, random_state=0).fit(X, y)
    assert network.report_.model_score is not None
    assert not hasattr(network.partial_fit(X, y), "report_")


def test_summaries_are_those_of_numpy():
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(n, 2)) for n in (1, 4, 9)]
    rows[1][0, 0] = np.nan
    rows[2][:, 1] = np.nan
    frame = pd.DataFrame({"c": pd.Categorical(["u", "v", "u"])})
    X = Sequences.from_list(rows, static=frame["c"].cat.codes.to_numpy()[:, None])
    ((found_rows, found),) = summary_chunks(X, np.array([0, 1, 2]), per_step=False)
    assert found_rows.tolist() == [0, 1, 2] and found.shape == (3, 7 * 2 + 2)
    for i, row in enumerate(rows):
        for j in range(2):
            seen = row[:, j][~np.isnan(row[:, j])]
            if not len(seen):
                assert np.isnan(found[i, j])
                continue
            filled = np.where(np.isnan(row[:, j]), seen.mean(), row[:, j])
            clock = np.arange(len(row)) - (len(row) - 1) / 2
            slope = (clock * (filled - seen.mean())).sum() / max((clock**2).sum(), 1)
            expected = [seen.mean(), seen.std(), filled.min(), filled.max()]
            expected += [filled[0], filled[-1], slope]
            np.testing.assert_allclose(found[i, j:14:2], expected, atol=1e-12)
    ((_, steps),) = summary_chunks(X, np.array([2, 0]), per_step=True)
    np.testing.assert_array_equal(steps[:, :2], np.concatenate([rows[2], rows[0]]))


def test_left_out_tokens_are_exact():
    rng = np.random.default_rng(0)
    X = Sequences.from_list([rng.integers(0, 6, size=9) for _ in range(15)], vocabulary_size=6)
    counts = token_counts(X, np.arange(15), per_step=False)
    y, weights = rng.normal(size=(15, 2)), rng.uniform(0.5, 2, size=15)
    found = _left_out(counts, y, weights)
    rest = np.arange(15) != 4
    model = Ridge(alpha=1.0).fit(counts.toarray()[rest], y[rest], weights[rest])
    np.testing.assert_allclose(found[4], model.predict(counts.toarray()[[4]])[0])


def test_it_says_how_the_prediction_is_made_up():
    X, y = load_basic_motions(return_X_y=True, subset="train")
    model = RNNClassifier(4, random_state=0).fit(X, y)
    closed, recurrence = model.report_.parts
    assert (closed.name, closed.share, recurrence.name) == ("closed form", 1.0, "recurrence")
    assert closed.score == model.report_.model_score and 0 <= recurrence.score <= 1
    words = f"1.00 closed form ({closed.score:.3f} alone) + 0.00 recurrence ("
    assert model.prediction_.startswith(words)
    for told in (repr(model.report_), model.report_._repr_html_(), model._repr_html_()):
        assert words in told
    assert "hidden_size and the like change no prediction" in repr(model.report_)
    assert pickle.loads(pickle.dumps(model)).prediction_ == model.prediction_


def test_both_parts_are_scored_on_what_decided_their_shares():
    X, y = make_adding_problem(200, n_steps=12, random_state=0)
    model = RNNRegressor(8, max_epochs=8, random_state=0)
    model.fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])
    closed, recurrence = model.report_.parts
    alone = RNNRegressor(closed_form="only", random_state=0).fit(X[:150], y[:150])
    assert closed.score == pytest.approx(alone.score(X[150:], y[150:]), abs=1e-4)
    assert recurrence.score == pytest.approx(model.history_["recurrence_score"].iloc[-1], abs=1e-4)
    assert closed.share + recurrence.share == pytest.approx(1)
    assert alone.prediction_.startswith("1.00 closed form (") and len(alone.report_.parts) == 1
    trained = RNNRegressor(4, max_epochs=1, closed_form=False).fit(X, y)
    assert trained.prediction_ == "1.00 recurrence"
    assert trained.partial_fit(X, y).prediction_ == "1.00 recurrence"
    model.partial_fit(X, y)
    assert model.prediction_.endswith(f"{model.recurrence_share_:.2f} recurrence")
