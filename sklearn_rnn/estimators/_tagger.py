"""`SequenceTagger`, and how it reads words. Imports the shared base, metrics, layers 0 to 2."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from ..metrics import scheme_of
from ..nn import WordColumns
from ..sequences import (
    Sequences,
    StrOptions,
    Unused,
    WordRows,
    check_X,
    read_words,
)
from ..training import (
    Composition,
    Dropout,
    EarlyStopping,
    Embedding,
    Optimizer,
    StepStatistics,
    cpu_threads,
)
from ._base import BaseRNN
from ._tags import TagAnswers, TagRows, TagTarget, allowed_transitions
from ._targets import answer_of, score_of, target_of

# Longer words are read at both ends.
_WORD_LENGTH = 20
# Ends and beginnings of words that are looked up, as slices.
_AFFIXES = (slice(-2, None), slice(-3, None), slice(3))
_DIGITS = str.maketrans("0123456789", "0" * 10)


def normalise(word: str) -> str:
    """Return the form under which a word is looked up: small letters, every digit a zero."""
    return word.lower().translate(_DIGITS)


class EncodedWords:
    """Rows of words as the encoder of a fitted tagger has read them; a tagger takes them again."""

    def __init__(self, sequences: Sequences) -> None:
        self.sequences = sequences

    def __len__(self) -> int:
        return len(self.sequences)


class WordEncoder:
    """Numbers of words, of their characters, their ends and of further columns.

    Parameters
    ----------
    rows : WordRows
        The training rows.
    """

    def __init__(self, rows: WordRows) -> None:
        words = Counter(normalise(word) for row in rows.words for word in row)
        self.words = {word: number for number, word in enumerate(words, start=1)}
        # What only one word has tells no more than the word.
        self.affixes = [
            _number(affix for affix, count in Counter(w[part] for w in words).items() if count > 1)
            for part in _AFFIXES
        ]
        letters = Counter(letter for row in rows.words for word in row for letter in word)
        self.characters = {letter: number for number, letter in enumerate(letters, start=2)}
        longest = max((len(word) for row in rows.words for word in row), default=1)
        self.word_length = max(1, min(longest, _WORD_LENGTH))
        self.categories = {
            name: _number(value for row in column for value in row)
            for name, column in rows.categories.items()
        }
        self.numbers = list(rows.numbers)

    @property
    def columns(self) -> WordColumns:
        """What the columns of a step hold."""
        return WordColumns(
            n_words=len(self.words) + 1,
            n_characters=len(self.characters) + 2,
            word_length=self.word_length,
            categories=tuple(map(len, self.categories.values())),
            affixes=tuple(map(len, self.affixes)),
            n_numeric=len(self.numbers),
        )

    def encode(self, rows: WordRows) -> Sequences:
        """Return the rows as `Sequences` of numbers, or refuse other columns than in training."""
        for wanted, found in (
            (list(self.categories), list(rows.categories)),
            (self.numbers, list(rows.numbers)),
        ):
            if set(wanted) != set(found):
                raise ValueError(
                    f"Beside the words, X has the columns {found}, but the model was fitted with "
                    f"{wanted}."
                )
        offsets = np.concatenate([[0], np.cumsum(rows.lengths)])
        flat = [word for row in rows.words for word in row]
        exact = np.float64 if self.numbers else np.float32
        values = np.zeros((len(flat), self.columns.n_columns), dtype=exact)
        column = 1 + self.word_length + len(self.affixes)
        known: dict[str, np.ndarray] = {}
        for place, word in enumerate(flat):
            if word not in known:
                known[word] = self._encode_word(word)
            values[place, :column] = known[word]
        for name, numbers in self.categories.items():
            codes = [numbers.get(value, 0) for row in rows.categories[name] for value in row]
            values[:, column] = codes
            column += 1
        for name in self.numbers:
            values[:, column] = np.concatenate(rows.numbers[name])
            column += 1
        return Sequences(values, offsets)

    def _encode_word(self, word: str) -> np.ndarray:
        """Return the numbers of a word, of its characters, the middle left out, and its affixes."""
        width = self.word_length
        if len(word) > width:
            word_ends = word[: (width + 1) // 2] + word[len(word) - width // 2 :]
        else:
            word_ends = word
        found = np.zeros(1 + width + len(self.affixes), dtype=np.float32)
        normal = normalise(word)
        found[0] = self.words.get(normal, 0)
        for place, (part, numbers) in enumerate(zip(_AFFIXES, self.affixes, strict=True)):
            found[1 + width + place] = numbers.get(normal[part], 0)
        letters = [self.characters.get(letter, 1) for letter in word_ends]
        found[1 : 1 + len(letters)] = letters
        return found


def _number(values: Iterable[str]) -> dict[str, int]:
    """Number distinct values from 1 on, sorted."""
    return {value: number for number, value in enumerate(sorted(set(values)), start=1)}


# What "auto" is: rows of a batch at most, steps of the optimizer about, epochs from and to.
_LARGEST_BATCH, _STEPS, _EPOCHS = 32, 3000, (8, 100)
# Steps that are decoded at once, padding counted, for every tag of theirs.
_DECODED_AT_ONCE = 2**20
# Deviation of the first vectors of words. Measured on chunks, the same otherwise: 1 gives an F1
# of .800, 0.1 of .875.
_WORD_SCALE = 0.1


_NOT_OFFERED = {"pooling", "closed_form"}


class _TagScores(StrOptions):
    """The names that `scoring` takes; an error says what a search takes."""

    def __str__(self) -> str:
        return f"{super().__str__()} (a search takes scoring=sklearn_rnn.metrics.entity_f1_scorer)"


class SequenceTagger(BaseRNN):
    """Give every step of a sequence a label: parts of speech, entities, chunks, states.

    Use it when y has one label for each step of X: a tag for every word of a sentence, a phase for
    every frame of a recording. Words are read with their characters, and the tags of a sentence
    are decided together by a conditional random field (CRF).

    Parameters
    ----------
    hidden_size : int, default=128
        Units of the recurrence, in each direction.
    cell : {"lstm", "gru", "rnn", "rnn_relu", "rnn_sigmoid", "gru_reset_before", "cifg", \
            "mingru", "minlstm"} or type, default="lstm"
        The recurrence, as in `RNNClassifier`.
    num_layers : int, default=1
        Stacked recurrent layers.
    bidirectional : bool, default=True
        Whether a second recurrence reads each sequence from its end.
    decoder : {"auto", "crf", "softmax"}, default="auto"
        Whether the tags of a sequence are decided together, by a linear-chain CRF, or each by
        itself. ``"auto"`` is a CRF for words and tokens, and softmax for numbers.
    constraints : {"auto", None}, default="auto"
        Whether a CRF forbids what the labels' scheme forbids, such as ``I-PER`` after ``B-LOC``.
        ``"auto"`` does so when all labels are of the scheme BIO or BIOES (BILOU, BMES and BMEWO
        are the latter in other letters), with types or without, and no training row breaks it.
    ignore_label : label, default=None
        A label in y that says that a step has none, such as -100 where labels were prepared for
        torch. Such steps are read, and predicted, but teach nothing and do not count in scores; a
        CRF sums over all tags that they may have.
    stem : {"conv", None}, default=None
        ``"conv"`` puts a small convolution over time before the recurrence.
    dropout : float or Dropout, default=0.3
        Share of the inputs of words or tokens, of the outputs between stacked layers and of the
        recurrence's outputs that training sets to zero at random; in [0, 1). A `Dropout` also has
        the share of the weights from state to state.
    layer_norm : bool, default=False
        Whether the outputs of every recurrent layer are normalised over its units.
    embedding : int or Embedding, default=100
        Size of the vector learned for each word or token. An `Embedding` also has the size of the
        vector made from the characters of a word, and the share of the words that training takes
        as unknown.
    missing : {"auto", "indicator", "mean", "error"}, default="auto"
        What to do with NaN in sequences of numbers, as in `RNNClassifier`.
    optimizer : {"adamw", "adam", "sgd", "rmsprop"}, callable or Optimizer, default="adamw"
        A name, any torch optimizer class, or an `Optimizer`, which also has weight decay, the
        schedule of the learning rate, the clipping of gradients and the scale of the first weights.
        ``functools.partial`` sets an optimizer's own options.
    learning_rate : float, default=5e-3
        Learning rate, the peak of the schedule.
    batch_size : int or "auto", default="auto"
        Sequences a step. ``"auto"`` is a sixteenth of them, as a power of two from 16 to 32.
    max_epochs : int or "auto", default="auto"
        Passes over the data. ``"auto"`` makes about 3,000 steps, in 8 to 100 epochs.
    early_stopping : bool or EarlyStopping, default=False
        Whether to hold out a part of the training data, stop when its score stands still, and
        restore the weights of the best epoch. An `EarlyStopping` also says how large the part is,
        and how long the score may stand still.
    scoring : {"token_accuracy", "entity_f1"}, default="token_accuracy"
        What `score`, and with it a grid search, and early stopping go by. A search that goes by
        something else than its estimators takes ``scoring=metrics.entity_f1_scorer``.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last fit.
    device : str, default="auto"
        ``"auto"`` (CUDA where there is one, else the CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"``
        or ``"mps"``.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Number type of the products.
    n_jobs : int, default=None
        CPU threads. None means one; -1 means all.
    random_state : int, RandomState instance or None, default=None
        Seeds initial weights, shuffling, dropout and the validation split.
    verbose : int, default=0
        1 shows a progress bar with loss, score and time left.
    callbacks : list of skorch callbacks, default=None
        Told of every epoch and batch, beside ours, such as ``skorch.callbacks.Checkpoint``; also
        classes, and pairs of a name and one. They are used as they are, not copied.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The tags, sorted.
    sequence_classes_ : ndarray of shape (n_labels,) or None
        The labels of whole sequences, sorted, where y had them.
    scheme_ : {"BIO", "BIOES"} or None
        The scheme whose rules the CRF keeps.
    n_features_in_ : int
        Columns of a frame; otherwise as in `RNNClassifier`.
    feature_names_in_ : ndarray of str
        Column names, when X was a frame.
    n_iter_ : int
        Epochs trained.
    loss_curve_ : list of float
        Mean training loss of every epoch.
    validation_scores_ : list of float or None
        Score on the validation set after every epoch, where there is one.
    best_validation_score_ : float or None
        The best of them.
    history_ : pandas.DataFrame
        One row an epoch: losses, score, learning rate, seconds.
    net_ : skorch.NeuralNet
        The trained net; ``net_.module_`` is the torch network, ``net_.history`` what each epoch
        came to, and ``net_.predict`` answers as the estimator does.
    input_, core_, head_ : str
        The network in words.
    n_weights_ : int
        Number of trained weights.

    See Also
    --------
    RNNClassifier : One label for a whole sequence.
    sklearn_rnn.metrics.entity_f1_score : The score of entities.

    Notes
    -----
    X is a list of lists of words; a list of lists of tuples, a word first, then strings and numbers
    that belong to it; a data frame whose first column of lists of strings holds the words, other
    columns of lists being further inputs; `Sequences` of tokens; or sequences of numbers in any of
    the forms that `RNNClassifier` takes. A column that marks the predicate makes semantic role
    labelling a tagging problem.

    y is a list with a list of labels for each sequence. If its rows are pairs of a label and a
    list of labels, one model learns both (intent and slots), and `predict` returns such pairs.

    References
    ----------
    G. Lample et al., "Neural architectures for named entity recognition", NAACL 2016.

    Examples
    --------
    >>> from sklearn_rnn import SequenceTagger
    >>> X = [["fly", "to", "Rome"], ["to", "New", "York"], ["fly", "now"], ["Rome", "please"]] * 5
    >>> y = [["O", "O", "B-city"], ["O", "B-city", "I-city"], ["O", "O"], ["B-city", "O"]] * 5
    >>> tagger = SequenceTagger(hidden_size=16, random_state=0).fit(X, y)
    >>> tagger.predict([["to", "Rome"], ["fly", "to", "New", "York"]])
    [['O', 'B-city'], ['O', 'O', 'B-city', 'I-city']]
    >>> tagger.predict([["to"], []])
    Traceback (most recent call last):
    ...
    ValueError: Row 1 has no words; drop the row from X and y.
    """

    _parameter_constraints = {
        **{
            name: bounds
            for name, bounds in BaseRNN._parameter_constraints.items()
            if name not in _NOT_OFFERED
        },
        "decoder": [StrOptions({"auto", "crf", "softmax"})],
        "constraints": [StrOptions({"auto"}), None],
        "ignore_label": [object],
        "scoring": [_TagScores({"token_accuracy", "entity_f1"})],
    }

    _composed = {
        **BaseRNN._composed,
        "dropout": Composition(Dropout, auto={"outputs": 0.3}),
        "embedding": Composition(
            Embedding, ("dropout", "variational"), {"size": 100, "word_dropout": 0.1}
        ),
        "optimizer": Composition(Optimizer, ("tbptt_steps", "gradient_checkpointing")),
    }
    _unused = (
        *BaseRNN._unused,
        Unused(
            ("embedding__characters",),
            lambda model: model._config.words is None,
            "it is for words, whose characters are read",
        ),
        Unused(
            ("constraints",),
            lambda model: not model._config.crf,
            "each tag is decided by itself; decoder='crf' keeps to them",
        ),
    )

    # What other estimators offer as parameters.
    closed_form = False
    loss = None
    pooling = "none"

    feature_names_in_: np.ndarray
    _kinds = (TagTarget,)
    _words: WordEncoder | None

    def __init__(
        self,
        hidden_size: int = 128,
        *,
        cell: str | type = "lstm",
        num_layers: int = 1,
        bidirectional: bool = True,
        decoder: str = "auto",
        constraints: str | None = "auto",
        ignore_label: Any = None,
        stem: str | None = None,
        dropout: float | Dropout = 0.3,
        layer_norm: bool = False,
        embedding: int | Embedding = 100,
        missing: str = "auto",
        optimizer: Any = "adamw",
        learning_rate: float = 5e-3,
        batch_size: int | str = "auto",
        max_epochs: int | str = "auto",
        early_stopping: bool | EarlyStopping = False,
        scoring: str = "token_accuracy",
        warm_start: bool = False,
        device: str = "auto",
        precision: str = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        callbacks: Any = None,
    ) -> None:
        self.hidden_size = hidden_size
        self.cell = cell
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.decoder = decoder
        self.constraints = constraints
        self.ignore_label = ignore_label
        self.stem = stem
        self.dropout = dropout
        self.layer_norm = layer_norm
        self.embedding = embedding
        self.missing = missing
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.scoring = scoring
        self.warm_start = warm_start
        self.device = device
        self.precision = precision
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    # ---------------------------------------------------------------- inputs and targets

    def _as_given(self, sequences: Sequences) -> Any:
        return sequences if self._words is None else EncodedWords(sequences)

    def _read_X(self, X: Any, *, reset: bool) -> Sequences:
        if isinstance(X, EncodedWords):
            return X.sequences
        rows = read_words(X)
        if rows is None:
            _refuse_unsplit(X, words=not reset and self._words is not None)
        if reset:
            self._words = None if rows is None else WordEncoder(rows)
        elif (rows is None) != (self._words is None):
            forms = ("rows of words", "other sequences")
            raise TypeError(
                f"X holds {forms[rows is None]}, but {type(self).__name__} was fitted on "
                f"{forms[self._words is None]}."
            )
        if rows is None:
            return check_X(self, X, reset=reset)
        assert self._words is not None, "there are vocabularies for words"
        if reset:
            for name in ("n_features_in_", "feature_names_in_"):
                self.__dict__.pop(name, None)
            if rows.names is not None:
                self.n_features_in_ = len(rows.names)
                self.feature_names_in_ = np.array(rows.names, dtype=object)
        return self._words.encode(rows)

    def _make_target(self, y: TagRows, sequences: Sequences, classes: Any = None) -> TagTarget:
        target: Any = target_of(self, y, sequences, classes, ignore_label=self.ignore_label)
        wanted = scheme_of(self.classes_) if self.constraints == "auto" else None
        rows = [target.encode_tags(row) for row in y.tags]
        self._allowed = allowed_transitions(self.classes_.tolist(), rows, wanted)
        self.scheme_ = wanted if self._allowed is not None and self._crf(sequences) else None
        return target

    def _crf(self, sequences: Sequences) -> bool:
        """Tell whether tags are decided together."""
        if self.decoder == "auto":
            return self._words is not None or sequences.is_tokens
        return self.decoder == "crf"

    def _architecture(self, sequences: Sequences, *, indicator: bool) -> dict[str, Any]:
        """Add what only tagging has."""
        reads_text = self._words is not None or sequences.is_tokens
        embedding, dropout = self._settings("embedding"), self._settings("dropout")
        return {
            **super()._architecture(sequences, indicator=indicator and self._words is None),
            "words": None if self._words is None else self._words.columns,
            "embedding_dropout": float(dropout.outputs) if reads_text else 0.0,
            "character_size": int(embedding.characters),
            "word_dropout": float(embedding.word_dropout),
            "crf": self._crf(sequences),
        }

    def _auto_batch_size(self, n_sequences: int, *, tokens: bool) -> int:
        return min(_LARGEST_BATCH, super()._auto_batch_size(n_sequences, tokens=False))

    def _auto_epochs(self, n_sequences: int, batch_size: int, *, tokens: bool) -> int:
        steps = -(-n_sequences // batch_size)
        return int(np.clip(_STEPS // steps, *_EPOCHS))

    def _finish_network(self, network: Any) -> None:
        """Put the constraints in."""
        if network.head.crf is not None and self._allowed is not None:
            network.head.crf.constrain(*map(torch.from_numpy, self._allowed))
        if self._words is not None and self._settings("optimizer").initial_scale is None:
            network.input.shrink(_WORD_SCALE)

    def _statistics(self, sequences: Sequences, rows: np.ndarray) -> StepStatistics | None:
        found = super()._statistics(sequences, rows)
        if found is None or found.origin is None or self._words is None:
            return found
        # The numbers of words, letters and categories are names, and stay as they are.
        columns = self._words.columns
        names = np.arange(columns.n_columns) < columns.n_columns - columns.n_numeric
        origin = np.where(names, 0.0, found.origin)
        return replace(found, origin=origin if origin.any() else None)

    # ---------------------------------------------------------------- prediction

    def _raw(self, sequences: Sequences) -> torch.Tensor:
        """Return the head's raw scores, flat by step."""
        network: Any = self.net_.network_for(torch.float32)
        found = self._run_over(
            sequences,
            lambda b: network.answer(b.x, b.lengths, b.static).float(),
            lambda run: run.answer(),
            network=network,
            per_step=self._target.by_step,
        )
        return torch.from_numpy(found)

    @cpu_threads(1)
    def _decode(
        self, sequences: Sequences, raw: torch.Tensor, what: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return tags or their probabilities, flat by step, and the labels of the sequences."""
        # The fitted head stays where it is.
        head: Any = copy.deepcopy(self.net_.module_.head).to("cpu")
        lengths = np.asarray(sequences.lengths)
        offsets = np.asarray(sequences.offsets)
        order = np.argsort(lengths, kind="stable")
        tags: np.ndarray | None = None
        labels = np.empty(len(lengths), dtype=np.int64)
        with torch.inference_mode(), cpu_threads(self._n_threads()):
            start = 0
            while start < len(order):
                stop = start + 1
                limit = _DECODED_AT_ONCE // raw.shape[1]
                while stop < len(order) and (stop + 1 - start) * lengths[order[stop]] <= limit:
                    stop += 1
                part = order[start:stop]
                steps = np.concatenate([np.arange(offsets[i], offsets[i + 1]) for i in part])
                own, counts = raw[torch.from_numpy(steps)], torch.from_numpy(lengths[part])
                found = (head.best_tags if what == "tags" else head.decode)(own, counts).numpy()
                if tags is None:
                    tags = np.empty((len(raw), *found.shape[1:]), dtype=found.dtype)
                tags[steps] = found
                if head.n_labels:
                    labels[part] = head.label_scores(own, counts).argmax(1).numpy()
                start = stop
        assert tags is not None, "there is at least one row"
        return tags, labels

    def _predict_raw(  # type: ignore[override]
        self, sequences: Sequences, scoring: Any = None
    ) -> TagAnswers:
        """Return what the network says of sequences, decoded when it is asked for."""
        decoded = partial(self._decode, sequences, self._raw(sequences))
        return TagAnswers(decoded, scoring or self.scoring)

    def predict(self, X: Any) -> list[Any]:
        """Return the tags of every sequence.

        Parameters
        ----------
        X : list of lists of words, frame, Sequences, or sequences of numbers
            As in `fit`.

        Returns
        -------
        tags : list of lists
            One label for each step; pairs of a label and such a list if y held pairs. With a CRF
            the most probable sequence of tags as a whole.
        """
        found: list[Any] = answer_of(self, X, "decode")
        return found

    def predict_proba(self, X: Any) -> list[np.ndarray]:
        """Return the probability of every tag at every step.

        Parameters
        ----------
        X : list of lists of words, frame, Sequences, or sequences of numbers
            As in `fit`.

        Returns
        -------
        probabilities : list of ndarray of shape (n_steps_i, n_classes), float32
            With a CRF the marginal probabilities, over all sequences of tags. Columns are in the
            order of `classes_`.
        """
        found: list[np.ndarray] = answer_of(self, X, "probabilities")
        return found

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return token accuracy or the F1 of entities, as `scoring` says.

        Parameters
        ----------
        X : list of lists of words, frame, Sequences, or sequences of numbers
            As in `fit`.
        y : list of lists of labels
            The true tags. Of pairs, only the tags are scored.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence.

        Returns
        -------
        score : float
            From 0 to 1; higher is better.
        """
        return score_of(self, X, y, sample_weight)

    def _score_tags(
        self, X: Any, y: Any, metric: Callable[..., Any], sample_weight: Any = None
    ) -> float:
        """Return what a metric says of the predicted tags; scorers call it."""
        return score_of(self, X, y, sample_weight, scoring=metric)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.target_tags.required = True
        return tags


def _refuse_unsplit(X: Any, *, words: bool) -> None:
    """Refuse strings in the place of words, and nothing where `words` were fitted."""
    if isinstance(X, str):
        raise TypeError("X is a single string; for one sentence pass [text.split()].")
    rows = X.to_list() if hasattr(X, "to_list") and getattr(X, "ndim", 1) == 1 else X
    if not isinstance(rows, (list, tuple)):
        return
    if not len(rows):
        if words:
            raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
        return
    if isinstance(rows[0], str):
        raise TypeError(
            "Row 0 is a string; a tagger needs its words, as many as there are tags: split it, as "
            "in [text.split() for text in X]. One sentence that is split already is [words]."
        )
    if words and isinstance(rows[0], (list, tuple)) and not rows[0]:
        raise ValueError("Row 0 has no words; drop the row.")
