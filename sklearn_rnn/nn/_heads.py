"""Heads: projection, loss and decoding of one kind of target each; imports torch only.

At the end, what makes one number a sample of anything that a user calls a loss.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._input import _as_statistics
from ._masking import ContractError, broken, is_told, name_of


class Head(nn.Module):
    """What turns features into predictions of one kind of target, and knows its loss.

    Parameters
    ----------
    in_features : int
        Features of a sample; 0 where a closed-form path answers alone.
    out_features : int
        Raw numbers the projection gives a sample.
    loss : callable, default=None
        A torch loss (class or instance) or a function ``(raw, target) -> tensor`` that replaces
        the head's own. One number for the batch is accepted where there are no weights.
    """

    #: Whether the loss is of whole sequences, and called with their lengths.
    reads_lengths = False
    #: Whether a readout of random features can be solved to the same raw outputs.
    takes_reservoir = True
    #: Whether ``n_outputs`` may be a tuple.
    takes_several = False

    def __init__(self, in_features: int, out_features: int, loss: Loss | None = None) -> None:
        super().__init__()
        self.projection = nn.Linear(max(in_features, 1), out_features)
        if in_features == 0:
            # Beside a closed form that answers alone. Torch warns where it makes such a layer.
            self.projection.in_features = 0
            self.projection.weight = nn.Parameter(torch.empty(out_features, 0))
        self.custom_loss = None if loss is None else element_wise(loss)

    @classmethod
    def from_config(cls, config: Any, in_features: int) -> Head:
        """Make the head that a :class:`NetworkConfig` describes."""
        return cls(in_features, config.n_outputs)

    def forward(self, features: Tensor) -> Tensor:
        raw: Tensor = self.projection(features)
        return raw

    def loss(self, raw: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean loss of the samples, weighted.

        Parameters
        ----------
        raw : Tensor of shape (N, K)
            What ``forward`` returned.
        target : Tensor
            As the head's class says.
        weight : Tensor of shape (N,), default=None
            The mean is sum(weight * loss) / sum(weight).

        Returns
        -------
        Tensor of shape ()
        """
        raw, target = self._aligned(raw, target)
        if self.custom_loss is None:
            return weighted_mean(self._losses(raw, target), weight)
        values = of_user(self.custom_loss, raw, target)
        each = per_sample(values, raw.shape[0])
        if each is not None:
            return weighted_mean(each, weight)
        if weight is not None and bool((weight != weight[0]).any()):
            raise ValueError(
                "This loss returns one number for the whole batch, so sample and class weights "
                "cannot be applied; return one number for each sample."
            )
        result: Tensor = values
        return result

    @abstractmethod
    def _aligned(self, raw: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Bring raw and target to the shapes and types that torch's losses expect."""

    @abstractmethod
    def _losses(self, raw: Tensor, target: Tensor) -> Tensor:
        """Return the head's own loss of each sample."""

    @abstractmethod
    def decode(self, raw: Tensor) -> Any:
        """Turn raw numbers into predictions.

        Parameters
        ----------
        raw : Tensor of shape (N, K)

        Returns
        -------
        Tensor or list of Tensor
        """


def _label_loss(config: Any) -> Loss | None:
    """Return the loss that replaces the log loss, if there is one."""
    if config.loss == "log_loss":
        return None
    if isinstance(config.loss, str):
        raise ValueError(f"loss must be 'log_loss' or a callable; got {config.loss!r}.")
    own: Loss | None = config.loss
    return own


class BinaryHead(Head):
    """Two classes, one logit; log loss.

    The target is 0 or 1, of shape (N,). ``decode`` gives the probabilities (N, 2).

    Parameters
    ----------
    in_features : int
    loss : callable, default=None
        Called with logits and floating targets, both (N,), as
        :class:`torch.nn.BCEWithLogitsLoss`.
    label_smoothing : float, default=0.0
        Share of the target that is spread over both classes.

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn import BinaryHead
    >>> head = BinaryHead(4)
    >>> head.decode(torch.zeros(1, 1))
    tensor([[0.5000, 0.5000]])
    """

    def __init__(
        self, in_features: int, loss: Loss | None = None, label_smoothing: float = 0.0
    ) -> None:
        super().__init__(in_features, 1, loss)
        self.label_smoothing = label_smoothing

    @classmethod
    def from_config(cls, config: Any, in_features: int) -> Head:
        loss, smoothing = _label_loss(config), config.label_smoothing
        if loss is nn.CrossEntropyLoss or isinstance(loss, nn.CrossEntropyLoss):
            return MulticlassHead(in_features, 2, loss, smoothing)
        return cls(in_features, loss, smoothing)

    def _aligned(self, raw: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        return raw.squeeze(1), target.to(raw.dtype)

    def _losses(self, raw: Tensor, target: Tensor) -> Tensor:
        target = target * (1 - self.label_smoothing) + self.label_smoothing / 2
        return F.binary_cross_entropy_with_logits(raw, target, reduction="none")

    def decode(self, raw: Tensor) -> Tensor:
        return torch.sigmoid(torch.cat((-raw, raw), 1))


class MulticlassHead(Head):
    """One of several classes; log loss.

    The target is a class index, of shape (N,). ``decode`` gives the probabilities (N, n_classes).

    Parameters
    ----------
    in_features : int
    n_classes : int
    loss : callable, default=None
        Called with logits (N, n_classes) and indices (N,), as :class:`torch.nn.CrossEntropyLoss`.
    label_smoothing : float, default=0.0
        Share of the target that is spread over all classes.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        loss: Loss | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(in_features, n_classes, loss)
        self.label_smoothing = label_smoothing

    @classmethod
    def from_config(cls, config: Any, in_features: int) -> Head:
        return cls(in_features, config.n_outputs, _label_loss(config), config.label_smoothing)

    def _aligned(self, raw: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        return raw, target.long()

    def _losses(self, raw: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(raw, target, reduction="none", label_smoothing=self.label_smoothing)

    def decode(self, raw: Tensor) -> Tensor:
        return torch.softmax(raw, 1)


class MultilabelHead(Head):
    """Any number of labels at once; log loss, averaged over the labels.

    The target is an indicator (N, n_labels). ``decode`` gives each label's probability.

    Parameters
    ----------
    in_features : int
    n_labels : int
    loss : callable, default=None
        Called with logits and floating targets, both (N, n_labels).
    """

    def __init__(self, in_features: int, n_labels: int, loss: Loss | None = None) -> None:
        super().__init__(in_features, n_labels, loss)

    @classmethod
    def from_config(cls, config: Any, in_features: int) -> Head:
        return cls(in_features, config.n_outputs, _label_loss(config))

    def _aligned(self, raw: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        return raw, target.to(raw.dtype)

    def _losses(self, raw: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(raw, target, reduction="none").mean(1)

    def decode(self, raw: Tensor) -> Tensor:
        return torch.sigmoid(raw)


class JointHead(Head):
    """Several targets, each one of several classes; log loss, averaged over the targets.

    The target holds class indices, (N, number of targets). ``decode`` gives a list with the
    probabilities of each target.

    Parameters
    ----------
    in_features : int
    n_classes : sequence of int
        Classes of each target.
    loss : callable, default=None
        Called for each target with logits (N, k) and indices (N,).
    label_smoothing : float, default=0.0
        Share of each target that is spread over its classes.
    """

    takes_reservoir = False
    takes_several = True

    def __init__(
        self,
        in_features: int,
        n_classes: Sequence[int],
        loss: Loss | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(in_features, sum(n_classes))
        self.n_classes = tuple(n_classes)
        self.label_smoothing = label_smoothing
        self.target_loss = None if loss is None else element_wise(loss)

    @classmethod
    def from_config(cls, config: Any, in_features: int) -> Head:
        sizes = config.n_outputs if isinstance(config.n_outputs, tuple) else (config.n_outputs,)
        return cls(in_features, sizes, _label_loss(config), config.label_smoothing)

    def _aligned(self, raw: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        return raw, target.long()

    def _losses(self, raw: Tensor, target: Tensor) -> Tensor:
        parts = zip(raw.split(self.n_classes, 1), target.unbind(1), strict=True)
        return torch.stack([self._target_losses(r, t) for r, t in parts]).mean(0)

    def _target_losses(self, raw: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each sample for one target."""
        if self.target_loss is None:
            return F.cross_entropy(
                raw, target, reduction="none", label_smoothing=self.label_smoothing
            )
        each = per_sample(of_user(self.target_loss, raw, target), raw.shape[0])
        if each is None:
            raise ValueError("With several targets the loss must return a number a sample.")
        return each

    def decode(self, raw: Tensor) -> list[Tensor]:
        return [torch.softmax(part, 1) for part in raw.split(self.n_classes, 1)]


class ContinuousHead(Head):
    """One or many numbers, learned in standardised units and decoded to the user's.

    The target is (N,) or (N, n_outputs), in original units. ``decode`` gives (N, n_outputs), in
    original units.

    Parameters
    ----------
    in_features : int
    n_outputs : int, default=1
    loss : {"squared_error", "absolute_error", "huber", "quantile"} or callable, \
default="squared_error"
        Averaged over the outputs. A callable is called with predictions and targets, both
        standardised and (N, n_outputs).
    quantile : float, default=0.5
        The level that ``"quantile"`` learns, in (0, 1).

    Attributes
    ----------
    mean, scale : Tensor of shape (n_outputs,)
        Buffers, see :meth:`set_statistics`.

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn import ContinuousHead
    >>> head = ContinuousHead(4)
    >>> head.set_statistics([100.0], [10.0])
    >>> head.decode(torch.ones(1, 1))
    tensor([[110.]])
    >>> head.loss(torch.ones(1, 1), torch.tensor([130.0]))
    tensor(4.)
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        in_features: int,
        n_outputs: int = 1,
        loss: Loss = "squared_error",
        quantile: float = 0.5,
    ) -> None:
        if isinstance(loss, str) and loss not in CONTINUOUS:
            names = ", ".join(map(repr, CONTINUOUS))
            raise ValueError(f"loss must be one of {names}, or a callable; got {loss!r}.")
        if not 0 < quantile < 1:
            raise ValueError(f"quantile must lie in (0, 1); got {quantile!r}.")
        super().__init__(in_features, n_outputs, None if isinstance(loss, str) else loss)
        self.loss_name = loss if isinstance(loss, str) else "squared_error"
        self.quantile = quantile
        self.register_buffer("mean", torch.zeros(n_outputs))
        self.register_buffer("scale", torch.ones(n_outputs))

    @classmethod
    def from_config(cls, config: Any, in_features: int) -> Head:
        loss = config.loss or "squared_error"
        return cls(in_features, config.n_outputs, loss, config.quantile)

    def set_statistics(
        self, mean: Tensor | Sequence[float], scale: Tensor | Sequence[float]
    ) -> None:
        """Set the targets' mean and scale; a scale of zero counts as one.

        Parameters
        ----------
        mean, scale : array-like of shape (n_outputs,)
        """
        new_scale = _as_statistics(scale, self.scale, "scale")
        self.mean.copy_(_as_statistics(mean, self.mean, "mean"))
        self.scale.copy_(torch.where(new_scale > 0, new_scale, 1.0))

    def _aligned(self, raw: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        target = target.reshape(raw.shape)
        standard = (target - self.mean.to(target.dtype)) / self.scale.to(target.dtype)
        return raw, standard.to(raw.dtype)

    def _losses(self, raw: Tensor, target: Tensor) -> Tensor:
        return CONTINUOUS[self.loss_name](raw, target, self.quantile).mean(1)

    def decode(self, raw: Tensor) -> Tensor:
        return raw * self.scale + self.mean


Loss = str | Callable[..., Any]


def _squared(raw: Tensor, target: Tensor, level: float) -> Tensor:
    return F.mse_loss(raw, target, reduction="none")


def _absolute(raw: Tensor, target: Tensor, level: float) -> Tensor:
    return F.l1_loss(raw, target, reduction="none")


def _huber(raw: Tensor, target: Tensor, level: float) -> Tensor:
    return F.huber_loss(raw, target, reduction="none")


def _quantile(raw: Tensor, target: Tensor, level: float) -> Tensor:
    error = target - raw
    return torch.maximum(level * error, (level - 1) * error)


#: Element-wise losses of continuous targets, by name.
CONTINUOUS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "squared_error": _squared,
    "absolute_error": _absolute,
    "huber": _huber,
    "quantile": _quantile,
}

_CONTRACT = (
    "A loss is called as loss(outputs, targets) with the raw outputs and the encoded targets of a "
    "batch, and returns a tensor that depends on the outputs: a number for each sample, or one for "
    "the batch."
)

_PROBABILITIES = {
    nn.NLLLoss: "torch.nn.CrossEntropyLoss",
    nn.BCELoss: "torch.nn.BCEWithLogitsLoss",
}


def element_wise(loss: Loss) -> Callable[..., Any]:
    """Turn a loss class, module or function into one that does not average, if it has a say."""
    for refused, instead in _PROBABILITIES.items():
        if loss is refused or isinstance(loss, refused):
            raise ValueError(
                f"loss={refused.__name__} reads probabilities, and the network gives logits; "
                f"use {instead}."
            )
    if isinstance(loss, type):
        name = loss.__name__
        try:
            loss = loss()
        except Exception as error:
            raise ContractError(f"loss={name} cannot be made: {error}.") from error
    if not callable(loss):
        raise ValueError(f"loss must be a name, a torch loss or a callable; got {loss!r}.")
    if hasattr(loss, "reduction"):
        loss = copy.deepcopy(loss)
        loss.reduction = "none"
    return loss


def of_user(loss: Callable[..., Any], raw: Tensor, target: Tensor) -> Any:
    """Call a loss of the user's own, and say what it was given where it fails or learns nothing."""
    name, given = f"loss={name_of(loss)}", {"outputs": raw, "targets": target}
    try:
        values = loss(raw, target)
    except Exception as error:
        if is_told(error):
            raise
        raise broken(name, given, error, _CONTRACT) from error
    if not isinstance(values, Tensor):
        raise ContractError(
            f"{name} must return a tensor; got {type(values).__name__}. {_CONTRACT}"
        )
    if not values.is_floating_point():
        raise ContractError(f"{name} must return floating numbers; got {values.dtype}. {_CONTRACT}")
    if raw.requires_grad and not values.requires_grad:
        raise ContractError(
            f"{name} returned numbers that do not depend on the outputs, so that nothing can be "
            f"learned from them. {_CONTRACT}"
        )
    if values.ndim and values.shape[0] != raw.shape[0]:
        raise ContractError(
            f"{name} must return one number for the batch or one for each of its {raw.shape[0]} "
            f"samples; got shape {tuple(values.shape)}."
        )
    return values


def per_sample(values: Any, n_samples: int) -> Tensor | None:
    """Average each sample's elements; None if the loss is one number for the batch."""
    if not isinstance(values, Tensor):
        raise ValueError(f"loss must return a tensor; got {type(values).__name__}.")
    if values.ndim == 0:
        return None
    if values.shape[0] != n_samples:
        raise ValueError(
            f"loss must return one number for the batch or one for each of its {n_samples} "
            f"samples; got shape {tuple(values.shape)}."
        )
    return values.reshape(n_samples, -1).mean(1)


def weighted_mean(values: Tensor, weight: Tensor | None) -> Tensor:
    """Return sum(weight * values) / sum(weight), zero if all weights are."""
    if weight is None:
        return values.mean()
    weight = weight.to(values.dtype)
    return (weight * values).sum() / weight.sum().clamp_min(torch.finfo(values.dtype).tiny)
