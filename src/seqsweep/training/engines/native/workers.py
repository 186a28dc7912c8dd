"""The threads that train and test a pool's members."""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from seqsweep.native.step import Stop
from seqsweep.training.engines.native.member import PoolMember

Take = Callable[[Sequence[PoolMember], Any], list[PoolMember]]


@dataclass(frozen=True)
class Task:
    """A computation for some members, and the call that takes in its result.

    `compute` is called by a thread, `take` by the main thread.
    """

    members: Sequence[PoolMember]
    compute: Callable[[], Any]
    take: Take


@dataclass(frozen=True)
class Done:
    """A task with its result, or the error that ended it."""

    task: Task
    result: Any = None
    error: Exception | None = None


class Workers:
    """Threads that take tasks from a queue until they are closed.

    Args:
        threads: the number of threads, at least 1.

    Attributes:
        stop: set to end the tasks of all threads early.
        pending: the number of tasks whose results have not been taken.
    """

    def __init__(self, threads: int) -> None:
        self.stop = Stop()
        self.pending = 0
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Done] = queue.SimpleQueue()
        # Threads suffice, because the C++ code works without Python's global lock.
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def __len__(self) -> int:
        return len(self._threads)

    def submit(self, task: Task) -> None:
        self.pending += 1
        self._tasks.put(task)

    def next(self, seconds: float | None) -> Done | None:
        """Returns the next result; None if there is none after so many seconds."""
        try:
            done = self._done.get(timeout=seconds)
        except queue.Empty:
            return None
        self.pending -= 1
        return done

    def withdraw(self) -> None:
        """Takes back the tasks that no thread has begun."""
        while True:
            try:
                self._tasks.get_nowait()
            except queue.Empty:
                return
            self.pending -= 1

    def close(self) -> None:
        """Ends the threads, each after its current step."""
        self.stop.set()
        self.withdraw()
        for _ in self._threads:
            # Each thread takes one None, which tells it to end.
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                done = Done(task, task.compute())
            # A thread that died of an error would leave the pool waiting for its result.
            except Exception as error:
                done = Done(task, error=error)
            self._done.put(done)
