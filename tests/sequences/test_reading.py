"""Reading every accepted form of X, and refusing every other by name."""

import re
from collections import deque

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sklearn_rnn.sequences import Sequences, describe_kind, read_sequences

NAN = np.nan


def rows(X):
    return [row.tolist() for row in read_sequences(X)]


def test_masked_entries_are_missing():
    mask = [[False, True], [False, False]]
    flat = np.ma.masked_array([[1.0, 2.0], [3.0, 4.0]], mask=mask)
    assert np.isnan(read_sequences([flat[0]])[0]).ravel().tolist() == [False, True]
    assert read_sequences(flat).lengths.tolist() == [1, 2]  # trailing: padding
    deep = np.ma.masked_array(np.ones((2, 2, 1)), mask=np.array(mask)[:, :, None])
    assert read_sequences(deep).lengths.tolist() == [1, 2]


def test_pandas_na_in_an_object_array_is_missing():
    for X in ([[pd.NA, 1], [2, 3]], np.array([[pd.NA, 1], [2, 3]], dtype=object)):
        assert np.isnan(read_sequences(X)[0][0, 0])
        assert read_sequences(X)[1].ravel().tolist() == [2, 3]


def test_sparse_rows_are_refused():
    with pytest.raises(TypeError, match="Sparse data was passed for Row 0, .*dense"):
        read_sequences([sparse.eye(3, format="csr")] * 2)


@pytest.mark.parametrize("make", [np.asarray, pd.DataFrame, np.ndarray.tolist])
def test_infinity_in_two_dimensions_is_named(make):
    X = np.ones((3, 4))
    X[1, 2] = -np.inf
    with pytest.raises(ValueError, match="infinity: row 1, step 2"):
        read_sequences(make(X))


class Tensor:
    """Something of another library that turns into an array."""

    def __init__(self, data, error=None):
        self.data, self.error = data, error

    def __array__(self, dtype=None, copy=None):
        if self.error is not None:
            raise self.error
        return np.asarray(self.data, dtype=dtype)


class Hostile(Tensor):
    """An array-like that bears no probing."""

    def __len__(self):
        raise RuntimeError("no len")

    def __getitem__(self, key):
        raise RuntimeError("no items")

    def __iter__(self):
        raise RuntimeError("no iteration")


# What is accepted


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bool", "uint8", object])
@pytest.mark.parametrize("wrap", [np.asarray, Tensor, Hostile, np.ndarray.tolist])
def test_two_dimensions_are_univariate(dtype, wrap):
    X = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype)
    read = read_sequences(wrap(X))
    assert describe_kind(wrap(X)) == "array_2d"
    assert read.lengths.tolist() == [3, 3]
    assert read.n_channels == 1
    assert read.values[:, 0].tolist() == [0, 1, 1, 1, 0, 1]
    is_float32 = dtype == "float32" and wrap is not np.ndarray.tolist
    assert read.dtype == ("float32" if is_float32 else "float64")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", object])
@pytest.mark.parametrize("wrap", [np.asarray, Tensor, Hostile, np.ndarray.tolist])
def test_three_dimensions(dtype, wrap):
    X = np.arange(24).reshape(2, 4, 3).astype(dtype)
    read = read_sequences(wrap(X))
    assert describe_kind(wrap(X)) == "array_3d"
    assert [row.shape for row in read] == [(4, 3), (4, 3)]
    np.testing.assert_array_equal(np.asarray(read), X.astype(float))


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 2)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dense_floats_are_not_copied(shape, dtype):
    X = np.ones(shape, dtype=dtype)
    X.flags.writeable = False
    assert np.shares_memory(read_sequences(X).values, X)


def test_mapped_cube_is_not_copied(tmp_path):
    np.save(tmp_path / "X.npy", np.ones((10, 5, 2), dtype=np.float32))
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert np.shares_memory(read_sequences(X).values, X)


@pytest.mark.parametrize("container", [list, tuple, deque])
def test_lists_of_arrays(container):
    arrays = [np.ones((3, 2)), np.zeros((1, 2)), np.ones((2, 2))]
    assert describe_kind(container(arrays)) == "list"
    assert [len(row) for row in read_sequences(container(arrays))] == [3, 1, 2]
    flat = [np.arange(3), np.arange(3)]
    assert describe_kind(container(flat)) == "list"  # of one length by chance
    assert rows(container(flat)) == [[[0], [1], [2]]] * 2


def test_object_arrays():
    X = np.empty(2, dtype=object)
    X[:] = [np.ones((2, 3)), np.zeros((4, 3))]
    assert describe_kind(X) == "list"
    assert [row.shape for row in read_sequences(X)] == [(2, 3), (4, 3)]


def test_nested_lists():
    assert rows([[1, 2], [3]]) == [[[1], [2]], [[3]]]
    assert rows([[[1, 2]], [[3, 4], [5, 6]]]) == [[[1, 2]], [[3, 4], [5, 6]]]
    assert describe_kind([[1, 2], [3]]) == "list"
    assert describe_kind([[1, 2], (3, 4)]) == "array_2d"
    assert describe_kind([[[1], [2]], [[3], [4]]]) == "array_3d"
    assert describe_kind([[np.float64(1), 2]]) == "array_2d"
    assert rows([[np.ones(2), np.zeros(2)], [np.ones(2)]]) == [[[1, 1], [0, 0]], [[1, 1]]]
    np.testing.assert_array_equal(rows([[1, None], [2, 3]])[0], [[1], [NAN]])


def test_other_array_likes_inside_lists():
    assert rows([Tensor([1.0, 2]), pd.Series([3.0]), range(2)]) == [[[1], [2]], [[3]], [[0], [1]]]
    masked = np.ma.array([1, 2, 3], mask=[False, True, False])
    np.testing.assert_array_equal(read_sequences([masked])[0], [[1], [NAN], [3]])


def test_sequences_pass_unchanged():
    X = Sequences([1.0, 2], [0, 1, 2])
    assert read_sequences(X) is X
    assert describe_kind(X) == "sequences"


def test_list_columns_in_an_object_array_are_a_frame():
    X = pd.DataFrame({"a": [[1, 2], [3]], "age": [7, 8]}).to_numpy()
    read = read_sequences(X)
    assert describe_kind(X) == "frame"
    assert read.lengths.tolist() == [2, 1]
    assert read.static.tolist() == [[7], [8]]


# Padding


def test_trailing_nan_is_padding_in_dense_arrays():
    X = np.array([[1, NAN, 2, NAN], [NAN, NAN, NAN, NAN], [1, 2, 3, 4]])
    assert read_sequences(X).lengths.tolist() == [3, 4, 4]
    assert read_sequences(pd.DataFrame(X)).lengths.tolist() == [3, 4, 4]
    cube = np.stack([X, X], axis=2)
    cube[0, 3, 1] = 0.0
    assert read_sequences(cube).lengths.tolist() == [4, 4, 4]
    cube[0, 3, 1] = NAN
    np.testing.assert_array_equal(read_sequences(cube)[0], cube[0, :3])


def test_trailing_nan_is_missing_in_lists():
    assert read_sequences([[1, NAN], [1, 2]]).lengths.tolist() == [2, 2]
    assert read_sequences([[[1], [NAN]], [[1], [NAN]]]).lengths.tolist() == [2, 2]
    assert read_sequences([np.array([1, NAN])]).lengths.tolist() == [2]


# What is refused


EMPTY_ROW = "Row 1 is an empty sequence; every sequence needs at least one step. Drop the row"


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        # shape
        (np.arange(3.0), ValueError, "Expected 2D array, got 1D array"),
        (np.arange(3.0), ValueError, "Reshape your data"),
        (np.arange(3.0), ValueError, "pass [X]"),
        ([1.0, 2, 3], ValueError, "Reshape your data"),
        ([1.0, 2, 3], ValueError, "for one sequence pass [X]"),
        (np.array([1, 2], dtype=object), ValueError, "Reshape your data"),
        (pd.Series([1.0, 2]), ValueError, "1D array instead: X is a column of Float64"),
        (range(4), ValueError, "Reshape your data"),
        (np.float64(3), ValueError, "Expected 2D array, got scalar"),
        (3, ValueError, "Expected 2D array, got scalar"),
        (np.zeros((2, 2, 2, 2)), ValueError, "Found array with dim 4"),
        ([np.zeros((2, 2, 2))], ValueError, "Row 0 has 3 dimensions"),
        ([np.zeros(2), 3.0], ValueError, "Row 1 is a single number, not a sequence"),
        ([np.zeros(2), np.zeros((2, 1))], ValueError, "Row 1 has 2 dimension(s), but row 0 has 1"),
        ([np.zeros((2, 3)), np.zeros((2, 1))], ValueError, "Row 1 has 1 channels, but row 0 has 3"),
        ([np.zeros((3, 9)), np.zeros((3, 7))], ValueError, "Sequences.from_channels_first"),
        ([np.zeros((3, 0))], ValueError, "Row 0 has no channels"),
        (np.zeros((2, 3, 0)), ValueError, "X has no channels"),
        ([[[1, 2], [3]], [[1, 2]]], ValueError, "Row 0 cannot be read as an array of numbers"),
        # nothing there
        ([], ValueError, "0 sample(s)"),
        (np.zeros((0, 3)), ValueError, "0 sample(s)"),
        (np.zeros((0, 3, 2)), ValueError, "0 sample(s)"),
        (np.empty(0, dtype=object), ValueError, "0 sample(s)"),
        (np.zeros((3, 0)), ValueError, "0 feature(s)"),
        (np.zeros((3, 0, 2)), ValueError, "Row 0 is an empty sequence"),
        ([[1.0], []], ValueError, EMPTY_ROW),
        ([np.ones((2, 2)), np.ones((0, 2))], ValueError, EMPTY_ROW),
        ([[1.0], None], ValueError, "Row 1 is missing (null)"),
        # values
        (np.array([[1, np.inf]]), ValueError, "infinity"),
        ([[1, -np.inf], [1]], ValueError, "infinity: row 0, channel 0, step 1"),
        (np.full((2, 3, 2), np.inf), ValueError, "infinity: row 0, channel 0, step 0"),
        ([[1e40], [1.0, 2]], ValueError, "value too large for dtype('float32')"),
        (np.array([[1.0, 1e40]]), ValueError, "value too large for dtype('float32')"),
        ([[10**400], [1, 2]], ValueError, "value too large for dtype('float32')"),
        ([[10**400]], ValueError, "value too large for dtype('float32')"),
        (np.array([[1j, 2]]), ValueError, "Complex data not supported"),
        (np.ones((2, 2, 2), dtype=complex), ValueError, "Complex data not supported"),
        ([[1j], [1, 2]], ValueError, "Complex data not supported: Row 0"),
        ([np.array([1, 1j], dtype=object)], ValueError, "Complex data not supported: Row 0"),
        # strings
        ("abc", TypeError, "TextTokenizer"),
        (["abc", "de"], TypeError, "Row 0 is a string; strings are not numbers"),
        (["abc", "de"], TypeError, "TextTokenizer"),
        (np.array(["abc", "de"]), TypeError, "TextTokenizer"),
        (np.array(["abc", "de"], dtype=object), TypeError, "TextTokenizer"),
        (pd.Series(["abc", "de"]), ValueError, "TextTokenizer"),
        (pd.Series(["abc", "de"], dtype=object), ValueError, "TextTokenizer"),
        (pd.Series(["abc"], dtype="category"), ValueError, "TextTokenizer"),
        ([["a", "b"], ["c"]], ValueError, "Row 0 holds strings; strings are not numbers"),
        ([["a", "b"], ["c", "d"]], ValueError, "TextTokenizer"),
        ([[1.0, 2], ["c"]], ValueError, "Row 1 holds strings"),
        ([np.array([1, "c"], dtype=object)], ValueError, "Row 0 holds the string 'c'"),
        (np.array([["a", "b"]]), ValueError, "TextTokenizer"),
        (np.array([["a", 1]], dtype=object), ValueError, "could not convert string to float"),
        (np.array([["1", "2"]]), ValueError, "X holds the string '1'"),
        (np.array([["1"]], dtype=object), ValueError, "X holds the string '1'"),
        # other things
        (None, TypeError, "got NoneType"),
        ({"a": 1}, TypeError, "got dict"),
        ({1, 2}, TypeError, "got set"),
        ((i for i in range(3)), TypeError, "got generator. Turn a generator into a list"),
        (object(), TypeError, "got object"),
        ([{"a": 1}], TypeError, "Row 0 is a dict"),
        ([{1}, [1]], TypeError, "Row 0 is a set"),
        ([object()], ValueError, "Row 0 cannot be read as an array of numbers"),
        ([[object()], [1, 2]], ValueError, "Row 0 cannot be read as an array of numbers"),
        (np.array([["2020-01-01"]], dtype="datetime64[D]")[None], TypeError, "datetime64"),
        ([np.array(["2020-01-01"], dtype="datetime64[D]")], TypeError, "Row 0 holds dates"),
        (Tensor(0, RuntimeError("requires grad")), TypeError, "requires grad"),
        ([Tensor(0, RuntimeError("requires grad"))], TypeError, "Row 0 (Tensor) cannot be read"),
        ([Tensor(0, TypeError("on cuda"))], ValueError, "on cuda"),
        (sparse.csr_matrix(np.eye(2)), TypeError, "Sparse data was passed for X, but dense"),
        (sparse.csr_array(np.eye(2)), TypeError, "Sparse data was passed for X, but dense"),
    ],
)
def test_refusals(X, error, message):
    with pytest.raises(error, match=re.escape(message)):
        read_sequences(X)


def test_torch_tensors():
    torch = pytest.importorskip("torch")
    X = torch.arange(12, dtype=torch.float32).reshape(2, 3, 2)
    assert np.shares_memory(read_sequences(X).values, X.numpy())
    assert read_sequences([X[0], X[1, :1]]).lengths.tolist() == [3, 1]
    with pytest.raises(TypeError, match=r"detach\(\)"):
        read_sequences(X.requires_grad_())
    with pytest.raises(TypeError, match=r"Row 0 .*detach\(\)"):
        read_sequences([X[0]])


def test_reading_does_not_change_its_input():
    X = np.array([[1, NAN], [2, 3]])
    before = X.copy()
    read_sequences(X)
    np.testing.assert_array_equal(X, before)
    masked = np.ma.array([1.0, 2.0], mask=[True, False])
    read_sequences([masked])
    assert masked.data.tolist() == [1, 2]


def test_an_empty_array_of_strings_holds_no_sequences():
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        read_sequences(np.array([], dtype="<U2"))
