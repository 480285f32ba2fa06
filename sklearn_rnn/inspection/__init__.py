"""Pictures of fitted estimators, in scikit-learn's Display form. Imports no other room."""

from ._training_curve import TrainingCurveDisplay

__all__ = ["TrainingCurveDisplay"]
