"""Launches a sweep's members, each until it is done or has failed often enough."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from seqsweep.live.display import Display
from seqsweep.runs.lock import is_locked
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.outcome import STOP_FILE, finished
from seqsweep.training.planned_run import PlannedRun

Launch = Callable[[Sequence[Sequence[str]], Sequence[PlannedRun]], Any]
"""Trains jobs, given their overrides and their members; returns when all of them have ended."""


@dataclass(frozen=True)
class SweepMember:
    """A member's overrides as Hydra takes them, its config, its folder and its name for people."""

    overrides: Sequence[str]
    planned: PlannedRun
    folder: RunFolder
    label: str

    def is_done(self) -> bool:
        return finished(self.planned, self.folder.path.parent) is not None


class Training:
    """Launches the members until each is done or has failed often enough.

    A member that another process trains is skipped and looked at again at the end. So two sweeps of
    one folder share the work, and both end with the whole table.

    Args:
        members: those that are not done.
        launch: gives jobs to Hydra's launcher.
        folder: of the sweep.
        console: for the line of each run.
    """

    def __init__(
        self, members: Sequence[SweepMember], launch: Launch, folder: Path, console: Console
    ) -> None:
        self.members = members
        self.launch = launch
        self.stop_file = folder / STOP_FILE
        self.console = console
        config = members[0].planned.config
        self.on_error = config["sweep"]["on_error"]
        self.tries = 1 + (config["sweep"]["retries"] if self.on_error == "retry" else 0)
        self.waits = config["locked"] == "wait"
        self.reruns = config["rerun"]
        self.records_before = {m.folder.run_id: _changed(m) for m in members}
        self.failures_before = {m.folder.run_id: m.folder.attempts() for m in members}
        self.launches: Counter[str] = Counter()

    def run(self) -> None:
        self.stop_file.unlink(missing_ok=True)
        try:
            with Display([member.folder for member in self.members], self.console):
                todo = list(self.members)
                while todo:
                    self.launches.update(member.folder.run_id for member in todo)
                    self.launch([m.overrides for m in todo], [m.planned for m in todo])
                    todo = self._next()
        finally:
            self.stop_file.unlink(missing_ok=True)

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
        """With `rerun`, returns True only for a record that is newer than the sweep."""
        if not self.reruns:
            return member.is_done()
        return _changed(member) != self.records_before[member.folder.run_id]

    def _failures(self, member: SweepMember) -> int:
        return member.folder.attempts() - self.failures_before[member.folder.run_id]

    def _may_start(self, member: SweepMember) -> bool:
        """Allows two launches that left neither a record nor failure.json, as after a kill."""
        silent = self.launches[member.folder.run_id] - self._failures(member)
        return silent < 2 or is_locked(member.folder.path)


def _changed(member: SweepMember) -> int | None:
    """Returns when the member's record was written; None while there is none."""
    path = member.folder.path / "record.json"
    return path.stat().st_mtime_ns if path.is_file() else None
