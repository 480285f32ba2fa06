"""First weights, drawn from a given generator and from nothing else; imports torch only."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ._cells import GRU, LSTM, RNN, Cell

_PACKAGE = __name__.rpartition(".")[0]
_KNOWN = (
    nn.Linear,
    nn.Embedding,
    nn.Conv1d,
    nn.LayerNorm,
    nn.BatchNorm1d,
    nn.LSTM,
    nn.GRU,
    nn.RNN,
    nn.ModuleList,
    nn.Identity,
)
#: The gates' first biases in torch's own layers, which a user may choose as cells.
_TORCH_GATES: dict[type[nn.Module], tuple[float, ...]] = {
    nn.LSTM: LSTM.gate_bias,
    nn.GRU: GRU.gate_bias,
    nn.RNN: RNN.gate_bias,
}


def is_builtin(module: nn.Module) -> bool:
    """Tell whether :func:`initialise` knows the module.

    Parameters
    ----------
    module : nn.Module

    Returns
    -------
    bool
        False for a user's class: it and everything in it keeps the weights it was built with.
    """
    kind = type(module)
    return kind in _KNOWN or f"{kind.__module__}.".startswith(f"{_PACKAGE}.")


def _fill(parameter: Tensor, values: Tensor) -> None:
    """Copy values into a parameter, whatever its device and type."""
    with torch.no_grad():
        parameter.copy_(values.reshape(parameter.shape))


def _normal(shape: torch.Size | tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw in double precision, so that the first weights hardly depend on the network's own."""
    return torch.empty(shape, dtype=torch.float64, device=generator.device).normal_(
        generator=generator
    )


def _uniform(
    shape: torch.Size | tuple[int, ...], bound: float, generator: torch.Generator
) -> Tensor:
    """Draw uniformly from (-bound, bound)."""
    values = torch.empty(shape, dtype=torch.float64, device=generator.device)
    return values.uniform_(-bound, bound, generator=generator)


def _glorot(parameter: Tensor, gates: int, generator: torch.Generator) -> None:
    """Fill (gates * H, C) with each gate's Xavier-uniform weights."""
    rows, columns = parameter.shape
    bound = math.sqrt(6 / (rows // gates + columns))
    _fill(parameter, _uniform(parameter.shape, bound, generator))


def _orthogonal(parameter: Tensor, gates: int, generator: torch.Generator) -> None:
    """Fill (gates * H, H) with an orthogonal matrix for each gate."""
    size = parameter.shape[1]
    q, r = torch.linalg.qr(_normal((gates, size, size), generator))
    signs = torch.diagonal(r, dim1=1, dim2=2).sign()
    _fill(parameter, q * signs[:, None, :])


def _set_gates(bias: Tensor, gates: tuple[float, ...]) -> None:
    """Fill a bias (gates * H) with one value a gate."""
    values = torch.tensor(gates, dtype=bias.dtype, device=bias.device)
    _fill(bias, values.repeat_interleave(bias.shape[0] // len(gates)))


def _recurrent(layer: nn.Module, generator: torch.Generator) -> None:
    """Fill a recurrent layer of torch's or ours."""
    gates = layer.gate_bias if isinstance(layer, Cell) else _TORCH_GATES[type(layer)]
    for name, parameter in layer.named_parameters(recurse=False):
        if name.startswith("weight_ih"):
            _glorot(parameter, len(gates), generator)
        elif name.startswith("weight_hh"):
            _orthogonal(parameter, len(gates), generator)
        elif name.startswith("bias_hh"):
            nn.init.zeros_(parameter)
        elif name.startswith("bias"):
            _set_gates(parameter, gates)


def _leaf(module: nn.Module, generator: torch.Generator) -> None:
    """Fill the parameters of one known module."""
    if isinstance(module, Cell | nn.RNNBase):
        _recurrent(module, generator)
    elif isinstance(module, nn.Linear):
        _glorot(module.weight, 1, generator)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv1d):
        fan_in = module.weight.shape[1] * module.weight.shape[2]
        _fill(module.weight, _uniform(module.weight.shape, math.sqrt(6 / fan_in), generator))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        _fill(module.weight, _normal(module.weight.shape, generator))
    elif isinstance(module, nn.LayerNorm | nn.BatchNorm1d):
        module.reset_parameters()


def _small(module: nn.Module, scale: float, generator: torch.Generator) -> None:
    """Fill all weights from N(0, scale^2) and all biases with zero."""
    if isinstance(module, nn.LayerNorm | nn.BatchNorm1d):
        module.reset_parameters()
        return
    for name, parameter in module.named_parameters(recurse=False):
        if name.startswith("bias"):
            nn.init.zeros_(parameter)
        else:
            _fill(parameter, scale * _normal(parameter.shape, generator))


def initialise(
    module: nn.Module, generator: torch.Generator, *, initial_scale: float | None = None
) -> None:
    """Give a network its first weights.

    Recurrent weights are orthogonal, each gate by itself; input and linear weights are
    Xavier-uniform, convolutions He-uniform, embeddings standard normal; biases are zero but for
    the gates that decide how much is kept, which start open (a bias of one for the LSTM's forget
    gate). A user's own module keeps the weights it was built with.

    Parameters
    ----------
    module : nn.Module
    generator : torch.Generator
        The only source of randomness.
    initial_scale : float, default=None
        If given, all weights are drawn from a normal distribution with this standard deviation
        instead, and all biases are zero.

    Raises
    ------
    ValueError
        If `initial_scale` is not positive.

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn import initialise
    >>> from sklearn_rnn.nn._cells import LSTM
    >>> layer = LSTM(3, 2)
    >>> initialise(layer, torch.Generator().manual_seed(0))
    >>> layer.bias_ih_l0.tolist()
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    """
    if initial_scale is not None and not initial_scale > 0:
        raise ValueError(f"initial_scale must be positive; got {initial_scale!r}.")
    if not is_builtin(module):
        return
    if initial_scale is None:
        _leaf(module, generator)
    else:
        _small(module, initial_scale, generator)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        with torch.no_grad():
            module.weight[module.padding_idx].zero_()
    for child in module.children():
        initialise(child, generator, initial_scale=initial_scale)
