"""Data frames of pandas, polars and pyarrow, wide with list columns and long."""

import datetime as dt
import re

import numpy as np
import pandas as pd
import pytest
from pyarrow import dataset
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning

from sklearn_rnn import (
    ReservoirClassifier,
    ReservoirRegressor,
    ReservoirTransformer,
    SequenceTagger,
)
from sklearn_rnn.preprocessing import SequenceScaler, TextTokenizer
from sklearn_rnn.sequences import Sequences, check_step_y, describe_kind, read_sequences

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")


def pandas_arrow(table):
    return table.to_pandas(types_mapper=pd.ArrowDtype)


def pandas_chunked(table):
    half = table.num_rows // 2
    return pandas_arrow(pa.concat_tables([table.slice(0, half), table.slice(half)]))


def sliced(table):
    """A table that is a window into a longer one, so that its offsets do not start at 0."""
    return pa.concat_tables([table, table]).combine_chunks().slice(table.num_rows)


BACKENDS = {
    "pyarrow": lambda table: table,
    "pyarrow-sliced": sliced,
    "polars": pl.from_arrow,
    "pandas-object": lambda table: table.to_pandas(),
    "pandas-arrow": pandas_arrow,
    "pandas-chunked": pandas_chunked,
}


@pytest.fixture(params=BACKENDS)
def backend(request):
    return BACKENDS[request.param]


def wide_table():
    return pa.table(
        {
            "flow": [[1.0, 2, 3], [4.0], [5.0, None]],
            "heat": [[1, 2, 3], [4], [5, 6]],
            "age": [30, 40, None],
            "city": ["Oslo", "Bern", None],
            "kind": pa.array(["x", "y", "x"]).dictionary_encode(),
            "smoker": [True, False, True],
        }
    )


def test_list_columns_are_channels(backend):
    frame = backend(wide_table())
    assert describe_kind(frame) == "frame"
    read = read_sequences(frame)
    assert read.channel_names == ("flow", "heat")
    assert read.lengths.tolist() == [3, 1, 2]
    np.testing.assert_array_equal(read[0], [[1, 1], [2, 2], [3, 3]])
    np.testing.assert_array_equal(read[2], [[5, 5], [np.nan, 6]])
    assert read.static_names == ("age", "city", "kind", "smoker")
    assert read.static_categories == (None, ("Bern", "Oslo"), ("x", "y"), (False, True))
    np.testing.assert_array_equal(
        read.static, [[30, 1, 0, 1], [40, 0, 1, 0], [np.nan, np.nan, 0, 1]]
    )


def test_chosen_channels_and_times(backend):
    table = wide_table().append_column("when", pa.array([[0, 1, 2], [7], [1, 9]]))
    read = Sequences.from_frame(backend(table), channels=["heat"], times="when")
    assert read.channel_names == ("heat",)
    assert read.times.tolist() == [0, 1, 2, 7, 1, 9]
    with pytest.raises(ValueError, match="no column 'nope'; its columns are"):
        Sequences.from_frame(backend(table), channels=["nope"])
    with pytest.raises(ValueError, match="Column 'age' is not a column of lists"):
        Sequences.from_frame(backend(table), channels=["age"])


def test_nested_cells_expand(backend):
    table = pa.table({"pen": [[[1, 2], [3, 4]], [[5, 6]]], "z": [[7, 8], [9]]})
    read = read_sequences(backend(table))
    assert read.channel_names == ("pen_0", "pen_1", "z")
    np.testing.assert_array_equal(read[0], [[1, 2, 7], [3, 4, 8]])
    np.testing.assert_array_equal(read[1], [[5, 6, 9]])


def test_cells_that_are_arrays():
    frame = pd.DataFrame({"pen": [np.ones((2, 3)), np.zeros((4, 3))]})
    assert read_sequences(frame).channel_names == ("pen_0", "pen_1", "pen_2")
    assert read_sequences(frame["pen"]).lengths.tolist() == [2, 4]


def test_fixed_size_lists_and_views():
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(6.0)), 3)
    assert read_sequences(pa.table({"a": fixed})).lengths.tolist() == [3, 3]
    steps = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), fixed)
    assert read_sequences(pa.table({"a": steps})).n_channels == 3
    frame = pl.DataFrame({"a": [[1.0, 2], [3.0, 4]]}, schema={"a": pl.Array(pl.Float64, 2)})
    assert read_sequences(frame).lengths.tolist() == [2, 2]


def test_other_number_types():
    table = pa.table(
        {
            "flag": [[True, False], [True]],
            "price": pa.array([[1, 2], [3]], pa.list_(pa.decimal128(5, 2))),
            "gone": [[None, None], [None]],
            "count": pa.array([[1, None], [3]], pa.list_(pa.uint8())),
        }
    )
    read = read_sequences(table)
    np.testing.assert_array_equal(
        read.values, [[1, 1, np.nan, 1], [0, 2, np.nan, np.nan], [1, 3, np.nan, 3]]
    )


@pytest.mark.parametrize("backend", [lambda t: t, pl.from_arrow, pandas_arrow])
def test_one_arrow_column_is_not_copied(backend):
    values = np.arange(10.0)
    offsets = pa.array([0, 4, 10], pa.int64())
    table = pa.table({"a": pa.LargeListArray.from_arrays(offsets, pa.array(values))})
    read = read_sequences(backend(table))
    assert np.shares_memory(read.values, values)
    np.testing.assert_array_equal(read[1][:, 0], values[4:])


@pytest.mark.parametrize(
    "column",
    [
        lambda cells: pa.array(cells),
        lambda cells: pa.chunked_array([cells[:1], cells[1:]]),
        lambda cells: pl.Series(cells),
        lambda cells: pd.Series(cells),
        lambda cells: pd.Series(cells, dtype=pd.ArrowDtype(pa.list_(pa.float64()))),
    ],
    ids=["pyarrow", "pyarrow-chunked", "polars", "pandas", "pandas-arrow"],
)
def test_a_column_of_lists_is_one_channel(column):
    X = column([[1.0, 2.0], [3.0]])
    assert describe_kind(X) == "list"
    read = read_sequences(X)
    assert [row[:, 0].tolist() for row in read] == [[1, 2], [3]]


@pytest.mark.parametrize("make", [pa.array, pl.Series])
def test_columns_of_strings_or_numbers_are_refused(make):
    with pytest.raises(ValueError, match="TextTokenizer"):
        read_sequences(make(["the cat", "a dog"]))
    with pytest.raises(ValueError, match="Reshape your data"):
        read_sequences(make([1.0, 2.0]))


def test_a_frame_of_scalars_is_two_dimensional(backend):
    table = pa.table({"t0": [1.0, 2], "t1": [3, None]})
    frame = backend(table)
    assert describe_kind(frame) == "scalar_frame"
    assert [row[:, 0].tolist() for row in read_sequences(frame)] == [[1, 3], [2]]
    with pytest.raises(ValueError, match="TextTokenizer"):
        read_sequences(backend(pa.table({"a": ["x", "y"]})))
    with pytest.raises(ValueError, match=r"strings in the columns \['b'\]"):
        read_sequences(backend(pa.table({"a": [1.0, 2.0], "b": ["1", "2"]})))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [[1.0], []]}, "Row 1 of column 'a' is an empty sequence"),
        ({"a": [[1.0], None]}, "Row 1 of column 'a' is missing (null)"),
        ({"a": [["x"], ["y", "z"]]}, "TextTokenizer"),
        ({"a": [[[1], [1, 2]], [[1, 2]]]}, "Row 0 of column 'a'"),
        (
            {"a": [[1, 2], [3]], "b": [[1, 2], [3, 4]]},
            "Row 1: column 'a' has 1 steps, but column 'b' has 2",
        ),
        ({"a": [[1.0], [np.inf]]}, "infinity: row 1, channel 'a', step 0"),
        ({"a": [[1.0], [2.0]], "s": [1.0, np.inf]}, "infinity: row 1, column 's'"),
    ],
)
def test_wide_refusals(backend, columns, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        read_sequences(backend(pa.table(columns)))


def test_dates_are_no_static_feature(backend):
    table = pa.table({"a": [[1], [2]], "born": [dt.datetime(2000, 1, 1)] * 2})
    with pytest.raises(TypeError, match="Column 'born' holds dates"):
        read_sequences(backend(table))


def test_odd_pandas_frames():
    numbered = pd.DataFrame({0: [[1.0], [2.0, 3]], 1: [5, 6]})
    read = read_sequences(numbered)
    assert read.channel_names == ("0",)
    assert read.static_names == ("1",)
    shuffled = pd.DataFrame({"a": [[1.0], [2.0, 3]]}, index=[7, 3])
    assert read_sequences(shuffled).lengths.tolist() == [1, 2]
    twice = pd.DataFrame([[[1.0], [2.0]]], columns=["a", "a"])
    with pytest.raises(ValueError, match="'a'"):
        read_sequences(twice)
    mixed = pd.DataFrame({"a": [[1.0], 2.0]})
    with pytest.raises(ValueError, match="Row 1 of column 'a' is a single number"):
        read_sequences(mixed)
    with pytest.raises(ValueError, match="0 sample"):
        read_sequences(pd.DataFrame({"a": pd.Series([], dtype=object)}))
    with pytest.raises(TypeError, match="Column 'a' has dtype"):
        read_sequences(pl.DataFrame({"a": [{"x": 1}], "b": [[1]]}))


def test_tokens_from_a_frame(backend):
    table = pa.table({"text": [[1, 2], [0]]})
    read = Sequences.from_frame(backend(table), vocabulary_size=3)
    assert read.is_tokens
    assert read.values[:, 0].tolist() == [1, 2, 0]


# There and back


@pytest.fixture
def full():
    return Sequences(
        [[1.0, 2], [3, np.nan], [5, 6]],
        [0, 2, 3],
        times=[0, 1.5, 4],
        static=[[1, 0, 1], [np.nan, np.nan, 0]],
        channel_names=["a", "b"],
        static_names=["age", "city", "old"],
        static_categories=[None, ("Oslo",), (False, True)],
    )


@pytest.mark.parametrize(
    "give",
    [Sequences.to_arrow, Sequences.to_frame, lambda s: s.to_frame("polars")],
    ids=["pyarrow", "pandas", "polars"],
)
def test_round_trip(full, give):
    assert Sequences.from_frame(give(full), times="times").equals(full)
    plain = Sequences([1.0, 2, 3], [0, 1, 3])
    again = Sequences.from_frame(give(plain))
    assert again.channel_names == ("channel_0",)
    np.testing.assert_array_equal(again.values, plain.values)
    tokens = Sequences.from_list([[1, 2], [0]], vocabulary_size=3)
    assert Sequences.from_frame(give(tokens), vocabulary_size=3).values.dtype == tokens.dtype


def test_to_arrow_shares_one_channel():
    plain = Sequences(np.arange(10.0), [0, 4, 10])
    column = plain.to_arrow()["channel_0"].chunk(0)
    assert np.shares_memory(column.values.to_numpy(), plain.values)


def test_to_frame_refuses_other_backends(full):
    with pytest.raises(ValueError, match='backend must be "pandas" or "polars"'):
        full.to_frame("dask")


def test_pandas_frames_without_pyarrow(full, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    frame = full.to_frame()
    assert isinstance(frame["a"][0], np.ndarray)
    assert Sequences.from_frame(frame, times="times").equals(full)
    with pytest.raises(ImportError, match="pip install pyarrow"):
        full.to_arrow()


# Long frames


def long_table():
    day = dt.datetime(2024, 1, 1)
    return pa.table(
        {
            "who": ["b", "a", "b", "a", "a"],
            "when": [day + dt.timedelta(hours=h) for h in (0, 5, 2, 6, 9)],
            "x": [1.0, 2, 3, None, 5],
            "y": [1, 2, 3, 4, 5],
            "city": ["Oslo", "Bern", "Oslo", "Bern", "Bern"],
            "age": [7, 8, 7, 8, 8],
        }
    )


def test_long_frames(backend):
    frame = backend(long_table())
    read = Sequences.from_long(frame, id="who", time="when", static=["city", "age"])
    assert read.lengths.tolist() == [2, 3]
    assert read.channel_names == ("x", "y")
    np.testing.assert_array_equal(read[0], [[1, 1], [3, 3]])
    np.testing.assert_array_equal(read[1], [[2, 2], [np.nan, 4], [5, 5]])
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC).timestamp()
    np.testing.assert_allclose(
        read.times - start, np.array([0, 2, 5, 6, 9]) * 3600, rtol=0, atol=1e-6
    )
    assert read.static.tolist() == [[1, 7], [0, 8]]
    assert read.static_categories == (("Bern", "Oslo"), None)


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ([0, 2, 1], [0, 1, 2]),
        ([0.5, 2.5, 1.5], [0.5, 1.5, 2.5]),
        ([dt.date(1970, 1, 1), dt.date(1970, 1, 3), dt.date(1970, 1, 2)], [0, 86400, 172800]),
        ([dt.timedelta(0), dt.timedelta(minutes=1), dt.timedelta(seconds=1)], [0, 1, 60]),
    ],
)
@pytest.mark.parametrize("backend", [lambda t: t, pl.from_arrow, pandas_arrow])
def test_times_of_any_type(times, seconds, backend):
    table = pa.table({"id": [1, 2, 1], "t": times, "x": [1, 2, 3]})
    assert Sequences.from_long(backend(table), id="id", time="t").times.tolist() == [
        seconds[0],
        seconds[1],
        seconds[2],
    ]


def test_times_with_a_zone():
    frame = pd.DataFrame({"id": 0, "x": [1, 2]})
    frame["t"] = pd.date_range("2024-03-31 00:30", periods=2, freq="2h", tz="Europe/Oslo")
    read = Sequences.from_long(frame, id="id", time="t")
    assert np.diff(read.times).tolist() == [7200]


def test_long_without_time_keeps_the_order_of_rows():
    frame = pd.DataFrame({"id": [2, 1, 2], "x": [9, 8, 7]}, index=[5, 5, 5])
    read = Sequences.from_long(frame, id="id")
    assert read.times is None
    assert [row[:, 0].tolist() for row in read] == [[9, 7], [8]]
    only = Sequences.from_long(frame.assign(z=1), id="id", channels=["z"])
    assert only.channel_names == ("z",)


def change(column, values):
    table = long_table()
    return table.set_column(table.column_names.index(column), column, pa.array(values))


DAY = dt.datetime(2024, 1, 1)


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (long_table(), {}, "Column 'city' (String) does not hold numbers. Name the columns"),
        (change("when", [1, 5, 1, 6, 7]), {"static": ["city"]}, "id 'b' has a duplicate time: 1."),
        (change("when", [1, 5, 2, 4, 7]), {"static": ["city"]}, "id 'a' has unsorted times: 4."),
        (
            change("when", [DAY] * 5),
            {"static": ["city"]},
            "id 'b' has a duplicate time: 2024-01-01 00:00:00. Sort the frame by id and time",
        ),
        (
            change("when", [1, 5, None, 6, 7]),
            {"static": ["city"]},
            "Row 2 has no time (column 'when' is null)",
        ),
        (change("who", ["b", "a", None, "a", "a"]), {"channels": ["x"]}, "Row 2 has no id"),
        (
            change("age", [7, 8, 7, 8, 9]),
            {"channels": ["x"], "static": ["age"]},
            "Static column 'age' changes within id 'a'",
        ),
        (long_table(), {"channels": ["nope"]}, "The frame has no column 'nope'"),
        (long_table(), {"channels": []}, "no column left to read channels from"),
    ],
)
def test_long_refusals(backend, table, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Sequences.from_long(backend(table), id="who", time="when", **options)


def test_strings_are_no_times(backend):
    table = change("when", list("abcde"))
    with pytest.raises(TypeError, match="parse the dates first"):
        Sequences.from_long(backend(table), id="who", time="when", channels=["x"])


def test_columns_of_the_same_name_are_refused():
    twice = pd.DataFrame([[[1.0], [2.0]]], columns=["a", "a"])
    for frame in (twice, pd.DataFrame(np.ones((2, 2)), columns=["a", "a"])):
        with pytest.raises(ValueError, match=r"several columns named \['a'\]; rename"):
            read_sequences(frame)


def test_no_frame_is_said_to_be_none():
    for read in (Sequences.from_frame, lambda X: Sequences.from_long(X, id="id")):
        with pytest.raises(TypeError, match="Expected a data frame .* got dict"):
            read({"id": [1]})


def test_one_name_may_stand_alone():
    long = pd.DataFrame({"who": [1, 1, 2], "flow": [1.0, 2.0, 3.0], "site": ["u", "u", "v"]})
    read = Sequences.from_long(long, id="who", channels="flow", static="site")
    assert read.channel_names == ("flow",) and read.static_names == ("site",)
    assert Sequences.from_frame(read.to_frame(), channels="flow").equals(read)


def test_record_batches_are_frames():
    pa = pytest.importorskip("pyarrow")
    batch = pa.record_batch({"flow": pa.array([[1.0, 2.0], [3.0]]), "age": pa.array([5, 6])})
    read = read_sequences(batch)
    assert read.channel_names == ("flow",) and read.static_names == ("age",)


def test_a_list_of_frames_keeps_its_columns():
    first = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    assert read_sequences([first, first[:1]]).channel_names == ("a", "b")
    with pytest.raises(ValueError, match=r"Row 1 has the columns \['b', 'a'\], but row 0"):
        read_sequences([first, first[["b", "a"]]])


@pytest.mark.parametrize("value, what", [(np.inf, "infinity"), (1e300, "too large for dtype")])
def test_static_features_beyond_float32_are_refused(value, what):
    frame = pd.DataFrame({"a": [[1.0], [2.0]], "age": [1.0, value]})
    with pytest.raises(ValueError, match=f"{what}.*: row 1, column 'age'"):
        read_sequences(frame)
    with pytest.raises(ValueError, match=f"static contains .*{what}.*: row 1, column 0"):
        Sequences([1.0, 2.0], [0, 1, 2], static=[[1.0], [value]])


def test_columns_of_one_name_are_not_written():
    X = Sequences([1.0, 2.0], [0, 1, 2], channel_names=["a"], static=[[1], [2]], static_names=["a"])
    for write in (X.to_frame, X.to_arrow):
        with pytest.raises(ValueError, match=r"Several columns would be named \['a'\]"):
            write()


def test_parquet_and_back(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    X = Sequences.from_list([[1.0, np.nan], [3.0]], static=[[1.0], [np.nan]], times=[[0, 2], [5]])
    X.to_frame().to_parquet(tmp_path / "x.parquet")
    frames = [parquet.read_table(tmp_path / "x.parquet")]
    # pandas 2.2 cannot read the list columns that it has written itself.
    if int(pd.__version__.split(".")[0]) > 2:
        frames.append(pd.read_parquet(tmp_path / "x.parquet", dtype_backend="pyarrow"))
    frames.append(pytest.importorskip("polars").read_parquet(tmp_path / "x.parquet"))
    for frame in frames:
        read = Sequences.from_frame(frame, times="times")
        np.testing.assert_array_equal(read.values, X.values)
        np.testing.assert_array_equal(read.times, X.times)
        np.testing.assert_array_equal(read.static, X.static)


def with_target(values):
    return long_table().append_column("label", pa.array(values))


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1, 0, 1, 0, 0], [1, 0]),
        (["yes", "no", "yes", "no", "no"], ["yes", "no"]),
        ([0.5, 2.0, 0.5, 2.0, 2.0], [0.5, 2.0]),
        ([True, False, True, False, False], [True, False]),
    ],
)
def test_the_target_of_a_long_frame(backend, values, wanted):
    frame = backend(with_target(values))
    options = {"id": "who", "time": "when", "static": ["city", "age"]}
    X, y = Sequences.from_long(frame, target="label", **options)
    assert y.tolist() == wanted and y.dtype.kind == np.asarray(wanted).dtype.kind
    assert X.channel_names == ("x", "y") and X.ids.tolist() == ["b", "a"] and X.id_name == "who"
    _, several = Sequences.from_long(frame, target=["label"], **options)
    assert several.tolist() == [[value] for value in wanted]


def test_a_target_that_is_no_target(backend):
    options = {"id": "who", "channels": ["x"], "target": "label"}
    with pytest.raises(ValueError, match=r"Target column 'label' changes within id 'a', from 0 to"):
        Sequences.from_long(backend(with_target([1, 0, 1, 0, 2])), **options)
    with pytest.raises(ValueError, match=r"id 'a' has a row without a target \(column 'label'"):
        Sequences.from_long(backend(with_target([1, 0, 1, None, 0])), **options)
    with pytest.raises(ValueError, match="The frame has no column 'label'"):
        Sequences.from_long(backend(long_table()), **options)


def test_a_table_of_static_features_is_aligned(backend):
    frame = backend(long_table().select(["who", "when", "x"]))
    table = pa.table({"who": ["c", "a", "b"], "age": [9, 8, 7], "city": ["Rome", "Bern", "Oslo"]})
    read = Sequences.from_long(frame, id="who", time="when", static=backend(table))
    assert read.static.tolist() == [[7, 1], [8, 0]]
    assert read.static_names == ("age", "city")
    assert read.static_categories == (None, ("Bern", "Oslo"))
    indexed = table.to_pandas().set_index("who")
    same = Sequences.from_long(frame, id="who", time="when", static=indexed)
    assert same.equals(read)
    rows = Sequences.from_list([[1.0], [2.0]], ids=["b", "a"], static=indexed)
    assert rows.static.tolist() == read.static.tolist()
    ages = indexed[["age"]]
    made = Sequences([1.0, 2.0], [0, 1, 2], static=ages.iloc[1:], ids=["b", "a"])
    assert made.static.tolist() == [[7], [8]]
    with pytest.raises(ValueError, match="index of static does not match X.ids: static lacks 'z'"):
        Sequences([1.0, 2.0], [0, 1, 2], static=ages.iloc[1:], ids=["z", "a"])
    for lacking, message in (
        (table.slice(1, 1), r"static has no row for the id 'b' \(1 of 2 ids\)"),
        (pa.concat_tables([table, table]), "static has several rows for the id 'c'"),
        (table.drop_columns("who"), "static has neither a column 'who' nor an index of ids"),
        (table.select(["who"]), "static has no column beside the ids"),
    ):
        with pytest.raises(ValueError, match=message):
            Sequences.from_long(frame, id="who", time="when", static=backend(lacking))


LISTS = pl.DataFrame(
    {"v": [[1.0, 2.0, 3.0], [4.0, 5.0], [6.0], [7.0, 8.0]], "s": [1.0, 2.0, 1.0, 0.0]}
)
LAZY = {
    "lazy": lambda frame: frame.lazy(),
    "a query": lambda frame: frame.lazy().filter(pl.lit(True)),
    "dataset": lambda frame: dataset.dataset(frame.to_arrow()),
    "scanner": lambda frame: dataset.dataset(frame.to_arrow()).scanner(),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("lazy", LAZY.values(), ids=LAZY)
def test_lazy_frames_and_datasets_are_read_like_frames(lazy):
    assert read_sequences(lazy(LISTS)).equals(read_sequences(LISTS))
    assert Sequences.from_frame(lazy(LISTS), channels=["v"]).equals(
        Sequences.from_frame(LISTS, channels=["v"])
    )
    y = [0, 1, 0, 1]
    for model in (ReservoirRegressor(4, random_state=0), ReservoirTransformer(4, random_state=0)):
        whole, read = (clone(model).fit(X, y) for X in (LISTS, lazy(LISTS)))
        call = "predict" if hasattr(model, "predict") else "transform"
        np.testing.assert_array_equal(getattr(read, call)(lazy(LISTS)), getattr(whole, call)(LISTS))
        assert list(read.feature_names_in_) == ["v", "s"]
    targets = lazy(pl.DataFrame({"y": y}))
    with pytest.warns(DataConversionWarning):
        assert ReservoirClassifier(4).fit(LISTS, targets).classes_.tolist() == [0, 1]
    scaled = SequenceScaler().fit(lazy(LISTS)).transform(lazy(LISTS))
    assert read_sequences(scaled).equals(SequenceScaler().fit_transform(read_sequences(LISTS)))
    words = pl.DataFrame({"w": [["a", "b"], ["b"]]})
    assert TextTokenizer().fit_transform(lazy(words)).lengths.tolist() == [2, 1]
    tags = pl.DataFrame({"t": [["x", "y"], ["y"]]})
    tagger = SequenceTagger(4, max_epochs=1).fit(lazy(words), lazy(tags))
    assert tagger.classes_.tolist() == ["x", "y"]
    long = pl.DataFrame({"id": [0, 0, 1], "t": [0.0, 1.0, 0.0], "v": [1.0, 2.0, 3.0]})
    assert Sequences.from_long(lazy(long), id="id", time="t").lengths.tolist() == [2, 1]


@pytest.mark.parametrize("kind", ["list_view", "large_list_view", "large_list", "list_"])
def test_arrow_lists_of_every_layout_are_columns_of_lists(kind):
    column = pa.array([[1.0, None, 3.0], [4.0, 5.0]], type=getattr(pa, kind)(pa.float64()))
    table = pa.table({"v": column, "s": [1.0, 2.0]})
    wanted = Sequences.from_list([[1.0, np.nan, 3.0], [4.0, 5.0]])
    for X in (column, pa.chunked_array([column]), table.select(["v"])):
        np.testing.assert_array_equal(read_sequences(X).values, wanted.values)
    arrow = pd.arrays.ArrowExtensionArray(pa.chunked_array([column]))
    cells = pd.DataFrame({"v": pd.Series(arrow)})
    assert read_sequences(cells).lengths.tolist() == [3, 2]
    assert read_sequences(table).static_names == ("s",)
    assert read_sequences(column[1:]).values[:, 0].tolist() == [4, 5]
    with pytest.raises(ValueError, match="Row 1 of X is missing"):
        read_sequences(pa.array([[1.0], None], type=column.type))
    steps = check_step_y(pa.array([[1.0, 2.0, 3.0], [4.0, 5.0]], type=column.type), wanted)
    assert steps.values[:, 0].tolist() == [1, 2, 3, 4, 5]
