"""Torch's optimizers without its compiler: the same steps, and the same class to whoever asks."""

import copy

import pytest
import torch

from sklearn_rnn.training import OPTIMIZERS, resolve_optimizer
from sklearn_rnn.training._optimization import PLAIN


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("fused", [False, True])
def test_steps_are_those_of_torch_to_the_last_bit(kind, fused):
    if fused and kind is torch.optim.RMSprop:
        pytest.skip("torch has no fused RMSprop")
    keywords = {"lr": 0.1, "weight_decay": 0.01} | ({"fused": True} if fused else {})
    start = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    found = []
    for optimizer in (kind, PLAIN[kind]):
        weight = torch.nn.Parameter(start.clone())
        stepping = optimizer([weight], **keywords)
        for k in range(5):
            if k == 3:
                known = copy.deepcopy(stepping.state_dict())
                stepping = optimizer([weight], **keywords)
                stepping.load_state_dict(known)
            stepping.zero_grad()
            (weight**2 * (k + 1)).sum().backward()
            stepping.step()
            assert weight.requires_grad and weight.is_leaf
        found.append(weight.detach())
    assert torch.equal(*found)


def test_torchs_own_classes_are_taken_for_their_names():
    for name, kind in zip(OPTIMIZERS, PLAIN, strict=True):
        assert resolve_optimizer(kind, 0.1) == resolve_optimizer(name, 0.1)
        assert issubclass(OPTIMIZERS[name], kind) and OPTIMIZERS[name].__name__ == kind.__name__
    assert resolve_optimizer("sgd", 0.0)[1] == {"momentum": 0.9}
