"""`RNNClassifier`. Imports the shared base and layers 0 to 2."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from ..sequences import Interval, Sequences, StrOptions, Unused, _fit_context, all_or_nothing
from ..training import Dropout, EarlyStopping, Embedding
from ._base import BaseRNN
from ._fitting import fit_network
from ._labels import JointTarget, LabelTarget, MultilabelTarget, logarithms, refuse_other_classes
from ._targets import answer_of, score_of


class RNNClassifier(ClassifierMixin, BaseRNN):
    """Classify whole sequences with a recurrent network.

    Use it when each sample is a sequence, of any length and with any number of channels, and has
    one label, a set of labels, or one label for each of several outputs. Scaling, masking,
    shuffling, initialisation and the learning-rate schedule are taken care of.

    Parameters
    ----------
    hidden_size : int, default=64
        Units of the recurrence, in each direction.
    cell : {"lstm", "gru", "rnn", "rnn_relu", "rnn_sigmoid", "gru_reset_before", "cifg", \
            "mingru", "minlstm"} or type, default="lstm"
        The recurrence. A torch module class is taken too: one whose constructor has
        ``batch_first`` is called over the whole sequence as `torch.nn.GRU` is, any other one step
        at a time as `torch.nn.GRUCell` is.
    num_layers : int, default=1
        Stacked recurrent layers.
    bidirectional : bool, default=True
        Whether a second recurrence, and half of the reservoir, read each sequence from its true
        end.
    pooling : str or sequence of str, default=("mean", "max", "last")
        How the states of all steps become one vector: one or several of ``"last"``, ``"mean"``,
        ``"max"`` and ``"attention"``, concatenated. Also as ``"mean+max"``.
    stem : {"conv", None}, default=None
        ``"conv"`` puts a small convolution over time before the recurrence.
    dropout : float or Dropout, default=0.2
        Share of the pooled features, and of the outputs between stacked layers, that training
        sets to zero at random; in [0, 1). A `Dropout` also has the share of the weights from state
        to state.
    layer_norm : bool, default=False
        Whether the outputs of every recurrent layer are normalised over its units.
    embedding : int or Embedding, default=64
        Size of the vector learned for each token, where X holds tokens; that of pretrained
        vectors, where the tokenizer was given some. An `Embedding` also has their dropout.
    closed_form : {"auto", "only"} or bool, default="auto"
        Whether a model that is solved in closed form, in about a second, stands beside the trained
        recurrence; what it has to say in the prediction is decided on sequences that the recurrence
        does not train on (``recurrence_share_``, from 0 to 1; with early stopping or a validation
        set, on those). Of numbers: random recurrences and convolutions, pooled, with a readout
        solved by ridge regression on all sequences (2,000 at most); a fifth of them (1,000 at most)
        decide. ``"auto"`` has it for one target a sequence, the default loss, and sequences of at
        most 5,000 steps and five million all together. Overlapping sequences (windows over one
        series, one recording cut at several times) have to come from at least ten recordings. Of
        tokens: a linear model on n-grams; a tenth of the sequences decide, and ``"auto"`` has it
        for one target a sequence and the default loss. ``"only"`` trains nothing by gradient.
    n_estimators : int, default=1
        Networks that are trained side by side on the same batches, from different first weights
        and with dropout of their own; what they answer, before it becomes probabilities, is
        averaged. It takes `n_estimators` times as long as one.
    missing : {"auto", "indicator", "mean", "error"}, default="auto"
        What to do with NaN inside a sequence: ``"mean"`` puts the training mean in its place,
        ``"indicator"`` does so and adds a channel that marks it, ``"auto"`` does that when
        training data have missing values, ``"error"`` refuses.
    loss : "log_loss", torch loss or callable, default="log_loss"
        Cross-entropy by name, a torch loss such as ``torch.nn.BCEWithLogitsLoss()``, or a
        function of raw outputs and encoded targets that returns a loss for each sequence.
    label_smoothing : float, default=0.0
        Share of the target probability spread over all classes; in [0, 1).
    optimizer : {"adamw", "adam", "sgd", "rmsprop"}, callable or Optimizer, default="adamw"
        A name, any torch optimizer class, or an `Optimizer`, which also has weight decay, the
        schedule of the learning rate, the clipping of gradients, truncated backpropagation,
        checkpointing and the scale of the first weights. ``functools.partial`` sets an optimizer's
        own options.
    learning_rate : float, default=3e-3
        Learning rate, the peak of the schedule.
    batch_size : int or "auto", default="auto"
        Sequences a step. ``"auto"`` is a sixteenth of them, or a 128th of tokens, as a power of
        two from 16 to 128.
    max_epochs : int or "auto", default="auto"
        Passes over the data. ``"auto"`` makes about 1,500 steps, in 20 to 100 epochs, or 8 to 30
        for tokens; a fiftieth of them where the closed form leaves so little that no recurrence
        could get a share.
    early_stopping : bool or EarlyStopping, default=False
        Whether to hold out a part of the training data, stop when its score stands still, and
        restore the weights of the best epoch. An `EarlyStopping` also says how large the part is,
        and how long the score may stand still.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes; ``"balanced"`` weighs them inversely to their frequency.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last fit.
    device : str, default="auto"
        ``"auto"`` (CUDA where there is one, else the CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"``
        or ``"mps"``.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Number type of the products. ``"bfloat16"`` is mixed precision; ``"auto"`` is
        float32.
    n_jobs : int, default=None
        CPU threads. None means one, which is fastest for networks of up to a few hundred units;
        -1 means all.
    random_state : int, RandomState instance or None, default=None
        Seeds initial weights, shuffling, dropout and the validation split. With an int, fits
        are bit-identical on the same machine.
    verbose : int, default=0
        1 shows a progress bar with loss, score and time left.
    callbacks : list of skorch callbacks, default=None
        Told of every epoch and batch, beside ours, such as ``skorch.callbacks.Checkpoint``; also
        classes, and pairs of a name and one. They are used as they are, not copied.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,), or list of them
        The labels, sorted; a list when y has several outputs.
    n_features_in_ : int
        Number of steps of a 2-D array, of columns of a frame; not set for X of another form.
    feature_names_in_ : ndarray of str
        Column names, when X was a frame.
    n_iter_ : int
        Epochs trained.
    loss_curve_ : list of float
        Mean training loss of every epoch.
    validation_scores_ : list of float or None
        Score on the validation set after every epoch, where there is one: that of the whole model,
        as if training ended there.
    best_validation_score_ : float or None
        The best of them.
    history_ : pandas.DataFrame
        One row an epoch: losses, score, learning rate, seconds. Where a closed form stands beside
        a recurrence that is watched, also what the recurrence scores alone, and its share.
    net_ : skorch.NeuralNet
        The trained net; ``net_.module_`` is the torch network, ``net_.history`` what each epoch
        came to, and ``net_.predict`` answers as the estimator does.
    input_, core_, head_ : str
        The network in words.
    prediction_ : str
        How the prediction is made up, in words: the shares of closed form and recurrence, and what
        each scores alone on what decided them.
    n_weights_ : int
        Number of trained weights; of a closed form alone, those of its solved readout.
    recurrence_share_ : float
        Share of the trained recurrence in the prediction; 1 without a closed form.
    thresholds_ : ndarray of shape (n_labels,)
        With a multilabel y, the probability from which on each label is given: tuned by F1 score
        on the sequences that were held out of training, where there were twenty or more, else 0.5.
    report_ : Report
        The model beside simple baselines, on what it has not learned from: :doc:`/guide/report`.
    readout_shares_ : dict of str to float
        Shares of the closed form's readouts, by what they read: ``"all"`` features, the
        ``"recurrent"`` ones, the ``"convolutions"``, ``"static"`` features alone. Empty without a
        closed form.

    See Also
    --------
    RNNRegressor : The same for numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_rnn import RNNClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.array(["fall", "rise"] * 20)
    >>> X = [
    ...     np.linspace(0, 1 if label == "rise" else -1, rng.integers(5, 30))
    ...     for label in y
    ... ]
    >>> classifier = RNNClassifier(hidden_size=8, max_epochs=20, random_state=0).fit(X, y)
    >>> classifier.predict([np.linspace(0, 1, 50), np.linspace(0, -1, 3)])
    array(['rise', 'fall'], dtype='<U4')
    >>> classifier.predict([[]])
    Traceback (most recent call last):
    ...
    ValueError: ...
    """

    _parameter_constraints = {
        **BaseRNN._parameter_constraints,
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "loss": [StrOptions({"log_loss"}), callable, type],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }
    _kinds = (MultilabelTarget, JointTarget, LabelTarget)

    _unused = (
        *BaseRNN._unused,
        Unused(
            ("label_smoothing",),
            lambda model: model.loss != "log_loss",
            "a loss of your own has to smooth by itself",
        ),
        Unused(
            ("label_smoothing",),
            lambda model: not model._target.is_smoothed,
            "it is for one label a sequence",
        ),
    )

    def __init__(
        self,
        hidden_size: int = 64,
        *,
        cell: str | type = "lstm",
        num_layers: int = 1,
        bidirectional: bool = True,
        pooling: Any = ("mean", "max", "last"),
        stem: str | None = None,
        dropout: float | Dropout = 0.2,
        layer_norm: bool = False,
        embedding: int | Embedding = 64,
        closed_form: str | bool = "auto",
        n_estimators: int = 1,
        missing: str = "auto",
        loss: Any = "log_loss",
        label_smoothing: float = 0.0,
        optimizer: Any = "adamw",
        learning_rate: float = 3e-3,
        batch_size: int | str = "auto",
        max_epochs: int | str = "auto",
        early_stopping: bool | EarlyStopping = False,
        class_weight: Any = None,
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
        self.pooling = pooling
        self.stem = stem
        self.dropout = dropout
        self.layer_norm = layer_norm
        self.embedding = embedding
        self.closed_form = closed_form
        self.n_estimators = n_estimators
        self.missing = missing
        self.loss = loss
        self.label_smoothing = label_smoothing
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.device = device
        self.precision = precision
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    # ---------------------------------------------------------------- targets

    def _architecture(self, sequences: Sequences, *, indicator: bool) -> dict[str, Any]:
        """Add what only classification has."""
        architecture = super()._architecture(sequences, indicator=indicator)
        return {**architecture, "label_smoothing": float(self.label_smoothing)}

    # ---------------------------------------------------------------- prediction

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each sequence.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Labels from ``classes_``; for multilabel y the indicator matrix.
        """
        labels: np.ndarray = answer_of(self, X, "decode")
        return labels

    def predict_proba(self, X: Any) -> np.ndarray | list[np.ndarray]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float32, or list of them
            In the order of ``classes_``. For multilabel y the probability of each label, of
            shape (n_samples, n_labels); for several outputs a list with one array each.
        """
        found: np.ndarray | list[np.ndarray] = answer_of(self, X, "probabilities")
        return found

    def predict_log_proba(self, X: Any) -> np.ndarray | list[np.ndarray]:
        """Return the logarithm of `predict_proba`.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes), or list of them
            In the order of ``classes_``.
        """
        found: np.ndarray | list[np.ndarray] = logarithms(self.predict_proba(X))
        return found

    def decision_function(self, X: Any) -> np.ndarray | list[np.ndarray]:
        """Return the log odds of the classes, from which `predict` decides.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.

        Returns
        -------
        log_odds : ndarray of shape (n_samples,) or (n_samples, n_classes), or list of them
            log(p / (1 - p)) of the probabilities p. Of two classes those of ``classes_[1]``, which
            is predicted above 0; of more, one column a class, in the order of ``classes_``, the
            largest of which is predicted. For multilabel y, one column a label, which is given
            from 0 on: where its threshold is not 0.5, its log odds are counted from there. For
            several outputs a list with one array each.
        """
        found: np.ndarray | list[np.ndarray] = answer_of(self, X, "log_odds")
        return found

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy: of labels, of whole label sets, or of all outputs at once.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The true labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the sequences.

        Returns
        -------
        score : float
            Share of sequences that are wholly right.
        """
        return score_of(self, X, y, sample_weight)

    # ---------------------------------------------------------------- learning on

    @property
    def thresholds_(self) -> np.ndarray:
        """Probability from which on each label of a multilabel y is given.

        Tuned by F1 score on the sequences that were held out of training, where there are twenty
        or more; 0.5 otherwise.
        """
        thresholds = getattr(self.__dict__.get("_target"), "thresholds", None)
        if thresholds is None:
            raise AttributeError("Only a model fitted on a multilabel y has thresholds_.")
        return np.array(thresholds)

    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> RNNClassifier:
        """Train for one epoch on these sequences, at a constant learning rate.

        It is the recurrence that is trained. The closed-form path of a model that was fitted stays
        as it is; a model that begins with `partial_fit` has none.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`. The first call's also set the scaling.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            The labels.
        classes : array-like, or list of them, default=None
            All labels that will ever come; needed in the first call unless it has them all. A
            list with one entry for each output when y has several.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the sequences.

        Returns
        -------
        self : RNNClassifier
            The estimator, one epoch further.
        """
        refuse_other_classes(self, classes)
        reset = not hasattr(self, "net_")
        fit_network(self, X, y, sample_weight, reset=reset, one_epoch=True, classes=classes)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
