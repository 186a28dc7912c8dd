"""How often what is only needed after a kill is written: a small part of the time."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from seqsweep.pacing import pause_after

_LONGEST_SECONDS = 60.0
_FIRST_GUESS = 0.005
"""Seconds that a write is taken to last before the first one."""


class Budget:
    """Allows writes that take 5 % of the time at most, and each writer one a minute at least.

    Args:
        clock: in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self._seconds = _FIRST_GUESS

    def is_due(self, since: float, writers: int = 1) -> bool:
        """Whether one of so many writers may write, whose last write ended at `since`."""
        wait = min(_LONGEST_SECONDS, writers * pause_after(self._seconds))
        return self.clock() - since >= wait

    @contextmanager
    def measuring(self) -> Generator[None]:
        """Measures a write in the block."""
        start = self.clock()
        yield
        self._seconds += (self.clock() - start - self._seconds) / 4
