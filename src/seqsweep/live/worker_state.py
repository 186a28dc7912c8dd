"""Finds the processes that train a sweep, on any host, by their locks.

A process that trains a sweep holds a lock in the sweep's folder, and a lock in the folder of each
run that it trains. It touches these locks every few seconds, which is called a beat. Host and
process number are in the name of the sweep's lock, and in the text of a run's lock.
"""

import contextlib
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqsweep.live.run_state import RunProgress
from seqsweep.runs.eventfiles import writer_of
from seqsweep.runs.files import stat_of
from seqsweep.runs.lock_files import BEAT_SECONDS, STALE_SECONDS, host_name, look, time_in
from seqsweep.runs.sweepfile import NAME, Process, lock_names

_ABSENT = 3.0
"""Seconds without any lock after which a worker counts as ended. Between runs it may lack one."""


@dataclass
class Worker:
    """A process that trains runs of the sweep.

    Attributes:
        host: the worker's host, spelled as in file names.
        running: the number of runs that the worker trains now.
        done: the number of runs that the worker has trained to their end.
        lock: the name of the worker's lock in the sweep's folder; empty without a lock.
        is_silent: whether beats are missing for a minute, or the process is known to have ended.
        silence: the seconds since the worker's last beat.
        touched: when the worker last touched a lock, by the clock of the folder.
        heard: when a look last found a beat of the worker, by the clock of this process.
        seen: when a look last found a lock of the worker, by the clock of this process.
    """

    host: str
    pid: int
    running: int = 0
    done: int = 0
    lock: str = ""
    is_silent: bool = False
    silence: float = 0.0
    touched: float = 0.0
    heard: float = 0.0
    seen: float = 0.0

    def see(self, touched: float, now: float) -> None:
        """Records a lock of the worker, and when the worker touched it."""
        self.seen = now
        if touched > self.touched:
            self.touched, self.heard = touched, now

    def judge(self, folder: Path, now: float) -> None:
        """Updates `is_silent` and `silence`; `folder` is the sweep's folder."""
        self.silence = max(now - self.heard, 0.0)
        is_here = self.host == host_name()
        # The file of this process's lock must not be opened: closing it would release the lock.
        is_this = is_here and self.pid == os.getpid()
        self.is_silent = self.silence > STALE_SECONDS and not is_this
        # For a process of this host, the POSIX lock shows at once whether the process has ended.
        if self.lock and is_here and not is_this and self.silence > 2 * BEAT_SECONDS:
            with contextlib.suppress(OSError):
                found = look(f"{folder}/{self.lock}")
                self.is_silent |= found.life == "dead" and not found.is_posix_held


class Workers:
    """The processes that trained in a folder at the last `look`.

    Attributes:
        present: the workers that hold a lock or held one lately, alive or not.
        is_shown: whether several processes, or a process on another host, have trained here.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.present: list[Worker] = []
        self.is_shown = False
        stat = stat_of(f"{folder}/{NAME}")
        # Older locks were left by processes that were killed before the sweep was started.
        self._since = 0.0 if stat is None else stat.st_mtime
        self._workers: dict[Process, Worker] = {}
        self._unknown: list[RunProgress] = []

    def look(
        self, names: Collection[str], runs: Sequence[RunProgress], now: float, is_first: bool
    ) -> None:
        """Reads the locks, and the states of the runs.

        Args:
            names: the names of all files in the sweep's folder.
            runs: the runs that have a folder and were not done before this look.
        """
        for worker in self._workers.values():
            worker.running, worker.lock = 0, ""
        for name, process in lock_names(names).items():
            stat = stat_of(f"{self.folder}/{name}")
            if stat is not None and (process in self._workers or stat.st_mtime >= self._since):
                worker = self._worker(process)
                worker.lock = name
                worker.see(stat.st_mtime, now)
        for run in runs:
            self._see_run(run, now)
        self.present = [w for w in self._workers.values() if now - w.seen < _ABSENT]
        if is_first and self.present:
            # The first look must find how old the last beat is. Later looks only compare the time
            # of the file with its time at the look before, so no other machine's clock matters.
            folder_now = time_in(self.folder)
            for worker in self.present:
                worker.heard = now - max(folder_now - worker.touched, 0.0)
        for worker in self.present:
            worker.judge(self.folder, now)
        is_elsewhere = any(worker.host != host_name() for worker in self.present)
        self.is_shown |= len(self.present) > 1 or is_elsewhere
        if self.is_shown:
            self._attribute_by_event_files()

    def trainer(self, run: RunProgress) -> Worker | None:
        """Returns the last worker of a run, if known."""
        return None if run.trainer is None else self._worker(run.trainer)

    def _worker(self, process: Process) -> Worker:
        return self._workers.setdefault(process, Worker(*process))

    def _see_run(self, run: RunProgress, now: float) -> None:
        """Counts a run for its worker."""
        worker = self.trainer(run)
        is_done = run.record is not None and not run.skipped
        if worker is None:
            self._unknown += [run] if is_done else []
            return
        worker.done += is_done
        if run.state == "running" and run.lock is not None:
            worker.running += 1
            worker.see(run.lock.st_mtime, now)

    def _attribute_by_event_files(self) -> None:
        """Finds the workers of done runs from event files.

        No look finds the lock of a run that ended before the first look or between two looks.
        """
        unknown, self._unknown = self._unknown, []
        for run in unknown:
            process = writer_of(run.folder)
            if process in self._workers:
                self._workers[process].done += 1
                run.trainer = process
