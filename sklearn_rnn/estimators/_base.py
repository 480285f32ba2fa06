"""What every estimator shares: the way from X and y to a trained network.

Imports scikit-learn and layers 0 to 2. The parameters and prediction are in files beside this one,
and so is each estimator.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks

from ..nn import NetworkConfig, build_network, network_size
from ..sequences import (
    Sequences,
    Unused,
    _fit_context,
    align_targets,
    all_or_nothing,
    check_missing,
    check_weights,
    kept_if_interrupted,
    refuse_long_table,
    require_memory,
    warn_of_unused,
)
from ..training import (
    EpochRecord,
    FlatStorage,
    Origins,
    Recipe,
    SequenceDataset,
    StepStatistics,
    configure,
    copied_net,
    make_net,
    names_parameters,
    pick,
    resolve_compute,
    static_statistics,
    step_statistics,
    width_statistics,
)
from ._closed_form import UNITS
from ._describe import DescribedNetworkMixin
from ._fit_data import PURPOSES, FitData, split_rows
from ._fitted import FittedNetMixin
from ._labels import times_class_weight
from ._ngrams import ngram_architecture
from ._parameters import ParametersMixin, copied_stream, private_stream
from ._paths import FEWEST, MIXING, MOST, SETTLED, PathsMixin
from ._prediction import PredictionMixin
from ._report import REMEDY, report_of, warn_of_baseline
from ._stream import StreamMixin
from ._targets import read_y
from ._tokens import copies_of_tokens, prepare_embeddings
from ._training_run import TrainingRunMixin, may_draw


class BaseRNN(
    StreamMixin,
    PredictionMixin,
    PathsMixin,
    TrainingRunMixin,
    FittedNetMixin,
    DescribedNetworkMixin,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    ParametersMixin,
):
    """Shared parameters, the fit skeleton and prediction; the estimators add their targets."""

    _random: np.random.RandomState
    # What channels and static features are counted from, in double precision.
    _origins: Origins = (None, None)

    # ---------------------------------------------------------------- fit

    @all_or_nothing
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
            One target a sequence. Where X and y have labels, the `ids` of `Sequences` and the
            index of pandas data, y is aligned by them, and so are weights; labels that differ are
            refused.
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
            diverges, with the remedy. Whatever is raised, a model that was there stays as it was.
        KeyboardInterrupt
            When interrupted. Where there was no model yet and training has begun, what it came to
            is kept: the estimator is fitted.
        """
        # A closed form alone is solved anew: it has nothing to go on from.
        going_on = self.warm_start and hasattr(self, "net_") and self._config.recurrent
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together: pass both or neither.")
        if X_val is None and sample_weight_val is not None:
            raise ValueError("sample_weight_val weighs X_val, which is missing.")
        validation = None if X_val is None else (X_val, y_val, sample_weight_val)
        self._fit(X, y, sample_weight, validation, reset=not going_on)
        warn_of_baseline(self.report_, type(self).__name__, REMEDY)
        return self

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
        if not reset:
            self._work_on_copies(keep_path=one_epoch)
        data = self._read_fit(X, y, sample_weight, validation, reset=reset, classes=classes)
        if one_epoch:
            self._refuse_alone(data.sequences, reset=reset)
        else:
            self._divide(data)
        recipe, batch_size = self._make_recipe(data.sequences, len(data.rows), one_epoch=one_epoch)
        if reset:
            self._start(data, recipe)
        elif self._resumable:
            configure(self.net_, recipe, data.compute)
        else:
            # Pickling keeps no optimizer of a finished fit; going on is the same without it.
            history = self.net_.history
            self.net_ = make_net(self.net_.module_, recipe, data.compute)
            self.net_.history_ = history
        self._recipe = recipe
        self._resumable = one_epoch or self.warm_start
        self.__dict__.pop("report_", None)
        if not one_epoch:
            replaced = Unused(
                ("early_stopping__validation_fraction",), lambda _: True, "X_val is given"
            )
            warn_of_unused(self, self._unused if validation is None else (*self._unused, replaced))

        storage = FlatStorage(data.sequences, data.compute.device, origins=self._origins)
        closed = self._solve_path(data, storage) if data.path is not None else None
        if closed is not None and not self._config.recurrent:
            self._finish_solved(data, closed)
            return self
        self._start_share(data, storage, weigh=one_epoch)
        if closed is not None and self._is_settled(data, closed):
            recipe = replace(recipe, max_epochs=-(-recipe.max_epochs // SETTLED))
        dataset = self._training_set(data, storage, batch_size)
        self._run(
            data,
            dataset,
            recipe,
            score=self._watch(data, closed),
            finish=lambda: self._weigh_paths(data, closed),
        )
        with kept_if_interrupted():
            self._target.use_held_out(lambda: self._held_out_answers(data, closed))
            if not one_epoch:
                self.report_ = report_of(self, data, closed)
        return self

    def _training_set(
        self, data: FitData, storage: FlatStorage, batch_size: int
    ) -> SequenceDataset:
        """Return what the net trains on."""
        held_out = data.held_out
        return SequenceDataset(
            storage,
            data.rows,
            torch.tensor(data.encoded, dtype=_target_dtype(data.encoded)),
            None if data.weights is None else torch.tensor(data.weights, dtype=torch.float32),
            batch_size=batch_size,
            generator=np.random.default_rng(data.seed("batches")),
            offsets=self._target.offsets(data.prepared, data.sequences),
            labels=lambda: pick(data.prepared, data.rows),
            given=self._as_given,
            held_out=None if held_out is None else self._dataset_of(*held_out),
            whole_steps=may_draw(self.cell, self.loss, self._settings("optimizer").optimizer),
        )

    def _dataset(self, X: Any, y: Any = None) -> SequenceDataset:
        """Return a dataset of sequences in any form that `fit` takes, for the net's own methods."""
        sequences = self._read_for_prediction(X)
        if y is None:
            return self._dataset_of(sequences, None, None)
        y, _ = align_targets(X, y)
        return self._dataset_of(sequences, read_y(self, y, sequences), None)

    def _dataset_of(
        self, sequences: Sequences, prepared: Any, weights: np.ndarray | None
    ) -> SequenceDataset:
        """Return a dataset of sequences that were read, and of their targets, if there are any."""
        rows = np.arange(len(sequences))
        if prepared is None:
            offsets = sequences.offsets if self._target.by_step else None
            encoded = np.zeros(len(rows) if offsets is None else offsets[-1], dtype=np.int64)
        else:
            offsets = self._target.offsets(prepared, sequences)
            encoded = self._target.encode(prepared, sequences)
        return SequenceDataset(
            FlatStorage(sequences, self.net_.run_.compute.device, origins=self._origins),
            rows,
            torch.tensor(encoded, dtype=_target_dtype(encoded)),
            None if weights is None else torch.tensor(weights, dtype=torch.float32),
            batch_size=self._make_recipe(sequences, len(rows), one_epoch=False)[1],
            generator=np.random.default_rng(self.net_.run_.seed),
            offsets=offsets,
            labels=None if prepared is None else lambda: prepared,
            given=self._as_given,
        )

    def _work_on_copies(self, *, keep_path: bool) -> None:
        """Let what goes on from an earlier fit change copies, and nothing that others may hold."""
        self.net_ = copied_net(self.net_, keep_path=keep_path)
        self._random = copied_stream(self._random)
        self._target = copy.copy(self._target)
        self._history = list(self._history)

    def _read_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation: tuple | None,
        *,
        reset: bool,
        classes: Any,
    ) -> FitData:
        """Read and check everything that the user hands to a fit."""
        compute = resolve_compute(self.device, self.precision)
        n_threads = self._n_threads()
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        refuse_long_table(X, y)
        sequences = self._read_X(X, reset=reset)
        if self.missing == "error":
            check_missing(sequences, type(self).__name__)
        y, sample_weight = align_targets(X, y, sample_weight)
        prepared = read_y(self, y, sequences)
        if reset:
            self._target = self._make_target(prepared, sequences, classes)
        encoded = self._target.encode(prepared, sequences)
        weights = check_weights(sample_weight, len(sequences))
        if self.class_weight is not None:
            labels = self._target.labels_of(prepared)
            weights = times_class_weight(weights, self.class_weight, labels)
        if reset or not hasattr(self, "_random"):
            self._random = private_stream(self.random_state)
        counting = _rows_that_count(weights, len(sequences))
        data = FitData(
            X=X,
            y=y,
            sequences=sequences,
            prepared=prepared,
            encoded=encoded,
            weights=weights,
            compute=compute,
            n_threads=n_threads,
            seeds=tuple(self._random.randint(0, 2**31 - 1, size=len(PURPOSES)).tolist()),
            solved_on=counting,
            rows=counting,
            first="net_" not in self.__dict__,
        )
        if validation is not None:
            data.held_out = self._read_validation(*validation)
        return data

    def _divide(self, data: FitData) -> None:
        """Choose the closed-form path, and hold out what the fit needs unseen."""
        data.path, data.recordings = self._choose_path(data.sequences, data.rows)
        if data.held_out is None and (self.early_stopping or data.path is not None):
            self._hold_out(data)
        if self.early_stopping and data.kept is not None:
            data.held_out = data.pick(data.kept)

    def _hold_out(self, data: FitData) -> None:
        """Take the rows that stop training, or weigh the two paths, from those that train."""
        fraction = self._settings("early_stopping").validation_fraction
        if not self.early_stopping:
            fraction = min(MIXING[data.path], MOST[data.path] / len(data.rows))
            if fraction * len(data.rows) < FEWEST[data.path]:
                return
        copies = None
        if data.recordings is None:
            # A text that trains says nothing of what becomes of texts that do not.
            copies = copies_of_tokens(data.sequences, data.rows, fraction)
        part, kept = split_rows(
            pick(data.prepared, data.rows),
            len(data.rows),
            fraction,
            stratify=self._target.stratified,
            seed=data.seed("split"),
            recordings=data.recordings,
            copies=copies,
        )
        data.rows, data.kept = data.rows[part], data.rows[kept]

    def _make_recipe(
        self, sequences: Sequences, n_rows: int, *, one_epoch: bool
    ) -> tuple[Recipe, int]:
        """Return how to train on so many rows of the sequences, and the batch size."""
        batch_size = min(int(self.batch_size), n_rows) if self.batch_size != "auto" else 0
        batch_size = batch_size or self._auto_batch_size(n_rows, tokens=sequences.is_tokens)
        max_epochs = int(self.max_epochs) if self.max_epochs != "auto" else 0
        n_windows = n_rows * self._windows(sequences)
        max_epochs = max_epochs or self._auto_epochs(
            n_windows, batch_size, tokens=sequences.is_tokens
        )
        settings = self._settings("optimizer")
        recipe = Recipe(
            optimizer=settings.optimizer,
            learning_rate=self.learning_rate,
            weight_decay=settings.weight_decay,
            schedule="constant" if one_epoch else settings.schedule,
            max_epochs=1 if one_epoch else max_epochs,
            gradient_clip=settings.gradient_clip,
            tbptt_steps=None if settings.tbptt_steps is None else int(settings.tbptt_steps),
            gradient_checkpointing=settings.gradient_checkpointing,
        )
        return recipe, batch_size

    def _windows(self, sequences: Sequences) -> int:
        """Return the optimizer steps that an average sequence makes: one, or one a window."""
        tbptt_steps = self._settings("optimizer").tbptt_steps
        if tbptt_steps is None or self._target.layout != "step":
            return 1
        if self.bidirectional:
            raise ValueError(
                f"optimizer__tbptt_steps={tbptt_steps} with a target at every step trains on a "
                "sequence window by window, and a backward recurrence would start at windows "
                "that are still to come; set bidirectional=False."
            )
        return max(1, round(float(sequences.lengths.mean()) / int(tbptt_steps)))

    def _start(self, data: FitData, recipe: Recipe) -> None:
        """Build the network for these data, with fresh weights and the data's statistics."""
        sequences, rows, path = data.sequences, data.solved_on, data.path
        statistics = self._statistics(sequences, rows)
        origin = None if statistics is None else statistics.origin
        known = None if sequences.static is None else static_statistics(sequences, rows)
        of_targets = self._target.statistics(data.encoded, sequences, rows, data.weights)
        self._origins = origin, None if known is None else known[2]
        indicator = self.missing == "indicator" or (
            self.missing == "auto" and statistics is not None and statistics.has_missing
        )
        initial_scale = self._settings("optimizer").initial_scale
        self._config = NetworkConfig(
            **self._architecture(sequences, indicator=indicator),
            reservoir_units=UNITS if path == "reservoir" else 0,
            **(ngram_architecture(sequences) if path == "ngrams" else {}),
            recurrent=path is None or self.closed_form != "only",
        )
        if not self._config.recurrent:
            # A class of the user's is nothing to keep, and not to be drawn for.
            self._config = replace(self._config, n_members=1, cell="lstm")
        # Weights, their gradients and what the optimizer keeps of each.
        require_memory(self, 16 * network_size(self._config))
        generator = torch.Generator().manual_seed(data.seed("weights"))
        network: Any = build_network(self._config, generator, initial_scale=initial_scale)
        for member in network.members():
            if statistics is not None:
                member.input.set_statistics(statistics.mean, statistics.scale)
            if sequences.is_tokens and self._config.recurrent:
                prepare_embeddings(
                    member.input,
                    sequences,
                    rows,
                    scale=initial_scale,
                    generator=generator,
                )
            if member.static is not None:
                assert known is not None, "there are static features"
                member.static.set_statistics(*known[:2])
            if of_targets is not None:
                member.head.set_statistics(*of_targets)
                if initial_scale is None:
                    # The first prediction is the mean, and not noise around it.
                    torch.nn.init.zeros_(member.head.projection.weight)
            self._finish_network(member)
        network.to(data.compute.device)
        self.net_ = make_net(network, recipe, data.compute)
        self._history: list[EpochRecord] = []
        self.best_validation_score_ = None
        self.readout_shares_ = {}
        self._n_features_out = sum(member.feature_size for member in network.members())
        if not self._config.recurrent:
            self._n_features_out = network.path.feature_size
        self.n_iter_ = 0

    def _statistics(self, sequences: Sequences, rows: np.ndarray) -> StepStatistics | None:
        """Return mean and scale of the channels over some rows; None for tokens."""
        of_steps = width_statistics if sequences.is_tokens else step_statistics
        return of_steps(sequences, rows)

    def _read_validation(self, X_val: Any, y_val: Any, sample_weight_val: Any) -> tuple:
        """Check the user's validation set against the training set."""
        sequences = self._read_X(X_val, reset=False)
        y_val, sample_weight_val = align_targets(
            X_val, y_val, sample_weight_val, names=("y_val", "sample_weight_val")
        )
        prepared = read_y(self, y_val, sequences)
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


def _rows_that_count(weights: np.ndarray | None, n_rows: int) -> np.ndarray:
    """Return the rows that train or validate: those of weight zero do neither."""
    if weights is None:
        return np.arange(n_rows)
    rows = np.flatnonzero(weights)
    if not len(rows):
        raise ValueError("sample_weight is zero for every training sequence.")
    return rows


def _target_dtype(encoded: np.ndarray) -> torch.dtype:
    """Return the tensor type of encoded targets: classes stay integers."""
    return torch.int64 if encoded.dtype.kind in "iu" else torch.float32
