"""Batches from flat storage hold the right steps, once an epoch, with little padding."""

import numpy as np
import pytest
import torch

from sklearn_rnn import Sequences
from sklearn_rnn.training import (
    BatchPlan,
    FlatStorage,
    Recipe,
    SequenceDataset,
    prediction_batches,
)
from sklearn_rnn.training._batches import flat_steps, padded_length

CPU = torch.device("cpu")
RECIPE = Recipe("adamw", 3e-3, 0.01, "constant", 1, 1.0)


@pytest.fixture
def ragged():
    rng = np.random.default_rng(0)
    return Sequences.from_list([rng.normal(size=(n, 3)) for n in rng.integers(1, 40, size=50)])


def whole(batches):
    """Yield the batch of every optimizer step."""
    for step in batches.training_steps(RECIPE):
        ((batch, share),) = step.parts()
        assert share == 1.0
        yield batch


def test_gather_returns_every_valid_step(ragged):
    storage = FlatStorage(ragged, CPU)
    rows = np.array([3, 0, 17])
    x, lengths = storage.gather(rows)
    assert lengths.tolist() == ragged.lengths[rows].tolist()
    for i, row in enumerate(rows):
        np.testing.assert_allclose(x[i, : lengths[i]], ragged[int(row)], rtol=1e-6)
    expected = [np.arange(*ragged.offsets[r : r + 2]) for r in rows]
    np.testing.assert_array_equal(flat_steps(storage, rows), np.concatenate(expected))


@pytest.mark.parametrize("n", [1, 7, 64, 1000])
@pytest.mark.parametrize("equal", [True, False])
def test_an_epoch_uses_every_row_once(n, equal):
    lengths = np.full(n, 5) if equal else np.random.default_rng(1).integers(1, 50, size=n)
    plan = BatchPlan(lengths, 16, np.random.default_rng(0))
    first, second = plan.epoch(), plan.epoch()
    assert len(first) == len(plan)
    for epoch in (first, second):
        np.testing.assert_array_equal(np.sort(np.concatenate(epoch)), np.arange(n))
    if n > 16:
        assert np.concatenate(first).tolist() != np.concatenate(second).tolist()


def test_buckets_save_padding():
    lengths = np.random.default_rng(0).integers(20, 1000, size=2000)
    plan = BatchPlan(lengths, 32, np.random.default_rng(0))
    padded = sum(lengths[batch].max() * len(batch) for batch in plan.epoch())
    assert padded < 1.15 * lengths.sum()


def test_which_rows_share_a_batch_changes():
    lengths = np.random.default_rng(0).integers(20, 1000, size=400)
    plan = BatchPlan(lengths, 16, np.random.default_rng(0))
    mates = [{frozenset(b.tolist()) for b in plan.epoch()} for _ in range(2)]
    assert not mates[0] & mates[1]


def test_targets_and_weights_follow_their_rows(ragged):
    target, weight = torch.arange(50), torch.arange(50, dtype=torch.float32)
    storage = FlatStorage(ragged, CPU)
    rows = np.arange(10, 40)
    batches = SequenceDataset(
        storage, rows, target, weight, batch_size=8, generator=np.random.default_rng(0)
    )
    seen = []
    for batch in whole(batches):
        assert batch.target.tolist() == batch.rows.tolist() == batch.weight.int().tolist()
        seen += batch.rows.tolist()
    assert sorted(seen) == rows.tolist()


def test_step_targets_follow_their_steps(ragged):
    total = int(ragged.offsets[-1])
    target = torch.arange(total, dtype=torch.float32)[:, None]
    batches = SequenceDataset(
        FlatStorage(ragged, CPU),
        np.arange(50),
        target,
        torch.arange(50, dtype=torch.float32),
        batch_size=8,
        generator=np.random.default_rng(0),
        offsets=np.asarray(ragged.offsets),
    )
    for batch in whole(batches):
        expected = [np.arange(*ragged.offsets[r : r + 2]) for r in batch.rows]
        assert batch.target[:, 0].int().tolist() == np.concatenate(expected).tolist()
        assert batch.weight.int().tolist() == np.repeat(batch.rows, batch.lengths).tolist()


def test_targets_that_are_ragged_by_themselves_follow_their_rows(ragged):
    counts = np.arange(50) % 4  # some rows have none
    offsets = np.append(0, np.cumsum(counts))
    batches = SequenceDataset(
        FlatStorage(ragged, CPU),
        np.arange(50),
        torch.from_numpy(np.repeat(np.arange(50), counts)),
        torch.arange(50, dtype=torch.float32),
        batch_size=8,
        generator=np.random.default_rng(0),
        offsets=offsets,
    )
    for batch in whole(batches):
        assert batch.counts.tolist() == counts[batch.rows].tolist()
        assert batch.target.tolist() == np.repeat(batch.rows, counts[batch.rows]).tolist()
        assert batch.weight.int().tolist() == batch.rows.tolist()


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_parts_of_a_step_are_its_rows_and_their_shares_of_its_loss(ragged, per_step, weighted):
    rng = np.random.default_rng(3)
    weight = torch.from_numpy(rng.uniform(0.1, 2.0, 50)) if weighted else None
    n_targets = int(ragged.offsets[-1]) if per_step else 50
    batches = SequenceDataset(
        FlatStorage(ragged, CPU),
        np.arange(50),
        torch.from_numpy(rng.normal(size=n_targets)),
        weight,
        batch_size=20,
        generator=rng,
        offsets=np.asarray(ragged.offsets) if per_step else None,
    )
    for step in batches.training_steps(RECIPE):
        ((batch, _),) = step.parts()
        parts = list(step.parts(max_steps=200))
        assert len(parts) > 1
        assert all(part.x.shape[0] <= 4 or part.x[..., 0].numel() <= 200 for part, _ in parts)
        assert sorted(np.concatenate([part.rows for part, _ in parts])) == sorted(batch.rows)
        expected = np.average(batch.target, weights=batch.weight)
        found = sum(share * np.average(p.target, weights=p.weight) for p, share in parts)
        assert found == pytest.approx(expected)


def test_ragged_batches_come_in_few_lengths():
    lengths = np.arange(1, 5000)
    padded = np.array([padded_length(int(length)) for length in lengths])
    assert (padded >= lengths).all()
    assert (padded <= 1.035 * lengths).all()
    assert len(set(padded[1000:2000])) < 50


def test_prediction_batches_are_bounded_and_complete():
    rng = np.random.default_rng(0)
    sequences = Sequences.from_list([rng.normal(size=n) for n in [5000, 3, 700, 1, 1, 90000, 40]])
    rows = []
    for batch in prediction_batches(FlatStorage(sequences, CPU), max_rows=3, max_steps=6000):
        assert len(batch.rows) <= 3
        assert len(batch.rows) == 1 or batch.x.shape[0] * batch.x.shape[1] <= 6000
        rows += batch.rows.tolist()
    assert sorted(rows) == list(range(7))


def test_memory_mapped_values_are_not_copied(tmp_path):
    path = tmp_path / "values.npy"
    np.save(path, np.random.default_rng(0).normal(size=(1000, 2)).astype(np.float32))
    values = np.load(path, mmap_mode="r")
    sequences = Sequences(values, np.arange(0, 1001, 10))
    storage = FlatStorage(sequences, CPU)
    assert storage._values is None
    x, _ = storage.gather(np.array([5, 99]))
    np.testing.assert_array_equal(x.numpy(), np.stack([values[50:60], values[990:1000]]))


def test_widths_between_times_become_a_channel():
    sequences = Sequences(np.zeros((5, 1)), [0, 3, 5], times=np.array([0.0, 1.0, 3.0, 10.0, 17.0]))
    x, _ = FlatStorage(sequences, CPU).gather(np.array([0, 1]))
    np.testing.assert_allclose(x[0, :, 1], np.log1p([0, 1, 2]), rtol=1e-6)
    np.testing.assert_allclose(x[1, :2, 1], np.log1p([0, 7]), rtol=1e-6)


def test_one_long_row_takes_no_short_ones_along():
    rows = [np.zeros((n, 1), dtype=np.float32) for n in (50, 1000, 60, 55, 40, 45)]
    batches = SequenceDataset(
        FlatStorage(Sequences.from_list(rows), CPU),
        np.arange(6),
        torch.zeros(6),
        None,
        batch_size=6,
        generator=np.random.default_rng(0),
    )
    (step,) = batches.training_steps(RECIPE)
    parts = [part.rows.tolist() for part, _ in step.parts(max_steps=200)]
    assert parts == [[1], [2, 3, 0, 5], [4]]
