"""Properties over random shapes, types and containers: nothing but ValueError and TypeError
escapes, and what goes in comes out."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import BaseEstimator

from sklearn_rnn.sequences import Sequences, check_X, describe_kind, is_step_y, read_sequences

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")

few = settings(max_examples=60)
FLOATS = st.floats(-(2.0**100), 2.0**100, width=32) | st.just(np.nan)


@st.composite
def ragged(draw, max_channels=3, dtypes=("float32", "float64"), elements=FLOATS):
    channels = draw(st.integers(1, max_channels))
    dtype = draw(st.sampled_from(dtypes))
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    return [draw(hnp.arrays(dtype, (n, channels), elements=elements)) for n in lengths]


def same(X, arrays):
    assert len(X) == len(arrays)
    for left, right in zip(X, arrays, strict=True):
        np.testing.assert_array_equal(left, right)


# Round trips


@few
@given(ragged())
def test_lists_and_padding_round_trip(arrays):
    X = Sequences.from_list(arrays)
    assert X.dtype == arrays[0].dtype
    same(X, arrays)
    same(read_sequences(X.to_list()), arrays)
    same(Sequences.from_padded(*X.to_padded()), arrays)
    same(Sequences.from_channels_first([array.T for array in arrays]), arrays)
    same(Sequences(X.values, X.offsets), arrays)
    same(Sequences.concatenate([X[:1], X[1:]]), arrays)
    converted = np.asarray(X)
    same(converted, arrays)


@few
@given(ragged())
def test_frames_round_trip(arrays):
    X = Sequences.from_list(arrays, static=np.arange(len(arrays)))
    for frame in (X.to_arrow(), X.to_frame(), X.to_frame("polars")):
        assert describe_kind(frame) == "frame"
        same(read_sequences(frame), arrays)
        assert read_sequences(frame).dtype == X.dtype
    objects = pd.DataFrame(
        {f"c{j}": [array[:, j] for array in arrays] for j in range(X.n_channels)}
    )
    same(read_sequences(objects), arrays)


@few
@given(ragged(), st.randoms(use_true_random=False))
def test_long_frames_round_trip(arrays, random):
    X = Sequences.from_list(arrays)
    ids = np.repeat(np.arange(len(X)), X.lengths)
    long = pd.DataFrame(X.values, columns=[f"c{j}" for j in range(X.n_channels)])
    long["id"], long["t"] = ids, np.arange(len(ids))
    # Any interleaving that keeps each id's steps in order.
    order = sorted(range(len(ids)), key=lambda _: random.random())
    ranks = np.argsort(order)
    for row in range(len(X)):
        ranks[ids == row] = np.sort(ranks[ids == row])
    long = long.iloc[np.argsort(ranks)]
    seen = long["id"].unique()
    for frame in (long, pl.from_pandas(long), pa.Table.from_pandas(long, preserve_index=False)):
        read = Sequences.from_long(frame, id="id", time="t")
        same(read, [arrays[row] for row in seen])


@few
@given(ragged(), st.data())
def test_selection_is_that_of_an_array(arrays, data):
    X = Sequences.from_list(arrays, static=np.arange(len(arrays)))
    n = len(arrays)
    key = data.draw(
        st.lists(st.integers(-n, n - 1), max_size=8)
        | hnp.arrays(bool, n)
        | st.slices(n)
        | st.integers(0, 2**8 - 1).map(lambda bits: [bool(bits >> i & 1) for i in range(n)])
    )
    index = np.asarray(key, dtype=int) if isinstance(key, list) and not key else key
    rows = np.arange(n)[index]
    same(X[key], [arrays[row] for row in rows])
    assert X[key].static[:, 0].tolist() == rows.tolist()


@few
@given(
    hnp.arrays(
        st.sampled_from(["float32", "float64", "int8", "int64", "uint16", "bool", "float16"]),
        hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=4),
    ).filter(lambda X: not np.isinf(X.astype(np.float64)).any())
)
def test_dense_arrays_keep_all_but_padding(X):
    if X.dtype == np.float64 and not (np.abs(np.nan_to_num(X)) < 1e38).all():
        X = X / 1e300
    read = read_sequences(X)
    cube = X.astype(np.float64).reshape(*X.shape[:2], -1)
    for row, expected in zip(read, cube, strict=True):
        np.testing.assert_array_equal(row, expected[: len(row)])
        assert np.isnan(expected[len(row) :]).all()
        assert len(row) == len(expected) or not np.isnan(row[-1]).all()


@few
@given(ragged(dtypes=("int8", "uint8", "int32", "int64"), elements=st.integers(0, 9)))
def test_tokens_round_trip(arrays):
    arrays = [array[:, :1] for array in arrays]
    X = Sequences.from_list(arrays, vocabulary_size=10)
    assert X.values.dtype in (np.int32, np.int64)
    same(X, arrays)
    same(Sequences.from_padded(*X.to_padded(), vocabulary_size=10), arrays)
    same(Sequences.from_frame(X.to_arrow(), vocabulary_size=10), arrays)


# Whatever comes, only ValueError and TypeError go


SCALARS = st.one_of(
    st.floats(),
    st.integers(),
    st.booleans(),
    st.none(),
    st.text(max_size=2),
    st.binary(max_size=2),
    st.complex_numbers(),
    st.just(pd.NA),
    st.just(pd.NaT),
    st.dates(),
    st.decimals(-99, 99, places=2),  # polars panics on those of 256 bits
    st.fractions(),
    st.builds(object),
    st.builds(dict),
    st.builds(set),
    st.just(...),
)
ARRAYS = hnp.arrays(
    st.sampled_from("bool int8 uint64 float16 float32 float64 complex64 M8[s] m8[s] U2 S2".split()),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3),
) | hnp.arrays(
    object, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=2), elements=SCALARS
)
NESTED = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.lists(inner, max_size=3).map(lambda items: iter(items))
    ),
    max_leaves=12,
)
NUMBERS = st.lists(st.floats() | st.none(), max_size=3) | st.none()
CELLS = st.one_of(
    NUMBERS,
    st.lists(NUMBERS, max_size=2),
    st.lists(st.text(max_size=1) | st.none(), max_size=2),
    st.lists(st.integers() | st.none() | st.booleans(), max_size=2),
    st.dates(),
    SCALARS,
)


def attempt(function, *args, **kwargs):
    """Call, and let nothing but the two kinds of errors pass silently."""
    try:
        return function(*args, **kwargs)
    except (ValueError, TypeError) as error:
        assert str(error)
        return None


def check_any(X):
    read = attempt(read_sequences, X)
    if read is not None:
        assert (read.lengths > 0).all()
        assert read.values.dtype in (np.float32, np.float64)
        assert len(read) > 0
        estimator = BaseEstimator()
        again = check_X(estimator, X, reset=True)
        np.testing.assert_array_equal(again.values, read.values)
        np.testing.assert_array_equal(again.offsets, read.offsets)
        once_more = check_X(estimator, X, reset=False)
        np.testing.assert_array_equal(once_more.values, read.values)
        assert estimator._input_schema_.n_channels >= 1
    is_step_y(X, Sequences([1.0], [0, 1]))


@settings(max_examples=250)
@given(NESTED)
@pytest.mark.filterwarnings("ignore")
def test_any_object(X):
    check_any(X)


@settings(max_examples=150)
@given(st.lists(CELLS, max_size=3), st.lists(CELLS, max_size=3))
@pytest.mark.filterwarnings("ignore")
def test_any_frame(left, right):
    n = min(len(left), len(right))
    columns = {"a": left[:n], "b": right[:n]}
    check_any(pd.DataFrame({name: pd.Series(c, dtype=object) for name, c in columns.items()}))
    check_any(pd.Series(left, dtype=object))
    try:
        table = pa.table(columns)
        frames = [table, pl.from_arrow(table), table.to_pandas(types_mapper=pd.ArrowDtype)]
    except Exception:  # not every list is a column elsewhere
        return
    for frame in frames:
        check_any(frame)


@few
@given(ARRAYS | NESTED, ARRAYS | NESTED, st.none() | st.integers(-1, 4))
@pytest.mark.filterwarnings("ignore")
def test_any_parts(values, offsets, vocabulary_size):
    attempt(Sequences, values, offsets, vocabulary_size=vocabulary_size)
    attempt(Sequences, [1.0, 2, 3], [0, 1, 3], times=values)
    attempt(Sequences, [1.0, 2, 3], [0, 1, 3], static=values)
    attempt(Sequences.from_list, [[1], [2]], times=values)
    attempt(Sequences.from_padded, values, offsets)
    attempt(Sequences.from_channels_first, values)
