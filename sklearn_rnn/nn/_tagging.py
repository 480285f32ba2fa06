"""The head of a tagger, and its linear-chain conditional random field; imports torch only.

The field is batched, masked, and in log space.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from ._heads import Head, weighted_mean
from ._masking import length_mask

# What a forbidden transition adds to a path's score: its probability is zero in any number type.
_FORBIDDEN = -1e4
# Sums of exponentials smaller than this are computed again, the slow and safe way.
_TINY = {torch.float32: 1e-30, torch.float64: 1e-280}
# Exponents above this are not trusted to a product of exponentials.
_LARGEST_EXPONENT = {torch.float32: 60.0, torch.float64: 600.0}


def _log_product(left: Tensor, matrix: Tensor, exponentials: Tensor) -> Tensor:
    """Return log(exp(left) @ exp(matrix)), (B, K), as a product where its numbers allow."""
    top = left.amax(1, keepdim=True)
    sums = (left - top).exp() @ exponentials
    if float(sums.detach().amin()) < _TINY[left.dtype]:
        return torch.logsumexp(left.unsqueeze(2) + matrix, 1)
    return sums.log() + top


def _forward(emissions: Tensor, transitions: Tensor, start: Tensor, alive: Tensor) -> Tensor:
    """Return log sums over the paths up to each step, (T, B, K); repeated after the end."""
    exponentials = transitions.exp()
    found = [start + emissions[:, 0]]
    for t in range(1, emissions.shape[1]):
        new = _log_product(found[-1], transitions, exponentials) + emissions[:, t]
        found.append(torch.where(alive[:, t, None], new, found[-1]))
    return torch.stack(found)


def _backward(emissions: Tensor, transitions: Tensor, end: Tensor, alive: Tensor) -> Tensor:
    """Return log sums over the paths after each step, (T, B, K)."""
    back = transitions.t()
    exponentials = back.exp()
    last = end.expand(emissions.shape[0], -1)
    found = [last]
    for t in range(emissions.shape[1] - 1, 0, -1):
        new = _log_product(emissions[:, t] + found[-1], back, exponentials)
        found.append(torch.where(alive[:, t, None], new, last))
    return torch.stack(found[::-1])


def _pair_sums(
    alphas: Tensor,
    emissions: Tensor,
    betas: Tensor,
    transitions: Tensor,
    total: Tensor,
    each: Tensor,
) -> Tensor:
    """Return the expected count of every transition, (K, K), rows weighted by `each` (T-1, B)."""
    before = alphas[:-1]
    after = emissions.transpose(0, 1)[1:] + betas[1:] - total[None, :, None]
    top = before.amax(2, keepdim=True)
    exponents = after + top
    if float(exponents.amax()) < _LARGEST_EXPONENT[alphas.dtype]:
        left = (before - top).exp().flatten(0, 1)
        right = (exponents.exp() * each.unsqueeze(2)).flatten(0, 1)
        return (left.t() @ right) * transitions.exp()
    sums = torch.zeros_like(transitions)
    for t in range(len(before)):
        joint = before[t].unsqueeze(2) + transitions + after[t].unsqueeze(1)
        sums += (joint.exp() * each[t, :, None, None]).sum(0)
    return sums


class _LogPartition(torch.autograd.Function):
    """log Z of each row, with gradients that are the expected counts of its parts."""

    @staticmethod
    def forward(
        ctx: Any, emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, alive: Tensor
    ) -> Tensor:
        alphas = _forward(emissions, transitions, start, alive)
        total = torch.logsumexp(alphas[-1] + end, 1)
        ctx.save_for_backward(emissions, transitions, end, alive, alphas, total)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        emissions, transitions, end, alive, alphas, total = ctx.saved_tensors
        grad = grads[0]
        betas = _backward(emissions, transitions, end, alive)
        marginals = (alphas + betas - total[None, :, None]).exp()
        steps = alive.t()
        weighted = marginals * (steps * grad).unsqueeze(2)
        last = alive.sum(1) - 1
        ends = weighted[last, torch.arange(len(last), device=last.device)].sum(0)
        pairs = torch.zeros_like(transitions)
        if len(alphas) > 1:
            each = steps[1:].to(grad.dtype) * grad
            pairs = _pair_sums(alphas, emissions, betas, transitions, total, each)
        return weighted.transpose(0, 1), pairs, weighted[0].sum(0), ends, None


class LinearChainCRF(nn.Module):
    """Probability of a whole sequence of tags, given a score for each tag at each step.

    The score of a path is the sum of its tags' scores, of its transitions, and of what it costs to
    start and to end with its first and last tag; its probability is the exponential of the score
    over the sum of the exponentials of all paths' scores.

    Parameters
    ----------
    n_tags : int

    Attributes
    ----------
    transitions : Parameter of shape (n_tags, n_tags)
        Score of going from the tag of the row to the tag of the column.
    start, end : Parameter of shape (n_tags,)
        Scores of the first and the last tag.

    References
    ----------
    J. Lafferty, A. McCallum, F. Pereira, "Conditional random fields", ICML 2001.

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn._tagging import LinearChainCRF
    >>> crf = LinearChainCRF(2)
    >>> scores, lengths = torch.tensor([[[0.0, 1.0], [3.0, 0.0], [0.0, 0.0]]]), torch.tensor([2])
    >>> crf.viterbi(scores, lengths)
    tensor([[ 1,  0, -1]])
    >>> crf.constrain(torch.tensor([[True, True], [False, True]]))
    >>> crf.viterbi(scores, lengths)
    tensor([[ 0,  0, -1]])
    """

    forbidden: Tensor
    forbidden_start: Tensor
    forbidden_end: Tensor

    def __init__(self, n_tags: int) -> None:
        super().__init__()
        if n_tags < 1:
            raise ValueError(f"n_tags must be at least 1; got {n_tags!r}.")
        self.n_tags = n_tags
        self.transitions = nn.Parameter(torch.zeros(n_tags, n_tags))
        self.start = nn.Parameter(torch.zeros(n_tags))
        self.end = nn.Parameter(torch.zeros(n_tags))
        self.register_buffer("forbidden", torch.zeros(n_tags, n_tags))
        self.register_buffer("forbidden_start", torch.zeros(n_tags))
        self.register_buffer("forbidden_end", torch.zeros(n_tags))

    def constrain(
        self, allowed: Tensor, first: Tensor | None = None, last: Tensor | None = None
    ) -> None:
        """Forbid transitions, first tags and last tags.

        Parameters
        ----------
        allowed : Tensor of bool of shape (n_tags, n_tags)
            Whether the tag of the column may follow that of the row.
        first, last : Tensor of bool of shape (n_tags,), default=None
            Which tags a sequence may start and end with; None means all.
        """
        for buffer, values in (
            (self.forbidden, allowed),
            (self.forbidden_start, first),
            (self.forbidden_end, last),
        ):
            if values is None:
                buffer.zero_()
                continue
            if values.shape != buffer.shape:
                raise ValueError(
                    f"Constraints of {self.n_tags} tags have shape {tuple(buffer.shape)}; got "
                    f"{tuple(values.shape)}."
                )
            buffer.copy_(torch.where(values.to(buffer.device), 0.0, _FORBIDDEN))

    def _scores(self, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return transition, start and end scores with the constraints, in the scores' type."""
        return (
            (self.transitions + self.forbidden).to(like.dtype),
            (self.start + self.forbidden_start).to(like.dtype),
            (self.end + self.forbidden_end).to(like.dtype),
        )

    def _checked(self, emissions: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return scores with zeros for padding, and the mask of valid steps (B, T)."""
        if emissions.ndim != 3 or emissions.shape[2] != self.n_tags or not emissions.shape[1]:
            raise ValueError(
                f"emissions must be (B, T, {self.n_tags}) with T > 0; got {tuple(emissions.shape)}."
            )
        batch, longest = emissions.shape[:2]
        if lengths is None:
            lengths = torch.full((batch,), longest)
        if lengths.shape != (batch,) or int(lengths.min()) < 1 or int(lengths.max()) > longest:
            raise ValueError(f"lengths must be {batch} numbers from 1 to {longest}.")
        alive = length_mask(lengths, longest).to(emissions.device)
        return torch.where(alive.unsqueeze(2), emissions, 0.0), alive

    def log_partition(self, emissions: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the log of the sum over all paths of their exponentiated scores.

        Parameters
        ----------
        emissions : Tensor of shape (B, T, n_tags)
            Score of each tag at each step; what lies beyond a row's length is not read.
        lengths : Tensor of int of shape (B,), default=None
            Steps of each row, at least 1; None means T.

        Returns
        -------
        Tensor of shape (B,)
        """
        emissions, alive = self._checked(emissions, lengths)
        total: Tensor = _LogPartition.apply(emissions, *self._scores(emissions), alive)
        return total

    def score(self, emissions: Tensor, tags: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the score of one path a row.

        Parameters
        ----------
        emissions : Tensor of shape (B, T, n_tags)
        tags : Tensor of int of shape (B, T)
        lengths : Tensor of int of shape (B,), default=None

        Returns
        -------
        Tensor of shape (B,)
        """
        emissions, alive = self._checked(emissions, lengths)
        transitions, start, end = self._scores(emissions)
        tags = torch.where(alive, tags, 0).long()
        own = emissions.gather(2, tags.unsqueeze(2)).squeeze(2).sum(1)
        steps = torch.where(alive[:, 1:], transitions[tags[:, :-1], tags[:, 1:]], 0.0).sum(1)
        last = tags.gather(1, alive.sum(1, keepdim=True) - 1).squeeze(1)
        return own + steps + start[tags[:, 0]] + end[last]

    def log_likelihood(
        self, emissions: Tensor, tags: Tensor, lengths: Tensor | None = None
    ) -> Tensor:
        """Return the log-probability of one path a row; parameters as for :meth:`score`.

        Where a tag is -1, it is that of all paths which have the other tags.

        Returns
        -------
        Tensor of shape (B,)
        """
        total = self.log_partition(emissions, lengths)
        free = tags < 0
        if not bool(free.any()):
            return self.score(emissions, tags, lengths) - total
        known = torch.nn.functional.one_hot(tags.long().clamp_min(0), self.n_tags) > 0
        possible = torch.where(known | free.unsqueeze(2), emissions, _FORBIDDEN)
        return self.log_partition(possible, lengths) - total

    def marginals(self, emissions: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the probability of each tag at each step, over all paths.

        Parameters
        ----------
        emissions : Tensor of shape (B, T, n_tags)
        lengths : Tensor of int of shape (B,), default=None

        Returns
        -------
        Tensor of shape (B, T, n_tags)
            Zero at padding.
        """
        emissions, alive = self._checked(emissions, lengths)
        transitions, start, end = self._scores(emissions)
        with torch.no_grad():
            alphas = _forward(emissions, transitions, start, alive)
            betas = _backward(emissions, transitions, end, alive)
            found = torch.softmax(alphas + betas, 2).transpose(0, 1)
            return torch.where(alive.unsqueeze(2), found, 0.0)

    def viterbi(self, emissions: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the path of the highest score.

        Parameters
        ----------
        emissions : Tensor of shape (B, T, n_tags)
        lengths : Tensor of int of shape (B,), default=None

        Returns
        -------
        Tensor of int64 of shape (B, T)
            -1 at padding.
        """
        emissions, alive = self._checked(emissions, lengths)
        transitions, start, end = self._scores(emissions)
        with torch.no_grad():
            best = start + emissions[:, 0]
            came_from = []
            for t in range(1, emissions.shape[1]):
                values, tags = (best.unsqueeze(2) + transitions).max(1)
                going_on = alive[:, t, None]
                best = torch.where(going_on, values + emissions[:, t], best)
                stay = torch.arange(self.n_tags, device=tags.device)
                came_from.append(torch.where(going_on, tags, stay))
            tag = (best + end).argmax(1)
            path = [tag]
            for tags in reversed(came_from):
                tag = tags.gather(1, tag.unsqueeze(1)).squeeze(1)
                path.append(tag)
            return torch.where(alive, torch.stack(path[::-1], 1), -1)


class TaggingHead(Head):
    """One of several tags at every step, independently or through a CRF.

    Beside them, one label of the whole sequence if `n_labels` is set: its scores are the mean over
    the steps of what each step says of it.

    The target is the tag's index, (N,) for N steps in all, or (N, 2) with the label's index beside
    it, repeated at every step. A step whose tag is -1 has none: it is left out of the loss, and a
    CRF sums over all tags that it may have.

    Parameters
    ----------
    in_features : int
    n_tags : int
    crf : bool, default=True
        Whether tags are drawn together, by a :class:`LinearChainCRF`, or each by itself.
    n_labels : int, default=0
        Labels of whole sequences; 0 means that there are none.
    label_smoothing : float, default=0.0
        Share of the target that is spread over all tags, where there is no CRF.

    Attributes
    ----------
    crf : LinearChainCRF or None
    """

    reads_lengths = True
    takes_reservoir = False

    def __init__(
        self,
        in_features: int,
        n_tags: int,
        crf: bool = True,
        n_labels: int = 0,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(in_features, n_tags + n_labels)
        self.n_tags, self.n_labels = n_tags, n_labels
        self.crf = LinearChainCRF(n_tags) if crf else None
        self.label_smoothing = label_smoothing

    @classmethod
    def from_config(cls, config: Any, in_features: int) -> Head:
        smoothing = config.label_smoothing
        return cls(in_features, config.n_outputs, config.crf, config.n_labels, smoothing)

    def loss(
        self,
        raw: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> Tensor:
        """Return the mean loss of a step, weighted; of the labels, the mean of a sequence.

        Parameters
        ----------
        raw : Tensor of shape (N, n_tags + n_labels)
        target : Tensor of int of shape (N,) or (N, 2)
        weight : Tensor of shape (N,), default=None
            The same at all steps of a sequence.
        lengths : Tensor of int of shape (B,)
            Steps of each sequence.

        Returns
        -------
        Tensor of shape ()
        """
        assert lengths is not None, "the loss of tags is that of whole sequences"
        counts = lengths.to(raw.device)
        first = counts.cumsum(0) - counts
        tags = target if target.ndim == 1 else target[:, 0]
        emissions = raw[:, : self.n_tags]
        of_rows_weight: Tensor | None = None if weight is None else weight[first]
        labelled = tags >= 0
        if not bool(labelled.all()):
            if self.crf is None:
                tags = tags.clamp_min(0)
            weight = labelled.to(raw.dtype) if weight is None else weight * labelled
            of_rows_weight = raw.new_ones(len(counts)) if of_rows_weight is None else of_rows_weight
        if self.crf is None:
            each = F.cross_entropy(
                emissions, tags.long(), reduction="none", label_smoothing=self.label_smoothing
            )
            total = weighted_mean(each, weight)
        else:
            padded, paths = pad(emissions, lengths), pad(tags, lengths)
            of_rows = -self.crf.log_likelihood(padded, paths, lengths)
            if weight is None or of_rows_weight is None:
                total = of_rows.sum() / counts.sum()
            else:
                mass = weight.sum().clamp_min(torch.finfo(weight.dtype).tiny)
                total = (of_rows * of_rows_weight).sum() / mass
        if self.n_labels:
            scores = self.label_scores(raw, lengths)
            of_labels = F.cross_entropy(scores, target[first, 1].long(), reduction="none")
            total = total + weighted_mean(of_labels, of_rows_weight)
        return total

    def _aligned(self, raw: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError("a tagger's loss reads lengths")

    def _losses(self, raw: Tensor, target: Tensor) -> Tensor:
        raise NotImplementedError("a tagger's loss reads lengths")

    def decode(self, raw: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the probability of each tag at each step, (N, n_tags).

        Parameters
        ----------
        raw : Tensor of shape (N, n_tags + n_labels)
        lengths : Tensor of int of shape (B,)
            Steps of each sequence; needed with a CRF.

        Returns
        -------
        Tensor of shape (N, n_tags)
        """
        emissions = raw[:, : self.n_tags]
        if self.crf is None:
            return torch.softmax(emissions, 1)
        assert lengths is not None, "a CRF reads whole sequences"
        found = self.crf.marginals(pad(emissions, lengths), lengths)
        return torch.cat([row[:length] for row, length in zip(found, lengths, strict=True)])

    def best_tags(self, raw: Tensor, lengths: Tensor) -> Tensor:
        """Return the index of the tag at each step, (N,): the best path, or each step's best."""
        emissions = raw[:, : self.n_tags]
        if self.crf is None:
            return emissions.argmax(1)
        found = self.crf.viterbi(pad(emissions, lengths), lengths)
        return found[found >= 0]

    def label_scores(self, raw: Tensor, lengths: Tensor) -> Tensor:
        """Return the scores of the labels of whole sequences, (B, n_labels)."""
        counts = lengths.to(raw.device)
        row = torch.repeat_interleave(torch.arange(len(counts), device=raw.device), counts)
        sums = raw.new_zeros(len(counts), self.n_labels)
        return sums.index_add(0, row, raw[:, self.n_tags :]) / counts.unsqueeze(1)


def pad(flat: Tensor, lengths: Tensor) -> Tensor:
    """Return (B, T, ...) with zeros behind, of what is flat by step."""
    return torch.nn.utils.rnn.pad_sequence(flat.split(lengths.tolist()), batch_first=True)
