"""Rows that have ended are left out, and nothing else changes."""

import pytest
import torch

from sklearn_rnn.nn import CELLS, Recurrence
from sklearn_rnn.nn import _recurrence as recurrences
from sklearn_rnn.nn._recurrence import plan_segments


def lengths_of(*pairs):
    return torch.tensor([length for length, count in pairs for _ in range(count)])


def test_rows_leave_when_they_have_ended():
    lengths = lengths_of((640, 2), (160, 6))
    assert plan_segments(lengths, 640, 64) == [(0, 192, 8), (192, 640, 2)]


@pytest.mark.parametrize(
    "lengths",
    [lengths_of((160, 6), (640, 2)), lengths_of((640, 7), (600, 1)), lengths_of((9, 1), (1, 1))],
    ids=["not sorted", "little to save", "small"],
)
def test_what_would_not_pay_stays_whole(lengths):
    longest = int(lengths.max())
    assert plan_segments(lengths, longest, 64) == [(0, longest, len(lengths))]


def test_segments_cover_every_step_once():
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        size = int(torch.randint(1, 40, (), generator=generator))
        lengths = torch.randint(1, 900, (size,), generator=generator).sort(descending=True).values
        n_steps = int(lengths[0]) + 3
        segments = plan_segments(lengths, n_steps, 256)
        assert [s[0] for s in segments] == [0, *(s[1] for s in segments[:-1])]
        assert segments[-1][1] == n_steps
        for start, stop, rows in segments:
            assert start < stop
            assert rows >= int((lengths > start).sum())


@pytest.mark.parametrize("cell", [name for name, kind in CELLS.items() if kind.runs_at_once])
@pytest.mark.parametrize("layer_norm", [False, True])
def test_outputs_and_gradients_are_those_of_the_whole_batch(monkeypatch, cell, layer_norm):
    monkeypatch.setenv("SKLEARN_RNN_COMPILED", "0")
    torch.manual_seed(0)
    layer = Recurrence(3, 6, cell=cell, num_layers=2, bidirectional=True, layer_norm=layer_norm)
    lengths = torch.tensor([40, 31, 17, 17, 8, 3, 1])
    x = torch.randn(7, 42, 3, requires_grad=True)
    x.data[torch.arange(42) >= lengths[:, None]] = torch.nan
    weight = torch.randn(7, 42, 12)
    results = []
    for plan in ([(0, 42, 7)], [(0, 9, 7), (9, 18, 5), (18, 34, 2), (34, 42, 1)]):
        monkeypatch.setattr(recurrences, "plan_segments", lambda *_, plan=plan: plan)
        layer.zero_grad()
        x.grad = None
        output, final, _ = layer(x, lengths)
        ((output * weight).sum() + final.square().sum()).backward()
        gradients = [p.grad.clone() for p in layer.parameters()]
        results.append((output.detach(), final.detach(), x.grad.clone(), *gradients))
    assert (results[1][0][torch.arange(42) >= lengths[:, None]] == 0).all() or layer_norm
    for whole, parts in zip(*results, strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5)
