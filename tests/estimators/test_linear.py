"""Linear readouts of sparse features, against scikit-learn on features scaled by hand."""

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from sklearn_rnn.estimators._ngrams import solve_labels

RNG = np.random.default_rng(0)
FEATURES = sparse.csr_array((RNG.random((80, 12)) < 0.3) * RNG.random((80, 12)))
LABELS = RNG.integers(0, 2, 80)


def _ratios(counted):
    there = FEATURES.toarray() > 0
    having = (there * (counted * LABELS)[:, None]).sum(0) + 1
    lacking = (there * (counted * (1 - LABELS))[:, None]).sum(0) + 1
    return np.log(having / having.sum()) - np.log(lacking / lacking.sum())


def test_features_are_scaled_by_their_log_count_ratios():
    for weights in (None, RNG.random(80)):
        scale = _ratios(np.ones(80) if weights is None else weights / weights.mean())
        scale[10:] = 1.0
        weight, bias = solve_labels(FEATURES, LABELS[:, None], weights, 3.0, by_ratio=10)
        model = LogisticRegression(C=3.0, solver="liblinear", intercept_scaling=3.0, tol=1e-6)
        model.fit(FEATURES.toarray() * scale, LABELS, sample_weight=weights)
        np.testing.assert_allclose(weight[:, 0], scale * model.coef_[0], atol=0.02)
        np.testing.assert_allclose(bias, model.intercept_, atol=0.02)


def test_a_label_that_all_rows_have_is_certain():
    weight, bias = solve_labels(FEATURES, np.ones((80, 1)), None, 3.0, by_ratio=12)
    assert not weight.any() and bias[0] > 3
