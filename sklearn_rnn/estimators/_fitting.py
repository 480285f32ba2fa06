"""One fit of an estimator with a network: reading, dividing, building, solving, training, weighing.

Plain functions over a `FitData`, which is read once and filled on the way, and the model that is
fitted. Imports scikit-learn and layers 0 to 2.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from ..exceptions import ClosedFormWarning
from ..nn import (
    NetworkConfig,
    build_network,
    network_size,
)
from ..sequences import (
    Sequences,
    Unused,
    align_targets,
    check_missing,
    check_weights,
    kept_if_interrupted,
    refuse_long_table,
    require_memory,
    warn,
    warn_of_unused,
)
from ..training import (
    BestWeights,
    DivergenceError,
    EpochRecord,
    FlatStorage,
    Progress,
    Recipe,
    SequenceDataset,
    configure,
    copied_net,
    make_net,
    names_parameters,
    pick,
    resolve_compute,
    static_statistics,
    train,
)
from ._closed_form import PURPOSES, UNITS, ClosedForm, FitData, plan_path, split_rows
from ._labels import times_class_weight
from ._ngrams import SolvedNGrams, ngram_architecture, wants_ngrams
from ._report import report_of
from ._targets import read_y
from ._tokens import copied_stream, copies_of_tokens, prepare_embeddings, private_stream

#: Share of the sequences that weighs the recurrence against a path and does not train it; how many
#: they are at most, unless more are of one recording, and how few they may be.
MIXING: dict[str | None, float] = {"reservoir": 0.2, "ngrams": 0.1}
MOST: dict[str | None, float] = {"reservoir": 1000.0, "ngrams": np.inf}
FEWEST: dict[str | None, float] = {"reservoir": 0.4, "ngrams": 10.0}
#: Where no recurrence could get a share, the epochs are divided by this: they then take less time
#: than the closed form, on every small set.
SETTLED = 50


@names_parameters
def fit_network(
    model: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    validation: tuple | None = None,
    *,
    reset: bool,
    one_epoch: bool = False,
    classes: Any = None,
) -> Any:
    """Read, encode, split, build, train: the skeleton that every estimator's fit follows."""
    if not reset:
        _work_on_copies(model, keep_path=one_epoch)
    data = _read_fit(model, X, y, sample_weight, validation, reset=reset, classes=classes)
    if one_epoch:
        _refuse_alone(model, data.sequences, reset=reset)
    else:
        _divide(model, data)
    recipe, batch_size = _make_recipe(model, data.sequences, len(data.rows), one_epoch=one_epoch)
    if reset:
        _start(model, data, recipe)
    elif model._resumable:
        configure(model.net_, recipe, data.compute)
    else:
        # Pickling keeps no optimizer of a finished fit; going on is the same without it.
        history = model.net_.history
        model.net_ = make_net(model.net_.module_, recipe, data.compute)
        model.net_.history_ = history
    model._recipe = recipe
    model._resumable = one_epoch or model.warm_start
    model.__dict__.pop("report_", None)
    if not one_epoch:
        replaced = Unused(
            ("early_stopping__validation_fraction",), lambda _: True, "X_val is given"
        )
        warn_of_unused(model, model._unused if validation is None else (*model._unused, replaced))

    storage = FlatStorage(data.sequences, data.compute.device, origins=model._origins)
    closed = _solve_path(model, data, storage) if data.path is not None else None
    if closed is not None and not model._config.recurrent:
        _finish_solved(model, data, closed)
        return model
    _start_share(model, data, storage, weigh=one_epoch)
    if closed is not None and _is_settled(model, data, closed):
        recipe = replace(recipe, max_epochs=-(-recipe.max_epochs // SETTLED))
    dataset = _training_set(model, data, storage, batch_size)
    _run(
        model,
        data,
        dataset,
        recipe,
        score=_watch(model, data, closed),
        finish=lambda: _weigh_paths(model, data, closed),
    )
    with kept_if_interrupted():
        model._target.use_held_out(lambda: _held_out_answers(model, data, closed))
        if not one_epoch:
            model.report_ = report_of(model, data, closed)
    return model


def _work_on_copies(model: Any, *, keep_path: bool) -> None:
    """Let what goes on from an earlier fit change copies, and nothing that others may hold."""
    model.net_ = copied_net(model.net_, keep_path=keep_path)
    model._random = copied_stream(model._random)
    model._target = copy.copy(model._target)
    model._history = list(model._history)


def _read_fit(
    model: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    validation: tuple | None,
    *,
    reset: bool,
    classes: Any,
) -> FitData:
    """Read and check everything that the user hands to a fit."""
    compute = resolve_compute(model.device, model.precision)
    n_threads = model._n_threads()
    if y is None:
        raise ValueError(
            f"{type(model).__name__} requires y to be passed, but the target y is None."
        )
    refuse_long_table(X, y)
    sequences = model._read_X(X, reset=reset)
    if model.missing == "error":
        check_missing(sequences, type(model).__name__)
    y, sample_weight = align_targets(X, y, sample_weight)
    prepared = read_y(model, y, sequences)
    if reset:
        model._target = model._make_target(prepared, sequences, classes)
    encoded = model._target.encode(prepared, sequences)
    weights = check_weights(sample_weight, len(sequences))
    if model.class_weight is not None:
        labels = model._target.labels_of(prepared)
        weights = times_class_weight(weights, model.class_weight, labels)
    if reset or not hasattr(model, "_random"):
        model._random = private_stream(model.random_state)
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
        seeds=tuple(model._random.randint(0, 2**31 - 1, size=len(PURPOSES)).tolist()),
        solved_on=counting,
        rows=counting,
        first="net_" not in model.__dict__,
    )
    if validation is not None:
        data.held_out = _read_validation(model, *validation)
    return data


def _read_validation(model: Any, X_val: Any, y_val: Any, sample_weight_val: Any) -> tuple:
    """Check the user's validation set against the training set."""
    sequences = model._read_X(X_val, reset=False)
    y_val, sample_weight_val = align_targets(
        X_val, y_val, sample_weight_val, names=("y_val", "sample_weight_val")
    )
    prepared = read_y(model, y_val, sequences)
    model._target.encode(prepared, sequences)
    return sequences, prepared, check_weights(sample_weight_val, len(sequences))


def _divide(model: Any, data: FitData) -> None:
    """Choose the closed-form path, and hold out what the fit needs unseen."""
    data.path, data.recordings = _choose_path(model, data.sequences, data.rows)
    if data.held_out is None and (model.early_stopping or data.path is not None):
        _hold_out(model, data)
    if model.early_stopping and data.kept is not None:
        data.held_out = data.pick(data.kept)


def _hold_out(model: Any, data: FitData) -> None:
    """Take the rows that stop training, or weigh the two paths, from those that train."""
    fraction = model._settings("early_stopping").validation_fraction
    if not model.early_stopping:
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
        stratify=model._target.stratified,
        seed=data.seed("split"),
        recordings=data.recordings,
        copies=copies,
    )
    data.rows, data.kept = data.rows[part], data.rows[kept]


def _make_recipe(
    model: Any, sequences: Sequences, n_rows: int, *, one_epoch: bool
) -> tuple[Recipe, int]:
    """Return how to train on this many rows of the sequences, and the batch size."""
    batch_size = min(int(model.batch_size), n_rows) if model.batch_size != "auto" else 0
    batch_size = batch_size or model._auto_batch_size(n_rows, tokens=sequences.is_tokens)
    max_epochs = int(model.max_epochs) if model.max_epochs != "auto" else 0
    n_windows = n_rows * _windows(model, sequences)
    max_epochs = max_epochs or model._auto_epochs(n_windows, batch_size, tokens=sequences.is_tokens)
    settings = model._settings("optimizer")
    recipe = Recipe(
        optimizer=settings.optimizer,
        learning_rate=model.learning_rate,
        weight_decay=settings.weight_decay,
        schedule="constant" if one_epoch else settings.schedule,
        max_epochs=1 if one_epoch else max_epochs,
        gradient_clip=settings.gradient_clip,
        tbptt_steps=None if settings.tbptt_steps is None else int(settings.tbptt_steps),
        gradient_checkpointing=settings.gradient_checkpointing,
    )
    return recipe, batch_size


def _windows(model: Any, sequences: Sequences) -> int:
    """Return the optimizer steps that an average sequence makes: one, or one a window."""
    tbptt_steps = model._settings("optimizer").tbptt_steps
    if tbptt_steps is None or model._target.layout != "step":
        return 1
    if model.bidirectional:
        raise ValueError(
            f"optimizer__tbptt_steps={tbptt_steps} with a target at every step trains on a "
            "sequence window by window, and a backward recurrence would start at windows "
            "that are still to come; set bidirectional=False."
        )
    return max(1, round(float(sequences.lengths.mean()) / int(tbptt_steps)))


def _start(model: Any, data: FitData, recipe: Recipe) -> None:
    """Build the network for these data, with fresh weights and the data's statistics."""
    sequences, rows, path = data.sequences, data.solved_on, data.path
    statistics = model._statistics(sequences, rows)
    origin = None if statistics is None else statistics.origin
    known = None if sequences.static is None else static_statistics(sequences, rows)
    of_targets = model._target.statistics(data.encoded, sequences, rows, data.weights)
    model._origins = origin, None if known is None else known[2]
    indicator = model.missing == "indicator" or (
        model.missing == "auto" and statistics is not None and statistics.has_missing
    )
    initial_scale = model._settings("optimizer").initial_scale
    model._config = NetworkConfig(
        **model._architecture(sequences, indicator=indicator),
        reservoir_units=UNITS if path == "reservoir" else 0,
        **(ngram_architecture(sequences) if path == "ngrams" else {}),
        recurrent=path is None or model.closed_form != "only",
    )
    if not model._config.recurrent:
        # A class of the user's is nothing to keep, and not to be drawn for.
        model._config = replace(model._config, n_members=1, cell="lstm")
    # Weights, their gradients and what the optimizer keeps of each.
    require_memory(model, 16 * network_size(model._config))
    generator = torch.Generator().manual_seed(data.seed("weights"))
    network: Any = build_network(model._config, generator, initial_scale=initial_scale)
    for member in network.members():
        if statistics is not None:
            member.input.set_statistics(statistics.mean, statistics.scale)
        if sequences.is_tokens and model._config.recurrent:
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
        model._finish_network(member)
    network.to(data.compute.device)
    model.net_ = make_net(network, recipe, data.compute)
    model._history = []
    model.best_validation_score_ = None
    model.readout_shares_ = {}
    model._n_features_out = sum(member.feature_size for member in network.members())
    if not model._config.recurrent:
        model._n_features_out = network.path.feature_size
    model.n_iter_ = 0


def _training_set(
    model: Any, data: FitData, storage: FlatStorage, batch_size: int
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
        offsets=model._target.offsets(data.prepared, data.sequences),
        labels=lambda: pick(data.prepared, data.rows),
        given=model._as_given,
        held_out=None if held_out is None else _dataset_of(model, *held_out),
        whole_steps=may_draw(model.cell, model.loss, model._settings("optimizer").optimizer),
    )


def dataset_for(model: Any, X: Any, y: Any = None) -> SequenceDataset:
    """Return a dataset of sequences in any form that `fit` takes, for the net's own methods."""
    sequences = model._read_for_prediction(X)
    if y is None:
        return _dataset_of(model, sequences, None, None)
    y, _ = align_targets(X, y)
    return _dataset_of(model, sequences, read_y(model, y, sequences), None)


def _dataset_of(
    model: Any, sequences: Sequences, prepared: Any, weights: np.ndarray | None
) -> SequenceDataset:
    """Return a dataset of sequences that were read, and of their targets, if there are any."""
    rows = np.arange(len(sequences))
    if prepared is None:
        offsets = sequences.offsets if model._target.by_step else None
        encoded = np.zeros(len(rows) if offsets is None else offsets[-1], dtype=np.int64)
    else:
        offsets = model._target.offsets(prepared, sequences)
        encoded = model._target.encode(prepared, sequences)
    return SequenceDataset(
        FlatStorage(sequences, model.net_.run_.compute.device, origins=model._origins),
        rows,
        torch.tensor(encoded, dtype=_target_dtype(encoded)),
        None if weights is None else torch.tensor(weights, dtype=torch.float32),
        batch_size=_make_recipe(model, sequences, len(rows), one_epoch=False)[1],
        generator=np.random.default_rng(model.net_.run_.seed),
        offsets=offsets,
        labels=None if prepared is None else lambda: prepared,
        given=model._as_given,
    )


def _refuse_alone(model: Any, sequences: Sequences, *, reset: bool) -> None:
    """Refuse partial_fit, which only trains, where nothing is to be trained."""
    alone = not reset and not model._config.recurrent
    if model.closed_form != "only" and not alone:
        return
    advice = "Call fit, with closed_form=True to go on from it: partial_fit keeps the n-grams."
    if not sequences.is_tokens:
        kind = type(model).__name__.replace("RNN", "Reservoir")
        advice = f"Use {kind}, whose partial_fit is exact, or begin with closed_form=False."
    raise ValueError(
        "closed_form='only' trains nothing by gradient, and partial_fit does nothing else. "
        f"{advice}"
    )


def _choose_path(
    model: Any, sequences: Sequences, rows: np.ndarray
) -> tuple[str | None, np.ndarray | None]:
    """Return the name of the path, and which recordings the rows were cut from, if any."""
    wanted, recordings = _plan(model, model.closed_form, sequences, model.loss, rows)
    if wanted:
        return ("ngrams" if sequences.is_tokens else "reservoir"), recordings
    others = model.closed_form == "auto" and model.loss not in ("log_loss", "squared_error")
    if others and _plan(model, "auto", sequences, "log_loss", rows)[0]:
        _warn_left_out(model)
    return None, None


def _plan(
    model: Any, setting: str | bool, sequences: Sequences, loss: Any, rows: np.ndarray
) -> tuple[bool, np.ndarray | None]:
    """Tell whether these data get the closed form of their kind, and of which recordings."""
    if sequences.is_tokens:
        return wants_ngrams(setting, sequences, model._target, loss), None
    return plan_path(setting, sequences, model._target, loss, rows)


def _warn_left_out(model: Any) -> None:
    """Say that these data would have got a closed form."""
    warn(
        f"{type(model).__name__} leaves out the closed form that it would solve for these data "
        "beside the recurrence, because it is solved for the default loss only: the model is "
        "another one. closed_form=False leaves it out without this warning.",
        ClosedFormWarning,
    )


def _solve_path(model: Any, data: FitData, storage: FlatStorage) -> ClosedForm | None:
    """Solve the readout of the path, if the network has one."""
    if model.net_.module_.path is None:
        return None
    closed = _form(model, data, storage)
    closed.solve(data.solved_on, seed=data.seed("path"), kept=data.kept, apart=data.recordings)
    if data.kept is not None:
        data.keep(closed.judged(data.kept))
    model.readout_shares_ = closed.readout_shares
    if data.path == "ngrams":
        path = model.net_.module_.path
        model._config = replace(
            model._config, ngram_features=path.output_size, ngram_openings=path.openings
        )
    return closed


def _form(model: Any, data: FitData, storage: FlatStorage) -> ClosedForm:
    """Return what solves the path and weighs the recurrence against it."""
    form = SolvedNGrams if model._config.ngram_longest else ClosedForm
    target = model._target.solved
    assert target is not None, "what has a path is solved"
    return form(model.net_, storage, target, data.encoded, data.weights, data.n_threads)


def _finish_solved(model: Any, data: FitData, closed: ClosedForm) -> None:
    """End a fit that trains nothing."""
    model.net_.module_.recurrence_share.zero_()
    model._target.use_held_out(lambda: _held_out_answers(model, data, closed))
    model.best_validation_score_ = None
    data.rows, data.kept = data.solved_on, None
    model.report_ = report_of(model, data, closed)
    context = model._init_callback_context()
    with kept_if_interrupted():
        context.call_on_fit_task_begin(estimator=model, X=data.X, y=data.y)
        context.call_on_fit_task_end(
            estimator=model, X=data.X, y=data.y, reconstruction_attributes=model._fitted_state
        )


def _start_share(model: Any, data: FitData, storage: FlatStorage, *, weigh: bool) -> None:
    """Set the share of the recurrence before it trains: all, or what new data speak for."""
    share = 1.0
    if weigh and model.net_.module_.path is not None:
        # What comes in is news to both paths until the recurrence has learned from it.
        weighing = _form(model, data, storage)
        share = weighing.share_from_set(data.sequences, data.encoded, data.weights)
    model.net_.module_.recurrence_share.fill_(share)


def _is_settled(model: Any, data: FitData, closed: ClosedForm) -> bool:
    """Tell before it trains that the recurrence gets no share, whatever it learns."""
    return (
        data.path == "reservoir"
        and model.max_epochs == "auto"
        and not model.warm_start
        and data.held_out is None
        and data.kept is not None
        and closed.leaves_nothing(data.kept)
    )


def _watch(
    model: Any, data: FitData, closed: ClosedForm | None
) -> Callable[[EpochRecord], None] | None:
    """Return what scores the held-out sequences after an epoch, where there are some.

    The score is that of the model as a whole, as if training ended with this epoch.
    """
    if data.held_out is None:
        return None
    sequences, labels, weights = data.held_out
    if closed is None:

        def score(record: EpochRecord) -> None:
            found = model._predict_raw(sequences)
            record.valid_score, record.valid_loss = model._target.judge(
                labels, found, sequences, weights
            )

        return score

    def network() -> Any:
        """Return the network in the number type in which it predicts a set."""
        return model.net_.network_for(model._prediction_dtype())

    if data.kept is not None:
        unseen = closed.rows_unseen(data.kept)
    else:
        encoded = model._target.encode(labels, sequences)
        unseen = closed.set_unseen(sequences, encoded, weights, network())

    def score_whole(record: EpochRecord) -> None:
        model.net_.module_.eval()
        with model._guarded():
            weighed = closed.weigh(unseen, None if data.kept is not None else network())
        record.recurrence_share = weighed.share
        model.net_.module_.recurrence_share.fill_(weighed.share)
        (record.valid_score, record.valid_loss), alone = (
            model._target.judge(labels, model._decoded_here(raw), sequences, weights)
            for raw in (weighed.raw, weighed.trained)
        )
        record.recurrence_score, record.recurrence_loss = alone

    return score_whole


def _weigh_paths(model: Any, data: FitData, closed: ClosedForm | None) -> None:
    """Decide the share of the recurrence on what it has not seen."""
    if closed is None:
        return
    if data.kept is not None:
        share = closed.share_from_rows(data.kept)
    elif data.held_out is not None:
        unseen, labels, weights = data.held_out
        share = closed.share_from_set(unseen, model._target.encode(labels, unseen), weights)
    else:
        share = closed.unjudged
    model.net_.module_.recurrence_share.fill_(share)
    model.net_.run_.converted = None


def _held_out_answers(
    model: Any, data: FitData, closed: ClosedForm | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return decoded answers and encoded targets of sequences that trained nothing, if any."""
    kept = data.kept
    if kept is not None and closed is not None:
        share = float(model.net_.module_.recurrence_share)
        return model._decoded_here(closed.left_out_answers(kept, share)), data.encoded[kept]
    if kept is not None:
        return model._predict_raw(data.sequences[kept]), data.encoded[kept]
    if data.held_out is not None:
        unseen, labels, _ = data.held_out
        return model._predict_raw(unseen), model._target.encode(labels, unseen)
    return None


def _run(
    model: Any,
    data: FitData,
    dataset: SequenceDataset,
    recipe: Recipe,
    *,
    score: Callable[[EpochRecord], None] | None,
    finish: Callable[[], None],
) -> None:
    """Train, keep the weights of the best `score`, report every epoch, `finish`."""
    context = model._init_callback_context(max_subtasks=recipe.max_epochs)
    context.call_on_fit_task_begin(estimator=model, X=data.X, y=data.y)
    stopping = model._settings("early_stopping")
    best = BestWeights(stopping.n_iter_no_change, stopping.tol)
    progress = Progress(recipe.max_epochs, type(model).__name__, show=bool(model.verbose))

    def on_epoch(record: EpochRecord) -> bool:
        stop = False
        if score is not None:
            score(record)
            stop = best.update(model.net_.module_, record) and bool(model.early_stopping)
        model._history.append(record)
        model.n_iter_ = record.epoch
        progress.update(record)
        epoch = context.subcontext(task_name="epoch")
        epoch.call_on_fit_task_begin(estimator=model, X=data.X, y=data.y)
        stop |= epoch.call_on_fit_task_end(
            estimator=model, X=data.X, y=data.y, reconstruction_attributes=model._fitted_state
        )
        return stop

    model.net_.bind(model)
    interrupted: BaseException | None = None
    try:
        train(
            model.net_,
            dataset,
            recipe,
            seed=data.seed("training"),
            n_threads=data.n_threads,
            on_epoch=on_epoch,
            guard_globals=may_draw(model.cell, model.loss, recipe.optimizer),
            callbacks=model.callbacks,
        )
    except KeyboardInterrupt as interrupt:
        if not data.first:
            raise
        interrupted = interrupt
        model.n_iter_ = len(model._history)
        model.net_.module_.eval()
    except DivergenceError as error:
        _diverged(model, error, best, recipe)
    finally:
        progress.close()
    if best.has_weights and model.early_stopping:
        best.restore(model.net_.module_)
    model.net_.run_.converted = None
    model.best_validation_score_ = best.score if best.has_weights else None
    with kept_if_interrupted():
        with model._guarded():
            finish()
        model.net_.bind(model)
        if interrupted is not None:
            raise interrupted
        context.call_on_fit_task_end(
            estimator=model, X=data.X, y=data.y, reconstruction_attributes=model._fitted_state
        )


def _diverged(model: Any, error: DivergenceError, best: BestWeights, recipe: Recipe) -> None:
    """Warn and fall back to the best weights, or refuse when there are none."""
    what = (
        f"Training diverged in epoch {model.n_iter_ + 1}: {error}. Lower learning_rate "
        f"(now {recipe.learning_rate:g}), set optimizer__gradient_clip (now "
        f"{recipe.gradient_clip}), or look for extreme values in X or y."
    )
    if best.has_weights and model.early_stopping:
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
