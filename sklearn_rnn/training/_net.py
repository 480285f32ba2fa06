"""A skorch net over datasets of sequences, and training with it. Imports skorch, torch, layer 1.

A `SequenceNet` is a `skorch.NeuralNet`: module, criterion, dataset, history and callbacks are in
the places where users of skorch look for them. What it adds is that a step knows its gradient
(`Step` of rows, `Window` of time, a batch of a forecaster's windows), so that all of them are
trained by one loop.
"""

from __future__ import annotations

import copy
import dis
import fnmatch
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from skorch.history import History
from torch import nn

from ..nn import dropped_weights, set_generator
from ._batches import HeadLoss, PiecePolicy, SequenceDataset, StepDataset
from ._device import Compute, ThreadTrial, cpu_threads, seeded_globals
from ._inference import in_double
from ._optimization import Schedule, resolve_optimizer


class _Best:
    """The best score so far, and the loss with it.

    The score decides; among equal scores (within ``tol``) the lower loss does, because a score
    over few sequences moves in large steps.
    """

    def __init__(self, tol: float) -> None:
        self.tol, self.score, self.loss = tol, -float("inf"), float("inf")

    def is_level(self, score: float, loss: float) -> bool:
        """Tell whether nothing parts these from the best."""
        return abs(score - self.score) <= self.tol and loss == self.loss

    def improves(self, score: float, loss: float) -> bool:
        """Note score and loss if they are better, and tell whether they are."""
        level = abs(score - self.score) <= self.tol and loss < self.loss
        if not (score > self.score + self.tol or level):
            return False
        # Nothing can come between a score and its weights.
        self.score, self.loss = max(score, self.score), loss
        return True


class BestWeights:
    """Keep a copy of the weights at the best validation score, and count epochs without a better.

    Where a recurrence is trained beside a closed form, the score of both together says which
    weights are best, and the recurrence's own only where they are level, as they are while it gets
    no share. An epoch without a better one is one in which neither improved: a recurrence that is
    still learning may yet get a share.

    Parameters
    ----------
    n_iter_no_change : int
        Epochs without improvement after which `update` asks to stop.
    tol : float
        What counts as an improvement of the score.
    """

    def __init__(self, n_iter_no_change: int, tol: float) -> None:
        self.n_iter_no_change = n_iter_no_change
        self._whole, self._alone = _Best(tol), _Best(tol)
        self.epoch = 0
        self.stale = 0
        self._state: dict[str, torch.Tensor] | None = None

    @property
    def score(self) -> float:
        """The best score."""
        return self._whole.score

    def update(self, network: torch.nn.Module, record: Any) -> bool:
        """Note one epoch by its record; return True when training should stop."""
        whole = record.valid_score, record.valid_loss
        level = self._whole.is_level(*whole)
        better = self._whole.improves(*whole)
        learning = record.recurrence_score is not None and self._alone.improves(
            record.recurrence_score, record.recurrence_loss
        )
        if better or (level and learning):
            self._state = {key: value.clone() for key, value in network.state_dict().items()}
            self.epoch = record.epoch
        self.stale = 0 if better or learning else self.stale + 1
        return self.stale >= self.n_iter_no_change

    @property
    def has_weights(self) -> bool:
        """Whether there is anything to restore."""
        return self._state is not None

    def restore(self, network: torch.nn.Module) -> None:
        """Put the best weights back into the network."""
        if self._state is not None:
            network.load_state_dict(self._state)


class _Record(Protocol):
    """What the bar reads of an epoch."""

    train_loss: float
    valid_score: float | None


class Progress:
    """A bar over epochs with loss, validation score and time left; nothing when not shown."""

    def __init__(self, total: int, title: str, *, show: bool) -> None:
        self._bar: Any = None
        if show:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=total, desc=title, unit="epoch", dynamic_ncols=True)

    def update(self, record: _Record) -> None:
        """Move on by one epoch."""
        if self._bar is None:
            return
        shown = {"loss": f"{record.train_loss:.4g}"}
        if record.valid_score is not None:
            shown["score"] = f"{record.valid_score:.4g}"
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update()

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()


_PLAIN = (type(None), bool, int, float, str, torch.dtype, torch.device)
_HOOKS = (dict, set, OrderedDict)
_HELD = ("_parameters", "_buffers", "_modules")


def copied(network: nn.Module, optimizer: Any, shared: nn.Module | None) -> tuple[nn.Module, Any]:
    """Return copies of a network and of the optimizer of its parameters.

    A module that is `shared` is not copied: both networks hold it.
    """
    memo: dict[int, Any] = {} if shared is None else {id(shared): shared}
    module = _copied(network, memo)
    for part in module.modules() if next(network.parameters()).is_cuda else ():
        if isinstance(part, nn.RNNBase):
            part.flatten_parameters()  # cuDNN wants the weights one after the other
    return module, _copied_optimizer(optimizer, memo)


def _copied_optimizer(optimizer: Any, memo: dict[int, Any]) -> Any:
    """Copy all that an optimizer holds: torch's own copies forget what LBFGS keeps beside."""
    made = object.__new__(type(optimizer))
    for name, value in vars(optimizer).items():
        if name == "step":
            continue  # a schedule has wrapped the one that is copied
        if name == "param_groups":
            value = [{key: _copied(part, memo) for key, part in group.items()} for group in value]
        elif name == "state":
            held = ((_copied(key, memo), part) for key, part in value.items())
            value = defaultdict(dict, {key: _copied(part, memo) for key, part in held})
        else:
            value = _copied(value, memo)
        made.__dict__[name] = value
    return made


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    """Return what `copy.deepcopy` would."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if id(value) in memo:
        return memo[id(value)]
    if kind is dict:
        return {key: _copied(part, memo) for key, part in value.items()}
    if kind is list:
        return [_copied(part, memo) for part in value]
    if kind is torch.Tensor and not value.requires_grad:
        memo[id(value)] = made = value.clone()
        return made
    if isinstance(value, nn.Module) and not hasattr(kind, "__deepcopy__"):
        return _copied_module(value, memo)
    return copy.deepcopy(value, memo)


def _copied_module(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """Copy a module by way of the state that it would be pickled by."""
    memo[id(module)] = made = object.__new__(type(module))
    state = dict(module.__getstate__())
    for name, value in state.items():
        if name in _HELD:
            state[name] = {key: _copied(part, memo) for key, part in value.items()}
        elif type(value) in _HOOKS and not value:
            state[name] = type(value)()
        else:
            state[name] = _copied(value, memo)
    made.__setstate__(state)
    return made


# Training has diverged when an epoch's loss is this many times what the first batch's was.
_BLOW_UP = 1e4


class DivergenceError(ValueError):
    """Raised when the loss or the weights stop being finite numbers or explode."""


class _Stop(Exception):
    """Ends training after an epoch."""


@dataclass(frozen=True)
class Recipe:
    """How to train: everything about optimisation that the user sets."""

    optimizer: Any
    learning_rate: float
    weight_decay: float
    schedule: str
    max_epochs: int
    gradient_clip: float | None
    tbptt_steps: int | None = None
    gradient_checkpointing: bool | str = "auto"


@dataclass
class EpochRecord:
    """What one epoch came to."""

    epoch: int
    train_loss: float
    learning_rate: float
    seconds: float
    valid_score: float | None = None
    valid_loss: float | None = None
    # Of a recurrence beside a closed form.
    recurrence_score: float | None = None
    recurrence_loss: float | None = None
    recurrence_share: float | None = None


@dataclass
class Run:
    """What a net's steps need beside skorch's own parameters."""

    recipe: Recipe
    compute: Compute
    # Of each member of the network.
    parameters: list[list[torch.nn.Parameter]]
    named: list[tuple[str, torch.nn.Parameter]]
    schedule: Schedule | None = None
    part_steps: int | None = None
    pieces: PiecePolicy | None = None
    threads: ThreadTrial = ThreadTrial(1, 1, 1)
    n_threads: int = 1
    seed: int = 0
    guard_globals: bool = False
    first_loss: float | None = None
    begun: float = 0.0
    stop: bool = False
    # The network in another number type, made when it is first asked for.
    converted: torch.nn.Module | None = None


class _Own(Callback):
    """A callback of ours."""


class Clipping(_Own):
    """Clip the gradients of each member of the network to the norm of the recipe."""

    def on_grad_computed(self, net: Any, named_parameters: Any = (), **kwargs: Any) -> None:
        """Clip, after each step's gradients."""
        for owned in net.run_.parameters:
            torch.nn.utils.clip_grad_norm_(owned, net.run_.recipe.gradient_clip)


class Pace(_Own):
    """Drive the learning rate by the recipe's schedule."""

    def on_batch_end(self, net: Any, batch: Any = None, **kwargs: Any) -> None:
        """Move on by a step; windows of time of one batch share a step."""
        if getattr(batch, "is_last", True):
            net.run_.schedule.after_batch()

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Tell the schedule the loss that it watches."""
        epoch = net.history[-1]
        names = ("recurrence_loss", "valid_loss", "train_loss")
        net.run_.schedule.after_epoch(next(epoch[name] for name in names if name in epoch))


class AfterEpoch(_Own):
    """Call a function with the record of each epoch, and keep what it adds in the history.

    Parameters
    ----------
    call : callable
        Takes an `EpochRecord`; training ends with this epoch if it returns True.
    """

    def __init__(self, call: Callable[[EpochRecord], object]) -> None:
        self.call = call

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Make the record, hand it out, and note scores."""
        row = net.history[-1]
        record = EpochRecord(row["epoch"], row["train_loss"], row["learning_rate"], row["dur"])
        net.run_.stop |= bool(self.call(record))
        for name in ("valid_loss", "valid_score", "recurrence_loss", "recurrence_score"):
            value = getattr(record, name)
            if value is not None:
                net.note(name, value, lower_is_better=name.endswith("loss"))


class SequenceNet(NeuralNet):
    """A skorch net whose steps are batches of ragged sequences, and whose loss is the head's.

    ``module_`` is the network, ``optimizer_`` its optimizer, ``history`` what each epoch came to,
    ``run_`` what the steps need beside. A net of a fitted estimator reads what the estimator reads,
    and its `predict` and `predict_proba` answer as the estimator's do.
    """

    run_: Run
    #: The class of the estimator that the net belongs to, and what that knows beside the net.
    _owner: tuple[type, dict[str, Any]] | None = None

    @property
    def _default_callbacks(self) -> list:
        return []

    # ---------------------------------------------------------------- data

    def bind(self, estimator: Any) -> None:
        """Let the net read and answer as an estimator does, as that is now."""
        own = {
            key: value
            for key, value in estimator.__dict__.items()
            if key != "net_" and "callback" not in key
        }
        self._owner = type(estimator), own

    def _estimator(self) -> Any:
        """Return the estimator that the net belongs to, made anew so that neither holds the other.

        It has no callbacks.
        """
        if self._owner is None:
            raise AttributeError("This net belongs to no fitted estimator.")
        kind, state = self._owner
        made: Any = object.__new__(kind)
        made.__dict__.update(state, net_=self, callbacks=None)
        return made

    def get_dataset(self, X: Any, y: Any = None) -> Any:
        """Return a dataset as it is, and one of sequences in any form that the estimator takes."""
        if isinstance(X, StepDataset):
            return X
        read = getattr(self._estimator(), "_dataset", None)
        if read is None:
            raise TypeError("This net is trained on windows of a panel; pass a dataset of those.")
        return read(X, y)

    def get_split_datasets(self, X: Any, y: Any = None, **fit_params: Any) -> tuple[Any, Any]:
        """Return the dataset and what is held out beside it: it was before."""
        dataset = self.get_dataset(X, y)
        return dataset, getattr(dataset, "held_out", None)

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Return the steps of each epoch, or the batches of all rows in their order."""
        return dataset.training_steps(self.run_.recipe) if training else dataset.batches()

    # ---------------------------------------------------------------- training

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, **fit_params: Any) -> Any:
        """Train for ``max_epochs`` epochs, from where the net is.

        Parameters
        ----------
        X : dataset, or sequences in any form that the estimator takes
        y : targets, default=None
            As the estimator takes them; a dataset has them.
        classes : ignored
        **fit_params : ignored

        Returns
        -------
        self : SequenceNet
        """
        if not self.initialized_:
            self.initialize()
        dataset, run = self.get_dataset(X, y), self.run_
        for group in self.optimizer_.param_groups:
            group["lr"] = group.pop("initial_lr", group["lr"])
        n_steps = self.max_epochs * dataset.steps_an_epoch
        run.schedule = Schedule(run.recipe.schedule, self.optimizer_, n_steps)
        run.first_loss, run.stop, run.converted = None, False, None
        dataset.begin(self, n_steps)
        generator = torch.Generator(device=run.compute.device).manual_seed(run.seed)
        set_generator(self.module_, generator)
        try:
            with cpu_threads(run.n_threads):
                self.notify("on_train_begin", X=dataset.X, y=dataset.y)
                try:
                    if run.guard_globals:
                        with seeded_globals(run.seed):
                            self.fit_loop(dataset)
                    else:
                        self.fit_loop(dataset)
                except _Stop:
                    pass
                self.notify("on_train_end", X=dataset.X, y=dataset.y)
        finally:
            set_generator(self.module_, None)
            self.module_.eval()
            run.converted = None
            if len(self.history) and "train_loss" not in self.history[-1]:
                self.history.pop()  # an epoch that was cut short
        return self

    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Train as `partial_fit` does: the weights of a fitted net are where it begins."""
        return self.partial_fit(X, y)

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Tell the net and its callbacks; one that raises KeyboardInterrupt ends training.

        That is skorch's way to end it. An interrupt of the user's ends the fit.
        """
        getattr(self, method_name)(self, **cb_kwargs)
        for _, callback in self.callbacks_:
            method = getattr(callback, method_name)
            if getattr(method, "__func__", None) is getattr(Callback, method_name, None):
                continue
            try:
                method(self, **cb_kwargs)
            except KeyboardInterrupt as interrupt:
                if isinstance(callback, _Own) or not _is_raised(interrupt):
                    raise
                self.run_.stop = True
            except Exception as error:
                error.of_callback = not isinstance(callback, _Own)  # type: ignore[attr-defined]
                raise
        if method_name == "on_epoch_end" and self.run_.stop:
            raise _Stop

    def get_all_learnable_params(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """Yield the names and the parameters that are trained."""
        run = self.__dict__.get("run_")
        yield from super().get_all_learnable_params() if run is None else run.named

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Compute the loss of one step and its gradients, each member of the network by itself."""
        losses, raws = [], []
        with self.run_.threads.step(batch.n_steps):
            for index, member in enumerate(self.module_.members()):
                with dropped_weights(member):
                    loss, raw = batch.backward(self, member, index)
                losses.append(loss)
                raws.append(raw)
        loss = losses[0] if len(losses) == 1 else torch.stack(losses).mean()
        return {"loss": loss, "y_pred": raws[0] if len(raws) == 1 else raws}

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **fit_params: Any
    ) -> None:
        """Train on every step once; what is held out is judged after the epoch, as a whole."""
        if iterator is None or not training:
            return
        self._set_training(True)
        rows = self.history[-1]["batches"]
        for batch in iterator:
            row: dict[str, Any] = {}
            rows.append(row)
            self.notify("on_batch_begin", batch=batch, training=True)
            step = step_fn(batch)
            # An accelerator is asked for the losses once an epoch, a CPU has them at no cost.
            loss = step["loss"]
            row["train_loss"] = self._checked(float(loss)) if loss.device.type == "cpu" else loss
            row["train_batch_size"] = len(batch)
            self.notify("on_batch_end", batch=batch, training=True, **step)
        if isinstance(rows[0]["train_loss"], torch.Tensor):
            losses = torch.stack([row["train_loss"] for row in rows]).tolist()
            for row, value in zip(rows, losses, strict=True):
                row["train_loss"] = self._checked(value)

    def on_batch_begin(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the epoch has noted the batch."""

    def on_epoch_begin(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Begin a row of the history."""
        super().on_epoch_begin(net, *args, **kwargs)
        self.run_.begun = time.perf_counter()
        assert self.run_.schedule is not None, "partial_fit sets the schedule"
        self.history.record("learning_rate", self.run_.schedule.learning_rate)

    def on_epoch_end(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Note what the epoch came to, and refuse weights that are no numbers."""
        self.run_.converted = None
        if not all(bool(torch.isfinite(p).all()) for owned in self.run_.parameters for p in owned):
            raise DivergenceError("the weights are no longer finite numbers")
        rows = self.history[-1]["batches"]
        losses, sizes = zip(
            *((row["train_loss"], row["train_batch_size"]) for row in rows), strict=True
        )
        self.history.record("train_batch_count", len(rows))
        self.note("train_loss", float(np.average(losses, weights=sizes)), lower_is_better=True)
        self.history.record("dur", time.perf_counter() - self.run_.begun)

    def note(self, name: str, value: float, *, lower_is_better: bool) -> None:
        """Record a number of the epoch, and whether it is the best so far, as skorch does."""
        before = [row[name] for row in self.history[:-1] if name in row]
        best = min(before, default=np.inf) if lower_is_better else max(before, default=-np.inf)
        self.history.record(name, float(value))
        self.history.record(f"{name}_best", bool(value < best if lower_is_better else value > best))

    def _checked(self, loss: float) -> float:
        """Return the loss, or raise when it says that training has diverged."""
        run = self.run_
        if run.first_loss is None and np.isfinite(loss):
            run.first_loss = abs(loss)
        if not np.isfinite(loss) or abs(loss) > _BLOW_UP * (1.0 + (run.first_loss or 0.0)):
            raise DivergenceError(f"the training loss became {loss:g}")
        return loss

    # ---------------------------------------------------------------- prediction

    def evaluation_step(self, batch: Any, training: bool = False) -> torch.Tensor:
        """Return the network's raw outputs for a batch: one a row, or one a valid step."""
        self.check_is_fitted()
        self.module_.train(training)
        compute = self.run_.compute
        with torch.set_grad_enabled(training), cpu_threads(1), compute.autocast_context():
            found: torch.Tensor = batch.outputs(self.module_).float()
        return found

    def predict(self, X: Any) -> Any:
        """Return what the estimator predicts.

        Parameters
        ----------
        X : sequences in any form that the estimator takes

        Returns
        -------
        predictions : as from the estimator
        """
        return self._estimator().predict(X)

    @property
    def predict_proba(self) -> Any:
        """Return the probabilities of the estimator's classes; there are none for numbers."""
        return self._estimator().predict_proba

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the estimator's score."""
        return float(self._estimator().score(X, y, sample_weight))

    @property
    def classes_(self) -> Any:
        """The estimator's classes."""
        return self._estimator().classes_

    def __sklearn_tags__(self) -> Any:
        """Return the estimator's tags."""
        if self._owner is None:
            return super().__sklearn_tags__()
        return self._estimator().__sklearn_tags__()

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        run = state.pop("run_")
        state["how"] = run.recipe, run.compute, run.seed, run.n_threads
        # skorch would pickle the network once more, as the parameter that it was; a saved net has
        # no callbacks, which may hold anything.
        state.update(module=None, callbacks=None, callbacks_=[])
        kept, self.__dict__ = self.__dict__, state
        try:
            return super().__getstate__()
        finally:
            self.__dict__ = kept

    def __setstate__(self, state: dict[str, Any]) -> None:
        recipe, compute, seed, n_threads = state.pop("how")
        super().__setstate__(state)
        self.module = self.module_
        configure(self, recipe, compute)
        self.callbacks = _usual(recipe)
        self.initialize_callbacks()
        self.run_.seed, self.run_.n_threads = seed, n_threads

    def load_params(self, *args: Any, **kwargs: Any) -> None:
        """Load what `save_params` saved, as in skorch."""
        super().load_params(*args, **kwargs)
        self.module_.eval()
        self.run_.converted = None

    @cpu_threads(1)
    def network_for(self, dtype: torch.dtype) -> torch.nn.Module:
        """Return the network in evaluation mode with weights of the given type."""
        network = self.module_
        if network.training:
            network.eval()
        if dtype == torch.float32:
            return network
        if self.run_.converted is None:
            exact = dtype == torch.float64
            self.run_.converted = in_double(network) if exact else copy.deepcopy(network).to(dtype)
        return self.run_.converted


def _is_raised(interrupt: BaseException) -> bool:
    """Tell whether a statement raised this, and not a signal at any place."""
    trace = interrupt.__traceback__
    assert trace is not None, "it was raised"
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code.co_code
    return code[trace.tb_lasti] == dis.opmap["RAISE_VARARGS"]


def make_net(
    network: torch.nn.Module,
    recipe: Recipe,
    compute: Compute,
    *,
    groups: Callable[[dict[str, Any]], list[dict[str, Any]]] | None = None,
) -> SequenceNet:
    """Wrap a network and its recipe into an initialised skorch net.

    `groups` sorts the parameters for the optimizer, given its keywords; None shrinks all weights
    but biases and the gains of normalisation.
    """
    optimizer, keywords = resolve_optimizer(
        recipe.optimizer, recipe.weight_decay, grouped=groups is not None
    )
    if recipe.optimizer in ("adam", "adamw") and compute.device.type in ("cpu", "cuda"):
        # One pass over the weights: ten times as fast where words have many.
        keywords["fused"] = True
    net = SequenceNet(
        network,
        criterion=HeadLoss,
        dataset=SequenceDataset,
        optimizer=optimizer,
        lr=recipe.learning_rate,
        max_epochs=recipe.max_epochs,
        train_split=None,
        callbacks=_usual(recipe),
        device=str(compute.device),
        verbose=0,
        use_caching=False,
        **{f"optimizer__{key}": value for key, value in keywords.items()},
    )
    if groups is None and "weight_decay" in keywords:
        # Biases and normalisation gains are not shrunk.
        names = [name for name, _ in network.named_parameters()]
        patterns = [p for p in ("*bias*", "*norms.*weight") if fnmatch.filter(names, p)]
        net.set_params(optimizer__param_groups=[(p, {"weight_decay": 0.0}) for p in patterns])
    net.initialize()
    if groups is not None:
        sorted_out = [group for group in groups(keywords) if group["params"]]
        net.optimizer_ = optimizer(sorted_out, lr=recipe.learning_rate, **keywords)
    return configure(net, recipe, compute)


def copied_net(net: SequenceNet, *, keep_path: bool) -> SequenceNet:
    """Return a net that goes on from where another one is, and leaves that as it is.

    With `keep_path` both hold the same closed-form path, which takes memory and is not trained.
    """
    path = net.module_.path if keep_path else None
    module, optimizer = copied(net.module_, net.optimizer_, path)
    other = object.__new__(type(net))
    other.__dict__.update(net.__dict__, module=module, module_=module, optimizer_=optimizer)
    other.history_ = copied_history(net.history)
    return other


def copied_history(history: Any) -> History:
    """Return a history of its own, whose rows say all but what single batches came to."""
    return History({**row, "batches": []} for row in history)


def configure(net: SequenceNet, recipe: Recipe, compute: Compute) -> SequenceNet:
    """Give a net what its steps need beside skorch's own parameters."""
    members = net.module_.members()
    # The first member holds the others.
    others = {p for member in members[1:] for p in member.parameters()}
    owned = [
        [p for p in member.parameters() if p.requires_grad and (index or p not in others)]
        for index, member in enumerate(members)
    ]
    named = [(name, p) for name, p in net.module_.named_parameters() if p.requires_grad]
    net.run_ = Run(recipe, compute, owned, named)
    net.max_epochs = recipe.max_epochs
    for group in net.optimizer_.param_groups:
        # What a schedule left is forgotten; a group may have its own share of the rate.
        group.pop("initial_lr", None)
        group["lr"] = recipe.learning_rate * group.setdefault("share_of_rate", 1.0)
    return net


def train(
    net: SequenceNet,
    dataset: Any,
    recipe: Recipe,
    *,
    seed: int,
    n_threads: int,
    on_epoch: Callable[[EpochRecord], object],
    guard_globals: bool = False,
    callbacks: Any = None,
) -> None:
    """Train for up to ``recipe.max_epochs`` epochs.

    Parameters
    ----------
    net : SequenceNet
        The net; trained in place.
    dataset : SequenceDataset, or another that makes steps
        What to train on.
    recipe : Recipe
        How to train.
    seed : int
        Seeds dropout.
    n_threads : int
        CPU threads of compiled recurrences, and of torch where it gains; its own number is
        restored.
    on_epoch : callable
        Called after each epoch with its `EpochRecord`; returning True ends training.
    guard_globals : bool, default=False
        Seed and restore torch's global generator around the fit, for modules of the user's
        own that draw from it.
    callbacks : list of skorch callbacks, default=None
        The user's, told after ours.

    Raises
    ------
    DivergenceError
        When the loss or the weights are no longer finite, or the loss exploded.
    """
    # The recipe may have been shortened since the net was made.
    net.max_epochs, own = recipe.max_epochs, net.run_
    own.seed, own.n_threads, own.guard_globals = seed, n_threads, guard_globals
    users = as_callbacks(callbacks)
    net.callbacks = [("after_epoch", AfterEpoch(on_epoch)), *_usual(recipe), *users]
    net.initialize_callbacks()
    try:
        net.partial_fit(dataset)
    finally:
        # The first holds the data of the fit; the others stay for a net that is trained on.
        net.callbacks, net.callbacks_ = net.callbacks[1:], net.callbacks_[1:]


def _usual(recipe: Recipe) -> list[Any]:
    """Return the callbacks that every training needs."""
    clips = [("clipping", Clipping())] if recipe.gradient_clip is not None else []
    return [*clips, ("pace", Pace())]


def as_callbacks(callbacks: Any) -> list[Any]:
    """Return the parameter ``callbacks`` as a list, or refuse what is no callback of skorch."""
    if callbacks is None:
        return []
    found = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
    for one in found:
        kind = one[1] if isinstance(one, tuple) and len(one) == 2 else one
        if not issubclass(kind if isinstance(kind, type) else type(kind), Callback):
            name = getattr(kind, "__name__", type(kind).__name__)
            raise TypeError(
                f"callbacks must hold callbacks of skorch, or pairs of a name and one; got {name}. "
                "Those of scikit-learn go to set_callbacks()."
            )
    return found
