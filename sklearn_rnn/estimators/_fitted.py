"""A trained net as plain data and back, for pickle, joblib and copies; and words that describe it.

What is stored is the architecture and NumPy arrays: no torch object, no device. A model that was
fitted on an accelerator therefore loads on a machine without one. Imports layers 1 and 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..nn import (
    NetworkConfig,
    build_network,
)
from ..training import (
    Compute,
    Recipe,
    SequenceNet,
    copied_history,
    cpu_threads,
    load_weights,
    make_net,
    resolve_compute,
    seeded_globals,
)


class Description(str):
    """Text that shows without quotation marks."""

    def __repr__(self) -> str:
        return str(self)


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
