"""Live data: a fitted model, or a pipeline, that follows one sequence while it comes in.

Imports scikit-learn, layers 0 to 2 and the files of prediction beside it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..nn import NetworkStream
from ..sequences import InputSchema, Sequences, as_numbers, as_times, counted, refuse_dates
from ..training import cpu_threads, explained
from ._fitted import _plain, _tensors

# Steps that are computed at once, of a push of many.
_PIECE = 4096


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


def stream(model: Any, static: Any = None) -> SequenceStream | PipelineStream:
    """Follow one sequence while it comes in, through a pipeline as through a single estimator.

    Use it where a fitted `Pipeline` scales, fills or tokenizes in front of a network: steps are
    pushed as they come, raw, and after every push the prediction is that of ``pipeline.predict``
    for all steps so far.

    Parameters
    ----------
    model : Pipeline, search or estimator
        Fitted. The last step is an estimator with ``stream()``, so fitted with
        ``bidirectional=False``. Of a search, the best estimator is followed.
    static : mapping or array-like of shape (n_static,), default=None
        The static features of the sequence, where the model was fitted with such; see
        `RNNClassifier.stream`.

    Returns
    -------
    stream : SequenceStream or PipelineStream
        Without a step yet; both are used alike.

    Raises
    ------
    ValueError
        When a step needs the whole sequence, as windows, resampling, linear interpolation and
        scaling by the sequence do, or works on columns of a table, as scikit-learn's transformers
        do. The message names the step.

    See Also
    --------
    RNNClassifier.stream : The same for an estimator alone.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_rnn import RNNRegressor, stream
    >>> from sklearn_rnn.preprocessing import SequenceImputer, SequenceScaler
    >>> X = [np.linspace(0, end, 20) for end in range(10)]
    >>> network = RNNRegressor(8, bidirectional=False, max_epochs=2, random_state=0)
    >>> pipeline = make_pipeline(SequenceImputer(), SequenceScaler(), network)
    >>> live = stream(pipeline.fit(X, np.arange(10.0)))
    >>> for value in [0.0, 1.0, np.nan, 3.0]:
    ...     prediction = live.push(value)
    >>> expected = pipeline.predict([[0.0, 1.0, np.nan, 3.0]])[0]
    >>> bool(np.isclose(prediction, expected, atol=1e-5))
    True
    """
    check_is_fitted(model)
    *steps, (name, last) = _flattened("", model)
    if not hasattr(last, "stream"):
        raise ValueError(
            f"{_described(name, last)} cannot follow live data: it has no stream(). The last step "
            "must be RNNClassifier or RNNRegressor, fitted with bidirectional=False."
        )
    followers = [_follower(*step) for step in steps]
    inner: SequenceStream = last.stream(static)
    if not followers:
        return inner
    for place, follower in enumerate(followers):
        text = hasattr(follower, "open_end")
        if text and place:
            raise ValueError(f"{_described(*steps[place])} must be the first step to be followed.")
        if text and not follower.words and inner._by_step:
            raise ValueError(
                f"{_described(*steps[place])} cannot follow live data with one target a step: the "
                "next piece of a text may go on with its last word. Fit on lists of words."
            )
    return PipelineStream(followers, inner)


class PipelineStream:
    """One sequence on its way through a fitted pipeline; made by :func:`stream`.

    It is used as a `SequenceStream` is. It can be pickled, together with the steps of the pipeline,
    and goes on where it was; fitting the pipeline anew does not change it.

    Parameters
    ----------
    followers : list
        What the transformers are for one sequence that comes in, in their order.
    inner : SequenceStream
        Of the model behind them, without a step yet.

    Attributes
    ----------
    n_steps : int
        Steps, or tokens, that the model has seen so far.
    """

    def __init__(self, followers: list[Any], inner: SequenceStream) -> None:
        self._fresh, self._base = followers, inner
        self._start()

    def _start(self) -> None:
        """Begin a sequence."""
        self._followers = self._fresh
        self._inner = self._settled = self._base.copy()
        # Of texts: the tokens so far, and how many of them `_settled` has seen.
        self._tokens, self._known = np.empty(0, dtype=np.int64), 0

    @property
    def n_steps(self) -> int:
        """Steps, or tokens, that the model has seen so far."""
        return self._inner.n_steps

    def push(self, steps: Any, times: Any = None) -> Any:
        """Add one or several steps and return the prediction for all steps so far.

        Parameters
        ----------
        steps : number, array-like of shape (n_channels,) or (n_steps, n_channels), or str
            One step, or several, as the first step of the pipeline takes them; NaN means missing.
            In front of a `TextTokenizer`, the next piece of the text: the text so far is all
            pieces one after the other as they stand, spaces included. If it was fitted on lists of
            words, a word or a list of words.
        times : number or array-like of shape (n_steps,), default=None
            Times of the steps, increasing from push to push, where the pipeline was fitted with
            times.

        Returns
        -------
        prediction : label, float or ndarray
            What ``pipeline.predict`` returns for the sequence so far. With one target a step, the
            prediction at each pushed step, one where one step was given.

        Raises
        ------
        ValueError
            If the steps do not fit those of the fit. The stream is then as it was before.
        """
        followers = [copy.copy(follower) for follower in self._followers]
        if hasattr(followers[0], "open_end"):
            result = self._push_text(followers, steps, times)
        else:
            first = followers[0]
            values, single = read_steps(steps, first.n_channels, "The pipeline")
            if bool(np.isinf(values).any()):
                raise ValueError("The pushed steps contain infinity.")
            clock = None if times is None else np.atleast_1d(np.asarray(times, dtype=np.float64))
            row = Sequences(
                values, [0, len(values)], vocabulary_size=first.vocabulary_size, times=clock
            )
            for follower in followers:
                row = follower.push(row)
            found = row.values if row.n_channels > 1 or not single else row.values[:, 0]
            result = self._inner.push(found[0] if single else found, times)
        self._followers = followers
        return result

    def reset(self, static: Any = None) -> PipelineStream:
        """Forget all steps and begin another sequence.

        Parameters
        ----------
        static : mapping or array-like of shape (n_static,), default=None
            Its static features; None keeps those of the sequence before.

        Returns
        -------
        self : PipelineStream
        """
        self._base.reset(static)
        self._start()
        return self

    def copy(self) -> PipelineStream:
        """Return a stream that goes on from here by itself: what if these steps came next?

        Returns
        -------
        stream : PipelineStream
        """
        other = copy.copy(self)
        other._base = self._base.copy()
        other._inner = self._inner.copy()
        other._settled = self._settled.copy()
        return other

    def predict(self) -> Any:
        """Return the prediction for all steps so far, as `push` does.

        Returns
        -------
        prediction : label, float or ndarray
            With one target a step, the predictions of the last push.
        """
        return self._inner.predict()

    def predict_proba(self) -> Any:
        """Return the probability of each class for all steps so far; for classifiers.

        Returns
        -------
        probabilities : ndarray of shape (n_classes,), or list of them
            As from ``pipeline.predict_proba``.
        """
        return self._inner.predict_proba()

    def _push_text(self, followers: list[Any], piece: Any, times: Any) -> Any:
        """Let the model see the tokens so far, the last of which may have changed."""
        row = followers[0].push(piece)
        for follower in followers[1:]:
            row = follower.push(row)
        tokens = row.values[:, 0]
        if self.n_steps and np.array_equal(tokens, self._tokens):
            return self.predict()
        settled, known = self._settled, self._known
        if not np.array_equal(tokens[:known], self._tokens[:known]):
            settled, known = self._base, 0
        inner, new = settled.copy(), tokens[known:]
        single = followers[0].words and isinstance(piece, str)
        result = inner.push(int(new[0]) if single and len(new) == 1 else new, times)
        # What may change is run anew with each piece; the rest is run once more, and then kept.
        open_end = followers[0].open_end
        if open_end == 0:
            settled, known = inner, len(tokens)
        elif len(new) > 2 * open_end:
            settled, stop = settled.copy(), len(tokens) - open_end
            settled.push(tokens[known:stop])
            known = stop
        self._inner, self._settled = inner, settled
        self._tokens, self._known = tokens, known
        return result

    def __repr__(self) -> str:
        return f"<PipelineStream of {type(self._inner._model).__name__}: {self.n_steps} steps>"


def _flattened(name: str, model: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names and steps of a fitted pipeline, those of pipelines inside it too."""
    if isinstance(model, Pipeline):
        for step_name, step in model.steps:
            if step is not None and not isinstance(step, str):
                yield from _flattened(step_name, step)
    elif isinstance(model, FrozenEstimator):
        yield from _flattened(name, model.estimator)
    elif hasattr(model, "best_estimator_"):
        yield from _flattened(name, model.best_estimator_)
    else:
        yield name, model


def _follower(name: str, step: Any) -> Any:
    """Return what a transformer is for one sequence that comes in, or say why there is none."""
    check_is_fitted(step)
    if not hasattr(step, "_following"):
        raise ValueError(
            f"{_described(name, step)} cannot follow live data: it works on whole tables. "
            "SequenceScaler, SequenceImputer, ToSequences and TextTokenizer can."
        )
    try:
        return step._following()
    except ValueError as error:
        raise ValueError(f"{_described(name, step)} cannot follow live data: it {error}") from None


def _described(name: str, step: Any) -> str:
    """Return how a message speaks of a step."""
    return f"Step {name!r} ({type(step).__name__})" if name else type(step).__name__
