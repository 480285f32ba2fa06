"""Pictures of fitted estimators, in scikit-learn's Display form; what their channels are worth."""

from ._error_by_horizon import ErrorByHorizonDisplay
from ._forecast import ForecastDisplay
from ._permutation_importance import permutation_importance
from ._token_attribution import TokenAttributionDisplay
from ._training_curve import TrainingCurveDisplay

__all__ = [
    "ErrorByHorizonDisplay",
    "ForecastDisplay",
    "TokenAttributionDisplay",
    "TrainingCurveDisplay",
    "permutation_importance",
]
