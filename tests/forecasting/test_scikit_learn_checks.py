"""scikit-learn's own checks, the yielded and the not yielded, over the forecaster."""

import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_rnn import SequenceForecaster

pytestmark = [
    pytest.mark.filterwarnings("ignore:X has no time:UserWarning"),
    pytest.mark.filterwarnings("ignore:On the held-out tail:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*are constant:UserWarning"),
]


TRAINED = {"closed_form": True, "horizon": 1, "window": 4, "hidden_size": 8, "max_epochs": 15}


@parametrize_with_checks([SequenceForecaster(closed_form="only")])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_checks(estimator, check):
    if check.func.__name__ in ("check_regressors_train", "check_fit_idempotent"):
        # What follows from covariates of the same step is learned by the network.
        estimator = clone(estimator).set_params(refit=False, learning_rate=0.03, **TRAINED)
    check(estimator)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_checks_that_are_not_yielded():
    # Of names, scikit-learn asks for their order too, which is free here: see test_contract.
    checks.check_param_validation("SequenceForecaster", SequenceForecaster(closed_form="only"))
