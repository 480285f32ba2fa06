"""The whole network: input, stem, recurrence, pooling, head, and what stands beside them.

Imports torch only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ._dropout import Dropout
from ._heads import Head
from ._input import StaticInput
from ._masking import ragged_lengths
from ._ngrams import NGramPath
from ._pooling import Pooling
from ._recurrence import NoRecurrence, Recurrence, RecurrenceOutput
from ._reservoir_path import ReservoirPath


class SequenceNetwork(nn.Module):
    """Input, stem, recurrence, pooling and head, one after the other.

    Parameters
    ----------
    input : nn.Module
        ``forward(x)``: from raw steps to (B, T, C), :class:`NumericInput` or :class:`TokenInput`.
    recurrence : Recurrence or NoRecurrence
        The second for a path that answers alone.
    pooling : Pooling
        See :func:`make_pooling`. :class:`EachStep` makes the network answer at every step.
    head : Head
    stem : nn.Module, default=None
        ``forward(x, lengths)``, between input and recurrence.
    static : StaticInput, default=None
        Prepares the samples' static features, which join the pooled ones before the head.
    dropout : float, default=0.0
        Of the features, before the head.
    path : ReservoirPath or NGramPath, default=None
        A closed-form path beside stem, recurrence and head. Training leaves it alone:
        ``forward`` is without it, :meth:`answer` with it.
    others : sequence of SequenceNetwork, default=()
        Networks of the same architecture without a path. The raw outputs of this one and of the
        others are averaged; each is trained by its own loss, see :meth:`members`.

    Attributes
    ----------
    feature_size : int
        Features that the head reads: the pooled ones and the static ones.
    recurrence_share : Tensor of shape ()
        Weight of the trained recurrence in :meth:`answer`, from 0 to 1; the path has the rest.
    """

    recurrence_share: Tensor

    def __init__(
        self,
        *,
        input: nn.Module,
        recurrence: Recurrence | NoRecurrence,
        pooling: Pooling,
        head: Head,
        stem: nn.Module | None = None,
        static: StaticInput | None = None,
        dropout: float = 0.0,
        path: ReservoirPath | NGramPath | None = None,
        others: Sequence[SequenceNetwork] = (),
    ) -> None:
        super().__init__()
        self.input = input
        self.stem = stem
        self.recurrence = recurrence
        self.pooling = pooling
        self.static = static
        self.dropout = Dropout(dropout)
        self.head = head
        self.path = path
        self.others = nn.ModuleList(others)
        self.register_buffer("recurrence_share", torch.ones(()))
        self.feature_size = pooling.output_size + (0 if static is None else static.output_size)

    @property
    def states_dtype(self) -> torch.dtype:
        """Number type of the recurrence, which may be narrower than the head's."""
        known = self.head.projection.weight
        if known.dtype == torch.float64:
            known = next(self.recurrence.parameters(), known)
        return known.dtype

    @property
    def is_recurrent(self) -> bool:
        """Whether there is a recurrence to train, and not the closed-form path alone."""
        return isinstance(self.recurrence, Recurrence)

    def members(self) -> list[SequenceNetwork]:
        """Return this network and those whose raw outputs are averaged with its own."""
        others: Any = self.others
        return [self, *others]

    def states(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return every step's state, (B, T, H), zero at padding; see :meth:`encode`."""
        lengths = ragged_lengths(lengths, x)
        return self._recur(x, lengths).output

    @property
    def reach(self) -> tuple[int, int]:
        """How many steps before and after a step the recurrence's input at it depends on."""
        stem: Any = self.stem
        return (0, 0) if stem is None else stem.reach

    def steps(
        self,
        read: Callable[[int, int], Tensor],
        start: int,
        stop: int,
        end: int,
        lengths: Tensor | None = None,
    ) -> Tensor:
        """Return the recurrence's input from step `start` to before `stop`.

        ``read(first, last)`` returns steps of x, all of which are `end`; rows have `lengths`.
        """
        before, after = self.reach
        first, last = max(0, start - before), min(end, stop + after)
        steps: Tensor = self.input(read(first, last))
        if self.stem is not None:
            here = None if lengths is None else (lengths - first).clamp(0, last - first)
            steps = self.stem(steps, here)
        return steps[:, start - first : stop - first]

    def _recur(self, x: Tensor, lengths: Tensor | None) -> RecurrenceOutput:
        """Run input, stem and recurrence."""
        steps = self.input(x)
        if self.stem is not None:
            steps = self.stem(steps, lengths)
        result: RecurrenceOutput = self.recurrence(steps, lengths)
        return result

    def encode(
        self, x: Tensor, lengths: Tensor | None = None, static: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return every step's state and the features that the head reads.

        Parameters
        ----------
        x : Tensor of shape (B, T, C), or (B, T) for tokens
        lengths : Tensor of shape (B,), default=None
            Steps of each row, best left on the CPU; None means T.
        static : Tensor of shape (B, S), default=None
            Required if, and only if, the network has a static input.

        Returns
        -------
        output : Tensor of shape (B, T, H)
            Zero at padding.
        features : Tensor of shape (B, F)
            Or (sum of lengths, F) for a network that answers at every step.
        """
        if (static is None) != (self.static is None):
            wanted = "needs" if static is None else "does not take"
            raise ValueError(f"This network {wanted} static features.")
        lengths = ragged_lengths(lengths, x)
        output, final, _ = self._recur(x, lengths)
        pooled = self.pooling(output, final, lengths)
        return output, self.beside_static(pooled, static, x, lengths)

    def beside_static(
        self, pooled: Tensor, static: Tensor | None, x: Tensor, lengths: Tensor | None
    ) -> Tensor:
        """Return what the head reads: what is pooled from x (B, T, ...), static ones beside."""
        if self.head.projection.weight.dtype == torch.float64:
            # The states may be in single precision all the same.
            pooled = pooled.double()
        if self.static is None:
            return pooled
        known = self.static(static)
        if self.pooling.each_step:
            repeats = torch.full_like(known[:, 0], x.shape[1], dtype=torch.int64)
            known = known.repeat_interleave(repeats if lengths is None else lengths, 0)
        return torch.cat((pooled, known), 1)

    def features(
        self, x: Tensor, lengths: Tensor | None = None, static: Tensor | None = None
    ) -> Tensor:
        """Return the features that the head reads; parameters as for :meth:`encode`."""
        return self.encode(x, lengths, static)[1]

    def alone(
        self, x: Tensor, lengths: Tensor | None = None, static: Tensor | None = None
    ) -> Tensor:
        """Return this member's own raw outputs; parameters as for :meth:`encode`."""
        raw: Tensor = self.head(self.dropout(self.features(x, lengths, static)))
        return raw

    def forward(
        self, x: Tensor, lengths: Tensor | None = None, static: Tensor | None = None
    ) -> Tensor:
        if not self.is_recurrent:
            return self.solved(x, lengths, static)
        return averaged([member.alone(x, lengths, static) for member in self.members()])

    def solved(
        self,
        x: Tensor,
        lengths: Tensor | None = None,
        static: Tensor | None = None,
        *,
        features: bool = False,
    ) -> Tensor:
        """Return raw outputs of the closed-form path alone, or the `features` it reads out."""
        assert self.path is not None, "there is a closed-form path"
        known = None
        if self.static is not None and static is not None:
            known = self.static.plain(static)
        path = self.path
        if isinstance(path, NGramPath):
            result: Tensor = path(x, lengths, known)
            return result
        call = path.features if features else path
        result = call(self.input(x), lengths, known)
        return result

    def answer(
        self, x: Tensor, lengths: Tensor | None = None, static: Tensor | None = None
    ) -> Tensor:
        """Return raw outputs of recurrence and closed-form path together.

        Parameters are as for :meth:`encode`. Without a path this is ``forward``.
        """
        if self.path is None:
            return self(x, lengths, static)
        share = float(self.recurrence_share)
        solved = self.solved(x, lengths, static) if share < 1 else x.new_zeros(())
        if share == 0:
            return solved
        trained: Tensor = self(x, lengths, static)
        return trained * share + solved * (1 - share)


def averaged(answers: list[Tensor]) -> Tensor:
    """Return the mean of what the members of an ensemble answer.

    Parameters
    ----------
    answers : list of Tensor
        Of one shape.

    Returns
    -------
    Tensor
        The only one as it is.
    """
    return answers[0] if len(answers) == 1 else torch.stack(answers).mean(0)
