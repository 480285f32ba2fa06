"""Several threads in a fit, for as long as they are measured to be faster.

Compiled recurrences share a batch out by rows, so their threads wait for each other once a call;
torch's own wait at every product of every step, and beside a process that keeps a core busy such a
step can take ten times as long as on one thread. Either have to earn their place. What they compute
is the same to the last bit. Imports torch and layer 1.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..nn import allow_threads
from ._device import cpu_threads

# Torch's threads: networks of fewer units never gain, fits of fewer steps do not earn a trial back.
_FEWEST_UNITS, _FEWEST_STEPS = 256, 200
# The first trial comes after so many steps, the next after so many more, then four times as many.
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
