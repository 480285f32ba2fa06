"""What a fitted estimator remembers of its training, and how it is pickled.

What is stored is the architecture and NumPy arrays: no torch object, no device. A model that was
fitted on an accelerator therefore loads on a machine without one. Imports layers 1 and 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ..nn import NetworkConfig, build_network
from ..sequences import Versioned
from ..training import (
    Compute,
    EpochRecord,
    Recipe,
    SequenceNet,
    copied_history,
    cpu_threads,
    load_weights,
    make_net,
    resolve_compute,
    seeded_globals,
)


class FittedNetMixin(Versioned):
    """The history of training as fitted attributes; pickling without torch objects or devices."""

    net_: SequenceNet
    _config: NetworkConfig
    _recipe: Recipe
    _resumable: bool
    _history: list[EpochRecord]

    @property
    def loss_curve_(self) -> list[float]:
        """Mean training loss of every epoch."""
        return [record.train_loss for record in self._fitted_history()]

    @property
    def validation_scores_(self) -> list[float] | None:
        """Score on the validation set after every epoch, or None without one."""
        scores = [r.valid_score for r in self._fitted_history() if r.valid_score is not None]
        return scores or None

    @property
    def history_(self) -> Any:
        """Everything recorded of every epoch, as a pandas data frame."""
        import pandas as pd

        records = [vars(record) for record in self._fitted_history()]
        columns = ["epoch", "train_loss", "valid_loss", "valid_score"]
        if any(record["recurrence_share"] is not None for record in records):
            columns += ["recurrence_loss", "recurrence_score", "recurrence_share"]
        columns += ["learning_rate", "seconds"]
        numbers = dict.fromkeys(columns[1:], float)
        return pd.DataFrame(records, columns=columns).astype(numbers)

    def _fitted_history(self) -> list[EpochRecord]:
        """Return the records, or say that there are none, as a missing attribute is said."""
        if "_history" not in self.__dict__:
            raise AttributeError(f"This {type(self).__name__} instance is not fitted yet.")
        return self._history

    def __sklearn_is_fitted__(self) -> bool:
        return "net_" in self.__dict__

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "net_" in state:
            # An unfitted copy takes its callbacks along to a worker; a saved model has none.
            for key in [k for k in state if k.startswith("_") and "callback" in k]:
                del state[key]
            state["callbacks"] = None
            state["net_"] = pack_net(
                self.net_, self._config, self._recipe, resumable=self._resumable
            )
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(state)
        if isinstance(state.get("net_"), dict):
            self.net_ = unpack_net(state["net_"], state["device"], state["precision"])
            self.net_.bind(self)


_BITS = "bits of bfloat16"


def pack_net(net: SequenceNet, config: NetworkConfig, recipe: Recipe, *, resumable: bool) -> dict:
    """Return the net as a dict of plain values and arrays, with the optimizer if resumable."""
    return {
        "config": config,
        "recipe": recipe,
        "weights": _plain(net.module_.state_dict()),
        "optimizer": _plain(net.optimizer_.state_dict()) if resumable else None,
        "history": [dict(row, batches=[]) for row in net.history],
    }


@cpu_threads(1)
def unpack_net(packed: dict, device: str, precision: str) -> SequenceNet:
    """Build the net again, on the wanted device or, where that is missing, on the CPU."""
    try:
        compute = resolve_compute(device, precision)
    except ValueError:
        compute = Compute(torch.device("cpu"))
    with seeded_globals(0):
        network = build_network(packed["config"])
    load_weights(network, packed["weights"])
    network.to(compute.device)
    net = make_net(network, packed["recipe"], compute)
    if packed["optimizer"] is not None:
        net.optimizer_.load_state_dict(_tensors(packed["optimizer"]))
    net.history_ = copied_history(packed["history"])
    network.eval()
    return net


def _plain(value: Any) -> Any:
    """Replace tensors by NumPy arrays, inside dicts, lists and tuples too."""
    if isinstance(value, torch.Tensor):
        if value.dtype == torch.bfloat16:  # which NumPy has not
            return {_BITS: _plain(value.view(torch.int16))}
        return value.detach().cpu().numpy().copy()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item) for item in value)
    return value


def _tensors(value: Any) -> Any:
    """Replace NumPy arrays by tensors, inside dicts, lists and tuples too."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, dict) and set(value) == {_BITS}:
        return _tensors(value[_BITS]).view(torch.bfloat16)
    if isinstance(value, dict):
        return {key: _tensors(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_tensors(item) for item in value)
    return value
