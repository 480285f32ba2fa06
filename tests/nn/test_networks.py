"""Whole networks, from plain values to predictions."""

import pickle
from dataclasses import asdict, replace

import pytest
import torch
from torch import nn

import sklearn_rnn.nn as rnn
from sklearn_rnn.nn import MulticlassHead, NetworkConfig, build_network, set_generator

B, T, C = 5, 9, 3
LENGTHS = torch.tensor([4, 9, 1, 7, 9])
NUMERIC = NetworkConfig(n_channels=C, hidden_size=6, head="multiclass", n_outputs=4)
VARIANTS = {
    "plain": {},
    "all": {
        "bidirectional": True,
        "num_layers": 2,
        "dropout": 0.3,
        "layer_norm": True,
        "stem": "conv",
        "stem_filters": 5,
        "indicator": True,
        "static_cardinalities": (None, 3),
        "pooling": "mean+max+last+attention",
    },
    "batch-norm": {"stem": "conv", "stem_norm": "batch", "stem_concatenate": False},
    "tokens": {"vocabulary_size": 11, "embedding_size": 4, "embedding_dropout": 0.2},
    "per-step": {"per_step": True, "static_cardinalities": (None,), "head": "continuous"},
}
each_variant = pytest.mark.parametrize("variant", list(VARIANTS))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def make(variant, **more):
    config = replace(NUMERIC, **VARIANTS[variant], **more)
    network = build_network(config, generator())
    set_generator(network, generator(1))
    if config.vocabulary_size:
        x = torch.randint(0, 11, (B, T), generator=generator())
        x[torch.arange(T) >= LENGTHS[:, None]] = -1
    else:
        x = torch.randn(B, T, C, generator=generator())
        x[1, 3, 0] = float("nan")
        x[torch.arange(T) >= LENGTHS[:, None]] = float("nan")
    columns = len(config.static_cardinalities)
    static = torch.arange(B * columns).view(B, columns) % 3 if columns else None
    return network, x, None if static is None else static.float()


@each_variant
@pytest.mark.parametrize("cell", ["lstm", "rnn", "cifg", "mingru", nn.GRUCell])
def test_batch_mates_order_and_padding_do_not_matter(variant, cell):
    network, x, static = make(variant, cell=cell)
    network(x, LENGTHS, static)
    network.eval()
    raw = network(x, LENGTHS, static)
    assert torch.isfinite(raw).all()
    parts = raw.split(LENGTHS.tolist()) if variant == "per-step" else raw.split(1)
    wider = torch.cat((x, x.new_zeros(B, 3, *x.shape[2:])), 1).flip(0)
    flipped = network(wider, LENGTHS.flip(0), None if static is None else static.flip(0))
    expected = torch.cat(parts[::-1])
    torch.testing.assert_close(flipped, expected, rtol=1e-5, atol=1e-5)
    for i, length in enumerate(LENGTHS.tolist()):
        alone = network(x[i : i + 1, :length], None, None if static is None else static[i : i + 1])
        torch.testing.assert_close(alone, parts[i], rtol=1e-5, atol=1e-5)


@each_variant
def test_every_weight_learns(variant):
    network, x, static = make(variant)
    raw = network(x, LENGTHS, static)
    raw.square().sum().backward()
    for name, weight in network.named_parameters():
        if name != "input.embedding.weight":
            assert torch.isfinite(weight.grad).all(), name
            assert name.endswith("projection.bias") or (weight.grad != 0).any(), name


@each_variant
def test_encode_features_and_states(variant):
    network, x, static = make(variant)
    network.eval()
    output, features = network.encode(x, LENGTHS, static)
    assert torch.equal(network.states(x, LENGTHS), output)
    assert torch.equal(network.features(x, LENGTHS, static), features)
    rows = int(LENGTHS.sum()) if variant == "per-step" else B
    assert features.shape == (rows, network.feature_size)
    assert torch.equal(network.head(features), network(x, LENGTHS, static))


def test_per_step_answers_for_true_steps_in_order():
    network, x, static = make("per-step")
    network.eval()
    output, features = network.encode(x, LENGTHS, static)
    start = 0
    for i, length in enumerate(LENGTHS.tolist()):
        part = features[start : start + length]
        assert torch.equal(part[:, :-1], output[i, :length])
        assert (part[:, -1] == static[i, 0]).all()
        start += length


@each_variant
def test_pickle_and_rebuild(variant):
    network, x, static = make(variant)
    network.eval()
    raw = network(x, LENGTHS, static)
    assert torch.equal(pickle.loads(pickle.dumps(network))(x, LENGTHS, static), raw)
    config = NetworkConfig(**asdict(replace(NUMERIC, **VARIANTS[variant])))
    with torch.device("meta"):
        empty = build_network(config)
    empty.load_state_dict(network.state_dict(), assign=True)
    assert torch.equal(empty.eval()(x, LENGTHS, static), raw)


@each_variant
def test_double_precision(variant):
    network, x, static = make(variant)
    network.eval()
    raw = network(x, LENGTHS, static)
    precise = network.double()(x, LENGTHS, static)
    assert precise.dtype == torch.float64
    torch.testing.assert_close(precise.float(), raw, rtol=1e-4, atol=1e-4)


def test_same_seed_same_bits_in_training():
    results = []
    for seed in (3, 3, 4):
        network, x, static = make("all")
        set_generator(network, generator(seed))
        results.append(network(x, LENGTHS, static))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@pytest.mark.parametrize(
    ("head", "outputs", "shape"),
    [
        ("binary", 2, (B, 1)),
        ("multiclass", 4, (B, 4)),
        ("multilabel", 3, (B, 3)),
        ("joint", (2, 3), (B, 5)),
        ("continuous", 1, (B, 1)),
        ("continuous", (2,), (B, 2)),
    ],
)
def test_heads(head, outputs, shape):
    network, x, _ = make("plain", head=head, n_outputs=outputs)
    assert network(x, LENGTHS).shape == shape


def test_cross_entropy_on_two_classes_gets_two_logits():
    network, x, _ = make("plain", head="binary", loss=nn.CrossEntropyLoss())
    assert isinstance(network.head, MulticlassHead)
    assert network(x, LENGTHS).shape == (B, 2)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"cell": "gur"}, "cell must be one of"),
        ({"hidden_size": 0}, "hidden_size must be at least 1"),
        ({"num_layers": 0}, "num_layers must be at least 1"),
        ({"n_channels": 0}, "n_channels must be at least 1"),
        ({"vocabulary_size": 0}, "vocabulary_size must be at least 1"),
        ({"vocabulary_size": 3, "embedding_size": 0}, "embedding_size must be at least 1"),
        ({"dropout": 1.0}, "dropout must lie in"),
        ({"pooling": "median"}, "pooling must be"),
        ({"pooling": "none"}, "pooling=.none. keeps every step"),
        ({"head": "ordinal"}, "head must be"),
        ({"n_outputs": 0}, "n_outputs must be at least 1"),
        ({"n_outputs": (2, 3)}, "n_outputs must be at least 1"),
        ({"loss": "hinge"}, "loss must be 'log_loss'"),
        ({"head": "continuous", "loss": "log_loss"}, "loss must be one of"),
        ({"stem": "fft"}, "stem must be 'conv'"),
        ({"n_static": 2, "static_cardinalities": (None,)}, "static_cardinalities must be empty"),
    ],
)
def test_bad_values_are_named(bad, message):
    with pytest.raises(ValueError, match=message):
        build_network(replace(NUMERIC, **bad))


def test_static_features_are_asked_for():
    network, x, static = make("all")
    with pytest.raises(ValueError, match="needs static features"):
        network(x, LENGTHS)
    network, x, _ = make("plain")
    with pytest.raises(ValueError, match="does not take static features"):
        network(x, LENGTHS, static)


def test_public_names_exist_and_are_documented():
    for name in rnn.__all__:
        assert getattr(rnn, name).__doc__, name
