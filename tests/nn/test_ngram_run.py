"""N-grams counted token by token answer as all of them counted at once."""

import itertools

import pytest
import torch

from sklearn_rnn.nn import NGramPath
from sklearn_rnn.nn._ngrams import NGramRun

VOCABULARY = 6


def make_path(longest, *, ends, skips, openings, spelling):
    """Make a path that knows about half of the n-grams of random rows."""
    torch.manual_seed(0)
    path = NGramPath(
        0,
        3,
        longest=longest,
        ends=ends,
        skips=skips,
        openings=openings,
        vocabulary_size=VOCABULARY if spelling else 0,
        static_size=2,
    )
    keys, _ = path.find(torch.randint(0, VOCABULARY, (8, 9)), torch.full((8,), 9))
    keys = torch.unique(torch.cat(keys))
    n_last = len(keys) // 3
    path.set_ngrams(keys, 0.5 + torch.rand(len(keys)), torch.arange(len(keys)) >= n_last)
    n_weights = len(keys) + len(path.spelling) + 2
    path.set_readout(torch.randn(n_weights, 3), torch.randn(3))
    path.token_idf.uniform_(0.5, 2)
    return path


@pytest.mark.parametrize(
    ("longest", "ends", "skips", "openings", "spelling"),
    [
        (longest, *flags)
        for longest in (1, 2, 3, 5)
        for flags in itertools.product([False, True], repeat=4)
    ],
)
def test_answers_what_the_path_does(longest, ends, skips, openings, spelling):
    path = make_path(longest, ends=ends, skips=skips, openings=openings, spelling=spelling)
    x, static = torch.randint(0, VOCABULARY, (1, 23)), torch.randn(1, 2)
    run, stop = NGramRun(path), 0
    for size in (1, 1, 1, 1, 2, 1, 3, 9, 1, 3):
        run.add(x[:, stop : stop + size])
        stop += size
        expected = path(x[:, :stop], None, static)
        torch.testing.assert_close(run.answer(static), expected, rtol=1e-5, atol=1e-5)
    assert stop == x.shape[1]


def test_copy_and_state_go_on_by_themselves():
    path = make_path(3, ends=True, skips=True, openings=True, spelling=True)
    x = torch.randint(0, VOCABULARY, (1, 12))
    run, restored = NGramRun(path), NGramRun(path)
    run.add(x[:, :4])
    other = run.copy()
    restored.restore(run.state())
    before = run.answer()
    run.add(x[:, 4:])
    for one in (other, restored):
        assert torch.equal(one.answer(), before)
        one.add(x[:, 4:])
        assert torch.equal(one.answer(), run.answer())


def test_what_is_kept_does_not_grow_with_the_row():
    path = make_path(3, ends=True, skips=True, openings=True, spelling=True)
    run = NGramRun(path)
    for _ in range(5):
        run.add(torch.randint(0, VOCABULARY, (1, 400)))
    assert run._last.shape[1] + run._first.shape[1] <= 5
    assert sum(len(group.times) for group in run._groups) <= len(path.keys)
