"""Where and how a network computes: device, precision, threads; errors that name parameters.

Imports torch, threadpoolctl, layer 1, and the words of memory from layer 0.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from threadpoolctl import ThreadpoolController

from ..nn import allow_threads, global_random_lock
from ..sequences import is_out_of_memory, not_enough
from ._optimization import Settings

_PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Compute:
    """A resolved device and the number types to train and to predict with."""

    device: torch.device
    autocast: torch.dtype | None = None

    def autocast_context(self) -> contextlib.AbstractContextManager:
        """Return the context in which forward passes run."""
        if self.autocast is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.autocast)


def resolve_device(device: str | torch.device) -> torch.device:
    """Turn the parameter ``device`` into a device that exists here, or say what does."""
    if isinstance(device, torch.device):
        device = str(device)
    if not isinstance(device, str):
        raise TypeError(f"device must be a str or a torch.device, got {type(device).__name__}.")
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is not a device name. Use 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'."
        ) from error
    if resolved.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            raise ValueError(
                f"device={device!r}: this machine has no usable CUDA device. "
                "Use device='auto' or device='cpu'."
            )
        if resolved.index is not None and resolved.index >= count:
            raise ValueError(
                f"device={device!r}: this machine has {count} CUDA device(s), numbered from 0."
            )
    elif resolved.type == "mps":
        if not torch.backends.mps.is_available():
            raise ValueError(
                f"device={device!r}: this machine has no usable MPS device. "
                "Use device='auto' or device='cpu'."
            )
    elif resolved.type != "cpu":
        raise ValueError(
            f"device={device!r} is not supported. Use 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'."
        )
    return resolved


def resolve_compute(device: str | torch.device, precision: str) -> Compute:
    """Resolve ``device`` and ``precision`` together.

    ``"auto"`` is float32 everywhere: mixed precision is asked for, never a surprise.
    """
    if precision not in _PRECISIONS:
        raise ValueError(f"precision must be one of {list(_PRECISIONS)}, got {precision!r}.")
    resolved = resolve_device(device)
    if precision != "bfloat16":
        return Compute(resolved)
    if resolved.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise ValueError(
            f"precision='bfloat16': {torch.cuda.get_device_name(resolved)} does not support it. "
            "Use precision='float32'."
        )
    return Compute(resolved, autocast=torch.bfloat16)


class _ThreadPolicy:
    """Let compiled recurrences use several threads, and torch itself one.

    Torch's own threads wait for each other within every step, and beside a busy process for long;
    see `ThreadTrial`. It keeps one count a process: who comes first saves it, who goes last
    restores it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside: set[object] = set()
        self._found = 1
        #: Whether this process was forked from one in which torch may have had threads.
        self.forked = False

    def after_fork(self) -> None:
        """Let torch use one thread in a child, for good: its others did not survive the fork.

        If the parent ever had them, the first operation that waits for them would do so for ever.
        """
        self._lock = threading.Lock()
        self._found, self.forked = 1, True
        if torch.get_num_threads() != 1:
            torch.set_num_threads(1)

    @contextlib.contextmanager
    def __call__(self, n_threads: int) -> Iterator[None]:
        one = object()
        try:
            self._enter(one)
            with allow_threads(n_threads):
                yield
        finally:
            try:
                self._leave(one)
            except BaseException:  # an interrupt may come in between
                self._leave(one)
                raise

    def _enter(self, one: object) -> None:
        with self._lock:
            if not self._inside:
                self._found = torch.get_num_threads()
            self._inside.add(one)
            if torch.get_num_threads() != 1:
                torch.set_num_threads(1)

    def _leave(self, one: object) -> None:
        """Go, once: the second time does nothing."""
        with self._lock:
            if self._inside == {one} and torch.get_num_threads() != self._found:
                torch.set_num_threads(self._found)
            self._inside.discard(one)


cpu_threads = _ThreadPolicy()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=cpu_threads.after_fork)


@contextlib.contextmanager
def seeded_globals(seed: int) -> Iterator[None]:
    """Seed torch's global generator for a while and put it back: for code that takes no generator.

    The lock makes it safe when several threads fit at once.
    """
    with global_random_lock:
        generators = [torch.random.default_generator]
        if torch.cuda.is_initialized():
            generators += torch.cuda.default_generators
        states = [generator.get_state() for generator in generators]
        try:
            for generator in generators:
                generator.manual_seed(seed)
            yield
        finally:
            for generator, state in zip(generators, states, strict=True):
                generator.set_state(state)


# Torch's threads: networks of fewer units never gain, fits of fewer steps do not earn a trial back.
_FEWEST_UNITS, _FEWEST_STEPS = 256, 200
# Steps before the first trial, steps before the next, and the factor of each further pause.
_FIRST, _PAUSE, _GROWTH = 5, 64, 4
# They have to take less than this of the time that one thread takes.
_WORTH = 0.9


class ThreadTrial:
    """Decide before every step of a fit how many threads it uses.

    Parameters
    ----------
    n_threads : int
        How many there may be.
    units : int
        Of the recurrence.
    n_steps : int
        Steps of the whole fit.
    """

    def __init__(self, n_threads: int, units: int, n_steps: int) -> None:
        self.n_threads = n_threads
        large = units >= _FEWEST_UNITS and n_steps >= _FEWEST_STEPS
        self.in_torch = large and not cpu_threads.forked
        self.now = 1
        self._alone = math.inf
        self._next, self._pause = _FIRST, _PAUSE

    @contextmanager
    def step(self, work: float) -> Iterator[None]:
        """Run a step of some work, in whatever unit, with the threads that are best as yet."""
        if self.n_threads == 1:
            yield
            return
        begun = time.perf_counter()
        try:
            if self.in_torch:
                torch.set_num_threads(self.now)
            with allow_threads(self.now):
                yield
        finally:
            torch.set_num_threads(1)
        self.note((time.perf_counter() - begun) / work)

    def note(self, seconds: float) -> None:
        """Learn what a unit of work took, and decide about the next step."""
        if self.now == 1:
            known = self._alone < math.inf
            self._alone = 0.8 * self._alone + 0.2 * seconds if known else seconds
            self._next -= 1
            if self._next == 0:
                self.now = self.n_threads
        elif seconds > _WORTH * self._alone:
            self.now = 1
            self._next = self._pause
            self._pause *= _GROWTH if seconds < 3 * self._alone else _GROWTH**2


_changed = threading.Condition()
_inside: set[int] = set()
_setter: int | None = None
_before: Any = None


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread for as long as any thread of this process is inside.

    The limit is the whole process's. The first to enter sets it and lifts it, once all others have
    left: some BLAS can only be told by the thread that has told it before.
    """
    me = threading.get_ident()
    if me in _inside:
        yield
        return
    try:
        _enter(me)
        yield
    finally:
        try:
            _leave(me)
        except BaseException:  # an interrupt may come in between
            _leave(me)
            raise


def _enter(me: int) -> None:
    """Note who is inside, and set the limit if nobody was."""
    global _setter, _before
    with _changed:
        _inside.add(me)
        if _setter is None:
            controller = ThreadpoolController().select(user_api="blas")
            _before = controller.limit(limits=None)
            _setter = me
            controller.limit(limits=1)


def _leave(me: int) -> None:
    """Go, once, and lift the limit if it is one's own: the second time does nothing."""
    global _setter, _before
    with _changed:
        _inside.discard(me)
        _changed.notify_all()
        if _setter == me:
            _changed.wait_for(lambda: not _inside)
            _before.restore_original_limits()
            _setter = _before = None


def _forget_threads() -> None:
    """Begin anew in a forked child: threads that were inside did not come along to leave."""
    global _changed, _inside, _setter, _before
    _changed = threading.Condition()
    _inside, _setter, _before = set(), None, None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


Method = TypeVar("Method", bound=Callable[..., Any])
# What a user may bring along; torch's own errors come from there.
_BROUGHT = ("cell", "loss", "optimizer")


class NetworkError(ValueError, RuntimeError):
    """Raised when torch cannot compute what the parameters, or the user's own classes, ask for."""


def names_parameters(method: Method) -> Method:
    """Let a method of an estimator name parameters where torch and NumPy would name none.

    Torch has one thread in it; see `cpu_threads`.
    """

    @functools.wraps(method)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            with cpu_threads(1):
                return method(self, *args, **kwargs)
        except Exception as error:
            torchs = isinstance(error, RuntimeError) and not isinstance(error, ValueError)
            torchs &= not getattr(error, "of_callback", False)
            if not torchs and not is_out_of_memory(error):
                raise
            raise explained(self, error) from error

    return wrapped  # type: ignore[return-value]


def explained(estimator: Any, error: Exception) -> Exception:
    """Return what to raise instead of torch's error: which parameters to look at."""
    if is_out_of_memory(error):
        return not_enough(estimator)
    name = type(estimator).__name__
    values = {key: getattr(estimator, key, None) for key in _BROUGHT}
    for key, value in values.items():
        if isinstance(value, Settings):
            values[key] = getattr(value, key)
    brought = ", ".join(
        f"{key}={value.__name__ if isinstance(value, type) else repr(value)}"
        for key, value in values.items()
        if value is not None and not isinstance(value, str)
    )
    return NetworkError(f"{name} cannot compute with {brought or 'its parameters'}: {error}")
