"""Simulates many workers on one folder, with the queue of `seqsweep work`.

    python scripts/bench/many_workers.py [--workers 200] [--runs 20000] [--seconds 60] [--call 1]

Each worker is a thread that looks for runs, locks them, trains and records them. Only the training
is not real, and neither is the clock: a thread that would wait hands on to the one that is the next
to wake. So the figures are those of as many machines as there are workers, and do not depend on
this one. Each question to the file system takes as long as on a network. The costs of the runs
differ by a factor of thirty, and all workers start within a second.
"""

import argparse
import contextlib
import heapq
import itertools
import math
import random
import tempfile
import threading
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from seqsweep.runs.lock import Locked, RunLock, taken
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping import queue
from seqsweep.sweeping.queue import AT_ONCE, Queue, SweepMember

FIRST_PLAN = 4.0
"""The seconds in which a worker imports torch, between its first look and its first lock."""
PLAN = 0.002
"""The seconds in which a worker plans a run that it has taken."""

CONFIG = {"trainer": {"max_epochs": 1}, "sweep": {"on_error": "continue"}, "rerun": False}
"""The part of a run's config that a queue reads."""

counts: Counter[str] = Counter()
"""The number of the workers' questions to the file system, by kind."""

done: set[str] = set()
"""The run_ids of the runs that have a record."""


class Clock:
    """The simulated time. One thread runs at any moment; `sleep` wakes the next one."""

    def __init__(self) -> None:
        self.now = 0.0
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int, threading.Event]] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        woken = self.enter(seconds)
        self.wake_next()
        woken.wait()

    def enter(self, seconds: float) -> threading.Event:
        """Returns the event that is set when the time has come."""
        event = threading.Event()
        heapq.heappush(self._waiting, (self.now + seconds, next(self._numbers), event))
        return event

    def wake_next(self) -> None:
        if self._waiting:
            self.now, _, event = heapq.heappop(self._waiting)
            event.set()


class Worker(threading.Thread):
    """One simulated worker."""

    def __init__(
        self, number: int, clock: Clock, runs: Sequence[SweepMember], options: argparse.Namespace
    ) -> None:
        super().__init__(name=f".running-host{number}-1")
        self.clock = clock
        self.runs = runs
        self.folder = runs[0].folder.path.parent
        self.options = options
        self.looks = self.tried = self.locked = 0
        self.busy = self.looking = self.last = 0.0
        self.planning = FIRST_PLAN
        self.woken = clock.enter(number / options.workers)

    def run(self) -> None:
        self.woken.wait()
        with RunLock(self.folder, self.name):
            left = Queue(self.runs, self.folder, AT_ONCE)
            while taken := self._take(left):
                locked = self._train(taken)
                left.settle(taken, {run_id: Locked() for run_id in locked})
        self.clock.wake_next()

    def _take(self, left: Queue) -> list[SweepMember]:
        before = counts.total()
        taken = left.take(idle=600.0)
        seconds = (counts.total() - before) * self.options.call / 1e3
        self.looks += 1
        self.looking += seconds
        self.clock.sleep(seconds)
        return taken

    def _train(self, runs: Sequence[SweepMember]) -> Collection[str]:
        """Locks, trains and records runs one after another, as the threads of a pool do."""
        self.clock.sleep(self.planning + PLAN * len(runs))
        self.planning = 0.0
        locked: set[str] = set()
        training: list[tuple[float, str]] = []
        with contextlib.ExitStack() as contexts:
            # The longest first, and after the last one the threads end.
            for run in [
                *sorted(runs, key=lambda run: -run.seconds),
                *[None] * self.options.threads,
            ]:
                while training and (run is None or len(training) == self.options.threads):
                    self._record(*heapq.heappop(training))
                    if run is None:
                        break
                if run is not None and self._lock(run, contexts, locked):
                    self.busy += run.seconds
                    heapq.heappush(training, (self.clock.now + run.seconds, run.run_id))
        self.locked += len(locked)
        return locked

    def _lock(self, run: SweepMember, contexts: contextlib.ExitStack, locked: set[str]) -> bool:
        self.tried += 1
        self.clock.sleep(self.options.call / 1e3)
        try:
            contexts.enter_context(RunLock(run.folder.path))
        except Locked:
            locked.add(run.run_id)
            return False
        return not run.is_done()

    def _record(self, end: float, run_id: str) -> None:
        self.clock.sleep(end - self.clock.now)
        done.add(run_id)
        self.last = self.clock.now


def count_questions(clock: Clock) -> None:
    """Makes the queue use the simulated clock, and counts its questions to the file system.

    The answers come from memory: they are those that the files would give.
    """
    locks = taken

    def record(self: RunFolder) -> dict[str, Any] | None:
        is_done = self.run_id in done
        counts["record.json is read" if is_done else "record.json is missing"] += 1
        return {"status": "complete"} if is_done else None

    def failures(self: RunFolder) -> int:
        counts["failure.json is looked for"] += 1
        return 0

    def looks_locked(run: Path, name: str = "lock") -> bool:
        counts["the lock of a run is asked"] += 1
        return f"{run}/{name}" in locks

    RunFolder.record, RunFolder.attempts = record, failures
    queue.is_locked = looks_locked
    queue.time = clock
    # The queue of a worker orders its runs by this name.
    queue.sweep_lock_name = lambda: threading.current_thread().name


def plan(folder: Path, runs: int, seconds: float) -> list[SweepMember]:
    """Returns runs whose costs are spread evenly on a logarithmic scale."""
    draw = random.Random(0)
    costs = [math.exp(draw.uniform(0.0, math.log(30.0))) for _ in range(runs)]
    names = [f"{draw.getrandbits(64):016x}" for _ in range(runs)]
    scale = seconds * runs / sum(costs)
    return [
        SweepMember(
            config=CONFIG,
            run_id=name,
            data_fingerprint=None,
            folder=RunFolder(folder / name),
            epoch_seconds=cost * scale,
        )
        for name, cost in zip(names, costs, strict=True)
    ]


def report(workers: Sequence[Worker], runs: int) -> None:
    lasts = [worker.last for worker in workers]
    threads = workers[0].options.threads
    busy = sum(worker.busy for worker in workers) / (len(workers) * threads * max(lasts))
    tried, locked = (sum(getattr(w, name) for w in workers) for name in ("tried", "locked"))
    looking = [worker.looking for worker in workers]
    looks = sum(worker.looks for worker in workers) / len(workers)
    late = max(lasts) - min(lasts)
    print(f"{len(workers)} workers of {threads} threads trained {runs} runs in {max(lasts):.0f} s")
    print(f"the threads trained for {busy:.1%} of the time of all workers")
    print(f"the first worker without work had to wait {late:.0f} s for the last one")
    print(f"{looks:.0f} looks a worker, in all {sum(looking) / len(looking):.1f} s a worker")
    print(f"{locked / runs:.3f} locks a run were taken by another worker, of {tried / runs:.3f}")
    for name, number in sorted(counts.items()):
        print(f"{number / runs:8.2f} times a run {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulates many workers on one folder.")
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="the mean time of a run")
    parser.add_argument("--call", type=float, default=1.0, help="milliseconds of a question")
    parser.add_argument("--within", type=Path, help="where the folder is written")
    options = parser.parse_args()
    clock = Clock()
    with tempfile.TemporaryDirectory(dir=options.within) as temporary:
        runs = plan(Path(temporary).resolve(), options.runs, options.seconds)
        count_questions(clock)
        workers = [Worker(number, clock, runs, options) for number in range(options.workers)]
        for worker in workers:
            worker.start()
        clock.wake_next()
        for worker in workers:
            worker.join()
    report(workers, options.runs)


if __name__ == "__main__":
    main()
