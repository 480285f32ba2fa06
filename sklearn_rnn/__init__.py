"""scikit-learn estimators for sequences. Loads names when they are used; never imports torch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .estimators import (
        PipelineStream,
        ReservoirClassifier,
        ReservoirRegressor,
        ReservoirTransformer,
        RNNClassifier,
        RNNRegressor,
        SequenceStream,
        SequenceTagger,
        stream,
    )
    from .forecasting import Distribution, SequenceForecaster, make_forecast_pipeline
    from .sequences import Sequences
    from .training import Dropout, EarlyStopping, Embedding, Optimizer

# Public name -> the subpackage it lives in.
_NAMES = {
    "RNNClassifier": "estimators",
    "RNNRegressor": "estimators",
    "ReservoirClassifier": "estimators",
    "ReservoirRegressor": "estimators",
    "ReservoirTransformer": "estimators",
    "PipelineStream": "estimators",
    "SequenceStream": "estimators",
    "SequenceTagger": "estimators",
    "stream": "estimators",
    "SequenceForecaster": "forecasting",
    "make_forecast_pipeline": "forecasting",
    "Distribution": "forecasting",
    "Dropout": "training",
    "EarlyStopping": "training",
    "Embedding": "training",
    "Optimizer": "training",
    "Sequences": "sequences",
}
_SUBPACKAGES = (
    "datasets",
    "exceptions",
    "inspection",
    "metrics",
    "model_selection",
    "nn",
    "preprocessing",
    "testing",
)

__all__ = [
    "Distribution",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "Optimizer",
    "PipelineStream",
    "RNNClassifier",
    "RNNRegressor",
    "ReservoirClassifier",
    "ReservoirRegressor",
    "ReservoirTransformer",
    "SequenceStream",
    "SequenceTagger",
    "SequenceForecaster",
    "Sequences",
    "__version__",
    "datasets",
    "exceptions",
    "inspection",
    "make_forecast_pipeline",
    "metrics",
    "model_selection",
    "nn",
    "preprocessing",
    "stream",
    "testing",
]


def __getattr__(name: str) -> Any:
    """Import a public name or subpackage on its first use."""
    if name in _NAMES:
        value = getattr(import_module(f".{_NAMES[name]}", __name__), name)
        globals()[name] = value
        return value
    if name in _SUBPACKAGES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
