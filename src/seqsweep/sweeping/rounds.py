"""Launches the members of a sweep until each is done or has failed too often."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from seqsweep.live.display import Display
from seqsweep.runs.lock import is_locked
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.hydra_jobs import RunLauncher
from seqsweep.training.outcome import STOP_FILE, finished
from seqsweep.training.planned_run import PlannedRun


@dataclass(frozen=True)
class SweepMember:
    """A planned run of a sweep, with its Hydra overrides, folder and label."""

    overrides: Sequence[str]
    planned: PlannedRun
    folder: RunFolder
    label: str

    def is_done(self) -> bool:
        """Returns whether the run is done and `rerun` does not ask for it again."""
        return finished(self.planned, self.folder.path.parent) is not None


class Rounds:
    """Launches members until each is done or has failed too often.

    A member that another process is training is left out of a round and checked again after it. So
    two commands that sweep into one folder share the work, and both end with the whole table.

    Args:
        members: the members that are not done.
        launcher: trains the members of a round.
        folder: the sweep's folder.
        console: prints a line for each run, or the live table.
    """

    def __init__(
        self,
        members: Sequence[SweepMember],
        launcher: RunLauncher,
        folder: Path,
        console: Console,
    ) -> None:
        self.members = members
        self.launcher = launcher
        self.folder = folder
        self.console = console
        config = members[0].planned.config
        self.on_error = config["sweep"]["on_error"]
        self.tries = 1 + (config["sweep"]["retries"] if self.on_error == "retry" else 0)
        self.waits = config["when_locked"] == "wait"
        self.reruns = config["rerun"]
        self.records_before = {m.folder.run_id: _time_of_record(m) for m in members}
        self.failures_before = {m.folder.run_id: m.folder.attempts() for m in members}
        self.launches: Counter[str] = Counter()

    def run(self) -> None:
        """Trains the members.

        Raises:
            Interrupted: a signal came.
            ValueError, TypeError, OSError: the members could not be launched.
        """
        stop_file = self.folder / STOP_FILE
        stop_file.unlink(missing_ok=True)
        try:
            with Display([member.folder for member in self.members], self.console):
                members = list(self.members)
                while members:
                    self.launches.update(member.folder.run_id for member in members)
                    # Hydra composes a job from its own overrides, but the folder is named after the
                    # swept keys. So each job gets the folder as an override.
                    folder = f"hydra.sweep.dir='{self.folder}'"
                    jobs = [[*member.overrides, folder] for member in members]
                    self.launcher.launch(jobs, [m.planned for m in members], self.folder)
                    members = self._next()
        finally:
            stop_file.unlink(missing_ok=True)

    def _next(self) -> list[SweepMember]:
        """Returns the members of the next round. Blocks while other processes train the rest."""
        while True:
            left = [
                m for m in self.members if not self._is_done(m) and self._failures(m) < self.tries
            ]
            if self.on_error == "stop" and any(self._failures(m) for m in self.members):
                return []
            free = [member for member in left if not is_locked(member.folder.path)]
            if free or not left or not self.waits:
                return [member for member in free if self._may_start(member)]
            time.sleep(0.2)

    def _is_done(self, member: SweepMember) -> bool:
        """Returns whether a member is done.

        With `rerun`, a member is done if its record is newer than the sweep.
        """
        if not self.reruns:
            return member.is_done()
        return _time_of_record(member) != self.records_before[member.folder.run_id]

    def _failures(self, member: SweepMember) -> int:
        """Returns how often a member has failed in this sweep."""
        return member.folder.attempts() - self.failures_before[member.folder.run_id]

    def _may_start(self, member: SweepMember) -> bool:
        """Returns False after two launches that left neither a record nor failure.json."""
        silent = self.launches[member.folder.run_id] - self._failures(member)
        return silent < 2 or is_locked(member.folder.path)


def _time_of_record(member: SweepMember) -> int | None:
    """Returns when a member's record was written; None if it has no record."""
    path = member.folder.path / "record.json"
    return path.stat().st_mtime_ns if path.is_file() else None
