"""What every estimator shares: the way from X and y to a trained network.

Imports scikit-learn and layers 0 to 2. The parameters and prediction are in files beside this one,
and so is each estimator.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning

from ..nn import NetworkConfig, build_network
from ..sequences import Sequences, check_missing, check_weights
from ..sequences._sklearn import _fit_context
from ..training import (
    BestWeights,
    DivergenceError,
    EpochRecord,
    FlatStorage,
    Progress,
    Recipe,
    TrainingBatches,
    configure,
    make_net,
    resolve_compute,
    step_statistics,
    train,
)
from ._closed_form import UNITS, ClosedForm
from ._describe import DescribedNetworkMixin
from ._fitted import FittedNetMixin
from ._ngrams import SolvedNGrams, ngram_architecture
from ._parameters import ParametersMixin
from ._paths import FEWEST, MIXING, MOST, PathsMixin
from ._prediction import PredictionMixin
from ._randomness import private_stream
from ._reporting import ReportMixin
from ._scaling import static_statistics, target_statistics
from ._stream import StreamMixin
from ._tokens import prepare_embeddings
from ._torch_errors import names_parameters
from ._validation_split import split_rows


class BaseRNN(
    StreamMixin,
    PredictionMixin,
    PathsMixin,
    FittedNetMixin,
    DescribedNetworkMixin,
    ReportMixin,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    ParametersMixin,
):
    """Shared parameters, the fit skeleton and prediction; the estimators add their targets."""

    # ---------------------------------------------------------------- fit

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> BaseRNN:
        """Train the network.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences of n_samples sequences
            The sequences, in any of the accepted forms: a 2-D array ``(n_samples, n_steps)``
            of univariate sequences, a 3-D array ``(n_samples, n_steps, n_channels)``, a list of
            ``(n_steps_i,)`` or ``(n_steps_i, n_channels)`` arrays, a data frame with list
            columns, or `Sequences`. NaN means missing.
        y : array-like or list of n_samples targets
            One target a sequence.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sequence in the loss.
        X_val, y_val : like X and y, default=None
            A validation set of your own, scored after every epoch. With
            ``early_stopping=True`` it takes the place of the held-out fraction.
        sample_weight_val : array-like, default=None
            Weights of the validation set in its score.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError
            If an input or a parameter cannot be used; the message names it. Also when training
            diverges, with the remedy.
        """
        going_on = self.warm_start and hasattr(self, "net_")
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together: pass both or neither.")
        if X_val is None and sample_weight_val is not None:
            raise ValueError("sample_weight_val weighs X_val, which is missing.")
        validation = None if X_val is None else (X_val, y_val, sample_weight_val)
        return self._fit(X, y, sample_weight, validation, reset=not going_on)

    @names_parameters
    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation: tuple | None = None,
        *,
        reset: bool,
        one_epoch: bool = False,
        classes: Any = None,
    ) -> BaseRNN:
        """Read, encode, split, build, train: the skeleton that every estimator's fit follows."""
        compute = resolve_compute(self.device, self.precision)
        n_threads = self._n_threads()
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        sequences = self._read_X(X, reset=reset)
        if self.missing == "error":
            check_missing(sequences, type(self).__name__)
        prepared = self._prepare_y(y, sequences)
        if reset:
            self._target = self._make_target(prepared, sequences, classes)
        encoded = self._target.encode(prepared, sequences)
        weights = self._weigh(prepared, check_weights(sample_weight, len(sequences)))
        if reset or not hasattr(self, "_random"):
            self._random = private_stream(self.random_state)
        seeds = self._random.randint(0, 2**31 - 1, size=5)

        solved_on = rows = _rows_that_count(weights, len(sequences))
        held_out = None if validation is None else self._read_validation(*validation)
        path, recordings, kept = None, None, None
        if not one_epoch:
            watched = self.early_stopping or held_out is not None
            path, recordings = self._choose_path(sequences, rows, watched=watched)
        solves = path is not None
        if held_out is None and not one_epoch and (self.early_stopping or solves):
            rows, kept = self._hold_out(prepared, rows, path, recordings, seed=int(seeds[0]))
        if self.early_stopping and kept is not None:
            held_out = (
                sequences[kept],
                _pick(prepared, kept),
                None if weights is None else weights[kept],
            )

        recipe, batch_size = self._make_recipe(sequences, len(rows), one_epoch=one_epoch)
        if reset:
            self._start(
                sequences, solved_on, encoded, weights, recipe, compute, int(seeds[1]), path
            )
        elif self._resumable:
            configure(self.net_, recipe, compute)
        else:
            # Pickling keeps no optimizer of a finished fit; going on is the same without it.
            self.net_ = make_net(self.net_.module_, recipe, compute)
        self._recipe = recipe
        self._resumable = one_epoch or self.warm_start

        def report() -> None:
            """Hold what has been fitted against the baselines."""
            self._set_report(
                sequences,
                encoded,
                weights,
                rows=rows,
                solved_on=solved_on,
                kept=kept,
                held_out=held_out,
                closed=closed,
            )

        self.__dict__.pop("report_", None)
        storage = FlatStorage(sequences, compute.device)
        closed: ClosedForm | None = None
        form = SolvedNGrams if self._config.ngram_longest else ClosedForm

        def learn_from_held_out() -> None:
            """Let the estimator learn what only unseen sequences can tell."""
            self._use_held_out(
                lambda: self._held_out_answers(closed, sequences, encoded, kept, held_out)
            )

        if solves and self.net_.module_.path is not None:
            closed = form(self.net_, storage, self._target, encoded, weights, n_threads)
            try:
                closed.solve(solved_on, seed=int(seeds[4]), kept=kept, apart=recordings)
            except Exception:
                del self.net_
                raise
            self.readout_shares_ = closed.readout_shares
            if path == "ngrams":
                known = self.net_.module_.path.output_size
                self._config = replace(self._config, ngram_features=known)
            if self._path_alone:
                self.net_.module_.recurrence_share.zero_()
                learn_from_held_out()
                self.best_validation_score_ = None
                rows, kept = solved_on, None
                report()
                context = self._init_callback_context()
                context.call_on_fit_task_begin(estimator=self, X=X, y=y)
                context.call_on_fit_task_end(
                    estimator=self, X=X, y=y, reconstruction_attributes=self._fitted_state
                )
                return self

        def weigh_paths() -> None:
            """Decide the share of the recurrence on what it has not seen."""
            if closed is None:
                return
            if kept is not None:
                share = closed.share_from_rows(kept)
            elif held_out is not None:
                unseen, labels, unseen_weights = held_out
                share = closed.share_from_set(
                    unseen, self._target.encode(labels, unseen), unseen_weights
                )
            else:
                share = closed.unjudged
            self.net_.module_.recurrence_share.fill_(share)
            self.net_.run.converted = None

        if one_epoch and self.net_.module_.path is not None:
            # What comes in is news to both paths until the recurrence has learned from it.
            weighing = form(self.net_, storage, self._target, encoded, weights, n_threads)
            share = weighing.share_from_set(sequences, encoded, weights)
            self.net_.module_.recurrence_share.fill_(share)
        else:
            self.net_.module_.recurrence_share.fill_(1.0)
        batches = TrainingBatches(
            storage,
            rows,
            torch.tensor(encoded, dtype=_target_dtype(encoded)),
            None if weights is None else torch.tensor(weights, dtype=torch.float32),
            batch_size=batch_size,
            generator=np.random.default_rng(int(seeds[2])),
            per_step=self._target.per_step,
        )
        self._run(
            X, y, batches, recipe, held_out, weigh_paths, seed=int(seeds[3]), n_threads=n_threads
        )
        learn_from_held_out()
        if not one_epoch:
            report()
        return self

    def _hold_out(
        self,
        prepared: Any,
        rows: np.ndarray,
        path: str | None,
        recordings: np.ndarray | None,
        *,
        seed: int,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the rows that train, and those that stop training or weigh the two paths."""
        fraction = self.validation_fraction
        if not self.early_stopping:
            fraction = min(MIXING[path], MOST[path] / len(rows))
            if fraction * len(rows) < FEWEST[path]:
                return rows, None
        part, kept = split_rows(
            _pick(prepared, rows),
            len(rows),
            fraction,
            stratify=self._stratify(),
            seed=seed,
            recordings=recordings,
        )
        return rows[part], rows[kept]

    def _make_recipe(
        self, sequences: Sequences, n_rows: int, *, one_epoch: bool
    ) -> tuple[Recipe, int]:
        """Return how to train on so many rows of the sequences, and the batch size."""
        batch_size = int(self.batch_size) if self.batch_size != "auto" else 0
        batch_size = batch_size or self._auto_batch_size(n_rows, tokens=sequences.is_tokens)
        max_epochs = int(self.max_epochs) if self.max_epochs != "auto" else 0
        n_windows = n_rows * self._windows(sequences)
        max_epochs = max_epochs or self._auto_epochs(
            n_windows, batch_size, tokens=sequences.is_tokens
        )
        recipe = Recipe(
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            schedule="constant" if one_epoch else self.schedule,
            max_epochs=1 if one_epoch else max_epochs,
            gradient_clip=self.gradient_clip,
            tbptt_steps=None if self.tbptt_steps is None else int(self.tbptt_steps),
            gradient_checkpointing=self.gradient_checkpointing,
        )
        return recipe, batch_size

    def _windows(self, sequences: Sequences) -> int:
        """Return the optimizer steps that an average sequence makes: one, or one a window."""
        if self.tbptt_steps is None or not self._target.per_step:
            return 1
        if self.bidirectional:
            raise ValueError(
                f"tbptt_steps={self.tbptt_steps} with a target at every step trains on a sequence "
                "window by window, and a backward recurrence would have to start at windows that "
                "are still to come; set bidirectional=False."
            )
        return max(1, round(float(sequences.lengths.mean()) / int(self.tbptt_steps)))

    def _start(
        self,
        sequences: Sequences,
        rows: np.ndarray,
        encoded: np.ndarray,
        weights: np.ndarray | None,
        recipe: Recipe,
        compute: Any,
        seed: int,
        path: str | None,
    ) -> None:
        """Build the network for these data, with fresh weights and the data's statistics."""
        statistics = None if sequences.is_tokens else step_statistics(sequences, rows)
        indicator = self.missing == "indicator" or (
            self.missing == "auto" and statistics is not None and statistics.has_missing
        )
        self._config = NetworkConfig(
            **self._architecture(sequences, indicator=indicator),
            reservoir_units=UNITS if path == "reservoir" else 0,
            **(ngram_architecture(sequences) if path == "ngrams" else {}),
        )
        network: Any = build_network(
            self._config,
            torch.Generator().manual_seed(seed),
            initial_scale=self.initial_scale,
        )
        if statistics is not None:
            network.input.set_statistics(statistics.mean, statistics.scale)
        else:
            prepare_embeddings(network.input, sequences, rows, scale=self.initial_scale)
        if network.static is not None:
            network.static.set_statistics(*static_statistics(sequences, rows))
        if self._target.head == "continuous":
            network.head.set_statistics(
                *target_statistics(self._target, encoded, sequences, rows, weights)
            )
            if self.initial_scale is None:
                # The first prediction is the mean, and not noise around it.
                torch.nn.init.zeros_(network.head.projection.weight)
        self._finish_network(network)
        network.to(compute.device)
        self.net_ = make_net(network, recipe, compute)
        self._history: list[EpochRecord] = []
        self.best_validation_score_ = None
        setting = self.ngrams if path == "ngrams" else self.reservoir
        self.readout_shares_ = {}
        self._path_alone = setting == "only" and path is not None
        self._n_features_out = network.feature_size
        if self._path_alone:
            self._n_features_out = network.path.feature_size
        self.n_iter_ = 0

    def _run(
        self,
        X: Any,
        y: Any,
        batches: TrainingBatches,
        recipe: Recipe,
        held_out: tuple | None,
        finish: Callable[[], None],
        *,
        seed: int,
        n_threads: int,
    ) -> None:
        """Train, watch the validation set, keep the best weights, report every epoch."""
        context = self._init_callback_context(max_subtasks=recipe.max_epochs)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        best = BestWeights(self.n_iter_no_change, self.tol)
        progress = Progress(recipe.max_epochs, type(self).__name__, show=bool(self.verbose))
        first = self.n_iter_

        def on_epoch(record: EpochRecord) -> bool:
            record.epoch += first
            stop = False
            if held_out is not None:
                record.valid_score, record.valid_loss = self._score_sequences(*held_out)
                improved_enough = best.update(
                    self.net_.module_, record.valid_score, record.valid_loss, record.epoch
                )
                stop = improved_enough and self.early_stopping
            self._history.append(record)
            self.n_iter_ = record.epoch
            progress.update(record)
            epoch = context.subcontext(task_name="epoch")
            epoch.call_on_fit_task_begin(estimator=self, X=X, y=y)
            stop |= epoch.call_on_fit_task_end(
                estimator=self, X=X, y=y, reconstruction_attributes=self._fitted_state
            )
            return stop

        interrupted: BaseException | None = None
        try:
            train(
                self.net_,
                batches,
                recipe,
                seed=seed,
                n_threads=n_threads,
                on_epoch=on_epoch,
                guard_globals=_may_draw(self.cell, self.loss, self.optimizer),
            )
        except KeyboardInterrupt as interrupt:
            interrupted = interrupt
        except DivergenceError as error:
            self._diverged(error, best, recipe)
        except BaseException:
            del self.net_
            raise
        finally:
            progress.close()
        if best.has_weights and self.early_stopping:
            best.restore(self.net_.module_)
            self.net_.run.converted = None
        with self._guarded():
            finish()
        self.best_validation_score_ = best.score if best.has_weights else None
        if interrupted is not None:
            raise interrupted
        context.call_on_fit_task_end(
            estimator=self, X=X, y=y, reconstruction_attributes=self._fitted_state
        )

    def _diverged(self, error: DivergenceError, best: BestWeights, recipe: Recipe) -> None:
        """Warn and fall back to the best weights, or refuse when there are none."""
        what = (
            f"Training diverged in epoch {self.n_iter_ + 1}: {error}. Lower learning_rate "
            f"(now {recipe.learning_rate:g}), set gradient_clip (now {recipe.gradient_clip}), or "
            "look for extreme values in X or y."
        )
        if best.has_weights and self.early_stopping:
            warnings.warn(
                f"{what} The weights of epoch {best.epoch} are kept.",
                ConvergenceWarning,
                stacklevel=4,
            )
            return
        del self.net_
        raise ValueError(what) from error

    def _read_validation(self, X_val: Any, y_val: Any, sample_weight_val: Any) -> tuple:
        """Check the user's validation set against the training set."""
        sequences = self._read_X(X_val, reset=False)
        prepared = self._prepare_y(y_val, sequences)
        self._target.encode(prepared, sequences)
        return sequences, prepared, check_weights(sample_weight_val, len(sequences))

    # ---------------------------------------------------------------- scikit-learn's questions

    def _fitted_state(self) -> dict[str, Any]:
        """Return the attributes that make a clone of this estimator able to predict."""
        parameters = self.get_params(deep=False)
        return {
            key: value
            for key, value in self.__dict__.items()
            if key not in parameters and "callback" not in key
        }


def _may_draw(cell: Any, loss: Any, optimizer: Any) -> bool:
    """Tell whether something that the user brings may draw from torch's global generator."""
    factory = getattr(optimizer, "func", optimizer)
    ours = isinstance(optimizer, str) or str(factory.__module__).startswith("torch.optim")
    return not (ours and isinstance(cell, str) and isinstance(loss, str))


def _rows_that_count(weights: np.ndarray | None, n_rows: int) -> np.ndarray:
    """Return the rows that train or validate: those of weight zero do neither."""
    if weights is None:
        return np.arange(n_rows)
    rows = np.flatnonzero(weights)
    if not len(rows):
        raise ValueError("sample_weight is zero for every training sequence.")
    return rows


def _pick(y: Any, rows: np.ndarray) -> Any:
    """Select rows of y, whatever holds it."""
    if hasattr(y, "pick"):
        return y.pick(rows)
    return [y[i] for i in rows] if isinstance(y, list) else y[rows]


def _target_dtype(encoded: np.ndarray) -> torch.dtype:
    """Return the tensor type of encoded targets: classes stay integers."""
    return torch.int64 if encoded.dtype.kind in "iu" else torch.float32
