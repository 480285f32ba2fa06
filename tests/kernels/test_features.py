"""The compiled kernels of fixed features give torch's numbers, and a row the same bits anywhere."""

import pytest
import torch

from sklearn_rnn.kernels import is_available
from sklearn_rnn.nn import Reservoir, _compiled
from sklearn_rnn.nn._reservoir import RandomConvolutions, ReservoirRun

_features = pytest.importorskip("sklearn_rnn.kernels._features", exc_type=ImportError)
pytestmark = pytest.mark.skipif(not is_available(), reason="llvmlite is not installed")


def batch(rows, steps, channels, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(rows, steps, channels, generator=generator, dtype=dtype)
    lengths = torch.randint(1, steps + 1, (rows,), generator=generator)
    lengths[0] = steps
    return x, lengths


def make_reservoir(channels, units, dtype):
    reservoir = Reservoir(channels, units=units).to(dtype)
    reservoir.draw(torch.Generator().manual_seed(0))
    return reservoir


def make_convolutions(x, lengths):
    convolutions = RandomConvolutions(x.shape[2])
    convolutions.draw(torch.Generator().manual_seed(0))
    convolutions.calibrate(x, lengths)
    return convolutions


@pytest.mark.parametrize("units", [1, 7, 50, 100, 150])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_reservoir_is_torchs(dtype, units, monkeypatch):
    """All poolings but the share of positive states, which a rounding near zero can change."""
    x, lengths = batch(5, 70, 2, dtype)
    reservoir = make_reservoir(2, units, dtype)
    for given in (lengths, None):
        got = reservoir(x, given)
        with monkeypatch.context() as patch:
            patch.setenv("SKLEARN_RNN_COMPILED", "0")
            expected = reservoir(x, given)
        tolerance = 1e-5 if dtype == torch.float32 else 1e-12
        got, expected = (t.view(5, -1, 6, units) for t in (got, expected))
        others = [0, 1, 2, 3, 5]
        torch.testing.assert_close(
            got[:, :, others], expected[:, :, others], rtol=tolerance, atol=tolerance
        )
        torch.testing.assert_close(got[:, :, 4], expected[:, :, 4], rtol=0, atol=1.5 / 20)
        assert not torch.equal(got, torch.zeros_like(got))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("steps", [3, 25, 130, 1100])
def test_convolutions_are_torchs(steps, channels, monkeypatch):
    x, lengths = batch(6, steps, channels)
    convolutions = make_convolutions(x, lengths)
    for given in (lengths, None):
        got = convolutions(x, given)
        with monkeypatch.context() as patch:
            patch.setenv("SKLEARN_RNN_COMPILED", "0")
            expected = convolutions(x, given)
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)
        assert got.std() > 0.05


def test_row_has_the_same_bits_in_every_batch():
    x, lengths = batch(9, 60, 3)
    reservoir, convolutions = make_reservoir(3, 20, torch.float32), make_convolutions(x, lengths)
    for features in (reservoir, convolutions):
        whole = features(x, lengths)
        for row, length in enumerate(lengths.tolist()):
            alone = features(x[row : row + 1, :length], None)
            assert torch.equal(alone[0], whole[row])


def test_convolutions_of_many_rows_are_mixed_in_parts(monkeypatch):
    from sklearn_rnn.nn import _reservoir as _random_convolutions

    x, lengths = batch(9, 60, 3)
    convolutions = make_convolutions(x, lengths)
    whole = convolutions(x, lengths)
    monkeypatch.setattr(_random_convolutions, "_CHUNK", 5000)
    assert torch.equal(convolutions(x, lengths), whole)


def test_threads_change_no_bit(monkeypatch):
    x, lengths = batch(9, 60, 3)
    reservoir = make_reservoir(3, 20, torch.float32)
    whole = reservoir(x, lengths)
    monkeypatch.setattr(_features, "_WORTH_A_THREAD", 1)
    monkeypatch.setattr(_compiled, "recurrence_threads", lambda: 3)
    assert torch.equal(reservoir(x, lengths), whole)


def test_pieces_and_copies_go_on_by_themselves():
    """A copy of a run is not changed by what the run reads afterwards."""
    x, _ = batch(1, 96, 2)
    reservoir = Reservoir(2, units=10, bidirectional=False)
    reservoir.draw(torch.Generator().manual_seed(0))
    read = reservoir.with_difference(x)
    run = ReservoirRun(reservoir, 1)
    run.add([read[:, :32]])
    early = run.copy()
    before = early.result()
    run.add([read[:, 32:64]])
    run.add([read[:, 64:]])
    torch.testing.assert_close(run.result(), reservoir(x), rtol=1e-6, atol=1e-6)
    assert torch.equal(early.result(), before)
    early.add([read[:, 32:64]])
    early.add([read[:, 64:]])
    assert torch.equal(early.result(), run.result())


def test_weights_that_leave_the_cache_are_torchs():
    reservoir = make_reservoir(1, 520, torch.float32)
    assert ReservoirRun(reservoir, 1)._compiled is None
    small = make_reservoir(1, 500, torch.float32)
    assert ReservoirRun(small, 1)._compiled is not None
