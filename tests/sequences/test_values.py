"""Chunked checks in bounded memory."""

import mmap
import tracemalloc

import numpy as np
import pytest

from sklearn_rnn.sequences import Sequences, iter_chunks, release_pages


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
