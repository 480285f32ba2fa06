"""Training: device and threads, batches from flat storage, the loop. Imports nn and sequences."""

from ._batches import (
    Batch,
    BatchPlan,
    FlatStorage,
    Origins,
    SequenceDataset,
    StepDataset,
    flat_places,
    pick,
    prediction_batches,
    time_deltas,
)
from ._best import BestWeights
from ._blas import one_blas_thread
from ._budget import LARGEST_RATE, MOST_EPOCHS, MOST_LAYERS, auto_batch_size, auto_epochs
from ._device import Compute, cpu_threads, resolve_compute, resolve_device, seeded_globals
from ._failures import NetworkError, explained, names_parameters
from ._inference import recurrence_bounds, run_rows, run_steps
from ._long import long_rows, run_with_long
from ._net import (
    DivergenceError,
    EpochRecord,
    Recipe,
    SequenceNet,
    as_callbacks,
    configure,
    copied_history,
    copied_net,
    make_net,
    train,
)
from ._normal_equations import NormalEquations, RidgeReadout
from ._optimization import OPTIMIZERS, SCHEDULES, Schedule, resolve_optimizer
from ._progress import Progress
from ._ridge import RidgeProblem, RidgeSolution, at_level_of_all, solve_ridge
from ._settings import Composed, Composition, Dropout, EarlyStopping, Embedding, Optimizer, Settings
from ._statistics import StepStatistics, static_statistics, step_statistics, width_statistics
from ._weights import load_weights

__all__ = [
    "LARGEST_RATE",
    "MOST_EPOCHS",
    "MOST_LAYERS",
    "OPTIMIZERS",
    "SCHEDULES",
    "Batch",
    "BatchPlan",
    "BestWeights",
    "Composed",
    "Composition",
    "Compute",
    "DivergenceError",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "EpochRecord",
    "FlatStorage",
    "NetworkError",
    "NormalEquations",
    "Optimizer",
    "Origins",
    "Progress",
    "Recipe",
    "RidgeReadout",
    "RidgeProblem",
    "RidgeSolution",
    "Schedule",
    "Settings",
    "StepDataset",
    "StepStatistics",
    "SequenceDataset",
    "SequenceNet",
    "as_callbacks",
    "at_level_of_all",
    "auto_batch_size",
    "auto_epochs",
    "configure",
    "copied_history",
    "copied_net",
    "cpu_threads",
    "explained",
    "load_weights",
    "long_rows",
    "make_net",
    "names_parameters",
    "flat_places",
    "one_blas_thread",
    "pick",
    "prediction_batches",
    "recurrence_bounds",
    "resolve_compute",
    "resolve_device",
    "resolve_optimizer",
    "run_rows",
    "run_steps",
    "run_with_long",
    "seeded_globals",
    "solve_ridge",
    "static_statistics",
    "step_statistics",
    "time_deltas",
    "train",
    "width_statistics",
]
