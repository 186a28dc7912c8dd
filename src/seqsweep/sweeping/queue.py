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
from seqsweep.runs.sweep_lock import sweep_lock_name
from seqsweep.training.limits import Limits
from seqsweep.training.outcome import STOP_FILE, is_final

STARTED = ".workers.json"
"""The file with the names of the workers on a cluster. A worker that finds no run removes it."""

AT_ONCE = 64
"""The most runs that a worker plans at once. It locks each of them when its turn comes."""

_PAUSES = (0.2, 5.0)
"""The shortest and the longest pause between two looks, in seconds."""

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
        most: the most runs to hand out at once. Workers give a number: they plan few runs at a
            time, the longest first, and runs of similar cost in different orders.
    """

    def __init__(self, runs: Sequence[QueuedRun], folder: Path, most: int | None = None) -> None:
        self.folder = folder
        self.most = most
        if most is not None:
            own = sweep_lock_name().encode()
            # Workers that start at the same time seldom meet, and end together.
            order = {run: zlib.crc32(run.run_id.encode(), zlib.crc32(own)) for run in runs}
            runs = sorted(runs, key=lambda run: (-_magnitude(run.seconds), order[run]))
        self._open = {run.run_id: run for run in runs}
        self._silent: Counter[str] = Counter()
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
        free: list[QueuedRun] = []
        for run in tuple(self._open.values()):
            if self._is_stopped or len(free) == self.most:
                break
            if self._is_over(run):
                del self._open[run.run_id]
            elif self._silent[run.run_id] < 2 and not is_locked(run.folder.path):
                free.append(run)
        # Runs that ended silently twice are given up, unless another process trains them.
        if not free:
            self._open = {
                name: run
                for name, run in self._open.items()
                if self._silent[name] < 2 or is_locked(run.folder.path)
            }
        return [] if self._is_stopped else free

    def _train(self, taken: Sequence[QueuedRun], train: Train) -> None:
        locked = train(taken)
        ended = [run for run in taken if run.run_id not in locked and self._is_over(run)]
        for run in ended:  # not asked again
            self._open.pop(run.run_id, None)
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


def _magnitude(seconds: float) -> int:
    """Returns a number that is equal for similar costs, and larger for larger ones."""
    return round(math.log(seconds, _STEP)) if seconds > 0 else 0
