"""Writes a sweep's baselines, report and TensorBoard view from its run folders.

Report and view are renewed while the sweep runs, and completed when it ends. Imports no torch.
"""

import contextlib
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from seqsweep.pacing import pause_after
from seqsweep.results.report.write import (
    is_report_fresh,
    is_view_fresh,
    made_from,
    prove_view,
    write_report,
)
from seqsweep.runs.files import folders_with
from seqsweep.runs.ledger import Entry, read_folder
from seqsweep.runs.removing import remove_temporary
from seqsweep.sweeping.baselines import write_baselines
from seqsweep.training.planned_run import PlannedRun

SECONDS_BETWEEN = 15.0
"""The shortest time between two renewals of a running sweep."""

_ATTEMPTS = 3

_renewing = threading.Lock()
"""The lock of a thread that writes.

A fork takes the lock as well: a process that is forked while the thread holds other locks would
inherit them, and nothing would release them.
"""

os.register_at_fork(
    before=_renewing.acquire, after_in_parent=_renewing.release, after_in_child=_renewing.release
)


class Renewing:
    """Renews report and view during the block whenever more runs have ended.

    Args:
        every: the shortest pause in seconds. The pause is longer if a renewal takes long.
    """

    def __init__(self, folder: Path, every: float = SECONDS_BETWEEN) -> None:
        self.folder = folder
        self.every = every
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        # Runs that ended before the sweep began are in the report already, or are added at the end.
        self._counted = self._count_ended()

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
            with _renewing, contextlib.suppress(Exception):  # the end of the sweep reports it
                ended = self._count_ended()
                if ended == self._counted:
                    continue
                self._counted = ended
                _write(self.folder)
            # Writing competes with the training for the cores.
            wait = pause_after(time.perf_counter() - start, self.every)

    def _count_ended(self) -> int:
        return len(folders_with(self.folder, "record.json"))


def write_summary(
    members: Sequence[PlannedRun], folder: Path, entries: Sequence[Entry] = ()
) -> list[str]:
    """Brings baselines, report and TensorBoard view up to date.

    Files that are up to date are kept, which takes milliseconds.

    Args:
        members: the runs whose data the baselines are computed from.

    Returns:
        A line for each part that could not be written, with the reason, such as data that are gone,
        a full disk or a foreign file among the runs. Nothing is raised, because the runs are done.
    """
    parts = {
        "baselines": lambda: write_baselines(members, folder),
        "report": lambda: _renew_report(folder, entries),
        "TensorBoard view": lambda: _renew_view(folder, entries),
    }
    problems: list[str] = []
    for name, write in parts.items():
        try:
            write()
        # Each part is tried, because an error in one must not cost the others.
        except Exception as error:
            kind = "" if isinstance(error, (OSError, ValueError)) else f"{type(error).__name__}: "
            problems.append(f"no {name}: {kind}{error}")
    return problems


def _renew_report(folder: Path, entries: Sequence[Entry]) -> None:
    """Writes the report until it matches the records.

    A run may end while the report is written. Other processes that train in the folder write the
    report again when they end.
    """
    for _ in range(_ATTEMPTS):
        if is_report_fresh(folder, made_from(folder, entries or read_folder(folder))):
            return
        entries = ()
        # An earlier attempt may have been killed while it wrote.
        remove_temporary(folder)
        write_report(folder)


def _renew_view(folder: Path, entries: Sequence[Entry]) -> None:
    """Writes the TensorBoard view until it matches the records."""
    for _ in range(_ATTEMPTS):
        # Read first, so that a record that is written later makes the view stale.
        made = made_from(folder, entries or read_folder(folder))
        if is_view_fresh(folder, made):
            return
        entries = ()
        # Imported here, because a view that is up to date needs no pictures.
        from seqsweep.results.tensorboard.view import renew

        prove_view(folder, made, renew(folder).made)


def _write(folder: Path) -> None:
    """Writes report and view of a running sweep, without the pictures."""
    # Imported here, because a sweep may end before the first renewal.
    from seqsweep.results.tensorboard.view import renew

    write_report(folder)
    renew(folder, images=None)
