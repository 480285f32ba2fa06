"""`n_estimators`: several networks from one fit, averaged; and `weight_dropout`."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sklearn_rnn import (
    Dropout,
    Embedding,
    Optimizer,
    RNNClassifier,
    RNNRegressor,
    SequenceTagger,
)
from sklearn_rnn.nn import NetworkConfig, build_network, dropped_weights
from sklearn_rnn.nn import _masking as _dropout


@pytest.fixture
def ragged():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 2)).astype(np.float32) for n in rng.integers(3, 12, size=60)]
    y = np.array([int(x[:, 0].sum() > 0) for x in X])
    return X, y


def small(**options):
    return RNNClassifier(
        8, closed_form=False, bidirectional=False, max_epochs=3, random_state=0, **options
    )


def alone(network, member, x):
    with torch.no_grad():
        return network.members()[member].alone(torch.from_numpy(x)[None])[0]


def test_the_raw_answers_of_the_members_are_averaged(ragged):
    X, y = ragged
    model = small(n_estimators=3).fit(X, y)
    network = model.net_.module_
    raw = [alone(network, member, X[0]) for member in range(3)]
    assert len({float(value) for value in raw}) == 3
    expected = torch.sigmoid(torch.stack(raw).mean(0))
    np.testing.assert_allclose(model.predict_proba(X[:1])[0, 1], expected.item(), rtol=1e-5)


def test_each_member_is_trained_as_if_it_were_alone(ragged):
    """Without dropout, the first member of three is the network that is fitted by itself."""
    X, y = ragged
    one = small(dropout=0.0).fit(X, y).net_.module_
    three = small(dropout=0.0, n_estimators=3).fit(X, y).net_.module_
    for name, weight in one.named_parameters():
        torch.testing.assert_close(three.get_parameter(name), weight, rtol=0, atol=1e-6)


def test_an_ensemble_is_better_than_its_members_on_average(ragged):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(400, 6, 1)).astype(np.float32)
    y = X[:, :, 0].sum(1) + rng.normal(size=400)
    model = RNNRegressor(
        16, closed_form=False, n_estimators=4, max_epochs=20, random_state=0, dropout=0.0
    )
    model.fit(X[:100], y[:100])
    head = model.net_.module_.head
    own = []
    for member in range(4):
        with torch.no_grad():
            raw = model.net_.module_.members()[member].alone(torch.from_numpy(X[100:]))
        own.append(((head.decode(raw).numpy()[:, 0] - y[100:]) ** 2).mean())
    together = ((model.predict(X[100:]) - y[100:]) ** 2).mean()
    assert together < np.mean(own)


def test_pickle_stream_chunks_and_transform_know_all_members(ragged, monkeypatch):
    X, y = ragged
    model = small(n_estimators=2, pooling="attention+max").fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    stream = model.stream()
    for step in X[0][:-1]:
        stream.push(step)
    stream = pickle.loads(pickle.dumps(stream)).copy()
    stream.push(X[0][-1])
    np.testing.assert_allclose(stream.predict_proba(), model.predict_proba(X[:1])[0], atol=1e-5)
    assert model.transform(X).shape == (60, 2 * 16)
    assert model.transform(X).shape[1] == len(model.get_feature_names_out())
    assert model.hidden_states(X)[3].shape == (len(X[3]), 16)
    weights = model.attention_weights(X)
    assert np.isclose(weights[5].sum(), 1, atol=1e-5)
    assert model.core_ == "2 x (lstm 8)"
    assert model.n_weights_ == 2 * small(pooling="attention+max").fit(X, y).n_weights_


@pytest.mark.parametrize("bidirectional", [False, True])
def test_long_sequences_in_pieces_know_all_members(bidirectional):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 1)).astype(np.float32) for n in (9000, 50, 60, 70)]
    y = [0, 1, 0, 1]
    model = RNNClassifier(
        4,
        closed_form=False,
        n_estimators=2,
        bidirectional=bidirectional,
        max_epochs=1,
        batch_size=4,
        random_state=0,
        pooling="attention+mean",
    ).fit(X, y)
    raw = torch.stack([alone(model.net_.module_, member, X[0]) for member in range(2)]).mean(0)
    np.testing.assert_allclose(
        model.predict_proba(X[:1])[0, 1], torch.sigmoid(raw).item(), atol=1e-5
    )
    features = [
        member.features(torch.from_numpy(X[0])[None]) for member in model.net_.module_.members()
    ]
    np.testing.assert_allclose(
        model.transform(X[:1]), torch.cat(features, 1).detach().numpy(), atol=1e-5
    )
    assert model.attention_weights(X)[0].shape == (9000, 1)


def test_members_go_window_by_window_and_go_on(ragged):
    X, _ = ragged
    y = [np.cumsum(x[:, 0]) for x in X]
    model = RNNRegressor(
        8,
        n_estimators=2,
        bidirectional=False,
        optimizer=Optimizer(tbptt_steps=4),
        max_epochs=2,
        random_state=0,
    ).fit(X, y)
    assert [p.shape for p in model.predict(X[:2])] == [p.shape for p in y[:2]]
    before = model.predict(X)[0].copy()
    model.partial_fit(X, y)
    assert np.abs(model.predict(X)[0] - before).max() > 0


def test_an_ensemble_beside_a_reservoir_is_mixed_in(ragged):
    X, y = ragged
    model = RNNClassifier(8, n_estimators=2, max_epochs=2, random_state=0).fit(X, y)
    assert 0 <= model.recurrence_share_ <= 1
    only = clone(model).set_params(closed_form="only").fit(X, y)
    assert len(only.net_.module_.members()) == 1


def test_texts_and_their_attributions():
    from sklearn.pipeline import make_pipeline

    from sklearn_rnn.preprocessing import TextTokenizer

    texts = ["good film", "bad film", "very good", "very bad"] * 10
    model = make_pipeline(
        TextTokenizer(),
        RNNClassifier(
            8, n_estimators=2, max_epochs=3, random_state=0, embedding=Embedding(word_dropout=0.0)
        ),
    ).fit(texts, [1, 0, 1, 0] * 10)
    tokens = model[0].transform(["very good film"])
    parts = model[-1].token_attributions(tokens, target=1)[0]
    network = model[-1].net_.module_
    with torch.no_grad():
        blank = torch.zeros(1, 3, dtype=torch.int64)
        values = torch.from_numpy(np.asarray(tokens[0])[:, 0].astype(np.int64))[None]
        full = network.answer(values, None, None)[0, 0]
        blanks = torch.stack(
            [
                m.head(m.pooling(*m.recurrence(torch.zeros(1, 3, 64), None)[:2], None))
                for m in network.members()
            ]
        ).mean(0)[0, 0]
    share = float(network.recurrence_share)
    solved = network.solved(values, None, None)[0, 0] - network.path.bias[0]
    trained = network(values, None, None)[0, 0] - blanks
    assert blank.shape == values.shape and torch.isfinite(full)
    expected = share * trained.item() + (1 - share) * solved.item()
    assert np.isclose(parts.sum(), expected, atol=1e-3)


# -------------------------------------------------------------------- weight dropout


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "gru_reset_before", "cifg"])
def test_a_step_leaves_out_weights_between_states(cell):
    config = NetworkConfig(n_channels=2, hidden_size=6, cell=cell, weight_dropout=0.5)
    network = build_network(config, torch.Generator().manual_seed(0)).train()
    x = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(1))
    names = [name for name, _ in network.named_parameters()]
    whole = network(x)
    with dropped_weights(network):
        first, second = network(x), network(x)
        (first.sum() + second.sum()).backward()
    assert torch.equal(first, second) and not torch.allclose(first, whole)
    assert [name for name, _ in network.named_parameters()] == names
    torch.testing.assert_close(network(x), whole)
    (weight,) = (p for name, p in network.named_parameters() if "weight_hh" in name)
    dropped = (weight.grad == 0).float().mean()
    assert 0.2 < dropped < 0.8
    network.eval()
    with dropped_weights(network):
        torch.testing.assert_close(network(x), whole)


def test_the_gradient_is_that_of_the_masked_network():
    config = NetworkConfig(hidden_size=4, cell="rnn", weight_dropout=0.5)
    network = build_network(config, torch.Generator().manual_seed(0)).double().train()
    core = network.recurrence.layers[0][0].core
    x = torch.randn(2, 4, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    weight = core.weight_hh_l0
    with dropped_weights(network):
        masked = core.weight_hh_l0.detach().clone()
        network(x).sum().backward()
    found, mask = weight.grad.clone(), (masked != 0).double() * 2
    weight.grad = None
    with torch.no_grad():
        weight.copy_(masked)
    network.eval()
    network(x).sum().backward()
    torch.testing.assert_close(found, weight.grad * mask)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_an_interrupt_leaves_the_weights_as_they_were(cell, monkeypatch):
    config = NetworkConfig(hidden_size=4, cell=cell, bidirectional=True, weight_dropout=0.5)
    network = build_network(config, torch.Generator().manual_seed(0)).train()
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    put_back, calls = _dropout._put_back, []

    def interrupted(weights):
        """Be interrupted after the first of the weights."""
        calls.append(weights)
        if len(calls) == 1:
            put_back(weights[:1])
            raise KeyboardInterrupt
        put_back(weights)

    monkeypatch.setattr(_dropout, "_put_back", interrupted)
    for _ in range(2):
        calls.clear()
        with pytest.raises(KeyboardInterrupt), dropped_weights(network):
            network(torch.ones(2, 5, 1)).sum().backward()
        after = network.state_dict()
        assert list(after) == list(before)
        assert all(torch.equal(after[name], weight) for name, weight in before.items())


def test_weight_dropout_changes_training_and_not_prediction(ragged):
    X, y = ragged
    plain, dropped = small().fit(X, y), small(dropout=Dropout(weights=0.5)).fit(X, y)
    assert np.abs(plain.predict_proba(X) - dropped.predict_proba(X)).max() > 1e-4
    np.testing.assert_array_equal(dropped.predict_proba(X), dropped.predict_proba(X))
    again = small(dropout=Dropout(weights=0.5)).fit(X, y)
    np.testing.assert_array_equal(dropped.predict_proba(X), again.predict_proba(X))
    words = [["the", "cat", "sat"], ["a", "dog"]] * 6
    tags = [["D", "N", "V"], ["D", "N"]] * 6
    SequenceTagger(8, dropout=Dropout(weights=0.3), max_epochs=2, random_state=0).fit(words, tags)


def test_cells_without_such_weights_are_refused(ragged):
    with pytest.raises(ValueError, match="weight_dropout=0.5 .* cell='mingru' has none"):
        small(dropout=Dropout(weights=0.5), cell="mingru").fit(*ragged)


@pytest.mark.parametrize("value", [0, -1, 1.5, "three"])
def test_a_wrong_number_of_networks_is_refused(ragged, value):
    with pytest.raises(ValueError, match="n_estimators"):
        small(n_estimators=value).fit(*ragged)
