"""Simulates many workers on one folder: the real queue, with a sleep instead of the training.

    python scripts/bench/many_workers.py [--workers 200] [--runs 4000] [--seconds 4] [--hosts 8]

Each worker is a process. It takes runs from the queue of `seqsweep work`, locks them, sleeps for as
long as they would train, writes their records and releases the locks. The costs of the runs differ
by a factor of thirty, and all workers start at the same moment. The program counts what the workers
ask of the file system, and how long their cores wait for work.
"""

import argparse
import contextlib
import json
import math
import os
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from seqsweep.runs.lock import Locked, RunLock
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweep_lock import running_sweeps, sweep_lock
from seqsweep.sweeping.queue import Queue, QueuedRun

CONFIG = {"seed": 0}
RESULT = {"config": CONFIG, "metrics": {"val/acc": 0.5}, "confusion": {"val": [[30] * 10] * 10}}


class Counted:
    """Counts the calls of this process that ask something of the file system."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        sys.addaudithook(self._hear)
        os.stat, os.lstat = self._counting(os.stat), self._counting(os.lstat)

    def _hear(self, event: str, _: tuple[Any, ...]) -> None:
        if event in ("open", "os.listdir", "os.scandir", "fcntl.fcntl", "fcntl.lockf"):
            self.counts[event] += 1

    def _counting(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.counts["stat"] += 1
            return call(*arguments, **options)

        return counted


class Worker:
    """One simulated worker."""

    def __init__(self, folder: Path, runs: Sequence[QueuedRun], threads: int) -> None:
        self.folder = folder
        self.threads = threads
        self.counted = Counted()
        self.trained = self.taken = self.locked = 0
        self.busy = self.looking = self.looking_cpu = 0.0
        self.last = time.monotonic()
        self.queue = Queue(runs, folder, threads, is_shared=True)
        self.take, self.queue.take = self.queue.take, self._take

    def run(self) -> dict[str, Any]:
        """Trains until nothing is left; returns the counts."""
        with sweep_lock(self.folder):
            self.queue.train(self._train, idle=60.0)
        return {
            "trained": self.trained, "taken": self.taken, "locked": self.locked,
            "busy": self.busy, "looking": self.looking, "looking_cpu": self.looking_cpu,
            "last": self.last, "looks": self.looks, **self.counted.counts,
        }  # fmt: skip

    looks = 0

    def _take(self) -> list[QueuedRun]:
        began, cpu = time.monotonic(), time.process_time()
        taken = self.take()
        self.looking += time.monotonic() - began
        self.looking_cpu += time.process_time() - cpu
        self.looks += 1
        return taken

    def _train(self, runs: Sequence[QueuedRun]) -> Collection[str]:
        """Locks runs as the training does, and writes their records one after another."""
        locked: set[str] = set()
        mine: list[QueuedRun] = []
        self.taken += len(runs)
        with contextlib.ExitStack() as contexts:
            for run in runs:
                try:
                    contexts.enter_context(RunLock(run.folder.path))
                except Locked:
                    locked.add(run.run_id)
                    continue
                if not run.is_done():
                    mine.append(run)
            for run in mine:
                run.folder.start(CONFIG, {}, sync=False)
            self._sleep_and_record(mine)
        self.locked += len(locked)
        return locked

    def _sleep_and_record(self, runs: Sequence[QueuedRun]) -> None:
        ends = [0.0] * self.threads
        events: list[tuple[float, QueuedRun]] = []
        for run in runs:  # each thread takes the next run when it is free, as in a pool
            thread = ends.index(min(ends))
            ends[thread] += run.seconds
            events.append((ends[thread], run))
        began = time.monotonic()
        for end, run in sorted(events, key=lambda event: event[0]):
            time.sleep(max(0.0, began + end - time.monotonic()))
            run.folder.finish(RESULT | {"run_id": run.run_id}, synced=True)
            self.trained += 1
            self.busy += run.seconds
            self.last = time.monotonic()


def planned(folder: Path, runs: int, seconds: float) -> list[QueuedRun]:
    """Returns runs whose costs are spread evenly on a logarithmic scale."""
    draw = random.Random(0)
    costs = [math.exp(draw.uniform(0.0, math.log(30.0))) for _ in range(runs)]
    scale = seconds * runs / sum(costs)
    names = [f"{draw.getrandbits(64):016x}" for _ in range(runs)]
    return [
        QueuedRun(RunFolder(folder / name), cost * scale)
        for name, cost in zip(names, costs, strict=True)
    ]


def start(folder: Path, runs: Sequence[QueuedRun], threads: int, host: str, began: float) -> int:
    """Forks a worker, which writes its counts into a file; returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        socket.gethostname = lambda: host
        worker = Worker(folder, runs, threads)
        time.sleep(max(0.0, began - time.monotonic()))
        counts = worker.run()
        (folder.parent / f"{os.getpid()}.json").write_text(json.dumps(counts))
    finally:
        os._exit(0)


def report(counts: Sequence[dict[str, float]], options: argparse.Namespace, began: float) -> None:
    total = Counter[str]()
    for each in counts:
        total.update(each)
    runs = total["trained"]
    lasts = [each["last"] - began for each in counts if each["trained"]]
    busy = total["busy"] / (options.workers * options.threads * max(lasts))
    print(
        f"{len(counts)} workers on {options.hosts} hosts trained {runs:.0f} runs of {options.runs}"
    )
    print(f"  all workers         {max(lasts):8.1f} s; the cores were busy for {busy:.0%} of it")
    print(
        f"  first worker idle   {min(lasts):8.1f} s, last one later by {max(lasts) - min(lasts):.1f}"
    )
    print(f"  looks at the folder {total['looks'] / len(counts):8.1f} a worker")
    print(f"  looking             {total['looking'] / len(counts):8.2f} s a worker (wall)")
    print(f"                      {total['looking_cpu'] / len(counts):8.2f} s a worker (CPU)")
    print(
        f"  locks failed        {total['locked'] / runs:8.2f} a run, of {total['taken'] / runs:.2f} tried"
    )
    for name in ("stat", "open", "os.listdir", "os.scandir", "fcntl.fcntl"):
        print(f"  {name:<20}{total[name] / runs:8.1f} a run")


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulates many workers on one folder.")
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=4000)
    parser.add_argument("--seconds", type=float, default=4.0, help="the mean of a run")
    parser.add_argument("--hosts", type=int, default=1, help="hosts that the workers claim")
    parser.add_argument("--done", type=int, default=0, help="further folders of finished runs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "sweep"
        folder.mkdir()
        for number in range(options.done):
            (folder / f"done-{number:06}").mkdir()
        runs = planned(folder, options.runs, options.seconds)
        began = time.monotonic() + 5.0
        pids = [
            start(folder, runs, options.threads, f"host{number % options.hosts}", began)
            for number in range(options.workers)
        ]
        for pid in pids:
            os.waitpid(pid, 0)
        counts = [json.loads(path.read_text()) for path in folder.parent.glob("*.json")]
        assert not running_sweeps(folder)
    report(counts, options, began)


if __name__ == "__main__":
    main()
