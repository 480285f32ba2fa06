"""Live data: after every push, a stream says what predict says of all steps so far."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from sklearn_rnn import RNNClassifier, RNNRegressor, Sequences, SequenceTagger

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 2)).astype(np.float32) for n in (14, 3, 9, 14, 5, 30)]
LABELS = np.array(["a", "b", "c", "a", "b", "c"])
SMALL = {"hidden_size": 4, "max_epochs": 1, "random_state": 0, "bidirectional": False}


def fitted(X=X, y=LABELS, estimator=RNNClassifier, share=None, **options):
    model = estimator(**SMALL | options).fit(X, y)
    if share is not None:
        model.net_.module_.recurrence_share.fill_(share)
    return model


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_classifier_with_its_reservoir(share):
    model = fitted(share=share)
    assert model.net_.module_.path is not None
    stream = model.stream()
    for t in range(1, 15):
        label = stream.push(X[0][t - 1])
        prefix = [X[0][:t]]
        np.testing.assert_allclose(
            stream.predict_proba(), model.predict_proba(prefix)[0], rtol=1e-5, atol=1e-5
        )
        assert label == stream.predict() == model.predict(prefix)[0]
        assert stream.n_steps == t


@pytest.mark.parametrize("cell", ["lstm", "gru", "minlstm"])
def test_regressor_one_by_one_and_many_at_once(cell):
    y = 1e5 + RNG.normal(size=(6, 2))
    model = fitted(y=y, estimator=RNNRegressor, cell=cell, closed_form=False)
    stream = model.stream()
    for a, b in ((0, 1), (1, 8), (8, 9), (9, 30)):
        found = stream.push(X[5][a] if b == a + 1 else X[5][a:b])
        np.testing.assert_allclose(found, model.predict([X[5][:b]])[0], rtol=1e-9)
    with pytest.raises(AttributeError, match="no probabilities"):
        stream.predict_proba()


def test_targets_per_step():
    y = [np.cumsum(x[:, 0]) for x in X]
    model = fitted(y=y, estimator=RNNRegressor, num_layers=2)
    expected = model.predict([X[5]])[0]
    stream = model.stream()
    found = [stream.push(step) for step in X[5][:10]]
    assert np.ndim(found[0]) == 0
    np.testing.assert_allclose(found, expected[:10], atol=1e-5)
    np.testing.assert_allclose(stream.push(X[5][10:]), expected[10:], atol=1e-5)
    assert stream.predict().shape == (20,)


def test_univariate_pushes_numbers_or_vectors():
    series = [x[:, 0] for x in X]
    model = fitted(X=series)
    stream, other = model.stream(), model.stream()
    for value in series[0]:
        stream.push(float(value))
    other.push(series[0])
    expected = model.predict_proba([series[0]])[0]
    np.testing.assert_allclose(stream.predict_proba(), expected, atol=1e-5)
    np.testing.assert_allclose(other.predict_proba(), expected, atol=1e-5)


def test_tokens():
    tokens = [RNG.integers(0, 7, size=n) for n in (4, 9, 6, 3)]
    data = Sequences.from_list(tokens, vocabulary_size=7)
    model = fitted(X=data, y=np.array([0, 1, 0, 1]))
    stream = model.stream()
    for token in tokens[1]:
        stream.push(int(token))
    np.testing.assert_allclose(stream.predict_proba(), model.predict_proba(data)[1], atol=1e-5)
    with pytest.raises(ValueError, match="not in the vocabulary of 7"):
        stream.push(7)
    with pytest.raises(ValueError, match="integers"):
        stream.push(0.5)


def test_a_pickled_stream_keeps_what_its_n_grams_need():
    tokens = [RNG.integers(0, 7, size=n) for n in (4, 9, 6, 3)]
    data = Sequences.from_list(tokens, vocabulary_size=7)
    model = fitted(X=data, y=np.array([0, 1, 0, 1]), share=0.5)
    stream = model.stream()
    stream.push(tokens[1][:5])
    thawed = pickle.loads(pickle.dumps(stream))
    thawed.push(tokens[1][5:])
    np.testing.assert_allclose(thawed.predict_proba(), model.predict_proba(data)[1], atol=1e-5)


def test_tokens_with_ngrams_as_predict_says_and_through_a_pickle():
    rng = np.random.default_rng(0)
    tokens = [rng.integers(0, 30, size=rng.integers(4, 20)) for _ in range(80)]
    data = Sequences.from_list(tokens, vocabulary_size=30)
    model = fitted(X=data, y=[t[0] % 2 for t in tokens], closed_form=True, share=0.25)
    stream = model.stream()
    for stop, token in enumerate(tokens[1], 1):
        stream.push(int(token))
        so_far = Sequences.from_list([tokens[1][:stop]], vocabulary_size=30)
        expected = model.predict_proba(so_far)
        np.testing.assert_allclose(stream.predict_proba(), expected[0], atol=1e-5)
        if stop == 3:
            stream = pickle.loads(pickle.dumps(stream))


def test_torch_uses_one_thread_in_a_push(monkeypatch):
    """Several threads wait for each other: a push took five times as long, and far more beside."""
    stream = fitted().stream()
    found, threads = [], torch.get_num_threads()
    push = stream._stream.push

    def watched(x):
        found.append(torch.get_num_threads())
        push(x)

    monkeypatch.setattr(stream._stream, "push", watched)
    torch.set_num_threads(2)
    try:
        stream.push(X[0])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert found == [1]


def test_missing_values_and_what_is_refused():
    holes = [np.where(RNG.uniform(size=x.shape) < 0.3, np.nan, x) for x in X]
    model = fitted(X=holes)
    stream = model.stream()
    for step in holes[0]:
        stream.push(step)
    np.testing.assert_allclose(stream.predict_proba(), model.predict_proba(holes)[0], atol=1e-5)
    with pytest.raises(ValueError, match="infinity"):
        stream.push([np.inf, 0.0])
    with pytest.raises(ValueError, match=r"2 channel\(s\).*got \(3,\)"):
        stream.push([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="without times"):
        stream.push(X[0], times=np.arange(14))
    assert stream.n_steps == 14
    with pytest.raises(ValueError, match="missing='error'"):
        fitted(missing="error").stream().push([np.nan, 0.0])


def test_irregular_times():
    times = [np.cumsum(RNG.uniform(0.1, 4, size=len(x))) for x in X]
    data = Sequences.from_list(X, times=times)
    model = fitted(X=data)
    stream = model.stream()
    with pytest.raises(ValueError, match="push steps with times="):
        stream.push(X[0][0])
    stream.push(X[0][0], times=times[0][0])
    stream.push(X[0][1:5], times=times[0][1:5])
    for step, time in zip(X[0][5:], times[0][5:], strict=True):
        stream.push(step, time)
    np.testing.assert_allclose(stream.predict_proba(), model.predict_proba(data)[0], atol=1e-5)
    with pytest.raises(ValueError, match="increase"):
        stream.push(X[0][0], times=times[0][-1])


def test_static_features_by_name_and_in_order():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "signal": [x[:, 0] for x in X],
            "age": [3.0, 5.0, 1.0, 2.0, 8.0, np.nan],
            "kind": pd.Categorical(["u", "v", "u", "w", "w", "v"]),
        }
    )
    model = fitted(X=frame)
    expected = model.predict_proba(frame)
    for static in ({"kind": "v", "age": 5.0}, [5.0, "v"]):
        stream = model.stream(static)
        stream.push(X[1][:, 0])
        np.testing.assert_allclose(stream.predict_proba(), expected[1], atol=1e-5)
    stream.reset([np.nan, "v"])
    stream.push(X[5][:, 0])
    np.testing.assert_allclose(stream.predict_proba(), expected[5], atol=1e-5)
    with pytest.raises(ValueError, match=r"'age', 'kind'.*static="):
        model.stream()
    with pytest.raises(ValueError, match=r"missing: \['kind'\]"):
        model.stream({"age": 3.0})
    with pytest.raises(ValueError, match="leave static out"):
        fitted().stream([1.0])


def test_two_directions_are_refused_with_the_remedy():
    model = RNNClassifier(4, max_epochs=1, random_state=0).fit(X, LABELS)
    with pytest.raises(ValueError, match="bidirectional=False"):
        model.stream()


def test_what_needs_the_whole_sequence_is_refused():
    tags = [[["O", "B-x"][int(v > 0)] for v in x[:, 0]] for x in X]
    tagger = SequenceTagger(4, max_epochs=1, bidirectional=False, random_state=0).fit(X, tags)
    with pytest.raises(ValueError, match="SequenceTagger decides with the whole sequence"):
        tagger.stream()


def test_reset_copy_and_pickle():
    model = fitted(stem="conv", share=0.5)
    stream = model.stream()
    with pytest.raises(ValueError, match="no step yet"):
        stream.predict()
    stream.push(X[5][:12])
    branch = stream.copy()
    thawed = pickle.loads(pickle.dumps(stream))
    assert branch.n_steps == thawed.n_steps == 12
    branch.push(np.zeros(2))
    expected = model.predict_proba([X[5]])[0]
    for one in (stream, thawed):
        one.push(X[5][12:])
        np.testing.assert_allclose(one.predict_proba(), expected, atol=1e-5)
    assert branch.n_steps == 13
    stream.reset().push(X[2])
    np.testing.assert_allclose(stream.predict_proba(), model.predict_proba(X)[2], atol=1e-5)


def test_fitting_anew_does_not_change_a_stream():
    model = fitted()
    expected = model.predict_proba(X)[0]
    stream = model.stream()
    stream.push(X[0][:5])
    model.set_params(random_state=7).fit(X, LABELS)
    stream.push(X[0][5:])
    np.testing.assert_allclose(stream.predict_proba(), expected, atol=1e-5)


def test_joint_outputs():
    y = np.array([["a", "x"], ["b", "y"], ["c", "x"], ["a", "y"], ["b", "y"], ["c", "x"]])
    model = fitted(y=y)
    stream = model.stream()
    assert stream.push(X[0]).tolist() == model.predict(X)[0].tolist()
    for found, expected in zip(stream.predict_proba(), model.predict_proba(X), strict=True):
        np.testing.assert_allclose(found, expected[0], atol=1e-5)


def test_a_step_costs_the_same_after_many():
    model = fitted(stem="conv")
    stream = model.stream()
    stream.push(np.zeros((9000, 2)))
    kept = len(pickle.dumps(stream._stream.state()))
    stream.push(np.zeros((9000, 2)))
    stream.push(np.zeros(2))
    assert len(pickle.dumps(stream._stream.state())) < 1.5 * kept < 200_000


@pytest.mark.parametrize("zone", [None, "Europe/Paris"])
def test_dates_are_times(zone):
    clocks = [pd.date_range("2020-01-01", periods=len(x), freq="7h", tz=zone) for x in X]
    data = Sequences.from_list(X, times=clocks)
    model = fitted(X=data)
    stream, other = model.stream(), model.stream()
    for step, time in zip(X[0], clocks[0], strict=True):
        stream.push(step, times=time)
    other.push(X[0], times=clocks[0])
    for one in (stream, other):
        np.testing.assert_allclose(one.predict_proba(), model.predict_proba(data)[0], atol=1e-5)
    with pytest.raises(ValueError, match="times must be finite"):
        stream.push(X[0][0], times=pd.NaT)
    with pytest.raises(TypeError, match="pushed steps holds dates"):
        stream.push(clocks[0][:2], times=clocks[0][:2])


def test_tokens_with_times_and_ngrams_as_predict_says():
    rng = np.random.default_rng(0)
    tokens = [rng.integers(0, 9, size=rng.integers(4, 12)) for _ in range(40)]
    times = [np.cumsum(rng.uniform(0.5, 2, len(row))) for row in tokens]
    data = Sequences.from_list(tokens, vocabulary_size=9, times=times)
    model = fitted(X=data, y=[row[0] % 2 for row in tokens], closed_form=True, share=0.5)
    stream = model.stream()
    for token, time in zip(tokens[3], times[3], strict=True):
        stream.push(int(token), times=time)
    np.testing.assert_allclose(stream.predict_proba(), model.predict_proba(data[3:4])[0], atol=1e-5)
