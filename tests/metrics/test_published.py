"""Seasonal naive forecasts score what the competitions published for them."""

import csv
import lzma
import os
from pathlib import Path

import numpy as np
import pytest

from sklearn_rnn.metrics import (
    mean_absolute_scaled_error,
    symmetric_mean_absolute_percentage_error,
)

HERE = Path(__file__).parents[2] / "shared" / "data"
FOLDER = Path(os.environ.get("SKLEARN_RNN_DATA", HERE)) / "m4"


def read(part):
    with lzma.open(FOLDER / f"{part}.csv.xz", "rt") as file:
        rows = csv.reader(file)
        next(rows)
        return {row[0]: np.array([float(cell) for cell in row[1:] if cell]) for row in rows}


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the data of the M4 competition are not here")
@pytest.mark.parametrize(
    ("part", "season", "mase", "smape"),
    [("Hourly", 24, 1.193, 13.912), ("Weekly", 1, 2.777, 9.161)],
)
def test_seasonal_naive_on_m4(part, season, mase, smape):
    train, test = read(f"{part}-train"), read(f"{part}-test")
    groups = np.repeat(list(test), [len(values) for values in test.values()])
    owners = np.repeat(list(test), [len(train[name]) for name in test])
    truth = np.concatenate(list(test.values()))
    naive = np.concatenate([np.resize(train[k][-season:], len(test[k])) for k in test])
    history = np.concatenate([train[name] for name in test])
    found = mean_absolute_scaled_error(
        truth, naive, y_train=history, season_length=season, groups=groups, train_groups=owners
    )
    assert found == pytest.approx(mase, abs=6e-4)
    found = symmetric_mean_absolute_percentage_error(truth, naive, groups=groups)
    assert 100 * found == pytest.approx(smape, abs=6e-4)
