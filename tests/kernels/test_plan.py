"""A batch is cut into as many shards as it is worth."""

from sklearn_rnn.kernels._call import n_shards


def test_small_work_stays_together():
    assert n_shards(32, 32 * 5, 192, 80, 2_000_000) == 1
    assert n_shards(32, 32 * 100, 192, 80, 2_000_000) == 2
    assert n_shards(500, 500 * 100, 192, 80, 2_000_000) == 8
