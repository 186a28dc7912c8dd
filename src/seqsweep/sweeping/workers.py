"""Starts workers on a cluster and waits for them. Imports no torch.

A worker is the command `seqsweep work FOLDER`. The folder says what is to train, and the cluster's
own scheduler starts, places and restarts the workers.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from seqsweep.console import say
from seqsweep.results.formatting import count
from seqsweep.runs.short_lock import short_lock
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.queue import QueuedRun

LAUNCHING = ".launching"
"""The lock of a process that counts workers and starts the missing ones."""

_POLL_SECONDS = 2.0

_PATIENCE = 3
"""The number of looks without a worker after which all are taken to have ended."""


class Workers(Protocol):
    """Identical workers of a cluster.

    Attributes:
        count: the wanted number of workers.
        detach: whether the command ends once the workers are started.
        options: options of `seqsweep work` for each worker.
    """

    count: int
    detach: bool
    options: Sequence[str]

    def start(self, folder: Path, count: int, command: Sequence[str]) -> str:
        """Starts workers; returns a line about them for the user.

        What `alive` needs to know is written into the folder before this returns.

        Args:
            folder: the sweep's folder.
            count: how many to start.
            command: the command of a worker.

        Raises:
            ValueError, OSError: the cluster refuses them, or cannot be reached.
        """
        ...

    def alive(self, folder: Path) -> int:
        """Returns how many workers of this folder wait or run in the cluster.

        Raises:
            OSError: the cluster does not answer.
        """
        ...


def train_by_workers(workers: Workers, runs: Sequence[QueuedRun], folder: Path) -> None:
    """Starts missing workers, and waits until the runs are over or no worker is left.

    Args:
        workers: the workers of a cluster.
        runs: the runs to train.
        folder: the sweep's folder, whose sweep.json lists the runs.

    Raises:
        ValueError, OSError: the cluster refuses the workers, or cannot be reached.
    """
    start_missing(workers, len(runs), folder)
    if workers.detach:
        return
    # A run that has failed too often is over: no worker tries it again.
    unseen, left = 0, [run for run in runs if not run.is_over()]
    # A worker that has just ended may leave runs to one that the cluster starts again.
    while unseen < _PATIENCE and left:
        time.sleep(_POLL_SECONDS)
        unseen = 0 if workers.alive(folder) else unseen + 1
        left = [run for run in left if not run.is_over()]


def wait_for_result(workers: Workers, runs: Sequence[QueuedRun], folder: Path) -> None:
    """Starts missing workers, and waits until one of the runs is over.

    It returns without a result if no worker is left.

    Args:
        workers: the workers of a cluster.
        runs: the runs to train; at least one.
        folder: the sweep's folder, whose sweep.json lists the runs.

    Raises:
        ValueError, OSError: the cluster refuses the workers, or cannot be reached.
    """
    if workers.alive(folder) < min(workers.count, len(runs)):
        start_missing(workers, len(runs), folder)
    unseen = 0
    while unseen < _PATIENCE and not any(run.is_over() for run in runs):
        time.sleep(_POLL_SECONDS)
        unseen = 0 if workers.alive(folder) else unseen + 1


def start_missing(workers: Workers, left: int, folder: Path) -> None:
    """Starts the missing workers, at most one for each run.

    Two commands at once start them once, because the second one counts those of the first.

    Raises:
        ValueError, OSError: the cluster refuses the workers, or cannot be reached.
    """
    with short_lock(folder, LAUNCHING):
        alive = workers.alive(folder)
        missing = min(workers.count, left) - alive
        if missing > 0:
            say(workers.start(folder, missing, worker_command(folder, workers.options)))
        else:
            say(f"{count(alive, 'worker')} of an earlier command alive: none is started")


def worker_command(folder: Path, options: Sequence[str] = ()) -> list[str]:
    """Returns the command of a worker, which may build what the sweep's configs name."""
    # Imported here, because reading the packaged configs takes a while.
    from seqsweep.training.saved_config import own_targets

    sweep = SweepFile.read(folder)
    values = {
        value
        for config in (sweep.configs.values() if sweep else ())
        for key, value in config.items()
        if key.rpartition(".")[2] == "_target_"
    }
    foreign = sorted(values - own_targets())
    allowed = [word for target in foreign for word in ("--allow", target)]
    return [sys.executable, "-m", "seqsweep", "work", str(folder.resolve()), *options, *allowed]
