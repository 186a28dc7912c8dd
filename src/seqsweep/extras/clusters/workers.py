"""Starts workers on a cluster once, and waits for their runs. Imports no torch.

A worker is the command `seqsweep work FOLDER`. The folder lists the runs to train, and the
cluster's scheduler starts, places and restarts the workers. Workers are not counted: the folder is
a queue with locks, so surplus workers find nothing to do and end.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from seqsweep.config.schema import check_range
from seqsweep.console import place, say
from seqsweep.runs.files import check_no_link, read_json, write_json
from seqsweep.runs.lock import RunLock, is_locked
from seqsweep.sweeping.launchers import RunLauncher
from seqsweep.sweeping.planned_sweep import STARTED
from seqsweep.sweeping.processes import worker_command
from seqsweep.sweeping.queue import SweepMember
from seqsweep.text import count
from seqsweep.training.limits import Judge
from seqsweep.training.outcome import STOP_FILE

_STARTING = ".starting"
"""The name of the lock that a command holds while it starts workers."""


class Cluster(Protocol):
    """A cluster that starts workers."""

    options: Sequence[str]  # the options of `seqsweep work`, for each worker
    logs: Path  # the folder of the workers' output, inside the sweep's folder

    def start(self, folder: Path, count: int, command: Sequence[str]) -> str:
        """Starts workers on a folder; returns a name such as `Slurm job 17`.

        Raises:
            ValueError, OSError: the cluster refuses the workers, or cannot be reached.
        """
        ...


@dataclass
class Workers(RunLauncher):
    """The workers that a sweep's first command starts and later commands watch.

    Args:
        cluster: starts the workers.
        count: the number of workers to start, but at most one for each run that is left.
        detach: whether the command ends once the workers are started.
        anew: whether to start workers even if an earlier command has started workers.
        pause: the time between two looks at the runs, in seconds.

    Raises:
        ValueError: `count` is below 1 or above 100,000.
    """

    cluster: Cluster
    count: int = 1
    detach: bool = False
    anew: bool = False
    pause: float = 2.0
    has_workers = True
    _has_begun: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        check_range("hydra.launcher.count", self.count, 1, 100_000)

    def begin(self, runs: Sequence[SweepMember], folder: Path) -> None:
        """Starts the workers unless another command has; prints what happened.

        Raises:
            ValueError, OSError: the cluster refuses the workers, or cannot be reached.
        """
        left = 0 if self._has_begun else sum(not run.is_over() for run in runs)
        if not left:
            return
        self._has_begun = True
        # With the lock, a second command finds the file STARTED that the first command has written.
        with RunLock(folder, _STARTING, waits=True):
            before: list[str] = read_json(folder / STARTED) or []
            if before and not self.anew:
                say(f"workers were started before ({', '.join(before)}); --start starts new ones")
                return
            check_no_link(folder / self.cluster.logs.parent, self.cluster.logs.name)
            number = min(self.count, left)
            command = worker_command(runs, folder, self.cluster.options)
            name = self.cluster.start(folder, number, command)
            write_json(folder / STARTED, [*before, name])
        say(f"{name}: {count(number, 'worker')}, logs in {place(folder / self.cluster.logs)}")
        say("if all of them end early, the same command with --start starts new ones")

    def train_all(
        self, runs: Sequence[SweepMember], folder: Path, judge: Judge | None, idle: float
    ) -> None:
        self.wait(runs, folder)

    def wait(self, runs: Sequence[SweepMember], folder: Path, until_one_ends: bool = False) -> None:
        """Calls `begin`, then waits for all runs, or until one ends, unless `detach` is set."""
        self.begin(runs, folder)
        left = list(runs)
        while not self.detach:
            left = [run for run in left if not run.is_over()]
            if not left or (until_one_ends and len(left) < len(runs)):
                return
            is_stopped = (folder / STOP_FILE).exists()
            if is_stopped and not any(is_locked(run.folder.path) for run in left):
                # All workers end at the stop file, so the next command must start new workers.
                (folder / STARTED).unlink(missing_ok=True)
                return
            time.sleep(self.pause)
