"""What a network is, and how its parts are put together from a configuration of plain values.

Imports torch and the parts of this room.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from ._cells import initialise
from ._heads import (
    BinaryHead,
    ContinuousHead,
    Head,
    JointHead,
    Loss,
    MulticlassHead,
    MultilabelHead,
)
from ._input import NumericInput, StaticInput, TokenInput, WordColumns, WordInput
from ._masking import Dropout, ragged_lengths
from ._ngrams import NGramPath
from ._pooling import Pooling
from ._recurrence import ConvStem, NoRecurrence, Recurrence, RecurrenceOutput
from ._registry import CELLS, POOLINGS, CellLike, make_pooling
from ._reservoir import ReservoirPath
from ._tagging import TaggingHead


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


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Everything that decides a network's architecture, as plain values.

    Parameters
    ----------
    n_channels : int, default=1
        Channels of numeric sequences.
    vocabulary_size : int, default=None
        Set for token sequences, which are embedded; `n_channels` is then ignored.
    embedding_size : int, default=64
        Of tokens.
    timed : bool, default=False
        Whether tokens have the time since the step before beside them; see :class:`TokenInput`.
    embedding_dropout : float, default=0.0
        Of embedded tokens.
    variational : bool, default=False
        Whether `embedding_dropout` drops the same values at every step of a row.
    indicator : bool, default=False
        Add a channel for each channel that says where it is missing.
    n_static : int, default=None
        Columns of static features; None counts `static_cardinalities`.
    static_cardinalities : tuple of (int or None), default=()
        One entry a static column: its number of categories, None for a number. Empty if all are
        numbers.
    stem : {"conv"} or None, default=None
        Whether a :class:`ConvStem` stands before the recurrence.
    stem_filters : int, default=64
        Of each of its convolutions.
    stem_kernel_sizes : tuple of int, default=(7, 5)
    stem_norm : {"layer", "batch"} or None, default="layer"
    stem_concatenate : bool, default=True
        Whether the recurrence reads the input beside the convolutions.
    cell : str or type, default="lstm"
        See :func:`make_layer`.
    hidden_size : int, default=64
    num_layers : int, default=1
    bidirectional : bool, default=False
    dropout : float, default=0.0
        Between layers, in the stem and before the head.
    layer_norm : bool, default=False
    pooling : str or tuple of str, default=("mean", "max", "last")
        See :func:`make_pooling`. Ignored if `per_step`.
    words : WordColumns, default=None
        Set for steps that are words with their characters; `n_channels` is then ignored.
    character_size : int, default=64
        Of what is made from the characters of a word; 0 leaves them out.
    word_dropout : float, default=0.0
        Share of words that training takes as unknown, or of tokens that it embeds as zeros.
    head : {"binary", "multiclass", "multilabel", "joint", "continuous", "tags"} or type, \
            default="continuous"
        Its name, or a subclass of :class:`Head` that is made by its ``from_config``.
    n_outputs : int or tuple of int, default=1
        Classes, labels or numbers to predict; for ``"joint"`` the classes of each target. Not
        read for ``"binary"``.
    loss : str or callable, default=None
        None is the head's own: log loss or squared error. See :class:`ContinuousHead` for names.
    quantile : float, default=0.5
        Level of the loss ``"quantile"``.
    label_smoothing : float, default=0.0
        Of binary, multiclass and joint targets.
    per_step : bool, default=False
        Answer at every step instead of once a sequence.
    crf : bool, default=False
        Whether ``"tags"`` are drawn together; see :class:`TaggingHead`.
    n_labels : int, default=0
        Labels of whole sequences beside ``"tags"``.
    reservoir_units : int, default=0
        Units of each reservoir of a closed-form path beside the recurrence; 0 for none. It reads
        backwards too if `bidirectional`. Not with tokens, per step or joint targets.
    ngram_longest : int, default=0
        Tokens of the longest n-grams of a :class:`NGramPath` beside the recurrence; 0 for none.
        Only with tokens, not per step.
    ngram_features : int, default=0
        Different n-grams that it knows.
    ngram_spelling : bool, default=False
        Whether it has weights of tokens by their spelling.
    ngram_skips : bool, default=False
        Whether it knows pairs of tokens with any one between them.
    ngram_openings : bool, default=False
        Whether it knows tokens with the first one, or two, of their row.
    weight_dropout : float, default=0.0
        Share of the recurrent weights that a training step leaves out; see
        :func:`dropped_weights`.
    n_members : int, default=1
        Networks with weights of their own, whose raw outputs are averaged.
    recurrent : bool, default=True
        Whether there is anything to train. Without, the closed-form path answers alone, and there
        is neither stem, recurrence nor pooling; all that describes them is ignored.
    """

    n_channels: int = 1
    vocabulary_size: int | None = None
    embedding_size: int = 64
    timed: bool = False
    embedding_dropout: float = 0.0
    variational: bool = False
    indicator: bool = False
    n_static: int | None = None
    static_cardinalities: tuple[int | None, ...] = ()
    stem: str | None = None
    stem_filters: int = 64
    stem_kernel_sizes: tuple[int, ...] = (7, 5)
    stem_norm: str | None = "layer"
    stem_concatenate: bool = True
    cell: CellLike = "lstm"
    hidden_size: int = 64
    num_layers: int = 1
    bidirectional: bool = False
    dropout: float = 0.0
    layer_norm: bool = False
    pooling: str | tuple[str, ...] = ("mean", "max", "last")
    words: WordColumns | None = None
    character_size: int = 64
    word_dropout: float = 0.0
    head: str | type[Head] = "continuous"
    n_outputs: int | tuple[int, ...] = 1
    loss: Loss | None = None
    quantile: float = 0.5
    label_smoothing: float = 0.0
    per_step: bool = False
    crf: bool = False
    n_labels: int = 0
    reservoir_units: int = 0
    ngram_longest: int = 0
    ngram_features: int = 0
    ngram_spelling: bool = False
    ngram_skips: bool = False
    ngram_openings: bool = False
    weight_dropout: float = 0.0
    n_members: int = 1
    recurrent: bool = True


#: Every head that has a name. A new kind of target brings a subclass of :class:`Head`, and a line.
HEADS: dict[str, type[Head]] = {
    "binary": BinaryHead,
    "multiclass": MulticlassHead,
    "multilabel": MultilabelHead,
    "joint": JointHead,
    "continuous": ContinuousHead,
    "tags": TaggingHead,
}


def _head_of(config: NetworkConfig) -> type[Head]:
    """Return the class of the head, of which the configuration has the name or the class."""
    if isinstance(config.head, type) and issubclass(config.head, Head):
        return config.head
    if config.head not in HEADS:
        names = ", ".join(map(repr, HEADS))
        raise ValueError(f"head must be one of {names}, or a Head class; got {config.head!r}.")
    return HEADS[config.head]


def _make_head(config: NetworkConfig, in_features: int) -> Head:
    """Make the head of the configuration."""
    kind = _head_of(config)
    outputs = config.n_outputs if isinstance(config.n_outputs, tuple) else (config.n_outputs,)
    one = not kind.takes_several
    if not outputs or any(n < 1 for n in outputs) or (one and len(outputs) > 1):
        raise ValueError(f"n_outputs must be at least 1; got {config.n_outputs!r}.")
    if one:
        config = replace(config, n_outputs=outputs[0])
    return kind.from_config(config, in_features)


def _make_static(config: NetworkConfig) -> StaticInput | None:
    """Make the static input, if there are static features."""
    sizes = config.static_cardinalities or (None,) * (config.n_static or 0)
    if config.n_static is not None and len(sizes) != config.n_static:
        raise ValueError(
            f"static_cardinalities must be empty or have one entry for each of the "
            f"{config.n_static} static columns; got {len(sizes)}."
        )
    return StaticInput(sizes) if sizes else None


def _make_ngrams(config: NetworkConfig, head: Head, static: StaticInput | None) -> NGramPath:
    """Make the path of n-grams."""
    if config.vocabulary_size is None or config.per_step:
        raise ValueError("N-grams need tokens and one target a sequence; set ngram_longest=0.")
    return NGramPath(
        config.ngram_features,
        head.projection.out_features,
        longest=config.ngram_longest,
        ends=True,
        skips=config.ngram_skips,
        openings=config.ngram_openings,
        vocabulary_size=config.vocabulary_size if config.ngram_spelling else 0,
        static_size=0 if static is None else static.plain_size,
    )


#: Held by whoever sets torch's global random state for a while, so that threads take turns.
global_random_lock = threading.RLock()
if hasattr(os, "register_at_fork"):
    # Who held it in the parent does not give it back in a child.
    os.register_at_fork(after_in_child=global_random_lock._at_fork_reinit)  # type: ignore[attr-defined]


@contextmanager
def _seeded_construction(generator: torch.Generator | None) -> Iterator[None]:
    """Let constructors draw from `generator`, leaving torch's global random state as it was."""
    if generator is None:
        yield
        return
    with global_random_lock:
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
        state = torch.random.get_rng_state()
        try:
            torch.random.default_generator.manual_seed(seed)
            yield
        finally:
            torch.random.default_generator.set_state(state)


def _build(config: NetworkConfig) -> SequenceNetwork:
    """Put the parts together."""
    input: NumericInput | TokenInput | WordInput
    if config.words is not None:
        input = WordInput(
            config.words,
            config.embedding_size,
            config.character_size,
            config.embedding_dropout,
            config.word_dropout,
        )
    elif config.vocabulary_size is None:
        input = NumericInput(config.n_channels, config.indicator)
    else:
        input = TokenInput(
            config.vocabulary_size,
            config.embedding_size if config.recurrent else 1,
            config.embedding_dropout,
            word_dropout=config.word_dropout,
            variational=config.variational,
            timed=config.timed,
        )
    stem = None
    if config.stem not in ("conv", None):
        raise ValueError(f"stem must be 'conv' or None; got {config.stem!r}.")
    if config.stem is not None and config.recurrent:
        stem = ConvStem(
            input.output_size,
            config.stem_filters,
            config.stem_kernel_sizes,
            norm=config.stem_norm,
            concatenate=config.stem_concatenate,
            dropout=config.dropout,
        )
    recurrence: Recurrence | NoRecurrence
    if config.recurrent:
        recurrence = Recurrence(
            input.output_size if stem is None else stem.output_size,
            config.hidden_size,
            cell=config.cell,
            num_layers=config.num_layers,
            bidirectional=config.bidirectional,
            dropout=config.dropout,
            layer_norm=config.layer_norm,
            weight_dropout=config.weight_dropout,
        )
    else:
        recurrence = NoRecurrence(input.output_size, config.bidirectional)
    units = recurrence.output_size or 1
    pooling = make_pooling("none" if config.per_step else config.pooling, units)
    if pooling.each_step and not config.per_step:
        raise ValueError(
            f"pooling={config.pooling!r} keeps every step, and there is one target a sequence; use "
            f"{', '.join(map(repr, POOLINGS))} or several of them."
        )
    static = _make_static(config)
    in_features = 0
    if config.recurrent:
        in_features = pooling.output_size + (0 if static is None else static.output_size)
    else:
        pooling = make_pooling("last", 0)
    head = _make_head(config, in_features)
    path: ReservoirPath | NGramPath | None = None
    if config.ngram_longest:
        path = _make_ngrams(config, head, static)
    if config.reservoir_units:
        if config.vocabulary_size is not None or config.per_step or not head.takes_reservoir:
            raise ValueError(
                "A closed-form path needs numbers and one kind of target a sequence; set "
                "reservoir_units=0."
            )
        outputs = head.projection.out_features
        known = 0 if static is None else static.plain_size
        path = ReservoirPath(
            input.output_size, outputs, config.reservoir_units, known, config.bidirectional
        )
    if path is None and not config.recurrent:
        raise ValueError("recurrent=False needs a closed-form path: there is nothing else.")
    return SequenceNetwork(
        input=input,
        stem=stem,
        recurrence=recurrence,
        pooling=pooling,
        static=static,
        head=head,
        dropout=config.dropout,
        path=path,
        others=[_build(_other_member(config)) for _ in range(config.n_members - 1)],
    )


def _other_member(config: NetworkConfig) -> NetworkConfig:
    """Return what the members beside the first are: networks by themselves, without a path."""
    return replace(config, n_members=1, reservoir_units=0, ngram_longest=0)


def build_network(
    config: NetworkConfig,
    generator: torch.Generator | None = None,
    *,
    initial_scale: float | None = None,
) -> SequenceNetwork:
    """Build the network that a configuration describes.

    Parameters
    ----------
    config : NetworkConfig
    generator : torch.Generator, default=None
        If given, the only source of randomness: the weights come from :func:`initialise`, those
        of a user's own cell from its constructor, seeded, and torch's global random state is left
        as it was. None leaves the weights as torch's constructors draw them.
    initial_scale : float, default=None
        See :func:`initialise`. Read only if there is a generator.

    Returns
    -------
    SequenceNetwork

    Raises
    ------
    ValueError
        If a value of the configuration is impossible; it is named.

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn import NetworkConfig, build_network
    >>> config = NetworkConfig(n_channels=3, hidden_size=8, head="multiclass", n_outputs=5)
    >>> network = build_network(config, torch.Generator().manual_seed(0))
    >>> raw = network(torch.zeros(2, 7, 3), torch.tensor([4, 7]))
    >>> network.head.decode(raw).shape
    torch.Size([2, 5])
    """
    with _seeded_construction(generator):
        network = _build(config)
    if generator is not None:
        initialise(network, generator, initial_scale=initial_scale)
    return network


# Python's share of a layer, in numbers of four bytes: it counts where layers are many and small.
_OBJECTS = 10_000


@cache
def _gates(cell: str) -> int:
    """Return how often a cell of ours multiplies its units, read off one of a single unit."""
    with torch.device("meta"):  # draws nothing
        return max(len(weight) for weight in CELLS[cell](1, 1).parameters())


def recurrence_size(cell: object, n_inputs: int, hidden_size: int, layers: int, both: bool) -> int:
    """Return about how many weights the layers of a recurrence have."""
    gates = _gates(cell) if isinstance(cell, str) else 1
    directions = 2 if both else 1
    first = gates * hidden_size * (n_inputs + hidden_size) + _OBJECTS
    further = gates * hidden_size * (directions * hidden_size + hidden_size) + _OBJECTS
    return directions * (first + (layers - 1) * further)


def network_size(config: NetworkConfig) -> int:
    """Return about how many weights the network of a configuration has, without a closed form."""
    if not config.recurrent:
        return 0
    embedded, words, inputs = 0, config.words, config.n_channels * (2 if config.indicator else 1)
    if words is not None:
        embedded = (words.n_words + len(words.affixes) + 1) * config.embedding_size
        embedded += 100 * config.character_size
        inputs = config.embedding_size + config.character_size
    elif config.vocabulary_size is not None:
        embedded = config.vocabulary_size * config.embedding_size
        inputs = config.embedding_size
    if config.stem is not None:
        embedded += sum(config.stem_kernel_sizes) * config.stem_filters * inputs
        inputs += config.stem_filters
    recurrent = recurrence_size(
        config.cell, inputs, config.hidden_size, config.num_layers, config.bidirectional
    )
    outputs = config.n_outputs if isinstance(config.n_outputs, int) else sum(config.n_outputs)
    poolings = 1 if isinstance(config.pooling, str) else len(config.pooling)
    features = poolings * config.hidden_size * (2 if config.bidirectional else 1)
    return config.n_members * (embedded + recurrent + features * outputs)
