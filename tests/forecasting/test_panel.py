"""The panel: plain arrays on a grid."""

import numpy as np
import pytest

from sklearn_rnn.forecasting._panel import Panel


def make_panel():
    return Panel(
        values=np.arange(7.0)[:, None],
        offsets=np.array([0, 3, 7]),
        start=np.array([5, 2]),
        known=np.arange(14.0).reshape(7, 2),
        known_cardinalities=(None, None),
        static=np.array([[1.0], [2.0]]),
        static_cardinalities=(None,),
    )


def test_sizes():
    panel = make_panel()
    assert (panel.n_series, panel.n_targets) == (2, 1)
    assert panel.lengths.tolist() == [3, 4]
    assert panel.series.tolist() == [0, 0, 0, 1, 1, 1, 1]


def test_cut_keeps_the_beginning_of_every_series():
    cut = make_panel().cut([2, 9])
    assert cut.values.ravel().tolist() == [0, 1, 3, 4, 5, 6]
    assert cut.offsets.tolist() == [0, 2, 6]
    assert cut.known[:, 0].tolist() == [0, 2, 6, 8, 10, 12]
    with pytest.raises(ValueError, match="Series 0 would have no steps"):
        make_panel().cut([0, 1])


def test_select_reorders_series():
    chosen = make_panel().select([1, 0, 1])
    assert chosen.values.ravel().tolist() == [3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6]
    assert chosen.start.tolist() == [2, 5, 2]
    assert chosen.static.ravel().tolist() == [2, 1, 2]
    assert chosen.lengths.tolist() == [4, 3, 4]
