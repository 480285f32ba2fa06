"""Scorers of taggers, for searches and cross-validation. Imports neighbours."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ._tagging import entity_f1_score, token_accuracy_score
from ._unwrap import unwrap

METRICS: dict[str, Callable[..., Any]] = {
    "entity_f1": entity_f1_score,
    "token_accuracy": token_accuracy_score,
}


class TaggingScorer:
    """Score the tags that a fitted estimator gives; greater is better.

    It goes wherever scikit-learn takes a callable as ``scoring=``. The tagger may stand in a
    pipeline or a search; y is read as the tagger reads it, and of pairs of a label and tags only
    the tags are scored.

    Parameters
    ----------
    metric : {"entity_f1", "token_accuracy"}
        What to compute, see `entity_f1_score` and `token_accuracy_score`.
    average : {"micro", "macro", "weighted"}, default="micro"
        How "entity_f1" is averaged over the types of entities.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_rnn import SequenceTagger
    >>> from sklearn_rnn.metrics import entity_f1_scorer
    >>> X = [["fly", "to", "Rome"], ["to", "Oslo", "now"]] * 4
    >>> y = [["O", "O", "B-city"], ["O", "B-city", "O"]] * 4
    >>> search = GridSearchCV(
    ...     SequenceTagger(max_epochs=20, random_state=0), {"hidden_size": [4, 8]},
    ...     scoring=entity_f1_scorer, cv=2,
    ... )
    >>> bool(0 <= search.fit(X, y).best_score_ <= 1)
    True
    """

    def __init__(self, metric: str, *, average: str = "micro") -> None:
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {list(METRICS)}; got {metric!r}.")
        if average not in ("micro", "macro", "weighted"):
            raise ValueError(f"average must be 'micro', 'macro' or 'weighted'; got {average!r}.")
        self.metric, self.average = metric, average

    def __repr__(self) -> str:
        more = "" if self.average == "micro" else f", average={self.average!r}"
        return f"TaggingScorer({self.metric!r}{more})"

    @property
    def __name__(self) -> str:
        return f"{self.metric}_scorer"

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score an estimator on sequences that it has not seen.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        X : as the estimator takes it
            The sequences.
        y : list of lists of labels
            The true tags.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weights of the sequences.

        Returns
        -------
        float
            From 0 to 1.
        """
        metric = METRICS[self.metric]
        if self.metric == "entity_f1":
            metric = partial(metric, average=self.average)
        inner = unwrap(estimator, X)
        if hasattr(inner.forecaster, "_score_tags"):
            return float(inner.forecaster._score_tags(inner.X, y, metric, sample_weight))
        return float(metric(y, estimator.predict(X), sample_weight=sample_weight))


entity_f1_scorer = TaggingScorer("entity_f1")
token_accuracy_scorer = TaggingScorer("token_accuracy")
