"""Limits the time of repeated work, such as drawing and writing."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

SHARE = 0.05
"""The largest share of the time that repeated work, such as drawing, may take."""

LONGEST_SECONDS = 60.0
_FIRST_GUESS = 0.005
"""The assumed duration of the first write, in seconds."""


def pause_after(seconds: float, least: float = 0.0) -> float:
    """Returns the seconds to pause after work, which then takes 5 % of the time."""
    return max(least, seconds / SHARE)


class Budget:
    """Allows writes for at most 5 % of the time, or once a minute."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self._seconds = _FIRST_GUESS
        self._ended = clock()

    def is_due(self, since: float | None = None, writers: int = 1) -> bool:
        """Returns whether a writer that last wrote at `since` may write again.

        The budget is for `writers` writers. By default `since` is the last write of any of them.
        """
        wait = min(LONGEST_SECONDS, writers * pause_after(self._seconds))
        return self.clock() - (self._ended if since is None else since) >= wait

    @contextmanager
    def measuring(self) -> Generator[None]:
        """Measures the write in the block."""
        start = self.clock()
        yield
        # The running mean follows a disk that becomes slower; one write counts a quarter.
        self._ended = self.clock()
        self._seconds += (self._ended - start - self._seconds) / 4
