"""Checking y and sample weights."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import Ridge

from sklearn_rnn import ReservoirClassifier, ReservoirRegressor, RNNClassifier, RNNRegressor
from sklearn_rnn.sequences import (
    Sequences,
    check_classification_y,
    check_consistent,
    check_regression_y,
    check_step_y,
    check_weights,
    is_step_y,
)

LENGTHS = (3, 1, 2)


@pytest.fixture
def X():
    return Sequences.from_list([np.zeros((n, 2)) for n in LENGTHS])


# Labels


@pytest.mark.parametrize(
    "y",
    [
        [1, 0, 1],
        ["b", "a", "b"],
        np.array(["b", "a", "b"], dtype=object),
        [True, False, True],
        [1.0, 2.0, 1.0],
        pd.Series(["b", "a", "b"]),
        pd.Series(["b", "a", "b"], dtype="category"),
        np.array([[1, 0], [0, 1], [1, 1]]),
        np.array([["a", "x"], ["b", "y"], ["a", "x"]], dtype=object),
    ],
)
def test_labels_of_any_type(y):
    checked = check_classification_y(y, 3)
    assert isinstance(checked, np.ndarray)
    assert checked.tolist() == np.asarray(y).tolist()


@pytest.mark.parametrize(
    "y",
    [
        ["a", None, "b"],
        ["a", np.nan, "b"],
        np.array(["a", np.nan, "b"], dtype=object),
        pd.Series(["a", pd.NA, "b"], dtype="string"),
        pd.Series(["a", None, "b"], dtype="category"),
        pd.Series([1, pd.NA, 2], dtype="Int64"),
        pl.Series(["a", None, "b"]),
    ],
)
def test_a_missing_label_is_named(y):
    with pytest.raises(ValueError, match="y contains NaN or None: row 1 has no label"):
        check_classification_y(y)


@pytest.mark.parametrize("y", [[["a"], [], ["a", "b"]], [{"a"}, {"b"}, {"a", "b"}], [("a",), ()]])
def test_sets_of_labels_are_to_be_columns(y):
    with pytest.raises(ValueError, match="MultiLabelBinarizer.*at each step use SequenceTagger"):
        check_classification_y(y)


def test_sparse_indicators_are_made_dense():
    y = np.array([[1, 0], [0, 1]])
    assert check_classification_y(sparse.csr_matrix(y)).tolist() == y.tolist()


@pytest.mark.parametrize(
    "y", [["a", "b"], np.array(["a", "b"]), np.array(["a", 1], dtype=object), pd.Series(["a", "b"])]
)
def test_strings_are_no_numbers(y):
    with pytest.raises(ValueError, match=r"y holds strings \('a' in row 0\).*use a classifier"):
        check_regression_y(y)


@pytest.mark.parametrize("check", [check_classification_y, check_regression_y])
def test_column_vectors_warn(check):
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        assert check(np.array([[1], [2]])).shape == (2,)


@pytest.mark.parametrize("check", [check_classification_y, check_regression_y])
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed, but the target y is None"),
        ([1, 2, np.nan], "Input y contains NaN"),
        ([1, 2, np.inf], "Input y contains infinity"),
        ([1j, 2, 3], "Complex data not supported"),
        ([1, 2], "inconsistent numbers of samples: X has 3, y has 2"),
        (np.zeros((3, 0)), "0 feature(s)"),
        ([], "0 sample(s)"),
        ([[1, 2], [3], [4]], "inhomogeneous"),
    ],
)
def test_bad_y(check, y, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check(y, 3, estimator=Ridge())


def test_three_dimensions():
    with pytest.raises(ValueError, match="several numbers at every step"):
        check_classification_y(np.zeros((3, 2, 2)))
    with pytest.raises(ValueError, match="dim 3"):
        check_regression_y(np.zeros((3, 2, 2)))


def test_the_estimator_is_named():
    with pytest.raises(ValueError, match="This Ridge estimator requires y to be passed"):
        check_classification_y(None, estimator=Ridge())


def test_continuous_labels():
    with pytest.raises(ValueError, match="Unknown label type"):
        check_classification_y([0.5, 1.5])


def test_regression_targets_are_float64():
    for y in ([1, 2], np.ones(2, "f4"), pd.Series([1, 2]), np.array([1, 2.5], dtype=object)):
        assert check_regression_y(y).dtype == np.float64
    assert check_regression_y([[1, 2], [3, 4]], 2).shape == (2, 2)
    for y in (["a", "b"], np.array(["a", "b"], dtype=object), ["1", "2"]):
        with pytest.raises(ValueError, match="string"):
            check_regression_y(y)


# One target a step


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ([np.zeros(3), np.zeros(1), np.zeros(2)], True),
        ([[0, 0, 0], [0], [0, 0]], True),
        ([np.zeros((3, 4)), np.zeros((1, 4)), np.zeros((2, 4))], True),
        (Sequences.from_list([[0.0], [0.0]]), True),
        (np.zeros((3, 3, 1)), True),
        (pd.Series([[0.0], [0.0, 1], [0.0]]), True),
        (pd.DataFrame({"a": [[0.0]]}), True),
        ([np.zeros(2), np.zeros(2), np.zeros(2)], False),
        (np.zeros(3), False),
        (np.zeros((3, 3)), False),
        ([[1, 2], [3, 4], [5, 6]], False),
        ([1.0, 2, 3], False),
        (["a", "bc", "d"], False),
        (pd.Series([1.0, 2, 3]), False),
        (pd.DataFrame({"a": [1.0]}), False),
        ("abc", False),
        (None, False),
        (3, False),
        ({}, False),
        ([], False),
    ],
    ids=lambda y: str(type(y)),
)
def test_is_step_y(y, expected, X):
    assert is_step_y(y, X) is expected


def test_arrays_of_the_lengths_of_X_are_targets_of_steps():
    X = Sequences.from_list([np.zeros(2), np.zeros(2)])
    assert is_step_y([np.zeros(2), np.zeros(2)], X)
    assert not is_step_y([np.zeros(3), np.zeros(3)], X)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_step_targets(X, dtype):
    lists = [np.arange(n).astype(dtype) for n in LENGTHS]
    ragged = Sequences.from_list(lists)
    padded = ragged.to_padded()[0]
    longer = np.concatenate([padded, np.full((3, 2, 1), np.nan)], axis=1)
    expected = [0, 1, 2, 0, 0, 1]
    for y in (lists, ragged, padded, padded[:, :, 0], longer, pd.Series(lists)):
        checked = check_step_y(y, X)
        assert isinstance(checked, Sequences)
        assert checked.dtype == np.float64
        assert checked.lengths.tolist() == list(LENGTHS)
        assert checked.values[:, 0].tolist() == expected
    two = check_step_y([np.ones((n, 2)) for n in LENGTHS], X)
    assert two.n_channels == 2


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([[1, 2, 3], [1], [1]], "Row 2: y has 1 steps, but X has 2"),
        ([[1, 2, 3], [1, 2], [1, 2]], "Row 1: y has 2 steps, but X has 1"),
        ([[1, 2, 3], [1]], "inconsistent numbers of samples: X has 3, y has 2"),
        ([[np.nan] * 3, [np.nan], [np.nan] * 2], "Input y contains NaN at every step"),
        ([[1, np.inf, 3], [1], [1, 2]], "infinity: row 0"),
        (np.ones((3, 3, 1)), "Row 1: y has 3 steps, but X has 1"),
        (np.ones((3, 2, 1)), "Row 0: y has 2 steps, but X has 3"),
        (np.ones((2, 3, 1)), "inconsistent numbers of samples"),
        (
            Sequences.from_list([[0, 0, 0], [0], [0, 0]], vocabulary_size=2),
            "y holds tokens",
        ),
    ],
)
def test_bad_step_targets(y, message, X):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_step_y(y, X)


def test_missing_step_targets_stay_where_they_are(X):
    gap = [[1, np.nan, 3], [1], [1, 2]]
    masked = [np.ma.masked_invalid(np.asarray(row, dtype=float)) for row in gap]
    ends = np.array([[1, np.nan, np.nan], [1, np.nan, np.nan], [1, 2, np.nan]])[:, :, None]
    for y in (gap, masked, Sequences.from_list(gap)):
        found = check_step_y(y, X).values[:, 0]
        np.testing.assert_array_equal(found, [1, np.nan, 3, 1, 1, 2])
    for dense in (ends, np.ma.masked_invalid(ends)):
        # The length of X tells a target that is missing from padding.
        found = check_step_y(dense, X).values[:, 0]
        np.testing.assert_array_equal(found, [1, np.nan, np.nan, 1, 1, 2])


# Weights


def test_weights():
    assert check_weights(None, 3) is None
    assert check_weights(2, 3).tolist() == [2, 2, 2]
    weights = check_weights([1, 0, 2], 3)
    assert weights.dtype == np.float64
    assert weights.tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], "sample_weight.shape == (2,), expected (3,)"),
        ([[1], [2], [3]], "Sample weights must be 1D array or scalar, got 2D array"),
        ([1, -1, 1], "Negative values in data passed to `sample_weight`"),
        ([1, np.nan, 1], "Input sample_weight contains NaN"),
        ([1, np.inf, 1], "Input sample_weight contains infinity"),
        ([0, 0, 0], "Sample weights must contain at least one non-zero number"),
        (0, "Sample weights must contain at least one non-zero number"),
        (np.nan, "Input sample_weight contains NaN or infinity"),
        (-1.0, "Negative values"),
        (["a", "b", "c"], "sample_weight must hold one number for each sample"),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_weights(weights, 3)


def test_consistent(X):
    check_consistent(X, np.zeros(3))
    check_consistent(X, [1, 2, 3], np.ones(3))
    check_consistent(X, X)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        check_consistent(X, np.zeros(2))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        check_consistent(X, None, np.zeros(4))


# What is masked


MASK = np.arange(6) == 4
MODELS = [
    RNNClassifier(4, max_epochs=1, closed_form=False, random_state=0),
    ReservoirClassifier(5, random_state=0),
    RNNRegressor(4, max_epochs=1, closed_form=False, random_state=0),
    ReservoirRegressor(5, random_state=0),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_masked_target_or_weight_is_missing_and_refused_by_row(model):
    X, y = np.random.default_rng(0).normal(size=(6, 5)), np.arange(6) % 2
    masked = np.ma.masked_array(y, mask=MASK)
    columns = np.ma.masked_array(np.c_[y, 1 - y], mask=np.c_[MASK, MASK])
    targets = [masked, list(masked), masked.astype(float), columns]
    if hasattr(model, "predict_proba"):
        targets.append(np.ma.masked_array(np.array(["a", "b"])[y], mask=MASK))
    for target in targets:
        with pytest.raises(ValueError, match="Input y contains NaN.*row 4 has no"):
            model.fit(X, target)
    weights = np.ma.masked_array(np.ones(6), mask=MASK)
    for weight in (weights, list(weights)):
        with pytest.raises(ValueError, match="sample_weight contains NaN: row 4 has no weight"):
            model.fit(X, y, sample_weight=weight)
    # A mask that hides nothing changes nothing.
    model.fit(X, np.ma.masked_array(y), sample_weight=np.ma.masked_array(np.ones(6)))
    if hasattr(model, "classes_"):
        assert model.classes_.dtype.kind == "i"
    with pytest.raises(ValueError, match="row 4 has no target"):
        model.score(X, masked)
    with pytest.raises(ValueError, match="row 4 has no weight"):
        model.score(X, y, sample_weight=weights)


@pytest.mark.parametrize("model", MODELS[:2], ids=lambda model: type(model).__name__)
@pytest.mark.parametrize(
    "classes",
    [[0, 1, np.nan], [0, 1, None], [0, 1, np.inf], np.ma.masked_array([0, 1, 2], [0, 0, 1])],
    ids=["nan", "None", "inf", "masked"],
)
def test_no_class_is_missing(model, classes):
    X, y = np.random.default_rng(0).normal(size=(6, 5)), np.arange(6) % 2
    with pytest.raises(ValueError, match="classes contains .*Leave it out"):
        clone(model).partial_fit(X, y, classes=classes)
    begun = clone(model).partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="classes contains .*Leave it out"):
        begun.partial_fit(X, y, classes=classes)
    with pytest.raises(ValueError, match="classes contains"):
        clone(model).partial_fit(X, np.c_[y, y + 1], classes=[list(classes), [1, 2]])


def test_labels_of_steps_that_are_none_are_refused_by_row_and_step():
    X, y = [np.zeros((3, 1)), np.ones((2, 1))], [[0, 1, 0], [1, 0]]
    model = ReservoirClassifier(5, random_state=0)
    for hole in (None, np.nan, np.ma.masked):
        with pytest.raises(ValueError, match="Row 1: the label of a step is missing, of step 1"):
            model.fit(X, [[0, 1, 0], [1, hole]])
    with pytest.raises(ValueError, match="-100.*SequenceTagger"):
        model.fit(X, [[0, 1, -100], [1, 0]])
    for labels in (np.eye(2)[[[0, 1], [1, 0]]], [np.eye(2)[row] for row in y]):
        for other in (model, RNNClassifier(4)):
            with pytest.raises(ValueError, match=r"y\.argmax\(axis=-1\)"):
                other.fit(X, labels)


MIXED = pd.DataFrame({"grade": [1, 2, 1, 2], "kind": ["x", "y", "y", "x"]})


@pytest.mark.parametrize(
    "y", [MIXED, pl.DataFrame(MIXED.to_dict("list")), MIXED.astype({"kind": "category"})]
)
def test_columns_of_strings_and_numbers_are_named(y):
    with pytest.raises(ValueError, match=r"'x' in row 0, column 'kind'; 1 in row 0, column 'grade"):
        check_classification_y(y)
    with pytest.raises(ValueError, match=r"y holds strings in column 'kind' \('x' in row 0\)"):
        check_regression_y(y)


def test_columns_without_names_are_counted():
    y = MIXED.to_numpy(dtype=object)
    with pytest.raises(ValueError, match=r"'x' in row 0, column 1; 1 in row 0, column 0"):
        check_classification_y(y)
    for given in (y, y.tolist()):
        with pytest.raises(ValueError, match=r"y holds strings in column 1 \('x' in row 0\)"):
            check_regression_y(given)
    with pytest.raises(ValueError, match=r"y mixes strings and other labels: 'b' in row 2; 1 in"):
        check_classification_y(np.array([1, 2, "b"], dtype=object))
    with pytest.raises(ValueError, match=r"y holds strings \('b' in row 2\)"):
        check_regression_y(np.array([1, 2, "b"], dtype=object))
    assert check_regression_y(np.array(["1", "2.5"], dtype=object)).tolist() == [1.0, 2.5]


def test_missing_targets_in_columns_of_every_library_are_told_by_row():
    numbers = [0, 1, None, 1]
    for y in (
        pd.Series(numbers, dtype="Int64"),
        pd.Series(numbers, dtype=float),
        pl.Series(numbers),
        pl.Series(numbers, dtype=pl.Float64),
        pa.array(numbers),
    ):
        for check in (check_classification_y, check_regression_y):
            with pytest.raises(ValueError, match="Input y contains NaN.*row 2 has no"):
                check(y)
    table = {"p": [1.0] * 4, "q": numbers}
    for frame in (pl.DataFrame(table), pa.table(table)):
        with pytest.raises(ValueError, match="row 2, column 'q', has no target"):
            check_regression_y(frame)
