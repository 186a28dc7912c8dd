"""Finds the processes that train a sweep, on any host, by their locks.

A process that trains a sweep holds a lock in the sweep's folder, and a lock in the folder of each
run that it trains. It touches these locks every few seconds, which is called a beat. Host and
process number are in the name of the sweep's lock, and in the text of a run's lock.
"""

import contextlib
import os
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from seqsweep.live.run_state import RunProgress
from seqsweep.runs.eventfiles import writer_of
from seqsweep.runs.files import stat_of
from seqsweep.runs.lock_files import BEAT_SECONDS, STALE_SECONDS, host_name, look, time_in
from seqsweep.runs.sweepfile import NAME, Process, lock_names

_ABSENT = 3.0
"""Seconds without any lock after which a worker counts as ended. Between runs it may lack one."""


class Rate:
    """The number of epochs per second during the last minute."""

    def __init__(self) -> None:
        self._samples = deque[tuple[float, int]](maxlen=60)
        self._last = (0.0, 0)

    def sample(self, now: float, epochs: int) -> None:
        """Records the number of epochs so far, at a time in seconds."""
        self._last = now, epochs
        if not self._samples or now - self._samples[-1][0] >= 1:
            self._samples.append(self._last)

    def per_second(self) -> float | None:
        """Returns the rate; None before three seconds have passed."""
        (now, epochs), (begun, before) = self._last, [*self._samples, self._last][0]
        return (epochs - before) / (now - begun) if now - begun >= 3 else None


@dataclass
class Worker:
    """A process that trains runs of the sweep.

    Attributes:
        host: the worker's host, spelled as in file names.
        running: the number of runs that the worker trains now.
        done: the number of runs that the worker has trained to their end.
        epochs: the number of epochs that the worker has trained since the first look.
        lock: the name of the worker's lock in the sweep's folder; empty without a lock.
        state: `silent` if beats are missing for an unknown reason, `frozen` if the process is known
            to exist, `dead` if it is known to have ended.
        silence: the seconds since the worker's last beat.
        touched: when the worker last touched a lock, by the clock of the folder.
        heard: when a look last found a beat of the worker, by the clock of this process.
        seen: when a look last found a lock of the worker, by the clock of this process.
    """

    host: str
    pid: int
    running: int = 0
    done: int = 0
    epochs: int = 0
    lock: str = ""
    state: Literal["alive", "frozen", "dead", "silent"] = "alive"
    silence: float = 0.0
    touched: float = 0.0
    heard: float = 0.0
    seen: float = 0.0
    rate: Rate = field(default_factory=Rate)

    def see(self, touched: float, now: float) -> None:
        """Records a lock of the worker, and when the worker touched it."""
        self.seen = now
        if touched > self.touched:
            self.touched, self.heard = touched, now

    def judge(self, folder: Path, now: float) -> None:
        """Updates `state` and `silence`; `folder` is the sweep's folder."""
        self.silence = max(now - self.heard, 0.0)
        is_late = self.silence > STALE_SECONDS
        is_here = self.host == host_name()
        # The file of this process's lock must not be opened: closing it would release the lock.
        is_this = is_here and self.pid == os.getpid()
        self.state = "silent" if is_late and not is_this else "alive"
        # For a process of this host, the POSIX lock shows at once whether the process has ended.
        if self.lock and is_here and not is_this and self.silence > 2 * BEAT_SECONDS:
            with contextlib.suppress(OSError):
                found = look(f"{folder}/{self.lock}")
                is_dead = found.life == "dead" and not found.is_posix_held
                self.state = "dead" if is_dead else "frozen" if is_late else "alive"


class Workers:
    """The processes that trained in a folder at the last `look`.

    Attributes:
        present: the workers that hold a lock or held one lately, alive or not.
        is_shown: whether several processes, or a process on another host, have trained here.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rate = Rate()
        self.present: list[Worker] = []
        self.is_shown = False
        stat = stat_of(f"{folder}/{NAME}")
        # Older locks were left by processes that were killed before the sweep was started.
        self._since = 0.0 if stat is None else stat.st_mtime
        self._workers: dict[Process, Worker] = {}
        self._epochs = 0
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
            worker.rate.sample(now, worker.epochs)
        self.rate.sample(now, self._epochs)
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
        """Adds a run and its new epochs to its worker."""
        worker = self.trainer(run)
        is_done = run.record is not None and not run.skipped
        self._epochs += run.new_epochs
        if worker is None:
            self._unknown += [run] if is_done else []
            return
        worker.epochs += run.new_epochs
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
