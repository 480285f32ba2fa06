"""Holding a trained network against the baselines at the end of its fit. Imports layers 0 and 2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..sequences import Sequences
from ..training import TrainingNet
from ._baselines import wanted_columns
from ._closed_form import ClosedForm
from ._readout import keys
from ._report import (
    Report,
    baselines_of,
    empty_report,
    judged,
    on_sequences,
    warn_of_baseline,
)
from ._targets import Target

REMEDY = (
    "Take the simpler model, or cross-validate reservoir='only', a larger max_epochs and another "
    "learning_rate."
)


class ReportMixin:
    """Sets ``report_``, and warns when a baseline does clearly better."""

    net_: TrainingNet
    report_: Report
    _target: Target
    _predict_raw: Callable[[Sequences], np.ndarray]

    def _set_report(
        self,
        sequences: Sequences,
        encoded: np.ndarray,
        weights: np.ndarray | None,
        *,
        rows: np.ndarray,
        solved_on: np.ndarray,
        kept: np.ndarray | None,
        held_out: tuple | None,
        closed: ClosedForm | None,
    ) -> None:
        """Compare on the part that was held out, or on left-out predictions, if there are any."""
        baselines = baselines_of(self._target)
        if baselines is None:
            self.report_ = empty_report(self._target, None)
        elif closed is not None and closed.by_recording:
            self.report_ = self._report_on_recordings(
                baselines, closed, sequences, encoded, weights, rows, kept
            )
        elif closed is not None and closed.left_out and (held_out is None or kept is not None):
            unseen = self._unseen(closed, kept)
            found = baselines.fit(sequences, solved_on, encoded, weights, left_out=True)
            names = dict(zip(unseen, keys(sequences, np.array(list(unseen))), strict=True))
            both = np.array([row for row, name in names.items() if name in found])
            name = "training sequences, each left out in turn"
            if kept is not None:
                name = "training sequences that the recurrence has not seen"
            self.report_ = judged(
                baselines,
                wanted_columns(self._target, encoded)[both],
                np.stack([unseen[row] for row in both]),
                np.concatenate([found[names[row]] for row in both]),
                np.ones(len(both)) if weights is None else weights[both],
                None,
                name,
                left_out=kept is None,
            )
        else:
            baselines.fit(sequences, rows, encoded, weights)
            self.report_ = empty_report(self._target, baselines)
            if held_out is not None:
                unseen_sequences, labels, own = held_out
                name = "sequences of X_val"
                if kept is not None:
                    name = "sequences held out for early stopping"
                self.report_ = on_sequences(baselines, self, unseen_sequences, labels, own, name)
        warn_of_baseline(self.report_, type(self).__name__, REMEDY, stacklevel=9)

    def _report_on_recordings(
        self,
        baselines: Any,
        closed: ClosedForm,
        sequences: Sequences,
        encoded: np.ndarray,
        weights: np.ndarray | None,
        rows: np.ndarray,
        kept: np.ndarray | None,
    ) -> Any:
        """Compare on whole recordings that were held out: a baseline leaves out single rows."""
        baselines.fit(sequences, rows, encoded, weights)
        if kept is None or closed.unseen is None:
            return empty_report(self._target, baselines)
        unseen = self._unseen(closed, kept)
        return judged(
            baselines,
            wanted_columns(self._target, encoded)[kept],
            np.stack([unseen[row] for row in kept.tolist()]),
            baselines.predict(sequences[kept]),
            np.ones(len(kept)) if weights is None else weights[kept],
            None,
            "training sequences of recordings that the recurrence has not seen",
            left_out=False,
        )

    def _unseen(self, closed: ClosedForm, kept: np.ndarray | None) -> dict[int, np.ndarray]:
        """Return outputs for rows of which each path has learned nothing, by row."""
        if kept is not None and closed.unseen is not None:
            raw = dict(zip(kept.tolist(), closed.unseen, strict=True))
        else:
            raw = closed.left_out
        if self._target.head != "continuous":
            return raw
        head: Any = self.net_.module_.head
        mean, scale = head.mean.double().cpu().numpy(), head.scale.double().cpu().numpy()
        return {row: values * scale + mean for row, values in raw.items()}
