"""The head of a tagger: one of several tags a step, and a label of the whole beside it.

Imports torch only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ._crf import LinearChainCRF
from ._heads import Head
from ._losses import weighted_mean


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
