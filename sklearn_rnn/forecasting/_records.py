"""What a forecaster remembers of its fit, as frames: epochs, the held-out tail, the history."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._history import History
from ._model import ForecastModel


class FitRecordMixin:
    """Frames about the fit, for `SequenceForecaster`."""

    model_: ForecastModel
    _history: History
    _report: dict[str, dict]
    target_names_: list[str]

    @property
    def report_(self) -> Any:
        """MASE and skill on the held-out tail, as a frame."""
        import pandas as pd

        if not hasattr(self, "_report"):
            raise AttributeError("report_ is there after fit.")
        columns = ["mase", "skill"]
        return pd.DataFrame.from_dict(self._report, orient="index").reindex(columns=columns)

    @property
    def history_(self) -> Any:
        """Training loss, learning rate and seconds of every epoch, as a frame."""
        import pandas as pd

        if not hasattr(self, "model_"):
            raise AttributeError("history_ is there after fit.")
        columns = ["epoch", "train_loss", "valid_loss", "valid_score", "learning_rate", "seconds"]
        frame = pd.DataFrame([vars(one) for one in self.model_.history_], columns=columns)
        return frame.astype(dict.fromkeys(columns[1:], float))

    @property
    def loss_curve_(self) -> list[float]:
        """Mean training loss of every epoch, of all networks one after the other."""
        if not hasattr(self, "model_"):
            raise AttributeError("loss_curve_ is there after fit.")
        return [float(record.train_loss) for record in self.model_.history_]

    def observed(self, n_steps: int | None = None) -> Any:
        """Return what is known of the targets: the history that forecasts start from.

        Parameters
        ----------
        n_steps : int, default=None
            How many of the last steps of every series; None means all.

        Returns
        -------
        pandas.DataFrame
            One row a series, step and target, with the columns id (for a panel), time, "target"
            (for several) and "value"; steps without a row in the data are NaN.
        """
        import pandas as pd

        check_is_fitted(self)
        history, panel = self._history, self._history.panel
        steps = np.arange(len(panel.values)) - np.repeat(panel.offsets[:-1], panel.lengths)
        left = np.repeat(panel.lengths, panel.lengths) - steps
        kept = np.ones(len(steps), dtype=bool) if n_steps is None else left <= n_steps
        series = panel.series[kept]
        n_targets = panel.n_targets
        frame: dict[str, Any] = {}
        if history.has_ids:
            frame[history.id_name] = [history.labels[k] for k in np.repeat(series, n_targets)]
        places = panel.start[series] + steps[kept]
        frame[history.time_name] = history.grid.times(np.repeat(places, n_targets))
        if n_targets > 1:
            frame["target"] = np.tile(np.array(self.target_names_, dtype=object), len(series))
        frame["value"] = panel.values[kept].ravel()
        return pd.DataFrame(frame)
