"""The n-gram path counts as scikit-learn's TF-IDF does, whatever stands at padding."""

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from sklearn_rnn.nn import NGramPath
from sklearn_rnn.nn._ngrams import ngram_keys

ROWS = [[1, 2, 3, 2, 1, 2], [3], [2, 2, 2], [4, 1]]
LENGTHS = torch.tensor([6, 1, 3, 2])


def padded(fill=0):
    x = torch.full((4, 6), fill)
    for row, tokens in enumerate(ROWS):
        x[row, : len(tokens)] = torch.tensor(tokens)
    return x


def solved_path(longest=2, ends=False):
    """Make a path that knows all n-grams of the rows, with the weights of TF-IDF."""
    path = NGramPath(0, 2, longest=longest, ends=ends)
    keys, rows = ngram_keys(padded(), LENGTHS, longest, ends=ends)
    pairs = torch.unique(torch.stack((torch.cat(keys), torch.cat(rows))), dim=1)
    known, count = torch.unique(pairs[0], return_counts=True)
    path.set_ngrams(known, torch.log((1 + 4) / (1 + count)) + 1)
    return path


def dense(path, x, lengths):
    row, column, value = path.counts(x, lengths)
    matrix = torch.zeros(x.shape[0], path.output_size)
    matrix[row, column] = value
    return matrix.numpy()


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("longest", [1, 2, 3])
def test_counts_are_those_of_tf_idf(longest, ends):
    texts = [" ".join(map(str, row)) for row in ROWS]
    if ends:
        texts = [f"B {text} E" for text in texts]
    reference = TfidfVectorizer(
        token_pattern=r"\S+", lowercase=False, ngram_range=(1, longest), sublinear_tf=True
    )
    expected = reference.fit_transform(texts).toarray()
    found = dense(solved_path(longest, ends), padded(), LENGTHS)
    assert found.shape == expected.shape
    # The columns are in another order: the inner products of rows are not.
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-5)


@pytest.mark.parametrize("ends", [False, True])
def test_padding_and_batch_mates_do_not_count(ends):
    path = solved_path(ends=ends)
    expected = dense(path, padded(), LENGTHS)
    np.testing.assert_array_equal(dense(path, padded(fill=99), LENGTHS), expected)
    alone = dense(path, torch.tensor([ROWS[2]]), None)
    np.testing.assert_allclose(alone[0], expected[2], atol=1e-7)


def test_what_is_unknown_counts_nothing():
    path = solved_path()
    path.set_readout(torch.ones(path.output_size, 2), torch.tensor([0.5, -0.5]))
    found = path(torch.tensor([[7, 8, 9]]))
    torch.testing.assert_close(found, torch.tensor([[0.5, -0.5]]))
    assert NGramPath(0, 1)(torch.tensor([[7]])).item() == 0


def test_the_readout_is_linear_in_counts_spelling_and_static():
    path = NGramPath(3, 2, vocabulary_size=5, static_size=1)
    single, _ = ngram_keys(torch.tensor([[1, 2, 3]]), torch.tensor([3]), 1, ends=False)
    order = torch.sort(single[0])
    path.set_ngrams(order.values, torch.ones(3))
    weight = torch.arange(18.0).reshape(9, 2)
    path.set_readout(weight, torch.zeros(2))
    raw = path(torch.tensor([[1, 2]]), None, torch.tensor([[2.0]]))
    inverse = {int(t) + 1: i for i, t in enumerate(torch.argsort(order.indices))}
    share = 2**-0.5
    expected = share * (weight[inverse[1]] + weight[inverse[2]])
    expected = expected + share * (weight[3 + 1] + weight[3 + 2]) + 2 * weight[8]
    torch.testing.assert_close(raw[0], expected)


def test_keys_differ_with_order_and_size():
    x = torch.tensor([[1, 2, 1, 1, 2, 2]])
    keys, _ = ngram_keys(x, torch.tensor([6]), 3, ends=False)
    assert [len(torch.unique(part)) for part in keys] == [2, 4, 4]
    rng = np.random.default_rng(0)
    many = torch.from_numpy(rng.integers(0, 1000, (1, 200_000)))
    keys, _ = ngram_keys(many, torch.tensor([200_000]), 2, ends=False)
    distinct = len(set(zip(many[0, :-1].tolist(), many[0, 1:].tolist(), strict=True)))
    assert len(torch.unique(keys[1])) == distinct


@pytest.mark.parametrize("ends", [False, True])
def test_pairs_may_have_a_token_between_them(ends):
    x = torch.tensor([[1, 2, 3, 9], [1, 7, 3, 9], [1, 3, 9, 9], [1, 9, 9, 9]])
    lengths = torch.tensor([3, 3, 2, 1])
    plain, _ = ngram_keys(x, lengths, 2, ends=ends)
    (*same, skips), (*_, rows) = ngram_keys(x, lengths, 2, ends=ends, skips=True)
    for key, expected in zip(same, plain, strict=True):
        torch.testing.assert_close(key, expected)
    n_tokens = lengths + 2 * ends
    assert torch.bincount(rows, minlength=4).tolist() == (n_tokens - 2).clamp(min=0).tolist()
    # 1 * 3 of the first row is 1 * 3 of the second, and no pair of neighbours.
    first, second = (skips[rows == row] for row in (0, 1))
    assert first[int(ends)] == second[int(ends)]
    assert not set(skips.tolist()) & set(torch.cat(plain).tolist())


@pytest.mark.parametrize("ends", [False, True])
def test_openings_are_the_same_wherever_the_other_token_stands(ends):
    x = torch.tensor([[1, 2, 3, 4], [1, 2, 9, 3], [1, 7, 3, 9], [2, 3, 9, 9], [1, 9, 9, 9]])
    lengths = torch.tensor([4, 4, 3, 2, 1])
    plain, _ = ngram_keys(x, lengths, 2, ends=ends)
    (*same, pairs, triples), rows = ngram_keys(x, lengths, 2, ends=ends, openings=True)
    for key, expected in zip(same, plain, strict=True):
        torch.testing.assert_close(key, expected)
    assert torch.bincount(rows[-2], minlength=5).tolist() == [3, 3, 2, 1, 0]
    assert torch.bincount(rows[-1], minlength=5).tolist() == [2, 2, 1, 0, 0]
    of_row = [pairs[rows[-2] == row].tolist() for row in range(4)]
    # 1 ... 3 in three rows; 2 ... 3 is another one, and no pair of neighbours.
    assert of_row[0][1] == of_row[1][2] == of_row[2][1]
    assert of_row[3][0] not in {*of_row[0], *torch.cat(plain).tolist()}
    # 1 2 ... 3 in two.
    assert triples[rows[-1] == 0][0] == triples[rows[-1] == 1][1] != triples[rows[-1] == 2][0]


def test_openings_are_scaled_by_themselves_and_can_be_dropped():
    plain = solved_path()
    path = NGramPath(0, 2, longest=2, openings=True)
    *grams, pairs, triples = path.find(padded(), LENGTHS)[0]
    openings = torch.unique(torch.cat((pairs, triples)))
    keys, order = torch.sort(torch.cat((plain.keys, openings)))
    idf = torch.cat((plain.idf, torch.full((len(openings),), 3.0)))[order]
    is_opening = (torch.arange(len(keys)) >= len(plain.keys))[order]
    path.set_ngrams(keys, idf, is_opening)
    found = dense(path, padded(), LENGTHS)
    expected = dense(plain, padded(), LENGTHS)
    np.testing.assert_allclose(found[:, ~is_opening], expected, atol=1e-7)
    np.testing.assert_allclose((found[:, is_opening] ** 2).sum(1), [1, 0, 1, 1], atol=1e-6)
    np.testing.assert_array_equal(dense(path, padded(fill=99), LENGTHS), found)
    path.drop_openings()
    np.testing.assert_array_equal(dense(path, padded(), LENGTHS), expected)
    assert path.state_dict().keys() == plain.state_dict().keys()
