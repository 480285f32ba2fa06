"""Making a network from plain values, and how large it would be; imports torch only."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache

import torch

from ._heads import (
    BinaryHead,
    ContinuousHead,
    Head,
    JointHead,
    Loss,
    MulticlassHead,
    MultilabelHead,
)
from ._initialisation import initialise
from ._input import NumericInput, StaticInput, TokenInput, WordColumns, WordInput
from ._networks import SequenceNetwork
from ._ngrams import NGramPath
from ._recurrence import NoRecurrence, Recurrence
from ._registry import CELLS, POOLINGS, CellLike, make_pooling
from ._reservoir_path import ReservoirPath
from ._stem import ConvStem
from ._tagging import TaggingHead


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
