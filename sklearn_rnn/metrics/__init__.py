"""Metrics of forecasts and of taggers; scorers that read the training scale from the estimator."""

from ._forecasts import (
    interval_coverage,
    mean_absolute_percentage_error,
    mean_absolute_scaled_error,
    mean_interval_score,
    root_mean_squared_scaled_error,
    symmetric_mean_absolute_percentage_error,
    weighted_quantile_loss,
)

# What is imported as itself is for the other rooms, and no part of the public interface.
from ._forecasts import naive_scale as naive_scale
from ._scorers import (
    ForecastScorer,
    StepScorer,
    TaggingScorer,
    coverage_scorer,
    entity_f1_scorer,
    interval_score_scorer,
    mape_scorer,
    mase_scorer,
    quantile_loss_scorer,
    rmsse_scorer,
    smape_scorer,
    step_absolute_error_scorer,
    step_r2_scorer,
    step_squared_error_scorer,
    token_accuracy_scorer,
)
from ._scorers import parameter as parameter
from ._scorers import unwrap as unwrap
from ._tagging import entity_f1_score, entity_report, find_entities, token_accuracy_score
from ._tagging import scheme_of as scheme_of
from ._tagging import split_label as split_label

__all__ = [
    "TaggingScorer",
    "entity_f1_score",
    "entity_f1_scorer",
    "entity_report",
    "find_entities",
    "token_accuracy_score",
    "token_accuracy_scorer",
    "ForecastScorer",
    "StepScorer",
    "coverage_scorer",
    "interval_coverage",
    "interval_score_scorer",
    "mape_scorer",
    "mase_scorer",
    "mean_absolute_percentage_error",
    "mean_absolute_scaled_error",
    "mean_interval_score",
    "quantile_loss_scorer",
    "rmsse_scorer",
    "root_mean_squared_scaled_error",
    "smape_scorer",
    "step_absolute_error_scorer",
    "step_r2_scorer",
    "step_squared_error_scorer",
    "symmetric_mean_absolute_percentage_error",
    "weighted_quantile_loss",
]
