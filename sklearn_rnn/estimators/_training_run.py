"""Training the recurrence of an estimator, epoch by epoch. Imports scikit-learn, layers 0 and 2."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from ..sequences import kept_if_interrupted, warn
from ..training import (
    BestWeights,
    DivergenceError,
    EpochRecord,
    Progress,
    Recipe,
    SequenceDataset,
    SequenceNet,
    train,
)
from ._fit_data import FitData


class TrainingRunMixin:
    """The run through the epochs, and what is told and kept of it."""

    cell: Any
    loss: Any
    callbacks: Any
    early_stopping: Any
    verbose: Any
    n_iter_: int
    best_validation_score_: float | None
    net_: SequenceNet
    _history: list[EpochRecord]
    _guarded: Callable[[], AbstractContextManager]
    _fitted_state: Callable[[], dict[str, Any]]
    _settings: Callable[[str], Any]
    _init_callback_context: Callable[..., Any]

    def _run(
        self,
        data: FitData,
        dataset: SequenceDataset,
        recipe: Recipe,
        *,
        score: Callable[[EpochRecord], None] | None,
        finish: Callable[[], None],
    ) -> None:
        """Train, keep the weights of the best `score`, report every epoch, `finish`."""
        context = self._init_callback_context(max_subtasks=recipe.max_epochs)
        context.call_on_fit_task_begin(estimator=self, X=data.X, y=data.y)
        stopping = self._settings("early_stopping")
        best = BestWeights(stopping.n_iter_no_change, stopping.tol)
        progress = Progress(recipe.max_epochs, type(self).__name__, show=bool(self.verbose))

        def on_epoch(record: EpochRecord) -> bool:
            stop = False
            if score is not None:
                score(record)
                stop = best.update(self.net_.module_, record) and bool(self.early_stopping)
            self._history.append(record)
            self.n_iter_ = record.epoch
            progress.update(record)
            epoch = context.subcontext(task_name="epoch")
            epoch.call_on_fit_task_begin(estimator=self, X=data.X, y=data.y)
            stop |= epoch.call_on_fit_task_end(
                estimator=self, X=data.X, y=data.y, reconstruction_attributes=self._fitted_state
            )
            return stop

        self.net_.bind(self)
        interrupted: BaseException | None = None
        try:
            train(
                self.net_,
                dataset,
                recipe,
                seed=data.seed("training"),
                n_threads=data.n_threads,
                on_epoch=on_epoch,
                guard_globals=may_draw(self.cell, self.loss, recipe.optimizer),
                callbacks=self.callbacks,
            )
        except KeyboardInterrupt as interrupt:
            if not data.first:
                raise
            interrupted = interrupt
            self.n_iter_ = len(self._history)
            self.net_.module_.eval()
        except DivergenceError as error:
            self._diverged(error, best, recipe)
        finally:
            progress.close()
        if best.has_weights and self.early_stopping:
            best.restore(self.net_.module_)
        self.net_.run_.converted = None
        self.best_validation_score_ = best.score if best.has_weights else None
        with kept_if_interrupted():
            with self._guarded():
                finish()
            self.net_.bind(self)
            if interrupted is not None:
                raise interrupted
            context.call_on_fit_task_end(
                estimator=self, X=data.X, y=data.y, reconstruction_attributes=self._fitted_state
            )

    def _diverged(self, error: DivergenceError, best: BestWeights, recipe: Recipe) -> None:
        """Warn and fall back to the best weights, or refuse when there are none."""
        what = (
            f"Training diverged in epoch {self.n_iter_ + 1}: {error}. Lower learning_rate "
            f"(now {recipe.learning_rate:g}), set optimizer__gradient_clip (now "
            f"{recipe.gradient_clip}), or look for extreme values in X or y."
        )
        if best.has_weights and self.early_stopping:
            warn(
                f"{what} The weights of epoch {best.epoch} are kept.",
                ConvergenceWarning,
            )
            return
        raise ValueError(what) from error


def may_draw(cell: Any, loss: Any, optimizer: Any) -> bool:
    """Tell whether something that the user brings may draw from torch's global generator."""
    factory = getattr(optimizer, "func", optimizer)
    ours = isinstance(optimizer, str) or str(factory.__module__).startswith("torch.optim")
    return not (ours and isinstance(cell, str) and isinstance(loss, str))
