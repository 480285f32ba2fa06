"""Holding a trained network against the baselines at the end of its fit. Imports layers 0 to 2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..nn import NetworkConfig
from ..sequences import Sequences
from ..training import Origins, TrainingNet, at_level_of_all
from ._baselines import wanted_columns
from ._closed_form import ClosedForm
from ._fit_data import FitData
from ._readout import keys
from ._report import (
    CLOSED_FORMS,
    Part,
    Report,
    baselines_of,
    empty_report,
    judged,
    on_sequences,
)
from ._targets import Target

REMEDY = (
    "Take the simpler model, or cross-validate reservoir='only', a larger max_epochs and another "
    "learning_rate."
)


class ReportMixin:
    """Sets ``report_``."""

    net_: TrainingNet
    report_: Report
    _target: Target
    _origins: Origins
    _config: NetworkConfig
    _predict_raw: Callable[[Sequences], np.ndarray]
    _decoded_here: Callable[[np.ndarray], np.ndarray]
    _score_answers: Callable[..., tuple[float, float]]

    def _set_report(self, data: FitData, closed: ClosedForm | None) -> None:
        """Compare with the baselines, and say how the prediction is made up."""
        self._compare(data, closed)
        self.report_ = replace(self.report_, parts=self._parts(data, closed))

    def _parts(self, data: FitData, closed: ClosedForm | None) -> tuple[Part, ...]:
        """Return the parts of the prediction with what each scores alone, where that is known."""
        share = float(self.net_.module_.recurrence_share)
        if closed is None or not self._config.recurrent:
            name = "recurrence" if closed is None else CLOSED_FORMS[data.path]
            return (Part(name, 1.0, self.report_.model_score),)
        scores: list[float | None] = [None, None]
        if closed.chosen is not None:
            unseen, weighed = closed.chosen
            if data.kept is not None:
                held_out = data.pick(data.kept)
            else:
                assert data.held_out is not None, "the share was chosen on one or the other"
                held_out = data.held_out
            raws = unseen.solved, weighed.trained
            scores = [self._score_answers(self._decoded_here(r), *held_out)[0] for r in raws]
        return (
            Part(CLOSED_FORMS[data.path], 1.0 - share, scores[0]),
            Part("recurrence", share, scores[1]),
        )

    def _compare(self, data: FitData, closed: ClosedForm | None) -> None:
        """Compare on the part that was held out, or on left-out predictions, if there are any."""
        baselines = baselines_of(self._target, self._origins)
        sequences, weights, kept = data.sequences, data.weights, data.kept
        if baselines is None:
            self.report_ = empty_report(self._target, None)
        elif (
            closed is not None
            and closed.by_recording
            and (data.held_out is None or kept is not None)
        ):
            self.report_ = self._report_on_recordings(baselines, data, closed)
        elif closed is not None and closed.left_out and (data.held_out is None or kept is not None):
            unseen = self._unseen(closed, kept)
            solved = data.solved_on
            found = baselines.fit(sequences, solved, data.encoded, weights, left_out=True)
            names = dict(zip(unseen, keys(sequences, np.array(list(unseen))), strict=True))
            both = np.array([row for row, name in names.items() if name in found])
            name = "training sequences, each left out in turn"
            if kept is not None:
                name = "training sequences that the recurrence has not seen"
            self.report_ = judged(
                baselines,
                wanted_columns(self._target, data.encoded[both]),
                np.stack([unseen[row] for row in both]),
                np.concatenate([found[names[row]] for row in both]),
                np.ones(len(both)) if weights is None else weights[both],
                None,
                name,
                left_out_of=float(len(solved) if weights is None else weights[solved].sum()),
            )
        else:
            baselines.fit(sequences, data.rows, data.encoded, weights)
            self.report_ = empty_report(self._target, baselines)
            if data.held_out is not None:
                name = "sequences of X_val"
                if kept is not None:
                    name = "sequences held out for early stopping"
                unseen_sequences, labels, own = data.held_out
                self.report_ = on_sequences(baselines, self, unseen_sequences, labels, own, name)

    def _report_on_recordings(self, baselines: Any, data: FitData, closed: ClosedForm) -> Report:
        """Compare on whole recordings that were held out: a baseline leaves out single rows."""
        kept, weights = data.kept, data.weights
        baselines.fit(data.sequences, data.rows, data.encoded, weights)
        if kept is None or closed.chosen is None:
            return empty_report(self._target, baselines)
        assert data.recordings is not None
        unseen = self._unseen(closed, kept)
        wanted = wanted_columns(self._target, data.encoded)
        each = np.ones(len(wanted)) if weights is None else weights
        mass = float(each[data.solved_on].sum())
        # The cuts of a recording are one observation. All that is known of the level is used, as
        # by the closed form: few recordings are seldom those of the others' level.
        baselines.level = np.average(wanted[data.solved_on], axis=0, weights=each[data.solved_on])
        linear = at_level_of_all(
            baselines.predict(data.sequences[kept]),
            wanted[kept],
            each[kept],
            np.zeros(len(kept), dtype=int),
            mass,
        )
        numbers = data.recordings[np.searchsorted(data.solved_on, kept)]
        return judged(
            baselines,
            wanted[kept],
            np.stack([unseen[row] for row in kept.tolist()]),
            linear,
            each[kept],
            np.unique(numbers, return_inverse=True)[1],
            "recordings that the recurrence has not seen",
            left_out_of=mass,
        )

    def _unseen(self, closed: ClosedForm, kept: np.ndarray | None) -> dict[int, np.ndarray]:
        """Return outputs for rows of which each path has learned nothing, by row."""
        if kept is not None and closed.chosen is not None:
            raw = dict(zip(kept.tolist(), closed.chosen[1].raw, strict=True))
        else:
            raw = closed.left_out
        if self._target.head != "continuous":
            return raw
        head: Any = self.net_.module_.head
        mean, scale = head.mean.double().cpu().numpy(), head.scale.double().cpu().numpy()
        return {row: values * scale + mean for row, values in raw.items()}
