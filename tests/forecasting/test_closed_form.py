"""Maps that are solved: against plain algebra, with blocks left out, and with nothing to tell."""

import numpy as np
import pytest
import torch

from sklearn_rnn.forecasting._closed_form import (
    Candidate,
    ClosedForm,
    _running,
    _Try,
    choose,
    closed_forms,
    priors,
)
from sklearn_rnn.forecasting._dataset import ForecastData
from sklearn_rnn.forecasting._lanes import Design, make_lanes
from sklearn_rnn.forecasting._options import ForecastOptions, training_budget
from sklearn_rnn.forecasting._panel import Panel


def data_of(*lengths, n_known=0, window=10, horizon=6, mixed=False):
    """Make windows of random walks with gaps, of two targets each."""
    rng = np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    values = rng.normal(size=(offsets[-1], 2)).cumsum(0)
    values[rng.random(values.shape) < 0.1] = np.nan
    known = rng.normal(size=(len(values), n_known)) if n_known else None
    panel = Panel(
        values, offsets, np.zeros(len(lengths), np.int64), season_length=4,
        known=known, known_cardinalities=(None,) * n_known, past=known,
    )  # fmt: skip
    lanes = make_lanes(panel, None, seasonality=True)
    return ForecastData(lanes, Design(panel)(panel), offsets, window, horizon, mixed=mixed)


def test_maps_are_ridge_regression_around_the_prior_for_all_penalties_at_once():
    data = data_of(150, 90)
    simple = priors(data)
    (form,) = closed_forms(data, *data.windows(4, full=True, most=10**9, seed=0))
    wanted = [(name, penalty) for penalty in (10.0, 0.1) for name in ("season", "trend")]
    found = form.solve(simple, wanted, np.array([1, 4]))
    assert set(found) == set(wanted)
    for (name, penalty), one in found.items():
        prior = simple[name][:, [1, 4]]
        share = form.gram / form.total
        centred = share[:-1, :-1] - np.outer(share[-1, :-1], share[-1, :-1])
        joint = (form.joint[:, [1, 4]] - form.gram[:, :-1] @ prior) / form.total
        right = joint[:-1] - np.outer(share[-1, :-1], joint[-1])
        weight = np.linalg.solve(centred + penalty * np.eye(len(centred)), right)
        np.testing.assert_allclose(one.weight, weight + prior, atol=1e-8)
        bias = (joint[-1] - share[-1, :-1] @ weight) / (1 + 0.01 * penalty)
        np.testing.assert_allclose(one.bias, bias, atol=1e-8)


def test_one_pass_sums_all_windows_and_each_part():
    data = data_of(150, 90)
    unit, cut = data.windows(4, full=True, most=10**9, seed=0)
    parts = [(cut < 60).numpy(), (cut > 30).numpy(), np.zeros(len(cut), dtype=bool)]
    together = closed_forms(data, unit, cut, None, parts)
    alone = [closed_forms(data, unit[part], cut[part])[0] for part in (slice(None), *parts)]
    for one, other in zip(together, alone, strict=True):
        for name in ("gram", "joint", "square"):
            np.testing.assert_allclose(
                getattr(one, name), getattr(other, name), rtol=1e-4, atol=1e-3
            )
    assert together[3].total == 0
    nothing = together[3].solve(priors(data), [("last", 1.0)])["last", 1.0]
    assert (nothing.weight == priors(data)["last"]).all() and not nothing.bias.any()


def test_rounding_below_zero_asks_for_a_larger_penalty_and_what_is_not_finite_is_refused():
    form = ClosedForm(3, 1)
    form.gram[:] = np.diag([1.0, -1e-3, 10.0])
    form.joint[:] = 1.0
    prior = {"level": np.zeros((2, 1))}
    assert np.isfinite(form.solve(prior, [("level", 1e-5)])["level", 1e-5].weight).all()
    form.gram[0, 0] = np.nan
    with pytest.raises(np.linalg.LinAlgError, match="finite"):
        form.solve(prior, [("level", 1e-5)])


@pytest.mark.parametrize("mixed", [False, True])
def test_windows_and_covariates_are_those_around_the_cut(mixed):
    """Also where they reach beyond a series' first or last row, and into its neighbours."""
    data = data_of(40, 7, 25, n_known=2, mixed=mixed)
    unit, cut = data.windows(1, full=False, most=10**9, seed=0)
    inputs, found, lane = data.read(unit, cut, targets=True)
    x, observed = torch.from_numpy(data.lanes.x), torch.from_numpy(data.lanes.observed)
    rows = torch.from_numpy(data.rows_of(unit, cut)).reshape(-1)[:, None]
    back, ahead = rows + torch.arange(-10, 0), rows + torch.arange(6)
    start, end = (torch.from_numpy(ends)[lane][:, None] for ends in (data.lanes.start, data.until))
    inside = back >= start
    want = (x[back.clamp(min=0)] - found.level) / found.scale * inside
    torch.testing.assert_close(found.z, want)
    assert torch.equal(found.mask, (inside & observed[back.clamp(min=0)]).float())
    last = ahead.clamp(max=len(x) - 1)
    seen = ((ahead < end) & observed[last]).float()
    assert torch.equal(found.seen, seen)
    torch.testing.assert_close(found.target, (x[last] - found.level) / found.scale * seen)
    series = unit % 3
    first, behind = (torch.from_numpy(data.offsets)[series + i][:, None] for i in (0, 1))
    steps = first + cut[:, None] + torch.arange(-10, 6)
    steps = torch.minimum(torch.maximum(steps, first), behind - 1)
    assert torch.equal(inputs.known, data.known[steps])
    assert torch.equal(inputs.past, data.past[steps[:, :10]])


def test_what_short_windows_left_far_behind_is_not_tried_with_long_ones():
    def tried(transform, error, least):
        return _Try(transform, None, None, [Candidate(10, "last", 1.0, error=error)], least)

    ahead, behind = tried("log", 1.0, 1.0), tried("log", 1.2, 0.9)
    near, far = tried(None, 3.0, 1.05), tried(None, 5.0, 5.0)
    assert _running([ahead, behind, near, far]) == [ahead, near]
    near.least = 1.2
    assert _running([ahead, behind, near, far]) == [ahead]


@pytest.mark.parametrize(("long", "windows"), [(10, [8, 16, 28]), (40, [8, 16, 28, 56, 120])])
def test_no_window_follows_a_long_one_that_has_no_part_in_the_average(monkeypatch, long, windows):
    errors = {8: 1.0, 16: 1.1, 28: 9.0, 56: 1.1, 120: 1.0}
    tried = []

    def add(self, window, *others):
        tried.append(window)
        self.candidates.append(Candidate(window, "last", 1.0, error=errors[window]))
        self.least = 1.0

    monkeypatch.setattr(_Try, "add", add)
    monkeypatch.setattr("sklearn_rnn.forecasting._closed_form._LONG", long)
    panel = Panel(
        np.random.default_rng(0).normal(size=(400, 1)), np.array([0, 400]), np.zeros(1, np.int64),
        season_length=4,
    )  # fmt: skip
    found = choose(panel, Design(panel)(panel), ForecastOptions(horizon=4), None, None)
    assert tried == windows
    assert {one.window for one in found.candidates} == set(windows) - {28}


def test_an_epoch_does_not_draw_every_window_of_one_long_series():
    options = ForecastOptions(horizon=4)
    assert training_budget(options, 34_000, 1)[:2] == (128, 8_000)
    assert training_budget(options, 34_000, 20)[:2] == (512, 34_000)
    assert training_budget(options, 900, 1)[1] == 900
