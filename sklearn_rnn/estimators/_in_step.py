"""Estimators that transform the sequences they were fitted on. Imports scikit-learn and layer 0."""

from __future__ import annotations

from typing import Any

from sklearn.base import TransformerMixin

from ..sequences import all_or_nothing, require_in_step


class InStepTransformer(TransformerMixin):
    """`fit_transform` for estimators with a y: what comes out has no labels to align it by."""

    @all_or_nothing
    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Fit to X and y, then transform the training sequences.

        Parameters
        ----------
        X : array-like, frame, list of arrays or Sequences
            The sequences, as in `fit`.
        y : array-like or list of n_samples targets
            As in `fit`, but in the order of X: what comes after has no labels to align it by.
        **fit_params : dict
            Further arguments of `fit`.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features_out)
            As from `transform`.
        """
        require_in_step(X, y, type(self).__name__)
        return super().fit_transform(X, y, **fit_params)
