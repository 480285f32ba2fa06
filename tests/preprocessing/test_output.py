"""What comes out, in pipelines, column transformers and under set_output, for every form of X."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_rnn import Sequences
from sklearn_rnn.preprocessing import (
    SequenceImputer,
    SequenceResampler,
    SequenceScaler,
    SlidingWindows,
    ToSequences,
)
from sklearn_rnn.sequences import read_sequences

STEPS = [
    SequenceScaler(),
    SequenceImputer(add_indicator=True),
    SequenceResampler(4),
    SlidingWindows(3),
]


def ragged():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(length, 2)) for length in (5, 3, 8)]


def forms():
    rng = np.random.default_rng(0)
    rows = ragged()
    objects = np.empty(3, dtype=object)
    objects[:] = rows
    columns = {
        "flow": [row[:, 0].tolist() for row in rows],
        "pressure": [row[:, 1].tolist() for row in rows],
        "age": [1.0, 2.0, 3.0],
    }
    sequences = Sequences.from_list(rows)
    return {
        "2-D": rng.normal(size=(3, 6)),
        "3-D": rng.normal(size=(3, 6, 2)),
        "list": rows,
        "objects": objects,
        "pandas": pd.DataFrame(columns, index=[7, 8, 9]),
        "polars": pl.DataFrame(columns),
        "arrow": sequences.to_arrow(),
        "sequences": sequences,
    }


def same(left, right):
    if isinstance(left, Sequences):
        return left.equals(right)
    if isinstance(left, pd.DataFrame):
        # Not DataFrame.equals: cells are lists.
        return left.columns.equals(right.columns) and left.index.equals(right.index)
    return type(left) is type(right) and np.array_equal(left, right, equal_nan=True)


@pytest.mark.parametrize("step", [*STEPS, ToSequences()], ids=lambda step: type(step).__name__)
@pytest.mark.parametrize("form", forms())
def test_form_in_form_out(form, step):
    X = forms()[form]
    found = clone(step).fit_transform(X)
    if form in ("pandas", "polars", "arrow") and not isinstance(step, ToSequences):
        assert type(found) is type(X)
    elif isinstance(step, ToSequences) or form not in ("2-D", "3-D"):
        assert isinstance(found, Sequences)
    elif form == "3-D" or isinstance(step, SequenceImputer):
        assert isinstance(found, np.ndarray) and found.ndim == 3
    else:
        assert isinstance(found, np.ndarray) and found.ndim == 2


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("step", [*STEPS, ToSequences()], ids=lambda step: type(step).__name__)
@pytest.mark.parametrize("form", ["3-D", "list", "objects", "sequences"])
def test_frames_are_not_forced_on_ragged_and_3d_input(form, step, library):
    X = forms()[form]
    expected = clone(step).fit_transform(X)
    assert same(clone(step).set_output(transform=library).fit_transform(X), expected)
    pipeline = make_pipeline(clone(step), SequenceImputer()).set_output(transform=library)
    assert same(
        pipeline.fit_transform(X), make_pipeline(clone(step), SequenceImputer()).fit_transform(X)
    )
    with config_context(transform_output=library):
        assert same(clone(step).fit_transform(X), expected)
        assert same(clone(step).fit(X).transform(X), expected)


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
@pytest.mark.parametrize("form", ["pandas", "polars"])
def test_list_columns_stay_list_columns(form, step, library):
    X = forms()[form]
    step = clone(step).set_output(transform=library)
    found = step.fit_transform(X)
    assert isinstance(found, {"pandas": pd.DataFrame, "polars": pl.DataFrame}[library])
    assert list(found.columns) == list(step.get_feature_names_out())
    if form == library == "pandas" and len(found) == len(X):
        assert list(found.index) == list(X.index)
    expected = clone(step).set_output(transform="default").fit_transform(X)
    assert type(expected) is type(X)
    assert Sequences.from_frame(found).equals(Sequences.from_frame(expected))


def test_frames_by_the_global_setting():
    X = forms()["pandas"]
    with config_context(transform_output="pandas"):
        found = make_pipeline(SequenceScaler(), SequenceResampler(4)).fit_transform(X)
    assert list(found.columns) == ["flow", "pressure", "age"]
    np.testing.assert_array_equal(found["age"], X["age"])


@pytest.mark.parametrize("form", ["pandas", "polars"])
def test_column_transformer_needs_no_set_output(form):
    X = forms()[form]
    columns = ColumnTransformer(
        [
            ("signals", SequenceScaler(), ["flow", "pressure"]),
            ("person", StandardScaler(), ["age"]),
        ]
    )
    found = read_sequences(columns.fit_transform(X))
    np.testing.assert_allclose(np.mean(found.values, axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found.static.mean(), 0, atol=1e-12)
    assert found.lengths.tolist() == [5, 3, 8]


def test_column_transformer_scales_channels_beside_static_columns():
    X = forms()["pandas"]
    columns = ColumnTransformer(
        [
            ("signals", SequenceScaler(), ["flow", "pressure"]),
            ("person", StandardScaler(), ["age"]),
        ],
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    found = columns.fit_transform(X)
    assert list(found.columns) == ["flow", "pressure", "age"]
    assert list(found.index) == [7, 8, 9]
    read = Sequences.from_frame(found)
    np.testing.assert_allclose(np.mean(read.values, axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(read.static.mean(), 0, atol=1e-12)


def test_feature_union_of_frames():
    X = forms()["pandas"][["flow", "pressure"]]
    union = FeatureUnion([("whole", SequenceScaler()), ("each", SequenceScaler(per="sequence"))])
    found = union.set_output(transform="pandas").fit_transform(X)
    assert list(found.columns)[::2] == ["whole__flow", "each__flow"]
    assert Sequences.from_frame(found).n_channels == 4


@pytest.mark.parametrize("config", ["default", "pandas"])
def test_ragged_to_a_linear_model(config):
    class Flatten(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            return self

        def transform(self, X):
            return np.asarray(X).reshape(len(X), -1)

    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = [rng.normal(2 * label, 1, (rng.integers(4, 9), 2)) for label in y]
    for row in X:
        row[rng.random(row.shape) < 0.1] = np.nan
    pipeline = make_pipeline(
        SequenceImputer("linear"),
        SequenceScaler(),
        SequenceResampler(5, method="mean"),
        Flatten(),
        LogisticRegression(),
    )
    with config_context(transform_output=config):
        assert cross_val_score(pipeline, X, y, cv=3, error_score="raise").mean() > 0.9
        assert cross_val_score(pipeline, Sequences.from_list(X), y, cv=3).mean() > 0.9


@pytest.mark.parametrize("step", [*STEPS, ToSequences()], ids=lambda step: type(step).__name__)
@pytest.mark.parametrize("form", ["3-D", "list", "sequences", "pandas"])
def test_input_is_left_alone(form, step):
    X = forms()[form]
    clone(step).fit_transform(X)
    before = forms()[form]
    if form == "list":
        assert all(np.array_equal(a, b) for a, b in zip(X, before, strict=True))
    elif form == "pandas":
        pd.testing.assert_frame_equal(X, before)
    else:
        assert same(X, before)


@pytest.mark.parametrize("step", [*STEPS, ToSequences()], ids=lambda step: type(step).__name__)
def test_other_channels_than_in_fit_are_refused(step):
    name = type(step).__name__
    fitted = clone(step).fit(np.zeros((2, 6, 2)))
    with pytest.raises(ValueError, match=f"3 channels, but {name} is expecting 2 channels"):
        fitted.transform(np.zeros((2, 6, 3)))


def test_fitted_on_one_form_used_on_another():
    rows = ragged()
    scaler = SequenceScaler().fit(np.concatenate([row[:3] for row in rows]).reshape(3, 3, 2))
    assert isinstance(scaler.transform(rows), Sequences)
    scaler = SequenceScaler().fit(np.zeros((3, 6))).set_output(transform="pandas")
    assert list(SequenceScaler().fit([[1.0], [1.0, 2]]).get_feature_names_out()) == ["x0"]
    assert isinstance(scaler.transform([[1.0], [1.0, 2.0]]), Sequences)
    ragged_scaler = SequenceScaler().fit([[1.0], [1.0, 2.0]]).set_output(transform="pandas")
    assert list(ragged_scaler.transform(np.zeros((2, 3))).columns) == ["x0", "x1", "x2"]


def test_html_links_to_our_reference():
    from sklearn.utils import estimator_html_repr

    assert "sklearn_rnn.preprocessing.SequenceScaler.html" in estimator_html_repr(SequenceScaler())


def test_torch_is_not_imported():
    import subprocess
    import sys

    code = "import sys, sklearn_rnn.preprocessing; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
