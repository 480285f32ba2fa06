"""How to train: optimizers and schedules by name, the settings that estimators take as objects.

The first optimizer of a process has torch import its compiler and sympy, 900 modules, in the midst
of a fit: a second of work for what stands aside unless something is compiled. An interrupt in there
leaves halves of packages, with which no later fit in that process can run. The optimizers here do
the same without. One that the user brings needs the compiler after all, and has it imported where
no interrupt comes. Imports scikit-learn, torch and layer 1.
"""

from __future__ import annotations

import copy
import functools
import inspect
import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

import torch
from sklearn.base import BaseEstimator
from torch.optim import lr_scheduler

from ..nn import import_whole
from ..sequences import Interval, StrOptions, validate_parameter_constraints


def _plain(kind: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """Return an optimizer class whose methods go past torch's switches for its compiler."""

    def step(self: Any, closure: Any = None) -> Any:
        with torch.no_grad():
            return inspect.unwrap(kind.step)(self, closure)

    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    return type(
        kind.__name__,
        (kind,),
        {
            **methods,
            "step": step,
            "__doc__": f"`torch.optim.{kind.__name__}` without torch's compiler.",
        },
    )


#: Of torch's classes those without its compiler, and both by name.
PLAIN: dict[Any, type[torch.optim.Optimizer]] = {
    kind: _plain(kind)
    for kind in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop)
}
OPTIMIZERS = {kind.__name__.lower(): plain for kind, plain in PLAIN.items()}
globals().update({kind.__name__: plain for kind, plain in PLAIN.items()})  # where pickle looks


SCHEDULES = ("one_cycle", "cosine", "plateau", "constant")

_CALLED = (
    "must be callable as optimizer(params, lr=..., weight_decay=...), the last unless "
    "optimizer__weight_decay=0, with groups of parameters, and return a torch optimizer"
)
# Share of the steps over which one-cycle warms up; where it starts and ends, of the peak.
_WARM_UP = 0.25
_START, _END = 0.05, 0.001
# Plateau: halve after this many epochs without improvement.
_PLATEAU_PATIENCE = 5


def resolve_optimizer(
    optimizer: str | Callable[..., torch.optim.Optimizer],
    weight_decay: float,
    *,
    grouped: bool = False,
) -> tuple[Callable[..., torch.optim.Optimizer], dict[str, Any]]:
    """Return the optimizer class and its keyword arguments.

    Weight decay is given only to an optimizer that has it; asking one that has not is an error.
    A ``functools.partial`` that sets it keeps its own. `grouped` says that weights come in groups
    even without it.
    """
    factory: Any = OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer
    if factory in PLAIN:
        factory = PLAIN[factory]
    elif factory not in PLAIN.values():
        import_whole("torch._dynamo")
    keywords: dict[str, Any] = {}
    name = getattr(factory, "__name__", repr(factory))
    try:
        accepted = inspect.signature(factory).parameters
    except ValueError as error:
        raise ValueError(f"optimizer={name} {_CALLED}: {error}.") from error
    if isinstance(factory, functools.partial) and "weight_decay" in factory.keywords:
        return factory, keywords
    if factory is OPTIMIZERS["sgd"]:
        keywords["momentum"] = 0.9
    if weight_decay:
        takes_any = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
        if "weight_decay" not in accepted and not takes_any:
            raise ValueError(
                f"optimizer {name} has no weight decay; set optimizer__weight_decay=0."
            )
        keywords["weight_decay"] = weight_decay
    if factory not in PLAIN.values():
        _try(factory, name, keywords, grouped=grouped or bool(weight_decay))
    return factory, keywords


def _try(factory: Any, name: str, keywords: dict[str, Any], *, grouped: bool) -> None:
    """Make an optimizer of the user's own for two weights, and say what it has to take."""
    one, two = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    shrunk = {"weight_decay": 0.0} if "weight_decay" in keywords else {}
    groups = [{"params": [one]}, {"params": [two], "lr": 0.1, **shrunk}]
    try:
        found = factory(groups if grouped else [one, two], lr=0.1, **keywords)
    except Exception as error:
        raise TypeError(f"optimizer={name} {_CALLED}: {error}.") from error
    if not isinstance(found, torch.optim.Optimizer):
        raise TypeError(f"optimizer={name} {_CALLED}; it returned a {type(found).__name__}.")


def one_cycle(step: int, total: int) -> float:
    """Return the share of the peak at a step: up along a cosine, then down to a thousandth."""
    warm = max(1, round(_WARM_UP * total))
    if step < warm:
        return _START + (1 - _START) * 0.5 * (1 - math.cos(math.pi * step / warm))
    done = (step - warm) / max(1, total - 1 - warm)
    return _END + (1 - _END) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def cosine(step: int, total: int) -> float:
    """Return the share of the peak at a step: half a cosine, down to a thousandth."""
    done = min(1.0, step / max(1, total - 1))
    return _END + (1 - _END) * 0.5 * (1 + math.cos(math.pi * done))


class Schedule:
    """Drive an optimizer's learning rate by batch (one-cycle, cosine) or by epoch (plateau).

    Parameters
    ----------
    name : {"one_cycle", "cosine", "plateau", "constant"}
        The shape.
    optimizer : torch.optim.Optimizer
        Its learning rates are the peak.
    total_steps : int
        Number of batches in the whole fit.
    """

    def __init__(self, name: str, optimizer: torch.optim.Optimizer, total_steps: int) -> None:
        self.optimizer = optimizer
        self.per_batch: lr_scheduler.LRScheduler | None = None
        self.per_epoch: lr_scheduler.ReduceLROnPlateau | None = None
        if name in ("one_cycle", "cosine"):
            shape = one_cycle if name == "one_cycle" else cosine
            self.per_batch = lr_scheduler.LambdaLR(optimizer, lambda step: shape(step, total_steps))
        elif name == "plateau":
            self.per_epoch = lr_scheduler.ReduceLROnPlateau(
                optimizer, mode="min", factor=0.5, patience=_PLATEAU_PATIENCE
            )
        elif name != "constant":
            raise ValueError(f"schedule must be one of {list(SCHEDULES)}, got {name!r}.")

    def after_batch(self) -> None:
        """Move on by one optimizer step."""
        if self.per_batch is not None:
            self.per_batch.step()

    def after_epoch(self, loss: float) -> None:
        """Tell the schedule the loss that it should watch."""
        if self.per_epoch is not None:
            self.per_epoch.step(loss)

    @property
    def learning_rate(self) -> float:
        """Learning rate of the first parameter group, now."""
        return float(self.optimizer.param_groups[0]["lr"])


#: What no network is trained beyond: passes over the data, layers, and numbers that multiply
#: weights. Larger ones are slips, which would end in years, or in numbers that are not finite.
MOST_EPOCHS, MOST_LAYERS, LARGEST_RATE = 10**7, 1000, 1e6

_STEPS = 1500
_FEWEST_EPOCHS, _MOST_EPOCHS = 20, 100
_SMALLEST_BATCH, _LARGEST_BATCH = 16, 128
# Embeddings learn most of what they can in few epochs, and then only remember.
_FEWEST_OF_TOKENS, _MOST_OF_TOKENS = 8, 30


def auto_batch_size(n_rows: int, *, tokens: bool = False) -> int:
    """Return the power of two nearest below n/16, or n/128 for tokens, between 16 and 128."""
    size = _SMALLEST_BATCH
    while size < _LARGEST_BATCH and 2 * size <= n_rows / (128 if tokens else 16):
        size *= 2
    return size


def auto_epochs(n_rows: int, batch_size: int, *, tokens: bool = False) -> int:
    """Return how many epochs make about 1,500 steps: 20 to 100, or 8 to 30 for tokens."""
    steps = -(-n_rows // batch_size)
    fewest = _FEWEST_OF_TOKENS if tokens else _FEWEST_EPOCHS
    most = _MOST_OF_TOKENS if tokens else _MOST_EPOCHS
    return max(fewest, min(most, -(-_STEPS // steps)))


_SHARE = Interval(Real, 0, 1, closed="left")


class Settings(BaseEstimator):
    """What the objects share: a plain value stands for one of them."""

    _parameter_constraints: dict[str, list]
    #: Whether a plain value is the first of the object's own.
    _takes_plain = True

    @classmethod
    def of(cls, value: Any) -> Self:
        """Return the object that a value is, or stands for."""
        if isinstance(value, cls):
            return value
        return cls(value) if cls._takes_plain else cls()

    @classmethod
    def first(cls) -> str | None:
        """Return the name of the value that a plain one is."""
        return next(iter(cls._parameter_constraints)) if cls._takes_plain else None


class Optimizer(Settings):
    """How the weights are trained, beside learning rate, batches and epochs.

    For the parameter ``optimizer`` of `RNNClassifier`, `RNNRegressor`, `SequenceTagger` and
    `SequenceForecaster`, where more than the name of the optimizer is to be set. The tagger has no
    `tbptt_steps` and no `gradient_checkpointing`, the forecaster neither those nor
    `initial_scale`.

    Parameters
    ----------
    optimizer : {"adamw", "adam", "sgd", "rmsprop"} or callable, default="adamw"
        A name or any torch optimizer class; ``functools.partial`` sets its own options.
    weight_decay : float, default=0.01
        Weight decay; biases are left out.
    schedule : {"one_cycle", "cosine", "plateau", "constant"}, default="one_cycle"
        Learning rate over the epochs: up and down again, a half cosine down, halved when the
        loss stands still, or constant.
    gradient_clip : float, default=1.0
        Largest norm of the gradient; None does not clip.
    tbptt_steps : int, default=None
        Truncated backpropagation through time: the state is carried through the whole sequence,
        but no gradient flows back over the end of a stretch of `tbptt_steps` steps. Pooling sees
        all steps. With a target at every step the optimizer also makes a step after each such
        stretch, and the state is carried on to the next: for recordings of any length; it needs
        ``bidirectional=False``. None lets gradients flow through whole sequences.
    gradient_checkpointing : bool or "auto", default="auto"
        Whether long sequences are trained on in pieces whose inside is computed a second time
        for the gradient, and not kept: the same gradient, in a fraction of the memory. ``"auto"``
        does so where the activations of a batch would take more than 256 MiB, or a quarter of
        the free memory of a GPU.
    initial_scale : float, default=None
        Standard deviation of normally distributed initial weights, with zero biases. None starts
        with orthogonal recurrent weights, Glorot-uniform input weights and a forget-gate bias
        of 1.

    See Also
    --------
    Dropout : What training leaves out at random.

    Examples
    --------
    >>> from sklearn_rnn import Optimizer, RNNClassifier
    >>> RNNClassifier(optimizer=Optimizer("sgd", weight_decay=0.0), learning_rate=0.1)
    RNNClassifier(learning_rate=0.1,
                  optimizer=Optimizer(optimizer='sgd', weight_decay=0.0))
    >>> RNNClassifier().set_params(optimizer__weight_decay=0.0).optimizer
    Optimizer(weight_decay=0.0)
    """

    _parameter_constraints = {
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "weight_decay": [Interval(Real, 0, LARGEST_RATE, closed="both")],
        "schedule": [StrOptions(set(SCHEDULES))],
        "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
        "tbptt_steps": [Interval(Integral, 1, None, closed="left"), None],
        "gradient_checkpointing": [StrOptions({"auto"}), "boolean"],
        "initial_scale": [Interval(Real, 0, LARGEST_RATE, closed="right"), None],
    }

    def __init__(
        self,
        optimizer: Any = "adamw",
        *,
        weight_decay: float = 0.01,
        schedule: str = "one_cycle",
        gradient_clip: float | None = 1.0,
        tbptt_steps: int | None = None,
        gradient_checkpointing: bool | str = "auto",
        initial_scale: float | None = None,
    ) -> None:
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.gradient_clip = gradient_clip
        self.tbptt_steps = tbptt_steps
        self.gradient_checkpointing = gradient_checkpointing
        self.initial_scale = initial_scale


class Dropout(Settings):
    """What training leaves out at random.

    For the parameter ``dropout`` of `RNNClassifier`, `RNNRegressor` and `SequenceTagger`, where
    more than the share of the outputs is to be set.

    Parameters
    ----------
    outputs : float or "auto", default="auto"
        Share of the pooled features, and of the outputs between stacked layers, that training
        sets to zero at random; in [0, 1). ``"auto"`` is the default of the estimator: 0.2, and 0.3
        of a tagger, which also leaves out that share of its inputs of words or tokens.
    weights : float, default=0.0
        Share of the weights from state to state that each training step leaves out, the same at
        all steps and for all sequences of its batch; in [0, 1). As in AWD-LSTM. Not for the cells
        ``"mingru"`` and ``"minlstm"``, which have no such weights.

    See Also
    --------
    Embedding : Has the dropout of tokens.

    Examples
    --------
    >>> from sklearn_rnn import Dropout, RNNClassifier
    >>> RNNClassifier(dropout=Dropout(0.3, weights=0.1)).get_params()["dropout__weights"]
    0.1
    >>> RNNClassifier(dropout=0.3).get_params()["dropout__outputs"]
    0.3
    """

    _parameter_constraints = {"outputs": [_SHARE, StrOptions({"auto"})], "weights": [_SHARE]}

    def __init__(self, outputs: float | str = "auto", *, weights: float = 0.0) -> None:
        self.outputs = outputs
        self.weights = weights


class Embedding(Settings):
    """The vectors of tokens, words and characters.

    For the parameter ``embedding`` of `RNNClassifier`, `RNNRegressor` and `SequenceTagger`, where
    more than the size of the vectors is to be set. Where X holds numbers, there are none.

    Parameters
    ----------
    size : int or "auto", default="auto"
        Size of the vector learned for each token or word; that of pretrained vectors, where the
        tokenizer was given some. ``"auto"`` is the default of the estimator: 64, and 100 of a
        tagger.
    dropout : float or "auto", default="auto"
        Share of the values of these vectors that training sets to zero at random; in [0, 1).
        ``"auto"`` is 0.5, and 0.2 for characters of an alphabet: of at most 256 different ones. A
        tagger has none: its ``dropout`` is for these too.
    word_dropout : float or "auto", default="auto"
        Share of the tokens that training leaves blank; in [0, 1). ``"auto"`` is 0.2, and 0 for the
        characters of an alphabet. For a tagger the share of the words that training takes as
        unknown, so that unknown ones are learned too; ``"auto"`` is 0.1.
    variational : bool, default=False
        Whether `dropout` drops the same values at every step of a sequence. A tagger has none.
    characters : int, default=64
        Size of the vector that a tagger makes from the characters of a word; 0 leaves characters
        out. Only a tagger has one.

    See Also
    --------
    Dropout : What else training leaves out.

    Examples
    --------
    >>> from sklearn_rnn import Embedding, RNNClassifier, SequenceTagger
    >>> RNNClassifier(embedding=Embedding(32, dropout=0.3))
    RNNClassifier(embedding=Embedding(dropout=0.3, size=32))
    >>> SequenceTagger().set_params(embedding__characters=32).embedding
    Embedding(characters=32, size=100)
    """

    _parameter_constraints = {
        "size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "dropout": [_SHARE, StrOptions({"auto"})],
        "word_dropout": [_SHARE, StrOptions({"auto"})],
        "variational": ["boolean"],
        "characters": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        size: int | str = "auto",
        *,
        dropout: float | str = "auto",
        word_dropout: float | str = "auto",
        variational: bool = False,
        characters: int = 64,
    ) -> None:
        self.size = size
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.variational = variational
        self.characters = characters


class EarlyStopping(Settings):
    """When training ends early: by the score of sequences that were held out.

    For the parameter ``early_stopping`` of `RNNClassifier`, `RNNRegressor` and `SequenceTagger`,
    where ``True``, which stands for these defaults, is not enough.

    Parameters
    ----------
    validation_fraction : float, default=0.1
        Share held out for early stopping; in (0, 1).
    n_iter_no_change : int, default=10
        Epochs before early stopping in which neither the model nor its recurrence alone improves.
    tol : float, default=1e-4
        Smallest improvement of the validation score that counts.

    See Also
    --------
    Optimizer : How the weights are trained.

    Examples
    --------
    >>> from sklearn_rnn import EarlyStopping, RNNClassifier
    >>> RNNClassifier(early_stopping=EarlyStopping(n_iter_no_change=3))
    RNNClassifier(early_stopping=EarlyStopping(n_iter_no_change=3))
    >>> RNNClassifier().set_params(early_stopping__tol=1e-3)  # which switches it on
    RNNClassifier(early_stopping=EarlyStopping(tol=0.001))
    """

    _parameter_constraints = {
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
    }
    _takes_plain = False

    def __init__(
        self, *, validation_fraction: float = 0.1, n_iter_no_change: int = 10, tol: float = 1e-4
    ) -> None:
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol


class Composition(NamedTuple):
    """What an estimator offers of the settings that one of its parameters may be.

    `without` are the names that it has no use for, `auto` what ``"auto"`` is.
    """

    kind: type[Settings]
    without: tuple[str, ...] = ()
    auto: dict[str, Any] = {}

    @property
    def names(self) -> list[str]:
        """Return the names that are offered."""
        return [name for name in self.kind._parameter_constraints if name not in self.without]


class Composed(BaseEstimator):
    """An estimator with parameters that are plain values or `Settings`.

    The settings inside are reached by ``__``, also from a plain value: `set_params` then puts the
    object in its place.
    """

    _composed: dict[str, Composition] = {}

    def _settings(self, name: str) -> Any:
        """Return the settings that a parameter is, or stands for, with ``"auto"`` made a value."""
        kind, _, auto = self._composed[name]
        found = kind.of(getattr(self, name))
        told = {key: value for key, value in auto.items() if _same(getattr(found, key), "auto")}
        return copy.copy(found).set_params(**told) if told else found

    def _with_settings(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return parameters with what is inside; a name by itself has what a plain value is."""
        flat = dict(values)
        for name, composition in self._composed.items():
            kind = composition.kind
            if name not in flat:
                continue
            settings = kind.of(flat[name])
            first = kind.first()
            if first is None:
                flat[name] = bool(flat[name])
            elif _same(getattr(settings, first), "auto"):
                flat[name] = composition.auto.get(first, "auto")
            else:
                flat[name] = getattr(settings, first)
            flat |= {f"{name}__{k}": getattr(settings, k) for k in composition.names if k != first}
        return flat

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters of this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Whether to list what is inside of parameters too, also of those that are plain values,
            such as ``optimizer__weight_decay``.

        Returns
        -------
        params : dict
            Names and values.
        """
        values: dict[str, Any] = super().get_params(deep=deep)
        for name, composition in self._composed.items() if deep else ():
            if name not in values:
                continue
            inner = composition.kind.of(values[name])
            for key in composition.kind._parameter_constraints:
                values.pop(f"{name}__{key}", None)
            values |= {f"{name}__{key}": getattr(inner, key) for key in composition.names}
        return values

    def set_params(self, **params: Any) -> Self:
        """Set the parameters of this estimator.

        Parameters
        ----------
        **params : dict
            Names and values. What is inside of a parameter is reached by ``__``, also where it is
            a plain value: ``optimizer__weight_decay=0`` makes ``"adamw"`` an `Optimizer`.
            ``early_stopping__tol=1e-3`` switches early stopping on, unless ``early_stopping=False``
            stands beside it.

        Returns
        -------
        self : estimator
            The estimator itself.
        """
        own: dict[str, Any] = {}
        inside: dict[str, dict[str, Any]] = {}
        for key, value in params.items():
            name, _, rest = key.partition("__")
            if rest and name in self._composed:
                if rest not in self._composed[name].names:
                    raise ValueError(
                        f"Invalid parameter {key!r} for estimator {self}. Valid parameters are: "
                        f"{[f'{name}__{inner}' for inner in self._composed[name].names]}."
                    )
                inside.setdefault(name, {})[rest] = value
            else:
                own[key] = value
        super().set_params(**own)
        for name, changes in inside.items():
            kind, value = self._composed[name].kind, getattr(self, name)
            off = not kind._takes_plain and not isinstance(value, kind) and value is not True
            if off and (name in own or value is not False):
                continue
            settings = kind.of(value)
            changed = any(not _same(getattr(settings, k), v) for k, v in changes.items())
            if off or changed:
                # A copy: another estimator may have the same object.
                setattr(self, name, copy.copy(settings).set_params(**changes))
        return self

    def _get_params_html(self, deep: bool = True, *more: Any, **named: Any) -> Any:
        """Show the parameters in notebooks as they were given, and not what is inside too."""
        return super()._get_params_html(False, *more, **named)

    def _validate_params(self) -> None:
        """Check the parameters, and those inside of them, by the names that reach them."""
        super()._validate_params()
        for name, (kind, without, _) in self._composed.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                continue
            defaults = inspect.signature(kind).parameters
            for key in without:
                given = getattr(value, key)
                if not _same(given, defaults[key].default):
                    raise ValueError(
                        f"{type(self).__name__} has no {name}__{key}, which is {given!r}; leave it "
                        "out."
                    )
            inner = value.get_params(deep=False)
            validate_parameter_constraints(
                {f"{name}__{key}": bounds for key, bounds in kind._parameter_constraints.items()},
                {f"{name}__{key}": given for key, given in inner.items()},
                caller_name=type(self).__name__,
            )


def _same(value: Any, other: Any) -> bool:
    """Tell whether two values are one, whatever they compare to."""
    try:
        return value is other or (type(value) is type(other) and bool(value == other))
    except Exception:
        return False
