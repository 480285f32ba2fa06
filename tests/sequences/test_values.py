"""Numbers, offsets and times: what is refused, and what dates become."""

import datetime as dt
import mmap
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sklearn_rnn import ReservoirRegressor, SequenceForecaster, Sequences
from sklearn_rnn.preprocessing import SequenceScaler, SlidingWindows, ToSequences
from sklearn_rnn.sequences import (
    check_regression_y,
    check_step_y,
    check_weights,
    iter_chunks,
    read_sequences,
    release_pages,
)


def test_chunks_cover_the_values_once():
    values = np.arange(100.0).reshape(50, 2)
    chunks = list(iter_chunks(values, chunk_bytes=7 * 16))
    assert chunks[0][:2] == (0, 7)
    assert chunks[-1][1] == 50
    np.testing.assert_array_equal(np.concatenate([chunk for _, _, chunk in chunks]), values)
    assert all(np.shares_memory(chunk, values) for _, _, chunk in chunks)
    assert list(iter_chunks(values[:0])) == []


def test_a_row_wider_than_a_chunk_is_given_whole():
    assert [chunk.shape for *_, chunk in iter_chunks(np.zeros((3, 9)), 8)] == [(1, 9)] * 3


def test_checks_take_little_memory():
    values = np.zeros((1_000_000, 4), dtype=np.float32)
    values[-1, 1] = np.nan
    offsets = np.arange(0, 1_000_001, 100)
    tracemalloc.start()
    Sequences(values, offsets)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**21


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="no madvise here")
def test_pages_of_a_mapped_file_are_released(tmp_path):
    def resident_kib():
        with open("/proc/self/smaps") as lines:
            wanted = False
            total = 0
            for line in lines:
                if "values.npy" in line:
                    wanted = True
                elif line.startswith("Rss:") and wanted:
                    total += int(line.split()[1])
                    wanted = False
        return total

    path = tmp_path / "values.npy"
    np.save(path, np.ones((2**20, 4), dtype=np.float32))
    values = np.load(path, mmap_mode="r")
    assert float(values.sum()) == 2**22
    try:
        before = resident_kib()
    except OSError:
        pytest.skip("no /proc here")
    assert before > 12_000
    sequences = Sequences(values, np.arange(0, 2**20 + 1, 2**10))
    assert resident_kib() < 2_000
    sequences.values.sum()
    assert resident_kib() > 12_000
    release_pages(sequences.values)
    assert resident_kib() < 2_000
    np.testing.assert_array_equal(sequences[5], np.ones((2**10, 4)))


def test_release_pages_leaves_memory_alone():
    values = np.arange(10.0)
    release_pages(values)
    assert values.tolist() == list(range(10))


STAMPS = pd.DatetimeIndex(np.arange(12) * 100_000 + 10**9, dtype="datetime64[s]")
DATES = STAMPS.to_numpy().reshape(4, 3).astype("datetime64[ms]")
DURATIONS = DATES - DATES[0, 0]


def forms(values):
    python = [[item.item() for item in row] for row in values]
    frame = pd.DataFrame(values, columns=list("abc"))
    beside = frame.assign(a=1.0, b=2.0)
    yield "2-D", values
    yield "3-D", values[:, :, None]
    yield "masked", np.ma.masked_array(values)
    yield "list of arrays", list(values)
    yield "list of (n_steps, 1)", [row[:, None] for row in values]
    yield "lists of Python's", python
    yield "lists of NumPy's", [list(row) for row in values]
    yield "lists of pandas'", [list(frame.loc[row]) for row in frame.index]
    yield "objects", np.array(python, dtype=object)
    yield "ragged", [python[0], python[1][:2]]
    for name, table in (("dates", frame), ("beside numbers", beside)):
        yield f"pandas, {name}", table
        yield f"objects of pandas, {name}", table.astype(object)
        yield f"polars, {name}", pl.from_pandas(table)
        yield f"Arrow, {name}", pa.Table.from_pandas(table)
        yield f"pandas on Arrow, {name}", table.convert_dtypes(dtype_backend="pyarrow")
    yield "a date among numbers", frame.astype(object).assign(a=[1.0, 2.0, 3.0, python[0][0]])
    yield "cells of pandas", pd.DataFrame({"v": list(values)})
    yield "cells of polars", pl.DataFrame({"v": python})
    yield "Arrow array", pa.array(python)
    yield "static", pd.DataFrame({"v": [[1.0]] * 4, "s": values[:, 0]})
    yield "static objects", pd.DataFrame({"v": [[1.0]] * 4, "s": values[:, 0]}).astype(object)
    yield "static of polars", pl.DataFrame({"v": [[1.0]] * 4, "s": [row[0] for row in python]})


FORMS = [*forms(DATES), *forms(DURATIONS)]
FRAME = pd.DataFrame(DATES, columns=list("abc"))
FORMS += [
    ("with a zone", FRAME.apply(lambda column: column.dt.tz_localize("UTC"))),
    ("periods", FRAME.apply(lambda column: column.dt.to_period("D"))),
    ("days", FRAME.apply(lambda column: column.dt.date)),
]


@pytest.mark.parametrize(("name", "X"), FORMS, ids=[name for name, _ in FORMS])
def test_dates_are_no_numbers_in_any_form(name, X):
    with pytest.raises(TypeError, match=r"(X|Row 0|[Cc]olumn '\w').* dates or durations .*; "):
        read_sequences(X)
    for transformer in (SequenceScaler(), SlidingWindows(2), ToSequences()):
        with pytest.raises(TypeError, match="dates or durations"):
            transformer.fit(X)


def test_a_row_or_column_with_dates_is_named():
    with pytest.raises(TypeError, match="Column 'b' holds"):
        read_sequences(pd.DataFrame({"a": [1.0, 2.0], "b": DATES[:2, 0]}))
    with pytest.raises(TypeError, match="Row 1 holds"):
        read_sequences([np.ones(3), DATES[0]])
    with pytest.raises(TypeError, match=r"X \(row 1, column 0\) holds"):
        read_sequences(np.array([[1.0, 2.0], [dt.date(2020, 1, 1), 3.0]], dtype=object))
    long = pd.DataFrame({"id": [0, 0], "v": [1.0, 2.0], "due": DATES[0, :2]})
    with pytest.raises(TypeError, match=r"Column 'due' holds .*name the column that says when"):
        Sequences.from_long(long, id="id")


TARGETS = {
    "array": DATES[:, 0],
    "durations": DURATIONS[:, 0],
    "two columns": DATES[:, :2],
    "Python's": [item.item() for item in DATES[:, 0]],
    "days": [item.item().date() for item in DATES[:, 0]],
    "pandas'": list(STAMPS[:4]),
    "index": STAMPS[:4],
    "series": pd.Series(STAMPS[:4]),
    "with a zone": pd.Series(STAMPS[:4].tz_localize("Europe/Paris")),
    "periods": pd.Series(STAMPS[:4].to_period("D")),
    "objects": pd.Series(list(STAMPS[:4]), dtype=object),
    "polars": pl.Series("y", DATES[:, 0]),
    "Arrow": pa.array(DATES[:, 0]),
    "masked": np.ma.masked_array(DATES[:, 0]),
}


@pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
def test_dates_are_no_targets(y):
    with pytest.raises(TypeError, match=r"y.* holds dates or durations .*numpy.timedelta64"):
        check_regression_y(y)
    with pytest.raises(TypeError, match="dates or durations"):
        ReservoirRegressor(5).fit(np.random.default_rng(0).normal(size=(4, 3)), y)
    if np.ndim(y) == 1:
        with pytest.raises(TypeError, match="dates or durations"):
            SequenceForecaster(closed_form="only").fit(None, y)


def test_dates_are_no_weights():
    for weights in (DATES[:, 0], DURATIONS[:, 0], pd.Series(STAMPS[:4]), list(STAMPS[:4])):
        with pytest.raises(TypeError, match=r"sample_weight.* holds dates or durations"):
            check_weights(weights, 4)


def test_columns_and_steps_of_targets_with_dates_are_named():
    with pytest.raises(TypeError, match="Column 'q' of y holds"):
        check_regression_y(pd.DataFrame({"p": [1.0, 2.0], "q": DATES[:2, 0]}))
    X = Sequences.from_list([[1.0, 2.0, 3.0]] * 4)
    for y in (DATES[:, :, None], list(DATES)):
        with pytest.raises(TypeError, match=r"y holds dates"):
            check_step_y(y, X)
    with pytest.raises(ValueError, match="Column 'a' of y holds no numbers"):
        SequenceForecaster(closed_form="only").fit(None, pl.from_pandas(FRAME[["a", "b"]]))


def times(n):
    """The same moments of n steps, a day and a half apart, in every form."""
    index = pd.date_range("2020-01-01", periods=n, freq="36h")
    paris = index.tz_localize("UTC").tz_convert("Europe/Paris")
    yield index
    yield index.to_numpy()
    yield index.to_numpy().astype("datetime64[ns]")
    yield pd.Series(index)
    yield list(index)
    yield list(index.to_pydatetime())
    yield list(index.to_numpy())
    yield paris
    yield pd.Series(paris)
    yield list(paris.to_pydatetime())
    yield pl.Series("t", list(index.to_pydatetime()))
    yield pa.array(index)
    yield pa.array(paris)
    yield index.to_period("h")
    yield list(index.to_period("h"))


def test_dates_as_times_are_seconds_since_1970_in_every_form():
    rows = [np.arange(3.0), np.arange(2.0)]
    start = 1577836800.0
    wanted = [start, start + 129600, start + 259200, start, start + 129600]
    for three, two in zip(times(3), times(2), strict=True):
        assert Sequences.from_list(rows, times=[three, two]).times.tolist() == wanted
        cells = pd.DataFrame({"v": rows, "t": [list(three), list(two)]})
        if not isinstance(three, pa.Array):
            assert Sequences.from_frame(cells, times="t").times.tolist() == wanted
        if isinstance(three, (pd.Series, pd.Index)):
            long = {"id": [0, 0, 0, 1, 1], "v": 1.0, "t": [*three, *two]}
            for column in (long, {**long, "t": pd.Series(long["t"], dtype=object)}):
                read = Sequences.from_long(pd.DataFrame(column), id="id", time="t")
                assert read.times.tolist() == wanted
            assert Sequences(np.ones(3), [0, 3], times=three).times.tolist() == wanted[:3]
    cells = pl.DataFrame({"v": [[1.0, 2.0]], "t": [list(STAMPS[:2].to_pydatetime())]})
    for frame in (cells, cells.to_arrow(), cells.with_columns(pl.col("t").cast(pl.List(pl.Date)))):
        assert np.diff(Sequences.from_frame(frame, times="t").times)[0] in (86400, 100_000)


def test_durations_as_times_are_seconds():
    rows = [np.arange(3.0)]
    index = pd.to_timedelta([0.0, 1.5, 4.0], unit="s")
    for given in (index, index.to_numpy(), list(index), list(index.to_pytimedelta())):
        assert Sequences.from_list(rows, times=[given]).times.tolist() == [0, 1.5, 4]
    tiny = np.array([0, 5, 9]).astype("timedelta64[ns]")
    assert Sequences.from_list(rows, times=[tiny]).times.tolist() == [0, 5e-9, 9e-9]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ([STAMPS[0], pd.NaT], ValueError, "Row 0 of times: the time of step 1 is missing"),
        ([STAMPS[0], None], ValueError, "step 1 is missing"),
        (np.array(["2020", "NaT"], dtype="datetime64[D]"), ValueError, "step 1 is missing"),
        ([STAMPS[0], STAMPS[1].tz_localize("UTC")], ValueError, "with and without a zone"),
        ([STAMPS[0], pd.Timedelta("1s")], TypeError, "mixes dates and durations"),
        ([STAMPS[0], 1.0], TypeError, r"1.0 \(float, step 1\) is no time"),
        ([dt.time(1), dt.time(2)], TypeError, "is no time"),
        (np.arange(2).astype("timedelta64[M]"), TypeError, "length in seconds differs"),
        (STAMPS[[1, 0]], ValueError, "times must increase"),
    ],
)
def test_times_that_are_none_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        Sequences.from_list([np.arange(2.0)], times=[given])
