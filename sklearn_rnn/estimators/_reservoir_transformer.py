"""`ReservoirTransformer`. Imports the shared base and layers 0 to 2."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.callback import with_callbacks

from ..sequences import _fit_context, all_or_nothing
from ._reservoir_base import BaseReservoir


class ReservoirTransformer(BaseReservoir):
    """Turn each sequence into a vector of pooled states of random recurrences.

    Use it in front of any scikit-learn estimator that reads tables: the features of a sequence
    of any length, with any number of channels, have one width. `hidden_states` gives the states
    at every step. Nothing is learned but the scaling of the input.

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
        change). Also as ``"mean+max"``.
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
    n_features_in_ : int
        Number of steps of a 2-D array, of columns of a frame; not set for X of another form.
    feature_names_in_ : ndarray of str
        Column names, when X was a frame.

    See Also
    --------
    ReservoirClassifier : The same with a solved readout.

    References
    ----------
    H. Jaeger, "The 'echo state' approach to analysing and training recurrent neural networks",
    GMD Report 148, 2001. M. Lukosevicius, "A practical guide to applying echo state networks",
    2012.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_rnn import ReservoirTransformer
    >>> from sklearn_rnn.datasets import load_basic_motions
    >>> X, y = load_basic_motions(subset="train", return_X_y=True)
    >>> reservoir = ReservoirTransformer(20, pooling="mean+std", random_state=0)
    >>> reservoir.fit_transform(X).shape
    (40, 400)
    >>> reservoir.hidden_states(X)
    Sequences(n=40, channels=200, lengths=100, dtype=float64)
    >>> model = make_pipeline(reservoir, StandardScaler(), LogisticRegression()).fit(X, y)
    >>> model.score(*load_basic_motions(subset="test", return_X_y=True)) > 0.9
    True
    """

    def __init__(
        self,
        hidden_size: int = 100,
        *,
        spectral_radius: Any = (0.5, 0.9, 0.95, 0.95, 0.99),
        leak_rate: Any = (1.0, 1.0, 0.5, 0.2, 0.05),
        input_scale: float = 1.0,
        bidirectional: bool = True,
        pooling: Any = "all",
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
        self.missing = missing
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state

    @all_or_nothing
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> ReservoirTransformer:
        """Draw the reservoir and take the scaling of the input.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences of n_samples sequences
            The sequences, in any of the accepted forms. NaN means missing.
        y : ignored
            Present so that the transformer fits into a pipeline.

        Returns
        -------
        self : ReservoirTransformer
            The fitted transformer.
        """
        sequences = self._read(X, reset=True)
        self._draw(sequences, np.arange(len(sequences)), None)
        self._report_fit(X, y)
        return self
