"""Numeric, token and static inputs."""

import pytest
import torch

from sklearn_rnn.nn import NumericInput, StaticInput, TokenInput

NAN = float("nan")


def test_numeric_standardises_and_fills():
    layer = NumericInput(2)
    layer.set_statistics([1.0, 5.0], [2.0, 0.0])
    got = layer(torch.tensor([[[3.0, 6.0], [NAN, 5.0]]]))
    assert got.tolist() == [[[1.0, 1.0], [0.0, 0.0]]]
    assert layer.output_size == 2


def test_numeric_indicator():
    layer = NumericInput(2, indicator=True)
    got = layer(torch.tensor([[[3.0, NAN]]]))
    assert got.tolist() == [[[3.0, 0.0, 0.0, 1.0]]]
    assert layer.output_size == 4


def test_statistics_travel_with_the_weights_and_precision():
    layer = NumericInput(1)
    layer.set_statistics(torch.tensor([3.0]), torch.tensor([2.0]))
    other = NumericInput(1)
    other.load_state_dict(layer.state_dict())
    assert other(torch.tensor([[[5.0]]])).item() == 1.0
    assert other.double()(torch.tensor([[[5.0]]])).dtype == torch.float64


def test_unusable_statistics_count_as_none():
    layer = NumericInput(2)
    layer.set_statistics([NAN, 0.0], [NAN, float("inf")])
    assert layer(torch.tensor([[[3.0, 4.0]]])).tolist() == [[[3.0, 4.0]]]


def test_statistics_of_another_size():
    with pytest.raises(ValueError, match="mean must have 2 entries; got 3"):
        NumericInput(2).set_statistics([1.0, 2.0, 3.0], [1.0, 1.0])


def test_every_token_is_real_and_padding_is_not():
    layer = TokenInput(5, 3)
    tokens = torch.tensor([[0, 4, -1]])
    got = layer(tokens)
    assert got.shape == (1, 3, 3)
    assert (got[0, :2] != 0).all()
    assert (got[0, 2] == 0).all()
    got.sum().backward()
    assert layer.embedding.weight.grad[5].tolist() == [0.0, 0.0, 0.0]


def test_token_dropout():
    layer = TokenInput(5, 3, dropout=0.5)
    tokens = torch.zeros(8, 8, dtype=torch.int64)
    assert (layer(tokens) == 0).any()
    assert (layer.eval()(tokens) != 0).all()


def test_static_columns_in_any_order():
    layer = StaticInput([2, None, 3])
    layer.set_statistics([9.0, 10.0, 9.0], [1.0, 5.0, 1.0])
    static = torch.tensor([[0.0, 20.0, 2.0], [NAN, NAN, NAN], [1.0, 10.0, 7.0], [-1.0, 10.0, 0.0]])
    got = layer(static)
    assert got.shape == (4, layer.output_size)
    assert got[:, 0].tolist() == [2.0, 0.0, 0.0, 0.0]
    first, second = (embedding.weight for embedding in layer.embeddings)
    assert torch.equal(got[:, 1:3], first[torch.tensor([1, 0, 2, 0])])
    assert torch.equal(got[:, 3:], second[torch.tensor([3, 0, 0, 1])])


def test_static_statistics_of_the_numeric_columns_alone():
    layer = StaticInput([2, None, 3])
    layer.set_statistics([10.0], [5.0])
    assert layer(torch.tensor([[0.0, 20.0, 2.0]]))[0, 0] == 2.0


def test_static_without_numbers_and_embedding_size():
    layer = StaticInput([4], embedding_size=6)
    assert layer(torch.zeros(2, 1)).shape == (2, 6)
    assert StaticInput([1000]).output_size == 16


def test_static_refuses_other_widths():
    with pytest.raises(ValueError, match="static must have 2 columns"):
        StaticInput([None, None])(torch.zeros(3, 3))


@pytest.mark.parametrize(
    "call",
    [
        lambda: NumericInput(0),
        lambda: TokenInput(0, 3),
        lambda: TokenInput(3, 0),
        lambda: StaticInput([0]),
    ],
)
def test_sizes_are_checked(call):
    with pytest.raises(ValueError, match="must be at least 1"):
        call()


def test_times_beside_tokens_are_standardised_and_appended():
    plain, timed = TokenInput(5, 3), TokenInput(5, 3, timed=True)
    timed.load_state_dict(plain.state_dict(), strict=False)
    timed.set_statistics([1.0], [2.0])
    assert (plain.output_size, timed.output_size) == (3, 4)
    tokens, widths = torch.tensor([[0, 4, -1]]), torch.tensor([[1.0, 5.0, 1.0]])
    found = timed(torch.stack((tokens.float(), widths), 2))
    assert torch.equal(found[..., :3], plain(tokens))
    assert found[0, :, 3].tolist() == [0, 2, 0]
