"""Live data: a fitted model that follows one sequence while it comes in.

Imports layers 0 to 2 and the files of prediction beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from ..nn import NetworkConfig, NetworkStream
from ..sequences import InputSchema, Sequences, as_numbers, as_times, counted, refuse_dates
from ..training import SequenceNet, cpu_threads, explained
from ._fitted import _plain, _tensors
from ._targets import Target

# Steps that are computed at once, of a push of many.
_PIECE = 4096


class StreamMixin:
    """`stream`, for estimators that predict by a network."""

    net_: SequenceNet
    _config: NetworkConfig
    _input_schema_: InputSchema
    _target: Target

    def stream(self, static: Any = None) -> SequenceStream:
        """Follow one sequence while it comes in, at a constant cost a step.

        After every push the stream's prediction is that of `predict` for all steps so far. The
        model must read in one direction: ``bidirectional=False``.

        Parameters
        ----------
        static : mapping or array-like of shape (n_static,), default=None
            The static features of the sequence, where the model was fitted with such: by name, or
            in the order of the fit; categories as they were given to `fit`.

        Returns
        -------
        stream : SequenceStream
            Without a step yet.

        Raises
        ------
        ValueError
            If the model is bidirectional or decides on all steps together, as a tagger does, or
            if static features are missing or not wanted.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_rnn import RNNRegressor
        >>> X = [np.linspace(0, end, 20) for end in range(10)]
        >>> model = RNNRegressor(8, bidirectional=False, max_epochs=2, random_state=0)
        >>> stream = model.fit(X, np.arange(10.0)).stream()
        >>> for value in X[3]:
        ...     prediction = stream.push(value)
        >>> bool(np.isclose(prediction, model.predict([X[3]])[0], atol=1e-5))
        True
        """
        check_is_fitted(self)
        if not self._target.streams:
            raise ValueError(
                f"{type(self).__name__} decides with the whole sequence in view, and cannot follow "
                "one that still comes in."
            )
        if self._config.bidirectional:
            raise ValueError(
                f"This {type(self).__name__} reads each sequence from its end too, and live data "
                "have none yet; fit it with bidirectional=False."
            )
        return SequenceStream(self, static)


class SequenceStream:
    """One sequence on its way through a fitted model; made by an estimator's ``stream()``.

    It holds what the steps so far came to, and not the steps. It can be pickled, together with
    the model, and goes on where it was. It holds what it began with: whatever the estimator learns
    afterwards, by ``fit``, a warm start or ``partial_fit``, does not change it.

    Parameters
    ----------
    model : estimator
        Fitted, with ``bidirectional=False``.
    static : mapping or array-like of shape (n_static,), default=None
        The sequence's static features, see ``stream()``.

    Attributes
    ----------
    n_steps : int
        Steps so far.
    """

    def __init__(self, model: Any, static: Any = None) -> None:
        # A model that goes on learning works on copies; this keeps the objects of now.
        self._model = object.__new__(type(model))
        self._model.__dict__.update(model.__dict__)
        self._static = self._read_static(static)
        self._start()

    @cpu_threads(1)
    def _start(self) -> None:
        """Begin a sequence."""
        model = self._model
        self._schema: InputSchema = model._input_schema_
        self._network: Any = model.net_.network_for(model._prediction_dtype())
        self._device = model.net_.run_.compute.device
        self._tokens_alone = self._schema.vocabulary_size is not None and not self._schema.has_times
        self._dtype = torch.int64 if self._tokens_alone else self._network.states_dtype
        self._by_step: bool = model._target.by_step
        self._threads: int = model._n_threads()
        static = None
        if self._static is not None:
            known = counted(self._static, model._origins[1])
            static = torch.from_numpy(known).to(self._device, self._network.states_dtype)
        self._stream = NetworkStream(self._network, static)
        self._time: float | None = None
        self._values: np.ndarray | None = None
        self._single = False

    @property
    def n_steps(self) -> int:
        """Steps so far."""
        return self._stream.n_steps

    # ---------------------------------------------------------------- in

    def push(self, steps: Any, times: Any = None) -> Any:
        """Add one or several steps and return the prediction for all steps so far.

        Parameters
        ----------
        steps : number, array-like of shape (n_channels,) or (n_steps, n_channels)
            One step, or several. With one channel, an array of shape (n_steps,) is several steps.
            NaN means missing.
        times : number, date or array-like of shape (n_steps,), default=None
            Times of the steps, increasing from push to push, where the model was fitted with
            times; dates become seconds, as in `Sequences.from_list`.

        Returns
        -------
        prediction : label, float or ndarray
            What `predict` returns for the sequence so far: a label or a number, or an array where
            there are several outputs. With one target a step, the prediction at each pushed step,
            one where one step was given.

        Raises
        ------
        ValueError
            If the steps do not fit those of the fit, or a value is infinite, or missing where the
            model refuses that.
        """
        values, single = self._read_steps(steps)
        read = self._with_widths(values, times)
        kind = str(self._dtype).removeprefix("torch.")
        tensor = torch.from_numpy(np.array(read, dtype=kind, order="C"))[None].to(self._device)
        if self._tokens_alone:
            tensor = tensor[:, :, 0]
        self._compute(tensor)
        self._single = single
        return self.predict()

    def reset(self, static: Any = None) -> SequenceStream:
        """Forget all steps and begin another sequence.

        Parameters
        ----------
        static : mapping or array-like of shape (n_static,), default=None
            Its static features; None keeps those of the sequence before.

        Returns
        -------
        self : SequenceStream
        """
        if static is not None:
            self._static = self._read_static(static)
        self._start()
        return self

    @cpu_threads(1)
    def copy(self) -> SequenceStream:
        """Return a stream that goes on from here by itself: what if these steps came next?

        Returns
        -------
        stream : SequenceStream
        """
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._stream = self._stream.copy()
        return other

    # ---------------------------------------------------------------- out

    def predict(self) -> Any:
        """Return the prediction for all steps so far, as `push` does.

        Returns
        -------
        prediction : label, float or ndarray
            With one target a step, the predictions of the last push.
        """
        return self._first(self._model._target.decode)

    def predict_proba(self) -> Any:
        """Return the probability of each class for all steps so far; for classifiers.

        Returns
        -------
        probabilities : ndarray of shape (n_classes,), or list of them
            As from the estimator's `predict_proba`.
        """
        if not hasattr(self._model, "predict_proba"):
            raise AttributeError(f"{type(self._model).__name__} has no probabilities.")
        return self._first(self._model._target.probabilities)

    def _first(self, method: Callable[[np.ndarray, Sequences], Any]) -> Any:
        """Return what a method of the target gives for the one sequence, or its one step."""
        values = self._current()
        steps = np.zeros((len(values), 1), np.float32)
        one = Sequences._trusted(steps, np.array([0, len(values)]))
        found = method(values, one)
        if isinstance(found, list) and not self._by_step:  # one entry for each output
            return [part[0] for part in found]
        return found[0][0] if self._by_step and self._single else found[0]

    def _current(self) -> np.ndarray:
        """Return the decoded output of the steps so far."""
        if self._values is None:
            raise ValueError("This stream has no step yet; push one first.")
        return self._values

    # ---------------------------------------------------------------- reading

    def _read_steps(self, steps: Any) -> tuple[np.ndarray, bool]:
        """Return (t, C) values, and whether they were given as one step."""
        values, single = read_steps(steps, self._schema.n_channels, type(self._model).__name__)
        if self._schema.vocabulary_size is not None:
            if values.dtype.kind not in "iu" or values.min() < 0:
                raise ValueError("Tokens must be integers of at least 0.")
            if values.max() >= self._schema.vocabulary_size:
                raise ValueError(
                    f"Token {values.max()} is not in the vocabulary of "
                    f"{self._schema.vocabulary_size}."
                )
            return values.astype(np.int64), single
        # One comparison finds infinity and what single precision cannot hold; NaN passes.
        if bool((np.abs(values) > np.finfo(np.float32).max).any()):
            raise ValueError("The pushed steps contain infinity or a value too large for float32.")
        if self._model.missing == "error" and bool(np.isnan(values).any()):
            raise ValueError(
                "The pushed steps contain NaN, and missing='error'; fit with missing='auto'."
            )
        return counted(values, self._model._origins[0]), single

    def _with_widths(self, values: np.ndarray, times: Any) -> np.ndarray:
        """Put the widths of the steps beside them, where the model has times."""
        if (times is None) == self._schema.has_times:
            name = type(self._model).__name__
            raise ValueError(
                f"{name} was fitted on sequences with times; push steps with times=."
                if times is None
                else f"{name} was fitted on sequences without times; leave times out."
            )
        if times is None:
            return values
        clock = as_times(np.atleast_1d(times), "times")
        # Whole numbers may be larger than float64 tells apart.
        clock = clock.astype(np.int64 if clock.dtype.kind in "iu" else np.float64)
        if clock.shape != (len(values),):
            raise ValueError(f"times must have one entry a step: {len(values)}, not {clock.shape}.")
        before = clock[0] if self._time is None else self._time
        widths = np.diff(clock, prepend=before)
        late = widths[1:] if self._time is None else widths
        if not np.isfinite(clock).all() or (late <= 0).any():
            raise ValueError("times must be finite and increase from step to step.")
        self._time = clock[-1].item()
        return np.column_stack([values, np.log1p(widths).astype(np.float32)])

    def _read_static(self, static: Any) -> np.ndarray | None:
        """Return the static features (1, S) in the codes of the fit."""
        schema: InputSchema = self._model._input_schema_
        name, size = type(self._model).__name__, schema.n_static
        names: list[Any] = list(schema.static_names or range(size))
        if (static is None) != (not size):
            raise ValueError(
                f"{name} was fitted with the static features {names}; give stream(static=...)."
                if size
                else f"{name} was fitted without static features; leave static out."
            )
        if static is None:
            return None
        if hasattr(static, "keys"):
            unseen = [key for key in static.keys() if key not in names]
            missing = [key for key in names if key not in static.keys()]
            if unseen or missing:
                raise ValueError(
                    "The static features should match those of the fit; missing: "
                    f"{missing}, unseen at fit: {unseen}."
                )
            static = [static[key] for key in names]
        values = list(np.asarray(static, dtype=object).ravel())
        refuse_dates(np.array(values, dtype=object), "static")
        if len(values) != size:
            raise ValueError(f"static must have {size} entries; got {len(values)}.")
        categories = schema.static_categories or (None,) * size
        read = [_code(value, labels) for value, labels in zip(values, categories, strict=True)]
        if bool(np.isinf(read).any()):
            raise ValueError("static contains infinity.")
        return np.array([read])

    def _compute(self, x: torch.Tensor) -> None:
        """Run the network over the pushed steps and decode its answer."""
        try:
            self._values = self._run(x)
        except RuntimeError as error:
            if isinstance(error, ValueError):
                raise
            raise explained(self._model, error) from error

    def _run(self, x: torch.Tensor) -> np.ndarray:
        """Return the decoded answer after the pushed steps."""
        model, found = self._model, []
        pieces = x.split(_PIECE, dim=1) if self._network.stem is None else (x,)
        with (
            torch.inference_mode(),
            # Threads that wait for each other cost a push many times what it computes.
            cpu_threads(self._threads),
            model.net_.run_.compute.autocast_context(),
            model._guarded(),
        ):
            for piece in pieces:
                self._stream.push(piece)
                if self._by_step:
                    found.append(model._decoded(self._network, self._stream.answer()))
            if not self._by_step:
                found = [model._decoded(self._network, self._stream.answer())]
        values: np.ndarray = torch.cat(found).cpu().numpy()
        return values

    # ---------------------------------------------------------------- pickling

    def __getstate__(self) -> dict[str, Any]:
        return {
            "model": self._model,
            "static": self._static,
            "stream": _plain(self._stream.state()),
            "time": self._time,
            "values": self._values,
            "single": self._single,
        }

    @cpu_threads(1)
    def __setstate__(self, state: dict[str, Any]) -> None:
        self._model, self._static = state["model"], state["static"]
        self._start()
        self._stream.restore(_tensors(state["stream"]))
        self._time, self._values, self._single = state["time"], state["values"], state["single"]

    def __repr__(self) -> str:
        return f"<SequenceStream of {type(self._model).__name__}: {self.n_steps} steps>"


def _code(value: Any, labels: tuple[Any, ...] | None) -> float:
    """Return a static feature as the network reads it; NaN for what is missing or unknown."""
    if labels is None:
        return np.nan if value is None else float(value)
    return float(labels.index(value)) if value in labels else np.nan


def read_steps(steps: Any, channels: int, name: str) -> tuple[np.ndarray, bool]:
    """Return pushed steps as (t, C) values, and whether they were given as one step."""
    values = as_numbers(steps, "The pushed steps")
    single = values.ndim == 0 or (values.ndim == 1 and channels > 1)
    if values.ndim == 0 or (values.ndim == 1 and channels == 1):
        values = values.reshape(-1, 1)
    elif values.ndim == 1:
        values = values[None]
    if values.ndim != 2 or values.shape[1] != channels or not len(values):
        raise ValueError(
            f"{name} was fitted on steps of {channels} channel(s); push an array of shape "
            f"({channels},) or (n_steps, {channels}), got {np.shape(steps)}."
        )
    return values, single
