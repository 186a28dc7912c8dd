"""The queue of a sweep's members that are left to train. Imports no torch."""

import math
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from seqsweep.errors import RunLocked
from seqsweep.runs.files import check_no_link
from seqsweep.runs.lock import is_locked
from seqsweep.runs.metrics_csv import has_finished, read_rows
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import sweep_lock_name
from seqsweep.training.outcome import STOP_FILE, finished, is_final
from seqsweep.training.planned_run import PlannedRun

AT_ONCE = 64
"""The most runs that a worker plans at once. The worker locks a run only when it trains the run."""

_STEP = 1.5
"""Costs within this factor are similar. Each worker takes runs of similar cost in its own order."""


@dataclass(frozen=True, kw_only=True)
class SweepMember(PlannedRun):
    """A planned run of a sweep, with its folder, label and counts.

    A worker reads its members from sweep.json, which knows nothing about their data. It plans each
    run before it trains the run.

    Attributes:
        overrides: the Hydra overrides of the config; empty in a worker.
        label: the values in which this member differs from other members; empty in a worker.
        epoch_seconds: the estimated time of an epoch on one thread; 0 if it is unknown.
        failures_before: the number of failed attempts before this sweep, which do not count.
        record_before: `time_of_record` before this sweep. With `rerun` only a later record counts.
    """

    folder: RunFolder
    overrides: Sequence[str] = ()
    label: str = ""
    epoch_seconds: float = 0.0
    failures_before: int = 0
    record_before: int | None = None

    @classmethod
    def of(cls, run: PlannedRun, folder: RunFolder, **more: Any) -> Self:
        """Returns a planned run as a member."""
        known = {field.name: getattr(run, field.name) for field in fields(PlannedRun)}
        counted = {"failures_before": folder.attempts(), "record_before": time_of_record(folder)}
        member = cls(**known, **counted, folder=folder, **more)
        vars(member)["flat"] = run.flat  # keeps a cached value that takes long for many runs
        return member

    @property
    def seconds(self) -> float:
        """The estimated seconds of the run on one thread; 0 if unknown."""
        return self.epoch_seconds * self.config["trainer"].get("max_epochs", 0)

    @property
    def tries(self) -> int:
        """The number of failed attempts after which the run is given up."""
        sweep = self.config["sweep"]
        # Only `on_error=retry` reads the number of retries.
        return 1 + (sweep["retries"] if sweep["on_error"] == "retry" else 0)

    def was_done(self) -> bool:
        """Returns whether the run is done already; never true with `rerun`.

        Raises:
            OSError: the run is not done, and its folder or `checkpoints` is a symbolic link.
        """
        is_done = finished(self, self.folder.path.parent) is not None
        if not is_done:
            check_no_link(self.folder.path)
        return is_done

    def is_done(self) -> bool:
        """Returns whether the run is done (with `rerun`: again), or paused by a search."""
        if self.config["rerun"]:
            return time_of_record(self.folder) != self.record_before
        record = self.folder.record()
        if record is not None:
            return is_final(record.status, self.limits)
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
        return self.config["sweep"]["on_error"] == "stop" and self.failures() > 0


def time_of_record(folder: RunFolder) -> int | None:
    """Returns when a run's record was written, in ns; None without a record."""
    path = folder.path / "record.json"
    return path.stat().st_mtime_ns if path.is_file() else None


class Queue:
    """The runs of a sweep that are left to train.

    Each process that trains in a folder has its own queue. The folder decides: a run with a record
    is done, and a locked run is trained by another process.

    Args:
        most: the most runs that `take` returns. Workers give a number: they plan few runs at a
            time, the longest first. Each worker takes runs of similar cost in a different order.
        pause: the shortest pause between two looks at the runs' folders, in seconds.
    """

    def __init__(
        self, runs: Sequence[SweepMember], folder: Path, most: int | None = None, pause: float = 0.2
    ) -> None:
        self.folder, self.most, self.pause = folder, most, pause
        if most is not None:
            # With different orders, workers seldom try the same run, and they end together.
            beginning = zlib.crc32(sweep_lock_name().encode())

            def order(run: SweepMember) -> tuple[int, int]:
                # Similar costs give equal numbers here.
                cost = round(math.log(run.seconds, _STEP)) if run.seconds > 0 else 0
                return -cost, zlib.crc32(run.run_id.encode(), beginning)

            runs = sorted(runs, key=order)
        self._open = {run.run_id: run for run in runs}
        self._silent: Counter[str] = Counter()  # the launches of each run that left no files
        self._is_stopped = False

    def take(
        self, idle: float = float("inf"), is_outdated: Callable[[], bool] = lambda: False
    ) -> list[SweepMember]:
        """Returns the free runs to train next; takes no lock.

        If no run is free, the call waits while other processes train the rest. The list is empty if
        there is nothing to do here any more, or if the wait was given up.

        Args:
            idle: the longest wait, in seconds.
            is_outdated: returns whether new runs may exist, so that waiting makes no sense.
        """
        pause, waited = self.pause, 0.0
        while not (free := self._free()):
            if not self._open or self._is_stopped or waited >= idle or is_outdated():
                return []
            time.sleep(pause)
            waited += pause
            pause = min(1.2 * pause, 5.0)
        return free

    def settle(self, taken: Sequence[SweepMember], outcomes: Mapping[str, object]) -> None:
        """Records which runs were trained, so that no run is taken forever.

        Args:
            taken: the runs that `take` has returned.
            outcomes: the outcome or error of each run by run_id, as far as they are known.
        """
        locked = {name for name, outcome in outcomes.items() if isinstance(outcome, RunLocked)}
        ended = [run for run in taken if run.run_id not in locked and self._is_over(run)]
        for run in ended:  # these runs are not checked again
            self._open.pop(run.run_id, None)
        if ended:  # the training makes progress, so the other runs are tried again
            self._silent.clear()
            return
        # If a launch leaves no files (its worker was killed), it must not be repeated for ever.
        failed = {run.run_id for run in taken if run.failures() > 0}
        self._silent.update({run.run_id for run in taken} - locked - failed)

    def _free(self) -> list[SweepMember]:
        """Returns the free runs. Runs that are over leave the queue."""
        if (self.folder / STOP_FILE).exists():
            self._is_stopped = True
        free: list[SweepMember] = []
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

    def _is_over(self, run: SweepMember) -> bool:
        """Returns whether a run is over; its failure may stop the sweep."""
        # The queue then returns no more runs, but runs that already train are completed.
        if run.ends_sweep():
            self._is_stopped = True
        return run.is_over()
