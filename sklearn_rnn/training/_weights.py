"""Weights from saved arrays back into a module. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch


def load_weights(module: torch.nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Put saved arrays into a module, or say in one sentence what does not fit.

    Raises
    ------
    ValueError
        If an array is missing, too many or of another shape.
    """
    wanted = module.state_dict()
    wrong = [f"lacks the weight {name!r}" for name in wanted if name not in arrays]
    wrong += [f"has a weight {name!r} too many" for name in arrays if name not in wanted]
    wrong += [
        f"has a weight {name!r} of shape {tuple(arrays[name].shape)} in place of {tuple(own.shape)}"
        for name, own in wanted.items()
        if name in arrays and tuple(arrays[name].shape) != tuple(own.shape)
    ]
    if wrong:
        raise ValueError(
            f"The saved model {wrong[0]}: it is damaged, or another version of sklearn-rnn saved "
            "it. Load it with that version, or fit it anew."
        )
    module.load_state_dict({key: torch.tensor(value) for key, value in arrays.items()})
