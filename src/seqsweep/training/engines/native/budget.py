"""The budget of writes that are only needed after a kill."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from seqsweep.pacing import pause_after

_LONGEST_SECONDS = 60.0
_FIRST_GUESS = 0.005
"""The assumed duration of the first write, in seconds."""


class Budget:
    """Allows writes for 5 % of the time, or once a minute for each writer.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self._seconds = _FIRST_GUESS

    def is_due(self, since: float, writers: int = 1) -> bool:
        """Returns whether a writer may write again.

        Args:
            since: the time at which its last write ended.
            writers: the number of writers that share the budget.
        """
        wait = min(_LONGEST_SECONDS, writers * pause_after(self._seconds))
        return self.clock() - since >= wait

    @contextmanager
    def measuring(self) -> Generator[None]:
        """Measures the write in the block."""
        start = self.clock()
        yield
        # The running mean follows a disk that becomes slower, but one slow write does not decide.
        self._seconds += (self.clock() - start - self._seconds) / 4
