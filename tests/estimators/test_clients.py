"""scikit-learn's own tools with our estimators inside, on ragged and on dense input."""

from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    StandardScaler,
)
from sklearn.semi_supervised import SelfTrainingClassifier

from sklearn_rnn import RNNClassifier, RNNRegressor, Sequences
from sklearn_rnn.preprocessing import SequenceImputer, SequenceScaler

N = 48
TINY = {
    "hidden_size": 4,
    "max_epochs": 4,
    "batch_size": 8,
    "learning_rate": 0.03,
    "closed_form": False,
    "random_state": 0,
}
CLASSIFIER = RNNClassifier(**TINY)
REGRESSOR = RNNRegressor(**TINY)

RNG = np.random.default_rng(0)
SIGN = np.where(np.arange(N) % 2, 1.0, -1.0)
Y = np.where(SIGN > 0, "up", "down")
NUMBERS = SIGN + RNG.normal(scale=0.1, size=N)
ROWS = [RNG.normal(size=(RNG.integers(3, 8), 2)) + [sign, 0] for sign in SIGN]
DENSE = np.stack([RNG.normal(size=(6, 2)) + [sign, 0] for sign in SIGN])
LABELS = np.c_[SIGN > 0, np.arange(N) % 3 == 0].astype(int)
PARTLY = np.where(np.arange(N) % 3 == 0, -1, (SIGN > 0).astype(int))


def frame_of(rows):
    return pd.DataFrame({"a": [row[:, 0] for row in rows], "b": [row[:, 1] for row in rows]})


FORMS = {
    "list": ROWS,
    "sequences": Sequences.from_list(ROWS),
    "frame": frame_of(ROWS),
    "array_3d": DENSE,
}
if find_spec("polars"):
    import polars as pl

    FORMS["polars"] = pl.DataFrame(
        {name: [row[:, j].tolist() for row in ROWS] for j, name in enumerate("ab")}
    )
ALL = list(FORMS)


def fit_and_score(estimator, y=Y):
    return lambda X: clone(estimator).fit(X, y).score(X, y)


def fit_and_predict(estimator, y):
    def run(X):
        predicted = clone(estimator).fit(X, y).predict(X)
        assert predicted.shape == np.shape(y)
        return float((np.round(predicted) == np.round(y)).mean())

    return run


def frozen(X):
    inner = clone(CLASSIFIER).fit(X, Y)
    return CalibratedClassifierCV(FrozenEstimator(inner)).fit(X, Y).score(X, Y)


GRID = {"hidden_size": [2, 4]}
# Name of the client -> forms that it takes, what to run, the least score that says it learned.
CLIENTS = {
    "Pipeline": (ALL, fit_and_score(make_pipeline(SequenceScaler(), CLASSIFIER)), 0.9),
    "Pipeline, as features": (
        ALL,
        fit_and_score(make_pipeline(CLASSIFIER, StandardScaler(), LogisticRegression())),
        0.9,
    ),
    "FeatureUnion": (
        ALL,
        fit_and_score(
            make_pipeline(
                make_union(CLASSIFIER, clone(CLASSIFIER).set_params(cell="gru")),
                LogisticRegression(),
            )
        ),
        0.9,
    ),
    "GridSearchCV": (ALL, fit_and_score(GridSearchCV(CLASSIFIER, GRID, cv=2)), 0.9),
    "GridSearchCV of a Pipeline": (
        ALL,
        fit_and_score(
            GridSearchCV(
                make_pipeline(SequenceScaler(), CLASSIFIER),
                {"rnnclassifier__cell": ["gru", "lstm"], "sequencescaler__per": ["channel"]},
                cv=2,
            )
        ),
        0.9,
    ),
    "RandomizedSearchCV": (
        ALL,
        fit_and_score(
            RandomizedSearchCV(
                CLASSIFIER,
                {"learning_rate": loguniform(1e-2, 1e-1)},
                n_iter=2,
                cv=2,
                random_state=0,
            )
        ),
        0.9,
    ),
    "HalvingGridSearchCV": (
        ALL,
        fit_and_score(HalvingGridSearchCV(CLASSIFIER, GRID, cv=2, random_state=0)),
        0.9,
    ),
    "HalvingGridSearchCV over epochs": (
        ALL,
        fit_and_score(
            HalvingGridSearchCV(
                CLASSIFIER,
                {"learning_rate": [1e-5, 0.03]},
                resource="max_epochs",
                min_resources=2,
                max_resources=4,
                factor=2,
                cv=2,
                random_state=0,
            )
        ),
        0.9,
    ),
    "cross_validate": (
        ALL,
        lambda X: cross_validate(CLASSIFIER, X, Y, cv=2, return_train_score=True)["test_score"],
        0.8,
    ),
    "cross_val_predict": (
        ALL,
        lambda X: cross_val_predict(CLASSIFIER, X, Y, cv=2, method="predict_proba")[
            np.arange(N), (Y == "up").astype(int)
        ].mean(),
        0.5,
    ),
    "learning_curve": (
        ALL,
        lambda X: learning_curve(CLASSIFIER, X, Y, cv=2, train_sizes=[0.5, 1.0])[1].max(),
        0.9,
    ),
    "validation_curve": (
        ALL,
        lambda X: validation_curve(
            CLASSIFIER, X, Y, param_name="hidden_size", param_range=[2, 4], cv=2
        )[0].max(),
        0.9,
    ),
    "permutation_test_score": (
        ALL,
        lambda X: permutation_test_score(CLASSIFIER, X, Y, cv=2, n_permutations=2, random_state=0)[
            0
        ],
        0.8,
    ),
    "VotingClassifier": (
        ALL,
        fit_and_score(
            VotingClassifier(
                [("lstm", CLASSIFIER), ("gru", clone(CLASSIFIER).set_params(cell="gru"))],
                voting="soft",
            )
        ),
        0.9,
    ),
    "VotingRegressor": (
        ALL,
        fit_and_score(VotingRegressor([("lstm", REGRESSOR)]), NUMBERS),
        0.5,
    ),
    "StackingClassifier": (
        ALL,
        fit_and_score(StackingClassifier([("lstm", CLASSIFIER)], LogisticRegression(), cv=2)),
        0.9,
    ),
    "StackingRegressor": (
        ALL,
        fit_and_score(StackingRegressor([("lstm", REGRESSOR)], Ridge(), cv=2), NUMBERS),
        -1.0,
    ),
    "AdaBoostClassifier": (
        ["array_3d"],
        fit_and_score(AdaBoostClassifier(CLASSIFIER, n_estimators=2, random_state=0)),
        0.9,
    ),
    "CalibratedClassifierCV": (ALL, fit_and_score(CalibratedClassifierCV(CLASSIFIER, cv=2)), 0.9),
    "CalibratedClassifierCV of a FrozenEstimator": (ALL, frozen, 0.9),
    "OneVsRestClassifier": (ALL, fit_and_score(OneVsRestClassifier(CLASSIFIER)), 0.9),
    "MultiOutputClassifier": (ALL, fit_and_predict(MultiOutputClassifier(CLASSIFIER), LABELS), 0.6),
    "MultiOutputRegressor": (
        ALL,
        fit_and_predict(MultiOutputRegressor(REGRESSOR), LABELS * 1.0),
        0.6,
    ),
    "TransformedTargetRegressor": (
        ALL,
        fit_and_score(
            TransformedTargetRegressor(REGRESSOR, transformer=PowerTransformer()), NUMBERS
        ),
        0.5,
    ),
    "TunedThresholdClassifierCV": (
        ALL,
        fit_and_score(TunedThresholdClassifierCV(CLASSIFIER, cv=2)),
        0.8,
    ),
    "FixedThresholdClassifier": (ALL, fit_and_score(FixedThresholdClassifier(CLASSIFIER)), 0.9),
}
NOT_POLARS = [form for form in ALL if form != "polars"]  # it becomes an array of objects
# These look at X themselves and take two dimensions alone: one number a column.
FLAT_CLIENTS = {
    "BaggingClassifier": (
        ["list", "sequences", "array_3d"],
        fit_and_score(BaggingClassifier(CLASSIFIER, 2, random_state=0)),
    ),
    "AdaBoostClassifier": (
        ["list", "sequences", "frame"],
        fit_and_score(AdaBoostClassifier(CLASSIFIER, n_estimators=2, random_state=0)),
    ),
    "OneVsOneClassifier": (NOT_POLARS, fit_and_score(OneVsOneClassifier(CLASSIFIER))),
    "ClassifierChain": (ALL, fit_and_predict(ClassifierChain(CLASSIFIER), LABELS)),
    "RegressorChain": (ALL, fit_and_predict(RegressorChain(REGRESSOR), LABELS * 1.0)),
    "SelfTrainingClassifier": (
        NOT_POLARS,
        lambda X: SelfTrainingClassifier(CLASSIFIER).fit(X, PARTLY).score(X, SIGN > 0),
    ),
}


def cases(clients):
    return [
        pytest.param(name, form, id=f"{name}-{form}")
        for name, case in clients.items()
        for form in case[0]
    ]


@pytest.mark.parametrize(("client", "form"), cases(CLIENTS))
def test_client(client, form):
    _, run, least = CLIENTS[client]
    assert np.min(run(FORMS[form])) >= least


@pytest.mark.parametrize("client", FLAT_CLIENTS)
def test_client_of_two_dimensions_takes_univariate_series(client):
    assert np.isfinite(FLAT_CLIENTS[client][1](DENSE[:, :, 0]))


@pytest.mark.parametrize(("client", "form"), cases(FLAT_CLIENTS))
def test_client_of_two_dimensions_refuses_the_rest(client, form):
    with pytest.raises((ValueError, TypeError)):
        FLAT_CLIENTS[client][1](FORMS[form])


def test_bagging_takes_a_frame_with_list_columns():
    bagged = BaggingClassifier(CLASSIFIER, 2, random_state=0).fit(FORMS["frame"], Y)
    assert bagged.score(FORMS["frame"], Y) > 0.9


def test_self_training_learns_from_what_is_not_labelled():
    X = DENSE[:, :, 0]
    model = SelfTrainingClassifier(clone(CLASSIFIER).set_params(max_epochs=15), threshold=0.6)
    model.fit(X, PARTLY)
    assert (model.labeled_iter_ > 0).any() and model.score(X, (SIGN > 0).astype(int)) > 0.8


def test_labels_and_numbers_several_at_once_need_no_client():
    assert RNNClassifier(**TINY).fit(ROWS, LABELS).predict(ROWS).shape == LABELS.shape
    assert RNNRegressor(**TINY).fit(ROWS, LABELS * 1.0).predict(ROWS).shape == LABELS.shape


# ---------------------------------------------------------------- columns


def test_permutation_importance_of_steps():
    X = DENSE[:, :, 0].copy()
    X[:, 3:] = RNG.normal(size=(N, 3))
    model = clone(CLASSIFIER).set_params(max_epochs=20, pooling="last").fit(X, Y)
    importances = permutation_importance(model, X, Y, n_repeats=2, random_state=0)
    assert importances.importances_mean.shape == (6,)


def test_permutation_importance_of_channels():
    frame = frame_of(DENSE)
    model = clone(CLASSIFIER).fit(frame, Y)
    result = permutation_importance(model, frame, Y, n_repeats=3, random_state=0)
    assert result.importances_mean[0] > 0.2 > abs(result.importances_mean[1])


def test_permutation_importance_refuses_to_mix_channels_of_unequal_length():
    frame = FORMS["frame"]
    model = clone(CLASSIFIER).fit(frame, Y)
    with pytest.raises(ValueError, match=r"Row \d+: column 'a' has \d steps, but column 'b'"):
        permutation_importance(model, frame, Y, n_repeats=1, random_state=0)


def mixed_frame():
    """Ragged list columns, with gaps, beside a number and a category."""
    frame = frame_of([np.where(RNG.random(row.shape) < 0.1, np.nan, row) for row in ROWS])
    frame["age"] = RNG.integers(20, 80, size=N)
    frame["kind"] = pd.Categorical(RNG.choice(["x", "y", "z"], size=N))
    frame.index = [f"patient {i}" for i in range(N)]
    return frame


def test_column_transformer_with_pooled_sequences_beside_static_columns():
    frame = mixed_frame()
    columns = ColumnTransformer(
        [
            ("rnn", RNNClassifier(**TINY), ["a", "b"]),
            ("age", StandardScaler(), ["age"]),
            ("kind", OneHotEncoder(sparse_output=False), ["kind"]),
        ]
    )
    model = make_pipeline(columns, LogisticRegression()).fit(frame, Y)
    assert model.score(frame, Y) > 0.9
    names = model[:-1].get_feature_names_out()
    assert names[0] == "rnn__rnnclassifier0" and names[-1] == "kind__kind_z"
    assert len(names) == columns.fit_transform(frame, Y).shape[1]
    scores = cross_validate(model, frame, Y, cv=2)["test_score"]
    assert min(scores) > 0.7


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_column_transformer_before_the_network(library):
    pytest.importorskip(library)
    frame = mixed_frame()
    if library == "polars":
        frame = frame.assign(kind=frame["kind"].astype(str))
        lists = {name: [cell.tolist() for cell in frame[name]] for name in "ab"}
        frame = pl.DataFrame(
            {**lists, "age": frame["age"].tolist(), "kind": frame["kind"].tolist()}
        )
    columns = ColumnTransformer(
        [
            ("series", make_pipeline(SequenceImputer(), SequenceScaler()), ["a", "b"]),
            ("age", MinMaxScaler(), ["age"]),
            ("kind", "passthrough", ["kind"]),
        ],
        verbose_feature_names_out=False,
    ).set_output(transform=library)
    model = make_pipeline(columns, RNNClassifier(**TINY))
    assert model.fit(frame, Y).score(frame, Y) > 0.9
    network = model[-1]
    assert network.input_ == "2 channels, 2 static"
    assert list(network.feature_names_in_) == ["a", "b", "age", "kind"]
    search = GridSearchCV(
        model, {"columntransformer__series__sequencescaler__method": ["standard", "robust"]}, cv=2
    )
    assert search.fit(frame, Y).best_score_ > 0.7


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output_of_features(library):
    pytest.importorskip(library)
    frame = FORMS["frame"].set_axis([f"row {i}" for i in range(N)])
    plain = RNNClassifier(**TINY).fit(frame, Y).transform(frame)
    model = RNNClassifier(**TINY).set_output(transform=library).fit(frame, Y)
    out = model.transform(frame)
    assert type(out).__module__.startswith(library)
    assert list(out.columns) == list(model.get_feature_names_out())
    np.testing.assert_array_equal(out.to_numpy(), plain)
    if library == "pandas":
        assert out.index.equals(frame.index)
    with config_context(transform_output=library):
        again = make_pipeline(SequenceScaler(), RNNClassifier(**TINY)).fit(ROWS, Y)
        assert list(again[-1].transform(ROWS).columns) == list(out.columns)
    piped = make_pipeline(SequenceScaler(), RNNClassifier(**TINY), StandardScaler())
    scaled = piped.set_output(transform=library).fit(frame, Y).transform(frame)
    assert list(scaled.columns) == list(out.columns)


# ---------------------------------------------------------------- metadata


WEIGHTS = np.where(np.arange(N) % 5 == 0, 0.0, 1.0 + np.arange(N) % 3)


def test_weights_are_routed_through_a_search_of_a_pipeline():
    with config_context(enable_metadata_routing=True):
        network = RNNClassifier(**TINY).set_fit_request(sample_weight=True)
        network.set_score_request(sample_weight=True)
        pipeline = make_pipeline(SequenceScaler(), network)
        search = GridSearchCV(pipeline, {"rnnclassifier__hidden_size": [4]}, cv=2)
        search.fit(ROWS, Y, sample_weight=WEIGHTS)
    scaled = SequenceScaler().fit_transform(ROWS)
    weighted = RNNClassifier(**TINY).fit(scaled, Y, sample_weight=WEIGHTS)
    plain = RNNClassifier(**TINY).fit(scaled, Y)
    found = search.predict_proba(ROWS)
    np.testing.assert_array_equal(found, weighted.predict_proba(scaled))
    assert not np.array_equal(found, plain.predict_proba(scaled))


def test_weights_that_were_not_requested_are_refused():
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(SequenceScaler(), RNNClassifier(**TINY))
        with pytest.raises(ValueError, match="sample_weight.*set_fit_request"):
            pipeline.fit(ROWS, Y, sample_weight=WEIGHTS)


def test_weights_by_the_name_of_the_step():
    pipeline = make_pipeline(SequenceScaler(), RNNClassifier(**TINY))
    pipeline.fit(ROWS, Y, rnnclassifier__sample_weight=WEIGHTS)
    plain = clone(pipeline).fit(ROWS, Y)
    assert not np.array_equal(pipeline.predict_proba(ROWS), plain.predict_proba(ROWS))


def test_a_validation_set_passes_the_transformers_of_a_pipeline():
    X, X_val = ROWS[:32], [row * 100 for row in ROWS[32:]]
    with config_context(enable_metadata_routing=True):
        network = RNNClassifier(**TINY, early_stopping=True)
        network.set_fit_request(X_val=True, y_val=True)
        scaler = SequenceScaler(per="sequence")
        pipeline = make_pipeline(scaler, network, transform_input=["X_val"])
        pipeline.fit(X, Y[:32], X_val=X_val, y_val=Y[32:])
    alone = RNNClassifier(**TINY, early_stopping=True)
    alone.fit(scaler.fit_transform(X), Y[:32], X_val=scaler.transform(X_val), y_val=Y[32:])
    assert pipeline[-1].validation_scores_ == alone.validation_scores_
    np.testing.assert_array_equal(
        pipeline.predict_proba(X), alone.predict_proba(scaler.transform(X))
    )


def test_weights_reach_boosting_and_stacking():
    boosted = AdaBoostClassifier(RNNClassifier(**TINY), n_estimators=2, random_state=0)
    assert boosted.fit(DENSE, Y, sample_weight=WEIGHTS).score(DENSE, Y) > 0.8
    voting = VotingClassifier([("one", RNNClassifier(**TINY))], voting="soft")
    weighted = voting.fit(ROWS, Y, sample_weight=WEIGHTS).predict_proba(ROWS)
    alone = RNNClassifier(**TINY).fit(ROWS, Y == "up", sample_weight=WEIGHTS)
    np.testing.assert_array_equal(weighted, alone.predict_proba(ROWS))


# ---------------------------------------------------------------- in parallel


@pytest.mark.parametrize("backend", ["threading", "loky"])
@pytest.mark.parametrize("form", ["list", "array_3d", "frame"])
def test_parallel_searches_have_the_bits_of_serial_ones(backend, form):
    X = FORMS[form]

    def run(n_jobs):
        network = RNNClassifier(**{**TINY, "dropout": 0.5}, early_stopping=True)
        search = GridSearchCV(
            make_pipeline(SequenceScaler(), network),
            {"rnnclassifier__cell": ["gru", "lstm"]},
            scoring="neg_log_loss",
            cv=2,
            n_jobs=n_jobs,
        )
        with parallel_config(backend):
            return search.fit(X, Y)

    serial, parallel = run(1), run(2)
    for key in ("split0_test_score", "split1_test_score"):
        assert serial.cv_results_[key].tobytes() == parallel.cv_results_[key].tobytes()
    assert serial.predict_proba(X).tobytes() == parallel.predict_proba(X).tobytes()


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_fitted_models_come_back_from_workers_whole(backend):
    def run(n_jobs):
        with parallel_config(backend):
            result = cross_validate(
                RNNRegressor(**TINY), ROWS, NUMBERS, cv=2, n_jobs=n_jobs, return_estimator=True
            )
        return result["estimator"]

    for serial, parallel in zip(run(1), run(2), strict=True):
        assert serial.predict(ROWS).tobytes() == parallel.predict(ROWS).tobytes()
        assert serial.loss_curve_ == parallel.loss_curve_
        assert parallel.n_iter_ == TINY["max_epochs"]


def test_a_function_before_the_network_may_give_any_form():
    differences = FunctionTransformer(
        lambda rows: [np.diff(row, axis=0, prepend=0) for row in rows]
    )
    model = make_pipeline(differences, RNNClassifier(**TINY))
    assert model.fit(ROWS, Y).predict(ROWS[:3]).shape == (3,)
