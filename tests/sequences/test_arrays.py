"""Flat values: from lists and arrays, counted from an origin, read row by row."""

from pathlib import Path

import numpy as np
import pytest

from sklearn_rnn import Sequences
from sklearn_rnn.sequences import RowReader, _values, origin_of, read_sequences


@pytest.fixture
def mapped(tmp_path):
    path = tmp_path / "values"
    np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32).tofile(path)
    return np.memmap(path, dtype=np.float32, mode="r", shape=(1000, 3))


def test_rows_are_laid_where_asked_and_converted(mapped):
    out = np.full((40, 3), -1.0)
    RowReader(mapped).read(np.array([500, 0]), np.array([10, 20]), out, np.array([0, 20]))
    np.testing.assert_array_equal(out[:10], mapped[500:510])
    np.testing.assert_array_equal(out[20:40], mapped[:20])
    assert (out[10:20] == -1).all()


@pytest.mark.parametrize("rows", [[3, 1, 1, 0], [2, 3], [], [True, False, False, True]])
def test_a_selection_of_mapped_sequences_is_that_of_sequences_in_memory(mapped, rows):
    offsets, times = [0, 10, 400, 401, 1000], np.arange(1000.0)
    in_file = Sequences(mapped, offsets, times=times)
    in_memory = Sequences(np.array(mapped), offsets, times=times)
    assert in_file[rows].equals(in_memory[rows])


def test_mapped_matrices_are_read_without_scikit_learn_looking_for_infinity(mapped):
    flat = mapped.reshape(10, 300)
    assert np.shares_memory(read_sequences(flat).values, mapped)
    held = np.array(flat)
    held[3, 7] = np.inf
    path = Path(mapped.filename)
    held.tofile(path)
    with pytest.raises(ValueError, match="contains infinity: row 3, channel 0, step 7"):
        read_sequences(np.memmap(path, dtype=np.float32, mode="r", shape=(10, 300)))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_pages_of_a_large_file_do_not_stay_resident(tmp_path, monkeypatch):
    monkeypatch.setattr(_values, "_RELEASE_BYTES", 4 * 2**20)
    path = tmp_path / "large"
    steps = 16 * 2**20
    np.zeros(steps, dtype=np.float32).tofile(path)
    values = np.memmap(path, dtype=np.float32, mode="r").reshape(-1, 1)
    sequences = Sequences(values, np.append(np.arange(0, steps, 2**18), steps))
    before = resident_file_bytes()
    sequences[np.arange(len(sequences))[::-1]]
    assert resident_file_bytes() - before < steps


def resident_file_bytes():
    """Return the bytes of mapped files that are resident in this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssFile"):
            return int(line.split()[1]) * 1024
    raise AssertionError("Linux tells RssFile")


def test_ordinary_numbers_are_counted_from_zero():
    mean, scale = np.array([0.0, 5.0, -60.0, 1e-30, 1e30]), np.array([1.0, 0.1, 1.0, 1e-30, 1e30])
    np.testing.assert_array_equal(origin_of(mean, scale), 0.0)


@pytest.mark.parametrize("level", [1e6, 1.7e9, 1e12, -1e12])
def test_far_numbers_are_counted_from_nearby(level):
    """To take the origin off rounds nothing of numbers that double precision holds."""
    small = np.random.default_rng(0).integers(-1000, 1000, 500) / 256
    values = small + level
    origin = origin_of(values.mean(), values.std())
    assert abs(origin - level) <= 16 * small.std()
    np.testing.assert_array_equal((values - origin).astype(np.float32), values - origin)


def test_what_does_not_vary_is_counted_from_its_neighbourhood():
    assert abs(origin_of(np.array(1e9), np.array(0.0)) - 1e9) <= 8
    assert origin_of(np.array(3.0), np.array(0.0)) == 0
