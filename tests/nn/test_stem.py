"""The convolutional stem: no padding in, no padding out."""

import pytest
import torch
from torch import nn

from sklearn_rnn.nn._recurrence import ConvStem, StepBatchNorm

B, T, C = 3, 12, 2
LENGTHS = torch.tensor([3, 12, 1])


@pytest.mark.parametrize("norm", ["layer", "batch", None])
@pytest.mark.parametrize("kernels", [(3,), (8, 5, 3)])
def test_rows_do_not_see_each_other_nor_padding(norm, kernels):
    torch.manual_seed(0)
    stem = ConvStem(C, 4, kernels, norm=norm)
    x = torch.randn(B, T, C)
    for i, length in enumerate(LENGTHS.tolist()):
        x[i, length:] = float("nan")
    stem(x, LENGTHS)  # moves the running statistics
    stem.eval()
    got = stem(x, LENGTHS)
    assert got.shape == (B, T, stem.output_size)
    for i, length in enumerate(LENGTHS.tolist()):
        torch.testing.assert_close(got[i : i + 1, :length], stem(x[i : i + 1, :length]))
        assert (got[i, length:] == 0).all()


def test_step_batch_norm_sees_true_steps_only():
    torch.manual_seed(0)
    norm, plain = StepBatchNorm(C), nn.BatchNorm1d(C)
    x = torch.randn(B, T, C)
    got = norm(x, LENGTHS)
    true = torch.cat([x[i, :n] for i, n in enumerate(LENGTHS.tolist())])
    expected = plain(true)
    torch.testing.assert_close(torch.cat([got[i, :n] for i, n in enumerate(LENGTHS)]), expected)
    torch.testing.assert_close(norm.running_mean, plain.running_mean)
    torch.testing.assert_close(norm.running_var, plain.running_var)


def test_one_step_in_training():
    norm = StepBatchNorm(C)
    assert torch.isfinite(norm(torch.ones(1, 1, C))).all()
    assert torch.isfinite(norm(torch.ones(1, 2, C), torch.tensor([1]))).all()


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_gradients(norm):
    torch.manual_seed(0)
    stem = ConvStem(C, 3, (3, 2), norm=norm).double()
    x = torch.randn(B, 5, C, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([2, 5, 3])
    assert torch.autograd.gradcheck(lambda x: stem(x, lengths), (x,), fast_mode=True)


def test_concatenate():
    x = torch.randn(B, T, C)
    assert torch.equal(ConvStem(C, 4)(x)[..., :C], x)
    alone = ConvStem(C, 4, concatenate=False)
    assert alone(x).shape[2] == alone.output_size == 4


@pytest.mark.parametrize(
    "options", [{"filters": 0}, {"kernel_sizes": ()}, {"kernel_sizes": (0,)}, {"norm": "group"}]
)
def test_bad_values(options):
    with pytest.raises(ValueError, match="[Tt]he stem"):
        ConvStem(**({"input_size": C, "filters": 4} | options))
