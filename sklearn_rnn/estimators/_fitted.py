"""What a fitted estimator remembers of its training, and how it is pickled. Imports layer 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..nn import NetworkConfig
from ..sequences import Versioned
from ..training import EpochRecord, Recipe, TrainingNet
from ._state import pack_net, unpack_net


class FittedNetMixin(Versioned):
    """The history of training as fitted attributes; pickling without torch objects or devices."""

    net_: TrainingNet
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
            for key in [k for k in state if "callback" in k]:
                del state[key]
            state["net_"] = pack_net(
                self.net_, self._config, self._recipe, resumable=self._resumable
            )
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(state)
        if isinstance(state.get("net_"), dict):
            self.net_ = unpack_net(state["net_"], state["device"], state["precision"])
