"""`ReservoirClassifier`. Imports the shared base and layers 0 to 2."""

from __future__ import annotations

from typing import Any

from sklearn.base import ClassifierMixin

from ..sequences import StrOptions, _fit_context, all_or_nothing
from ._labels import (
    JointTarget,
    LabelTarget,
    MultilabelTarget,
    StepLabelTarget,
    logarithms,
    refuse_other_classes,
)
from ._reservoir_base import ReservoirPredictor
from ._targets import answer_of, score_of


class ReservoirClassifier(ClassifierMixin, ReservoirPredictor):
    """Classify sequences, or each of their steps, in closed form.

    Random recurrences at several time scales, which nobody trains, are pooled over time and read
    out by ridge regression. Use it where a fit has to take about a second, where sequences keep
    coming, or as the baseline that a trained network has to beat. Weights, penalty and
    probabilities are exact: nothing depends on an order, a batch or a number of epochs.

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
        change). Also as ``"mean+max"``. Not read for labels at every step.
    alpha : "auto", float or sequence of float, default="auto"
        Penalty of the ridge regression on standardised features, as in
        `sklearn.linear_model.Ridge`. ``"auto"`` takes the one of 17 whose exact left-out
        predictions do best, a sequence the best of its own.
    missing : {"auto", "indicator", "mean", "error"}, default="auto"
        What to do with NaN inside a sequence: ``"mean"`` puts the training mean in its place,
        ``"indicator"`` does so and adds a channel that marks it, ``"auto"`` does that when
        training data have missing values, ``"error"`` refuses.
    class_weight : dict, list of dict or "balanced", default=None
        Weights of the classes, as in scikit-learn.
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
    classes_ : ndarray of shape (n_classes,), or list of them
        The labels, sorted; a list when y has several outputs.
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
    RNNClassifier : A trained recurrence, with a closed form beside it.
    ReservoirTransformer : The features alone.

    References
    ----------
    H. Jaeger, "The 'echo state' approach to analysing and training recurrent neural networks",
    GMD Report 148, 2001. M. Lukosevicius, "A practical guide to applying echo state networks",
    2012.

    Examples
    --------
    >>> from sklearn_rnn import ReservoirClassifier
    >>> from sklearn_rnn.datasets import load_basic_motions
    >>> X, y = load_basic_motions(subset="train", return_X_y=True)
    >>> X_test, y_test = load_basic_motions(subset="test", return_X_y=True)
    >>> classifier = ReservoirClassifier(random_state=0).fit(X, y)
    >>> classifier.score(X_test, y_test)
    1.0
    >>> ReservoirClassifier().fit(X, y[:5])
    Traceback (most recent call last):
    ...
    ValueError: Found input variables with inconsistent numbers of samples: [40, 5]
    """

    _parameter_constraints = {
        **ReservoirPredictor._parameter_constraints,
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }
    _kinds = (StepLabelTarget, MultilabelTarget, JointTarget, LabelTarget)

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
        class_weight: Any = None,
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
        self.class_weight = class_weight
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state

    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> ReservoirClassifier:
        """Add sequences to what the readout is solved from; none is forgotten.

        In whatever order and portions sequences come, the readout is that of all of them at once.
        The first call draws the reservoir and fixes the scaling of X; give it sequences that
        are like those to come.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.
        y : array-like or list of arrays
            The targets, as in `fit`.
        classes : array-like, or list of them, default=None
            All labels that will ever come; needed in the first call unless it has them all. A
            list with one entry for each output when y has several.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the sequences.

        Returns
        -------
        self : ReservoirClassifier
            The estimator. The readout is solved at the next prediction.

        Raises
        ------
        ValueError
            If the model was fitted by `fit` and then saved: only models that began with
            `partial_fit` are saved with their sums, and with up to 3,000 of their sequences'
            features and targets, from which the readout and its penalty are solved anew.
        """
        refuse_other_classes(self, classes)
        self._add(X, y, sample_weight, reset=not self.__sklearn_is_fitted__(), classes=classes)
        return self

    def predict(self, X: Any) -> Any:
        """Return the most probable label of each sequence, or of each step.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,) or (n_samples, n_outputs), or list of ndarray
            Labels from ``classes_``; for multilabel y the indicator matrix; for labels of steps a
            list of arrays of shape (n_steps_i,).
        """
        return answer_of(self, X, "decode")

    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class.

        The gain from what is read out to logits is the one at which the left-out predictions of
        the training sequences have the smallest log loss.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float64, or list of them
            In the order of ``classes_``. For multilabel y the probability of each label, of
            shape (n_samples, n_labels); for several outputs a list with one array each; for
            labels of steps `Sequences` with one channel a class.
        """
        return answer_of(self, X, "probabilities")

    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithm of `predict_proba`.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes), list of them, or Sequences
            As `predict_proba` returns probabilities.
        """
        return logarithms(self.predict_proba(X))

    def decision_function(self, X: Any) -> Any:
        """Return the log odds of the classes, from which `predict` decides.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        log_odds : ndarray of shape (n_samples,) or (n_samples, n_classes), list, or Sequences
            log(p / (1 - p)) of the probabilities p. Of two classes those of ``classes_[1]``, which
            is predicted above 0; of more, one column a class, in the order of ``classes_``, the
            largest of which is predicted. For multilabel y, one column a label, which is given
            from 0 on. For several outputs a list with one array each; for labels of steps
            `Sequences`, of one channel for two classes.
        """
        return answer_of(self, X, "log_odds")

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy: of labels, of whole label sets, of all outputs at once, of steps.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.
        y : array-like or list of arrays
            The true labels, as in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the sequences.

        Returns
        -------
        score : float
            Share of sequences, or steps, that are wholly right.
        """
        return score_of(self, X, y, sample_weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
