"""The ragged container: construction, selection, conversions, refusals."""

import pickle
import re

import numpy as np
import pytest

from sklearn_rnn.sequences import Sequences

LENGTHS = (3, 1, 4)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def arrays(rng):
    return [rng.normal(size=(n, 2)) for n in LENGTHS]


@pytest.fixture
def full(arrays):
    """Sequences with every optional part."""
    values = np.concatenate(arrays)
    return Sequences(
        values,
        np.cumsum((0, *LENGTHS)),
        times=[0.0, 1, 2, 5, 1, 2, 3, 9],
        static=[[1.5, 0], [np.nan, 1], [2.5, np.nan]],
        channel_names=["left", "right"],
        static_names=["age", "sex"],
        static_categories=[None, ("f", "m")],
    )


def assert_rows_equal(sequences, arrays):
    assert len(sequences) == len(arrays)
    for got, expected in zip(sequences, arrays, strict=True):
        np.testing.assert_array_equal(got, expected)


# Construction


def test_attributes(full):
    assert len(full) == 3
    assert full.shape == (3,)
    assert full.ndim == 1
    assert full.n_channels == 2
    assert full.dtype == np.float64
    assert not full.is_tokens
    assert full.lengths.tolist() == list(LENGTHS)
    assert full.lengths.dtype == full.offsets.dtype == np.int64
    assert full.channel_names == ("left", "right")
    assert full.static.shape == (3, 2)
    assert full.nbytes == (16 + 4 + 8 + 6) * 8


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_are_not_copied(dtype):
    values = np.arange(6, dtype=dtype).reshape(3, 2)
    values.flags.writeable = False
    sequences = Sequences(values, [0, 1, 3])
    assert sequences.dtype == dtype
    assert np.shares_memory(sequences.values, values)
    assert np.shares_memory(sequences[1], values)
    assert np.shares_memory(sequences[1:].values, values)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("int8", "float64"), ("int64", "float64"), ("bool", "float64"), ("float16", "float32")]
    + [(np.longdouble, "float64"), (">f8", "float64"), (">f4", "float32")],
)
def test_other_numbers_are_widened(given, kept):
    sequences = Sequences(np.array([0, 1, 1], dtype=given), [0, 3])
    assert sequences.dtype == np.dtype(kept)
    assert sequences.dtype.isnative
    assert sequences.values[:, 0].tolist() == [0, 1, 1]


def test_memory_map_is_not_copied(tmp_path):
    path = tmp_path / "values.npy"
    np.save(path, np.arange(4000, dtype=np.float32).reshape(-1, 4))
    for mode in ("r", "r+", "c"):
        values = np.load(path, mmap_mode=mode)
        sequences = Sequences(values, np.arange(0, 1001, 10))
        assert np.shares_memory(sequences.values, values)
        assert np.shares_memory(sequences[3], values)
        assert np.shares_memory(sequences[10:20].values, values)
        np.testing.assert_array_equal(sequences[99], np.arange(3960, 4000).reshape(-1, 4))


def test_private_map_keeps_what_was_written(tmp_path):
    path = tmp_path / "values.npy"
    np.save(path, np.zeros((100_000, 2)))
    values = np.load(path, mmap_mode="c")
    values[7] = 3.0
    sequences = Sequences(values, [0, 100_000])
    assert sequences.values[7].tolist() == [3.0, 3.0]


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_tokens_are_kept(dtype):
    values = np.array([[3], [0], [4]], dtype=dtype)
    sequences = Sequences(values, [0, 2, 3], vocabulary_size=5)
    assert sequences.is_tokens
    assert sequences.vocabulary_size == 5
    assert np.shares_memory(sequences.values, values)


@pytest.mark.parametrize(
    ("dtype", "kept"), [("uint8", "int32"), ("int16", "int32"), ("uint32", "int64")]
)
def test_narrow_tokens_are_widened(dtype, kept):
    sequences = Sequences(np.array([1, 2], dtype=dtype), [0, 2], vocabulary_size=3)
    assert sequences.dtype == kept


def test_integers_without_a_vocabulary_are_numbers():
    sequences = Sequences(np.array([1, 2, 3]), [0, 3])
    assert not sequences.is_tokens
    assert sequences.dtype == np.float64


@pytest.mark.parametrize(
    ("values", "offsets", "options", "message"),
    [
        ([1.0, 2], [0, 0, 2], {}, "Row 0 is an empty sequence"),
        ([1.0, 2], [0, 2, 2], {}, "Row 1 is an empty sequence"),
        ([1.0, 2], [0, 2, 1], {}, "offsets must increase; they fall after row 1"),
        ([1.0, 2], [1, 2], {}, "offsets must start at 0; got 1"),
        ([1.0, 2], [0, 3], {}, "lengths do not add up: offsets end at 3, but there are 2 steps"),
        ([1.0, 2], [0.0, 2.0], {}, "offsets must be a 1-D integer array"),
        ([1.0, 2], [], {}, "offsets must be a 1-D integer array"),
        ([1.0, 2], [[0, 2]], {}, "offsets must be a 1-D integer array"),
        (np.zeros((2, 3, 1)), [0, 2], {}, "values must have shape (total_steps, n_channels)"),
        (np.zeros((2, 0)), [0, 2], {}, "at least one channel"),
        ([1.0, np.inf, 2], [0, 1, 3], {}, "infinity: row 1, channel 0, step 0"),
        ([1.0, 2, -np.inf], [0, 1, 3], {}, "infinity: row 1, channel 0, step 1"),
        ([1.0, 1e39], [0, 2], {}, "1e+39, a value too large for dtype('float32'): row 0"),
        (
            [[1, 2], [3, np.inf]],
            [0, 1, 2],
            {"channel_names": "ab"},
            "infinity: row 1, channel 'b', step 0",
        ),
        ([1j], [0, 1], {}, "Complex data not supported"),
        (["a"], [0, 1], {}, "strings are not numbers"),
        ([0, 5], [0, 1, 2], {"vocabulary_size": 5}, "Row 1 holds the token 5, outside [0, 5)"),
        ([0, -1], [0, 2], {"vocabulary_size": 5}, "Row 0 holds the token -1"),
        ([0.0, 1.0], [0, 2], {"vocabulary_size": 5}, "Tokens must be integers"),
        ([[0, 1]], [0, 1], {"vocabulary_size": 5}, "Tokens have one channel; got 2"),
        ([0], [0, 1], {"vocabulary_size": 0}, "vocabulary_size must be an int of at least 1"),
        ([0], [0, 1], {"vocabulary_size": 2.0}, "vocabulary_size must be an int of at least 1"),
        ([0], [0, 1], {"vocabulary_size": True}, "vocabulary_size must be an int of at least 1"),
        ([1.0, 2], [0, 2], {"times": [1.0, 1.0]}, "row 0 repeats 1.0. Sort the steps by time"),
        ([1.0, 2], [0, 2], {"times": [2.0, 1.0]}, "row 0 falls after 2.0"),
        ([1.0, 2], [0, 2], {"times": [1.0, np.nan]}, "times must be finite; row 0 has nan"),
        ([1.0, 2], [0, 2], {"times": [1.0]}, "times must have shape (2,)"),
        ([1.0, 2], [0, 2], {"static": [[1.0], [2.0]]}, "static must have shape (1, n_static)"),
        ([1.0, 2], [0, 2], {"static": [[np.inf]]}, "static contains infinity: row 0, column 0"),
        ([1.0], [0, 1], {"static_names": ["a"]}, "static_names and static_categories need static"),
        ([1.0], [0, 1], {"channel_names": ["a", "b"]}, "channel_names must be 1 distinct names"),
        (
            [[1.0, 2]],
            [0, 1],
            {"channel_names": ["a", "a"]},
            "channel_names must be 2 distinct names",
        ),
        (
            [1.0],
            [0, 1],
            {"static": [[2]], "static_categories": [("a", "b")]},
            "static column 0 holds codes outside 0 to 1",
        ),
        (
            [1.0],
            [0, 1],
            {"static": [[2]], "static_categories": [None, None]},
            "static_categories must have 1 entries",
        ),
    ],
)
def test_refusals_name_the_fault(values, offsets, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Sequences(values, offsets, **options)


def test_dates_are_refused():
    with pytest.raises(TypeError, match="datetime64"):
        Sequences(np.array(["2020-01-01"], dtype="datetime64[D]"), [0, 1])


def test_times_need_only_increase_within_a_row():
    sequences = Sequences([1.0, 2, 3, 4], [0, 2, 4], times=[5, 6, 0, 1])
    assert sequences.times.dtype == np.float64


# Selection


def test_int_gives_a_view(full, arrays):
    for key in (0, 2, -1, np.int32(1), np.uint8(2)):
        np.testing.assert_array_equal(full[key], arrays[int(key)])
        assert np.shares_memory(full[key], full.values)
    for key in (3, -4):
        with pytest.raises(IndexError, match=f"Row {key} is out of range for 3 sequences"):
            full[key]


@pytest.mark.parametrize(
    "key",
    [
        slice(None),
        slice(1, None),
        slice(None, None, -1),
        slice(0, 3, 2),
        [2, 0],
        [0, 0, 2],
        [-1, -2],
        np.array([1, 2]),
        np.array([2, 1], dtype=np.uint8),
        [True, False, True],
        np.array([False, False, True]),
    ],
    ids=repr,
)
def test_selection_carries_everything(full, arrays, key):
    rows = np.arange(3)[key]
    for selected in (full[key], full[key, ...], full.take(key)):
        assert isinstance(selected, Sequences)
        assert_rows_equal(selected, [arrays[row] for row in rows])
        np.testing.assert_array_equal(selected.static, full.static[rows])
        times = np.split(full.times, full.offsets[1:-1])
        np.testing.assert_array_equal(selected.times, np.concatenate([times[r] for r in rows]))
        assert selected.static_categories == full.static_categories
        assert selected.channel_names == full.channel_names


@pytest.mark.parametrize("key", [[], slice(0, 0), [False] * 3, np.array([], dtype=int)], ids=repr)
def test_an_empty_selection_is_a_container(full, key):
    empty = full[key]
    assert len(empty) == 0
    assert empty.values.shape == (0, 2)
    assert empty.static.shape == (0, 2)
    assert empty.to_list() == []
    assert len(np.asarray(empty)) == 0
    assert repr(empty).startswith("Sequences(n=0, channels=2, lengths=-")
    assert len(empty.to_frame()) == 0
    assert len(Sequences.concatenate([empty, full])) == 3


@pytest.mark.parametrize("key", [1.0, "a", [0.5], [[0, 1]], None, True, (0, 1), [True, False]])
def test_bad_index(full, key):
    with pytest.raises(IndexError):
        full[key]


def test_int_with_ellipsis_gives_one_sequence(full, arrays):
    np.testing.assert_array_equal(full[1, ...], arrays[1])


# Other forms


def test_array_conversion(full, arrays):
    ragged = np.asarray(full)
    assert ragged.dtype == object
    assert ragged.shape == (3,)
    np.testing.assert_array_equal(ragged[2], arrays[2])
    even = Sequences.from_list([arrays[0], arrays[0]])
    assert np.asarray(even).shape == (2, 3, 2)
    assert np.shares_memory(np.asarray(even), even.values)
    assert np.asarray(even, dtype=np.float32).dtype == np.float32
    assert not np.shares_memory(np.array(even), even.values)
    with pytest.raises(ValueError, match="unequal length"):
        np.array(full, copy=False)


def test_to_list_and_back(full, arrays):
    assert_rows_equal(full, full.to_list())
    assert Sequences.from_list(full.to_list()).equals(Sequences.from_list(arrays))


def test_to_padded_and_back(full, arrays):
    X, lengths = full.to_padded()
    assert X.shape == (3, 4, 2)
    assert np.isnan(X[1, 1:]).all()
    assert lengths.tolist() == list(LENGTHS)
    assert_rows_equal(Sequences.from_padded(X, lengths), arrays)
    assert (full.to_padded(fill_value=-9)[0][1, 1:] == -9).all()
    tokens = Sequences.from_list([[1, 2], [3]], vocabulary_size=4)
    assert tokens.to_padded()[0][:, :, 0].tolist() == [[1, 2], [3, 0]]
    assert tokens.to_padded()[0].dtype == tokens.dtype


def test_pickle_and_copy(full):
    for other in (pickle.loads(pickle.dumps(full)), full.copy()):
        assert other.equals(full)
        assert not np.shares_memory(other.values, full.values)
    assert not full.equals(full[[1, 0, 2]])
    assert not full.equals(full.astype(np.float32))
    assert not full.equals([1])
    assert (full == full.copy()) is False


def test_astype(full):
    assert full.astype("float32").dtype == np.float32
    assert full.astype(np.float32).times is full.times
    assert np.shares_memory(full.astype(np.float64).values, full.values)
    with pytest.raises(ValueError, match="float32 or float64; got int64"):
        full.astype(int)
    tokens = Sequences.from_list([[1]], vocabulary_size=2)
    assert tokens.astype(np.int32).vocabulary_size == 2
    with pytest.raises(ValueError, match="int32 or int64"):
        tokens.astype(float)


def test_with_values(full):
    doubled = full.with_values(full.values * 2)
    assert doubled.channel_names == full.channel_names
    assert doubled.times is full.times
    wider = full.with_values(np.zeros((8, 3)), channel_names=["a", "b", "c"])
    assert wider.n_channels == 3
    assert full.with_values(np.zeros(8)).channel_names is None
    with pytest.raises(ValueError, match="do not add up"):
        full.with_values(np.zeros((7, 2)))


def test_repr(full):
    assert repr(full) == ("Sequences(n=3, channels=2, lengths=1-4, dtype=float64, times, static=2)")
    tokens = Sequences.from_list([[1], [0]], vocabulary_size=2)
    assert repr(tokens) == "Sequences(n=2, vocabulary_size=2, lengths=1, dtype=int64)"


# Builders


def test_from_list_parts():
    sequences = Sequences.from_list(
        [[1, 2], [3]], times=[[0, 1], [5]], static=[4, 5], channel_names=["a"]
    )
    assert sequences.times.tolist() == [0, 1, 5]
    assert sequences.static.tolist() == [[4], [5]]
    assert sequences.channel_names == ("a",)
    with pytest.raises(ValueError, match="times do not fit the sequences, from row 1 on"):
        Sequences.from_list([[1, 2], [3]], times=[[0, 1], [5, 6]])
    with pytest.raises(ValueError, match="times do not fit the sequences, from row 1 on"):
        Sequences.from_list([[1, 2], [3]], times=[[0, 1]])


def test_from_list_dtypes():
    f32, f64, i64 = np.ones(2, "f4"), np.ones(2, "f8"), np.ones(2, "i8")
    assert Sequences.from_list([f32, f32]).dtype == np.float32
    assert Sequences.from_list([f32, f64]).dtype == np.float64
    assert Sequences.from_list([f32, i64]).dtype == np.float64
    assert Sequences.from_list([[1, None], [True, 2.5]]).values[:, 0].tolist()[2:] == [1, 2.5]
    assert len(Sequences.from_list([])) == 0


def test_from_padded_ignores_what_lies_beyond():
    X = np.arange(12.0).reshape(2, 3, 2)
    X[0, 2] = np.inf
    assert_rows_equal(Sequences.from_padded(X, [2, 3]), [X[0, :2], X[1]])
    assert Sequences.from_padded(X[:, :2]).lengths.tolist() == [2, 2]
    two = Sequences.from_padded([[1, 2, 0], [3, 0, 0]], [2, 1], vocabulary_size=4)
    assert two.values[:, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([0, 2], "lengths[0] is 0; a length lies between 1 and the 3 steps"),
        ([1, 4], "lengths[1] is 4"),
        ([1], "lengths must be 2 integers, one for each row; got shape (1,)"),
        ([1.0, 2.0], "lengths must be 2 integers"),
    ],
)
def test_from_padded_refusals(lengths, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Sequences.from_padded(np.zeros((2, 3)), lengths)
    with pytest.raises(ValueError, match="X must have shape"):
        Sequences.from_padded(np.zeros(3), [1, 1, 1])


def test_from_channels_first(rng):
    X = rng.normal(size=(3, 2, 5))
    read = Sequences.from_channels_first(X, channel_names=["a", "b"])
    assert_rows_equal(read, list(X.transpose(0, 2, 1)))
    X[1, :, 3:] = np.nan
    assert Sequences.from_channels_first(X).lengths.tolist() == [5, 3, 5]
    ragged = [rng.normal(size=(2, n)) for n in (4, 3)]
    assert_rows_equal(Sequences.from_channels_first(ragged), [a.T for a in ragged])
    with pytest.raises(ValueError, match=re.escape("(n, n_channels, n_steps); got (2, 5)")):
        Sequences.from_channels_first(X[0])
    with pytest.raises(ValueError, match="Row 1 must have shape"):
        Sequences.from_channels_first([X[0], X[0, 0]])


def test_concatenate(full):
    both = Sequences.concatenate([full, full[[2, 0]]])
    assert both.equals(full[[0, 1, 2, 2, 0]])
    assert Sequences.concatenate([full]).equals(full)


def test_concatenate_merges_categories():
    def one(label):
        return Sequences([1.0], [0, 1], static=[[0.0]], static_categories=[(label,)])

    both = Sequences.concatenate([one("m"), one("f"), one("m")])
    assert both.static_categories == (("m", "f"),)
    assert both.static[:, 0].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Sequences([[1.0, 2]], [0, 1]), "Sequences 1 has n_channels=2, but sequences 0 has 1"),
        (Sequences([1], [0, 1], vocabulary_size=3), "Sequences 1 has vocabulary_size=3"),
        (Sequences([1.0], [0, 1], times=[0]), "Either all containers have times or none"),
        (Sequences([1.0], [0, 1], static=[0]), "Either all containers have static or none"),
    ],
)
def test_concatenate_refusals(other, message):
    with pytest.raises(ValueError, match=message):
        Sequences.concatenate([Sequences([1.0], [0, 1]), other])
    with pytest.raises(ValueError, match="nothing to concatenate"):
        Sequences.concatenate([])


def test_only_sequences_are_concatenated():
    with pytest.raises(TypeError, match="Item 1 is a list, not Sequences"):
        Sequences.concatenate([Sequences([1.0], [0, 1]), [[1.0]]])


def test_times_beyond_float64_are_kept_as_whole_numbers():
    epoch = 1_700_000_000_000_000_000
    made = Sequences.from_list([[1.0, 2.0, 3.0]], times=[[epoch, epoch + 1, epoch + 3]])
    assert made.times.dtype == np.int64
    assert np.diff(made.times).tolist() == [1, 2]
    assert made[[0]].equals(made)


def test_times_that_float64_cannot_tell_apart():
    with pytest.raises(ValueError, match="tells times apart only 0.25 from each other"):
        Sequences.from_list([[1.0, 2.0]], times=[[1.7e15, 1.7e15 + 0.1]])
