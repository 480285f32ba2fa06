"""Cells and poolings by name, and from a name, or a user's class, to a part; imports torch only.

A new cell is a subclass of :class:`Cell` in a file of its own, and a line in `CELLS`; a new pooling
a subclass of :class:`Pooling`, and a line in `POOLINGS`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ._cells import (
    CIFG,
    GRU,
    LSTM,
    RNN,
    Cell,
    GRUResetBefore,
    MinGRU,
    MinLSTM,
    RNNReLU,
    RNNSigmoid,
)
from ._masking import ContractError, broken, is_told
from ._pooling import (
    AttentionPooling,
    ConcatPooling,
    EachStep,
    LastPooling,
    MaxPooling,
    MeanPooling,
    Pooling,
)

State = Tensor | tuple[Tensor, ...]
CellLike = str | type[nn.Module]

#: Every cell that has a name.
CELLS: dict[str, type[Cell]] = {
    "rnn": RNN,
    "rnn_relu": RNNReLU,
    "rnn_sigmoid": RNNSigmoid,
    "lstm": LSTM,
    "gru": GRU,
    "gru_reset_before": GRUResetBefore,
    "cifg": CIFG,
    "mingru": MinGRU,
    "minlstm": MinLSTM,
}

#: Every pooling that has a name.
POOLINGS: dict[str, Callable[[int], Pooling]] = {
    "last": LastPooling,
    "mean": MeanPooling,
    "max": MaxPooling,
    "attention": AttentionPooling,
}

FORMS = (
    "A cell class is a torch.nn.Module in one of two forms. Step form, as torch.nn.GRUCell: "
    "__init__(input_size, hidden_size) and forward(x_t, state) -> state, with x_t of shape "
    "(batch, input_size), state None at the first step, and the new state a tensor "
    "(batch, hidden_size) or a tuple whose first item is one. Whole-sequence form, as "
    "torch.nn.GRU: __init__(input_size, hidden_size, batch_first) and forward(x, state) -> "
    "(output, state), with x of shape (batch, time, input_size) and output of shape "
    "(batch, time, hidden_size)."
)


def _hold(new: State, old: State, going: Tensor) -> State:
    """Take the new state where a row is still going and keep the old one elsewhere."""
    if isinstance(new, Tensor):
        assert isinstance(old, Tensor)
        return torch.where(going.reshape(-1, *[1] * (new.ndim - 1)), new, old)
    held = [_hold(n, o, going) for n, o in zip(new, old, strict=True)]
    return tuple(h for h in held if isinstance(h, Tensor))


class StepLoop(Cell):
    """Run a cell that knows one step over a whole sequence.

    Parameters
    ----------
    cell : nn.Module
        With ``forward(x_t, state) -> state``, as :class:`torch.nn.GRUCell`; the state is a tensor
        (B, H), or a tuple whose first item is the output.
    hidden_size : int
        H.

    Examples
    --------
    >>> import torch
    >>> from sklearn_rnn.nn._registry import StepLoop
    >>> layer = StepLoop(torch.nn.GRUCell(3, 5), 5)
    >>> output, state = layer(torch.zeros(2, 7, 3))
    >>> output.shape
    torch.Size([2, 7, 5])
    """

    takes_lengths = True
    rows_axis = 0

    def __init__(self, cell: nn.Module, hidden_size: int) -> None:
        super().__init__()
        self.cell = cell
        self.hidden_size = hidden_size

    def forward(
        self, x: Tensor, state: State | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        outputs = []
        x_t = x[:, 0]
        try:
            for t, x_t in enumerate(x.unbind(1)):
                new = self.cell(x_t, state)
                if t == 0:
                    self._check(new, x)
                if lengths is not None and state is not None:
                    new = _hold(new, state, lengths > t)
                state = new
                outputs.append(new if isinstance(new, Tensor) else new[0])
            assert state is not None
            return torch.stack(outputs, 1), state
        except Exception as error:
            if is_told(error):
                raise
            name = f"cell={type(self.cell).__name__}: forward"
            raise broken(name, {"x_t": x_t, "state": state}, error, FORMS) from error

    def _check(self, state: object, x: Tensor) -> None:
        """Refuse a cell that does not return a state."""
        output = state[0] if isinstance(state, tuple) and state else state
        expected = (x.shape[0], self.hidden_size)
        if not isinstance(output, Tensor) or tuple(output.shape) != expected:
            got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ContractError(
                f"cell={type(self.cell).__name__}: forward must return the new state, of shape "
                f"{expected}; got {got}. {FORMS}"
            )


def traits(layer: nn.Module) -> Cell | type[Cell]:
    """Return what answers for a layer: itself, or for a class of the user's what is safe."""
    return layer if isinstance(layer, Cell) else Cell


def is_registered(layer: nn.Module) -> bool:
    """Tell whether a layer is just what a name stands for: a subclass may do otherwise."""
    return type(layer) in CELLS.values()


def _is_whole_sequence(cell: type[nn.Module]) -> bool:
    """Tell the two forms apart by the constructor."""
    return issubclass(cell, nn.RNNBase) or (
        "batch_first" in inspect.signature(cell.__init__).parameters
    )


def make_layer(cell: CellLike, input_size: int, hidden_size: int) -> nn.Module:
    """Make one layer, in one direction, of the named or given cell.

    Parameters
    ----------
    cell : str or type
        A name of ``CELLS``, or a :class:`torch.nn.Module` class. If its constructor takes
        ``batch_first``, it is used as :class:`torch.nn.GRU` would be, with ``batch_first=True``;
        otherwise as :class:`torch.nn.GRUCell`, one step at a time.
    input_size, hidden_size : int

    Returns
    -------
    nn.Module
        With ``forward(x, state=None) -> (output, state)``.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If a class is neither of the two forms.

    Examples
    --------
    >>> from sklearn_rnn.nn import make_layer
    >>> make_layer("gru", 3, 5)
    GRU(3, 5, batch_first=True)
    >>> make_layer("transformer", 3, 5)
    Traceback (most recent call last):
        ...
    ValueError: cell must be one of 'rnn', 'rnn_relu', 'rnn_sigmoid', 'lstm', 'gru', \
'gru_reset_before', 'cifg', 'mingru', 'minlstm', or a torch.nn.Module class; got 'transformer'.
    """
    if isinstance(cell, str):
        if cell not in CELLS:
            names = ", ".join(map(repr, CELLS))
            raise ValueError(
                f"cell must be one of {names}, or a torch.nn.Module class; got {cell!r}."
            )
        kind: Callable[..., Cell] = CELLS[cell]
        return kind(input_size, hidden_size)
    if not (isinstance(cell, type) and issubclass(cell, nn.Module)):
        raise TypeError(f"cell must be a name or a class; got {cell!r}. {FORMS}")
    make: Callable[..., nn.Module] = cell
    try:
        if _is_whole_sequence(cell):
            return make(input_size, hidden_size, batch_first=True)
        return StepLoop(make(input_size, hidden_size), hidden_size)
    except Exception as error:
        if is_told(error):
            raise
        raise ContractError(
            f"{cell.__name__} cannot be built as a cell, with input_size={input_size} and "
            f"hidden_size={hidden_size}: {error}. {FORMS}"
        ) from error


def make_pooling(spec: str | Sequence[str], size: int) -> Pooling:
    """Make the named pooling, or several side by side.

    Parameters
    ----------
    spec : str or sequence of str
        ``"last"``, ``"mean"``, ``"max"``, ``"attention"``; several of them as a sequence or joined
        by ``+``; or ``"none"``, which keeps every step.
    size : int
        Units of the recurrence's output.

    Returns
    -------
    Pooling

    Raises
    ------
    ValueError
        If a name is unknown or given twice.

    Examples
    --------
    >>> from sklearn_rnn.nn import make_pooling
    >>> make_pooling("mean+max", 8).output_size
    16
    """
    names = spec.split("+") if isinstance(spec, str) else list(spec)
    names = [name.strip() if isinstance(name, str) else name for name in names]
    if names == ["none"]:
        return EachStep(size)
    known = all(isinstance(name, str) and name in POOLINGS for name in names)
    if not names or not known or len(set(names)) < len(names):
        raise ValueError(
            f"pooling must be 'none', or made of {', '.join(map(repr, POOLINGS))}, each at most "
            f"once; got {spec!r}."
        )
    poolings = [POOLINGS[name](size) for name in names]
    return poolings[0] if len(poolings) == 1 else ConcatPooling(poolings)
