"""Labels of rows, and what is put in their order or refused."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sklearn_rnn import Sequences
from sklearn_rnn.sequences import align, read_sequences
from sklearn_rnn.sequences._flat import require_in_step

NAMES = ["carl", "ada", "dora", "bob"]
NUMBERS = [30, 10, 40, 20]
ROWS = [[1.0, 2.0], [3.0], [4.0], [5.0, 6.0]]


def sequences(ids=None, name="who"):
    return Sequences.from_list(ROWS, ids=ids, id_name=None if ids is None else name)


def listed(ids, name=None):
    return pd.DataFrame({"x": ROWS}, index=pd.Index(ids, name=name))


def target(index, name=None):
    """Return targets that are the label's place in the order in which it should come out."""
    return pd.Series(np.arange(len(index)) * 1.0, index=pd.Index(index, name=name))


# --------------------------------------------------------------------- what is aligned


@pytest.mark.parametrize("ids", [NAMES, NUMBERS])
@pytest.mark.parametrize("name", ["who", None])
@pytest.mark.parametrize("make", [sequences, listed])
def test_labels_in_any_order(ids, name, make):
    X = make(ids)
    for order in (ids, sorted(ids), ids[::-1]):
        y = pd.Series(order, index=pd.Index(order, name=name))
        assert list(align(X, y)) == ids
        frame = pd.DataFrame({"a": order, "b": order}, index=y.index)
        assert align(X, frame)["b"].tolist() == ids


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, "arrow"])
@pytest.mark.parametrize("ids", [NAMES, NUMBERS])
def test_a_column_of_ids_is_gone_by_and_dropped(library, ids):
    table = pl.DataFrame({"who": sorted(ids), "label": sorted(ids), "more": [1, 2, 3, 4]})
    make = (lambda t: t.to_arrow()) if library == "arrow" else lambda t: library(t.to_dict())
    one = align(sequences(ids), make(table.drop("more")))
    assert list(one) == ids and np.ndim(one) == 1
    several = align(sequences(ids), make(table))
    assert list(several.columns if library != "arrow" else several.column_names) == [
        "label",
        "more",
    ]
    assert list(several["label"].to_pylist() if library == "arrow" else several["label"]) == ids
    with pytest.raises(ValueError, match=r"Column 'who' of y does not match X.ids .*y lacks "):
        align(sequences(ids), make(table.with_columns(who=pl.Series([7, 8, 9, 6]))))


def test_a_column_that_both_frames_have_tells_rows_apart():
    for X, y in (
        (pl.DataFrame({"who": NAMES, "x": ROWS}), pl.DataFrame({"who": sorted(NAMES), "y": 1})),
        (pd.DataFrame({"who": NAMES, "x": ROWS}), pd.DataFrame({"who": sorted(NAMES)}).assign(y=1)),
    ):
        other = y.with_columns(y=pl.Series(sorted(NAMES))) if isinstance(y, pl.DataFrame) else y
        if isinstance(y, pd.DataFrame):
            other = y.assign(y=y["who"])
        assert list(align(X, other)) == NAMES


def test_a_column_of_a_frame_may_be_the_index_of_y():
    X = pd.DataFrame({"who": NAMES, "x": ROWS})
    y = target(NAMES, "who")
    assert align(X, y.sort_index()).tolist() == [0, 1, 2, 3]
    assert align(X, y) is y
    with pytest.raises(ValueError, match=r"does not match X\['who'\].*y lacks 'carl'"):
        align(X, y.rename({"carl": "emil"}))
    for other in (y.rename_axis("else"), y.rename_axis("x"), y.rename_axis(None)):
        assert align(X, other.sort_index()).tolist() == other.sort_index().tolist()
    assert align(X.assign(who="same"), y.sort_index()).tolist() == y.sort_index().tolist()


def test_columns_of_y_may_have_one_name():
    y = pd.DataFrame([[1, 2], [3, 4], [5, 6], [7, 8]], columns=["a", "a"], index=NAMES[::-1])
    assert align(sequences(NAMES), y).to_numpy().tolist() == [[7, 8], [5, 6], [3, 4], [1, 2]]
    assert align(pd.DataFrame({"a": NAMES, "x": ROWS}), y) is y


def test_targets_at_every_step():
    X = sequences(NAMES)
    y = Sequences.from_list(ROWS[::-1], ids=NAMES[::-1])
    assert align(X, y).equals(sequences())
    assert align(X, sequences()).equals(sequences())  # without ids by their places
    lists = pd.Series(ROWS[::-1], index=NAMES[::-1])
    assert align(X, lists).tolist() == ROWS


def test_what_has_no_labels_stays_as_it_is():
    y = target(NAMES[::-1])
    for X in (ROWS, np.zeros((4, 2)), sequences(), pl.DataFrame({"x": ROWS})):
        assert align(X, y) is y
    for y in ([1, 2, 3, 4], np.arange(4), pl.Series([1, 2, 3, 4]), pd.Series(range(4)), None, 2.0):
        assert align(sequences(NAMES), y) is y
        assert align(sequences(NUMBERS), y) is y


@pytest.mark.parametrize("X", [sequences([3, 1, 0, 2]), sequences(NAMES), sequences(NUMBERS)])
@pytest.mark.parametrize("cut", [[0, 2], [3, 1], [1, 1, 2], [2]])
def test_what_splitters_leave_of_a_default_index_is_no_label(X, cut):
    y = pd.Series([1.0, 2.0, 3.0, 4.0])
    assert align(X[cut], y.iloc[cut]).tolist() == y.iloc[cut].tolist()
    nested = [-1, 0]
    assert (
        align(X[cut][nested], y.iloc[cut].iloc[nested]).tolist()
        == y.iloc[cut].iloc[nested].tolist()
    )


def test_a_split_without_ids_is_checked_too():
    X, y = sequences()[[3, 0, 2]], pd.Series([1.0, 2.0, 3.0, 4.0]).iloc[[3, 0, 2]]
    assert align(X, y) is y
    assert align(X, y.reset_index(drop=True)).tolist() == [4.0, 1.0, 3.0]
    with pytest.raises(ValueError, match=r"same numbers as the rows of X.* row 0 of X is 3, .* 0"):
        align(X, y.sort_index())


def test_a_frame_that_lost_its_index_is_taken_by_place():
    X = pd.DataFrame({"x": ROWS})
    for index in ([3, 8, 5, 9], [10, 11, 12, 13], ["a", "b", "c", "d"]):
        y = target(index)
        assert align(X, y) is y


# --------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("make", [sequences, listed])
@pytest.mark.parametrize("what", ["y", "sample_weight"])
def test_labels_that_differ_are_named(make, what):
    place = "X.ids" if make is sequences else "X.index"
    for ids, index, problem in (
        (NAMES, ["carl", "ada", "dora", "emil"], f"{what} lacks 'bob'; X lacks 'emil'"),
        (NAMES, ["carl", "ada", "dora", "ada"], f"{what} lacks 'bob'; {what} has 'ada' more than"),
        (NAMES, list("wxyz"), f"{what} lacks 'carl', 'ada', 'dora' and 1 more"),
        (NUMBERS, [30, 10, 40, 50], f"{what} lacks 20; X lacks 50"),
        (NUMBERS, [1, 2, 3, 5], f"{what} lacks 30, 10, 40 and 1 more"),
        (NUMBERS, ["30", "10", "40", "20"], "X lacks '30', '10'"),
    ):
        with pytest.raises(ValueError, match=f"The index of {what} does not match {place}") as info:
            align(make(ids), target(index), what)
        assert problem in str(info.value)
        assert f"{what}.loc[{place}]" in str(info.value)
        assert f"{what}.to_numpy()" in str(info.value)
    with pytest.raises(ValueError, match="the index of|The index of"):
        align(make(NAMES), target([0, 1, 2, 3], name="row"), what)


def test_labels_of_another_number_of_rows():
    X = sequences(NAMES)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[4, 3\].*'bob'"):
        align(X, target(NAMES[:3]))
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[4, 5\].*'emil'"):
        align(X, target([*NAMES, "emil"]))
    y = pd.Series([1.0, 2.0])
    assert align(X, y) is y  # said by whoever counts the rows


def test_repeated_labels_have_to_be_in_order():
    X = listed(["a", "b", "a", "c"])
    assert align(X, target(["a", "b", "a", "c"])).tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match=r"X has 'a' more than once"):
        align(X, target(["a", "a", "b", "c"]))


@pytest.mark.parametrize(
    ("X", "index"),
    [
        (pd.DataFrame({"x": ROWS}), [2, 0, 3, 1]),
        (listed([2, 0, 3, 1]), None),
        (Sequences.from_frame(pd.DataFrame({"x": ROWS})), [2, 0, 3, 1]),
    ],
)
def test_numbers_that_may_be_places_are_refused(X, index):
    y = pd.Series([1.0, 2.0, 3.0, 4.0], index=index)
    with pytest.raises(ValueError, match=r"holds the same numbers as .*to_numpy\(\)"):
        align(X, y)
    if index is not None:
        assert align(X, y.sort_index()).tolist() == [2.0, 4.0, 1.0, 3.0]


@pytest.mark.parametrize("make", [sequences, listed])
def test_numbers_from_zero_on_are_labels_where_they_are_given(make):
    y = pd.Series([1.0, 2.0, 3.0, 4.0], index=[0, 1, 2, 3])
    assert align(make([2, 0, 3, 1]), y).tolist() == [3.0, 1.0, 4.0, 2.0]


def test_what_loses_labels_wants_rows_in_order():
    X = sequences(NAMES)
    require_in_step(X, target(NAMES), "It")
    require_in_step(X, None, "It")
    require_in_step(ROWS, target(NAMES[::-1]), "It")
    with pytest.raises(ValueError, match=r"It returns arrays.*y\.loc\[X\.ids\]"):
        require_in_step(X, target(NAMES[::-1]), "It")


# --------------------------------------------------------------------- how labels travel


def test_ids_survive():
    X = sequences(NAMES)
    assert X.ids.tolist() == NAMES and X.id_name == "who"
    for made, wanted in (
        (X[[2, 0]], ["dora", "carl"]),
        (X[1:3], ["ada", "dora"]),
        (X[np.array([True, False, False, True])], ["carl", "bob"]),
        (X[[2, 0, 3]][::-1][1:], ["carl", "dora"]),
        (X.copy(), NAMES),
        (copy.deepcopy(X), NAMES),
        (pickle.loads(pickle.dumps(X)), NAMES),
        (X.astype(np.float32), NAMES),
        (X.with_values(X.values * 2), NAMES),
        (read_sequences(X), NAMES),
        (Sequences.concatenate([X[:1], X[2:]]), ["carl", "dora", "bob"]),
        (Sequences.from_frame(X.to_frame()), NAMES),
        (read_sequences(X.to_frame()), NAMES),
    ):
        assert made.ids.tolist() == wanted and made.id_name == "who"
    assert X.to_frame().index.tolist() == NAMES and X.to_frame().index.name == "who"
    assert Sequences.concatenate([X, sequences()]).ids is None
    assert X.equals(sequences())  # labels are no content


def test_ids_of_frames():
    assert Sequences.from_frame(pd.DataFrame({"x": ROWS})).ids is None
    assert Sequences.from_frame(listed(NUMBERS, "n")).ids.tolist() == NUMBERS
    assert read_sequences(listed(NAMES)["x"]).ids.tolist() == NAMES
    pairs = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1), ("b", 2)], names=["s", "k"])
    X = Sequences.from_frame(pd.DataFrame({"x": ROWS}, index=pairs))
    assert X.ids.tolist() == list(pairs) and X.to_frame().index.equals(pairs)
    y = pd.Series([1, 2, 3, 4], index=pairs)
    assert align(X, y.iloc[::-1]).tolist() == [1, 2, 3, 4]
    days = pd.date_range("2026-01-01", periods=4)
    assert align(listed(days), pd.Series([1, 2, 3, 4], index=days[::-1])).tolist() == [4, 3, 2, 1]


def test_ids_have_to_fit():
    with pytest.raises(ValueError, match="one label for each of the 4 sequences; got 3"):
        sequences(NAMES[:3])
    with pytest.raises(ValueError, match="Row 1 has no id"):
        sequences(["a", None, "b", "c"])


def test_a_container_saved_before_there_were_ids():
    X = sequences()
    for name in ("ids", "id_name", "_rows"):
        del X.__dict__[name]
    assert X[[1, 0]].ids is None and X.copy().equals(sequences())
    assert align(X, target(NAMES)).tolist() == [0, 1, 2, 3]
