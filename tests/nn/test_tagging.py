"""LinearChainCRF against the enumeration of every path."""

import itertools

import pytest
import torch

from sklearn_rnn.nn._tagging import LinearChainCRF


def make(n_tags=4, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    crf = LinearChainCRF(n_tags).double()
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter, std=scale, generator=generator)
    lengths = torch.tensor([5, 1, 3])
    emissions = scale * torch.randn(3, 5, n_tags, dtype=torch.float64, generator=generator)
    return crf, emissions, lengths


def paths_of(crf, emissions, length):
    """Return all paths of a row and their scores."""
    forbidden = crf.transitions + crf.forbidden
    paths = list(itertools.product(range(crf.n_tags), repeat=length))
    scores = []
    for path in paths:
        score = (crf.start + crf.forbidden_start)[path[0]] + (crf.end + crf.forbidden_end)[path[-1]]
        score = score + sum(emissions[t, tag] for t, tag in enumerate(path))
        score = score + sum(forbidden[a, b] for a, b in itertools.pairwise(path))
        scores.append(score)
    return torch.tensor(paths), torch.stack(scores)


def constrain(crf):
    allowed = torch.ones(crf.n_tags, crf.n_tags, dtype=torch.bool)
    allowed[0, 2] = allowed[3, 3] = False
    first = torch.tensor([True, True, False, True])
    crf.constrain(allowed, first, torch.tensor([True, False, True, True]))


@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_equals_enumeration(constrained, scale):
    crf, emissions, lengths = make(scale=scale)
    if constrained:
        constrain(crf)
    total = crf.log_partition(emissions, lengths)
    marginals = crf.marginals(emissions, lengths)
    best = crf.viterbi(emissions, lengths)
    for row, length in enumerate(lengths.tolist()):
        paths, scores = paths_of(crf, emissions[row], length)
        torch.testing.assert_close(total[row], torch.logsumexp(scores, 0), rtol=0, atol=1e-8)
        chances = torch.softmax(scores, 0)
        for t in range(length):
            expected = torch.zeros(crf.n_tags, dtype=torch.float64)
            expected.index_add_(0, paths[:, t], chances.detach())
            torch.testing.assert_close(marginals[row, t], expected, rtol=0, atol=1e-8)
        assert best[row, :length].tolist() == paths[scores.argmax()].tolist()
        assert (best[row, length:] == -1).all()
        assert (marginals[row, length:] == 0).all()
        likelihood = crf.log_likelihood(
            emissions[row : row + 1, :length], best[row : row + 1, :length]
        )
        torch.testing.assert_close(
            likelihood[0], torch.log_softmax(scores, 0).max(), rtol=0, atol=1e-8
        )


@pytest.mark.parametrize("constrained", [False, True])
def test_gradients(constrained):
    crf, emissions, lengths = make(seed=1)
    if constrained:
        constrain(crf)
    tags = crf.viterbi(emissions, lengths)

    def likelihood(emissions, transitions, start, end):
        weights = {"transitions": transitions, "start": start, "end": end}
        return torch.func.functional_call(
            _Likelihood(crf),
            {f"crf.{k}": v for k, v in weights.items()},
            (emissions, tags, lengths),
        )

    inputs = [emissions, crf.transitions, crf.start, crf.end]
    assert torch.autograd.gradcheck(
        likelihood, [value.detach().clone().requires_grad_() for value in inputs]
    )


class _Likelihood(torch.nn.Module):
    def __init__(self, crf):
        super().__init__()
        self.crf = crf

    def forward(self, *args):
        return self.crf.log_likelihood(*args)


def test_large_scores_take_the_safe_way():
    crf, emissions, lengths = make(seed=2)
    single = LinearChainCRF(4)
    single.load_state_dict(crf.state_dict())
    emissions = emissions * 200
    emissions.requires_grad_()
    narrow = emissions.detach().float().requires_grad_()
    crf.log_partition(emissions, lengths).sum().backward()
    single.log_partition(narrow, lengths).sum().backward()
    torch.testing.assert_close(narrow.grad.double(), emissions.grad, rtol=0, atol=1e-4)
    torch.testing.assert_close(
        single.transitions.grad.double(), crf.transitions.grad, rtol=0, atol=1e-4
    )


def test_padding_is_not_read():
    crf, emissions, lengths = make()
    dirty = emissions.clone()
    dirty[1, 1:] = float("nan")
    dirty[2, 3:] = 1e30
    for call in (crf.log_partition, crf.marginals, crf.viterbi):
        torch.testing.assert_close(call(dirty, lengths), call(emissions, lengths))
    dirty.requires_grad_()
    crf.log_partition(dirty, lengths).sum().backward()
    assert torch.isfinite(dirty.grad).all()
    assert (dirty.grad[1, 1:] == 0).all()
    assert all(torch.isfinite(p.grad).all() for p in (crf.transitions, crf.start, crf.end))


@pytest.mark.parametrize(
    ("emissions", "lengths"),
    [
        (torch.zeros(2, 3, 5), None),
        (torch.zeros(2, 3), None),
        (torch.zeros(2, 3, 4), torch.tensor([1])),
        (torch.zeros(2, 3, 4), torch.tensor([0, 3])),
        (torch.zeros(2, 3, 4), torch.tensor([4, 3])),
    ],
)
def test_refuses(emissions, lengths):
    with pytest.raises(ValueError, match="must be"):
        LinearChainCRF(4).log_partition(emissions, lengths)


def test_refuses_constraints_of_another_size():
    with pytest.raises(ValueError, match="shape"):
        LinearChainCRF(4).constrain(torch.ones(3, 3, dtype=torch.bool))


def test_a_step_without_a_tag_counts_by_all_that_it_may_have():
    crf = LinearChainCRF(3)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.normal_(generator=generator)
    crf.constrain(torch.tensor([[True, True, False], [True, True, True], [True, True, True]]))
    scores = torch.randn(3, 4, 3, generator=generator)
    lengths = torch.tensor([4, 3, 2])
    tags = torch.tensor([[0, -1, 2, -1], [-1, 1, 1, 0], [1, 0, 0, 0]])
    found = crf.log_likelihood(scores, tags, lengths)
    for row, length in enumerate(lengths.tolist()):
        known = tags[row, :length].tolist()
        paths = [
            path
            for path in itertools.product(range(3), repeat=length)
            if all(one in (-1, other) for one, other in zip(known, path, strict=True))
        ]
        each = [crf.log_likelihood(scores[[row], :length], torch.tensor([p])) for p in paths]
        assert torch.isclose(found[row], torch.cat(each).logsumexp(0), atol=1e-5)
