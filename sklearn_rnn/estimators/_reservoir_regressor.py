"""`ReservoirRegressor`. Imports the shared base and layers 0 to 2."""

from __future__ import annotations

from typing import Any

from sklearn.base import RegressorMixin

from ..sequences import _fit_context, all_or_nothing
from ._reservoir_base import ReservoirPredictor
from ._targets import ContinuousTarget, StepTarget, answer_of, score_of


class ReservoirRegressor(RegressorMixin, ReservoirPredictor):
    """Predict numbers from sequences, or from each of their steps, in closed form.

    Random recurrences at several time scales, which nobody trains, are pooled over time and read
    out by ridge regression; with targets at every step, the states are read out as they are. Use
    it where a fit has to take about a second, where sequences keep coming, or as the baseline
    that a trained network has to beat. Weights and penalty are exact: nothing depends on an
    order, a batch or a number of epochs.

    Parameters
    ----------
    hidden_size : int, default=100
        Units at each time scale, in each direction.
    spectral_radius : float or sequence of float, default=(0.5, 0.9, 0.95, 0.95, 0.99)
        Largest absolute eigenvalue of the recurrent weights, one for each time scale. Small
        ones forget quickly.
    leak_rate : float or sequence of float, default=(1.0, 1.0, 0.5, 0.2, 0.05)
        How far the states move at each step towards their new values, one for each time scale;
        in (0, 1]. Small ones change slowly.
    input_scale : float, default=1.0
        Factor of the input weights: how far the standardised input drives the units into
        saturation.
    bidirectional : bool, default=True
        Whether a second reservoir of the same size reads each sequence from its true end.
    pooling : "all", str or sequence of str, default="all"
        How the states of all steps become features: some of ``"mean"``, ``"max"``, ``"last"``,
        ``"std"``, ``"positive"`` (share of positive values) and ``"variation"`` (mean absolute
        change). Also as ``"mean+max"``. Not read for targets at every step.
    alpha : "auto", float or sequence of float, default="auto"
        Penalty of the ridge regression on standardised features, as in
        `sklearn.linear_model.Ridge`. ``"auto"`` takes the one of 17 whose exact left-out
        predictions do best, a sequence the best of its own.
    missing : {"auto", "indicator", "mean", "error"}, default="auto"
        What to do with NaN inside a sequence: ``"mean"`` puts the training mean in its place,
        ``"indicator"`` does so and adds a channel that marks it, ``"auto"`` does that when
        training data have missing values, ``"error"`` refuses.
    device : str, default="auto"
        ``"auto"`` (CUDA where there is one, else the CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"``
        or ``"mps"``. The states are computed there, in float64 where that exists; the readout is
        solved on the CPU.
    n_jobs : int, default=None
        CPU threads that compute the states. None means one; -1 means all.
    random_state : int, RandomState instance or None, default=None
        Seeds the random weights. With an int, fits are bit-identical on the same machine.

    Attributes
    ----------
    alpha_ : float
        The penalty of the readout.
    report_ : Report
        Left-out predictions beside those of simple baselines; see :doc:`/guide/report`.
    n_features_in_ : int
        Number of steps of a 2-D array, of columns of a frame; not set for X of another form.
    feature_names_in_ : ndarray of str
        Column names, when X was a frame.

    See Also
    --------
    RNNRegressor : A trained recurrence, with a closed form beside it.
    ReservoirTransformer : The features alone.

    References
    ----------
    H. Jaeger, "The 'echo state' approach to analysing and training recurrent neural networks",
    GMD Report 148, 2001. M. Lukosevicius, "A practical guide to applying echo state networks",
    2012.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_rnn import ReservoirRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=rng.integers(5, 15)) for _ in range(60)]
    >>> y = [np.abs(np.diff(x)).mean() for x in X]  # how much it moves from step to step
    >>> regressor = ReservoirRegressor(random_state=0).fit(X, y)
    >>> regressor.score(X, y) > 0.95
    True
    >>> smooth = [np.convolve(x, [0.5, 0.3])[: len(x)] for x in X]  # one target at every step
    >>> stepwise = ReservoirRegressor(bidirectional=False, random_state=0).fit(X, smooth)
    >>> stepwise.score(X, smooth) > 0.95
    True
    """

    _kinds = (StepTarget, ContinuousTarget)

    def __init__(
        self,
        hidden_size: int = 100,
        *,
        spectral_radius: Any = (0.5, 0.9, 0.95, 0.95, 0.99),
        leak_rate: Any = (1.0, 1.0, 0.5, 0.2, 0.05),
        input_scale: float = 1.0,
        bidirectional: bool = True,
        pooling: Any = "all",
        alpha: Any = "auto",
        missing: str = "auto",
        device: str = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.hidden_size = hidden_size
        self.spectral_radius = spectral_radius
        self.leak_rate = leak_rate
        self.input_scale = input_scale
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.alpha = alpha
        self.missing = missing
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state

    def predict(self, X: Any) -> Any:
        """Return the predicted numbers.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        predictions : ndarray of shape (n_samples,) or (n_samples, n_outputs), float64
            In the shape of y. With one target a step: a list of arrays, `Sequences` or a 3-D
            array, as y was, also at steps whose target was NaN.
        """
        return answer_of(self, X, "decode")

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the coefficient of determination R2, over all steps where y has them.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.
        y : array-like or list of arrays
            The true targets, as in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the sequences.

        Returns
        -------
        score : float
            R2, at most 1; several outputs count alike. Steps whose target is NaN do not.
        """
        return score_of(self, X, y, sample_weight)

    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> ReservoirRegressor:
        """Add sequences to what the readout is solved from; none is forgotten.

        In whatever order and portions sequences come, the readout is that of all of them at once.
        The first call draws the reservoir and fixes the scaling of X and the number of outputs;
        give it sequences that are like those to come.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.
        y : array-like or list of arrays
            The targets, as in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the sequences.

        Returns
        -------
        self : ReservoirRegressor
            The estimator. The readout is solved at the next prediction.

        Raises
        ------
        ValueError
            If the model was fitted by `fit` and then saved: only models that began with
            `partial_fit` are saved with their sums, and with up to 3,000 of their sequences'
            features and targets, from which the readout and its penalty are solved anew.
        """
        self._add(X, y, sample_weight, reset=not self.__sklearn_is_fitted__())
        return self
