"""Live data through a fitted pipeline: its transformers and its model, step by step.

Imports scikit-learn, the sequences room and the streams of models beside it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..sequences import Sequences
from ._stream import SequenceStream, read_steps


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
