"""The outcome of a run. Imports no torch."""

import contextlib
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqsweep.runs.lock import Locked, RunLock
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.limits import Limits
from seqsweep.training.planned_run import PlannedRun

STOP_FILE = ".stop"
"""A file in a sweep's folder: while it exists, no further member is started."""


class RunFailed(Exception):
    """Training failed after the run had begun; `__cause__` is the error."""

    def __init__(self, folder: Path, error: BaseException | str) -> None:
        if isinstance(error, str):
            super().__init__(f"the run diverged: {error} ({folder})")
        else:
            what = f"{type(error).__name__}: {error}"
            super().__init__(f"the run failed: {what} (traceback in {folder}/failure.json)")


class Interrupted(BaseException):
    """A signal ended the training. Like KeyboardInterrupt, it is not an Exception."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signum).name}")
        self.exit_code = 128 + signum


@dataclass(frozen=True)
class Outcome:
    """A finished run, or one that has paused at the limit of a search.

    Attributes:
        record: the content of record.json; empty for a run that has paused.
        trained: False if the folder was complete already.
        signum: a signal that came too late to stop this run, but ends what the caller does next.
    """

    folder: RunFolder
    record: dict[str, Any]
    trained: bool
    signum: int | None = None


def finished(member: PlannedRun, root: Path) -> Outcome | None:
    """Returns the outcome of a finished run, unless `rerun` is set."""
    folder = RunFolder(root / member.run_id)
    # A run with `rerun` counts as unfinished until it has been trained again.
    record = None if member.config["rerun"] else folder.record()
    if record is None or not is_final(record["status"], member.limits):
        return None
    return Outcome(folder, record, trained=False)


def is_final(status: str | None, limits: Limits | None) -> bool:
    """Returns whether the status in a record says that a run is done.

    A pruned run is done for a search only. Without limits, it is resumed to its real end.
    """
    return status is not None and (status != "pruned" or limits is not None)


def monitored(record: dict[str, Any]) -> float | None:
    """Returns the run's result as one number, for sweepers that read it."""
    if not record:  # the run has paused
        return None
    # A diverged run has no metrics, and a run without validation lacks its monitor.
    return record.get("metrics", {}).get(record["config"]["monitor"])


def record_refusal(member: PlannedRun, error: Exception, root: Path) -> None:
    """Writes why a run was refused, if no other process has it."""
    folder = RunFolder(root / member.run_id)
    # The folder itself may be what cannot be written, for example on a full disk.
    with contextlib.suppress(Locked, OSError), RunLock(folder.path):
        if finished(member, root) is None:
            folder.refuse(member.config, error)


def request_stop_if_configured(member: PlannedRun, root: Path) -> None:
    """Ends the sweep after a failed run if `sweep.on_error` is `stop`."""
    if member.config["sweep"]["on_error"] == "stop":
        (root / STOP_FILE).touch()
