"""Beginning where an earlier fit ended. Imports torch and nn."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..nn import ForecastNetwork

# What is solved anew is not taken over.
_SOLVED = ("linear", "closed", "spread", "share")
# A warm fit takes this share of the epochs of a cold one.
_EPOCHS = 0.25


def begin_from(
    network: ForecastNetwork, earlier: Sequence[ForecastNetwork], epochs: int, seed: int
) -> int:
    """Give a network the trained weights of an earlier one like it; return the epochs to train."""
    like = [one for one in earlier if one.config == network.config]
    if not like:
        return epochs
    trained = like[seed % len(like)].state_dict()
    own = {name: block for name, block in trained.items() if name.split(".")[0] not in _SOLVED}
    with torch.no_grad():
        network.load_state_dict(own, strict=False)
    return max(1, round(_EPOCHS * epochs))
