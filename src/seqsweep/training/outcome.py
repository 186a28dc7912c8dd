"""What comes of a run: its end, an error or a signal. Imports no torch."""

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.planned_run import PlannedRun

STOP_FILE = ".stop"
"""In a sweep's folder: no further member is to be started."""


class RunFailed(Exception):
    """Training failed after the run's folder was begun; the cause is the error."""

    def __init__(self, folder: Path, error: BaseException | str) -> None:
        if isinstance(error, str):
            super().__init__(f"the run diverged: {error} ({folder})")
        else:
            what = f"{type(error).__name__}: {error}"
            super().__init__(f"the run failed: {what} (traceback in {folder}/failure.json)")


class Interrupted(BaseException):
    """A signal ended the training at a batch boundary. Like KeyboardInterrupt, not an Exception."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signum).name}")
        self.exit_code = 128 + signum


@dataclass(frozen=True)
class Outcome:
    """A finished run.

    `trained` is False where its folder was complete already; `signum` is a signal that came too
    late to stop this run, but means whoever has more to do.
    """

    folder: RunFolder
    record: dict[str, Any]
    trained: bool
    signum: int | None = None


def finished(member: PlannedRun, root: Path) -> Outcome | None:
    """The run as it stands in `root`/run_id, if it is complete and `rerun` does not ask again."""
    folder = RunFolder(root / member.run_id)
    record = None if member.config["rerun"] else folder.record()
    return None if record is None else Outcome(folder, record, trained=False)


def monitored(record: dict[str, Any]) -> float | None:
    """The run's result in one number, for sweepers that read it."""
    return record.get("metrics", {}).get(record["config"]["monitor"])


def request_stop_if_configured(member: PlannedRun, root: Path) -> None:
    """A run has failed: no further one is started, if the sweep wants that."""
    if member.config["sweep"]["on_error"] == "stop":
        (root / STOP_FILE).touch()
