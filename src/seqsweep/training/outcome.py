"""The ends of runs: done, failed, refused or interrupted. Imports no torch (which is slow)."""

import contextlib
import signal
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from seqsweep.errors import Interrupted, RunLocked
from seqsweep.runs.files import write_bytes
from seqsweep.runs.lock import RunLock, remove_lock_of_finished_run
from seqsweep.runs.record import Record, State
from seqsweep.runs.run_folder import RunFolder
from seqsweep.signals import handled
from seqsweep.training.limits import Limits
from seqsweep.training.planned_run import PlannedRun

STOP_FILE = ".stop"
"""A file in a sweep's folder: while it exists, no further member is started."""


@dataclass(frozen=True)
class Outcome:
    """A finished run, or a run that has paused at the limit of a search.

    Attributes:
        record: the content of record.json; empty for a run that has paused.
        trained: False if the run had been finished before.
        signum: a signal that came too late to stop this run, but must stop the caller.
    """

    folder: RunFolder
    record: Record
    trained: bool
    signum: int | None = None


def finished(run: PlannedRun, root: Path) -> Outcome | None:
    """Returns the outcome of a run that is done; None if it must be trained."""
    folder = RunFolder(root / run.run_id)
    # A run with `rerun` counts as unfinished until it has been trained again.
    record = None if run.config["rerun"] else folder.record()
    if record is None or not is_final(record.status, run.limits):
        return None
    remove_lock_of_finished_run(folder.path)  # of a process killed after it wrote the record
    return Outcome(folder, record, trained=False)


def is_final(status: State, limits: Limits | None) -> bool:
    """Returns whether the status in a record says that a run is done.

    A pruned run is done only for a search. Without limits, it is resumed to its real end.
    """
    return status != "pruned" or limits is not None


def monitored(record: Record) -> float | None:
    """Returns the value of a run's monitored metric for a sweeper, or None."""
    # A paused or diverged run has no metrics, and a run without validation lacks its monitor.
    return record.metrics.get(record.config.get("monitor", ""))


def record_refusal(run: PlannedRun, error: Exception, root: Path) -> None:
    """Writes why a run was refused, if no other process holds its lock."""
    folder = RunFolder(root / run.run_id)
    # Writing the reason may fail too, for example on a full disk.
    with contextlib.suppress(RunLocked, OSError), RunLock(folder.path):
        if finished(run, root) is None:
            folder.refuse(run.config, error)


def request_stop_if_configured(run: PlannedRun, root: Path) -> None:
    """Writes STOP_FILE after a failed run if `sweep.on_error` is `stop`."""
    if run.config["sweep"]["on_error"] == "stop":
        write_bytes(root / STOP_FILE, b"", sync=False)  # not `touch`, which follows a link


@contextmanager
def interruptible(
    signals: Collection[signal.Signals] = (signal.SIGTERM, signal.SIGHUP),
) -> Generator[None]:
    """Makes the signals raise Interrupted in the block, as Ctrl-C raises KeyboardInterrupt.

    The context is for the planning and the summary of a sweep. The training has its own handlers.
    """
    received: list[int] = []

    def interrupt(signum: int, frame: FrameType | None) -> None:
        received.append(signum)
        raise Interrupted(signum)

    with handled(signals, interrupt):
        yield
    # If a signal comes in a callback of the garbage collector, Python only prints its exception.
    if received:
        raise Interrupted(received[0])
