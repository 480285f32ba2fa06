"""What the transformers share: the form of X in, the same form out; imports `sequences` only."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, Self

import narwhals as nw
import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils.validation import check_is_fitted

from ..sequences import (
    Array,
    InputSchema,
    Sequences,
    Versioned,
    _check_feature_names_in,
    _get_output_config,
    all_or_nothing,
    as_table,
    check_X,
    describe_kind,
    kept_if_interrupted,
    names_sizes,
    require_in_step,
)

FLAT_KINDS = ("array_2d", "scalar_frame")


def with_fit_task(fit: Callable) -> Callable:
    """Report a fit to scikit-learn's callbacks as one task, so that they pass a Pipeline.

    And let it be done wholly or not at all.
    """

    @all_or_nothing
    @with_callbacks
    @wraps(fit)
    def reported(self: Any, X: Any, y: Any = None) -> Any:
        if y is not None and isinstance(self, SequenceTransformer) and self._loses_labels(X):
            require_in_step(X, y, type(self).__name__)
        context = self._init_callback_context()
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        fit(self, X, y)
        with kept_if_interrupted():
            context.call_on_fit_task_end(
                estimator=self,
                X=X,
                y=y,
                reconstruction_attributes=lambda: {
                    key: value
                    for key, value in vars(self).items()
                    if key not in self.get_params(deep=False) and "callback" not in key
                },
            )
        return self

    return reported


class SequenceTransformer(
    Versioned,
    CallbackSupportMixin,
    OneToOneFeatureMixin,
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Read X at the door, let a subclass map `Sequences` to `Sequences`, give its form back.

    A subclass writes `fit`, `_transform`, and, where it changes the number of steps or channels,
    `_width` and `_channel_names_out`; it overrides nothing else.
    """

    _form_in: Form
    _input_schema_: InputSchema
    _columns_in: tuple[tuple[str, ...], tuple[str, ...]]

    @abstractmethod
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from X; y is ignored."""

    @all_or_nothing
    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit to X, then transform it.

        Parameters
        ----------
        X : sequences in any accepted form
            The training sequences.
        y : ignored
            Present so that the transformer fits into a pipeline.

        Returns
        -------
        array, `Sequences` or data frame
            As `transform` returns it.
        """
        return self.fit(X, y).transform(X)

    @names_sizes
    def transform(self, X: Any) -> Any:
        """Transform sequences.

        Parameters
        ----------
        X : sequences in any accepted form
            With the channels seen in `fit`. X is never changed.

        Returns
        -------
        array, `Sequences` or data frame
            An array of the same number of dimensions for a 2-D or 3-D array (or a frame of
            scalars); NaN stands after the end of sequences that are shorter than others. A frame
            of the same library, with list columns, for a frame with list columns. `Sequences` for
            anything else. After `set_output(transform="pandas")` or `"polars"`, frames and 2-D
            arrays give a frame of that kind; ragged and 3-D input is not affected.

        Raises
        ------
        ValueError
            When X does not fit what was seen in `fit`; the message names the row or column.
        """
        check_is_fitted(self)
        X = as_table(X)  # a lazy frame is collected once
        return self._give_back(self._transform(self._read(X, reset=False)), X)

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the names of the output columns: steps of 2-D output, channels otherwise.

        Parameters
        ----------
        input_features : array of str, default=None
            Names to use in place of those seen in `fit` (or "x0", "x1", ...).

        Returns
        -------
        ndarray of str objects
            One name for each column of what `transform` returns as a frame.
        """
        check_is_fitted(self, "_input_schema_")
        names = _check_feature_names_in(self, input_features, generate_names=False)
        count = getattr(self, "n_features_in_", self._input_schema_.n_channels)
        if names is None:
            names = [f"x{column}" for column in range(count)]
        elif len(names) != count:
            raise ValueError(f"input_features should have length {count}; got {len(names)}.")
        kind = self._form_in.kind
        if kind in FLAT_KINDS:
            out = self._channel_names_out(["x0"])
            if len(out) == 1:
                out = self._step_names_out(list(names))
        elif kind == "frame":
            channels, static = self._columns_in
            out = self._channel_names_out(list(channels)) + list(static)
        else:
            out = self._channel_names_out(list(names))
        return np.asarray(out, dtype=object)

    @abstractmethod
    def _transform(self, sequences: Sequences) -> Sequences:
        """Map checked sequences to new ones, one for one."""

    def _following(self) -> Any:
        """Return what does to one sequence, as it comes in, what `transform` does to whole ones.

        A `ValueError` says why there is no such thing; its message goes on after the name.
        """
        raise ValueError("needs the whole sequence.")

    def _width(self, n_steps: int) -> int:
        """Return the number of steps that a dense input of `n_steps` steps is given back with."""
        return n_steps

    def _channel_names_out(self, names: list[str]) -> list[str]:
        """Return the names of the output channels for those of the input."""
        return names

    def _step_names_out(self, names: list[str]) -> list[str]:
        """Return the names of the output columns when X has one column for each step."""
        width = self._width(len(names))
        if width == len(names):
            return names
        return [f"{type(self).__name__.lower()}{step}" for step in range(width)]

    def _read(self, X: Any, *, reset: bool) -> Sequences:
        """Check X at the door and remember, on reset, how its columns were named."""
        X = as_table(X)
        sequences = check_X(self, X, reset=reset)
        if reset:
            self._form_in = Form.of(X)
            self._columns_in = (sequences.channel_names or (), sequences.static_names or ())
        return sequences

    def _loses_labels(self, X: Any) -> bool:
        """Tell whether rows that have labels in X come back without."""
        library = _get_output_config("transform", self)["dense"]
        if type(X) in (np.ndarray, list) or library == "pandas":
            return False
        return describe_kind(X) in (*FLAT_KINDS, *(["frame"] if library == "polars" else []))

    def _refuse_tokens(self, sequences: Sequences, remedy: str) -> None:
        """Refuse tokens where the arithmetic needs numbers."""
        if sequences.is_tokens:
            raise ValueError(
                f"{type(self).__name__} works on numbers, but X holds tokens "
                f"(vocabulary_size={sequences.vocabulary_size}). {remedy}"
            )

    def _give_back(self, result: Sequences, X: Any) -> Any:
        """Return the result in the form of X, or as the frame that `set_output` asks for."""
        form = Form.of(X)
        library = _get_output_config("transform", self)["dense"]
        if form.kind == "frame":
            return _frame_like(result, X, library)
        back = form.give_back(result, self._width)
        if form.kind not in FLAT_KINDS or back.ndim != 2 or library == "default":
            return back
        return self._flat_frame(back, X, library)

    def _flat_frame(self, array: Array, X: Any, library: str) -> Any:
        """Build a frame with one column for each step."""
        names = [str(name) for name in self.get_feature_names_out()]
        if len(names) != array.shape[1]:
            names = [f"x{step}" for step in range(array.shape[1])]
        if library == "polars":
            import polars as pl

            return pl.DataFrame(array, schema=names, orient="row")
        import pandas as pd

        return _with_index(pd.DataFrame(array, columns=names, copy=False), X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class Form(NamedTuple):
    """What X was: its kind, and its number of steps if it was dense."""

    kind: str
    n_steps: int | None = None

    @classmethod
    def of(cls, X: Any) -> Form:
        """Describe an input that has been read before."""
        kind = describe_kind(X)
        if kind not in (*FLAT_KINDS, "array_3d"):
            return cls(kind)
        shape = getattr(X, "shape", None)
        return cls(kind, int((np.asarray(X).shape if shape is None else shape)[1]))

    def give_back(self, result: Sequences, width: Callable[[int], int] = int) -> Any:
        """Return the result as a dense array of `width(n_steps)` steps where X was one."""
        if self.n_steps is None:
            return result
        shape = (len(result), width(self.n_steps), result.n_channels)
        if (result.lengths == shape[1]).all():
            dense = result.values.reshape(shape)
        else:
            dense = np.full(shape, np.nan, dtype=result.dtype)
            dense[np.arange(shape[1]) < result.lengths[:, None]] = result.values
        return dense[:, :, 0] if self.kind in FLAT_KINDS and shape[2] == 1 else dense


def _frame_like(result: Sequences, X: Any, library: str) -> Any:
    """Return list columns as a frame of the library of X, or of the one that is asked for."""
    own = type(X).__module__.partition(".")[0]
    if library == "default" and own == "pyarrow":
        return result.to_arrow()
    polars = library == "polars" or (library == "default" and own == "polars")
    return _with_index(result.to_frame("polars" if polars else "pandas"), X)


def _with_index(frame: Any, X: Any) -> Any:
    """Give a pandas frame the row labels of the pandas frame X."""
    pandas = nw.dependencies.is_pandas_dataframe
    labelled = pandas(X) or nw.dependencies.is_pandas_series(X)
    if pandas(frame) and labelled and len(frame) == len(X):
        frame.index = X.index
    return frame


class Stepwise:
    """What does to each step the same, whatever came before it.

    Parameters
    ----------
    transform : callable
        Maps `Sequences` to `Sequences`, one for one.
    schema : InputSchema
        What it was fitted on.
    """

    def __init__(self, transform: Callable[[Sequences], Sequences], schema: InputSchema) -> None:
        self.transform = transform
        self.n_channels, self.vocabulary_size = schema.n_channels, schema.vocabulary_size

    def push(self, steps: Sequences) -> Sequences:
        """Return what the steps, one sequence, become behind all those pushed before."""
        return self.transform(steps)
