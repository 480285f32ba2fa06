"""`RNNRegressor`. Imports the shared base and layers 0 to 2."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import torch
from sklearn.base import RegressorMixin

from ..sequences import Interval, StrOptions, _fit_context, all_or_nothing
from ..training import Dropout, EarlyStopping, Embedding
from ._base import BaseRNN
from ._fitting import fit_network
from ._targets import ContinuousTarget, StepTarget, answer_of, score_of


class RNNRegressor(RegressorMixin, BaseRNN):
    """Predict numbers from sequences with a recurrent network.

    Use it when each sample is a sequence, of any length and with any number of channels, and has
    one number, several numbers, or one or several numbers at every step. Inputs and targets are
    scaled inside.

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
    loss : {"squared_error", "absolute_error", "huber"}, torch loss or callable, \
            default="squared_error"
        The loss, on targets scaled to mean 0 and deviation 1; a torch loss such as
        ``torch.nn.SmoothL1Loss()`` or a function of predictions and targets as well.
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
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last fit.
    device : str, default="auto"
        ``"auto"`` (CUDA where there is one, else the CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"``
        or ``"mps"``.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Number type of the products. ``"bfloat16"`` is mixed precision; ``"auto"`` is
        float32, and on a CPU predictions are computed in float64, so that they depend on their
        batch in no digit.
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
    report_ : Report
        The model beside simple baselines, on what it has not learned from: :doc:`/guide/report`.
    readout_shares_ : dict of str to float
        Shares of the closed form's readouts, by what they read: ``"all"`` features, the
        ``"recurrent"`` ones, the ``"convolutions"``, ``"static"`` features alone. Empty without a
        closed form.

    See Also
    --------
    RNNClassifier : The same for labels.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_rnn import RNNRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=rng.integers(5, 15)) for _ in range(60)]
    >>> y = [x.mean() for x in X]
    >>> regressor = RNNRegressor(hidden_size=16, max_epochs=40, random_state=0).fit(X, y)
    >>> regressor.score(X, y) > 0.8
    True
    >>> running = [np.cumsum(x) for x in X]  # one target at every step
    >>> stepwise = RNNRegressor(8, bidirectional=False, max_epochs=5, random_state=0)
    >>> [p.shape for p in stepwise.fit(X, running).predict(X[:2])] == [x.shape for x in X[:2]]
    True
    """

    _parameter_constraints = {
        **BaseRNN._parameter_constraints,
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "loss": [StrOptions({"squared_error", "absolute_error", "huber"}), callable, type],
    }
    _kinds = (StepTarget, ContinuousTarget)

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
        loss: Any = "squared_error",
        optimizer: Any = "adamw",
        learning_rate: float = 3e-3,
        batch_size: int | str = "auto",
        max_epochs: int | str = "auto",
        early_stopping: bool | EarlyStopping = False,
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
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.warm_start = warm_start
        self.device = device
        self.precision = precision
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    # ---------------------------------------------------------------- prediction

    def _prediction_dtype(self) -> torch.dtype:
        """Return float64 on a CPU, where a prediction then depends on its batch in no digit."""
        exact = self.precision == "auto" and self.net_.run_.compute.device.type == "cpu"
        return torch.float64 if exact and self._computes_in_double() else torch.float32

    def _computes_in_double(self) -> bool:
        """Tell by trying: a user's own cell may make tensors of torch's default type."""
        if isinstance(self._config.cell, str):
            return True
        try:
            network: Any = self.net_.network_for(torch.float64)
            kind, recurrence = network.states_dtype, network.recurrence
            steps = torch.zeros(1, 2, recurrence.input_size, dtype=kind)
            with torch.inference_mode(), self._guarded():
                return bool(recurrence(steps).output.dtype == kind)
        except RuntimeError:
            return False

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

    # ---------------------------------------------------------------- learning on

    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> RNNRegressor:
        """Train for one epoch on these sequences, at a constant learning rate.

        It is the recurrence that is trained. The closed-form path of a model that was fitted stays
        as it is; a model that begins with `partial_fit` has none.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`. The first call's also set the scaling.
        y : array-like or list of arrays
            The targets, as in `fit`. The first call's also set their scaling.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the sequences.

        Returns
        -------
        self : RNNRegressor
            The estimator, one epoch further.
        """
        fit_network(self, X, y, sample_weight, reset=not hasattr(self, "net_"), one_epoch=True)
        return self
