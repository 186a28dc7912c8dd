"""The threads that train a pool's members, and the budget of their writes."""

import queue
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from seqsweep.native.step import Stop
from seqsweep.pacing import pause_after
from seqsweep.training.engines.native.member import PoolMember

Take = Callable[[Sequence[PoolMember], Any], list[PoolMember]]
"""Takes in the result of a task of these members; returns those that have moved on."""


class Workers:
    """Threads that compute tasks until `stop` is set.

    Threads suffice, because the C++ code works without Python's global lock.
    """

    def __init__(self, threads: int) -> None:
        self.stop = Stop()
        self.threads = max(1, threads)
        self._executor = ThreadPoolExecutor(self.threads)
        self._tasks: dict[Future[Any], tuple[Sequence[PoolMember], Take]] = {}
        self._done: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()

    @property
    def pending(self) -> int:
        """The number of tasks whose results have not been taken."""
        return len(self._tasks)

    def submit(
        self, members: Sequence[PoolMember], take: Take, compute: Callable[..., Any], *args: Any
    ) -> None:
        future = self._executor.submit(compute, *args)
        self._tasks[future] = members, take
        future.add_done_callback(self._done.put)

    def next(self, seconds: float | None) -> tuple[Sequence[PoolMember], Take, Future[Any]] | None:
        """Returns a task with its result; None if none ends in time."""
        try:
            future = self._done.get(timeout=seconds)
        except queue.Empty:
            return None
        # A task that was withdrawn is not known any more.
        task = self._tasks.pop(future, None)
        return None if task is None else (*task, future)

    def withdraw(self) -> None:
        """Takes back the tasks that no thread has begun."""
        self._tasks = {future: task for future, task in self._tasks.items() if not future.cancel()}

    def close(self) -> None:
        """Ends the threads, each after its current step."""
        self.stop.set()
        self._executor.shutdown(cancel_futures=True)


_LONGEST_SECONDS = 60.0
_FIRST_GUESS = 0.005
"""The assumed duration of the first write, in seconds."""


class Budget:
    """Allows writes for 5 % of the time, or once a minute."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self._seconds = _FIRST_GUESS
        self._ended = clock()

    def is_due(self, since: float | None = None, writers: int = 1) -> bool:
        """Returns whether a writer may write again after its last write."""
        wait = min(_LONGEST_SECONDS, writers * pause_after(self._seconds))
        return self.clock() - (self._ended if since is None else since) >= wait

    @contextmanager
    def measuring(self) -> Generator[None]:
        """Measures the write in the block."""
        start = self.clock()
        yield
        # The running mean follows a disk that becomes slower, but one slow write does not decide.
        self._ended = self.clock()
        self._seconds += (self._ended - start - self._seconds) / 4
