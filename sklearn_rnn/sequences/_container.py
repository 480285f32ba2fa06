"""The ragged container Sequences: flat values plus offsets; imports its neighbours in this room."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

import numpy as np

from ._flat import FlatSequences, Labels, as_ids, concatenate_parts, labels_as_parts
from ._frames import as_names, frame_parts, is_frame, long_parts, shared_columns, static_table
from ._values import (
    Array,
    as_numbers,
    as_times,
    check_lengths,
    flatten_dense,
    flatten_list,
    flatten_padded,
    join_plain,
    pad,
)


class Sequences(FlatSequences):
    """Hold sequences of unequal length as two flat arrays.

    Use it where a list of arrays is not enough. It is indexed like an array of samples, so
    scikit-learn's splitters, searches and pipelines take it as `X`. It has times and static
    features, and needs no copy of a memory-mapped file or an Arrow column.

    Parameters
    ----------
    values : array of shape (total_steps, n_channels) or (total_steps,)
        The steps of all sequences, one sequence after the other. float32 and float64 are kept
        without a copy; other numbers become float64. NaN means missing.
    offsets : array of int of shape (n_sequences + 1,)
        Sequence `i` is `values[offsets[i]:offsets[i + 1]]`; no sequence may be empty.
    vocabulary_size : int, default=None
        Set it to say that the values are tokens, integers in [0, vocabulary_size), to be embedded.
        None means numbers.
    times : array of shape (total_steps,), default=None
        Time of each step, increasing within each sequence. Dates and durations become seconds. None
        means evenly spaced.
    static : array of shape (n_sequences, n_static), default=None
        Features of the sequence as a whole. Categories are stored as codes; NaN means missing.
    channel_names : sequence of str, default=None
        Names of the channels.
    static_names : sequence of str, default=None
        Names of the static features.
    static_categories : sequence of (tuple of labels or None), default=None
        For each static feature the labels that its codes stand for, or None for a number.
    lexicon : Lexicon, default=None
        How the tokens are spelled, and pretrained vectors of them, as a tokenizer knows it.
    ids : array-like of shape (n_sequences,), default=None
        Labels of the sequences, numbers or strings. Estimators align a pandas `y` and
        `sample_weight` by them, and refuse a `y` with other labels.
    id_name : str, default=None
        What the ids are called: the column that holds them, where y is a frame.

    Raises
    ------
    ValueError
        When a sequence is empty, the lengths do not add up, a value is infinite or too large for
        float32, or a token lies outside the vocabulary; the message names the row.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_rnn.sequences import Sequences
    >>> X = Sequences.from_list([[1.0, 2.0, 3.0], [4.0, 5.0]])
    >>> X
    Sequences(n=2, channels=1, lengths=2-3, dtype=float64)
    >>> X[1]
    array([[4.],
           [5.]])
    >>> X[[1, 0]].lengths
    array([2, 3])
    >>> Sequences([1.0, 2.0], [0, 2, 2])
    Traceback (most recent call last):
        ...
    ValueError: Row 1 is an empty sequence; every sequence needs at least one step. Drop the row \
from X and y.
    """

    # Building it

    @classmethod
    def from_list(
        cls,
        sequences: Sequence[Any],
        *,
        vocabulary_size: int | None = None,
        times: Sequence[Any] | None = None,
        static: Any = None,
        channel_names: Iterable[str] | None = None,
        ids: Any = None,
        id_name: Any = None,
    ) -> Self:
        """Join a list of arrays of shape (n_steps,) or (n_steps, n_channels).

        Parameters
        ----------
        sequences : list of array-like
            One entry for each sequence; all with the same number of channels.
        vocabulary_size : int, default=None
            Set for tokens: the entries are then integers in [0, vocabulary_size).
        times : list of array-like of shape (n_steps,), default=None
            Times of the steps, one entry for each sequence. Dates become seconds since 1970, in UTC
            where they have a zone, and durations seconds.
        static : array or frame of shape (n_sequences, n_static), default=None
            Features of each sequence as a whole. With `ids`, a frame that has these as its index,
            or in a column named `id_name`, is aligned by them.
        channel_names : sequence of str, default=None
            Names of the channels. None takes the columns' where the entries are data frames, with
            one row for each step.
        ids : array-like of shape (n_sequences,), default=None
            Labels of the sequences, by which y and weights are aligned.
        id_name : str, default=None
            What the ids are called.
        """
        items = list(sequences)
        given = (vocabulary_size, times, static, channel_names, ids)
        if all(part is None for part in given):
            plain = join_plain(items)
            if plain is not None:
                return cls._from_rows(*plain)
        if channel_names is None:
            channel_names = shared_columns(items)
        values, offsets = flatten_list(items)
        flat_times = None
        if times is not None:
            flat_times, time_offsets = flatten_list(list(times), column="times", read=as_times)
            if not np.array_equal(offsets, time_offsets):
                counts = min(len(offsets), len(time_offsets))
                row = int(np.argmax(np.r_[offsets[:counts] != time_offsets[:counts], True])) - 1
                raise ValueError(
                    f"times do not fit the sequences, from row {row} on: give every step a time."
                )
        parts = {"static": static}
        if ids is not None and is_frame(static):
            parts = static_table(static, as_ids(ids), id_name)
        return cls(
            values,
            offsets,
            vocabulary_size=vocabulary_size,
            times=flat_times,
            channel_names=channel_names,
            ids=ids,
            id_name=id_name,
            **parts,
        )

    @classmethod
    def from_padded(
        cls,
        X: Any,
        lengths: Any = None,
        *,
        vocabulary_size: int | None = None,
        channel_names: Iterable[str] | None = None,
    ) -> Self:
        """Cut a dense array (n, n_steps, n_channels) or (n, n_steps) to its true lengths.

        Parameters
        ----------
        X : array of shape (n, n_steps, n_channels) or (n, n_steps)
            Padded sequences; steps beyond a length are never read.
        lengths : array of int of shape (n,), default=None
            Steps that count, at least 1 each. None takes all steps.
        vocabulary_size : int, default=None
            Set for tokens.
        channel_names : sequence of str, default=None
            Names of the channels.
        """
        X = as_numbers(X, "X")
        if X.ndim == 2:
            X = X[:, :, None]
        if X.ndim != 3:
            raise ValueError(
                f"X must have shape (n, n_steps, n_channels) or (n, n_steps); got {X.shape}."
            )
        if lengths is None:
            values, offsets = flatten_dense(X, cut=False)
        else:
            values, offsets = flatten_padded(X, check_lengths(lengths, *X.shape[:2]))
        return cls(values, offsets, vocabulary_size=vocabulary_size, channel_names=channel_names)

    @classmethod
    def from_channels_first(cls, X: Any, *, channel_names: Iterable[str] | None = None) -> Self:
        """Read data in the layout of sktime and aeon: channels before steps.

        Parameters
        ----------
        X : array of shape (n, n_channels, n_steps) or list of (n_channels, n_steps) arrays
            Trailing steps at which every channel is NaN are cut from a 3-D array.
        channel_names : sequence of str, default=None
            Names of the channels.
        """
        if isinstance(X, np.ndarray) and X.dtype != object:
            X = as_numbers(X, "X")
            if X.ndim != 3:
                raise ValueError(f"X must have shape (n, n_channels, n_steps); got {X.shape}.")
            values, offsets = flatten_dense(X.transpose(0, 2, 1), cut=True)
        else:
            arrays = [as_numbers(item, f"Row {row}") for row, item in enumerate(X)]
            for row, array in enumerate(arrays):
                if array.ndim != 2:
                    raise ValueError(
                        f"Row {row} must have shape (n_channels, n_steps); got {array.shape}."
                    )
            values, offsets = flatten_list([array.T for array in arrays])
        return cls(values, offsets, channel_names=channel_names)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        channels: Sequence[Any] | None = None,
        times: Any = None,
        vocabulary_size: int | None = None,
    ) -> Self:
        """Read a data frame with one row for each sequence and one list column for each channel.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame, pyarrow.Table or alike
            Scalar numeric columns become static features, categories, strings and booleans
            categorical ones. Cells are lists or arrays of shape (n_steps,) or (n_steps, k), the
            latter giving k channels named `name_0`, `name_1`, ... The index of a pandas frame
            becomes the ids, unless it only counts the rows.
        channels : list of column names, default=None
            List columns to read, others are left out. None reads all.
        times : column name, default=None
            List column with the times of the steps; dates and durations become seconds.
        vocabulary_size : int, default=None
            Set for tokens; there must be one list column of ints.
        """
        chosen = as_names(channels)
        parts = frame_parts(frame, channels=chosen, times=times)
        return cls(**parts, vocabulary_size=vocabulary_size)._with(**labels_as_parts(frame))

    @classmethod
    def from_long(
        cls,
        frame: Any,
        *,
        id: Any,
        time: Any = None,
        channels: Sequence[Any] | None = None,
        static: Any = None,
        target: Any = None,
    ) -> Any:
        """Read a long data frame: one row for each step, with a column that says whose step it is.

        Sequences come in the order in which their ids first appear (in pandas,
        `frame[id].unique()`), and remember them as `ids`.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame, pyarrow.Table or alike
            The steps; those of one id need not be neighbours.
        id : column name
            Says to which sequence a row belongs.
        time : column name, default=None
            Must increase within each id. Dates and durations become seconds. None takes the
            steps as evenly spaced, in the order of the rows.
        channels : list of column names, default=None
            None takes all other columns.
        static : list of column names, or data frame, default=None
            Columns that are constant within each id, read as static features; or a table of them
            with one row for each id, which is its index or its column `id`.
        target : column name, or list of them, default=None
            Column that is constant within each id, returned as y.

        Returns
        -------
        X : Sequences
            One sequence for each id.
        y : ndarray of shape (n_sequences,) or (n_sequences, n_targets)
            Only with `target`: its values, in the order of X.

        Raises
        ------
        ValueError
            When a column is not there, times repeat or fall, or a target or static feature is
            missing or changes within an id; the id is named.

        Examples
        --------
        >>> import pandas as pd
        >>> from sklearn_rnn import Sequences
        >>> long = pd.DataFrame(
        ...     {"machine": ["b", "b", "a"], "load": [1.0, 2.0, 5.0], "failed": [1, 1, 0]}
        ... )
        >>> X, y = Sequences.from_long(long, id="machine", target="failed")
        >>> X.ids, y
        (array(['b', 'a'], dtype=object), array([1, 0]))
        """
        table = static if is_frame(static) else None
        several = isinstance(target, (list, tuple))
        parts, targets = long_parts(
            frame,
            id=id,
            time=time,
            channels=as_names(channels),
            static=None if table is not None else as_names(static),
            targets=[] if target is None else list(target) if several else [target],
        )
        if table is not None:
            parts.update(static_table(table, parts["ids"], id))
        X = cls(**parts)
        if target is None:
            return X
        return X, np.column_stack(targets) if several else targets[0]

    @classmethod
    def concatenate(cls, containers: Sequence[FlatSequences]) -> Self:
        """Stack several containers of the same channels, vocabulary and static features."""
        return cls._trusted(**concatenate_parts(list(containers)))

    # Giving it back

    def to_list(self) -> list[Array]:
        """Return one array (n_steps, n_channels) a sequence, as views."""
        return list(self)

    def to_padded(self, fill_value: float | None = None) -> tuple[Array, Array]:
        """Return a dense array (n, longest, n_channels) and the lengths (n,).

        Parameters
        ----------
        fill_value : float, default=None
            What stands after a sequence's end. None means NaN, and 0 for tokens.
        """
        if fill_value is None:
            fill_value = 0 if self.is_tokens else np.nan
        return pad(self.values, self.offsets, fill_value), self.lengths

    def to_arrow(self) -> Any:
        """Return a `pyarrow.Table` with a list column a channel; one channel is not copied.

        Columns are named by `channel_names`, or "channel_0" on; the times are a list column
        "times", static features follow under their names, or "static_0" on.
        """
        return arrow_table(*self._columns())

    def to_frame(self, backend: Literal["pandas", "polars"] = "pandas") -> Any:
        """Return a data frame with a list column a channel; columns as in `to_arrow`.

        The index of a pandas frame is that of the `ids`, if there are any.
        """
        if backend not in ("pandas", "polars"):
            raise ValueError(f'backend must be "pandas" or "polars"; got {backend!r}.')
        if backend == "polars":
            return polars_frame(*self._columns())
        return labelled(pandas_frame(*self._columns()), self.ids, self.id_name)

    def _columns(self) -> tuple[dict[str, Array], Array, dict[str, tuple[Array, Labels]]]:
        """Lay the parts out as named columns: lists, their offsets, scalars."""
        names = self.channel_names or tuple(f"channel_{j}" for j in range(self.n_channels))
        lists = {name: self.values[:, j] for j, name in enumerate(names)}
        if self.times is not None:
            lists["times"] = self.times
        scalars: dict[str, tuple[Array, Labels]] = {}
        if self.static is not None:
            count = self.static.shape[1]
            static_names = self.static_names or tuple(f"static_{j}" for j in range(count))
            labels = self.static_categories or (None,) * count
            scalars = {name: (self.static[:, j], labels[j]) for j, name in enumerate(static_names)}
        taken = [*names, *(["times"] if self.times is not None else []), *scalars]
        twice = sorted({name for name in taken if taken.count(name) > 1})
        if twice:
            raise ValueError(
                f"Several columns would be named {twice}; give channels and static features names "
                'of their own, other than "times" where the steps have times.'
            )
        return lists, self.offsets, scalars


def arrow_table(
    columns: dict[str, Array], offsets: Array, static: dict[str, tuple[Array, Any]]
) -> Any:
    """Build a table with one list column per entry of `columns` and one scalar per static."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise ImportError("to_arrow needs pyarrow; install it with: pip install pyarrow") from error
    boundaries = pa.array(offsets)
    data = {}
    for name, values in columns.items():
        flat = pa.array(np.ascontiguousarray(values))
        data[name] = pa.LargeListArray.from_arrays(boundaries, flat)
    for name, (values, labels) in static.items():
        data[name] = pa.array(values) if labels is None else _categorical(values, labels)
    return pa.table(data)


def _categorical(codes: Array, labels: tuple[Any, ...]) -> Any:
    """Build an Arrow column of labels; a dictionary column when the labels are strings."""
    import pyarrow as pa

    missing = np.isnan(codes)
    if all(isinstance(label, str) for label in labels):
        indices = pa.array(np.where(missing, 0, codes).astype(np.int32), mask=missing)
        return pa.DictionaryArray.from_arrays(indices, pa.array(list(labels), type=pa.string()))
    return pa.array(
        [None if gone else labels[int(code)] for code, gone in zip(codes, missing, strict=True)]
    )


def pandas_frame(
    columns: dict[str, Array], offsets: Array, static: dict[str, tuple[Array, Any]]
) -> Any:
    """Build a pandas frame: list columns Arrow-backed, or of arrays where pyarrow is missing."""
    import pandas as pd

    data: dict[str, Any] = {}
    try:
        table = arrow_table(columns, offsets, {})
    except ImportError:
        for name, values in columns.items():
            cells = np.empty(len(offsets) - 1, dtype=object)
            cells[:] = np.split(values, offsets[1:-1]) if len(cells) else []
            data[name] = cells
    else:
        data = {name: pd.Series(pd.arrays.ArrowExtensionArray(table[name])) for name in columns}
    for name, (values, labels) in static.items():
        if labels is None:
            data[name] = values
        else:
            codes = np.where(np.isnan(values), -1, values).astype(np.int64)
            data[name] = pd.Categorical.from_codes(codes, categories=pd.Index(labels))
    return pd.DataFrame(data)


def labelled(frame: Any, ids: Array | None, name: Any) -> Any:
    """Give a pandas frame the labels of the rows as its index, if there are any."""
    import pandas as pd

    if ids is not None and isinstance(name, tuple) and all(isinstance(i, tuple) for i in ids):
        frame.index = pd.MultiIndex.from_tuples(list(ids), names=name)
    elif ids is not None:
        frame.index = pd.Index(list(ids), name=name, tupleize_cols=False)
    return frame


def polars_frame(
    columns: dict[str, Array], offsets: Array, static: dict[str, tuple[Array, Any]]
) -> Any:
    """Build a polars frame from the Arrow table."""
    try:
        import polars as pl
    except ImportError as error:
        raise ImportError(
            'to_frame("polars") needs polars; install it with: pip install polars'
        ) from error
    return pl.from_arrow(arrow_table(columns, offsets, static))
