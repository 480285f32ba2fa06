"""The closed-form path beside an estimator's recurrence: which, solved when, and its share.

Imports layers 0 to 2.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..exceptions import ClosedFormWarning
from ..nn import NetworkConfig
from ..sequences import Sequences, kept_if_interrupted, warn
from ..training import EpochRecord, FlatStorage
from ._closed_form import ClosedForm, plan_path
from ._fit_data import FitData
from ._ngrams import SolvedNGrams, wants_ngrams
from ._report import Report, report_of
from ._targets import Target

#: Share of the sequences that weighs the recurrence against a path and does not train it; how many
#: they are at most, unless more are of one recording, and how few they may be.
MIXING: dict[str | None, float] = {"reservoir": 0.2, "ngrams": 0.1}
MOST: dict[str | None, float] = {"reservoir": 1000.0, "ngrams": np.inf}
FEWEST: dict[str | None, float] = {"reservoir": 0.4, "ngrams": 10.0}
#: Where no recurrence could get a share, it trains for one in so many of the epochs: less than the
#: closed form takes, on every small set.
SETTLED = 50


class PathsMixin:
    """The choice of a path, its solving and weighing, and what else held-out sequences teach."""

    closed_form: str | bool
    loss: Any
    max_epochs: int | str
    warm_start: bool
    _target: Target
    net_: Any
    readout_shares_: dict[str, float]
    best_validation_score_: float | None
    _config: NetworkConfig
    _predict_raw: Callable[[Sequences], np.ndarray]
    report_: Report
    _decoded: Callable[[Any, torch.Tensor], torch.Tensor]
    _guarded: Callable[[], AbstractContextManager]
    _prediction_dtype: Callable[[], torch.dtype]
    _fitted_state: Callable[[], dict[str, Any]]
    _init_callback_context: Callable[..., Any]

    def _refuse_alone(self, sequences: Sequences, *, reset: bool) -> None:
        """Refuse partial_fit, which only trains, where nothing is to be trained."""
        alone = not reset and not self._config.recurrent
        if self.closed_form != "only" and not alone:
            return
        advice = "Call fit, with closed_form=True to go on from it: partial_fit keeps the n-grams."
        if not sequences.is_tokens:
            kind = type(self).__name__.replace("RNN", "Reservoir")
            advice = f"Use {kind}, whose partial_fit is exact, or begin with closed_form=False."
        raise ValueError(
            "closed_form='only' trains nothing by gradient, and partial_fit does nothing else. "
            f"{advice}"
        )

    def _choose_path(
        self, sequences: Sequences, rows: np.ndarray
    ) -> tuple[str | None, np.ndarray | None]:
        """Return the name of the path, and which recordings the rows were cut from, if any."""
        wanted, recordings = self._plan(self.closed_form, sequences, self.loss, rows)
        if wanted:
            return ("ngrams" if sequences.is_tokens else "reservoir"), recordings
        others = self.closed_form == "auto" and self.loss not in ("log_loss", "squared_error")
        if others and self._plan("auto", sequences, "log_loss", rows)[0]:
            self._warn_left_out()
        return None, None

    def _plan(
        self, setting: str | bool, sequences: Sequences, loss: Any, rows: np.ndarray
    ) -> tuple[bool, np.ndarray | None]:
        """Tell whether these data get the closed form of their kind, and of which recordings."""
        if sequences.is_tokens:
            return wants_ngrams(setting, sequences, self._target, loss), None
        return plan_path(setting, sequences, self._target, loss, rows)

    def _warn_left_out(self) -> None:
        """Say that these data would have got a closed form."""
        warn(
            f"{type(self).__name__} leaves out the closed form that it would solve for these data "
            "beside the recurrence, because it is solved for the default loss only: the model is "
            "another one. closed_form=False leaves it out without this warning.",
            ClosedFormWarning,
        )

    def _solve_path(self, data: FitData, storage: FlatStorage) -> ClosedForm | None:
        """Solve the readout of the path, if the network has one."""
        if self.net_.module_.path is None:
            return None
        closed = self._form(data, storage)
        closed.solve(data.solved_on, seed=data.seed("path"), kept=data.kept, apart=data.recordings)
        if data.kept is not None:
            data.keep(closed.judged(data.kept))
        self.readout_shares_ = closed.readout_shares
        if data.path == "ngrams":
            path = self.net_.module_.path
            self._config = replace(
                self._config, ngram_features=path.output_size, ngram_openings=path.openings
            )
        return closed

    def _form(self, data: FitData, storage: FlatStorage) -> ClosedForm:
        """Return what solves the path and weighs the recurrence against it."""
        form = SolvedNGrams if self._config.ngram_longest else ClosedForm
        target = self._target.solved
        assert target is not None, "what has a path is solved"
        return form(self.net_, storage, target, data.encoded, data.weights, data.n_threads)

    def _finish_solved(self, data: FitData, closed: ClosedForm) -> None:
        """End a fit that trains nothing."""
        self.net_.module_.recurrence_share.zero_()
        self._target.use_held_out(lambda: self._held_out_answers(data, closed))
        self.best_validation_score_ = None
        data.rows, data.kept = data.solved_on, None
        self.report_ = report_of(self, data, closed)
        context = self._init_callback_context()
        with kept_if_interrupted():
            context.call_on_fit_task_begin(estimator=self, X=data.X, y=data.y)
            context.call_on_fit_task_end(
                estimator=self, X=data.X, y=data.y, reconstruction_attributes=self._fitted_state
            )

    def _start_share(self, data: FitData, storage: FlatStorage, *, weigh: bool) -> None:
        """Set the share of the recurrence before it trains: all, or what new data speak for."""
        share = 1.0
        if weigh and self.net_.module_.path is not None:
            # What comes in is news to both paths until the recurrence has learned from it.
            weighing = self._form(data, storage)
            share = weighing.share_from_set(data.sequences, data.encoded, data.weights)
        self.net_.module_.recurrence_share.fill_(share)

    def _is_settled(self, data: FitData, closed: ClosedForm) -> bool:
        """Tell before it trains that the recurrence gets no share, whatever it learns."""
        return (
            data.path == "reservoir"
            and self.max_epochs == "auto"
            and not self.warm_start
            and data.held_out is None
            and data.kept is not None
            and closed.leaves_nothing(data.kept)
        )

    def _watch(
        self, data: FitData, closed: ClosedForm | None
    ) -> Callable[[EpochRecord], None] | None:
        """Return what scores the held-out sequences after an epoch, where there are some.

        The score is that of the model as a whole, as if training ended with this epoch.
        """
        if data.held_out is None:
            return None
        sequences, labels, weights = data.held_out
        if closed is None:

            def score(record: EpochRecord) -> None:
                found = self._predict_raw(sequences)
                record.valid_score, record.valid_loss = self._target.judge(
                    labels, found, sequences, weights
                )

            return score

        def network() -> Any:
            """Return the network in the number type in which it predicts a set."""
            return self.net_.network_for(self._prediction_dtype())

        if data.kept is not None:
            unseen = closed.rows_unseen(data.kept)
        else:
            encoded = self._target.encode(labels, sequences)
            unseen = closed.set_unseen(sequences, encoded, weights, network())

        def score_whole(record: EpochRecord) -> None:
            self.net_.module_.eval()
            with self._guarded():
                weighed = closed.weigh(unseen, None if data.kept is not None else network())
            record.recurrence_share = weighed.share
            self.net_.module_.recurrence_share.fill_(weighed.share)
            (record.valid_score, record.valid_loss), alone = (
                self._target.judge(labels, self._decoded_here(raw), sequences, weights)
                for raw in (weighed.raw, weighed.trained)
            )
            record.recurrence_score, record.recurrence_loss = alone

        return score_whole

    def _decoded_here(self, raw: np.ndarray) -> np.ndarray:
        """Return what the head makes of raw outputs that are arrays."""
        network = self.net_.module_
        tensor = torch.from_numpy(raw).to(network.recurrence_share.device)
        with torch.inference_mode():
            return np.asarray(self._decoded(network, tensor).cpu().numpy())

    def _weigh_paths(self, data: FitData, closed: ClosedForm | None) -> None:
        """Decide the share of the recurrence on what it has not seen."""
        if closed is None:
            return
        if data.kept is not None:
            share = closed.share_from_rows(data.kept)
        elif data.held_out is not None:
            unseen, labels, weights = data.held_out
            share = closed.share_from_set(unseen, self._target.encode(labels, unseen), weights)
        else:
            share = closed.unjudged
        self.net_.module_.recurrence_share.fill_(share)
        self.net_.run_.converted = None

    def _held_out_answers(
        self, data: FitData, closed: ClosedForm | None
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return decoded answers and encoded targets of sequences that trained nothing, if any."""
        kept = data.kept
        if kept is not None and closed is not None:
            share = float(self.net_.module_.recurrence_share)
            return self._decoded_here(closed.left_out_answers(kept, share)), data.encoded[kept]
        if kept is not None:
            return self._predict_raw(data.sequences[kept]), data.encoded[kept]
        if data.held_out is not None:
            unseen, labels, _ = data.held_out
            return self._predict_raw(unseen), self._target.encode(labels, unseen)
        return None
