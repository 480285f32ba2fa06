"""TextTokenizer: raw strings to token `Sequences`; imports `sequences` and its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.validation import check_is_fitted

from ..sequences import (
    Array,
    HasMethods,
    Interval,
    Lexicon,
    Sequences,
    StrOptions,
    Versioned,
    _fit_context,
    all_or_nothing,
    labels_as_parts,
    warn,
)
from ._base import with_fit_task
from ._subwords import Subwords, train_subwords
from ._texts import FollowingText, Row, Texts, cut_times, join_rows, read_texts
from ._vocabulary import PAD, UNKNOWN, Vocabulary, find_vectors
from ._words import CAPITALISED, CAPITALS, Normalization, cut_rows, join_words, make_cleaner

# Subwords learned where max_vocabulary says nothing.
_SUBWORDS = 8000


class TextTokenizer(
    Versioned,
    CallbackSupportMixin,
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Turn texts into `Sequences` of tokens.

    Use it in front of an estimator when X holds strings, in any language. In scripts that write
    spaces a token is a word, with its marks, its inner apostrophes and a hash or an at before it.
    Chinese characters, kana, and the characters of Thai, Lao, Khmer, Burmese and Tibetan are tokens
    by themselves, and so are punctuation marks and emoji. No row is lost: a text without a token
    becomes one unknown token.

    Parameters
    ----------
    analyzer : {"word", "char", "subword"} or callable, default="word"
        What a token is. A callable takes a text, as it is, and returns a list of strings.
    lowercase : bool or "mark", default="mark"
        Whether capitals count as small letters. With ``"mark"`` they do, and further tokens say
        where they were: ``"<Xx>"`` stands before one or more words that begin with a capital,
        unless they begin a sentence, and ``"<XX>"`` before words in capitals throughout. Only words
        that are cut from strings get such marks, and none do with ``characters=True``; then it is
        as True.
    normalization : {"NFC", "NFD", "NFKC", "NFKD"} or None, default="NFKC"
        Unicode normal form into which texts are brought first. NFKC writes full-width letters,
        ligatures and the like as ordinary letters. With NFKC and NFKD a typographic apostrophe
        between letters becomes the plain one. Invisible marks, such as marks of direction and soft
        hyphens, are removed in any case.
    max_vocabulary : int, default=None
        Largest number of tokens, with the reserved ones. The most frequent are kept. None keeps
        all; of subwords it learns 8,000.
    min_count : int, default=1
        Tokens that occur less often in the training texts are unknown.
    unknown : {"alike", "token"}, default="alike"
        What an unknown word becomes. ``"alike"``: a known word that begins like it, if both have at
        least four letters and three fifths of the longer word in common, as ``"clears"`` and
        ``"clear"``; otherwise the unknown token. ``"token"``: always the unknown token, as with
        other analyzers.
    special_tokens : sequence of str, default=()
        Reserved tokens of your own, numbered from 2 on. They are found in texts as they are
        written, and never cut.
    max_length : int, default=None
        Longest sequence, in tokens. Longer ones are cut, with one warning that counts them. None
        cuts nothing.
    truncate : {"end", "start"}, default="end"
        The side that is cut off.
    subword_model : {"bpe", "unigram"}, default="bpe"
        How subwords are learned, with ``analyzer="subword"``: by byte-pair encoding or a unigram
        language model. Needs the package tokenizers (``pip install 'sklearn-rnn[text]'``).
    characters : bool, default=False
        Whether to learn the characters of words too, for `transform_characters`.
    vectors : path or mapping, default=None
        Pretrained word vectors: a text file of word2vec's or GloVe's form, or a mapping from words
        to arrays. The vectors of known words are in `vectors_`. They go along with the sequences,
        and the embeddings of an estimator start from them.
    column : column name, default=None
        The column of a data frame that holds the texts. None takes the only column of strings.
        The other columns become static features.
    times : column name, default=None
        The column of a data frame that holds, beside lists of words, lists of their times: numbers,
        dates or durations. The estimator then knows how long ago the word before was.

    Attributes
    ----------
    vocabulary_ : dict of str to int
        The number of each token. 0 is reserved for padding, 1 for unknown tokens.
    tokens_ : ndarray of str objects of shape (n_tokens,)
        The tokens by their numbers.
    vectors_ : ndarray of shape (n_tokens, size), float32, or None
        Pretrained vectors, NaN for tokens that have none.
    n_truncated_ : int
        How many of the training texts were cut.
    n_features_in_ : int
        Columns of X, where it was a frame; otherwise not set.
    feature_names_in_ : ndarray of str
        Names of the columns, where X was a frame.

    See Also
    --------
    sklearn_rnn.RNNClassifier : Classifies the sequences; put it behind in a pipeline.

    Notes
    -----
    In a list of lists of words every word is one token, after it was cleaned. `set_output` has no
    effect: the result is always `Sequences`, which alone can say that integers are tokens.

    References
    ----------
    Unicode Standard Annex 15, "Unicode normalization forms". R. Sennrich, B. Haddow, A. Birch,
    "Neural machine translation of rare words with subword units", ACL 2016. T. Kudo, "Subword
    regularization", ACL 2018.

    Examples
    --------
    >>> from sklearn_rnn.preprocessing import TextTokenizer
    >>> tokenizer = TextTokenizer()
    >>> X = tokenizer.fit_transform(["I love this movie", "I don't!", ""])
    >>> X
    Sequences(n=3, vocabulary_size=8, lengths=1-4, dtype=int64)
    >>> tokenizer.inverse_transform(X)
    ['i love this movie', "i don't !", '<unk>']
    >>> tokenizer.transform(["I love it", None])
    Traceback (most recent call last):
        ...
    TypeError: Row 1 is missing (None); drop the row from X and y, or put '' for a text that is \
empty.
    """

    _parameter_constraints: dict[str, Any] = {
        "analyzer": [StrOptions({"word", "char", "subword"}), callable],
        "lowercase": ["boolean", StrOptions({"mark"})],
        "normalization": [StrOptions({"NFC", "NFD", "NFKC", "NFKD"}), None],
        "max_vocabulary": [Interval(Integral, 3, None, closed="left"), None],
        "min_count": [Interval(Integral, 1, None, closed="left")],
        "unknown": [StrOptions({"alike", "token"})],
        "special_tokens": [list, tuple],
        "max_length": [Interval(Integral, 1, None, closed="left"), None],
        "truncate": [StrOptions({"end", "start"})],
        "subword_model": [StrOptions({"bpe", "unigram"})],
        "characters": ["boolean"],
        "vectors": [str, HasMethods("__fspath__"), HasMethods("__getitem__"), None],
        "column": "no_validation",
        "times": "no_validation",
    }

    feature_names_in_: Array

    def __init__(
        self,
        analyzer: str | Callable[[str], list[str]] = "word",
        *,
        lowercase: bool | str = "mark",
        normalization: Normalization | None = "NFKC",
        max_vocabulary: int | None = None,
        min_count: int = 1,
        unknown: str = "alike",
        special_tokens: Iterable[str] = (),
        max_length: int | None = None,
        truncate: str = "end",
        subword_model: str = "bpe",
        characters: bool = False,
        vectors: Any = None,
        column: Any = None,
        times: Any = None,
    ) -> None:
        self.analyzer = analyzer
        self.lowercase = lowercase
        self.normalization = normalization
        self.max_vocabulary = max_vocabulary
        self.min_count = min_count
        self.unknown = unknown
        self.special_tokens = special_tokens
        self.max_length = max_length
        self.truncate = truncate
        self.subword_model = subword_model
        self.characters = characters
        self.vectors = vectors
        self.column = column
        self.times = times

    # ---------------------------------------------------------------- learning

    @with_fit_task
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the vocabulary.

        Parameters
        ----------
        X : list of str, list of lists of str, array, column or data frame
            The training texts, one for each row.
        y : ignored
            Present so that the transformer fits into a pipeline.

        Returns
        -------
        self : TextTokenizer
            The fitted tokenizer.

        Raises
        ------
        TypeError, ValueError
            When a row is no text; it is named.
        """
        self._start()
        self._learn(self._remember(X))
        return self

    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn more of the vocabulary from more texts; numbers once given stay.

        Set `max_vocabulary` to feed an estimator between the calls: its room is then kept from the
        first call on, and the `vocabulary_size` of what `transform` returns does not change.

        Parameters
        ----------
        X : list of str, list of lists of str, array, column or data frame
            Some texts.
        y : ignored
            Present so that the transformer fits into a pipeline.

        Returns
        -------
        self : TextTokenizer
            The tokenizer.
        """
        if self.analyzer == "subword":
            raise ValueError(
                "analyzer='subword' learns from all texts at once; call fit, or choose 'word' or "
                "'char' for a stream."
            )
        if not hasattr(self, "_vocabulary"):
            self._start()
            texts = self._remember(X)
        else:
            texts = self._read(X)
            known = {k: v.copy() for k, v in vars(self).items() if isinstance(v, Vocabulary)}
            self.__dict__.update(known)
        self._streamed = True
        self._learn(texts)
        return self

    def _start(self) -> None:
        """Forget everything."""
        special = tuple(self.special_tokens)
        if any(not isinstance(token, str) or not token for token in special):
            raise ValueError(f"special_tokens must be non-empty strings; got {special!r}.")
        if len(set(special)) < len(special) or {"<pad>", "<unk>"} & set(special):
            raise ValueError(
                f"special_tokens must be distinct and other than '<pad>' and '<unk>'; got "
                f"{special!r}."
            )
        size = None if self.max_vocabulary is None else int(self.max_vocabulary)
        if size is not None and size < len(special) + 2:
            raise ValueError(
                f"max_vocabulary={size} leaves no room for {len(special)} special tokens and the "
                "two for padding and unknown tokens."
            )
        alike = self.analyzer == "word" and self.unknown == "alike"
        self._vocabulary = Vocabulary(special, int(self.min_count), size, alike=alike)
        self._character_vocabulary = Vocabulary((), 1, None) if self.characters else None
        self._subwords: Subwords | None = None
        self._streamed = False
        self.n_truncated_ = 0

    def _learn(self, texts: Texts) -> None:
        """Count the tokens of texts and give them numbers."""
        if self.analyzer == "subword":
            vocabulary = self._vocabulary
            rows = list(self._tokenized(texts.rows))
            special = set(vocabulary.reserved)
            self._subwords = train_subwords(
                [[unit for unit in row if unit not in special] for row in rows],
                self.subword_model,
                size=vocabulary.size or _SUBWORDS,
                min_count=vocabulary.min_count,
                reserved=vocabulary.reserved,
            )
            vocabulary.index = {token: i for i, token in enumerate(self._subwords.tokens)}
            if self.max_length is not None:
                lengths = map(len, self._subwords.encode(rows))
                self.n_truncated_ = sum(length > self.max_length for length in lengths)
        else:
            self._vocabulary.count(self._counted(texts.rows))
            self._vocabulary.grow()
        if self._character_vocabulary is not None:
            self._character_vocabulary.count(map(list, chain.from_iterable(self._words(texts))))
            self._character_vocabulary.grow()
        self.vocabulary_ = dict(self._vocabulary.index)
        self.tokens_ = self._vocabulary.tokens()
        self.vectors_ = self._find_vectors()
        self._lexicon = Lexicon(self.tokens_, self.vectors_)
        if self.n_truncated_:
            self._warn_of_cutting(self.n_truncated_, len(texts.rows))

    def _counted(self, rows: list[Row]) -> Iterator[list[str]]:
        """Yield the tokens of each row, noting how many rows are too long."""
        special = set(self._vocabulary.reserved)
        for row in self._tokenized(rows):
            if self.max_length is not None and len(row) > self.max_length:
                self.n_truncated_ += 1
            yield [token for token in row if token and token not in special]

    def _find_vectors(self) -> Array | None:
        """Return the pretrained vectors of the vocabulary, NaN where there is none."""
        if self.vectors is None:
            return None
        found = find_vectors(self.vectors, self.vocabulary_)
        if not found:
            raise ValueError(
                "vectors has no token of the vocabulary; is it in the same case (lowercase="
                f"{self.lowercase}) and language?"
            )
        size = len(next(iter(found.values())))
        vectors = np.full((len(self.vocabulary_), size), np.nan, dtype=np.float32)
        for token, vector in found.items():
            vectors[self.vocabulary_[token]] = vector
        return vectors

    # ---------------------------------------------------------------- transforming

    @all_or_nothing
    def fit_transform(self, X: Any, y: Any = None) -> Sequences:
        """Learn the vocabulary and return the training texts as sequences of tokens.

        Parameters
        ----------
        X : list of str, list of lists of str, array, column or data frame
            The training texts, one for each row; an iterator is read once.
        y : ignored
            Present so that the transformer fits into a pipeline.

        Returns
        -------
        Sequences
            As from `transform`.
        """
        X = list(X) if isinstance(X, Iterator) else X
        return self.fit(X, y).transform(X)

    def transform(self, X: Any) -> Sequences:
        """Turn texts into sequences of tokens.

        Parameters
        ----------
        X : list of str, list of lists of str, array, column or data frame
            Texts, one for each row; a frame with the columns seen in `fit`.

        Returns
        -------
        Sequences
            One sequence for each row, with `vocabulary_size` set, and the other columns of a frame
            as static features.

        Raises
        ------
        TypeError, ValueError
            When a row is no text; it is named.
        """
        check_is_fitted(self, "vocabulary_")
        texts = self._read(X)
        return self._sequences(self._encoded(texts.rows), texts)._with(**labels_as_parts(X))

    def transform_characters(self, X: Any) -> Sequences:
        """Return the characters of every word, one sequence for each word, row after row.

        Parameters
        ----------
        X : as in `transform`
            Texts, or lists of words.

        Returns
        -------
        Sequences
            One sequence for each token that `transform` gives, in their order. Its tokens are
            numbers of `characters_`.
        """
        check_is_fitted(self, "vocabulary_")
        vocabulary = self._character_vocabulary
        if vocabulary is None:
            raise ValueError("Set characters=True before fit to learn the characters of words.")
        words = chain.from_iterable(self._words(self._read(X)))
        rows = [vocabulary.encode(list(word)) or [UNKNOWN] for word in words]
        return join_rows(rows, len(vocabulary.index))

    @property
    def characters_(self) -> Array:
        """Characters of words by their numbers, with ``characters=True``."""
        vocabulary = self.__dict__.get("_character_vocabulary")
        if vocabulary is None:
            raise AttributeError("There are characters_ after fit with characters=True alone.")
        tokens: Array = vocabulary.tokens()
        return tokens

    def inverse_transform(self, X: Any) -> list[Any]:
        """Return texts from tokens.

        Parameters
        ----------
        X : Sequences or list of arrays of int
            Numbers of `tokens_`; those of padding are left out.

        Returns
        -------
        list of str, or list of lists of str
            Cleaned texts, words joined by spaces where their script has them; lists of words if
            the tokenizer was fitted on such. Unknown tokens read "<unk>".
        """
        check_is_fitted(self, "vocabulary_")
        found: list[Any] = []
        for number, row in enumerate(X):
            ids = np.asarray(row).reshape(-1)
            if ids.dtype.kind not in "iu" or (
                ids.size and not 0 <= ids.min() <= ids.max() < len(self.tokens_)
            ):
                raise ValueError(
                    f"Row {number} holds what is no token: numbers from 0 to "
                    f"{len(self.tokens_) - 1} are."
                )
            found.append(self._joined(self.tokens_[ids[ids != PAD]].tolist()))
        return found

    def _joined(self, tokens: list[str]) -> Any:
        """Put the tokens of a row together."""
        if self._pretokenized:
            return tokens
        if self.analyzer == "char":
            return "".join(tokens)
        if self.analyzer == "subword":
            return "".join(tokens).replace("\u2581", " ").strip()
        return join_words([token for token in tokens if token not in self._marks()])

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the name of the channel of tokens; the tokens themselves are in `tokens_`.

        Parameters
        ----------
        input_features : array of str, default=None
            A name to use in place of that of the column seen in `fit`.

        Returns
        -------
        ndarray of str objects of shape (1,)
            The name of the column of texts, or "tokens".
        """
        check_is_fitted(self, "vocabulary_")
        if input_features is not None and len(input_features) == 1:
            return np.asarray(input_features, dtype=object)
        return np.array([self._column_in or "tokens"], dtype=object)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Do nothing: the output is always `Sequences`.

        Parameters
        ----------
        transform : ignored
            Present so that the transformer fits into a pipeline that is asked for frames.

        Returns
        -------
        self : TextTokenizer
            The transformer, unchanged.
        """
        return self

    # ---------------------------------------------------------------- inside

    def _remember(self, X: Any) -> Texts:
        """Read X and remember what its columns were."""
        texts = read_texts(X, self.column, self.times)
        self._column_in, self._static_in = texts.column, texts.static_names
        self._pretokenized = not isinstance(texts.rows[0], str)
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
        if texts.columns is not None or getattr(X, "ndim", 1) == 2:
            self.n_features_in_ = len(texts.columns or (0,))
        if texts.columns is not None:
            self.feature_names_in_ = np.array(texts.columns, dtype=object)
        self._check_form()
        return texts

    def _check_form(self) -> None:
        """Refuse analyzers of strings for lists of words."""
        if self._pretokenized and self.analyzer in ("char", "subword"):
            raise ValueError(
                f"analyzer={self.analyzer!r} cuts strings, but X holds lists of words; join them, "
                "or choose analyzer='word' (with characters=True for their characters)."
            )

    def _read(self, X: Any) -> Texts:
        """Read X and check it against what was seen in `fit`."""
        texts = read_texts(X, self._column_in if self._static_in else self.column, self.times)
        if (texts.static_names or ()) != (self._static_in or ()):
            missing = [n for n in self._static_in or () if n not in (texts.static_names or ())]
            unseen = [n for n in texts.static_names or () if n not in (self._static_in or ())]
            if missing or unseen:
                raise ValueError(
                    "The columns beside the texts should match those that TextTokenizer was fitted "
                    f"with; missing: {missing}, unseen at fit: {unseen}."
                )
        named = texts.columns is not None and hasattr(self, "feature_names_in_")
        if named and texts.column != self._column_in:
            raise ValueError(
                f"The feature names should match those that were passed during fit: X has the "
                f"column {texts.column!r}, but TextTokenizer was fitted on {self._column_in!r}."
            )
        if self._pretokenized == isinstance(texts.rows[0], str):
            forms = ("strings", "lists of words")
            raise TypeError(
                f"X holds {forms[not self._pretokenized]}, but TextTokenizer was fitted on "
                f"{forms[self._pretokenized]}."
            )
        return texts

    def _encoded(self, rows: list[Row]) -> list[list[int]]:
        """Return the numbers of the tokens of each row, cut to length."""
        if self._subwords is not None:
            found = self._subwords.encode(list(self._tokenized(rows)))
        else:
            # Marks that training has not seen say nothing, and are no unknown words.
            new = self._marks().difference(self._vocabulary.index)
            found = [
                self._vocabulary.encode([token for token in row if token not in new])
                for row in self._tokenized(rows)
            ]
        limit = self.max_length
        if limit is None:
            return found
        too_long = sum(len(row) > limit for row in found)
        if too_long and not self.n_truncated_:
            self._warn_of_cutting(too_long, len(rows))
        if self.truncate == "end":
            return [row[:limit] for row in found]
        return [row[-limit:] for row in found]

    def _following(self) -> FollowingText:
        """Return the tokenizer for one text as it comes in."""
        return FollowingText(self)

    def _sequences(self, rows: list[list[int]], texts: Texts) -> Sequences:
        """Join rows of numbers, an empty one as one unknown token."""
        size = len(self.vocabulary_)
        if self._streamed and self.max_vocabulary is not None:
            size = int(self.max_vocabulary)
        return join_rows(
            [row or [UNKNOWN] for row in rows],
            size,
            lexicon=self._lexicon,
            channel_names=None if self._column_in is None else [self._column_in],
            static=texts.static,
            static_names=texts.static_names,
            static_categories=texts.static_categories,
            times=cut_times(texts.times, rows, self.truncate),
        )

    def _words(self, texts: Texts) -> Iterator[list[str]]:
        """Yield the words of each row as `transform` sees them, one at least."""
        limit = self.max_length
        for row in self._tokenized(texts.rows):
            if limit is not None:
                row = row[:limit] if self.truncate == "end" else row[-limit:]
            yield row or [""]

    def _marks(self) -> set[str]:
        """Return the tokens that say where capitals were: none where nothing is marked."""
        cuts = self.analyzer == "word" and not self._pretokenized and not self.characters
        return {CAPITALISED, CAPITALS} if self.lowercase == "mark" and cuts else set()

    def _tokenized(self, rows: list[Row]) -> Iterator[list[str]]:
        """Yield the tokens of each row; of subwords, the words with their marks of spaces."""
        marks = bool(self._marks())
        clean = make_cleaner(self.normalization, bool(self.lowercase) and not marks)
        cut = "marked words" if marks else self.analyzer
        return cut_rows(rows, cut, clean, self._vocabulary.reserved[2:])

    def _warn_of_cutting(self, count: int, total: int) -> None:
        """Say how many texts are cut."""
        warn(
            f"{count} of {total} texts have more than max_length={self.max_length} tokens; their "
            f"{self.truncate} is cut off.",
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags
