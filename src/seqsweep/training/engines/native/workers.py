"""The threads of a pool, and the tasks that they compute."""

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from seqsweep.native.step import Stop
from seqsweep.training.engines.native.member import PoolMember

Take = Callable[[Sequence[PoolMember], Any], None]
"""A function that processes the result of a task."""


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
        """Lets a thread compute a task; `next` returns it when the task has ended."""
        future = self._executor.submit(compute, *args)
        self._tasks[future] = members, take
        future.add_done_callback(self._done.put)

    def next(self, seconds: float | None) -> tuple[Sequence[PoolMember], Take, Future[Any]] | None:
        """Returns an ended task: its members, `Take` and result; None if none ends in time."""
        try:
            future = self._done.get(timeout=seconds)
        except queue.Empty:
            return None
        # A withdrawn task has been removed from `_tasks`.
        task = self._tasks.pop(future, None)
        return None if task is None else (*task, future)

    def withdraw(self) -> None:
        """Takes back the tasks that no thread has begun."""
        self._tasks = {future: task for future, task in self._tasks.items() if not future.cancel()}

    def close(self) -> None:
        """Ends the threads, each after its current step."""
        self.stop.set()
        self._executor.shutdown(cancel_futures=True)
