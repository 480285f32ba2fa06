"""Pictures of fitted estimators, in scikit-learn's Display form."""

from ._error_by_horizon import ErrorByHorizonDisplay
from ._forecast import ForecastDisplay
from ._token_attribution import TokenAttributionDisplay
from ._training_curve import TrainingCurveDisplay

__all__ = [
    "ErrorByHorizonDisplay",
    "ForecastDisplay",
    "TokenAttributionDisplay",
    "TrainingCurveDisplay",
]
