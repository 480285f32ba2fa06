"""The training loop, on skorch. This is the only file that imports skorch.

A `TrainingNet` is a skorch net whose batches are ours, whose loss belongs to the network's head
and which keeps no log of its own. `train` runs it for some epochs and reports each.
"""

from __future__ import annotations

import copy
import fnmatch
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet

from ..nn import (
    CIFG,
    LSTM,
    MinGRU,
    MinLSTM,
    dropped_weights,
    features_in_pieces,
    set_generator,
)
from ._batches import Batch, Step, TrainingBatches, mean_loss
from ._copies import copied
from ._device import Compute, cpu_threads, seeded_globals
from ._exact import in_double
from ._long_training import PiecePolicy, Window, Windows, memory_budget
from ._optimization import Schedule, resolve_optimizer
from ._threads import ThreadTrial

# On a CPU a step whose activations would take more than this is done in parts. What runs as one
# kernel over time is the quicker for it, up to twice: its memory is reused, not asked for anew.
# What loops over time pays for each part, and takes about half of what is reckoned here.
_PART_BYTES, _PART_BYTES_OF_LOOPS = 64 * 2**20, 256 * 2**20
# Training has diverged when an epoch's loss is this many times what the first batch's was.
_BLOW_UP = 1e4


class DivergenceError(ValueError):
    """Raised when the loss or the weights stop being finite numbers or explode."""


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
    """What one epoch came to; of a recurrence beside a closed form, also what it scores alone."""

    epoch: int
    train_loss: float
    learning_rate: float
    seconds: float
    valid_score: float | None = None
    valid_loss: float | None = None
    recurrence_score: float | None = None
    recurrence_loss: float | None = None
    recurrence_share: float | None = None


@dataclass
class Run:
    """What a net's steps need beside skorch's own parameters."""

    compute: Compute
    gradient_clip: float | None
    # Of each member of the network.
    parameters: list[list[torch.nn.Parameter]]
    schedule: Schedule | None = None
    part_steps: int | None = None
    pieces: PiecePolicy | None = None
    threads: ThreadTrial = ThreadTrial(1, 1, 1)
    first_loss: float | None = None
    epoch_loss: float = float("nan")
    # The network in another number type, made when it is first asked for.
    converted: torch.nn.Module | None = None


class TrainingNet(NeuralNet):
    """A skorch net over our batches, silent, with the head's own loss.

    ``module_`` is the network, ``optimizer_`` its optimizer, ``run`` what our steps need beside;
    skorch's history stays empty because the estimators keep theirs.
    """

    run: Run

    @property
    def _default_callbacks(self) -> list:
        return []

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Return the batches themselves: they are an iterable already."""
        return dataset

    def get_split_datasets(self, X: Any, y: Any = None, **fit_params: Any) -> tuple[Any, None]:
        """Keep all batches for training: validation is held out before."""
        return X, None

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Leave skorch's history alone."""

    def train_step_single(self, batch: Step | Window, **fit_params: Any) -> dict[str, torch.Tensor]:
        """Compute the loss of one step's rows and its gradients, clipped: each member's its own.

        Where the rows take much memory they come in parts, whose gradients add up to the same.
        """
        losses = []
        members = zip(self.module_.members(), self.run.parameters, strict=True)
        with self.run.threads.step(batch.n_steps):
            for index, (member, parameters) in enumerate(members):
                with dropped_weights(member):
                    if isinstance(batch, Window):
                        losses.append(self._window_step(batch, member, index))
                    else:
                        losses.append(self._step(batch, member))
                if self.run.gradient_clip is not None:
                    torch.nn.utils.clip_grad_norm_(parameters, self.run.gradient_clip)
        return {"loss": losses[0] if len(losses) == 1 else torch.stack(losses).mean()}

    def _window_step(self, window: Window, member: Any, index: int) -> torch.Tensor:
        """Add the gradients of a window of time to a member's; return the loss."""
        with self.run.compute.autocast_context():
            loss = window.loss(member, index)
        loss.backward()
        return loss.detach()

    def _step(self, batch: Step, member: Any) -> torch.Tensor:
        """Add the gradients of a batch to a member's; return the loss."""
        reads_lengths = getattr(member.head, "reads_lengths", False)
        total: torch.Tensor | None = None
        for part, share in batch.parts(self.run.part_steps):
            with self.run.compute.autocast_context():
                raw = self._forward(part, member)
                # Most losses are a sum over steps or rows; that of tags is of sequences.
                lengths = (part.lengths,) if reads_lengths else ()
                loss = mean_loss(
                    member.head, raw.float(), part.target, part.weight, part.seen, *lengths
                )
            if share < 1.0:
                loss = loss * share
            loss.backward()
            total = loss.detach() if total is None else total + loss.detach()
        assert total is not None, "a step has rows"
        return total

    def _forward(self, part: Batch, network: Any) -> torch.Tensor:
        """Return a member's raw outputs for a batch, in pieces where its sequences are long."""
        policy = self.run.pieces
        pieces = None if policy is None else policy(*part.x.shape[:2])
        if pieces is None:
            raw: torch.Tensor = network.alone(part.x, part.lengths, part.static)
            return raw
        features = features_in_pieces(network, part.x, part.lengths, part.static, pieces)
        raw = network.head(network.dropout(features))
        return raw

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **fit_params: Any
    ) -> None:
        """Train on every batch once and leave the mean loss in ``epoch_loss``."""
        if iterator is None:
            return
        self._set_training(True)
        schedule = self.run.schedule
        losses: list[Any] = []
        sizes: list[int] = []
        assert schedule is not None, "train() sets the schedule"
        for batch in iterator:
            loss = step_fn(batch)["loss"]
            if not isinstance(batch, Window) or batch.is_last:
                schedule.after_batch()
            # An accelerator is asked for the losses once an epoch, a CPU has them at no cost.
            on_cpu = loss.device.type == "cpu"
            losses.append(self._checked(float(loss)) if on_cpu else loss)
            sizes.append(len(batch))
        if isinstance(losses[0], torch.Tensor):
            losses = [self._checked(value) for value in torch.stack(losses).tolist()]
        self.run.epoch_loss = float(np.average(losses, weights=sizes))

    def _checked(self, loss: float) -> float:
        """Return the loss, or raise when it says that training has diverged."""
        if self.run.first_loss is None and np.isfinite(loss):
            self.run.first_loss = abs(loss)
        if not np.isfinite(loss) or abs(loss) > _BLOW_UP * (1.0 + (self.run.first_loss or 0.0)):
            raise DivergenceError(f"the training loss became {loss:g}")
        return loss

    @cpu_threads(1)
    def network_for(self, dtype: torch.dtype) -> torch.nn.Module:
        """Return the network in evaluation mode with weights of the given type."""
        network = self.module_
        if network.training:
            network.eval()
        if dtype == torch.float32:
            return network
        if self.run.converted is None:
            exact = dtype == torch.float64
            self.run.converted = in_double(network) if exact else copy.deepcopy(network).to(dtype)
        return self.run.converted


def make_net(network: torch.nn.Module, recipe: Recipe, compute: Compute) -> TrainingNet:
    """Wrap a network and its recipe into an initialised skorch net."""
    optimizer, keywords = resolve_optimizer(recipe.optimizer, recipe.weight_decay)
    if recipe.optimizer in ("adam", "adamw") and compute.device.type in ("cpu", "cuda"):
        # One pass over the weights: ten times as fast where words have many.
        keywords["fused"] = True
    net = TrainingNet(
        network,
        criterion=torch.nn.Identity,
        optimizer=optimizer,
        lr=recipe.learning_rate,
        max_epochs=recipe.max_epochs,
        train_split=None,
        callbacks=None,
        device=str(compute.device),
        verbose=0,
        **{f"optimizer__{key}": value for key, value in keywords.items()},
    )
    if "weight_decay" in keywords:
        # Biases and normalisation gains are not shrunk.
        names = [name for name, _ in network.named_parameters()]
        patterns = [p for p in ("*bias*", "*norms.*weight") if fnmatch.filter(names, p)]
        net.set_params(optimizer__param_groups=[(p, {"weight_decay": 0.0}) for p in patterns])
    net.initialize()
    return configure(net, recipe, compute)


def copied_net(net: TrainingNet, *, keep_path: bool) -> TrainingNet:
    """Return a net that goes on from where another one is, and leaves that as it is.

    With `keep_path` both hold the same closed-form path, which takes memory and is not trained.
    """
    path = net.module_.path if keep_path else None
    module, optimizer = copied(net.module_, net.optimizer_, path)
    other = object.__new__(type(net))
    other.__dict__.update(net.__dict__, module=module, module_=module, optimizer_=optimizer)
    return other


def configure(net: TrainingNet, recipe: Recipe, compute: Compute) -> TrainingNet:
    """Give a net what our steps need beside skorch's own parameters."""
    # The first member holds the others.
    others = {id(p) for p in net.module_.others.parameters()}
    owned = [
        [p for p in member.parameters() if p.requires_grad and (index or id(p) not in others)]
        for index, member in enumerate(net.module_.members())
    ]
    net.run = Run(compute, recipe.gradient_clip, owned)
    return net


def train(
    net: TrainingNet,
    batches: TrainingBatches,
    recipe: Recipe,
    *,
    seed: int,
    n_threads: int,
    on_epoch: Callable[[EpochRecord], bool],
    guard_globals: bool = False,
) -> None:
    """Train for up to ``recipe.max_epochs`` epochs.

    Parameters
    ----------
    net : TrainingNet
        The net; trained in place.
    batches : TrainingBatches
        Iterated once an epoch.
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

    Raises
    ------
    DivergenceError
        When the loss or the weights are no longer finite, or the loss exploded.
    """
    for group in net.optimizer_.param_groups:
        group["lr"] = recipe.learning_rate
        group.pop("initial_lr", None)
    run = net.run
    epoch: TrainingBatches | Windows = batches
    if recipe.tbptt_steps is not None and batches.per_step:
        epoch = Windows(batches, recipe.tbptt_steps)
    run.pieces = PiecePolicy(
        recipe.tbptt_steps,
        recipe.gradient_checkpointing,
        _step_bytes(net.module_),
        memory_budget(run.compute.device),
    )
    run.first_loss = None
    n_steps = recipe.max_epochs * len(batches)
    run.schedule = Schedule(recipe.schedule, net.optimizer_, n_steps)
    torchs = n_threads if run.compute.device.type == "cpu" else 1
    run.threads = ThreadTrial(torchs, net.module_.recurrence.output_size, n_steps)
    # What the user brings may depend on the whole batch, so it gets the whole batch.
    run.part_steps = None if guard_globals else _part_steps(net.module_, run.compute)
    generator = torch.Generator(device=run.compute.device).manual_seed(seed)
    set_generator(net.module_, generator)
    try:
        with cpu_threads(n_threads):
            if guard_globals:
                with seeded_globals(seed):
                    _epochs(net, epoch, recipe, on_epoch)
            else:
                _epochs(net, epoch, recipe, on_epoch)
    finally:
        set_generator(net.module_, None)
        net.module_.eval()


def _part_steps(network: Any, compute: Compute) -> int | None:
    """Return how many padded steps are computed at once, by the memory that they take."""
    if compute.device.type != "cpu":
        return None
    at_once = isinstance(network.recurrence.layers[0][0], (LSTM, CIFG, MinGRU, MinLSTM))
    return (_PART_BYTES if at_once else _PART_BYTES_OF_LOOPS) // _step_bytes(network)


def _step_bytes(network: Any) -> int:
    """Return the memory of a step of a row in training, as measured of an LSTM with gradients."""
    recurrence = network.recurrence
    floats = 18 * recurrence.output_size * recurrence.num_layers + 8 * recurrence.input_size
    return 4 * int(floats)


def _epochs(
    net: TrainingNet,
    batches: TrainingBatches | Windows,
    recipe: Recipe,
    on_epoch: Callable[[EpochRecord], bool],
) -> None:
    """Run the epochs, one skorch fit loop of one epoch at a time, so that any may be the last."""
    run = net.run
    assert run.schedule is not None, "train() sets the schedule"
    for epoch in range(1, recipe.max_epochs + 1):
        begun = time.perf_counter()
        learning_rate = run.schedule.learning_rate
        net.fit_loop(batches, epochs=1)
        run.converted = None
        weights = [parameter for owned in run.parameters for parameter in owned]
        if not all(bool(torch.isfinite(p).all()) for p in weights):
            raise DivergenceError("the weights are no longer finite numbers")
        record = EpochRecord(epoch, run.epoch_loss, learning_rate, time.perf_counter() - begun)
        stop = on_epoch(record)
        losses = record.recurrence_loss, record.valid_loss, record.train_loss
        watched = next(loss for loss in losses if loss is not None)
        run.schedule.after_epoch(watched)
        if stop:
            return
