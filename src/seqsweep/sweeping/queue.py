"""The runs of a sweep that are left to train.

Processes that train in one folder share them. Imports no torch.
"""

import math
import time
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqsweep.runs.lock import is_locked
from seqsweep.runs.metrics_csv import has_finished, read_rows
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweep_lock import running_sweeps, sweep_lock_name
from seqsweep.training.limits import Limits
from seqsweep.training.outcome import STOP_FILE, is_final

_FIRST_SECONDS = 10.0
"""The work that a worker takes first, in estimated seconds: it does not know its pace yet."""

_MOST_SECONDS = 60.0
"""The most work that a worker takes at once, so that workers that come later find some."""

_RUNS_OF_A_THREAD = 4
"""The most runs of unknown cost that a worker takes at once for each of its threads."""

_LOOKS = 200
"""The runs that a shared queue looks at before it hands out a share."""

_PAUSES = (0.2, 5.0)
"""The shortest and the longest pause between two looks, in seconds."""

_LOCKED_SECONDS = 60.0
"""The time in which a worker does not ask again about a locked run, unless it has nothing to do."""

_STEP = 1.5
"""The factor within which the costs of runs are similar. Workers take such runs in any order."""


@dataclass(frozen=True)
class QueuedRun:
    """A run to train, and how often it may be tried.

    Attributes:
        folder: the folder of the run.
        seconds: the estimated time on one thread; 0 if it is unknown.
        tries: how many attempts may fail.
        stops: whether a failure ends the sweep.
        failures_before: the failed attempts of earlier sweeps, which do not count.
        reruns: whether a finished run is trained again.
        record_before: the time of the record before the sweep, which does not count with `reruns`.
        limits: where a search ends or pauses the run; None if it trains to its last epoch.
        config: its config, from which a launcher takes the targets that its workers may build.
    """

    folder: RunFolder
    seconds: float = 0.0
    tries: int = 1
    stops: bool = False
    failures_before: int = 0
    reruns: bool = False
    record_before: int | None = None
    limits: Limits | None = None
    config: Mapping[str, Any] = field(default_factory=dict[str, Any], compare=False)

    @property
    def run_id(self) -> str:
        return self.folder.run_id

    def is_done(self) -> bool:
        """Returns whether the run is done or has paused; with `reruns`, since the sweep's start."""
        if self.reruns:
            return time_of_record(self.folder) != self.record_before
        record = self.folder.record()
        if record is not None:
            return is_final(record["status"], self.limits)
        until = None if self.limits is None else self.limits.until
        if until is None:
            return False
        return has_finished(read_rows(self.folder.path / "metrics.csv"), until)

    def failures(self) -> int:
        """Returns how often the run has failed in this sweep."""
        return self.folder.attempts() - self.failures_before

    def is_over(self) -> bool:
        """Returns whether the run is done or has failed too often."""
        return self.is_done() or self.failures() >= self.tries

    def ends_sweep(self) -> bool:
        """Returns whether the run has failed and its failure ends the sweep."""
        return self.stops and self.failures() > 0


def time_of_record(folder: RunFolder) -> int | None:
    """Returns when a run's record was written; None if it has no record."""
    path = folder.path / "record.json"
    return path.stat().st_mtime_ns if path.is_file() else None


Train = Callable[[Sequence[QueuedRun]], Collection[str]]
"""Trains runs; returns the run_ids of those that another process has locked meanwhile."""


class Queue:
    """The runs of a sweep that are neither done nor failed too often.

    Each process that trains in a folder has a queue of its own. The folder decides: a run with a
    record is done, and a locked run is trained by another process.

    Args:
        runs: the runs that the sweep asks for.
        folder: the sweep's folder.
        threads: the number of runs that this process trains side by side.
        is_shared: take only a share of the runs at once and leave the rest to other workers.
    """

    def __init__(
        self, runs: Sequence[QueuedRun], folder: Path, threads: int = 1, is_shared: bool = False
    ) -> None:
        self.folder = folder
        self.threads = threads
        self.is_shared = is_shared
        self._is_known = all(run.seconds for run in runs)
        own = sweep_lock_name().encode()
        # Long runs come first, so that many workers end together. Workers that start at the same
        # time take runs of similar cost in different orders, and so seldom meet.
        ordered = sorted(
            runs,
            key=lambda run: (
                -_magnitude(run.seconds),
                zlib.crc32(run.run_id.encode(), zlib.crc32(own)),
            ),
        )
        self._open = {run.run_id: run for run in (ordered if is_shared else runs)}
        self._silent: Counter[str] = Counter()
        self._locked_at: dict[str, float] = {}
        self._pace: float | None = None
        self._is_stopped = False

    def train(
        self,
        train: Train,
        idle: float = float("inf"),
        is_outdated: Callable[[], bool] = lambda: False,
    ) -> None:
        """Trains runs until none is left.

        Args:
            train: trains the runs that this process takes.
            idle: the longest time to wait, in seconds, while other processes train the rest.
            is_outdated: whether there may be other runs than these; asked before each wait.
        """
        pause, waited = _PAUSES[0], 0.0
        while True:
            taken = self.take()
            if taken:
                self._train(taken, train)
                pause, waited = _PAUSES[0], 0.0
            elif not self._open or self._is_stopped or waited >= idle or is_outdated():
                return
            else:
                time.sleep(pause)
                waited += pause
                pause = min(1.2 * pause, _PAUSES[1])

    def take(self) -> list[QueuedRun]:
        """Returns the free runs that this process should train next; takes no lock.

        Runs that are over leave the queue. It is empty if none is left, and without a free run if
        other processes train the rest.
        """
        if (self.folder / STOP_FILE).exists():
            self._is_stopped = True
        free, left = self._free()
        taken = self._share_of(free, left) if self.is_shared else free
        # Runs that ended silently twice are given up, unless another process trains them.
        if not taken:
            self._open = {
                name: run
                for name, run in self._open.items()
                if self._silent[name] < 2 or is_locked(run.folder.path)
            }
        return [] if self._is_stopped else taken

    def _free(self) -> tuple[list[QueuedRun], float]:
        """Returns the next free runs, and the work of all runs that seem free.

        A shared queue looks at as many runs as a share can need, and at a few hundred at least:
        towards the end of a sweep it then knows exactly what is left.
        """
        lately = self._lately_locked()
        unseen = sum(self._work(run) for run in self._open.values() if run.run_id not in lately)
        free: list[QueuedRun] = []
        work, most = 0.0, self._most()
        # Each question goes to the file system, and hundreds of workers may ask.
        runs = sorted(self._open.values(), key=lambda run: run.run_id in lately)
        for number, run in enumerate(runs):
            is_enough = number >= _LOOKS and work >= most and len(free) >= self.threads
            if (
                self._is_stopped
                or (free and run.run_id in lately)
                or (self.is_shared and is_enough)
            ):
                break
            if run.run_id not in lately:
                unseen -= self._work(run)
            if self._is_over(run):
                del self._open[run.run_id]
            elif is_locked(run.folder.path):
                self._locked_at[run.run_id] = time.monotonic()
            elif self._silent[run.run_id] < 2:
                free.append(run)
                work += self._work(run)
        return free, work + unseen

    def _share_of(self, free: Sequence[QueuedRun], left: float) -> list[QueuedRun]:
        """Returns the free runs that this worker should take at once.

        A share of all that is left becomes smaller towards the end, so that no worker trains for
        long after the others (guided self-scheduling, Polychronopoulos and Kuck 1987).
        """
        workers = max(1, len(running_sweeps(self.folder)))
        share = min(self._most(), left / (2 * workers))
        taken: list[QueuedRun] = []
        work = 0.0
        for run in free:
            if work >= share and len(taken) >= self.threads:
                break
            taken.append(run)
            work += self._work(run)
        return taken

    def _train(self, taken: Sequence[QueuedRun], train: Train) -> None:
        begun = time.monotonic()
        locked = train(taken)
        seconds = time.monotonic() - begun
        ended = [run for run in taken if run.run_id not in locked and self._is_over(run)]
        work = sum(self._work(run) for run in ended)
        for run in ended:  # not asked again, and no part of what is left to share
            self._open.pop(run.run_id, None)
        if work and len(ended) == len(taken):
            self._pace = seconds / work
        if ended:  # the training makes progress, so runs that wait for their turn keep it
            self._silent.clear()
            return
        # A launch that leaves nothing, as when a worker was killed, must not go on for ever.
        failed = {run.run_id for run in taken if run.failures() > 0}
        self._silent.update({run.run_id for run in taken} - set(locked) - failed)

    def _is_over(self, run: QueuedRun) -> bool:
        """Returns whether a run is over; one that has failed may stop the sweep."""
        # Runs that were training already when one failed are completed first.
        if run.ends_sweep():
            self._is_stopped = True
        return run.is_over()

    def _lately_locked(self) -> set[str]:
        """Returns the runs that are asked only if no other run is free.

        Other processes were training them a moment ago.
        """
        if not self.is_shared:
            return set()
        now = time.monotonic()
        return {name for name, when in self._locked_at.items() if now - when < _LOCKED_SECONDS}

    def _most(self) -> float:
        """Returns the most work to take at once, in the unit of `_work`."""
        if not self._is_known:
            return float(_RUNS_OF_A_THREAD * self.threads)
        if self._pace is None:
            return _FIRST_SECONDS * self.threads
        return _MOST_SECONDS / self._pace

    def _work(self, run: QueuedRun) -> float:
        return run.seconds if self._is_known else 1.0


def _magnitude(seconds: float) -> int:
    """Returns a number that is equal for similar costs, and larger for larger ones."""
    return round(math.log(seconds, _STEP)) if seconds > 0 else 0
