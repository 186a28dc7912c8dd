"""Writes a sweep's report, baselines and TensorBoard pages.

Renewed while the sweep runs and written when it ends, from the run folders alone. Imports no torch.
"""

import contextlib
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from seqsweep.results.report.freshness import is_report_fresh, is_view_fresh, made_from, prove_view
from seqsweep.runs.eventfiles import all_made_files
from seqsweep.runs.files import folders_with, remove_temporary
from seqsweep.runs.ledger import read_folder
from seqsweep.sweeping.baselines import write_baselines
from seqsweep.training.planned_run import PlannedRun

SECONDS_BETWEEN = 15.0
SHARE = 0.05
"""Of the time that renewing may take."""

_ATTEMPTS = 3

_renewing = threading.Lock()
"""Held while a thread writes: a process forked meanwhile would inherit half-held locks."""

os.register_at_fork(
    before=_renewing.acquire, after_in_parent=_renewing.release, after_in_child=_renewing.release
)


class Renewing:
    """While the block runs, renews report and view now and then, if a run has ended meanwhile.

    Args:
        folder: of the sweep.
        every: seconds between two renewals at least; longer where one takes long.
    """

    def __init__(self, folder: Path, every: float = SECONDS_BETWEEN) -> None:
        self.folder = folder
        self.every = every
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self._seen = self._ended()

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopped.set()
        self.thread.join()

    def _run(self) -> None:
        wait = self.every
        while not self.stopped.wait(wait):
            start = time.perf_counter()
            with _renewing, contextlib.suppress(Exception):  # said at the end
                ended = self._ended()
                if ended == self._seen:
                    continue
                self._seen = ended
                _write(self.folder)
            wait = max(self.every, (time.perf_counter() - start) / SHARE)

    def _ended(self) -> int:
        return len(folders_with(self.folder, "record.json"))


def write_summary(members: Sequence[PlannedRun], folder: Path) -> list[str]:
    """Brings baselines, report and TensorBoard's pages up to date with the records of a sweep.

    What fits them already is left alone, which takes milliseconds.

    Returns what could not be written, and why: the runs are what counts, so nothing is raised,
    for data that are gone, a full disk or a foreign file among the runs.
    """
    parts = {
        "baselines": lambda: write_baselines(members, folder),
        "report": lambda: _renew_report(folder),
        "TensorBoard view": lambda: _renew_view(folder),
    }
    problems: list[str] = []
    for name, write in parts.items():
        try:
            write()
        except Exception as error:
            kind = "" if isinstance(error, (OSError, ValueError)) else f"{type(error).__name__}: "
            problems.append(f"no {name}: {kind}{error}")
    return problems


def _renew_report(folder: Path) -> None:
    """Writes the report until it fits the records: a run may end meanwhile.

    While others train in the folder it may not fit for long. They write it again at their end.
    """
    for _ in range(_ATTEMPTS):
        if is_report_fresh(folder, _records(folder)):
            return
        from seqsweep.results.report.write import (
            write_report,  # a report that fits needs no plotting
        )

        remove_temporary(folder)
        write_report(folder)


def _renew_view(folder: Path) -> None:
    """Writes TensorBoard's view in the same way."""
    for _ in range(_ATTEMPTS):
        made = _records(folder)  # first: what changes later makes the view stale
        if is_view_fresh(folder, made, all_made_files(folder)):
            return
        from seqsweep.results.tensorboard.view import renew  # as above

        prove_view(folder, made, renew(folder).made)


def _records(folder: Path) -> str:
    return made_from(folder, read_folder(folder))


def _write(folder: Path) -> None:
    # Imported here: as above.
    from seqsweep.results.report.write import write_report
    from seqsweep.results.tensorboard.view import renew

    write_report(folder)
    renew(folder, images=None)
