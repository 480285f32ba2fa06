"""Where and how a network computes: device, precision, CPU threads. Imports torch and layer 1."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from ..nn import allow_threads, global_random_lock

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
